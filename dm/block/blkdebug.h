/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_BLKDEBUG_H
#define DM_BLOCK_BLKDEBUG_H
#include <stdbool.h>
struct disk;

/*
 * Fault injection: a disk in front of another, "blkdebug:RULES:IMAGE", that fails requests as a
 * file of rules says (an empty name: no rules), and holds them at breakpoints. For tests that run
 * all devices on one loop. Events are read_aio, write_aio, flush_to_os, flush_to_disk, pdiscard and
 * pwrite_zeroes; rules are [inject-error] with event, state, errno, once, sector, iotype, and
 * [set-state] with event, state, new_state.
 */
bool disk_is_blkdebug(const struct disk *disk);
/* The next request that passes this event waits. False: there is no such event. */
bool blkdebug_break(struct disk *disk, const char *event, const char *tag);
/* Lets go what waits at `tag`, and forgets the breakpoint. False: nothing of that name. */
bool blkdebug_resume(struct disk *disk, const char *tag);
#endif
