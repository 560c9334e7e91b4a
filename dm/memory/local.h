/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MEMORY_LOCAL_H
#define DM_MEMORY_LOCAL_H
#include "dm/memory/memory.h"
struct backing;

/*
 * A backing made of our own memory, for runs without a hypervisor: RAM as the layout says, zeroed.
 * Counts what the tests ask about.
 */
int local_backing_open(struct backing **out, const struct memory_layout *layout,
                       struct error *err);
void local_backing_close(struct backing *backing);
/* Writes by the "guest", which dirty tracking sees. False where there is no frame. */
bool local_guest_write(struct backing *backing, uint64_t addr, const void *buf, size_t length);
bool local_guest_read(struct backing *backing, uint64_t addr, void *buf, size_t length);
/* How many pages were reported as modified, and the frame of the last report. */
uint64_t local_modified_pages(const struct backing *backing, uint64_t *last_gfn);
#endif
