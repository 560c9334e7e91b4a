/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A drive: a slot, the medium in it, and the messages by which QMP changes that under a device that
 * lives on a loop of its own. The device's loop puts the new medium in; the machine loop closes the
 * old one, so that what it looked at does not vanish while it looks.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/base/tape.h"
#include "dm/block/drive.h"

struct change {
    struct drive *drive;
    bool stays; /* the tray as it is */
    bool open;  /* the tray, where only that moves */
    struct disk *next;
    struct disk *old;
    void (*done)(void *arg, int rc);
    void *arg;
};

struct removal {
    const char *id; /* the drive's */
    struct loop *device_loop;
    struct disk *old;
    void (*done)(void *arg);
    void *arg;
};

struct drive {
    char *id, *serial;
    bool cdrom, readonly;
    _Atomic(struct disk *) disk;
    atomic_bool locked, tray_open;
    enum error_policy policy[2]; /* of reads, of writes */
    atomic_int stopped_by;
    struct drive_errors failed;
    struct loop *home;
    const struct drive_listener *listener;
    void *listener_arg;

    struct loop *loop; /* the device's; with the two below, set by attach */
    const struct drive_ops *ops;
    void *owner;

    struct change *change; /* the machine loop's: under way */
    struct change *asked;  /* the device loop's: the device has not accepted it yet */
};

int drive_open(struct drive **out, const struct drive_config *config, struct error *err)
{
    struct drive *d = calloc(1, sizeof(*d));

    if (!d)
        return error_set(err, -ENOMEM, "drive %s: out of memory", config->id);
    d->id = strdup(config->id);
    d->serial = config->serial ? strdup(config->serial) : NULL;
    if (!d->id || (config->serial && !d->serial)) {
        drive_close(d);
        return error_set(err, -ENOMEM, "drive %s: out of memory", config->id);
    }
    d->cdrom = config->cdrom;
    d->readonly = config->readonly || config->cdrom;
    d->policy[0] = config->read_errors;
    d->policy[1] = config->write_errors;
    atomic_store(&d->disk, config->disk);
    *out = d;
    return 0;
}

void drive_close(struct drive *d)
{
    if (!d)
        return;
    if (d->change) { /* its messages died with their loops */
        disk_close(d->change->next);
        disk_close(d->change->old);
        free(d->change);
    }
    disk_close(atomic_load(&d->disk));
    free(d->id);
    free(d->serial);
    free(d);
}

const char *drive_id(const struct drive *d)
{
    return d->id;
}

bool drive_attached(const struct drive *d)
{
    return d->ops || d->change;
}

bool drive_is_cdrom(const struct drive *d)
{
    return d->cdrom;
}

bool drive_readonly(const struct drive *d)
{
    const struct disk *disk = atomic_load(&d->disk);

    return d->readonly || (disk && disk_readonly(disk));
}

const char *drive_serial(const struct drive *d)
{
    return d->serial;
}

struct disk *drive_disk(const struct drive *d)
{
    return atomic_load(&d->disk);
}

/* ---- The device's side ---- */

int drive_attach(struct drive *d, struct loop *loop, const struct drive_ops *ops, void *owner,
                 struct error *err)
{
    if (d->ops)
        return error_set(err, -EBUSY, "drive %s is in use by another device", d->id);
    d->loop = loop;
    d->ops = ops;
    d->owner = owner;
    return 0;
}

void drive_detach(struct drive *d)
{
    d->ops = NULL;
    d->owner = NULL;
    if (d->asked) /* nobody is left to say yes */
        drive_accept(d);
}

void drive_set_locked(struct drive *d, bool locked)
{
    atomic_store(&d->locked, locked);
}

/* ---- News ---- */

static void tell_opened(void *arg)
{
    struct drive *d = arg;

    d->listener->tray_moved(d->listener_arg, d, true);
}

static void tell_closed(void *arg)
{
    struct drive *d = arg;

    d->listener->tray_moved(d->listener_arg, d, false);
}

void drive_set_tray(struct drive *d, bool open)
{
    if (atomic_exchange(&d->tray_open, open) != open && d->home && d->listener)
        loop_post(d->home, open ? tell_opened : tell_closed, d);
}

bool drive_errors_note(struct drive_errors *e, bool write, enum error_policy action, int rc)
{
    return !atomic_exchange(&e->rc[write][action], rc);
}

bool drive_errors_take(struct drive_errors *e, unsigned *at, struct drive_error *error)
{
    for (; *at < 8; ++*at) {
        *error = (struct drive_error){ .write = *at & 1, .action = (enum error_policy)(*at / 2) };
        error->rc = atomic_exchange(&e->rc[error->write][error->action], 0);
        if (error->rc) {
            ++*at;
            return true;
        }
    }
    return false;
}

static void tell_errors(void *arg)
{
    struct drive *d = arg;
    struct drive_error e;

    for (unsigned at = 0; drive_errors_take(&d->failed, &at, &e);)
        d->listener->failed(d->listener_arg, d, &e);
}

enum error_policy drive_judge_error(struct drive *d, bool write, int rc)
{
    enum error_policy action = d->policy[write];

    if (action == ERRORS_ENOSPC)
        action = rc == -ENOSPC ? ERRORS_STOP : ERRORS_REPORT;
    if (!d->home || !d->listener)
        return action == ERRORS_STOP ? ERRORS_REPORT : action; /* nobody would let it go on */
    if (action == ERRORS_STOP)
        atomic_store(&d->stopped_by, rc);
    drive_errors_note(&d->failed, write, action, rc);
    loop_post(d->home, tell_errors, d);
    return action;
}

void drive_policy(const struct drive *d, enum error_policy policy[2])
{
    memcpy(policy, d->policy, sizeof(d->policy));
}

int drive_stopped_by(const struct drive *d)
{
    return atomic_load(&d->stopped_by);
}

void drive_error_over(struct drive *d)
{
    atomic_store(&d->stopped_by, 0);
}

void drive_listen(struct drive *d, const struct drive_listener *listener, void *arg)
{
    d->listener = listener;
    d->listener_arg = arg;
}

bool drive_locked(const struct drive *d)
{
    return atomic_load(&d->locked);
}

bool drive_tray_open(const struct drive *d)
{
    return atomic_load(&d->tray_open);
}

static void change_ended(void *arg)
{
    struct change *c = arg;

    disk_close(c->old);
    c->drive->change = NULL;
    if (c->done)
        c->done(c->arg, 0);
    free(c);
}

void drive_accept(struct drive *d)
{
    struct change *c = d->asked;

    if (!c)
        return;
    d->asked = NULL;
    if (!c->stays) /* it opens for whatever comes or goes, and closes over what came */
        drive_set_tray(d, true);
    c->old = atomic_exchange(&d->disk, c->next);
    if (!c->stays && c->next)
        drive_set_tray(d, false);
    if (!c->next)
        atomic_store(&d->locked, false); /* forced out: there is nothing left to hold */
    c->next = NULL;
    loop_post(d->home ? d->home : d->loop, change_ended, c);
}

static void removal_ended(void *arg)
{
    struct removal *r = arg;
    struct tape *tape = tape_event(TAPE_REMOVED, r->id);

    r->done(r->arg);
    if (tape) {
        tape_kept(tape);
        tape_end(tape);
    }
    free(r);
}

static void close_removed(void *arg)
{
    struct removal *r = arg;

    disk_close(r->old);
    loop_post(r->device_loop, removal_ended, r);
}

void drive_remove(struct drive *d, void (*done)(void *arg), void *arg)
{
    struct removal *r = malloc(sizeof(*r));

    if (!r) { /* then we close it under the machine loop's eyes rather than keep it open */
        disk_close(atomic_exchange(&d->disk, NULL));
        loop_post(d->loop, done, arg);
        return;
    }
    if (tape_here())
        tape_promise(tape_here());
    *r = (struct removal){ .id = d->id, .device_loop = d->loop, .done = done, .arg = arg };
    r->old = atomic_exchange(&d->disk, NULL);
    loop_post(d->home ? d->home : d->loop, close_removed, r);
}

/* ---- QMP's side ---- */

void drive_set_home(struct drive *d, struct loop *machine)
{
    d->home = machine;
}

static void tell_device(void *arg)
{
    struct change *c = arg;
    struct drive *d = c->drive;
    struct tape *tape = tape_event(TAPE_MEDIUM, d->id);

    if (tape)
        disk_record(c->next, tape);
    d->asked = c;
    if (d->ops && d->ops->changed)
        d->ops->changed(d->owner, c->next);
    else
        drive_accept(d);
    tape_end(tape);
}

static void ask_eject(void *arg)
{
    drive_ask_eject(arg);
}

void drive_ask_eject(struct drive *d)
{
    struct tape *tape = tape_event(TAPE_EJECT, d->id);

    if (d->ops && d->ops->eject_asked)
        d->ops->eject_asked(d->owner);
    tape_end(tape);
}

/* Whether the tray may move; 0, or why not. */
static int judge_tray(struct drive *d, struct error *err)
{
    if (!d->cdrom)
        return error_set(err, -EINVAL, "drive %s has no removable medium", d->id);
    if (!d->loop && !d->home)
        return error_set(err, -ENODEV, "drive %s belongs to no device", d->id);
    if (d->change)
        return error_set(err, -EBUSY, "drive %s: another change of its medium is under way", d->id);
    return 0;
}

static bool refuses_to_open(struct drive *d, bool force)
{
    if (force || !drive_locked(d) || drive_tray_open(d))
        return false;
    loop_post(d->loop ? d->loop : d->home, ask_eject, d);
    return true;
}

static int begin_change(struct drive *d, const struct change *what, void (*fn)(void *arg),
                        struct error *err)
{
    struct change *c = malloc(sizeof(*c));

    if (!c)
        return error_set(err, -ENOMEM, "drive %s: out of memory", d->id);
    *c = *what;
    c->drive = d;
    d->change = c;
    loop_post(d->loop ? d->loop : d->home, fn, c);
    return 0;
}

int drive_change_in_tray(struct drive *d, struct disk *disk, void (*done)(void *arg, int rc),
                         void *arg, struct error *err)
{
    struct change c = { .stays = true, .next = disk, .done = done, .arg = arg };
    int rc = judge_tray(d, err);

    if (rc == 0 && !drive_tray_open(d))
        rc = error_set(err, -EBUSY, "Tray of device '%s' is not open", d->id);
    return rc < 0 ? rc : begin_change(d, &c, tell_device, err);
}

static void move_tray(void *arg)
{
    struct change *c = arg;
    struct drive *d = c->drive;

    if (d->ops && d->ops->tray_asked)
        d->ops->tray_asked(d->owner, c->open);
    else
        drive_set_tray(d, c->open);
    loop_post(d->home ? d->home : d->loop, change_ended, c);
}

int drive_move_tray(struct drive *d, bool open, bool force, void (*done)(void *arg, int rc),
                    void *arg, struct error *err)
{
    struct change c = { .open = open, .done = done, .arg = arg };
    int rc = judge_tray(d, err);

    if (rc == 0 && open && refuses_to_open(d, force))
        rc = error_set(err, -EINPROGRESS, "drive %s is locked by the guest; it was asked to let go",
                       d->id);
    return rc < 0 ? rc : begin_change(d, &c, move_tray, err);
}

int drive_change(struct drive *d, struct disk *disk, bool force, void (*done)(void *arg, int rc),
                 void *arg, struct error *err)
{
    struct change c = { .next = disk, .done = done, .arg = arg };
    int rc = judge_tray(d, err);

    if (rc == 0 && refuses_to_open(d, force))
        rc = error_set(err, -EBUSY,
                       "drive %s is locked by the guest; it was asked to let go, or use force",
                       d->id);
    return rc < 0 ? rc : begin_change(d, &c, tell_device, err);
}
