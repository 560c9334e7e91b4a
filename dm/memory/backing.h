/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MEMORY_BACKING_H
#define DM_MEMORY_BACKING_H
#include <stddef.h>
#include <stdint.h>
struct error;

/*
 * Where guest frames come from: a Xen domain (dm/xen/foreign.c), or plain memory of our own
 * (dm/memory/local.c) where there is no hypervisor. Functions may be called from any loop; 0 or a
 * negative errno. A GFN is a guest frame number, 4 KiB each.
 */
struct backing {
    const struct backing_ops *ops;
};

struct backing_ops {
    /*
     * Maps `pages` frames from `gfn` on, readable and writable. errs[i] is 0 or a negative errno
     * for each; a frame with an error must not be touched. NULL when nothing could be mapped.
     */
    void *(*map)(struct backing *b, uint64_t gfn, size_t pages, int *errs);
    /* The same of frames that lie anywhere, to be read only. */
    void *(*map_list)(struct backing *b, const uint64_t *gfns, size_t pages, int *errs);
    void (*unmap)(struct backing *b, void *addr, size_t pages);
    /* New frames where there are none. */
    int (*populate)(struct backing *b, uint64_t gfn, size_t pages, struct error *err);
    /* Moves frames; mappings of them stay valid. */
    int (*relocate)(struct backing *b, uint64_t from, uint64_t to, size_t pages);
    /* Guest accesses to [gfn, gfn + pages) are write-back cached. */
    int (*cache_wb)(struct backing *b, uint64_t gfn, size_t pages);
    /*
     * Frames the guest wrote since the last call, a bit each, least significant first; pages = 0
     * ends the tracking. One range per domain. On error all must be taken as written.
     */
    int (*dirty)(struct backing *b, uint64_t gfn, size_t pages, uint8_t *bitmap);
    /* We wrote to [gfn, gfn + pages). Needed, and called, only while log-dirty is on. */
    void (*modified)(struct backing *b, uint64_t gfn, size_t pages);
};
#endif
