/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_KIT_DISK_H
#define TESTS_FUZZ_KIT_DISK_H
#include <stdbool.h>
#include <stdint.h>
struct disk;
struct loop;

/*
 * Disks of memory whose requests end when the fuzzer says so: at once (well: posted), or held back
 * and let go in any order, with any result. The first bytes of each are kept, the rest reads as
 * zeroes and takes writes, so that a disk may be as large as arithmetic wants it.
 */
#define FAKE_DISK_KEPT 65536u

struct disk *fake_disk_open(struct loop *loop, uint64_t bytes, bool readonly);
void fake_disk_hold(bool hold);                /* all of them; false lets go all that waits */
void fake_disk_let_go(unsigned which, int rc); /* one that waits, counted round */
unsigned fake_disk_waiting(void);
void fake_disk_forget(void); /* the loop is gone, and its messages with it */
void fake_disk_clean(struct disk *disk); /* as new */
#endif
