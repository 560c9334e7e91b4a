/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The qtest protocol's socket: lines in, one answer each, in order, and IRQ lines between them. An
 * access whose device answers later holds up the lines behind it, as it would hold up a vCPU; the
 * loop runs on. What the requests do is in qtest_verbs.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/machine/machine.h"
#include "dm/machine/qtest_verbs.h"

#define INPUT_MOST (64 * MIB) /* of one line: a test may write much memory at once */
#define READ_BYTES 65536u
#define OUTPUT_ENOUGH (4 * MIB) /* nothing more is taken while so much waits to be read */

static void process(struct qtest *q);

/* ---- Output ---- */

static void hang_up(struct qtest *q)
{
    watch_close(q->watch);
    q->watch = NULL;
    if (q->machine)
        bare_listen(q->machine->bare, NULL, NULL);
}

static void flush(struct qtest *q);

static void before_sleep(void *arg)
{
    struct qtest *q = arg;

    if (q->out_length && q->watch)
        flush(q);
}

static void listen_for(struct qtest *q)
{
    if (q->watch)
        watch_set(q->watch, (q->busy || q->out_length >= OUTPUT_ENOUGH ? 0 : WATCH_READ) |
                                (q->out_length ? WATCH_WRITE : 0));
}

static void flush(struct qtest *q)
{
    size_t sent = 0;

    while (q->watch && sent < q->out_length) {
        ssize_t n = send(q->fd, q->out + sent, q->out_length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            hang_up(q);
        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    if (sent) {
        q->out_length -= sent;
        memmove(q->out, q->out + sent, q->out_length);
    }
    listen_for(q);
}

char *qtest_room(struct qtest *q, size_t n)
{
    size_t room = MAX(q->out_room, 4096u);
    char *out;

    while (room - q->out_length < n)
        room *= 2;
    if (room != q->out_room) {
        out = realloc(q->out, room);
        if (!out) {
            log_error("qtest: out of memory for an answer");
            abort(); /* a test that lacks an answer waits for ever */
        }
        q->out = out;
        q->out_room = room;
    }
    out = q->out + q->out_length;
    q->out_length += n;
    return out;
}

void qtest_say(struct qtest *q, const char *format, ...)
{
    char text[600];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text) - 1, format, args);
    va_end(args);
    n = (int)MIN((size_t)n, sizeof(text) - 2);
    text[n++] = '\n';
    memcpy(qtest_room(q, (size_t)n), text, (size_t)n);
}

/* ---- Input ---- */

void qtest_go_on(struct qtest *q)
{
    q->busy = false;
    process(q);
}

static void process(struct qtest *q)
{
    size_t done = 0;

    while (!q->busy && q->watch) {
        char *line = q->in + done;
        char *end = memchr(q->in + q->scanned, '\n', q->in_length - q->scanned);

        if (!end)
            break;
        *end = 0;
        if (end > line && end[-1] == '\r')
            end[-1] = 0;
        done = q->scanned = (size_t)(end - q->in) + 1;
        qtest_run(q, line);
    }
    if (done) {
        q->in_length -= done;
        memmove(q->in, q->in + done, q->in_length);
    }
    q->scanned = q->busy ? 0 : q->in_length;
    flush(q);
}

static bool make_room(struct qtest *q)
{
    size_t room = q->in_room ? 2 * q->in_room : 2 * READ_BYTES;
    char *in;

    if (q->in_room - q->in_length >= READ_BYTES)
        return true;
    in = room > INPUT_MOST ? NULL : realloc(q->in, room);
    if (!in)
        return false;
    q->in = in;
    q->in_room = room;
    return true;
}

static void on_socket(void *arg, unsigned events)
{
    struct qtest *q = arg;
    ssize_t n;

    if (events & WATCH_WRITE)
        flush(q);
    if (!(events & (WATCH_READ | WATCH_HANGUP)) || !q->watch)
        return;
    if (!make_room(q)) {
        qtest_say(q, "FAIL a line of more than %llu bytes", INPUT_MOST / 2);
        flush(q);
        hang_up(q);
        return;
    }
    n = recv(q->fd, q->in + q->in_length, q->in_room - q->in_length, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { /* the machine stays, for QMP */
        hang_up(q);
        return;
    }
    q->in_length += (size_t)n;
    process(q);
}

/* ---- Open and close ---- */

int qtest_open(struct qtest **out, struct loop *loop, const char *path, struct error *err)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    struct qtest *q = calloc(1, sizeof(*q));
    int rc = 0;

    if (!q)
        return error_set(err, -ENOMEM, "qtest: out of memory");
    q->loop = loop;
    q->hook = (struct hook){ .fn = before_sleep, .arg = q };
    loop_add_hook(loop, &q->hook);
    q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (q->fd < 0)
        rc = error_errno(err, "open the qtest socket");
    else if (strlen(path) >= sizeof(sun.sun_path))
        rc = error_set(err, -ENAMETOOLONG, "-qtest unix:%s: the path is too long", path);
    if (rc == 0) {
        strcpy(sun.sun_path, path);
        if (connect(q->fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
            rc = error_errno(err, "connect to the test at %s", path);
    }
    if (rc == 0)
        rc = watch_open(&q->watch, loop, q->fd, WATCH_READ, on_socket, q, err);
    if (rc < 0) {
        qtest_close(q);
        return rc;
    }
    *out = q;
    return 0;
}

void qtest_set_machine(struct qtest *q, struct machine *machine)
{
    q->machine = machine;
}

void qtest_close(struct qtest *q)
{
    if (!q)
        return;
    if (q->watch)
        hang_up(q);
    loop_remove_hook(q->loop, &q->hook);
    if (q->fd >= 0)
        close(q->fd);
    free(q->in);
    free(q->out);
    free(q);
}
