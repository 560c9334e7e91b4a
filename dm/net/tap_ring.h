/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_NET_TAP_RING_H
#define DM_NET_TAP_RING_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * Many frames in or out of a tap by one system call: an io_uring whose requests are made at once, and
 * never wait. A request costs more than a call of its own on bare metal, and much less in a PV domain. One
 * loop's.
 */
struct tap_ring;
#define TAP_RING_MOST 64u /* frames at once */

/* The descriptor is O_NONBLOCK and stays the caller's. 0, or -errno where the host has no io_uring. */
int tap_ring_open(struct tap_ring **out, int fd);
void tap_ring_close(struct tap_ring *ring); /* NULL is fine */

#define TAP_RING_NOT_MADE INT32_MIN
struct tap_frame { /* the memory of one */
    struct iovec *iov;
    unsigned pieces;
};
/*
 * One write for each, in order; results: its bytes or a negative errno. False: the kernel did not make all
 * of them at once (TAP_RING_NOT_MADE), and the ring is to be closed.
 */
bool tap_ring_write(struct tap_ring *ring, const struct tap_frame *frames, int32_t *results,
                    unsigned count);

struct tap_read {
    unsigned slot; /* which of those that were given holds the frame */
    uint32_t bytes;
};
/*
 * As many frames as there are, at most one for each slot; *got: how many, `reads` says in order which.
 * False: as above; *got holds all the same.
 */
bool tap_ring_read(struct tap_ring *ring, const struct tap_frame *slots, unsigned count,
                   struct tap_read *reads, unsigned *got);
#endif
