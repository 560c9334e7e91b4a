/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queue of a loop: an io_uring whose submissions go out once per pass of the loop, and whose
 * completions are polled for before the loop sleeps. Where the host has no io_uring (an old kernel,
 * kernel.io_uring_disabled, a seccomp filter), threads do the same work.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/block/format.h"
#include "dm/block/queue.h"

#define ENTRIES 128u
#define KEPT_IOS 64u
#define KEPT_BOUNCES 4u
#define RETRY_NS (1 * NS_PER_MS)

struct disk_queue {
    struct loop *loop;
    bool wants_ring, has_ring; /* wanted: opened with the first call, for many a disk sees none */
    struct io_uring ring;
    struct watch *watch;
    struct hook hook;
    struct poller poller;
    struct timer retry; /* the kernel would not take our submissions */
    unsigned in_ring;
    struct io *backlog, **backlog_tail; /* the ring is full */
    struct io_threads *threads;

    struct io *free_ios;
    unsigned kept_ios;
    void *free_bounces;
    unsigned kept_bounces;

    struct disk_request *finished, **finished_tail; /* no call was made for these */
    struct io *ended, **ended_tail;                 /* calls that were made at once */
    bool posted;
    uint64_t now; /* while requests that ended together are told; else 0 */
};

struct loop *disk_queue_loop(const struct disk_queue *q)
{
    return q->loop;
}

uint64_t disk_queue_now(const struct disk_queue *q)
{
    return q->now ? q->now : clock_now();
}

/* ---- Memory ---- */

struct io *disk_io_get(struct disk_queue *q)
{
    struct io *io = q->free_ios;

    if (io) {
        q->free_ios = io->next;
        q->kept_ios--;
    } else {
        io = malloc(sizeof(*io));
        if (!io)
            return NULL;
    }
    memset(io, 0, offsetof(struct io, window));
    io->next = NULL;
    io->result = 0;
    return io;
}

void disk_io_put(struct disk_queue *q, struct io *io)
{
    if (q->kept_ios >= KEPT_IOS) {
        free(io);
        return;
    }
    io->next = q->free_ios;
    q->free_ios = io;
    q->kept_ios++;
}

void *bounce_get(struct disk_queue *q)
{
    void *p = q->free_bounces;

    if (!p)
        return aligned_alloc(PAGE_BYTES, BOUNCE_BYTES);
    q->free_bounces = *(void **)p;
    q->kept_bounces--;
    return p;
}

void bounce_put(struct disk_queue *q, void *p)
{
    if (q->kept_bounces >= KEPT_BOUNCES) {
        free(p);
        return;
    }
    *(void **)p = q->free_bounces;
    q->free_bounces = p;
    q->kept_bounces++;
}

/* ---- Requests that need no call ---- */

static void run_finished(void *arg)
{
    struct disk_queue *q = arg;
    struct disk_request *req = q->finished, *next;
    struct io *io = q->ended, *next_io;

    q->posted = false;
    q->finished = NULL;
    q->finished_tail = &q->finished;
    q->ended = NULL;
    q->ended_tail = &q->ended;
    q->now = clock_now();
    for (; req; req = next) { /* the last of both may close the queue */
        next = req->priv.next;
        if (!next && !io)
            q->now = 0;
        disk_done(req, req->priv.rc);
    }
    for (; io; io = next_io) {
        next_io = io->next;
        if (!next_io)
            q->now = 0;
        io->done(io, io->result);
    }
}

static void finish_soon(struct disk_queue *q)
{
    if (!q->posted)
        loop_post(q->loop, run_finished, q);
    q->posted = true;
}

void disk_queue_finish(struct disk_queue *q, struct disk_request *req, int rc)
{
    req->priv.rc = rc;
    req->priv.next = NULL;
    *q->finished_tail = req;
    q->finished_tail = &req->priv.next;
    finish_soon(q);
}

static void call_now(struct disk_queue *q, struct io *io)
{
    io->result = disk_io_perform(io);
    io->next = NULL;
    *q->ended_tail = io;
    q->ended_tail = &io->next;
    finish_soon(q);
}

/* ---- The ring ---- */

static void prepare(struct io_uring_sqe *sqe, struct io *io)
{
    switch (io->op) {
    case IO_READ:
        io_uring_prep_readv2(sqe, io->fd, io->iov, io->iov_count, io->offset, io->flags);
        break;
    case IO_WRITE:
        io_uring_prep_writev2(sqe, io->fd, io->iov, io->iov_count, io->offset, io->flags);
        break;
    case IO_SYNC:
        io_uring_prep_fsync(sqe, io->fd, IORING_FSYNC_DATASYNC);
        break;
    case IO_FALLOCATE:
        io_uring_prep_fallocate(sqe, io->fd, io->flags, (off_t)io->offset, (off_t)io->length);
        break;
    case IO_DISCARD:
    case IO_NOTHING:
        io_uring_prep_nop(sqe);
        break;
    }
    io_uring_sqe_set_data(sqe, io);
}

/* Hands over what is prepared. What the kernel will not take now, it is offered again soon. */
static void submit(struct disk_queue *q)
{
    int rc;

    if (!io_uring_sq_ready(&q->ring))
        return;
    rc = io_uring_submit(&q->ring);
    if (rc < 0 && rc != -EAGAIN && rc != -EBUSY && rc != -EINTR)
        log_error("io_uring does not take requests: errno %d", -rc);
    if (io_uring_sq_ready(&q->ring))
        timer_set_in(&q->retry, RETRY_NS);
}

static void ring_put(struct disk_queue *q, struct io *io)
{
    struct io_uring_sqe *sqe = NULL;

    /* as many as the completion side surely holds, and in the order they came */
    if (q->in_ring < ENTRIES && !q->backlog) {
        sqe = io_uring_get_sqe(&q->ring);
        if (!sqe) {
            submit(q);
            sqe = io_uring_get_sqe(&q->ring);
        }
    }
    if (!sqe) {
        io->next = NULL;
        *q->backlog_tail = io;
        q->backlog_tail = &io->next;
        return;
    }
    prepare(sqe, io);
    q->in_ring++;
}

static void fill_from_backlog(struct disk_queue *q)
{
    while (q->backlog && q->in_ring < ENTRIES) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&q->ring);
        struct io *io = q->backlog;

        if (!sqe)
            return;
        q->backlog = io->next;
        if (!q->backlog)
            q->backlog_tail = &q->backlog;
        prepare(sqe, io);
        q->in_ring++;
    }
}

static bool reap(void *arg)
{
    struct disk_queue *q = arg;
    struct io_uring_cqe *cqe;
    unsigned most = ENTRIES;
    bool any = false;

    /* a completion may close the queue, but only the last one: in_ring says which that is */
    while (q->in_ring && most-- && io_uring_peek_cqe(&q->ring, &cqe) == 0) {
        struct io *io = io_uring_cqe_get_data(cqe);
        int64_t result = io->op == IO_NOTHING ? io->result : cqe->res;
        bool last = --q->in_ring == 0 && !q->backlog;

        io_uring_cqe_seen(&q->ring, cqe);
        q->now = last ? 0 : any ? q->now : clock_now();
        any = true;
        io->done(io, result);
        if (last)
            return true;
    }
    q->now = 0;
    return any;
}

static void before_sleep(void *arg)
{
    struct disk_queue *q = arg;

    fill_from_backlog(q);
    submit(q);
}

static void ring_ready(void *arg, unsigned events)
{
    reap(arg);
}

static int ring_open(struct disk_queue *q, struct error *err)
{
    int rc = io_uring_queue_init(ENTRIES, &q->ring, IORING_SETUP_CLAMP);

    if (rc < 0)
        return error_set(err, rc, "open an io_uring: errno %d", -rc);
    q->has_ring = true;
    /* which also keeps it from the children of a fork */
    io_uring_ring_dontfork(&q->ring);
    return watch_open(&q->watch, q->loop, q->ring.ring_fd, WATCH_READ, ring_ready, q, err);
}

/* ---- The queue ---- */

static void thread_done(void *arg, struct io *io)
{
    io->done(io, io->result);
}

static void nothing(void *arg)
{
}

static void start_ring(struct disk_queue *q)
{
    struct error why;

    q->wants_ring = false;
    if (ring_open(q, &why) < 0) {
        log_info("disks use threads, not io_uring: %s", why.text);
        return;
    }
    q->hook = (struct hook){ .fn = before_sleep, .arg = q };
    loop_add_hook(q->loop, &q->hook);
    q->poller = (struct poller){ .poll = reap, .arg = q };
    loop_add_poller(q->loop, &q->poller);
    loop_post(q->loop, nothing, NULL); /* a pass for the new hook, should hooks be running now */
}

void disk_io_start(struct disk_queue *q, struct io *io)
{
    if (q->wants_ring && !io->at_once)
        start_ring(q);
    if (io->at_once)
        call_now(q, io);
    else if (q->has_ring && io->op != IO_DISCARD)
        ring_put(q, io);
    else
        io_threads_start(q->threads, io);
}

static int queue_open(struct disk_queue **out, struct loop *loop, bool ring, struct error *err)
{
    struct disk_queue *q = calloc(1, sizeof(*q));
    int rc;

    if (!q)
        return error_set(err, -ENOMEM, "disk queue: out of memory");
    q->loop = loop;
    q->finished_tail = &q->finished;
    q->ended_tail = &q->ended;
    q->backlog_tail = &q->backlog;
    timer_init(&q->retry, loop, before_sleep, q);
    q->wants_ring = ring;
    rc = io_threads_open(&q->threads, loop, thread_done, q, err);
    if (rc < 0) {
        disk_queue_close(q);
        return rc;
    }
    *out = q;
    return 0;
}

int disk_queue_open(struct disk_queue **out, struct loop *loop, struct error *err)
{
    return queue_open(out, loop, true, err);
}

int disk_queue_open_threads(struct disk_queue **out, struct loop *loop, struct error *err)
{
    return queue_open(out, loop, false, err);
}

void disk_queue_close(struct disk_queue *q)
{
    if (!q)
        return;
    io_threads_close(q->threads);
    timer_clear(&q->retry);
    if (q->hook.fn)
        loop_remove_hook(q->loop, &q->hook);
    if (q->poller.poll)
        loop_remove_poller(q->loop, &q->poller);
    watch_close(q->watch);
    if (q->has_ring)
        io_uring_queue_exit(&q->ring);
    while (q->free_ios) {
        struct io *io = q->free_ios;

        q->free_ios = io->next;
        free(io);
    }
    while (q->free_bounces) {
        void *p = q->free_bounces;

        q->free_bounces = *(void **)p;
        free(p);
    }
    free(q);
}
