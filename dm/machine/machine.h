/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MACHINE_MACHINE_H
#define DM_MACHINE_MACHINE_H
#include <stdbool.h>
#include <stdint.h>
#include "devices/core/board.h"
#include "dm/base/loop.h"
#include "dm/block/nodes.h"
#include "dm/control/options.h"
#include "dm/memory/memory.h"
struct bare;
struct chardev;
struct device;
struct domain;
struct drive;
struct error;
struct input;
struct json_t;
struct keeper;
struct loop;
struct netport;
struct pv;
struct reel;
struct replay;
struct screen;
struct server;
struct store;
struct vnc;

/*
 * The guest's hardware as a whole: it opens the host ends, composes the PC, runs the loops and
 * takes it all apart again. The machine loop's only, where a line does not say otherwise.
 */

/* A place where devices live: a loop with its own ioreq server. pc.c says which device lives where. */
enum seat_name { SEAT_MACHINE, SEAT_DISK, SEAT_NET, SEAT_DISPLAY, SEATS };

struct seat {
    struct machine *machine;
    const char *name;
    struct loop *loop;
    struct memory *memory;
    struct server *server;
    struct board board;
    bool used;
};

struct placed {
    struct device *device;
    struct seat *seat;
    bool nic;     /* goes with the NICs at unplug */
    bool leaving; /* the guest has been asked to let it go */
};

#define PLACED_MOST 64

enum run_state {
    RUN_PRELAUNCH, RUN_RUNNING, RUN_PAUSED, RUN_SHUTDOWN, RUN_SUSPENDED,
    RUN_IO_ERROR, /* paused, by an image that refused a request */
};

struct machine {
    const struct machine_config *config;
    struct domain *domain; /* NULL under qtest, as is the store */
    struct bare *bare;     /* what a machine without Xen stands on; else NULL */
    struct pv *pv; /* NULL: no PV backends */
    struct store *store;
    struct keeper *keeper; /* NULL: the store is xenstored's own */
    struct store_watch *release_watch;
    bool pid_noted; /* in xenstore, by us */
    struct timer look; /* for a domain that Xen hides from us */
    struct loop *loop; /* the machine loop */
    struct arena *arena;
    struct replay *played; /* NULL: this machine is a real one */
    struct reel *reel; /* NULL: nothing is recorded */
    struct memory_layout layout;
    struct seat seats[SEATS];
    struct placed placed[PLACED_MOST];
    unsigned placed_count;
    struct drive *drives[DRIVES_MOST];
    unsigned drive_count;
    struct nodes nodes;
    struct netport *netports[NETDEVS_MOST];
    unsigned netport_count;
    struct chardev *chardevs[CHARDEVS_MOST + SERIALS_MOST + 2];
    unsigned chardev_count;
    struct screen *screen; /* NULL: no display device */
    struct input *input;
    struct vnc *vnc;
    bool vnc_password; /* logins need one */
    struct device *pm, *ide, *cmos;
    struct {
        char *id, *controller;
        unsigned port;
    } usb[USB_MOST]; /* devices with an id: QMP may take them out */
    uint32_t ejected; /* slots that the guest has let go of, and that go soon */
    enum run_state state;
    bool quitting;
    /* Told on the machine loop; NULL at first. Names are QMP's events. */
    void (*event)(void *arg, const char *name, const char *reason);
    /* The same with the event's own data, which is taken over. */
    void (*event_data)(void *arg, const char *name, struct json_t *data);
    void *event_arg;
};

/* Opens all that the configuration asks for; nothing runs yet. */
int machine_open(struct machine **out, const struct machine_config *config, struct loop *loop,
                 struct error *err);
/* Requests come from now on, and the device loops have threads. */
int machine_start(struct machine *machine, struct error *err);
/* Writes the readiness node, unless -S asked to wait; then looks for PV devices. */
int machine_announce(struct machine *machine, struct error *err);
void machine_close(struct machine *machine); /* NULL is fine */

/* Ends the machine loop, after disks are flushed or a second has passed. Also from a signal. */
void machine_quit(struct machine *machine);

/* ---- What control asks ---- */
void machine_stop(struct machine *machine, void (*done)(void *arg), void *arg);
void machine_cont(struct machine *machine);
/* Whether our writes to guest memory are reported to Xen (a save is on its way). */
void machine_log_dirty(struct machine *machine, bool on);
void machine_reset(struct machine *machine);      /* system_reset: the domain reboots */
void machine_power_button(struct machine *machine);
int machine_wake(struct machine *machine, struct error *err);
void machine_emit(struct machine *machine, const char *event, const char *reason);
void machine_emit_data(struct machine *machine, const char *event, struct json_t *data);
const char *machine_state_name(const struct machine *machine); /* as query-status says */

/* ---- Parts, for who builds a machine of another kind (replay.c) ---- */
void machine_lay_out_memory(struct machine *machine);
bool machine_drive_is_cd(const struct machine_config *config, const char *id);
int machine_open_chardevs(struct machine *machine, struct error *err);
int machine_open_display(struct machine *machine, struct error *err);

/* A drive's errors and its tray become events. */
void machine_listen(struct machine *machine, struct drive *drive);
struct drive_error;
/* A request to the disk of this device failed: the event, and what else is to be done. */
void machine_disk_failed(struct machine *machine, const char *device, const struct drive_error *what);
/* Drives without a place come and go. */
int machine_add_drive(struct machine *machine, const struct drive_words *words, struct error *err);
void machine_remove_drive(struct machine *machine, struct drive *drive); /* no device has it */
struct drive *machine_drive(struct machine *machine, const char *id);
struct chardev *machine_chardev(struct machine *machine, const char *id);
/* As board_ops.host_end. Any loop. */
void *machine_host_end(void *seat, const char *kind, const char *id);

/* pc.c: which chips this PC has, where they live, and what is wrong with what was asked. */
int pc_build(struct machine *machine, struct error *err);
/* Whether some device that -device asks for lives on that seat. */
bool pc_has(const struct machine_config *config, enum seat_name seat);
/* While the guest runs, on the loop where all devices are (under qtest); see hotplug.h. */
bool pc_can_add(const char *driver);
int pc_add(struct machine *machine, const struct device_words *device, struct error *err);
const char *pc_usb_kind(const char *driver); /* "tablet"; NULL: it is no USB device */
/* What the configuration asks of devices can be had; opens nothing. */
int pc_judge(const struct machine_config *config, struct error *err);
#endif
