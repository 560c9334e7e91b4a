/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The synchronous page: a slot for each vCPU. A request is taken once (READY to INPROCESS), and
 * answered once (RESP_READY and a notify). Only state and data are ever written: Xen crashes the
 * domain over anything else.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/hvm/ioreq.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/log.h"
#include "dm/memory/memory.h"
#include "dm/xen/evtchn.h"
#include "ioreq/internal.h"

static volatile ioreq_t *slot(const struct server *s, unsigned index)
{
    return (volatile ioreq_t *)s->pages.sync + index;
}

uint32_t vcpu_remote_port(const struct server *s, unsigned index)
{
    return slot(s, index)->vp_eport;
}

static void put(struct server *s, struct vcpu *v, uint64_t data)
{
    volatile ioreq_t *r = slot(s, v->index);

    r->data = data;
    atomic_thread_fence(memory_order_release);
    r->state = STATE_IORESP_READY;
    s->stats.notifies++;
    evtchn_notify(s->evtchn, v->port);
    if (v->began)
        histogram_add(&s->times, clock_now() - v->began);
}

static void done_later(struct io_work *work, uint64_t data)
{
    struct vcpu *v = container_of(work, struct vcpu, work);

    v->busy = false;
    put(v->server, v, data);
}

/* The devfn and offset of a configuration access, as io_request wants them. */
static uint64_t config_address(uint64_t addr)
{
    if (addr >> 40) /* another segment or bus: a devfn nobody has */
        return 0xffffull << 32;
    return (addr >> 32 & 0xff) << 32 | (addr & 0xffffffff);
}

static void perform(struct server *s, struct vcpu *v, const ioreq_t *r)
{
    struct io_work *w = &v->work;
    uint64_t data;

    *w = (struct io_work){
        .req = { .read = r->dir == IOREQ_READ, .in_memory = r->data_is_ptr,
                 .descending = r->df, .size = r->size, .count = r->count, .addr = r->addr,
                 .data = r->data },
        .targets = &s->targets, .done = done_later, .can_wait = true,
    };
    switch (r->type) {
    case IOREQ_TYPE_PIO:
        w->req.type = IO_PORT;
        break;
    case IOREQ_TYPE_COPY:
        w->req.type = IO_MMIO;
        break;
    case IOREQ_TYPE_PCI_CONFIG:
        w->req.type = IO_CONFIG;
        w->req.addr = config_address(r->addr);
        break;
    case IOREQ_TYPE_INVALIDATE:
        s->stats.invalidations++;
        memory_invalidate(s->targets.memory);
        put(s, v, r->data);
        return;
    default:
        log_guest("request of unknown type %u", r->type);
        put(s, v, ones(8));
        return;
    }
    s->stats.requests[w->req.type]++;
    if (io_start(w, &data)) {
        put(s, v, data);
    } else {
        s->stats.deferred++;
        v->busy = true;
    }
}

bool vcpu_serve(struct server *s, struct vcpu *v)
{
    volatile ioreq_t *r = slot(s, v->index);
    ioreq_t copy;

    if (r->state != STATE_IOREQ_READY || v->busy)
        return false;
    atomic_thread_fence(memory_order_acquire);
    r->state = STATE_IOREQ_INPROCESS;
    copy.addr = r->addr;
    copy.data = r->data;
    copy.count = r->count;
    copy.size = r->size;
    copy.data_is_ptr = r->data_is_ptr;
    copy.dir = r->dir;
    copy.df = r->df;
    copy.type = r->type;
    v->began = s->stats.notifies % HISTOGRAM_SAMPLE ? 0 : clock_now();
    buffered_drain(s); /* posted before this request was made, so they come first */
    perform(s, v, &copy);
    return true;
}
