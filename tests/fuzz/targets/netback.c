/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rings of a PV network device: two queues and the control ring, over pages that bytes of the
 * input are put in, with grants of which some are good. Responses never outnumber requests, what is
 * well formed is answered in its slot, and a broken ring is left alone.
 */
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/base/log.h"
#include "dm/net/packet.h"
#include "dm/xen/grant.h"
#include "pv-backends/host.h"
#include "pv-backends/net/control.h"
#include "pv-backends/net/queue.h"
#include "pv-backends/net/shared.h"
#include "pv-backends/net/slots.h"
#include "tests/fuzz/kit/input.h"
#include "tests/kit/net.h"
#include "tests/kit/no_evtchn.h"

#define PAGES 16u /* grants 0 to 15 are good ones */
#define RING 256u
#define HEADER 64u

enum { REQ_PROD, REQ_EVENT, RSP_PROD, RSP_EVENT };

static _Alignas(4096) uint8_t memory[PAGES][4096];
static _Alignas(4096) uint8_t tx[2][4096], rx[2][4096], ctrl[4096];
static bool broken;

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "==== what must hold does not: %s\n", what);
    abort();
}

/* ---- There is no Xen ---- */

int grants_copy(struct grants *g, struct grant_copy *pieces, unsigned count)
{
    must(count <= GRANT_COPIES_MOST, "a batch of copies has its bound");
    for (unsigned i = 0; i < count; i++) {
        struct grant_copy *p = &pieces[i];

        must(p->offset + p->length <= 4096u, "a copy stays within its page");
        p->failed = p->ref >= PAGES;
        if (p->failed)
            continue;
        if (p->to_guest)
            memcpy(memory[p->ref] + p->offset, p->bytes, p->length);
        else
            memcpy(p->bytes, memory[p->ref] + p->offset, p->length);
    }
    return 0;
}

static void on_broken(void *arg, const char *why)
{
    must(*why, "what is broken has a sentence");
    broken = true;
}

static void stopped(void *arg)
{
}

/* ---- The guest ---- */

struct fuzz {
    struct input in;
    struct loop *loop;
    struct pv_io io;
    struct net_shared shared;
    struct net nets[2];
    struct net_queue *queues[2];
    struct net_ctrl *ctrl;
    uint32_t made[2]; /* transmit requests of whole packets */
    bool tidy;        /* no index was written at random */
    bool held;        /* a rate, or a host without room: answers may wait */
};

static uint32_t get_word(uint8_t *ring, unsigned index)
{
    return atomic_load((_Atomic uint32_t *)(void *)(ring + 4 * index));
}

static void set_word(uint8_t *ring, unsigned index, uint32_t value)
{
    atomic_store((_Atomic uint32_t *)(void *)(ring + 4 * index), value);
}

static uint8_t *slot(uint8_t *ring, uint32_t at, unsigned entry, unsigned count)
{
    return ring + HEADER + at % count * entry;
}

static void put_raw(struct fuzz *f, uint8_t *ring, unsigned entry, unsigned count)
{
    uint32_t prod = get_word(ring, REQ_PROD);
    unsigned n = 1 + take8(&f->in) % 32;

    for (unsigned i = 0; i < n; i++) {
        const uint8_t *bytes;
        size_t got = take_bytes(&f->in, entry, &bytes);

        if (prod - get_word(ring, RSP_PROD) >= count)
            break;
        memset(slot(ring, prod, entry, count), 0, entry);
        memcpy(slot(ring, prod++, entry, count), bytes, got);
    }
    set_word(ring, REQ_PROD, prod);
}

/* A packet by the rules, of any shape; what is in its pages is the input's. */
static void put_packet(struct fuzz *f, unsigned q)
{
    uint32_t prod = get_word(tx[q], REQ_PROD);
    uint8_t shape = take8(&f->in);
    unsigned pieces = 1 + shape % 4, extras = shape >> 2 & 3, each = take16(&f->in) % 4097;
    unsigned slots = pieces + extras;

    if (prod - get_word(tx[q], RSP_PROD) + slots > RING || prod != f->made[q])
        return;
    for (unsigned i = 0; i < slots; i++) {
        uint8_t *s = slot(tx[q], prod + i, NET_TX_SLOT, RING);
        unsigned offset = each < 4096 ? take16(&f->in) % (4097 - each) : 0;

        if (i && i <= extras) {
            const uint8_t *bytes;
            size_t n = take_bytes(&f->in, 6, &bytes);

            memset(s, 0, NET_TX_SLOT);
            memcpy(s + 2, bytes, n);
            s[0] = (uint8_t)(1 + take8(&f->in) % 4);
            s[1] = i < extras;
            continue;
        }
        put_le32(s, take8(&f->in) % (PAGES + 1));
        put_le16(s + 4, (uint16_t)offset);
        put_le16(s + 6, (uint16_t)((shape >> 4 & 3) | (i + 1 < slots && pieces > 1 ? 4 : 0) |
                                   (!i && extras ? 8 : 0)));
        put_le16(s + 8, (uint16_t)(prod + i));
        put_le16(s + 10, (uint16_t)(i ? each : MIN(each * pieces, 65535u)));
    }
    f->made[q] = prod + slots;
    set_word(tx[q], REQ_PROD, prod + slots);
}

static void put_buffers(struct fuzz *f, unsigned q)
{
    uint32_t prod = get_word(rx[q], REQ_PROD);
    unsigned n = take8(&f->in);
    uint8_t ref = take8(&f->in);

    for (unsigned i = 0; i < n && prod - get_word(rx[q], RSP_PROD) < RING; i++, prod++) {
        uint8_t *s = slot(rx[q], prod, NET_RX_SLOT, RING);

        put_le16(s, (uint16_t)prod);
        put_le16(s + 2, 0);
        put_le32(s + 4, (ref + i) % (PAGES + (ref & 1)));
    }
    set_word(rx[q], REQ_PROD, prod);
}

static void deliver(struct fuzz *f, unsigned q)
{
    uint8_t kind = take8(&f->in), *frame;
    size_t head, length = 14 + take16(&f->in) % (PACKET_MOST - 14);
    struct offload off = { .needs_csum = kind & 1, .data_valid = kind & 2,
                           .gso = kind & 4 ? GSO_TCPV4 : kind & 8 ? GSO_TCPV6 : GSO_NONE,
                           .header_bytes = 54, .gso_size = take16(&f->in),
                           .csum_start = kind & 16 ? 54 : 34, .csum_offset = 16 };
    const uint8_t *bytes;

    head = take_bytes(&f->in, MIN(128, length), &bytes);
    if (kind & 32)
        length = MIN(length, 1514u);
    frame = calloc(1, length);
    memcpy(frame, bytes, MIN(head, length));
    net_deliver(&f->nets[q], frame, length, &off);
    free(frame);
}

/* ---- What must hold ---- */

static void hold(struct fuzz *f)
{
    for (unsigned q = 0; q < 2; q++) {
        uint32_t prod = get_word(tx[q], REQ_PROD), answered = get_word(tx[q], RSP_PROD);

        if (!f->tidy || broken)
            return;
        must(prod - answered <= RING, "no more answers than requests");
        must(f->held || answered == prod, "what was sent is answered");
        must(get_word(rx[q], REQ_PROD) - get_word(rx[q], RSP_PROD) <= RING,
             "no more frames than buffers");
        must(get_word(ctrl, REQ_PROD) == get_word(ctrl, RSP_PROD), "control requests are answered");
        for (uint32_t at = answered - MIN(answered, 8u); prod == f->made[q] && at != answered; at++) {
            const uint8_t *s = slot(tx[q], at, NET_TX_SLOT, RING);
            int16_t status = (int16_t)get_le16(s + 2);

            must(status == NET_NULL || (get_le16(s) == (uint16_t)at && status <= 0),
                 "an answer is that of its slot");
        }
    }
}

static void settle(struct fuzz *f)
{
    for (unsigned i = 0; i < 16 && loop_step(f->loop); i++)
        ;
    for (unsigned q = 0; q < 2; q++)
        net_forget(&f->nets[q]);
    hold(f);
}

static void play(struct fuzz *f)
{
    uint8_t op = take8(&f->in), where;
    unsigned q = op >> 7;

    switch (op % 10) {
    case 0:
    case 1:
        put_packet(f, q);
        break;
    case 2:
        put_raw(f, tx[q], NET_TX_SLOT, RING);
        f->made[q] = get_word(tx[q], REQ_PROD) + 1; /* no packet of ours can follow */
        break;
    case 3:
        put_buffers(f, q);
        break;
    case 4:
        deliver(f, q);
        break;
    case 5:
        put_raw(f, ctrl, NET_CONTROL_SLOT, 128);
        break;
    case 6: {
        const uint8_t *bytes;
        uint16_t at = take16(&f->in);
        size_t n = take_bytes(&f->in, 64, &bytes);

        memcpy(memory[at % PAGES] + MIN((size_t)(at >> 4), 4096 - n), bytes, n);
        break;
    }
    case 7: /* any word of any ring's header */
        where = take8(&f->in);
        set_word(where & 4 ? ctrl : where & 8 ? rx[q] : tx[q], where & 3, take32(&f->in));
        f->tidy = false;
        break;
    case 8:
        f->nets[q].room = op & 16 ? UINT_MAX : 1;
        f->held |= !(op & 16);
        if (op & 16)
            net_writable(&f->nets[q]);
        break;
    default:
        clock_crank(take16(&f->in) * NS_PER_US * 100);
    }
    settle(f);
}

static void open_all(struct fuzz *f)
{
    uint16_t bits = take16(&f->in);
    struct net_queue_config c = {
        .io = &f->io, .shared = &f->shared, .peers = f->queues, .name = "vif 0",
        .features = { .sg = bits & 1, .csum_v4 = bits & 2, .csum_v6 = bits & 4,
                      .gso = bits & 1 ? bits >> 3 & 6 : 0, .gso_prefix = bits & 1 ? bits >> 5 & 6 : 0,
                      .rx_notify = bits & 1024 },
        .rate_bytes = bits & 2048 ? 5000 : 0, .rate_ns = NS_PER_MS, .drain_ns = 10 * NS_PER_MS,
        .broken = on_broken,
    };
    struct net_ctrl_config control = { .io = &f->io, .shared = &f->shared, .ring = ctrl,
                                       .port = 9, .name = "vif 0", .broken = on_broken };
    struct error err;

    f->held = bits & 2048;
    f->tidy = true;
    net_shared_init(&f->shared, 2);
    f->shared.filter = bits & 4096;
    for (unsigned q = 0; q < 2; q++) {
        net_open(&f->nets[q], "vif0", true);
        c.port = f->nets[q].port;
        c.index = q;
        c.tx = tx[q];
        c.rx = rx[q];
        c.tx_port = 1 + q;
        c.rx_port = bits & 8192 ? 3 + q : c.tx_port;
        must(net_queue_open(&f->queues[q], &c, &err) == 0, "a queue opens");
    }
    must(net_ctrl_open(&f->ctrl, &control, &err) == 0, "a control ring opens");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct fuzz f;
    static struct loop *loop;
    struct error err;

    if (!loop) {
        log_guest_limit(0);
        clock_stop(1);
        must(loop_open(&loop, "io0", &err) == 0, "a loop opens");
    }
    f = (struct fuzz){ .in = { bytes, size }, .loop = loop, .io = { .loop = loop, .domid = 7 } };
    broken = false;
    memset(tx, 0, sizeof(tx));
    memset(rx, 0, sizeof(rx));
    memset(ctrl, 0, sizeof(ctrl));
    open_all(&f);
    settle(&f);
    while (f.in.left)
        play(&f);
    for (unsigned q = 0; q < 2; q++)
        net_queue_stop(f.queues[q], stopped, NULL);
    net_ctrl_stop(f.ctrl, stopped, NULL);
    settle(&f);
    while (loop_step(loop)) /* what one queue has sent the other */
        ;
    must(loop_next_timer(loop) == UINT64_MAX, "no timer is left");
    net_ctrl_close(f.ctrl);
    for (unsigned q = 0; q < 2; q++) {
        net_queue_close(f.queues[q]);
        net_close(&f.nets[q]);
    }
    return 0;
}
