/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PHY (an 88E1011 as the 82540EM has it), the EEPROM and the link. Documents: 8254x manual,
 * "MDI Control Register", "EEPROM Interface", "EEPROM/Flash Control & Data Register"; IEEE 802.3,
 * clause 22. The EEPROM is write-protected.
 */
#include <string.h>
#include "devices/net/e1000/internal.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"

enum {
    PHY_CONTROL = 0,
    PHY_STATUS = 1,
    PHY_ID1 = 2,
    PHY_ID2 = 3,
    PHY_ADVERTISE = 4,
    PHY_PARTNER = 5,
    PHY_1000_CONTROL = 9,
    PHY_1000_STATUS = 10,
    PHY_EXTENDED = 15,
    PHY_SPECIFIC_CONTROL = 16,
    PHY_SPECIFIC_STATUS = 17,
    PHY_INTERRUPT_STATUS = 19,
    PHY_EXTENDED_CONTROL = 20,
    PHY_RX_ERRORS = 21
};

#define CONTROL_RESET 0x8000
#define CONTROL_LOOPBACK 0x4000
#define CONTROL_AUTONEG 0x1000
#define CONTROL_POWER_DOWN 0x0800
#define CONTROL_RESTART 0x0200
#define STATUS_DONE 0x0020
#define STATUS_LINK 0x0004
#define SPECIFIC_LINK 0x0400

#define PHY_ADDRESS 1
#define MDIC_DATA 0x0000ffffu
#define MDIC_REG(v) ((v) >> 16 & 0x1f)
#define MDIC_PHY(v) ((v) >> 21 & 0x1f)
#define MDIC_OP_WRITE 0x04000000u
#define MDIC_OP_READ 0x08000000u
#define MDIC_READY 0x10000000u
#define MDIC_INTERRUPT 0x20000000u
#define MDIC_ERROR 0x40000000u

#define EECD_SK 0x01u
#define EECD_CS 0x02u
#define EECD_DI 0x04u
#define EECD_DO 0x08u
#define EECD_REQUEST 0x40u
#define EECD_GRANT 0x80u
#define EECD_PRESENT 0x100u
#define EERD_START 0x01u
#define EERD_DONE 0x10u
#define EEPROM_SUM 0xbaba
#define EEPROM_CHECKSUM 0x3f

#define AUTONEG_NS (500 * NS_PER_MS)

/* ---- The link ---- */

bool e1000_link_up(struct e1000 *e)
{
    return e1000_get(e, STATUS) & STATUS_LU;
}

bool e1000_in_loopback(struct e1000 *e)
{
    return e->regs->phy[PHY_CONTROL] & CONTROL_LOOPBACK || e1000_get(e, RCTL) & RCTL_LBM;
}

static bool cable(struct e1000 *e)
{
    return e->port && netport_link(e->port);
}

/* The link follows the cable, once the PHY is up and has negotiated. */
void e1000_link_changed(struct e1000 *e)
{
    struct e1000_regs *r = e->regs;
    bool up = cable(e) && !r->link_wait && !(r->phy[PHY_CONTROL] & CONTROL_POWER_DOWN);
    bool was = e1000_link_up(e);

    if (up) {
        *e1000_reg(e, STATUS) |= STATUS_LU;
        r->phy[PHY_STATUS] |= STATUS_LINK | STATUS_DONE;
        r->phy[PHY_SPECIFIC_STATUS] |= SPECIFIC_LINK;
        r->phy[PHY_PARTNER] = 0xc5e1; /* everything, acknowledged, with pause */
        r->phy[PHY_1000_STATUS] = 0x3c00;
    } else {
        *e1000_reg(e, STATUS) &= ~STATUS_LU;
        r->phy[PHY_STATUS] &= (uint16_t) ~(STATUS_LINK | STATUS_DONE);
        r->phy[PHY_SPECIFIC_STATUS] &= (uint16_t)~SPECIFIC_LINK;
        r->phy[PHY_PARTNER] = r->phy[PHY_1000_STATUS] = 0;
    }
    if (up != was)
        e1000_cause(e, INT_LSC);
    if (up && !was)
        e1000_rx_changed(e);
}

void e1000_on_link(void *arg)
{
    struct e1000 *e = arg;

    e->regs->link_wait = 0;
    e1000_link_changed(e);
}

static void negotiate(struct e1000 *e)
{
    e->regs->link_wait = 1;
    e1000_link_changed(e);
    timer_set_in(&e->link, AUTONEG_NS);
}

/* ---- The PHY ---- */

void e1000_phy_reset(struct e1000 *e)
{
    uint16_t *phy = e->regs->phy;

    memset(phy, 0, sizeof(e->regs->phy));
    phy[PHY_CONTROL] = 0x1140;
    phy[PHY_STATUS] = 0x7949;
    phy[PHY_ID1] = 0x0141;
    phy[PHY_ID2] = 0x0c20;
    phy[PHY_ADVERTISE] = 0x0de1;
    phy[PHY_1000_CONTROL] = 0x0e00;
    phy[PHY_EXTENDED] = 0x3000;
    phy[PHY_SPECIFIC_CONTROL] = 0x0360;
    phy[PHY_SPECIFIC_STATUS] = 0xa800; /* 1000, full duplex, resolved */
    phy[PHY_EXTENDED_CONTROL] = 0x0d60;
}

static void write_phy(struct e1000 *e, unsigned reg, uint16_t value)
{
    static const uint16_t writable[PHY_REGS] = {
        [PHY_CONTROL] = 0x7fc0,
        [PHY_ADVERTISE] = 0xbfff,
        [7] = 0xffff,
        [PHY_1000_CONTROL] = 0xff00,
        [PHY_SPECIFIC_CONTROL] = 0xffff,
        [18] = 0xffff,
        [PHY_EXTENDED_CONTROL] = 0xffff,
        [22] = 0xff,
        [24] = 0xffff,
        [25] = 0xffff,
        [26] = 0xffff,
        [29] = 0xffff,
        [30] = 0xffff,
    };
    uint16_t *stored = &e->regs->phy[reg];

    if (reg == PHY_CONTROL && value & CONTROL_RESET) {
        e1000_phy_reset(e);
        negotiate(e);
        return;
    }
    *stored = (uint16_t)((*stored & ~writable[reg]) | (value & writable[reg]));
    if (reg != PHY_CONTROL)
        return;
    *stored &= (uint16_t)~CONTROL_RESTART;
    if (value & CONTROL_RESTART && value & CONTROL_AUTONEG)
        negotiate(e);
    else
        e1000_link_changed(e);
}

void e1000_write_mdic(struct e1000 *e, uint32_t value)
{
    unsigned reg = MDIC_REG(value);
    uint32_t answer = value & ~(MDIC_ERROR | MDIC_READY);

    if (MDIC_PHY(value) != PHY_ADDRESS) {
        answer |= MDIC_ERROR;
    } else if (value & MDIC_OP_READ) {
        answer = (answer & ~MDIC_DATA) | e->regs->phy[reg];
        if (reg == PHY_INTERRUPT_STATUS || reg == PHY_RX_ERRORS)
            e->regs->phy[reg] = 0;
    } else if (value & MDIC_OP_WRITE) {
        write_phy(e, reg, (uint16_t)value);
    }
    e1000_set(e, MDIC, answer | MDIC_READY);
    if (value & MDIC_INTERRUPT)
        e1000_cause(e, INT_MDAC);
}

/* ---- The EEPROM ---- */

void e1000_eeprom_fill(struct e1000 *e, const uint8_t mac[6])
{
    static const uint16_t image[EEPROM_WORDS] = {
        [0x03] = 0x0000, [0x05] = 0xffff, [0x08] = 0x3000, 0x1000,          0x6403,          0x0000,
        0x0000,          0x100e,          0x8086,          0x3040,          [0x10] = 0x0008, 0x2000,
        0x7e14,          0x0048,          0x1000,          0x00d8,          0x0000,          0x2700,
        0x6cc9,          0x3150,          0x0722,          0x040b,          0x0984,          0x0000,
        0xc000,          0x0706,          [0x21] = 0x1008, [0x23] = 0x0f04, 0x7fff,          0x4d01,
        [0x2f] = 0x0100, 0x4000,          0x121c,          [0x38] = 0xffff, 0xffff,          0xffff,
        0xffff,          0xffff,          0xffff,
    };
    uint16_t sum = 0;

    memcpy(e->regs->eeprom, image, sizeof(image));
    for (unsigned i = 0; i < 3; i++)
        e->regs->eeprom[i] = get_le16(mac + 2 * i);
    for (unsigned i = 0; i < EEPROM_CHECKSUM; i++)
        sum = (uint16_t)(sum + e->regs->eeprom[i]);
    e->regs->eeprom[EEPROM_CHECKSUM] = (uint16_t)(EEPROM_SUM - sum);
}

void e1000_write_eerd(struct e1000 *e, uint32_t value)
{
    unsigned word = value >> 8 & 0xff;

    if (!(value & EERD_START))
        return;
    e1000_set(e, EERD,
              (value & 0xff00) | EERD_DONE |
                  (word < EEPROM_WORDS ? (uint32_t)e->regs->eeprom[word] << 16 : 0));
}

/* One rising edge of the clock: a bit in, a bit out. A read is "1 10 A5..A0". */
static void clock_edge(struct e1000_regs *r, bool in)
{
    if (r->serial_reading) {
        if (r->serial_out_bits <= 16)
            r->serial_out = (uint16_t)(r->serial_out << 1);
        if (!--r->serial_out_bits)
            r->serial_reading = 0;
        return;
    }
    if (!r->serial_bits && !in)
        return; /* waits for the start bit */
    r->serial_in = (uint16_t)(r->serial_in << 1 | in);
    if (++r->serial_bits < 9)
        return;
    if ((r->serial_in >> 6 & 3) == 2) {
        r->serial_out = r->eeprom[r->serial_in & 0x3f];
        r->serial_out_bits = 17; /* a dummy zero goes before the 16 */
        r->serial_reading = 1;
    }
    r->serial_bits = 0;
    r->serial_in = 0;
}

void e1000_write_eecd(struct e1000 *e, uint32_t value)
{
    struct e1000_regs *r = e->regs;
    uint32_t was = e1000_get(e, EECD) & EECD_DO; /* DO's bit keeps the last clock level */
    bool rising = value & EECD_SK && !was;

    if (!(value & EECD_CS)) {
        r->serial_bits = r->serial_reading = r->serial_out_bits = 0;
        r->serial_in = r->serial_out = 0;
    } else if (rising) {
        clock_edge(r, value & EECD_DI);
    }
    *e1000_reg(e, EECD) = (value & (EECD_SK | EECD_CS | EECD_DI | EECD_REQUEST)) | EECD_PRESENT |
                          (value & EECD_REQUEST ? EECD_GRANT : 0) | (value & EECD_SK ? EECD_DO : 0);
}

uint32_t e1000_read_eecd(struct e1000 *e)
{
    struct e1000_regs *r = e->regs;
    /* 16 bits follow the dummy zero; between commands the line says "ready" */
    bool out = r->serial_reading ? r->serial_out_bits <= 16 && r->serial_out >> 15 : true;

    return (e1000_get(e, EECD) & ~EECD_DO) | (out ? EECD_DO : 0);
}
