/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a CD/DVD-ROM drive says of the disc in it: one session with one data track. Document: MMC-5,
 * "READ TOC/PMA/ATIP Command", "READ DISC INFORMATION Command", "READ TRACK INFORMATION Command",
 * "READ DISC STRUCTURE Command", "READ CAPACITY Command"; MMC-3 for "READ SUB-CHANNEL Command".
 */
#include "devices/storage/atapi.h"

#define DATA_TRACK 0x14 /* ADR 1: position; CONTROL 4: data, no copies */
#define LEAD_OUT 0xaa

void atapi_read_capacity(struct ide_drive *d)
{
    uint8_t *a = atapi_answer(d);

    put_be32(a, atapi_sectors(d) - 1);
    put_be32(a + 4, CD_SECTOR);
    atapi_reply(d, 8, 8);
}

/* ---- READ TOC ---- */

static void put_msf(uint8_t *at, uint32_t lba)
{
    lba += 150;
    at[0] = (uint8_t)(lba / 75 / 60);
    at[1] = (uint8_t)(lba / 75 % 60);
    at[2] = (uint8_t)(lba % 75);
}

static void put_address(uint8_t *at, uint32_t lba, bool msf)
{
    if (msf)
        put_msf(at + 1, lba);
    else
        put_be32(at, lba);
}

static uint8_t *track(uint8_t *at, uint8_t number, uint32_t lba, bool msf)
{
    at[1] = DATA_TRACK;
    at[2] = number;
    put_address(at + 4, lba, msf);
    return at + 8;
}

static uint8_t *tracks(struct ide_drive *d, uint8_t *at, unsigned from, bool msf)
{
    if (from <= 1)
        at = track(at, 1, 0, msf);
    return track(at, LEAD_OUT, atapi_sectors(d), msf);
}

/* An entry of the lead-in's Q channel. */
static uint8_t *point(uint8_t *at, uint8_t what, uint8_t min, uint8_t sec, uint8_t frame)
{
    at[0] = 1; /* session */
    at[1] = DATA_TRACK;
    at[3] = what;
    at[8] = min;
    at[9] = sec;
    at[10] = frame;
    return at + 11;
}

static uint8_t *raw_toc(struct ide_drive *d, uint8_t *at)
{
    uint8_t out[3];

    put_msf(out, atapi_sectors(d));
    at = point(at, 0xa0, 1, 0, 0); /* first track */
    at = point(at, 0xa1, 1, 0, 0); /* last track */
    at = point(at, 0xa2, out[0], out[1], out[2]);
    return point(at, 1, 0, 2, 0);
}

void atapi_read_toc(struct ide_drive *d)
{
    const uint8_t *cdb = d->regs->cdb;
    unsigned format = cdb[2] & 15 ? cdb[2] & 15 : cdb[9] >> 6, from = cdb[6];
    bool msf = cdb[1] & 2;
    uint8_t *a = atapi_answer(d), *at = a + 4;

    a[2] = a[3] = 1; /* first and last track, or session */
    switch (format) {
    case 0:
        if (from > 1 && from != LEAD_OUT) {
            atapi_invalid_field(d);
            return;
        }
        at = tracks(d, at, from, msf);
        break;
    case 1:
        at = track(at, 1, 0, msf);
        break;
    case 2:
        at = raw_toc(d, at);
        break;
    default:
        atapi_invalid_field(d);
        return;
    }
    put_be16(a, (uint16_t)(at - a - 2));
    atapi_reply(d, (uint32_t)(at - a), get_be16(cdb + 7));
}

/* ---- Disc and track ---- */

void atapi_disc_information(struct ide_drive *d)
{
    const uint8_t *cdb = d->regs->cdb;
    uint8_t *a = atapi_answer(d);

    if (cdb[1] & 7) {
        atapi_invalid_field(d);
        return;
    }
    put_be16(a, 32);
    a[2] = 0x0e; /* last session complete, disc complete */
    a[3] = a[4] = a[5] = a[6] = 1;
    a[7] = 0x20; /* unrestricted use */
    atapi_reply(d, 34, get_be16(cdb + 7));
}

void atapi_track_information(struct ide_drive *d)
{
    const uint8_t *cdb = d->regs->cdb;
    uint32_t what = get_be32(cdb + 2);
    uint8_t *a = atapi_answer(d);

    switch (cdb[1] & 3) {
    case 0: /* the track that holds a sector */
        if (what >= atapi_sectors(d)) {
            atapi_check(d, ILLEGAL_REQUEST, LBA_OUT_OF_RANGE);
            return;
        }
        break;
    case 1: /* a track, or a session, by number */
    case 2:
        if (what == 1)
            break;
        /* fall through */
    default:
        atapi_invalid_field(d);
        return;
    }
    put_be16(a, 34);
    a[2] = a[3] = 1;
    a[5] = 0x04; /* data, uninterrupted */
    a[6] = 0x01; /* Mode 1 */
    put_be32(a + 24, atapi_sectors(d));
    atapi_reply(d, 36, get_be16(cdb + 7));
}

/* ---- READ DVD STRUCTURE ---- */

static uint32_t physical_format(struct ide_drive *d, uint8_t *a)
{
    a[4] = 0x01; /* DVD-ROM, version 1 */
    a[5] = 0x0f; /* 120 mm, no limit of rate */
    a[6] = 0x01; /* one layer, embossed */
    put_be32(a + 8, 0x30000);
    put_be32(a + 12, 0x30000 + atapi_sectors(d) - 1);
    return 4 + 2048;
}

void atapi_dvd_structure(struct ide_drive *d)
{
    const uint8_t *cdb = d->regs->cdb;
    static const uint8_t known[] = { 0x00, 0x01, 0x04 };
    uint8_t *a = atapi_answer(d);
    uint32_t length;

    if (!atapi_is_dvd(d)) {
        atapi_check(d, ILLEGAL_REQUEST, WRONG_FORMAT);
        return;
    }
    if (cdb[1] & 15 || (cdb[6] && cdb[7] != 0xff)) { /* Blu-ray; a layer there is not */
        atapi_invalid_field(d);
        return;
    }
    switch (cdb[7]) {
    case 0x00:
        length = physical_format(d, a);
        break;
    case 0x01: /* copyright: none */
        length = 8;
        break;
    case 0x04: /* manufacturer's words: none */
        length = 4 + 2048;
        break;
    case 0xff:
        for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
            a[4 + 4 * i] = known[i];
            a[5 + 4 * i] = 0x40; /* may be read */
            put_be16(a + 6 + 4 * i, known[i] == 0x01 ? 8 : 4 + 2048);
        }
        length = 4 + 4 * ARRAY_SIZE(known);
        break;
    default:
        atapi_invalid_field(d);
        return;
    }
    put_be16(a, (uint16_t)(length - 2));
    atapi_reply(d, length, get_be16(cdb + 8));
}

void atapi_read_subchannel(struct ide_drive *d)
{
    const uint8_t *cdb = d->regs->cdb;
    bool msf = cdb[1] & 2;
    uint8_t *a = atapi_answer(d);

    a[1] = 0x15; /* no audio status */
    if (!(cdb[2] & 0x40)) {
        atapi_reply(d, 4, get_be16(cdb + 7));
        return;
    }
    if (cdb[3] != 1) { /* catalogue number, ISRC: this disc has neither */
        atapi_invalid_field(d);
        return;
    }
    put_be16(a + 2, 12);
    a[4] = 1;
    a[5] = DATA_TRACK;
    a[6] = a[7] = 1;
    put_address(a + 8, 0, msf);
    put_address(a + 12, 0, msf);
    atapi_reply(d, 16, get_be16(cdb + 7));
}
