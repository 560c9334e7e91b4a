/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The debug port that OVMF and SeaBIOS write to: each byte goes to a chardev; a read of 0xe9 says
 * that somebody listens. (Xen itself takes what is written to port 0xe9.)
 */
#include <errno.h>
#include "devices/platform/platform.h"
#include "dm/chardev/chardev.h"

struct debug_port {
    struct chardev *out;
};

static uint64_t debug_read(void *state, uint64_t offset, unsigned size)
{
    return 0xe9;
}

static void debug_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct debug_port *d = state;
    uint8_t byte = (uint8_t)value;

    if (d->out)
        chardev_write(d->out, &byte, 1);
}

static const struct region_ops debug_ops = {
    .name = "debugcon", .min_size = 1, .max_size = 1, .read = debug_read, .write = debug_write,
};

static int debug_attach(struct device *dev, struct error *err)
{
    struct debug_port *d = device_state(dev);

    d->out = device_host_end(dev, "chardev", "chardev", err);
    if (!d->out && *device_text(dev, "chardev"))
        return -ENOENT;
    return device_ports(dev, device_number(dev, "iobase"), 1, &debug_ops, err);
}

static const struct device_option debug_options[] = {
    { "chardev", OPTION_TEXT, "" },
    { "iobase", OPTION_NUMBER, "0x402" },
    { NULL, OPTION_TEXT, NULL },
};

const struct device_class debug_port_class = {
    .name = "isa-debugcon", .summary = "debug port of the firmware (0x402)",
    .state_size = sizeof(struct debug_port), .options = debug_options, .version = 1,
    .attach = debug_attach,
};
