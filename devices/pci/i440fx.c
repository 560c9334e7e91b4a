/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host bridge, and the way to configuration space. Document: Intel 82441FX PCI and Memory
 * Controller (PMC), "PCI Configuration Space Registers". Under Xen the memory attributes (PAM,
 * SMRAM) have no effect: the registers read back, the memory stays as hvmloader left it.
 * Not modelled: DRAM timing, ECC, the AGP-less PCI arbiter's counters.
 */
#include <errno.h>
#include "devices/pci/chipset.h"
#include "devices/pci/function.h"
#include "dm/base/bytes.h"
#include "ioreq/pci_config.h"

#define PMCCFG 0x50
#define DRB 0x60
#define PAM 0x59
#define PAM_COUNT 7
#define SMRAM 0x72

#define CONFIG_ADDRESS 0 /* offsets from port 0xcf8 */
#define RESET_CONTROL 1
#define CONFIG_DATA 4
#define CONFIG_ENABLE 0x80000000u
#define RCR_HARD 0x02
#define RCR_CPU 0x04

struct i440fx_regs {
    struct pci_regs pci;
    uint32_t address; /* 0xcf8 */
    uint8_t reset_control;
    uint8_t reserved[3];
};

struct i440fx {
    struct pci_function fn;
    struct i440fx_regs *regs;
    struct board *board;
};

/*
 * Xen turns accesses at 0xcfc into configuration requests of its own while bit 31 of the address
 * is set; we see them only without Xen. The two low bits of the address are reserved in the document,
 * but QEMU's count, and its device tests put the byte's number there.
 */
static unsigned config_offset(uint32_t address, uint64_t port)
{
    return (address & 0xff) | ((unsigned)port & 3);
}

static uint64_t host_read(void *state, uint64_t offset, unsigned size)
{
    struct i440fx *h = state;
    uint32_t a = h->regs->address;

    if (offset >= CONFIG_DATA) {
        if (!(a & CONFIG_ENABLE) || (a >> 16 & 0xff))
            return ones(size);
        return pci_routes_read(h->board->pci, a >> 8 & 0xff, config_offset(a, offset), size);
    }
    if (offset == CONFIG_ADDRESS && size == 4)
        return a;
    if (offset == RESET_CONTROL && size == 1)
        return h->regs->reset_control;
    return ones(size);
}

static void host_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct i440fx *h = state;
    uint32_t a = h->regs->address;

    if (offset >= CONFIG_DATA) {
        if (a & CONFIG_ENABLE && !(a >> 16 & 0xff))
            pci_routes_write(h->board->pci, a >> 8 & 0xff, config_offset(a, offset), size,
                             (uint32_t)value);
    } else if (offset == CONFIG_ADDRESS && size == 4) {
        h->regs->address = (uint32_t)value;
    } else if (offset == RESET_CONTROL && size == 1) { /* PIIX3, "Reset Control Register" */
        bool was = h->regs->reset_control & RCR_CPU;

        h->regs->reset_control = value & (RCR_HARD | RCR_CPU);
        if (!was && value & RCR_CPU)
            h->board->ops->reset(h->board->ops_arg);
    }
}

static const struct region_ops host_ops = {
    .name = "pci-host", .min_size = 1, .max_size = 4, .read = host_read, .write = host_write,
};

static int i440fx_attach(struct device *dev, struct error *err)
{
    struct i440fx *h = device_state(dev);
    static const struct pci_identity identity = {
        .vendor = 0x8086, .device = 0x1237, .revision = 2, .class_code = 0x060000,
    };
    int rc;

    h->regs = device_regs(dev);
    h->board = device_board(dev);
    rc = pci_function_attach(&h->fn, dev, h, &h->regs->pci, 0, &identity, err);
    if (rc < 0)
        return rc;
    for (unsigned i = 0x50; i < 0x100; i++) /* the chip's own: plain storage, under Xen */
        h->fn.writable[i] = 0xff;
    h->fn.writable[SMRAM] = 0x7f;
    return device_ports(dev, 0xcf8, 8, &host_ops, err);
}

static void i440fx_detach(struct device *dev)
{
    struct i440fx *h = device_state(dev);

    pci_function_detach(&h->fn);
}

static void i440fx_reset(struct device *dev)
{
    struct i440fx *h = device_state(dev);
    uint8_t *config = h->regs->pci.config;

    pci_function_reset(&h->fn);
    put_le16(config + 0x04, 0x0006); /* memory and master, always */
    put_le16(config + 0x06, 0x0280); /* medium DEVSEL, fast back-to-back */
    for (unsigned i = 0; i < 8; i++)
        config[DRB + i] = 0x01;
    config[SMRAM] = 0x02;
    h->regs->address = 0;
    h->regs->reset_control = 0;
}

static int i440fx_loaded(struct device *dev, struct error *err)
{
    struct i440fx *h = device_state(dev);

    return pci_function_loaded(&h->fn, err);
}

static const struct saved_field i440fx_saved[] = {
    SAVED_PCI(struct i440fx_regs),
    SAVED(struct i440fx_regs, address),
    SAVED(struct i440fx_regs, reset_control),
    SAVED_ARRAY(struct i440fx_regs, reserved),
    { NULL, 0, 0, 0 },
};

const struct device_class i440fx_class = {
    .name = "i440FX", .summary = "host bridge", .hidden = true,
    .state_size = sizeof(struct i440fx), .regs_size = sizeof(struct i440fx_regs),
    .saved = i440fx_saved, .version = 1,
    .attach = i440fx_attach, .detach = i440fx_detach, .reset = i440fx_reset,
    .loaded = i440fx_loaded,
};
