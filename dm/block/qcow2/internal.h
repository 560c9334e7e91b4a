/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_QCOW2_INTERNAL_H
#define DM_BLOCK_QCOW2_INTERNAL_H
#include "dm/base/bytes.h"
#include "dm/block/image.h"
#include "dm/block/slices.h"

/*
 * qcow2, versions 2 and 3. Document: "Qcow2 Image File Format" (QEMU's docs/interop/qcow2); field
 * names are its own.
 *
 * The order of things, so that a crash leaks clusters at most: a cluster's refcount goes up before
 * anything points at it, its data is written before its L2 entry, the L2 table before the L1 entry,
 * and a refcount goes down only when what pointed there is off the platter. One flush does all of
 * that (qcow2_flush), with a sync between each.
 */
#define HEADER_MOST 4096u

#define L2_COPIED (1ull << 63)
#define L2_COMPRESSED (1ull << 62)
#define L2_ZERO 1ull /* version 3 */
#define OFFSET_MASK 0x00fffffffffffe00ull

#define INCOMPATIBLE_DIRTY 1ull
#define INCOMPATIBLE_CORRUPT 2ull
#define INCOMPATIBLE_DATA_FILE 4ull
#define INCOMPATIBLE_COMPRESSION 8ull
#define INCOMPATIBLE_EXTENDED_L2 16ull

#define SLICE_BYTES 4096u

/* Clusters given up: so many references dropped. */
struct freed {
    uint64_t host;
    uint64_t clusters;
};
struct freed_list {
    struct freed *at;
    unsigned count, size;
};

struct snapshot {
    uint64_t l1_offset;
    uint32_t l1_size;
};

struct qcow2 {
    struct image img;
    unsigned version, cluster_bits, refcount_order;
    uint64_t cluster;      /* bytes */
    unsigned slice;        /* bytes of a slice of an L2 table or of a refcount block */
    unsigned l2_bits;      /* of a cluster's number, that select its L2 entry */
    uint64_t incompatible, compatible, autoclear;
    bool zstd;
    bool has_bitmaps;
    atomic_bool punches; /* what is given up is given back to the host */
    char *backing, *backing_format;

    /* Under the lock. */
    uint64_t *l1;
    uint8_t *l1_dirty; /* a flag for each 512 bytes of it */
    uint32_t l1_size;
    uint64_t l1_offset;
    bool any_l1_dirty;
    struct slices l2;
    uint64_t end; /* of the file as far as it holds clusters; nothing points past it */
    uint64_t *meta; /* a set of clusters that hold L2 tables and refcount blocks; 0: free */
    uint64_t meta_mask, meta_count;
    struct {
        uint64_t host, clusters;
        bool virgin;
    } reserve;
    struct freed_list freed;   /* since the last flush */
    bool flushing;             /* what is clean in memory may not be on the platter yet */

    /* The scribe's. */
    struct freed_list leaving; /* off the platter, but perhaps still moved to */
    uint64_t leaving_epoch;
    bool leaving_gone; /* nothing on the platter points there */
    uint64_t *table;   /* refcount table */
    uint64_t table_offset, table_entries;
    struct slices refs;
    uint64_t hint;     /* no free cluster before this one (a number) */
    uint64_t virgin;   /* the file holds zeroes from this cluster on, or nothing */
    uint64_t snapshots_offset, snapshots_bytes;
    struct snapshot *snapshots;
    unsigned snapshot_count;
    uint8_t *unpacked, *packed;
    uint64_t unpacked_of; /* descriptor; 0: none */
    struct unpack_lib *lib;
};

static inline struct qcow2 *qcow2_of(struct image *img)
{
    return container_of(img, struct qcow2, img);
}

/* header.c */
int qcow2_read_header(struct qcow2 *q, const struct disk_config *config, struct error *err);
int qcow2_write_features(struct qcow2 *q);
/* Refuses, with a sentence on what is wrong with the image. */
int qcow2_refuse(struct qcow2 *q, struct error *err, const char *what);

/* refcount.c: the scribe's */
int refcount_get(struct qcow2 *q, uint64_t index, uint64_t *count);
int refcount_change(struct qcow2 *q, uint64_t index, uint64_t n, int by);
int refcount_set(struct qcow2 *q, uint64_t index, uint64_t count);
/* A run of free clusters, at most `most`, with a refcount of 1 from now on. */
int refcount_allocate(struct qcow2 *q, uint64_t most, bool exactly, uint64_t *host,
                      uint64_t *clusters);
int refcount_write(struct qcow2 *q); /* what is dirty; no sync */
void refcount_close(struct qcow2 *q);

/* table.c */
void qcow2_find(struct image *img, struct extent *e, bool write);
bool qcow2_take(struct image *img, struct extent *e);
void qcow2_link(struct image *img, const struct extent *e);
void qcow2_give_back(struct image *img, const struct extent *e);
void qcow2_clear(struct image *img, struct extent *e, bool discard);
int qcow2_load(struct image *img, uint64_t at, uint64_t length, bool write);
/* Where a compressed cluster lies: its first byte, and how many at most. */
void qcow2_packed_place(const struct qcow2 *q, uint64_t entry, uint64_t *host, uint64_t *bytes);
bool meta_has(const struct qcow2 *q, uint64_t host);
int meta_add(struct qcow2 *q, uint64_t host);
void meta_remove(struct qcow2 *q, uint64_t host);
bool freed_add(struct freed_list *list, uint64_t host, uint64_t clusters);

/* flush.c */
void qcow2_mark(struct image *img);
void qcow2_broken(struct qcow2 *q, const char *what); /* the scribe's: nothing is written any more */
bool qcow2_dirty(struct image *img);
int qcow2_flush(struct image *img);
int qcow2_reclaim(struct qcow2 *q);

/* grow.c: struct disk_ops has it */
int qcow2_resize(struct disk *disk, uint64_t bytes, const struct disk_later *later,
                 struct error *err);

/* rebuild.c: of an image with the dirty bit */
int qcow2_rebuild(struct qcow2 *q, struct error *err);

/* packed.c */
struct unpack_lib;
int unpack_open(struct unpack_lib **out, bool zstd, const char *path, struct error *err);
void unpack_close(struct unpack_lib *lib);
/* 0, or -EIO where it is no such stream of exactly `n` bytes or more. */
int unpack(struct unpack_lib *lib, const uint8_t *from, size_t length, uint8_t *to, size_t n);
#endif
