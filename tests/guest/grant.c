/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's grant table, first version; public grant_table.h says in which order to write it. */
#include <pthread.h>
#include "tests/guest/guest.h"
#include "tests/simxen/simxen.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Round and round, so that a reference that has ended is not at once another page's. */
static uint32_t take(void)
{
    static uint32_t next;

    for (uint32_t tries = 0; tries < SIMXEN_GRANTS; tries++) {
        next = next + 1 < SIMXEN_GRANTS && next >= GNTTAB_NR_RESERVED_ENTRIES
                   ? next + 1
                   : GNTTAB_NR_RESERVED_ENTRIES;
        if (!simxen()->grants[next].flags)
            return next;
    }
    simxen_crash("the guest has granted all of its %u references", SIMXEN_GRANTS);
}

uint32_t guest_grant(uint64_t addr, bool read_only)
{
    grant_entry_v1_t *e;
    uint32_t ref;

    pthread_mutex_lock(&lock);
    ref = take();
    e = &simxen()->grants[ref];
    e->frame = (uint32_t)(addr / SIMXEN_PAGE);
    e->domid = 0;
    __atomic_store_n(&e->flags, GTF_permit_access | (read_only ? GTF_readonly : 0),
                     __ATOMIC_RELEASE);
    pthread_mutex_unlock(&lock);
    return ref;
}

bool guest_grant_end(uint32_t ref)
{
    uint16_t *flags = &simxen()->grants[ref].flags, seen = __atomic_load_n(flags, __ATOMIC_ACQUIRE);

    while (!(seen & (GTF_reading | GTF_writing)))
        if (__atomic_compare_exchange_n(flags, &seen, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return true;
    return false;
}
