/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP on the machine: CPUs, PCI, power, links, and what libxl asks before a save. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "devices/acpi/piix4_pm.h"
#include "devices/core/device.h"
#include "devices/pci/function.h"
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/base/tape.h"
#include "dm/control/commands.h"
#include "dm/control/metrics.h"
#include "dm/machine/machine.h"
#include "dm/machine/record.h"
#include "dm/machine/visit.h"
#include "dm/net/netport.h"
#include "ioreq/pci_config.h"

#define CPU_TYPE "qemu32-i386-cpu"

/* ---- CPUs ---- */

static bool online(const struct machine *m, unsigned cpu)
{
    return m->pm ? pm_cpu_online(m->pm, cpu) : cpu < m->config->cpus;
}

void run_query_cpus(struct command *cmd)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < cmd->machine->config->cpus_most; i++)
        if (online(cmd->machine, i))
            json_array_append_new(
                list, json_pack("{s:i,s:s,s:i,s:s,s:{s:i,s:i,s:i}}", "cpu-index", i, "qom-path",
                                "", "thread-id", 0, "target", "i386", "props", "socket-id", i,
                                "core-id", 0, "thread-id", 0));
    command_return(cmd, list);
}

void run_query_hotpluggable_cpus(struct command *cmd)
{
    json_t *list = json_array();

    for (unsigned i = cmd->machine->config->cpus_most; i-- > 0;)
        json_array_append_new(list, json_pack("{s:s,s:i,s:{s:i,s:i,s:i}}", "type", CPU_TYPE,
                                              "vcpus-count", 1, "props", "socket-id", i,
                                              "core-id", 0, "thread-id", 0));
    command_return(cmd, list);
}

void add_cpu(struct command *cmd)
{
    json_int_t cpu = command_int(cmd, "socket-id", -1);
    struct machine *m = cmd->machine;
    struct error err;
    struct tape *tape;
    int rc;

    if (cpu < 0 || cpu >= m->config->cpus_most) {
        command_fail(cmd, "GenericError", "socket-id must be from 0 to %u (maxvcpus)",
                     m->config->cpus_most - 1);
        return;
    }
    if (!m->pm) {
        command_fail(cmd, "GenericError", "the guest has no ACPI (acpi=0), so no CPU can be added");
        return;
    }
    tape = record_op(m->pm, OP_ADD_CPU, (uint64_t)cpu);
    rc = pm_add_cpu(m->pm, (unsigned)cpu, &err);
    tape_end(tape);
    if (rc < 0)
        command_fail(cmd, "GenericError", "%s", err.text);
    else
        command_return(cmd, NULL);
}

/* ---- PCI: each loop reads the configuration of its own functions ---- */

struct collection {
    struct machine *machine;
    json_t *list;
    void (*done)(void *arg, json_t *list);
    void *arg;
};

static const char *id_at(const struct machine *m, unsigned devfn)
{
    for (unsigned i = 0; i < m->placed_count; i++) {
        struct device *dev = m->placed[i].device;
        const char *addr = device_text(dev, "addr");
        unsigned at;

        if (*addr && !device_class_of(dev)->hidden && pci_parse_addr(addr, &at, NULL) == 0 &&
            at == devfn)
            return device_id(dev);
    }
    return "";
}

static json_t *regions(struct pci_routes *pci, unsigned devfn)
{
    json_t *list = json_array();

    for (unsigned bar = 0; bar < 6; bar++) {
        uint32_t value = pci_routes_read(pci, devfn, 0x10 + 4 * bar, 4);

        if (value & ~15u)
            json_array_append_new(list, json_pack("{s:i,s:s,s:I}", "bar", bar, "type",
                                                  value & 1 ? "io" : "memory", "address",
                                                  (json_int_t)(value & (value & 1 ? ~3u : ~15u))));
    }
    return list;
}

static json_t *describe(const struct machine *m, struct pci_routes *pci, unsigned devfn)
{
    uint32_t id = pci_routes_read(pci, devfn, 0x00, 4);
    uint32_t class = pci_routes_read(pci, devfn, 0x08, 4);
    uint32_t interrupt = pci_routes_read(pci, devfn, 0x3c, 4);
    json_t *one = json_pack("{s:i,s:i,s:i,s:{s:i,s:i},s:{s:i},s:s,s:o}", "bus", 0, "slot",
                            devfn >> 3, "function", devfn & 7, "id", "device", id >> 16, "vendor",
                            id & 0xffff, "class_info", "class", class >> 16, "qdev_id",
                            id_at(m, devfn), "regions", regions(pci, devfn));

    if (interrupt >> 8 & 0xff) {
        json_object_set_new(one, "irq", json_integer(interrupt & 0xff));
        json_object_set_new(one, "irq_pin", json_integer(interrupt >> 8 & 0xff));
    }
    return one;
}

static int by_address(const void *a, const void *b)
{
    const json_t *const *x = a, *const *y = b;
    json_int_t dx = 8 * json_integer_value(json_object_get(*x, "slot")) +
                    json_integer_value(json_object_get(*x, "function"));
    json_int_t dy = 8 * json_integer_value(json_object_get(*y, "slot")) +
                    json_integer_value(json_object_get(*y, "function"));

    return (dx > dy) - (dx < dy);
}

static void collected(void *arg)
{
    struct collection *c = arg;
    size_t n = json_array_size(c->list);
    json_t **sorted = calloc(n + 1, sizeof(json_t *)), *list = json_array();

    for (size_t i = 0; sorted && i < n; i++)
        sorted[i] = json_array_get(c->list, i);
    if (sorted)
        qsort(sorted, n, sizeof(json_t *), by_address);
    for (size_t i = 0; sorted && i < n; i++)
        json_array_append(list, sorted[i]);
    free(sorted);
    json_decref(c->list);
    c->done(c->arg, list);
    free(c);
}

static void collect_here(void *arg, struct seat *seat)
{
    struct collection *c = arg;
    struct pci_routes *pci = seat->board.pci;

    for (unsigned devfn = 0; devfn < 256; devfn++)
        if (pci_routes_read(pci, devfn, 0, 2) != 0xffff)
            json_array_append_new(c->list, describe(c->machine, pci, devfn));
}

void pci_collect(struct machine *m, void (*done)(void *arg, json_t *list), void *arg)
{
    struct collection *c = calloc(1, sizeof(*c));

    if (!c) {
        done(arg, json_array());
        return;
    }
    *c = (struct collection){ .machine = m, .list = json_array(), .done = done, .arg = arg };
    machine_visit(m, collect_here, collected, c);
}

static void answer_pci(void *arg, json_t *list)
{
    command_return(arg, json_pack("[{s:i,s:o}]", "bus", 0, "devices", list));
}

void run_query_pci(struct command *cmd)
{
    pci_collect(cmd->machine, answer_pci, cmd);
}

static void answer_metrics(void *arg, json_t *list)
{
    command_return(arg, list);
}

void run_query_metrics(struct command *cmd)
{
    metrics_collect(cmd->machine, answer_metrics, cmd);
}

/* ---- Saving ---- */

void run_dirty_log(struct command *cmd)
{
    machine_log_dirty(cmd->machine, command_flag(cmd, "enable", false));
    command_return(cmd, NULL);
}

void run_save(struct command *cmd)
{
    command_fail(cmd, "GenericError",
                 "saving and migrating a guest are not supported yet; shut it down instead");
}

/* ---- Power ---- */

void run_reset(struct command *cmd)
{
    machine_reset(cmd->machine);
    command_return(cmd, NULL);
}

void run_power_button(struct command *cmd)
{
    machine_power_button(cmd->machine);
    command_return(cmd, NULL);
}

void run_wakeup(struct command *cmd)
{
    struct error err;

    if (machine_wake(cmd->machine, &err) < 0)
        command_fail(cmd, "GenericError", "%s", err.text);
    else
        command_return(cmd, NULL);
}

/* ---- Links: the cable is pulled on the NICs' loop ---- */

struct link {
    struct netport *port;
    bool up;
};

static void set_link(void *arg)
{
    struct link *l = arg;

    netport_set_link(l->port, l->up);
    free(l);
}

void run_set_link(struct command *cmd)
{
    const char *name = command_text(cmd, "name");
    struct machine *m = cmd->machine;

    for (unsigned i = 0; i < m->netport_count; i++) {
        struct link *l;

        if (strcmp(netport_id(m->netports[i]), name))
            continue;
        l = malloc(sizeof(*l));
        if (l) {
            *l = (struct link){ m->netports[i], command_flag(cmd, "up", true) };
            loop_post(m->seats[SEAT_NET].loop, set_link, l);
        }
        command_return(cmd, NULL);
        return;
    }
    command_fail(cmd, "DeviceNotFound", "Device '%s' not found", name);
}
