/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Grants through libxengnttab. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xengnttab.h>
#include "dm/base/bytes.h"
#include "dm/base/counter.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/xen/grant.h"
#include "dm/xen/reach.h"

#define MAPS_MOST 32768u /* pages at once; more than all rings and persistent grants of a guest */

struct grants {
    unsigned domid;
    xengnttab_handle *handle;
    struct reach *reach; /* NULL: all by Xen */
    struct grant_stats stats;
    xengnttab_grant_copy_segment_t segments[GRANT_COPIES_MOST];
};

int grants_open(struct grants **out, unsigned domid, struct error *err)
{
    struct grants *g = calloc(1, sizeof(*g));
    int rc;

    if (!g)
        return error_set(err, -ENOMEM, "grants: out of memory");
    g->domid = domid;
    g->handle = xengnttab_open(NULL, 0);
    if (!g->handle) {
        rc = error_errno(err, "open Xen's grant device (is the module xen-gntdev loaded?)");
        free(g);
        return rc;
    }
    xengnttab_set_max_grants(g->handle, MAPS_MOST); /* no more than a limit: it may stay as it is */
    *out = g;
    return 0;
}

void grants_close(struct grants *g)
{
    if (!g)
        return;
    reach_close(g->reach);
    xengnttab_close(g->handle);
    free(g);
}

void grants_reach(struct grants *g, struct reach *reach)
{
    g->reach = reach;
}

void grants_look_again(struct grants *g)
{
    if (g->reach)
        reach_look_again(g->reach);
}

void grants_forget(struct grants *g)
{
    if (g->reach)
        reach_forget(g->reach);
}

void *grants_map(struct grants *g, const uint32_t *refs, unsigned count, bool writable,
                 struct error *err)
{
    void *p = xengnttab_map_domain_grant_refs(g->handle, count, g->domid, (uint32_t *)(uintptr_t)refs,
                                              PROT_READ | (writable ? PROT_WRITE : 0));

    if (!p)
        error_errno(err, "map %u pages that domain %u grants, the first by reference %u", count,
                    g->domid, refs[0]);
    return p;
}

void grants_unmap(struct grants *g, void *addr, unsigned count)
{
    if (addr && xengnttab_unmap(g->handle, addr, count) < 0)
        log_error("unmap %u pages that domain %u grants: errno %d", count, g->domid, errno);
}

static void set_segment(xengnttab_grant_copy_segment_t *s, const struct grant_copy *p, unsigned domid)
{
    s->len = p->length;
    s->status = GNTST_general_error;
    if (p->to_guest) {
        s->flags = GNTCOPY_dest_gref;
        s->source.virt = p->bytes;
        s->dest.foreign.ref = p->ref;
        s->dest.foreign.offset = p->offset;
        s->dest.foreign.domid = (domid_t)domid;
    } else {
        s->flags = GNTCOPY_source_gref;
        s->dest.virt = p->bytes;
        s->source.foreign.ref = p->ref;
        s->source.foreign.offset = p->offset;
        s->source.foreign.domid = (domid_t)domid;
    }
}

int grants_copy(struct grants *g, struct grant_copy *pieces, unsigned count)
{
    unsigned rest = 0;

    for (unsigned i = 0; i < count; i++) {
        pieces[i].failed = !g->reach || !reach_copy(g->reach, &pieces[i]);
        if (pieces[i].failed)
            set_segment(&g->segments[rest++], &pieces[i], g->domid);
    }
    counter_add(&g->stats.reached, count - rest);
    counter_add(&g->stats.by_xen, rest);
    if (rest && xengnttab_grant_copy(g->handle, rest, g->segments) < 0)
        return -errno;
    rest = 0;
    for (unsigned i = 0; i < count; i++)
        if (pieces[i].failed)
            pieces[i].failed = g->segments[rest++].status != GNTST_okay;
    return 0;
}

struct grant_stats grants_stats(const struct grants *g)
{
    struct grant_stats now;

    counters_now(&now, &g->stats, sizeof(now));
    return now;
}
