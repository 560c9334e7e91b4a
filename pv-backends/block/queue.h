/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_BLOCK_QUEUE_H
#define PV_BACKENDS_BLOCK_QUEUE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dm/base/histogram.h"
#include "dm/block/drive.h"
#include "pv-backends/block/request.h"
struct blk_queue;
struct disk;
struct error;
struct pv_io;

/*
 * One ring of a block device: requests off it, the disk, responses onto it. Lives on an I/O loop.
 * Each pass over the ring takes what there is, copies what it needs of the guest's pages in one
 * call, and hands adjacent requests to the disk as one.
 */
struct blk_queue_config {
    struct pv_io *io;
    struct disk *disk;      /* outlives the queue */
    void *ring;             /* mapped, `ring_bytes`; outlives the queue */
    size_t ring_bytes;
    enum blk_layout layout;
    uint32_t port;          /* the frontend's event channel */
    bool readonly, persistent, discard;
    unsigned unit;          /* 512 or 4096: what segments are whole multiples of */
    const char *name;       /* for sentences: "qdisk 51712"; outlives the queue */
    /* The frontend broke the ring's rules, or its event channel is no good. The I/O loop's. */
    void (*broken)(void *arg, const char *why);
    /*
     * What is done about a request that the image refuses, by way (0 read, 1 write); and that it was:
     * REPORT, IGNORE or STOP, on the I/O loop. After STOP the request waits for blk_queue_resume().
     */
    enum error_policy errors[2];
    void (*failed)(void *arg, bool write, enum error_policy action, int rc);
    void *arg;
};

/* The machine loop's. The queue begins on its own loop soon after. */
int blk_queue_open(struct blk_queue **out, const struct blk_queue_config *config, struct error *err);
/* Takes no more requests, waits for those in flight, lets go of all grants; then done(arg) on its loop. */
void blk_queue_stop(struct blk_queue *queue, void (*done)(void *arg), void *arg);
void blk_queue_resume(struct blk_queue *queue); /* requests that wait since STOP are made again */
void blk_queue_close(struct blk_queue *queue); /* stopped, or its loop does not run; NULL is fine */

struct blk_stats {
    uint64_t requests[5]; /* by enum blk_kind */
    uint64_t bytes[2];    /* read, written */
    uint64_t errors, merged, passes, notifies, copies, mapped;
    uint64_t persistent; /* pages that are mapped now */
    struct histogram times[3]; /* from the ring to the answer, where it is good: reads, writes, flushes */
};
struct blk_stats blk_queue_stats(const struct blk_queue *queue); /* any thread; a snapshot */
#endif
