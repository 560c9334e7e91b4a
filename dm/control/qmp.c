/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP's framing. A command is complete with its closing brace, whatever follows (xentop sends no
 * newline); an answer ends with CR LF, which libxl splits at. A descriptor that came with a byte
 * belongs to the command that byte is part of.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/control/fdsets.h"
#include "dm/control/qmp.h"

#define INPUT_MOST MIB
#define OUTPUT_MOST (4 * MIB)
#define CLIENTS_MOST 16

struct listener {
    struct listener *next;
    struct qmp *qmp;
    int fd;
    struct watch *watch;
    char *path; /* to unlink; NULL: none */
    bool events;
};

struct qmp_client {
    struct qmp_client *next;
    struct qmp *qmp;
    int fd;
    struct watch *watch;
    bool events, negotiated, closing;
    struct command *running; /* its answer is still to come: nothing more is read meanwhile */
    int pending_fd;
    char *in;
    size_t in_length, in_room;
    size_t scanned; /* bytes looked at for the end of the command */
    unsigned depth;
    bool in_text, escaped, garbage;
    char *out;
    size_t out_length, out_room;
};

struct qmp {
    struct loop *loop;
    struct machine *machine;
    struct fdsets *fdsets;
    struct listener *listeners;
    struct qmp_client *clients;
    unsigned client_count;
    struct timer again; /* due at once: clients to go on with, or to drop */
};

static void process(struct qmp_client *c);
static void go_on(void *arg);

int qmp_open(struct qmp **out, struct loop *loop, struct error *err)
{
    struct qmp *q = calloc(1, sizeof(*q));

    if (!q)
        return error_set(err, -ENOMEM, "QMP: out of memory");
    q->loop = loop;
    timer_init(&q->again, loop, go_on, q);
    q->fdsets = fdsets_new();
    if (!q->fdsets) {
        free(q);
        return error_set(err, -ENOMEM, "QMP: out of memory");
    }
    *out = q;
    return 0;
}

void qmp_set_machine(struct qmp *q, struct machine *machine)
{
    q->machine = machine;
}

struct fdsets *qmp_fdsets(struct qmp *q)
{
    return q->fdsets;
}

void qmp_end_loop(struct qmp *q)
{
    loop_stop(q->loop);
}

/* ---- Output ---- */

static void client_drop(struct qmp_client *c)
{
    for (struct qmp_client **at = &c->qmp->clients; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    if (!--c->qmp->client_count)
        fdsets_purge(c->qmp->fdsets);
    if (c->running)
        c->running->client = NULL;
    watch_close(c->watch);
    close(c->fd);
    if (c->pending_fd >= 0)
        close(c->pending_fd);
    free(c->in);
    free(c->out);
    free(c);
}

static void listen_for(struct qmp_client *c)
{
    watch_set(c->watch, (c->running ? 0 : WATCH_READ) | (c->out_length ? WATCH_WRITE : 0));
}

static void client_flush(struct qmp_client *c)
{
    while (c->out_length) {
        ssize_t n = send(c->fd, c->out, c->out_length, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            c->closing = true;
        if (n <= 0)
            break;
        c->out_length -= (size_t)n;
        memmove(c->out, c->out + n, c->out_length);
    }
    listen_for(c);
}

/* Not at once: the client may be in use further up the stack. */
static void client_give_up(struct qmp_client *c)
{
    c->closing = true;
    timer_set_in(&c->qmp->again, 0);
}

static void client_send(struct qmp_client *c, const char *text)
{
    size_t n = strlen(text);

    if (c->closing)
        return;
    if (c->out_length + n + 2 > OUTPUT_MOST) {
        log_warn("a QMP client does not read its answers; it is disconnected");
        client_give_up(c);
        return;
    }
    if (c->out_length + n + 2 > c->out_room) {
        size_t room = MAX(2 * c->out_room, c->out_length + n + 2);
        char *out = realloc(c->out, room);

        if (!out) {
            client_give_up(c);
            return;
        }
        c->out = out;
        c->out_room = room;
    }
    memcpy(c->out + c->out_length, text, n);
    memcpy(c->out + c->out_length + n, "\r\n", 2);
    c->out_length += n + 2;
    client_flush(c);
}

static void send_json(struct qmp_client *c, json_t *message)
{
    char *text = message ? json_dumps(message, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

    if (text)
        client_send(c, text);
    else
        client_give_up(c);
    free(text);
    json_decref(message);
}

static void greet(struct qmp_client *c)
{
    send_json(c, json_pack("{s:{s:{s:{s:i,s:i,s:i},s:s},s:[]}}", "QMP", "version", "qemu",
                           "micro", QEMU_MICRO, "minor", QEMU_MINOR, "major", QEMU_MAJOR,
                           "package", "xen-dm", "capabilities"));
}

void qmp_event(struct qmp *q, const char *name, json_t *data)
{
    struct timeval now;

    gettimeofday(&now, NULL);
    for (struct qmp_client *c = q->clients, *next; c; c = next) {
        json_t *event;

        next = c->next;
        if (!c->events || !c->negotiated)
            continue;
        event = json_pack("{s:{s:I,s:I},s:s}", "timestamp", "seconds", (json_int_t)now.tv_sec,
                          "microseconds", (json_int_t)now.tv_usec, "event", name);
        if (event && data)
            json_object_set(event, "data", data);
        send_json(c, event);
    }
    json_decref(data);
}

/* ---- Answers ---- */

static void finish(struct command *cmd, json_t *message)
{
    struct qmp_client *c = cmd->client;

    if (c) {
        c->running = NULL;
        if (cmd->id && message)
            json_object_set(message, "id", cmd->id);
        send_json(c, message);
    } else {
        json_decref(message);
    }
    if (cmd->fd >= 0)
        close(cmd->fd);
    json_decref(cmd->id);
    json_decref(cmd->arguments);
    free(cmd);
}

static void go_on(void *arg)
{
    struct qmp *q = arg;

    for (struct qmp_client *c = q->clients, *next; c; c = next) {
        next = c->next;
        if (!c->running)
            process(c);
    }
}

void command_return(struct command *cmd, json_t *result)
{
    struct qmp *q = cmd->qmp;

    if (cmd->human && !json_is_string(result)) {
        json_decref(result);
        result = json_string("");
    }
    finish(cmd, json_pack("{s:o}", "return", result ? result : json_object()));
    timer_set_in(&q->again, 0); /* what came meanwhile */
}

static void fail_text(struct command *cmd, const char *class, const char *text)
{
    struct qmp *q = cmd->qmp;

    if (cmd->human)
        finish(cmd, json_pack("{s:o}", "return", json_sprintf("Error: %s\r\n", text)));
    else
        finish(cmd, json_pack("{s:{s:s,s:s}}", "error", "class", class, "desc", text));
    timer_set_in(&q->again, 0);
}

/* A path may hold any bytes, and a text cut at its end half a letter; JSON takes neither. */
static void make_utf8(char *text)
{
    json_t *whole = json_string(text);

    for (char *p = text; !whole && *p; p++)
        if (*p & 0x80)
            *p = '?';
    json_decref(whole);
}

void command_fail(struct command *cmd, const char *class, const char *format, ...)
{
    char text[600];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    make_utf8(text);
    fail_text(cmd, class, text);
}

/* ---- Judging and running a command ---- */

static bool type_fits(char type, const json_t *value)
{
    switch (type) {
    case 's':
        return json_is_string(value);
    case 'b':
        return json_is_boolean(value);
    case 'i':
        return json_is_integer(value);
    default:
        return true;
    }
}

/* Finds `name` in an argument list such as "id:s force:b?"; its type, and whether it may lack. */
static bool described(const char *list, const char *name, char *type)
{
    size_t n = strlen(name);

    for (const char *p = list; *p;) {
        size_t word = strcspn(p, " ");

        if (word > n && !strncmp(p, name, n) && p[n] == ':') {
            *type = p[n + 1];
            return true;
        }
        p += word + (p[word] == ' ');
    }
    return false;
}

static bool arguments_fit(struct command *cmd, const char *list)
{
    bool any = strchr(list, '*') != NULL;
    const char *name;
    json_t *value;
    char type;

    json_object_foreach(cmd->arguments, name, value) {
        if (described(list, name, &type)) {
            if (type_fits(type, value))
                continue;
            command_fail(cmd, "GenericError", "Invalid parameter type for '%s'", name);
            return false;
        }
        if (!any) {
            command_fail(cmd, "GenericError", "Parameter '%s' is unexpected", name);
            return false;
        }
    }
    for (const char *p = list; *p;) {
        size_t word = strcspn(p, " "), n = strcspn(p, ":");
        char wanted[64];

        if (n < word && p[word - 1] != '?' && n < sizeof(wanted)) {
            memcpy(wanted, p, n);
            wanted[n] = 0;
            if (!json_object_get(cmd->arguments, wanted)) {
                command_fail(cmd, "GenericError", "Parameter '%s' is missing", wanted);
                return false;
            }
        }
        p += word + (p[word] == ' ');
    }
    return true;
}

static void run(struct command *cmd, const char *name)
{
    const struct command_row *row = command_find(name);
    bool negotiated = cmd->client->negotiated;

    if (!negotiated && strcmp(name, "qmp_capabilities")) {
        command_fail(cmd, "CommandNotFound",
                     "Expecting capabilities negotiation with 'qmp_capabilities'");
    } else if (negotiated && !strcmp(name, "qmp_capabilities")) {
        command_fail(cmd, "CommandNotFound",
                     "Capabilities negotiation is already complete, command ignored");
    } else if (!row || (!cmd->machine && !row->probe)) {
        command_fail(cmd, "CommandNotFound", "The command %s has not been found", name);
    } else if (arguments_fit(cmd, row->arguments)) {
        if (!negotiated && json_array_size(json_object_get(cmd->arguments, "enable"))) {
            command_fail(cmd, "GenericError", "Capability oob not available");
            return;
        }
        if (!negotiated)
            cmd->client->negotiated = true;
        row->run(cmd);
    }
}

static const char *odd_member(json_t *message)
{
    const char *name;
    json_t *value;

    json_object_foreach(message, name, value)
        if (strcmp(name, "execute") && strcmp(name, "arguments") && strcmp(name, "id"))
            return name;
    return NULL;
}

static void judge(struct qmp_client *c, json_t *message)
{
    const char *odd;
    struct command *cmd = calloc(1, sizeof(*cmd));
    const json_t *execute = json_object_get(message, "execute");
    json_t *arguments = json_object_get(message, "arguments");

    if (!cmd) {
        c->closing = true;
        return;
    }
    cmd->qmp = c->qmp;
    cmd->machine = c->qmp->machine;
    cmd->client = c;
    cmd->id = json_incref(json_object_get(message, "id"));
    cmd->arguments = arguments ? json_incref(arguments) : json_object();
    cmd->fd = c->pending_fd;
    c->pending_fd = -1;
    c->running = cmd;
    if (!json_is_object(message))
        command_fail(cmd, "GenericError", "QMP input must be a JSON object");
    else if ((odd = odd_member(message)))
        command_fail(cmd, "GenericError", "QMP input member '%s' is unexpected", odd);
    else if (!json_is_string(execute))
        command_fail(cmd, "GenericError", "QMP input lacks member 'execute'");
    else if (arguments && !json_is_object(arguments))
        command_fail(cmd, "GenericError", "QMP input member 'arguments' must be an object");
    else
        run(cmd, json_string_value(execute));
}

static void complain(struct qmp_client *c, const char *what)
{
    send_json(c, json_pack("{s:{s:s,s:s}}", "error", "class", "GenericError", "desc", what));
}

/* ---- Input ---- */

/*
 * How many bytes the first whole message takes; 0: it is not whole yet. Bytes that begin no object
 * are skipped to the end of their line, and said so once.
 */
static size_t message_length(struct qmp_client *c)
{
    for (; c->scanned < c->in_length; c->scanned++) {
        char b = c->in[c->scanned];

        if (c->in_text) {
            if (c->escaped)
                c->escaped = false;
            else if (b == '\\')
                c->escaped = true;
            else if (b == '"')
                c->in_text = false;
        } else if (c->depth && b == '"') {
            c->in_text = true;
        } else if (b == '{' || b == '[') {
            c->depth++;
        } else if ((b == '}' || b == ']') && c->depth && !--c->depth) {
            return ++c->scanned;
        } else if (!c->depth && !strchr(" \t\r\n", b)) {
            c->garbage = true;
        } else if (!c->depth && b == '\n' && c->garbage) {
            return ++c->scanned;
        }
    }
    return 0;
}

static void consume(struct qmp_client *c, size_t n)
{
    c->in_length -= n;
    memmove(c->in, c->in + n, c->in_length);
    c->scanned = 0;
    c->depth = 0;
    c->garbage = c->in_text = c->escaped = false;
}

static void process(struct qmp_client *c)
{
    size_t n;

    while (!c->running && !c->closing && (n = message_length(c))) {
        json_error_t why;
        json_t *message = json_loadb(c->in, n, JSON_REJECT_DUPLICATES, &why);

        consume(c, n);
        if (message)
            judge(c, message);
        else
            complain(c, "Invalid JSON syntax");
        json_decref(message);
    }
    if (c->closing)
        client_drop(c);
    else
        listen_for(c);
}

static ssize_t receive(struct qmp_client *c)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct iovec iov = { c->in + c->in_length, c->in_room - c->in_length };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                          .msg_controllen = sizeof(control) };
    ssize_t n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    if (n < 0 && errno == ENOTSOCK)
        return read(c->fd, iov.iov_base, iov.iov_len);
    for (struct cmsghdr *h = n < 0 ? NULL : CMSG_FIRSTHDR(&msg); h; h = CMSG_NXTHDR(&msg, h)) {
        size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        const int *fds = (const int *)(const void *)CMSG_DATA(h);

        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count; i++) {
            if (c->pending_fd >= 0)
                close(c->pending_fd); /* one a command */
            c->pending_fd = fds[i];
        }
    }
    return n;
}

static void on_client(void *arg, unsigned events)
{
    struct qmp_client *c = arg;
    ssize_t n;

    if (events & WATCH_WRITE)
        client_flush(c);
    if (c->closing && !c->running) {
        client_drop(c);
        return;
    }
    if (c->running && !(events & WATCH_HANGUP))
        return;
    if (c->in_room - c->in_length < 4096) {
        size_t room = c->in_room ? 2 * c->in_room : 4096;
        char *in = room > INPUT_MOST ? NULL : realloc(c->in, room);

        if (!in) {
            complain(c, "a command of more than 1 MiB is refused");
            client_drop(c);
            return;
        }
        c->in = in;
        c->in_room = room;
    }
    n = receive(c);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client_drop(c);
        return;
    }
    c->in_length += (size_t)n;
    process(c);
}

/* ---- Sockets ---- */

static int client_new(struct qmp *q, int fd, bool events, struct error *err)
{
    struct qmp_client *c = calloc(1, sizeof(*c));
    int rc = -ENOMEM;

    if (c) {
        *c = (struct qmp_client){ .qmp = q, .fd = fd, .events = events, .pending_fd = -1 };
        rc = watch_open(&c->watch, q->loop, fd, WATCH_READ, on_client, c, err);
    }
    if (rc < 0) {
        free(c);
        close(fd);
        return error_set(err, rc, "QMP: a client cannot be served");
    }
    c->next = q->clients;
    q->clients = c;
    q->client_count++;
    greet(c);
    return 0;
}

static void on_listener(void *arg, unsigned events)
{
    struct listener *l = arg;
    struct error err;
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    if (l->qmp->client_count >= CLIENTS_MOST) {
        log_warn("QMP: more than %d clients at once; the newest is turned away", CLIENTS_MOST);
        close(fd);
        return;
    }
    if (client_new(l->qmp, fd, l->events, &err) < 0)
        log_warn("%s", err.text);
}

static int unix_socket(const struct chardev_words *w, struct error *err)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd, rc;

    if (strlen(w->path) >= sizeof(sun.sun_path))
        return error_set(err, -ENAMETOOLONG, "QMP socket %s: the path is over %zu bytes", w->path,
                         sizeof(sun.sun_path) - 1);
    strcpy(sun.sun_path, w->path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, "open a QMP socket");
    if (w->server)
        unlink(w->path); /* a former instance's */
    rc = w->server ? bind(fd, (struct sockaddr *)&sun, sizeof(sun))
                   : connect(fd, (struct sockaddr *)&sun, sizeof(sun));
    if (rc == 0 && w->server)
        rc = listen(fd, 8);
    if (rc < 0) {
        rc = error_errno(err, "%s the QMP socket %s", w->server ? "listen on" : "connect to",
                         w->path);
        close(fd);
        return rc;
    }
    return fd;
}

static int tcp_socket(const struct chardev_words *w, struct error *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list;
    int fd, one = 1, rc = getaddrinfo(w->host, w->port, &hints, &list);

    if (rc)
        return error_set(err, -EINVAL, "QMP on %s:%s: %s", w->host ? w->host : "", w->port,
                         gai_strerror(rc));
    fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd < 0 || (w->server ? bind(fd, list->ai_addr, list->ai_addrlen) < 0 || listen(fd, 8) < 0
                             : connect(fd, list->ai_addr, list->ai_addrlen) < 0)) {
        rc = error_errno(err, "%s %s:%s for QMP", w->server ? "listen on" : "connect to",
                         w->host ? w->host : "", w->port);
        if (fd >= 0)
            close(fd);
        fd = rc;
    }
    freeaddrinfo(list);
    return fd;
}

int qmp_add(struct qmp *q, const struct chardev_words *w, bool events, struct error *err)
{
    struct listener *l;
    int fd, rc;

    if (strcmp(w->kind, "socket"))
        return error_set(err, -EINVAL, "-mon chardev=%s: QMP needs a socket, not %s", w->id,
                         w->kind);
    fd = w->fd >= 0 ? w->fd : w->path ? unix_socket(w, err) : tcp_socket(w, err);
    if (fd < 0)
        return fd;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (!w->server)
        return client_new(q, fd, events, err);
    l = calloc(1, sizeof(*l));
    if (!l) {
        close(fd);
        return error_set(err, -ENOMEM, "QMP: out of memory");
    }
    *l = (struct listener){ .qmp = q, .fd = fd, .events = events,
                            .path = w->fd < 0 && w->path ? strdup(w->path) : NULL };
    l->next = q->listeners;
    q->listeners = l;
    rc = watch_open(&l->watch, q->loop, fd, WATCH_READ, on_listener, l, err);
    if (rc < 0)
        return error_set(err, rc, "-mon chardev=%s,fd=%d: that descriptor is no listening socket",
                         w->id, w->fd);
    return 0;
}

void qmp_close(struct qmp *q)
{
    struct listener *l;

    if (!q)
        return;
    timer_clear(&q->again);
    while (q->clients) {
        client_flush(q->clients);
        client_drop(q->clients);
    }
    while ((l = q->listeners)) {
        q->listeners = l->next;
        watch_close(l->watch);
        close(l->fd);
        if (l->path)
            unlink(l->path);
        free(l->path);
        free(l);
    }
    fdsets_free(q->fdsets);
    free(q);
}

/* ---- Arguments ---- */

const char *command_text(const struct command *cmd, const char *name)
{
    return json_string_value(json_object_get(cmd->arguments, name));
}

bool command_flag(const struct command *cmd, const char *name, bool fallback)
{
    const json_t *value = json_object_get(cmd->arguments, name);

    return value ? json_is_true(value) : fallback;
}

json_int_t command_int(const struct command *cmd, const char *name, json_int_t fallback)
{
    const json_t *value = json_object_get(cmd->arguments, name);

    return json_is_integer(value) ? json_integer_value(value) : fallback;
}
