/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_DISK_H
#define DM_BLOCK_DISK_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
struct error;
struct histogram;
struct image_chain;
struct loop;
struct tape;

/*
 * A disk: the contents of an image, asynchronous from here to the medium. Devices and backends of
 * one guest that name the same image share one disk (it counts its openers).
 *
 * disk_submit() may be called from any loop that has a disk_queue; the completion runs on that
 * loop, later, never inside the submit. Requests may complete in any order. A flush is done when
 * every write that had completed before the flush was submitted is on the platter. Ranges that
 * overlap in flight are the submitter's business.
 */
struct disk;

struct disk_config {
    const char *path;   /* file or block device; "fd:N" for a descriptor we own from then on */
    const char *format; /* "raw", "qcow2", ...; NULL or "" is raw: never probed */
    bool readonly;
    bool direct;        /* cache=none or directsync: past the host's page cache */
    bool no_flush;      /* cache=unsafe */
    bool writethrough;  /* cache=writethrough or directsync: each write is durable when done */
    bool discard;       /* discard=unmap */
    uint64_t l2_cache;  /* bytes of an image's tables kept in memory; 0: 1 MiB */
    const struct image_chain *above; /* of a backing file: whose; else NULL */
};

int disk_open(struct disk **out, const struct disk_config *config, struct error *err);
struct disk *disk_ref(struct disk *disk);
void disk_close(struct disk *disk); /* drops one opener; no request of his is in flight; NULL fine */

uint64_t disk_bytes(const struct disk *disk);
/*
 * Makes it larger while it is in use, and its file too: 0, or DISK_LATER where tables must be written
 * first, and done() then tells how that went (err is NULL: well). It never shrinks: -EINVAL. The
 * machine loop's, which `later` names.
 */
struct disk_later {
    struct loop *loop;
    void (*done)(void *arg, const struct error *err);
    void *arg;
};
#define DISK_LATER 1
int disk_resize(struct disk *disk, uint64_t bytes, const struct disk_later *later, struct error *err);
void disk_look(struct disk *disk); /* it becomes as large as its file or block device has become */
/* The medium's own unit, 512 or 4096. Transfers of 512 always work; the host may have to read first. */
unsigned disk_sector_size(const struct disk *disk);
bool disk_readonly(const struct disk *disk);
bool disk_can_discard(const struct disk *disk); /* and is to: discard=unmap */
/* Whether it could, whatever its opener was told: for another one who was told himself. */
bool disk_takes_discard(const struct disk *disk);
/* Goes up when a write, zero or discard begins and when it ends. Any thread. For caches above. */
uint64_t disk_changes(const struct disk *disk);
const char *disk_path(const struct disk *disk);   /* as configured */
/* The first 512 bytes, read at once, before the loops run. What cannot be read is zeroes. */
void disk_first_sector(const struct disk *disk, uint8_t sector[512]);
const char *disk_format(const struct disk *disk); /* "raw", ... */

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_ZERO };

struct disk_request {
    enum disk_op op;
    uint64_t offset;         /* bytes */
    uint64_t length;         /* bytes; for reads and writes the sum of iov */
    const struct iovec *iov; /* the caller's, until done */
    unsigned iov_count;
    void (*done)(struct disk_request *req, int rc); /* rc: 0 or a negative errno */
    void *owner;                                    /* the caller's */
    uint64_t came; /* since when the caller has it, for the statistics; 0: clock_now() */
    bool in_guest; /* iov lies in guest memory: what is read there is no input of the device */
    bool own_memory; /* iov lies in memory of this process alone, which the kernel can pin */
    struct {
        uint64_t number; /* on the loop's tape */
        uint64_t started;
        struct disk *disk;
        struct disk_queue *queue;
        struct disk_request *next;
        uint64_t moved;
        void *bounce;
        int rc;
        bool below; /* a part of another request, which is what counts */
    } priv;
};

/* A loop's way to disks: an io_uring (or a few threads where the host forbids it). */
struct disk_queue;
int disk_queue_open(struct disk_queue **out, struct loop *loop, struct error *err);
void disk_queue_close(struct disk_queue *queue); /* nothing in flight; NULL is fine */
void disk_submit(struct disk *disk, struct disk_queue *queue, struct disk_request *req);

/*
 * Recording: what a device sees of a disk (NULL: none) beside its contents; and a disk made from
 * that, whose requests wait for disk_play().
 */
void disk_record(const struct disk *disk, struct tape *tape);
int disk_open_played(struct disk **out, struct tape *tape, struct error *err); /* *out may be NULL */
void disk_play(struct tape *tape); /* ends the request that TAPE_DISK names */

struct disk_stats {
    uint64_t read_bytes, write_bytes, reads, writes, flushes, discards, errors;
    uint64_t read_ns, write_ns, flush_ns; /* summed latencies */
};
/* Of reads, writes or flushes that went well. On a loop whose requests go to the disk. */
const struct histogram *disk_times(const struct disk *disk, enum disk_op op);
struct disk_stats disk_get_stats(const struct disk *disk); /* any thread; a snapshot */
#endif
