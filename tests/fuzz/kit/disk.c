/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks of memory, and the list of what waits on them. */
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/loop.h"
#include "dm/block/format.h"
#include "tests/fuzz/kit/disk.h"

struct fake_disk {
    struct disk disk;
    struct loop *loop;
    bool written;
    uint8_t kept[FAKE_DISK_KEPT];
};

/* Requests that were submitted and have not ended, oldest first, over all disks. */
static struct disk_request *waiting[64];
static unsigned count;
static bool held, posted;
static struct loop *home;

static void copy(struct fake_disk *d, const struct disk_request *req)
{
    uint64_t at = req->offset;

    for (unsigned i = 0; i < req->iov_count; i++) {
        uint8_t *p = req->iov[i].iov_base;
        size_t n = req->iov[i].iov_len;
        size_t inside = at < FAKE_DISK_KEPT ? MIN(n, FAKE_DISK_KEPT - at) : 0;

        if (req->op == DISK_READ) {
            memcpy(p, d->kept + (inside ? at : 0), inside);
            memset(p + inside, 0, n - inside);
        } else {
            /* all of it is looked at, as a real disk would */
            volatile uint8_t sum = 0;

            for (size_t k = inside; k < n; k += 512)
                sum ^= p[k];
            (void)sum;
            memcpy(d->kept + (inside ? at : 0), p, inside);
            d->written = true;
        }
        at += n;
    }
}

static void end(unsigned i, int rc)
{
    struct disk_request *req = waiting[i];
    struct fake_disk *d = container_of(req->priv.disk, struct fake_disk, disk);

    memmove(waiting + i, waiting + i + 1, (--count - i) * sizeof(*waiting));
    if (rc == 0 && (req->op == DISK_READ || req->op == DISK_WRITE))
        copy(d, req);
    disk_done(req, rc);
}

static void run(void *arg)
{
    unsigned most = count;

    posted = false;
    while (!held && count && most--)
        end(0, 0);
}

static void go(void)
{
    if (!held && !posted && count && home) {
        posted = true;
        loop_post(home, run, NULL);
    }
}

static void fake_submit(struct disk *disk, struct disk_queue *queue, struct disk_request *req)
{
    if (count == ARRAY_SIZE(waiting))
        abort(); /* a device with four drives has no business with so many */
    waiting[count++] = req;
    home = container_of(disk, struct fake_disk, disk)->loop;
    go();
}

static void fake_close(struct disk *disk)
{
    free(container_of(disk, struct fake_disk, disk));
}

static const struct disk_ops ops = { .name = "fake", .submit = fake_submit, .close = fake_close };

void fake_disk_clean(struct disk *disk)
{
    struct fake_disk *d = container_of(disk, struct fake_disk, disk);

    if (d->written)
        memset(d->kept, 0x5a, sizeof(d->kept));
    d->written = false;
}

struct disk *fake_disk_open(struct loop *loop, uint64_t bytes, bool readonly)
{
    struct disk_config config = { .path = "fake", .readonly = readonly };
    struct fake_disk *d = calloc(1, sizeof(*d));

    if (!d || disk_init(&d->disk, &ops, &config, NULL) < 0)
        abort();
    d->disk.bytes = bytes;
    d->disk.offers_discard = !readonly;
    atomic_store(&d->disk.takes_discard, !readonly);
    d->loop = loop;
    d->written = true;
    fake_disk_clean(&d->disk);
    return &d->disk;
}

void fake_disk_hold(bool hold)
{
    held = hold;
    go();
}

void fake_disk_let_go(unsigned which, int rc)
{
    if (count)
        end(which % count, rc);
}

unsigned fake_disk_waiting(void)
{
    return count;
}

void fake_disk_forget(void)
{
    held = posted = false;
    count = 0;
}
