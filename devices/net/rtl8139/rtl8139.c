/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Realtek RTL8139C+: class, attach, reset. Documents: Realtek "RTL8139C(L)+ Advanced Fast
 * Ethernet Controller" (rev 1.6), "RTL8139 Programming guide" (V0.1). Not modelled: wake-on-LAN,
 * flow control frames, early interrupts, CardBus.
 */
#include <errno.h>
#include <stdlib.h>
#include "devices/net/nic.h"
#include "devices/net/rtl8139/internal.h"

#define CAPABILITY_PM 0x01
#define PM_AT 0x50
#define PM_BYTES 8
#define PMC 0xf7c2 /* version 2; D1, D2; PME from every state */

static bool on_receive(void *owner, const uint8_t *frame, size_t length, const struct offload *off)
{
    struct rtl8139 *r = owner;

    if (reg32(r, TCR) & TCR_LBK)
        return true;
    return rtl8139_receive(r, frame, length, off);
}

static void on_writable(void *owner)
{
    struct rtl8139 *r = owner;

    if (!r->tx_waiting)
        return;
    r->tx_waiting = false;
    rtl8139_transmit(r);
    rtl8139_transmit_cplus(r);
}

static void on_cable(void *owner, bool up)
{
    rtl8139_cause(owner, INT_LINK);
}

static const struct netport_user port_user = {
    .receive = on_receive,
    .writable = on_writable,
    .link = on_cable,
};

static void add_power_management(struct rtl8139 *r)
{
    uint8_t *config = r->regs->pci.config;

    config[0x34] = 0; /* the arena may have kept an earlier list */
    pci_add_capability(&r->fn, CAPABILITY_PM, PM_AT, PM_BYTES);
    put_le16(config + PM_AT + 2, PMC);
    put_le16(r->fn.writable + PM_AT + 4, 0x0103); /* PowerState, PME_En */
    put_le16(r->fn.clears + PM_AT + 4, 0x8000);   /* PME_Status */
}

static int rtl8139_attach(struct device *dev, struct error *err)
{
    struct rtl8139 *r = device_state(dev);
    struct pci_identity identity = {
        .vendor = 0x10ec,
        .device = 0x8139,
        .revision = 0x20,
        .class_code = 0x020000,
        .pin = 1,
        .rom_file = device_text(dev, "romfile"),
        .bars = { [0] = { .kind = PCI_BAR_IO, .size = REGISTER_BYTES, .ops = &rtl8139_io_ops },
                  [1] = { .kind = PCI_BAR_MEM32,
                          .size = REGISTER_BYTES,
                          .ops = &rtl8139_mmio_ops } },
    };
    unsigned devfn;
    int rc;

    r->regs = device_regs(dev);
    r->loop = device_board(dev)->loop;
    timer_init_recorded(&r->timer, r->loop, rtl8139_on_timer, r);
    timer_init_recorded(&r->retry, r->loop, rtl8139_on_retry, r);
    timer_init_recorded(&r->more, r->loop, rtl8139_on_more, r);
    rtl8139_map_rows(r);
    r->buffer = malloc(TX_MOST);
    if (!r->buffer)
        return error_set(err, -ENOMEM, "device %s: out of memory", device_id(dev));
    rc = pci_parse_addr(device_text(dev, "addr"), &devfn, err);
    if (rc == 0)
        rc = pci_function_attach(&r->fn, dev, r, &r->regs->pci, devfn, &identity, err);
    if (rc < 0)
        return rc;
    add_power_management(r);
    r->port = device_host_end(dev, "netport", "netdev", err);
    if (!r->port)
        return *device_text(dev, "netdev") ? -ENOENT : 0;
    rc = netport_attach(r->port, r->loop, &port_user, r, err);
    if (rc < 0)
        r->port = NULL;
    return rc;
}

static void stop_timers(struct rtl8139 *r)
{
    timer_clear(&r->timer);
    timer_clear(&r->retry);
    timer_clear(&r->more);
}

static void rtl8139_detach(struct device *dev)
{
    struct rtl8139 *r = device_state(dev);

    stop_timers(r);
    if (r->port)
        netport_detach(r->port);
    pci_function_detach(&r->fn);
    free(r->buffer);
}

static void rtl8139_reset(struct device *dev)
{
    struct rtl8139 *r = device_state(dev);
    struct rtl8139_regs *g = r->regs;
    struct pci_regs pci = g->pci;
    uint8_t mac[6];

    stop_timers(r);
    r->rx_lossy = r->tx_waiting = false;
    memset(g, 0, sizeof(*g));
    g->pci = pci;
    pci_function_reset(&r->fn);
    put_le16(g->pci.config + 0x06, 0x0290); /* medium DEVSEL, capabilities, fast back-to-back */
    g->pci.config[0x3e] = 0x20;             /* MIN_GNT, MAX_LAT: as the EEPROM has them */
    g->pci.config[0x3f] = 0x40;
    rtl8139_reset_regs(r, false);
    device_mac(dev, "mac", mac);
    rtl8139_eeprom_fill(r, mac);
    rtl8139_eeprom_load(r);
    g->ee_out = 1;
    rtl8139_update_irq(r);
    rtl8139_rx_changed(r);
}

static int rtl8139_loaded(struct device *dev, struct error *err)
{
    struct rtl8139 *r = device_state(dev);
    struct rtl8139_regs *g = r->regs;

    if (g->ee_bits > 15 || g->ee_addr >= EEPROM_WORDS || g->tx_at > 3 ||
        g->tx_ring_at[0] >= RING_MOST || g->tx_ring_at[1] >= RING_MOST ||
        g->rx_ring_at >= RING_MOST)
        return error_set(err, -EINVAL, "saved state of %s: a position is out of range",
                         device_id(dev));
    rtl8139_set_timer(r);
    timer_set_in(&r->more, 0); /* packets that had been asked for */
    rtl8139_update_irq(r);
    return pci_function_loaded(&r->fn, err);
}

static void unplug(struct device *dev)
{
    struct rtl8139 *r = device_state(dev);

    stop_timers(r);
    pci_function_unplug(&r->fn);
    if (r->port)
        netport_hang_up(r->port);
}

static const struct device_option rtl8139_options[] = {
    { "addr", OPTION_TEXT, "04.0" }, { "mac", OPTION_MAC, "52:54:00:12:34:56" },
    { "netdev", OPTION_TEXT, "" },   { "romfile", OPTION_TEXT, "" },
    { NULL, OPTION_TEXT, NULL },
};

#define FIELD(name) SAVED(struct rtl8139_regs, name)
#define FIELDS(name) SAVED_ARRAY(struct rtl8139_regs, name)

static const struct saved_field rtl8139_saved[] = {
    SAVED_PCI(struct rtl8139_regs),
    FIELDS(file),
    FIELD(tctr_start),
    FIELD(tx_ok),
    FIELD(rx_ok),
    FIELD(tx_errors),
    FIELD(rx_physical),
    FIELD(rx_broadcast),
    FIELD(rx_errors),
    FIELD(rx_multicast),
    FIELD(missed),
    FIELD(tx_aborts),
    FIELDS(eeprom),
    FIELD(ee_data),
    FIELD(ee_shift),
    FIELD(ee_state),
    FIELD(ee_bits),
    FIELD(ee_addr),
    FIELD(ee_writes),
    FIELD(ee_out),
    FIELD(tx_at),
    FIELDS(tx_ring_at),
    FIELD(rx_ring_at),
    FIELDS(reserved),
    { NULL, 0, 0, 0 },
};

const struct device_class rtl8139_class = {
    .name = "rtl8139",
    .summary = "Realtek RTL8139C+ fast Ethernet",
    .state_size = sizeof(struct rtl8139),
    .regs_size = sizeof(struct rtl8139_regs),
    .options = rtl8139_options,
    .saved = rtl8139_saved,
    .version = 1,
    .attach = rtl8139_attach,
    .detach = rtl8139_detach,
    .reset = rtl8139_reset,
    .loaded = rtl8139_loaded,
    .unplug = unplug,
};
