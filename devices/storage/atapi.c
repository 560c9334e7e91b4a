/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An ATAPI CD/DVD-ROM drive: packets, sense, the tray, and reading. Documents: ATA/ATAPI-7 volume 1
 * ("PACKET Command feature set") and volume 2 ("PACKET command protocol"), MMC-5 (T10/1675D),
 * SFF-8020i. Not modelled: audio, error correction bytes of raw frames, sub-channels but for one
 * fixed position, overlapped commands, writing.
 */
#include <errno.h>
#include "devices/storage/ata.h"
#include "devices/storage/atapi.h"

/* ---- Ends of packets ---- */

static void end(struct ide_drive *d, uint8_t status)
{
    struct ide_drive_regs *r = d->regs;

    r->count[0] = IR_CD | IR_IO;
    r->status = status;
    ide_interrupt(d);
}

void atapi_ok(struct ide_drive *d)
{
    d->regs->sense_key = d->regs->asc = d->regs->ascq = 0;
    d->regs->error = 0;
    end(d, ST_DRDY | ST_DSC);
}

void atapi_check(struct ide_drive *d, uint8_t key, uint16_t code)
{
    struct ide_drive_regs *r = d->regs;

    ide_abort(d);
    r->sense_key = key;
    r->asc = (uint8_t)(code >> 8);
    r->ascq = (uint8_t)code;
    r->error = (uint8_t)(key << 4 | ER_ABRT);
    end(d, ST_DRDY | ST_DSC | ST_ERR);
}

/* ---- Data ---- */

static uint8_t by_dma(const struct ide_drive *d)
{
    return d->regs->features[0] & 1 ? XFER_DMA : 0;
}

/*
 * Bytes for each DRQ: what the host asked for where the disk can be read in such steps, else fewer,
 * in whole sectors where that lets us.
 */
static uint32_t block_bytes(const struct ide_drive *d, uint32_t unit)
{
    uint32_t limit = d->regs->limit;

    limit = MIN(limit, IDE_BUFFER);
    if (unit == CD_SECTOR && limit && limit % SECTOR == 0)
        return limit;
    if (limit >= unit)
        return ROUND_DOWN(limit, unit);
    return MAX(limit & ~1u, 2); /* only a last block may be odd */
}

uint8_t *atapi_answer(struct ide_drive *d)
{
    memset(d->regs->buffer, 0, 4096);
    return d->regs->buffer;
}

void atapi_reply(struct ide_drive *d, uint32_t length, uint32_t allowed)
{
    length = MIN(length, allowed);
    if (length)
        ide_send(d, length, block_bytes(d, 2), by_dma(d));
    else
        atapi_ok(d);
}

static void block(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    uint32_t bytes = r->end - r->pos;

    if (r->command != 0xa0) /* IDENTIFY PACKET DEVICE */
        return;
    r->count[0] = r->xfer & XFER_OUT ? 0 : IR_IO;
    r->mid[0] = (uint8_t)bytes;
    r->high[0] = (uint8_t)(bytes >> 8);
}

/* ---- The medium ---- */

uint32_t atapi_sectors(const struct ide_drive *d)
{
    uint64_t n = ide_disk(d) ? disk_bytes(ide_disk(d)) / CD_SECTOR : 0;

    return (uint32_t)MIN(n, 0x7fffffff);
}

bool atapi_has_medium(const struct ide_drive *d)
{
    return atapi_sectors(d) && !d->regs->tray_open;
}

bool atapi_is_dvd(const struct ide_drive *d)
{
    return atapi_sectors(d) > 80 * 60 * 75;
}

static void no_medium(struct ide_drive *d)
{
    atapi_check(d, NOT_READY, d->regs->tray_open ? NO_MEDIUM_TRAY_OPEN : NO_MEDIUM_TRAY_CLOSED);
}

/* Tells of a change, or of no medium. False: it was told instead of what the packet asks. */
static bool ready(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;

    if (!atapi_has_medium(d)) {
        no_medium(d);
        return false;
    }
    if (r->media_news == NEWS_EMPTY) {
        r->media_news = NEWS_CHANGED;
        atapi_check(d, NOT_READY, NO_MEDIUM);
        return false;
    }
    return true;
}

static void set_tray(struct ide_drive *d, bool open)
{
    struct ide_drive_regs *r = d->regs;

    if (r->tray_open == open)
        return;
    r->tray_open = open;
    drive_set_tray(d->drive, open);
    r->media_news = !open && ide_disk(d) ? NEWS_CHANGED : NEWS_NONE;
    r->media_event = open ? EVENT_REMOVED : ide_disk(d) ? EVENT_NEW : EVENT_NONE;
}

void atapi_change_now(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    bool reading = r->phase != IDE_IDLE && r->xfer & XFER_DISK;

    ide_forget_cache(d);
    d->changing = d->held = false;
    drive_accept(d->drive);
    r->tray_open = drive_tray_open(d->drive);
    r->locked = drive_locked(d->drive);
    r->media_news = ide_disk(d) ? NEWS_EMPTY : NEWS_NONE;
    r->media_event = ide_disk(d) ? EVENT_NEW : EVENT_REMOVED;
    if (reading) /* half of it was of another disc */
        no_medium(d);
}

static void medium_changes(void *owner, struct disk *next)
{
    struct ide_drive *d = owner;

    d->changing = true;
    if (!d->in_flight)
        atapi_change_now(d);
}

static void eject_asked(void *owner)
{
    struct ide_drive *d = owner;

    d->regs->media_event = EVENT_EJECT;
}

static void tray_asked(void *owner, bool open)
{
    struct ide_drive *d = owner;

    set_tray(d, open);
    if (open)
        d->regs->locked = 0; /* by force */
    drive_set_locked(d->drive, d->regs->locked);
}

const struct drive_ops atapi_drive_ops = { .changed = medium_changes, .eject_asked = eject_asked,
                                           .tray_asked = tray_asked };

/* ---- Reading ---- */

static bool in_range(struct ide_drive *d, uint32_t lba, uint32_t count)
{
    uint32_t total = atapi_sectors(d);

    if (lba <= total && count <= total - lba)
        return true;
    atapi_check(d, ILLEGAL_REQUEST, LBA_OUT_OF_RANGE);
    return false;
}

static void read_sectors(struct ide_drive *d, uint32_t lba, uint32_t count, bool frames)
{
    uint8_t flags = (uint8_t)(by_dma(d) | (frames ? XFER_FRAMES : 0));

    if (!in_range(d, lba, count))
        return;
    if (count)
        ide_read(d, (uint64_t)lba * CD_SECTOR, (uint64_t)count * CD_SECTOR,
                 block_bytes(d, frames ? CD_FRAME : CD_SECTOR), flags);
    else
        atapi_ok(d);
}

static void read_10(struct ide_drive *d)
{
    read_sectors(d, get_be32(d->regs->cdb + 2), get_be16(d->regs->cdb + 7), false);
}

static void read_12(struct ide_drive *d)
{
    read_sectors(d, get_be32(d->regs->cdb + 2), get_be32(d->regs->cdb + 6), false);
}

/* READ CD and READ CD MSF: which parts of a sector, judged for the one kind of sector there is. */
static void read_parts(struct ide_drive *d, uint32_t lba, uint32_t count)
{
    const uint8_t *cdb = d->regs->cdb;
    unsigned type = cdb[1] >> 2 & 7;

    if (type == 1 || type > 2) { /* audio, Mode 2 */
        atapi_check(d, ILLEGAL_REQUEST, ILLEGAL_MODE_FOR_TRACK);
        return;
    }
    if (cdb[10] & 7) {
        atapi_invalid_field(d);
        return;
    }
    switch (cdb[9] & 0xf8) {
    case 0x00: /* nothing of it */
        if (in_range(d, lba, count))
            atapi_ok(d);
        break;
    case 0x10:
        read_sectors(d, lba, count, false);
        break;
    case 0xf8:
        read_sectors(d, lba, count, true);
        break;
    default:
        atapi_invalid_field(d);
    }
}

static void read_cd(struct ide_drive *d)
{
    const uint8_t *cdb = d->regs->cdb;

    read_parts(d, get_be32(cdb + 2), (uint32_t)cdb[6] << 16 | get_be16(cdb + 7));
}

static uint32_t from_msf(const uint8_t *msf)
{
    return (msf[0] * 60u + msf[1]) * 75u + msf[2] - 150u; /* before 00:02:00: far out of range */
}

static void read_cd_msf(struct ide_drive *d)
{
    uint32_t first = from_msf(d->regs->cdb + 3), last = from_msf(d->regs->cdb + 6);

    if (last < first)
        atapi_invalid_field(d);
    else
        read_parts(d, first, last - first);
}

static void seek(struct ide_drive *d)
{
    if (in_range(d, get_be32(d->regs->cdb + 2), 1))
        atapi_ok(d);
}

/* ---- Control ---- */

static void request_sense(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    uint8_t *a = atapi_answer(d);

    a[0] = 0x70;
    a[2] = r->sense_key;
    a[7] = 10;
    a[12] = r->asc;
    a[13] = r->ascq;
    r->sense_key = r->asc = r->ascq = 0;
    atapi_reply(d, 18, r->cdb[4]);
}

static void start_stop(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    bool start = r->cdb[4] & 1, load_eject = r->cdb[4] & 2;

    if (!(r->cdb[4] & 0xf0) && load_eject) { /* no power condition */
        if (!start && r->locked && !r->tray_open) {
            atapi_check(d, ILLEGAL_REQUEST, REMOVAL_PREVENTED);
            return;
        }
        set_tray(d, !start);
    }
    atapi_ok(d);
}

static void prevent_allow(struct ide_drive *d)
{
    d->regs->locked = d->regs->cdb[4] & 1;
    drive_set_locked(d->drive, d->regs->locked);
    atapi_ok(d);
}

static void mode_select(struct ide_drive *d)
{
    const uint8_t *cdb = d->regs->cdb;
    uint32_t length = cdb[0] == 0x15 ? cdb[4] : get_be16(cdb + 7);

    if (length > 512) {
        atapi_invalid_field(d);
    } else if (!length) {
        atapi_ok(d);
    } else {
        ide_receive(d, length, block_bytes(d, 2), by_dma(d));
        if (d->regs->phase == IDE_HOST_WRITES) {
            block(d);
            ide_interrupt(d);
        }
    }
}

static void refuse_audio(struct ide_drive *d)
{
    atapi_check(d, ILLEGAL_REQUEST, ILLEGAL_MODE_FOR_TRACK);
}

#define NEEDS_MEDIUM 1
#define BEFORE_NEWS 2 /* does not hear of a change of medium, and does not end it */

static const struct packet {
    uint8_t opcode, flags;
    void (*run)(struct ide_drive *d);
} packets[] = {
    { 0x00, NEEDS_MEDIUM, atapi_ok }, /* TEST UNIT READY */
    { 0x03, BEFORE_NEWS, request_sense },
    { 0x12, BEFORE_NEWS, atapi_inquiry },
    { 0x15, 0, mode_select },
    { 0x1a, 0, atapi_mode_sense },
    { 0x1b, 0, start_stop },
    { 0x1e, 0, prevent_allow },
    { 0x25, NEEDS_MEDIUM, atapi_read_capacity },
    { 0x28, NEEDS_MEDIUM, read_10 },
    { 0x2b, NEEDS_MEDIUM, seek },
    { 0x35, 0, atapi_ok }, /* SYNCHRONIZE CACHE: nothing is written */
    { 0x42, NEEDS_MEDIUM, atapi_read_subchannel },
    { 0x43, NEEDS_MEDIUM, atapi_read_toc },
    { 0x45, NEEDS_MEDIUM, refuse_audio },
    { 0x46, BEFORE_NEWS, atapi_get_configuration },
    { 0x47, NEEDS_MEDIUM, refuse_audio },
    { 0x4a, BEFORE_NEWS, atapi_event_status },
    { 0x4b, NEEDS_MEDIUM, refuse_audio },
    { 0x4e, 0, atapi_ok }, /* STOP PLAY */
    { 0x51, NEEDS_MEDIUM, atapi_disc_information },
    { 0x52, NEEDS_MEDIUM, atapi_track_information },
    { 0x55, 0, mode_select },
    { 0x5a, 0, atapi_mode_sense },
    { 0xa5, NEEDS_MEDIUM, refuse_audio },
    { 0xa8, NEEDS_MEDIUM, read_12 },
    { 0xad, NEEDS_MEDIUM, atapi_dvd_structure },
    { 0xb9, NEEDS_MEDIUM, read_cd_msf },
    { 0xbb, 0, atapi_ok }, /* SET CD SPEED: as fast as it goes */
    { 0xbd, 0, atapi_mechanism_status },
    { 0xbe, NEEDS_MEDIUM, read_cd },
};

static void packet(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    const struct packet *p = packets;

    while (p < packets + ARRAY_SIZE(packets) && p->opcode != r->cdb[0])
        p++;
    if (p == packets + ARRAY_SIZE(packets)) {
        atapi_check(d, ILLEGAL_REQUEST, INVALID_OPCODE);
        return;
    }
    if (p->flags & NEEDS_MEDIUM && !ready(d))
        return;
    if (r->media_news == NEWS_CHANGED && !(p->flags & BEFORE_NEWS)) {
        r->media_news = NEWS_NONE;
        atapi_check(d, UNIT_ATTENTION, MEDIUM_CHANGED);
        return;
    }
    p->run(d);
}

/* ---- Commands ---- */

static void ata_end(struct ide_drive *d, uint8_t error)
{
    d->regs->error = error;
    d->regs->status = (uint8_t)(ST_DRDY | ST_DSC | (error ? ST_ERR : 0));
    ide_interrupt(d);
}

static void begin_packet(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;

    if (r->features[0] & 2) { /* overlapped */
        ata_end(d, ER_ABRT);
        return;
    }
    r->limit = (uint16_t)(r->mid[0] | r->high[0] << 8);
    if (!r->limit || r->limit == 0xffff)
        r->limit = 0xfffe;
    r->packet = 1;
    r->count[0] = IR_CD;
    ide_receive(d, sizeof(r->cdb), sizeof(r->cdb), 0);
}

static void set_features(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;

    switch (r->features[0]) {
    case 0x03:
        if (!ata_mode_known(r->count[0])) {
            ata_end(d, ER_ABRT);
            return;
        }
        if (r->count[0] >= 0x20)
            r->mode = r->count[0];
        break;
    case 0x66:
    case 0xcc:
        break;
    default:
        ata_end(d, ER_ABRT);
        return;
    }
    ata_end(d, 0);
}

static void command(struct ide_drive *d, uint8_t command)
{
    switch (command) {
    case 0xa0:
        begin_packet(d);
        break;
    case 0xa1:
        atapi_identify(d);
        break;
    case 0xef:
        set_features(d);
        break;
    case 0xe5:
    case 0x98:
        d->regs->count[0] = ATA_ACTIVE;
        ata_end(d, 0);
        break;
    case 0xe0: /* the power commands, of which a disc notices nothing */
    case 0xe1:
    case 0xe2:
    case 0xe3:
    case 0xe6:
        ata_end(d, 0);
        break;
    case 0x20: /* a hard disk's READ SECTORS and IDENTIFY: this is how to learn that it is none */
    case 0xec:
        ide_signature(d);
        ata_end(d, ER_ABRT);
        break;
    default:
        ata_end(d, ER_ABRT);
    }
}

static void received(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;

    if (!r->packet) { /* MODE SELECT: there is no page whose change would be noticed */
        ide_finish(d);
        return;
    }
    r->packet = 0;
    memcpy(r->cdb, r->buffer, sizeof(r->cdb));
    ide_abort(d); /* the packet's own transfer has ended */
    packet(d);
}

static void finished(struct ide_drive *d)
{
    if (d->regs->command == 0xa0) {
        atapi_ok(d);
        return;
    }
    d->regs->status = ST_DRDY | ST_DSC; /* IDENTIFY PACKET DEVICE: plain PIO, silent at the end */
}

static void failed(struct ide_drive *d, int rc)
{
    if (rc == -ENOMEDIUM)
        no_medium(d);
    else
        atapi_check(d, MEDIUM_ERROR, UNRECOVERED_READ);
}

const struct ide_kind atapi_kind = {
    .signature_mid = 0x14,
    .signature_high = 0xeb,
    .ready = 0,
    .command = command,
    .received = received,
    .finished = finished,
    .failed = failed,
    .block = block,
};
