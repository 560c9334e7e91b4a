/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BASE_HISTOGRAM_H
#define DM_BASE_HISTOGRAM_H
#include <stdint.h>

/*
 * How long things took, by powers of two: bucket i counts what took less than 64 << i nanoseconds
 * and is in no lower one; the last counts the rest. Written by one loop.
 */
#define HISTOGRAM_BUCKETS 25
#define HISTOGRAM_FIRST_NS 64u

struct histogram {
    uint64_t count, sum_ns;
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

/* Requests too short to look at the clock twice for each: one in so many is timed. */
#define HISTOGRAM_SAMPLE 16u

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
    unsigned i = ns < HISTOGRAM_FIRST_NS ? 0 : 64u - (unsigned)__builtin_clzll(ns) - 6;

    h->count++;
    h->sum_ns += ns;
    h->bucket[i < HISTOGRAM_BUCKETS ? i : HISTOGRAM_BUCKETS - 1]++;
}

/* What bucket i ends below, in nanoseconds; of the last: UINT64_MAX. */
static inline uint64_t histogram_limit(unsigned i)
{
    return i + 1 < HISTOGRAM_BUCKETS ? (uint64_t)HISTOGRAM_FIRST_NS << i : UINT64_MAX;
}
#endif
