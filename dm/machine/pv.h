/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MACHINE_PV_H
#define DM_MACHINE_PV_H
#include <stdbool.h>
struct error;
struct grant_stats;
struct machine;
struct machine_config;

/* The PV backends of the machine's domain. The machine loop's. */
struct pv;

/*
 * Before the loops run. A machine that is to be restricted has them only where it has PV disks, and
 * then all that they will ever need is open.
 */
int machine_open_pv(struct machine *machine, struct error *err);
/* The kinds it would serve; ends with NULL. */
#define PV_CLASSES_MOST 16
void machine_pv_kinds(const struct machine_config *config, const char *kinds[PV_CLASSES_MOST + 1]);
/* Ends all connections, then done(arg), later. */
void machine_stop_pv(struct machine *machine, void (*done)(void *arg), void *arg);
struct pv_device;
/* Every device, for queries. */
void machine_walk_pv(struct machine *machine, void (*fn)(void *arg, struct pv_device *dev), void *arg);
bool machine_pv_copies(struct machine *machine, struct grant_stats *copies); /* false: no backends */
void machine_resume_pv(struct machine *machine); /* requests that errors have stopped go on */
void machine_close_pv(struct machine *machine); /* none of its loops runs any more after this */
#endif
