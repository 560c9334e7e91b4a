/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A few threads that make system calls in the background: for hosts that forbid io_uring, and for
 * the ioctls it does not know. They are born with the first call. The mutex guards two lists.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/block/queue.h"

#define THREADS 4

struct io_threads {
    struct loop *loop;
    void (*done)(void *arg, struct io *io);
    void *arg;
    pthread_mutex_t mutex;
    pthread_cond_t work;
    struct io *todo, **todo_tail;
    struct io *ended;
    bool posted; /* a message that reaps is on its way */
    bool closing;
    unsigned threads, idle;
    pthread_t thread[THREADS];
};

/* The kernel is quicker with what is one piece of memory. */
static bool is_plain(const struct io *io)
{
    return io->iov_count == 1 && !io->flags;
}

int64_t disk_io_perform(const struct io *io)
{
    uint64_t range[2] = { io->offset, io->length };
    int64_t rc = 0;

    switch (io->op) {
    case IO_READ:
        if (is_plain(io))
            rc = pread(io->fd, io->iov->iov_base, io->iov->iov_len, (off_t)io->offset);
        else
            rc = preadv2(io->fd, io->iov, (int)io->iov_count, (off_t)io->offset, io->flags);
        break;
    case IO_WRITE:
        if (is_plain(io))
            rc = pwrite(io->fd, io->iov->iov_base, io->iov->iov_len, (off_t)io->offset);
        else
            rc = pwritev2(io->fd, io->iov, (int)io->iov_count, (off_t)io->offset, io->flags);
        break;
    case IO_SYNC:
        rc = fdatasync(io->fd);
        break;
    case IO_FALLOCATE:
        rc = fallocate(io->fd, io->flags, (off_t)io->offset, (off_t)io->length);
        break;
    case IO_DISCARD:
        rc = ioctl(io->fd, BLKDISCARD, range);
        break;
    case IO_NOTHING:
        return io->result;
    }
    return rc < 0 ? -errno : rc;
}

static void reap(void *arg)
{
    struct io_threads *t = arg;
    struct io *io, *list = NULL, *next;

    pthread_mutex_lock(&t->mutex);
    t->posted = false;
    io = t->ended;
    t->ended = NULL;
    pthread_mutex_unlock(&t->mutex);
    for (; io; io = next) { /* oldest first */
        next = io->next;
        io->next = list;
        list = io;
    }
    for (io = list; io; io = next) { /* the last one may close us */
        next = io->next;
        t->done(t->arg, io);
    }
}

/* With the mutex held. */
static void ended(struct io_threads *t, struct io *io)
{
    io->next = t->ended;
    t->ended = io;
    if (!t->posted) {
        t->posted = true;
        loop_post(t->loop, reap, t);
    }
}

static void *work(void *arg)
{
    struct io_threads *t = arg;

    pthread_mutex_lock(&t->mutex);
    for (;;) {
        struct io *io = t->todo;

        if (!io) {
            if (t->closing)
                break;
            t->idle++;
            pthread_cond_wait(&t->work, &t->mutex);
            t->idle--;
            continue;
        }
        t->todo = io->next;
        if (!t->todo)
            t->todo_tail = &t->todo;
        pthread_mutex_unlock(&t->mutex);
        io->result = disk_io_perform(io);
        pthread_mutex_lock(&t->mutex);
        ended(t, io);
    }
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

int io_threads_open(struct io_threads **out, struct loop *loop,
                    void (*done)(void *arg, struct io *io), void *arg, struct error *err)
{
    struct io_threads *t = calloc(1, sizeof(*t));

    if (!t)
        return error_set(err, -ENOMEM, "disk threads: out of memory");
    t->loop = loop;
    t->done = done;
    t->arg = arg;
    t->todo_tail = &t->todo;
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->work, NULL);
    *out = t;
    return 0;
}

void io_threads_close(struct io_threads *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->mutex);
    t->closing = true;
    pthread_cond_broadcast(&t->work);
    pthread_mutex_unlock(&t->mutex);
    for (unsigned i = 0; i < t->threads; i++)
        pthread_join(t->thread[i], NULL);
    pthread_cond_destroy(&t->work);
    pthread_mutex_destroy(&t->mutex);
    free(t);
}

/* One more thread, deaf to signals: those are for the main thread. */
static void grow(struct io_threads *t)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (!pthread_create(&t->thread[t->threads], NULL, work, t))
        t->threads++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void io_threads_start(struct io_threads *t, struct io *io)
{
    pthread_mutex_lock(&t->mutex);
    if (!t->idle && t->threads < THREADS)
        grow(t);
    io->next = NULL;
    if (!t->threads) { /* no thread to be had: an honest error beats a wait for ever */
        io->op = IO_NOTHING;
        io->result = -ENOMEM;
        ended(t, io);
    } else {
        *t->todo_tail = io;
        t->todo_tail = &io->next;
        pthread_cond_signal(&t->work);
    }
    pthread_mutex_unlock(&t->mutex);
}
