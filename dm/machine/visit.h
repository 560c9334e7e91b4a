/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MACHINE_VISIT_H
#define DM_MACHINE_VISIT_H
struct machine;
struct seat;

/*
 * Goes through the seats, one after the other, each on its own loop, where its devices can be looked
 * at; then done(arg) on the machine loop. Never inside this call. Where memory ends only done() is
 * called. Begun on the machine loop.
 */
void machine_visit(struct machine *machine, void (*here)(void *arg, struct seat *seat),
                   void (*done)(void *arg), void *arg);
#endif
