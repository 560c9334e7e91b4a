/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transmitting, as the older members of the family do it: four descriptors in registers, taken in
 * turn. Document: RTL8139C(L)+, "Transmit Status Registers", "Packet Transmission". Also what both
 * ways share: handing a frame to the host or, in loopback, to ourselves.
 */
#include <errno.h>
#include "devices/net/rtl8139/internal.h"
#include "dm/base/log.h"
#include "dm/net/packet.h"

#define DESCRIPTORS 4
#define FRAME_MOST 1792u /* "Transmit Status Register": a longer one is aborted */

bool rtl8139_send(struct rtl8139 *r, size_t length, const struct offload *off)
{
    struct iovec iov = { r->buffer, length };

    if (reg32(r, TCR) & TCR_LBK) {
        if (off && off->needs_csum && off->gso == GSO_NONE)
            packet_fill_checksum(r->buffer, length, off);
        rtl8139_receive(r, r->buffer, length, NULL);
    } else if (r->port && netport_send(r->port, &iov, 1, off) == -EAGAIN) {
        r->tx_waiting = true;
        return false;
    }
    r->regs->tx_ok++;
    return true;
}

/* One descriptor. False: there is nothing to send in it, or no room at the host. */
static bool transmit_one(struct rtl8139 *r, unsigned n)
{
    unsigned at = TSD + 4 * n;
    uint32_t tsd = reg32(r, at);
    size_t length = tsd & TSD_SIZE;

    if (tsd & TSD_OWN)
        return false;
    if (length > FRAME_MOST) {
        log_guest("%s: a packet of %zu bytes is more than the card sends", device_id(r->fn.dev),
                  length);
        r->regs->tx_errors++;
        r->regs->tx_aborts++;
        set_reg32(r, at, tsd | TSD_OWN | TSD_TABT);
        rtl8139_cause(r, INT_TER);
        return true;
    }
    pci_dma_read(&r->fn, reg32(r, TSAD + 4 * n), r->buffer, length);
    if (length >= 14 && !rtl8139_send(r, length, NULL))
        return false;
    set_reg32(r, at, tsd | TSD_OWN | TSD_TOK);
    rtl8139_cause(r, INT_TOK);
    return true;
}

void rtl8139_transmit(struct rtl8139 *r)
{
    /* a frame that loops back can reach no register, but its room may let in one that is held */
    if (!(reg8(r, CR) & CR_TE) || reg16(r, CPCR) & CPCR_TXE || !pci_bus_master(&r->fn))
        return;
    for (unsigned i = 0; i < DESCRIPTORS && transmit_one(r, r->regs->tx_at); i++)
        r->regs->tx_at = (r->regs->tx_at + 1) % DESCRIPTORS;
}

/* "Transmit Status of All Descriptors": OWN, abort, underrun and OK of each, four bits a kind. */
uint32_t rtl8139_tsad_all(struct rtl8139 *r)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < DESCRIPTORS; i++) {
        uint32_t tsd = reg32(r, TSD + 4 * i);

        value |= (tsd & TSD_OWN ? 0x0001u : 0) << i;
        value |= (tsd & TSD_TABT ? 0x0010u : 0) << i;
        value |= (tsd & TSD_TUN ? 0x0100u : 0) << i;
        value |= (tsd & TSD_TOK ? 0x1000u : 0) << i;
    }
    return value;
}
