/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cache of pieces of tables, with a clock that finds who was not used for long. */
#include <stdlib.h>
#include "dm/base/bytes.h"
#include "dm/block/slices.h"

#define LEAST 16u

int slices_open(struct slices *s, uint64_t bytes, unsigned slice)
{
    s->most = (unsigned)MAX(LEAST, MIN(bytes, GIB) / slice);
    s->bucket_mask = 15;
    while (s->bucket_mask < s->most)
        s->bucket_mask = s->bucket_mask * 2 + 1;
    s->buckets = calloc(s->bucket_mask + 1, sizeof(s->buckets[0]));
    return s->buckets ? 0 : -1;
}

void slices_close(struct slices *s)
{
    for (unsigned i = 0; i < s->count; i++)
        free(s->at[i]);
    free(s->at);
    free(s->buckets);
    memset(s, 0, sizeof(*s));
}

static struct slice **bucket(struct slices *s, uint64_t host)
{
    return &s->buckets[((host >> 9) * 0x9e3779b97f4a7c15ull >> 32) & s->bucket_mask];
}

struct slice *slices_find(struct slices *s, uint64_t host)
{
    struct slice *at = *bucket(s, host);

    while (at && at->host != host)
        at = at->next;
    if (at)
        at->used = true;
    return at;
}

static void drop(struct slices *s, unsigned i)
{
    struct slice *gone = s->at[i], **p = bucket(s, gone->host);

    while (*p != gone)
        p = &(*p)->next;
    *p = gone->next;
    slice_set_dirty(s, gone, false);
    s->at[i] = s->at[--s->count];
    free(gone);
}

void slices_remove(struct slices *s, struct slice *gone)
{
    unsigned i = 0;

    while (s->at[i] != gone)
        i++;
    drop(s, i);
}

/* Drops one that is neither pinned nor dirty nor used of late. */
static void make_room(struct slices *s)
{
    for (unsigned steps = 2 * s->count; steps; steps--) {
        struct slice *at;

        if (s->hand >= s->count)
            s->hand = 0;
        at = s->at[s->hand];
        if (!at->pins && !at->dirty && !at->used) {
            drop(s, s->hand);
            return;
        }
        at->used = false;
        s->hand++;
    }
}

bool slices_put(struct slices *s, struct slice *fresh)
{
    struct slice **b;

    if (s->count >= s->most)
        make_room(s);
    if (s->count == s->size) {
        unsigned size = s->size ? s->size * 2 : 16;
        struct slice **more = realloc(s->at, size * sizeof(*more));

        if (!more)
            return false;
        s->at = more;
        s->size = size;
    }
    b = bucket(s, fresh->host);
    fresh->next = *b;
    fresh->used = true;
    *b = fresh;
    s->at[s->count++] = fresh;
    return true;
}

void slice_set_dirty(struct slices *s, struct slice *slice, bool dirty)
{
    s->dirty += dirty - slice->dirty;
    slice->dirty = dirty;
}

bool slices_crowded(const struct slices *s)
{
    return s->count >= s->most && s->dirty > s->most / 4 * 3;
}
