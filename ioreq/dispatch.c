/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A request item by item: repeats, the direction flag, items in memory. Sources: Xen's
 * public/hvm/ioreq.h, and the request semantics of Xen's HVM emulator.
 */
#include <stddef.h>
#include "dm/base/bytes.h"
#include "dm/base/tape.h"
#include "dm/memory/memory.h"
#include "ioreq/dispatch.h"
#include "ioreq/pci_config.h"
#include "ioreq/space.h"

#define COUNT_MOST 65536u /* Xen keeps a repeat within a page; more is no request of Xen's */

/* What answer_defer() answers for; set while a handler of this thread runs. */
static _Thread_local struct answer *waiting;

struct answer *answer_defer(void)
{
    struct answer *a = waiting;

    if (a)
        a->deferred = true;
    return a;
}

static uint64_t step(const struct io_request *r, uint64_t base, uint32_t item)
{
    uint64_t distance = (uint64_t)item * r->size;

    return r->descending ? base - distance : base + distance;
}

static uint64_t read_item(const struct io_targets *t, const struct io_request *r, uint64_t addr)
{
    switch (r->type) {
    case IO_PORT:
        return space_read(t->ports, addr, r->size);
    case IO_MMIO:
        return space_read(t->mmio, addr, r->size);
    default:
        return pci_routes_read(t->pci, (unsigned)(addr >> 32), (unsigned)addr, r->size);
    }
}

static void write_item(const struct io_targets *t, const struct io_request *r, uint64_t addr,
                       uint64_t value)
{
    switch (r->type) {
    case IO_PORT:
        space_write(t->ports, addr, r->size, value);
        break;
    case IO_MMIO:
        space_write(t->mmio, addr, r->size, value);
        break;
    default:
        pci_routes_write(t->pci, (unsigned)(addr >> 32), (unsigned)addr, r->size, (uint32_t)value);
    }
}

/* After an item's value is known. */
static void finish_item(struct io_work *w, uint64_t value)
{
    const struct io_request *r = &w->req;

    if (r->read) {
        w->result = value & ones(r->size);
        if (r->in_memory) {
            uint8_t bytes[8];

            put_le(bytes, r->size, value);
            dma_write(w->targets->memory, step(r, r->data, w->next), bytes, r->size);
        }
    }
    w->next++;
}

/* Starts the next item; false where its handler deferred the answer. */
static bool one_item(struct io_work *w)
{
    const struct io_request *r = &w->req;
    uint64_t addr = r->type == IO_MMIO ? step(r, r->addr, w->next) : r->addr;
    uint64_t value = r->data & ones(r->size);
    struct answer *outer = waiting;

    w->answer = (struct answer){ .work = w };
    waiting = w->can_wait ? &w->answer : NULL;
    if (r->read) {
        value = read_item(w->targets, r, addr);
    } else {
        if (r->in_memory) {
            uint8_t bytes[8];

            dma_read(w->targets->memory, step(r, r->data, w->next), bytes, r->size);
            value = get_le(bytes, r->size);
        }
        write_item(w->targets, r, addr, value);
    }
    waiting = outer;
    if (w->answer.deferred && !w->answer.completed)
        return false;
    finish_item(w, w->answer.deferred ? w->answer.value : value);
    return true;
}

static bool run(struct io_work *w)
{
    while (w->next < w->req.count)
        if (!one_item(w))
            return false;
    return true;
}

static uint64_t outcome(const struct io_work *w)
{
    return w->req.read && !w->req.in_memory ? w->result : w->req.data;
}

static void record(struct tape *tape, const struct io_work *w)
{
    const struct io_request *r = &w->req;

    tape_begin(tape, TAPE_IO);
    tape_number(tape, r->type | r->read << 2 | r->in_memory << 3 | r->descending << 4 |
                          w->can_wait << 5 | (uint64_t)r->size << 6);
    tape_number(tape, r->count);
    tape_number(tape, r->addr);
    tape_number(tape, r->read && !r->in_memory ? 0 : r->data);
}

void io_play(struct io_work *w, struct tape *tape)
{
    uint64_t packed = tape_take_number(tape), unused;

    w->req = (struct io_request){ .type = packed & 3, .read = packed >> 2 & 1,
                                  .in_memory = packed >> 3 & 1, .descending = packed >> 4 & 1,
                                  .size = packed >> 6 & 0xff };
    w->can_wait = packed >> 5 & 1;
    w->req.count = (uint32_t)tape_take_number(tape);
    w->req.addr = tape_take_number(tape);
    w->req.data = tape_take_number(tape);
    if (io_start(w, &unused))
        w->done(w, unused);
}

bool io_start(struct io_work *w, uint64_t *data)
{
    const struct io_request *r = &w->req;
    struct tape *tape = tape_here();
    bool done;

    w->next = 0;
    w->result = ones(8);
    if (r->count > COUNT_MOST || (r->size != 1 && r->size != 2 && r->size != 4 && r->size != 8) ||
        (r->type != IO_MMIO && r->size == 8)) {
        *data = ones(8);
        return true;
    }
    if (tape)
        record(tape, w);
    done = run(w);
    if (done)
        *data = outcome(w);
    if (tape)
        tape_end(tape);
    return done;
}

void answer_complete(struct answer *a, uint64_t value)
{
    struct io_work *w;

    if (!a || !a->deferred || a->completed)
        return;
    w = a->work;
    a->completed = true;
    a->value = value;
    if (waiting == a)
        return; /* still inside the handler: one_item() goes on from here */
    finish_item(w, value);
    if (run(w))
        w->done(w, outcome(w));
}
