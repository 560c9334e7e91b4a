/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dm/xen/reach.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <xen/grant_table.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/memory/memory.h"
#include "dm/xen/domain.h"
#include "dm/xen/grant.h"

#define BACKEND 0 /* dom0: where a device model of an HVM guest is */
#define WINDOWS 512u
#define ENTRIES (PAGE_BYTES / sizeof(grant_entry_v1_t)) /* of a frame of the table */
#define TABLE_FIRST 4u  /* frames of it mapped at first; Xen makes the table as large as is mapped */
#define TABLE_MOST 256u
/* To map a window costs about as much as so many pages copied by Xen. */
#define WINDOW_COST 64u
#define CREDIT_FIRST (64 * WINDOW_COST)
#define TRIES 5 /* at an entry that the guest keeps changing: as many as Xen's */

struct reach {
    struct domain *domain;
    struct memory *memory;
    struct grant_table table;
    bool full, other;     /* it has no more frames; it is not of version 1 */
    atomic_bool look;
    unsigned credit;
};

int reach_open(struct reach **out, const struct reach_config *c, struct error *err)
{
    struct reach *r = calloc(1, sizeof(*r));
    int rc;

    if (!r)
        return error_set(err, -ENOMEM, "grants: out of memory");
    r->domain = c->domain;
    r->credit = CREDIT_FIRST;
    atomic_store(&r->look, true);
    rc = memory_open(&r->memory, domain_backing(c->domain), c->layout, WINDOWS, err);
    if (rc < 0) {
        free(r);
        return rc;
    }
    memory_follow(r->memory, c->news);
    *out = r;
    return 0;
}

void reach_close(struct reach *r)
{
    if (!r)
        return;
    domain_unmap_grants(r->domain, &r->table);
    memory_close(r->memory);
    free(r);
}

void reach_look_again(struct reach *r)
{
    atomic_store(&r->look, true);
}

void reach_forget(struct reach *r)
{
    memory_heed(r->memory);
}

static void look(struct reach *r)
{
    r->other = domain_grants_version(r->domain) != 1;
    r->full = false;
    domain_unmap_grants(r->domain, &r->table);
}

static void grow_table(struct reach *r, uint32_t ref)
{
    unsigned frames = MAX(r->table.frames, TABLE_FIRST / 2);
    struct grant_table larger;

    do
        frames *= 2;
    while (frames <= TABLE_MOST && ref / ENTRIES >= frames);
    if (frames > TABLE_MOST || domain_map_grants(r->domain, frames, &larger, NULL) < 0) {
        r->full = true; /* Xen knows what the reference is, or is not */
        return;
    }
    domain_unmap_grants(r->domain, &r->table);
    r->table = larger;
}

static grant_entry_v1_t *entry_of(struct reach *r, uint32_t ref)
{
    if (atomic_load_explicit(&r->look, memory_order_relaxed) && atomic_exchange(&r->look, false))
        look(r);
    if (r->other)
        return NULL;
    if (ref / ENTRIES >= r->table.frames && !r->full)
        grow_table(r, ref);
    return ref / ENTRIES < r->table.frames ? (grant_entry_v1_t *)r->table.entries + ref : NULL;
}

/* Marks it as in use; which marks are new, or 0 where it grants nothing of the kind. */
static uint16_t hold(grant_entry_v1_t *e, bool write)
{
    uint16_t marks = GTF_reading | (write ? GTF_writing : 0);
    uint16_t seen = __atomic_load_n(&e->flags, __ATOMIC_ACQUIRE);

    for (unsigned i = 0; i < TRIES; i++) {
        if ((seen & GTF_type_mask) != GTF_permit_access || (write && seen & GTF_readonly) ||
            __atomic_load_n(&e->domid, __ATOMIC_RELAXED) != BACKEND || (seen & marks) == marks)
            return 0;
        if (__atomic_compare_exchange_n(&e->flags, &seen, seen | marks, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_ACQUIRE))
            return marks & (uint16_t)~seen;
    }
    return 0;
}

static uint8_t *frame_of(struct reach *r, uint64_t gfn)
{
    uint8_t *p = memory_frame(r->memory, gfn, false);

    if (p || r->credit < WINDOW_COST)
        return p;
    r->credit -= WINDOW_COST;
    return memory_frame(r->memory, gfn, true);
}

bool reach_copy(struct reach *r, const struct grant_copy *c)
{
    bool within = c->offset + c->length <= PAGE_BYTES; /* or the frame beside it is not granted */
    grant_entry_v1_t *e = within ? entry_of(r, c->ref) : NULL;
    uint16_t marks = e ? hold(e, c->to_guest) : 0;
    uint64_t gfn;
    uint8_t *p;

    if (!marks)
        return false;
    gfn = __atomic_load_n(&e->frame, __ATOMIC_RELAXED);
    p = frame_of(r, gfn);
    if (p && c->to_guest) {
        memcpy(p + c->offset, c->bytes, c->length);
        memory_wrote(r->memory, gfn);
    } else if (p) {
        memcpy(c->bytes, p + c->offset, c->length);
    } else {
        r->credit++; /* and never grows past a window's cost: who has that much pays it */
    }
    __atomic_fetch_and(&e->flags, (uint16_t)~marks, __ATOMIC_SEQ_CST);
    return p != NULL;
}
