/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DEVICES_SERIAL_LINE_H
#define TESTS_UNIT_DEVICES_SERIAL_LINE_H
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dm/chardev/chardev.h"
#include "tests/kit/check.h"
#include "tests/kit/pc.h"

/* A chardev "line" for the bench, with the test at the other end of a socket. */
struct line {
    struct pc pc;
    struct chardev *chardev;
    int far; /* our end; -1: hung up */
};

static inline void line_open(struct line *l)
{
    struct chardev_config config = { .id = "line", .kind = "socket" };
    struct error err = { "" };
    int pair[2];

    pc_open(&l->pc);
    signal(SIGPIPE, SIG_IGN); /* as main() does */
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    config.fd = pair[0];
    l->far = pair[1];
    CHECK_EQ(chardev_open(&l->chardev, l->pc.loop, &config, &err), 0);
    pc_give(&l->pc, "chardev", "line", l->chardev);
}

static inline void line_hang_up(struct line *l)
{
    if (l->far >= 0)
        close(l->far);
    l->far = -1;
    pc_settle(&l->pc);
}

static inline void line_close(struct line *l)
{
    while (l->pc.device_count)
        device_detach(l->pc.devices[--l->pc.device_count]);
    chardev_close(l->chardev);
    if (l->far >= 0)
        close(l->far);
    pc_close(&l->pc);
}

static inline void line_type(struct line *l, const char *text)
{
    CHECK_EQ(write(l->far, text, strlen(text)), strlen(text));
    pc_settle(&l->pc);
}

/* What came out so far; "" where nothing did. */
static inline const char *line_read(struct line *l)
{
    static char text[70000];
    ssize_t n;

    pc_settle(&l->pc);
    n = read(l->far, text, sizeof(text) - 1);
    CHECK(n >= 0 || errno == EAGAIN);
    text[n > 0 ? n : 0] = 0;
    return text;
}
#endif
