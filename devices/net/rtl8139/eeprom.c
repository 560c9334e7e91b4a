/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 93C46 behind 9346CR, bit by bit. Documents: RTL8139C(L)+, "9346CR" and "EEPROM (93C46 or
 * 93C56) Contents"; National Semiconductor NM93C46, "Functional Description". What a guest writes
 * lasts until the machine's next reset.
 */
#include "devices/net/rtl8139/internal.h"

#define EECS 0x08
#define EESK 0x04
#define EEDI 0x02
#define EEDO 0x01

enum { WAITING, COMMAND, READING, WRITING, WRITING_ALL, FINISHED, EE_STATES };
enum { OP_EXTENDED, OP_WRITE, OP_READ, OP_ERASE };

/* Bytes of the image that the card loads. */
#define WORD_ID 7
#define BYTE_CONFIG3 0x0d
#define BYTE_CONFIG0 0x14
#define BYTE_CONFIG1 0x15
#define BYTE_CONFIG4 0x19
#define BYTE_CONFIG5 0x1f

void rtl8139_eeprom_fill(struct rtl8139 *r, const uint8_t mac[6])
{
    static const uint16_t image[EEPROM_WORDS] = {
        0x8129,          0x10ec, 0x8139, 0x1af4, 0x1100, /* signature, identity */
        0x4020,          0x0000,                         /* latencies; CONFIG3 */
        [0x0a] = 0x0d10, 0xf7c2, 0x0000,                 /* CONFIG1, CONFIG0; PMC; CONFIG4 */
    };

    memcpy(r->regs->eeprom, image, sizeof(image));
    for (unsigned i = 0; i < 3; i++)
        r->regs->eeprom[WORD_ID + i] = get_le16(mac + 2 * i);
}

static uint8_t image_byte(struct rtl8139 *r, unsigned at)
{
    return (uint8_t)(r->regs->eeprom[at / 2] >> (at & 1 ? 8 : 0));
}

void rtl8139_eeprom_load(struct rtl8139 *r)
{
    for (unsigned i = 0; i < 3; i++)
        set_reg16(r, IDR + 2 * i, r->regs->eeprom[WORD_ID + i]);
    set_reg8(r, CONFIG0, image_byte(r, BYTE_CONFIG0));
    set_reg8(r, CONFIG1, image_byte(r, BYTE_CONFIG1) | 0x0c); /* MEMMAP, IOMAP: there are BARs */
    set_reg8(r, CONFIG3, image_byte(r, BYTE_CONFIG3) & 0xf0);
    set_reg8(r, CONFIG4, image_byte(r, BYTE_CONFIG4));
    set_reg8(r, CONFIG5, image_byte(r, BYTE_CONFIG5) & 0x7f);
}

static void store(struct rtl8139_regs *g, bool all, uint16_t value)
{
    if (!g->ee_writes)
        return;
    for (unsigned i = 0; i < EEPROM_WORDS; i++)
        if (all || i == g->ee_addr)
            g->eeprom[i] = value;
}

/* Two bits of opcode and six of address have come. */
static void command(struct rtl8139_regs *g)
{
    g->ee_addr = g->ee_shift & 0x3f;
    g->ee_bits = 0;
    g->ee_state = FINISHED;
    switch (g->ee_shift >> 6 & 3) {
    case OP_READ:
        g->ee_state = READING;
        g->ee_data = g->eeprom[g->ee_addr];
        g->ee_out = 0; /* the dummy bit */
        break;
    case OP_WRITE:
        g->ee_state = WRITING;
        break;
    case OP_ERASE:
        store(g, false, 0xffff);
        break;
    case OP_EXTENDED: /* the address says what */
        if (g->ee_addr >> 4 == 3 || g->ee_addr >> 4 == 0)
            g->ee_writes = g->ee_addr >> 4 == 3;
        else if (g->ee_addr >> 4 == 2)
            store(g, true, 0xffff);
        else
            g->ee_state = WRITING_ALL;
        break;
    }
    g->ee_shift = 0;
}

static void clock_edge(struct rtl8139_regs *g, bool in)
{
    switch (g->ee_state) {
    case WAITING:
        if (in) { /* the start bit */
            g->ee_state = COMMAND;
            g->ee_bits = 0;
            g->ee_shift = 0;
        }
        break;
    case COMMAND:
        g->ee_shift = (uint16_t)(g->ee_shift << 1 | in);
        if (++g->ee_bits >= 8)
            command(g);
        break;
    case READING: /* goes on with the next word for as long as it is clocked */
        g->ee_out = g->ee_data >> 15;
        g->ee_data = (uint16_t)(g->ee_data << 1);
        if (++g->ee_bits >= 16) {
            g->ee_addr = (g->ee_addr + 1) & 0x3f;
            g->ee_data = g->eeprom[g->ee_addr];
            g->ee_bits = 0;
        }
        break;
    case WRITING:
    case WRITING_ALL:
        g->ee_shift = (uint16_t)(g->ee_shift << 1 | in);
        if (++g->ee_bits >= 16) {
            store(g, g->ee_state == WRITING_ALL, g->ee_shift);
            g->ee_state = FINISHED;
        }
        break;
    }
}

void rtl8139_write_9346(struct rtl8139 *r, uint8_t value)
{
    struct rtl8139_regs *g = r->regs;
    uint8_t was = reg8(r, CR9346);

    value &= EEM_MASK | EECS | EESK | EEDI;
    if ((value & EEM_MASK) == EEM_LOAD) {
        rtl8139_eeprom_load(r);
        value = 0; /* back to normal by itself */
    }
    if ((value & EEM_MASK) != EEM_PROGRAM || !(value & EECS)) {
        g->ee_state = WAITING;
        g->ee_out = 1; /* not driven, or "ready" */
    } else if (value & ~was & EESK) {
        clock_edge(g, value & EEDI);
    }
    set_reg8(r, CR9346, value);
}

uint8_t rtl8139_read_9346(struct rtl8139 *r)
{
    uint8_t value = reg8(r, CR9346);

    return value | ((value & EEM_MASK) == EEM_PROGRAM && r->regs->ee_out ? EEDO : 0);
}
