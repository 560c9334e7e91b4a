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

    v->pixels = NULL;
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
    free(v->pixels);
    v->pixels = NULL;
}

static void resize(struct viewer *v, unsigned width, unsigned height)
{
    v->width = width;
    v->height = height;
    free(v->pixels);
    v->pixels = calloc((size_t)width * height, sizeof(*v->pixels));
    CHECK(v->pixels);
}

void viewer_keep(struct viewer *v)
{
    static const uint8_t raw_and_size[] = { 2, 0, 0, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x21 };

    say(v, raw_and_size, sizeof(raw_and_size));
    resize(v, v->width, v->height);
}

/* In the server's own format, which is the one of most machines: blue comes first. */
static void take_pixels(struct viewer *v, unsigned x, unsigned y, unsigned width, unsigned height)
{
    CHECK(x + width <= v->width && y + height <= v->height);
    for (unsigned row = 0; row < height; row++) {
        uint32_t *to = v->pixels + (size_t)(y + row) * v->width + x;

        take(v, to, width * sizeof(*to));
        for (unsigned i = 0; i < width; i++)
            to[i] &= 0xffffff;
    }
}

static unsigned take_rect(struct viewer *v)
{
    unsigned width, height;
    uint8_t b[12];

    take(v, b, 12);
    width = be16(b + 4);
    height = be16(b + 6);
    if (b[8] == 0xff) /* a new size */
        resize(v, width, height);
    else if (v->pixels)
        take_pixels(v, be16(b), be16(b + 2), width, height);
    else
        pass_over(v, (size_t)width * height * 4);
    return b[8] == 0xff ? 0 : width * height;
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
    for (unsigned n = be16(b + 2); n; n--)
        pixels += take_rect(v);
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
