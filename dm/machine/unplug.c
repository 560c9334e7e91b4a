/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unplug, across loops: each device goes on its own loop and reports back; the last report lets
 * the guest go on. CD-ROMs stay, the IDE function stays, NICs leave configuration space.
 */
#include <stdlib.h>
#include "devices/core/device.h"
#include "devices/storage/piix_ide.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/machine/machine.h"
#include "dm/machine/unplug.h"

#define MASK_DISKS 1u
#define MASK_NICS 2u
#define MASK_AUX 4u
#define MASK_NVME 8u

struct unplug {
    struct machine *machine;
    unsigned left;
    bool aux;
    void (*done)(void *arg);
    void *arg;
};

/* One device's share, posted to its loop. */
struct share {
    struct unplug *unplug;
    struct device *device;
};

static void reported(void *arg)
{
    struct unplug *u = arg;

    if (--u->left)
        return;
    u->done(u->arg);
    free(u);
}

static void report(void *arg)
{
    struct unplug *u = arg;

    loop_post(u->machine->loop, reported, u);
}

static void unplug_ide(void *arg)
{
    struct share *s = arg;

    piix_ide_unplug(s->device, s->unplug->aux, report, s->unplug);
    free(s);
}

static void unplug_nic(void *arg)
{
    struct share *s = arg;

    if (device_class_of(s->device)->unplug)
        device_class_of(s->device)->unplug(s->device);
    report(s->unplug);
    free(s);
}

static void send(struct unplug *u, struct loop *loop, void (*fn)(void *arg), struct device *device)
{
    struct share *s = malloc(sizeof(*s));

    if (!s) {
        log_error("out of memory while unplugging %s", device_id(device));
        return;
    }
    *s = (struct share){ .unplug = u, .device = device };
    u->left++;
    loop_post(loop, fn, s);
}

void machine_unplug(struct machine *m, unsigned mask, void (*done)(void *arg), void *arg)
{
    struct unplug *u = calloc(1, sizeof(*u));

    if (!u) {
        log_error("out of memory for an unplug");
        loop_post(m->loop, done, arg);
        return;
    }
    *u = (struct unplug){ .machine = m, .left = 1, .aux = !(mask & MASK_DISKS), .done = done,
                          .arg = arg };
    if (mask & (MASK_DISKS | MASK_AUX))
        send(u, m->seats[SEAT_DISK].loop, unplug_ide, m->ide);
    for (unsigned i = 0; mask & MASK_NICS && i < m->placed_count; i++)
        if (m->placed[i].nic)
            send(u, m->placed[i].seat->loop, unplug_nic, m->placed[i].device);
    loop_post(m->loop, reported, u); /* for the one that `left` began with */
}
