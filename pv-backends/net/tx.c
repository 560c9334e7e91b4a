/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the guest: the slots that wait are copied and taken apart, the data of all packets comes in by
 * one call, and they leave together, each frame as one piece. Where the host has no room for some, what
 * comes waits with them.
 */
#include <errno.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/counter.h"
#include "dm/base/log.h"
#include "pv-backends/host.h"
#include "pv-backends/net/internal.h"

#define BURST_LEAST 131072u /* what a limited guest may save up, or no large packet would ever go */

/* ---- Rate ---- */

static bool may_send(struct net_queue *q, unsigned bytes)
{
    struct net_tx *t = &q->tx;
    uint64_t now;

    if (!q->c.rate_bytes)
        return true;
    now = clock_now();
    if (now >= t->credit_due) {
        t->credit = MIN(t->credit + q->c.rate_bytes, MAX(q->c.rate_bytes, BURST_LEAST));
        t->credit_due = now + q->c.rate_ns;
    }
    if (bytes > t->credit) {
        timer_set(&t->timer, t->credit_due);
        return false;
    }
    t->credit -= bytes;
    return true;
}

void net_tx_timer(void *queue)
{
    net_tx_serve(queue);
}

/* ---- Taking ---- */

/*
 * Where a frame begins, behind `end` of the stage and room for the netport's words: such that its first
 * whole page, and with it most of them, lies in one page.
 */
static size_t place(const struct net_piece *pieces, unsigned count, size_t end)
{
    size_t before = 0;

    for (unsigned i = 0; i < count; before += pieces[i++].length)
        if (pieces[i].length == NET_PAGE)
            return net_place(end, NETPORT_HEADROOM + before, NET_PAGE) - before;
    return net_place(end, NETPORT_HEADROOM, before);
}

static void plan_copies(struct net_tx *t, struct net_batch_packet *b, size_t *staged)
{
    struct net_piece pieces[NET_PIECES_MOST];
    uint8_t *p;

    b->copy = t->copy_count;
    b->pieces = net_pieces(&t->slots[b->slot], &b->words, pieces);
    *staged = place(pieces, b->pieces, *staged);
    b->bytes = p = t->stage + *staged;
    *staged += b->words.length;
    for (unsigned i = 0; i < b->pieces; i++) {
        t->copies[t->copy_count++] = (struct grant_copy){ .ref = pieces[i].ref,
                                                          .offset = pieces[i].offset,
                                                          .length = pieces[i].length, .bytes = p };
        p += pieces[i].length;
    }
}

/* The next packet of the slots, if there is room for it; false: no more in this batch. */
static bool take_packet(struct net_queue *q, unsigned *at, unsigned count, size_t *staged)
{
    struct net_tx *t = &q->tx;
    struct net_batch_packet *b = &t->packets[t->count];
    const char *why;
    bool carries;

    if (*at == count || t->count == NET_PACKETS)
        return false;
    if (!net_parse(&t->slots[*at], count - *at, &b->words, &why)) {
        net_break_off(q, why);
        return false;
    }
    carries = !b->words.bad && !b->words.mcast;
    if (carries && (t->copy_count + NET_PIECES_MOST > GRANT_COPIES_MOST ||
                    *staged + 2 * NET_PAGE + b->words.length > NET_STAGE_BYTES))
        return false;
    if (carries && !may_send(q, b->words.length))
        return false;
    b->slot = *at;
    b->pieces = 0;
    if (carries)
        plan_copies(t, b, staged);
    *at += b->words.slots;
    t->count++;
    return true;
}

static void take(struct net_queue *q)
{
    struct net_tx *t = &q->tx;
    uint32_t waiting = pv_ring_waiting(&t->ring);
    unsigned at = 0;
    size_t staged = 0;

    t->count = t->next = t->copy_count = 0;
    if (waiting == PV_RING_BROKEN) {
        net_break_off(q, "the transmit ring holds more requests than it has room for");
        return;
    }
    for (unsigned i = 0; i < waiting; i++)
        memcpy(t->slots[i], pv_ring_slot(&t->ring, t->ring.taken + i), NET_TX_SLOT);
    while (take_packet(q, &at, waiting, &staged))
        ;
    t->ring.taken += at;
    if (t->copy_count && grants_copy(q->c.io->grants, t->copies, t->copy_count) < 0)
        log_guest("%s: grant copy: errno %d", q->c.name, errno);
    counter_add(&q->stats.copies, t->copy_count);
}

/* ---- Sending ---- */

static void answer(struct net_queue *q, const struct net_batch_packet *b)
{
    uint8_t bytes[4];

    for (unsigned i = 0; i < b->words.slots; i++) {
        net_answer(&q->tx.slots[b->slot], &b->words, i, b->status, bytes);
        memcpy(pv_ring_slot(&q->tx.ring, q->tx.ring.put++), bytes, sizeof(bytes));
    }
    if (b->status != NET_OKAY)
        counter_add(&q->stats.tx.errors, 1);
}

static bool was_copied(const struct net_tx *t, const struct net_batch_packet *b)
{
    for (unsigned i = 0; i < b->pieces; i++)
        if (t->copies[b->copy + i].failed)
            return false;
    return true;
}

static int change_groups(struct net_queue *q, const struct net_packet *p)
{
    if (p->mcast == NET_EXTRA_MCAST_DEL)
        net_group_drop(q->c.shared, p->group);
    else if (!(p->group[0] & 1) || !net_group_add(q->c.shared, p->group))
        return NET_ERROR;
    return NET_OKAY;
}

/* The answer to what is no frame for the host; NET_LEAVES: it is one, and *frame is that. */
static int judge_packet(struct net_queue *q, const struct net_batch_packet *b,
                        struct netport_frame *frame)
{
    if (b->words.bad || !was_copied(&q->tx, b))
        return NET_ERROR;
    if (b->words.mcast)
        return change_groups(q, &b->words);
    *frame = (struct netport_frame){ .bytes = b->bytes, .length = b->words.length };
    return net_prepare(&b->words, b->bytes, b->words.length, &frame->off) ? NET_LEAVES
                                                                              : NET_ERROR;
}

static void judge_batch(struct net_queue *q)
{
    struct net_tx *t = &q->tx;

    for (unsigned i = 0; i < t->count; i++) {
        struct net_batch_packet *b = &t->packets[i];

        b->status = judge_packet(q, b, &t->frames[t->unsent]);
        if (b->status == NET_LEAVES)
            t->packet_of[t->unsent++] = (uint8_t)i;
    }
}

static void send_batch(struct net_queue *q)
{
    struct net_tx *t = &q->tx;
    unsigned kept = 0;

    netport_send_many(q->c.port, t->frames, t->unsent);
    for (unsigned i = 0; i < t->unsent; i++) {
        struct netport_frame *f = &t->frames[i];
        struct net_batch_packet *b = &t->packets[t->packet_of[i]];

        if (f->rc == -EAGAIN) {
            t->packet_of[kept] = t->packet_of[i];
            t->frames[kept++] = *f;
            continue;
        }
        net_count(&q->stats.tx, f->length, &f->off);
        b->status = NET_OKAY;
    }
    t->unsent = kept;
    for (; t->next < t->count && t->packets[t->next].status != NET_LEAVES; t->next++)
        answer(q, &t->packets[t->next]);
}

static bool is_held(const struct net_queue *q)
{
    return q->broken || q->stopping || q->tx.next < q->tx.count || timer_is_set(&q->tx.timer);
}

bool net_tx_serve(struct net_queue *q)
{
    if (is_held(q) || !pv_ring_waiting(&q->tx.ring))
        return false;
    take(q);
    judge_batch(q);
    send_batch(q);
    counter_add(&q->stats.tx.batches, 1);
    return true;
}

void net_tx_writable(struct net_queue *q)
{
    send_batch(q);
    net_tx_serve(q);
}

bool net_tx_arm(struct net_queue *q)
{
    return !is_held(q) && pv_ring_arm(&q->tx.ring);
}
