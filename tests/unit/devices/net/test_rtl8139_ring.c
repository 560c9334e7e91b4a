/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sending by four descriptors, receiving into the ring buffer, filters, loopback. */
#include "tests/unit/devices/net/rtl8139_bench.h"

#define ALL_CAST "\xff\xff\xff\xff\xff\xff"
#define PROMISCUOUS 0x01
#define MATCH 0x02
#define MULTICAST 0x04
#define BROADCAST 0x08
#define WRAP 0x80

static void send_by(struct nic *n, unsigned i, unsigned seed, uint32_t length)
{
    uint8_t f[2048];

    make_frame(f, "\x02\x00\x00\x00\x00\x02", length, seed);
    pc_poke(&n->pc, TX_BUFFER + 0x1000 * i, f, length);
    w32(n, TSAD + 4 * i, TX_BUFFER + 0x1000 * i);
    w32(n, TSD + 4 * i, length | 0x00030000);
}

TEST(four_descriptors_send_in_turn)
{
    struct nic n;
    uint8_t f[1514];

    nic_open(&n, &rtl8139_class, false);
    start_ring(&n, 0, 0x0f);
    for (unsigned i = 0; i < 9; i++) {
        send_by(&n, i % 4, i, 60 + 100 * i);
        CHECK_EQ(n.net.count, i + 1);
        make_frame(f, "\x02\x00\x00\x00\x00\x02", 60 + 100 * i, i);
        CHECK_EQ(n.net.sent[i].length, 60 + 100 * i);
        CHECK_MEM(n.net.sent[i].bytes, f, 60 + 100 * i);
        CHECK_EQ(r32(&n, TSD + 4 * (i % 4)) & 0xe000, 0xa000);
        CHECK(nic_irq(&n));
        CHECK_EQ(r16(&n, ISR), 0x0004);
        w16(&n, ISR, 0x0004);
        CHECK(!nic_irq(&n));
    }
    CHECK_EQ(r16(&n, TSADS), 0xf00f);
    nic_close(&n);
}

TEST(descriptors_written_out_of_turn_wait_for_theirs)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    start_ring(&n, 0, 0x0f);
    send_by(&n, 1, 1, 64);
    CHECK_EQ(n.net.count, 0);
    CHECK_EQ(r32(&n, TSD + 4) & 0x2000, 0);
    send_by(&n, 0, 0, 64);
    CHECK_EQ(n.net.count, 2);
    nic_close(&n);
}

TEST(a_full_host_delays_and_loses_nothing)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    start_ring(&n, 0, 0x0f);
    n.net.room = 1;
    for (unsigned i = 0; i < 4; i++)
        send_by(&n, i, i, 100);
    CHECK_EQ(n.net.count, 1);
    CHECK_EQ(r16(&n, TSADS), 0x1001);
    n.net.room = 64;
    net_writable(&n.net);
    CHECK_EQ(n.net.count, 4);
    CHECK_EQ(r16(&n, TSADS), 0xf00f);
    nic_close(&n);
}

TEST(a_packet_too_long_is_aborted_and_one_too_short_goes_nowhere)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    start_ring(&n, 0, 0x0f);
    w32(&n, TSAD, TX_BUFFER);
    w32(&n, TSD, 0x1fff);
    CHECK_EQ(n.net.count, 0);
    CHECK_EQ(r16(&n, ISR), 0x0008);
    CHECK_EQ(r32(&n, TSD) & 0x4000a000, 0x40002000);
    w32(&n, TSD + 4, 0);
    CHECK_EQ(n.net.count, 0);
    CHECK_EQ(r32(&n, TSD + 4) & 0x2000, 0x2000);
    nic_close(&n);
}

TEST(nothing_is_sent_while_disabled_or_not_bus_master)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    send_by(&n, 0, 0, 64);
    CHECK_EQ(n.net.count, 0);
    start_ring(&n, 0, 0x0f);
    pc_config_write(&n.pc, NIC_DEVFN, 4, 2, 3);
    send_by(&n, 0, 0, 64);
    CHECK_EQ(n.net.count, 0);
    nic_close(&n);
}

/* ---- Receiving ---- */

struct reader {
    struct nic *n;
    uint32_t at, size;
    bool wraps; /* RCR's WRAP: packets go on behind the end */
};

static void read_ring(struct reader *r, uint32_t at, uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pc_peek(&r->n->pc, RX_BUFFER + (r->wraps ? at + i : (at + i) % r->size), bytes + i, 1);
}

/* The next packet, as 8139too takes it; its status. */
static unsigned next_packet(struct reader *r, uint8_t *f, size_t *length)
{
    uint8_t h[4];

    CHECK(!(r8(r->n, CR) & 1));
    read_ring(r, r->at, h, 4);
    *length = get_le16(h + 2) - 4u;
    CHECK(*length <= 4092);
    read_ring(r, r->at + 4, f, *length);
    r->at = (uint32_t)((r->at + 4 + *length + 4 + 3) & ~3u) % r->size;
    w16(r->n, CAPR, (uint16_t)(r->at - 16));
    return get_le16(h);
}

TEST(frames_come_through_the_ring_whole_in_every_size_of_it)
{
    for (unsigned mode = 0; mode < 8; mode++) {
        struct nic n;
        struct reader r = { &n, 0, 8192u << (mode & 3), mode & 4 && (mode & 3) != 3 };
        uint8_t f[1514], got[4096];
        size_t length;

        nic_open(&n, &rtl8139_class, false);
        start_ring(&n, mode & 3, 0x0a | (mode & 4 ? WRAP : 0));
        for (unsigned i = 0; i < 150; i++) {
            size_t want = 60 + i * 97 % 1455;

            make_frame(f, NIC_MAC, want, i);
            CHECK(net_deliver(&n.net, f, want, NULL));
            CHECK(nic_irq(&n));
            CHECK_EQ(next_packet(&r, got, &length), 0x4001);
            CHECK_EQ(length, want);
            CHECK_MEM(got, f, want);
            CHECK_EQ(r8(&n, CR) & 1, 1);
            CHECK_EQ(r16(&n, CBR), (uint16_t)r.at);
            w16(&n, ISR, 1);
        }
        nic_close(&n);
    }
}

TEST(short_frames_are_padded_as_a_wire_pads_them)
{
    struct nic n;
    struct reader r = { &n, 0, 8192, false };
    uint8_t f[60] = { 0 }, got[4096];
    size_t length;

    nic_open(&n, &rtl8139_class, false);
    start_ring(&n, 0, 0x0f);
    make_frame(f, NIC_MAC, 42, 1);
    CHECK(net_deliver(&n.net, f, 42, NULL));
    next_packet(&r, got, &length);
    CHECK_EQ(length, 60);
    memset(f + 42, 0, 18);
    CHECK_MEM(got, f, 60);
    nic_close(&n);
}

TEST(a_full_ring_keeps_frames_at_the_host_until_capr_moves)
{
    struct nic n;
    struct reader r = { &n, 0, 8192, false };
    uint8_t f[1514], got[4096];
    size_t length;
    unsigned in = 0, accepts;

    nic_open(&n, &rtl8139_class, false);
    start_ring(&n, 0, 0x0f);
    for (;; in++) {
        make_frame(f, NIC_MAC, 1514, in);
        if (!net_deliver(&n.net, f, 1514, NULL))
            break;
    }
    CHECK_EQ(in, 5);
    CHECK(r16(&n, ISR) & 0x0010);
    w16(&n, ISR, 0xffff);
    CHECK(!net_deliver(&n.net, f, 1514, NULL));
    CHECK(!(r16(&n, ISR) & 0x0010)); /* said once */
    accepts = n.net.accepts;
    for (unsigned i = 0; i < 5; i++) {
        next_packet(&r, got, &length);
        make_frame(f, NIC_MAC, 1514, i);
        CHECK_MEM(got, f, 1514);
    }
    CHECK(n.net.accepts >= accepts + 5);
    CHECK_EQ(r8(&n, CR) & 1, 1);
    CHECK(net_deliver(&n.net, f, 1514, NULL));
    nic_close(&n);
}

TEST(a_restarted_receiver_begins_at_the_rings_start)
{
    struct nic n;
    uint8_t f[100], h[4];

    nic_open(&n, &rtl8139_class, false);
    start_ring(&n, 0, 0x0f);
    make_frame(f, NIC_MAC, 100, 1);
    CHECK(net_deliver(&n.net, f, 100, NULL));
    CHECK_EQ(r8(&n, CR) & 1, 0);
    w8(&n, CR, TE);
    w8(&n, CR, TE | RE);
    CHECK_EQ(r8(&n, CR) & 1, 1);
    memset(h, 0, sizeof(h));
    pc_poke(&n.pc, RX_BUFFER, h, 4);
    CHECK(net_deliver(&n.net, f, 100, NULL));
    pc_peek(&n.pc, RX_BUFFER, h, 4);
    CHECK_EQ(get_le32(h), 104 << 16 | 0x4001);
    nic_close(&n);
}

static bool arrives(struct nic *n, const void *to)
{
    uint8_t f[64];
    uint16_t before = r16(n, CBR);

    make_frame(f, to, 64, 0);
    CHECK(net_deliver(n->net.port ? &n->net : NULL, f, 64, NULL));
    if (r16(n, CBR) == before)
        return false;
    w16(n, CAPR, (uint16_t)(r16(n, CBR) - 16));
    return true;
}

TEST(filters_take_what_rcr_says)
{
    static const uint8_t other[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x57 };
    static const uint8_t group[6] = { 0x01, 0x00, 0x5e, 0x00, 0x00, 0x01 };
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    start_ring(&n, 0, 0);
    w32(&n, MAR, ~0u);
    w32(&n, MAR + 4, ~0u);
    for (unsigned mask = 0; mask < 16; mask++) {
        w32(&n, RCR, mask);
        CHECK_EQ(arrives(&n, NIC_MAC), (mask & (MATCH | PROMISCUOUS)) != 0);
        CHECK_EQ(arrives(&n, other), (mask & PROMISCUOUS) != 0);
        CHECK_EQ(arrives(&n, group), (mask & MULTICAST) != 0);
        CHECK_EQ(arrives(&n, ALL_CAST), (mask & BROADCAST) != 0);
    }
    w32(&n, RCR, MATCH);
    w32(&n, IDR + 4, 0x5734);
    CHECK(arrives(&n, other)); /* the address is what IDR says now */
    CHECK(!arrives(&n, NIC_MAC));
    nic_close(&n);
}

/* As Linux's ether_crc(): the CRC of 802.3 with its bits in the order of the wire. */
static unsigned hash_of(const uint8_t *mac)
{
    uint32_t crc = ~0u, reversed = 0;

    for (unsigned i = 0; i < 6; i++) {
        crc ^= mac[i];
        for (unsigned k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    for (unsigned k = 0; k < 32; k++)
        reversed |= (crc >> k & 1) << (31 - k);
    return reversed >> 26;
}

TEST(the_multicast_hash_takes_exactly_its_bit)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    start_ring(&n, 0, MULTICAST);
    for (unsigned i = 0; i < 40; i++) {
        uint8_t group[6] = { 0x33, 0x33, 0, 1, (uint8_t)(i * 5), (uint8_t)(i * 77) };
        unsigned bit = hash_of(group);

        for (unsigned half = 0; half < 2; half++)
            w32(&n, MAR + 4 * half, bit / 32 == half ? 1u << bit % 32 : 0);
        CHECK(arrives(&n, group));
        for (unsigned half = 0; half < 2; half++)
            w32(&n, MAR + 4 * half, ~(bit / 32 == half ? 1u << bit % 32 : 0));
        CHECK(!arrives(&n, group));
    }
    nic_close(&n);
}

TEST(the_kind_of_address_is_in_the_packets_status)
{
    struct nic n;
    struct reader r = { &n, 0, 8192, false };
    uint8_t f[64], got[4096];
    size_t length;

    nic_open(&n, &rtl8139_class, false);
    start_ring(&n, 0, 0x0f);
    w32(&n, MAR, ~0u);
    w32(&n, MAR + 4, ~0u);
    make_frame(f, NIC_MAC, 64, 0);
    CHECK(net_deliver(&n.net, f, 64, NULL));
    CHECK_EQ(next_packet(&r, got, &length), 0x4001);
    memcpy(f, ALL_CAST, 6);
    CHECK(net_deliver(&n.net, f, 64, NULL));
    CHECK_EQ(next_packet(&r, got, &length), 0x2001);
    f[5] = 0;
    CHECK(net_deliver(&n.net, f, 64, NULL));
    CHECK_EQ(next_packet(&r, got, &length), 0x8001);
    nic_close(&n);
}

TEST(loopback_returns_to_the_ring_what_is_sent)
{
    struct nic n;
    struct reader r = { &n, 0, 8192, false };
    uint8_t f[300], got[4096];
    size_t length;

    nic_open(&n, &rtl8139_class, false);
    start_ring(&n, 0, 0x0f);
    w32(&n, TCR, 0x00060000);
    for (unsigned i = 0; i < 20; i++) {
        make_frame(f, NIC_MAC, 300, i);
        pc_poke(&n.pc, TX_BUFFER, f, 300);
        w32(&n, TSAD + 4 * (i % 4), TX_BUFFER);
        w32(&n, TSD + 4 * (i % 4), 300);
        CHECK_EQ(r16(&n, ISR), 0x0005);
        w16(&n, ISR, 0xffff);
        next_packet(&r, got, &length);
        CHECK_EQ(length, 300);
        CHECK_MEM(got, f, 300);
    }
    make_frame(f, NIC_MAC, 100, 1);
    CHECK(net_deliver(&n.net, f, 100, NULL)); /* the wire is not heard */
    CHECK_EQ(r8(&n, CR) & 1, 1);
    CHECK_EQ(n.net.count, 0);
    nic_close(&n);
}

TEST(loopback_into_a_full_ring_counts_what_it_misses)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    start_ring(&n, 0, 0x0f);
    w32(&n, TCR, 0x00060000);
    for (unsigned i = 0; i < 20; i++) {
        uint8_t f[1514];

        make_frame(f, NIC_MAC, 1514, i);
        pc_poke(&n.pc, TX_BUFFER, f, 1514);
        w32(&n, TSAD + 4 * (i % 4), TX_BUFFER);
        w32(&n, TSD + 4 * (i % 4), 1514);
        CHECK_EQ(r32(&n, TSD + 4 * (i % 4)) & 0x8000, 0x8000);
    }
    CHECK_EQ(r32(&n, MPC), 15);
    w32(&n, MPC, 0);
    CHECK_EQ(r32(&n, MPC), 0);
    nic_close(&n);
}

TEST(dma_to_the_cards_own_registers_reaches_nothing)
{
    struct nic n;
    uint8_t f[200];

    nic_open(&n, &rtl8139_class, false);
    start_ring(&n, 0, 0x0f);
    w32(&n, RBSTART, NIC_MMIO);
    make_frame(f, NIC_MAC, 200, 0);
    CHECK(net_deliver(&n.net, f, 200, NULL));
    CHECK_EQ(r32(&n, IDR), 0x12005452);
    w32(&n, TSAD, NIC_MMIO);
    w32(&n, TSD, 200);
    CHECK_EQ(n.net.count, 1);
    for (unsigned i = 0; i < 200; i++)
        CHECK_EQ(n.net.sent[0].bytes[i], 0xff);
    w32(&n, RBSTART, 0xffffffff);
    CHECK(net_deliver(&n.net, f, 200, NULL));
    nic_close(&n);
}

TEST(a_card_restored_elsewhere_sends_what_the_host_had_no_room_for)
{
    struct nic n, m;

    nic_open(&n, &rtl8139_class, false);
    start_ring(&n, 0, 0x0f);
    n.net.room = 1;
    for (unsigned i = 0; i < 4; i++)
        send_by(&n, i, i, 100);
    CHECK_EQ(n.net.count, 1);
    nic_move(&m, &n, &rtl8139_class);
    pc_settle(&m.pc);
    CHECK_EQ(m.net.count, 3);
    CHECK_EQ(r16(&m, TSADS), 0xf00f);
    nic_close(&m);
}
