/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine's life: stop and go on, reset, power, sleep, and its end. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "devices/acpi/piix4_pm.h"
#include "devices/core/device.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/base/tape.h"
#include "dm/block/drive.h"
#include "dm/machine/bare.h"
#include "dm/machine/gather.h"
#include "dm/machine/machine.h"
#include "dm/machine/pv.h"
#include "dm/machine/record.h"
#include "dm/xen/domain.h"
#include "dm/xen/store.h"

void machine_emit(struct machine *m, const char *event, const char *reason)
{
    if (m->event)
        m->event(m->event_arg, event, reason);
}

void machine_emit_data(struct machine *m, const char *event, struct json_t *data)
{
    if (m->event_data)
        m->event_data(m->event_arg, event, data);
}

const char *machine_state_name(const struct machine *m)
{
    static const char *const names[] = { "prelaunch", "running", "paused", "shutdown",
                                         "suspended", "io-error" };

    return names[m->state];
}

/* ---- Draining: every device that may have something in flight, each on its loop ---- */

static void drain_one(void *arg)
{
    struct share *s = arg;
    struct tape *tape = record_op(s->device, OP_DRAIN, 0);

    device_class_of(s->device)->drain(s->device, gather_report, s->gather);
    tape_end(tape);
    free(s);
}

static void drain_all(struct machine *m, void (*done)(void *arg), void *arg)
{
    struct gather *g = gather_begin(m->loop, done, arg);

    for (unsigned i = 0; i < m->placed_count; i++) {
        struct placed *p = &m->placed[i];

        if (device_class_of(p->device)->drain)
            gather_ask(g, p->seat->loop, drain_one, p->device, 0);
    }
    gather_end(g);
}

static void resume_one(void *arg)
{
    struct tape *tape = record_op(arg, OP_RESUME, 0);

    device_class_of(arg)->resume(arg);
    tape_end(tape);
}

/* ---- Stop and go on ---- */

struct stop {
    struct machine *machine;
    void (*done)(void *arg);
    void *arg;
};

static void stopped(void *arg)
{
    struct stop *s = arg;

    machine_emit(s->machine, "STOP", NULL);
    s->done(s->arg);
    free(s);
}

static void stop(struct machine *m, enum run_state state, void (*done)(void *arg), void *arg)
{
    struct stop *s = malloc(sizeof(*s));

    if (m->state != RUN_RUNNING || !s) {
        free(s);
        loop_post(m->loop, done, arg);
        return;
    }
    *s = (struct stop){ .machine = m, .done = done, .arg = arg };
    m->state = state;
    drain_all(m, stopped, s);
}

void machine_stop(struct machine *m, void (*done)(void *arg), void *arg)
{
    stop(m, RUN_PAUSED, done, arg);
}

void machine_cont(struct machine *m)
{
    struct error err;
    char path[64];

    if (m->state == RUN_PRELAUNCH) {
        snprintf(path, sizeof(path), "device-model/%u/state", m->config->domid);
        if (m->store && store_write(m->store, path, "running", &err) < 0)
            log_warn("%s", err.text); /* only who waited on it minds, and he used -S */
    } else if (m->state == RUN_PAUSED || m->state == RUN_IO_ERROR) {
        for (unsigned i = 0; i < m->drive_count; i++)
            drive_error_over(m->drives[i]);
        for (unsigned i = 0; i < m->placed_count; i++)
            if (device_class_of(m->placed[i].device)->resume)
                loop_post(m->placed[i].seat->loop, resume_one, m->placed[i].device);
        machine_resume_pv(m);
    } else {
        return;
    }
    m->state = RUN_RUNNING;
    machine_emit(m, "RESUME", NULL);
}

/* ---- What drives have to tell ---- */

static void stop_is_told(void *arg)
{
}

void machine_disk_failed(struct machine *m, const char *device, const struct drive_error *e)
{
    static const char *const actions[] = { "report", "ignore", "stop" };

    machine_emit_data(m, "BLOCK_IO_ERROR",
                      json_pack("{s:s,s:s,s:s,s:b,s:s}", "device", device, "operation",
                                e->write ? "write" : "read", "action", actions[e->action],
                                "nospace", e->rc == -ENOSPC, "reason", strerror(-e->rc)));
    if (e->action == ERRORS_STOP)
        stop(m, RUN_IO_ERROR, stop_is_told, NULL);
}

static void drive_failed(void *arg, struct drive *drive, const struct drive_error *e)
{
    machine_disk_failed(arg, drive_id(drive), e);
}

static void tray_moved(void *arg, struct drive *drive, bool open)
{
    machine_emit_data(arg, "DEVICE_TRAY_MOVED",
                      json_pack("{s:s,s:s,s:b}", "device", drive_id(drive), "id", drive_id(drive),
                                "tray-open", open));
}

void machine_listen(struct machine *m, struct drive *drive)
{
    static const struct drive_listener listener = { drive_failed, tray_moved };

    drive_listen(drive, &listener, m);
}

/* ---- Log-dirty: every seat's view of memory, every device with memory of its own ---- */

struct dirty {
    struct machine *machine;
    struct seat *seat;
    bool on;
};

static void dirty_here(void *arg)
{
    struct dirty *d = arg;
    struct machine *m = d->machine;

    memory_log_dirty(d->seat->memory, d->on);
    for (unsigned i = 0; i < m->placed_count; i++)
        if (m->placed[i].seat == d->seat && device_class_of(m->placed[i].device)->log_dirty)
            device_class_of(m->placed[i].device)->log_dirty(m->placed[i].device, d->on);
    free(d);
}

void machine_log_dirty(struct machine *m, bool on)
{
    for (unsigned i = 0; i < SEATS; i++) {
        struct dirty *d = m->seats[i].used ? malloc(sizeof(*d)) : NULL;

        if (!d)
            continue;
        *d = (struct dirty){ .machine = m, .seat = &m->seats[i], .on = on };
        loop_post(m->seats[i].loop, dirty_here, d);
    }
}

/* ---- Reset, power, sleep ---- */

void machine_reset(struct machine *m)
{
    if (m->bare) {
        bare_reset(m->bare, "host-qmp-system-reset");
        return;
    }
    domain_shut_down(m->domain, DOMAIN_REBOOT);
    machine_emit(m, "RESET", "host-qmp-system-reset");
}

void machine_power_button(struct machine *m)
{
    if (m->domain)
        domain_power_button(m->domain);
    machine_emit(m, "POWERDOWN", NULL);
}

int machine_wake(struct machine *m, struct error *err)
{
    struct tape *tape = m->pm ? record_op(m->pm, OP_WAKE, 0) : NULL;
    int rc;

    if (m->pm)
        pm_wake(m->pm);
    tape_end(tape);
    rc = m->domain ? domain_set_sleep(m->domain, 0, err) : 0;
    if (rc == 0 && m->state == RUN_SUSPENDED) {
        m->state = RUN_RUNNING;
        machine_emit(m, "WAKEUP", NULL);
    }
    return rc;
}

/* ---- The end ---- */

static void finish(void *arg)
{
    struct machine *m = arg;

    loop_stop(m->loop);
}

static void pv_stopped(void *arg)
{
    drain_all(arg, finish, arg);
}

void machine_quit(struct machine *m)
{
    if (m->quitting)
        return;
    m->quitting = true;
    machine_stop_pv(m, pv_stopped, m);
}
