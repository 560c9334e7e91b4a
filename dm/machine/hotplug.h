/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MACHINE_HOTPLUG_H
#define DM_MACHINE_HOTPLUG_H
#include "dm/control/options.h"
struct error;
struct machine;

/*
 * Devices that come and go while the guest runs: PCI cards by ACPI, whose guest is asked and says
 * when, and USB devices at once. For a machine whose devices are all on one loop (under qtest); on
 * Xen the loop of a card would have to be asked first.
 */
void hotplug_open(struct machine *machine); /* listens for what the guest ejects */
void hotplug_mark(struct machine *machine); /* which slots can go; after each reset */

int hotplug_add(struct machine *machine, const struct device_words *device, struct error *err);
/* -ENOENT where there is no such device. It goes later, with event DEVICE_DELETED. */
int hotplug_remove(struct machine *machine, const char *id, struct error *err);
/* A reset is at hand: what was asked to go goes. */
void hotplug_reset(struct machine *machine);
#endif
