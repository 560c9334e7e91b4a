/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Source: RFC 6143, "The Remote Framebuffer Protocol". */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/whole/viewer.h"
#include "tests/kit/check.h"
#include "tests/whole/qmp.h"

static void take(struct viewer *v, void *bytes, size_t n)
{
    CHECK_EQ(recv(v->fd, bytes, n, MSG_WAITALL), n);
}

static void pass_over(struct viewer *v, size_t n)
{
    static char waste[1 << 20];

    for (size_t part; n; n -= part) {
        part = n < sizeof(waste) ? n : sizeof(waste);
        take(v, waste, part);
    }
}

static void say(struct viewer *v, const void *bytes, size_t n)
{
    CHECK_EQ(send(v->fd, bytes, n, MSG_NOSIGNAL), n);
}

static unsigned port_of(const struct dm *dm)
{
    int qmp = qmp_open(dm->qmp);
    char *answer = qmp_say(qmp, "{\"execute\":\"query-vnc\"}\n"), *at;
    unsigned port = 0;

    CHECK(answer);
    at = strstr(answer, "\"service\"");
    CHECK(at && sscanf(at, "\"service\"%*[^0-9]%u", &port) == 1);
    free(answer);
    close(qmp);
    return port;
}

static unsigned be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

void viewer_open(struct viewer *v, const struct dm *dm)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port_of(dm)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    static const uint8_t raw[] = { 2, 0, 0, 1, 0, 0, 0, 0 };
    uint8_t bytes[64];
    int one = 1;

    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    CHECK_EQ(connect(v->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    take(v, bytes, 12);
    say(v, "RFB 003.008\n", 12);
    take(v, bytes, 1);
    pass_over(v, bytes[0]); /* kinds of security */
    say(v, "\1", 1);   /* none */
    take(v, bytes, 4);
    say(v, "\1", 1); /* shared */
    take(v, bytes, 24);
    v->width = be16(bytes);
    v->height = be16(bytes + 2);
    pass_over(v, be16(bytes + 22));
    say(v, raw, sizeof(raw));
}

void viewer_close(struct viewer *v)
{
    close(v->fd);
}

void viewer_ask(struct viewer *v, bool incremental)
{
    uint8_t bytes[10] = { 3, incremental };

    bytes[6] = (uint8_t)(v->width >> 8);
    bytes[7] = (uint8_t)v->width;
    bytes[8] = (uint8_t)(v->height >> 8);
    bytes[9] = (uint8_t)v->height;
    say(v, bytes, sizeof(bytes));
}

unsigned viewer_update(struct viewer *v, unsigned ms)
{
    struct pollfd p = { .fd = v->fd, .events = POLLIN };
    unsigned pixels = 0;
    uint8_t b[12];

    if (poll(&p, 1, (int)ms) != 1)
        return 0;
    take(v, b, 4);
    if (b[0] == 3) { /* cut text */
        take(v, b, 4);
        pass_over(v, be16(b + 2));
        return 0;
    }
    CHECK_EQ(b[0], 0);
    for (unsigned n = be16(b + 2); n; n--) {
        take(v, b, 12);
        pass_over(v, (size_t)be16(b + 4) * be16(b + 6) * 4);
        pixels += be16(b + 4) * be16(b + 6);
    }
    return pixels;
}

void viewer_pointer(struct viewer *v, unsigned x, unsigned y, unsigned buttons)
{
    uint8_t bytes[6] = { 5, (uint8_t)buttons, (uint8_t)(x >> 8), (uint8_t)x, (uint8_t)(y >> 8),
                         (uint8_t)y };

    say(v, bytes, sizeof(bytes));
}

void viewer_key(struct viewer *v, unsigned keysym, bool down)
{
    uint8_t bytes[8] = { 4, down, 0, 0, 0, 0, (uint8_t)(keysym >> 8), (uint8_t)keysym };

    say(v, bytes, sizeof(bytes));
}
