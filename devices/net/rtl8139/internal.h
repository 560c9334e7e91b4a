/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_NET_RTL8139_INTERNAL_H
#define DEVICES_NET_RTL8139_INTERNAL_H
#include "devices/pci/function.h"
#include "dm/base/bytes.h"
#include "dm/base/loop.h"
#include "dm/net/netport.h"

/*
 * What the rooms of the RTL8139C+ share. Documents: Realtek "RTL8139C(L)+ Advanced Fast Ethernet
 * Controller" (rev 1.6) and "RTL8139D(L)" (rev 1.3), "Register Descriptions"; names are theirs.
 */

/* Offsets in the register space. In C+ mode 0x10 to 0x2f mean something else. */
enum {
    IDR = 0x00,
    MAR = 0x08,
    TSD = 0x10,
    TSAD = 0x20,
    RBSTART = 0x30,
    ERBCR = 0x34,
    ERSR = 0x36,
    CR = 0x37,
    CAPR = 0x38,
    CBR = 0x3a,
    IMR = 0x3c,
    ISR = 0x3e,
    TCR = 0x40,
    RCR = 0x44,
    TCTR = 0x48,
    MPC = 0x4c,
    CR9346 = 0x50,
    CONFIG0 = 0x51,
    CONFIG1 = 0x52,
    TIMERINT = 0x54,
    MSR = 0x58,
    CONFIG3 = 0x59,
    CONFIG4 = 0x5a,
    MULINT = 0x5c,
    RERID = 0x5e,
    TSAD_ALL = 0x60,
    BMCR = 0x62,
    BMSR = 0x64,
    ANAR = 0x66,
    ANLPAR = 0x68,
    ANER = 0x6a,
    DIS = 0x6c,
    FCSC = 0x6e,
    NWAYTR = 0x70,
    REC = 0x72,
    CSCR = 0x74,
    PHY1_PARM = 0x78,
    TW_PARM = 0x7c,
    PHY2_PARM = 0x80,
    TDOKLA = 0x82,
    CRC0 = 0x84,
    WAKEUP0 = 0x8c,
    LSBCRC0 = 0xcc,
    CONFIG5 = 0xd8,
    TPPOLL = 0xd9,
    CPCR = 0xe0,
    RDSAR = 0xe4,
    ETTHR = 0xec,
    REGISTER_BYTES = 0x100,
    TNPDS = 0x20,
    THPDS = 0x28,  /* share their storage with TSAD */
    DTCCR = 0x100, /* at 0x10 in C+ mode; kept behind the others */
    FILE_BYTES = 0x110,
};

#define TSD_SIZE 0x00001fffu
#define TSD_OWN 0x00002000u /* the host's: nothing to send */
#define TSD_TUN 0x00004000u
#define TSD_TOK 0x00008000u
#define TSD_TABT 0x40000000u
#define CR_BUFE 0x01
#define CR_TE 0x04
#define CR_RE 0x08
#define CR_RST 0x10
#define INT_ROK 0x0001
#define INT_RER 0x0002
#define INT_TOK 0x0004
#define INT_TER 0x0008
#define INT_RXOVW 0x0010 /* C+ mode: no receive descriptor */
#define INT_LINK 0x0020
#define INT_FOVW 0x0040
#define INT_TDU 0x0080 /* C+ mode: no transmit descriptor */
#define INT_SW 0x0100
#define INT_TIMEOUT 0x4000
#define INT_SERR 0x8000
#define INT_ALL 0xe1ff
#define TCR_LBK 0x00060000u
#define RCR_AAP 0x00000001u
#define RCR_APM 0x00000002u
#define RCR_AM 0x00000004u
#define RCR_AB 0x00000008u
#define RCR_WRAP 0x00000080u
#define RCR_RBLEN(r) ((r) >> 11 & 3)
#define CPCR_TXE 0x0001
#define CPCR_RXE 0x0002
#define CPCR_DAC 0x0010
#define CPCR_CHECKSUM 0x0020
#define CPCR_VLAN 0x0040
#define TPPOLL_HPQ 0x80
#define TPPOLL_NPQ 0x40
#define TPPOLL_FSW 0x01
#define EEM_MASK 0xc0
#define EEM_LOAD 0x40
#define EEM_PROGRAM 0x80
#define EEM_UNLOCK 0xc0

#define EEPROM_WORDS 64 /* a 93C46, as RCR's 9356SEL says */
#define RING_MOST 64    /* descriptors of a C+ ring */
#define CPLUS_DESCRIPTOR 16u
#define DESC_OWN 0x80000000u
#define DESC_EOR 0x40000000u
#define DESC_FS 0x20000000u
#define DESC_LS 0x10000000u

struct rtl8139_regs {
    struct pci_regs pci;
    uint8_t file[FILE_BYTES]; /* regs.c says what is where */
    uint64_t tctr_start;      /* clock time at which TCTR was zero */
    /* tally counters */
    uint64_t tx_ok, rx_ok, tx_errors, rx_physical, rx_broadcast;
    uint32_t rx_errors, rx_multicast;
    uint16_t missed, tx_aborts;
    /* the EEPROM and its serial line */
    uint16_t eeprom[EEPROM_WORDS];
    uint16_t ee_data, ee_shift;
    uint8_t ee_state, ee_bits, ee_addr, ee_writes, ee_out;
    /* where the card is in its rings */
    uint8_t tx_at;         /* which TSD is next */
    uint8_t tx_ring_at[2]; /* C+: normal, high priority */
    uint8_t rx_ring_at;    /* C+ */
    uint8_t reserved[7];
};

struct rtl8139 {
    struct pci_function fn;
    struct rtl8139_regs *regs;
    struct netport *port; /* NULL: no cable */
    struct loop *loop;
    struct timer timer; /* TCTR reaches TimerInt */
    struct timer retry; /* a frame waits for a C+ descriptor, and no register says there is one */
    struct timer more;  /* the rest of a C+ ring, when others have had a turn */
    unsigned retries;
    bool rx_held;  /* the port keeps a frame for which there was no room */
    bool rx_lossy; /* it waited too long: until there is room, frames are lost */
    bool in_receive;
    bool tx_waiting;            /* the host had no room: go on when it is writable */
    uint8_t row_of[FILE_BYTES]; /* regs.c: which row of the table holds a byte */
    uint8_t *buffer;            /* one frame, of TX_MOST bytes */
};

static inline uint8_t reg8(const struct rtl8139 *r, unsigned at)
{
    return r->regs->file[at];
}
static inline uint16_t reg16(const struct rtl8139 *r, unsigned at)
{
    return get_le16(r->regs->file + at);
}
static inline uint32_t reg32(const struct rtl8139 *r, unsigned at)
{
    return get_le32(r->regs->file + at);
}
static inline void set_reg8(struct rtl8139 *r, unsigned at, uint8_t v)
{
    r->regs->file[at] = v;
}
static inline void set_reg16(struct rtl8139 *r, unsigned at, uint16_t v)
{
    put_le16(r->regs->file + at, v);
}
static inline void set_reg32(struct rtl8139 *r, unsigned at, uint32_t v)
{
    put_le32(r->regs->file + at, v);
}
/* The address of a C+ ring or buffer: above 4 GiB only with dual address cycles. */
static inline uint64_t cplus_address(const struct rtl8139 *r, const uint8_t *low)
{
    return reg16(r, CPCR) & CPCR_DAC ? get_le64(low) : get_le32(low);
}

/* regs.c */
extern const struct region_ops rtl8139_io_ops, rtl8139_mmio_ops;
void rtl8139_map_rows(struct rtl8139 *r);
void rtl8139_reset_regs(struct rtl8139 *r, bool software);
void rtl8139_cause(struct rtl8139 *r, unsigned causes);
void rtl8139_update_irq(struct rtl8139 *r);
void rtl8139_set_timer(struct rtl8139 *r);
void rtl8139_on_timer(void *arg);

/* eeprom.c */
void rtl8139_eeprom_fill(struct rtl8139 *r, const uint8_t mac[6]);
void rtl8139_eeprom_load(struct rtl8139 *r); /* IDR and CONFIG from the EEPROM */
void rtl8139_write_9346(struct rtl8139 *r, uint8_t value);
uint8_t rtl8139_read_9346(struct rtl8139 *r);

/* phy.c */
void rtl8139_write_bmcr(struct rtl8139 *r, uint16_t value, uint16_t mask);
uint32_t rtl8139_read_phy(struct rtl8139 *r, unsigned reg);
bool rtl8139_link_up(struct rtl8139 *r);

/* tx.c, tx_cplus.c: go on with what is to be sent */
#define TX_MOST (65536 + 256)
void rtl8139_transmit(struct rtl8139 *r);
void rtl8139_transmit_cplus(struct rtl8139 *r);
void rtl8139_on_more(void *arg);
/* r->buffer's first `length` bytes go out. False: the host has no room. */
bool rtl8139_send(struct rtl8139 *r, size_t length, const struct offload *off);
uint32_t rtl8139_tsad_all(struct rtl8139 *r);
void rtl8139_dump_tally(struct rtl8139 *r);

/* rx.c */
/* `off`: what the host says of the frame; NULL: nothing. */
bool rtl8139_receive(struct rtl8139 *r, const uint8_t *frame, size_t length,
                     const struct offload *off);
bool rtl8139_rx_empty(struct rtl8139 *r);
void rtl8139_rx_changed(struct rtl8139 *r); /* there may be room for a frame that is held */
void rtl8139_on_retry(void *arg);
#endif
