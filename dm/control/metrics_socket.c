/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The metrics' socket: whoever connects and asks gets one HTTP answer and is hung up on. Few
 * clients at a time, a short time each, and nothing is kept for one who does not read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/control/metrics.h"
#include "dm/machine/machine.h"

#define CLIENTS_MOST 8
#define REQUEST_MOST 8192 /* bytes of a request, of which only the end is looked for */
#define PATIENCE_NS (5 * NS_PER_SEC)

struct client {
    struct metrics_socket *socket;
    int fd; /* -1: nobody */
    struct watch *watch;
    struct timer patience;
    char tail[4]; /* what came last */
    unsigned got;
    bool asked; /* the metrics are being collected; the client stays until they are */
    char *text; /* the answer */
    size_t length, sent;
};

struct metrics_socket {
    struct machine *machine;
    char *path;
    int fd;
    struct watch *watch;
    struct client clients[CLIENTS_MOST];
};

static void hang_up(struct client *c)
{
    watch_close(c->watch);
    timer_clear(&c->patience);
    if (c->fd >= 0)
        close(c->fd);
    free(c->text);
    c->watch = NULL;
    c->text = NULL;
    c->fd = -1;
}

static void out_of_patience(void *arg)
{
    hang_up(arg);
}

static void send_on(struct client *c)
{
    ssize_t n = send(c->fd, c->text + c->sent, c->length - c->sent, MSG_NOSIGNAL);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    c->sent += n > 0 ? (size_t)n : 0;
    if (n <= 0 || c->sent == c->length)
        hang_up(c);
}

static void answer(void *arg, json_t *list)
{
    struct client *c = arg;
    char *body = metrics_text(list);
    int n = -1;

    json_decref(list);
    c->asked = false;
    if (c->fd >= 0 && body)
        n = asprintf(&c->text, "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
                               "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                     strlen(body), body);
    free(body);
    if (n < 0) {
        c->text = NULL;
        hang_up(c);
        return;
    }
    c->length = (size_t)n;
    c->sent = 0;
    watch_set(c->watch, WATCH_WRITE);
    send_on(c);
}

static void on_client(void *arg, unsigned events)
{
    struct client *c = arg;
    char bytes[512];
    ssize_t n;

    if (c->text) {
        send_on(c);
        return;
    }
    n = read(c->fd, bytes, sizeof(bytes));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || (c->got += (unsigned)n) > REQUEST_MOST) {
        hang_up(c);
        return;
    }
    for (ssize_t i = 0; i < n && memcmp(c->tail, "\r\n\r\n", 4); i++) {
        memmove(c->tail, c->tail + 1, 3);
        c->tail[3] = bytes[i];
    }
    if (!memcmp(c->tail, "\r\n\r\n", 4) && !c->asked) {
        c->asked = true;
        watch_set(c->watch, 0);
        metrics_collect(c->socket->machine, answer, c);
    }
}

static void on_connect(void *arg, unsigned events)
{
    struct metrics_socket *s = arg;
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct client *c = s->clients;
    struct error err;

    if (fd < 0)
        return;
    while (c < s->clients + CLIENTS_MOST && (c->fd >= 0 || c->asked))
        c++;
    if (c == s->clients + CLIENTS_MOST) {
        close(fd);
        return;
    }
    *c = (struct client){ .socket = s, .fd = fd };
    timer_init(&c->patience, s->machine->loop, out_of_patience, c);
    if (watch_open(&c->watch, s->machine->loop, fd, WATCH_READ, on_client, c, &err) < 0) {
        log_warn("metrics: %s", err.text);
        hang_up(c);
        return;
    }
    timer_set_in(&c->patience, PATIENCE_NS);
}

int metrics_open(struct metrics_socket **out, struct machine *m, const char *path,
                 struct error *err)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct metrics_socket *s;
    struct stat st;
    int rc;

    if (strlen(path) >= sizeof(addr.sun_path))
        return error_set(err, -ENAMETOOLONG, "-x-metrics %s: a socket's path has at most %zu bytes",
                         path, sizeof(addr.sun_path) - 1);
    s = calloc(1, sizeof(*s));
    if (!s)
        return error_set(err, -ENOMEM, "-x-metrics: out of memory");
    s->machine = m;
    for (unsigned i = 0; i < CLIENTS_MOST; i++)
        s->clients[i].fd = -1;
    strcpy(addr.sun_path, path);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) /* left by one that was killed */
        unlink(path);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(s->fd, CLIENTS_MOST) < 0) {
        rc = error_errno(err, "-x-metrics: listen on %s", path);
        metrics_close(s);
        return rc;
    }
    s->path = strdup(path);
    rc = watch_open(&s->watch, m->loop, s->fd, WATCH_READ, on_connect, s, err);
    if (rc < 0) {
        metrics_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void metrics_close(struct metrics_socket *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < CLIENTS_MOST; i++)
        hang_up(&s->clients[i]);
    watch_close(s->watch);
    if (s->fd >= 0)
        close(s->fd);
    if (s->path)
        unlink(s->path);
    free(s->path);
    free(s);
}
