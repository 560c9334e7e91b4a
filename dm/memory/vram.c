/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Video memory: frames populated above RAM, mapped for good, moved into sight with the framebuffer
 * BAR. What the guest wrote comes from the hypervisor's tracking; what we wrote from a bitmap here.
 */
#include <errno.h>
#include <stdlib.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/memory/backing.h"
#include "dm/memory/vram.h"

struct vram {
    struct backing *backing;
    uint8_t *bytes;
    size_t pages;
    uint64_t scratch, gfn; /* where the frames stay hidden; where they are */
    bool log_dirty;
    uint8_t *touched;      /* pages we wrote since the last look */
    size_t tracked_first, tracked_pages; /* as the hypervisor tracks now; 0 pages: not */
    uint64_t tracked_gfn;
};

int vram_open(struct vram **out, struct backing *backing, size_t size, uint64_t scratch_gfn,
              struct error *err)
{
    struct vram *v = calloc(1, sizeof(*v));
    int *errs = NULL, rc;

    if (!v)
        return error_set(err, -ENOMEM, "video memory: out of memory");
    v->backing = backing;
    v->pages = DIV_ROUND_UP(size, PAGE_BYTES);
    v->scratch = v->gfn = scratch_gfn;
    v->touched = calloc(1, DIV_ROUND_UP(v->pages, 8));
    errs = calloc(v->pages, sizeof(*errs));
    if (!v->touched || !errs) {
        rc = error_set(err, -ENOMEM, "video memory: out of memory");
        goto fail;
    }
    rc = backing->ops->populate(backing, scratch_gfn, v->pages, err);
    if (rc < 0)
        goto fail;
    v->bytes = backing->ops->map(backing, scratch_gfn, v->pages, errs);
    for (size_t i = 0; v->bytes && i < v->pages; i++)
        if (errs[i]) {
            rc = error_set(err, errs[i], "map video memory: frame 0x%llx is missing",
                           (unsigned long long)(scratch_gfn + i));
            goto fail;
        }
    if (!v->bytes) {
        rc = error_set(err, -ENOMEM, "map %zu pages of video memory: refused", v->pages);
        goto fail;
    }
    free(errs);
    *out = v;
    return 0;

fail:
    free(errs);
    vram_close(v);
    return rc;
}

void vram_close(struct vram *v)
{
    if (!v)
        return;
    vram_untrack(v);
    if (v->bytes)
        v->backing->ops->unmap(v->backing, v->bytes, v->pages);
    free(v->touched);
    free(v);
}

uint8_t *vram_bytes(struct vram *v)
{
    return v->bytes;
}

size_t vram_size(const struct vram *v)
{
    return v->pages * PAGE_BYTES;
}

uint64_t vram_address(const struct vram *v)
{
    return v->gfn == v->scratch ? VRAM_HIDDEN : v->gfn << PAGE_BITS;
}

static int relocate(struct vram *v, uint64_t to)
{
    int rc;

    if (to == v->gfn)
        return 0;
    rc = v->backing->ops->relocate(v->backing, v->gfn, to, v->pages);
    if (rc == 0)
        v->gfn = to;
    return rc;
}

/* By way of the scratch frames, so that two overlapping places do not eat each other. */
int vram_move(struct vram *v, uint64_t addr, struct error *err)
{
    uint64_t to = addr == VRAM_HIDDEN ? v->scratch : addr >> PAGE_BITS;
    int rc;

    if (to == v->gfn)
        return 0;
    vram_untrack(v);
    rc = relocate(v, v->scratch);
    if (rc == 0)
        rc = relocate(v, to);
    if (rc < 0)
        return error_set(err, rc, "move video memory to guest frame 0x%llx: errno %d",
                         (unsigned long long)to, -rc);
    if (to != v->scratch)
        v->backing->ops->cache_wb(v->backing, to, v->pages);
    return 0;
}

void vram_touch(struct vram *v, size_t offset, size_t length)
{
    size_t first, last;

    if (offset >= vram_size(v) || !length)
        return;
    first = offset / PAGE_BYTES;
    last = (offset + MIN(length, vram_size(v) - offset) - 1) / PAGE_BYTES;
    for (size_t i = first; i <= last; i++)
        v->touched[i / 8] |= (uint8_t)(1 << (i % 8));
    if (v->log_dirty)
        v->backing->ops->modified(v->backing, v->gfn + first, last - first + 1);
}

void vram_log_dirty(struct vram *v, bool on)
{
    v->log_dirty = on;
}

void vram_dirty(struct vram *v, size_t offset, size_t length, uint8_t *bitmap)
{
    size_t first = MIN(offset / PAGE_BYTES, v->pages);
    size_t pages = MIN(DIV_ROUND_UP(offset % PAGE_BYTES + length, PAGE_BYTES), v->pages - first);
    size_t bytes = DIV_ROUND_UP(pages, 8);
    bool same = v->tracked_pages == pages && v->tracked_first == first && v->tracked_gfn == v->gfn;

    if (!pages)
        return;
    if (v->backing->ops->dirty(v->backing, v->gfn + first, pages, bitmap) < 0 || !same)
        memset(bitmap, 0xff, bytes);
    v->tracked_first = first;
    v->tracked_pages = pages;
    v->tracked_gfn = v->gfn;
    for (size_t i = 0; i < pages; i++) {
        size_t page = first + i;

        if (v->touched[page / 8] >> (page % 8) & 1)
            bitmap[i / 8] |= (uint8_t)(1 << (i % 8));
        v->touched[page / 8] &= (uint8_t)~(1 << (page % 8));
    }
}

void vram_untrack(struct vram *v)
{
    if (!v->tracked_pages)
        return;
    v->backing->ops->dirty(v->backing, v->tracked_gfn + v->tracked_first, 0, NULL);
    v->tracked_pages = 0;
}
