/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bus master: descriptors in guest memory say where the data of DMA commands goes. Documents:
 * Programming Interface for Bus Master IDE Controller, revision 1.0; Intel 82371FB/82371SB,
 * "Bus Master Function" and "IDE Controller I/O Mapped Registers".
 *
 * Payload goes between the disk and pinned guest memory without a copy, a bounded number of
 * pieces at a time. What is not RAM reads as all-ones and takes no writes.
 * Not modelled: the Error bit, which tells of aborts on a PCI bus that is not there.
 */
#include "devices/storage/ide.h"
#include "dm/memory/memory.h"
#include "ioreq/answer.h"

#define CHUNK (1 * MIB) /* most bytes in one request */
#define END_OF_TABLE 0x80000000u

/* ---- Descriptors ---- */

/* Makes the present descriptor one with bytes left. False at the end of the table. */
static bool descriptor(struct ide_channel *ch)
{
    struct ide_channel_regs *b = ch->regs;
    uint8_t raw[8];
    uint32_t flags;

    if (b->prd_left)
        return true;
    if (b->prd_last)
        return false;
    dma_read(ch->ide->memory, b->prd_next, raw, sizeof(raw));
    flags = get_le32(raw + 4);
    b->prd_next += 8;
    b->prd_addr = get_le32(raw) & ~1u;
    b->prd_left = flags & 0xfffe ? flags & 0xfffe : 0x10000;
    b->prd_last = flags & END_OF_TABLE ? 1 : 0;
    return true;
}

static void advance(struct ide_channel_regs *b, uint32_t n)
{
    b->prd_addr += n;
    b->prd_left -= n;
}

/* ---- Straight between disk and guest ---- */

/* Pins the memory of the next `want` bytes into d->iov; returns how many there are. */
static uint32_t gather(struct ide_drive *d, uint32_t want, bool to_memory)
{
    struct ide_channel *ch = d->channel;
    struct piix_ide *ide = d->ide;
    uint32_t total = 0;

    d->iovs = 0;
    while (total < want && d->iovs < IDE_IOVS && descriptor(ch)) {
        size_t n = MIN(ch->regs->prd_left, want - total);
        void *p = memory_pin(ide->memory, ch->regs->prd_addr, &n, to_memory);

        d->pinned[d->iovs] = p != NULL;
        if (!p) {
            n = MIN(n, PAGE_BYTES - ch->regs->prd_addr % PAGE_BYTES);
            p = to_memory ? ide->trash : ide->all_ones;
        }
        d->iov[d->iovs++] = (struct iovec){ .iov_base = p, .iov_len = n };
        advance(ch->regs, (uint32_t)n);
        total += (uint32_t)n;
    }
    return total;
}

static void release(struct ide_drive *d, unsigned i)
{
    bool to_memory = d->req.op == DISK_READ;

    if (d->pinned[i])
        memory_unpin(d->ide->memory, d->iov[i].iov_base, d->iov[i].iov_len, to_memory);
    d->pinned[i] = false;
}

void ide_unpin(struct ide_drive *d)
{
    for (unsigned i = 0; i < d->iovs; i++)
        release(d, i);
    d->iovs = 0;
}

/* Gives back the last `n` bytes gathered. */
static void drop_tail(struct ide_drive *d, uint32_t n)
{
    while (n && d->iovs) {
        struct iovec *v = &d->iov[d->iovs - 1];

        if (v->iov_len > n) {
            v->iov_len -= n;
            return;
        }
        n -= (uint32_t)v->iov_len;
        release(d, --d->iovs);
    }
}

/* Sets the cursor to `n` bytes past `start`, after some of what was gathered was dropped. */
static void rewind_to(struct ide_channel *ch, const struct ide_channel_regs *start, uint32_t n)
{
    struct ide_channel_regs *b = ch->regs;

    b->prd_next = start->prd_next;
    b->prd_addr = start->prd_addr;
    b->prd_left = start->prd_left;
    b->prd_last = start->prd_last;
    for (unsigned i = 0; n && i <= IDE_IOVS && descriptor(ch); i++) {
        uint32_t piece = MIN(n, b->prd_left);

        advance(b, piece);
        n -= piece;
    }
}

/*
 * The table ended before the data did: the bus master stops, the drive still asks for data, and
 * nobody interrupts; the driver finds out by its timeout.
 */
static void ran_out(struct ide_drive *d)
{
    d->channel->regs->bm_status &= (uint8_t)~BM_ACTIVE;
    if (d->ide->as_qemu) {
        ide_abort(d);
        d->regs->status = ST_DRDY | ST_DSC;
    }
}

static void direct(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    struct ide_channel *ch = d->channel;
    struct ide_channel_regs start = d->before = *ch->regs;
    bool to_memory = !(r->xfer & XFER_OUT);
    uint32_t total = gather(d, (uint32_t)MIN(r->left, CHUNK), to_memory), odd = total % SECTOR;

    d->req.op = to_memory ? DISK_READ : DISK_WRITE; /* release() asks */
    if (d->ide->as_qemu && total < MIN(r->left, CHUNK) && ch->regs->prd_last &&
        !ch->regs->prd_left) { /* not even what there is room for */
        ide_unpin(d);
        ran_out(d);
        return;
    }
    if (odd && d->iovs == IDE_IOVS) { /* too many small pieces: the rest in the next round */
        drop_tail(d, odd);
        total -= odd;
        rewind_to(ch, &start, total);
    } else if (odd && to_memory) { /* the table ends inside a sector, whose rest goes nowhere */
        d->iov[d->iovs] = (struct iovec){ .iov_base = d->ide->trash, .iov_len = SECTOR - odd };
        d->pinned[d->iovs++] = false;
        total += SECTOR - odd;
    } else if (odd) { /* no part of a sector is written */
        drop_tail(d, odd);
        total -= odd;
    }
    if (!total) {
        ran_out(d);
        return;
    }
    ide_submit(d, JOB_DIRECT, d->req.op, r->offset, total);
}

/* ---- By the buffer ---- */

static void copy(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    struct ide_channel *ch = d->channel;

    while (r->pos < r->fill) {
        uint32_t n;

        if (!descriptor(ch)) {
            ran_out(d);
            return;
        }
        n = MIN(ch->regs->prd_left, r->fill - r->pos);
        if (r->xfer & XFER_OUT)
            dma_read(d->ide->memory, ch->regs->prd_addr, r->buffer + r->pos, n);
        else
            dma_write(d->ide->memory, ch->regs->prd_addr, r->buffer + r->pos, n);
        advance(ch->regs, n);
        r->pos += n;
    }
    ide_buffer_moved(d);
}

void ide_dma(struct ide_drive *d)
{
    const struct ide_channel_regs *b = d->channel->regs;
    bool to_memory = b->bm_command & BM_TO_MEMORY;

    if (!(b->bm_command & BM_START) || !(b->bm_status & BM_ACTIVE))
        return;
    if (!pci_bus_master(&d->ide->pci)) {
        if (d->ide->as_qemu)
            ide_finish(d);
        return;
    }
    /* a direction that drive and bus master do not agree on moves nothing */
    if (to_memory == !!(d->regs->xfer & XFER_OUT))
        return;
    if (d->regs->xfer & XFER_DIRECT)
        direct(d);
    else
        copy(d);
}

/*
 * With the table used up the bus master is no longer active; with some of it left it still is,
 * which is how a driver learns that the drive sent less.
 */
void ide_dma_ends(struct ide_drive *d)
{
    struct ide_channel_regs *b = d->channel->regs;

    if (!b->prd_left && b->prd_last)
        b->bm_status &= (uint8_t)~BM_ACTIVE;
}

/* ---- Registers ---- */

enum { BM_COMMAND, BM_STATUS = 2, BM_TABLE = 4 };

static void start(struct ide_channel *ch)
{
    struct ide_channel_regs *b = ch->regs;

    b->prd_next = b->prd_table;
    b->prd_addr = b->prd_left = 0;
    b->prd_last = 0;
    b->bm_status |= BM_ACTIVE;
    for (unsigned i = 0; i < 2; i++)
        if (ch->drive[i].regs->phase == IDE_DMA)
            ide_kick(&ch->drive[i]);
}

/*
 * Once START reads as zero the guest may give the memory to somebody else, so the answer waits for
 * what is under way there.
 */
static void stop(struct ide_channel *ch)
{
    ch->regs->bm_status &= (uint8_t)~BM_ACTIVE;
    for (unsigned i = 0; i < 2; i++)
        if (ch->drive[i].in_flight && ch->drive[i].job == JOB_DIRECT && !ch->stopper)
            ch->stopper = answer_defer();
}

/* Whether the write that clears START has to wait for the end of a command. */
static bool waits_to_stop(struct ide_channel *ch)
{
    bool busy = false;

    for (unsigned i = 0; i < 2; i++)
        busy |= ch->drive[i].in_flight && ch->drive[i].regs->xfer & XFER_DMA;
    if (ch->ide->as_qemu && busy && !ch->stopper)
        ch->stopper = answer_defer();
    return ch->stopping = ch->ide->as_qemu && busy && ch->stopper;
}

void ide_dma_stopped(struct ide_channel *ch)
{
    ch->stopping = false;
    ch->regs->bm_command &= (uint8_t)~BM_START;
    ch->regs->bm_status &= (uint8_t)~BM_ACTIVE;
}

static void write_command(struct ide_channel *ch, uint8_t value)
{
    struct ide_channel_regs *b = ch->regs;
    bool was = b->bm_command & BM_START, is = value & BM_START;

    if (was && is) /* the direction must not change under way */
        return;
    if (was && waits_to_stop(ch))
        return;
    b->bm_command = value & (BM_START | BM_TO_MEMORY);
    if (is)
        start(ch);
    else if (was)
        stop(ch);
}

static uint8_t read_byte(const struct ide_channel_regs *b, unsigned offset)
{
    switch (offset) {
    case BM_COMMAND:
        return b->bm_command;
    case BM_STATUS:
        return b->bm_status;
    case BM_TABLE:
    case BM_TABLE + 1:
    case BM_TABLE + 2:
    case BM_TABLE + 3:
        return (uint8_t)(b->prd_table >> (8 * (offset - BM_TABLE)));
    }
    return 0;
}

static void write_byte(struct ide_channel *ch, unsigned offset, uint8_t value)
{
    struct ide_channel_regs *b = ch->regs;
    unsigned shift = 8 * (offset - BM_TABLE);

    if (offset == BM_COMMAND) {
        write_command(ch, value);
    } else if (offset == BM_STATUS) {
        b->bm_status = (uint8_t)((b->bm_status & BM_ACTIVE) | (value & BM_CAPABLE) |
                                 (b->bm_status & ~value & (BM_ERROR | BM_INTERRUPT)));
    } else if (offset >= BM_TABLE && offset < BM_TABLE + 4) {
        b->prd_table = (b->prd_table & ~(0xffu << shift)) | (uint32_t)value << shift;
        b->prd_table &= ~3u;
    }
}

static uint64_t bus_master_read(void *state, uint64_t offset, unsigned size)
{
    const struct piix_ide *ide = state;
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++, offset++)
        value |= (uint64_t)read_byte(ide->channel[offset >> 3 & 1].regs, offset & 7) << (8 * i);
    return value;
}

static void bus_master_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct piix_ide *ide = state;

    for (unsigned i = 0; i < size; i++, offset++)
        write_byte(&ide->channel[offset >> 3 & 1], offset & 7, (uint8_t)(value >> (8 * i)));
}

const struct region_ops ide_bus_master_ops = {
    .name = "ide-bus-master",
    .min_size = 1,
    .max_size = 4,
    .read = bus_master_read,
    .write = bus_master_write,
};
