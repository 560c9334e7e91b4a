/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_IOV_H
#define DM_BLOCK_IOV_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
struct disk_request;

/* Bytes of a request by their place in it, counted over its vectors. Any thread. */

/* The index of the vector that holds byte `at`, and the offset in it. */
unsigned iov_seek(const struct disk_request *req, uint64_t at, size_t *within);
/* Copies n bytes between `buf` and the request's vectors from byte `at` on; `out`: into buf. */
void iov_copy(const struct disk_request *req, uint64_t at, uint8_t *buf, size_t n, bool out);
void iov_clear(const struct disk_request *req, uint64_t at, uint64_t n);
/* How many vectors [at, at + n) touches; and those, cut to size, into `to`. */
unsigned iov_count(const struct disk_request *req, uint64_t at, uint64_t n);
unsigned iov_slice(const struct disk_request *req, uint64_t at, uint64_t n, struct iovec *to);

/* Vectors of zeroes, 64 KiB each, for n bytes. */
#define IOV_ZEROES (64u << 10)
unsigned iov_zeroes(uint64_t n, struct iovec *to);
#endif
