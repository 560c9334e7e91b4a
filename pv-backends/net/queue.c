/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of a queue, and what its two rings share: event channels and the loop. */
#include <errno.h>
#include <stdlib.h>
#include "dm/base/counter.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/xen/evtchn.h"
#include "pv-backends/host.h"
#include "pv-backends/net/internal.h"

void net_break_off(struct net_queue *q, const char *why)
{
    if (q->broken)
        return;
    q->broken = true;
    q->c.broken(q->c.arg, why);
}

void net_count(struct net_way *way, size_t length, const struct offload *off)
{
    counter_add(&way->frames, 1);
    counter_add(&way->bytes, length);
    counter_add(&way->blank, off->needs_csum);
    counter_add(&way->segmented, off->gso != GSO_NONE);
}

/* ---- The loop ---- */

static bool serve(void *arg)
{
    struct net_queue *q = arg;
    bool any = net_tx_serve(q);

    return net_rx_serve(q) || any;
}

static bool arm(void *arg)
{
    struct net_queue *q = arg;
    bool any = net_tx_arm(q);

    return net_rx_arm(q) || any;
}

static void on_event(void *arg)
{
    serve(arg);
}

/* At the end of each pass. */
static void finish(void *arg)
{
    struct net_queue *q = arg;
    bool tx, rx;

    net_rx_flush(q);
    if (q->broken)
        return;
    tx = pv_ring_push(&q->tx.ring);
    rx = pv_ring_push(&q->rx.ring);
    if (tx)
        evtchn_notify(q->c.io->evtchn, q->tx_port);
    if (rx && !(tx && q->rx_port == q->tx_port))
        evtchn_notify(q->c.io->evtchn, q->rx_port);
    counter_add(&q->stats.notifies, (uint64_t)tx + rx);
}

/* ---- The netport ---- */

static bool receive(void *owner, const uint8_t *frame, size_t length, const struct offload *off)
{
    return net_rx_receive(owner, frame, length, off);
}

static unsigned rooms(void *owner, uint8_t **places, unsigned most)
{
    return net_rx_rooms(owner, places, most);
}

static void writable(void *owner)
{
    net_tx_writable(owner);
}

static const struct netport_user port_user = { .receive = receive, .rooms = rooms, .writable = writable };

static int attach(struct net_queue *q, struct error *err)
{
    const struct net_features *f = &q->c.features;
    unsigned forms = f->sg ? f->gso | f->gso_prefix : 0;
    int rc = netport_attach(q->c.port, q->c.io->loop, &port_user, q, err);

    if (rc < 0)
        return rc;
    q->attached = true;
    netport_offload_rx(q->c.port, f->csum_v4 || f->csum_v6,
                       (f->csum_v4 && forms & 1u << NET_GSO_TCPV4 ? GSO_TCPV4 : 0) |
                           (f->csum_v6 && forms & 1u << NET_GSO_TCPV6 ? GSO_TCPV6 : 0));
    return 0;
}

/* ---- Beginning and end ---- */

static int bind_ports(struct net_queue *q, struct error *err)
{
    struct pv_io *io = q->c.io;
    int rc = evtchn_bind(io->evtchn, io->domid, q->c.tx_port, on_event, q, &q->tx_port, err);

    q->rx_port = q->tx_port;
    if (rc == 0 && q->c.rx_port != q->c.tx_port)
        rc = evtchn_bind(io->evtchn, io->domid, q->c.rx_port, on_event, q, &q->rx_port, err);
    if (rc < 0)
        q->rx_port = q->tx_port;
    return rc;
}

static void begin(void *arg)
{
    struct net_queue *q = arg;
    struct error err;

    if (q->stopping)
        return;
    timer_init(&q->tx.timer, q->c.io->loop, net_tx_timer, q);
    timer_init(&q->rx.timer, q->c.io->loop, net_rx_timer, q);
    q->poller = (struct poller){ .poll = serve, .arm = arm, .arg = q };
    loop_add_poller(q->c.io->loop, &q->poller);
    q->hook = (struct hook){ .fn = finish, .arg = q };
    loop_add_hook(q->c.io->loop, &q->hook);
    q->begun = true;
    if (bind_ports(q, &err) < 0 || attach(q, &err) < 0) {
        log_guest("%s: %s", q->c.name, err.text);
        net_break_off(q, "its event channel or its netport is no good");
        return;
    }
    serve(q);
}

int net_queue_open(struct net_queue **out, const struct net_queue_config *c, struct error *err)
{
    struct net_queue *q = calloc(1, sizeof(*q));

    if (q) {
        q->tx.stage = aligned_alloc(NET_PAGE, NET_STAGE_BYTES);
        q->rx.stage = aligned_alloc(NET_PAGE, NET_STAGE_BYTES);
    }
    if (!q || !q->tx.stage || !q->rx.stage) {
        net_queue_close(q);
        return error_set(err, -ENOMEM, "%s: out of memory", c->name);
    }
    q->c = *c;
    pv_ring_init(&q->tx.ring, c->tx, NET_PAGE, NET_TX_SLOT);
    pv_ring_init(&q->rx.ring, c->rx, NET_PAGE, NET_RX_SLOT);
    pv_ring_resume(&q->tx.ring);
    pv_ring_resume(&q->rx.ring);
    net_rx_begin(q);
    loop_post(c->io->loop, begin, q);
    *out = q;
    return 0;
}

static void release(struct net_queue *q)
{
    if (!q->begun)
        return;
    finish(q);
    q->begun = false;
    timer_clear(&q->tx.timer);
    timer_clear(&q->rx.timer);
    if (q->attached)
        netport_detach(q->c.port);
    loop_remove_poller(q->c.io->loop, &q->poller);
    loop_remove_hook(q->c.io->loop, &q->hook);
    if (q->rx_port != q->tx_port)
        evtchn_unbind(q->c.io->evtchn, q->rx_port);
    if (q->tx_port)
        evtchn_unbind(q->c.io->evtchn, q->tx_port);
}

static void stop_here(void *arg)
{
    struct net_queue *q = arg;

    q->stopping = true;
    release(q);
    q->stopped(q->stopped_arg);
}

void net_queue_stop(struct net_queue *q, void (*done)(void *arg), void *arg)
{
    q->stopped = done;
    q->stopped_arg = arg;
    loop_post(q->c.io->loop, stop_here, q);
}

void net_queue_close(struct net_queue *q)
{
    if (!q)
        return;
    release(q);
    free(q->tx.stage);
    free(q->rx.stage);
    free(q->rx.scratch);
    free(q);
}

struct net_stats net_queue_stats(const struct net_queue *q)
{
    struct net_stats now;

    counters_now(&now, &q->stats, sizeof(now));
    return now;
}
