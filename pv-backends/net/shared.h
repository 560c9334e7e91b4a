/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_NET_SHARED_H
#define PV_BACKENDS_NET_SHARED_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "pv-backends/net/hash.h"

/*
 * What the queues of one device share, each on a loop of its own: words that are read and written
 * whole, so that a reader sees one setting or the other and never waits. Any loop.
 */
#define NET_GROUPS_MOST 64u /* as many as Linux's backend keeps */

struct net_shared {
    unsigned queues;
    atomic_bool filter;                        /* request-multicast-control */
    _Atomic uint64_t groups[NET_GROUPS_MOST];  /* 48 bits of address and one that is set; 0: free */
    /* Written by the control ring's loop alone; the generation last. */
    atomic_uint generation, algorithm, types, size;
    _Atomic uint8_t key[NET_KEY_BYTES], mapping[NET_MAPPING_MOST];
};

void net_shared_init(struct net_shared *shared, unsigned queues);
bool net_group_add(struct net_shared *shared, const uint8_t address[6]); /* false: the list is full */
void net_group_drop(struct net_shared *shared, const uint8_t address[6]);
/* Whether a frame to this address goes to the guest. */
bool net_group_wants(struct net_shared *shared, const uint8_t address[6]);
/* Brings a loop's own copy of the settings up to date; cheap where it is. */
void net_steering_refresh(struct net_steering *copy, struct net_shared *shared);

/* ---- Control requests (public/io/netif.h, "Control requests") ---- */
#define NET_CONTROL_SLOT 16u
enum { NET_CONTROL_OKAY, NET_CONTROL_NOT_SUPPORTED, NET_CONTROL_INVALID, NET_CONTROL_OVERFLOW };

struct net_control_request {
    uint16_t id, type;
    uint32_t data[3];
};
struct net_control_answer {
    uint32_t status, data;
};
/* Copies from the page that a reference names; false: it cannot. */
typedef bool net_fetch_fn(void *arg, uint32_t ref, void *bytes, unsigned count);
struct net_control_answer net_control(struct net_shared *shared,
                                      const struct net_control_request *request,
                                      net_fetch_fn *fetch, void *arg);
#endif
