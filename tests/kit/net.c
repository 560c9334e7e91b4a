/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kind of netport that keeps what it is sent. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/net/internal.h"
#include "tests/kit/check.h"
#include "tests/kit/net.h"

struct test_port {
    struct netport port;
    struct net *net;
};

static struct net *net_of(struct netport *p)
{
    return container_of(p, struct test_port, port)->net;
}

static int test_attach(struct netport *p, struct error *err)
{
    return 0;
}

static void test_detach(struct netport *p)
{
}

static void test_accept(struct netport *p)
{
    net_of(p)->accepts++;
}

static int test_send(struct netport *p, const struct iovec *iov, unsigned count,
                     const struct offload *off)
{
    struct net *n = net_of(p);
    size_t length = 0;

    if (!n->room)
        return -EAGAIN;
    n->room -= n->room != UINT_MAX;
    for (unsigned i = 0; i < count; i++)
        length += iov[i].iov_len;
    if (n->count < NET_FRAMES) {
        uint8_t *bytes = malloc(length + 1);

        n->sent[n->count].bytes = bytes;
        n->sent[n->count].length = length;
        if (off)
            n->sent[n->count].off = *off;
        for (unsigned i = 0; i < count; i++) {
            memcpy(bytes, iov[i].iov_base, iov[i].iov_len);
            bytes += iov[i].iov_len;
        }
    }
    n->count++;
    return 0;
}

static bool test_offload_rx(struct netport *p, bool csum, unsigned gso)
{
    return p->offloads || (!csum && !gso);
}

static void test_hang_up(struct netport *p)
{
    net_of(p)->hung_up = true;
}

static void test_close(struct netport *p)
{
    free(container_of(p, struct test_port, port));
}

static const struct netport_kind test_kind = {
    .attach = test_attach, .detach = test_detach, .accept = test_accept, .send = test_send,
    .offload_rx = test_offload_rx, .hang_up = test_hang_up, .close = test_close,
};

void net_open(struct net *n, const char *id, bool offloads)
{
    struct test_port *t = calloc(1, sizeof(*t));

    memset(n, 0, sizeof(*n));
    t->net = n;
    t->port.kind = &test_kind;
    t->port.offloads = offloads;
    CHECK_EQ(netport_name(&t->port, id, "test", NULL), 0);
    n->port = &t->port;
    n->room = UINT_MAX;
}

void net_forget(struct net *n)
{
    for (unsigned i = 0; i < NET_FRAMES; i++) {
        free(n->sent[i].bytes);
        memset(&n->sent[i], 0, sizeof(n->sent[i]));
    }
    n->count = 0;
}

void net_close(struct net *n)
{
    net_forget(n);
    netport_close(n->port);
}

bool net_deliver(struct net *n, const void *frame, size_t length, const struct offload *off)
{
    return netport_deliver(n->port, frame, length, off);
}

void net_writable(struct net *n)
{
    if (n->port->user && n->port->user->writable)
        n->port->user->writable(n->port->owner);
}
