/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BASE_CLOCK_H
#define DM_BASE_CLOCK_H
#include <stdbool.h>
#include <stdint.h>

/*
 * The one clock. Nanoseconds from an arbitrary start that never go back. Every time that a device
 * or a timer looks at comes from here, so a test can stop it and crank it by hand. Any thread.
 */
#define NS_PER_SEC 1000000000ull
#define NS_PER_MS 1000000ull
#define NS_PER_US 1000ull

uint64_t clock_now(void);

/* Stops the clock at `now`; from then on only clock_crank() moves it. For tests and -qtest. */
void clock_stop(uint64_t now);
void clock_crank(uint64_t ns);
bool clock_stopped(void);

/* This thread's clock shows `now` until released, whatever the time is: see dm/base/tape.h. */
void clock_hold(uint64_t now);
void clock_release(void);
#endif
