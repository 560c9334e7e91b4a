/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MACHINE_RECORD_H
#define DM_MACHINE_RECORD_H
#include <stdbool.h>
#include <stdint.h>
struct device;
struct error;
struct machine;
struct machine_config;
struct seat;
struct tape;

/*
 * -record: a tape for each seat, and what lies on it beside the events of the seams (dm/base/tape.h):
 * checkpoints, and what the machine asks of its devices.
 */
int record_open(struct machine *machine, struct error *err);
/* A seat that is about to be built: what reaches its devices is recorded from now on. */
int record_seat(struct seat *seat, struct error *err);
void record_checkpoints(struct machine *machine); /* on every tape; no loop runs */
void record_close(struct machine *machine); /* loops have ended, devices are still there */

/* What the machine asks of a device, on the device's loop; tape_end() when it has been done. */
enum device_op { OP_DRAIN, OP_RESUME, OP_UNPLUG_IDE, OP_UNPLUG, OP_SUSPEND, OP_WAKE, OP_ADD_CPU };
struct tape *record_op(struct device *dev, enum device_op op, uint64_t how);

/*
 * A device asks the whole machine: done(arg) comes later, on its loop. Gives what to call instead,
 * with itself as the argument.
 */
struct asked;
struct asked *record_asked(void (*done)(void *arg), void *arg); /* NULL: nothing is recorded */
void record_answered(void *asked);

/* ---- Playing: xen-dm-replay ---- */
struct replay;
/* Builds the recorded machine, without Xen and without a host. Quiet about host ends. */
int replay_open(struct replay **out, const char *path, struct error *err);
/* Plays all there is. 0, or -EILSEQ and the sentence that says where it went another way. */
int replay_run(struct replay *replay, struct error *err);
struct replay_result {
    uint64_t events, checkpoints;
    bool cut; /* the recording ends inside an event, as after a crash */
};
struct replay_result replay_result(const struct replay *replay);
void replay_close(struct replay *replay);
#endif
