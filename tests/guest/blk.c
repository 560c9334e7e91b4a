/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/guest/blk.h"
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"

#define DIRECT 11u
#define SECTOR 512u
#define WAIT_MS 20000

void guest_blk_add(struct guest_blk *b, unsigned devid, const char *params, bool readonly)
{
    memset(b, 0, sizeof(*b));
    guest_pv_name(&b->pv, "qdisk", "vbd", devid);
    guest_pv_put(b->pv.front, "virtual-device", "%u", devid);
    guest_pv_put(b->pv.front, "device-type", "disk");
    guest_pv_put(b->pv.back, "removable", "0");
    guest_pv_put(b->pv.back, "bootable", "1");
    guest_pv_put(b->pv.back, "dev", "xvda");
    guest_pv_put(b->pv.back, "type", "qdisk");
    guest_pv_put(b->pv.back, "mode", readonly ? "r" : "w");
    guest_pv_put(b->pv.back, "device-type", "disk");
    guest_pv_put(b->pv.back, "discard-enable", readonly ? "0" : "1");
    guest_pv_put(b->pv.back, "params", "%s", params);
    guest_pv_add(&b->pv, "qdisk", "vbd", devid);
}

static uint32_t *grant_pages(uint32_t addr, unsigned count)
{
    uint32_t *refs = calloc(count, sizeof(*refs));

    for (unsigned i = 0; i < count; i++)
        refs[i] = guest_grant(addr + i * SIMXEN_PAGE, false);
    return refs;
}

/* Takes what the queue needs from `memory` on; returns what comes after. */
static uint32_t make_queue(struct guest_blk *b, unsigned index, uint32_t memory)
{
    struct guest_blk_queue *q = &b->queue[index];
    unsigned pages = 1u << b->c.order;

    guest_ring_init(&q->ring, memory, pages, b->c.x86_32 ? 108 : 112);
    for (unsigned i = 0; i < pages; i++)
        q->ring_refs[i] = guest_grant(memory + i * SIMXEN_PAGE, false);
    memory += pages * SIMXEN_PAGE;
    q->lists = memory;
    q->list_refs = grant_pages(memory, b->c.depth);
    memory += b->c.depth * SIMXEN_PAGE;
    q->buffers = memory;
    q->refs = grant_pages(memory, b->c.depth * b->c.pages);
    q->port = guest_channel();
    q->seen = simxen()->remotes[q->port].wakes;
    return memory + b->c.depth * b->c.pages * SIMXEN_PAGE;
}

static void say_queue(struct guest_blk *b, unsigned index)
{
    struct guest_blk_queue *q = &b->queue[index];
    char dir[128], key[24];

    if (b->queues > 1) /* one is named as if there were no others, by who knows of them too */
        snprintf(dir, sizeof(dir), "%s/queue-%u", b->pv.front, index);
    else
        snprintf(dir, sizeof(dir), "%s", b->pv.front);
    for (unsigned i = 0; i < 1u << b->c.order; i++) {
        snprintf(key, sizeof(key), b->c.name_order ? "ring-ref%u" : "ring-ref", i);
        guest_pv_put(dir, key, "%u", q->ring_refs[i]);
    }
    guest_pv_put(dir, "event-channel", "%u", q->port);
}

bool guest_blk_connect(struct guest_blk *b, const struct guest_blk_config *c)
{
    uint32_t memory = c->memory;

    guest_blk_forget(b); /* of a kernel that has died */
    b->c = *c;
    b->queues = c->queues ? c->queues : 1;
    if (!guest_pv_await(&b->pv, 2))
        return false;
    if (!c->silent)
        guest_pv_put(b->pv.front, "protocol", c->x86_32 ? "x86_32-abi" : "x86_64-abi");
    if (c->queues)
        guest_pv_put(b->pv.front, "multi-queue-num-queues", "%u", c->queues);
    else
        guest_pv_drop(b->pv.front, "multi-queue-num-queues");
    if (c->name_order)
        guest_pv_put(b->pv.front, "ring-page-order", "%u", c->order);
    guest_pv_put(b->pv.front, "feature-persistent", "%d", c->persistent);
    for (unsigned i = 0; i < b->queues; i++) {
        memory = make_queue(b, i, memory);
        say_queue(b, i);
    }
    guest_pv_state(&b->pv, 3);
    if (!guest_pv_await(&b->pv, 4))
        return false;
    b->sectors = guest_pv_number(b->pv.back, "sectors", 0);
    guest_pv_state(&b->pv, 4);
    return true;
}

static bool end_grants(uint32_t *refs, unsigned count)
{
    bool all = true;

    for (unsigned i = 0; i < count; i++)
        all &= guest_grant_end(refs[i]);
    return all;
}

void guest_blk_forget(struct guest_blk *b)
{
    for (unsigned i = 0; i < GUEST_BLK_QUEUES; i++) {
        free(b->queue[i].list_refs);
        free(b->queue[i].refs);
        b->queue[i].list_refs = b->queue[i].refs = NULL;
    }
}

bool guest_blk_disconnect(struct guest_blk *b)
{
    bool all;

    guest_pv_state(&b->pv, 5);
    /* Closed at once where the backend had given up before */
    all = guest_pv_number(b->pv.back, "state", 0) == 6 || guest_pv_await(&b->pv, 5) ||
          guest_pv_number(b->pv.back, "state", 0) == 6;
    guest_pv_state(&b->pv, 6);
    all &= guest_pv_await(&b->pv, 6);
    for (unsigned i = 0; i < b->queues; i++) {
        struct guest_blk_queue *q = &b->queue[i];

        all &= end_grants(q->ring_refs, 1u << b->c.order);
        all &= end_grants(q->list_refs, b->c.depth);
        all &= end_grants(q->refs, b->c.depth * b->c.pages);
        guest_channel_close(q->port);
    }
    guest_blk_forget(b);
    return all;
}

uint8_t *guest_blk_buffer(struct guest_blk *b, unsigned queue, unsigned slot)
{
    return guest_page(b->queue[queue].buffers + slot * b->c.pages * SIMXEN_PAGE);
}

/* A segment list: 8 bytes each. */
static void put_segments(const struct guest_blk *b, const struct guest_blk_queue *q, unsigned slot,
                         unsigned bytes, uint8_t *list)
{
    for (unsigned page = 0; bytes; page++, list += 8) {
        unsigned part = bytes < SIMXEN_PAGE ? bytes : SIMXEN_PAGE;

        put_le32(list, q->refs[slot * b->c.pages + page]);
        list[4] = 0;
        list[5] = (uint8_t)(part / SECTOR - 1);
        put_le16(list + 6, 0);
        bytes -= part;
    }
}

bool guest_blk_put(struct guest_blk *b, unsigned queue, unsigned slot, unsigned op,
                   uint64_t sector, unsigned bytes, bool indirect)
{
    struct guest_blk_queue *q = &b->queue[queue];
    uint8_t *r = guest_ring_next(&q->ring), *list = guest_page(q->lists + slot * SIMXEN_PAGE);
    unsigned segments = (bytes + SIMXEN_PAGE - 1) / SIMXEN_PAGE, id = b->c.x86_32 ? 4 : 8;

    if (!r)
        return false;
    CHECK(segments <= b->c.pages);
    q->asked[slot] = (uint8_t)op;
    memset(r, 0, q->ring.entry);
    put_le64(r + id, slot);
    put_le64(r + id + 8, sector);
    if (segments > DIRECT || indirect) {
        r[0] = GUEST_BLK_INDIRECT;
        r[1] = (uint8_t)op;
        put_le16(r + 2, (uint16_t)segments);
        put_segments(b, q, slot, bytes, list);
        put_le32(r + (b->c.x86_32 ? 24 : 28), q->list_refs[slot]);
    } else {
        r[0] = (uint8_t)op;
        r[1] = (uint8_t)segments;
        put_segments(b, q, slot, bytes, r + id + 16);
    }
    return true;
}

bool guest_blk_put_discard(struct guest_blk *b, unsigned queue, unsigned slot, uint64_t sector,
                           uint64_t sectors)
{
    struct guest_blk_queue *q = &b->queue[queue];
    uint8_t *r = guest_ring_next(&q->ring);
    unsigned id = b->c.x86_32 ? 4 : 8;

    if (!r)
        return false;
    q->asked[slot] = GUEST_BLK_DISCARD;
    memset(r, 0, q->ring.entry);
    r[0] = GUEST_BLK_DISCARD;
    put_le64(r + id, slot);
    put_le64(r + id + 8, sector);
    put_le64(r + id + 16, sectors);
    return true;
}

void guest_blk_kick(struct guest_blk *b, unsigned queue)
{
    struct guest_blk_queue *q = &b->queue[queue];

    if (guest_ring_push(&q->ring))
        guest_channel_notify(q->port);
}

bool guest_blk_take(struct guest_blk *b, unsigned queue, unsigned *slot, int *status, unsigned ms)
{
    struct guest_blk_queue *q = &b->queue[queue];
    uint8_t *r;

    while (!(r = guest_ring_response(&q->ring))) {
        if (!ms)
            return false;
        if (!guest_ring_arm(&q->ring) && !guest_channel_wait(q->port, &q->seen, ms))
            return false;
    }
    *slot = (unsigned)get_le64(r);
    *status = (int16_t)get_le16(r + 10);
    if (*status == 0 && *slot < sizeof(q->asked))
        CHECK_EQ(r[8], q->asked[*slot]);
    return true;
}

int guest_blk_do(struct guest_blk *b, unsigned queue, unsigned op, uint64_t sector, unsigned bytes)
{
    unsigned slot;
    int status;

    CHECK(guest_blk_put(b, queue, 0, op, sector, bytes, false));
    guest_blk_kick(b, queue);
    return guest_blk_take(b, queue, &slot, &status, WAIT_MS) ? status : -1000;
}
