/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_STORAGE_ATA_H
#define DEVICES_STORAGE_ATA_H
#include "devices/storage/ide.h"

/* What the files of the ATA hard disk share. */
#define ATA_MULTIPLE_MOST 16u
#define ATA_TRIM_BLOCKS 8u /* of 512 bytes, in one DATA SET MANAGEMENT */
#define ATA_ACTIVE 0xff    /* CHECK POWER MODE */
#define ATA_IDLE 0x80
#define ATA_STANDBY 0x00

void ata_ok(struct ide_drive *d);
void ata_error(struct ide_drive *d, uint8_t error);
/* Strings in IDENTIFY: padded with blanks, two characters swapped in each word. */
void ata_text(uint8_t *at, const char *text, unsigned length);
void ata_identify(struct ide_drive *d, uint8_t page[SECTOR]);
void ata_identify_modes(const struct ide_drive *d, uint8_t *page); /* words 49 to 93 */
bool ata_mode_known(uint8_t mode);                                 /* of SET FEATURES 03h */
void ata_default_translation(struct ide_drive *d);
void ata_smart(struct ide_drive *d); /* command B0h */
/* The last byte makes the sum of all zero. */
void ata_checksum(uint8_t page[SECTOR]);
#endif
