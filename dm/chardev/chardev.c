/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A byte stream over one or two descriptors: a bounded buffer for output, and input read only as
 * fast as the user has room.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/tape.h"
#include "dm/chardev/internal.h"

#define READ_MOST 1024
#define TELNET_IAC 255

int chardev_open(struct chardev **out, struct loop *loop, const struct chardev_config *config,
                 struct error *err)
{
    struct chardev *cd = calloc(1, sizeof(*cd));
    int rc;

    if (!cd)
        return error_set(err, -ENOMEM, "chardev %s: out of memory", config->id);
    cd->in = cd->out = cd->listener = cd->slave = cd->connecting = -1;
    cd->loop = loop;
    cd->config = *config;
    cd->id = strdup(config->id);
    cd->path = config->path ? strdup(config->path) : NULL;
    cd->host = config->host ? strdup(config->host) : NULL;
    cd->port = config->port ? strdup(config->port) : NULL;
    cd->config.id = cd->id;
    cd->config.path = cd->path;
    cd->config.host = cd->host;
    cd->config.port = cd->port;
    cd->telnet = config->telnet;
    rc = chardev_open_kind(cd, err);
    if (rc < 0) {
        chardev_close(cd);
        return rc;
    }
    *out = cd;
    return 0;
}

static void flush(struct chardev *cd);

void chardev_close(struct chardev *cd)
{
    if (!cd)
        return;
    flush(cd);
    chardev_down(cd);
    chardev_close_kind(cd);
    free(cd->buffer);
    free(cd->id);
    free(cd->filename);
    free(cd->path);
    free(cd->host);
    free(cd->port);
    free(cd);
}

const char *chardev_id(const struct chardev *cd)
{
    return cd->id;
}

const char *chardev_filename(const struct chardev *cd)
{
    return cd->filename ? cd->filename : "";
}

bool chardev_connected(const struct chardev *cd)
{
    return cd->out >= 0;
}

/* ---- Input ---- */

/* Takes telnet's commands out of the bytes; returns how many are left. */
static size_t strip_telnet(struct chardev *cd, uint8_t *bytes, size_t count)
{
    enum { PLAIN, COMMAND, OPTION, SUB, SUB_COMMAND };
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        uint8_t c = bytes[i];

        switch (cd->telnet_state) {
        case PLAIN:
            if (c == TELNET_IAC)
                cd->telnet_state = COMMAND;
            else if (c) /* a newline comes as CR NUL */
                bytes[kept++] = c;
            break;
        case COMMAND:
            if (c == TELNET_IAC)
                bytes[kept++] = c;
            cd->telnet_state = c == 250 ? SUB : c >= 251 && c <= 254 ? OPTION : PLAIN;
            break;
        case OPTION:
            cd->telnet_state = PLAIN;
            break;
        case SUB:
            if (c == TELNET_IAC)
                cd->telnet_state = SUB_COMMAND;
            break;
        default:
            cd->telnet_state = c == 240 ? PLAIN : SUB;
        }
    }
    return kept;
}

static size_t room(const struct chardev *cd)
{
    return cd->user && cd->user->room ? cd->user->room(cd->owner) : 0;
}

/* ---- What reaches the user ---- */

void chardev_deliver(struct chardev *cd, const uint8_t *bytes, size_t count)
{
    struct tape *tape;

    if (!cd->user)
        return;
    tape = tape_event(TAPE_BYTES, cd->config.id);
    tape_bytes(tape, bytes, count);
    cd->user->receive(cd->owner, bytes, count);
    tape_end(tape);
}

void chardev_tell_drained(struct chardev *cd)
{
    struct tape *tape;

    if (!cd->user || !cd->user->drained)
        return;
    tape = tape_event(TAPE_DRAINED, cd->config.id);
    cd->user->drained(cd->owner);
    tape_end(tape);
}

void chardev_tell_connected(struct chardev *cd, bool up)
{
    struct tape *tape;

    if (!cd->user || !cd->user->connected)
        return;
    tape = tape_event(TAPE_CONNECTED, cd->config.id);
    tape_number(tape, up);
    cd->user->connected(cd->owner, up);
    tape_end(tape);
}

static size_t buffered(const struct chardev *cd)
{
    return cd->tail - cd->head;
}

static void listen_for(struct chardev *cd)
{
    if (cd->in_watch)
        watch_set(cd->in_watch, (cd->paused ? 0 : WATCH_READ) |
                                    (cd->in == cd->out && buffered(cd) ? WATCH_WRITE : 0));
}

/*
 * The peer has hung up, but its last bytes are still to be read, and there is no room: look again
 * when there is. What was to go to the peer is lost.
 */
static void park(struct chardev *cd)
{
    watch_close(cd->in_watch);
    cd->in_watch = NULL;
    cd->paused = true;
    cd->head = cd->tail = 0;
    chardev_tell_drained(cd);
}

static void on_input(void *arg, unsigned events)
{
    struct chardev *cd = arg;
    uint8_t bytes[READ_MOST];
    size_t most = room(cd);
    ssize_t n;

    if (!most && !(events & WATCH_HANGUP)) {
        cd->paused = true;
        listen_for(cd);
        return;
    }
    if (!most && cd->user && !cd->config.reconnect) {
        park(cd);
        return;
    }
    n = read(cd->in, bytes, most ? MIN(most, sizeof(bytes)) : sizeof(bytes));
    if (n > 0) {
        size_t count = cd->telnet ? strip_telnet(cd, bytes, (size_t)n) : (size_t)n;

        if (count && most)
            chardev_deliver(cd, bytes, count);
        return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    chardev_down(cd);
}

/* ---- Output ---- */

static void on_output(void *arg, unsigned events)
{
    struct chardev *cd = arg;

    flush(cd);
    if (!buffered(cd))
        chardev_tell_drained(cd);
}

static void want_output(struct chardev *cd)
{
    bool wants = buffered(cd) != 0;

    if (cd->in == cd->out) {
        listen_for(cd);
        return;
    }
    if (wants && !cd->out_watch && cd->out >= 0)
        watch_open(&cd->out_watch, cd->loop, cd->out, WATCH_WRITE, on_output, cd, NULL);
    else if (!wants && cd->out_watch) {
        watch_close(cd->out_watch);
        cd->out_watch = NULL;
    }
}

static void flush(struct chardev *cd)
{
    while (cd->out >= 0 && buffered(cd)) {
        uint32_t at = cd->head % OUTPUT_BYTES;
        ssize_t n = write(cd->out, cd->buffer + at, MIN(buffered(cd), OUTPUT_BYTES - at));

        if (n <= 0)
            break;
        cd->head += (uint32_t)n;
    }
    want_output(cd);
}

static size_t put(struct chardev *cd, const uint8_t *bytes, size_t count)
{
    size_t taken = 0;

    if (!cd->buffer)
        cd->buffer = malloc(OUTPUT_BYTES);
    if (!cd->buffer)
        return 0;
    for (; taken < count; taken++) {
        if (buffered(cd) == OUTPUT_BYTES) {
            if (!cd->keep_latest)
                break;
            cd->head++;
        }
        cd->buffer[cd->tail++ % OUTPUT_BYTES] = bytes[taken];
    }
    return taken;
}

static size_t write_out(struct chardev *cd, const void *bytes, size_t count)
{
    const uint8_t *p = bytes;
    ssize_t n = 0;
    size_t taken;

    if (cd->out < 0)
        return count; /* nobody there: lost, as on a wire */
    if (!buffered(cd)) {
        n = write(cd->out, p, count);
        if (n == (ssize_t)count)
            return count;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return count; /* the reader is gone; the watch will say so */
        if (n < 0)
            n = 0;
    }
    taken = put(cd, p + n, count - (size_t)n);
    want_output(cd);
    return (size_t)n + taken;
}

size_t chardev_write(struct chardev *cd, const void *bytes, size_t count)
{
    size_t taken = write_out(cd, bytes, count);

    tape_reply(&taken, sizeof(taken));
    return taken;
}

/* ---- Up and down ---- */

static void on_both(void *arg, unsigned events)
{
    struct chardev *cd = arg;

    if (events & WATCH_WRITE)
        on_output(cd, events);
    if (events & (WATCH_READ | WATCH_HANGUP) && cd->in >= 0)
        on_input(cd, events);
}

static int watch_input(struct chardev *cd, struct error *err)
{
    if (cd->in < 0)
        return 0;
    return watch_open(&cd->in_watch, cd->loop, cd->in, WATCH_READ,
                      cd->in == cd->out ? on_both : on_input, cd, err);
}

int chardev_up(struct chardev *cd, int in, int out, struct error *err)
{
    int rc;

    cd->in = in;
    cd->out = out;
    cd->paused = false;
    rc = watch_input(cd, err);
    if (rc < 0)
        return rc;
    if (cd->telnet && out >= 0) { /* we echo, we go on without being asked, no line mode */
        static const uint8_t hello[] = { 255, 251, 1, 255, 251, 3, 255, 252, 34 };

        chardev_write(cd, hello, sizeof(hello));
    }
    chardev_tell_connected(cd, true);
    return 0;
}

void chardev_down(struct chardev *cd)
{
    bool was = cd->in >= 0 || cd->out >= 0;

    watch_close(cd->in_watch);
    watch_close(cd->out_watch);
    cd->in_watch = cd->out_watch = NULL;
    if (cd->out > STDERR_FILENO && cd->out != cd->in)
        close(cd->out);
    if (cd->in > STDERR_FILENO)
        close(cd->in);
    cd->in = cd->out = -1;
    cd->head = cd->tail = 0;
    cd->telnet_state = 0;
    if (!was)
        return;
    chardev_tell_connected(cd, false);
    chardev_tell_drained(cd); /* a sender that waited for room need not any more */
    if (cd->reconnect.loop && cd->config.reconnect)
        timer_set_in(&cd->reconnect, cd->config.reconnect * 1000000000ull);
}

void chardev_attach(struct chardev *cd, const struct chardev_user *user, void *owner)
{
    cd->user = user;
    cd->owner = owner;
    chardev_accept(cd);
}

void chardev_detach(struct chardev *cd)
{
    cd->user = NULL;
}

bool chardev_used(const struct chardev *cd)
{
    return cd->user;
}

void chardev_accept(struct chardev *cd)
{
    struct error err;

    if (!cd->paused || !room(cd))
        return;
    cd->paused = false;
    if (cd->in_watch || watch_input(cd, &err) == 0)
        listen_for(cd);
    else
        log_warn("chardev %s: %s", cd->id, err.text);
}
