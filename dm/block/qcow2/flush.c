/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables from memory to the file, in the order that survives a crash anywhere in between. */
#include <errno.h>
#include <stdlib.h>
#include "dm/base/log.h"
#include "dm/block/qcow2/internal.h"

/* What is written: as it was at one moment, for requests go on. */
struct shot {
    struct slice **slices;
    uint8_t *bytes;
    unsigned count;
    uint8_t *l1; /* bytes of the dirty sectors, NULL: none */
    uint8_t *l1_dirty;
    uint32_t l1_sectors;
};

void qcow2_mark(struct image *img)
{
    struct qcow2 *q = qcow2_of(img);

    q->incompatible |= INCOMPATIBLE_CORRUPT;
    if (q->version >= 3 && !img->disk.readonly && qcow2_write_features(q) == 0)
        image_sync(img);
}

void qcow2_broken(struct qcow2 *q, const char *what)
{
    if (atomic_exchange(&q->img.broken, true))
        return;
    log_error("disk image %s is corrupt: %s; it is not written any more: repair it with \"qemu-img "
              "check -r all\"",
              q->img.disk.path, what);
    qcow2_mark(&q->img);
}

bool qcow2_dirty(struct image *img)
{
    struct qcow2 *q = qcow2_of(img);

    return q->l2.dirty || q->any_l1_dirty || q->freed.count || q->flushing;
}

/* Under the lock: who is given up from now on waits for another round. */
static void start_leaving(struct qcow2 *q)
{
    struct freed_list empty = q->leaving;
    uint64_t epoch = q->img.epoch;

    if (q->leaving.count || !q->freed.count || atomic_load(&q->img.inflight[(epoch + 1) % 2]))
        return;
    q->leaving = q->freed;
    q->freed = empty;
    q->leaving_epoch = epoch;
    q->leaving_gone = false;
    q->img.epoch = epoch + 1;
}

/* Under the lock. */
static int take_l1(struct qcow2 *q, struct shot *shot)
{
    if (!q->any_l1_dirty)
        return 0;
    shot->l1 = malloc(q->l1_size * 8ull + 512);
    shot->l1_dirty = malloc(shot->l1_sectors);
    if (!shot->l1 || !shot->l1_dirty)
        return -ENOMEM;
    for (uint32_t i = 0; i < q->l1_size; i++)
        if (q->l1_dirty[i / 64])
            put_be64(shot->l1 + i * 8ull, q->l1[i]);
    memcpy(shot->l1_dirty, q->l1_dirty, shot->l1_sectors);
    memset(q->l1_dirty, 0, shot->l1_sectors);
    q->any_l1_dirty = false;
    return 0;
}

/* Under the lock. */
static int take_shot(struct qcow2 *q, struct shot *shot)
{
    unsigned n = q->l2.dirty;
    int rc;

    *shot = (struct shot){ .l1_sectors = (q->l1_size + 63) / 64 };
    if (n) {
        shot->slices = malloc(n * sizeof(*shot->slices));
        shot->bytes = malloc((size_t)n * q->slice);
        if (!shot->slices || !shot->bytes)
            return -ENOMEM;
    }
    rc = take_l1(q, shot);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < q->l2.count && shot->count < n; i++) {
        struct slice *s = q->l2.at[i];

        if (!s->dirty)
            continue;
        memcpy(shot->bytes + (size_t)shot->count * q->slice, s->bytes, q->slice);
        shot->slices[shot->count++] = s;
        slice_set_dirty(&q->l2, s, false);
    }
    start_leaving(q);
    return 0;
}

static int write_l1(struct qcow2 *q, const struct shot *shot)
{
    uint64_t bytes = q->l1_size * 8ull;
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < shot->l1_sectors; i++)
        if (shot->l1_dirty[i])
            rc = image_write(&q->img, shot->l1 + i * 512ull, MIN(512, bytes - i * 512ull),
                             q->l1_offset + i * 512ull);
    return rc;
}

static int write_shot(struct qcow2 *q, const struct shot *shot)
{
    int rc = refcount_write(q);

    if (rc == 0 && (shot->count || shot->l1))
        rc = image_sync(&q->img); /* data and refcounts, before what points there */
    for (unsigned i = 0; rc == 0 && i < shot->count; i++)
        rc = image_write(&q->img, shot->bytes + (size_t)i * q->slice, q->slice,
                         shot->slices[i]->host);
    if (rc == 0 && shot->l1) {
        rc = image_sync(&q->img);
        if (rc == 0)
            rc = write_l1(q, shot);
    }
    return rc == 0 ? image_sync(&q->img) : rc;
}

static void shot_end(struct qcow2 *q, struct shot *shot, int rc)
{
    pthread_mutex_lock(&q->img.lock);
    for (unsigned i = 0; rc < 0 && i < shot->count; i++) /* the scribe alone drops slices */
        slice_set_dirty(&q->l2, shot->slices[i], true);
    for (uint32_t i = 0; rc < 0 && shot->l1_dirty && i < shot->l1_sectors; i++)
        if (shot->l1_dirty[i])
            q->l1_dirty[i] = q->any_l1_dirty = true;
    q->flushing = false;
    pthread_mutex_unlock(&q->img.lock);
    free(shot->slices);
    free(shot->bytes);
    free(shot->l1);
    free(shot->l1_dirty);
}

/* A cluster that nobody refers to any more. */
static void vanished(struct qcow2 *q, uint64_t host)
{
    pthread_mutex_lock(&q->img.lock);
    if (meta_has(q, host)) { /* an L2 table: no piece of it may be found again */
        meta_remove(q, host);
        for (uint64_t at = host; at < host + q->cluster; at += q->slice) {
            struct slice *s = slices_find(&q->l2, at);

            if (s)
                slices_remove(&q->l2, s);
        }
    }
    pthread_mutex_unlock(&q->img.lock);
}

static int leave(struct qcow2 *q, const struct freed *f)
{
    uint64_t first = f->host >> q->cluster_bits, count, run = 0;
    int rc = 0;

    for (uint64_t i = 0; rc == 0 && i < f->clusters; i++) {
        rc = refcount_change(q, first + i, 1, -1);
        if (rc == 0)
            rc = refcount_get(q, first + i, &count);
        if (rc == 0 && !count) {
            vanished(q, (first + i) << q->cluster_bits);
            run++;
        }
    }
    if (rc == 0 && atomic_load(&q->punches) && run && run == f->clusters)
        image_punch(&q->img, f->host, run << q->cluster_bits);
    return rc;
}

int qcow2_reclaim(struct qcow2 *q)
{
    int rc = 0;

    if (!q->leaving.count || !q->leaving_gone ||
        atomic_load(&q->img.inflight[q->leaving_epoch % 2]))
        return 0;
    for (unsigned i = 0; i < q->leaving.count; i++) {
        int failed = leave(q, &q->leaving.at[i]);

        rc = rc < 0 ? rc : failed;
    }
    q->leaving.count = 0;
    q->unpacked_of = 0;
    if (rc == -EUCLEAN)
        qcow2_broken(q, "a cluster in use has no refcount");
    return rc == -EUCLEAN ? -EIO : rc;
}

static int flush_once(struct qcow2 *q)
{
    struct shot shot;
    int rc;

    if (atomic_load(&q->img.broken))
        return -EIO;
    pthread_mutex_lock(&q->img.lock);
    q->flushing = true;
    rc = take_shot(q, &shot);
    pthread_mutex_unlock(&q->img.lock);
    if (rc == 0)
        rc = write_shot(q, &shot);
    shot_end(q, &shot, rc);
    if (rc == 0) {
        q->leaving_gone = true;
        qcow2_reclaim(q);
    }
    return rc;
}

int qcow2_flush(struct image *img)
{
    struct qcow2 *q = qcow2_of(img);
    int rc;

    if (img->closing && q->reserve.clusters) {
        freed_add(&q->freed, q->reserve.host, q->reserve.clusters);
        q->reserve.clusters = 0;
    }
    rc = flush_once(q);
    /* at the end nobody is left to wait for */
    for (unsigned i = 0; rc == 0 && img->closing && i < 2; i++)
        rc = flush_once(q);
    return rc;
}
