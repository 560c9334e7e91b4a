/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firmware configuration interface: a PC without Xen tells its firmware, or a test, by it how
 * much memory there is. Document: QEMU's "QEMU Firmware Configuration (fw_cfg) Device". On Xen
 * hvmloader needs none, so only -accel qtest has it. Read-only items; writes to the data register
 * are ignored, as they are in hardware that came after 2.4.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "devices/platform/platform.h"
#include "dm/base/bytes.h"
#include "dm/memory/memory.h"

#define PORT 0x510
#define PORTS 2 /* selector of 16 bits; data is its second byte */
#define DMA_PORT 0x514

enum {
    SIGNATURE = 0x00,
    ID = 0x01,
    UUID = 0x02,
    RAM_SIZE = 0x03,
    NOGRAPHIC = 0x04,
    CPUS = 0x05,
    BOOT_MENU = 0x0e,
    CPUS_MOST = 0x0f,
    FILES = 0x19,
    FIRST_FILE = 0x20,
};

#define ITEM_MOST 160

/* Files, and the options that they are made of; a file whose option is not given is not there. */
static const struct {
    const char *name, *option;
    unsigned size;
} files[] = {
    { "etc/boot-fail-wait", "reboot-timeout", 4 },
    { "etc/boot-menu-wait", "splash-time", 2 },
};

#define ID_PORTS 1u
#define ID_DMA 2u
#define DMA_SIGNATURE 0x51454d5520434647ull /* "QEMU CFG" */
#define DMA_ERROR 1u
#define DMA_READ 2u
#define DMA_SKIP 4u
#define DMA_SELECT 8u
#define DMA_WRITE 16u
#define DMA_MOST (1u << 20) /* bytes a request: what there is to read ends long before */

struct fw_cfg_regs {
    uint64_t dma;
    uint32_t at; /* of the next byte of the item */
    uint16_t item;
    uint8_t reserved[2];
};

static struct fw_cfg_regs *regs_of(void *state)
{
    return device_regs(device_of(state));
}

static void put_uuid(const char *text, uint8_t out[16])
{
    unsigned n = 0, value;

    for (const char *p = text; *p && n < 16; p += *p == '-' ? 1 : 2)
        if (*p != '-') {
            if (sscanf(p, "%2x", &value) != 1)
                return;
            out[n++] = (uint8_t)value;
        }
}

/* The directory: a count, and for each file its size, its number and its name, big-endian. */
static unsigned directory(struct device *dev, uint8_t *out)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
        uint8_t *entry = out + 4 + 64 * count;

        if (!*device_text(dev, files[i].option))
            continue;
        put_be32(entry, files[i].size);
        put_be16(entry + 4, (uint16_t)(FIRST_FILE + i));
        memcpy(entry + 8, files[i].name, strlen(files[i].name));
        count++;
    }
    put_be32(out, count);
    return 4 + 64 * count;
}

static unsigned file(struct device *dev, unsigned i, uint8_t *out)
{
    if (i >= ARRAY_SIZE(files) || !*device_text(dev, files[i].option))
        return 0;
    put_le(out, files[i].size, (uint64_t)strtoll(device_text(dev, files[i].option), NULL, 0));
    return files[i].size;
}

/* The bytes of an item, and how many: none of an item that is not there. */
static unsigned item(struct device *dev, unsigned number, uint8_t out[ITEM_MOST])
{
    memset(out, 0, ITEM_MOST);
    switch (number) {
    case SIGNATURE:
        memcpy(out, "QEMU", 4);
        return 4;
    case ID:
        put_le32(out, ID_PORTS | ID_DMA);
        return 4;
    case UUID:
        put_uuid(device_text(dev, "uuid"), out);
        return 16;
    case RAM_SIZE:
        put_le64(out, device_number(dev, "ram"));
        return 8;
    case NOGRAPHIC:
        return 2;
    case CPUS:
    case CPUS_MOST:
        put_le16(out, (uint16_t)device_number(dev, "cpus"));
        return 2;
    case BOOT_MENU:
        put_le16(out, device_flag(dev, "menu"));
        return 2;
    case FILES:
        return directory(dev, out);
    default:
        return number >= FIRST_FILE ? file(dev, number - FIRST_FILE, out) : 0;
    }
}

static uint8_t next_byte(struct device *dev)
{
    struct fw_cfg_regs *r = device_regs(dev);
    uint8_t bytes[ITEM_MOST];
    unsigned length = item(dev, r->item & 0x3fff, bytes);

    return r->at < length ? bytes[r->at++] : 0;
}

static uint64_t port_read(void *state, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    if (offset == 0)
        return size == 2 ? 0 : ones(size); /* the selector is write-only */
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)next_byte(device_of(state)) << (8 * i);
    return value;
}

static void port_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct fw_cfg_regs *r = regs_of(state);

    if (offset || size != 2)
        return;
    r->item = (uint16_t)value;
    r->at = 0;
}

static const struct region_ops port_ops = {
    .name = "fw-cfg",
    .min_size = 1,
    .max_size = 2,
    .read = port_read,
    .write = port_write,
};

/* ---- By DMA: a descriptor of control, length and address, all big-endian ---- */

static uint32_t transfer(struct device *dev, uint32_t control, uint32_t length, uint64_t addr)
{
    struct fw_cfg_regs *r = device_regs(dev);
    struct memory *memory = device_board(dev)->memory;

    if (control & DMA_SELECT) {
        r->item = (uint16_t)(control >> 16);
        r->at = 0;
    }
    if (control & DMA_READ) {
        for (uint32_t i = 0; i < MIN(length, DMA_MOST); i++) {
            uint8_t byte = next_byte(dev);

            if (!dma_write(memory, addr + i, &byte, 1))
                return DMA_ERROR;
        }
    } else if (control & DMA_WRITE) {
        return DMA_ERROR; /* nothing here can be written */
    } else if (control & DMA_SKIP) {
        r->at = length > UINT32_MAX - r->at ? UINT32_MAX : r->at + length;
    }
    return 0;
}

static void run_dma(struct device *dev, uint64_t at)
{
    struct memory *memory = device_board(dev)->memory;
    uint8_t d[16], result[4];

    if (!dma_read(memory, at, d, sizeof(d)))
        return;
    put_be32(result, transfer(dev, get_be32(d), get_be32(d + 4), get_be64(d + 8)));
    dma_write(memory, at, result, sizeof(result));
}

static uint64_t dma_port_read(void *state, uint64_t offset, unsigned size)
{
    uint8_t bytes[8];

    put_be64(bytes, DMA_SIGNATURE);
    return get_le(bytes + offset, size);
}

/* The registers are big-endian; writing the low half starts the transfer. */
static void dma_port_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct fw_cfg_regs *r = regs_of(state);
    uint64_t at;

    if (size != 4)
        return;
    if (offset == 0) {
        r->dma = (uint64_t)__builtin_bswap32((uint32_t)value) << 32;
        return;
    }
    at = r->dma | __builtin_bswap32((uint32_t)value);
    r->dma = 0;
    run_dma(device_of(state), at);
}

static const struct region_ops dma_ops = {
    .name = "fw-cfg-dma",
    .min_size = 1,
    .max_size = 4,
    .read = dma_port_read,
    .write = dma_port_write,
};

static int attach(struct device *dev, struct error *err)
{
    int rc = device_ports(dev, PORT, PORTS, &port_ops, err);

    return rc < 0 ? rc : device_ports(dev, DMA_PORT, 8, &dma_ops, err);
}

static void reset(struct device *dev)
{
    memset(device_regs(dev), 0, sizeof(struct fw_cfg_regs));
}

static const struct device_option options[] = {
    { "ram", OPTION_NUMBER, "0" },         { "cpus", OPTION_NUMBER, "1" },
    { "uuid", OPTION_TEXT, "" },           { "menu", OPTION_BOOL, "off" },
    { "reboot-timeout", OPTION_TEXT, "" }, { "splash-time", OPTION_TEXT, "" },
    { NULL, OPTION_TEXT, NULL },
};

static const struct saved_field saved[] = {
    SAVED(struct fw_cfg_regs, dma),
    SAVED(struct fw_cfg_regs, at),
    SAVED(struct fw_cfg_regs, item),
    SAVED_ARRAY(struct fw_cfg_regs, reserved),
    { NULL, 0, 0, 0 },
};

const struct device_class fw_cfg_class = {
    .name = "fw_cfg",
    .summary = "firmware configuration, for a PC without Xen",
    .hidden = true,
    .regs_size = sizeof(struct fw_cfg_regs),
    .options = options,
    .saved = saved,
    .version = 1,
    .attach = attach,
    .reset = reset,
};
