/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_SLICES_H
#define DM_BLOCK_SLICES_H
#include <stdbool.h>
#include <stdint.h>

/* A cache of pieces of an image's tables, for who holds what lock guards them. */
/* A piece of a table, as it lies in the file. */
struct slice {
    uint64_t host;
    struct slice *next; /* in the bucket */
    unsigned pins;      /* links that will come */
    bool dirty, used;
    uint8_t bytes[];
};

struct slices {
    struct slice **at;
    unsigned count, most; /* there may be more while they are pinned or dirty */
    unsigned size;        /* of at */
    unsigned hand;        /* the clock's */
    struct slice **buckets;
    unsigned bucket_mask;
    unsigned dirty;
};

int slices_open(struct slices *s, uint64_t bytes, unsigned slice);
void slices_close(struct slices *s);
struct slice *slices_find(struct slices *s, uint64_t host);
/* Makes room, and puts `fresh` in. False where there is no memory for it. */
bool slices_put(struct slices *s, struct slice *fresh);
void slices_remove(struct slices *s, struct slice *gone); /* and frees it */
void slice_set_dirty(struct slices *s, struct slice *slice, bool dirty);
bool slices_crowded(const struct slices *s); /* nearly all dirty: time to write */
#endif
