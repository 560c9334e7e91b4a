/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/xen/evtchn.h"
#include "dm/xen/grant.h"
#include "pv-backends/host.h"
#include "pv-backends/net/control.h"
#include "pv-backends/net/shared.h"
#include "pv-backends/ring.h"

struct net_ctrl {
    struct net_ctrl_config c;
    struct pv_ring ring;
    struct poller poller;
    uint32_t port; /* ours; 0: not bound */
    bool stopping, broken, begun;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

static void break_off(struct net_ctrl *n, const char *why)
{
    if (!n->broken)
        n->c.broken(n->c.arg, why);
    n->broken = true;
}

static bool fetch(void *arg, uint32_t ref, void *bytes, unsigned count)
{
    struct net_ctrl *n = arg;
    struct grant_copy piece = { .ref = ref, .length = (uint16_t)count, .bytes = bytes };

    return grants_copy(n->c.io->grants, &piece, 1) == 0 && !piece.failed;
}

static void answer_one(struct net_ctrl *n)
{
    uint8_t slot[NET_CONTROL_SLOT];
    struct net_control_request r;
    struct net_control_answer a;

    memcpy(slot, pv_ring_slot(&n->ring, n->ring.taken++), sizeof(slot));
    r = (struct net_control_request){ .id = get_le16(slot), .type = get_le16(slot + 2) };
    for (unsigned i = 0; i < 3; i++)
        r.data[i] = get_le32(slot + 4 + 4 * i);
    a = net_control(n->c.shared, &r, fetch, n);
    put_le32(slot + 4, a.status); /* id and type stand where they stood */
    put_le32(slot + 8, a.data);
    memcpy(pv_ring_slot(&n->ring, n->ring.put++), slot, 12);
}

static bool serve(void *arg)
{
    struct net_ctrl *n = arg;
    uint32_t waiting = n->broken || n->stopping ? 0 : pv_ring_waiting(&n->ring);

    if (waiting == PV_RING_BROKEN) {
        break_off(n, "the control ring holds more requests than it has room for");
        return false;
    }
    for (uint32_t i = 0; i < waiting; i++)
        answer_one(n);
    if (waiting && pv_ring_push(&n->ring))
        evtchn_notify(n->c.io->evtchn, n->port);
    return waiting;
}

static bool arm(void *arg)
{
    struct net_ctrl *n = arg;

    return !n->broken && !n->stopping && pv_ring_arm(&n->ring);
}

static void on_event(void *arg)
{
    serve(arg);
}

static void begin(void *arg)
{
    struct net_ctrl *n = arg;
    struct error err;

    if (n->stopping)
        return;
    n->poller = (struct poller){ .poll = serve, .arm = arm, .arg = n };
    loop_add_poller(n->c.io->loop, &n->poller);
    n->begun = true;
    if (evtchn_bind(n->c.io->evtchn, n->c.io->domid, n->c.port, on_event, n, &n->port, &err) < 0) {
        log_guest("%s: %s", n->c.name, err.text);
        break_off(n, "the event channel of its control ring cannot be bound");
        return;
    }
    serve(n);
}

int net_ctrl_open(struct net_ctrl **out, const struct net_ctrl_config *c, struct error *err)
{
    struct net_ctrl *n = calloc(1, sizeof(*n));

    if (!n)
        return error_set(err, -ENOMEM, "%s: out of memory", c->name);
    n->c = *c;
    pv_ring_init(&n->ring, c->ring, PAGE_BYTES, NET_CONTROL_SLOT);
    pv_ring_resume(&n->ring);
    loop_post(c->io->loop, begin, n);
    *out = n;
    return 0;
}

static void release(struct net_ctrl *n)
{
    if (n->begun)
        loop_remove_poller(n->c.io->loop, &n->poller);
    n->begun = false;
    if (n->port)
        evtchn_unbind(n->c.io->evtchn, n->port);
    n->port = 0;
}

static void stop_here(void *arg)
{
    struct net_ctrl *n = arg;

    n->stopping = true;
    release(n);
    n->stopped(n->stopped_arg);
}

void net_ctrl_stop(struct net_ctrl *n, void (*done)(void *arg), void *arg)
{
    n->stopped = done;
    n->stopped_arg = arg;
    loop_post(n->c.io->loop, stop_here, n);
}

void net_ctrl_close(struct net_ctrl *n)
{
    if (n)
        release(n);
    free(n);
}
