/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CMOS RAM behind the real-time clock. Xen answers the clock itself, bytes 0x00 to 0x0d, and
 * sends us the rest with writes of the index. The meanings of the bytes are the BIOS's: base and
 * extended memory are written by hvmloader, boot order and disk geometry by us (SeaBIOS, "CMOS").
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "devices/platform/platform.h"
#include "dm/base/bytes.h"

#define CLOCK_BYTES 14
#define BASE_KIB 640u
#define CMOS_BYTES 128
#define SHUTDOWN_STATUS 0x0f
#define STATUS_S3_RESUME 0xfe
#define DISK_TYPES 0x12
#define BOOT_THIRD 0x38 /* high nibble; bit 0: no check of the floppy's signature */
#define BOOT_FIRST 0x3d /* low nibble first, high nibble second */
#define TRANSLATION 0x39
#define CPUS_LESS_ONE 0x5f
#define DISKS 4

struct cmos {
    bool started; /* the order for once was for the first start */
};

struct cmos_regs {
    uint8_t index;
    uint8_t bytes[CMOS_BYTES];
    uint8_t reserved[7];
};

static uint64_t cmos_read(void *state, uint64_t offset, unsigned size)
{
    struct cmos_regs *r = device_regs(device_of(state));

    return offset ? r->bytes[r->index] : 0xff;
}

static void cmos_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct cmos_regs *r = device_regs(device_of(state));

    if (!offset)
        r->index = value & 0x7f; /* bit 7 is the NMI mask */
    else if (r->index >= CLOCK_BYTES)
        r->bytes[r->index] = (uint8_t)value;
}

static const struct region_ops cmos_ops = {
    .name = "cmos", .min_size = 1, .max_size = 1, .read = cmos_read, .write = cmos_write,
};

static unsigned boot_code(char letter)
{
    switch (letter) {
    case 'a':
    case 'b':
        return 1;
    case 'c':
        return 2;
    case 'd':
        return 3;
    case 'n':
    case 'o':
    case 'p':
        return 4;
    default:
        return 0;
    }
}

static int cmos_attach(struct device *dev, struct error *err)
{
    static const char *const orders[] = { "boot", "once" };

    for (unsigned i = 0; i < ARRAY_SIZE(orders); i++) {
        const char *boot = device_text(dev, orders[i]);

        for (const char *p = boot; *p; p++)
            if (!boot_code(*p))
                return error_set(err, -EINVAL,
                                 "boot order %s: %c is not a boot device; use a, b, c, d, n", boot,
                                 *p);
    }
    return device_ports(dev, 0x70, 2, &cmos_ops, err);
}

/* Disk types and geometry as an old BIOS would have noted them: "cylinders/heads/sectors/trans". */
static void note_disk(struct cmos_regs *r, unsigned disk, const char *geometry)
{
    unsigned cylinders, heads, sectors, translation = 0;
    uint8_t *g;

    if (sscanf(geometry, "%u/%u/%u/%u", &cylinders, &heads, &sectors, &translation) < 3)
        return;
    r->bytes[TRANSLATION] |= (uint8_t)((translation & 3) << (2 * disk));
    if (disk > 1)
        return; /* there are fields for two disks only */
    r->bytes[DISK_TYPES] |= disk ? 0x0f : 0xf0;
    r->bytes[0x19 + disk] = 47; /* "user defined" */
    g = r->bytes + (disk ? 0x24 : 0x1b);
    put_le16(g, (uint16_t)cylinders);
    g[2] = (uint8_t)heads;
    put_le16(g + 3, 0xffff); /* write precompensation: none */
    g[5] = (uint8_t)(0xc0 | (heads > 8 ? 8 : 0));
    put_le16(g + 6, (uint16_t)cylinders);
    g[8] = (uint8_t)sectors;
}

/* The amounts of memory, for a PC without hvmloader, which notes them itself. */
static void note_memory(struct cmos_regs *r, uint64_t low, uint64_t high)
{
    put_le16(r->bytes + 0x15, (uint16_t)MIN(low / KIB, BASE_KIB));
    if (low > MIB) {
        put_le16(r->bytes + 0x17, (uint16_t)MIN((low - MIB) / KIB, 0xffff));
        put_le16(r->bytes + 0x30, (uint16_t)MIN((low - MIB) / KIB, 0xffff));
    }
    if (low > 16 * MIB)
        put_le16(r->bytes + 0x34, (uint16_t)MIN((low - 16 * MIB) / (64 * KIB), 0xffff));
    put_le(r->bytes + 0x5b, 3, high / (64 * KIB));
}

static void cmos_reset(struct device *dev)
{
    struct cmos *c = device_state(dev);
    struct cmos_regs *r = device_regs(dev);
    bool once = *device_text(dev, "once") && !c->started;
    const char *boot = device_text(dev, once ? "once" : "boot");
    size_t n = strlen(boot);
    char name[] = "geometry0";

    memset(r, 0, sizeof(*r));
    r->bytes[BOOT_FIRST] = (uint8_t)((n > 0 ? boot_code(boot[0]) : 0) |
                                     (n > 1 ? boot_code(boot[1]) << 4 : 0));
    r->bytes[BOOT_THIRD] = (uint8_t)((n > 2 ? boot_code(boot[2]) << 4 : 0) |
                                     (device_flag(dev, "fd-check") ? 0 : 1));
    r->bytes[CPUS_LESS_ONE] = (uint8_t)(device_number(dev, "cpus") - 1);
    r->bytes[0x14] = 0x06; /* equipment: FPU, PS/2 mouse */
    r->bytes[0x15] = 0x80; /* 640 KiB below 1 MiB; hvmloader writes the same */
    r->bytes[0x16] = 0x02;
    if (device_number(dev, "low"))
        note_memory(r, device_number(dev, "low"), device_number(dev, "high"));
    c->started = true;
    for (unsigned i = 0; i < DISKS; i++) {
        name[sizeof(name) - 2] = (char)('0' + i);
        note_disk(r, i, device_text(dev, name));
    }
}

void cmos_note_suspend(struct device *dev)
{
    struct cmos_regs *r = device_regs(dev);

    r->bytes[SHUTDOWN_STATUS] = STATUS_S3_RESUME;
}

static int cmos_loaded(struct device *dev, struct error *err)
{
    struct cmos_regs *r = device_regs(dev);

    if (r->index >= CMOS_BYTES)
        return error_set(err, -EINVAL, "saved state of %s: index %u", device_id(dev), r->index);
    return 0;
}

static const struct device_option cmos_options[] = {
    { "boot", OPTION_TEXT, "cda" },   { "fd-check", OPTION_BOOL, "on" },
    { "cpus", OPTION_NUMBER, "1" },   { "geometry0", OPTION_TEXT, "" },
    { "geometry1", OPTION_TEXT, "" }, { "geometry2", OPTION_TEXT, "" },
    { "geometry3", OPTION_TEXT, "" }, { "once", OPTION_TEXT, "" },
    { "low", OPTION_NUMBER, "0" },    { "high", OPTION_NUMBER, "0" },
    { NULL, OPTION_TEXT, NULL },
};

static const struct saved_field cmos_saved[] = {
    SAVED(struct cmos_regs, index),
    SAVED_ARRAY(struct cmos_regs, bytes),
    SAVED_ARRAY(struct cmos_regs, reserved),
    { NULL, 0, 0, 0 },
};

const struct device_class cmos_class = {
    .name = "mc146818-ram", .summary = "CMOS RAM behind the real-time clock", .hidden = true,
    .state_size = sizeof(struct cmos), .regs_size = sizeof(struct cmos_regs), .options = cmos_options,
    .saved = cmos_saved, .version = 1,
    .attach = cmos_attach, .reset = cmos_reset, .loaded = cmos_loaded,
};
