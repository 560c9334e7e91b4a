/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A backing of plain memory: a memfd that holds low RAM, high RAM and room for populated frames,
 * with a small table that says which guest frames lie where. Mappings are views of that file, so
 * relocation keeps them valid as the hypervisor's do.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/memory/backing.h"
#include "dm/memory/local.h"

#define EXTENTS 16
#define GUARD_BYTES MIB /* on both sides of a mapping: who runs off it is seen */
#define EXTRA_PAGES (512 * MIB / PAGE_BYTES) /* address space only, until touched */

struct extent {
    uint64_t gfn;
    size_t pages, file_page;
};

struct local {
    struct backing backing;
    pthread_mutex_t mutex; /* any loop may map */
    int fd;
    uint8_t *view; /* the whole file, for the guest's side */
    size_t file_pages, used_pages;
    struct extent extents[EXTENTS];
    unsigned count;
    uint8_t *dirty; /* a bit for each page of the file */
    uint64_t modified, last_modified;
};

static struct local *local_of(struct backing *b)
{
    return container_of(b, struct local, backing);
}

/* The page of the file behind a frame, or SIZE_MAX. */
static size_t file_page(const struct local *l, uint64_t gfn)
{
    for (unsigned i = 0; i < l->count; i++)
        if (gfn >= l->extents[i].gfn && gfn - l->extents[i].gfn < l->extents[i].pages)
            return l->extents[i].file_page + (size_t)(gfn - l->extents[i].gfn);
    return SIZE_MAX;
}

static void *map_pages(struct local *l, const uint64_t *gfns, size_t pages, int prot, int *errs)
{
    uint8_t *p = mmap(NULL, pages * PAGE_BYTES + 2 * GUARD_BYTES, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t run;

    if (p == MAP_FAILED)
        return NULL;
    p += GUARD_BYTES;
    pthread_mutex_lock(&l->mutex);
    for (size_t i = 0; i < pages; i += run) {
        size_t at = file_page(l, gfns[i]);

        run = 1;
        errs[i] = at == SIZE_MAX ? -ENOENT : 0;
        if (errs[i])
            continue;
        for (; i + run < pages && file_page(l, gfns[i + run]) == at + run; run++)
            errs[i + run] = 0;
        if (mmap(p + i * PAGE_BYTES, run * PAGE_BYTES, prot, MAP_SHARED | MAP_FIXED, l->fd,
                 (off_t)(at * PAGE_BYTES)) == MAP_FAILED)
            for (size_t j = 0; j < run; j++)
                errs[i + j] = -ENOMEM;
    }
    pthread_mutex_unlock(&l->mutex);
    return p;
}

static void *local_map(struct backing *b, uint64_t gfn, size_t pages, int *errs)
{
    uint64_t *gfns = calloc(pages, sizeof(*gfns));
    void *p;

    if (!gfns)
        return NULL;
    for (size_t i = 0; i < pages; i++)
        gfns[i] = gfn + i;
    p = map_pages(local_of(b), gfns, pages, PROT_READ | PROT_WRITE, errs);
    free(gfns);
    return p;
}

static void *local_map_list(struct backing *b, const uint64_t *gfns, size_t pages, int *errs)
{
    return map_pages(local_of(b), gfns, pages, PROT_READ, errs);
}

static void local_unmap(struct backing *b, void *addr, size_t pages)
{
    munmap((uint8_t *)addr - GUARD_BYTES, pages * PAGE_BYTES + 2 * GUARD_BYTES);
}

static int add_extent(struct local *l, uint64_t gfn, size_t pages, struct error *err)
{
    if (l->count == EXTENTS || l->file_pages - l->used_pages < pages)
        return error_set(err, -ENOMEM, "local memory: no room for %zu pages", pages);
    l->extents[l->count++] = (struct extent){ gfn, pages, l->used_pages };
    l->used_pages += pages;
    return 0;
}

static int local_populate(struct backing *b, uint64_t gfn, size_t pages, struct error *err)
{
    struct local *l = local_of(b);
    int rc;

    pthread_mutex_lock(&l->mutex);
    rc = file_page(l, gfn) != SIZE_MAX
             ? error_set(err, -EEXIST, "local memory: frame 0x%llx is there already",
                         (unsigned long long)gfn)
             : add_extent(l, gfn, pages, err);
    pthread_mutex_unlock(&l->mutex);
    return rc;
}

static int local_relocate(struct backing *b, uint64_t from, uint64_t to, size_t pages)
{
    struct local *l = local_of(b);
    int rc = -ENOENT;

    pthread_mutex_lock(&l->mutex);
    for (unsigned i = 0; i < l->count; i++)
        if (l->extents[i].gfn == from && l->extents[i].pages == pages) {
            l->extents[i].gfn = to;
            rc = 0;
        }
    pthread_mutex_unlock(&l->mutex);
    return rc;
}

static int local_cache_wb(struct backing *b, uint64_t gfn, size_t pages)
{
    return 0;
}

static int local_dirty(struct backing *b, uint64_t gfn, size_t pages, uint8_t *bitmap)
{
    struct local *l = local_of(b);

    if (!pages)
        return 0;
    memset(bitmap, 0, DIV_ROUND_UP(pages, 8));
    for (size_t i = 0; i < pages; i++) {
        size_t at = file_page(l, gfn + i);

        if (at == SIZE_MAX)
            return -ENOENT;
        if (l->dirty[at / 8] >> (at % 8) & 1)
            bitmap[i / 8] |= (uint8_t)(1 << (i % 8));
        l->dirty[at / 8] &= (uint8_t)~(1 << (at % 8));
    }
    return 0;
}

static void local_modified(struct backing *b, uint64_t gfn, size_t pages)
{
    struct local *l = local_of(b);

    l->modified += pages;
    l->last_modified = gfn + pages - 1;
}

static const struct backing_ops local_ops = {
    .map = local_map,
    .map_list = local_map_list,
    .unmap = local_unmap,
    .populate = local_populate,
    .relocate = local_relocate,
    .cache_wb = local_cache_wb,
    .dirty = local_dirty,
    .modified = local_modified,
};

int local_backing_open(struct backing **out, const struct memory_layout *layout, struct error *err)
{
    struct local *l = calloc(1, sizeof(*l));
    size_t low = layout->low_end / PAGE_BYTES;
    size_t high = layout->high_end > 4 * GIB ? (layout->high_end - 4 * GIB) / PAGE_BYTES : 0;
    int rc;

    if (!l)
        return error_set(err, -ENOMEM, "local memory: out of memory");
    l->backing.ops = &local_ops;
    pthread_mutex_init(&l->mutex, NULL);
    l->file_pages = low + high + EXTRA_PAGES;
    l->dirty = calloc(1, DIV_ROUND_UP(l->file_pages, 8));
    l->fd = memfd_create("guest-ram", MFD_CLOEXEC);
    if (!l->dirty || l->fd < 0 || ftruncate(l->fd, (off_t)(l->file_pages * PAGE_BYTES)) < 0) {
        rc = error_errno(err, "create %zu MiB of guest memory",
                         (size_t)(l->file_pages * PAGE_BYTES / MIB));
        goto fail;
    }
    l->view = mmap(NULL, l->file_pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, l->fd, 0);
    if (l->view == MAP_FAILED) {
        l->view = NULL;
        rc = error_errno(err, "map guest memory");
        goto fail;
    }
    rc = add_extent(l, 0, low, err);
    if (rc == 0 && high)
        rc = add_extent(l, 4 * GIB / PAGE_BYTES, high, err);
    if (rc < 0)
        goto fail;
    *out = &l->backing;
    return 0;

fail:
    local_backing_close(&l->backing);
    return rc;
}

void local_backing_close(struct backing *b)
{
    struct local *l;

    if (!b)
        return;
    l = local_of(b);
    if (l->view)
        munmap(l->view, l->file_pages * PAGE_BYTES);
    if (l->fd >= 0)
        close(l->fd);
    free(l->dirty);
    pthread_mutex_destroy(&l->mutex);
    free(l);
}

/* The host address of a guest byte and how far it goes, up to the end of its frame. */
static uint8_t *byte_at(struct local *l, uint64_t addr, size_t *run)
{
    size_t at = file_page(l, addr >> PAGE_BITS);

    *run = PAGE_BYTES - addr % PAGE_BYTES;
    return at == SIZE_MAX ? NULL : l->view + at * PAGE_BYTES + addr % PAGE_BYTES;
}

bool local_guest_write(struct backing *b, uint64_t addr, const void *buf, size_t length)
{
    struct local *l = local_of(b);

    for (size_t done = 0, n; done < length; done += n) {
        uint8_t *p = byte_at(l, addr + done, &n);
        size_t at = file_page(l, (addr + done) >> PAGE_BITS);

        if (!p)
            return false;
        n = MIN(n, length - done);
        memcpy(p, (const uint8_t *)buf + done, n);
        l->dirty[at / 8] |= (uint8_t)(1 << (at % 8));
    }
    return true;
}

bool local_guest_read(struct backing *b, uint64_t addr, void *buf, size_t length)
{
    struct local *l = local_of(b);

    for (size_t done = 0, n; done < length; done += n) {
        uint8_t *p = byte_at(l, addr + done, &n);

        if (!p)
            return false;
        n = MIN(n, length - done);
        memcpy((uint8_t *)buf + done, p, n);
    }
    return true;
}

uint64_t local_modified_pages(const struct backing *b, uint64_t *last_gfn)
{
    const struct local *l = container_of(b, const struct local, backing);

    if (last_gfn)
        *last_gfn = l->last_modified;
    return l->modified;
}
