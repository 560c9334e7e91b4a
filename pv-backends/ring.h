/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_RING_H
#define PV_BACKENDS_RING_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The backend's end of a shared ring (public/io/ring.h): requests and responses in the same slots,
 * behind a header of 64 bytes. The frontend may write anything anywhere at any time: indices are
 * judged here, and slots are copied before they are looked at.
 */
struct pv_ring {
    uint8_t *base;
    unsigned entry, count; /* bytes of a slot; slots, a power of two */
    uint32_t taken;        /* requests taken off it */
    uint32_t put, shown;   /* responses put on it, and of those the ones the frontend knows of */
};

#define PV_RING_HEADER 64u
#define PV_RING_BROKEN UINT32_MAX

static inline void pv_ring_init(struct pv_ring *r, void *base, size_t bytes, unsigned entry)
{
    *r = (struct pv_ring){ .base = base, .entry = entry, .count = 1 };
    while (PV_RING_HEADER + 2 * (size_t)r->count * entry <= bytes)
        r->count *= 2;
}

static inline _Atomic uint32_t *pv_ring_word(struct pv_ring *r, unsigned index)
{
    return (_Atomic uint32_t *)(void *)(r->base + 4 * index); /* req_prod, req_event, rsp_prod, rsp_event */
}

/* A backend that starts where another left off: what was answered stays answered. */
static inline void pv_ring_resume(struct pv_ring *r)
{
    r->taken = r->put = r->shown = atomic_load(pv_ring_word(r, 2));
}

static inline void *pv_ring_slot(struct pv_ring *r, uint32_t index)
{
    return r->base + PV_RING_HEADER + (size_t)(index & (r->count - 1)) * r->entry;
}

/*
 * How many requests wait; PV_RING_BROKEN where the frontend claims more than there is room for, or
 * takes back what was taken already.
 */
static inline uint32_t pv_ring_waiting(struct pv_ring *r)
{
    uint32_t made = atomic_load(pv_ring_word(r, 0));

    if (made - r->put > r->count || made - r->taken > r->count)
        return PV_RING_BROKEN;
    return made - r->taken;
}

/* Shows the responses that were put; true where the frontend wants to be told. */
static inline bool pv_ring_push(struct pv_ring *r)
{
    uint32_t old = r->shown, event;

    if (r->put == old)
        return false;
    atomic_store(pv_ring_word(r, 2), r->put); /* in order with the load: a full barrier */
    r->shown = r->put;
    event = atomic_load(pv_ring_word(r, 3));
    return r->put - event < r->put - old;
}

/* Asks to be told when `wanted` requests wait; true where they do already. */
static inline bool pv_ring_ask(struct pv_ring *r, uint32_t wanted)
{
    atomic_store(pv_ring_word(r, 1), r->taken + wanted); /* in order with the load that follows */
    return pv_ring_waiting(r) >= wanted;
}

/* Asks to be told of the next request; true where there is one already. */
static inline bool pv_ring_arm(struct pv_ring *r)
{
    return pv_ring_ask(r, 1);
}
#endif
