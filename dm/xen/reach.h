/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_XEN_REACH_H
#define DM_XEN_REACH_H
#include <stdbool.h>
#include <stdint.h>
struct domain;
struct error;
struct grant_copy;
struct memory_layout;
struct memory_news;

/*
 * Pages that an HVM guest grants to us, in its memory as we map it: what the hypervisor does for a
 * grant copy, without a call to it. The guest's table says which frame a reference is; it shows the guest
 * that the frame is in use, as Xen does (public/grant_table.h, "Grant table interface", version 1).
 * One for each loop that uses any; the home loop's only, where a line does not say otherwise.
 */
struct reach_config {
    struct domain *domain; /* all of these outlive it */
    const struct memory_layout *layout;
    struct memory_news *news; /* of a memory that hears of invalidations */
};
struct reach;

int reach_open(struct reach **out, const struct reach_config *config, struct error *err);
void reach_close(struct reach *reach); /* NULL is fine */

/*
 * Copies as the piece says. False: not by this way, and nothing was done; Xen may still do it, or say why
 * not. A window of memory is mapped once enough of what is asked for would have been in one.
 */
bool reach_copy(struct reach *reach, const struct grant_copy *piece);

/* Frames have moved, or were given up: those that are mapped are let go of. */
void reach_forget(struct reach *reach);

/*
 * A frontend connects: the table may be of the other version now. Any thread; before its ring is used, and
 * after that was mapped, for Xen then keeps the version.
 */
void reach_look_again(struct reach *reach);
#endif
