/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two 8237A DMA controllers and the page registers. Document: Intel 8237A, "Register Description";
 * PIIX3, "DMA Controller". Registers only: no device on the ISA bus of this PC asks for DMA yet.
 */
#include <string.h>
#include "devices/platform/platform.h"
#include "dm/base/bytes.h"

#define CHANNELS 4
#define COMMAND 8      /* write; read: status */
#define REQUEST 9
#define MASK_ONE 10
#define MODE 11
#define CLEAR_FLIP_FLOP 12
#define MASTER_CLEAR 13 /* write; read: temporary */
#define CLEAR_MASK 14
#define MASK_ALL 15

struct controller {
    struct {
        uint16_t base_address, base_count, address, count;
        uint8_t mode, reserved[7];
    } channel[CHANNELS];
    uint8_t command, request, mask, flip_flop, reserved[4];
};

struct dma_regs {
    struct controller controller[2];
    uint8_t page[16];
};

struct dma {
    struct dma_regs *regs;
};

static uint64_t word_half(struct controller *c, uint16_t word)
{
    uint8_t half = c->flip_flop ? (uint8_t)(word >> 8) : (uint8_t)word;

    c->flip_flop ^= 1;
    return half;
}

static uint64_t chip_read(struct controller *c, unsigned reg)
{
    switch (reg) {
    case 0: case 2: case 4: case 6:
        return word_half(c, c->channel[reg / 2].address);
    case 1: case 3: case 5: case 7:
        return word_half(c, c->channel[reg / 2].count);
    case COMMAND:
        return (uint64_t)c->request << 4; /* status: nothing has reached its count */
    case MASK_ALL:
        return 0xf0 | c->mask;
    default:
        return 0;
    }
}

static void set_half(struct controller *c, uint16_t *base, uint16_t *now, uint8_t value)
{
    *base = c->flip_flop ? (uint16_t)((*base & 0x00ff) | value << 8)
                         : (uint16_t)((*base & 0xff00) | value);
    *now = *base;
    c->flip_flop ^= 1;
}

static void chip_write(struct controller *c, unsigned reg, uint8_t value)
{
    uint8_t bit = (uint8_t)(1 << (value & 3));

    switch (reg) {
    case 0: case 2: case 4: case 6:
        set_half(c, &c->channel[reg / 2].base_address, &c->channel[reg / 2].address, value);
        break;
    case 1: case 3: case 5: case 7:
        set_half(c, &c->channel[reg / 2].base_count, &c->channel[reg / 2].count, value);
        break;
    case COMMAND:
        c->command = value;
        break;
    case REQUEST:
        c->request = (uint8_t)(value & 4 ? c->request | bit : c->request & ~bit);
        break;
    case MASK_ONE:
        c->mask = (uint8_t)(value & 4 ? c->mask | bit : c->mask & ~bit);
        break;
    case MODE:
        c->channel[value & 3].mode = value & 0xfc;
        break;
    case CLEAR_FLIP_FLOP:
        c->flip_flop = 0;
        break;
    case MASTER_CLEAR:
        c->command = c->request = c->flip_flop = 0;
        c->mask = 0x0f;
        break;
    case CLEAR_MASK:
        c->mask = 0;
        break;
    case MASK_ALL:
        c->mask = value & 0x0f;
        break;
    }
}

static uint64_t low_read(void *state, uint64_t offset, unsigned size)
{
    return chip_read(&((struct dma *)state)->regs->controller[0], (unsigned)offset);
}

static void low_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    chip_write(&((struct dma *)state)->regs->controller[0], (unsigned)offset, (uint8_t)value);
}

/* The second controller's registers lie two ports apart. */
static uint64_t high_read(void *state, uint64_t offset, unsigned size)
{
    return offset & 1 ? 0xff : chip_read(&((struct dma *)state)->regs->controller[1],
                                         (unsigned)offset / 2);
}

static void high_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    if (!(offset & 1))
        chip_write(&((struct dma *)state)->regs->controller[1], (unsigned)offset / 2,
                   (uint8_t)value);
}

/* Port 0x80 is also where the BIOS writes its progress, and 0x92 lies among them but is not ours. */
static uint64_t page_read(void *state, uint64_t offset, unsigned size)
{
    return ((struct dma *)state)->regs->page[offset];
}

static void page_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    ((struct dma *)state)->regs->page[offset] = (uint8_t)value;
}

static const struct region_ops low_ops = {
    .name = "dma1", .min_size = 1, .max_size = 1, .read = low_read, .write = low_write,
};
static const struct region_ops high_ops = {
    .name = "dma2", .min_size = 1, .max_size = 1, .read = high_read, .write = high_write,
};
static const struct region_ops page_ops = {
    .name = "dma-page", .min_size = 1, .max_size = 1, .read = page_read, .write = page_write,
};

static int dma_attach(struct device *dev, struct error *err)
{
    struct dma *d = device_state(dev);
    int rc;

    d->regs = device_regs(dev);
    rc = device_ports(dev, 0x00, 16, &low_ops, err);
    if (rc == 0)
        rc = device_ports(dev, 0xc0, 32, &high_ops, err);
    if (rc == 0)
        rc = device_ports(dev, 0x80, 16, &page_ops, err);
    return rc;
}

static void dma_reset(struct device *dev)
{
    struct dma *d = device_state(dev);

    memset(d->regs, 0, sizeof(*d->regs));
    d->regs->controller[0].mask = d->regs->controller[1].mask = 0x0f;
}

static int dma_loaded(struct device *dev, struct error *err)
{
    struct dma *d = device_state(dev);

    for (unsigned i = 0; i < 2; i++)
        d->regs->controller[i].flip_flop &= 1;
    return 0;
}

static const struct saved_field dma_saved[] = {
    SAVED_ARRAY(struct dma_regs, controller),
    SAVED_ARRAY(struct dma_regs, page),
    { NULL, 0, 0, 0 },
};

const struct device_class dma8237_class = {
    .name = "i8257", .summary = "ISA DMA controllers", .hidden = true,
    .state_size = sizeof(struct dma), .regs_size = sizeof(struct dma_regs),
    .saved = dma_saved, .version = 1,
    .attach = dma_attach, .reset = dma_reset, .loaded = dma_loaded,
};
