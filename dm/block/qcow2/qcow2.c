/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2 images: opening and closing. What is refused: internal.h and header.c. */
#include <errno.h>
#include <stdlib.h>
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/block/qcow2/internal.h"

#define L2_CACHE_BYTES MIB
#define REFS_CACHE_BYTES (256 * KIB)

static int qcow2_unpack(struct image *img, uint64_t entry, const uint8_t **unit)
{
    struct qcow2 *q = qcow2_of(img);
    uint64_t host, bytes;
    int rc = 0;

    if (!q->unpacked) {
        q->unpacked = malloc(q->cluster);
        q->packed = malloc(q->cluster * 2 + 512);
    }
    if (!q->unpacked || !q->packed)
        return -ENOMEM;
    *unit = q->unpacked;
    if (q->unpacked_of == entry)
        return 0;
    q->unpacked_of = 0;
    qcow2_packed_place(q, entry, &host, &bytes);
    rc = image_read(img, q->packed, bytes, host);
    if (rc == 0)
        rc = unpack(q->lib, q->packed, bytes, q->unpacked, q->cluster);
    if (rc == 0)
        q->unpacked_of = entry;
    return rc;
}

static void qcow2_close(struct image *img)
{
    struct qcow2 *q = qcow2_of(img);

    refcount_close(q);
    slices_close(&q->l2);
    unpack_close(q->lib);
    free(q->backing);
    free(q->backing_format);
    free(q->l1);
    free(q->l1_dirty);
    free(q->meta);
    free(q->freed.at);
    free(q->leaving.at);
    free(q->snapshots);
    free(q->unpacked);
    free(q->packed);
    free(q);
}

static const struct image_ops ops = {
    .find = qcow2_find, .take = qcow2_take, .link = qcow2_link, .give_back = qcow2_give_back,
    .clear = qcow2_clear, .dirty = qcow2_dirty, .load = qcow2_load, .unpack = qcow2_unpack,
    .flush = qcow2_flush, .mark = qcow2_mark, .close = qcow2_close,
};

static const struct disk_ops disk_ops = { .name = "qcow2", .submit = image_submit,
                                          .close = image_close, .resize = qcow2_resize };

/* ---- Opening ---- */

/* A table of numbers, big endian, `n` of them. */
static int read_table(struct qcow2 *q, uint64_t **out, uint64_t n, uint64_t at, struct error *err)
{
    uint64_t *table = calloc(n + 1, sizeof(*table));
    int rc;

    *out = table;
    if (!table)
        return error_set(err, -ENOMEM, "disk image %s: out of memory", q->img.disk.path);
    rc = image_read(&q->img, table, n * 8, at);
    if (rc < 0)
        return error_set(err, rc, "read disk image %s: %s", q->img.disk.path, strerror(-rc));
    for (uint64_t i = 0; i < n; i++)
        table[i] = get_be64(&table[i]);
    return 0;
}

/* Every table lies where clusters lie, and no two at one place. */
static int note_tables(struct qcow2 *q, const uint64_t *table, uint64_t n, uint64_t mask,
                       const char *what, struct error *err)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t host = table[i] & mask;
        int rc = -EINVAL;

        if (!host)
            continue;
        if (host % q->cluster == 0 && host < q->end && !meta_has(q, host))
            rc = meta_add(q, host);
        if (rc == -ENOMEM)
            return error_set(err, rc, "disk image %s: out of memory", q->img.disk.path);
        if (rc < 0)
            return qcow2_refuse(q, err, what);
    }
    return 0;
}

static int read_tables(struct qcow2 *q, struct error *err)
{
    int rc = read_table(q, &q->l1, q->l1_size, q->l1_offset, err);

    q->l1_dirty = calloc(1, q->l1_size / 64 + 1);
    /* a place where nothing lies: from here on the set exists */
    if (rc == 0 && (!q->l1_dirty || meta_add(q, UINT64_MAX) < 0))
        rc = error_set(err, -ENOMEM, "disk image %s: out of memory", q->img.disk.path);
    if (rc == 0)
        rc = note_tables(q, q->l1, q->l1_size, OFFSET_MASK,
                         "an L2 table lies outside of the file, at no cluster or on another table",
                         err);
    if (rc == 0 && !q->img.disk.readonly)
        rc = read_table(q, &q->table, q->table_entries, q->table_offset, err);
    if (rc == 0 && q->table)
        rc = note_tables(
            q, q->table, q->table_entries, ~511ull,
            "a refcount block lies outside of the file, at no cluster or on another table", err);
    return rc;
}

static int open_backing(struct qcow2 *q, const struct disk_config *config, struct error *err)
{
    if (!q->backing)
        return 0;
    if (!q->backing_format)
        return error_set(err, -EINVAL,
                         "disk image %s does not say of what format its backing file is, and that is "
                         "never guessed; tell it with \"qemu-img rebase -u -F FORMAT -b %.150s\"",
                         config->path, q->backing);
    return image_open_below(&q->img, q->backing, q->backing_format, config, err);
}

/* What other writers left to do, before the first write. */
static int prepare_to_write(struct qcow2 *q, struct error *err)
{
    int rc = 0;

    if (q->img.disk.readonly)
        return 0;
    q->virgin = q->end >> q->cluster_bits;
    if (q->incompatible & INCOMPATIBLE_DIRTY) {
        log_warn("disk image %s was not closed: its refcounts are rebuilt", q->img.disk.path);
        rc = qcow2_rebuild(q, err);
        if (rc < 0)
            return rc;
        q->incompatible &= ~INCOMPATIBLE_DIRTY;
    } else if (!q->autoclear) {
        return 0;
    }
    q->autoclear = 0; /* things that we do not keep in order, such as bitmaps */
    rc = qcow2_write_features(q);
    return rc < 0 ? error_set(err, rc, "write disk image %s: %s", q->img.disk.path, strerror(-rc))
                  : 0;
}

int qcow2_open(struct disk **out, const struct disk_config *config, struct error *err)
{
    struct qcow2 *q = calloc(1, sizeof(*q));
    int rc;

    if (!q)
        return error_set(err, -ENOMEM, "disk image %s: out of memory", config->path);
    atomic_store(&q->punches, config->discard);
    q->img.ops = NULL;
    rc = disk_init(&q->img.disk, &disk_ops, config, err);
    if (rc < 0) {
        free(q);
        return rc;
    }
    rc = image_open_file(&q->img, &ops, config, err);
    if (rc == 0)
        rc = qcow2_read_header(q, config, err);
    if (rc == 0 && (slices_open(&q->l2, config->l2_cache ? config->l2_cache : L2_CACHE_BYTES,
                                q->slice) < 0 ||
                    slices_open(&q->refs, REFS_CACHE_BYTES, q->slice) < 0))
        rc = error_set(err, -ENOMEM, "disk image %s: out of memory", config->path);
    if (rc == 0)
        rc = read_tables(q, err);
    if (rc == 0)
        rc = unpack_open(&q->lib, q->zstd, config->path, err);
    if (rc == 0)
        rc = open_backing(q, config, err);
    if (rc == 0)
        rc = prepare_to_write(q, err);
    if (rc == 0)
        rc = image_opened(&q->img, err);
    if (rc < 0) {
        disk_close(&q->img.disk);
        return rc;
    }
    atomic_store(&q->img.disk.takes_discard, !config->readonly);
    *out = &q->img.disk;
    return 0;
}
