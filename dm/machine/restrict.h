/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MACHINE_RESTRICT_H
#define DM_MACHINE_RESTRICT_H
struct error;
struct machine;

/*
 * Gives up what is not needed any more, as -xen-domid-restrict, -chroot and -runas ask: Xen's
 * handles reach this domain only, the file system is gone, and so is root. After machine_start(),
 * when all that needs any of it is open. Not to be undone.
 */
int machine_restrict(struct machine *machine, struct error *err);
/* With -xen-domid-restrict, before there is any thread: xenstore is asked through a keeper. */
int machine_start_keeper(struct machine *machine, struct error *err);
#endif
