/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DEVICES_NET_NIC_BENCH_H
#define TESTS_UNIT_DEVICES_NET_NIC_BENCH_H
#include <stdlib.h>
#include <string.h>
#include "devices/net/nic.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "tests/kit/check.h"
#include "tests/kit/net.h"
#include "tests/kit/pc.h"

/*
 * A network card on the bench, decoded and bus master, with a port that keeps what it sends; and
 * frames to send and receive, with a judge of checksums that shares nothing with the product.
 */
#define NIC_DEVFN 0x20
#define NIC_MMIO 0xe0000000u
#define NIC_IO 0xc000u
#define NIC_MAC "\x52\x54\x00\x12\x34\x56"
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

/* ---- Frames ---- */

static inline void fill_bytes(uint8_t *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 7 + seed + (i >> 8));
}

/* A plain frame of `length` bytes to `to`. */
static inline void make_frame(uint8_t *f, const void *to, size_t length, unsigned seed)
{
    memcpy(f, to, 6);
    memcpy(f + 6, "\x02\x00\x00\x00\x00\x01", 6);
    put_be16(f + 12, 0x88b5);
    if (length > 14)
        fill_bytes(f + 14, length - 14, seed);
}

/* Sums 16-bit words as RFC 1071 writes it down. */
static inline uint32_t words_sum(const uint8_t *p, size_t n, uint32_t sum)
{
    for (size_t i = 0; i < n; i++)
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static inline bool ip_sum_good(const uint8_t *f, size_t ip)
{
    return words_sum(f + ip, 4u * (f[ip] & 15), 0) == 0xffff;
}

static inline bool l4_sum_good(const uint8_t *f, size_t ip)
{
    bool v6 = f[ip] >> 4 == 6;
    size_t header = v6 ? 40 : 4u * (f[ip] & 15);
    size_t bytes = v6 ? get_be16(f + ip + 4) : get_be16(f + ip + 2) - header;
    uint32_t sum = v6 ? words_sum(f + ip + 8, 32, 0) : words_sum(f + ip + 12, 8, 0);

    sum += f[ip + (v6 ? 6 : 9)] + (uint32_t)bytes;
    return words_sum(f + ip + header, bytes, sum) == 0xffff;
}

/* IPv4 with TCP (6) or UDP (17), lengths right, checksums zero. Returns its length. */
static inline size_t make_ipv4(uint8_t *f, uint8_t protocol, size_t payload, unsigned seed)
{
    size_t header = protocol == 6 ? 20 : 8;

    memset(f, 0, 54);
    memcpy(f, NIC_MAC, 6);
    memcpy(f + 6, "\x02\x00\x00\x00\x00\x01", 6);
    put_be16(f + 12, 0x0800);
    f[14] = 0x45;
    put_be16(f + 16, (uint16_t)(20 + header + payload));
    put_be16(f + 18, 0x1234);
    f[22] = 64;
    f[23] = protocol;
    memcpy(f + 26, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
    put_be16(f + 34, 1000);
    put_be16(f + 36, 2000);
    if (protocol == 6) {
        put_be32(f + 38, 0x11223344);
        f[46] = 0x50;
        f[47] = 0x19; /* ACK, PSH, FIN */
        put_be16(f + 48, 0x2000);
    } else {
        put_be16(f + 38, (uint16_t)(8 + payload));
    }
    fill_bytes(f + 34 + header, payload, seed);
    return 34 + header + payload;
}

static inline void sum_ipv4(uint8_t *f)
{
    size_t l4 = 14 + 4u * (f[14] & 15), bytes = get_be16(f + 16) - (l4 - 14);
    unsigned at = f[23] == 6 ? 16 : 6;

    put_be16(f + 24, 0);
    put_be16(f + 24, (uint16_t)~words_sum(f + 14, l4 - 14, 0));
    put_be16(f + l4 + at, 0);
    put_be16(f + l4 + at,
             (uint16_t)~words_sum(f + l4, bytes, words_sum(f + 26, 8, f[23] + (uint32_t)bytes)));
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
