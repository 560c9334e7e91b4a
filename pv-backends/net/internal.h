/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_NET_INTERNAL_H
#define PV_BACKENDS_NET_INTERNAL_H
#include <stdatomic.h>
#include <stddef.h>
#include "dm/base/bytes.h"
#include "dm/base/loop.h"
#include "dm/net/netport.h"
#include "dm/xen/grant.h"
#include "pv-backends/net/hash.h"
#include "pv-backends/net/queue.h"
#include "pv-backends/net/shared.h"
#include "pv-backends/net/slots.h"
#include "pv-backends/ring.h"

/* One queue: queue.c has its life, tx.c and rx.c a ring each. */
#define NET_RING 256u                /* slots; a page of 12 or 8 bytes each */
#define NET_PACKETS 64u              /* in a pass */
#define NET_STAGE_BYTES (1u << 20)   /* for frames on their way, either way: as much as a ring holds */

/*
 * Where `length` bytes go in a stage behind `end` and `before` bytes: a copy that leaves its page is two
 * copies to Xen, so they begin with a page where they would.
 */
static inline size_t net_place(size_t end, size_t before, size_t length)
{
    size_t at = ROUND_UP(end + before, 64u);

    return at % NET_PAGE + length > NET_PAGE ? ROUND_UP(at, NET_PAGE) : at;
}

#define NET_LEAVES 2 /* it is the host's */

struct net_batch_packet {
    struct net_packet words;
    unsigned slot;  /* its first, in `slots` */
    unsigned copy;  /* its first, in `copies` */
    unsigned pieces;
    uint8_t *bytes;
    int status;     /* the answer, given in the order of the ring; NET_LEAVES: not known yet */
};

struct net_tx {
    struct pv_ring ring;
    uint8_t slots[NET_RING][NET_TX_SLOT]; /* of the batch: copied once */
    struct net_batch_packet packets[NET_PACKETS];
    unsigned count, next; /* of the batch; next < count: that one is to be answered */
    struct netport_frame frames[NET_PACKETS]; /* those that leave, and the packet of each */
    uint8_t packet_of[NET_PACKETS];
    unsigned unsent;      /* at the front of these: the host has no room for them */
    struct grant_copy copies[GRANT_COPIES_MOST];
    unsigned copy_count;
    uint8_t *stage;
    uint64_t credit, credit_due;
    struct timer timer;   /* set: waits for credit */
};

struct net_rx_plan { /* a response that is to be written */
    uint8_t bytes[NET_RX_SLOT];
    bool data;
    unsigned copy; /* of a slot with data */
    unsigned first; /* plan of the packet's first slot with data */
};

struct net_rx {
    struct pv_ring ring;
    struct net_rx_plan plan[NET_RING];
    unsigned planned;
    struct grant_copy copies[NET_RING];
    unsigned copy_count;
    uint8_t *stage, *scratch; /* scratch: frames that are cut, when there are any */
    size_t staged; /* where the next frame goes, behind room for the netport's header */
    unsigned wanted;    /* slots that the frame which waits takes; 0: none waits */
    bool draining;      /* waited long enough: what comes is dropped until there are buffers */
    struct timer timer; /* set: till that; or to look again, where the guest does not tell */
    uint64_t drain_due;
};

struct net_queue {
    struct net_queue_config c;
    struct net_tx tx;
    struct net_rx rx;
    struct poller poller;
    struct hook hook;
    uint32_t tx_port, rx_port; /* ours; 0: not bound */
    struct net_steering steering;
    atomic_uint handed; /* frames from other queues that are on their way */
    bool stopping, broken, begun, attached;
    void (*stopped)(void *arg);
    void *stopped_arg;
    struct net_stats stats;
};

void net_break_off(struct net_queue *q, const char *why);
void net_count(struct net_way *way, size_t length, const struct offload *off); /* a frame that went */

bool net_tx_serve(struct net_queue *q); /* true: there was something */
bool net_tx_arm(struct net_queue *q);   /* true: there is something already */
void net_tx_writable(struct net_queue *q);
void net_tx_timer(void *queue);

/* As netport_user has it. */
bool net_rx_receive(struct net_queue *q, const uint8_t *frame, size_t length,
                    const struct offload *off);
bool net_rx_serve(struct net_queue *q); /* a frame waited, and there are buffers now */
bool net_rx_arm(struct net_queue *q);
void net_rx_begin(struct net_queue *q);
unsigned net_rx_rooms(struct net_queue *q, uint8_t **places, unsigned most);
void net_rx_flush(struct net_queue *q); /* copies, and puts the responses */
void net_rx_timer(void *queue);
#endif
