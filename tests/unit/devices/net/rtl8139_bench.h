/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DEVICES_NET_RTL8139_BENCH_H
#define TESTS_UNIT_DEVICES_NET_RTL8139_BENCH_H
#include "tests/unit/devices/net/nic_bench.h"

/* Registers as drivers name them, and a driver's moves. */
enum {
    IDR = 0x00,
    MAR = 0x08,
    TSD = 0x10,
    TSAD = 0x20,
    RBSTART = 0x30,
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
    CONFIG5 = 0xd8,
    TSADS = 0x60,
    BMCR = 0x62,
    BMSR = 0x64,
    ANAR = 0x66,
    ANLPAR = 0x68,
    TPPOLL = 0xd9,
    CPCR = 0xe0,
    RDSAR = 0xe4,
    DTCCR = 0x10,
    TNPDS = 0x20,
    THPDS = 0x28,
};
#define TE 0x04
#define RE 0x08
#define OWN 0x80000000u
#define EOR 0x40000000u
#define FS 0x20000000u
#define LS 0x10000000u
#define LARGE 0x08000000u

#define RX_BUFFER 0x100000u
#define TX_BUFFER 0x200000u
#define TX_RING 0x10000u
#define TX_HIGH_RING 0x11000u
#define RX_RING 0x12000u

static inline uint8_t r8(struct nic *n, unsigned at)
{
    return (uint8_t)pc_mmio_read(&n->pc, NIC_MMIO + at, 1);
}
static inline uint16_t r16(struct nic *n, unsigned at)
{
    return (uint16_t)pc_mmio_read(&n->pc, NIC_MMIO + at, 2);
}
static inline uint32_t r32(struct nic *n, unsigned at)
{
    return (uint32_t)pc_mmio_read(&n->pc, NIC_MMIO + at, 4);
}
static inline void w8(struct nic *n, unsigned at, uint8_t v)
{
    pc_mmio_write(&n->pc, NIC_MMIO + at, 1, v);
}
static inline void w16(struct nic *n, unsigned at, uint16_t v)
{
    pc_mmio_write(&n->pc, NIC_MMIO + at, 2, v);
}
static inline void w32(struct nic *n, unsigned at, uint32_t v)
{
    pc_mmio_write(&n->pc, NIC_MMIO + at, 4, v);
}

/* The older mode: ring buffer of 8 KiB << rblen. */
static inline void start_ring(struct nic *n, unsigned rblen, uint32_t rcr)
{
    w8(n, CR, 0x10);
    w32(n, RBSTART, RX_BUFFER);
    w8(n, CR, TE | RE);
    w32(n, RCR, rcr | rblen << 11);
    w16(n, IMR, 0xffff);
}

/* C+ mode. */
static inline void start_cplus(struct nic *n, unsigned cpcr)
{
    w8(n, CR, 0x10);
    w16(n, CPCR, (uint16_t)(cpcr | 3));
    w32(n, THPDS, TX_HIGH_RING);
    w32(n, THPDS + 4, 0);
    w32(n, RDSAR, RX_RING);
    w32(n, RDSAR + 4, 0);
    w32(n, TNPDS, TX_RING);
    w32(n, TNPDS + 4, 0);
    w8(n, CR, TE | RE);
    w32(n, RCR, 0x0000000f);
    w16(n, IMR, 0xffff);
}

static inline void put_desc(struct nic *n, uint32_t ring, unsigned i, uint32_t opts1,
                            uint32_t opts2, uint64_t addr)
{
    uint8_t d[16];

    put_le32(d, opts1);
    put_le32(d + 4, opts2);
    put_le64(d + 8, addr);
    pc_poke(&n->pc, ring + 16 * i, d, sizeof(d));
}

static inline uint32_t desc_word(struct nic *n, uint32_t ring, unsigned i, unsigned word)
{
    uint8_t d[4];

    pc_peek(&n->pc, ring + 16 * i + 4 * word, d, sizeof(d));
    return get_le32(d);
}

/* Sends `f` by one C+ descriptor, number i. */
static inline void send_cplus(struct nic *n, unsigned i, const uint8_t *f, size_t length,
                              uint32_t opts1, uint32_t opts2)
{
    pc_poke(&n->pc, TX_BUFFER, f, length);
    put_desc(n, TX_RING, i, OWN | FS | LS | opts1 | (uint32_t)length, opts2, TX_BUFFER);
    w8(n, TPPOLL, 0x40);
}
#endif
