/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guest frames through libxenforeignmemory, as a backing of dm/memory. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/xen/handles.h"
#include "dm/xen/unstable.h"

#define CACHE_WRITE_BACK 6 /* public/domctl.h: XEN_DOMCTL_MEM_CACHEATTR_WB */

static struct domain *domain_of(struct backing *b)
{
    return container_of(b, struct domain, backing);
}

static void *foreign_map(struct backing *b, uint64_t gfn, size_t pages, int *errs)
{
    struct domain *d = domain_of(b);
    xen_pfn_t *gfns = calloc(pages, sizeof(*gfns));
    void *p;

    if (!gfns)
        return NULL;
    for (size_t i = 0; i < pages; i++)
        gfns[i] = gfn + i;
    p = xenforeignmemory_map(d->memory, d->id, PROT_READ | PROT_WRITE, pages, gfns, errs);
    free(gfns);
    return p;
}

static void *foreign_map_list(struct backing *b, const uint64_t *gfns, size_t pages, int *errs)
{
    _Static_assert(sizeof(xen_pfn_t) == sizeof(*gfns), "a list of frames is passed on as it is");
    struct domain *d = domain_of(b);

    return xenforeignmemory_map(d->memory, d->id, PROT_READ, pages, (const xen_pfn_t *)gfns, errs);
}

static void foreign_unmap(struct backing *b, void *addr, size_t pages)
{
    xenforeignmemory_unmap(domain_of(b)->memory, addr, pages);
}

static int foreign_populate(struct backing *b, uint64_t gfn, size_t pages, struct error *err)
{
    struct domain *d = domain_of(b);
    int rc = d->restricted ? -EPERM : unstable_populate(d->control, d->id, gfn, pages);

    if (rc < 0)
        return error_set(err, rc,
                         "give the domain %zu KiB of video memory: errno %d; its memory limit (maxmem "
                         "with videoram) has no room for them",
                         pages * (PAGE_BYTES / 1024), -rc);
    return 0;
}

static int foreign_relocate(struct backing *b, uint64_t from, uint64_t to, size_t pages)
{
    struct domain *d = domain_of(b);

    return xendevicemodel_relocate_memory(d->model, d->id, (uint32_t)pages, from, to) < 0 ? -errno
                                                                                           : 0;
}

static int foreign_cache_wb(struct backing *b, uint64_t gfn, size_t pages)
{
    struct domain *d = domain_of(b);

    return xendevicemodel_pin_memory_cacheattr(d->model, d->id, gfn, gfn + pages - 1,
                                               CACHE_WRITE_BACK) < 0 ? -errno : 0;
}

static int foreign_dirty(struct backing *b, uint64_t gfn, size_t pages, uint8_t *bitmap)
{
    struct domain *d = domain_of(b);

    return xendevicemodel_track_dirty_vram(d->model, d->id, gfn, (uint32_t)pages,
                                           (unsigned long *)(void *)bitmap) < 0 ? -errno : 0;
}

static void foreign_modified(struct backing *b, uint64_t gfn, size_t pages)
{
    struct domain *d = domain_of(b);

    xendevicemodel_modified_memory(d->model, d->id, gfn, (uint32_t)pages);
}

const struct backing_ops foreign_ops = {
    .map = foreign_map, .map_list = foreign_map_list, .unmap = foreign_unmap,
    .populate = foreign_populate, .relocate = foreign_relocate, .cache_wb = foreign_cache_wb, .dirty = foreign_dirty,
    .modified = foreign_modified,
};
