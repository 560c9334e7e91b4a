/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_STORAGE_PIIX_IDE_H
#define DEVICES_STORAGE_PIIX_IDE_H
#include <stdbool.h>
#include "devices/core/device.h"

/*
 * The IDE function of the PIIX3. Options: addr, and drive0 to drive3 (primary master and slave,
 * secondary master and slave), each the id of a "drive" host end or nothing.
 */
extern const struct device_class piix3_ide_class;

/*
 * Takes the hard disks away for good: drains, flushes and closes each, so that nothing of ours
 * holds its image. CD-ROMs stay. `aux`: all hard disks but the primary master. done(arg) on the
 * device's loop, never inside this call. One at a time.
 */
void piix_ide_unplug(struct device *dev, bool aux, void (*done)(void *arg), void *arg);
#endif
