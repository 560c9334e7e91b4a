/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options that plug something in: -drive, -device, -netdev, -usb. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/control/option_words.h"

#define L2_CACHE_MOST (1u << 30)

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
        return error_set(
            err, -EINVAL,
            "%s: cache=%s is not one of writeback, none, writethrough, directsync, unsafe", option,
            cache);
    return 0;
}

static int judge_errors(enum error_policy *policy, const char *option, const char *name,
                        const char *text, struct error *err)
{
    static const char *const names[] = { "report", "ignore", "stop", "enospc" };

    for (unsigned i = 0; text && i < ARRAY_SIZE(names); i++)
        if (!strcmp(names[i], text)) {
            *policy = (enum error_policy)i;
            return 0;
        }
    return text ? error_set(err, -EINVAL, "%s: %s=%s is not one of report, ignore, stop, enospc",
                            option, name, text)
                : 0;
}

/* The place that nobody has asked for yet. */
static unsigned free_index(const struct machine_config *c)
{
    unsigned index = 0;

    for (unsigned i = 0; i < c->drive_count; i++)
        if (c->drives[i].ide && c->drives[i].index == index) {
            index++;
            i = (unsigned)-1;
        }
    return index;
}

int option_drive(struct machine_config *c, const char *option, const char *text, struct error *err)
{
    static const char *const names[] = { "file",          "id",      "format",   "if",
                                         "index",         "media",   "readonly", "cache",
                                         "aio",           "discard", "serial",   "bus",
                                         "unit",          "werror",  "rerror",   "file.locking",
                                         "detect-zeroes", "file.read-zeroes", "l2-cache-size", NULL };
    struct drive_words *d = &c->drives[c->drive_count];
    const char *kind, *media, *discard;
    struct words w;
    uint64_t n = 0;
    char id[32];
    int rc = words_split(c, &w, option, text, false, err);

    if (rc == 0)
        rc = words_only(&w, names, err);
    if (rc < 0)
        return rc;
    if (c->drive_count == DRIVES_MOST)
        return error_set(err, -EINVAL, "more than %d -drive; the PC has four IDE drives",
                         DRIVES_MOST);
    *d = (struct drive_words){ .id = words_get(&w, "id"),
                               .file = words_get(&w, "file"),
                               .format = words_get(&w, "format"),
                               .serial = words_get(&w, "serial") };
    kind = words_get(&w, "if");
    media = words_get(&w, "media");
    discard = words_get(&w, "discard");
    d->ide = !kind || !strcmp(kind, "ide");
    if (kind && strcmp(kind, "ide") && strcmp(kind, "none"))
        return error_set(err, -EINVAL,
                         "%s: if=%s is not supported yet; use an IDE disk (hda to hdd)", option,
                         kind);
    if (media && strcmp(media, "disk") && strcmp(media, "cdrom"))
        return error_set(err, -EINVAL, "%s: media=%s is neither disk nor cdrom", option, media);
    d->cdrom = media && !strcmp(media, "cdrom");
    if (discard && strcmp(discard, "unmap") && strcmp(discard, "ignore") && strcmp(discard, "on") &&
        strcmp(discard, "off"))
        return error_set(err, -EINVAL, "%s: discard=%s is neither unmap nor ignore", option,
                         discard);
    d->discard = discard && (!strcmp(discard, "unmap") || !strcmp(discard, "on"));
    rc = words_flag(&w, "readonly", &d->readonly, err);
    if (rc == 0)
        rc = judge_cache(d, words_get(&w, "cache"), option, err);
    if (rc == 0)
        rc = judge_errors(&d->read_errors, option, "rerror", words_get(&w, "rerror"), err);
    if (rc == 0)
        rc = judge_errors(&d->write_errors, option, "werror", words_get(&w, "werror"), err);
    if (rc == 0 && words_get(&w, "l2-cache-size"))
        rc = words_number(option, words_get(&w, "l2-cache-size"), L2_CACHE_MOST, &d->l2_cache, err);
    if (rc == 0 && words_get(&w, "index"))
        rc = words_number(option, words_get(&w, "index"), 3, &n, err);
    else if (rc == 0 && d->ide && (n = free_index(c)) > 3)
        rc = error_set(err, -EINVAL, "%s: the PC has four IDE drives", option);
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
            return error_set(
                err, -EINVAL,
                "%s: there are two disks at IDE index %u (such as hda and xvda); move one", option,
                d->index);
    }
    if (!d->id) {
        snprintf(id, sizeof(id), "ide%u-%s%u", d->index / 2, d->cdrom ? "cd" : "hd", d->index % 2);
        d->id = options_keep(c, id);
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

/* PV disks have no option of their own where this could stand: libxl names them in xenstore alone. */
int option_global(struct machine_config *c, const char *option, const char *text, struct error *err)
{
    static const char *const names[] = { "xen-disk.rerror", "xen-disk.werror" };
    struct words w;
    int rc = words_split(c, &w, option, text, false, err);

    if (rc < 0)
        return rc;
    for (unsigned i = 0; w.count == 1 && i < ARRAY_SIZE(names); i++)
        if (!strcmp(w.pairs[0].name, names[i])) {
            c->has_pv_errors = true;
            return judge_errors(&c->pv_errors[i], option, names[i], w.pairs[0].value, err);
        }
    if (w.count == 1 && !strcmp(w.pairs[0].name, "xen-disk.l2-cache-size"))
        return words_number(option, w.pairs[0].value, L2_CACHE_MOST, &c->pv_l2_cache, err);
    return error_set(err, -ENOTSUP,
                     "%s %s: only xen-disk.rerror=, xen-disk.werror= and xen-disk.l2-cache-size= are "
                     "known; other properties are given to -device itself",
                     option, text);
}

/* -device xen-netback[,rx-drain-ms=N][,backend=tap|user]: no device, but what the process serves. */
static int take_netback(struct machine_config *c, const struct words *w, struct error *err)
{
    static const char *const names[] = { "id", "driver", "rx-drain-ms", "backend", NULL };
    const char *drain = words_get(w, "rx-drain-ms"), *backend = words_get(w, "backend");
    int rc = words_only(w, names, err);

    c->netback = true;
    c->netback_user = backend && !strcmp(backend, "user");
    if (rc == 0 && backend && !c->netback_user && strcmp(backend, "tap"))
        return error_set(err, -EINVAL, "-device xen-netback: backend=%s is not tap or user", backend);
    if (rc == 0 && drain)
        rc = words_number("-device xen-netback,rx-drain-ms=MS", drain, 600000, &c->netback_drain_ms,
                          err);
    return rc;
}

int option_device(struct machine_config *c, const char *option, const char *text, struct error *err)
{
    struct device_words *d = &c->devices[c->device_count];
    struct words w;
    int rc = words_split(c, &w, option, text, true, err);

    if (rc < 0)
        return rc;
    if (c->device_count == DEVICES_MOST)
        return error_set(err, -EINVAL, "more than %d -device", DEVICES_MOST);
    *d = (struct device_words){ .driver = w.first ? w.first : words_get(&w, "driver"),
                                .id = words_get(&w, "id") };
    if (!d->driver)
        return error_set(err, -EINVAL, "%s %s: which device?", option, text);
    if (!strcmp(d->driver, "xen-netback"))
        return take_netback(c, &w, err);
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

int option_netdev(struct machine_config *c, const char *option, const char *text, struct error *err)
{
    static const char *const names[] = { "type",       "id",       "ifname",   "br",     "script",
                                         "downscript", "fd",       "hostname", "tftp",   "bootfile",
                                         "vhost",      "vnet_hdr", "queues",   "sndbuf", NULL };
    struct netdev_words *n = &c->netdevs[c->netdev_count];
    const char *script;
    struct words w;
    uint64_t fd;
    int rc = words_split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = words_only(&w, names, err);
    if (rc < 0)
        return rc;
    if (c->netdev_count == NETDEVS_MOST)
        return error_set(err, -EINVAL, "more than %d -netdev", NETDEVS_MOST);
    *n = (struct netdev_words){ .id = words_get(&w, "id"),
                                .kind = w.first ? w.first : words_get(&w, "type"),
                                .ifname = words_get(&w, "ifname"),
                                .hostname = words_get(&w, "hostname"),
                                .tftp = words_get(&w, "tftp"),
                                .bootfile = words_get(&w, "bootfile"),
                                .fd = -1 };
    if (!n->id || !n->kind)
        return error_set(err, -EINVAL, "%s %s: type and id= are needed", option, text);
    if (strcmp(n->kind, "tap") && strcmp(n->kind, "user"))
        return error_set(err, -EINVAL, "%s %s,id=%s: xen-dm has tap and user", option, n->kind,
                         n->id);
    script = words_get(&w, "script");
    if (script && *script && strcmp(script, "no"))
        return error_set(err, -EINVAL, "%s: script=%s is not run; the toolstack's vif script is",
                         option, script);
    if (words_get(&w, "fd")) {
        rc = words_number(option, words_get(&w, "fd"), INT32_MAX, &fd, err);
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

int option_net(struct machine_config *c, const char *option, const char *text, struct error *err)
{
    if (!strcmp(text, "none")) {
        c->no_net = true;
        return 0;
    }
    return error_set(err, -EINVAL, "%s %s: use -netdev and -device", option, text);
}

int option_usb(struct machine_config *c, const char *option, const char *text, struct error *err)
{
    c->usb = true;
    return 0;
}

int option_usbdevice(struct machine_config *c, const char *option, const char *text,
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
