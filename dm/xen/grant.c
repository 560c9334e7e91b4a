/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Grants through libxengnttab. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xengnttab.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/xen/grant.h"

#define MAPS_MOST 32768u /* pages at once; more than all rings and persistent grants of a guest */

struct grants {
    unsigned domid;
    xengnttab_handle *handle;
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
    xengnttab_close(g->handle);
    free(g);
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

int grants_copy(struct grants *g, struct grant_copy *pieces, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct grant_copy *p = &pieces[i];
        xengnttab_grant_copy_segment_t *s = &g->segments[i];

        s->len = p->length;
        s->status = GNTST_general_error;
        if (p->to_guest) {
            s->flags = GNTCOPY_dest_gref;
            s->source.virt = p->bytes;
            s->dest.foreign.ref = p->ref;
            s->dest.foreign.offset = p->offset;
            s->dest.foreign.domid = (domid_t)g->domid;
        } else {
            s->flags = GNTCOPY_source_gref;
            s->dest.virt = p->bytes;
            s->source.foreign.ref = p->ref;
            s->source.foreign.offset = p->offset;
            s->source.foreign.domid = (domid_t)g->domid;
        }
        p->failed = true;
    }
    if (count && xengnttab_grant_copy(g->handle, count, g->segments) < 0)
        return -errno;
    for (unsigned i = 0; i < count; i++)
        pieces[i].failed = g->segments[i].status != GNTST_okay;
    return 0;
}
