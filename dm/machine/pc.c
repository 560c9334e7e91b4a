/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PC: which chip, where, on which loop. The rows of every PC come first, in the order that
 * fixes PCI addresses (guests and saved states depend on them), then what -device asks for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "devices/catalogue.h"
#include "devices/core/device.h"
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/block/drive.h"
#include "dm/machine/geometry.h"
#include "dm/machine/machine.h"

#define SLOT_PLATFORM 2
#define SLOTS 32
#define IDE_DRIVES 4

/* ---- Options text: "name=value,..." with commas doubled ---- */

struct options {
    char text[8192];
    size_t length;
};

static void add(struct options *o, const char *name, const char *value)
{
    if (o->length + strlen(name) + 2 * strlen(value) + 3 > sizeof(o->text))
        return; /* longer than any line libxl writes; the device says what is missing */
    o->length += (size_t)sprintf(o->text + o->length, "%s%s=", o->length ? "," : "", name);
    for (const char *p = value; *p; p++) {
        if (*p == ',')
            o->text[o->length++] = ',';
        o->text[o->length++] = *p;
    }
    o->text[o->length] = 0;
}

static void add_number(struct options *o, const char *name, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    add(o, name, text);
}

static void add_addr(struct options *o, unsigned slot, unsigned function)
{
    char text[8];

    snprintf(text, sizeof(text), "%x.%x", slot, function);
    add(o, "addr", text);
}

/* ---- Devices that people can ask for ---- */

struct kind {
    const char *driver; /* as -device says */
    const char *cls;    /* as the catalogue says */
    enum seat_name seat;
    bool pci, nic, display;
    const char *rom; /* boot ROM, unless romfile= says otherwise */
};

static const struct kind kinds[] = {
    { "VGA", "VGA", SEAT_DISPLAY, true, false, true, FIRMWARE_DIR "/vgabios-stdvga.bin" },
    { "cirrus-vga", "cirrus-vga", SEAT_DISPLAY, true, false, true,
      FIRMWARE_DIR "/vgabios-cirrus.bin" },
    { "e1000", "e1000", SEAT_NET, true, true, false, IPXE_DIR "/pxe-e1000.rom" },
    { "e1000-82540em", "e1000", SEAT_NET, true, true, false, IPXE_DIR "/pxe-e1000.rom" },
    { "rtl8139", "rtl8139", SEAT_NET, true, true, false, IPXE_DIR "/pxe-rtl8139.rom" },
    { "piix3-usb-uhci", "piix3-usb-uhci", SEAT_MACHINE, true, false, false, NULL },
    { "isa-debugcon", "isa-debugcon", SEAT_MACHINE, false, false, false, NULL },
};

static const struct kind *find_kind(const char *driver)
{
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
        if (!strcmp(kinds[i].driver, driver))
            return &kinds[i];
    return NULL;
}

bool pc_has(const struct machine_config *c, enum seat_name seat)
{
    for (unsigned i = 0; i < c->device_count; i++) {
        const struct kind *kind = find_kind(c->devices[i].driver);

        if (kind && kind->seat == seat)
            return true;
    }
    return false;
}

static bool is_ide_drive(const struct device_words *d)
{
    return !strcmp(d->driver, "ide-cd") || !strcmp(d->driver, "ide-hd");
}

static bool is_usb_device(const struct device_words *d)
{
    return pc_usb_kind(d->driver) != NULL;
}

/* ---- IDE: who sits where ---- */

static int ide_position(const struct device_words *d, unsigned *position, struct error *err)
{
    const char *bus = device_word(d, "bus"), *unit = device_word(d, "unit");
    unsigned b = 0, u = 0;

    if ((bus && (sscanf(bus, "ide.%u", &b) != 1 || b > 1)) ||
        (unit && (sscanf(unit, "%u", &u) != 1 || u > 1)))
        return error_set(err, -EINVAL,
                         "-device %s: bus=%s,unit=%s is not there; IDE has ide.0 and ide.1, units 0 and 1",
                         d->driver, bus ? bus : "", unit ? unit : "");
    *position = 2 * b + u;
    return 0;
}

/* The ids of the drives at the four positions. */
static int ide_drives(const struct machine_config *c, const char *ids[IDE_DRIVES],
                      struct error *err)
{
    unsigned position = 0;
    int rc;

    for (unsigned i = 0; i < c->drive_count; i++)
        if (c->drives[i].ide)
            ids[c->drives[i].index] = c->drives[i].id;
    for (unsigned i = 0; i < c->device_count; i++) {
        const struct device_words *d = &c->devices[i];
        const char *drive = device_word(d, "drive");
        unsigned k = 0;

        if (!is_ide_drive(d))
            continue;
        rc = ide_position(d, &position, err);
        if (rc < 0)
            return rc;
        while (k < c->drive_count && drive && strcmp(c->drives[k].id, drive))
            k++;
        if (!drive || k == c->drive_count)
            return error_set(err, -EINVAL, "-device %s: there is no -drive with id=%s", d->driver,
                             drive ? drive : "(drive= is missing)");
        if (ids[position])
            return error_set(err, -EBUSY, "-device %s,drive=%s: %s is at ide.%u unit %u already",
                             d->driver, drive, ids[position], position / 2, position % 2);
        ids[position] = drive;
    }
    return 0;
}

int pc_judge(const struct machine_config *c, struct error *err)
{
    const char *ids[IDE_DRIVES] = { NULL };
    unsigned displays = 0;

    for (unsigned i = 0; i < c->device_count; i++) {
        const struct device_words *d = &c->devices[i];
        const struct kind *kind = find_kind(d->driver);

        if (is_ide_drive(d) || is_usb_device(d))
            continue;
        if (!kind || !catalogue_find(kind->cls))
            return error_set(err, -EINVAL, "-device %s: xen-dm has no such device", d->driver);
        displays += kind->display;
        if (kind->nic && !device_word(d, "netdev") && !c->qtest)
            return error_set(err, -EINVAL, "-device %s: netdev= is missing", d->driver);
    }
    if (displays > 1)
        return error_set(err, -EINVAL, "there are %u display devices; a PC has one", displays);
    return ide_drives(c, ids, err);
}

/* ---- Building ---- */

static int place(struct machine *m, enum seat_name seat, const char *cls, const char *id,
                 const char *options, struct device **out, struct error *err)
{
    const struct device_class *class = catalogue_find(cls);
    struct placed *p = &m->placed[m->placed_count];
    int rc;

    if (!class)
        return error_set(err, -ENOENT, "this xen-dm was built without the device %s", cls);
    if (m->placed_count == PLACED_MOST)
        return error_set(err, -EINVAL, "more than %d devices", PLACED_MOST);
    *p = (struct placed){ .seat = &m->seats[seat] };
    rc = device_attach(&p->device, &m->seats[seat].board, class, id, options, err);
    if (rc < 0)
        return rc;
    m->placed_count++;
    if (out)
        *out = p->device;
    return 0;
}

/* A word of the drive at a position: of its -device, or of a -global for its kind. */
static const char *ide_word(const struct machine *m, unsigned position, const char *name)
{
    const struct machine_config *c = m->config;
    const char *ids[IDE_DRIVES] = { NULL };
    const struct drive *drive;
    unsigned at;

    for (unsigned i = 0; i < c->device_count; i++)
        if (is_ide_drive(&c->devices[i]) && ide_position(&c->devices[i], &at, NULL) == 0 &&
            at == position && device_word(&c->devices[i], name))
            return device_word(&c->devices[i], name);
    ide_drives(c, ids, NULL);
    drive = ids[position] ? machine_drive((struct machine *)m, ids[position]) : NULL;
    for (unsigned i = c->global_count; drive && i-- > 0;) {
        const char *global = c->globals[i].name;

        if (!strncmp(global, drive_is_cdrom(drive) ? "ide-cd." : "ide-hd.", 7) &&
            !strcmp(global + 7, name))
            return c->globals[i].value;
    }
    return NULL;
}

static unsigned ide_number(const struct machine *m, unsigned position, const char *name)
{
    const char *text = ide_word(m, position, name);

    return text ? (unsigned)strtoul(text, NULL, 0) : 0;
}

/* "cylinders/heads/sectors/translation" of a hard disk; false where there is none. */
static bool ide_geometry(const struct machine *m, unsigned position, const char *id, char text[48])
{
    static const char *const names[] = { "none", "lba", "large", "rechs" };
    const char *translation = ide_word(m, position, "bios-chs-trans");
    struct drive *drive = id ? machine_drive((struct machine *)m, id) : NULL;
    struct geometry g = { ide_number(m, position, "cyls"), ide_number(m, position, "heads"),
                          ide_number(m, position, "secs"), TRANSLATE_NONE };

    if (!drive || drive_is_cdrom(drive) || !drive_disk(drive))
        return false;
    if (!g.cylinders && !g.heads && !g.sectors)
        g = geometry_of(drive_disk(drive));
    else
        g.translation = geometry_translation(&g);
    for (unsigned i = 0; translation && i < ARRAY_SIZE(names); i++)
        if (!strcmp(translation, names[i]))
            g.translation = (enum translation)i;
    snprintf(text, 48, "%u/%u/%u/%u", g.cylinders, g.heads, g.sectors, (unsigned)g.translation);
    return true;
}

static void add_numbered(struct options *o, const char *name, unsigned number, const char *value)
{
    char numbered[24];

    snprintf(numbered, sizeof(numbered), "%s%u", name, number);
    if (value)
        add(o, numbered, value);
}

static int build_ide(struct machine *m, struct error *err)
{
    static const char *const words[] = { "serial", "ver", "model" };
    const char *ids[IDE_DRIVES] = { NULL };
    struct options o = { .length = 0 };
    int rc = ide_drives(m->config, ids, err);

    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        char geometry[48];

        add_numbered(&o, "drive", i, ids[i]);
        for (unsigned k = 0; ids[i] && k < ARRAY_SIZE(words); k++)
            add_numbered(&o, words[k], i, ide_word(m, i, words[k]));
        if (ide_geometry(m, i, ids[i], geometry))
            add_numbered(&o, "geometry", i, geometry);
    }
    if (m->bare)
        add(&o, "as-qemu", "on");
    return place(m, SEAT_DISK, "piix3-ide", "ide", o.text, &m->ide, err);
}

static int build_cmos(struct machine *m, struct error *err)
{
    const struct machine_config *c = m->config;
    const char *ids[IDE_DRIVES] = { NULL };
    struct options o = { .length = 0 };
    char geometry[48];
    int rc = ide_drives(c, ids, err);

    add(&o, "boot", c->boot);
    add(&o, "fd-check", c->floppy_check ? "on" : "off");
    add_number(&o, "cpus", c->cpus);
    for (unsigned i = 0; i < IDE_DRIVES; i++)
        if (ide_geometry(m, i, ids[i], geometry))
            add_numbered(&o, "geometry", i, geometry);
    if (c->boot_once)
        add(&o, "once", c->boot_once);
    if (m->bare) { /* hvmloader notes it otherwise */
        add_number(&o, "low", m->layout.low_end);
        add_number(&o, "high", m->layout.high_end ? m->layout.high_end - 4 * GIB : 0);
    }
    return rc < 0 ? rc : place(m, SEAT_MACHINE, "mc146818-ram", "cmos", o.text, &m->cmos, err);
}

static int build_fw_cfg(struct machine *m, struct error *err)
{
    struct options o = { .length = 0 };

    add_number(&o, "ram", m->config->ram_mib * MIB);
    add_number(&o, "cpus", m->config->cpus);
    add(&o, "menu", m->config->boot_menu ? "on" : "off");
    if (m->config->uuid)
        add(&o, "uuid", m->config->uuid);
    if (m->config->boot_fail_wait)
        add(&o, "reboot-timeout", m->config->boot_fail_wait);
    if (m->config->boot_menu_wait)
        add(&o, "splash-time", m->config->boot_menu_wait);
    return place(m, SEAT_MACHINE, "fw_cfg", "fw_cfg", o.text, NULL, err);
}

static int build_platform(struct machine *m, struct error *err)
{
    const struct machine_config *c = m->config;
    struct options pm = { .length = 0 };
    int rc;

    rc = place(m, SEAT_MACHINE, "i440FX", "i440fx", "", NULL, err);
    if (rc == 0)
        rc = place(m, SEAT_MACHINE, "PIIX3", "piix3", "", NULL, err);
    if (rc == 0)
        rc = build_ide(m, err);
    add_number(&pm, "cpus", c->cpus);
    if (rc == 0 && c->acpi)
        rc = place(m, SEAT_MACHINE, "PIIX4_PM", "pm", pm.text, &m->pm, err);
    if (rc == 0 && c->platform_device)
        rc = place(m, SEAT_MACHINE, "xen-platform", "xen-platform", "", NULL, err);
    if (rc == 0)
        rc = build_cmos(m, err);
    if (rc == 0 && c->qtest)
        rc = build_fw_cfg(m, err);
    if (rc == 0)
        rc = place(m, SEAT_MACHINE, "i8257", "dma", "", NULL, err);
    return rc;
}

static int build_ports(struct machine *m, struct error *err)
{
    static const char *const bases[] = { "0x3f8", "0x2f8", "0x3e8", "0x2e8" };
    static const char *const irqs[] = { "4", "3", "4", "3" };
    int rc = 0;

    if (catalogue_find("i8042"))
        rc = place(m, SEAT_MACHINE, "i8042", "i8042", "input=input", NULL, err);
    for (unsigned i = 0; rc == 0 && i < m->config->serial_count; i++) {
        const char *text = m->config->serials[i];
        struct options o = { .length = 0 };
        char id[24];

        if (!strcmp(text, "none"))
            continue;
        snprintf(id, sizeof(id), "serial%u", i);
        add(&o, "iobase", bases[i]);
        add(&o, "irq", irqs[i]);
        add(&o, "chardev", strncmp(text, "chardev:", 8) ? id : text + 8);
        rc = place(m, SEAT_MACHINE, "isa-serial", id, o.text, NULL, err);
    }
    if (rc == 0 && m->config->parallel)
        rc = place(m, SEAT_MACHINE, "isa-parallel", "parallel0", "chardev=parallel0", NULL, err);
    if (rc == 0 && m->config->debugcon)
        rc = place(m, SEAT_MACHINE, "isa-debugcon", "debugcon", "chardev=debugcon", NULL, err);
    return rc;
}

/* ---- USB: who sits at which port ---- */

const char *pc_usb_kind(const char *driver)
{
    static const char *const names[][2] = { { "usb-tablet", "tablet" }, { "usb-mouse", "mouse" },
                                            { "usb-kbd", "keyboard" } };

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(driver, names[i][0]))
            return names[i][1];
    return NULL;
}

/* A controller's bus is its id and ".0"; a device that names none, or one we do not know, is at the
 * first controller. */
static bool sits_at(const struct machine *m, const struct device_words *d, const char *id)
{
    const char *bus = device_word(d, "bus");
    bool taken = m->config->usb, known = false;

    for (unsigned i = 0; i < m->config->device_count; i++) {
        const struct device_words *u = &m->config->devices[i];
        const struct kind *kind = find_kind(u->driver);

        if (!kind || strcmp(kind->cls, "piix3-usb-uhci"))
            continue;
        if (u->id && bus && !strncmp(bus, u->id, strlen(u->id)) && bus[strlen(u->id)] == '.')
            known = true;
    }
    if (known)
        return !strncmp(bus, id, strlen(id)) && bus[strlen(id)] == '.';
    for (unsigned i = 0; i < m->placed_count; i++)
        taken |= device_class_of(m->placed[i].device) == catalogue_find("piix3-usb-uhci");
    return !strcmp(id, "usb") || !taken;
}

static void note_usb(struct machine *m, const char *device, const char *controller, unsigned port)
{
    for (unsigned i = 0; device && i < USB_MOST; i++)
        if (!m->usb[i].id) {
            m->usb[i].id = strdup(device);
            m->usb[i].controller = strdup(controller);
            m->usb[i].port = port;
            return;
        }
}

/* What is plugged into the controller `id`: -usbdevice first, then -device usb-*, each at its port. */
static void add_usb_ports(struct machine *m, struct options *o, const char *id)
{
    const struct machine_config *c = m->config;
    const char *at[USB_MOST] = { NULL };
    unsigned next = 0, most = 0;
    char list[128] = "";

    for (unsigned i = 0; !strcmp(id, "usb") && i < c->usb_device_count; i++)
        at[next++] = c->usb_devices[i];
    for (unsigned i = 0; i < c->device_count; i++) {
        const struct device_words *d = &c->devices[i];
        const char *port = device_word(d, "port");
        unsigned n = port ? (unsigned)strtoul(port, NULL, 10) - 1 : USB_MOST;

        if (!pc_usb_kind(d->driver) || !sits_at(m, d, id))
            continue;
        if (n >= USB_MOST || at[n])
            for (n = 0; n < USB_MOST - 1 && at[n];)
                n++;
        at[n] = pc_usb_kind(d->driver);
        note_usb(m, d->id, id, n);
    }
    for (unsigned i = 0; i < USB_MOST; i++)
        if (at[i])
            most = i + 1;
    for (unsigned i = 0; i < most; i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? " " : "",
                 at[i] ? at[i] : "-");
    add(o, "ports", list);
    add(o, "input", "input");
}

static int build_usb(struct machine *m, struct error *err)
{
    struct options o = { .length = 0 };

    if (!m->config->usb)
        return 0;
    add_addr(&o, 1, 2);
    add_usb_ports(m, &o, "usb");
    return place(m, SEAT_MACHINE, "piix3-usb-uhci", "usb", o.text, NULL, err);
}

/* Frames above all RAM, and above where firmware puts 64-bit BARs by itself. */
static uint64_t vram_scratch(const struct machine *m)
{
    return (MAX(m->layout.high_end, 4 * GIB) + 16 * GIB) / PAGE_BYTES;
}

static void note_slot(const char *addr, bool used[SLOTS])
{
    unsigned slot;

    if (addr && sscanf(addr, "%x", &slot) == 1 && slot < SLOTS)
        used[slot] = true;
}

static int build_device(struct machine *m, const struct device_words *d, bool used[SLOTS],
                        struct error *err)
{
    static const char *const dropped[] = { "bus", "bootindex", "multifunction", NULL };
    const struct kind *kind = find_kind(d->driver);
    struct options o = { .length = 0 };
    unsigned slot = 0;
    char id[32];
    int rc;

    for (unsigned i = 0; i < d->count; i++) {
        unsigned k = 0;

        while (dropped[k] && strcmp(dropped[k], d->pairs[i].name))
            k++;
        if (!dropped[k])
            add(&o, d->pairs[i].name, d->pairs[i].value);
    }
    if (kind->pci && !device_word(d, "addr")) {
        while (slot < SLOTS && used[slot])
            slot++;
        if (slot == SLOTS)
            return error_set(err, -EBUSY, "-device %s: all PCI slots are taken", d->driver);
        used[slot] = true;
        add_addr(&o, slot, 0);
    }
    if (kind->rom && !device_word(d, "romfile"))
        add(&o, "romfile", kind->rom);
    if (kind->display) {
        add(&o, "screen", "screen");
        add_number(&o, "vram_gfn", vram_scratch(m));
    }
    snprintf(id, sizeof(id), "%s-%u", kind->cls, m->placed_count);
    if (!strcmp(kind->cls, "piix3-usb-uhci"))
        add_usb_ports(m, &o, d->id ? d->id : id);
    rc = place(m, kind->seat, kind->cls, d->id ? d->id : id, o.text, NULL, err);
    if (rc == 0)
        m->placed[m->placed_count - 1].nic = kind->nic;
    return rc;
}

bool pc_can_add(const char *driver)
{
    const struct kind *kind = find_kind(driver);

    return kind && kind->pci && !kind->display;
}

int pc_add(struct machine *m, const struct device_words *d, struct error *err)
{
    bool used[SLOTS] = { [0] = true, [1] = true };

    for (unsigned i = 0; i < m->placed_count; i++)
        note_slot(device_text(m->placed[i].device, "addr"), used);
    return build_device(m, d, used, err);
}

int pc_build(struct machine *m, struct error *err)
{
    const struct machine_config *c = m->config;
    bool used[SLOTS] = { [0] = true, [1] = true, [SLOT_PLATFORM] = c->platform_device };
    int rc = build_platform(m, err);

    if (rc == 0)
        rc = build_usb(m, err);
    if (rc == 0)
        rc = build_ports(m, err);
    for (unsigned i = 0; i < c->device_count; i++)
        note_slot(device_word(&c->devices[i], "addr"), used);
    for (unsigned i = 0; rc == 0 && i < c->device_count; i++)
        if (!is_ide_drive(&c->devices[i]) && !is_usb_device(&c->devices[i]))
            rc = build_device(m, &c->devices[i], used, err);
    return rc;
}
