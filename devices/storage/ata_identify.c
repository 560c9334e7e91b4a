/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a hard disk says of itself. Document: ATA/ATAPI-7 volume 1, "IDENTIFY DEVICE"; words 69,
 * 105, 106, 169 are ATA8-ACS's. It is made afresh for each asking, from what is in force.
 */
#include "devices/storage/ata.h"

void ata_default_translation(struct ide_drive *d)
{
    struct ide_drive_regs *r = d->regs;

    r->heads = (uint8_t)d->heads;
    r->sectors = (uint8_t)d->sectors;
    r->cylinders = d->cylinders;
}

void ata_text(uint8_t *at, const char *text, unsigned length)
{
    for (unsigned i = 0; i < length; i++) {
        at[i ^ 1] = (uint8_t)(*text ? *text : ' ');
        if (*text)
            text++;
    }
}

void ata_checksum(uint8_t page[SECTOR])
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < SECTOR - 1; i++)
        sum = (uint8_t)(sum + page[i]);
    page[SECTOR - 1] = (uint8_t)-sum;
}

static void word(uint8_t *page, unsigned n, uint32_t value)
{
    put_le16(page + 2 * n, (uint16_t)value);
}

static void geometry(const struct ide_drive *d, uint8_t *page)
{
    const struct ide_drive_regs *r = d->regs;
    uint64_t total = ide_disk_sectors(d);
    uint32_t now = (uint32_t)r->cylinders * r->heads * r->sectors;

    word(page, 1, d->cylinders);
    word(page, 3, d->heads);
    word(page, 6, d->sectors);
    word(page, 54, r->cylinders);
    word(page, 55, r->heads);
    word(page, 56, r->sectors);
    put_le32(page + 2 * 57, now);
    put_le32(page + 2 * 60, (uint32_t)MIN(total, 0x0fffffff));
    put_le64(page + 2 * 100, total);
    if (ide_disk(d) && disk_sector_size(ide_disk(d)) == 4096)
        word(page, 106, 0x6003); /* eight logical sectors in a physical one */
}

void ata_identify_modes(const struct ide_drive *d, uint8_t *page)
{
    uint8_t mode = d->regs->mode;
    uint32_t chosen = 0x100u << (mode & 7);

    word(page, 49, 0x0b00); /* LBA, DMA, IORDY */
    word(page, 51, 0x0200);
    word(page, 52, 0x0200);
    word(page, 53, 0x0007); /* 54-58, 64-70, 88 are valid */
    word(page, 63, 0x0007 | ((mode & 0xf8) == 0x20 ? chosen : 0));
    word(page, 64, 0x0003); /* PIO 3 and 4 */
    for (unsigned n = 65; n <= 68; n++)
        word(page, n, 120); /* ns a cycle */
    word(page, 88, 0x003f | ((mode & 0xf8) == 0x40 ? chosen : 0));
    word(page, 93, d->unit & 1 ? 0x6100 : 0x6001); /* 80 conductors; who found the number how */
}

static void features(const struct ide_drive *d, uint8_t *page)
{
    const struct ide_drive_regs *r = d->regs;
    const struct disk *disk = ide_disk(d);

    word(page, 80, 0x00f0); /* ATA-4 to ATA/ATAPI-7 */
    word(page, 82, 0x4069); /* NOP, look-ahead, write cache, power management, SMART */
    word(page, 83, 0x7400); /* FLUSH CACHE (EXT), LBA48 */
    word(page, 84, 0x4043); /* FUA, SMART self-test and error log */
    word(page, 85,
         0x4008u | (r->look_ahead ? 0x40 : 0) | (r->write_cache ? 0x20 : 0) | (r->smart ? 1 : 0));
    word(page, 86, 0x3400);
    word(page, 87, 0x4043);
    if (disk && disk_can_discard(disk) && !drive_readonly(d->drive)) {
        word(page, 105, ATA_TRIM_BLOCKS);
        word(page, 169, 1);
    }
}

void ata_identify(struct ide_drive *d, uint8_t page[SECTOR])
{
    const struct ide_drive_regs *r = d->regs;

    memset(page, 0, SECTOR);
    word(page, 0, 0x0040);
    ata_text(page + 2 * 10, d->serial, 20);
    word(page, 20, 3);
    word(page, 21, IDE_CACHE / SECTOR);
    word(page, 22, 4);
    ata_text(page + 2 * 23, d->version, 8);
    ata_text(page + 2 * 27, d->model, 40);
    word(page, 47, 0x8000 | ATA_MULTIPLE_MOST);
    word(page, 48, 1); /* 32-bit access to the Data register */
    word(page, 50, 0x4000);
    word(page, 59, r->multiple ? 0x0100u | r->multiple : 0);
    geometry(d, page);
    ata_identify_modes(d, page);
    features(d, page);
    page[510] = 0xa5;
    ata_checksum(page);
}
