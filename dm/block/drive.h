/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_DRIVE_H
#define DM_BLOCK_DRIVE_H
#include <stdatomic.h>
#include <stdbool.h>
#include "dm/block/disk.h"
struct loop;

/*
 * A drive: the slot that a device reads its medium from. A hard disk's drive is always full until
 * it is unplugged; a CD-ROM's may be empty, and QMP changes what lies in it. -drive makes one.
 *
 * Its home is the machine loop, but the medium seen by the device changes only on the device's
 * loop: drive_change() posts there, and the device's `changed` takes the old one out.
 */
struct drive;

/* What becomes of a request that the image refuses. */
enum error_policy {
    ERRORS_REPORT, /* the guest is told */
    ERRORS_IGNORE, /* it is done, as far as the guest knows */
    ERRORS_STOP,   /* the machine stops; the request is made again when it goes on */
    ERRORS_ENOSPC, /* STOP where the host has no room, else REPORT */
};

struct drive_config {
    const char *id; /* "ide-5632", "ide0-hd0" */
    bool cdrom;
    bool readonly;
    const char *serial; /* NULL: the device invents one */
    struct disk *disk;  /* taken over if all goes well; NULL: empty */
    enum error_policy read_errors, write_errors;
};

int drive_open(struct drive **out, const struct drive_config *config, struct error *err);
void drive_close(struct drive *drive); /* no device attached */

const char *drive_id(const struct drive *drive);
bool drive_attached(const struct drive *drive); /* a device has it, or its medium is changing */
bool drive_is_cdrom(const struct drive *drive);
bool drive_readonly(const struct drive *drive);
const char *drive_serial(const struct drive *drive); /* may be NULL */
struct disk *drive_disk(const struct drive *drive);  /* as the device sees it; NULL: empty */

/* ---- The device's side (its loop) ---- */
struct drive_ops {
    /*
     * The medium is about to change to `next` (NULL: none). The device ends what it has in flight,
     * then calls drive_accept() - at once or later - and reports the change to its guest.
     */
    void (*changed)(void *owner, struct disk *next);
    /* Eject was asked for while the guest holds the door locked: tell the guest. */
    void (*eject_asked)(void *owner);
    /* The tray opens or closes, whatever lies in it. The device ends in drive_set_tray(). */
    void (*tray_asked)(void *owner, bool open);
};
/* -EBUSY when another device has it. A loop per device. */
int drive_attach(struct drive *drive, struct loop *loop, const struct drive_ops *ops, void *owner,
                 struct error *err);
void drive_detach(struct drive *drive);
void drive_accept(struct drive *drive); /* the old medium is out of use; `next` is in */
/*
 * Unplug: takes the medium out for good. done(arg) on the device's loop, later, once the disk is
 * closed (on the machine loop, which may be looking at it). The device has nothing in flight.
 */
void drive_remove(struct drive *drive, void (*done)(void *arg), void *arg);
/* The guest locks the door, or opens and closes the tray (START STOP UNIT). */
void drive_set_locked(struct drive *drive, bool locked);
void drive_set_tray(struct drive *drive, bool open);
/*
 * A request failed: REPORT, IGNORE or STOP, which is the device's to do; the machine loop hears of
 * it. After STOP the device keeps the request until its resume.
 */
enum error_policy drive_judge_error(struct drive *drive, bool write, int rc);
void drive_policy(const struct drive *drive, enum error_policy policy[2]); /* reads, writes */
bool drive_locked(const struct drive *drive);
bool drive_tray_open(const struct drive *drive);

void drive_ask_eject(struct drive *drive); /* the guest is asked to let go of the medium */

/* ---- QMP's side (the machine loop) ---- */
/* News: told of on the machine loop, once it is named. */
struct drive_error {
    bool write;
    enum error_policy action;
    int rc;
};
/* Errors that nobody has been told of yet, by way and action: the last of each. Any thread. */
struct drive_errors {
    atomic_int rc[2][4];
};
/* True where no other of its kind was waiting. */
bool drive_errors_note(struct drive_errors *errors, bool write, enum error_policy action, int rc);
/* The next one from *at on, which begins at 0; false at the end. Each is told once. */
bool drive_errors_take(struct drive_errors *errors, unsigned *at, struct drive_error *error);

struct drive_listener {
    void (*failed)(void *arg, struct drive *drive, const struct drive_error *what);
    void (*tray_moved)(void *arg, struct drive *drive, bool open);
};
void drive_listen(struct drive *drive, const struct drive_listener *listener, void *arg);
/* The error that stopped the machine, 0 where there was none; and that it is over. */
int drive_stopped_by(const struct drive *drive);
void drive_error_over(struct drive *drive);
/*
 * The machine loop, where media are closed. Until it is named, that is done on the device's loop,
 * which suits those who have but one.
 */
void drive_set_home(struct drive *drive, struct loop *machine);
/*
 * Puts `disk` (NULL: nothing) into the drive; taken over if this returns 0. -EBUSY with the
 * sentence where the guest has locked the door and `force` is not set, or where an earlier change
 * is still under way. done(arg, rc) on the machine loop, later; it may be NULL. The tray is open
 * after a medium was taken out, and closed after one was put in.
 */
int drive_change(struct drive *drive, struct disk *disk, bool force,
                 void (*done)(void *arg, int rc), void *arg, struct error *err);
/* The same for a drive whose tray is open, and stays so. */
int drive_change_in_tray(struct drive *drive, struct disk *disk, void (*done)(void *arg, int rc),
                         void *arg, struct error *err);
/*
 * Opens or closes the tray. -EINPROGRESS where the guest has locked the door and `force` is not set:
 * it was asked to let go. done(arg, 0) on the machine loop, later, where this returns 0.
 */
int drive_move_tray(struct drive *drive, bool open, bool force, void (*done)(void *arg, int rc),
                    void *arg, struct error *err);
#endif
