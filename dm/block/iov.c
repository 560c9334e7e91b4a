/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dm/block/iov.h"
#include "dm/base/bytes.h"
#include "dm/block/disk.h"

static const uint8_t zeroes[IOV_ZEROES];

unsigned iov_seek(const struct disk_request *req, uint64_t at, size_t *within)
{
    unsigned i = 0;

    for (; i < req->iov_count && at >= req->iov[i].iov_len; i++)
        at -= req->iov[i].iov_len;
    *within = (size_t)at;
    return i;
}

void iov_copy(const struct disk_request *req, uint64_t at, uint8_t *buf, size_t n, bool out)
{
    size_t within;

    for (unsigned i = iov_seek(req, at, &within); n && i < req->iov_count; i++, within = 0) {
        uint8_t *p = (uint8_t *)req->iov[i].iov_base + within;
        size_t piece = MIN(n, req->iov[i].iov_len - within);

        if (out)
            memcpy(buf, p, piece);
        else
            memcpy(p, buf, piece);
        buf += piece;
        n -= piece;
    }
}

void iov_clear(const struct disk_request *req, uint64_t at, uint64_t n)
{
    size_t within;

    for (unsigned i = iov_seek(req, at, &within); n && i < req->iov_count; i++, within = 0) {
        size_t piece = MIN(n, req->iov[i].iov_len - within);

        memset((uint8_t *)req->iov[i].iov_base + within, 0, piece);
        n -= piece;
    }
}

unsigned iov_count(const struct disk_request *req, uint64_t at, uint64_t n)
{
    unsigned count = 0;
    size_t within;

    for (unsigned i = iov_seek(req, at, &within); n && i < req->iov_count; i++, within = 0) {
        n -= MIN(n, req->iov[i].iov_len - within);
        count++;
    }
    return count;
}

unsigned iov_slice(const struct disk_request *req, uint64_t at, uint64_t n, struct iovec *to)
{
    unsigned count = 0;
    size_t within;

    for (unsigned i = iov_seek(req, at, &within); n && i < req->iov_count; i++, within = 0) {
        size_t piece = MIN(n, req->iov[i].iov_len - within);

        to[count++] = (struct iovec){ (uint8_t *)req->iov[i].iov_base + within, piece };
        n -= piece;
    }
    return count;
}

unsigned iov_zeroes(uint64_t n, struct iovec *to)
{
    unsigned count = 0;

    for (; n; count++) {
        size_t piece = MIN(n, IOV_ZEROES);

        to[count] = (struct iovec){ (void *)(uintptr_t)zeroes, piece };
        n -= piece;
    }
    return count;
}
