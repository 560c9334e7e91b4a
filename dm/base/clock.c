/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one clock: the host's monotonic time, or one cranked by hand. */
#include <stdatomic.h>
#include <time.h>
#include "dm/base/clock.h"

static atomic_bool stopped;
static atomic_ullong cranked;
static _Thread_local uint64_t held; /* 0: not */

uint64_t clock_now(void)
{
    struct timespec ts;

    if (held)
        return held;
    if (atomic_load_explicit(&stopped, memory_order_relaxed))
        return atomic_load(&cranked);
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

void clock_stop(uint64_t now)
{
    atomic_store(&cranked, now);
    atomic_store(&stopped, true);
}

void clock_crank(uint64_t ns)
{
    atomic_fetch_add(&cranked, ns);
}

bool clock_stopped(void)
{
    return atomic_load(&stopped);
}

void clock_hold(uint64_t now)
{
    held = now;
}

void clock_release(void)
{
    held = 0;
}
