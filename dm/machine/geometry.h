/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MACHINE_GEOMETRY_H
#define DM_MACHINE_GEOMETRY_H
#include <stdbool.h>
#include <stdint.h>
struct disk;

/*
 * The cylinders, heads and sectors of a hard disk, and how a BIOS makes addresses of its own out of
 * them. What a disk was partitioned with is kept, or its boot loader would look elsewhere: the
 * first partition that ends on a cylinder tells.
 */
enum translation { TRANSLATE_NONE, TRANSLATE_LBA, TRANSLATE_LARGE, TRANSLATE_RECHS };

struct geometry {
    unsigned cylinders, heads, sectors;
    enum translation translation; /* as the CMOS has it */
};

/* From the first sector of a disk of so many sectors. */
struct geometry geometry_guess(const uint8_t mbr[512], uint64_t total);
/* What a BIOS does with a geometry that was given. */
enum translation geometry_translation(const struct geometry *geometry);
/* Reads the first sector of its image; what cannot be read is taken as blank. */
struct geometry geometry_of(const struct disk *disk);
#endif
