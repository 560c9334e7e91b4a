/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/guest/net.h"
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"

#define WAIT_MS 20000
#define TX_CSUM_BLANK 1u
#define TX_DATA_VALIDATED 2u
#define TX_MORE 4u
#define TX_EXTRA 8u
#define RX_DATA_VALIDATED 1u
#define RX_CSUM_BLANK 2u
#define RX_MORE 4u
#define RX_EXTRA 8u
#define RX_PREFIX 16u

void guest_net_add(struct guest_net *n, unsigned devid, const char *vifname, const char *rate)
{
    memset(n, 0, sizeof(*n));
    guest_pv_name(&n->pv, "vif", "vif", devid);
    guest_pv_put(n->pv.front, "handle", "%u", devid);
    guest_pv_put(n->pv.front, "mac", "00:16:3e:00:00:01");
    guest_pv_put(n->pv.back, "mac", "00:16:3e:00:00:01");
    guest_pv_put(n->pv.back, "handle", "%u", devid);
    guest_pv_put(n->pv.back, "bridge", "xenbr0");
    guest_pv_put(n->pv.back, "script", "/etc/xen/scripts/vif-bridge");
    guest_pv_put(n->pv.back, "type", "vif");
    guest_pv_put(n->pv.back, "hotplug-status", "%s", "");
    if (vifname)
        guest_pv_put(n->pv.back, "vifname", "%s", vifname);
    if (rate)
        guest_pv_put(n->pv.back, "rate", "%s", rate);
    guest_pv_add(&n->pv, "vif", "vif", devid);
}

static uint32_t take_pages(uint32_t *memory, unsigned count, uint32_t *refs)
{
    uint32_t at = *memory;

    for (unsigned i = 0; i < count; i++)
        refs[i] = guest_grant(at + i * SIMXEN_PAGE, false);
    *memory += count * SIMXEN_PAGE;
    return at;
}

static void make_queue(struct guest_net *n, unsigned index, uint32_t *memory)
{
    struct guest_net_queue *q = &n->queue[index];

    memset(q, 0, sizeof(*q));
    guest_ring_init(&q->tx, take_pages(memory, 1, &q->tx_ref), 1, 12);
    guest_ring_init(&q->rx, take_pages(memory, 1, &q->rx_ref), 1, 8);
    q->tx_pages = take_pages(memory, GUEST_NET_SLOTS, q->tx_refs);
    q->rx_pages = take_pages(memory, GUEST_NET_SLOTS, q->rx_refs);
    q->tx_port = guest_channel();
    q->rx_port = n->c.split ? guest_channel() : q->tx_port;
    q->tx_seen = simxen()->remotes[q->tx_port].wakes;
    q->rx_seen = simxen()->remotes[q->rx_port].wakes;
}

static void say_queue(struct guest_net *n, unsigned index)
{
    struct guest_net_queue *q = &n->queue[index];
    char dir[128];

    if (n->c.queues > 1)
        snprintf(dir, sizeof(dir), "%s/queue-%u", n->pv.front, index);
    else
        snprintf(dir, sizeof(dir), "%s", n->pv.front);
    guest_pv_put(dir, "tx-ring-ref", "%u", q->tx_ref);
    guest_pv_put(dir, "rx-ring-ref", "%u", q->rx_ref);
    if (n->c.split) {
        guest_pv_put(dir, "event-channel-tx", "%u", q->tx_port);
        guest_pv_put(dir, "event-channel-rx", "%u", q->rx_port);
    } else {
        guest_pv_put(dir, "event-channel", "%u", q->tx_port);
    }
}

static void say_features(struct guest_net *n)
{
    const struct guest_net_config *c = &n->c;

    guest_pv_put(n->pv.front, "request-rx-copy", "%d", !c->no_rx_copy);
    guest_pv_put(n->pv.front, "feature-rx-notify", "%d", !c->no_rx_notify);
    guest_pv_put(n->pv.front, "feature-sg", "%d", c->sg);
    guest_pv_put(n->pv.front, c->prefix ? "feature-gso-tcpv4-prefix" : "feature-gso-tcpv4", "%d",
                 c->gso_v4);
    guest_pv_put(n->pv.front, c->prefix ? "feature-gso-tcpv6-prefix" : "feature-gso-tcpv6", "%d",
                 c->gso_v6);
    guest_pv_put(n->pv.front, "feature-no-csum-offload", "%d", c->no_csum);
    guest_pv_put(n->pv.front, "feature-ipv6-csum-offload", "%d", c->csum_v6);
    if (c->queues)
        guest_pv_put(n->pv.front, "multi-queue-num-queues", "%u", c->queues);
}

static void make_ctrl(struct guest_net *n, uint32_t *memory)
{
    guest_ring_init(&n->ctrl, take_pages(memory, 1, &n->ctrl_ref), 1, 16);
    n->ctrl_page = take_pages(memory, 1, &n->ctrl_page_ref);
    n->ctrl_port = guest_channel();
    n->ctrl_seen = simxen()->remotes[n->ctrl_port].wakes;
    guest_pv_put(n->pv.front, "ctrl-ring-ref", "%u", n->ctrl_ref);
    guest_pv_put(n->pv.front, "event-channel-ctrl", "%u", n->ctrl_port);
}

bool guest_net_prepare(struct guest_net *n, const struct guest_net_config *c)
{
    uint32_t memory = c->memory;

    n->c = *c;
    n->queues = c->queues ? c->queues : 1;
    if (!guest_pv_await(&n->pv, 2))
        return false;
    say_features(n);
    for (unsigned i = 0; i < n->queues; i++) {
        make_queue(n, i, &memory);
        say_queue(n, i);
        guest_net_fill(n, i);
    }
    if (c->ctrl)
        make_ctrl(n, &memory);
    return true;
}

bool guest_net_connect(struct guest_net *n, const struct guest_net_config *c)
{
    if (!guest_net_prepare(n, c))
        return false;
    guest_pv_state(&n->pv, 4);
    return guest_pv_await(&n->pv, 4);
}

static void end_grants(const uint32_t *refs, unsigned count, bool *all)
{
    for (unsigned i = 0; i < count; i++)
        *all &= guest_grant_end(refs[i]);
}

static bool end_queues(struct guest_net *n)
{
    bool all = true;

    for (unsigned i = 0; i < n->queues; i++) {
        struct guest_net_queue *q = &n->queue[i];

        end_grants(&q->tx_ref, 1, &all);
        end_grants(&q->rx_ref, 1, &all);
        end_grants(q->tx_refs, GUEST_NET_SLOTS, &all);
        end_grants(q->rx_refs, GUEST_NET_SLOTS, &all);
        guest_channel_close(q->tx_port);
        if (n->c.split)
            guest_channel_close(q->rx_port);
    }
    if (n->c.ctrl) {
        end_grants(&n->ctrl_ref, 1, &all);
        end_grants(&n->ctrl_page_ref, 1, &all);
        guest_channel_close(n->ctrl_port);
    }
    return all;
}

bool guest_net_disconnect(struct guest_net *n)
{
    bool all;

    guest_pv_state(&n->pv, 5);
    all = guest_pv_await(&n->pv, 5);
    guest_pv_state(&n->pv, 6);
    all &= guest_pv_await(&n->pv, 6);
    return end_queues(n) && all;
}

void guest_net_forget(struct guest_net *n)
{
    CHECK(end_queues(n));
}

/* ---- Transmit ---- */

void *guest_net_tx_slot(struct guest_net *n, unsigned queue)
{
    return guest_ring_next(&n->queue[queue].tx);
}

static unsigned tx_room(const struct guest_net_queue *q)
{
    return q->tx.count - (q->tx.made - q->tx.taken);
}

/* A data slot, with its page filled. The id is the slot's number. */
static void put_data(struct guest_net *n, unsigned queue, const uint8_t *bytes, unsigned count,
                     unsigned size, unsigned flags)
{
    struct guest_net_queue *q = &n->queue[queue];
    unsigned index = q->tx.made & (q->tx.count - 1), offset = (index * 8) % 64;
    uint8_t *r = guest_ring_next(&q->tx);

    offset = offset + count <= SIMXEN_PAGE ? offset : 0;
    guest_write(q->tx_pages + index * SIMXEN_PAGE + offset, bytes, count);
    put_le32(r, q->tx_refs[index]);
    put_le16(r + 4, (uint16_t)offset);
    put_le16(r + 6, (uint16_t)flags);
    put_le16(r + 8, (uint16_t)index);
    put_le16(r + 10, (uint16_t)size);
}

static void put_extra(struct guest_net *n, unsigned queue, const uint8_t extra[8])
{
    uint8_t *r = guest_ring_next(&n->queue[queue].tx);

    memcpy(r, extra, 8);
    memset(r + 8, 0, 4);
}

bool guest_net_send(struct guest_net *n, unsigned queue, const void *frame, size_t length,
                    const struct guest_net_frame *how)
{
    static const struct guest_net_frame plain;
    struct guest_net_queue *q = &n->queue[queue];
    unsigned piece, pieces;
    const uint8_t *p = frame;

    how = how ? how : &plain;
    piece = how->piece ? how->piece : SIMXEN_PAGE;
    pieces = (unsigned)DIV_ROUND_UP(length, piece);
    if (tx_room(q) < pieces + (how->gso != 0) + how->hash)
        return false;
    for (unsigned i = 0; i < pieces; i++) {
        unsigned part = (unsigned)MIN(length - i * piece, piece);
        unsigned flags = (i + 1 < pieces ? TX_MORE : 0);

        if (!i)
            flags |= (how->csum_blank ? TX_CSUM_BLANK : 0) |
                     (how->data_validated ? TX_DATA_VALIDATED : 0) |
                     (how->gso || how->hash ? TX_EXTRA : 0);
        put_data(n, queue, p + i * piece, part, i ? part : (unsigned)length, flags);
        if (!i && how->gso)
            put_extra(n, queue, (uint8_t[]){ 1, how->hash, (uint8_t)how->gso_size,
                                             (uint8_t)(how->gso_size >> 8), how->gso, 0, 0, 0 });
        if (!i && how->hash)
            put_extra(n, queue, (uint8_t[]){ 4, 0, 1, 1, 0xef, 0xbe, 0xad, 0xde });
    }
    return true;
}

void guest_net_mcast(struct guest_net *n, unsigned queue, bool add, const uint8_t address[6])
{
    uint8_t extra[8] = { add ? 2 : 3, 0 };

    memcpy(extra + 2, address, 6);
    put_data(n, queue, extra, 0, 0, TX_EXTRA);
    put_extra(n, queue, extra);
}

void guest_net_kick(struct guest_net *n, unsigned queue)
{
    struct guest_net_queue *q = &n->queue[queue];

    if (guest_ring_push(&q->tx))
        guest_channel_notify(q->tx_port);
}

bool guest_net_reap(struct guest_net *n, unsigned queue, unsigned ms)
{
    struct guest_net_queue *q = &n->queue[queue];

    while (q->tx.taken != q->tx.made) {
        unsigned index = q->tx.taken & (q->tx.count - 1);
        const uint8_t *r = guest_ring_response(&q->tx);
        int16_t status;

        if (!r) {
            if (!ms || (!guest_ring_arm(&q->tx) && !guest_channel_wait(q->tx_port, &q->tx_seen, ms)))
                return false;
            continue;
        }
        status = (int16_t)get_le16(r + 2);
        if (status != 1)
            CHECK_EQ(get_le16(r), index);
        q->tx_errors += status < 0;
        q->tx_done++;
    }
    return true;
}

/* ---- Receive ---- */

void guest_net_fill(struct guest_net *n, unsigned queue)
{
    struct guest_net_queue *q = &n->queue[queue];
    unsigned most = n->c.buffers ? n->c.buffers : q->rx.count;

    while (q->rx.made - q->rx.taken < most) {
        unsigned index = q->rx.made & (q->rx.count - 1);
        uint8_t *r = guest_ring_next(&q->rx);

        put_le16(r, (uint16_t)index);
        put_le16(r + 2, 0);
        put_le32(r + 4, q->rx_refs[index]);
    }
    if (guest_ring_push(&q->rx) && !n->c.no_rx_notify)
        guest_channel_notify(q->rx_port);
}

/* The next response; it must stand in its request's slot. */
static const uint8_t *next_response(struct guest_net *n, struct guest_net_queue *q, unsigned ms)
{
    const uint8_t *r;

    while (!(r = guest_ring_response(&q->rx)))
        if (!ms || (!guest_ring_arm(&q->rx) && !guest_channel_wait(q->rx_port, &q->rx_seen, ms)))
            return NULL;
    return r;
}

static void take_extra(const uint8_t *r, struct guest_net_got *got)
{
    if (r[0] == 1) {
        got->gso_size = get_le16(r + 2);
        got->gso = r[4];
    } else {
        CHECK_EQ(r[0], 4);
        CHECK_EQ(r[3], 1);
        got->hashed = true;
        got->hash_type = r[2];
        got->hash = get_le32(r + 4);
    }
}

bool guest_net_receive(struct guest_net *n, unsigned queue, struct guest_net_got *got, unsigned ms)
{
    struct guest_net_queue *q = &n->queue[queue];
    const uint8_t *r = next_response(n, q, ms);
    unsigned flags;

    if (!r)
        return false;
    got->length = 0;
    memset(got, 0, offsetof(struct guest_net_got, bytes));
    if (get_le16(r + 4) & RX_PREFIX) {
        got->prefix = true;
        got->gso_size = get_le16(r + 2);
        CHECK(get_le16(r + 4) & RX_MORE);
        r = next_response(n, q, WAIT_MS);
        CHECK(r);
    }
    flags = get_le16(r + 4);
    got->csum_blank = flags & RX_CSUM_BLANK;
    got->data_validated = flags & RX_DATA_VALIDATED;
    for (bool first = true;; first = false) {
        unsigned index = (q->rx.taken - 1) & (q->rx.count - 1);
        bool extra = first && flags & RX_EXTRA;
        int16_t status = (int16_t)get_le16(r + 6);

        CHECK_EQ(get_le16(r), index);
        CHECK_EQ(get_le16(r + 2), 0);
        got->failed |= status < 0;
        if (status > 0) {
            guest_read(q->rx_pages + index * SIMXEN_PAGE, got->bytes + got->length, (size_t)status);
            got->length += (size_t)status;
        }
        while (extra) {
            const uint8_t *e = next_response(n, q, WAIT_MS);

            CHECK(e);
            take_extra(e, got);
            extra = e[1] & 1;
        }
        if (!(flags & RX_MORE))
            break;
        r = next_response(n, q, WAIT_MS);
        CHECK(r);
        flags = get_le16(r + 4);
    }
    guest_net_fill(n, queue);
    return true;
}

/* ---- Control ---- */

int guest_net_control(struct guest_net *n, unsigned type, uint32_t a, uint32_t b, uint32_t c,
                      uint32_t *data)
{
    static uint16_t id;
    uint8_t *r = guest_ring_next(&n->ctrl);

    CHECK(r);
    put_le16(r, ++id);
    put_le16(r + 2, (uint16_t)type);
    put_le32(r + 4, a);
    put_le32(r + 8, b);
    put_le32(r + 12, c);
    if (guest_ring_push(&n->ctrl))
        guest_channel_notify(n->ctrl_port);
    while (!(r = guest_ring_response(&n->ctrl)))
        if (!guest_ring_arm(&n->ctrl) && !guest_channel_wait(n->ctrl_port, &n->ctrl_seen, WAIT_MS))
            return -1;
    CHECK_EQ(get_le16(r), id);
    CHECK_EQ(get_le16(r + 2), type);
    if (data)
        *data = get_le32(r + 8);
    return (int)get_le32(r + 4);
}
