/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames that a port has read to where they are copied to the guest from: each arrives whole, in any order. */
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/net/internal.h"
#include "dm/net/packet.h"
#include "dm/xen/grant.h"
#include "pv-backends/host.h"
#include "pv-backends/net/queue.h"
#include "pv-backends/net/shared.h"
#include "pv-backends/net/slots.h"
#include "tests/kit/check.h"
#include "tests/kit/net.h"
#include "tests/kit/no_evtchn.h"

#define RING 256u
#define HEADER 64u
#define FRAMES 16u

enum { REQ_PROD, REQ_EVENT, RSP_PROD, RSP_EVENT };

static _Alignas(4096) uint8_t memory[RING][4096], tx[4096], rx[4096];

/* ---- There is no Xen: a reference is the number of a page ---- */

int grants_copy(struct grants *g, struct grant_copy *pieces, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        CHECK(pieces[i].to_guest && pieces[i].offset + pieces[i].length <= 4096);
        memcpy(memory[pieces[i].ref] + pieces[i].offset, pieces[i].bytes, pieces[i].length);
        pieces[i].failed = false;
    }
    return 0;
}

/* ---- The guest and the port ---- */

struct bench {
    struct loop *loop;
    struct pv_io io;
    struct net_shared shared;
    struct net net;
    struct net_queue *queue;
    uint32_t taken;      /* responses */
    uint32_t x;          /* of the generator */
    unsigned sent, came; /* frames */
    size_t lengths[1024]; /* of those under way, by number */
    uint8_t whole[PACKET_MOST];
};

static unsigned any(struct bench *b, unsigned below)
{
    b->x = b->x * 1664525u + 1013904223u;
    return (b->x >> 8) % below;
}

static _Atomic uint32_t *word(unsigned index)
{
    return (_Atomic uint32_t *)(void *)(rx + 4 * index);
}

static void post_buffers(struct bench *b, unsigned count)
{
    uint32_t prod = atomic_load(word(REQ_PROD));

    for (; count && prod - b->taken < RING; count--, prod++) {
        uint8_t *s = rx + HEADER + prod % RING * NET_RX_SLOT;

        put_le16(s, (uint16_t)prod);
        put_le32(s + 4, prod % RING);
    }
    atomic_store(word(REQ_PROD), prod);
}

static uint8_t byte_of(unsigned number, size_t at)
{
    return (uint8_t)(number * 29 + at + at / 251);
}

static void fill(struct bench *b, uint8_t *p, size_t length)
{
    unsigned number = b->sent++;

    b->lengths[number % ARRAY_SIZE(b->lengths)] = length;
    for (size_t i = 0; i < length; i++)
        p[i] = byte_of(number, i);
    put_be32(p, number);
}

static void take_whole(struct bench *b, size_t length)
{
    unsigned number = get_be32(b->whole);

    CHECK(b->sent - number <= ARRAY_SIZE(b->lengths));
    CHECK_EQ(length, b->lengths[number % ARRAY_SIZE(b->lengths)]);
    for (size_t i = 4; i < length; i++)
        CHECK_EQ(b->whole[i], byte_of(number, i));
    b->came++;
}

static void take_frames(struct bench *b)
{
    size_t at = 0;

    for (; b->taken != atomic_load(word(RSP_PROD)); b->taken++) {
        const uint8_t *s = rx + HEADER + b->taken % RING * NET_RX_SLOT;
        int16_t status = (int16_t)get_le16(s + 6);

        CHECK(status > 0 && at + (size_t)status <= PACKET_MOST);
        memcpy(b->whole + at, memory[b->taken % RING] + get_le16(s + 2), (size_t)status);
        at += (size_t)status;
        if (get_le16(s + 4) & NETRX_MORE_DATA)
            continue;
        take_whole(b, at);
        at = 0;
    }
    CHECK_EQ(at, 0);
}

static void turn(struct bench *b)
{
    loop_step(b->loop);
    take_frames(b);
}

static void on_broken(void *arg, const char *why)
{
    CHECK_STR(why, "nothing");
}

static void stopped(void *arg)
{
}

static void bench_open(struct bench *b, struct net_features features)
{
    struct net_queue_config c = { .io = &b->io, .shared = &b->shared, .peers = &b->queue, .name = "vif 0",
                                  .tx = tx, .rx = rx, .tx_port = 1, .rx_port = 1, .features = features,
                                  .drain_ns = 1000000 * NS_PER_MS, .broken = on_broken };
    struct error err;

    memset(b, 0, sizeof(*b));
    memset(tx, 0, sizeof(tx));
    memset(rx, 0, sizeof(rx));
    CHECK_EQ(loop_open(&b->loop, "io0", &err), 0);
    b->io = (struct pv_io){ .loop = b->loop, .domid = 7 };
    net_shared_init(&b->shared, 1);
    net_open(&b->net, "vif0", true);
    c.port = b->net.port;
    CHECK_EQ(net_queue_open(&b->queue, &c, &err), 0);
    turn(b);
}

static void bench_close(struct bench *b)
{
    net_queue_stop(b->queue, stopped, NULL);
    loop_step(b->loop);
    net_queue_close(b->queue);
    net_close(&b->net);
    loop_close(b->loop);
}

static const struct net_features all = { .sg = true, .csum_v4 = true, .csum_v6 = true, .rx_notify = true,
                                         .gso = 1u << NET_GSO_TCPV4 | 1u << NET_GSO_TCPV6 };

/* When the frontend has room; what was refused stays where it is until then. */
static void deliver(struct bench *b, const uint8_t *frame, size_t length)
{
    unsigned accepts = b->net.accepts;

    if (net_deliver(&b->net, frame, length, NULL))
        return;
    while (b->net.accepts == accepts) {
        turn(b);
        post_buffers(b, 1 + any(b, 40));
    }
    CHECK(net_deliver(&b->net, frame, length, NULL));
}

/* As many as there are places, of which a kernel before 6.4 may fill a later one first. */
static void deliver_some(struct bench *b, unsigned large)
{
    uint8_t *places[FRAMES];
    unsigned n = netport_rooms(b->net.port, places, 1 + any(b, FRAMES)), order[FRAMES];
    size_t lengths[FRAMES];

    CHECK(n >= 1);
    for (unsigned i = 0; i < n; i++) {
        CHECK(!i || places[i] >= places[i - 1] + PACKET_MOST + NETPORT_HEADROOM);
        memset(places[i] - NETPORT_HEADROOM, 0xee, NETPORT_HEADROOM);
        lengths[i] = any(b, 8) < large ? 4000 + any(b, 65535 + 14 - 4000 + 1) : 60 + any(b, 1455);
        fill(b, places[i], lengths[i]);
        order[i] = i;
    }
    for (unsigned swaps = any(b, 2) * any(b, 4); swaps && n > 1; swaps--) {
        unsigned i = any(b, n), j = any(b, n), was = order[i];

        order[i] = order[j];
        order[j] = was;
    }
    for (unsigned i = 0; i < n; i++)
        deliver(b, places[order[i]], lengths[order[i]]);
}

TEST(frames_that_were_read_to_rooms_arrive_whole_in_any_order)
{
    static struct bench b;

    bench_open(&b, all);
    for (unsigned i = 0; i < 3000; i++) {
        deliver_some(&b, any(&b, 9));
        if (any(&b, 3)) /* else the next ones are staged behind these */
            turn(&b);
        post_buffers(&b, any(&b, 300));
    }
    turn(&b);
    turn(&b);
    CHECK_EQ(b.came, b.sent);
    CHECK(b.sent > 10000);
    bench_close(&b);
}

TEST(there_is_one_room_where_frames_may_have_to_be_cut)
{
    static struct bench b;
    struct net_features few[] = { all, all, all };
    uint8_t *places[FRAMES];

    few[0].csum_v6 = false;
    few[1].gso = 1u << NET_GSO_TCPV4;
    few[2].csum_v4 = false;
    for (unsigned i = 0; i < ARRAY_SIZE(few); i++) {
        bench_open(&b, few[i]);
        CHECK_EQ(netport_rooms(b.net.port, places, FRAMES), 1);
        bench_close(&b);
    }
    few[1].gso_prefix = 1u << NET_GSO_TCPV6;
    bench_open(&b, few[1]);
    CHECK_EQ(netport_rooms(b.net.port, places, FRAMES), 15);
    bench_close(&b);
}
