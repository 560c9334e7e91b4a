/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP on drives: what lies in them, changing it, and the descriptors it comes by. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/error.h"
#include "dm/block/drive.h"
#include "dm/control/commands.h"
#include "dm/control/fdsets.h"
#include "dm/machine/machine.h"
#include "dm/machine/pv.h"
#include "pv-backends/block/blkback.h"

static void fail(struct command *cmd, const struct error *err)
{
    command_fail(cmd, "GenericError", "%s", err->text);
}

/* The id= of the -device that has the drive; without one the drive's own. */
static const char *device_of_drive(const struct machine *m, const struct drive *d)
{
    const struct machine_config *c = m->config;

    for (unsigned i = 0; i < c->device_count; i++) {
        const char *drive = device_word(&c->devices[i], "drive");

        if (c->devices[i].id && drive && !strcmp(drive, drive_id(d)))
            return c->devices[i].id;
    }
    return drive_id(d);
}

static struct drive *find_drive(const struct command *cmd, const char *id);

static json_t *inserted(const struct disk *disk, bool readonly)
{
    return json_pack("{s:s,s:s,s:b,s:b,s:i,s:{s:s,s:s,s:I}}", "file", disk_path(disk), "drv",
                     disk_format(disk), "ro", readonly, "encrypted", 0, "backing_file_depth", 0,
                     "image", "filename", disk_path(disk), "format", disk_format(disk),
                     "virtual-size", (json_int_t)disk_bytes(disk));
}

static json_t *describe(const struct machine *m, const struct drive *d)
{
    struct disk *disk = drive_disk(d);
    json_t *one = json_pack("{s:s,s:s,s:b,s:b,s:s}", "device", drive_id(d), "qdev",
                            device_of_drive(m, d),
                            "locked", drive_locked(d), "removable", drive_is_cdrom(d), "type",
                            "unknown");

    if (drive_is_cdrom(d))
        json_object_set_new(one, "tray_open", json_boolean(drive_tray_open(d)));
    if (!disk)
        return one;
    json_object_set_new(one, "io-status",
                        json_string(!drive_stopped_by(d)              ? "ok"
                                    : drive_stopped_by(d) == -ENOSPC ? "nospace"
                                                                      : "failed"));
    json_object_set_new(one, "inserted", inserted(disk, disk_readonly(disk) || drive_readonly(d)));
    return one;
}

/* By the name that the toolstack has for it ("xvda"); qdev says which node of xenstore it is. */
static void describe_pv(void *arg, struct pv_device *dev)
{
    struct blk_info info;
    char qdev[32];
    json_t *one;

    if (!blkback_info(dev, &info))
        return;
    snprintf(qdev, sizeof(qdev), "vbd-%u", pv_devid(dev));
    one = json_pack("{s:s,s:s,s:b,s:b,s:s}", "device", info.name, "qdev", qdev, "locked", 0,
                    "removable", info.cdrom, "type", "unknown");
    if (info.disk)
        json_object_set_new(one, "inserted", inserted(info.disk, info.readonly));
    json_array_append_new(arg, one);
}

void run_query_block(struct command *cmd)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < cmd->machine->drive_count; i++)
        json_array_append_new(list, describe(cmd->machine, cmd->machine->drives[i]));
    machine_walk_pv(cmd->machine, describe_pv, list);
    command_return(cmd, list);
}

static json_t *stats(const char *device, const struct disk *disk)
{
    struct disk_stats s = { .reads = 0 };

    if (disk)
        s = disk_get_stats(disk);
    return json_pack("{s:s,s:{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}}", "device", device,
                     "stats", "rd_bytes", (json_int_t)s.read_bytes, "wr_bytes",
                     (json_int_t)s.write_bytes, "rd_operations", (json_int_t)s.reads,
                     "wr_operations", (json_int_t)s.writes, "flush_operations",
                     (json_int_t)s.flushes, "unmap_operations", (json_int_t)s.discards,
                     "rd_total_time_ns", (json_int_t)s.read_ns, "wr_total_time_ns",
                     (json_int_t)s.write_ns, "flush_total_time_ns", (json_int_t)s.flush_ns,
                     "failed_rd_operations", (json_int_t)s.errors);
}

static void stats_pv(void *arg, struct pv_device *dev)
{
    struct blk_info info;

    if (blkback_info(dev, &info))
        json_array_append_new(arg, stats(info.name, info.disk));
}

void run_query_blockstats(struct command *cmd)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < cmd->machine->drive_count; i++)
        json_array_append_new(list, stats(drive_id(cmd->machine->drives[i]),
                                          drive_disk(cmd->machine->drives[i])));
    machine_walk_pv(cmd->machine, stats_pv, list);
    command_return(cmd, list);
}

/* ---- Sizes ---- */

struct search {
    const char *name;
    struct disk *disk;
};

static void find_pv(void *arg, struct pv_device *dev)
{
    struct search *s = arg;
    struct blk_info info;

    if (blkback_info(dev, &info) && !strcmp(info.name, s->name))
        s->disk = info.disk;
}

static void look_pv(void *arg, struct pv_device *dev)
{
    blkback_look(dev);
}

static void resized(void *arg, const struct error *err)
{
    struct command *cmd = arg;

    machine_walk_pv(cmd->machine, look_pv, NULL);
    if (err)
        fail(cmd, err);
    else
        command_return(cmd, NULL);
}

/* An emulated controller and a PV frontend may have the same disk: both are given the new size. */
void run_block_resize(struct command *cmd)
{
    struct search s = { .name = command_text(cmd, "device") };
    json_int_t size = command_int(cmd, "size", -1);
    struct disk_later later = { .loop = cmd->machine->loop, .done = resized, .arg = cmd };
    struct drive *d = s.name ? find_drive(cmd, s.name) : NULL;
    struct error err;
    int rc;

    if (d)
        s.disk = drive_disk(d);
    else if (s.name)
        machine_walk_pv(cmd->machine, find_pv, &s);
    if (!s.name)
        command_fail(cmd, "GenericError", "Parameter 'device' is missing");
    else if (!s.disk)
        command_fail(cmd, "DeviceNotFound", "Device '%s' not found, or nothing is inserted", s.name);
    else if (size < 0)
        command_fail(cmd, "GenericError", "Parameter 'size' expects a >0 size");
    else {
        rc = disk_resize(s.disk, (uint64_t)size, &later, &err);
        if (rc != DISK_LATER)
            resized(cmd, rc < 0 ? &err : NULL);
    }
}

/* ---- Changing media ---- */

/* By its own name, or the id= of the -device that has it. */
static struct drive *find_drive(const struct command *cmd, const char *id)
{
    const struct machine_config *c = cmd->machine->config;

    for (unsigned i = 0; i < c->device_count; i++)
        if (c->devices[i].id && !strcmp(c->devices[i].id, id) && device_word(&c->devices[i], "drive"))
            return machine_drive(cmd->machine, device_word(&c->devices[i], "drive"));
    return machine_drive(cmd->machine, id);
}

struct drive *command_drive(struct command *cmd)
{
    const char *id = command_text(cmd, "id");
    struct drive *d;

    if (!id)
        id = command_text(cmd, "device");
    if (!id) {
        command_fail(cmd, "GenericError", "Parameter 'id' is missing");
        return NULL;
    }
    d = find_drive(cmd, id);
    if (!d) {
        command_fail(cmd, "DeviceNotFound", "Device '%s' not found", id);
        return NULL;
    }
    if (!drive_is_cdrom(d)) {
        command_fail(cmd, "GenericError", "Device '%s' is not removable", id);
        return NULL;
    }
    return d;
}

static void changed(void *arg, int rc)
{
    struct command *cmd = arg;

    if (rc < 0)
        command_fail(cmd, "GenericError", "the medium was not changed: %s", strerror(-rc));
    else
        command_return(cmd, NULL);
}

void run_eject(struct command *cmd)
{
    struct drive *d = command_drive(cmd);
    struct error err;

    if (d && drive_change(d, NULL, command_flag(cmd, "force", false), changed, cmd, &err) < 0)
        fail(cmd, &err);
}

static int open_medium(struct command *cmd, const char *name, const char *format,
                       struct disk **disk, struct error *err)
{
    struct disk_config config = { .path = name, .format = format, .readonly = true };
    char path[32];
    int set, fd;

    if (sscanf(name, "/dev/fdset/%d", &set) == 1) {
        fd = fdsets_open(qmp_fdsets(cmd->qmp), set, false, err);
        if (fd < 0)
            return fd;
        snprintf(path, sizeof(path), "fd:%d", fd);
        config.path = path;
    }
    return disk_open(disk, &config, err);
}

static void insert(struct command *cmd, const char *name, const char *format)
{
    struct drive *d = command_drive(cmd);
    struct disk *disk;
    struct error err;

    if (!d)
        return;
    if (open_medium(cmd, name, format, &disk, &err) < 0) {
        fail(cmd, &err);
        return;
    }
    if (drive_change(d, disk, command_flag(cmd, "force", false), changed, cmd, &err) < 0) {
        disk_close(disk);
        fail(cmd, &err);
    }
}

void run_change_medium(struct command *cmd)
{
    insert(cmd, command_text(cmd, "filename"), command_text(cmd, "format"));
}

void run_change(struct command *cmd)
{
    insert(cmd, command_text(cmd, "target"), command_text(cmd, "arg"));
}

/* ---- Descriptors ---- */

void run_add_fd(struct command *cmd)
{
    json_int_t wanted = command_int(cmd, "fdset-id", -1);
    struct error err;
    int fd = cmd->fd, set;

    if (wanted < -1 || wanted > INT32_MAX) {
        command_fail(cmd, "GenericError", "Parameter 'fdset-id' expects a non-negative number");
        return;
    }
    if (fd < 0) {
        command_fail(cmd, "GenericError", "No file descriptor supplied via SCM_RIGHTS");
        return;
    }
    set = fdsets_add(qmp_fdsets(cmd->qmp), (int)wanted, fd,
                     command_text(cmd, "opaque"), &err);
    if (set < 0) {
        fail(cmd, &err);
        return;
    }
    cmd->fd = -1;
    command_return(cmd, json_pack("{s:i,s:i}", "fdset-id", set, "fd", fd));
}

void run_remove_fd(struct command *cmd)
{
    json_int_t set = command_int(cmd, "fdset-id", -1), fd = command_int(cmd, "fd", -1);
    struct error err;

    if (set < 0 || set > INT32_MAX || fd < -1 || fd > INT32_MAX)
        command_fail(cmd, "GenericError", "fdset-id and fd are numbers that add-fd has given");
    else if (fdsets_remove(qmp_fdsets(cmd->qmp), (int)set, (int)fd, &err) < 0)
        fail(cmd, &err);
    else
        command_return(cmd, NULL);
}

void run_query_fdsets(struct command *cmd)
{
    command_return(cmd, fdsets_describe(qmp_fdsets(cmd->qmp)));
}
