/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The register file: one table of ranges. What a register does on an access is in its row; what it
 * stores lies in regs->words, range after range.
 */
#include <stdlib.h>
#include <string.h>
#include "devices/net/e1000/internal.h"
#include "dm/base/bytes.h"

enum special {
    PLAIN,
    READ_CLEARS,
    CTRL_REG,
    STATUS_REG,
    EECD_REG,
    EERD_REG,
    MDIC_REG,
    ICR_REG,
    ITR_REG,
    ICS_REG,
    IMS_REG,
    IMC_REG,
    RCTL_REG,
    RDT_REG,
    RING_REG,
    TCTL_REG,
    TDT_REG,
    TXCW_REG,
};

struct range {
    uint32_t offset;
    uint16_t count; /* words, 4 bytes apart */
    uint8_t special;
    uint32_t writable, reset;
};

#define ALL 0xffffffffu

/* By offset. */
static const struct range ranges[] = {
    { CTRL, 1, CTRL_REG, ALL, CTRL_FD | 0x00000200 | 0x00000020 }, /* FD, speed 1000, ASDE */
    { STATUS, 1, STATUS_REG, 0, STATUS_FD | STATUS_SPEED_1000 | STATUS_ASDV_1000 | STATUS_MTXCKOK },
    { EECD, 1, EECD_REG, 0, 0x100 },
    { EERD, 1, EERD_REG, 0, 0 },
    { CTRL_EXT, 1, PLAIN, ALL, 0 },
    { FLA, 1, PLAIN, 0, 0 },
    { MDIC, 1, MDIC_REG, 0, 0 },
    { FCAL, 1, PLAIN, ALL, 0 },
    { FCAH, 1, PLAIN, 0xffff, 0 },
    { FCT, 1, PLAIN, 0xffff, 0 },
    { VET, 1, PLAIN, 0xffff, 0x8100 },
    { ICR, 1, ICR_REG, 0, 0 },
    { ITR, 1, ITR_REG, 0xffff, 0 },
    { ICS, 1, ICS_REG, 0, 0 },
    { IMS, 1, IMS_REG, 0, 0 },
    { IMC, 1, IMC_REG, 0, 0 },
    { RCTL, 1, RCTL_REG, 0x07dffffe, 0 },
    { FCTTV, 1, PLAIN, 0xffff, 0 },
    { TXCW, 1, TXCW_REG, 0xc000ffff, 0 },
    { RXCW, 1, PLAIN, 0, 0 },
    { TCTL, 1, TCTL_REG, 0x1ffffffe, 0 },
    { TIPG, 1, PLAIN, 0x3fffffff, 0 },
    { AIFS, 1, PLAIN, 0xffff, 0 },
    { LEDCTL, 1, PLAIN, ALL, 0x07068302 },
    { PBA, 1, PLAIN, 0xffff, 0x00100030 },
    { FCRTL, 1, PLAIN, ALL, 0 },
    { FCRTH, 1, PLAIN, 0xffff, 0 },
    { RDFH, 1, PLAIN, 0x1fff, 0 },
    { RDFT, 1, PLAIN, 0x1fff, 0 },
    { RDFHS, 1, PLAIN, 0x1fff, 0 },
    { RDFTS, 1, PLAIN, 0x1fff, 0 },
    { RDFPC, 1, PLAIN, 0x1fff, 0 },
    { RDBAL, 1, RING_REG, 0xfffffff0, 0 },
    { RDBAH, 1, RING_REG, ALL, 0 },
    { RDLEN, 1, RING_REG, 0x000fff80, 0 },
    { RDH, 1, RING_REG, 0xffff, 0 },
    { RDT, 1, RDT_REG, 0xffff, 0 },
    { RDTR, 1, PLAIN, 0xffff, 0 },
    { RXDCTL, 1, PLAIN, 0x013f3f3f, 0x00010000 },
    { RADV, 1, PLAIN, 0xffff, 0 },
    { RSRPD, 1, PLAIN, 0xfff, 0 },
    { TXDMAC, 1, PLAIN, 1, 0 },
    { TDFH, 1, PLAIN, 0x1fff, 0 },
    { TDFT, 1, PLAIN, 0x1fff, 0 },
    { TDFHS, 1, PLAIN, 0x1fff, 0 },
    { TDFTS, 1, PLAIN, 0x1fff, 0 },
    { TDFPC, 1, PLAIN, 0x1fff, 0 },
    { TDBAL, 1, RING_REG, 0xfffffff0, 0 },
    { TDBAH, 1, RING_REG, ALL, 0 },
    { TDLEN, 1, RING_REG, 0x000fff80, 0 },
    { TDH, 1, RING_REG, 0xffff, 0 },
    { TDT, 1, TDT_REG, 0xffff, 0 },
    { TIDV, 1, PLAIN, 0xffff, 0 },
    { TXDCTL, 1, PLAIN, 0xff3f3f3f, 0 },
    { TADV, 1, PLAIN, 0xffff, 0 },
    { TSPMT, 1, PLAIN, ALL, 0x01000400 },
    { CRCERRS, (STATS_END - CRCERRS) / 4, READ_CLEARS, 0, 0 },
    { RXCSUM, 1, PLAIN, 0x7ff, 0 },
    { MTA, 128, PLAIN, ALL, 0 },
    { RA, 32, PLAIN, ALL, 0 },
    { VFTA, 128, PLAIN, ALL, 0 },
    { WUC, 1, PLAIN, 0xf, 0 },
    { WUFC, 1, PLAIN, 0xf80ff, 0 },
    { WUS, 1, PLAIN, ALL, 0 },
    { MANC, 1, PLAIN, ALL, 0 },
    { IPAV, 1, PLAIN, ALL, 0 },
    { IP4AT, 8, PLAIN, ALL, 0 },
    { IP6AT, 4, PLAIN, ALL, 0 },
    { WUPL, 1, PLAIN, 0, 0 },
    { WUPM, 32, PLAIN, 0, 0 },
    { FFLT, 8, PLAIN, 0x7ff, 0 },
    { FFMT, 256, PLAIN, 0xf, 0 },
    { FFVT, 256, PLAIN, ALL, 0 },
};

/* PBM, the packet buffer's memory from 0x10000 on, is not kept: it reads as zeroes. */

/* Ranges are looked up by a map of a byte for each register, made once: 0 is none. */
#define MAPPED_BYTES 0xa000

_Static_assert(ARRAY_SIZE(ranges) <= E1000_RANGES, "more ranges than the map can name");

bool e1000_map_regs(struct e1000 *e)
{
    unsigned word = 0;

    e->range_of = calloc(1, MAPPED_BYTES / 4);
    if (!e->range_of)
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++) {
        e->base[i] = (uint16_t)word;
        memset(e->range_of + ranges[i].offset / 4, (int)i + 1, ranges[i].count);
        word += ranges[i].count;
    }
    return word <= E1000_WORDS;
}

static const struct range *find(struct e1000 *e, uint32_t offset, unsigned *word)
{
    unsigned i = offset < MAPPED_BYTES ? e->range_of[offset / 4] : 0;

    if (!i)
        return NULL;
    i--;
    *word = e->base[i] + (offset - ranges[i].offset) / 4;
    return &ranges[i];
}

uint32_t *e1000_reg(struct e1000 *e, uint32_t offset)
{
    unsigned word = 0;

    find(e, offset, &word); /* callers name registers that are there */
    return &e->regs->words[word];
}

void e1000_reset_regs(struct e1000 *e)
{
    unsigned word = 0;

    memset(e->regs->words, 0, sizeof(e->regs->words));
    for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++)
        for (unsigned k = 0; k < ranges[i].count; k++)
            e->regs->words[word++] = ranges[i].reset;
}

void e1000_count(struct e1000 *e, uint32_t counter, uint32_t by)
{
    uint32_t *c = e1000_reg(e, counter);

    *c = *c > UINT32_MAX - by ? UINT32_MAX : *c + by;
}

void e1000_count64(struct e1000 *e, uint32_t low, uint32_t by)
{
    uint64_t sum = (e1000_get(e, low) | (uint64_t)e1000_get(e, low + 4) << 32) + by;

    e1000_set(e, low, (uint32_t)sum);
    e1000_set(e, low + 4, (uint32_t)(sum >> 32));
}

/* ---- Accesses ---- */

static bool is_high_half(uint32_t offset)
{
    return offset == GORCH || offset == GOTCH || offset == TORH || offset == TOTH;
}

static bool is_low_half(uint32_t offset)
{
    return offset == GORCL || offset == GOTCL || offset == TORL || offset == TOTL;
}

static uint32_t read_reg(struct e1000 *e, uint32_t offset)
{
    unsigned word;
    const struct range *r = find(e, offset, &word);
    uint32_t value;

    if (!r)
        return 0;
    value = e->regs->words[word];
    switch (r->special) {
    case READ_CLEARS: /* "Statistics Registers": a pair is cleared by its high half */
        if (!is_low_half(offset))
            e->regs->words[word] = 0;
        if (is_high_half(offset))
            e->regs->words[word - 1] = 0;
        return value;
    case ICR_REG:
        return e1000_read_icr(e);
    case EECD_REG:
        return e1000_read_eecd(e);
    case ICS_REG:
    case IMC_REG:
        return 0;
    default:
        return value;
    }
}

static void software_reset(struct e1000 *e);

static void write_ctrl(struct e1000 *e, uint32_t value)
{
    if (value & CTRL_RST) {
        software_reset(e);
        return;
    }
    e1000_set(e, CTRL, value & ~CTRL_PHY_RST);
    if (value & CTRL_PHY_RST)
        e1000_phy_reset(e);
    e1000_link_changed(e);
}

static void write_reg(struct e1000 *e, uint32_t offset, uint32_t value)
{
    unsigned word;
    const struct range *r = find(e, offset, &word);
    uint32_t *stored;

    if (!r)
        return;
    stored = &e->regs->words[word];
    *stored = (*stored & ~r->writable) | (value & r->writable);
    switch (r->special) {
    case CTRL_REG:
        write_ctrl(e, value);
        break;
    case EECD_REG:
        e1000_write_eecd(e, value);
        break;
    case EERD_REG:
        e1000_write_eerd(e, value);
        break;
    case MDIC_REG:
        e1000_write_mdic(e, value);
        break;
    case ICR_REG:
        *stored &= ~value;
        e1000_update_irq(e);
        break;
    case ICS_REG:
        e1000_cause(e, value & INT_ALL);
        break;
    case IMS_REG:
        *stored |= value & INT_ALL;
        e1000_update_irq(e);
        break;
    case IMC_REG:
        *e1000_reg(e, IMS) &= ~value;
        e1000_update_irq(e);
        break;
    case ITR_REG:
        e1000_update_irq(e);
        break;
    case RCTL_REG:
    case RDT_REG:
        e1000_rx_changed(e);
        break;
    case TCTL_REG:
    case TDT_REG:
        e1000_transmit(e);
        break;
    }
}

/* "Device Control Register", RST: all but PCI configuration, the PHY, and what the EEPROM loads. */
static void software_reset(struct e1000 *e)
{
    e1000_reset_regs(e);
    timer_clear(&e->throttle);
    timer_clear(&e->delay);
    timer_clear(&e->more);
    e->regs->delayed = 0;
    e->tx_waiting = false;
    memset(e->regs->context, 0, sizeof(e->regs->context));
    e1000_set(e, RA, e->regs->eeprom[0] | (uint32_t)e->regs->eeprom[1] << 16);
    e1000_set(e, RA + 4, e->regs->eeprom[2] | RAH_AV);
    e1000_link_changed(e);
    e1000_update_irq(e);
}

static uint64_t mmio_read(void *state, uint64_t offset, unsigned size)
{
    return read_reg(state, (uint32_t)offset);
}

static void mmio_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    write_reg(state, (uint32_t)offset, (uint32_t)value);
}

const struct region_ops e1000_mmio_ops = {
    .name = "e1000",
    .min_size = 4,
    .max_size = 4,
    .read = mmio_read,
    .write = mmio_write,
};

/* "I/O-Mapped Internal Register": an address at 0, the register at 4. */
static uint64_t io_read(void *state, uint64_t offset, unsigned size)
{
    struct e1000 *e = state;

    if (offset == 0)
        return e->regs->ioaddr;
    return offset == 4 ? read_reg(e, e->regs->ioaddr) : 0;
}

static void io_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct e1000 *e = state;

    if (offset == 0)
        e->regs->ioaddr = (uint32_t)value & 0x1ffff;
    else if (offset == 4)
        write_reg(e, e->regs->ioaddr & ~3u, (uint32_t)value);
}

const struct region_ops e1000_io_ops = {
    .name = "e1000-io",
    .min_size = 4,
    .max_size = 4,
    .read = io_read,
    .write = io_write,
};
