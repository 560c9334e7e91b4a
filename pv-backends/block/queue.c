/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pass: take requests; copy in the segment lists of indirect ones and the data of writes, each in
 * one call; submit. What the disk has ended is collected until the pass is over, then the data of
 * reads is copied out in one call and the responses are shown together.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/counter.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/block/disk.h"
#include "dm/xen/evtchn.h"
#include "dm/xen/grant.h"
#include "pv-backends/block/buffers.h"
#include "pv-backends/block/persistent.h"
#include "pv-backends/block/queue.h"
#include "pv-backends/host.h"
#include "pv-backends/ring.h"

#define TAKE_MOST 16u          /* requests in a pass */
#define TAKE_LEAST 4u
#define ACTIVE_MOST 256u       /* requests that do not wait */
#define SPARE_MOST 64u         /* that are kept for later */
#define PERSISTENT_MOST 1056u  /* pages of a queue; Linux's backend keeps as many */
#define MERGE_MOST (1u << 20)  /* bytes that go to the disk as one */
#define IOVS_MOST 512u

struct work {
    struct work *next;   /* in a list: of the pass, of free ones, of ended ones */
    struct work *merged; /* the next of those that are one for the disk */
    struct blk_queue *queue;
    uint64_t started;
    uint64_t length;
    uint8_t *buffer;     /* for what is copied; NULL: there is none, or all is mapped */
    bool mapped;         /* all segments are persistent pages */
    bool flushed;        /* a barrier's first flush is done */
    bool active;         /* judged, and on its way */
    int16_t status;
    unsigned iovs;
    struct blk_words words;
    struct disk_request req; /* what most requests touch ends with the first of each of these */
    struct blk_segment segments[BLK_SEGMENTS_MOST];
    struct iovec iov[IOVS_MOST]; /* of itself, and of those merged into it */
};

struct blk_queue {
    struct blk_queue_config c;
    struct pv_ring ring;
    struct poller poller;
    struct hook hook;
    uint32_t port;          /* ours; 0: not bound */
    struct persistent *persistent;
    struct buffers *buffers;
    struct work *free;
    unsigned spare;         /* in that list */
    struct work *ended, **ended_tail;
    struct work *parked;    /* wait for a buffer, or for a barrier; until something ends */
    struct work *held;      /* failed, and made again when the machine goes on */
    unsigned in_flight;     /* taken and not answered */
    unsigned active;        /* of those, not parked */
    uint64_t now;           /* of this pass */
    bool fenced;            /* a barrier is under way: what comes after it waits */
    bool stopping, broken, begun;
    void (*stopped)(void *arg);
    void *stopped_arg;
    struct grant_copy copies[GRANT_COPIES_MOST];
    unsigned copy_count;
    struct blk_stats stats;
};

static void check_stopped(struct blk_queue *q);

/* ---- Work ---- */

static struct work *work_get(struct blk_queue *q)
{
    struct work *w = q->free;

    if (w) {
        q->free = w->next;
        q->spare--;
    } else {
        w = malloc(sizeof(*w));
    }
    if (!w)
        return NULL;
    w->next = w->merged = NULL;
    w->queue = q;
    w->buffer = NULL;
    w->mapped = w->flushed = w->active = false;
    w->status = BLK_OKAY;
    w->iovs = 0;
    w->length = 0;
    w->started = q->now;
    q->in_flight++;
    return w;
}

static void work_put(struct blk_queue *q, struct work *w)
{
    buffers_put(q->buffers, w->buffer, w->length);
    q->in_flight--;
    if (w->active) {
        q->active--;
        q->fenced &= w->words.kind != BLK_BARRIER;
    }
    if (q->spare == SPARE_MOST) {
        free(w);
        return;
    }
    w->next = q->free;
    q->free = w;
    q->spare++;
}

/* Its answer is known; it is given at the end of the pass. */
static void end(struct work *w, int16_t status)
{
    struct blk_queue *q = w->queue;

    w->status = status;
    w->next = NULL;
    *q->ended_tail = w;
    q->ended_tail = &w->next;
}

static int16_t status_of(int rc)
{
    return rc == 0 ? BLK_OKAY : rc == -EOPNOTSUPP ? BLK_NOT_SUPPORTED : BLK_ERROR;
}

/* ---- Copies, in batches ---- */

static void flush_copies(struct blk_queue *q)
{
    if (!q->copy_count)
        return;
    if (grants_copy(q->c.io->grants, q->copies, q->copy_count) < 0)
        log_guest("%s: grant copy: errno %d", q->c.name, errno);
    counter_add(&q->stats.copies, q->copy_count);
    q->copy_count = 0;
}

static struct grant_copy *next_copy(struct blk_queue *q)
{
    return &q->copies[q->copy_count++];
}

static bool room_for(const struct blk_queue *q, unsigned pieces)
{
    return q->copy_count + pieces <= GRANT_COPIES_MOST;
}

static void queue_pieces(struct work *w, bool to_guest)
{
    uint8_t *p = w->buffer;

    for (unsigned i = 0; i < w->words.segments; i++) {
        const struct blk_segment *s = &w->segments[i];
        uint16_t length = (uint16_t)((s->last - s->first + 1u) * BLK_SECTOR);

        *next_copy(w->queue) = (struct grant_copy){ .ref = s->ref,
                                                    .offset = (uint16_t)(s->first * BLK_SECTOR),
                                                    .length = length, .to_guest = to_guest,
                                                    .bytes = p };
        p += length;
    }
}

/* Of a request whose pieces begin at `first` of the batch that was made last. */
static bool pieces_failed(const struct blk_queue *q, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        if (q->copies[i].failed)
            return true;
    return false;
}

/*
 * Copies for each work of a list that wants it, as many works a call as there is room for; `made` is
 * told for each whether its copy went well.
 */
static void copy_list(struct blk_queue *q, struct work *list, bool (*wants)(const struct work *w),
                      void (*queue_them)(struct work *w), unsigned (*pieces)(const struct work *w),
                      void (*made)(struct work *w, bool ok))
{
    struct work *first = list, *w = list;

    while (first) {
        unsigned at = 0;

        for (; w && (!wants(w) || room_for(q, pieces(w))); w = w->next)
            if (wants(w))
                queue_them(w);
        flush_copies(q);
        for (struct work *done = first, *next; done != w; done = next) {
            next = done->next;
            if (!wants(done))
                continue;
            made(done, !pieces_failed(q, at, pieces(done)));
            at += pieces(done);
        }
        first = w;
    }
}

/* ---- To the disk ---- */

static void disk_ended(struct disk_request *req, int rc);

static void submit(struct work *w, enum disk_op op)
{
    w->req = (struct disk_request){ .op = op,
                                    .offset = w->words.sector * BLK_SECTOR,
                                    .iov = w->iov, .iov_count = w->iovs,
                                    .done = disk_ended, .owner = w, .in_guest = true,
                                    .came = w->flushed ? 0 : w->queue->now,
                                    .own_memory = !w->mapped };
    for (unsigned i = 0; i < w->iovs; i++)
        w->req.length += w->iov[i].iov_len;
    if (op == DISK_DISCARD)
        w->req.length = w->words.sectors * BLK_SECTOR;
    disk_submit(w->queue->c.disk, w->queue->c.io->queue, &w->req);
}

/* FLUSH: flush, then data if there is any. BARRIER: flush, data, flush. */
static void after_flush(struct work *w, int rc)
{
    bool first = !w->flushed;

    w->flushed = true;
    if (rc == 0 && first && w->length)
        submit(w, DISK_WRITE);
    else
        end(w, status_of(rc));
}

/* 0 where it is to be ignored, 1 where it is held; else rc, and the guest is told. */
static int judge_error(struct work *w, int rc)
{
    struct blk_queue *q = w->queue;
    const struct disk_request *req = &w->req;
    bool write = req->op != DISK_READ;
    enum error_policy action = q->c.errors[write];

    log_guest("%s: %s at byte %llu: errno %d", q->c.name,
              req->op == DISK_READ ? "read" : req->op == DISK_FLUSH ? "flush" : "write",
              (unsigned long long)req->offset, -rc);
    if (action == ERRORS_ENOSPC)
        action = rc == -ENOSPC ? ERRORS_STOP : ERRORS_REPORT;
    if (action == ERRORS_STOP && q->stopping)
        action = ERRORS_REPORT;
    if (q->c.failed)
        q->c.failed(q->c.arg, write, action, rc);
    if (action == ERRORS_STOP) {
        w->next = q->held;
        q->held = w;
        return 1;
    }
    if (action != ERRORS_IGNORE)
        return rc;
    for (unsigned i = 0; !write && i < w->iovs; i++) /* none of our memory as it happens to be */
        memset(w->iov[i].iov_base, 0, w->iov[i].iov_len);
    return 0;
}

static void disk_ended(struct disk_request *req, int rc)
{
    struct work *w = req->owner, *next;

    if (rc < 0 && rc != -EOPNOTSUPP)
        rc = judge_error(w, rc);
    if (rc > 0) /* held */
        return;
    if (req->op == DISK_FLUSH) {
        after_flush(w, rc);
        return;
    }
    if (w->words.kind == BLK_BARRIER && rc == 0) {
        submit(w, DISK_FLUSH);
        return;
    }
    for (; w; w = next) {
        next = w->merged;
        w->merged = NULL;
        end(w, status_of(rc));
    }
}

static bool can_merge(const struct work *a, uint64_t sum, unsigned iovs, const struct work *b)
{
    return (b->words.kind == BLK_READ || b->words.kind == BLK_WRITE) &&
           b->words.kind == a->words.kind && b->status == BLK_OKAY && b->mapped == a->mapped &&
           b->words.sector * BLK_SECTOR == a->words.sector * BLK_SECTOR + sum &&
           sum + b->length <= MERGE_MOST && iovs + b->iovs <= IOVS_MOST;
}

/* Sends a list on its way; adjacent requests of one kind as one. */
static void submit_list(struct blk_queue *q, struct work *list)
{
    struct work *w = list, *next;

    for (; w; w = next) {
        struct work **tail = &w->merged;
        uint64_t sum = w->length;

        next = w->next;
        if (w->status != BLK_OKAY) {
            end(w, w->status);
            continue;
        }
        while (next && can_merge(w, sum, w->iovs, next)) {
            memcpy(w->iov + w->iovs, next->iov, next->iovs * sizeof(struct iovec));
            w->iovs += next->iovs;
            sum += next->length;
            *tail = next;
            tail = &next->merged;
            next = next->next;
            counter_add(&q->stats.merged, 1);
        }
        switch (w->words.kind) {
        case BLK_READ:
            submit(w, DISK_READ);
            break;
        case BLK_WRITE:
            submit(w, DISK_WRITE);
            break;
        case BLK_DISCARD:
            submit(w, DISK_DISCARD);
            break;
        default:
            submit(w, DISK_FLUSH);
        }
    }
}

/* ---- A pass ---- */

static bool is_indirect(const struct work *w)
{
    return w->words.indirect && w->status == BLK_OKAY;
}

static unsigned one_piece(const struct work *w)
{
    return 1;
}

/* The list of segments, into the place where they are kept: parsed there afterwards. */
static void queue_list(struct work *w)
{
    *next_copy(w->queue) = (struct grant_copy){ .ref = w->words.indirect_ref,
                                                .length = (uint16_t)(8 * w->words.segments),
                                                .bytes = w->iov };
}

static void list_made(struct work *w, bool ok)
{
    _Static_assert(sizeof(w->iov) >= 8 * BLK_SEGMENTS_MOST, "the list is copied there");
    if (ok)
        blk_parse_segments((const uint8_t *)w->iov, w->words.segments, w->segments);
    else
        w->status = BLK_ERROR;
}

static bool writes_data(const struct work *w)
{
    return w->words.kind != BLK_READ && w->buffer && w->status == BLK_OKAY;
}

static unsigned all_pieces(const struct work *w)
{
    return w->words.segments;
}

static void queue_in(struct work *w)
{
    queue_pieces(w, false);
}

static void in_made(struct work *w, bool ok)
{
    if (!ok)
        w->status = BLK_ERROR;
}

/* All pages where they are, if the frontend keeps them; false: copy. */
static bool map_pages(struct work *w)
{
    struct blk_queue *q = w->queue;

    if (!q->persistent)
        return false;
    for (unsigned i = 0; i < w->words.segments; i++) {
        const struct blk_segment *s = &w->segments[i];
        uint8_t *page = persistent_page(q->persistent, s->ref, w->words.kind == BLK_READ);
        size_t length = (s->last - s->first + 1u) * BLK_SECTOR;
        struct iovec *last = w->iovs ? &w->iov[w->iovs - 1] : NULL;

        if (!page) {
            w->iovs = 0;
            return false;
        }
        page += s->first * BLK_SECTOR;
        if (last && (uint8_t *)last->iov_base + last->iov_len == page)
            last->iov_len += length;
        else
            w->iov[w->iovs++] = (struct iovec){ page, length };
    }
    w->mapped = true;
    __atomic_store_n(&q->stats.persistent, persistent_count(q->persistent), __ATOMIC_RELAXED);
    counter_add(&q->stats.mapped, 1);
    return true;
}

/* A barrier waits for all before it, and all after it wait for a barrier. */
static bool must_wait(const struct work *w)
{
    const struct blk_queue *q = w->queue;

    return q->fenced || q->active == ACTIVE_MOST || (w->words.kind == BLK_BARRIER && q->active);
}

/* Judges a request whose words are complete; false: there is no memory for its data now. */
static bool prepare(struct work *w)
{
    struct blk_queue *q = w->queue;
    bool writes = w->words.kind != BLK_READ;

    if (w->status != BLK_OKAY)
        return true;
    if (writes && q->c.readonly && (w->words.kind != BLK_FLUSH || w->words.segments)) {
        w->status = BLK_ERROR;
        return true;
    }
    if (w->words.kind == BLK_DISCARD) {
        uint64_t sectors = disk_bytes(q->c.disk) / BLK_SECTOR;

        if (w->words.sector > sectors || w->words.sectors > sectors - w->words.sector ||
            w->words.sector % (q->c.unit / BLK_SECTOR) || w->words.sectors % (q->c.unit / BLK_SECTOR))
            w->status = BLK_ERROR;
        else if (!q->c.discard || !disk_takes_discard(q->c.disk))
            w->status = BLK_NOT_SUPPORTED;
        return true;
    }
    if (!blk_judge(w->segments, w->words.segments, w->words.sector, disk_bytes(q->c.disk),
                   q->c.unit, &w->length)) {
        w->length = 0;
        w->status = BLK_ERROR;
        return true;
    }
    if (!w->length || map_pages(w))
        return true;
    w->buffer = buffers_get(q->buffers, w->length);
    if (!w->buffer) {
        w->length = 0;
        if (q->active)
            return false;
        w->status = BLK_ERROR; /* nothing will be given back: the host has no memory */
        return true;
    }
    w->iov[0] = (struct iovec){ w->buffer, w->length };
    w->iovs = 1;
    return true;
}

static struct work *take_one(struct blk_queue *q)
{
    uint8_t slot[BLK_SLOT_MOST];
    struct work *w = work_get(q);

    if (!w)
        return NULL;
    memcpy(slot, pv_ring_slot(&q->ring, q->ring.taken), blk_slot_bytes(q->c.layout));
    q->ring.taken++;
    if (!blk_parse(q->c.layout, slot, &w->words))
        w->status = w->words.kind == BLK_UNKNOWN && !w->words.indirect ? BLK_NOT_SUPPORTED
                                                                        : BLK_ERROR;
    else
        counter_add(&q->stats.requests[w->words.kind], 1);
    memcpy(w->segments, w->words.direct, sizeof(w->words.direct));
    return w;
}

static void break_off(struct blk_queue *q, const char *why)
{
    if (q->broken)
        return;
    q->broken = true;
    log_guest("%s: %s", q->c.name, why);
    q->c.broken(q->c.arg, why);
}

/*
 * How many of those that wait are taken at once: not all, so that the guest has its first answers, and
 * puts more, while we are at the rest. Each would else wait for the other.
 */
static unsigned portion(uint32_t waiting)
{
    return waiting >= TAKE_MOST ? TAKE_MOST : MIN(waiting, MAX(waiting / 2, TAKE_LEAST));
}

static struct work *take(struct blk_queue *q)
{
    struct work *list = NULL, **tail = &list;
    uint32_t waiting = pv_ring_waiting(&q->ring);

    if (waiting == PV_RING_BROKEN) {
        break_off(q, "the ring holds more requests than it has room for");
        waiting = 0;
    }
    for (unsigned i = portion(waiting); i; i--) {
        *tail = take_one(q);
        if (!*tail)
            break;
        tail = &(*tail)->next;
    }
    return list;
}

/* Ends where memory does, or at a barrier; what is left of the list then waits. */
static struct work *prepare_list(struct blk_queue *q, struct work *list)
{
    for (struct work **at = &list; *at; at = &(*at)->next) {
        struct work *w = *at;

        if (must_wait(w) || !prepare(w)) {
            q->parked = w;
            *at = NULL;
            break;
        }
        w->active = true;
        q->active++;
        q->fenced = w->words.kind == BLK_BARRIER;
    }
    return list;
}

/* On with requests whose segments are known. */
static void go_on(struct blk_queue *q, struct work *list)
{
    list = prepare_list(q, list);
    copy_list(q, list, writes_data, queue_in, all_pieces, in_made);
    submit_list(q, list);
}

/* While some wait, what comes stays on the ring. */
static bool serve(void *arg)
{
    struct blk_queue *q = arg;
    struct work *list;

    if (q->broken || q->stopping || q->parked || !pv_ring_waiting(&q->ring))
        return false;
    q->now = clock_now();
    list = take(q);
    if (!list)
        return false;
    counter_add(&q->stats.passes, 1);
    copy_list(q, list, is_indirect, queue_list, one_piece, list_made);
    go_on(q, list);
    return true;
}

/* ---- Responses ---- */

static bool reads_data(const struct work *w)
{
    return w->words.kind == BLK_READ && w->buffer && w->status == BLK_OKAY;
}

static void queue_out(struct work *w)
{
    queue_pieces(w, true);
}

static void respond(struct blk_queue *q, struct work *w)
{
    uint8_t bytes[16];
    unsigned n = blk_response(q->c.layout, w->words.id, w->words.operation, w->status, bytes);

    if (!q->broken)
        memcpy(pv_ring_slot(&q->ring, q->ring.put), bytes, n);
    q->ring.put++;
    if (w->status != BLK_OKAY)
        counter_add(&q->stats.errors, 1);
    else if (w->words.kind <= BLK_WRITE)
        counter_add(&q->stats.bytes[w->words.kind], w->length);
    if (w->status == BLK_OKAY && w->words.kind < BLK_DISCARD)
        histogram_add(&q->stats.times[MIN(w->words.kind, BLK_FLUSH)], q->now - w->started);
    work_put(q, w);
}

static void answer_ended(struct blk_queue *q)
{
    struct work *list = q->ended, *next;

    q->now = clock_now();
    q->ended = NULL;
    q->ended_tail = &q->ended;
    copy_list(q, list, reads_data, queue_out, all_pieces, in_made);
    for (; list; list = next) {
        next = list->next;
        respond(q, list);
    }
    if (!q->broken && pv_ring_push(&q->ring)) {
        counter_add(&q->stats.notifies, 1);
        evtchn_notify(q->c.io->evtchn, q->port);
    }
}

/*
 * At the end of each pass of the loop. What was parked may end at once, and be all there was: then
 * nobody else would wake us for the rest.
 */
static void answer(void *arg)
{
    struct blk_queue *q = arg;

    if (!q->ended)
        return;
    while (q->ended) {
        struct work *parked;

        answer_ended(q);
        if (q->broken || q->stopping)
            break;
        parked = q->parked;
        q->parked = NULL;
        go_on(q, parked);
    }
    check_stopped(q);
}

/* ---- Beginning and end ---- */

static bool arm(void *arg)
{
    struct blk_queue *q = arg;

    if (q->broken || q->stopping)
        return false;
    return pv_ring_arm(&q->ring) && !q->parked;
}

static void on_event(void *arg)
{
    serve(arg);
}

static void begin(void *arg)
{
    struct blk_queue *q = arg;
    struct pv_io *io = q->c.io;
    struct error err;
    int rc = pv_io_queue(io, &err);

    if (q->stopping)
        return;
    if (rc == 0 && q->c.persistent)
        rc = persistent_open(&q->persistent, io->grants, PERSISTENT_MOST);
    if (rc == 0)
        rc = evtchn_bind(io->evtchn, io->domid, q->c.port, on_event, q, &q->port, &err);
    if (rc < 0) {
        break_off(q, "its event channel cannot be bound");
        return;
    }
    q->begun = true;
    q->poller = (struct poller){ .poll = serve, .arm = arm, .arg = q };
    loop_add_poller(io->loop, &q->poller);
    q->hook = (struct hook){ .fn = answer, .arg = q };
    loop_add_hook(io->loop, &q->hook);
    serve(q);
}

int blk_queue_open(struct blk_queue **out, const struct blk_queue_config *c, struct error *err)
{
    struct blk_queue *q = calloc(1, sizeof(*q));

    if (!q || buffers_open(&q->buffers) < 0) {
        free(q);
        return error_set(err, -ENOMEM, "%s: out of memory", c->name);
    }
    q->c = *c;
    q->ended_tail = &q->ended;
    pv_ring_init(&q->ring, c->ring, c->ring_bytes, blk_slot_bytes(c->layout));
    pv_ring_resume(&q->ring);
    loop_post(c->io->loop, begin, q);
    *out = q;
    return 0;
}

static void release(struct blk_queue *q)
{
    if (q->begun) {
        loop_remove_poller(q->c.io->loop, &q->poller);
        loop_remove_hook(q->c.io->loop, &q->hook);
        q->begun = false;
    }
    if (q->port)
        evtchn_unbind(q->c.io->evtchn, q->port);
    q->port = 0;
    persistent_close(q->persistent);
    q->persistent = NULL;
}

static void check_stopped(struct blk_queue *q)
{
    void (*stopped)(void *arg);

    if (!q->stopping || q->in_flight || !q->stopped)
        return;
    stopped = q->stopped;
    q->stopped = NULL;
    release(q);
    stopped(q->stopped_arg);
}

static void resume_here(void *arg)
{
    struct blk_queue *q = arg;
    struct work *w = q->held, *next;

    q->held = NULL;
    for (; w; w = next) {
        next = w->next;
        w->req.came = 0; /* the wait was the host's fault, not the disk's */
        disk_submit(q->c.disk, q->c.io->queue, &w->req);
    }
}

void blk_queue_resume(struct blk_queue *q)
{
    loop_post(q->c.io->loop, resume_here, q);
}

static void give_up_held(struct blk_queue *q)
{
    while (q->held) {
        struct work *w = q->held, *merged;

        q->held = w->next;
        for (; w; w = merged) {
            merged = w->merged;
            w->merged = NULL;
            end(w, BLK_ERROR);
        }
    }
}

static void stop_here(void *arg)
{
    struct blk_queue *q = arg;
    struct work *w;

    q->stopping = true;
    give_up_held(q);
    while ((w = q->parked)) {
        q->parked = w->next;
        end(w, BLK_ERROR);
    }
    if (q->ended)
        answer(q); /* which may be the end of the queue */
    else
        check_stopped(q);
}

void blk_queue_stop(struct blk_queue *q, void (*done)(void *arg), void *arg)
{
    q->stopped = done;
    q->stopped_arg = arg;
    loop_post(q->c.io->loop, stop_here, q);
}

void blk_queue_close(struct blk_queue *q)
{
    if (!q)
        return;
    release(q);
    while (q->free) {
        struct work *w = q->free;

        q->free = w->next;
        free(w);
    }
    buffers_close(q->buffers);
    free(q);
}

struct blk_stats blk_queue_stats(const struct blk_queue *q)
{
    struct blk_stats s;

    counters_now(&s, &q->stats, sizeof(s));
    return s;
}
