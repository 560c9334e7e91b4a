/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the data of a command gets from the disk to the host and back: by PIO out of the buffer, by
 * bus master out of the buffer, or by bus master between the disk and guest memory directly.
 * Document: ATA/ATAPI-7 volume 2, "PIO data-in/out command protocol", "DMA command protocol".
 *
 * Reads that go through the buffer are read ahead: firmware and boot loaders ask for a sector at a
 * time, in order, and a trip to the disk for each would be most of what a boot takes.
 */
#include <errno.h>
#include <stdlib.h>
#include "devices/storage/ide.h"
#include "dm/base/log.h"

#define WINDOW_LEAST 16384u
#define SMALL_READ 32768u /* a DMA read up to here goes through the read-ahead */

struct disk *ide_disk(const struct ide_drive *d)
{
    return d->drive ? drive_disk(d->drive) : NULL;
}

uint64_t ide_disk_sectors(const struct ide_drive *d)
{
    const struct disk *disk = ide_disk(d);

    if (disk && disk == d->known)
        return d->known_sectors;
    return disk ? disk_bytes(disk) / SECTOR : 0;
}

static uint8_t status_in(const struct ide_drive *d, enum ide_phase phase)
{
    switch (phase) {
    case IDE_IDLE:
        return d->regs->status;
    case IDE_HOST_READS:
    case IDE_HOST_WRITES:
    case IDE_DMA:
        return ST_DRDY | ST_DSC | ST_DRQ;
    default:
        return ST_BSY | ST_DRDY | ST_DSC;
    }
}

static void set_phase(struct ide_drive *d, enum ide_phase phase)
{
    d->regs->phase = phase;
    d->regs->status = status_in(d, phase);
}

void ide_enter(struct ide_drive *d, enum ide_phase phase)
{
    set_phase(d, phase);
    ide_kick(d);
}

/* ---- Requests on the disk ---- */

static void request_done(struct disk_request *req, int rc);

void ide_submit(struct ide_drive *d, enum ide_job job, enum disk_op op, uint64_t offset,
                uint64_t length)
{
    d->job = job;
    d->in_flight = true;
    d->req = (struct disk_request){
        .op = op,
        .offset = offset,
        .length = length,
        .iov = d->iov,
        .iov_count = d->iovs,
        .done = request_done,
        .owner = d,
        .in_guest = job == JOB_DIRECT,
    };
    disk_submit(ide_disk(d), d->ide->queue, &d->req);
}

static void submit_bytes(struct ide_drive *d, enum ide_job job, enum disk_op op, uint64_t offset,
                         void *bytes, uint32_t length)
{
    d->iov[0] = (struct iovec){ .iov_base = bytes, .iov_len = length };
    d->pinned[0] = false;
    d->iovs = 1;
    ide_submit(d, job, op, offset, length);
}

static void fail(struct ide_drive *d, int rc)
{
    log_guest("ide%u drive %u: %s at byte %llu of %s: errno %d", d->unit / 2, d->unit % 2,
              d->regs->xfer & XFER_OUT ? "write" : "read", (unsigned long long)d->regs->offset,
              drive_id(d->drive), -rc);
    ide_abort(d);
    d->kind->failed(d, rc);
}

void ide_finish(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;

    r->phase = IDE_IDLE;
    d->kind->finished(d);
    r->xfer = 0;
    r->left = 0;
    r->pos = r->end = r->fill = 0;
}

/* All data of a write is with the host; is it as durable as it should be? */
static void written(struct ide_drive *d)
{
    if (d->regs->xfer & XFER_FUA || !d->regs->write_cache)
        ide_enter(d, IDE_FLUSH);
    else
        ide_finish(d);
}

static void completed(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;

    switch (d->job) {
    case JOB_FILL:
        d->cache_length = (uint32_t)d->req.length;
        d->cache_at = d->req.offset;
        ide_kick(d);
        break;
    case JOB_DIRECT:
        ide_moved(d, d->req.length);
        break;
    case JOB_STORE:
        r->offset += r->fill;
        r->left -= MIN(r->left, r->fill);
        r->pos = r->end = r->fill = 0;
        if (!r->left) {
            written(d);
            break;
        }
        r->fill = (uint32_t)MIN(r->left, r->block);
        r->end = r->fill;
        set_phase(d, IDE_HOST_WRITES);
        ide_interrupt(d);
        break;
    case JOB_FLUSH:
        ide_finish(d);
        break;
    case JOB_TRIM:
        r->pos += 8;
        ide_kick(d);
        break;
    case JOB_UNPLUG:
        break;
    }
}

/* Keeps the phase as it was, for resume to do it again. */
static void hold(struct ide_drive *d)
{
    struct ide_channel_regs *ch = d->channel->regs;

    d->held = true;
    if (d->job != JOB_DIRECT)
        return;
    ch->prd_next = d->before.prd_next;
    ch->prd_addr = d->before.prd_addr;
    ch->prd_left = d->before.prd_left;
    ch->prd_last = d->before.prd_last;
}

static void refused(struct ide_drive *d, int rc)
{
    switch (drive_judge_error(d->drive, d->req.op != DISK_READ, rc)) {
    case ERRORS_STOP:
        hold(d);
        break;
    case ERRORS_IGNORE:
        if (d->job == JOB_FILL) /* not whatever lay in our memory */
            memset(d->cache, 0, d->req.length);
        completed(d);
        break;
    default:
        fail(d, rc);
    }
}

static void request_done(struct disk_request *req, int rc)
{
    struct ide_drive *d = req->owner;
    bool orphan = d->orphan;

    ide_unpin(d);
    d->in_flight = d->orphan = false;
    if (d->job == JOB_FILL && rc < 0)
        ide_forget_cache(d);
    if (d->job != JOB_UNPLUG && !orphan) {
        if (rc < 0 && d->job == JOB_FILL && d->window) {
            d->window = 0; /* perhaps what nobody asked for is bad: without reading ahead, then */
            ide_kick(d);
        } else if (rc < 0) {
            refused(d, rc);
        } else {
            completed(d);
        }
    }
    if (!d->in_flight)
        ide_settled(d);
}

/* Direct data: `length` bytes are where they belong. */
void ide_moved(struct ide_drive *d, uint64_t length)
{
    struct ide_drive_regs *r = d->regs;

    length = MIN(length, r->left);
    r->offset += length;
    r->left -= length;
    if (r->left) {
        ide_kick(d);
        return;
    }
    ide_dma_ends(d);
    if (r->xfer & XFER_OUT)
        written(d);
    else
        ide_finish(d);
}

/* ---- Read-ahead ---- */

void ide_forget_cache(struct ide_drive *d)
{
    d->cache_length = 0;
}

/* Bytes of the disk from `offset` on that are at hand. */
static uint32_t cached(struct ide_drive *d, uint64_t offset)
{
    if (!d->cache_length || disk_changes(ide_disk(d)) != d->cache_changes || offset < d->cache_at ||
        offset - d->cache_at >= d->cache_length)
        return 0;
    return d->cache_length - (uint32_t)(offset - d->cache_at);
}

/* Reads `most` bytes or more into the cache; more the longer the guest reads on in order. */
static void fill_cache(struct ide_drive *d, uint64_t offset, uint64_t most)
{
    uint64_t rest = disk_bytes(ide_disk(d)) - offset;
    uint32_t length;

    if (!d->cache)
        d->cache = malloc(IDE_CACHE);
    if (!d->cache) {
        fail(d, -ENOMEM);
        return;
    }
    length = (uint32_t)MIN(MAX(most, d->window), MIN(rest, IDE_CACHE));
    d->cache_length = 0;
    d->cache_changes = disk_changes(ide_disk(d));
    submit_bytes(d, JOB_FILL, DISK_READ, offset, d->cache, length);
}

/* A read begins: is it where the last one ended? */
static bool note_read(struct ide_drive *d, uint64_t offset, uint64_t length)
{
    bool sequential = offset == d->read_next;

    d->read_next = offset + length;
    d->window = sequential ? MIN(MAX(2 * d->window, WINDOW_LEAST), IDE_CACHE) : WINDOW_LEAST;
    return sequential;
}

/* ---- Phases ---- */

/* The buffer holds [pos, fill): the host may have the next block of it. */
static void offer(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;

    if (r->xfer & XFER_DMA) {
        r->end = r->fill;
        set_phase(d, IDE_DMA);
        return;
    }
    r->end = MIN(r->fill, r->pos + r->block);
    set_phase(d, IDE_HOST_READS);
    d->kind->block(d);
    ide_interrupt(d);
}

/* The next block comes from what is read ahead, or the disk is asked and we are called again. */
static void load(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    /* whole blocks, where those are whole sectors; the disk is read in sectors */
    uint32_t block = r->block && r->block % SECTOR == 0 ? r->block : SECTOR;
    uint64_t want = MIN(r->left, IDE_BUFFER - IDE_BUFFER % block);
    uint32_t n = (uint32_t)MIN(cached(d, r->offset), want);

    if (n < want) /* whole blocks, but for the last */
        n -= n % (uint32_t)MIN(block, want);
    if (!n) {
        fill_cache(d, r->offset, want);
        return;
    }
    memcpy(r->buffer, d->cache + (r->offset - d->cache_at), n);
    r->offset += n;
    r->left -= n;
    r->pos = 0;
    r->fill = n;
    offer(d);
}

#define FRAMES_A_LOAD (IDE_BUFFER / CD_FRAME)

static uint8_t bcd(unsigned n)
{
    return (uint8_t)(n / 10 << 4 | n % 10);
}

/* A Mode 1 sector as it lies on the disc: sync, address, mode; error correction left as zeroes. */
static void dress(uint8_t *frame, const uint8_t *data, uint64_t sector)
{
    uint64_t at = sector + 150;

    memset(frame, 0, CD_FRAME);
    memset(frame + 1, 0xff, 10);
    frame[12] = bcd((unsigned)(at / 75 / 60 % 100));
    frame[13] = bcd((unsigned)(at / 75 % 60));
    frame[14] = bcd((unsigned)(at % 75));
    frame[15] = 1;
    memcpy(frame + 16, data, CD_SECTOR);
}

static void load_frames(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    uint32_t want = (uint32_t)MIN(r->left / CD_SECTOR, FRAMES_A_LOAD);
    uint32_t n = MIN(cached(d, r->offset) / CD_SECTOR, want);

    if (!n) {
        fill_cache(d, r->offset, want * CD_SECTOR);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        dress(r->buffer + i * CD_FRAME, d->cache + (r->offset - d->cache_at) + i * CD_SECTOR,
              r->offset / CD_SECTOR + i);
    r->offset += n * CD_SECTOR;
    r->left -= n * CD_SECTOR;
    r->pos = 0;
    r->fill = n * CD_FRAME;
    offer(d);
}

static void verify(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    uint64_t n = MIN(cached(d, r->offset), r->left);

    r->offset += n;
    r->left -= n;
    if (r->left)
        fill_cache(d, r->offset, MIN(r->left, IDE_CACHE));
    else
        ide_finish(d);
}

/* The ranges were judged when they came in; a saved state may say otherwise, so disk.c judges too.
 */
static void trim(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;

    for (; r->pos + 8 <= r->fill; r->pos += 8) {
        uint64_t range = get_le64(r->buffer + r->pos), sectors = range >> 48;

        if (sectors && disk_can_discard(ide_disk(d))) { /* or it is taken, and nothing done */
            d->iovs = 0;
            ide_submit(d, JOB_TRIM, DISK_DISCARD, (range & 0xffffffffffffull) * SECTOR,
                       sectors * SECTOR);
            return;
        }
    }
    ide_finish(d);
}

/*
 * Does what the phase says is next, as long as it can be done at once. Each turn moves data that
 * the command has less of afterwards, so this ends.
 */
void ide_kick(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    uint8_t before;

    do {
        if (d->in_flight || d->held || d->ide->paused || d->changing || d->leaving ||
            !ide_present(d))
            return;
        if (r->phase >= IDE_DMA && (r->xfer & XFER_DISK || r->phase >= IDE_LOAD) && !ide_disk(d)) {
            fail(d, -ENOMEDIUM);
            return;
        }
        before = r->phase;
        switch (before) {
        case IDE_LOAD:
            if (r->xfer & XFER_FRAMES)
                load_frames(d);
            else
                load(d);
            break;
        case IDE_STORE:
            submit_bytes(d, JOB_STORE, DISK_WRITE, r->offset, r->buffer, r->fill);
            break;
        case IDE_FLUSH:
            d->iovs = 0;
            ide_submit(d, JOB_FLUSH, DISK_FLUSH, 0, 0);
            break;
        case IDE_VERIFY:
            verify(d);
            break;
        case IDE_TRIM:
            trim(d);
            break;
        case IDE_DMA:
            ide_dma(d);
            break;
        }
    } while (r->phase != before && r->phase >= IDE_DMA);
}

/* PIO: the host has moved all of a block. */
void ide_block_moved(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;

    if (r->phase == IDE_HOST_WRITES) {
        if (r->xfer & XFER_DISK) {
            ide_enter(d, IDE_STORE);
        } else if (r->pos < r->fill) {
            r->end = MIN(r->fill, r->pos + r->block);
            d->kind->block(d);
            ide_interrupt(d);
        } else {
            d->kind->received(d);
        }
    } else if (r->pos < r->fill) {
        offer(d);
    } else if (r->left) {
        ide_enter(d, IDE_LOAD);
    } else {
        ide_finish(d);
    }
}

/* Bus master: the same for the whole buffer. */
void ide_buffer_moved(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;

    if (!(r->xfer & XFER_OUT) && r->left) {
        set_phase(d, IDE_LOAD); /* ide_kick(), which called, goes on */
        return;
    }
    ide_dma_ends(d);
    if (r->xfer & XFER_OUT)
        d->kind->received(d);
    else
        ide_finish(d);
}

/* ---- Beginnings ---- */

static void begin(struct ide_drive *d, uint64_t offset, uint64_t left, uint32_t block,
                  uint8_t flags)
{
    struct ide_drive_regs *r = d->regs;

    r->offset = offset;
    r->left = left;
    r->block = block;
    r->xfer = flags;
    r->pos = r->end = r->fill = 0;
}

void ide_send(struct ide_drive *d, uint32_t length, uint32_t block, uint8_t flags)
{
    begin(d, 0, 0, block, flags);
    d->regs->fill = length;
    offer(d);
    ide_kick(d);
}

void ide_receive(struct ide_drive *d, uint32_t length, uint32_t block, uint8_t flags)
{
    begin(d, 0, 0, block, flags | XFER_OUT);
    d->regs->fill = length;
    d->regs->end = MIN(length, block);
    ide_enter(d, flags & XFER_DMA ? IDE_DMA : IDE_HOST_WRITES);
}

void ide_read(struct ide_drive *d, uint64_t offset, uint64_t length, uint32_t block, uint8_t flags)
{
    bool ahead = note_read(d, offset, length) || cached(d, offset);

    flags |= XFER_DISK;
    if (flags & XFER_DMA && !(flags & XFER_FRAMES) && !(ahead && length <= SMALL_READ))
        flags |= XFER_DIRECT;
    begin(d, offset, length, block, flags);
    ide_enter(d, flags & XFER_DIRECT ? IDE_DMA : IDE_LOAD);
}

void ide_write(struct ide_drive *d, uint64_t offset, uint64_t length, uint32_t block, uint8_t flags)
{
    struct ide_drive_regs *r = d->regs;

    begin(d, offset, length, block, flags | XFER_OUT | XFER_DISK);
    if (flags & XFER_DMA) {
        r->xfer |= XFER_DIRECT;
        ide_enter(d, IDE_DMA);
        return;
    }
    r->fill = r->end = (uint32_t)MIN(length, block);
    ide_enter(d, IDE_HOST_WRITES); /* the first block is asked for without an interrupt */
}

void ide_verify(struct ide_drive *d, uint64_t offset, uint64_t length)
{
    begin(d, offset, length, SECTOR, XFER_DISK);
    ide_enter(d, IDE_VERIFY);
}

void ide_abort(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;

    if (d->in_flight)
        d->orphan = true;
    d->held = false;
    r->phase = IDE_IDLE;
    r->xfer = 0;
    r->packet = 0;
    r->left = 0;
    r->pos = r->end = r->fill = 0;
}
