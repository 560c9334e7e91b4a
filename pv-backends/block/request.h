/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_BLOCK_REQUEST_H
#define PV_BACKENDS_BLOCK_REQUEST_H
#include <stdbool.h>
#include <stdint.h>

/*
 * Block requests as the three layouts have them (public/io/blkif.h), taken apart and judged. Pure:
 * works on copies, so a slot that changes meanwhile changes nothing.
 */
enum blk_layout { BLK_NATIVE, BLK_X86_64 = BLK_NATIVE, BLK_X86_32 };

#define BLK_SLOT_MOST 112u
#define BLK_SECTOR 512u
#define BLK_SEGMENTS_DIRECT 11u
#define BLK_SEGMENTS_MOST 256u /* what we offer as feature-max-indirect-segments */
#define BLK_PAGE 4096u

unsigned blk_slot_bytes(enum blk_layout layout);

enum blk_kind { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_BARRIER, BLK_DISCARD, BLK_UNKNOWN };

struct blk_segment {
    uint32_t ref;
    uint8_t first, last; /* sectors of the page, inclusive */
};

struct blk_words {
    enum blk_kind kind;
    uint8_t operation; /* for the response: of an indirect request the one inside */
    bool indirect;
    unsigned segments;
    uint64_t id, sector, sectors; /* sectors: of a discard */
    uint32_t indirect_ref;
    struct blk_segment direct[BLK_SEGMENTS_DIRECT];
};

/* False where no answer but an error can be given; id and operation are set all the same. */
bool blk_parse(enum blk_layout layout, const uint8_t slot[BLK_SLOT_MOST], struct blk_words *words);
/* `count` segments out of the page that an indirect request names. */
void blk_parse_segments(const uint8_t *page, unsigned count, struct blk_segment *segments);
/*
 * Whether the segments are whole pieces of pages in units of `unit` bytes (512 or 4096), and together
 * lie on a disk of `bytes`. *length: their sum. Without any the sector means nothing.
 */
bool blk_judge(const struct blk_segment *segments, unsigned count, uint64_t sector, uint64_t bytes,
               unsigned unit, uint64_t *length);

#define BLK_OKAY 0
#define BLK_ERROR (-1)
#define BLK_NOT_SUPPORTED (-2)
/* A response: id, operation, status; all other bytes of it are zero. */
unsigned blk_response(enum blk_layout layout, uint64_t id, uint8_t operation, int16_t status,
                      uint8_t out[16]);
#endif
