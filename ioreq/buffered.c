/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The buffered ring: writes that Xen posts and does not wait for. Xen may take multiples of the
 * ring's length off both pointers at any time (atomic mode), so ours moves by atomic adds only.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/hvm/ioreq.h>
#include "dm/base/bytes.h"
#include "dm/base/log.h"
#include "ioreq/internal.h"

/* More than this in one go and the vCPUs get a turn; Xen fills the ring only while they run. */
#define ENTRIES_A_PASS (2 * IOREQ_BUFFER_SLOT_NUM)

struct entry {
    uint8_t type;
    unsigned size, slots;
    uint64_t addr, data;
};

static struct entry take(volatile struct buffered_iopage *page, uint32_t at)
{
    volatile buf_ioreq_t *slot = &page->buf_ioreq[at % IOREQ_BUFFER_SLOT_NUM];
    struct entry e = { .type = slot->type, .size = 1u << slot->size, .slots = 1,
                       .addr = slot->addr, .data = slot->data };

    if (e.size == 8) {
        slot = &page->buf_ioreq[(at + 1) % IOREQ_BUFFER_SLOT_NUM];
        e.data |= (uint64_t)slot->data << 32;
        e.slots = 2;
    }
    return e;
}

static void perform(struct server *s, const struct entry *e)
{
    struct io_work work = {
        .req = { .type = e->type == IOREQ_TYPE_PIO ? IO_PORT : IO_MMIO, .size = e->size,
                 .count = 1, .addr = e->addr, .data = e->data },
        .targets = &s->targets,
    };
    uint64_t data;

    switch (e->type) {
    case IOREQ_TYPE_PIO:
    case IOREQ_TYPE_COPY:
        io_start(&work, &data); /* cannot wait, so it is done when this returns */
        break;
    case IOREQ_TYPE_TIMEOFFSET: /* the guest set its clock; the toolstack keeps that, not we */
        break;
    default:
        log_guest("posted request of unknown type %u", e->type);
    }
}

bool buffered_drain(struct server *s)
{
    volatile struct buffered_iopage *page = s->pages.buffered;
    _Atomic uint32_t *read = (_Atomic uint32_t *)&page->read_pointer;
    _Atomic uint32_t *write = (_Atomic uint32_t *)&page->write_pointer;
    bool any = false;

    if (s->draining) /* a handler came back here by way of another request */
        return false;
    s->draining = true;
    for (int i = 0; i < ENTRIES_A_PASS; i++) {
        uint32_t at = atomic_load_explicit(read, memory_order_relaxed);
        struct entry e;

        if (at == atomic_load_explicit(write, memory_order_acquire))
            break;
        e = take(page, at);
        perform(s, &e);
        atomic_fetch_add(read, e.slots);
        s->stats.buffered++;
        any = true;
    }
    s->draining = false;
    return any;
}
