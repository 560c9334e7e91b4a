/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_NET_E1000_INTERNAL_H
#define DEVICES_NET_E1000_INTERNAL_H
#include "devices/pci/function.h"
#include "dm/base/loop.h"
#include "dm/net/netport.h"

/*
 * What the rooms of the e1000 share. Document: Intel "PCI/PCI-X Family of Gigabit Ethernet
 * Controllers Software Developer's Manual" (8254x), "Register Descriptions"; names are its own.
 */

/* Offsets in the register space (128 KiB). */
enum {
    CTRL = 0x0000,
    STATUS = 0x0008,
    EECD = 0x0010,
    EERD = 0x0014,
    CTRL_EXT = 0x0018,
    FLA = 0x001c,
    MDIC = 0x0020,
    FCAL = 0x0028,
    FCAH = 0x002c,
    FCT = 0x0030,
    VET = 0x0038,
    ICR = 0x00c0,
    ITR = 0x00c4,
    ICS = 0x00c8,
    IMS = 0x00d0,
    IMC = 0x00d8,
    RCTL = 0x0100,
    FCTTV = 0x0170,
    TXCW = 0x0178,
    RXCW = 0x0180,
    TCTL = 0x0400,
    TIPG = 0x0410,
    AIFS = 0x0458,
    LEDCTL = 0x0e00,
    PBA = 0x1000,
    FCRTL = 0x2160,
    FCRTH = 0x2168,
    RDFH = 0x2410,
    RDFT = 0x2418,
    RDFHS = 0x2420,
    RDFTS = 0x2428,
    RDFPC = 0x2430,
    RDBAL = 0x2800,
    RDBAH = 0x2804,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    RDTR = 0x2820,
    RXDCTL = 0x2828,
    RADV = 0x282c,
    RSRPD = 0x2c00,
    TXDMAC = 0x3000,
    TDFH = 0x3410,
    TDFT = 0x3418,
    TDFHS = 0x3420,
    TDFTS = 0x3428,
    TDFPC = 0x3430,
    TDBAL = 0x3800,
    TDBAH = 0x3804,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    TIDV = 0x3820,
    TXDCTL = 0x3828,
    TADV = 0x382c,
    TSPMT = 0x3830,
    CRCERRS = 0x4000,
    MPC = 0x4010,
    PRC64 = 0x405c,
    GPRC = 0x4074,
    BPRC = 0x4078,
    MPRC = 0x407c,
    GPTC = 0x4080,
    GORCL = 0x4088,
    GORCH = 0x408c,
    GOTCL = 0x4090,
    GOTCH = 0x4094,
    RNBC = 0x40a0,
    RUC = 0x40a4,
    ROC = 0x40ac,
    TORL = 0x40c0,
    TORH = 0x40c4,
    TOTL = 0x40c8,
    TOTH = 0x40cc,
    TPR = 0x40d0,
    TPT = 0x40d4,
    PTC64 = 0x40d8,
    MPTC = 0x40f0,
    BPTC = 0x40f4,
    TSCTC = 0x40f8,
    STATS_END = 0x4100,
    RXCSUM = 0x5000,
    MTA = 0x5200,
    RA = 0x5400,
    VFTA = 0x5600,
    WUC = 0x5800,
    WUFC = 0x5808,
    WUS = 0x5810,
    MANC = 0x5820,
    IPAV = 0x5838,
    IP4AT = 0x5840,
    IP6AT = 0x5880,
    WUPL = 0x5900,
    WUPM = 0x5a00,
    FFLT = 0x5f00,
    FFMT = 0x9000,
    FFVT = 0x9800,
    PBM = 0x10000,
};

#define CTRL_FD 0x00000001u
#define CTRL_SLU 0x00000040u
#define CTRL_RST 0x04000000u
#define CTRL_VME 0x40000000u
#define CTRL_PHY_RST 0x80000000u
#define STATUS_FD 0x00000001u
#define STATUS_LU 0x00000002u
#define STATUS_SPEED_1000 0x00000080u
#define STATUS_ASDV_1000 0x00000300u
#define STATUS_MTXCKOK 0x00000400u

#define INT_TXDW 0x00000001u
#define INT_TXQE 0x00000002u
#define INT_LSC 0x00000004u
#define INT_RXDMT0 0x00000010u
#define INT_RXO 0x00000040u
#define INT_RXT0 0x00000080u
#define INT_MDAC 0x00000200u
#define INT_ALL 0x0001ffffu

#define RCTL_EN 0x00000002u
#define RCTL_SBP 0x00000004u
#define RCTL_UPE 0x00000008u
#define RCTL_MPE 0x00000010u
#define RCTL_LPE 0x00000020u
#define RCTL_LBM 0x000000c0u
#define RCTL_RDMTS(r) ((r) >> 8 & 3)
#define RCTL_MO(r) ((r) >> 12 & 3)
#define RCTL_BAM 0x00008000u
#define RCTL_BSIZE(r) ((r) >> 16 & 3)
#define RCTL_VFE 0x00040000u
#define RCTL_CFIEN 0x00080000u
#define RCTL_CFI 0x00100000u
#define RCTL_BSEX 0x02000000u
#define RCTL_SECRC 0x04000000u
#define TCTL_EN 0x00000002u
#define TCTL_PSP 0x00000008u
#define RXCSUM_IPOFLD 0x00000100u
#define RXCSUM_TUOFLD 0x00000200u
#define RAH_AV 0x80000000u

#define E1000_WORDS 1536 /* storage of all registers; regs.c says which is where */
#define E1000_RANGES 96
#define EEPROM_WORDS 64
#define PHY_REGS 32

/* The transmit context that a context descriptor leaves behind. */
struct e1000_context {
    uint8_t ipcss, ipcso, tucss, tucso;
    uint16_t ipcse, tucse;
    uint8_t tucmd, hdrlen;
    uint16_t mss;
    uint32_t paylen;
};

struct e1000_regs {
    struct pci_regs pci;
    uint32_t words[E1000_WORDS];
    uint16_t phy[PHY_REGS];
    uint16_t eeprom[EEPROM_WORDS];
    uint32_t ioaddr;
    uint32_t delayed; /* causes that wait for TIDV or RDTR */
    /* the EEPROM's serial line */
    uint16_t serial_in, serial_out;
    uint8_t serial_bits, serial_out_bits, serial_reading, link_wait;
    struct e1000_context context[2]; /* checksum; segmentation */
};

struct e1000 {
    struct pci_function fn;
    struct e1000_regs *regs;
    struct netport *port;
    struct loop *loop;
    struct timer throttle; /* ITR: the next interrupt may go out */
    struct timer delay;    /* TIDV, RDTR: regs->delayed is due */
    struct timer link;     /* auto-negotiation */
    struct timer more;     /* the rest of a ring, when others have had a turn */
    uint64_t delay_due;
    uint64_t last_irq;
    bool tx_waiting; /* the host had no room: go on when it is writable */
    bool rx_held;    /* the host keeps a frame for which there was no room */
    unsigned in_receive;
    uint8_t *range_of; /* regs.c: which range holds a register */
    uint16_t base[E1000_RANGES];
    uint8_t *buffer; /* one frame, of TX_MOST bytes */
};

/* A register's storage, by the document's offset: named ones only. */
uint32_t *e1000_reg(struct e1000 *e, uint32_t offset);
static inline uint32_t e1000_get(struct e1000 *e, uint32_t offset)
{
    return *e1000_reg(e, offset);
}
static inline void e1000_set(struct e1000 *e, uint32_t offset, uint32_t value)
{
    *e1000_reg(e, offset) = value;
}

/* regs.c */
extern const struct region_ops e1000_mmio_ops, e1000_io_ops;
bool e1000_map_regs(struct e1000 *e); /* false: out of memory */
void e1000_reset_regs(struct e1000 *e);
void e1000_count(struct e1000 *e, uint32_t counter, uint32_t by); /* sticks at the most */
void e1000_count64(struct e1000 *e, uint32_t low, uint32_t by);

/* interrupt.c */
void e1000_cause(struct e1000 *e, uint32_t causes);
void e1000_cause_later(struct e1000 *e, uint32_t causes, uint32_t ns);
void e1000_update_irq(struct e1000 *e);
uint32_t e1000_read_icr(struct e1000 *e);
void e1000_on_throttle(void *arg);
void e1000_on_delay(void *arg);

/* phy.c: the PHY behind MDIC, the EEPROM behind EECD and EERD, the link */
void e1000_phy_reset(struct e1000 *e);
void e1000_eeprom_fill(struct e1000 *e, const uint8_t mac[6]);
void e1000_write_mdic(struct e1000 *e, uint32_t value);
void e1000_write_eecd(struct e1000 *e, uint32_t value);
uint32_t e1000_read_eecd(struct e1000 *e);
void e1000_write_eerd(struct e1000 *e, uint32_t value);
void e1000_link_changed(struct e1000 *e);
void e1000_on_link(void *arg);
bool e1000_link_up(struct e1000 *e);
bool e1000_in_loopback(struct e1000 *e);

/* tx.c, rx.c */
#define TX_MOST (65536 + 256)
void e1000_transmit(struct e1000 *e);
void e1000_on_more(void *arg);
bool e1000_receive(struct e1000 *e, const uint8_t *frame, size_t length, const struct offload *off);
void e1000_rx_changed(struct e1000 *e); /* RDT or RCTL was written: there may be room */
#endif
