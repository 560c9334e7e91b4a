/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linux 6.4 and later take RWF_NOWAIT for taps. Before it a write to a descriptor that is O_NONBLOCK is
 * made at once all the same, but a read that finds nothing would wait: the last request of the same call
 * takes those back.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include "dm/base/bytes.h"
#include "dm/net/tap_ring.h"

#define ENTRIES (2 * TAP_RING_MOST)
#define TAKE_BACK UINT64_MAX /* its user_data */

struct tap_ring {
    struct io_uring ring;
    int fd;
    bool old; /* no RWF_NOWAIT */
};

int tap_ring_open(struct tap_ring **out, int fd)
{
    struct tap_ring *r = calloc(1, sizeof(*r));
    int rc = r ? io_uring_queue_init(ENTRIES, &r->ring, 0) : -ENOMEM;

    if (rc < 0) {
        free(r);
        return rc;
    }
    io_uring_ring_dontfork(&r->ring);
    r->fd = fd;
    *out = r;
    return 0;
}

void tap_ring_close(struct tap_ring *r)
{
    if (!r)
        return;
    io_uring_queue_exit(&r->ring);
    free(r);
}

/* Takes the next result off; false: there is none. */
static bool take(struct tap_ring *r, uint64_t *which, int32_t *result)
{
    struct io_uring_cqe *cqe;

    if (io_uring_peek_cqe(&r->ring, &cqe) < 0)
        return false;
    *which = cqe->user_data;
    *result = cqe->res;
    io_uring_cqe_seen(&r->ring, cqe);
    return true;
}

/* One piece is no vector, which costs the kernel less. */
static void prepare(struct tap_ring *r, struct io_uring_sqe *sqe, const struct tap_frame *f, bool write)
{
    if (write)
        io_uring_prep_writev(sqe, r->fd, f->iov, f->pieces, 0);
    else
        io_uring_prep_readv(sqe, r->fd, f->iov, f->pieces, 0);
    if (f->pieces == 1) {
        sqe->opcode = write ? IORING_OP_WRITE : IORING_OP_READ;
        sqe->addr = (uintptr_t)f->iov->iov_base;
        sqe->len = (unsigned)f->iov->iov_len;
    }
    sqe->rw_flags = r->old ? 0 : RWF_NOWAIT;
}

static void start(struct tap_ring *r, const struct tap_frame *frames, unsigned count, bool write)
{
    struct io_uring_sqe *sqe;

    for (unsigned i = 0; i < count && (sqe = io_uring_get_sqe(&r->ring)); i++) {
        prepare(r, sqe, &frames[i], write);
        io_uring_sqe_set_data64(sqe, i);
    }
    if (r->old && !write && (sqe = io_uring_get_sqe(&r->ring))) {
        io_uring_prep_cancel_fd(sqe, r->fd, IORING_ASYNC_CANCEL_ALL);
        io_uring_sqe_set_data64(sqe, TAKE_BACK);
    }
    io_uring_submit(&r->ring);
}

struct made {
    unsigned which;
    int32_t result;
};

/* One call for all of them: how many were made, in the order in which they were. */
static unsigned make(struct tap_ring *r, const struct tap_frame *frames, unsigned count, bool write,
                     struct made *made)
{
    unsigned n = 0;
    uint64_t which;
    int32_t result;

    start(r, frames, count, write);
    while (take(r, &which, &result))
        if (which != TAKE_BACK)
            made[n++] = (struct made){ (unsigned)which, result };
    if (!n || made[0].result != -EOPNOTSUPP || r->old)
        return n;
    r->old = true;
    return make(r, frames, count, write, made);
}

bool tap_ring_write(struct tap_ring *r, const struct tap_frame *frames, int32_t *results,
                    unsigned count)
{
    struct made made[TAP_RING_MOST];
    unsigned n;

    count = MIN(count, TAP_RING_MOST);
    n = make(r, frames, count, true, made);
    for (unsigned i = 0; i < count; i++)
        results[i] = TAP_RING_NOT_MADE;
    for (unsigned i = 0; i < n; i++)
        results[made[i].which] = made[i].result;
    return n == count;
}

bool tap_ring_read(struct tap_ring *r, const struct tap_frame *slots, unsigned count,
                   struct tap_read *reads, unsigned *got)
{
    struct made made[TAP_RING_MOST];
    unsigned n;

    count = MIN(count, TAP_RING_MOST);
    n = make(r, slots, count, false, made);
    *got = 0;
    for (unsigned i = 0; i < n; i++)
        if (made[i].result > 0)
            reads[(*got)++] = (struct tap_read){ made[i].which, (uint32_t)made[i].result };
    return n == count;
}
