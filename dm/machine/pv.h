/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MACHINE_PV_H
#define DM_MACHINE_PV_H
struct error;
struct machine;

/* The PV backends of the machine's domain. The machine loop's. */
struct pv;

int machine_open_pv(struct machine *machine, struct error *err); /* before the loops run */
/* Ends all connections, then done(arg), later. */
void machine_stop_pv(struct machine *machine, void (*done)(void *arg), void *arg);
struct pv_device;
/* Every device, for queries. */
void machine_walk_pv(struct machine *machine, void (*fn)(void *arg, struct pv_device *dev), void *arg);
void machine_resume_pv(struct machine *machine); /* requests that errors have stopped go on */
void machine_close_pv(struct machine *machine); /* none of its loops runs any more after this */
#endif
