/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BASE_COUNTER_H
#define DM_BASE_COUNTER_H
#include <stddef.h>
#include <stdint.h>

/* Counters that one loop writes, while any other may look. */
static inline void counter_add(uint64_t *counter, uint64_t more)
{
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

/* What a struct of nothing but counters holds now; each is whole, though not all of one moment. */
static inline void counters_now(void *to, const void *from, size_t bytes)
{
    const uint64_t *counters = from;

    for (size_t i = 0; i < bytes / sizeof(*counters); i++)
        ((uint64_t *)to)[i] = __atomic_load_n(&counters[i], __ATOMIC_RELAXED);
}
#endif
