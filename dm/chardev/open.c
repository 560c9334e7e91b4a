/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kinds of chardev: how each comes by its descriptors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/chardev/internal.h"

static int name(struct chardev *cd, const char *format, const char *a, const char *b,
                struct error *err)
{
    if (asprintf(&cd->filename, format, a, b) < 0) {
        cd->filename = NULL;
        return error_set(err, -ENOMEM, "chardev %s: out of memory", cd->id);
    }
    return 0;
}

static void no_waiting(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static int open_pty(struct chardev *cd, struct error *err)
{
    struct termios raw;
    char path[128];
    int master, rc;

    if (openpty(&master, &cd->slave, path, NULL, NULL) < 0)
        return error_errno(err, "chardev %s: open a pty", cd->id);
    fcntl(master, F_SETFD, FD_CLOEXEC);
    fcntl(cd->slave, F_SETFD, FD_CLOEXEC);
    if (tcgetattr(cd->slave, &raw) == 0) {
        cfmakeraw(&raw);
        tcsetattr(cd->slave, TCSAFLUSH, &raw);
    }
    no_waiting(master);
    cd->keep_latest = true;
    rc = chardev_up(cd, master, master, err);
    return rc < 0 ? rc : name(cd, "pty:%s%s", path, "", err);
}

static int open_file(struct chardev *cd, struct error *err)
{
    int fd = open(cd->path, O_WRONLY | O_CREAT | O_CLOEXEC | (cd->config.append ? O_APPEND : O_TRUNC),
                  0644);

    if (fd < 0)
        return error_errno(err, "chardev %s: open %s for writing", cd->id, cd->path);
    cd->out = fd; /* a regular file cannot be watched, and never makes us wait for a reader */
    return name(cd, "file%s%s", "", "", err);
}

static int open_pipe(struct chardev *cd, struct error *err)
{
    char in[4200], out[4200];
    int r, w;

    snprintf(in, sizeof(in), "%s.in", cd->path);
    snprintf(out, sizeof(out), "%s.out", cd->path);
    r = open(in, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    w = r < 0 ? -1 : open(out, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (r >= 0 && w < 0) {
        close(r);
        r = -1;
    }
    if (r < 0) { /* one fifo for both ways */
        r = w = open(cd->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (r < 0)
            return error_errno(err, "chardev %s: open the pipe %s (or %s.in and .out)", cd->id,
                               cd->path, cd->path);
    }
    if (chardev_up(cd, r, w, err) < 0)
        return -EINVAL;
    return name(cd, "pipe%s%s", "", "", err);
}

static int open_tty(struct chardev *cd, struct error *err)
{
    struct termios raw;
    int fd = open(cd->path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0)
        return error_errno(err, "chardev %s: open %s", cd->id, cd->path);
    if (tcgetattr(fd, &raw) < 0) {
        close(fd);
        return error_set(err, -ENOTTY, "chardev %s: %s is not a terminal", cd->id, cd->path);
    }
    cfmakeraw(&raw);
    tcsetattr(fd, TCSANOW, &raw);
    if (chardev_up(cd, fd, fd, err) < 0)
        return -EINVAL;
    return name(cd, "serial%s%s", "", "", err);
}

static int open_stdio(struct chardev *cd, struct error *err)
{
    struct stat st;
    bool readable = fstat(STDIN_FILENO, &st) == 0 && !S_ISREG(st.st_mode);
    int rc = chardev_up(cd, readable ? STDIN_FILENO : -1, STDOUT_FILENO, NULL);

    if (rc < 0) { /* /dev/null cannot be watched, and libxl gives us just that */
        cd->in = -1;
        cd->out = STDOUT_FILENO;
    }
    return name(cd, "stdio%s%s", "", "", err);
}

/* ---- Sockets ---- */

static void on_connection(void *arg, unsigned events)
{
    struct chardev *cd = arg;
    struct error error;
    int fd = accept4(cd->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    if (cd->in >= 0) { /* one at a time: the newcomer takes the line, a stale peer may hold it */
        chardev_down(cd);
    }
    if (chardev_up(cd, fd, fd, &error) < 0)
        log_warn("chardev %s: %s", cd->id, error.text);
}

static int listen_on(struct chardev *cd, int fd, struct error *err)
{
    cd->listener = fd;
    no_waiting(fd);
    return watch_open(&cd->listen_watch, cd->loop, fd, WATCH_READ, on_connection, cd, err);
}

static int unix_address(const struct chardev *cd, struct sockaddr_un *sun, struct error *err)
{
    memset(sun, 0, sizeof(*sun));
    sun->sun_family = AF_UNIX;
    if (strlen(cd->path) >= sizeof(sun->sun_path))
        return error_set(err, -ENAMETOOLONG, "chardev %s: the socket path %s is over %zu bytes",
                         cd->id, cd->path, sizeof(sun->sun_path) - 1);
    strcpy(sun->sun_path, cd->path);
    return 0;
}

static int open_unix(struct chardev *cd, struct error *err)
{
    struct sockaddr_un sun;
    int fd, rc = unix_address(cd, &sun, err);

    if (rc < 0)
        return rc;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, "chardev %s: open a socket", cd->id);
    if (!cd->config.server) {
        if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
            rc = error_errno(err, "chardev %s: connect to %s", cd->id, cd->path);
            close(fd);
            return rc;
        }
        return chardev_up(cd, fd, fd, err);
    }
    unlink(cd->path); /* a former instance's */
    if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(fd, 4) < 0) {
        rc = error_errno(err, "chardev %s: listen on %s", cd->id, cd->path);
        close(fd);
        return rc;
    }
    return listen_on(cd, fd, err);
}

static void try_later(struct chardev *cd)
{
    timer_set_in(&cd->reconnect, cd->config.reconnect * NS_PER_SEC);
}

static void end_connecting(struct chardev *cd)
{
    watch_close(cd->connect_watch);
    cd->connect_watch = NULL;
    cd->connecting = -1;
}

static void on_connecting(void *arg, unsigned events)
{
    struct chardev *cd = arg;
    int fd = cd->connecting, why = 0;
    socklen_t size = sizeof(why);
    struct error err;

    end_connecting(cd);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) < 0 || why) {
        close(fd);
        try_later(cd);
    } else if (chardev_up(cd, fd, fd, &err) < 0) {
        log_warn("chardev %s: %s", cd->id, err.text);
    }
}

/* A client that comes back by itself does so while the guest runs: it must not wait for the peer. */
static int connect_later(struct chardev *cd, int fd, struct error *err)
{
    int rc = watch_open(&cd->connect_watch, cd->loop, fd, WATCH_WRITE, on_connecting, cd, err);

    if (rc < 0)
        close(fd);
    else
        cd->connecting = fd;
    return rc;
}

static int open_tcp(struct chardev *cd, struct error *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = cd->config.server ? AI_PASSIVE : 0 }, *list;
    int fd = -1, one = 1, rc = getaddrinfo(cd->host, cd->port, &hints, &list);

    if (rc)
        return error_set(err, -EINVAL, "chardev %s: %s:%s: %s", cd->id, cd->host ? cd->host : "",
                         cd->port, gai_strerror(rc));
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0)
            continue;
        if (cd->reconnect.loop)
            no_waiting(fd);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (cd->config.server ? bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 4) == 0
                              : connect(fd, a->ai_addr, a->ai_addrlen) == 0)
            break;
        if (errno == EINPROGRESS) {
            freeaddrinfo(list);
            return connect_later(cd, fd, err);
        }
        rc = errno;
        close(fd);
        errno = rc;
        fd = -1;
    }
    freeaddrinfo(list);
    if (fd < 0)
        return error_errno(err, "chardev %s: %s %s:%s", cd->id,
                           cd->config.server ? "listen on" : "connect to",
                           cd->host ? cd->host : "", cd->port);
    no_waiting(fd);
    return cd->config.server ? listen_on(cd, fd, err) : chardev_up(cd, fd, fd, err);
}

static void on_reconnect(void *arg)
{
    struct chardev *cd = arg;
    struct error err;

    if ((cd->path ? open_unix(cd, &err) : open_tcp(cd, &err)) < 0)
        try_later(cd);
}

static int open_socket(struct chardev *cd, struct error *err)
{
    int rc;

    if (cd->config.fd >= 0) {
        rc = cd->config.server ? listen_on(cd, cd->config.fd, err)
                               : chardev_up(cd, cd->config.fd, cd->config.fd, err);
        return rc < 0 ? rc : name(cd, "fd%s%s", "", "", err);
    }
    if (cd->config.reconnect && !cd->config.server)
        timer_init(&cd->reconnect, cd->loop, on_reconnect, cd);
    rc = cd->path ? open_unix(cd, err) : open_tcp(cd, err);
    if (rc < 0 && cd->reconnect.loop) { /* the peer may come later: that is what it is for */
        try_later(cd);
        rc = 0;
    }
    if (rc < 0)
        return rc;
    return cd->path ? name(cd, "unix:%s%s", cd->path, cd->config.server ? ",server=on" : "", err)
                    : name(cd, "tcp:%s:%s", cd->host ? cd->host : "", cd->port, err);
}

int chardev_open_kind(struct chardev *cd, struct error *err)
{
    static const struct {
        const char *kind;
        int (*open)(struct chardev *cd, struct error *err);
    } kinds[] = {
        { "pty", open_pty },     { "file", open_file },   { "pipe", open_pipe },
        { "serial", open_tty },  { "stdio", open_stdio }, { "socket", open_socket },
    };
    const char *kind = cd->config.kind;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!strcmp(kinds[i].kind, kind))
            return kinds[i].open(cd, err);
    if (!strcmp(kind, "null") || !strcmp(kind, "ringbuf"))
        return name(cd, "null%s%s", "", "", err);
    return error_set(err, -EINVAL, "chardev %s: there is no kind %s", cd->id, kind);
}

void chardev_close_kind(struct chardev *cd)
{
    if (cd->reconnect.loop)
        timer_clear(&cd->reconnect);
    if (cd->connecting >= 0) {
        close(cd->connecting);
        end_connecting(cd);
    }
    watch_close(cd->listen_watch);
    if (cd->listener >= 0) {
        close(cd->listener);
        if (cd->path && cd->config.server)
            unlink(cd->path);
    }
    if (cd->slave >= 0)
        close(cd->slave);
}
