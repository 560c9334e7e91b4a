/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk that is all zeroes and forgets what is written: for tests of devices. */
#include <errno.h>
#include <stdlib.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/block/format.h"
#include "dm/block/queue.h"

#define SIZE GIB

static void null_submit(struct disk *disk, struct disk_queue *queue, struct disk_request *req)
{
    for (unsigned i = 0; req->op == DISK_READ && i < req->iov_count; i++)
        memset(req->iov[i].iov_base, 0, req->iov[i].iov_len);
    disk_queue_finish(queue, req, 0);
}

static void null_close(struct disk *disk)
{
    free(disk);
}

static const struct disk_ops null_ops = {
    .name = "null-co",
    .submit = null_submit,
    .close = null_close,
};

int null_open(struct disk **out, const struct disk_config *config, struct error *err)
{
    struct disk *d = calloc(1, sizeof(*d));
    int rc;

    if (!d)
        return error_set(err, -ENOMEM, "disk %s: out of memory", config->path);
    rc = disk_init(d, &null_ops, config, err);
    if (rc < 0) {
        disk_close(d);
        return rc;
    }
    d->bytes = SIZE;
    atomic_store(&d->takes_discard, !config->readonly);
    *out = d;
    return 0;
}
