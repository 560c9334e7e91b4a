/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_QUEUE_H
#define DM_BLOCK_QUEUE_H
#include <stdint.h>
#include <sys/uio.h>
#include "dm/block/disk.h"
struct error;
struct loop;

/*
 * What formats ask of a disk_queue: one system call on one descriptor, done in the background. The
 * queue's loop only.
 */
enum io_op {
    IO_READ,      /* preadv2 */
    IO_WRITE,     /* pwritev2 */
    IO_SYNC,      /* fdatasync */
    IO_FALLOCATE, /* fallocate, `flags` is its mode */
    IO_DISCARD,   /* ioctl BLKDISCARD */
    IO_NOTHING,   /* completes with 0 */
};

#define IO_WINDOW 64

struct io {
    enum io_op op;
    int fd;
    int flags; /* RWF_* of reads and writes */
    bool at_once; /* waits for nothing, so it may be made on the loop itself */
    uint64_t offset, length;
    const struct iovec *iov;
    unsigned iov_count;
    void (*done)(struct io *io, int64_t result); /* what the call returned, or a negative errno */
    struct disk_request *req;                    /* the format's, as is what follows */
    void *bounce;
    unsigned step;
    struct iovec window[IO_WINDOW];

    struct io *next; /* the queue's */
    int64_t result;
};

struct loop *disk_queue_loop(const struct disk_queue *queue);
/* As clock_now(); while many requests end together, the time at which they began to. */
uint64_t disk_queue_now(const struct disk_queue *queue);
struct io *disk_io_get(struct disk_queue *queue); /* NULL where memory ends */
void disk_io_put(struct disk_queue *queue, struct io *io);
void disk_io_start(struct disk_queue *queue, struct io *io);
int64_t disk_io_perform(const struct io *io); /* the call itself, here and now */

/* Ends a request that no call was made for, later as the contract says. */
void disk_queue_finish(struct disk_queue *queue, struct disk_request *req, int rc);

/* 512 KiB, page aligned, for direct I/O. NULL where memory ends. */
#define BOUNCE_BYTES (512u << 10)
void *bounce_get(struct disk_queue *queue);
void bounce_put(struct disk_queue *queue, void *bounce);

/* ---- The pool of threads (threads.c), for hosts without io_uring and for ioctls ---- */
struct io_threads;
int io_threads_open(struct io_threads **out, struct loop *loop,
                    void (*done)(void *arg, struct io *io), void *arg, struct error *err);
void io_threads_close(struct io_threads *threads); /* nothing in flight; NULL is fine */
void io_threads_start(struct io_threads *threads, struct io *io);

/* What disk_queue_open() falls back to where the host has no io_uring. */
int disk_queue_open_threads(struct disk_queue **out, struct loop *loop, struct error *err);
#endif
