/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_ACPI_PIIX4_PM_H
#define DEVICES_ACPI_PIIX4_PM_H
#include <stdbool.h>
#include <stdint.h>
#include "devices/core/device.h"

/* Power management: PIIX4 function 3, with Xen's hotplug registers. Machine loop. */
extern const struct device_class piix4_pm_class; /* options: addr, cpus (online at start) */

/* A CPU comes online: its bit is set and the guest is told. -EEXIST where it is already. */
int pm_add_cpu(struct device *pm, unsigned cpu, struct error *err);
bool pm_cpu_online(struct device *pm, unsigned cpu);

/* PCI hotplug: slot came, or should go. `ejected` is called when the guest lets go of a slot. */
void pm_slot_added(struct device *pm, unsigned slot);
void pm_slot_present(struct device *pm, unsigned slot); /* from the start: it can go, no news */
void pm_slot_remove(struct device *pm, unsigned slot);
void pm_on_eject(struct device *pm, void (*ejected)(void *arg, unsigned slot), void *arg);
/* The guest wakes from S3: WAK_STS, SLP_EN off. */
void pm_wake(struct device *pm);
#endif
