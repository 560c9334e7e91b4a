/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MACHINE_UNPLUG_H
#define DM_MACHINE_UNPLUG_H
struct machine;

/*
 * Takes the emulated disks and NICs away at the guest's wish (xen-platform's mask: 1 disks, 2
 * NICs, 4 disks but the first, 8 NVMe). done(arg) on the machine loop when all is closed.
 */
void machine_unplug(struct machine *machine, unsigned mask, void (*done)(void *arg), void *arg);
#endif
