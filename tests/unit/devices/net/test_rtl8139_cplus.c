/* SPDX-License-Identifier: GPL-2.0-or-later */
/* C+ mode: descriptor rings, checksums, large send, VLAN tags, tally counters, hostile headers. */
#include "tests/unit/devices/net/rtl8139_bench.h"

#define SUM_IP 0x00040000u
#define SUM_UDP 0x00020000u
#define SUM_TCP 0x00010000u
#define RX_CHECKSUM 0x20
#define RX_VLAN 0x40
#define MSS(n) (LARGE | (uint32_t)(n) << 16)

TEST(a_packet_in_one_descriptor_and_in_five)
{
    struct nic n;
    uint8_t f[1000];

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    make_frame(f, "\x02\x00\x00\x00\x00\x02", 1000, 1);
    send_cplus(&n, 0, f, 1000, 0, 0);
    CHECK_EQ(n.net.count, 1);
    CHECK_EQ(n.net.sent[0].length, 1000);
    CHECK_MEM(n.net.sent[0].bytes, f, 1000);
    CHECK_EQ(desc_word(&n, TX_RING, 0, 0), FS | LS | 1000);
    CHECK(r16(&n, ISR) & 0x0004);
    CHECK_EQ(r8(&n, TPPOLL), 0);
    for (unsigned i = 5; i > 0; i--)
        put_desc(&n, TX_RING, i, OWN | (i == 1 ? FS : 0) | (i == 5 ? LS : 0) | 200, 0,
                 TX_BUFFER + 200 * (i - 1));
    w8(&n, TPPOLL, 0x40);
    CHECK_EQ(n.net.count, 2);
    CHECK_MEM(n.net.sent[1].bytes, f, 1000);
    for (unsigned i = 1; i <= 5; i++)
        CHECK_EQ(desc_word(&n, TX_RING, i, 0) & OWN, 0);
    nic_close(&n);
}

TEST(a_packet_not_given_whole_waits)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    put_desc(&n, TX_RING, 0, OWN | FS | 100, 0, TX_BUFFER);
    w8(&n, TPPOLL, 0x40);
    CHECK_EQ(n.net.count, 0);
    CHECK_EQ(desc_word(&n, TX_RING, 0, 0), OWN | FS | 100);
    put_desc(&n, TX_RING, 1, OWN | LS | 100, 0, TX_BUFFER);
    w8(&n, TPPOLL, 0x40);
    CHECK_EQ(n.net.count, 1);
    CHECK_EQ(n.net.sent[0].length, 200);
    nic_close(&n);
}

TEST(the_ring_ends_where_eor_says_and_a_large_send_keeps_eor)
{
    struct nic n;
    uint8_t f[4000];
    size_t length = make_ipv4(f, 6, 3000, 1);

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    send_cplus(&n, 0, f, 100, 0, 0);
    send_cplus(&n, 1, f, length, EOR | MSS(1400), 0);
    CHECK_EQ(desc_word(&n, TX_RING, 1, 0), EOR | FS | LS | length); /* no bits of the MSS left */
    send_cplus(&n, 0, f, 100, 0, 0);
    CHECK_EQ(desc_word(&n, TX_RING, 0, 0) & OWN, 0);
    CHECK_EQ(n.net.count, 1 + 3 + 1);
    nic_close(&n);
}

TEST(the_high_priority_ring_goes_first)
{
    struct nic n;
    uint8_t f[100];

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    make_frame(f, NIC_MAC, 100, 0);
    pc_poke(&n.pc, TX_BUFFER, f, 100);
    put_desc(&n, TX_RING, 0, OWN | FS | LS | 60, 0, TX_BUFFER);
    put_desc(&n, TX_HIGH_RING, 0, OWN | FS | LS | 100, 0, TX_BUFFER);
    w8(&n, TPPOLL, 0xc0);
    CHECK_EQ(n.net.count, 2);
    CHECK_EQ(n.net.sent[0].length, 100);
    CHECK_EQ(n.net.sent[1].length, 60);
    nic_close(&n);
}

TEST(checksums_are_filled_in_by_the_card_or_left_to_a_host_that_can)
{
    for (unsigned offloads = 0; offloads < 2; offloads++)
        for (unsigned udp = 0; udp < 2; udp++) {
            struct nic n;
            uint8_t f[1514], want[1514];
            size_t length = make_ipv4(f, udp ? 17 : 6, 777, 3);

            nic_open(&n, &rtl8139_class, offloads);
            start_cplus(&n, 0);
            memcpy(want, f, length);
            sum_ipv4(want);
            put_be16(f + 24, 0xdead); /* what lies in the fields does not matter */
            put_be16(f + 34 + (udp ? 6 : 16), 0xdead);
            send_cplus(&n, 0, f, length, SUM_IP | (udp ? SUM_UDP : SUM_TCP), 0);
            CHECK_EQ(n.net.count, 1);
            CHECK(ip_sum_good(n.net.sent[0].bytes, 14));
            if (offloads) {
                CHECK(n.net.sent[0].off.needs_csum);
                CHECK_EQ(n.net.sent[0].off.csum_start, 34);
                CHECK_EQ(n.net.sent[0].off.csum_offset, udp ? 6 : 16);
            } else {
                CHECK_MEM(n.net.sent[0].bytes, want, length);
            }
            nic_close(&n);
        }
}

TEST(checksums_are_found_behind_a_tag)
{
    struct nic n;
    uint8_t f[200];
    size_t length = make_ipv4(f, 6, 100, 3) + 4;

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    memmove(f + 16, f + 12, length - 16);
    put_be32(f + 12, 0x81000005);
    send_cplus(&n, 0, f, length, SUM_IP | SUM_TCP, 0);
    CHECK(ip_sum_good(n.net.sent[0].bytes, 18));
    CHECK(l4_sum_good(n.net.sent[0].bytes, 18));
    nic_close(&n);
}

TEST(padding_behind_a_packet_is_not_summed)
{
    struct nic n;
    uint8_t f[100];

    nic_open(&n, &rtl8139_class, true);
    start_cplus(&n, 0);
    make_ipv4(f, 17, 3, 3);
    memset(f + 45, 0xee, sizeof(f) - 45);
    send_cplus(&n, 0, f, 60, SUM_IP | SUM_UDP, 0);
    CHECK(!n.net.sent[0].off.needs_csum);
    CHECK(l4_sum_good(n.net.sent[0].bytes, 14));
    nic_close(&n);
}

TEST(a_large_send_is_cut_right_to_the_byte)
{
    static const uint16_t sizes[] = { 1, 100, 536, 1448, 1460, 2047 };

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct nic n;
        uint8_t *f = malloc(65536);
        size_t payload = MIN(sizes[i] * 44u + 7u, 60000u), length = make_ipv4(f, 6, payload, i);

        nic_open(&n, &rtl8139_class, false);
        start_cplus(&n, 0);
        put_be16(f + 16, 0); /* the card knows the length */
        send_cplus(&n, 0, f, length, MSS(sizes[i]), 0);
        check_segments(&n, f, length, sizes[i], 0);
        nic_close(&n);
        free(f);
    }
}

TEST(a_host_that_segments_gets_a_large_send_whole)
{
    struct nic n;
    uint8_t f[5000];
    size_t length = make_ipv4(f, 6, 4000, 1);

    nic_open(&n, &rtl8139_class, true);
    start_cplus(&n, 0);
    send_cplus(&n, 0, f, length, MSS(1000), 0x20000 | 0x6450);
    CHECK_EQ(n.net.count, 1);
    CHECK_EQ(n.net.sent[0].length, length + 4);
    CHECK_EQ(n.net.sent[0].off.gso, GSO_TCPV4);
    CHECK_EQ(n.net.sent[0].off.gso_size, 1000);
    CHECK_EQ(n.net.sent[0].off.header_bytes, 58);
    CHECK_EQ(n.net.sent[0].off.csum_start, 38);
    CHECK_EQ(n.net.sent[0].off.csum_offset, 16);
    CHECK_EQ(get_be32(n.net.sent[0].bytes + 12), 0x81005064);
    nic_close(&n);
}

TEST(a_tag_is_inserted_before_cutting)
{
    struct nic n;
    uint8_t f[5000];
    size_t length = make_ipv4(f, 6, 4000, 1);

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    send_cplus(&n, 0, f, length, MSS(1000),
               0x20000 | 0x6450); /* tag 0x5064, bytes as on the wire */
    check_segments(&n, f, length, 1000, 4);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(get_be32(n.net.sent[i].bytes + 12), 0x81005064);
    nic_close(&n);
}

/* XSA-140: nothing but the packet's own bytes may leave, whatever its headers claim. */
TEST(xsa_140_lying_headers_leak_nothing)
{
    static const struct lie {
        unsigned at;
        uint8_t value;
    } lies[] = { { 14, 0x4f }, { 14, 0x41 }, { 14, 0x40 }, { 16, 0xff }, { 17, 0x01 },
                 { 46, 0xf0 }, { 46, 0x00 }, { 23, 17 },   { 12, 0x86 }, { 20, 0x20 } };

    for (unsigned i = 0; i < ARRAY_SIZE(lies); i++)
        for (size_t length = 14; length <= 74; length += 3) {
            struct nic n;
            uint8_t f[128], secret[2000];

            nic_open(&n, &rtl8139_class, false);
            start_cplus(&n, 0);
            memset(secret, 0x5a, sizeof(secret)); /* an earlier packet */
            send_cplus(&n, 0, secret, sizeof(secret), 0, 0);
            net_forget(&n.net);
            make_ipv4(f, 6, 40, 0);
            memset(f + 54, 0, 40);
            f[lies[i].at] = lies[i].value;
            send_cplus(&n, 1, f, length, i & 1 ? MSS(8) : SUM_IP | SUM_TCP, 0);
            send_cplus(&n, 2, f, length, MSS(2000), 0);
            send_cplus(&n, 3, f, length, SUM_IP | SUM_UDP, 0x20000);
            for (unsigned k = 0; k < MIN(n.net.count, NET_FRAMES); k++) {
                CHECK(n.net.sent[k].length <= length + 4);
                for (size_t b = 54; b < n.net.sent[k].length; b++)
                    CHECK(n.net.sent[k].bytes[b] != 0x5a);
            }
            nic_close(&n);
        }
}

TEST(a_ring_that_is_all_the_cards_ends)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    for (unsigned i = 0; i < 64; i++)
        put_desc(&n, TX_RING, i, OWN | 0xffff, 0, TX_BUFFER); /* never a last one */
    w8(&n, TPPOLL, 0x40);
    pc_settle(&n.pc);
    CHECK_EQ(n.net.count, 0);
    for (unsigned i = 0; i < 64; i++)
        CHECK_EQ(desc_word(&n, TX_RING, i, 0) & OWN, 0);
    for (unsigned i = 0; i < 64; i++)
        put_desc(&n, TX_RING, i, OWN | FS | LS, 0, TX_BUFFER); /* nothing in them */
    w8(&n, TPPOLL, 0x40);
    pc_settle(&n.pc);
    CHECK_EQ(n.net.count, 0);
    CHECK_EQ(r8(&n, TPPOLL), 0);
    nic_close(&n);
}

TEST(a_ring_outside_of_ram_is_a_bus_error)
{
    struct nic n;
    uint8_t f[64];

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    w32(&n, TNPDS, NIC_MMIO);
    w8(&n, TPPOLL, 0x40);
    CHECK(r16(&n, ISR) & 0x8000);
    CHECK_EQ(n.net.count, 0);
    w32(&n, RDSAR, NIC_MMIO);
    make_frame(f, NIC_MAC, 64, 0);
    net_deliver(&n.net, f, 64, NULL);
    pc_crank(&n.pc, NS_PER_SEC);
    nic_close(&n);
}

TEST(more_than_a_pass_may_take_is_sent_in_turns)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    for (unsigned i = 0; i < 64; i++) {
        put_desc(&n, TX_RING, i, OWN | FS | LS | 60, 0, TX_BUFFER);
        put_desc(&n, TX_HIGH_RING, i, OWN | FS | LS | 60, 0, TX_BUFFER);
    }
    w8(&n, TPPOLL, 0xc0);
    CHECK(r8(&n, TPPOLL) != 0);
    pc_settle(&n.pc);
    CHECK_EQ(n.net.count, 128);
    CHECK_EQ(r8(&n, TPPOLL), 0);
    nic_close(&n);
}

TEST(a_full_host_keeps_descriptors_owned)
{
    struct nic n;
    uint8_t f[100];

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    make_frame(f, NIC_MAC, 100, 0);
    n.net.room = 0;
    send_cplus(&n, 0, f, 100, 0, 0);
    CHECK_EQ(desc_word(&n, TX_RING, 0, 0) & OWN, OWN);
    CHECK_EQ(r16(&n, ISR) & 4, 0);
    n.net.room = 10;
    net_writable(&n.net);
    CHECK_EQ(n.net.count, 1);
    CHECK_EQ(desc_word(&n, TX_RING, 0, 0) & OWN, 0);
    nic_close(&n);
}

TEST(addresses_above_4_gib_need_dual_address_cycles)
{
    struct nic n;
    uint8_t f[100];

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    make_frame(f, NIC_MAC, 100, 0);
    pc_poke(&n.pc, TX_BUFFER, f, 100);
    put_desc(&n, TX_RING, 0, OWN | FS | LS | 100, 0, 1ull << 32 | TX_BUFFER);
    w8(&n, TPPOLL, 0x40);
    CHECK_MEM(n.net.sent[0].bytes, f, 100);
    w16(&n, CPCR, 0x13);
    put_desc(&n, TX_RING, 1, OWN | FS | LS | 100, 0, 1ull << 32 | TX_BUFFER);
    w8(&n, TPPOLL, 0x40);
    CHECK_EQ(n.net.sent[1].bytes[0], 0xff); /* there is no RAM */
    nic_close(&n);
}

/* ---- Receiving ---- */

static void give(struct nic *n, unsigned i, uint32_t opts1)
{
    put_desc(n, RX_RING, i, OWN | opts1, 0, RX_BUFFER + 0x1000 * i);
}

static uint32_t receive(struct nic *n, unsigned i, const uint8_t *f, size_t length)
{
    give(n, i, 1536 | (i == 63 ? EOR : 0));
    CHECK(net_deliver(&n->net, f, length, NULL));
    return desc_word(n, RX_RING, i, 0);
}

TEST(a_frame_comes_with_its_length_and_its_kind)
{
    struct nic n;
    uint8_t f[1514], got[1514];

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    w32(&n, MAR, ~0u);
    w32(&n, MAR + 4, ~0u);
    for (unsigned i = 0; i < 130; i++) {
        size_t length = 60 + i * 11;
        uint32_t kind = i % 3 == 0 ? 1u << 25 : i % 3 == 1 ? 1u << 24 : 1u << 26;

        make_frame(f,
                   i % 3 == 0   ? NIC_MAC
                   : i % 3 == 1 ? "\xff\xff\xff\xff\xff\xff"
                                : "\x01\0\0\0\0",
                   length, i);
        CHECK_EQ(receive(&n, i % 64, f, length),
                 FS | LS | kind | (length + 4) | (i % 64 == 63 ? EOR : 0));
        pc_peek(&n.pc, RX_BUFFER + 0x1000 * (i % 64), got, length);
        CHECK_MEM(got, f, length);
        CHECK(r16(&n, ISR) & 1);
    }
    nic_close(&n);
}

TEST(a_frame_spans_descriptors_that_are_too_small)
{
    struct nic n;
    uint8_t f[1000], got[1000];

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    make_frame(f, NIC_MAC, 1000, 1);
    for (unsigned i = 0; i < 3; i++)
        put_desc(&n, RX_RING, i, OWN | 400, 0, RX_BUFFER + 400 * i);
    CHECK(net_deliver(&n.net, f, 1000, NULL));
    CHECK_EQ(desc_word(&n, RX_RING, 0, 0), FS | 1u << 25 | 400);
    CHECK_EQ(desc_word(&n, RX_RING, 1, 0), 1u << 25 | 400);
    CHECK_EQ(desc_word(&n, RX_RING, 2, 0), LS | 1u << 25 | 1004);
    pc_peek(&n.pc, RX_BUFFER, got, 1000);
    CHECK_MEM(got, f, 1000);
    nic_close(&n);
}

TEST(checksums_are_judged_when_asked)
{
    for (unsigned on = 0; on < 2; on++) {
        struct nic n;
        uint8_t f[1514];
        size_t length;
        unsigned i = 0;

        nic_open(&n, &rtl8139_class, false);
        start_cplus(&n, on ? RX_CHECKSUM : 0);
        for (unsigned udp = 0; udp < 2; udp++) {
            uint32_t kind = on ? (udp ? 0x20000u : 0x10000u) : 0;

            length = make_ipv4(f, udp ? 17 : 6, 501, 1);
            sum_ipv4(f);
            CHECK_EQ(receive(&n, i++, f, length) & 0x3e000, kind);
            f[length - 1] ^= 1;
            CHECK_EQ(receive(&n, i++, f, length) & 0x3e000,
                     kind | (on ? (udp ? 0x4000u : 0x2000u) : 0));
            f[length - 1] ^= 1;
            f[22]--;
            CHECK_EQ(receive(&n, i++, f, length) & 0x3e000, kind | (on ? 0x8000u : 0));
            put_be16(f + 20, 0x2000); /* a fragment */
            CHECK_EQ(receive(&n, i++, f, length) & 0x30000, on ? 0x30000 : 0);
        }
        make_frame(f, NIC_MAC, 100, 0);
        CHECK_EQ(receive(&n, i++, f, 100) & 0x3e000, 0);
        nic_close(&n);
    }
}

TEST(a_tag_is_taken_out_when_asked)
{
    struct nic n;
    uint8_t f[200], got[200];

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, RX_VLAN);
    make_frame(f, NIC_MAC, 200, 1);
    put_be32(f + 12, 0x81005064);
    CHECK_EQ(receive(&n, 0, f, 200) & 0x1fff, 200);
    CHECK_EQ(desc_word(&n, RX_RING, 0, 1), 0x10000 | 0x6450);
    pc_peek(&n.pc, RX_BUFFER, got, 196);
    CHECK_MEM(got, f, 12);
    CHECK_MEM(got + 12, f + 16, 184);
    w16(&n, CPCR, 3);
    CHECK_EQ(receive(&n, 1, f, 200) & 0x1fff, 204);
    CHECK_EQ(desc_word(&n, RX_RING, 1, 1), 0);
    nic_close(&n);
}

TEST(without_a_descriptor_the_host_waits_and_the_driver_is_told)
{
    struct nic n;
    uint8_t f[100];
    unsigned accepts;

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    make_frame(f, NIC_MAC, 100, 0);
    CHECK(!net_deliver(&n.net, f, 100, NULL));
    CHECK_EQ(r16(&n, ISR) & 0x11, 0x10);
    accepts = n.net.accepts;
    give(&n, 0, 1536);
    w16(&n, ISR, 0x0010); /* acknowledging makes the card look again */
    CHECK_EQ(n.net.accepts, accepts + 1);
    CHECK(net_deliver(&n.net, f, 100, NULL));
    CHECK_EQ(desc_word(&n, RX_RING, 0, 0) & OWN, 0);
    w16(&n, ISR, 0xffff);
    accepts = n.net.accepts;
    w16(&n, IMR, 0xffff);
    CHECK_EQ(n.net.accepts, accepts); /* nothing waits: nothing to look for */
    nic_close(&n);
}

TEST(a_driver_that_makes_no_access_gets_the_frame_by_the_timer)
{
    struct nic n;
    uint8_t f[100];
    unsigned accepts;

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    make_frame(f, NIC_MAC, 100, 0);
    CHECK(!net_deliver(&n.net, f, 100, NULL));
    give(&n, 0, 1536);
    accepts = n.net.accepts;
    pc_crank(&n.pc, 2 * NS_PER_MS);
    CHECK_EQ(n.net.accepts, accepts + 1);
    CHECK(net_deliver(&n.net, f, 100, NULL));
    pc_crank(&n.pc, 10 * NS_PER_SEC);
    CHECK_EQ(n.net.accepts, accepts + 1);
    nic_close(&n);
}

static uint8_t held[100];

static unsigned retry_for(struct nic *n, uint64_t ns)
{
    unsigned looks = 0;

    for (uint64_t end = clock_now() + ns; clock_now() < end;) {
        unsigned before = n->net.accepts;

        pc_crank(&n->pc, NS_PER_MS);
        if (n->net.accepts != before) {
            looks++;
            net_deliver(&n->net, held, sizeof(held), NULL);
        }
    }
    return looks;
}

TEST(a_frame_that_waits_too_long_is_lost_and_costs_nothing_more)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    make_frame(held, NIC_MAC, sizeof(held), 0);
    CHECK(!net_deliver(&n.net, held, sizeof(held), NULL));
    CHECK(retry_for(&n, NS_PER_SEC) <= 10);
    CHECK_EQ(r32(&n, MPC), 1);
    CHECK(net_deliver(&n.net, held, sizeof(held), NULL)); /* lost too, at once */
    CHECK_EQ(r32(&n, MPC), 2);
    CHECK_EQ(retry_for(&n, NS_PER_SEC), 0);
    CHECK_EQ(receive(&n, 0, held, sizeof(held)) & OWN, 0);
    CHECK(!net_deliver(&n.net, held, sizeof(held), NULL)); /* and it waits again */
    nic_close(&n);
}

TEST(a_frame_longer_than_the_card_takes_is_lost)
{
    struct nic n;
    static uint8_t f[5000];

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    make_frame(f, NIC_MAC, sizeof(f), 0);
    give(&n, 0, 8184);
    CHECK(net_deliver(&n.net, f, 4093, NULL));
    CHECK_EQ(desc_word(&n, RX_RING, 0, 0) & OWN, OWN);
    CHECK(net_deliver(&n.net, f, 4092, NULL));
    CHECK_EQ(desc_word(&n, RX_RING, 0, 0) & 0x1fff, 4096);
    nic_close(&n);
}

TEST(descriptors_without_room_end)
{
    struct nic n;
    uint8_t f[100];

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    for (unsigned i = 0; i < 64; i++)
        put_desc(&n, RX_RING, i, OWN, 0, RX_BUFFER);
    make_frame(f, NIC_MAC, 100, 0);
    net_deliver(&n.net, f, 100, NULL);
    pc_crank(&n.pc, NS_PER_SEC);
    CHECK_EQ(desc_word(&n, RX_RING, 0, 0), OWN);
    nic_close(&n);
}

TEST(loopback_in_cplus_mode)
{
    struct nic n;
    uint8_t f[1514], got[1514];
    size_t length = make_ipv4(f, 6, 400, 9);

    nic_open(&n, &rtl8139_class, true);
    start_cplus(&n, RX_CHECKSUM);
    w32(&n, TCR, 0x00060000);
    give(&n, 0, 1536);
    send_cplus(&n, 0, f, length, SUM_IP | SUM_TCP, 0);
    CHECK_EQ(desc_word(&n, RX_RING, 0, 0), FS | LS | 1u << 25 | 0x10000 | (length + 4));
    pc_peek(&n.pc, RX_BUFFER, got, length);
    sum_ipv4(f);
    CHECK_MEM(got, f, length);
    CHECK_EQ(n.net.count, 0);
    nic_close(&n);
}

TEST(tally_counters_are_dumped_where_asked)
{
    struct nic n;
    uint8_t f[100], t[64];

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    make_frame(f, NIC_MAC, 100, 0);
    for (unsigned i = 0; i < 3; i++)
        send_cplus(&n, i, f, 100, 0, 0);
    for (unsigned i = 0; i < 5; i++) {
        memcpy(f, i < 2 ? (const void *)NIC_MAC : "\xff\xff\xff\xff\xff\xff", 6);
        receive(&n, i, f, 100);
    }
    w32(&n, DTCCR + 4, 0);
    w32(&n, DTCCR, 0x30000 | 8);
    CHECK_EQ(r32(&n, DTCCR), 0x30000);
    pc_peek(&n.pc, 0x30000, t, 64);
    CHECK_EQ(get_le64(t), 3);
    CHECK_EQ(get_le64(t + 8), 5);
    CHECK_EQ(get_le64(t + 40), 2);
    CHECK_EQ(get_le64(t + 48), 3);
    nic_close(&n);
}

TEST(a_stopped_and_started_card_begins_at_the_first_descriptors)
{
    struct nic n;
    uint8_t f[100];

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    make_frame(f, NIC_MAC, 100, 0);
    send_cplus(&n, 0, f, 100, 0, 0);
    receive(&n, 0, f, 100);
    w8(&n, CR, 0); /* as 8139cp closes and opens */
    w16(&n, CPCR, 0);
    start_cplus(&n, 0);
    send_cplus(&n, 0, f, 100, 0, 0);
    CHECK_EQ(n.net.count, 2);
    CHECK_EQ(receive(&n, 0, f, 100) & OWN, 0);
    nic_close(&n);
}

TEST(a_card_restored_elsewhere_goes_on_where_it_was)
{
    struct nic n, m;
    uint8_t f[100];

    nic_open(&n, &rtl8139_class, false);
    start_cplus(&n, 0);
    make_frame(f, NIC_MAC, 100, 0);
    for (unsigned i = 0; i < 3; i++)
        receive(&n, i, f, 100);
    send_cplus(&n, 0, f, 100, 0, 0);
    w16(&n, ISR, 0xffff);
    n.net.room = 0;
    for (unsigned i = 1; i < 4; i++)
        send_cplus(&n, i, f, 100, 0, 0);
    CHECK(!nic_irq(&n));
    nic_move(&m, &n, &rtl8139_class);
    pc_settle(&m.pc);
    CHECK_EQ(m.net.count, 3);
    CHECK(nic_irq(&m));
    for (unsigned i = 1; i < 4; i++)
        CHECK_EQ(desc_word(&m, TX_RING, i, 0) & OWN, 0);
    CHECK_EQ(receive(&m, 3, f, 100) & OWN, 0);
    nic_close(&m);
}
