/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP on trays and on media that lie beside them: the steps that eject and change are made of. */
#include <errno.h>
#include <string.h>
#include "dm/base/error.h"
#include "dm/block/drive.h"
#include "dm/block/nodes.h"
#include "dm/control/commands.h"
#include "dm/machine/machine.h"

static void fail(struct command *cmd, const struct error *err)
{
    command_fail(cmd, "GenericError", "%s", err->text);
}

static void done(void *arg, int rc)
{
    struct command *cmd = arg;

    if (rc < 0)
        command_fail(cmd, "GenericError", "%s", strerror(-rc));
    else
        command_return(cmd, NULL);
}

static void move(struct command *cmd, bool open)
{
    struct drive *d = command_drive(cmd);
    struct error err;
    int rc;

    if (!d)
        return;
    if (cmd->machine->reel) {
        command_fail(cmd, "GenericError", "a tray that moves by itself is not recorded; use eject");
        return;
    }
    rc = drive_move_tray(d, open, command_flag(cmd, "force", false), done, cmd, &err);
    if (rc == -EINPROGRESS) /* the guest opens it, or does not; an event tells */
        command_return(cmd, NULL);
    else if (rc < 0)
        fail(cmd, &err);
}

void run_open_tray(struct command *cmd)
{
    move(cmd, true);
}

void run_close_tray(struct command *cmd)
{
    move(cmd, false);
}

void run_remove_medium(struct command *cmd)
{
    struct drive *d = command_drive(cmd);
    struct error err;

    if (d && drive_change_in_tray(d, NULL, done, cmd, &err) < 0)
        fail(cmd, &err);
}

/* A node that blockdev-add or -blockdev made; a reference of its own. */
static struct disk *node(struct command *cmd, const char *name)
{
    const struct machine_config *c = cmd->machine->config;
    struct disk *disk = nodes_find(&cmd->machine->nodes, name);

    for (unsigned i = 0; !disk && i < c->drive_count; i++)
        if (c->drives[i].node && !strcmp(c->drives[i].id, name))
            disk = drive_disk(machine_drive(cmd->machine, name));
    if (!disk)
        command_fail(cmd, "GenericError", "Cannot find device='' nor node-name='%s'", name);
    return disk ? disk_ref(disk) : NULL;
}

void run_insert_medium(struct command *cmd)
{
    struct drive *d = command_drive(cmd);
    struct disk *disk;
    struct error err;

    if (!d)
        return;
    if (drive_disk(d)) {
        command_fail(cmd, "GenericError", "There already is a medium in device '%s'", drive_id(d));
        return;
    }
    disk = node(cmd, command_text(cmd, "node-name"));
    if (disk && drive_change_in_tray(d, disk, done, cmd, &err) < 0) {
        disk_close(disk);
        fail(cmd, &err);
    }
}

/* ---- Nodes ---- */

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* A node over a node is the file of that one. */
static const char *file_of(const struct command *cmd, const json_t *words)
{
    const json_t *file = json_object_get(words, "file");
    const struct disk *below;

    if (json_is_object(file))
        return file_of(cmd, file);
    if (text_of(words, "driver") && !strcmp(text_of(words, "driver"), "null-co"))
        return "null-co://";
    if (!json_is_string(file))
        return text_of(words, "filename");
    below = nodes_find(&cmd->machine->nodes, json_string_value(file));
    return below ? disk_path(below) : NULL;
}

void run_blockdev_add(struct command *cmd)
{
    const char *driver = command_text(cmd, "driver"), *name = command_text(cmd, "node-name");
    const char *file = file_of(cmd, cmd->arguments);
    struct disk_config config = { .path = file, .readonly = command_flag(cmd, "read-only", false) };
    struct disk *disk;
    struct error err;
    int rc;

    if (!file) {
        command_fail(cmd, "GenericError", "Parameter 'filename' is missing");
        return;
    }
    config.format = !strncmp(file, "null-co://", 10)                            ? "null-co"
                    : !strcmp(driver, "file") || !strcmp(driver, "host_device") ? "raw"
                                                                                : driver;
    rc = disk_open(&disk, &config, &err);
    if (rc == 0) {
        rc = nodes_add(&cmd->machine->nodes, name, disk, &err);
        if (rc < 0)
            disk_close(disk);
    }
    if (rc < 0)
        fail(cmd, &err);
    else
        command_return(cmd, NULL);
}

static bool in_use(const struct machine *m, const struct disk *disk)
{
    for (unsigned i = 0; i < m->drive_count; i++)
        if (drive_disk(m->drives[i]) == disk)
            return true;
    return false;
}

void run_blockdev_del(struct command *cmd)
{
    const char *name = command_text(cmd, "node-name");
    struct disk *disk = nodes_find(&cmd->machine->nodes, name);
    struct error err;

    if (disk && in_use(cmd->machine, disk))
        command_fail(cmd, "GenericError", "Node %s is in use", name);
    else if (nodes_remove(&cmd->machine->nodes, name, &err) < 0)
        fail(cmd, &err);
    else
        command_return(cmd, NULL);
}

static json_t *describe(const char *name, const struct disk *disk)
{
    return json_pack("{s:s,s:s,s:s,s:b,s:{s:s,s:s,s:I}}", "node-name", name, "drv",
                     disk_format(disk), "file", disk_path(disk), "ro", disk_readonly(disk), "image",
                     "filename", disk_path(disk), "format", disk_format(disk), "virtual-size",
                     (json_int_t)disk_bytes(disk));
}

void run_query_nodes(struct command *cmd)
{
    const struct machine *m = cmd->machine;
    json_t *list = json_array();

    for (unsigned i = 0; i < m->drive_count; i++)
        if (drive_disk(m->drives[i]))
            json_array_append_new(list, describe(drive_id(m->drives[i]), drive_disk(m->drives[i])));
    for (unsigned i = 0; i < NODES_MOST; i++)
        if (m->nodes.at[i].name)
            json_array_append_new(list, describe(m->nodes.at[i].name, m->nodes.at[i].disk));
    command_return(cmd, list);
}
