/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MEMORY_MEMORY_H
#define DM_MEMORY_MEMORY_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
struct backing;
struct error;

/*
 * Guest memory as one loop sees it: a bounded cache of mapped windows over a backing. Each loop
 * that does DMA has its own; nothing is shared, so nothing is locked. DMA reaches RAM and nothing
 * else: the frames the domain was built with, never a device's registers or the VRAM.
 * The home loop's only, unless a line says otherwise.
 */
struct memory;

/* The RAM a domain was built with: [0, low_end) and [4 GiB, high_end), without 0xa0000-0xbffff. */
struct memory_layout {
    uint64_t low_end;  /* bytes */
    uint64_t high_end; /* bytes; 0: none above 4 GiB */
};

/* `windows`: how many 2 MiB windows may stay mapped, at least 1; 0 takes the default. */
int memory_open(struct memory **out, struct backing *backing, const struct memory_layout *layout,
                unsigned windows, struct error *err);
void memory_close(struct memory *memory); /* nothing is pinned any more; NULL is fine */

/*
 * Copies between us and the guest. What is not RAM reads as all-ones, and writes there vanish;
 * then the result is false.
 */
bool dma_read(struct memory *memory, uint64_t addr, void *buf, size_t length);
bool dma_write(struct memory *memory, uint64_t addr, const void *buf, size_t length);

/*
 * A stretch of guest RAM, mapped and pinned until memory_unpin(), for payload that goes straight
 * to or from a host end. Returns a pointer to `addr` and sets *length to what lies there in one
 * piece, at most what was asked. NULL where there is no RAM. The guest may write it meanwhile:
 * whoever looks at the bytes copies them first. `write`: we are going to write to it.
 */
void *memory_pin(struct memory *memory, uint64_t addr, size_t *length, bool write);
/* Tells log-dirty of the write, if it was pinned for one. `p`, `length`, `write` as pinned. */
void memory_unpin(struct memory *memory, void *p, size_t length, bool write);

/* Forgets all mappings; pinned ones go with their last unpin. */
void memory_invalidate(struct memory *memory);
/* Whether our writes are reported (live migration). */
void memory_log_dirty(struct memory *memory, bool on);

/*
 * For loops that Xen tells nothing: what one memory is told, the ones that follow it heed at their next
 * call. Whoever learns of a frame's address after the frame came into its place, which is after the
 * invalidation was answered, is so never given the frame that was there before. Outlives all of them.
 */
struct memory_news {
    atomic_uint invalidations;
    atomic_bool log_dirty;
    void (*invalidated)(void *arg); /* on the loop of the one that tells, after it counted; or NULL */
    void *arg;
};
void memory_tell(struct memory *memory, struct memory_news *news); /* NULL: no more */
void memory_follow(struct memory *memory, struct memory_news *news);
/* Heeds them now: frames that the guest has given up are free once nobody maps them. */
void memory_heed(struct memory *memory);

/*
 * A frame of RAM as it is mapped, until the next call on this memory; NULL where it is not. `map`: one
 * that could be is, with the window around it. Who writes there says so with memory_wrote().
 */
uint8_t *memory_frame(struct memory *memory, uint64_t gfn, bool map);
void memory_wrote(struct memory *memory, uint64_t gfn);

struct memory_stats {
    unsigned windows, pinned;
    uint64_t hits, misses, evictions;
};
struct memory_stats memory_get_stats(const struct memory *memory);

/* Little-endian words, for descriptors. Not RAM: all-ones. */
static inline uint32_t dma_read32(struct memory *memory, uint64_t addr)
{
    uint8_t b[4];

    dma_read(memory, addr, b, sizeof(b));
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
#endif
