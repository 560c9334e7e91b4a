/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line. One table says for each word what becomes of it: taken, ignored because it
 * means nothing here, or refused with what to use instead. Source: the argv that libxl writes for
 * an HVM guest, and the words that people add with device_model_args.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/control/options.h"

#define LOW_LIMIT_DEFAULT 0xf0000000ull
#define LOW_LIMIT_LEAST 0x40000000ull
#define PAIRS_MOST 24
#define VCPUS_MOST 128

/* ---- Memory of the texts ---- */

struct chunk {
    struct chunk *next;
    char text[];
};

static char *keep(struct machine_config *c, const char *text)
{
    struct chunk *k = malloc(sizeof(*k) + strlen(text) + 1);

    if (!k)
        return NULL;
    strcpy(k->text, text);
    k->next = c->memory;
    c->memory = k;
    return k->text;
}

void options_free(struct machine_config *c)
{
    struct chunk *k;

    while ((k = c->memory)) {
        c->memory = k->next;
        free(k);
    }
}

/* ---- "first,name=value,name" ---- */

struct words {
    const char *option; /* as the user wrote it, for sentences */
    const char *first;  /* NULL where the text starts with name=value */
    struct pair pairs[PAIRS_MOST];
    unsigned count;
};

/*
 * Splits a text at its commas, ",," being one comma. `implied`: what a first word without "=" is
 * called; NULL where there is none.
 */
static int split(struct machine_config *c, struct words *w, const char *option, const char *text,
                 bool has_first, struct error *err)
{
    char *copy = keep(c, text), *in, *out, *word;
    bool more = true;

    memset(w, 0, sizeof(*w));
    w->option = option;
    if (!copy)
        return error_set(err, -ENOMEM, "%s: out of memory", option);
    for (in = out = word = copy; more; in++) {
        char *equals;

        if (*in == ',' && in[1] == ',') {
            in++;
            *out++ = ',';
            continue;
        }
        if (*in && *in != ',') {
            *out++ = *in;
            continue;
        }
        more = *in != 0;
        *out = 0;
        equals = strchr(word, '=');
        if (has_first && word == copy && !equals) {
            w->first = word;
        } else if (*word) {
            if (w->count == PAIRS_MOST)
                return error_set(err, -EINVAL, "%s %s: more than %d settings", option, text,
                                 PAIRS_MOST);
            if (equals)
                *equals = 0;
            w->pairs[w->count++] = (struct pair){ word, equals ? equals + 1 : "on" };
        }
        word = out = in + 1;
    }
    return 0;
}

static const char *get(const struct words *w, const char *name)
{
    for (unsigned i = w->count; i-- > 0;)
        if (!strcmp(w->pairs[i].name, name))
            return w->pairs[i].value;
    return NULL;
}

/* Every name is in the list (which NULL ends), or a sentence. */
static int only(const struct words *w, const char *const *names, struct error *err)
{
    for (unsigned i = 0; i < w->count; i++) {
        const char *const *n = names;

        while (*n && strcmp(*n, w->pairs[i].name))
            n++;
        if (!*n)
            return error_set(err, -EINVAL, "%s: xen-dm knows no setting %s=; leave it out",
                             w->option, w->pairs[i].name);
    }
    return 0;
}

static int flag(const struct words *w, const char *name, bool *value, struct error *err)
{
    const char *text = get(w, name);

    if (!text)
        return 0;
    if (!strcmp(text, "on") || !strcmp(text, "yes") || !strcmp(text, "true"))
        *value = true;
    else if (!strcmp(text, "off") || !strcmp(text, "no") || !strcmp(text, "false"))
        *value = false;
    else
        return error_set(err, -EINVAL, "%s: %s=%s is neither on nor off", w->option, name, text);
    return 0;
}

static int to_number(const char *option, const char *text, uint64_t most, uint64_t *value,
                     struct error *err)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    if (!*text || *text == '-' || *end || errno || *value > most)
        return error_set(err, -EINVAL, "%s: %s is not a number from 0 to %llu", option, text,
                         (unsigned long long)most);
    return 0;
}

/* ---- One function for each option that is taken ---- */

static int take_domid(struct machine_config *c, const char *option, const char *text,
                      struct error *err)
{
    uint64_t domid;
    int rc = to_number(option, text, 0x7fef, &domid, err);

    c->domid = (unsigned)domid;
    c->have_domid = rc == 0;
    return rc;
}

static int take_name(struct machine_config *c, const char *option, const char *text,
                     struct error *err)
{
    c->name = keep(c, text); /* libxl escapes nothing, so commas are part of the name */
    return 0;
}

static int take_machine(struct machine_config *c, const char *option, const char *text,
                        struct error *err)
{
    static const char *const names[] = { "accel", "suppress-vmdesc", "max-ram-below-4g",
                                         "igd-passthru", "type", NULL };
    struct words w;
    const char *type, *accel, *limit;
    bool igd = false;
    int rc = split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = only(&w, names, err);
    if (rc == 0)
        rc = flag(&w, "igd-passthru", &igd, err);
    if (rc < 0)
        return rc;
    if (igd)
        return error_set(err, -EINVAL, "%s: igd-passthru=on is not supported; remove gfx_passthru",
                         option);
    type = w.first ? w.first : get(&w, "type");
    accel = get(&w, "accel");
    if (!type)
        return error_set(err, -EINVAL, "%s %s: no machine type; use xenfv", option, text);
    if (!strcmp(type, "xenfv") || !strncmp(type, "xenfv-", 6)) {
        c->kind = MACHINE_HVM;
        c->platform_device = true;
    } else if ((!strcmp(type, "pc") || !strncmp(type, "pc-i440fx-", 10)) && accel &&
               !strcmp(accel, "xen")) {
        c->kind = MACHINE_HVM;
        c->platform_device = false;
    } else if (!strcmp(type, "none")) {
        c->kind = MACHINE_NONE;
    } else if (!strcmp(type, "xenpv")) {
        return error_set(err, -EINVAL,
                         "%s xenpv: PV backends are not supported yet; use QEMU for PV and PVH guests",
                         option);
    } else {
        return error_set(err, -EINVAL, "%s %s: xen-dm has xenfv and pc,accel=xen", option, type);
    }
    limit = get(&w, "max-ram-below-4g");
    if (limit) {
        rc = to_number(option, limit, LOW_LIMIT_DEFAULT, &c->low_limit, err);
        if (rc == 0 && (c->low_limit < LOW_LIMIT_LEAST || c->low_limit % PAGE_BYTES))
            rc = error_set(err, -EINVAL,
                           "%s: max-ram-below-4g=%s must be whole pages from 1 GiB to 3.75 GiB",
                           option, limit);
    }
    return rc;
}

static int take_memory(struct machine_config *c, const char *option, const char *text,
                       struct error *err)
{
    char digits[24];
    size_t n = strspn(text, "0123456789");
    uint64_t scale = 1;
    int rc;

    if (!strncmp(text, "size=", 5))
        return take_memory(c, option, text + 5, err);
    if (n && n < sizeof(digits) && (!strcmp(text + n, "G") || !strcmp(text + n, "M"))) {
        memcpy(digits, text, n);
        digits[n] = 0;
        scale = text[n] == 'G' ? 1024 : 1;
        rc = to_number(option, digits, 16 << 20, &c->ram_mib, err);
    } else {
        rc = to_number(option, text, 16 << 20, &c->ram_mib, err);
    }
    c->ram_mib *= scale;
    if (rc == 0 && (c->ram_mib < 1 || c->ram_mib > 16 << 20))
        return error_set(err, -EINVAL, "%s %s: memory is from 1 MiB to 16 TiB, given in MiB",
                         option, text);
    return rc;
}

static int take_smp(struct machine_config *c, const char *option, const char *text,
                    struct error *err)
{
    static const char *const names[] = { "cpus", "maxcpus", "sockets", "cores", "threads", NULL };
    struct words w;
    const char *cpus, *most;
    uint64_t n = 1, m = 0;
    int rc = split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = only(&w, names, err);
    cpus = w.first ? w.first : get(&w, "cpus");
    most = get(&w, "maxcpus");
    if (rc == 0 && cpus)
        rc = to_number(option, cpus, VCPUS_MOST, &n, err);
    if (rc == 0 && most)
        rc = to_number(option, most, VCPUS_MOST, &m, err);
    if (rc < 0)
        return rc;
    if (!n || (most && m < n))
        return error_set(err, -EINVAL, "%s %s: from 1 to maxcpus CPUs are online", option, text);
    c->cpus = (unsigned)n;
    c->cpus_most = most ? (unsigned)m : (unsigned)n;
    return 0;
}

static int take_boot(struct machine_config *c, const char *option, const char *text,
                     struct error *err)
{
    static const char *const names[] = { "order", "once", "menu", "strict", "splash-time", NULL };
    struct words w;
    const char *order;
    int rc = split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = only(&w, names, err);
    if (rc < 0)
        return rc;
    order = w.first ? w.first : get(&w, "once") ? get(&w, "once") : get(&w, "order");
    if (!order)
        return 0;
    if (!*order || order[strspn(order, "abcdnop")])
        return error_set(err, -EINVAL,
                         "%s: order %s has a letter that is no boot device; use a, b, c, d, n",
                         option, order);
    c->boot = order;
    return 0;
}

static int take_chardev(struct machine_config *c, const char *option, const char *text,
                        struct error *err)
{
    static const char *const names[] = { "id", "path", "fd", "server", "wait", "host", "port",
                                         "telnet", "append", "reconnect", "mux", "signal",
                                         "nowait", "nodelay", "name", "ipv4", "ipv6", "to",
                                         "delay", "logfile", NULL };
    static const char *const kinds[] = { "socket", "pty", "file", "stdio", "null", "pipe",
                                         "serial", "ringbuf", NULL };
    struct chardev_words *k = &c->chardevs[c->chardev_count];
    struct words w;
    uint64_t n;
    unsigned i = 0;
    int rc = split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = only(&w, names, err);
    if (rc < 0)
        return rc;
    if (c->chardev_count == CHARDEVS_MOST)
        return error_set(err, -EINVAL, "more than %d -chardev", CHARDEVS_MOST);
    *k = (struct chardev_words){ .id = get(&w, "id"), .kind = w.first, .path = get(&w, "path"),
                                 .host = get(&w, "host"), .port = get(&w, "port"), .fd = -1,
                                 .wait = true };
    if (!k->id || !*k->id)
        return error_set(err, -EINVAL, "%s %s: id= is missing", option, text);
    while (k->kind && kinds[i] && strcmp(kinds[i], k->kind))
        i++;
    if (!k->kind || !kinds[i])
        return error_set(err, -EINVAL,
                         "%s: xen-dm has no chardev %s; use pty, socket, file, stdio, pipe or null",
                         option, k->kind ? k->kind : "of no kind");
    for (i = 0; i < c->chardev_count; i++)
        if (!strcmp(c->chardevs[i].id, k->id))
            return error_set(err, -EINVAL, "%s: there are two with id=%s", option, k->id);
    if (get(&w, "fd")) {
        rc = to_number(option, get(&w, "fd"), INT32_MAX, &n, err);
        k->fd = (int)n;
    }
    if (rc == 0 && get(&w, "reconnect")) {
        rc = to_number(option, get(&w, "reconnect"), 86400, &n, err);
        k->reconnect = (unsigned)n;
    }
    if (rc == 0)
        rc = flag(&w, "server", &k->server, err);
    if (rc == 0)
        rc = flag(&w, "wait", &k->wait, err);
    if (rc == 0)
        rc = flag(&w, "telnet", &k->telnet, err);
    if (rc == 0)
        rc = flag(&w, "append", &k->append, err);
    if (rc < 0)
        return rc;
    if (get(&w, "nowait"))
        k->wait = false;
    if (!strcmp(k->kind, "socket") && !k->path && !k->port && k->fd < 0)
        return error_set(err, -EINVAL, "%s socket,id=%s: path=, port= or fd= is missing", option,
                         k->id);
    if ((!strcmp(k->kind, "file") || !strcmp(k->kind, "pipe")) && !k->path)
        return error_set(err, -EINVAL, "%s %s,id=%s: path= is missing", option, k->kind, k->id);
    c->chardev_count++;
    return 0;
}

static int take_mon(struct machine_config *c, const char *option, const char *text,
                    struct error *err)
{
    static const char *const names[] = { "chardev", "mode", "pretty", NULL };
    struct words w;
    const char *chardev, *mode;
    int rc = split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = only(&w, names, err);
    if (rc < 0)
        return rc;
    chardev = w.first ? w.first : get(&w, "chardev");
    mode = get(&w, "mode");
    if (!chardev || !mode || strcmp(mode, "control"))
        return error_set(err, -EINVAL,
                         "%s %s: xen-dm has QMP monitors only: use chardev=ID,mode=control", option,
                         text);
    if (c->monitor_count == MONITORS_MOST)
        return error_set(err, -EINVAL, "more than %d -mon", MONITORS_MOST);
    c->monitors[c->monitor_count++].chardev = chardev;
    return 0;
}

/* -qmp unix:PATH,server,nowait is short for a chardev and a monitor. */
static int take_qmp(struct machine_config *c, const char *option, const char *text,
                    struct error *err)
{
    char words[600], id[16];
    int rc;

    if (strncmp(text, "unix:", 5))
        return error_set(err, -EINVAL, "%s %s: use unix:PATH,server=on,wait=off", option, text);
    snprintf(id, sizeof(id), "compat_qmp%u", c->monitor_count);
    if (snprintf(words, sizeof(words), "socket,id=%s,path=%s", id, text + 5) >= (int)sizeof(words))
        return error_set(err, -EINVAL, "%s: the path is too long", option);
    rc = take_chardev(c, option, words, err);
    if (rc < 0)
        return rc;
    snprintf(words, sizeof(words), "chardev=%s,mode=control", id);
    return take_mon(c, option, words, err);
}

static int take_serial(struct machine_config *c, const char *option, const char *text,
                       struct error *err)
{
    if (c->serial_count == SERIALS_MOST)
        return error_set(err, -EINVAL, "more than %d serial ports; a PC has four", SERIALS_MOST);
    c->serials[c->serial_count++] = keep(c, text);
    return 0;
}

static int take_parallel(struct machine_config *c, const char *option, const char *text,
                         struct error *err)
{
    c->parallel = strcmp(text, "none") ? keep(c, text) : NULL;
    return 0;
}

static int take_debugcon(struct machine_config *c, const char *option, const char *text,
                         struct error *err)
{
    c->debugcon = keep(c, text);
    return 0;
}

static int take_vnc(struct machine_config *c, const char *option, const char *text,
                    struct error *err)
{
    c->vnc = strcmp(text, "none") ? keep(c, text) : NULL;
    return 0;
}

static int take_keymap(struct machine_config *c, const char *option, const char *text,
                       struct error *err)
{
    c->keymap = keep(c, text);
    return 0;
}

static int take_display(struct machine_config *c, const char *option, const char *text,
                        struct error *err)
{
    if (!strcmp(text, "none"))
        return 0;
    if (!strncmp(text, "vnc=", 4))
        return take_vnc(c, option, text + 4, err);
    return error_set(err, -EINVAL, "%s %s: xen-dm shows the screen by VNC only; set sdl=0 and vnc=1",
                     option, text);
}

static int judge_cache(struct drive_words *d, const char *cache, const char *option,
                       struct error *err)
{
    if (!cache || !strcmp(cache, "writeback"))
        return 0;
    if (!strcmp(cache, "none"))
        d->direct = true;
    else if (!strcmp(cache, "writethrough"))
        d->writethrough = true;
    else if (!strcmp(cache, "directsync"))
        d->direct = d->writethrough = true;
    else if (!strcmp(cache, "unsafe"))
        d->no_flush = true;
    else
        return error_set(err, -EINVAL,
                         "%s: cache=%s is not one of writeback, none, writethrough, directsync, unsafe",
                         option, cache);
    return 0;
}

static int take_drive(struct machine_config *c, const char *option, const char *text,
                      struct error *err)
{
    static const char *const names[] = { "file", "id", "format", "if", "index", "media",
                                         "readonly", "cache", "aio", "discard", "serial", "bus",
                                         "unit", "werror", "rerror", "file.locking",
                                         "detect-zeroes", NULL };
    struct drive_words *d = &c->drives[c->drive_count];
    const char *kind, *media, *discard;
    struct words w;
    uint64_t n = 0;
    char id[32];
    int rc = split(c, &w, option, text, false, err);

    if (rc == 0)
        rc = only(&w, names, err);
    if (rc < 0)
        return rc;
    if (c->drive_count == DRIVES_MOST)
        return error_set(err, -EINVAL, "more than %d -drive; the PC has four IDE drives",
                         DRIVES_MOST);
    *d = (struct drive_words){ .id = get(&w, "id"), .file = get(&w, "file"),
                               .format = get(&w, "format"), .serial = get(&w, "serial") };
    kind = get(&w, "if");
    media = get(&w, "media");
    discard = get(&w, "discard");
    d->ide = !kind || !strcmp(kind, "ide");
    if (kind && strcmp(kind, "ide") && strcmp(kind, "none"))
        return error_set(err, -EINVAL, "%s: if=%s is not supported yet; use an IDE disk (hda to hdd)",
                         option, kind);
    if (media && strcmp(media, "disk") && strcmp(media, "cdrom"))
        return error_set(err, -EINVAL, "%s: media=%s is neither disk nor cdrom", option, media);
    d->cdrom = media && !strcmp(media, "cdrom");
    if (discard && strcmp(discard, "unmap") && strcmp(discard, "ignore") &&
        strcmp(discard, "on") && strcmp(discard, "off"))
        return error_set(err, -EINVAL, "%s: discard=%s is neither unmap nor ignore", option,
                         discard);
    d->discard = discard && (!strcmp(discard, "unmap") || !strcmp(discard, "on"));
    rc = flag(&w, "readonly", &d->readonly, err);
    if (rc == 0)
        rc = judge_cache(d, get(&w, "cache"), option, err);
    if (rc == 0 && get(&w, "index"))
        rc = to_number(option, get(&w, "index"), 3, &n, err);
    if (rc < 0)
        return rc;
    d->index = (unsigned)n;
    if (!d->ide && !d->id)
        return error_set(err, -EINVAL, "%s %s: if=none needs an id=", option, text);
    if (d->ide && !d->cdrom && !d->file)
        return error_set(err, -EINVAL, "%s %s: a disk needs file=", option, text);
    for (unsigned i = 0; i < c->drive_count; i++) {
        const struct drive_words *other = &c->drives[i];

        if (d->id && !strcmp(other->id, d->id))
            return error_set(err, -EINVAL, "%s: there are two with id=%s", option, d->id);
        if (d->ide && other->ide && other->index == d->index)
            return error_set(err, -EINVAL,
                             "%s: there are two disks at IDE index %u (such as hda and xvda); move one",
                             option, d->index);
    }
    if (!d->id) {
        snprintf(id, sizeof(id), "ide%u-%s%u", d->index / 2, d->cdrom ? "cd" : "hd", d->index % 2);
        d->id = keep(c, id);
    }
    if (d->cdrom)
        d->readonly = true;
    c->drive_count++;
    return 0;
}

/* Devices that libxl or people may name, and what to do instead. */
static const struct pair refused_devices[] = {
    { "qxl-vga", "use vga=\"stdvga\"" },
    { "lsi53c895a", "SCSI disks are not supported yet; name the disk hda to hdd" },
    { "scsi-hd", "SCSI disks are not supported yet; name the disk hda to hdd" },
    { "scsi-cd", "SCSI drives are not supported yet; name the drive hdc" },
    { "ahci", "AHCI is not supported yet; set hdtype=\"ide\"" },
    { "ich9-ahci", "AHCI is not supported yet; set hdtype=\"ide\"" },
    { "nvme", "NVMe is not supported yet; use an IDE or PV disk" },
    { "intel-hda", "sound is not supported yet; remove soundhw" },
    { "hda-duplex", "sound is not supported yet; remove soundhw" },
    { "ac97", "sound is not supported yet; remove soundhw" },
    { "adlib", "sound is not supported yet; remove soundhw" },
    { "cs4231a", "sound is not supported yet; remove soundhw" },
    { "es1370", "sound is not supported yet; remove soundhw" },
    { "gus", "sound is not supported yet; remove soundhw" },
    { "sb16", "sound is not supported yet; remove soundhw" },
    { "ich9-usb-ehci1", "USB 2 is not supported yet; set usbversion=1" },
    { "ich9-usb-uhci1", "USB 2 is not supported yet; set usbversion=1" },
    { "ich9-usb-uhci2", "USB 2 is not supported yet; set usbversion=1" },
    { "ich9-usb-uhci3", "USB 2 is not supported yet; set usbversion=1" },
    { "usb-ehci", "USB 2 is not supported yet; set usbversion=1" },
    { "nec-usb-xhci", "USB 3 is not supported yet; set usbversion=1" },
    { "qemu-xhci", "USB 3 is not supported yet; set usbversion=1" },
    { "usb-redir", "USB redirection is not supported yet; remove usbredirection" },
    { "usb-host", "host USB devices are not supported yet" },
    { "usb-storage", "USB disks are not supported yet; use an IDE disk" },
    { "virtio-serial", "spice is not supported; set spice=0 and vnc=1" },
    { "virtserialport", "spice is not supported; set spice=0 and vnc=1" },
    { "virtio-net", "virtio is not supported; use model=e1000, or a PV vif" },
    { "virtio-net-pci", "virtio is not supported; use model=e1000, or a PV vif" },
    { "virtio-blk-pci", "virtio is not supported; use an IDE or PV disk" },
    { "ne2k_pci", "this NIC is not supported yet; use model=e1000 or model=rtl8139" },
    { "ne2k_isa", "this NIC is not supported yet; use model=e1000 or model=rtl8139" },
    { "pcnet", "this NIC is not supported yet; use model=e1000 or model=rtl8139" },
    { "i82551", "this NIC is not supported yet; use model=e1000 or model=rtl8139" },
    { "i82557b", "this NIC is not supported yet; use model=e1000 or model=rtl8139" },
    { "i82559er", "this NIC is not supported yet; use model=e1000 or model=rtl8139" },
    { "e1000e", "this NIC is not supported yet; use model=e1000" },
    { "vmxnet3", "this NIC is not supported; use model=e1000" },
    { "xen-pci-passthrough", "PCI passthrough is not supported yet; remove pci=" },
    { "vfio-pci", "PCI passthrough is not supported yet; remove pci=" },
    { "xen-pvdevice", "the XenServer PV device is not supported yet; remove vendor_device" },
    { "floppy", "floppies are not supported yet" },
    { "isa-fdc", "floppies are not supported yet" },
};

static int take_device(struct machine_config *c, const char *option, const char *text,
                       struct error *err)
{
    struct device_words *d = &c->devices[c->device_count];
    struct words w;
    int rc = split(c, &w, option, text, true, err);

    if (rc < 0)
        return rc;
    if (c->device_count == DEVICES_MOST)
        return error_set(err, -EINVAL, "more than %d -device", DEVICES_MOST);
    *d = (struct device_words){ .driver = w.first ? w.first : get(&w, "driver"),
                                .id = get(&w, "id") };
    if (!d->driver)
        return error_set(err, -EINVAL, "%s %s: which device?", option, text);
    for (unsigned i = 0; i < ARRAY_SIZE(refused_devices); i++)
        if (!strcmp(refused_devices[i].name, d->driver))
            return error_set(err, -EINVAL, "%s %s: %s", option, d->driver,
                             refused_devices[i].value);
    for (unsigned i = 0; i < w.count; i++)
        if (strcmp(w.pairs[i].name, "id") && strcmp(w.pairs[i].name, "driver"))
            d->pairs[d->count++] = w.pairs[i];
    for (unsigned i = 0; d->id && i < c->device_count; i++)
        if (c->devices[i].id && !strcmp(c->devices[i].id, d->id))
            return error_set(err, -EINVAL, "%s: there are two with id=%s", option, d->id);
    c->device_count++;
    return 0;
}

const char *device_word(const struct device_words *d, const char *name)
{
    for (unsigned i = d->count; i-- > 0;)
        if (!strcmp(d->pairs[i].name, name))
            return d->pairs[i].value;
    return NULL;
}

static int take_netdev(struct machine_config *c, const char *option, const char *text,
                       struct error *err)
{
    static const char *const names[] = { "type", "id", "ifname", "br", "script", "downscript",
                                         "fd", "hostname", "tftp", "bootfile", "vhost",
                                         "vnet_hdr", "queues", "sndbuf", NULL };
    struct netdev_words *n = &c->netdevs[c->netdev_count];
    const char *script;
    struct words w;
    uint64_t fd;
    int rc = split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = only(&w, names, err);
    if (rc < 0)
        return rc;
    if (c->netdev_count == NETDEVS_MOST)
        return error_set(err, -EINVAL, "more than %d -netdev", NETDEVS_MOST);
    *n = (struct netdev_words){ .id = get(&w, "id"), .kind = w.first ? w.first : get(&w, "type"),
                                .ifname = get(&w, "ifname"), .hostname = get(&w, "hostname"),
                                .tftp = get(&w, "tftp"), .bootfile = get(&w, "bootfile"),
                                .fd = -1 };
    if (!n->id || !n->kind)
        return error_set(err, -EINVAL, "%s %s: type and id= are needed", option, text);
    if (strcmp(n->kind, "tap") && strcmp(n->kind, "user"))
        return error_set(err, -EINVAL, "%s %s,id=%s: xen-dm has tap and user", option, n->kind,
                         n->id);
    script = get(&w, "script");
    if (script && *script && strcmp(script, "no"))
        return error_set(err, -EINVAL, "%s: script=%s is not run; the toolstack's vif script is",
                         option, script);
    if (get(&w, "fd")) {
        rc = to_number(option, get(&w, "fd"), INT32_MAX, &fd, err);
        n->fd = (int)fd;
    }
    if (rc == 0 && !strcmp(n->kind, "tap") && !n->ifname && n->fd < 0)
        rc = error_set(err, -EINVAL, "%s tap,id=%s: ifname= is missing", option, n->id);
    for (unsigned i = 0; rc == 0 && i < c->netdev_count; i++)
        if (!strcmp(c->netdevs[i].id, n->id))
            rc = error_set(err, -EINVAL, "%s: there are two with id=%s", option, n->id);
    if (rc == 0)
        c->netdev_count++;
    return rc;
}

static int take_net(struct machine_config *c, const char *option, const char *text,
                    struct error *err)
{
    if (!strcmp(text, "none"))
        return 0;
    return error_set(err, -EINVAL, "%s %s: use -netdev and -device", option, text);
}

static int take_usb(struct machine_config *c, const char *option, const char *text,
                    struct error *err)
{
    c->usb = true;
    return 0;
}

static int take_usbdevice(struct machine_config *c, const char *option, const char *text,
                          struct error *err)
{
    static const char *const known[] = { "tablet", "mouse", "keyboard" };

    for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
        if (!strcmp(text, known[i])) {
            if (c->usb_device_count == USB_MOST)
                return error_set(err, -EINVAL, "more than %d USB devices", USB_MOST);
            c->usb = true;
            c->usb_devices[c->usb_device_count++] = known[i];
            return 0;
        }
    return error_set(err, -EINVAL, "%s %s: xen-dm has tablet, mouse and keyboard", option, text);
}

static int take_no_acpi(struct machine_config *c, const char *option, const char *text,
                        struct error *err)
{
    c->acpi = false;
    return 0;
}

static int take_paused(struct machine_config *c, const char *option, const char *text,
                       struct error *err)
{
    c->paused = true;
    return 0;
}

static int take_restrict(struct machine_config *c, const char *option, const char *text,
                         struct error *err)
{
    c->restricted = true;
    return 0;
}

static int take_chroot(struct machine_config *c, const char *option, const char *text,
                       struct error *err)
{
    if (*text != '/')
        return error_set(err, -EINVAL, "%s %s: the directory must be an absolute path", option,
                         text);
    c->chroot = keep(c, text);
    return 0;
}

static int take_runas(struct machine_config *c, const char *option, const char *text,
                      struct error *err)
{
    if (!*text)
        return error_set(err, -EINVAL, "%s: give a user name, or UID:GID", option);
    c->runas = keep(c, text);
    return 0;
}

static int take_run_with(struct machine_config *c, const char *option, const char *text,
                         struct error *err)
{
    static const char *const names[] = { "chroot", "user", NULL };
    struct words w;
    int rc = split(c, &w, option, text, false, err);

    if (rc == 0)
        rc = only(&w, names, err);
    if (rc == 0 && get(&w, "chroot"))
        rc = take_chroot(c, option, get(&w, "chroot"), err);
    if (rc == 0 && get(&w, "user"))
        rc = take_runas(c, option, get(&w, "user"), err);
    return rc;
}

static int take_incoming(struct machine_config *c, const char *option, const char *text,
                         struct error *err)
{
    return error_set(err, -EINVAL,
                     "%s %s: restore and migration are not supported yet; start the guest afresh",
                     option, text);
}

static int take_poll(struct machine_config *c, const char *option, const char *text,
                     struct error *err)
{
    uint64_t us;
    int rc = to_number(option, text, 10000, &us, err);

    c->poll_window_us = (int)us;
    return rc;
}

static int take_help(struct machine_config *c, const char *option, const char *text,
                     struct error *err)
{
    if (!strcmp(option, "-version"))
        c->version = true;
    else
        c->help = true;
    return 0;
}

/* ---- The table ---- */

typedef int take_fn(struct machine_config *c, const char *option, const char *text,
                    struct error *err);

struct option {
    const char *name;
    bool has_text;
    take_fn *take;      /* NULL: ignored, or refused where `instead` says so */
    const char *instead;
};

static const struct option table[] = {
    { "-xen-domid", true, take_domid, NULL },
    { "-name", true, take_name, NULL },
    { "-machine", true, take_machine, NULL },
    { "-M", true, take_machine, NULL },
    { "-m", true, take_memory, NULL },
    { "-smp", true, take_smp, NULL },
    { "-boot", true, take_boot, NULL },
    { "-chardev", true, take_chardev, NULL },
    { "-mon", true, take_mon, NULL },
    { "-qmp", true, take_qmp, NULL },
    { "-serial", true, take_serial, NULL },
    { "-parallel", true, take_parallel, NULL },
    { "-debugcon", true, take_debugcon, NULL },
    { "-vnc", true, take_vnc, NULL },
    { "-display", true, take_display, NULL },
    { "-k", true, take_keymap, NULL },
    { "-drive", true, take_drive, NULL },
    { "-device", true, take_device, NULL },
    { "-netdev", true, take_netdev, NULL },
    { "-net", true, take_net, NULL },
    { "-nic", true, take_net, NULL },
    { "-usb", false, take_usb, NULL },
    { "-usbdevice", true, take_usbdevice, NULL },
    { "-no-acpi", false, take_no_acpi, NULL },
    { "-S", false, take_paused, NULL },
    { "-xen-domid-restrict", false, take_restrict, NULL },
    { "-chroot", true, take_chroot, NULL },
    { "-runas", true, take_runas, NULL },
    { "-run-with", true, take_run_with, NULL },
    { "-incoming", true, take_incoming, NULL },
    { "-x-poll", true, take_poll, NULL },
    { "-help", false, take_help, NULL },
    { "-h", false, take_help, NULL },
    { "-version", false, take_help, NULL },

    /* harmless: what they ask for is so anyway, or means nothing here */
    { "-no-shutdown", false, NULL, NULL },
    { "-no-reboot", false, NULL, NULL },
    { "-nodefaults", false, NULL, NULL },
    { "-no-user-config", false, NULL, NULL },
    { "-nographic", false, NULL, NULL },
    { "-monitor", true, NULL, NULL },
    { "-rtc", true, NULL, NULL },
    { "-no-fd-bootchk", false, NULL, NULL },
    { "-no-hpet", false, NULL, NULL },
    { "-cpu", true, NULL, NULL },
    { "-uuid", true, NULL, NULL },
    { "-msg", true, NULL, NULL },
    { "-audio", true, NULL, NULL },
    { "-audiodev", true, NULL, NULL },
    { "-D", true, NULL, NULL },
    { "-d", true, NULL, NULL },
    { "-trace", true, NULL, NULL },

    { "-kernel", true, NULL, "direct kernel boot is not supported yet; boot from a disk or CD-ROM" },
    { "-initrd", true, NULL, "direct kernel boot is not supported yet; boot from a disk or CD-ROM" },
    { "-append", true, NULL, "direct kernel boot is not supported yet; boot from a disk or CD-ROM" },
    { "-spice", true, NULL, "spice is not supported; set spice=0 and vnc=1" },
    { "-sdl", false, NULL, "xen-dm shows the screen by VNC only; set sdl=0 and vnc=1" },
    { "-soundhw", true, NULL, "sound is not supported yet; remove soundhw" },
    { "-fda", true, NULL, "floppies are not supported yet; use a CD-ROM" },
    { "-fdb", true, NULL, "floppies are not supported yet; use a CD-ROM" },
    { "-hda", true, NULL, "use -drive file=PATH,if=ide,index=0,media=disk,format=raw" },
    { "-hdb", true, NULL, "use -drive file=PATH,if=ide,index=1,media=disk,format=raw" },
    { "-hdc", true, NULL, "use -drive file=PATH,if=ide,index=2,media=disk,format=raw" },
    { "-hdd", true, NULL, "use -drive file=PATH,if=ide,index=3,media=disk,format=raw" },
    { "-cdrom", true, NULL, "use -drive file=PATH,if=ide,index=2,media=cdrom,format=raw" },
    { "-vga", true, NULL, "use -device VGA or -device cirrus-vga (vga=\"stdvga\" in xl.cfg)" },
    { "-accel", true, NULL, "xen-dm runs on Xen only; use -machine xenfv" },
    { "-enable-kvm", false, NULL, "xen-dm runs on Xen only; use -machine xenfv" },
    { "-bios", true, NULL, "firmware is loaded by the toolstack; set bios= in xl.cfg" },
    { "-pflash", true, NULL, "firmware is loaded by the toolstack; set bios= in xl.cfg" },
    { "-object", true, NULL, "COLO and iothread objects are not supported; leave it out" },
    { "-daemonize", false, NULL, "only a backend process daemonizes, and PV backends are not supported yet" },
    { "-pidfile", true, NULL, "only a backend process has one, and PV backends are not supported yet" },
    { "-xen-attach", false, NULL, "PV backends are not supported yet; use QEMU for PV and PVH guests" },
    { "-global", true, NULL, "properties are given to -device itself; leave it out" },
    { "-qtest", true, NULL, "the qtest protocol is not supported yet" },
    { "-blockdev", true, NULL, "use -drive" },
    { "-fsdev", true, NULL, "file systems are not shared yet; leave it out" },
    { "-sandbox", true, NULL, "leave it out: xen-dm confines itself" },
    { "-loadvm", true, NULL, "snapshots are the toolstack's: use xl restore" },
};

static const struct option *find(const char *word)
{
    if (word[0] == '-' && word[1] == '-') /* --name is -name */
        word++;
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
        if (!strcmp(table[i].name, word))
            return &table[i];
    return NULL;
}

static int judge_whole(struct machine_config *c, struct error *err)
{
    if (c->help || c->version || c->kind == MACHINE_NONE)
        return 0;
    if (!c->have_domid)
        return error_set(err, -EINVAL, "-xen-domid is missing: xen-dm is started by xl for a domain");
    if (!c->ram_mib)
        return error_set(err, -EINVAL, "-m is missing: how much memory has the guest?");
    for (unsigned i = 0; i < c->monitor_count; i++) {
        unsigned k = 0;

        while (k < c->chardev_count && strcmp(c->chardevs[k].id, c->monitors[i].chardev))
            k++;
        if (k == c->chardev_count)
            return error_set(err, -EINVAL, "-mon: there is no -chardev with id=%s",
                             c->monitors[i].chardev);
    }
    return 0;
}

int options_parse(struct machine_config *c, int argc, char *const argv[], struct error *err)
{
    int rc = 0;

    memset(c, 0, sizeof(*c));
    *c = (struct machine_config){ .kind = MACHINE_HVM, .platform_device = true, .acpi = true,
                                  .low_limit = LOW_LIMIT_DEFAULT, .cpus = 1, .cpus_most = 1,
                                  .boot = "cda", .floppy_check = true, .incoming = -1,
                                  .poll_window_us = -1 };
    for (int i = 1; i < argc && rc == 0; i++) {
        const struct option *o = find(argv[i]);
        const char *text = NULL;

        if (!o)
            return error_set(err, -EINVAL, "%s: xen-dm knows no such option; leave it out (-help lists them)",
                             argv[i]);
        if (o->instead)
            return error_set(err, -EINVAL, "%s: %s", o->name, o->instead);
        if (o->has_text) {
            if (i + 1 == argc)
                return error_set(err, -EINVAL, "%s: its value is missing", o->name);
            text = argv[++i];
            if (strlen(text) > 4096)
                return error_set(err, -EINVAL, "%s: its value is longer than 4096 bytes", o->name);
        }
        if (o->take)
            rc = o->take(c, o->name, text, err);
    }
    return rc < 0 ? rc : judge_whole(c, err);
}

const char *options_help(void)
{
    static char text[4096];
    size_t n;

    if (*text)
        return text;
    n = (size_t)snprintf(text, sizeof(text),
                         "xen-dm: device model of a Xen HVM guest, started by xl:\n"
                         "  device_model_override = \"/usr/local/libexec/xen-dm\"\n"
                         "Options, as QEMU's:\n");
    for (unsigned i = 0; i < ARRAY_SIZE(table) && n < sizeof(text); i++)
        if (table[i].take)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "  %s%s\n", table[i].name,
                                  table[i].has_text ? " ..." : "");
    return text;
}
