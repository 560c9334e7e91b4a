/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/memory/backing.h"
#include "pv-backends/fb/memory.h"

/* All of these frames, or none. */
static const uint8_t *map_all(struct backing *backing, const uint64_t *gfns, size_t pages,
                              const char *what, struct error *err)
{
    int *errs = calloc(pages, sizeof(*errs));
    const uint8_t *bytes = errs ? backing->ops->map_list(backing, gfns, pages, errs) : NULL;
    size_t bad = 0;

    while (bytes && bad < pages && !errs[bad])
        bad++;
    free(errs);
    if (bytes && bad == pages)
        return bytes;
    if (bytes)
        backing->ops->unmap(backing, (void *)(uintptr_t)bytes, pages);
    error_set(err, -EFAULT, "its %s name frame 0x%llx, which cannot be mapped", what,
              (unsigned long long)gfns[bad]);
    return NULL;
}

/* The frames that the directories name; they are looked at once, and let go. */
static int read_frames(struct fb_memory *m, uint64_t *gfns, const struct fb_head *head,
                       enum fb_words words, struct error *err)
{
    size_t each = PAGE_BYTES / words, count = DIV_ROUND_UP(m->pages, each);
    const uint8_t *directories = map_all(m->backing, head->directories, count, "directories", err);

    if (!directories)
        return -EFAULT;
    for (size_t i = 0; i < count; i++)
        fb_read_directory(gfns + i * each, directories + i * PAGE_BYTES,
                          MIN(each, m->pages - i * each), words);
    m->backing->ops->unmap(m->backing, (void *)(uintptr_t)directories, count);
    return 0;
}

int fb_map(struct fb_memory *m, struct backing *backing, const struct fb_head *head,
           enum fb_words words, size_t limit, struct error *err)
{
    size_t most = (size_t)head->directory_count * (PAGE_BYTES / words) * PAGE_BYTES;
    uint64_t *gfns;
    int rc;

    *m = (struct fb_memory){ .backing = backing, .length = head->bytes };
    m->length = MIN(MIN(m->length, most), MIN(limit, FB_MOST));
    m->pages = DIV_ROUND_UP(m->length, PAGE_BYTES);
    if (!m->pages || !backing)
        return error_set(err, -EINVAL, "its frame buffer has no memory");
    gfns = calloc(m->pages, sizeof(*gfns));
    if (!gfns)
        return error_set(err, -ENOMEM, "out of memory");
    rc = read_frames(m, gfns, head, words, err);
    if (rc == 0)
        m->bytes = map_all(backing, gfns, m->pages, "directories' pages", err);
    free(gfns);
    return m->bytes ? 0 : -EFAULT;
}

void fb_unmap(struct fb_memory *m)
{
    if (m->bytes)
        m->backing->ops->unmap(m->backing, (void *)(uintptr_t)m->bytes, m->pages);
    m->bytes = NULL;
}
