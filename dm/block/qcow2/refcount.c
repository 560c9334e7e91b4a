/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refcounts: who is free, and who is not any more. All of it is the scribe's. */
#include <errno.h>
#include <stdlib.h>
#include "dm/block/qcow2/internal.h"

#define TABLE_BYTES_MOST (8 * MIB)
#define BLOCK_MASK 0xfffffffffffffe00ull
#define HEADER_TABLE 48 /* refcount_table_offset and _clusters */

static uint64_t per_block(const struct qcow2 *q)
{
    return q->cluster * 8 >> q->refcount_order;
}

static uint64_t get_bits(const struct qcow2 *q, const uint8_t *p, uint64_t i)
{
    unsigned bits = 1u << q->refcount_order;

    switch (q->refcount_order) {
    case 3:
        return p[i];
    case 4:
        return get_be16(p + i * 2);
    case 5:
        return get_be32(p + i * 4);
    case 6:
        return get_be64(p + i * 8);
    default: /* less than a byte: the least significant bits first */
        return p[i * bits / 8] >> i * bits % 8 & ((1u << bits) - 1);
    }
}

static void put_bits(const struct qcow2 *q, uint8_t *p, uint64_t i, uint64_t count)
{
    unsigned bits = 1u << q->refcount_order, shift = (unsigned)(i * bits % 8);

    switch (q->refcount_order) {
    case 3:
        p[i] = (uint8_t)count;
        break;
    case 4:
        put_be16(p + i * 2, (uint16_t)count);
        break;
    case 5:
        put_be32(p + i * 4, (uint32_t)count);
        break;
    case 6:
        put_be64(p + i * 8, count);
        break;
    default:
        p += i * bits / 8;
        *p = (uint8_t)((*p & ~(((1u << bits) - 1) << shift)) | count << shift);
    }
}

static uint64_t count_most(const struct qcow2 *q)
{
    return q->refcount_order == 6 ? UINT64_MAX : (1ull << (1u << q->refcount_order)) - 1;
}

/* ---- Slices of refcount blocks ---- */

int refcount_write(struct qcow2 *q)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && q->refs.dirty && i < q->refs.count; i++) {
        struct slice *s = q->refs.at[i];

        if (!s->dirty)
            continue;
        rc = image_write(&q->img, s->bytes, q->slice, s->host);
        if (rc == 0)
            slice_set_dirty(&q->refs, s, false);
    }
    return rc;
}

/* The slice with the refcount of cluster `index`, and where; *out NULL: no block, they are 0. */
static int find(struct qcow2 *q, uint64_t index, struct slice **out, uint64_t *in)
{
    uint64_t block = index / per_block(q), each = (uint64_t)q->slice * 8 >> q->refcount_order, host;
    struct slice *s;
    int rc;

    *out = NULL;
    if (block >= q->table_entries || !(q->table[block] & BLOCK_MASK))
        return 0;
    host = q->table[block] & BLOCK_MASK;
    host += index % per_block(q) / each * q->slice;
    *in = index % each;
    *out = slices_find(&q->refs, host);
    if (*out)
        return 0;
    rc = slices_crowded(&q->refs) ? refcount_write(q) : 0;
    s = rc < 0 ? NULL : malloc(sizeof(*s) + q->slice);
    if (!s)
        return rc < 0 ? rc : -ENOMEM;
    memset(s, 0, sizeof(*s));
    s->host = host;
    rc = image_read(&q->img, s->bytes, q->slice, host);
    if (rc == 0 && !slices_put(&q->refs, s))
        rc = -ENOMEM;
    if (rc < 0)
        free(s);
    else
        *out = s;
    return rc;
}

int refcount_get(struct qcow2 *q, uint64_t index, uint64_t *count)
{
    struct slice *s;
    uint64_t in;
    int rc = find(q, index, &s, &in);

    *count = rc < 0 || !s ? 0 : get_bits(q, s->bytes, in);
    return rc;
}

/* ---- More blocks, and a longer table ---- */

static int note_meta(struct qcow2 *q, uint64_t host)
{
    int rc;

    pthread_mutex_lock(&q->img.lock);
    rc = meta_add(q, host);
    pthread_mutex_unlock(&q->img.lock);
    return rc;
}

/* The file now holds clusters up to `index`. */
static void grown_to(struct qcow2 *q, uint64_t index)
{
    pthread_mutex_lock(&q->img.lock);
    q->end = MAX(q->end, index << q->cluster_bits);
    pthread_mutex_unlock(&q->img.lock);
    q->virgin = MAX(q->virgin, index);
}

static bool fits(struct qcow2 *q, uint64_t index)
{
    uint64_t bytes;

    if (index >= 1ull << (55 - q->cluster_bits))
        return false;
    return !q->img.block ||
           (image_size(&q->img, &bytes) == 0 && (index + 1) << q->cluster_bits <= bytes);
}

/* A block that begins with `used` clusters in use from the first it describes, written at `host`. */
static int write_block(struct qcow2 *q, uint64_t host, uint64_t first_used, uint64_t used)
{
    uint8_t *bytes = calloc(1, q->cluster);
    int rc;

    if (!bytes)
        return -ENOMEM;
    for (uint64_t i = 0; i < used; i++)
        put_bits(q, bytes, first_used + i, 1);
    rc = image_write(&q->img, bytes, q->cluster, host);
    free(bytes);
    return rc == 0 ? note_meta(q, host) : rc;
}

/*
 * A longer table, right behind what the old one can describe, with blocks for itself. What the new
 * one says is durable before the header points there.
 */
static int grow_table(struct qcow2 *q, uint64_t block)
{
    uint64_t per = per_block(q), clusters, blocks = 1, entries, *table, used;
    uint64_t base = q->table_entries * per, old = q->table_offset, old_entries = q->table_entries;
    uint8_t *bytes, head[12];
    int rc = 0;

    if (block != q->table_entries)
        return -EFBIG;
    entries = q->table_entries + q->table_entries / 2 + 1;
    for (;; blocks++) {
        entries = ROUND_UP(MAX(entries, q->table_entries + blocks), q->cluster / 8);
        clusters = entries * 8 >> q->cluster_bits;
        if (clusters + blocks <= blocks * per)
            break;
    }
    used = clusters + blocks;
    if (entries * 8 > TABLE_BYTES_MOST || !fits(q, base + used))
        return -ENOSPC;
    table = calloc(entries, sizeof(*table));
    bytes = malloc(entries * 8);
    if (!table || !bytes)
        rc = -ENOMEM;
    for (uint64_t i = 0; rc == 0 && i < q->table_entries; i++)
        table[i] = q->table[i];
    for (uint64_t i = 0; rc == 0 && i < blocks; i++) {
        table[q->table_entries + i] = (base + clusters + i) << q->cluster_bits;
        rc = write_block(q, table[q->table_entries + i], 0, MIN(per, used - MIN(used, i * per)));
    }
    for (uint64_t i = 0; rc == 0 && i < entries; i++)
        put_be64(bytes + i * 8, table[i]);
    if (rc == 0)
        rc = image_write(&q->img, bytes, entries * 8, base << q->cluster_bits);
    if (rc == 0)
        rc = image_sync(&q->img);
    put_be64(head, base << q->cluster_bits);
    put_be32(head + 8, (uint32_t)clusters);
    if (rc == 0)
        rc = image_write(&q->img, head, sizeof(head), HEADER_TABLE);
    if (rc == 0)
        rc = image_sync(&q->img);
    free(bytes);
    if (rc < 0) {
        free(table);
        return rc;
    }
    free(q->table);
    q->table = table;
    pthread_mutex_lock(&q->img.lock);
    q->table_offset = base << q->cluster_bits;
    q->table_entries = entries;
    pthread_mutex_unlock(&q->img.lock);
    grown_to(q, base + used);
    return refcount_change(q, old >> q->cluster_bits, old_entries * 8 >> q->cluster_bits, -1);
}

/* A block for the clusters around `index`, which is free, and becomes that block. */
static int new_block(struct qcow2 *q, uint64_t index)
{
    uint64_t block = index / per_block(q), host = index << q->cluster_bits;
    uint8_t entry[8];
    int rc;

    if (block >= q->table_entries)
        return grow_table(q, block);
    rc = write_block(q, host, index % per_block(q), 1);
    if (rc == 0)
        rc = image_sync(&q->img);
    put_be64(entry, host);
    if (rc == 0)
        rc = image_write(&q->img, entry, 8, q->table_offset + block * 8);
    if (rc < 0)
        return rc;
    q->table[block] = host;
    grown_to(q, index + 1);
    return 0;
}

/* ---- Changing ---- */

int refcount_set(struct qcow2 *q, uint64_t index, uint64_t count)
{
    struct slice *s;
    uint64_t in;
    int rc;

    if (count > count_most(q))
        return -ERANGE;
    rc = find(q, index, &s, &in);
    if (rc == 0 && !s && !count)
        return 0;
    if (rc == 0 && !s)
        return -ENOENT;
    if (rc == 0) {
        put_bits(q, s->bytes, in, count);
        slice_set_dirty(&q->refs, s, true);
    }
    return rc;
}

int refcount_change(struct qcow2 *q, uint64_t index, uint64_t n, int by)
{
    for (uint64_t i = index; i < index + n; i++) {
        uint64_t count;
        int rc = refcount_get(q, i, &count);

        if (rc == 0 && by < 0 && !count)
            rc = -EUCLEAN;
        if (rc == 0)
            rc = refcount_set(q, i, count + (uint64_t)by);
        if (rc < 0)
            return rc;
        if (count == 1 && by < 0)
            q->hint = MIN(q->hint, i);
    }
    return 0;
}

int refcount_allocate(struct qcow2 *q, uint64_t most, bool exactly, uint64_t *host, uint64_t *clusters)
{
    uint64_t start = 0, n = 0, count, index = q->hint;
    bool first_run = true;
    int rc;

    for (; n < most; index++) {
        struct slice *s;
        uint64_t in;

        if (!fits(q, index))
            return n && !exactly ? 0 : -ENOSPC;
        rc = find(q, index, &s, &in);
        if (rc < 0)
            return rc;
        count = s ? get_bits(q, s->bytes, in) : 0;
        if (count == 0 && meta_has(q, index << q->cluster_bits)) {
            qcow2_broken(q, "a table in use is free by its refcount");
            return -EIO;
        }
        if (count == 0 && !s) {
            if (n && !exactly)
                break;
            rc = new_block(q, index);
            if (rc < 0)
                return rc;
            index--; /* look at it again: it may be in use now */
            n = 0;
            continue;
        }
        if (count == 0) {
            start = n ? start : index;
            n++;
        } else {
            if (n && !exactly)
                break;
            if (n)
                first_run = false;
            n = 0;
        }
    }
    for (uint64_t i = start; i < start + n; i++) {
        rc = refcount_set(q, i, 1);
        if (rc < 0)
            return rc;
    }
    if (first_run)
        q->hint = start + n;
    *host = start << q->cluster_bits;
    *clusters = n;
    grown_to(q, start + n);
    return 0;
}

void refcount_close(struct qcow2 *q)
{
    slices_close(&q->refs);
    free(q->table);
}
