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

#define ENTRIES 64u
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

static void prepare(struct tap_ring *r, struct io_uring_sqe *sqe, const struct iovec *iov, bool write)
{
    if (write)
        io_uring_prep_write(sqe, r->fd, iov->iov_base, (unsigned)iov->iov_len, 0);
    else
        io_uring_prep_read(sqe, r->fd, iov->iov_base, (unsigned)iov->iov_len, 0);
    sqe->rw_flags = r->old ? 0 : RWF_NOWAIT;
}

/* Hands over `count` requests; how many results there will be. */
static unsigned start(struct tap_ring *r, const struct iovec *iov, unsigned count, bool write)
{
    unsigned n = 0;

    for (struct io_uring_sqe *sqe; n < count && (sqe = io_uring_get_sqe(&r->ring)); n++) {
        prepare(r, sqe, &iov[n], write);
        io_uring_sqe_set_data64(sqe, n);
    }
    if (r->old && !write) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);

        if (sqe) {
            io_uring_prep_cancel_fd(sqe, r->fd, IORING_ASYNC_CANCEL_ALL);
            io_uring_sqe_set_data64(sqe, TAKE_BACK);
        }
    }
    io_uring_submit(&r->ring);
    return n;
}

bool tap_ring_write(struct tap_ring *r, const struct iovec *frames, int32_t *results,
                    unsigned count)
{
    unsigned made = 0;
    uint64_t which;
    int32_t result;

    count = MIN(count, TAP_RING_MOST);
    for (unsigned i = 0; i < count; i++)
        results[i] = TAP_RING_NOT_MADE;
    start(r, frames, count, true);
    while (take(r, &which, &result))
        if (which < count) {
            results[which] = result;
            made++;
        }
    if (made && results[0] == -EOPNOTSUPP && !r->old) {
        r->old = true;
        return tap_ring_write(r, frames, results, count);
    }
    return made == count;
}

bool tap_ring_read(struct tap_ring *r, const struct iovec *slots, unsigned count,
                   struct tap_read *reads, unsigned *got)
{
    unsigned ended = 0;
    bool refused = false;
    uint64_t which;
    int32_t result;

    count = MIN(count, TAP_RING_MOST);
    *got = 0;
    start(r, slots, count, false);
    while (take(r, &which, &result)) {
        if (which >= count)
            continue;
        ended++;
        refused |= result == -EOPNOTSUPP;
        if (result > 0)
            reads[(*got)++] = (struct tap_read){ (unsigned)which, (uint32_t)result };
    }
    if (refused && !*got && !r->old) {
        r->old = true;
        return tap_ring_read(r, slots, count, reads, got);
    }
    return ended == count;
}
