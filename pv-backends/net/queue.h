/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_NET_QUEUE_H
#define PV_BACKENDS_NET_QUEUE_H
#include <stdbool.h>
#include <stdint.h>
struct error;
struct net_queue;
struct net_shared;
struct netport;
struct pv_io;

/*
 * A transmit and a receive ring of a network device, and a netport between which frames move. Lives
 * on an I/O loop. What a pass finds on the transmit ring is copied in one call; so is what the
 * netport has brought by the end of it.
 */
struct net_features { /* of the frontend */
    bool sg;
    bool csum_v4, csum_v6;     /* takes blank checksums */
    unsigned gso, gso_prefix;  /* bits by NET_GSO_*: takes segments to be, in this form or that */
    bool rx_notify;
};

struct net_queue_config {
    struct pv_io *io;
    struct netport *port; /* outlives the queue, which has it on its loop from beginning to end */
    struct net_shared *shared;
    struct net_queue *const *peers; /* all queues of the device by number, this one too */
    unsigned index;
    void *tx, *rx;              /* mapped, a page each; outlive the queue */
    uint32_t tx_port, rx_port;  /* the frontend's event channels; one for both, perhaps */
    struct net_features features;
    uint64_t rate_bytes, rate_ns; /* so many in such a time from the guest; 0: no limit */
    uint64_t drain_ns;            /* frames for a guest without buffers wait so long */
    const char *name;             /* for sentences; outlives the queue */
    /* The frontend broke the ring's rules, or its event channel is no good. The I/O loop's. */
    void (*broken)(void *arg, const char *why);
    void *arg;
};

/* The machine loop's. The queue begins on its own loop soon after. */
int net_queue_open(struct net_queue **out, const struct net_queue_config *config,
                   struct error *err);
/* Lets go of the netport and the event channels; then done(arg) on its loop. */
void net_queue_stop(struct net_queue *queue, void (*done)(void *arg), void *arg);
/*
 * Stopped, and no message of another queue's is on its way; or its loop does not run. NULL is fine.
 */
void net_queue_close(struct net_queue *queue);

struct net_way { /* errors: a frame that was no frame, a page that could not be copied */
    uint64_t frames, bytes, errors;
    uint64_t blank, segmented; /* of the frames: without their checksum, and to be cut yet */
    uint64_t batches;          /* that were copied by one call */
};

struct net_stats {
    struct net_way tx, rx; /* as the guest has it */
    uint64_t dropped;      /* to the guest */
    uint64_t notifies, copies, handed; /* handed: to another queue, by the flow's hash */
};
struct net_stats net_queue_stats(const struct net_queue *queue); /* any thread; a snapshot */
#endif
