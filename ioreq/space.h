/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IOREQ_SPACE_H
#define IOREQ_SPACE_H
#include <stdbool.h>
#include <stdint.h>
struct error;
struct histogram;

/*
 * An address space: who answers a guest access. One for ports, one for MMIO, per loop that holds
 * devices; regions in it never overlap. A device is handed offsets into its own region, and only
 * the widths it declares: the space splits wider accesses, widens narrower ones (a narrow read
 * reads the aligned minimum and takes its part; a narrow write writes the aligned minimum with
 * zeroes beside it), cuts accesses that straddle regions, and reads all-ones where nobody lives.
 *
 * The home loop's only. A region may be moved or unmapped from inside its own handler.
 */
struct space;
struct region;

struct region_ops {
    const char *name;            /* as traces and QMP show it */
    unsigned min_size, max_size; /* bytes, 1 to 8; what the two functions below can take */
    uint64_t (*read)(void *state, uint64_t offset, unsigned size);
    void (*write)(void *state, uint64_t offset, unsigned size, uint64_t value);
};

/* Told of each span that comes and goes, so that Xen sends us its accesses. May be NULL. */
struct space_claims {
    int (*claim)(void *arg, uint64_t first, uint64_t last, struct error *err);
    void (*release)(void *arg, uint64_t first, uint64_t last);
};

int space_open(struct space **out, const char *name, const struct space_claims *claims, void *arg,
               struct error *err);
void space_close(struct space *space); /* unmaps what is left; NULL is fine */

/* Claims [base, base + length) here and in Xen. -EBUSY where somebody lives already. */
int region_map(struct region **out, struct space *space, uint64_t base, uint64_t length,
               const struct region_ops *ops, void *state, struct error *err);
void region_unmap(struct region *region); /* NULL is fine */

/* What a guest access does. Size is 1, 2, 4 or 8 bytes; reads are zero-extended. */
uint64_t space_read(struct space *space, uint64_t addr, unsigned size);
void space_write(struct space *space, uint64_t addr, unsigned size, uint64_t value);
/* Whether one region holds [addr, addr + length) whole. */
bool space_holds(const struct space *space, uint64_t addr, uint64_t length);

/* Every region, in address order, with how often it was read and written. */
struct region_info {
    const char *name;
    uint64_t base, length, reads, writes;
    const struct histogram *times; /* of its handlers, sampled; valid during the call */
};
void space_walk(const struct space *space, void (*fn)(void *arg, const struct region_info *info),
                void *arg);
#endif
