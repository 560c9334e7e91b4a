/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP on devices that come and go. On Xen only CPUs do so far. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "devices/core/device.h"
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/control/commands.h"
#include "dm/machine/hotplug.h"
#include "dm/machine/machine.h"

/* The arguments as -device's words; numbers and flags as people write them. */
static bool take_words(struct command *cmd, struct device_words *w, char texts[][32])
{
    const char *name;
    json_t *value;

    *w = (struct device_words){ .driver = command_text(cmd, "driver"),
                                .id = command_text(cmd, "id") };
    json_object_foreach(cmd->arguments, name, value)
    {
        const char *text = json_string_value(value);

        if (!strcmp(name, "driver") || !strcmp(name, "id"))
            continue;
        if (w->count == ARRAY_SIZE(w->pairs))
            return false;
        if (json_is_integer(value))
            snprintf(texts[w->count], 32, "%lld", (long long)json_integer_value(value));
        if (!text)
            text = json_is_integer(value) ? texts[w->count] : json_is_true(value) ? "on" : "off";
        w->pairs[w->count++] = (struct pair){ name, text };
    }
    return true;
}

static void add_device(struct command *cmd)
{
    struct device_words words;
    char texts[ARRAY_SIZE(words.pairs)][32];
    struct error err;

    if (!take_words(cmd, &words, texts))
        command_fail(cmd, "GenericError", "more than %zu properties", ARRAY_SIZE(words.pairs));
    else if (hotplug_add(cmd->machine, &words, &err) < 0)
        command_fail(cmd, "GenericError", "%s", err.text);
    else
        command_return(cmd, NULL);
}

void run_device_add(struct command *cmd)
{
    const char *driver = command_text(cmd, "driver");

    if (strstr(driver, "-cpu"))
        add_cpu(cmd);
    else if (!strcmp(driver, "xen-pci-passthrough"))
        command_fail(cmd, "GenericError", "PCI passthrough is not supported yet");
    else if (cmd->machine->bare)
        add_device(cmd);
    else
        command_fail(
            cmd, "GenericError",
            "'%s' cannot be added while the guest runs; put it in the guest's configuration",
            driver);
}

static void remove_device(struct command *cmd, const char *id)
{
    struct error err;
    int rc = hotplug_remove(cmd->machine, id, &err);

    if (rc < 0)
        command_fail(cmd, rc == -ENOENT ? "DeviceNotFound" : "GenericError", "%s", err.text);
    else
        command_return(cmd, NULL);
}

void run_device_del(struct command *cmd)
{
    const char *id = command_text(cmd, "id");

    if (cmd->machine->bare) {
        remove_device(cmd, id);
        return;
    }
    for (unsigned i = 0; i < cmd->machine->placed_count; i++)
        if (!strcmp(device_id(cmd->machine->placed[i].device), id)) {
            command_fail(cmd, "GenericError", "'%s' cannot be removed while the guest runs", id);
            return;
        }
    command_fail(cmd, "DeviceNotFound", "Device '%s' not found", id);
}
