/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BASE_HISTOGRAM_H
#define DM_BASE_HISTOGRAM_H
#include <stdint.h>

/*
 * How long things took, by powers of two: bucket i counts what took less than 64 << i nanoseconds
 * and is in no lower one; the last counts the rest. Written by one loop, or by several through
 * histogram_add_shared(); others may look meanwhile.
 */
#define HISTOGRAM_BUCKETS 25
#define HISTOGRAM_FIRST_NS 64u

struct histogram {
    uint64_t count, sum_ns;
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

/* Requests too short to look at the clock twice for each: one in so many is timed. */
#define HISTOGRAM_SAMPLE 16u

static inline unsigned histogram_index(uint64_t ns)
{
    unsigned i = ns < HISTOGRAM_FIRST_NS ? 0 : 64u - (unsigned)__builtin_clzll(ns) - 6;

    return i < HISTOGRAM_BUCKETS ? i : HISTOGRAM_BUCKETS - 1;
}

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
    uint64_t *bucket = &h->bucket[histogram_index(ns)];

    __atomic_store_n(&h->count, h->count + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&h->sum_ns, h->sum_ns + ns, __ATOMIC_RELAXED);
    __atomic_store_n(bucket, *bucket + 1, __ATOMIC_RELAXED);
}

static inline void histogram_add_shared(struct histogram *h, uint64_t ns)
{
    __atomic_fetch_add(&h->count, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&h->sum_ns, ns, __ATOMIC_RELAXED);
    __atomic_fetch_add(&h->bucket[histogram_index(ns)], 1, __ATOMIC_RELAXED);
}

/* What it holds now, whoever writes. */
static inline struct histogram histogram_now(const struct histogram *h)
{
    struct histogram now = { __atomic_load_n(&h->count, __ATOMIC_RELAXED),
                             __atomic_load_n(&h->sum_ns, __ATOMIC_RELAXED), { 0 } };

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        now.bucket[i] = __atomic_load_n(&h->bucket[i], __ATOMIC_RELAXED);
    return now;
}

/* What bucket i ends below, in nanoseconds; of the last: UINT64_MAX. */
static inline uint64_t histogram_limit(unsigned i)
{
    return i + 1 < HISTOGRAM_BUCKETS ? (uint64_t)HISTOGRAM_FIRST_NS << i : UINT64_MAX;
}
#endif
