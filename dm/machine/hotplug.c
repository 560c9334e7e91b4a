/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices that come and go: slots by the PM function's registers, USB devices by their ports. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "devices/acpi/piix4_pm.h"
#include "devices/core/device.h"
#include "devices/pci/function.h"
#include "devices/usb/usb.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/machine/hotplug.h"
#include "dm/machine/machine.h"

#define PORTS 2

static void tell_deleted(struct machine *m, const char *id)
{
    char path[128];

    snprintf(path, sizeof(path), "/machine/peripheral/%s", id);
    machine_emit_data(m, "DEVICE_DELETED", json_pack("{s:s,s:s}", "device", id, "path", path));
}

/* The slot of a device that can go; -1: it stays for ever. */
static int slot_of(const struct device *d)
{
    unsigned devfn;

    if (!pc_can_add(device_class_of(d)->name) ||
        pci_parse_addr(device_text(d, "addr"), &devfn, NULL) < 0 || devfn >> 3 < 2)
        return -1;
    return (int)(devfn >> 3);
}

/* ---- PCI ---- */

static void forget_ports(struct machine *m, const char *controller)
{
    for (unsigned i = 0; i < USB_MOST; i++) {
        if (!m->usb[i].id || strcmp(m->usb[i].controller, controller))
            continue;
        tell_deleted(m, m->usb[i].id);
        free(m->usb[i].id);
        free(m->usb[i].controller);
        m->usb[i].id = m->usb[i].controller = NULL;
    }
}

static void take_out(struct machine *m, unsigned slot)
{
    for (unsigned i = 0; i < m->placed_count;) {
        struct device *d = m->placed[i].device;

        if (slot_of(d) != (int)slot) {
            i++;
            continue;
        }
        forget_ports(m, device_id(d));
        tell_deleted(m, device_id(d));
        m->placed_count--;
        memmove(&m->placed[i], &m->placed[i + 1], (m->placed_count - i) * sizeof(m->placed[0]));
        device_detach(d);
    }
}

static void take_out_ejected(void *arg)
{
    struct machine *m = arg;
    uint32_t slots = m->ejected;

    m->ejected = 0;
    for (unsigned slot = 0; slot < 32; slot++)
        if (slots >> slot & 1)
            take_out(m, slot);
}

/* Inside the guest's write to a register: not while a handler runs. */
static void ejected(void *arg, unsigned slot)
{
    struct machine *m = arg;

    if (!m->ejected)
        loop_post(m->loop, take_out_ejected, m);
    m->ejected |= 1u << slot;
}

void hotplug_open(struct machine *m)
{
    if (m->pm)
        pm_on_eject(m->pm, ejected, m);
    hotplug_mark(m);
}

void hotplug_mark(struct machine *m)
{
    for (unsigned i = 0; m->pm && i < m->placed_count; i++)
        if (slot_of(m->placed[i].device) >= 0)
            pm_slot_present(m->pm, (unsigned)slot_of(m->placed[i].device));
}

void hotplug_reset(struct machine *m)
{
    for (unsigned i = 0; i < m->placed_count; i++)
        if (m->placed[i].leaving)
            m->ejected |= 1u << slot_of(m->placed[i].device);
    take_out_ejected(m);
}

static bool exists(const struct machine *m, const char *id)
{
    for (unsigned i = 0; i < m->placed_count; i++)
        if (!strcmp(device_id(m->placed[i].device), id))
            return true;
    for (unsigned i = 0; i < USB_MOST; i++)
        if (m->usb[i].id && !strcmp(m->usb[i].id, id))
            return true;
    return false;
}

/* ---- USB ---- */

static struct device *controller(const struct machine *m, const char *bus)
{
    for (unsigned i = 0; i < m->placed_count; i++) {
        struct device *d = m->placed[i].device;
        size_t n = strlen(device_id(d));

        if (device_class_of(d) == &uhci_class &&
            (!bus || (!strncmp(bus, device_id(d), n) && bus[n] == '.')))
            return d;
    }
    return NULL;
}

static int add_usb(struct machine *m, const struct device_words *w, struct error *err)
{
    const char *bus = device_word(w, "bus"), *port = device_word(w, "port");
    struct device *uhci = controller(m, bus);
    unsigned n = 0, entry = 0;
    int rc;

    if (!uhci)
        return error_set(err, -ENODEV, "Bus '%s' not found", bus ? bus : "usb-bus");
    while (!port && n < PORTS - 1 && uhci_port_taken(uhci, n))
        n++;
    if (port)
        n = (unsigned)strtoul(port, NULL, 10) - 1;
    while (entry < USB_MOST && m->usb[entry].id)
        entry++;
    if (entry == USB_MOST)
        return error_set(err, -ENOSPC, "more than %d USB devices", USB_MOST);
    rc = uhci_plug(uhci, n, pc_usb_kind(w->driver), err);
    if (rc < 0 || !w->id)
        return rc;
    m->usb[entry].id = strdup(w->id);
    m->usb[entry].controller = strdup(device_id(uhci));
    m->usb[entry].port = n;
    return 0;
}

static bool remove_usb(struct machine *m, const char *id)
{
    for (unsigned i = 0; i < USB_MOST; i++) {
        char bus[128];

        if (!m->usb[i].id || strcmp(m->usb[i].id, id))
            continue;
        snprintf(bus, sizeof(bus), "%s.", m->usb[i].controller);
        uhci_unplug(controller(m, bus), m->usb[i].port);
        tell_deleted(m, id);
        free(m->usb[i].id);
        free(m->usb[i].controller);
        m->usb[i].id = m->usb[i].controller = NULL;
        return true;
    }
    return false;
}

/* ---- Both ---- */

int hotplug_add(struct machine *m, const struct device_words *w, struct error *err)
{
    struct placed *p;
    int rc;

    if (w->id && exists(m, w->id))
        return error_set(err, -EEXIST, "Duplicate device ID '%s'", w->id);
    if (pc_usb_kind(w->driver))
        return add_usb(m, w, err);
    if (!strncmp(w->driver, "ide-", 4))
        return error_set(err, -ENOTSUP, "Bus 'ide.0' does not support hotplugging");
    if (!pc_can_add(w->driver))
        return error_set(err, -ENOTSUP, "Device '%s' does not support hotplugging, or is not there",
                         w->driver);
    rc = pc_add(m, w, err);
    if (rc < 0)
        return rc;
    p = &m->placed[m->placed_count - 1];
    if (m->pm && slot_of(p->device) >= 0)
        pm_slot_added(m->pm, (unsigned)slot_of(p->device));
    return 0;
}

int hotplug_remove(struct machine *m, const char *id, struct error *err)
{
    if (remove_usb(m, id))
        return 0;
    for (unsigned i = 0; i < m->placed_count; i++) {
        struct placed *p = &m->placed[i];

        if (strcmp(device_id(p->device), id))
            continue;
        if (slot_of(p->device) < 0 || !m->pm)
            return error_set(err, -ENOTSUP, "Device '%s' does not support hotplugging", id);
        if (p->leaving)
            return error_set(err, -EBUSY, "Device %s is already in the process of unplug", id);
        p->leaving = true;
        pm_slot_remove(m->pm, (unsigned)slot_of(p->device));
        return 0;
    }
    return error_set(err, -ENOENT, "Device '%s' not found", id);
}
