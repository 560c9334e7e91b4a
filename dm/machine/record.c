/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is recorded about the machine itself. */
#include <errno.h>
#include <stdlib.h>
#include "devices/core/device.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/base/tape.h"
#include "dm/block/drive.h"
#include "dm/machine/machine.h"
#include "dm/machine/record.h"
#include "dm/net/netport.h"

struct asked {
    uint64_t number;
    void (*done)(void *arg);
    void *arg;
};

int record_open(struct machine *m, struct error *err)
{
    const struct machine_config *c = m->config;

    if (c->record && c->qtest)
        return error_set(err, -EINVAL, "-record: a device test is a recording by itself; "
                         "use it without -accel qtest");
    return c->record ? reel_create(&m->reel, c->record, c->record_bytes, c->argc, c->argv, err) : 0;
}

/*
 * All that decides what a seat's devices do next: the host ends as they see them, and their
 * registers. What they keep beside those for speed is dropped.
 */
static void snapshot(void *arg, struct tape *tape)
{
    struct seat *s = arg;
    struct machine *m = s->machine;
    unsigned count = 0;

    tape_number(tape, s == &m->seats[SEAT_DISK] ? m->drive_count : 0);
    for (unsigned i = 0; s == &m->seats[SEAT_DISK] && i < m->drive_count; i++) {
        tape_text(tape, drive_id(m->drives[i]));
        disk_record(drive_disk(m->drives[i]), tape);
    }
    tape_number(tape, s == &m->seats[SEAT_NET] ? m->netport_count : 0);
    for (unsigned i = 0; s == &m->seats[SEAT_NET] && i < m->netport_count; i++) {
        tape_text(tape, netport_id(m->netports[i]));
        tape_number(tape, netport_link(m->netports[i]) |
                              (uint64_t)netport_offload_tx(m->netports[i]) << 1);
    }
    for (unsigned i = 0; i < m->placed_count; i++)
        count += m->placed[i].seat == s;
    tape_number(tape, count);
    for (unsigned i = 0; i < m->placed_count; i++) {
        struct device *dev = m->placed[i].device;
        const struct device_class *cls = device_class_of(dev);

        if (m->placed[i].seat != s)
            continue;
        if (cls->forget)
            cls->forget(dev);
        tape_text(tape, device_id(dev));
        tape_bytes(tape, device_regs(dev), cls->regs_size);
    }
}

int record_seat(struct seat *s, struct error *err)
{
    struct reel *reel = s->machine->reel;
    struct tape *tape;

    if (!reel)
        return 0;
    tape = reel_tape(reel, (unsigned)(s - s->machine->seats), s->name);
    if (!tape)
        return error_set(err, -ENOMEM, "-record: out of memory");
    tape_set_snapshot(tape, snapshot, s);
    loop_set_tape(s->loop, tape);
    return 0;
}

void record_checkpoints(struct machine *m)
{
    for (unsigned i = 0; m->reel && i < SEATS; i++)
        if (m->seats[i].used && loop_tape(m->seats[i].loop))
            tape_checkpoint(loop_tape(m->seats[i].loop));
}

void record_close(struct machine *m)
{
    record_checkpoints(m);
    for (unsigned i = 0; m->reel && i < SEATS; i++)
        if (m->seats[i].used && m->seats[i].loop)
            loop_set_tape(m->seats[i].loop, NULL);
    reel_close(m->reel);
    m->reel = NULL;
}

/* ---- Events of the machine's own ---- */

struct tape *record_op(struct device *dev, enum device_op op, uint64_t how)
{
    struct tape *tape = tape_event(TAPE_DEVICE, device_id(dev));

    tape_number(tape, op);
    tape_number(tape, how);
    return tape;
}

struct asked *record_asked(void (*done)(void *arg), void *arg)
{
    struct asked *a = tape_here() ? malloc(sizeof(*a)) : NULL;

    if (!a)
        return NULL;
    *a = (struct asked){ .number = tape_promise(tape_here()), .done = done, .arg = arg };
    return a;
}

void record_answered(void *asked)
{
    struct tape *tape = tape_here();
    struct asked *a = asked;

    tape_begin(tape, TAPE_ANSWER);
    tape_number(tape, a->number);
    a->done(a->arg);
    tape_kept(tape);
    tape_end(tape);
    free(a);
}
