/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Refcounts of an image that was not closed, where a writer kept them "lazy": they are counted anew
 * from what the tables refer to. At open, before anything else.
 */
#include <errno.h>
#include <stdlib.h>
#include "dm/base/error.h"
#include "dm/block/qcow2/internal.h"

#define CLUSTERS_MOST (1ull << 28) /* a gigabyte of counts: 16 TiB in clusters of 64 KiB */

struct tally {
    uint32_t *counts;
    uint64_t clusters;
    uint64_t *table; /* a buffer for an L2 table */
};

static bool count(struct qcow2 *q, struct tally *t, uint64_t at, uint64_t bytes)
{
    uint64_t first = at >> q->cluster_bits, last;

    if (!bytes)
        return true;
    last = (at + bytes - 1) >> q->cluster_bits;
    if (last >= t->clusters || last < first)
        return false;
    for (; first <= last; first++)
        t->counts[first]++;
    return true;
}

static bool count_entry(struct qcow2 *q, struct tally *t, uint64_t entry)
{
    uint64_t host = entry & OFFSET_MASK, bytes;

    if (entry & L2_COMPRESSED) {
        qcow2_packed_place(q, entry, &host, &bytes);
        /* the sectors it says may go past the end, where nothing lies */
        bytes = MIN(bytes, (t->clusters << q->cluster_bits) - MIN(host, t->clusters << q->cluster_bits));
        return count(q, t, host, bytes);
    }
    return !host || (host % q->cluster == 0 && count(q, t, host, q->cluster));
}

static bool count_l1(struct qcow2 *q, struct tally *t, const uint64_t *l1, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t host = l1[i] & OFFSET_MASK;

        if (!host)
            continue;
        if (host % q->cluster || !count(q, t, host, q->cluster) ||
            image_read(&q->img, t->table, q->cluster, host) < 0)
            return false;
        for (uint64_t k = 0; k < q->cluster / 8; k++)
            if (!count_entry(q, t, get_be64(&t->table[k])))
                return false;
    }
    return true;
}

static bool count_snapshot(struct qcow2 *q, struct tally *t, const struct snapshot *s)
{
    uint64_t *l1 = calloc(s->l1_size + 1ull, sizeof(*l1));
    bool good = l1 && count(q, t, s->l1_offset, s->l1_size * 8ull) &&
                image_read(&q->img, l1, s->l1_size * 8ull, s->l1_offset) == 0;

    for (uint32_t i = 0; good && i < s->l1_size; i++)
        l1[i] = get_be64(&l1[i]);
    good = good && count_l1(q, t, l1, s->l1_size);
    free(l1);
    return good;
}

static bool count_all(struct qcow2 *q, struct tally *t)
{
    bool good = count(q, t, 0, q->cluster) && count(q, t, q->l1_offset, q->l1_size * 8ull) &&
                count(q, t, q->table_offset, q->table_entries * 8) &&
                count(q, t, q->snapshots_offset, q->snapshots_bytes) &&
                count_l1(q, t, q->l1, q->l1_size);

    for (uint64_t i = 0; good && i < q->table_entries; i++)
        good = !(q->table[i] & ~511ull) || count(q, t, q->table[i] & ~511ull, q->cluster);
    for (unsigned i = 0; good && i < q->snapshot_count; i++)
        good = count_snapshot(q, t, &q->snapshots[i]);
    return good;
}

/* Writes what was counted. Who keeps refcounts lazy still makes blocks for them at once. */
static int store(struct qcow2 *q, struct tally *t)
{
    uint64_t was;
    int rc = 0;

    for (uint64_t i = 0; rc == 0 && i < t->clusters; i++) {
        rc = refcount_get(q, i, &was);
        if (rc == 0 && was != t->counts[i])
            rc = refcount_set(q, i, t->counts[i]);
    }
    if (rc == 0)
        rc = refcount_write(q);
    return rc == 0 ? image_sync(&q->img) : rc;
}

int qcow2_rebuild(struct qcow2 *q, struct error *err)
{
    struct tally t = { .clusters = q->end >> q->cluster_bits };
    int rc = -EUCLEAN;

    if (q->has_bitmaps || t.clusters > CLUSTERS_MOST)
        goto refuse;
    t.counts = calloc(t.clusters, sizeof(*t.counts));
    t.table = malloc(q->cluster);
    if (t.counts && t.table && count_all(q, &t))
        rc = store(q, &t);
    free(t.counts);
    free(t.table);
    if (rc == 0)
        return 0;
refuse:
    return error_set(err, rc,
                     "disk image %s was not closed, and its refcounts cannot be rebuilt here; repair "
                     "it with \"qemu-img check -r all\"",
                     q->img.disk.path);
}
