/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_GUEST_NET_H
#define TESTS_GUEST_NET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tests/guest/pv.h"

/* A network frontend: public/io/netif.h, with what features it is told to use. */
#define GUEST_NET_QUEUES 8u
#define GUEST_NET_SLOTS 256u
#define GUEST_NET_MOST (65536 + 256)

struct guest_net_config {
    unsigned queues;  /* 0: one, by the nodes that are not below queue-N */
    bool split;       /* an event channel for each ring */
    bool sg, gso_v4, gso_v6, prefix; /* prefix: GSO in that form */
    bool no_csum, csum_v6;
    bool ctrl;
    bool no_rx_notify, no_rx_copy;
    uint32_t memory;  /* guest address of all it needs: pages that lie together */
    unsigned buffers; /* of each receive ring that are posted; 0: all */
};

struct guest_net_queue {
    struct guest_ring tx, rx;
    uint32_t tx_ref, rx_ref;
    uint32_t tx_port, rx_port, tx_seen, rx_seen;
    uint32_t tx_pages, rx_pages; /* guest addresses, a page for each slot */
    uint32_t tx_refs[GUEST_NET_SLOTS], rx_refs[GUEST_NET_SLOTS];
    unsigned rx_posted;
    unsigned tx_errors, tx_done; /* slots answered */
};

struct guest_net {
    struct guest_pv pv;
    struct guest_net_config c;
    struct guest_net_queue queue[GUEST_NET_QUEUES];
    unsigned queues;
    struct guest_ring ctrl;
    uint32_t ctrl_ref, ctrl_port, ctrl_seen, ctrl_page, ctrl_page_ref;
};

/* The toolstack's half; vifname, rate NULL: none is said. */
void guest_net_add(struct guest_net *n, unsigned devid, const char *vifname, const char *rate);
bool guest_net_connect(struct guest_net *n, const struct guest_net_config *c); /* to Connected */
/* What connect does, but for the last step: for frontends that lie there. */
bool guest_net_prepare(struct guest_net *n, const struct guest_net_config *c);
bool guest_net_disconnect(struct guest_net *n); /* Closing, Closed; gives the grants back */
void guest_net_forget(struct guest_net *n);     /* gives them back where the backend let go itself */

/* ---- Transmit ---- */
struct guest_net_frame {
    bool csum_blank, data_validated;
    uint8_t gso; /* 1: TCPv4, 2: TCPv6 */
    uint16_t gso_size;
    bool hash;      /* with that extra too */
    unsigned piece; /* bytes for each slot; 0: whole pages */
};
/* A frame over as many slots as it takes; false: the ring has no room now. how NULL: plain. */
bool guest_net_send(struct guest_net *n, unsigned queue, const void *frame, size_t length,
                    const struct guest_net_frame *how);
void *guest_net_tx_slot(struct guest_net *n, unsigned queue); /* raw; NULL: full */
void guest_net_mcast(struct guest_net *n, unsigned queue, bool add, const uint8_t address[6]);
void guest_net_kick(struct guest_net *n, unsigned queue);
/* Takes responses, waiting up to ms for all; false: some are missing. Counts errors. */
bool guest_net_reap(struct guest_net *n, unsigned queue, unsigned ms);

/* ---- Receive ---- */
struct guest_net_got {
    size_t length;
    bool csum_blank, data_validated, prefix, failed;
    uint8_t gso;
    uint16_t gso_size;
    bool hashed;
    uint8_t hash_type;
    uint32_t hash;
    uint8_t bytes[GUEST_NET_MOST];
};
bool guest_net_receive(struct guest_net *n, unsigned queue, struct guest_net_got *got, unsigned ms);
/* Posts all buffers it may. */
void guest_net_fill(struct guest_net *n, unsigned queue);

/* ---- Control ---- */
/* Status; -1: no answer. *data may be NULL. */
int guest_net_control(struct guest_net *n, unsigned type, uint32_t a, uint32_t b, uint32_t c,
                      uint32_t *data);
#endif
