/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_GUEST_PV_H
#define TESTS_GUEST_PV_H
#include <stdbool.h>
#include <stdint.h>

/*
 * What every PV frontend is made of: nodes in xenstore as the toolstack and the guest write them,
 * event channels, and the guest's end of a ring.
 */
#define GUEST_STATE_MS 20000

/* One device: the toolstack's two directories, with the nodes all have. */
struct guest_pv {
    char back[96], front[96];
};
/* Just the names, for nodes that must be there before the backend looks; libxl writes all at once. */
void guest_pv_name(struct guest_pv *pv, const char *kind, const char *front_kind, unsigned devid);
void guest_pv_add(struct guest_pv *pv, const char *kind, const char *front_kind, unsigned devid);
void guest_pv_put(const char *dir, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void guest_pv_drop(const char *dir, const char *key);
/* A number in a node; `otherwise` where there is none. */
uint64_t guest_pv_number(const char *dir, const char *key, uint64_t otherwise);
void guest_pv_state(struct guest_pv *pv, unsigned state); /* the frontend's */
bool guest_pv_await(struct guest_pv *pv, unsigned state); /* the backend's; false: it never came */
/* As libxl takes a device away, and waits; false: the backend did not let go. */
bool guest_pv_remove(struct guest_pv *pv);

uint32_t guest_channel(void); /* a new event channel for dom0 to bind */
void guest_channel_close(uint32_t port);
void guest_channel_notify(uint32_t port);
/* Until an event came that was not seen yet: *seen counts them. False after ms. */
bool guest_channel_wait(uint32_t port, uint32_t *seen, unsigned ms);

/* The frontend's end of a ring in pages side by side, at guest address `addr`. */
struct guest_ring {
    uint8_t *base; /* one piece: the pages must lie together in memory too */
    unsigned entry, count;
    uint32_t made, taken; /* requests; responses */
};
void guest_ring_init(struct guest_ring *r, uint64_t addr, unsigned pages, unsigned entry);
void *guest_ring_next(struct guest_ring *r); /* the slot for a request; NULL: the ring is full */
bool guest_ring_push(struct guest_ring *r);  /* shows requests; true: the backend wants an event */
void *guest_ring_response(struct guest_ring *r); /* the next one; NULL: none */
bool guest_ring_arm(struct guest_ring *r); /* asks for an event; true: there is a response already */
#endif
