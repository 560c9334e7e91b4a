/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DEVICES_NET_E1000_BENCH_H
#define TESTS_UNIT_DEVICES_NET_E1000_BENCH_H
#include "tests/unit/devices/net/nic_bench.h"

/* Registers as drivers name them, and a driver's moves. */
enum {
    CTRL = 0x0000,
    STATUS = 0x0008,
    EECD = 0x0010,
    EERD = 0x0014,
    MDIC = 0x0020,
    VET = 0x0038,
    ICR = 0x00c0,
    ITR = 0x00c4,
    ICS = 0x00c8,
    IMS = 0x00d0,
    IMC = 0x00d8,
    RCTL = 0x0100,
    TCTL = 0x0400,
    TIPG = 0x0410,
    LEDCTL = 0x0e00,
    PBA = 0x1000,
    RDBAL = 0x2800,
    RDBAH = 0x2804,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    RDTR = 0x2820,
    RADV = 0x282c,
    TDBAL = 0x3800,
    TDBAH = 0x3804,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    TIDV = 0x3820,
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
    ROC = 0x40ac,
    TPR = 0x40d0,
    TPT = 0x40d4,
    PTC64 = 0x40d8,
    TSCTC = 0x40f8,
    RXCSUM = 0x5000,
    MTA = 0x5200,
    RAL = 0x5400,
    RAH = 0x5404,
    VFTA = 0x5600,
};

#define INT_TXDW 0x01u
#define INT_TXQE 0x02u
#define INT_LSC 0x04u
#define INT_RXDMT0 0x10u
#define INT_RXO 0x40u
#define INT_RXT0 0x80u
#define RCTL_EN 0x00000002u
#define RCTL_UPE 0x00000008u
#define RCTL_MPE 0x00000010u
#define RCTL_LPE 0x00000020u
#define RCTL_LBM 0x000000c0u
#define RCTL_BAM 0x00008000u
#define RCTL_VFE 0x00040000u
#define RCTL_SECRC 0x04000000u
#define CTRL_VME 0x40000000u

#define TX_RING 0x10000u
#define RX_RING 0x20000u
#define TX_BUFFER 0x200000u
#define RX_BUFFER 0x400000u
#define RING 64u /* descriptors */

/* Bits of a transmit descriptor's second half. */
#define EOP (0x01ull << 24)
#define IC (0x04ull << 24)
#define TSE (0x04ull << 24)
#define RS (0x08ull << 24)
#define DEXT (0x20ull << 24)
#define VLE (0x40ull << 24)
#define IDE (0x80ull << 24)
#define DATA (1ull << 20)
#define IXSM (0x01ull << 40)
#define TXSM (0x02ull << 40)

static inline uint32_t rd(struct nic *n, unsigned at)
{
    return (uint32_t)pc_mmio_read(&n->pc, NIC_MMIO + at, 4);
}
static inline void wr(struct nic *n, unsigned at, uint32_t v)
{
    pc_mmio_write(&n->pc, NIC_MMIO + at, 4, v);
}

static inline void start_tx(struct nic *n)
{
    wr(n, TDBAL, TX_RING);
    wr(n, TDBAH, 0);
    wr(n, TDLEN, RING * 16);
    wr(n, TDH, 0);
    wr(n, TDT, 0);
    wr(n, TCTL, 0x0004010a);
}

static inline void put_tx(struct nic *n, unsigned i, uint64_t addr, uint64_t rest)
{
    uint8_t d[16];

    put_le64(d, addr);
    put_le64(d + 8, rest);
    pc_poke(&n->pc, TX_RING + 16 * i, d, sizeof(d));
}

static inline uint8_t tx_status(struct nic *n, unsigned i)
{
    uint8_t v;

    pc_peek(&n->pc, TX_RING + 16 * i + 12, &v, 1);
    return v;
}

/* A context descriptor. `tse`: for segmentation. */
struct context {
    uint8_t ipcss, ipcso, tucss, tucso;
    uint16_t ipcse, tucse;
    bool tse, v6;
    uint8_t hdrlen, tucmd;
    uint16_t mss;
    uint32_t paylen;
};

static inline void put_context(struct nic *n, unsigned i, const struct context *c)
{
    uint8_t d[16] = { c->ipcss, c->ipcso };
    uint8_t tucmd = (uint8_t)(0x21 | (c->v6 ? 0 : 2) | (c->tse ? 4 : 0));

    put_le16(d + 2, c->ipcse);
    d[4] = c->tucss;
    d[5] = c->tucso;
    put_le16(d + 6, c->tucse);
    put_le32(d + 8, c->paylen | (uint32_t)(c->tucmd ? c->tucmd : tucmd) << 24);
    d[13] = c->hdrlen;
    put_le16(d + 14, c->mss);
    pc_poke(&n->pc, TX_RING + 16 * i, d, sizeof(d));
}

/* IPv4 and TCP without options, as make_ipv4() makes them. */
static inline struct context tcp_context(size_t mss, size_t payload)
{
    return (struct context){ .ipcss = 14,
                             .ipcso = 24,
                             .ipcse = 33,
                             .tucss = 34,
                             .tucso = 50,
                             .tse = mss != 0,
                             .hdrlen = 54,
                             .mss = (uint16_t)mss,
                             .paylen = (uint32_t)payload };
}

/* A legacy descriptor at the tail that sends `f`. */
static inline void send_legacy(struct nic *n, const uint8_t *f, size_t length, uint64_t more)
{
    unsigned tail = rd(n, TDT);

    pc_poke(&n->pc, TX_BUFFER, f, length);
    put_tx(n, tail, TX_BUFFER, length | EOP | RS | more);
    wr(n, TDT, (tail + 1) % RING);
}

/* ---- Receiving ---- */

static inline void start_rx(struct nic *n, uint32_t rctl)
{
    for (unsigned i = 0; i < RING; i++) {
        uint8_t d[16] = { 0 };

        put_le64(d, RX_BUFFER + 0x4000 * i);
        pc_poke(&n->pc, RX_RING + 16 * i, d, sizeof(d));
    }
    wr(n, RDBAL, RX_RING);
    wr(n, RDBAH, 0);
    wr(n, RDLEN, RING * 16);
    wr(n, RDH, 0);
    wr(n, RDT, RING - 1);
    wr(n, RCTL, RCTL_EN | RCTL_SECRC | rctl);
}

struct rx {
    uint16_t length, special;
    uint8_t status, errors;
    uint8_t bytes[16384];
};

/* What lies in descriptor i. */
static inline void get_rx(struct nic *n, unsigned i, struct rx *r)
{
    uint8_t d[16];

    pc_peek(&n->pc, RX_RING + 16 * i, d, sizeof(d));
    r->length = get_le16(d + 8);
    r->status = d[12];
    r->errors = d[13];
    r->special = get_le16(d + 14);
    CHECK(r->length <= sizeof(r->bytes));
    pc_peek(&n->pc, get_le64(d), r->bytes, r->length);
}

/* Delivers, and says whether the card took it in: the head has moved. The ring is kept full. */
static inline bool takes(struct nic *n, const uint8_t *f, size_t length)
{
    unsigned head = rd(n, RDH), moved;

    net_deliver(&n->net, f, length, NULL);
    moved = (rd(n, RDH) + RING - head) % RING;
    wr(n, RDT, (rd(n, RDT) + moved) % RING);
    return moved != 0;
}
#endif
