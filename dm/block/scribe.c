/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scribe of an image: one thread for what takes I/O on tables; and its blocking calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/loop.h"
#include "dm/block/image.h"
#include "dm/block/iov.h"

/* What is done here may be the end of the loop: who posted it must be out of loop_post(). */
static void ended(void *arg)
{
    struct job *job = arg;

    pthread_mutex_lock(&job->img->lock);
    pthread_mutex_unlock(&job->img->lock);
    job->done(job);
}

static void *work(void *arg)
{
    struct image *img = arg;

    pthread_mutex_lock(&img->lock);
    for (;;) {
        struct job *job = img->jobs;
        void (*done)(struct job *);

        if (!job) {
            if (img->closing)
                break;
            pthread_cond_wait(&img->work, &img->lock);
            continue;
        }
        img->jobs = job->next;
        if (!img->jobs)
            img->jobs_tail = &img->jobs;
        pthread_mutex_unlock(&img->lock);
        done = job->done;
        job->run(job);
        pthread_mutex_lock(&img->lock);
        if (done) /* else nobody waits, and the job was its own */
            loop_post(job->loop, ended, job);
    }
    pthread_mutex_unlock(&img->lock);
    return NULL;
}

static bool start(struct image *img)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    img->has_scribe = pthread_create(&img->scribe, NULL, work, img) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return img->has_scribe;
}

void image_post(struct image *img, struct job *job)
{
    job->next = NULL;
    job->img = img;
    job->rc = 0;
    pthread_mutex_lock(&img->lock);
    if (!img->has_scribe && !start(img)) {
        job->rc = -ENOMEM;
        if (job->done)
            loop_post(job->loop, ended, job);
        else
            free(job);
    } else {
        *img->jobs_tail = job;
        img->jobs_tail = &job->next;
        pthread_cond_signal(&img->work);
    }
    pthread_mutex_unlock(&img->lock);
}

void image_scribe_end(struct image *img)
{
    pthread_mutex_lock(&img->lock);
    img->closing = true;
    pthread_cond_signal(&img->work);
    pthread_mutex_unlock(&img->lock);
    if (img->has_scribe)
        pthread_join(img->scribe, NULL);
    img->has_scribe = false;
}

/* ---- Blocking calls ---- */

int image_read(struct image *img, void *to, size_t n, uint64_t at)
{
    uint8_t *p = to;

    while (n) {
        ssize_t got = pread(img->fd, p, n, (off_t)at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0) {
            memset(p, 0, n);
            return 0;
        }
        p += got;
        at += (size_t)got;
        n -= (size_t)got;
    }
    return 0;
}

int image_write(struct image *img, const void *from, size_t n, uint64_t at)
{
    const uint8_t *p = from;

    while (n) {
        ssize_t put = pwrite(img->fd, p, n, (off_t)at);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put ? -errno : -EIO;
        p += put;
        at += (size_t)put;
        n -= (size_t)put;
    }
    return 0;
}

int image_write_zeroes(struct image *img, size_t n, uint64_t at)
{
    struct iovec zero;
    int rc = 0;

    for (size_t done = 0; rc == 0 && done < n; done += zero.iov_len) {
        iov_zeroes(MIN(n - done, IOV_ZEROES), &zero);
        rc = image_write(img, zero.iov_base, zero.iov_len, at + done);
    }
    return rc;
}

int image_sync(struct image *img)
{
    return img->no_flush || fdatasync(img->fd) == 0 ? 0 : -errno;
}

void image_punch(struct image *img, uint64_t at, uint64_t n)
{
    uint64_t range[2] = { at, n };

    if (img->block)
        ioctl(img->fd, BLKDISCARD, range);
    else
        fallocate(img->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)n);
}

int image_size(struct image *img, uint64_t *bytes)
{
    struct stat st;

    if (fstat(img->fd, &st) < 0)
        return -errno;
    *bytes = (uint64_t)st.st_size;
    if (img->block && ioctl(img->fd, BLKGETSIZE64, bytes) < 0)
        return -errno;
    return 0;
}
