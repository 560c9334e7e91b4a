/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_FORMAT_H
#define DM_BLOCK_FORMAT_H
#include <stdatomic.h>
#include "dm/base/histogram.h"
#include "dm/block/disk.h"

/*
 * The seam between a disk and the format of its image. disk.c judges requests and counts; a format
 * finds the bytes. A format's own struct begins with `struct disk`.
 */
struct disk_ops {
    const char *name;
    /* Called on a queue's loop; ends with disk_done(), from a completion, never inside the call. */
    void (*submit)(struct disk *disk, struct disk_queue *queue, struct disk_request *req);
    void (*close)(struct disk *disk); /* frees it too */
    /* As disk_resize(), sets `bytes`; NULL: it cannot. */
    int (*resize)(struct disk *disk, uint64_t bytes, const struct disk_later *later,
                  struct error *err);
};

struct disk {
    const struct disk_ops *ops;
    char *path;
    uint8_t *first; /* the first sector, of a disk that is no plain file; else NULL */
    _Atomic(uint64_t) bytes; /* grows under requests */
    unsigned sector_size;
    bool readonly;
    bool offers_discard;         /* its opener was told so */
    atomic_bool takes_discard;   /* image and host can; the host may say otherwise when it is asked */
    atomic_uint openers;
    atomic_uint_fast64_t changes;
    struct {
        atomic_uint_fast64_t bytes[2]; /* reads, writes */
        atomic_uint_fast64_t discards, errors;
        struct histogram times[3]; /* reads, writes, flushes; it also counts them */
    } stats;
};

/* Fills in what disk_open() was told; the format then sets bytes, sector_size and the rest. */
int disk_init(struct disk *disk, const struct disk_ops *ops, const struct disk_config *config,
              struct error *err);
void disk_done(struct disk_request *req, int rc);

/* Of disks whose requests are recorded and played (played.c). */
void played_wait(struct disk_request *req);
void played_record(const struct disk_request *req, int rc, struct tape *tape);

/*
 * The same as disk_submit() from a format to the disk below it, which is not the guest's business:
 * on no tape, not judged and not counted.
 */
void disk_submit_below(struct disk *disk, struct disk_queue *queue, struct disk_request *req);

int raw_fd(struct disk *disk); /* of a raw disk: its descriptor, through the page cache */
int raw_open(struct disk **out, const struct disk_config *config, struct error *err);
int qcow2_open(struct disk **out, const struct disk_config *config, struct error *err);
int vhd_open(struct disk **out, const struct disk_config *config, struct error *err);
int nbd_open(struct disk **out, const struct disk_config *config, struct error *err);
int null_open(struct disk **out, const struct disk_config *config, struct error *err);
int blkdebug_open(struct disk **out, const struct disk_config *config, struct error *err);
#endif
