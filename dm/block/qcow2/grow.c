/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A larger disk, while it is in use. Its L1 table moves to a longer place where it must; the header
 * names both in one sector, once what it names is durable. All of it is the scribe's.
 */
#include <errno.h>
#include <stdlib.h>
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/block/qcow2/internal.h"

#define L1_BYTES_MOST (32 * MIB)
#define HEADER_SIZE 24 /* size, crypt_method, l1_size and l1_table_offset */

struct growth {
    struct job job;
    uint64_t bytes;
    struct disk_later later;
};

static uint64_t entries_for(const struct qcow2 *q, uint64_t bytes)
{
    uint64_t each = q->cluster << q->l2_bits;

    return bytes / each + (bytes % each != 0);
}

/*
 * Where the disk ended within a cluster, the rest of that may hold anything, and is about to be seen.
 * A cluster of ours alone is not moved while the scribe is here.
 */
static int clear_tail(struct qcow2 *q)
{
    struct extent e = { .at = q->img.disk.bytes };
    int rc = 0;

    if (e.at % q->cluster == 0)
        return 0;
    for (unsigned tries = 0; rc == 0 && tries < 4; tries++) {
        e.length = q->cluster - e.at % q->cluster;
        pthread_mutex_lock(&q->img.lock);
        qcow2_find(&q->img, &e, false);
        pthread_mutex_unlock(&q->img.lock);
        if (e.map == MAP_DATA)
            return image_write_zeroes(&q->img, e.length, e.host);
        if (e.map != MAP_LOAD)
            return e.map == MAP_BAD ? -EIO : 0;
        rc = qcow2_load(&q->img, e.at, 1, false);
    }
    return rc;
}

static int write_size(struct qcow2 *q, uint64_t bytes, uint64_t l1_offset, uint64_t l1_size)
{
    uint8_t head[24] = { 0 };
    int rc;

    put_be64(head, bytes);
    put_be32(head + 12, (uint32_t)l1_size);
    put_be64(head + 16, l1_offset);
    rc = image_sync(&q->img);
    if (rc == 0)
        rc = image_write(&q->img, head, sizeof(head), HEADER_SIZE);
    return rc == 0 ? image_sync(&q->img) : rc;
}

/* A longer copy of the L1 table, which nobody else writes and which is as it is on the platter. */
static int write_longer(struct qcow2 *q, uint64_t size, uint64_t *host)
{
    uint64_t clusters = ROUND_UP(size * 8, q->cluster) >> q->cluster_bits, n;
    uint8_t *bytes = calloc(clusters, q->cluster);
    int rc = bytes ? refcount_allocate(q, clusters, true, host, &n) : -ENOMEM;

    for (uint32_t i = 0; rc == 0 && i < q->l1_size; i++)
        put_be64(bytes + i * 8ull, q->l1[i]);
    if (rc == 0)
        rc = image_write(&q->img, bytes, clusters << q->cluster_bits, *host);
    if (rc == 0)
        rc = refcount_write(q);
    free(bytes);
    return rc;
}

static int move_table(struct qcow2 *q, uint64_t bytes, uint64_t size)
{
    uint64_t *l1 = calloc(size + 1, sizeof(*l1)), host, old = q->l1_offset, old_bytes = q->l1_size * 8ull;
    uint8_t *dirty = calloc(1, size / 64 + 1);
    void *unused[2] = { l1, dirty };
    int rc = l1 && dirty ? write_longer(q, size, &host) : -ENOMEM;

    if (rc == 0)
        rc = write_size(q, bytes, host, size);
    if (rc == 0) {
        pthread_mutex_lock(&q->img.lock);
        memcpy(l1, q->l1, old_bytes);
        unused[0] = q->l1;
        unused[1] = q->l1_dirty;
        q->l1 = l1;
        q->l1_dirty = dirty;
        q->l1_offset = host;
        q->l1_size = (uint32_t)size;
        pthread_mutex_unlock(&q->img.lock);
        rc = refcount_change(q, old >> q->cluster_bits,
                             ROUND_UP(old_bytes, q->cluster) >> q->cluster_bits, -1);
    }
    free(unused[0]);
    free(unused[1]);
    return rc;
}

static int grow(struct qcow2 *q, uint64_t bytes)
{
    uint64_t size = entries_for(q, bytes);
    int rc = qcow2_flush(&q->img); /* no entry of the L1 table is ahead of the platter then */

    if (rc == 0)
        rc = clear_tail(q);
    if (rc == 0)
        rc = size > q->l1_size ? move_table(q, bytes, size)
                               : write_size(q, bytes, q->l1_offset, q->l1_size);
    if (rc == 0)
        q->img.disk.bytes = bytes;
    return rc;
}

static void run(struct job *job)
{
    struct growth *g = container_of(job, struct growth, job);
    struct qcow2 *q = qcow2_of(job->img);

    if (g->bytes <= q->img.disk.bytes) /* one before it may have done more */
        return;
    job->rc = atomic_load(&q->img.broken) ? -EIO : grow(q, g->bytes);
}

static void done(struct job *job)
{
    struct growth *g = container_of(job, struct growth, job);
    struct disk *disk = &job->img->disk;
    struct error err;

    if (job->rc < 0)
        error_set(&err, job->rc, "make disk image %s %llu bytes large: %s", disk->path,
                  (unsigned long long)g->bytes, strerror(-job->rc));
    g->later.done(g->later.arg, job->rc < 0 ? &err : NULL);
    disk_close(disk);
    free(g);
}

int qcow2_resize(struct disk *disk, uint64_t bytes, const struct disk_later *later, struct error *err)
{
    struct qcow2 *q = container_of(disk, struct qcow2, img.disk);
    struct growth *g;

    if (!bytes || bytes == disk->bytes) /* nobody else changes the file */
        return 0;
    if (disk->readonly)
        return error_set(err, -EROFS, "disk image %s may only be read", disk->path);
    if (bytes > 1ull << 62 || entries_for(q, bytes) * 8 > L1_BYTES_MOST)
        return error_set(err, -EFBIG,
                         "disk image %s: with clusters of %llu bytes it holds no %llu bytes; convert "
                         "it with \"qemu-img convert -o cluster_size=2M\"",
                         disk->path, (unsigned long long)q->cluster, (unsigned long long)bytes);
    if (q->snapshot_count)
        return error_set(err, -ENOTSUP,
                         "disk image %s has snapshots inside, and does not change its size in use",
                         disk->path);
    if (q->img.below && q->img.below->bytes > disk->bytes)
        return error_set(err, -ENOTSUP,
                         "disk image %s is smaller than its backing file, of which more would be seen; "
                         "end the guest and use \"qemu-img resize\"",
                         disk->path);
    g = calloc(1, sizeof(*g));
    if (!g)
        return error_set(err, -ENOMEM, "disk image %s: out of memory", disk->path);
    g->bytes = bytes;
    g->later = *later;
    g->job.loop = later->loop;
    g->job.run = run;
    g->job.done = done;
    disk_ref(disk); /* whoever opened it may close it meanwhile */
    image_post(&q->img, &g->job);
    return DISK_LATER;
}
