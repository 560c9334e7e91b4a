/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a CD/DVD-ROM drive says of itself. Documents: ATA/ATAPI-7 volume 1, "IDENTIFY PACKET
 * DEVICE"; MMC-5, "GET CONFIGURATION Command", "GET EVENT STATUS NOTIFICATION Command", "MECHANISM
 * STATUS Command", "Mode Parameters"; SPC-3, "INQUIRY".
 */
#include "devices/storage/ata.h"
#include "devices/storage/atapi.h"

#define PROFILE_CD 0x0008
#define PROFILE_DVD 0x0010
#define SPEED_KB 8468 /* 48 x CD, 6 x DVD */

void atapi_identify(struct ide_drive *d)
{
    uint8_t *page = atapi_answer(d);

    put_le16(page, 0x85c0); /* packet device, CD-ROM, removable, quick DRQ, 12-byte packets */
    ata_text(page + 2 * 10, d->serial, 20);
    put_le16(page + 2 * 20, 3);
    put_le16(page + 2 * 21, IDE_CACHE / SECTOR);
    put_le16(page + 2 * 22, 4);
    ata_text(page + 2 * 23, d->version, 8);
    ata_text(page + 2 * 27, d->model, 40);
    put_le16(page + 2 * 48, 1);
    put_le16(page + 2 * 50, 0x4000);
    ata_identify_modes(d, page);
    put_le16(page + 2 * 71, 30); /* microseconds to the release and to service: none */
    put_le16(page + 2 * 72, 30);
    put_le16(page + 2 * 80, 0x00f0);
    put_le16(page + 2 * 82, 0x4218); /* NOP, DEVICE RESET, PACKET, power management */
    put_le16(page + 2 * 83, 0x4000);
    put_le16(page + 2 * 84, 0x4000);
    put_le16(page + 2 * 85, 0x4218);
    put_le16(page + 2 * 87, 0x4000);
    page[510] = 0xa5;
    ata_checksum(page);
    ide_send(d, SECTOR, SECTOR, 0);
}

static void text(uint8_t *at, const char *s, unsigned length)
{
    for (unsigned i = 0; i < length; i++)
        at[i] = (uint8_t)(*s ? *s++ : ' ');
}

void atapi_inquiry(struct ide_drive *d)
{
    const uint8_t *cdb = d->regs->cdb;
    uint8_t *a = atapi_answer(d);

    if (cdb[1] & 1 || cdb[2]) { /* vital product data, of which there is none */
        atapi_invalid_field(d);
        return;
    }
    a[0] = 0x05; /* CD-ROM */
    a[1] = 0x80; /* removable */
    a[3] = 0x21; /* ATAPI */
    a[4] = 31;
    text(a + 8, "XEN-DM", 8);
    text(a + 16, "DVD-ROM", 16);
    text(a + 32, d->version, 4);
    atapi_reply(d, 36, get_be16(cdb + 3));
}

/* ---- GET CONFIGURATION ---- */

static uint8_t *feature(uint8_t *at, uint16_t code, unsigned version, bool persistent, bool current,
                        const uint8_t *data, uint8_t length)
{
    put_be16(at, code);
    at[2] = (uint8_t)(version << 2 | (persistent ? 2 : 0) | (current ? 1 : 0));
    at[3] = length;
    if (length)
        memcpy(at + 4, data, length);
    return at + 4 + length;
}

void atapi_get_configuration(struct ide_drive *d)
{
    const uint8_t *cdb = d->regs->cdb;
    unsigned which = cdb[1] & 3, from = get_be16(cdb + 2);
    bool medium = atapi_has_medium(d), dvd = medium && atapi_is_dvd(d), cd = medium && !dvd;
    const uint8_t profiles[] = { 0, PROFILE_DVD, dvd, 0, 0, PROFILE_CD, cd, 0 };
    static const uint8_t core[] = { 0, 0, 0, 2, 1, 0, 0, 0 }; /* ATAPI; device busy events */
    static const uint8_t morphing[] = { 2, 0, 0, 0 };         /* asynchronous events are not */
    static const uint8_t removable[] = { 0x29, 0, 0, 0 };     /* tray, eject, lock */
    static const uint8_t readable[] = { 0, 0, 0x08, 0, 0, 1, 0, 0 }; /* 2048 bytes, 1 a time */
    static const uint8_t none[4];
    const struct {
        uint16_t code;
        uint8_t version, persistent, current;
        const uint8_t *data;
        uint8_t length;
    } features[] = {
        { 0x0000, 0, 1, 1, profiles, sizeof(profiles) },
        { 0x0001, 2, 1, 1, core, sizeof(core) },
        { 0x0002, 1, 1, 1, morphing, sizeof(morphing) },
        { 0x0003, 0, 1, 1, removable, sizeof(removable) },
        { 0x0010, 0, 0, medium, readable, sizeof(readable) },
        { 0x001e, 2, 0, cd, none, 4 },
        { 0x001f, 0, 0, dvd, none, 0 },
        { 0x0100, 0, 1, 1, none, 0 },
        { 0x0105, 1, 1, 1, none, 4 },
    };
    uint8_t *a = atapi_answer(d), *at = a + 8;

    if (which == 3) {
        atapi_invalid_field(d);
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        if (features[i].code < from || (which == 2 && features[i].code != from) ||
            (which == 1 && !features[i].current))
            continue;
        at = feature(at, features[i].code, features[i].version, features[i].persistent,
                     features[i].current, features[i].data, features[i].length);
    }
    put_be32(a, (uint32_t)(at - a - 4));
    put_be16(a + 6, dvd ? PROFILE_DVD : cd ? PROFILE_CD : 0);
    atapi_reply(d, (uint32_t)(at - a), get_be16(cdb + 7));
}

/* ---- GET EVENT STATUS NOTIFICATION ---- */

#define CLASS_MEDIA 4

void atapi_event_status(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    uint32_t allowed = get_be16(r->cdb + 7);
    uint8_t *a = atapi_answer(d);

    if (!(r->cdb[1] & 1)) { /* to be told later, over an overlapped command */
        atapi_invalid_field(d);
        return;
    }
    a[3] = 1 << CLASS_MEDIA;
    if (!(r->cdb[4] & 1 << CLASS_MEDIA)) {
        put_be16(a, 2);
        a[2] = 0x80; /* none of the classes asked for */
        atapi_reply(d, 4, allowed);
        return;
    }
    put_be16(a, 6);
    a[2] = CLASS_MEDIA;
    a[4] = r->media_event;
    a[5] = (uint8_t)((atapi_has_medium(d) ? 2 : 0) | (r->tray_open ? 1 : 0));
    if (allowed > 4)
        r->media_event = EVENT_NONE;
    atapi_reply(d, 8, allowed);
}

void atapi_mechanism_status(struct ide_drive *d)
{
    const uint8_t *cdb = d->regs->cdb;
    uint8_t *a = atapi_answer(d);

    a[1] = d->regs->tray_open ? 0x10 : 0;
    atapi_reply(d, 8, get_be16(cdb + 8));
}

/* ---- MODE SENSE ---- */

static unsigned recovery_page(uint8_t *p)
{
    p[0] = 0x01;
    p[1] = 0x06;
    p[3] = 0x05; /* retries */
    return 8;
}

static unsigned audio_page(uint8_t *p)
{
    p[0] = 0x0e;
    p[1] = 0x0e;
    p[2] = 0x04;
    p[7] = 75;
    p[8] = 1;
    p[9] = p[11] = 0xff;
    p[10] = 2;
    return 16;
}

static unsigned capabilities_page(const struct ide_drive *d, uint8_t *p)
{
    p[0] = 0x2a;
    p[1] = 0x14;
    p[2] = 0x3b; /* reads CD-R, CD-RW, Method 2, DVD-ROM, DVD-R */
    p[4] = 0x70; /* Mode 2 Form 1 and 2, several sessions */
    p[6] = (uint8_t)(0x29 | (d->regs->locked ? 2 : 0)); /* a tray that ejects and locks */
    put_be16(p + 8, SPEED_KB);
    put_be16(p + 10, 2);
    put_be16(p + 12, IDE_CACHE / KIB);
    put_be16(p + 14, SPEED_KB);
    return 22;
}

static uint8_t medium_type(const struct ide_drive *d)
{
    if (d->regs->tray_open)
        return 0x71;
    return atapi_has_medium(d) ? 0x01 : 0x70;
}

void atapi_mode_sense(struct ide_drive *d)
{
    const uint8_t *cdb = d->regs->cdb;
    bool six = cdb[0] == 0x1a;
    unsigned page = cdb[2] & 0x3f, header = six ? 4 : 8, n = header;
    uint8_t *a = atapi_answer(d);

    if (cdb[2] >> 6 == 3) {
        atapi_check(d, ILLEGAL_REQUEST, SAVING_NOT_SUPPORTED);
        return;
    }
    if (page == 0x01 || page == 0x3f)
        n += recovery_page(a + n);
    if (page == 0x0e || page == 0x3f)
        n += audio_page(a + n);
    if (page == 0x2a || page == 0x3f)
        n += capabilities_page(d, a + n);
    if (n == header) {
        atapi_invalid_field(d);
        return;
    }
    if (cdb[2] >> 6 == 1) { /* what may be changed: nothing, under the pages' own headers */
        for (unsigned at = header; at < n; at += 2u + a[at + 1])
            memset(a + at + 2, 0, a[at + 1]);
    }
    if (six) {
        a[0] = (uint8_t)(n - 1);
        a[1] = medium_type(d);
    } else {
        put_be16(a, (uint16_t)(n - 2));
        a[2] = medium_type(d);
    }
    atapi_reply(d, n, six ? cdb[4] : get_be16(cdb + 7));
}
