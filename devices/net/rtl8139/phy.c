/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PHY, whose registers lie among the card's own, and the link. Documents: RTL8139C(L)+, "Basic
 * Mode Control Register" and those after it; IEEE 802.3, clause 22. The partner can do everything
 * to 100 Mb/s full duplex, and negotiation takes no time.
 */
#include "devices/net/rtl8139/internal.h"

#define BMCR_RESET 0x8000
#define BMCR_100 0x2000
#define BMCR_AUTONEG 0x1000
#define BMCR_DUPLEX 0x0100
#define BMCR_DEFAULT 0x3100
#define BMSR_ABLE 0x7809
#define BMSR_DONE 0x0020
#define BMSR_LINK 0x0004
#define ANAR_DEFAULT 0x05e1
#define ANAR_100 0x0180
#define PARTNER 0x45e1
#define ANER_PARTNER_ABLE 0x0001
#define MSR_SPEED_10 0x08
#define MSR_NO_LINK 0x04
#define CSCR_CONNECTED 0x0008

bool rtl8139_link_up(struct rtl8139 *r)
{
    return r->port && netport_link(r->port);
}

void rtl8139_write_bmcr(struct rtl8139 *r, uint16_t value, uint16_t mask)
{
    uint16_t lanes = mask & (BMCR_100 | BMCR_AUTONEG | BMCR_DUPLEX);

    if (value & BMCR_RESET) {
        set_reg16(r, BMCR, BMCR_DEFAULT);
        set_reg16(r, ANAR, ANAR_DEFAULT);
        return;
    }
    /* "9346CR": these bits are configuration, and locked with it */
    if ((reg8(r, CR9346) & EEM_MASK) == EEM_UNLOCK)
        set_reg16(r, BMCR, (uint16_t)((reg16(r, BMCR) & ~lanes) | (value & lanes)));
}

static bool is_100(struct rtl8139 *r)
{
    uint16_t bmcr = reg16(r, BMCR);

    return bmcr & BMCR_AUTONEG ? reg16(r, ANAR) & ANAR_100 : bmcr & BMCR_100;
}

uint32_t rtl8139_read_phy(struct rtl8139 *r, unsigned reg)
{
    bool up = rtl8139_link_up(r), negotiated = up && reg16(r, BMCR) & BMCR_AUTONEG;

    switch (reg) {
    case MSR:
        return reg8(r, MSR) | (up ? 0u : MSR_NO_LINK) | (is_100(r) ? 0u : MSR_SPEED_10);
    case BMSR:
        return BMSR_ABLE | (up ? BMSR_LINK : 0u) | (negotiated ? BMSR_DONE : 0u);
    case ANLPAR:
        return negotiated ? PARTNER : 0;
    case ANER:
        return negotiated ? ANER_PARTNER_ABLE : 0;
    case CSCR:
        return reg16(r, CSCR) | (up ? CSCR_CONNECTED : 0u);
    }
    return 0;
}
