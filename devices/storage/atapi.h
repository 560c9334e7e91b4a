/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_STORAGE_ATAPI_H
#define DEVICES_STORAGE_ATAPI_H
#include "devices/storage/ide.h"

/* What the files of the ATAPI CD-ROM share. */

/*
 * A change of medium, as the guest learns it: first the drive is empty, then it has changed. A
 * driver that did not look in between would otherwise keep what it knows of the old one.
 */
enum media_news { NEWS_NONE, NEWS_EMPTY, NEWS_CHANGED };

/* Media events of GET EVENT STATUS NOTIFICATION */
#define EVENT_NONE 0
#define EVENT_EJECT 1
#define EVENT_NEW 2
#define EVENT_REMOVED 3

/* Sense keys, and additional codes as ASC << 8 | ASCQ */
#define NOT_READY 0x2
#define MEDIUM_ERROR 0x3
#define ILLEGAL_REQUEST 0x5
#define UNIT_ATTENTION 0x6
#define INVALID_OPCODE 0x2000
#define LBA_OUT_OF_RANGE 0x2100
#define INVALID_FIELD 0x2400
#define MEDIUM_CHANGED 0x2800
#define WRONG_FORMAT 0x3002
#define SAVING_NOT_SUPPORTED 0x3900
#define NO_MEDIUM 0x3a00
#define NO_MEDIUM_TRAY_CLOSED 0x3a01
#define NO_MEDIUM_TRAY_OPEN 0x3a02
#define REMOVAL_PREVENTED 0x5302
#define ILLEGAL_MODE_FOR_TRACK 0x6400
#define UNRECOVERED_READ 0x1100

void atapi_ok(struct ide_drive *d);
void atapi_check(struct ide_drive *d, uint8_t key, uint16_t code);
static inline void atapi_invalid_field(struct ide_drive *d)
{
    atapi_check(d, ILLEGAL_REQUEST, INVALID_FIELD);
}
/* Sends the first bytes of the buffer, at most as many as the packet allows for. */
void atapi_reply(struct ide_drive *d, uint32_t length, uint32_t allowed);

bool atapi_has_medium(const struct ide_drive *d);
uint32_t atapi_sectors(const struct ide_drive *d); /* of 2048 bytes */
bool atapi_is_dvd(const struct ide_drive *d);
/* The buffer, zeroed, for an answer to be made in. */
uint8_t *atapi_answer(struct ide_drive *d);

/* Informational commands (atapi_info.c, atapi_disc.c); the packet is in regs->cdb. */
void atapi_identify(struct ide_drive *d);
void atapi_inquiry(struct ide_drive *d);
void atapi_get_configuration(struct ide_drive *d);
void atapi_event_status(struct ide_drive *d);
void atapi_mode_sense(struct ide_drive *d);
void atapi_mechanism_status(struct ide_drive *d);
void atapi_read_capacity(struct ide_drive *d);
void atapi_read_toc(struct ide_drive *d);
void atapi_disc_information(struct ide_drive *d);
void atapi_track_information(struct ide_drive *d);
void atapi_dvd_structure(struct ide_drive *d);
void atapi_read_subchannel(struct ide_drive *d);

/* The drive's side of drive.h. */
extern const struct drive_ops atapi_drive_ops;
void atapi_change_now(struct ide_drive *d); /* nothing is in flight */
#endif
