/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What people type about drives and devices: drive_add, drive_del, device_add, device_del. The
 * words after them are the command line's.
 */
#include <stdlib.h>
#include <string.h>
#include "dm/base/error.h"
#include "dm/block/drive.h"
#include "dm/control/commands.h"
#include "dm/machine/hotplug.h"
#include "dm/machine/machine.h"

static void answer(struct command *cmd, int rc, const char *done, const struct error *err)
{
    command_return(cmd, rc < 0 ? json_sprintf("Error: %s\r\n", err->text) : json_string(done));
}

/* One -drive or -device by itself. Freed by options_free() and free(). */
static struct machine_config *parse(const struct machine *m, const char *option, const char *text,
                                    struct error *err)
{
    struct machine_config *c = calloc(1, sizeof(*c));

    if (!c) {
        error_set(err, -1, "out of memory");
        return NULL;
    }
    if (options_parse_one(c, m->bare != NULL, option, text, err) < 0) {
        options_free(c);
        free(c);
        return NULL;
    }
    return c;
}

static void drop(struct machine_config *c)
{
    if (c)
        options_free(c);
    free(c);
}

static int add_drive(struct machine *m, const char *text, struct error *err)
{
    struct machine_config *c = parse(m, "-drive", text, err);
    int rc = -1;

    if (c && c->drives[0].ide)
        error_set(err, rc, "drives come without a place while the guest runs: use if=none,id=");
    else if (c && machine_drive(m, c->drives[0].id))
        error_set(err, rc, "Duplicate ID '%s' for drive", c->drives[0].id);
    else if (c)
        rc = machine_add_drive(m, &c->drives[0], err);
    drop(c);
    return rc;
}

static int remove_drive(struct machine *m, const char *id, struct error *err)
{
    struct drive *d = machine_drive(m, id);

    if (!d)
        return error_set(err, -1, "Device '%s' not found", id);
    if (drive_attached(d))
        return error_set(err, -1, "Device '%s' is in use", id);
    machine_remove_drive(m, d);
    return 0;
}

static int add_device(struct machine *m, const char *text, struct error *err)
{
    struct machine_config *c = parse(m, "-device", text, err);
    int rc = c ? hotplug_add(m, &c->devices[0], err) : -1;

    drop(c);
    return rc;
}

bool run_human_device(struct command *cmd, char *const words[], unsigned count)
{
    struct machine *m = cmd->machine;
    const char *name = words[0];
    struct error err;
    int rc;

    if (!m->bare || count < 2) /* on Xen devices live on loops of their own */
        return false;
    if (!strcmp(name, "drive_add") && count > 2)
        rc = add_drive(m, words[2], &err);
    else if (!strcmp(name, "drive_del"))
        rc = remove_drive(m, words[1], &err);
    else if (!strcmp(name, "device_add"))
        rc = add_device(m, words[1], &err);
    else if (!strcmp(name, "device_del"))
        rc = hotplug_remove(m, words[1], &err);
    else
        return false;
    answer(cmd, rc, strcmp(name, "drive_add") ? "" : "OK\r\n", &err);
    return true;
}
