/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An ATA hard disk: its commands. Document: ATA/ATAPI-7 volume 1 (T13/1532D), "Command
 * descriptions"; DATA SET MANAGEMENT is ATA8-ACS's.
 * Not modelled: queued commands, security, host protected area (but READ NATIVE MAX answers),
 * device configuration overlay, streaming, the media status and CompactFlash sets.
 */
#include <errno.h>
#include "devices/storage/ata.h"

/* ---- Ends of commands ---- */

static void end(struct ide_drive *d, uint8_t status)
{
    d->regs->status = status;
    ide_interrupt(d);
}

void ata_ok(struct ide_drive *d)
{
    end(d, ST_DRDY | ST_DSC);
}

void ata_error(struct ide_drive *d, uint8_t error)
{
    d->regs->error = error;
    end(d, ST_DRDY | ST_DSC | ST_ERR);
}

/* ---- Addresses ---- */

static uint8_t device_register(const struct ide_drive *d)
{
    return d->channel->regs->device;
}

struct span {
    uint64_t lba;
    uint32_t sectors;
};

static uint64_t lba48(const struct ide_drive_regs *r)
{
    return r->low[0] | (uint64_t)r->mid[0] << 8 | (uint64_t)r->high[0] << 16 |
           (uint64_t)r->low[1] << 24 | (uint64_t)r->mid[1] << 32 | (uint64_t)r->high[1] << 40;
}

/* False for a sector that the translation in force does not have. */
static bool lba28(const struct ide_drive *d, uint64_t *lba)
{
    const struct ide_drive_regs *r = d->regs;
    uint8_t device = device_register(d);
    uint32_t cylinder = (uint32_t)(r->mid[0] | r->high[0] << 8), head = device & 15;

    if (device & DEV_LBA) {
        *lba = r->low[0] | (uint64_t)r->mid[0] << 8 | (uint64_t)r->high[0] << 16 |
               (uint64_t)(device & 15) << 24;
        return true;
    }
    if (!r->low[0] || r->low[0] > r->sectors || head >= r->heads)
        return false;
    *lba = ((uint64_t)cylinder * r->heads + head) * r->sectors + r->low[0] - 1;
    return true;
}

static void put_lba(struct ide_drive *d, uint64_t lba, bool ext)
{
    struct ide_drive_regs *r = d->regs;
    uint8_t *device = &d->channel->regs->device;

    if (!ext && !(*device & DEV_LBA)) {
        uint64_t track = lba / r->sectors, cylinder = track / r->heads;

        r->low[0] = (uint8_t)(lba % r->sectors + 1);
        r->mid[0] = (uint8_t)cylinder;
        r->high[0] = (uint8_t)(cylinder >> 8);
        *device = (uint8_t)((*device & 0xf0) | track % r->heads);
        return;
    }
    r->low[0] = (uint8_t)lba;
    r->mid[0] = (uint8_t)(lba >> 8);
    r->high[0] = (uint8_t)(lba >> 16);
    if (ext) {
        r->low[1] = (uint8_t)(lba >> 24);
        r->mid[1] = (uint8_t)(lba >> 32);
        r->high[1] = (uint8_t)(lba >> 40);
    } else {
        *device = (uint8_t)((*device & 0xf0) | (lba >> 24 & 15));
    }
}

/* What a command is about; false, with the error told, where the disk has no such sectors. */
static bool span(struct ide_drive *d, bool ext, struct span *s)
{
    const struct ide_drive_regs *r = d->regs;
    uint64_t total = ide_disk_sectors(d);

    if (ext) {
        s->sectors = (uint32_t)(r->count[0] | r->count[1] << 8);
        s->sectors = s->sectors ? s->sectors : 65536;
        s->lba = lba48(r);
    } else {
        s->sectors = r->count[0] ? r->count[0] : 256;
        if (!lba28(d, &s->lba)) {
            ata_error(d, ER_IDNF | ER_ABRT);
            return false;
        }
    }
    if (s->lba > total || s->sectors > total - s->lba) {
        put_lba(d, MAX(s->lba, total), ext);
        ata_error(d, ER_IDNF | ER_ABRT);
        return false;
    }
    return true;
}

/* ---- Data ---- */

#define EXT 0x01
#define MULTIPLE 0x02
#define DMA 0x04
#define FUA 0x08

static bool block_of(struct ide_drive *d, unsigned flags, uint32_t *block)
{
    *block = SECTOR;
    if (flags & MULTIPLE)
        *block = d->regs->multiple * SECTOR;
    if (*block)
        return true;
    ata_error(d, ER_ABRT); /* a MULTIPLE command, but SET MULTIPLE MODE never said how many */
    return false;
}

static void do_read(struct ide_drive *d, unsigned flags)
{
    struct span s;
    uint32_t block;

    if (!block_of(d, flags, &block) || !span(d, flags & EXT, &s))
        return;
    d->regs->power = ATA_ACTIVE;
    ide_read(d, s.lba * SECTOR, (uint64_t)s.sectors * SECTOR, block, flags & DMA ? XFER_DMA : 0);
}

static void do_write(struct ide_drive *d, unsigned flags)
{
    struct span s;
    uint32_t block;

    if (!block_of(d, flags, &block) || !span(d, flags & EXT, &s))
        return;
    if (drive_readonly(d->drive)) {
        ata_error(d, ER_ABRT);
        return;
    }
    d->regs->power = ATA_ACTIVE;
    ide_write(d, s.lba * SECTOR, (uint64_t)s.sectors * SECTOR, block,
              (uint8_t)((flags & DMA ? XFER_DMA : 0) | (flags & FUA ? XFER_FUA : 0)));
}

static void do_verify(struct ide_drive *d, unsigned flags)
{
    struct span s;

    if (!span(d, flags & EXT, &s))
        return;
    d->regs->power = ATA_ACTIVE;
    ide_verify(d, s.lba * SECTOR, (uint64_t)s.sectors * SECTOR);
}

static void do_flush(struct ide_drive *d, unsigned flags)
{
    if (!ide_disk(d))
        ata_error(d, ER_ABRT);
    else
        ide_enter(d, IDE_FLUSH);
}

static void do_identify(struct ide_drive *d, unsigned flags)
{
    uint8_t page[SECTOR];

    ata_identify(d, page);
    memcpy(d->regs->buffer, page, SECTOR);
    ide_send(d, SECTOR, SECTOR, 0);
}

/* DATA SET MANAGEMENT: Features bit 0 is TRIM, Count is how many blocks of ranges follow. */
static void do_data_set(struct ide_drive *d, unsigned flags)
{
    struct ide_drive_regs *r = d->regs;
    uint32_t blocks = (uint32_t)(r->count[0] | r->count[1] << 8);

    if (d->ide->as_qemu) /* whose tests write Count once */
        blocks = r->count[0];
    if (r->features[0] != 1 || !blocks || blocks > ATA_TRIM_BLOCKS || !ide_disk(d) ||
        !(disk_can_discard(ide_disk(d)) || d->ide->as_qemu) || drive_readonly(d->drive))
        ata_error(d, ER_ABRT);
    else
        ide_receive(d, blocks * SECTOR, SECTOR, XFER_DMA);
}

static void trim_received(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    uint64_t total = ide_disk_sectors(d);

    for (uint32_t at = 0; at + 8 <= r->fill; at += 8) {
        uint64_t range = get_le64(r->buffer + at), lba = range & 0xffffffffffffull;

        if (range >> 48 && (lba > total || range >> 48 > total - lba)) {
            ide_abort(d);
            put_lba(d, lba, true);
            ata_error(d, ER_IDNF | ER_ABRT);
            return;
        }
    }
    r->pos = r->end = 0;
    ide_enter(d, IDE_TRIM);
}

/* ---- Settings ---- */

static void do_nothing(struct ide_drive *d, unsigned flags)
{
    ata_ok(d);
}

static void do_initialize(struct ide_drive *d, unsigned flags)
{
    struct ide_drive_regs *r = d->regs;
    uint32_t heads = (device_register(d) & 15u) + 1, sectors = r->count[0];
    uint64_t cylinders;

    if (!sectors || sectors > 63) {
        ata_error(d, ER_ABRT);
        return;
    }
    cylinders = MIN(ide_disk_sectors(d), 16514064) / (heads * sectors);
    r->heads = (uint8_t)heads;
    r->sectors = (uint8_t)sectors;
    r->cylinders = (uint16_t)MIN(cylinders, 65535);
    ata_ok(d);
}

static void do_set_multiple(struct ide_drive *d, unsigned flags)
{
    uint8_t n = d->regs->count[0];

    if (n > ATA_MULTIPLE_MOST || (n & (n - 1))) {
        d->regs->multiple = 0;
        ata_error(d, ER_ABRT);
        return;
    }
    d->regs->multiple = n;
    ata_ok(d);
}

bool ata_mode_known(uint8_t mode)
{
    return mode <= 0x01 ||                   /* PIO as after power-on */
           (mode >= 0x08 && mode <= 0x0c) || /* PIO with flow control */
           (mode >= 0x20 && mode <= 0x22) || /* Multiword DMA */
           (mode >= 0x40 && mode <= 0x45);   /* Ultra DMA */
}

static void do_set_features(struct ide_drive *d, unsigned flags)
{
    struct ide_drive_regs *r = d->regs;

    switch (r->features[0]) {
    case 0x02:
        r->write_cache = 1;
        break;
    case 0x82: /* what the cache holds must get out */
        r->write_cache = 0;
        do_flush(d, 0);
        return;
    case 0x03:
        if (!ata_mode_known(r->count[0])) {
            ata_error(d, ER_ABRT);
            return;
        }
        if (r->count[0] >= 0x20)
            r->mode = r->count[0];
        break;
    case 0x55:
        r->look_ahead = 0;
        break;
    case 0xaa:
        r->look_ahead = 1;
        break;
    case 0x66: /* settings survive a software reset, */
    case 0xcc: /* or not: here they always do */
        break;
    default:
        ata_error(d, ER_ABRT);
        return;
    }
    ata_ok(d);
}

static void do_native_max(struct ide_drive *d, unsigned flags)
{
    uint64_t last = ide_disk_sectors(d);

    if (!last || (!(flags & EXT) && !(device_register(d) & DEV_LBA))) {
        ata_error(d, ER_ABRT);
        return;
    }
    last--;
    put_lba(d, flags & EXT ? last : MIN(last, 0x0fffffff), flags & EXT);
    ata_ok(d);
}

static void do_seek(struct ide_drive *d, unsigned flags)
{
    uint64_t lba;

    if (!lba28(d, &lba) || lba >= ide_disk_sectors(d))
        ata_error(d, ER_IDNF | ER_ABRT);
    else
        ata_ok(d);
}

static void do_power(struct ide_drive *d, unsigned mode)
{
    d->regs->power = (uint8_t)mode;
    ata_ok(d);
}

static void do_check_power(struct ide_drive *d, unsigned flags)
{
    d->regs->count[0] = d->regs->power;
    ata_ok(d);
}

static void do_smart(struct ide_drive *d, unsigned flags)
{
    ata_smart(d);
}

/* ---- The table ---- */

static const struct row {
    uint8_t first, last;
    void (*run)(struct ide_drive *d, unsigned flags);
    uint8_t flags;
} commands[] = {
    { 0x06, 0x06, do_data_set, 0 },
    { 0x10, 0x1f, do_nothing, 0 }, /* RECALIBRATE */
    { 0x20, 0x21, do_read, 0 },
    { 0x24, 0x24, do_read, EXT },
    { 0x25, 0x25, do_read, EXT | DMA },
    { 0x27, 0x27, do_native_max, EXT },
    { 0x29, 0x29, do_read, EXT | MULTIPLE },
    { 0x30, 0x31, do_write, 0 },
    { 0x34, 0x34, do_write, EXT },
    { 0x35, 0x35, do_write, EXT | DMA },
    { 0x39, 0x39, do_write, EXT | MULTIPLE },
    { 0x3d, 0x3d, do_write, EXT | DMA | FUA },
    { 0x40, 0x41, do_verify, 0 },
    { 0x42, 0x42, do_verify, EXT },
    { 0x70, 0x7f, do_seek, 0 },
    { 0x91, 0x91, do_initialize, 0 },
    { 0x94, 0x94, do_power, ATA_STANDBY },
    { 0x95, 0x95, do_power, ATA_IDLE },
    { 0x96, 0x96, do_power, ATA_STANDBY },
    { 0x97, 0x97, do_power, ATA_IDLE },
    { 0x98, 0x98, do_check_power, 0 },
    { 0x99, 0x99, do_power, ATA_STANDBY }, /* SLEEP, but it also hears commands */
    { 0xb0, 0xb0, do_smart, 0 },
    { 0xc4, 0xc4, do_read, MULTIPLE },
    { 0xc5, 0xc5, do_write, MULTIPLE },
    { 0xc6, 0xc6, do_set_multiple, 0 },
    { 0xc8, 0xc9, do_read, DMA },
    { 0xca, 0xcb, do_write, DMA },
    { 0xce, 0xce, do_write, EXT | MULTIPLE | FUA },
    { 0xe0, 0xe0, do_power, ATA_STANDBY },
    { 0xe1, 0xe1, do_power, ATA_IDLE },
    { 0xe2, 0xe2, do_power, ATA_STANDBY },
    { 0xe3, 0xe3, do_power, ATA_IDLE },
    { 0xe5, 0xe5, do_check_power, 0 },
    { 0xe6, 0xe6, do_power, ATA_STANDBY },
    { 0xe7, 0xe7, do_flush, 0 },
    { 0xea, 0xea, do_flush, EXT },
    { 0xec, 0xec, do_identify, 0 },
    { 0xef, 0xef, do_set_features, 0 },
    { 0xf8, 0xf8, do_native_max, 0 },
};

static const struct row *row_of(uint8_t command)
{
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
        if (command >= commands[i].first && command <= commands[i].last)
            return &commands[i];
    return NULL;
}

static void command(struct ide_drive *d, uint8_t command)
{
    const struct row *row = row_of(command);

    if (row)
        row->run(d, row->flags);
    else
        ata_error(d, ER_ABRT); /* NOP too: that is what NOP does */
}

static void received(struct ide_drive *d)
{
    trim_received(d); /* the only command that takes parameters */
}

/* The last block of a read needs no interrupt: the host has it already. */
static void finished(struct ide_drive *d)
{
    const struct ide_drive_regs *r = d->regs;
    bool silent = !(r->xfer & (XFER_OUT | XFER_DMA)) && r->fill;

    d->regs->status = ST_DRDY | ST_DSC;
    if (!silent)
        ide_interrupt(d);
}

static void block(struct ide_drive *d)
{
}

static void failed(struct ide_drive *d, int rc)
{
    struct ide_drive_regs *r = d->regs;
    const struct row *row = row_of(r->command);
    bool reading = row && (row->run == do_read || row->run == do_verify);

    put_lba(d, r->offset / SECTOR, row && row->flags & EXT && row->run != do_power);
    if (reading) {
        ata_error(d, ER_UNC);
        return;
    }
    r->error = ER_ABRT;
    end(d, ST_DRDY | ST_DF | ST_ERR); /* Device Fault: the host could not keep it */
}

const struct ide_kind ata_kind = {
    .ready = ST_DRDY | ST_DSC,
    .command = command,
    .received = received,
    .finished = finished,
    .failed = failed,
    .block = block,
};
