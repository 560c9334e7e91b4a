/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unplug, across loops: each device goes on its own loop and reports back; the last report lets
 * the guest go on. CD-ROMs stay, the IDE function stays, NICs leave configuration space.
 */
#include <stdlib.h>
#include "devices/core/device.h"
#include "devices/storage/piix_ide.h"
#include "dm/base/tape.h"
#include "dm/machine/gather.h"
#include "dm/machine/machine.h"
#include "dm/machine/record.h"
#include "dm/machine/unplug.h"

#define MASK_DISKS 1u
#define MASK_NICS 2u
#define MASK_AUX 4u

static void unplug_ide(void *arg)
{
    struct share *s = arg;
    bool aux = !(s->how & MASK_DISKS);
    struct tape *tape = record_op(s->device, OP_UNPLUG_IDE, aux);

    piix_ide_unplug(s->device, aux, gather_report, s->gather);
    tape_end(tape);
    free(s);
}

static void unplug_nic(void *arg)
{
    struct share *s = arg;
    struct tape *tape = record_op(s->device, OP_UNPLUG, 0);

    if (device_class_of(s->device)->unplug)
        device_class_of(s->device)->unplug(s->device);
    tape_end(tape);
    gather_report(s->gather);
    free(s);
}

void machine_unplug(struct machine *m, unsigned mask, void (*done)(void *arg), void *arg)
{
    struct gather *g = gather_begin(m->loop, done, arg);

    if (mask & (MASK_DISKS | MASK_AUX))
        gather_ask(g, m->seats[SEAT_DISK].loop, unplug_ide, m->ide, mask);
    for (unsigned i = 0; mask & MASK_NICS && i < m->placed_count; i++)
        if (m->placed[i].nic)
            gather_ask(g, m->placed[i].seat->loop, unplug_nic, m->placed[i].device, mask);
    gather_end(g);
}
