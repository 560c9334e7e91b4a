/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP on what there is: machine types, device types and their properties, and the tree of devices
 * as far as clients look into it: a machine with its devices, by id or by number, and each one's
 * type.
 */
#include <stdio.h>
#include <string.h>
#include "devices/catalogue.h"
#include "devices/core/device.h"
#include "dm/base/bytes.h"
#include "dm/control/commands.h"
#include "dm/machine/machine.h"

#define PC_TYPE "pc-i440fx-7.2"

/* ---- Types ---- */

/* Names of devices that are not a class of their own, and what stands behind them. */
static const struct {
    const char *name, *cls;
} types[] = {
    { "i440FX-pcihost", "i440FX" },
    { "e1000", "e1000" },
    { "e1000-82540em", "e1000" },
    { "rtl8139", "rtl8139" },
    { "VGA", "VGA" },
    { "cirrus-vga", "cirrus-vga" },
    { "piix3-usb-uhci", "piix3-usb-uhci" },
    { "usb-tablet", NULL },
    { "usb-mouse", NULL },
    { "usb-kbd", NULL },
    { "ide-hd", NULL },
    { "ide-cd", NULL },
    { "isa-debugcon", "isa-debugcon" },
    { "isa-serial", "isa-serial" },
    { "isa-parallel", "isa-parallel" },
    { "i8042", "i8042" },
    { "i8257", "i8257" },
    { "i440FX", "i440FX" },
    { "PIIX3", "PIIX3" },
    { "piix3-ide", "piix3-ide" },
    { "PIIX4_PM", "PIIX4_PM" },
    { "xen-platform", "xen-platform" },
};

static bool had(unsigned i)
{
    return !types[i].cls || catalogue_find(types[i].cls);
}

static void add_abstract(json_t *list, const char *name, const char *parent)
{
    json_t *one = json_pack("{s:s,s:b}", "name", name, "abstract", 1);

    if (parent)
        json_object_set_new(one, "parent", json_string(parent));
    json_array_append_new(list, one);
}

static void add_types(json_t *list)
{
    for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
        if (had(i))
            json_array_append_new(
                list, json_pack("{s:s,s:s}", "name", types[i].name, "parent", "device"));
}

void run_qom_list_types(struct command *cmd)
{
    const char *implements = command_text(cmd, "implements");
    json_t *list = json_array();

    if (!implements || !strcmp(implements, "device") || !strcmp(implements, "object")) {
        add_types(list);
        if (command_flag(cmd, "abstract", false)) {
            add_abstract(list, "device", "object");
            if (!implements || strcmp(implements, "device"))
                add_abstract(list, "object", NULL);
        }
    }
    if (!implements || !strcmp(implements, "machine")) {
        json_array_append_new(list, json_pack("{s:s,s:s}", "name", PC_TYPE "-machine", "parent",
                                              "generic-pc-machine"));
        json_array_append_new(list,
                              json_pack("{s:s,s:s}", "name", "none-machine", "parent", "machine"));
    }
    command_return(cmd, list);
}

static json_t *properties(const struct device_class *cls)
{
    static const char *const names[] = { "uint64", "str", "bool", "str" };
    json_t *list = json_array();

    for (const struct device_option *o = cls ? cls->options : NULL; o && o->name; o++)
        json_array_append_new(list,
                              json_pack("{s:s,s:s}", "name", o->name, "type", names[o->type]));
    return list;
}

void run_device_list_properties(struct command *cmd)
{
    const char *name = command_text(cmd, "typename");

    for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
        if (had(i) && !strcmp(types[i].name, name)) {
            command_return(cmd, properties(types[i].cls ? catalogue_find(types[i].cls) : NULL));
            return;
        }
    command_fail(cmd, "DeviceNotFound", "Device '%s' not found", name);
}

static json_t *machine_type(const char *name, const char *alias, unsigned cpus, bool acpi)
{
    json_t *one =
        json_pack("{s:s,s:i,s:b,s:b,s:b,s:b}", "name", name, "cpu-max", cpus, "hotpluggable-cpus",
                  acpi, "numa-mem-supported", 0, "deprecated", 0, "acpi", acpi);

    if (alias) {
        json_object_set_new(one, "alias", json_string(alias));
        json_object_set_new(one, "is-default", json_true());
    }
    return one;
}

void run_query_machines(struct command *cmd)
{
    command_return(cmd, json_pack("[o,o,o]", machine_type(PC_TYPE, "pc", 128, true),
                                  machine_type("xenfv-4.2", NULL, 128, true),
                                  machine_type("none", NULL, 1, false)));
}

/* ---- The tree ---- */

#define ROOT "/machine"
#define BY_ID ROOT "/peripheral"
#define BY_NUMBER ROOT "/unattached"

static struct device *device_at(const struct machine *m, const char *path)
{
    unsigned n;
    int used = 0;

    if (!m)
        return NULL;
    if (!strncmp(path, BY_ID "/", strlen(BY_ID) + 1)) {
        for (unsigned i = 0; i < m->placed_count; i++)
            if (!strcmp(device_id(m->placed[i].device), path + strlen(BY_ID) + 1))
                return m->placed[i].device;
    } else if (sscanf(path, BY_NUMBER "/device[%u]%n", &n, &used) == 1 && used && !path[used] &&
               n < m->placed_count) {
        return m->placed[n].device;
    }
    return NULL;
}

static void add_property(json_t *list, const char *name, const char *type)
{
    json_array_append_new(list, json_pack("{s:s,s:s}", "name", name, "type", type));
}

static void add_children(json_t *list, const struct machine *m, bool by_id)
{
    for (unsigned i = 0; m && i < m->placed_count; i++) {
        const struct device *d = m->placed[i].device;
        char name[64], type[80];

        snprintf(name, sizeof(name), "device[%u]", i);
        snprintf(type, sizeof(type), "child<%s>", device_class_of(d)->name);
        add_property(list, by_id ? device_id(d) : name, type);
    }
}

static void trim(char *path, size_t room, const char *text)
{
    snprintf(path, room, "%s", text);
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = 0;
}

void run_qom_list(struct command *cmd)
{
    const struct machine *m = cmd->machine;
    json_t *list = json_array();
    struct device *d;
    char path[256];

    trim(path, sizeof(path), command_text(cmd, "path"));
    add_property(list, "type", "string");
    d = device_at(m, path);
    if (!strcmp(path, "/")) {
        add_property(list, "machine", "child<" PC_TYPE "-machine>");
    } else if (!strcmp(path, ROOT)) {
        add_property(list, "peripheral", "child<container>");
        add_property(list, "unattached", "child<container>");
    } else if (!strcmp(path, BY_ID) || !strcmp(path, BY_NUMBER)) {
        add_children(list, m, !strcmp(path, BY_ID));
    } else if (d) {
        const struct device_option *o = device_class_of(d)->options;

        for (; o && o->name; o++)
            add_property(list, o->name, "string");
    } else {
        json_decref(list);
        command_fail(cmd, "DeviceNotFound", "Device '%s' not found", path);
        return;
    }
    command_return(cmd, list);
}

void run_qom_get(struct command *cmd)
{
    const char *property = command_text(cmd, "property"), *type = NULL;
    struct device *d;
    char path[256];

    trim(path, sizeof(path), command_text(cmd, "path"));
    d = device_at(cmd->machine, path);
    if (d)
        type = device_class_of(d)->name;
    else if (!strcmp(path, ROOT))
        type = PC_TYPE "-machine";
    else if (!strcmp(path, "/") || !strcmp(path, BY_ID) || !strcmp(path, BY_NUMBER))
        type = "container";
    if (!type) {
        command_fail(cmd, "DeviceNotFound", "Device '%s' not found", path);
        return;
    }
    if (!strcmp(property, "type")) {
        command_return(cmd, json_string(type));
        return;
    }
    for (const struct device_option *o = d ? device_class_of(d)->options : NULL; o && o->name; o++)
        if (!strcmp(o->name, property)) {
            command_return(cmd, json_string(device_text(d, property)));
            return;
        }
    command_fail(cmd, "GenericError", "Property '%s.%s' not found", type, property);
}

/* ---- Small facts ---- */

void run_query_kvm(struct command *cmd)
{
    command_return(cmd, json_pack("{s:b,s:b}", "enabled", 0, "present", 0));
}

void run_query_target(struct command *cmd)
{
    command_return(cmd, json_pack("{s:s}", "arch", "x86_64"));
}

void run_query_uuid(struct command *cmd)
{
    const char *uuid = cmd->machine->config->uuid;

    command_return(
        cmd, json_pack("{s:s}", "UUID", uuid ? uuid : "00000000-0000-0000-0000-000000000000"));
}

void run_query_nothing(struct command *cmd)
{
    command_return(cmd, json_array());
}

void run_query_migrate(struct command *cmd)
{
    command_return(cmd, NULL);
}
