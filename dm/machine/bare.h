/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MACHINE_BARE_H
#define DM_MACHINE_BARE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ioreq/dispatch.h"
struct error;
struct machine;

/*
 * What a machine without Xen stands on, for -accel qtest: RAM of our own, one board on the machine
 * loop for all devices, and an interrupt router that somebody may listen to. The machine loop's
 * only.
 */
struct bare;

/* Gives all seats of the machine the one board, and machine->bare. */
int bare_open(struct machine *machine, struct error *err);
void bare_close(struct bare *bare); /* its devices are gone; NULL is fine */

/* All devices back to power-on, from the loop, and event RESET with the reason. */
void bare_reset(struct bare *bare, const char *reason);

/* ---- The guest's accesses ---- */
/* One of 1, 2, 4 or 8 bytes, as io_start() does it; memory is RAM where no device claims it. */
bool bare_start(struct bare *bare, struct io_work *work, uint64_t *data);
/* Many bytes, at once. Where there is nothing, reads are zeroes and writes vanish. */
void bare_read(struct bare *bare, uint64_t addr, void *buf, size_t length);
void bare_write(struct bare *bare, uint64_t addr, const void *buf, size_t length);

/* ---- Interrupts ---- */
#define BARE_IRQS 16
/* Told of each change from now on; what is high already is not news. */
void bare_listen(struct bare *bare, void (*fn)(void *arg, unsigned irq, bool level), void *arg);
#endif
