/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_GUEST_BLK_H
#define TESTS_GUEST_BLK_H
#include <stdbool.h>
#include <stdint.h>
#include "tests/guest/pv.h"

/* A block frontend: public/io/blkif.h, by any of its layouts and with what features it is told to use. */
#define GUEST_BLK_QUEUES 16u
#define GUEST_BLK_SEGMENTS 256u

enum { GUEST_BLK_READ, GUEST_BLK_WRITE, GUEST_BLK_BARRIER, GUEST_BLK_FLUSH, GUEST_BLK_DISCARD = 5,
       GUEST_BLK_INDIRECT };

struct guest_blk_config {
    unsigned queues;      /* 0: one, by the nodes that are not below queue-N */
    unsigned order;       /* of the ring's pages */
    bool name_order;      /* says ring-page-order, as it must from 1 on */
    bool x86_32;          /* layout */
    bool silent;          /* and does not say which */
    bool persistent;
    uint32_t memory;      /* guest address of all it needs: pages that lie together */
    unsigned depth;       /* requests in flight for each queue, each with a buffer */
    unsigned pages;       /* of such a buffer */
};

struct guest_blk_queue {
    struct guest_ring ring;
    uint32_t port, seen;
    uint32_t ring_refs[16];
    uint32_t buffers, lists;    /* guest addresses: depth * pages; depth pages for indirect lists */
    uint32_t *refs, *list_refs; /* of those */
    uint8_t asked[64];          /* the operation of each slot: a response must name it */
};

struct guest_blk {
    struct guest_pv pv;
    struct guest_blk_config c;
    struct guest_blk_queue queue[GUEST_BLK_QUEUES];
    unsigned queues;
    uint64_t sectors;
};

/* The toolstack's half: "aio:/path", for reading only or not. */
void guest_blk_add(struct guest_blk *b, unsigned devid, const char *params, bool readonly);
/* Waits for InitWait, makes rings, says Connected; false: the backend did not. */
bool guest_blk_connect(struct guest_blk *b, const struct guest_blk_config *c);
bool guest_blk_disconnect(struct guest_blk *b); /* Closing, Closed; gives the grants back */

void guest_blk_forget(struct guest_blk *b); /* what it keeps of grants, without a word to anybody */

/*
 * Puts a request for buffer `slot` of the queue: `bytes` of it from its start on, sectors of 512
 * bytes each. More than 11 pages, or `indirect`: as an indirect one. False: the ring is full.
 */
bool guest_blk_put(struct guest_blk *b, unsigned queue, unsigned slot, unsigned op,
                   uint64_t sector, unsigned bytes, bool indirect);
bool guest_blk_put_discard(struct guest_blk *b, unsigned queue, unsigned slot, uint64_t sector,
                           uint64_t sectors);
void guest_blk_kick(struct guest_blk *b, unsigned queue);
/* A response: the slot it was for, and its status. False: none came within ms. */
bool guest_blk_take(struct guest_blk *b, unsigned queue, unsigned *slot, int *status, unsigned ms);
uint8_t *guest_blk_buffer(struct guest_blk *b, unsigned queue, unsigned slot); /* one piece */
/* One request and its answer's status; -1000: none came. */
int guest_blk_do(struct guest_blk *b, unsigned queue, unsigned op, uint64_t sector, unsigned bytes);
#endif
