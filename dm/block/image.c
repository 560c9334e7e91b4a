/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to images with tables: image.h says how. */
#include "dm/block/image.h"
#include <errno.h>
#include <stdlib.h>
#include "dm/base/bytes.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/block/iov.h"
#include "dm/block/queue.h"

/* A request on its way. Its submitter's loop only. */
struct op {
    struct image *img;
    struct disk_request *req;
    uint64_t at, end; /* what is not begun yet */
    unsigned pending; /* parts under way, and the walk itself */
    int rc;
    bool inside; /* of the submit call */
    struct op *next; /* that waits */
    struct job job;
};

/* One run of it: a request to a disk below. */
struct part {
    struct disk_request sub;
    struct op *op;
    struct extent e;
    unsigned epoch;
    struct part *next; /* busy */
    struct job job;
    struct around *around;
    struct iovec iov[];
};

/* What lies around a write in its units, and is moved with it. */
struct around {
    struct disk_request read[2];
    struct iovec iov[2];
    unsigned pending;
    int rc;
    uint8_t bytes[];
};

static struct image *image_of(struct disk *disk)
{
    return container_of(disk, struct image, disk);
}

static bool writes(const struct disk_request *req)
{
    return req->op != DISK_READ;
}

/* ---- The end ---- */

static void flush_run(struct job *job)
{
    job->rc = job->img->ops->flush(job->img);
}

static void op_free(struct op *op)
{
    struct disk_request *req = op->req;
    bool inside = op->inside;
    int rc = op->rc;

    free(op);
    if (inside)
        disk_queue_finish(req->priv.queue, req, rc);
    else
        disk_done(req, rc);
}

static void last_done(struct job *job)
{
    struct op *op = container_of(job, struct op, job);

    op->rc = job->rc;
    op_free(op);
}

static void post_flush(struct op *op)
{
    op->inside = false;
    op->job.loop = disk_queue_loop(op->req->priv.queue);
    op->job.run = flush_run;
    op->job.done = last_done;
    image_post(op->img, &op->job);
}

static void op_put(struct op *op, int rc)
{
    if (rc < 0 && !op->rc)
        op->rc = rc;
    if (--op->pending)
        return;
    if (op->img->writethrough && op->rc == 0 && writes(op->req) && op->req->op != DISK_FLUSH)
        post_flush(op);
    else
        op_free(op);
}

/* ---- Units that are getting a place ---- */

static void walk(struct op *op);

static void wake(void *arg)
{
    struct op *op = arg;

    pthread_mutex_lock(&op->img->lock); /* who posted this, under it, is out of loop_post() */
    pthread_mutex_unlock(&op->img->lock);
    walk(op);
}

/* Under the lock. */
static bool is_busy(const struct image *img, uint64_t at, uint64_t length)
{
    for (const struct part *p = img->busy; p; p = p->next)
        if (at < p->e.at + p->e.length + p->e.tail && p->e.at - p->e.head < at + length)
            return true;
    return false;
}

static void busy_end(struct image *img, struct part *part)
{
    struct op *op = img->waiting;
    struct part **p = &img->busy;

    while (*p != part)
        p = &(*p)->next;
    *p = part->next;
    img->waiting = NULL;
    img->waiting_tail = &img->waiting;
    while (op) { /* they look again, each on its loop */
        struct op *next = op->next;

        loop_post(disk_queue_loop(op->req->priv.queue), wake, op);
        op = next;
    }
}

static void op_wait(struct op *op, struct extent *e)
{
    e->map = MAP_WAIT;
    op->next = NULL;
    *op->img->waiting_tail = op;
    op->img->waiting_tail = &op->next;
}

/* ---- Parts ---- */

static void part_end(struct part *part, int rc)
{
    struct op *op = part->op;
    struct image *img = op->img;

    if (part->e.map == MAP_NEW) {
        pthread_mutex_lock(&img->lock);
        if (rc == 0)
            img->ops->link(img, &part->e);
        else
            img->ops->give_back(img, &part->e);
        busy_end(img, part);
        pthread_mutex_unlock(&img->lock);
    }
    if (part->e.map != MAP_BELOW)
        atomic_fetch_sub(&img->inflight[part->epoch % 2], 1);
    free(part->around);
    free(part);
    op_put(op, rc);
}

static void part_done(struct disk_request *sub, int rc)
{
    part_end(sub->owner, rc);
}

static bool around_is_written(const struct extent *e)
{
    return !e->virgin || (e->head && e->old_head) || (e->tail && e->old_tail);
}

/* Vectors for `part`, of the request's own, or zeroes, and what is around. */
static struct part *part_new(struct op *op, const struct extent *e)
{
    const struct disk_request *req = op->req;
    uint64_t at = e->at - req->offset;
    size_t n = e->map != MAP_NEW ? 0 : 2 + (e->head + e->tail) / IOV_ZEROES;
    struct part *part;

    if (req->op == DISK_READ || req->op == DISK_WRITE) {
        if (e->map != MAP_PACKED && !(e->length == req->length && !n))
            n += iov_count(req, at, e->length);
    } else {
        n += e->length / IOV_ZEROES + 1;
    }
    part = malloc(sizeof(*part) + n * sizeof(part->iov[0]));
    if (!part)
        return NULL;
    memset(part, 0, sizeof(*part));
    part->op = op;
    part->e = *e;
    return part;
}

static unsigned put_around(struct part *part, uint64_t n, bool old, bool head, struct iovec *to)
{
    if (!n)
        return 0;
    if (!old)
        return iov_zeroes(n, to);
    *to = (struct iovec){ part->around->bytes + (head ? 0 : part->e.head), n };
    return 1;
}

static void part_aim(struct part *part)
{
    const struct disk_request *req = part->op->req;
    const struct extent *e = &part->e;
    struct disk_request *sub = &part->sub;
    bool around = e->map == MAP_NEW && around_is_written(e), zeroes = req->op == DISK_ZERO;
    unsigned n = 0;

    sub->op = writes(req) ? DISK_WRITE : DISK_READ;
    sub->offset = e->map == MAP_BELOW ? e->at : e->map == MAP_NEW ? e->host + e->head : e->host;
    sub->length = e->length;
    sub->done = part_done;
    sub->owner = part;
    sub->in_guest = req->in_guest;
    sub->own_memory = req->own_memory;
    if (!around && !zeroes && e->length == req->length) {
        sub->iov = req->iov;
        sub->iov_count = req->iov_count;
        return;
    }
    if (around) {
        sub->offset -= e->head;
        sub->length += e->head + e->tail;
        n += put_around(part, e->head, e->old_head, true, part->iov);
    }
    n += zeroes ? iov_zeroes(e->length, part->iov + n)
                : iov_slice(req, e->at - req->offset, e->length, part->iov + n);
    if (around)
        n += put_around(part, e->tail, e->old_tail, false, part->iov + n);
    sub->iov = part->iov;
    sub->iov_count = n;
}

static void part_move(struct part *part)
{
    struct image *img = part->op->img;

    part_aim(part);
    disk_submit_below(part->e.map == MAP_BELOW ? img->below : img->file,
                      part->op->req->priv.queue, &part->sub);
}

static void around_read(struct disk_request *req, int rc)
{
    struct part *part = req->owner;
    struct around *a = part->around;

    if (rc < 0)
        a->rc = rc;
    if (--a->pending)
        return;
    if (a->rc < 0)
        part_end(part, a->rc);
    else
        part_move(part);
}

/* A write of a part of a unit that gets a new place: first the rest of it is read. */
static void part_read_around(struct part *part)
{
    struct image *img = part->op->img;
    const struct extent *e = &part->e;
    const uint64_t at[2] = { e->at - e->head, e->at + e->length };
    const uint64_t n[2] = { e->old_head ? e->head : 0, e->old_tail ? e->tail : 0 };
    struct around *a = calloc(1, sizeof(*a) + e->head + e->tail);
    struct disk_queue *queue = part->op->req->priv.queue;

    part->around = a;
    if (!a) {
        part_end(part, -ENOMEM);
        return;
    }
    a->pending = 1;
    for (unsigned i = 0; i < 2; i++) {
        /* the last unit may go on where the disk ends */
        uint64_t length = at[i] < img->disk.bytes ? MIN(n[i], img->disk.bytes - at[i]) : 0;

        if (!length)
            continue;
        a->iov[i] = (struct iovec){ a->bytes + (i ? e->head : 0), length };
        a->read[i] = (struct disk_request){ .op = DISK_READ, .offset = at[i], .length = length,
                                            .iov = &a->iov[i], .iov_count = 1,
                                            .done = around_read, .owner = part };
        a->pending++;
        disk_submit_below(&img->disk, queue, &a->read[i]);
    }
    if (--a->pending == 0)
        part_move(part);
}

static void unpack_run(struct job *job)
{
    struct part *part = container_of(job, struct part, job);
    const struct extent *e = &part->e;
    const struct disk_request *req = part->op->req;
    const uint8_t *unit;

    job->rc = job->img->ops->unpack(job->img, e->host, &unit);
    if (job->rc == 0)
        iov_copy(req, e->at - req->offset, (uint8_t *)(uintptr_t)unit + e->head, e->length, false);
}

static void unpack_done(struct job *job)
{
    part_end(container_of(job, struct part, job), job->rc);
}

/* ---- The walk over a request ---- */

static void load_run(struct job *job)
{
    struct op *op = container_of(job, struct op, job);

    job->rc = job->img->ops->load(job->img, op->at, op->end - op->at, writes(op->req));
}

static void load_done(struct job *job)
{
    struct op *op = container_of(job, struct op, job);

    if (job->rc < 0 && !op->rc)
        op->rc = job->rc;
    walk(op);
}

static void op_load(struct op *op)
{
    op->job.loop = disk_queue_loop(op->req->priv.queue);
    op->job.run = load_run;
    op->job.done = load_done;
    image_post(op->img, &op->job);
}

static void mark_run(struct job *job)
{
    struct image *img = job->img;

    if (!img->disk.readonly)
        img->ops->mark(img);
    free(job);
}

/* The tables contradict themselves: nothing is written any more. */
static void image_broken(struct op *op, uint64_t at)
{
    struct image *img = op->img;
    struct job *job;

    if (atomic_exchange(&img->broken, true))
        return;
    log_error("disk image %s is corrupt where it says what lies at byte %llu; it is not written any "
              "more: repair it with \"qemu-img check -r all\"",
              img->disk.path, (unsigned long long)at);
    job = calloc(1, sizeof(*job));
    if (!job)
        return;
    job->run = mark_run;
    job->loop = disk_queue_loop(op->req->priv.queue);
    image_post(img, job);
}

/* Under the lock: what is to be done at op->at, with a part for it where it takes one. */
static struct part *find(struct op *op, struct extent *e)
{
    struct image *img = op->img;
    enum disk_op what = op->req->op;
    struct part *part;

    *e = (struct extent){ .at = op->at, .length = op->end - op->at };
    if (writes(op->req) && atomic_load(&img->broken)) {
        e->map = MAP_BAD;
        return NULL;
    }
    if (what == DISK_DISCARD || what == DISK_ZERO) {
        if (is_busy(img, ROUND_DOWN(e->at, img->unit), e->length + img->unit)) {
            op_wait(op, e);
            return NULL;
        }
        img->ops->clear(img, e, what == DISK_DISCARD);
        if (e->map != MAP_DATA)
            return NULL;
    }
    img->ops->find(img, e, writes(op->req));
    if (e->map == MAP_BELOW && (!img->below || e->at >= img->below->bytes))
        e->map = MAP_ZERO;
    if (e->map == MAP_BELOW)
        e->length = MIN(e->length, img->below->bytes - e->at);
    if (e->map != MAP_DATA && e->map != MAP_BELOW && e->map != MAP_PACKED && e->map != MAP_NEW)
        return NULL;
    if (e->map == MAP_NEW && is_busy(img, e->at - e->head, e->head + e->length + e->tail)) {
        op_wait(op, e);
        return NULL;
    }
    part = part_new(op, e);
    if (!part) {
        op->rc = -ENOMEM;
        return NULL;
    }
    if (e->map == MAP_NEW && !img->ops->take(img, &part->e)) {
        free(part);
        e->map = MAP_LOAD;
        return NULL;
    }
    *e = part->e;
    if (e->map == MAP_NEW) {
        part->next = img->busy;
        img->busy = part;
    }
    if (e->map != MAP_BELOW) {
        part->epoch = (unsigned)(img->epoch % 2);
        atomic_fetch_add(&img->inflight[part->epoch], 1);
    }
    return part;
}

static void part_start(struct part *part)
{
    struct op *op = part->op;
    const struct extent *e = &part->e;

    op->pending++;
    if (e->map == MAP_PACKED) {
        part->job.loop = disk_queue_loop(op->req->priv.queue);
        part->job.run = unpack_run;
        part->job.done = unpack_done;
        image_post(op->img, &part->job);
    } else if (e->map == MAP_NEW && ((e->head && e->old_head) || (e->tail && e->old_tail))) {
        part_read_around(part);
    } else {
        part_move(part);
    }
}

/* Begins what it can. Where it must wait it goes on later, from the loop. */
static void walk(struct op *op)
{
    struct image *img = op->img;

    while (op->at < op->end && op->rc == 0) {
        struct extent e;
        struct part *part;

        pthread_mutex_lock(&img->lock);
        part = find(op, &e);
        pthread_mutex_unlock(&img->lock);
        if (part) {
            op->at += e.length;
            part_start(part);
        } else if (op->rc == 0 && e.map == MAP_WAIT) {
            return;
        } else if (op->rc == 0 && e.map == MAP_LOAD) {
            op_load(op);
            return;
        } else if (op->rc == 0 && e.map == MAP_BAD) {
            image_broken(op, op->at);
            op->rc = -EIO;
        } else if (op->rc == 0) {
            if (e.map == MAP_ZERO)
                iov_clear(op->req, e.at - op->req->offset, e.length);
            op->at += e.length;
        }
    }
    op_put(op, 0);
}

static void flush(struct op *op)
{
    struct image *img = op->img;
    bool dirty;

    pthread_mutex_lock(&img->lock);
    dirty = !img->disk.readonly && img->ops->dirty(img);
    pthread_mutex_unlock(&img->lock);
    if (dirty) {
        post_flush(op);
        return;
    }
    op->at = op->end = 0;
    if (img->disk.readonly || img->no_flush) {
        op_put(op, 0);
    } else {
        struct extent e = { .map = MAP_BELOW };
        struct part *part = part_new(op, &e);

        if (part) {
            part->sub = (struct disk_request){ .op = DISK_FLUSH, .done = part_done, .owner = part };
            op->inside = false;
            disk_submit_below(img->file, op->req->priv.queue, &part->sub);
        } else {
            op_put(op, -ENOMEM);
        }
    }
}

void image_submit(struct disk *disk, struct disk_queue *queue, struct disk_request *req)
{
    struct op *op = malloc(sizeof(*op));

    if (!op) {
        disk_queue_finish(queue, req, -ENOMEM);
        return;
    }
    memset(op, 0, sizeof(*op));
    op->img = image_of(disk);
    op->req = req;
    op->at = req->offset;
    op->end = req->offset + req->length;
    op->pending = 2; /* the walk, and us */
    op->inside = true;
    if (req->op == DISK_FLUSH) {
        op->pending = 1;
        flush(op);
        return;
    }
    walk(op);
    /* it may have suspended, and may end only now */
    if (op->pending > 1)
        op->inside = false;
    op_put(op, 0);
}
