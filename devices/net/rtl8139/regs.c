/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The register file: one table of rows over 256 bytes, so that any register can be reached by
 * byte, word or double word, as the chip allows. Document: RTL8139C(L)+, "Register Descriptions".
 */
#include "devices/net/rtl8139/internal.h"
#include "dm/base/clock.h"

enum special {
    PLAIN,
    TSD_REG,
    CR_REG,
    CAPR_REG,
    IMR_REG,
    ISR_REG,
    TCR_REG,
    RCR_REG,
    TCTR_REG,
    MPC_REG,
    EE_REG,
    LOCKED,
    TIMER_REG,
    TSAD_REG,
    BMCR_REG,
    PHY_REG,
    TPPOLL_REG,
    CPCR_REG,
    TXRING_REG,
    RXRING_REG,
    DTCCR_REG,
};

struct row {
    uint16_t offset;
    uint8_t width, count, special;
    bool kept; /* software reset leaves it */
    uint32_t writable, reset;
};

#define ALL 0xffffffffu
#define HWVERID_CPLUS 0x74800000u
#define IFG_STANDARD 0x03000000u

static const struct row rows[] = {
    { IDR, 1, 6, PLAIN, true, 0xff, 0 },
    { MAR, 4, 2, PLAIN, true, ALL, 0 },
    { TSD, 4, 4, TSD_REG, false, 0x003f3fff, TSD_OWN },
    { TSAD, 4, 4, TXRING_REG, false, ALL, 0 },
    { RBSTART, 4, 1, PLAIN, false, ALL, 0 },
    { ERBCR, 2, 1, PLAIN, false, 0, 0 },
    { ERSR, 1, 1, PLAIN, false, 0, 0 },
    { CR, 1, 1, CR_REG, false, CR_TE | CR_RE, 0 },
    { CAPR, 2, 1, CAPR_REG, false, 0xffff, 0xfff0 },
    { CBR, 2, 1, PLAIN, false, 0, 0 },
    { IMR, 2, 1, IMR_REG, false, INT_ALL, 0 },
    { ISR, 2, 1, ISR_REG, false, 0, 0 },
    { TCR, 4, 1, TCR_REG, false, 0x030f07f0, HWVERID_CPLUS | IFG_STANDARD },
    { RCR, 4, 1, RCR_REG, false, 0x0f03ffbf, 0 },
    { TCTR, 4, 1, TCTR_REG, false, 0, 0 },
    { MPC, 4, 1, MPC_REG, false, 0, 0 },
    { CR9346, 1, 1, EE_REG, true, 0, 0 },
    { CONFIG0, 1, 1, LOCKED, true, 0, 0 },
    { CONFIG1, 1, 1, LOCKED, true, 0xf3, 0 },
    { TIMERINT, 4, 1, TIMER_REG, false, ALL, 0 },
    { MSR, 1, 1, PHY_REG, true, 0xc0, 0 },
    { CONFIG3, 1, 1, LOCKED, true, 0x70, 0 },
    { CONFIG4, 1, 1, LOCKED, true, 0xf7, 0 },
    { MULINT, 2, 1, PLAIN, false, 0x0fff, 0 },
    { RERID, 1, 1, PLAIN, false, 0, 0x20 },
    { TSAD_ALL, 2, 1, TSAD_REG, false, 0, 0 },
    { BMCR, 2, 1, BMCR_REG, true, 0, 0x3100 },
    { BMSR, 2, 1, PHY_REG, true, 0, 0 },
    { ANAR, 2, 1, PLAIN, true, 0x2de0, 0x05e1 },
    { ANLPAR, 2, 1, PHY_REG, true, 0, 0 },
    { ANER, 2, 1, PHY_REG, true, 0, 0 },
    { DIS, 2, 1, PLAIN, true, 0, 0 },
    { FCSC, 2, 1, PLAIN, true, 0, 0 },
    { NWAYTR, 2, 1, PLAIN, true, 0x00ff, 0 },
    { REC, 2, 1, PLAIN, true, 0, 0 },
    { CSCR, 2, 1, PHY_REG, true, 0xf7c7, 0x0780 },
    { PHY1_PARM, 4, 1, PLAIN, true, ALL, 0 },
    { TW_PARM, 4, 1, PLAIN, true, ALL, 0 },
    { PHY2_PARM, 1, 1, PLAIN, true, 0xff, 0 },
    { TDOKLA, 2, 1, PLAIN, false, 0, 0 },
    { CRC0, 1, 8, PLAIN, true, 0xff, 0 },
    { WAKEUP0, 4, 16, PLAIN, true, ALL, 0 },
    { LSBCRC0, 1, 8, PLAIN, true, 0xff, 0 },
    { CONFIG5, 1, 1, PLAIN, true, 0x7f, 0 },
    { TPPOLL, 1, 1, TPPOLL_REG, false, 0, 0 },
    { CPCR, 2, 1, CPCR_REG, false, 0x007b, 0 },
    { RDSAR, 4, 2, RXRING_REG, false, ALL, 0 },
    { ETTHR, 1, 1, PLAIN, false, 0x3f, 0 },
    { DTCCR, 4, 2, DTCCR_REG, false, ALL, 0 },
};

void rtl8139_map_rows(struct rtl8139 *r)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        memset(r->row_of + rows[i].offset, (int)i + 1, rows[i].width * rows[i].count);
}

void rtl8139_reset_regs(struct rtl8139 *r, bool software)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        for (unsigned k = 0; k < rows[i].count && !(software && rows[i].kept); k++)
            put_le(r->regs->file + rows[i].offset + k * rows[i].width, rows[i].width,
                   rows[i].reset);
}

/* ---- Interrupts ---- */

void rtl8139_update_irq(struct rtl8139 *r)
{
    pci_set_intx(&r->fn, reg16(r, ISR) & reg16(r, IMR));
}

void rtl8139_cause(struct rtl8139 *r, unsigned causes)
{
    set_reg16(r, ISR, (uint16_t)(reg16(r, ISR) | causes));
    rtl8139_update_irq(r);
}

/* ---- The timer: TCTR counts PCI clocks ---- */

#define TICKS_PER_US 33u

static uint64_t ticks(struct rtl8139 *r)
{
    uint64_t now = clock_now(), start = r->regs->tctr_start;
    uint64_t us = now > start ? (now - start) / NS_PER_US : 0;
    uint64_t ns = now > start ? (now - start) % NS_PER_US : 0;

    return us * TICKS_PER_US + ns * TICKS_PER_US / NS_PER_US;
}

void rtl8139_set_timer(struct rtl8139 *r)
{
    uint64_t now = ticks(r);
    uint32_t wanted = reg32(r, TIMERINT), wait = wanted - (uint32_t)now;

    if (!wanted) {
        timer_clear(&r->timer);
        return;
    }
    /* rounded up: when it fires the counter has reached the value; a value just passed is a turn
     * of the counter away */
    timer_set_in(&r->timer,
                 ((wait ? wait : 1ull << 32) * NS_PER_US + TICKS_PER_US - 1) / TICKS_PER_US + 1);
}

void rtl8139_on_timer(void *arg)
{
    struct rtl8139 *r = arg;

    rtl8139_cause(r, INT_TIMEOUT);
    rtl8139_set_timer(r);
}

/* ---- Accesses ---- */

static bool unlocked(struct rtl8139 *r)
{
    return (reg8(r, CR9346) & EEM_MASK) == EEM_UNLOCK;
}

static uint32_t read_reg(struct rtl8139 *r, const struct row *row, unsigned at)
{
    uint32_t stored = (uint32_t)get_le(r->regs->file + at, row->width);

    switch (row->special) {
    case CR_REG:
        return stored | (rtl8139_rx_empty(r) ? CR_BUFE : 0);
    case ISR_REG: /* who polls has often just refilled a ring, which no register tells us */
        if (r->rx_held)
            rtl8139_rx_changed(r);
        return reg16(r, ISR);
    case TCTR_REG:
        return (uint32_t)ticks(r);
    case EE_REG:
        return rtl8139_read_9346(r);
    case TSAD_REG:
        return rtl8139_tsad_all(r);
    case PHY_REG:
        return rtl8139_read_phy(r, at);
    default:
        return stored;
    }
}

/* "Command Register": enabling starts at the first descriptor, or at the ring's beginning. */
static void write_cr(struct rtl8139 *r, uint8_t value, uint8_t was)
{
    struct rtl8139_regs *g = r->regs;

    if (value & CR_RST) {
        rtl8139_reset_regs(r, true);
        g->tx_at = g->rx_ring_at = g->tx_ring_at[0] = g->tx_ring_at[1] = 0;
        timer_clear(&r->timer);
        r->tx_waiting = false;
        rtl8139_update_irq(r);
        rtl8139_rx_changed(r);
        return;
    }
    if (value & ~was & CR_RE) {
        g->rx_ring_at = 0;
        set_reg16(r, CBR, 0);
        set_reg16(r, CAPR, 0xfff0);
    }
    if (value & ~was & CR_TE) {
        g->tx_at = g->tx_ring_at[0] = g->tx_ring_at[1] = 0;
        rtl8139_transmit(r);
    }
    if ((value ^ was) & CR_RE)
        rtl8139_rx_changed(r);
}

static void write_tppoll(struct rtl8139 *r, uint8_t value)
{
    if (value & TPPOLL_FSW)
        rtl8139_cause(r, INT_SW);
    set_reg8(r, TPPOLL, reg8(r, TPPOLL) | (value & (TPPOLL_HPQ | TPPOLL_NPQ)));
    rtl8139_transmit_cplus(r);
}

/* Effects of registers that only set something in motion or count. */
static void after_write(struct rtl8139 *r, const struct row *row, unsigned at)
{
    switch (row->special) {
    case TSD_REG:
        if (!(reg32(r, at) & TSD_OWN))
            rtl8139_transmit(r);
        break;
    case TXRING_REG:
        if (reg16(r, CPCR) & CPCR_TXE)
            r->regs->tx_ring_at[at >= THPDS] = 0;
        break;
    case RXRING_REG:
        r->regs->rx_ring_at = 0;
        break;
    case CAPR_REG:
    case RCR_REG:
    case TCR_REG: /* out of loopback */
    case CPCR_REG:
        rtl8139_rx_changed(r);
        break;
    case IMR_REG:
        rtl8139_update_irq(r);
        if (r->rx_held)
            rtl8139_rx_changed(r);
        break;
    case TIMER_REG:
        rtl8139_set_timer(r);
        break;
    case DTCCR_REG:
        if (at == DTCCR)
            rtl8139_dump_tally(r);
        break;
    }
}

static void write_reg(struct rtl8139 *r, const struct row *row, unsigned at, uint32_t value,
                      uint32_t mask)
{
    uint8_t *bytes = r->regs->file + at;
    uint32_t was = (uint32_t)get_le(bytes, row->width), lanes = mask & row->writable;

    if (row->special == LOCKED && !unlocked(r))
        return;
    put_le(bytes, row->width, (was & ~lanes) | (value & lanes));
    switch (row->special) {
    case TSD_REG: /* the status of the last packet goes as the next begins */
        if (!(reg32(r, at) & TSD_OWN))
            set_reg32(r, at, reg32(r, at) & row->writable);
        break;
    case CR_REG:
        write_cr(r, (uint8_t)value, (uint8_t)was);
        return;
    case ISR_REG:
        set_reg16(r, ISR, (uint16_t)(was & ~value));
        rtl8139_update_irq(r);
        if (r->rx_held)
            rtl8139_rx_changed(r);
        return;
    case TCTR_REG:
        r->regs->tctr_start = clock_now();
        rtl8139_set_timer(r);
        return;
    case MPC_REG:
        set_reg32(r, MPC, 0);
        return;
    case EE_REG:
        rtl8139_write_9346(r, (uint8_t)value);
        return;
    case BMCR_REG:
        rtl8139_write_bmcr(r, (uint16_t)value, (uint16_t)mask);
        return;
    case TPPOLL_REG:
        write_tppoll(r, (uint8_t)value);
        return;
    }
    after_write(r, row, at);
}

/* The register that holds the byte at `offset`, and where it begins. */
static const struct row *find(struct rtl8139 *r, unsigned offset, unsigned *at)
{
    const struct row *row;

    if (offset >= TSD && offset < TSAD && reg16(r, CPCR) & CPCR_TXE)
        offset += DTCCR - TSD;
    if (!r->row_of[offset])
        return NULL;
    row = &rows[r->row_of[offset] - 1];
    *at = row->offset + (offset - row->offset) / row->width * row->width;
    return row;
}

static unsigned within(unsigned at, unsigned offset)
{
    return (offset + (at >= REGISTER_BYTES ? DTCCR - TSD : 0)) - at;
}

static uint64_t read_bytes(void *state, uint64_t offset, unsigned size)
{
    struct rtl8139 *r = state;
    uint64_t value = 0;

    for (unsigned i = 0, n; i < size; i += n) {
        unsigned at, skip;
        const struct row *row = find(r, (unsigned)offset + i, &at);

        n = 1;
        if (!row)
            continue;
        skip = within(at, (unsigned)offset + i);
        n = MIN(size - i, row->width - skip);
        value |= (read_reg(r, row, at) >> (8 * skip) & ones(n)) << (8 * i);
    }
    return value;
}

static void write_bytes(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct rtl8139 *r = state;

    for (unsigned i = 0, n; i < size; i += n) {
        unsigned at, skip;
        const struct row *row = find(r, (unsigned)offset + i, &at);

        n = 1;
        if (!row)
            continue;
        skip = within(at, (unsigned)offset + i);
        n = MIN(size - i, row->width - skip);
        write_reg(r, row, at, (uint32_t)((value >> (8 * i) & ones(n)) << (8 * skip)),
                  (uint32_t)(ones(n) << (8 * skip)));
    }
}

const struct region_ops rtl8139_io_ops = {
    .name = "rtl8139-io",
    .min_size = 1,
    .max_size = 4,
    .read = read_bytes,
    .write = write_bytes,
};

const struct region_ops rtl8139_mmio_ops = {
    .name = "rtl8139",
    .min_size = 1,
    .max_size = 4,
    .read = read_bytes,
    .write = write_bytes,
};
