/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_NET_HASH_H
#define PV_BACKENDS_NET_HASH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The Toeplitz hash of a flow, and the queue it leads to (public/io/netif.h, "Hash types"). Pure. */
#define NET_KEY_BYTES 40u
#define NET_MAPPING_MOST 128u

enum net_hash_type { NET_HASH_IPV4, NET_HASH_IPV4_TCP, NET_HASH_IPV6, NET_HASH_IPV6_TCP };
#define NET_HASH_TYPES 0x0fu

uint32_t net_toeplitz(const uint8_t key[NET_KEY_BYTES], const uint8_t *bytes, unsigned count);

/* What the frontend has set. */
struct net_steering {
    uint32_t generation;
    unsigned algorithm; /* 0: none, 1: Toeplitz */
    unsigned types;     /* a bit for each */
    unsigned size;      /* of the mapping; 0: modulo the number of queues */
    uint8_t key[NET_KEY_BYTES];
    uint8_t mapping[NET_MAPPING_MOST];
};

struct net_flow {
    bool hashed;
    uint8_t type; /* enum net_hash_type */
    uint32_t value;
};
struct net_flow net_hash(const struct net_steering *s, const uint8_t *frame, size_t length);
unsigned net_steer(const struct net_steering *s, uint32_t value, unsigned queues);
#endif
