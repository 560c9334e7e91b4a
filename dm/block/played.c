/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks in a recording: what devices were told of their requests, and a disk that tells them the
 * same again. One thread plays, so the requests that wait are one list.
 */
#include <errno.h>
#include <stdlib.h>
#include "dm/base/error.h"
#include "dm/base/tape.h"
#include "dm/block/format.h"

#define FIRST_BYTES 512u

static struct disk_request *waiting;

void disk_record(const struct disk *disk, struct tape *tape)
{
    uint8_t first[FIRST_BYTES];

    tape_number(tape, disk ? disk->bytes + 1 : 0);
    if (!disk)
        return;
    tape_number(tape, disk->sector_size);
    tape_number(tape, disk->readonly | (uint64_t)disk_can_discard(disk) << 1);
    if (!disk->readonly) /* a hard disk, whose geometry was guessed from it */
        disk_first_sector(disk, first);
    tape_bytes(tape, first, disk->readonly ? 0 : sizeof(first));
}

static void never(struct disk *disk, struct disk_queue *queue, struct disk_request *req)
{
    disk_done(req, -EIO); /* who plays has a tape, and waits for it */
}

static void played_close(struct disk *disk)
{
    free(disk->first);
    free(disk);
}

static const struct disk_ops played_ops = { .name = "recorded", .submit = never,
                                            .close = played_close };

int disk_open_played(struct disk **out, struct tape *tape, struct error *err)
{
    static const struct disk_config config = { .path = "(recorded)" };
    uint64_t bytes = tape_take_number(tape), flags;
    struct disk *disk = NULL;
    int rc;

    *out = NULL;
    if (!bytes)
        return 0;
    disk = calloc(1, sizeof(*disk));
    if (!disk)
        return error_set(err, -ENOMEM, "recorded disk: out of memory");
    rc = disk_init(disk, &played_ops, &config, err);
    if (rc < 0) {
        free(disk);
        return rc;
    }
    disk->bytes = bytes - 1;
    disk->sector_size = (unsigned)tape_take_number(tape);
    flags = tape_take_number(tape);
    disk->readonly = flags & 1;
    disk->offers_discard = flags >> 1 & 1;
    atomic_store(&disk->takes_discard, disk->offers_discard);
    disk->first = calloc(1, FIRST_BYTES);
    if (!disk->first) {
        disk_close(disk);
        return error_set(err, -ENOMEM, "recorded disk: out of memory");
    }
    tape_take_bytes(tape, disk->first, FIRST_BYTES);
    *out = disk;
    return 0;
}

void played_wait(struct disk_request *req)
{
    req->priv.next = waiting;
    waiting = req;
}

/* Whether the bytes that a request brings are an input of the device. */
static bool brings_bytes(const struct disk_request *req, int rc)
{
    return req->op == DISK_READ && rc == 0 && !req->in_guest;
}

void played_record(const struct disk_request *req, int rc, struct tape *tape)
{
    tape_begin(tape, TAPE_DISK);
    tape_number(tape, req->priv.number);
    tape_number(tape, (uint64_t)-rc);
    for (unsigned i = 0; brings_bytes(req, rc) && i < req->iov_count; i++)
        tape_bytes(tape, req->iov[i].iov_base, req->iov[i].iov_len);
}

void disk_play(struct tape *tape)
{
    uint64_t number = tape_take_number(tape);
    int rc = -(int)tape_take_number(tape);
    struct disk_request **at = &waiting, *req;

    while (*at && (*at)->priv.number != number)
        at = &(*at)->priv.next;
    req = *at;
    if (!req) {
        tape_diverge(tape, "request %llu to a disk ends, but the device never made it",
                     (unsigned long long)number);
        return;
    }
    *at = req->priv.next;
    for (unsigned i = 0; brings_bytes(req, rc) && i < req->iov_count; i++)
        if (tape_take_bytes(tape, req->iov[i].iov_base, req->iov[i].iov_len) !=
            req->iov[i].iov_len)
            tape_diverge(tape, "request %llu to a disk brings another number of bytes",
                         (unsigned long long)number);
    disk_done(req, rc);
}
