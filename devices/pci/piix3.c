/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI-to-ISA bridge. Document: Intel 82371FB/82371SB (PIIX/PIIX3), "PCI to ISA Bridge
 * Registers". Its interrupt router is Xen's: we tell Xen where the four links go. Its IDE, USB and
 * the PIIX4's power management are functions of their own; port 92 is here. Not modelled: X-bus
 * chip selects, the SMI timers, the APIC's chip select (registers read back).
 */
#include "devices/pci/chipset.h"
#include "devices/pci/function.h"
#include "dm/base/bytes.h"

#define IORT 0x4c
#define XBCS 0x4e
#define PIRQRC 0x60
#define LINKS 4
#define PIRQ_OFF 0x80
#define TOM 0x69
#define PORT92_A20 0x02
#define PORT92_RESET 0x01

struct piix3_regs {
    struct pci_regs pci;
    uint8_t port92;
    uint8_t reserved[7];
};

struct piix3 {
    struct pci_function fn;
    struct piix3_regs *regs;
    struct board *board;
};

static uint64_t port92_read(void *state, uint64_t offset, unsigned size)
{
    return ((struct piix3 *)state)->regs->port92;
}

/* A20 has no effect under Xen, but must read back as the BIOS wrote it. */
static void port92_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct piix3 *p = state;
    uint8_t was = p->regs->port92;

    p->regs->port92 = value & (PORT92_A20 | PORT92_RESET);
    if (value & PORT92_RESET && !(was & PORT92_RESET))
        p->board->ops->reset(p->board->ops_arg);
}

static const struct region_ops port92_ops = {
    .name = "port92", .min_size = 1, .max_size = 1, .read = port92_read, .write = port92_write,
};

static void tell_links(struct piix3 *p)
{
    for (unsigned i = 0; i < LINKS; i++) {
        uint8_t route = p->regs->pci.config[PIRQRC + i];

        p->board->ops->pci_link(p->board->ops_arg, i, route & PIRQ_OFF ? 0 : route & 0x0f);
    }
}

static void config_written(void *state, unsigned offset, unsigned size)
{
    if (offset < PIRQRC + LINKS && offset + size > PIRQRC)
        tell_links(state);
}

static int piix3_attach(struct device *dev, struct error *err)
{
    struct piix3 *p = device_state(dev);
    static const struct pci_identity identity = {
        .vendor = 0x8086, .device = 0x7000, .class_code = 0x060100, .header_type = 0x80,
        .config_written = config_written,
    };
    int rc;

    p->regs = device_regs(dev);
    p->board = device_board(dev);
    rc = pci_function_attach(&p->fn, dev, p, &p->regs->pci, 1 << 3, &identity, err);
    if (rc < 0)
        return rc;
    for (unsigned i = 0x40; i < 0x100; i++)
        p->fn.writable[i] = 0xff;
    return device_ports(dev, 0x92, 1, &port92_ops, err);
}

static void piix3_detach(struct device *dev)
{
    struct piix3 *p = device_state(dev);

    pci_function_detach(&p->fn);
}

static void piix3_reset(struct device *dev)
{
    struct piix3 *p = device_state(dev);
    uint8_t *config = p->regs->pci.config;

    pci_function_reset(&p->fn);
    put_le16(config + 0x04, 0x0007);
    put_le16(config + 0x06, 0x0200);
    config[IORT] = 0x4d;
    config[XBCS] = 0x03;
    for (unsigned i = 0; i < LINKS; i++)
        config[PIRQRC + i] = PIRQ_OFF;
    config[TOM] = 0x02;
    config[0x70] = 0x80; /* motherboard device IRQ route: off */
    config[0x76] = config[0x77] = 0x0c; /* motherboard device DMA: off */
    config[0x78] = 0x02; /* programmable chip select */
    config[0xa0] = 0x08; /* SMI control */
    config[0xa8] = 0x0f; /* fast-off timer */
    p->regs->port92 = 0;
    tell_links(p);
}

static int piix3_loaded(struct device *dev, struct error *err)
{
    struct piix3 *p = device_state(dev);
    int rc = pci_function_loaded(&p->fn, err);

    if (rc == 0)
        tell_links(p);
    return rc;
}

static const struct saved_field piix3_saved[] = {
    SAVED_PCI(struct piix3_regs),
    SAVED(struct piix3_regs, port92),
    SAVED_ARRAY(struct piix3_regs, reserved),
    { NULL, 0, 0, 0 },
};

const struct device_class piix3_class = {
    .name = "PIIX3", .summary = "PCI-to-ISA bridge with interrupt routes and port 92",
    .hidden = true,
    .state_size = sizeof(struct piix3), .regs_size = sizeof(struct piix3_regs),
    .saved = piix3_saved, .version = 1,
    .attach = piix3_attach, .detach = piix3_detach, .reset = piix3_reset, .loaded = piix3_loaded,
};
