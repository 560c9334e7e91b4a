/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * To the guest: frames are staged as they come, with a plan of slots and copies; at the end of the
 * pass all is copied in one call and the responses are put, each in the slot of its request, which
 * frontends rely on. A guest without buffers leaves the frames to the host's queue, which is bounded.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/counter.h"
#include "dm/base/log.h"
#include "dm/net/packet.h"
#include "pv-backends/host.h"
#include "pv-backends/net/internal.h"

#define HANDED_MOST 256u /* frames on their way to one queue */
#define LOOK_AGAIN (33 * NS_PER_MS) /* at a ring whose frontend does not say when it has filled it */
#define SLOTS_MOST (DIV_ROUND_UP(PACKET_MOST, NET_PAGE) + 2)

/* ---- Slots ---- */

/* The next request's slot; its response is planned. */
static struct net_rx_plan *next_slot(struct net_queue *q, uint32_t *ref)
{
    struct net_rx_plan *p = &q->rx.plan[q->rx.planned++];
    uint8_t slot[NET_RX_SLOT];

    memcpy(slot, pv_ring_slot(&q->rx.ring, q->rx.ring.taken++), sizeof(slot));
    *ref = get_le32(slot + 4);
    *p = (struct net_rx_plan){ .data = false };
    put_le16(p->bytes, get_le16(slot));
    return p;
}

/* Extra info stands in a slot whose request is used up without its page. */
static void put_extra(struct net_queue *q, const uint8_t bytes[NET_RX_SLOT])
{
    uint32_t ref;

    memcpy(next_slot(q, &ref)->bytes, bytes, NET_RX_SLOT);
}

static uint8_t gso_type(const struct offload *off)
{
    return off->gso == GSO_TCPV4 ? NET_GSO_TCPV4 : off->gso == GSO_TCPV6 ? NET_GSO_TCPV6 : 0;
}

static void put_prefix(struct net_queue *q, const struct offload *off)
{
    uint32_t ref;
    struct net_rx_plan *p = next_slot(q, &ref);

    put_le16(p->bytes + 2, off->gso_size);
    put_le16(p->bytes + 4, NETRX_GSO_PREFIX | NETRX_MORE_DATA);
}

static void put_extras(struct net_queue *q, const struct offload *off, bool gso,
                       const struct net_flow *flow)
{
    uint8_t bytes[NET_RX_SLOT] = { NET_EXTRA_GSO, flow->hashed ? NET_EXTRA_MORE : 0 };

    if (gso) {
        put_le16(bytes + 2, off->gso_size);
        bytes[4] = gso_type(off);
        put_extra(q, bytes);
    }
    if (flow->hashed) {
        memcpy(bytes, (uint8_t[]){ NET_EXTRA_HASH, 0, flow->type, 1 }, 4);
        put_le32(bytes + 4, flow->value);
        put_extra(q, bytes);
    }
}

static bool needs_gso(const struct net_queue *q, const struct offload *off, unsigned forms)
{
    return off->gso != GSO_NONE && forms & 1u << gso_type(off);
}

/* Whether every frame can go to the frontend as it is. */
static bool takes_all(const struct net_queue *q)
{
    const struct net_features *f = &q->c.features;
    unsigned both = 1u << NET_GSO_TCPV4 | 1u << NET_GSO_TCPV6;

    return f->csum_v4 && f->csum_v6 && ((f->gso | f->gso_prefix) & both) == both;
}

static unsigned data_slots(size_t length)
{
    return (unsigned)DIV_ROUND_UP(length, NET_PAGE);
}

static unsigned slots_for(const struct net_queue *q, size_t length, const struct offload *off,
                          const struct net_flow *flow)
{
    return data_slots(length) + flow->hashed + (off->gso != GSO_NONE);
}

static bool in_stage(const struct net_rx *r, const uint8_t *frame)
{
    return frame >= r->stage && frame < r->stage + NET_STAGE_BYTES;
}

/* Where the frame is staged: what was read to one of our rooms stays there. */
static uint8_t *stage_frame(struct net_rx *r, const uint8_t *frame, size_t length)
{
    size_t at = in_stage(r, frame) ? (size_t)(frame - r->stage) : r->staged;
    uint8_t *p = r->stage + at;

    if (frame != p)
        memcpy(p, frame, length);
    r->staged = net_place(at + length, NETPORT_HEADROOM, length);
    return p;
}

/* Room for it is there. */
static void put_frame(struct net_queue *q, const uint8_t *frame, size_t length,
                      const struct offload *off, const struct net_flow *flow)
{
    struct net_rx *r = &q->rx;
    bool extra_gso = needs_gso(q, off, q->c.features.gso);
    uint8_t *p = stage_frame(r, frame, length);
    unsigned first = 0;

    if (off->gso != GSO_NONE && !extra_gso)
        put_prefix(q, off);
    for (size_t at = 0; at < length; at += NET_PAGE) {
        uint16_t part = (uint16_t)MIN(length - at, NET_PAGE), flags = 0;
        uint32_t ref;
        struct net_rx_plan *plan = next_slot(q, &ref);

        if (!at) {
            first = r->planned - 1;
            flags = (uint16_t)((off->needs_csum ? NETRX_CSUM_BLANK | NETRX_DATA_VALIDATED : 0) |
                               (off->data_valid ? NETRX_DATA_VALIDATED : 0) |
                               (extra_gso || flow->hashed ? NETRX_EXTRA_INFO : 0));
        }
        flags |= at + part < length ? NETRX_MORE_DATA : 0;
        plan->data = true;
        plan->first = first;
        plan->copy = r->copy_count;
        put_le16(plan->bytes + 4, flags);
        put_le16(plan->bytes + 6, part);
        r->copies[r->copy_count++] = (struct grant_copy){ .ref = ref, .length = part,
                                                          .to_guest = true, .bytes = p + at };
        if (!at)
            put_extras(q, off, extra_gso, flow);
    }
    net_count(&q->stats.rx, length, off);
}

static bool is_spoilt(const struct net_rx_plan *first)
{
    return get_le16(first->bytes + 6) == (uint16_t)NET_ERROR;
}

static void spoil(struct net_queue *q, struct net_rx_plan *first)
{
    if (!is_spoilt(first))
        counter_add(&q->stats.rx.errors, 1);
    put_le16(first->bytes + 6, (uint16_t)NET_ERROR);
}

void net_rx_flush(struct net_queue *q)
{
    struct net_rx *r = &q->rx;

    if (!r->planned)
        return;
    if (grants_copy(q->c.io->grants, r->copies, r->copy_count) < 0)
        log_guest("%s: grant copy: errno %d", q->c.name, errno);
    counter_add(&q->stats.copies, r->copy_count);
    counter_add(&q->stats.rx.batches, 1);
    for (unsigned i = 0; i < r->planned; i++) /* one page that cannot be written spoils the frame */
        if (r->plan[i].data && r->copies[r->plan[i].copy].failed)
            spoil(q, &r->plan[r->plan[i].first]);
    for (unsigned i = 0; i < r->planned; i++) {
        struct net_rx_plan *p = &r->plan[i];

        if (p->data && is_spoilt(&r->plan[p->first]))
            put_le16(p->bytes + 6, (uint16_t)NET_ERROR);
        memcpy(pv_ring_slot(&r->ring, r->ring.put++), p->bytes, NET_RX_SLOT);
    }
    net_rx_begin(q);
}

void net_rx_begin(struct net_queue *q)
{
    q->rx.planned = q->rx.copy_count = 0;
    q->rx.staged = NET_PAGE; /* of which the headroom takes a little */
}

/* Several only where no frame has to be cut: its pieces would be staged where the next one lies. */
unsigned net_rx_rooms(struct net_queue *q, uint8_t **places, unsigned most)
{
    size_t at;
    unsigned n = 0;

    if (q->rx.staged + PACKET_MOST > NET_STAGE_BYTES)
        net_rx_flush(q);
    most = takes_all(q) ? most : MIN(most, 1);
    for (at = q->rx.staged; n < most && at + PACKET_MOST <= NET_STAGE_BYTES;
         at = net_place(at + PACKET_MOST, NETPORT_HEADROOM, NET_PAGE))
        places[n++] = q->rx.stage + at;
    return n;
}

/* ---- Frames without buffers ---- */

static void set_timer(struct net_queue *q)
{
    uint64_t due = q->rx.drain_due;

    if (!q->c.features.rx_notify)
        due = MIN(due, clock_now() + LOOK_AGAIN);
    timer_set(&q->rx.timer, due);
}

static void begin_waiting(struct net_queue *q, unsigned wanted)
{
    if (!q->rx.wanted) {
        q->rx.drain_due = clock_now() + q->c.drain_ns;
        set_timer(q);
    }
    q->rx.wanted = wanted;
}

void net_rx_timer(void *queue)
{
    struct net_queue *q = queue;

    if (net_rx_serve(q) || !q->rx.wanted)
        return;
    if (clock_now() < q->rx.drain_due) {
        set_timer(q);
        return;
    }
    q->rx.draining = true;
    q->rx.wanted = 0;
    netport_accept(q->c.port);
}

bool net_rx_serve(struct net_queue *q)
{
    if (!q->rx.wanted || q->broken || q->stopping || pv_ring_waiting(&q->rx.ring) < q->rx.wanted)
        return false;
    q->rx.wanted = 0;
    timer_clear(&q->rx.timer);
    netport_accept(q->c.port);
    return true;
}

bool net_rx_arm(struct net_queue *q)
{
    return q->rx.wanted && !q->broken && pv_ring_ask(&q->rx.ring, q->rx.wanted);
}

/* ---- Frames ---- */

/*
 * Lets go of what is staged where this one would not fit beside it, or was read to a room before that, behind
 * which there may be others that are still to be received.
 */
static void make_room(struct net_queue *q, const uint8_t *frame, size_t length, unsigned slots)
{
    struct net_rx *r = &q->rx;
    bool before = in_stage(r, frame) && frame < r->stage + r->staged;

    if (before || r->staged + length > NET_STAGE_BYTES || r->planned + slots > NET_RING)
        net_rx_flush(q);
}

/* False: there are no buffers, and it is to wait. */
static bool deliver(struct net_queue *q, const uint8_t *frame, size_t length,
                    const struct offload *off, const struct net_flow *flow)
{
    unsigned slots = slots_for(q, length, off, flow);
    uint32_t waiting = pv_ring_waiting(&q->rx.ring);

    if (waiting == PV_RING_BROKEN)
        net_break_off(q, "the receive ring holds more requests than it has room for");
    if (q->broken || (!q->c.features.sg && data_slots(length) > 1)) {
        counter_add(&q->stats.dropped, 1);
        return true;
    }
    if (waiting < slots) {
        if (q->rx.draining) {
            counter_add(&q->stats.dropped, 1);
            return true;
        }
        begin_waiting(q, slots);
        return false;
    }
    q->rx.draining = false;
    make_room(q, frame, length, slots);
    put_frame(q, frame, length, off, flow);
    return true;
}

/* ---- What the frontend cannot take ---- */

static bool takes_csum(const struct net_queue *q, const uint8_t *frame, size_t length,
                       const struct offload *off)
{
    uint16_t type = length >= 14 ? get_be16(frame + 12) : 0;

    if (!off->needs_csum)
        return true;
    if (q->c.features.csum_v4 && q->c.features.csum_v6)
        return true;
    return type == 0x0800 ? q->c.features.csum_v4 : type == 0x86dd && q->c.features.csum_v6;
}

static bool takes_gso(const struct net_queue *q, const struct offload *off)
{
    return off->gso == GSO_NONE || needs_gso(q, off, q->c.features.gso | q->c.features.gso_prefix);
}

struct cut {
    struct net_queue *q;
    const struct net_flow *flow;
};

/* A segment of a frame that was cut: what does not fit is lost, as on a wire. */
static void deliver_segment(void *arg, const uint8_t *frame, size_t length)
{
    static const struct offload none;
    const struct cut *c = arg;
    struct net_rx *r = &c->q->rx;

    if (pv_ring_waiting(&r->ring) >= slots_for(c->q, length, &none, c->flow))
        deliver(c->q, frame, length, &none, c->flow);
    else
        counter_add(&c->q->stats.dropped, 1);
}

static bool deliver_in_software(struct net_queue *q, const uint8_t *frame, size_t length,
                                const struct offload *off, const struct net_flow *flow)
{
    static const struct offload none;
    struct cut cut = { q, flow };

    if (!q->rx.scratch)
        q->rx.scratch = malloc(2 * PACKET_MOST);
    if (!q->rx.scratch || length > PACKET_MOST) {
        counter_add(&q->stats.dropped, 1);
        return true;
    }
    if (off->gso != GSO_NONE) { /* it may lie where its segments go */
        memcpy(q->rx.scratch + PACKET_MOST, frame, length);
        if (!packet_segment(q->rx.scratch + PACKET_MOST, length, off, q->rx.scratch, deliver_segment, &cut))
            counter_add(&q->stats.dropped, 1);
        return true;
    }
    memcpy(q->rx.scratch, frame, length);
    if (packet_fill_checksum(q->rx.scratch, length, off))
        return deliver(q, q->rx.scratch, length, &none, flow);
    counter_add(&q->stats.dropped, 1);
    return true;
}

static bool take_frame(struct net_queue *q, const uint8_t *frame, size_t length,
                       const struct offload *off, const struct net_flow *flow)
{
    if (!takes_gso(q, off) || !takes_csum(q, frame, length, off))
        return deliver_in_software(q, frame, length, off, flow);
    return deliver(q, frame, length, off, flow);
}

/* ---- To another queue ---- */

struct handed {
    struct net_queue *to;
    struct offload off;
    struct net_flow flow;
    size_t length;
    uint8_t frame[];
};

static void take_handed(void *arg)
{
    struct handed *h = arg;
    struct net_queue *q = h->to;

    atomic_fetch_sub(&q->handed, 1);
    if (q->begun && !q->stopping && !q->rx.wanted) { /* behind a frame that waits there is no room */
        bool draining = q->rx.draining;

        q->rx.draining = true; /* it cannot wait: it is no netport's */
        take_frame(q, h->frame, h->length, &h->off, &h->flow);
        q->rx.draining &= draining;
    }
    free(h);
}

static void hand_over(struct net_queue *q, struct net_queue *to, const uint8_t *frame,
                      size_t length, const struct offload *off, const struct net_flow *flow)
{
    struct handed *h = NULL;

    if (atomic_load(&to->handed) < HANDED_MOST)
        h = malloc(sizeof(*h) + length);
    if (!h) {
        counter_add(&q->stats.dropped, 1);
        return;
    }
    *h = (struct handed){ to, *off, *flow, length };
    memcpy(h->frame, frame, length);
    atomic_fetch_add(&to->handed, 1);
    counter_add(&q->stats.handed, 1);
    loop_post(to->c.io->loop, take_handed, h);
}

bool net_rx_receive(struct net_queue *q, const uint8_t *frame, size_t length,
                    const struct offload *off)
{
    struct net_flow flow = { .hashed = false };
    unsigned index = q->c.index;

    if (q->stopping || q->broken || length < 14 || !net_group_wants(q->c.shared, frame)) {
        counter_add(&q->stats.dropped, 1);
        return true;
    }
    net_steering_refresh(&q->steering, q->c.shared);
    if (q->steering.algorithm)
        flow = net_hash(&q->steering, frame, length);
    if (flow.hashed)
        index = net_steer(&q->steering, flow.value, q->c.shared->queues);
    if (index != q->c.index) {
        hand_over(q, q->c.peers[index], frame, length, off, &flow);
        return true;
    }
    return take_frame(q, frame, length, off, &flow);
}
