/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMART of a hard disk that does not wear. Documents: ATA/ATAPI-7 volume 1, "SMART feature set" and
 * the SMART commands; the layout of attributes is SFF-8035i's.
 * Not modelled: errors in the log, and logs of the host's own (SMART WRITE LOG).
 */
#include "devices/storage/ata.h"

#define READ_DATA 0xd0
#define READ_THRESHOLDS 0xd1
#define AUTOSAVE 0xd2
#define SAVE_ATTRIBUTES 0xd3
#define EXECUTE_OFFLINE 0xd4
#define READ_LOG 0xd5
#define ENABLE 0xd8
#define DISABLE 0xd9
#define RETURN_STATUS 0xda

static const struct attribute {
    uint8_t id, flags, current, worst, raw, threshold;
} attributes[] = {
    { 0x01, 0x03, 100, 100, 0, 6 },  /* raw read error rate */
    { 0x03, 0x03, 100, 100, 0, 0 },  /* spin-up time */
    { 0x04, 0x02, 100, 100, 1, 20 }, /* starts and stops */
    { 0x05, 0x03, 100, 100, 0, 36 }, /* reallocated sectors */
    { 0x09, 0x03, 100, 100, 1, 0 },  /* hours of power */
    { 0x0c, 0x03, 100, 100, 1, 0 },  /* power cycles */
    { 0xbe, 0x03, 69, 69, 31, 50 },  /* airflow temperature, degrees Celsius */
    { 0xc5, 0x12, 100, 100, 0, 0 },  /* pending sectors */
};

static void data_page(const struct ide_drive *d, uint8_t *page)
{
    put_le16(page, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(attributes); i++) {
        uint8_t *at = page + 2 + 12 * i;

        at[0] = attributes[i].id;
        at[1] = attributes[i].flags;
        at[3] = attributes[i].current;
        at[4] = attributes[i].worst;
        at[5] = attributes[i].raw;
    }
    page[362] = (uint8_t)(0x02 | (d->regs->smart_autosave ? 0x80 : 0)); /* collection ended well */
    page[363] = 0;           /* as did the last self-test */
    put_le16(page + 364, 1); /* seconds an offline collection takes */
    page[367] = 0x19;        /* offline immediate, offline scan, self-tests */
    put_le16(page + 368, 0x0003);
    page[370] = 0x01; /* there is an error log */
    page[372] = 1;    /* minutes of a short self-test, */
    page[373] = 1;    /* and of an extended one */
}

static void thresholds_page(uint8_t *page)
{
    put_le16(page, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(attributes); i++) {
        page[2 + 12 * i] = attributes[i].id;
        page[3 + 12 * i] = attributes[i].threshold;
    }
}

/* False for a log there is not. */
static bool log_page(const struct ide_drive *d, uint8_t address, uint8_t *page)
{
    switch (address) {
    case 0x00: /* the directory */
        put_le16(page, 1);
        page[2 * 0x01] = page[2 * 0x06] = 1;
        return true;
    case 0x01: /* errors: none */
        page[0] = 1;
        break;
    case 0x06: /* self-tests: the last one, which went well */
        put_le16(page, 1);
        if (d->regs->smart_test) {
            page[2] = d->regs->smart_test;
            page[508] = 1;
        }
        break;
    default:
        return false;
    }
    return true;
}

static void send(struct ide_drive *d, uint8_t *page, bool sum)
{
    if (sum)
        ata_checksum(page);
    memcpy(d->regs->buffer, page, SECTOR);
    ide_send(d, SECTOR, SECTOR, 0);
}

static void execute(struct ide_drive *d, uint8_t test)
{
    switch (test) {
    case 0x00: /* offline data collection */
    case 0x7f: /* abort: nothing ever runs */
        ata_ok(d);
        break;
    case 0x01: /* short and extended, in the background, */
    case 0x02:
    case 0x81: /* and while the host waits */
    case 0x82:
        d->regs->smart_test = test;
        ata_ok(d);
        break;
    default:
        ata_error(d, ER_ABRT);
    }
}

void ata_smart(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;
    uint8_t page[SECTOR] = { 0 };

    if (r->mid[0] != 0x4f || r->high[0] != 0xc2 || (!r->smart && r->features[0] != ENABLE)) {
        ata_error(d, ER_ABRT);
        return;
    }
    switch (r->features[0]) {
    case READ_DATA:
        data_page(d, page);
        send(d, page, true);
        return;
    case READ_THRESHOLDS:
        thresholds_page(page);
        send(d, page, true);
        return;
    case READ_LOG:
        if (r->count[0] != 1 || !log_page(d, r->low[0], page))
            break;
        send(d, page, r->low[0]);
        return;
    case AUTOSAVE:
        if (r->count[0] && r->count[0] != 0xf1)
            break;
        r->smart_autosave = r->count[0] ? 1 : 0;
        ata_ok(d);
        return;
    case EXECUTE_OFFLINE:
        execute(d, r->low[0]);
        return;
    case ENABLE:
    case DISABLE:
        r->smart = r->features[0] == ENABLE;
        ata_ok(d);
        return;
    case SAVE_ATTRIBUTES:
    case RETURN_STATUS: /* good: Mid and High stay 4Fh and C2h */
        ata_ok(d);
        return;
    }
    ata_error(d, ER_ABRT);
}
