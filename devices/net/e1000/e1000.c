/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Intel 82540EM: class, attach, reset. Document: Intel "PCI/PCI-X Family of Gigabit Ethernet
 * Controllers Software Developer's Manual". Not modelled: wake-on-LAN, flow control frames, the
 * packet buffer's memory; the EEPROM cannot be written.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "devices/net/e1000/internal.h"
#include "devices/net/nic.h"
#include "dm/base/bytes.h"
#include "dm/base/log.h"

#define MMIO_BYTES 0x20000
#define IO_BYTES 0x40

static bool on_receive(void *owner, const uint8_t *frame, size_t length, const struct offload *off)
{
    struct e1000 *e = owner;

    if (!e1000_link_up(e) || e1000_in_loopback(e))
        return true;
    return e1000_receive(e, frame, length, off);
}

static void on_writable(void *owner)
{
    struct e1000 *e = owner;

    if (e->tx_waiting)
        e1000_transmit(e);
}

static void on_cable(void *owner, bool up)
{
    e1000_link_changed(owner);
}

static const struct netport_user port_user = {
    .receive = on_receive,
    .writable = on_writable,
    .link = on_cable,
};

static int e1000_attach(struct device *dev, struct error *err)
{
    struct e1000 *e = device_state(dev);
    struct pci_identity identity = {
        .vendor = 0x8086,
        .device = 0x100e,
        .revision = 3,
        .class_code = 0x020000,
        .pin = 1,
        .rom_file = device_text(dev, "romfile"),
        .bars = { [0] = { .kind = PCI_BAR_MEM32, .size = MMIO_BYTES, .ops = &e1000_mmio_ops },
                  [1] = { .kind = PCI_BAR_IO, .size = IO_BYTES, .ops = &e1000_io_ops } },
    };
    unsigned devfn;
    int rc;

    e->regs = device_regs(dev);
    e->loop = device_board(dev)->loop;
    timer_init_recorded(&e->throttle, e->loop, e1000_on_throttle, e);
    timer_init_recorded(&e->delay, e->loop, e1000_on_delay, e);
    timer_init_recorded(&e->link, e->loop, e1000_on_link, e);
    timer_init_recorded(&e->more, e->loop, e1000_on_more, e);
    e->buffer = malloc(TX_MOST);
    if (!e->buffer || !e1000_map_regs(e))
        return error_set(err, -ENOMEM, "device %s: out of memory", device_id(dev));
    rc = pci_parse_addr(device_text(dev, "addr"), &devfn, err);
    if (rc == 0)
        rc = pci_function_attach(&e->fn, dev, e, &e->regs->pci, devfn, &identity, err);
    if (rc < 0)
        return rc;
    e->port = device_host_end(dev, "netport", "netdev", err);
    if (!e->port)
        return *device_text(dev, "netdev") ? -ENOENT : 0;
    rc = netport_attach(e->port, e->loop, &port_user, e, err);
    if (rc < 0)
        e->port = NULL;
    return rc;
}

static void stop_timers(struct e1000 *e)
{
    timer_clear(&e->throttle);
    timer_clear(&e->delay);
    timer_clear(&e->link);
    timer_clear(&e->more);
}

static void e1000_detach(struct device *dev)
{
    struct e1000 *e = device_state(dev);

    stop_timers(e);
    if (e->port)
        netport_detach(e->port);
    pci_function_detach(&e->fn);
    free(e->buffer);
    free(e->range_of);
}

static void e1000_reset(struct device *dev)
{
    struct e1000 *e = device_state(dev);
    struct e1000_regs *r = e->regs;
    struct pci_regs pci = r->pci;
    uint8_t mac[6];

    stop_timers(e);
    e->last_irq = 0;
    e->tx_waiting = e->rx_held = false;
    memset(r, 0, sizeof(*r));
    r->pci = pci;
    pci_function_reset(&e->fn);
    put_le16(r->pci.config + 0x06, 0x0230); /* medium DEVSEL, capabilities, 66 MHz */
    r->pci.config[0x06] &= (uint8_t)~0x10;  /* no capability list: there is none */
    e1000_reset_regs(e);
    e1000_phy_reset(e);
    device_mac(dev, "mac", mac);
    e1000_eeprom_fill(e, mac);
    e1000_set(e, RA, get_le32(mac));
    e1000_set(e, RA + 4, get_le16(mac + 4) | RAH_AV);
    e1000_link_changed(e);
    e1000_set(e, ICR, 0);
    e1000_update_irq(e);
}

static int e1000_loaded(struct device *dev, struct error *err)
{
    struct e1000 *e = device_state(dev);
    struct e1000_regs *r = e->regs;

    if (r->serial_bits > 9 || r->serial_out_bits > 17)
        return error_set(err, -EINVAL, "saved state of %s: its EEPROM line is out of range",
                         device_id(dev));
    if (r->link_wait)
        timer_set_in(&e->link, 0);
    if (r->delayed)
        timer_set_in(&e->delay, 0);
    timer_set_in(&e->more, 0); /* packets between TDH and TDT */
    e1000_link_changed(e);
    e1000_update_irq(e);
    return pci_function_loaded(&e->fn, err);
}

static void unplug(struct device *dev)
{
    struct e1000 *e = device_state(dev);

    stop_timers(e);
    pci_function_unplug(&e->fn);
    if (e->port)
        netport_hang_up(e->port);
}

static const struct device_option e1000_options[] = {
    { "addr", OPTION_TEXT, "04.0" }, { "mac", OPTION_MAC, "52:54:00:12:34:56" },
    { "netdev", OPTION_TEXT, "" },   { "romfile", OPTION_TEXT, "" },
    { NULL, OPTION_TEXT, NULL },
};

static const struct saved_field e1000_saved[] = {
    SAVED_PCI(struct e1000_regs),
    SAVED_ARRAY(struct e1000_regs, words),
    SAVED_ARRAY(struct e1000_regs, phy),
    SAVED_ARRAY(struct e1000_regs, eeprom),
    SAVED(struct e1000_regs, ioaddr),
    SAVED(struct e1000_regs, delayed),
    SAVED(struct e1000_regs, serial_in),
    SAVED(struct e1000_regs, serial_out),
    SAVED(struct e1000_regs, serial_bits),
    SAVED(struct e1000_regs, serial_out_bits),
    SAVED(struct e1000_regs, serial_reading),
    SAVED(struct e1000_regs, link_wait),
    SAVED_ARRAY(struct e1000_regs, context),
    { NULL, 0, 0, 0 },
};

const struct device_class e1000_class = {
    .name = "e1000",
    .summary = "Intel 82540EM gigabit Ethernet",
    .state_size = sizeof(struct e1000),
    .regs_size = sizeof(struct e1000_regs),
    .options = e1000_options,
    .saved = e1000_saved,
    .version = 1,
    .attach = e1000_attach,
    .detach = e1000_detach,
    .reset = e1000_reset,
    .loaded = e1000_loaded,
    .unplug = unplug,
};
