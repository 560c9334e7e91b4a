/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_VHD_INTERNAL_H
#define DM_BLOCK_VHD_INTERNAL_H
#include "dm/base/bytes.h"
#include "dm/block/image.h"
#include "dm/block/slices.h"

/*
 * Virtual hard disks: fixed, dynamic and differencing. Document: Microsoft "Virtual Hard Disk Image
 * Format Specification" (2006); names of fields are its own.
 *
 * A dynamic disk is a table of blocks (BAT), each a bitmap of sectors and their data. A block gets
 * its place at the end of the file as soon as somebody writes to it, in memory; the flush writes
 * bitmaps and the footer behind the data, and the BAT behind those. Not here: discard (the format
 * cannot give blocks back) and growing past 2 TiB.
 */
#define FOOTER_BYTES 512u
#define HEADER_BYTES 1024u
#define UNUSED 0xffffffffu

enum vhd_type { VHD_FIXED = 2, VHD_DYNAMIC = 3, VHD_DIFFERENCING = 4 };

struct vhd {
    struct image img;
    enum vhd_type type;
    uint8_t footer[FOOTER_BYTES];
    uint8_t parent_uuid[16];
    uint64_t bat_offset;
    uint32_t bat_entries;
    unsigned bitmap; /* bytes of it, before the data of a block */

    /* Under the lock. */
    uint32_t *bat;
    uint8_t *bat_dirty; /* a flag for each 512 bytes */
    bool any_bat_dirty;
    struct slices bitmaps;
    uint64_t end; /* of the blocks: where the footer lies */
    bool flushing;
};

static inline struct vhd *vhd_of(struct image *img)
{
    return container_of(img, struct vhd, img);
}

/* header.c */
int vhd_read_headers(struct vhd *v, const struct disk_config *config, struct error *err);
int vhd_open_parent(struct vhd *v, const struct disk_config *config, struct error *err);
#endif
