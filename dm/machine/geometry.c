/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disk geometry, guessed as PC emulators always have, so that images move between them. */
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/block/disk.h"
#include "dm/machine/geometry.h"

#define PARTITIONS 0x1be
#define ENTRY_BYTES 16
#define END_HEAD 5
#define END_SECTOR 6 /* with two bits of the cylinder above it */
#define SECTOR_COUNT 12
#define CYLINDERS_MOST 16383u
#define LARGE_MOST 131072u /* cylinders times heads */

/* What ATA says of a disk that never had another geometry. */
static struct geometry physical(uint64_t total)
{
    uint64_t cylinders = total / (16 * 63);

    return (struct geometry){ (unsigned)MAX(2u, MIN(cylinders, CYLINDERS_MOST)), 16, 63,
                              TRANSLATE_NONE };
}

enum translation geometry_translation(const struct geometry *g)
{
    return g->cylinders <= 1024 && g->heads <= 16 && g->sectors <= 63 ? TRANSLATE_NONE
                                                                      : TRANSLATE_LBA;
}

static bool partitioned(const uint8_t *mbr, uint64_t total, struct geometry *g)
{
    if (get_le16(mbr + 510) != 0xaa55)
        return false;
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *p = mbr + PARTITIONS + i * ENTRY_BYTES;
        unsigned heads = p[END_HEAD] + 1u, sectors = p[END_SECTOR] & 63;
        uint64_t cylinders;

        if (!get_le32(p + SECTOR_COUNT) || heads == 1 || !sectors)
            continue;
        cylinders = total / (heads * sectors);
        if (cylinders < 1 || cylinders > CYLINDERS_MOST)
            continue;
        *g = (struct geometry){ (unsigned)cylinders, heads, sectors, TRANSLATE_NONE };
        return true;
    }
    return false;
}

struct geometry geometry_guess(const uint8_t mbr[512], uint64_t total)
{
    struct geometry g, plain = physical(total);

    if (!partitioned(mbr, total, &g)) {
        plain.translation = geometry_translation(&plain);
        return plain;
    }
    if (g.heads <= 16)
        return g;
    /* more heads than ATA knows: a BIOS translated when it was partitioned */
    plain.translation =
        plain.cylinders * plain.heads <= LARGE_MOST ? TRANSLATE_LARGE : TRANSLATE_LBA;
    return plain;
}

struct geometry geometry_of(const struct disk *disk)
{
    uint8_t mbr[512];

    disk_first_sector(disk, mbr);
    return geometry_guess(mbr, disk_bytes(disk) / sizeof(mbr));
}
