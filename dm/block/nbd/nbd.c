/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks of an NBD server, through libnbd.
 *
 * A disk has one connection and one thread that owns it: loops hand requests over, the thread keeps
 * as many in flight as there are, and posts each one's end to its loop. Looking for a server that
 * has gone, with all that may block there, so holds up no loop. Requests wait for the server for a
 * while, then they fail until it is back. What it had acknowledged and not flushed when it went
 * may be lost: the next flush says so.
 */
#include <errno.h>
#include "dm/base/error.h"
#include "dm/block/format.h"
#ifndef HAVE_LIBNBD
int nbd_open(struct disk **out, const struct disk_config *config, struct error *err)
{
    return error_set(err, -ENOTSUP,
                     "disk image %s: this xen-dm was built without NBD; install libnbd-dev and build "
                     "it again",
                     config->path);
}
#else
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/block/iov.h"
#include "dm/block/nbd/lib.h"
#include "dm/block/queue.h"

#define CHUNK (4 * MIB) /* no server takes less */
#define PATIENCE_NS (10 * NS_PER_SEC)
#define CONNECT_NS (5 * NS_PER_SEC)
#define SILENCE_NS (30 * NS_PER_SEC) /* a server that says nothing for so long is gone */
#define RETRY_NS (NS_PER_SEC / 5)

struct nbd_op {
    struct nbd_op *next;
    struct nbd *n;
    struct disk_request *req;
    uint8_t *bounce; /* of a chunk; NULL: the request's one vector */
    uint64_t moved, length;
    bool answered, syncing; /* writethrough, where the server has no FUA */
    int rc;
};

struct op_list {
    struct nbd_op *first, **last;
};

struct nbd {
    struct disk disk;
    char uri[4096];
    struct nbd_lib lib;
    bool writethrough, no_flush, fua, can_flush, can_zero;
    pthread_t thread;
    bool has_thread;
    int wake;

    pthread_mutex_t lock; /* guards a list and a flag */
    struct op_list todo;
    bool closing;

    /* The thread's. */
    struct nbd_handle *h;
    bool connected;
    struct op_list ready, flying;
    uint64_t lost_at, next_try, try_ends, last_word;
    bool unflushed, lost_writes;
};

static const uint8_t zeroes[CHUNK];

static void list_init(struct op_list *l)
{
    l->first = NULL;
    l->last = &l->first;
}

static void list_add(struct op_list *l, struct nbd_op *op)
{
    op->next = NULL;
    *l->last = op;
    l->last = &op->next;
}

static void list_move(struct op_list *to, struct op_list *from)
{
    if (!from->first)
        return;
    *to->last = from->first;
    to->last = from->last;
    list_init(from);
}

static struct nbd *nbd_of(struct disk *disk)
{
    return container_of(disk, struct nbd, disk);
}

/* ---- The connection ---- */

static void drop(struct nbd *n)
{
    if (n->h)
        n->lib.close(n->h);
    n->h = NULL;
    n->connected = false;
}

/* Sleeps until the server or somebody of us has something, at most so long; and lets libnbd act. */
static void attend(struct nbd *n, uint64_t ns)
{
    unsigned way = n->h ? n->lib.aio_get_direction(n->h) : 0;
    struct pollfd fds[2] = { { .fd = n->wake, .events = POLLIN },
                             { .fd = n->h ? n->lib.aio_get_fd(n->h) : -1 } };
    uint64_t count;

    if (way & LIBNBD_AIO_DIRECTION_READ)
        fds[1].events |= POLLIN;
    if (way & LIBNBD_AIO_DIRECTION_WRITE)
        fds[1].events |= POLLOUT;
    if (poll(fds, 2, (int)MIN(ns / NS_PER_MS + 1, 1000)) <= 0)
        return;
    if ((fds[0].revents & POLLIN) && read(n->wake, &count, sizeof(count)) < 0)
        return;
    if (!fds[1].revents)
        return;
    n->last_word = clock_now();
    if ((fds[1].revents & (POLLIN | POLLHUP | POLLERR)) && (way & LIBNBD_AIO_DIRECTION_READ))
        n->lib.aio_notify_read(n->h);
    else if (fds[1].revents & (POLLOUT | POLLHUP | POLLERR))
        n->lib.aio_notify_write(n->h);
}

static bool is_gone(const struct nbd *n)
{
    return n->lib.aio_is_dead(n->h) || n->lib.aio_is_closed(n->h);
}

static int begin_connect(struct nbd *n)
{
    n->h = n->lib.create();
    if (!n->h)
        return -ENOMEM;
    n->try_ends = clock_now() + CONNECT_NS;
    return n->lib.aio_connect_uri(n->h, n->uri) < 0 ? -ECONNREFUSED : 0;
}

/* ---- Requests, in the thread ---- */

static void answer(void *arg)
{
    struct nbd_op *op = arg;
    struct disk_request *req = op->req;
    int rc = op->rc;

    pthread_mutex_lock(&op->n->lock); /* who posted this is out of loop_post() */
    pthread_mutex_unlock(&op->n->lock);
    free(op->bounce);
    free(op);
    disk_done(req, rc);
}

static void op_end(struct nbd_op *op, int rc)
{
    struct nbd *n = op->n;

    op->rc = rc;
    pthread_mutex_lock(&n->lock);
    loop_post(disk_queue_loop(op->req->priv.queue), answer, op);
    pthread_mutex_unlock(&n->lock);
}

static int answered(void *arg, int *error)
{
    struct nbd_op *op = arg;

    op->answered = true;
    op->rc = -*error;
    return 1; /* libnbd forgets it */
}

static uint8_t *data_of(struct nbd_op *op)
{
    if (!op->bounce)
        return (uint8_t *)op->req->iov[0].iov_base + op->moved;
    if (op->req->op == DISK_WRITE)
        iov_copy(op->req, op->moved, op->bounce, op->length, true);
    return op->bounce;
}

static int64_t send_op(struct nbd *n, struct nbd_op *op)
{
    nbd_completion_callback done = { .callback = answered, .user_data = op };
    uint64_t at = op->req->offset + op->moved;
    uint32_t fua = n->writethrough && n->fua ? LIBNBD_CMD_FLAG_FUA : 0;

    op->answered = false;
    op->rc = 0;
    op->length = MIN(op->req->length - op->moved, CHUNK);
    if (op->req->op == DISK_FLUSH || op->syncing)
        return n->lib.aio_flush(n->h, done, 0);
    switch (op->req->op) {
    case DISK_READ:
        return n->lib.aio_pread(n->h, data_of(op), op->length, at, done, 0);
    case DISK_WRITE:
        return n->lib.aio_pwrite(n->h, data_of(op), op->length, at, done, fua);
    case DISK_DISCARD:
        return n->lib.aio_trim(n->h, op->length, at, done, 0);
    default:
        return n->can_zero ? n->lib.aio_zero(n->h, op->length, at, done, fua)
                           : n->lib.aio_pwrite(n->h, zeroes, op->length, at, done, fua);
    }
}

static void send_all(struct nbd *n)
{
    struct op_list list = n->ready;
    struct nbd_op *op, *next;

    if (!list.first)
        return;
    list_init(&n->ready);
    if (!n->flying.first)
        n->last_word = clock_now();
    for (op = list.first; op; op = next) {
        next = op->next;
        if (op->req->op == DISK_FLUSH && n->lost_writes) {
            n->lost_writes = false;
            op_end(op, -EIO);
        } else if (op->req->op == DISK_FLUSH && (!n->can_flush || n->no_flush)) {
            op_end(op, 0);
        } else if (send_op(n, op) < 0) {
            if (is_gone(n))
                list_add(&n->ready, op);
            else
                op_end(op, -EIO);
        } else {
            list_add(&n->flying, op);
        }
    }
}

/* One chunk is done. */
static void chunk_done(struct nbd *n, struct nbd_op *op)
{
    struct disk_request *req = op->req;

    if (req->op == DISK_FLUSH)
        n->unflushed = false;
    if (req->op == DISK_FLUSH || op->syncing) {
        op_end(op, 0);
        return;
    }
    if (req->op == DISK_READ && op->bounce)
        iov_copy(req, op->moved, op->bounce, op->length, false);
    op->moved += op->length;
    if (req->op != DISK_READ)
        n->unflushed = true;
    op->syncing = op->moved == req->length && req->op != DISK_READ && n->writethrough && !n->fua &&
                  n->can_flush;
    if (op->moved < req->length || op->syncing)
        list_add(&n->ready, op);
    else
        op_end(op, 0);
}

static void collect(struct nbd *n)
{
    struct op_list list = n->flying;
    bool gone = is_gone(n);

    list_init(&n->flying);
    for (struct nbd_op *op = list.first, *next; op; op = next) {
        next = op->next;
        if (!op->answered && !gone)
            list_add(&n->flying, op);
        else if (op->answered && !op->rc)
            chunk_done(n, op);
        else if (gone)
            list_add(&n->ready, op); /* once more, when the server is back */
        else
            op_end(op, op->rc);
    }
}

static void fail_all(struct nbd *n)
{
    struct op_list list = n->ready;

    list_init(&n->ready);
    for (struct nbd_op *op = list.first, *next; op; op = next) {
        next = op->next;
        op_end(op, -EIO);
    }
}

static void lost(struct nbd *n)
{
    log_warn("disk image %s: its server is gone; looking for it again", n->disk.path);
    n->lost_writes = n->lost_writes || n->unflushed;
    n->unflushed = false;
    n->lost_at = n->next_try = clock_now();
    drop(n); /* the last words of requests in flight */
    for (struct nbd_op *op = n->flying.first; op; op = op->next)
        op->answered = op->answered && !op->rc;
    list_move(&n->ready, &n->flying);
}

static void look_for_server(struct nbd *n)
{
    uint64_t now = clock_now();

    if (now - n->lost_at > PATIENCE_NS)
        fail_all(n);
    if (!n->h && now >= n->next_try && begin_connect(n) < 0)
        drop(n);
    if (n->h && n->lib.aio_is_ready(n->h)) {
        n->connected = n->lib.get_size(n->h) >= (int64_t)n->disk.bytes &&
                       (n->disk.readonly || !n->lib.is_read_only(n->h));
        if (n->connected)
            log_info("disk image %s: its server is back", n->disk.path);
        else
            log_error("disk image %s: its server is back with another disk", n->disk.path);
        if (!n->connected)
            drop(n);
    } else if (n->h && (is_gone(n) || now > n->try_ends)) {
        drop(n);
    }
    if (!n->h)
        n->next_try = MAX(n->next_try, now + RETRY_NS);
}

static void *serve(void *arg)
{
    struct nbd *n = arg;
    bool closing;

    for (;;) {
        pthread_mutex_lock(&n->lock);
        list_move(&n->ready, &n->todo);
        closing = n->closing;
        pthread_mutex_unlock(&n->lock);
        if (closing && !n->ready.first && !n->flying.first)
            return NULL;
        if (n->connected) {
            send_all(n);
            attend(n, NS_PER_SEC);
            if (n->flying.first && clock_now() - n->last_word > SILENCE_NS)
                lost(n);
            else {
                collect(n);
                if (is_gone(n))
                    lost(n);
            }
        } else {
            look_for_server(n);
            if (!n->connected)
                attend(n, n->h ? NS_PER_SEC : RETRY_NS);
        }
    }
}

/* ---- The loops' side ---- */

static void nbd_submit(struct disk *disk, struct disk_queue *queue, struct disk_request *req)
{
    struct nbd *n = nbd_of(disk);
    struct nbd_op *op = calloc(1, sizeof(*op));
    uint64_t one = 1;

    if (op && (req->op == DISK_READ || req->op == DISK_WRITE) && req->iov_count != 1)
        op->bounce = malloc(MIN(req->length, CHUNK));
    if (!op || ((req->op == DISK_READ || req->op == DISK_WRITE) && req->iov_count != 1 && !op->bounce)) {
        free(op);
        disk_queue_finish(queue, req, -ENOMEM);
        return;
    }
    op->n = n;
    op->req = req;
    pthread_mutex_lock(&n->lock);
    list_add(&n->todo, op);
    pthread_mutex_unlock(&n->lock);
    if (write(n->wake, &one, sizeof(one)) < 0)
        log_error("disk image %s: eventfd: errno %d", disk->path, errno);
}

static void nbd_close_disk(struct disk *disk)
{
    struct nbd *n = nbd_of(disk);
    uint64_t one = 1;

    if (n->has_thread) {
        pthread_mutex_lock(&n->lock);
        n->closing = true;
        pthread_mutex_unlock(&n->lock);
        if (write(n->wake, &one, sizeof(one)) < 0)
            log_error("disk image %s: eventfd: errno %d", disk->path, errno);
        pthread_join(n->thread, NULL);
    }
    if (n->h && n->connected)
        n->lib.aio_disconnect(n->h, 0);
    drop(n);
    if (n->wake >= 0)
        close(n->wake);
    pthread_mutex_destroy(&n->lock);
    free(disk->first);
    free(n);
}

static const struct disk_ops nbd_ops = { .name = "nbd", .submit = nbd_submit, .close = nbd_close_disk };

/* ---- Opening ---- */

static int refused(struct nbd *n, struct error *err)
{
    const char *why = n->lib.get_error();

    return error_set(err, -ECONNREFUSED, "disk image %s: its server does not answer: %.200s",
                     n->disk.path, why ? why : "no answer in time");
}

static int connect_now(struct nbd *n, struct error *err)
{
    if (begin_connect(n) < 0)
        return refused(n, err);
    while (!n->lib.aio_is_ready(n->h)) {
        if (is_gone(n) || clock_now() > n->try_ends)
            return refused(n, err);
        attend(n, NS_PER_SEC / 10);
    }
    n->connected = true;
    return 0;
}

static int take_features(struct nbd *n, const struct disk_config *config, struct error *err)
{
    int64_t size = n->lib.get_size(n->h), least = n->lib.get_block_size(n->h, LIBNBD_SIZE_MINIMUM);

    if (size < 512)
        return error_set(err, -EINVAL, "disk image %s is empty (%lld bytes)", config->path,
                         (long long)size);
    if (least > 512)
        return error_set(err, -ENOTSUP,
                         "disk image %s: its server takes requests of %lld bytes or more, and guests "
                         "make such of 512; set a smaller minimum there",
                         config->path, (long long)least);
    if (!config->readonly && n->lib.is_read_only(n->h))
        return error_set(err, -EROFS,
                         "disk image %s is exported read-only, and the guest is to write it",
                         config->path);
    n->disk.bytes = ROUND_DOWN((uint64_t)size, 512);
    n->can_flush = n->lib.can_flush(n->h) > 0;
    n->fua = n->lib.can_fua(n->h) > 0;
    n->can_zero = n->lib.can_zero(n->h) > 0;
    atomic_store(&n->disk.takes_discard, !config->readonly && n->lib.can_trim(n->h) > 0);
    return 0;
}

static int read_first(struct nbd *n, struct error *err)
{
    struct nbd_op op = { .n = n };
    nbd_completion_callback done = { .callback = answered, .user_data = &op };
    uint64_t end = clock_now() + CONNECT_NS;

    n->disk.first = calloc(1, 512);
    if (!n->disk.first)
        return error_set(err, -ENOMEM, "disk image %s: out of memory", n->disk.path);
    if (n->lib.aio_pread(n->h, n->disk.first, 512, 0, done, 0) < 0)
        return refused(n, err);
    while (!op.answered && !is_gone(n) && clock_now() < end)
        attend(n, NS_PER_SEC / 10);
    if (!op.answered || is_gone(n)) {
        drop(n); /* before the buffers go */
        return refused(n, err);
    }
    return 0;
}

static int start_thread(struct nbd *n, struct error *err)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    n->has_thread = pthread_create(&n->thread, NULL, serve, n) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return n->has_thread ? 0
                         : error_set(err, -EAGAIN, "disk image %s: no thread for it", n->disk.path);
}

int nbd_open(struct disk **out, const struct disk_config *config, struct error *err)
{
    struct nbd *n = calloc(1, sizeof(*n));
    int rc;

    if (!n)
        return error_set(err, -ENOMEM, "disk image %s: out of memory", config->path);
    n->wake = -1;
    n->writethrough = config->writethrough;
    n->no_flush = config->no_flush;
    list_init(&n->todo);
    list_init(&n->ready);
    list_init(&n->flying);
    pthread_mutex_init(&n->lock, NULL);
    rc = disk_init(&n->disk, &nbd_ops, config, err);
    if (rc == 0 && nbd_uri(config->path, n->uri, sizeof(n->uri)) < 0)
        rc = error_set(err, -EINVAL,
                       "disk image %s: NBD is nbd://HOST:PORT/NAME, nbd+unix:///NAME?socket=PATH or "
                       "nbd:HOST:PORT:exportname=NAME",
                       config->path);
    if (rc == 0)
        rc = nbd_lib_load(&n->lib, err);
    n->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (rc == 0 && n->wake < 0)
        rc = error_errno(err, "disk image %s: eventfd", config->path);
    if (rc == 0)
        rc = connect_now(n, err);
    if (rc == 0)
        rc = take_features(n, config, err);
    if (rc == 0)
        rc = read_first(n, err);
    if (rc == 0)
        rc = start_thread(n, err);
    if (rc < 0) {
        disk_close(&n->disk);
        return rc;
    }
    *out = &n->disk;
    return 0;
}
#endif
