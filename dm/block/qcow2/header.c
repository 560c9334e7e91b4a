/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header of a qcow2 image, judged: whoever made the image may have lied. */
#include <errno.h>
#include <stdlib.h>
#include "dm/base/error.h"
#include "dm/block/qcow2/internal.h"

#define MAGIC 0x514649fbu
#define L1_BYTES_MOST (32 * MIB)
#define TABLE_BYTES_MOST (8 * MIB)
#define SNAPSHOTS_MOST 65536u
#define SNAPSHOT_BYTES_MOST (64 * MIB)
#define NAME_MOST 1023u
#define V2_BYTES 72u
#define V3_BYTES 104u

enum extension {
    EXT_END = 0,
    EXT_BACKING_FORMAT = 0xe2792aca,
    EXT_BITMAPS = 0x23852875,
};

int qcow2_refuse(struct qcow2 *q, struct error *err, const char *what)
{
    return error_set(err, -EINVAL,
                     "disk image %s is damaged or no qcow2 image: %s; look at it with \"qemu-img "
                     "check\", and say format=raw if it is a raw image",
                     q->img.disk.path, what);
}

static int judge_features(struct qcow2 *q, struct error *err)
{
    static const struct {
        uint64_t bit;
        const char *what;
    } refused[] = {
        { INCOMPATIBLE_DATA_FILE, "an external data file" },
        { INCOMPATIBLE_EXTENDED_L2, "extended L2 entries (subclusters)" },
    };
    uint64_t unknown = q->incompatible & ~31ull;

    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++)
        if (q->incompatible & refused[i].bit)
            return error_set(err, -ENOTSUP,
                             "disk image %s has %s, which xen-dm does not read; convert it with "
                             "\"qemu-img convert -O qcow2\"",
                             q->img.disk.path, refused[i].what);
    if (unknown)
        return error_set(err, -ENOTSUP,
                         "disk image %s has the incompatible feature bit %d, which xen-dm does not "
                         "know; convert it with \"qemu-img convert -O qcow2\"",
                         q->img.disk.path, __builtin_ctzll(unknown));
    if ((q->incompatible & INCOMPATIBLE_CORRUPT) && !q->img.disk.readonly)
        return error_set(err, -EUCLEAN,
                         "disk image %s is marked as corrupt; repair it with \"qemu-img check -r "
                         "all\", or open it read-only",
                         q->img.disk.path);
    return 0;
}

static int take_backing_format(struct qcow2 *q, const uint8_t *at, uint32_t n, struct error *err)
{
    free(q->backing_format);
    q->backing_format = strndup((const char *)at, n);
    return q->backing_format ? 0
                             : error_set(err, -ENOMEM, "disk image %s: out of memory",
                                         q->img.disk.path);
}

static int read_extensions(struct qcow2 *q, const uint8_t *bytes, uint64_t at, uint64_t end,
                           struct error *err)
{
    while (at + 8 <= end) {
        uint32_t type = get_be32(bytes + at), n = get_be32(bytes + at + 4);
        int rc = 0;

        at += 8;
        if (type == EXT_END)
            return 0;
        if (n > end - at)
            return qcow2_refuse(q, err, "a header extension goes past the first cluster");
        if (type == EXT_BACKING_FORMAT)
            rc = take_backing_format(q, bytes + at, n, err);
        if (type == EXT_BITMAPS)
            q->has_bitmaps = true;
        if (rc < 0)
            return rc;
        at += ROUND_UP((uint64_t)n, 8);
    }
    return 0;
}

static bool lies_in(const struct qcow2 *q, uint64_t at, uint64_t bytes, uint64_t unit)
{
    return at && at % unit == 0 && at <= q->end && bytes <= q->end - at;
}

static bool overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a < b + b_bytes && b < a + a_bytes;
}

static int judge_places(struct qcow2 *q, struct error *err)
{
    uint64_t l1_bytes = q->l1_size * 8ull, table_bytes = q->table_entries * 8;
    uint64_t per_l1 = q->cluster * (q->cluster / 8);

    if (q->img.disk.bytes / per_l1 + (q->img.disk.bytes % per_l1 != 0) > q->l1_size)
        return qcow2_refuse(q, err, "its L1 table is too small for the size it says");
    if (l1_bytes > L1_BYTES_MOST)
        return qcow2_refuse(q, err, "its L1 table is larger than 32 MiB");
    if (!lies_in(q, q->l1_offset, l1_bytes, q->cluster))
        return qcow2_refuse(q, err, "its L1 table lies outside of the file or at no cluster");
    if (!table_bytes || table_bytes > MAX(TABLE_BYTES_MOST, q->cluster))
        return qcow2_refuse(q, err, "its refcount table is empty or larger than 8 MiB");
    if (!lies_in(q, q->table_offset, table_bytes, q->cluster))
        return qcow2_refuse(q, err, "its refcount table lies outside of the file or at no cluster");
    if (overlap(q->l1_offset, l1_bytes, q->table_offset, table_bytes))
        return qcow2_refuse(q, err, "its L1 table and its refcount table overlap");
    return 0;
}

static int read_snapshots(struct qcow2 *q, struct error *err)
{
    uint64_t at = q->snapshots_offset;
    uint8_t head[40];

    if (!q->snapshot_count)
        return 0;
    if (q->snapshot_count > SNAPSHOTS_MOST || !lies_in(q, at, 40, q->cluster))
        return qcow2_refuse(q, err, "its table of snapshots is nonsense");
    q->snapshots = calloc(q->snapshot_count, sizeof(*q->snapshots));
    if (!q->snapshots)
        return error_set(err, -ENOMEM, "disk image %s: out of memory", q->img.disk.path);
    for (unsigned i = 0; i < q->snapshot_count; i++) {
        struct snapshot *s = &q->snapshots[i];

        if (image_read(&q->img, head, sizeof(head), at) < 0)
            return qcow2_refuse(q, err, "its table of snapshots cannot be read");
        s->l1_offset = get_be64(head);
        s->l1_size = get_be32(head + 8);
        at += ROUND_UP(40ull + get_be32(head + 36) + get_be16(head + 12) + get_be16(head + 14), 8);
        if (at > q->end || at - q->snapshots_offset > SNAPSHOT_BYTES_MOST)
            return qcow2_refuse(q, err, "its table of snapshots goes past the end");
        if (s->l1_size > L1_BYTES_MOST / 8 ||
            (s->l1_size && !lies_in(q, s->l1_offset, s->l1_size * 8ull, q->cluster)))
            return qcow2_refuse(q, err, "the L1 table of a snapshot lies outside of the file");
    }
    q->snapshots_bytes = at - q->snapshots_offset;
    return 0;
}

static int read_backing_name(struct qcow2 *q, const uint8_t *head, struct error *err)
{
    uint64_t at = get_be64(head + 8);
    uint32_t n = get_be32(head + 16);

    if (!at)
        return 0;
    if (!n || n > NAME_MOST || at > q->cluster || n > q->cluster - at)
        return qcow2_refuse(q, err, "the name of its backing file lies outside of its first cluster");
    q->backing = calloc(1, n + 1);
    if (!q->backing)
        return error_set(err, -ENOMEM, "disk image %s: out of memory", q->img.disk.path);
    return image_read(&q->img, q->backing, n, at);
}

static int read_version_3(struct qcow2 *q, const uint8_t *head, uint32_t *length, struct error *err)
{
    q->incompatible = get_be64(head + 72);
    q->compatible = get_be64(head + 80);
    q->autoclear = get_be64(head + 88);
    q->refcount_order = get_be32(head + 96);
    *length = get_be32(head + 100);
    if (*length < V3_BYTES || *length % 8 || *length > q->cluster)
        return qcow2_refuse(q, err, "the length of its header is nonsense");
    if (q->refcount_order > 6)
        return qcow2_refuse(q, err, "its refcounts are wider than 64 bits");
    if (*length > V3_BYTES && head[104] > 1)
        return error_set(err, -ENOTSUP,
                         "disk image %s has compression type %u, which xen-dm does not know; convert "
                         "it with \"qemu-img convert -O qcow2\"",
                         q->img.disk.path, head[104]);
    q->zstd = *length > V3_BYTES && head[104] == 1;
    if (q->zstd != !!(q->incompatible & INCOMPATIBLE_COMPRESSION))
        return qcow2_refuse(q, err, "its compression type and its feature bits contradict");
    return judge_features(q, err);
}

int qcow2_read_header(struct qcow2 *q, const struct disk_config *config, struct error *err)
{
    uint8_t head[HEADER_MOST];
    uint32_t length = V2_BYTES;
    uint64_t bytes;
    int rc = image_size(&q->img, &q->end);

    if (rc == 0)
        rc = image_read(&q->img, head, sizeof(head), 0);
    if (rc < 0)
        return error_set(err, rc, "read disk image %s: %s", config->path, strerror(-rc));
    if (get_be32(head) != MAGIC)
        return error_set(err, -EINVAL,
                         "disk image %s is no qcow2 image; say format=raw if it is a raw one",
                         config->path);
    q->version = get_be32(head + 4);
    if (q->version != 2 && q->version != 3)
        return error_set(err, -ENOTSUP,
                         "disk image %s is of version %u; xen-dm reads qcow2 versions 2 and 3: convert "
                         "it with \"qemu-img convert -O qcow2\"",
                         config->path, q->version);
    q->cluster_bits = get_be32(head + 20);
    if (q->cluster_bits < 9 || q->cluster_bits > 21)
        return qcow2_refuse(q, err, "its clusters are not of 512 bytes to 2 MiB");
    q->cluster = 1ull << q->cluster_bits;
    q->img.unit = q->cluster;
    q->end = ROUND_UP(q->end, q->cluster);
    q->slice = (unsigned)MIN(q->cluster, SLICE_BYTES);
    q->l2_bits = q->cluster_bits - 3;
    q->refcount_order = 4;
    if (get_be32(head + 32))
        return error_set(err, -ENOTSUP,
                         "disk image %s is encrypted, which xen-dm does not read; convert it with "
                         "\"qemu-img convert -O qcow2\"",
                         config->path);
    if (q->version == 3)
        rc = read_version_3(q, head, &length, err);
    if (rc < 0)
        return rc;
    bytes = get_be64(head + 24);
    if (!bytes || bytes > 1ull << 62)
        return qcow2_refuse(q, err, "its size is nothing, or more than there can be");
    q->img.disk.bytes = ROUND_UP(bytes, 512);
    q->l1_size = get_be32(head + 36);
    q->l1_offset = get_be64(head + 40);
    q->table_offset = get_be64(head + 48);
    q->table_entries = (uint64_t)get_be32(head + 56) << (q->cluster_bits - 3);
    q->snapshot_count = get_be32(head + 60);
    q->snapshots_offset = get_be64(head + 64);
    rc = judge_places(q, err);
    if (rc == 0)
        rc = read_backing_name(q, head, err);
    if (rc == 0)
        rc = read_extensions(q, head, length, MIN(q->cluster, HEADER_MOST), err);
    return rc < 0 ? rc : read_snapshots(q, err);
}

int qcow2_write_features(struct qcow2 *q)
{
    uint8_t bits[24];

    if (q->version < 3)
        return 0;
    put_be64(bits, q->incompatible);
    put_be64(bits + 8, q->compatible);
    put_be64(bits + 16, q->autoclear);
    return image_write(&q->img, bits, sizeof(bits), 72);
}
