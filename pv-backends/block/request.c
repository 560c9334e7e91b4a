/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Offsets by layout: 64-bit guests align 64-bit words to 8 bytes, 32-bit ones to 4. Source:
 * public/io/blkif.h, "struct blkif_request" and its two siblings.
 */
#include <string.h>
#include "dm/base/bytes.h"
#include "pv-backends/block/request.h"

#define OP_READ 0
#define OP_WRITE 1
#define OP_BARRIER 2
#define OP_FLUSH 3
#define OP_DISCARD 5
#define OP_INDIRECT 6
#define DISCARD_SECURE 1
#define SECTORS_A_PAGE (BLK_PAGE / BLK_SECTOR)

static const struct {
    unsigned slot, id, sector, segments; /* segments: also a discard's count */
    unsigned grefs;                      /* of an indirect request */
    unsigned response;
} layouts[] = {
    [BLK_X86_64] = { .slot = 112, .id = 8, .sector = 16, .segments = 24, .grefs = 28,
                     .response = 16 },
    [BLK_X86_32] = { .slot = 108, .id = 4, .sector = 12, .segments = 20, .grefs = 24,
                     .response = 12 },
};

unsigned blk_slot_bytes(enum blk_layout layout)
{
    return layouts[layout].slot;
}

static enum blk_kind kind_of(uint8_t operation)
{
    switch (operation) {
    case OP_READ: return BLK_READ;
    case OP_WRITE: return BLK_WRITE;
    case OP_BARRIER: return BLK_BARRIER;
    case OP_FLUSH: return BLK_FLUSH;
    case OP_DISCARD: return BLK_DISCARD;
    default: return BLK_UNKNOWN;
    }
}

void blk_parse_segments(const uint8_t *page, unsigned count, struct blk_segment *segments)
{
    for (unsigned i = 0; i < count; i++, page += 8)
        segments[i] = (struct blk_segment){ .ref = get_le32(page), .first = page[4],
                                            .last = page[5] };
}

static bool parse_indirect(enum blk_layout layout, const uint8_t *slot, struct blk_words *w)
{
    w->indirect = true;
    w->operation = slot[1]; /* a response names what was done: Linux gives up a disk that says else */
    w->kind = kind_of(slot[1]);
    w->segments = get_le16(slot + 2);
    w->indirect_ref = get_le32(slot + layouts[layout].grefs);
    return (w->kind == BLK_READ || w->kind == BLK_WRITE) && w->segments &&
           w->segments <= BLK_SEGMENTS_MOST;
}

bool blk_parse(enum blk_layout layout, const uint8_t slot[BLK_SLOT_MOST], struct blk_words *w)
{
    *w = (struct blk_words){ .operation = slot[0],
                             .id = get_le64(slot + layouts[layout].id),
                             .sector = get_le64(slot + layouts[layout].sector) };
    if (slot[0] == OP_INDIRECT)
        return parse_indirect(layout, slot, w);
    w->kind = kind_of(slot[0]);
    if (w->kind == BLK_UNKNOWN)
        return false;
    if (w->kind == BLK_DISCARD) {
        w->sectors = get_le64(slot + layouts[layout].segments);
        if (slot[1] & DISCARD_SECURE) /* we say discard-secure 0 */
            w->kind = BLK_UNKNOWN;
        return w->kind == BLK_DISCARD;
    }
    w->segments = slot[1];
    if (w->segments > BLK_SEGMENTS_DIRECT)
        return false;
    blk_parse_segments(slot + layouts[layout].segments, w->segments, w->direct);
    return w->segments || w->kind == BLK_FLUSH || w->kind == BLK_BARRIER;
}

bool blk_judge(const struct blk_segment *segments, unsigned count, uint64_t sector, uint64_t bytes,
               unsigned unit, uint64_t *length)
{
    unsigned each = unit / BLK_SECTOR;
    uint64_t sectors = 0;

    *length = 0;
    if (!count) /* a flush without data: Linux leaves sector ~0 in it */
        return true;
    for (unsigned i = 0; i < count; i++) {
        const struct blk_segment *s = &segments[i];

        if (s->last >= SECTORS_A_PAGE || s->first > s->last || s->first % each ||
            (s->last + 1u) % each)
            return false;
        sectors += s->last - s->first + 1u;
    }
    *length = sectors * BLK_SECTOR;
    return sector % each == 0 && sector <= bytes / BLK_SECTOR &&
           sectors <= bytes / BLK_SECTOR - sector;
}

unsigned blk_response(enum blk_layout layout, uint64_t id, uint8_t operation, int16_t status,
                      uint8_t out[16])
{
    memset(out, 0, 16);
    put_le64(out, id);
    out[8] = operation;
    put_le16(out + 10, (uint16_t)status);
    return layouts[layout].response;
}
