/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DEVICES_NET_NIC_BENCH_H
#define TESTS_UNIT_DEVICES_NET_NIC_BENCH_H
#include <stdlib.h>
#include <string.h>
#include "devices/net/nic.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "tests/kit/check.h"
#include "tests/kit/frames.h"
#include "tests/kit/net.h"
#include "tests/kit/pc.h"

/*
 * A network card on the bench, decoded and bus master, with a port that keeps what it sends.
 */
#define NIC_DEVFN 0x20
#define NIC_MMIO 0xe0000000u
#define NIC_IO 0xc000u
#define NIC_OPTIONS "addr=04.0,mac=52:54:00:12:34:56,netdev=net0"

struct nic {
    struct pc pc;
    struct net net;
    struct device *dev;
};

static inline void nic_decode(struct nic *n)
{
    bool io_first = pc_config_read(&n->pc, NIC_DEVFN, 0x10, 4) & 1;

    pc_config_write(&n->pc, NIC_DEVFN, io_first ? 0x14 : 0x10, 4, NIC_MMIO);
    pc_config_write(&n->pc, NIC_DEVFN, io_first ? 0x10 : 0x14, 4, NIC_IO);
    pc_config_write(&n->pc, NIC_DEVFN, 4, 2, 7);
}

static inline void nic_open(struct nic *n, const struct device_class *cls, bool offloads)
{
    pc_open(&n->pc);
    net_open(&n->net, "net0", offloads);
    pc_give(&n->pc, "netport", "net0", n->net.port);
    n->dev = pc_plug(&n->pc, cls, NIC_OPTIONS);
    nic_decode(n);
}

static inline void nic_close(struct nic *n)
{
    pc_close(&n->pc);
    net_close(&n->net);
}

static inline bool nic_irq(struct nic *n)
{
    return n->pc.intx[4][0];
}

/*
 * What is on the wire is a cut of the frame `whole` (IPv4, TCP, no options) into pieces of `mss`:
 * payload, sequence numbers, flags, lengths, identifiers and checksums. `tag`: bytes of VLAN tag.
 */
static inline void check_segments(struct nic *n, const uint8_t *whole, size_t length, size_t mss,
                                  size_t tag)
{
    size_t at = 54;
    unsigned i = 0;

    for (; at < length; i++) {
        const uint8_t *s = n->net.sent[i].bytes;
        size_t piece = MIN(mss, length - at);
        bool last = at + piece == length;

        CHECK(i < n->net.count && i < NET_FRAMES);
        CHECK_EQ(n->net.sent[i].length, 54 + tag + piece);
        CHECK_MEM(s, whole, 12);
        s += tag;
        CHECK_EQ(get_be16(s + 16), 40 + piece);
        CHECK_EQ(get_be16(s + 18), 0x1234 + i);
        CHECK(ip_sum_good(s, 14));
        CHECK_MEM(s + 26, whole + 26, 12);
        CHECK_EQ(get_be32(s + 38), 0x11223344 + (at - 54));
        CHECK_EQ(s[47], last ? 0x19 : 0x10);
        CHECK(l4_sum_good(s, 14));
        CHECK_MEM(s + 54, whole + at, piece);
        at += piece;
    }
    CHECK_EQ(n->net.count, i);
}

/* ---- Save and restore ---- */

/* A second bench with a card in the state of the first one's, and the same memory. */
static inline void nic_move(struct nic *to, struct nic *from, const struct device_class *cls)
{
    size_t bytes = cls->regs_size;
    uint8_t *state = malloc(bytes), *ram = malloc(PC_RAM);
    struct error err = { "" };

    for (const struct saved_field *f = cls->saved; f->name; f++)
        memcpy(state + f->offset, (uint8_t *)device_regs(from->dev) + f->offset,
               f->size * f->count);
    for (size_t at = 0; at < PC_RAM; at += MIB)
        if (at != 0)
            pc_peek(&from->pc, at, ram + at, MIB);
    pc_peek(&from->pc, 0, ram, 0xa0000);
    nic_close(from);
    pc_open(&to->pc);
    net_open(&to->net, "net0", false);
    pc_give(&to->pc, "netport", "net0", to->net.port);
    to->dev = pc_plug(&to->pc, cls, NIC_OPTIONS);
    for (size_t at = MIB; at < PC_RAM; at += MIB)
        pc_poke(&to->pc, at, ram + at, MIB);
    pc_poke(&to->pc, 0, ram, 0xa0000);
    memcpy(device_regs(to->dev), state, bytes);
    CHECK_EQ(device_check_regs(to->dev, &err), 0);
    free(state);
    free(ram);
}

/* ---- Chaos ---- */

static inline uint32_t nic_random(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

/*
 * Random registers, frames, descriptors and times; the card may do anything but harm us. Every
 * value is likely to be an address in RAM, a small number, or noise.
 */
static inline void nic_chaos(struct nic *n, unsigned seed, unsigned times, unsigned span)
{
    uint32_t x = seed * 2654435761u + 1;
    uint8_t frame[1600];

    for (unsigned i = 0; i < times; i++) {
        unsigned size = 1u << nic_random(&x) % 3;
        uint32_t at = nic_random(&x) % span & ~(size - 1), v = nic_random(&x);

        if (v % 3 == 0)
            v = nic_random(&x) % PC_RAM & ~0xffu;
        else if (v % 3 == 1)
            v = nic_random(&x) & 0xff;
        switch (nic_random(&x) % 16) {
        case 0:
            make_frame(frame, v & 1 ? NIC_MAC : "\xff\xff\xff\xff\xff\xff",
                       14 + nic_random(&x) % 1500, v);
            net_deliver(&n->net, frame, 14 + v % 1500, NULL);
            break;
        case 1:
            pc_poke(&n->pc, nic_random(&x) % (PC_RAM - 8), &v, 4);
            break;
        case 2:
            pc_crank(&n->pc, v % NS_PER_MS);
            net_forget(&n->net);
            break;
        case 3:
            nic_decode(n);
            n->net.room = v % 7;
            net_writable(&n->net);
            break;
        case 4:
        case 5:
        case 6:
            pc_mmio_read(&n->pc, NIC_MMIO + at, size);
            break;
        case 7:
            pc_out32(&n->pc, NIC_IO + at % 256 / 4 * 4, v);
            break;
        default:
            pc_mmio_write(&n->pc, NIC_MMIO + at, size, v);
        }
    }
    pc_settle(&n->pc);
}

/* After chaos and a reset the card is as it was when it was fresh. */
static inline void nic_check_chaos(struct nic *n, unsigned seed, unsigned times, unsigned span)
{
    size_t bytes = device_class_of(n->dev)->regs_size;
    uint8_t *fresh = malloc(bytes);

    device_reset(n->dev);
    pc_crank(&n->pc, NS_PER_SEC);
    memcpy(fresh, device_regs(n->dev), bytes);
    nic_decode(n);
    nic_chaos(n, seed, times, span);
    device_reset(n->dev);
    pc_crank(&n->pc, NS_PER_SEC);
    CHECK_MEM(device_regs(n->dev), fresh, bytes);
    free(fresh);
}

/* A saved state of noise, the PCI part aside, is refused or does no harm. */
static inline void nic_check_noise(const struct device_class *cls, unsigned seed, unsigned span)
{
    struct nic n;
    uint32_t x = seed * 2654435761u + 1;
    uint8_t *regs;

    nic_open(&n, cls, seed & 1);
    regs = device_regs(n.dev);
    for (const struct saved_field *f = cls->saved; f->name; f++)
        for (size_t i = 0; i < (size_t)f->size * f->count && strncmp(f->name, "pci.", 4); i++)
            regs[f->offset + i] =
                (uint8_t)(nic_random(&x) & (f->size == 1 && f->count < 8 ? 7 : 255));
    if (device_check_regs(n.dev, NULL) == 0)
        nic_chaos(&n, seed, 3000, span);
    nic_close(&n);
}
#endif
