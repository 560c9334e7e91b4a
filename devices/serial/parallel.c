/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A parallel port with a printer that is always ready. Document: IEEE 1284-1994, "Compatibility
 * Mode", on the registers of the PC's SPP. Not modelled: EPP and ECP.
 */
#include <errno.h>
#include <string.h>
#include "devices/serial/serial.h"
#include "dm/chardev/chardev.h"

#define DATA 0
#define STATUS 1
#define CONTROL 2

#define STATUS_READY 0xd8 /* not busy, no acknowledge now, selected, no error */
#define STATUS_NO_ACK 0x40
#define CONTROL_STROBE 0x01
#define CONTROL_INIT 0x04
#define CONTROL_IRQ 0x10
#define CONTROL_INPUT 0x20
#define CONTROL_ONES 0xc0

struct parallel_regs {
    uint8_t data, status, control, reserved;
};

struct parallel {
    struct parallel_regs *regs;
    struct irq *irq;
    struct chardev *host;
};

static uint64_t parallel_read(void *state, uint64_t offset, unsigned size)
{
    struct parallel *p = state;
    uint8_t value;

    switch (offset) {
    case DATA:
        return p->regs->control & CONTROL_INPUT ? 0xff : p->regs->data;
    case STATUS:
        value = p->regs->status;
        p->regs->status = STATUS_READY; /* the acknowledge is a pulse, seen once */
        irq_set(p->irq, false);
        return value;
    case CONTROL:
        return p->regs->control | CONTROL_ONES;
    default:
        return 0xff;
    }
}

/* The printer takes the byte when the strobe falls, and acknowledges at once. */
static void strobe(struct parallel *p)
{
    if (p->host)
        chardev_write(p->host, &p->regs->data, 1);
    p->regs->status = STATUS_READY & ~STATUS_NO_ACK;
    irq_set(p->irq, p->regs->control & CONTROL_IRQ);
}

static void parallel_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct parallel *p = state;
    uint8_t was = p->regs->control;

    if (offset == DATA)
        p->regs->data = (uint8_t)value;
    if (offset != CONTROL)
        return;
    p->regs->control = value & 0x3f;
    if (was & CONTROL_STROBE && !(value & CONTROL_STROBE) && value & CONTROL_INIT)
        strobe(p);
    if (!(value & CONTROL_IRQ))
        irq_set(p->irq, false);
}

static const struct region_ops parallel_ops = {
    .name = "parallel", .min_size = 1, .max_size = 1,
    .read = parallel_read, .write = parallel_write,
};

static int parallel_attach(struct device *dev, struct error *err)
{
    struct parallel *p = device_state(dev);

    p->regs = device_regs(dev);
    p->irq = device_isa_irq(dev, (unsigned)device_number(dev, "irq") & 15);
    p->host = device_host_end(dev, "chardev", "chardev", err);
    if (!p->host && *device_text(dev, "chardev"))
        return -ENOENT;
    return device_ports(dev, device_number(dev, "iobase"), 4, &parallel_ops, err);
}

static void parallel_reset(struct device *dev)
{
    struct parallel *p = device_state(dev);

    *p->regs = (struct parallel_regs){ .status = STATUS_READY, .control = 0x0c };
    irq_set(p->irq, false);
}

static const struct device_option parallel_options[] = {
    { "iobase", OPTION_NUMBER, "0x378" },
    { "irq", OPTION_NUMBER, "7" },
    { "chardev", OPTION_TEXT, "" },
    { NULL, OPTION_TEXT, NULL },
};

static const struct saved_field parallel_saved[] = {
    SAVED(struct parallel_regs, data), SAVED(struct parallel_regs, status),
    SAVED(struct parallel_regs, control), SAVED(struct parallel_regs, reserved),
    { NULL, 0, 0, 0 },
};

const struct device_class parallel_class = {
    .name = "isa-parallel", .summary = "parallel port",
    .state_size = sizeof(struct parallel), .regs_size = sizeof(struct parallel_regs),
    .options = parallel_options, .saved = parallel_saved, .version = 1,
    .attach = parallel_attach, .reset = parallel_reset,
};
