/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transmitting: descriptors of each kind, offloads, tags, rings that lie. */
#include "tests/unit/devices/net/e1000_bench.h"

TEST(a_legacy_descriptor_sends_a_frame_and_reports_it)
{
    struct nic n;
    uint8_t f[1514];

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    wr(&n, IMS, INT_TXDW);
    for (unsigned i = 0; i < 2 * RING; i++) {
        size_t length = 60 + i * 11;

        make_frame(f, "\x02\0\0\0\0\2", length, i);
        send_legacy(&n, f, length, 0);
        CHECK_EQ(tx_status(&n, i % RING), 1);
        CHECK_EQ(rd(&n, TDH), (i + 1) % RING);
        CHECK(nic_irq(&n));
        CHECK_EQ(rd(&n, ICR), INT_TXDW | INT_TXQE);
        if (i < NET_FRAMES) {
            CHECK_EQ(n.net.sent[i].length, length);
            CHECK_MEM(n.net.sent[i].bytes, f, length);
        }
    }
    CHECK_EQ(n.net.count, 2 * RING);
    nic_close(&n);
}

TEST(status_is_reported_only_where_asked)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    put_tx(&n, 0, TX_BUFFER, 64 | EOP);
    wr(&n, TDT, 1);
    CHECK_EQ(n.net.count, 1);
    CHECK_EQ(tx_status(&n, 0), 0);
    CHECK_EQ(rd(&n, ICR), INT_TXQE);
    nic_close(&n);
}

TEST(a_frame_is_gathered_from_many_descriptors)
{
    struct nic n;
    uint8_t f[1000];

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    make_frame(f, "\x02\0\0\0\0\2", 1000, 5);
    pc_poke(&n.pc, TX_BUFFER, f, 1000);
    for (unsigned i = 0; i < 10; i++) {
        put_tx(&n, i, TX_BUFFER + 100 * i, 100 | RS | (i == 9 ? EOP : 0));
        wr(&n, TDT, i + 1);
        CHECK_EQ(n.net.count, i == 9);
        CHECK_EQ(rd(&n, TDH), i == 9 ? 10 : 0); /* nothing is half done */
    }
    CHECK_MEM(n.net.sent[0].bytes, f, 1000);
    for (unsigned i = 0; i < 10; i++)
        CHECK_EQ(tx_status(&n, i), 1);
    nic_close(&n);
}

TEST(descriptors_of_zero_bytes_add_nothing)
{
    struct nic n;
    uint8_t f[100];

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    make_frame(f, "\x02\0\0\0\0\2", 100, 5);
    pc_poke(&n.pc, TX_BUFFER, f, 100);
    put_tx(&n, 0, TX_BUFFER, 0);
    put_tx(&n, 1, TX_BUFFER, 100);
    put_tx(&n, 2, TX_BUFFER, 0);
    put_tx(&n, 3, TX_BUFFER, EOP | RS);
    put_tx(&n, 4, TX_BUFFER, EOP | RS); /* a packet of nothing */
    wr(&n, TDT, 5);
    CHECK_EQ(n.net.count, 1);
    CHECK_EQ(n.net.sent[0].length, 100);
    CHECK_EQ(rd(&n, TDH), 5);
    CHECK_EQ(tx_status(&n, 4), 1);
    nic_close(&n);
}

TEST(the_legacy_checksum_goes_where_the_descriptor_says)
{
    struct nic n;
    uint8_t f[200];
    size_t length = make_ipv4(f, 6, 100, 1);

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    put_be16(f + 50, (uint16_t)words_sum(f + 26, 8, 6 + 120)); /* pseudo header, by the driver */
    send_legacy(&n, f, length, IC | 34ull << 40 | 50ull << 16);
    CHECK(l4_sum_good(n.net.sent[0].bytes, 14));
    send_legacy(&n, f, length, IC | 255ull << 40 | 255ull << 16); /* outside: left alone */
    CHECK_EQ(n.net.count, 2);
    CHECK_MEM(n.net.sent[1].bytes, f, length);
    nic_close(&n);
}

/* A context, then data in `pieces` descriptors. */
static void send_extended(struct nic *n, const struct context *c, const uint8_t *f, size_t length,
                          unsigned pieces, uint64_t popts, uint64_t more)
{
    unsigned at = rd(n, TDT);
    size_t done = 0;

    put_context(n, at, c);
    at = (at + 1) % RING;
    for (unsigned i = 0; i < pieces; i++) {
        size_t bytes = i + 1 == pieces ? length - done : length / pieces;

        pc_poke(&n->pc, TX_BUFFER + done, f + done, bytes);
        put_tx(n, at, TX_BUFFER + done,
               bytes | DATA | DEXT | more | (i ? 0 : popts) | (i + 1 == pieces ? EOP | RS : 0));
        done += bytes;
        at = (at + 1) % RING;
    }
    wr(n, TDT, at);
}

TEST(checksums_follow_the_context)
{
    for (unsigned offloads = 0; offloads < 2; offloads++)
        for (unsigned udp = 0; udp < 2; udp++) {
            struct nic n;
            uint8_t f[1514];
            size_t length = make_ipv4(f, udp ? 17 : 6, 777, 3);
            struct context c = tcp_context(0, 0);
            size_t l4 = length - 34;

            nic_open(&n, &e1000_class, offloads);
            start_tx(&n);
            c.tucso = udp ? 40 : 50;
            put_be16(f + 24, 0xdead);
            put_be16(f + c.tucso, (uint16_t)words_sum(f + 26, 8, (udp ? 17 : 6) + (uint32_t)l4));
            send_extended(&n, &c, f, length, 3, IXSM | TXSM, 0);
            CHECK_EQ(n.net.count, 1);
            CHECK(ip_sum_good(n.net.sent[0].bytes, 14));
            CHECK_EQ(n.net.sent[0].off.needs_csum, offloads);
            if (offloads) {
                CHECK_EQ(n.net.sent[0].off.csum_start, 34);
                CHECK_EQ(n.net.sent[0].off.csum_offset, udp ? 6 : 16);
            } else {
                CHECK(l4_sum_good(n.net.sent[0].bytes, 14));
            }
            send_extended(&n, &c, f, length, 1, 0, 0); /* not asked for */
            CHECK_MEM(n.net.sent[1].bytes, f, length);
            nic_close(&n);
        }
}

TEST(a_checksum_may_end_before_the_packet_does)
{
    struct nic n;
    uint8_t f[200];
    struct context c = tcp_context(0, 0);

    nic_open(&n, &e1000_class, true);
    start_tx(&n);
    make_ipv4(f, 17, 3, 3);
    memset(f + 45, 0xee, 60 - 45);
    c.tucso = 40;
    c.tucse = 44;
    put_be16(f + 40, (uint16_t)words_sum(f + 26, 8, 17 + 11));
    send_extended(&n, &c, f, 60, 1, IXSM | TXSM, 0);
    CHECK(!n.net.sent[0].off.needs_csum);
    CHECK(l4_sum_good(n.net.sent[0].bytes, 14));
    nic_close(&n);
}

/* ---- Segmentation ---- */

TEST(tcp_is_segmented_right_to_the_byte)
{
    static const uint16_t sizes[] = { 1, 100, 536, 1448, 1460, 9000 };

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct nic n;
        uint8_t *f = malloc(65536);
        size_t payload = MIN(sizes[i] * 44u + 7u, 60000u), length = make_ipv4(f, 6, payload, i);
        struct context c = tcp_context(sizes[i], payload);

        nic_open(&n, &e1000_class, false);
        start_tx(&n);
        put_be16(f + 16, 0); /* the card knows the length */
        put_be16(f + 24, 0xdead);
        send_extended(&n, &c, f, length, 7, IXSM | TXSM, TSE);
        check_segments(&n, f, length, sizes[i], 0);
        CHECK_EQ(rd(&n, TSCTC), 1);
        CHECK_EQ(rd(&n, GPTC), DIV_ROUND_UP(payload, sizes[i]));
        CHECK_EQ(rd(&n, GOTCL), length + 4 + (DIV_ROUND_UP(payload, sizes[i]) - 1) * 58);
        nic_close(&n);
        free(f);
    }
}

TEST(tcp_over_ipv6_is_segmented_too)
{
    struct nic n;
    uint8_t f[4000], tcp[20];
    struct context c = { .ipcss = 14,
                         .ipcso = 24,
                         .tucss = 54,
                         .tucso = 70,
                         .tse = true,
                         .v6 = true,
                         .hdrlen = 74,
                         .mss = 1000,
                         .paylen = 2500 };

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    make_ipv4(f, 6, 0, 0);
    memcpy(tcp, f + 34, 20);
    memset(f + 14, 0, 40);
    put_be16(f + 12, 0x86dd);
    f[14] = 0x60;
    f[20] = 6;
    f[21] = 64;
    fill_bytes(f + 22, 32, 9);
    memcpy(f + 54, tcp, 20);
    fill_bytes(f + 74, 2500, 1);
    send_extended(&n, &c, f, 2574, 2, TXSM, TSE);
    CHECK_EQ(n.net.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *s = n.net.sent[i].bytes;
        size_t piece = i < 2 ? 1000 : 500;

        CHECK_EQ(n.net.sent[i].length, 74 + piece);
        CHECK_EQ(get_be16(s + 18), 20 + piece);
        CHECK_EQ(get_be32(s + 58), 0x11223344 + 1000 * i);
        CHECK_EQ(s[67], i == 2 ? 0x19 : 0x10);
        CHECK(l4_sum_good(s, 14));
        CHECK_MEM(s + 74, f + 74 + 1000 * i, piece);
    }
    nic_close(&n);
}

TEST(a_host_that_segments_gets_the_whole)
{
    struct nic n;
    uint8_t f[5000];
    size_t length = make_ipv4(f, 6, 4000, 1);
    struct context c = tcp_context(1000, 4000);

    nic_open(&n, &e1000_class, true);
    start_tx(&n);
    wr(&n, CTRL, rd(&n, CTRL) | CTRL_VME);
    send_extended(&n, &c, f, length, 2, IXSM | TXSM, TSE | VLE | 0x5064ull << 48);
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

TEST(contexts_that_lie_send_nothing_and_leak_nothing)
{
    struct nic n;
    uint8_t f[300], secret[2000];
    size_t length = make_ipv4(f, 6, 100, 1);
    unsigned sent = 0;

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    memset(secret, 0x5a, sizeof(secret)); /* an earlier packet */
    send_legacy(&n, secret, sizeof(secret), 0);
    net_forget(&n.net);
    memset(f + 54, 0, 100);
    for (unsigned i = 0; i < 12; i++) {
        struct context c = tcp_context(1000, 100);

        switch (i) {
        case 0:
            c.hdrlen = 255;
            break;
        case 1:
            c.hdrlen = 0;
            break;
        case 2:
            c.mss = 0;
            break;
        case 3:
            c.tucss = 250;
            break;
        case 4:
            c.tucso = 250;
            break;
        case 5:
            c.ipcss = 250;
            break;
        case 6:
            c.tucss = 0;
            c.tucso = 16;
            break;
        case 7:
            c.tucmd = 0x26;
            break; /* not TCP */
        case 8:
            c.v6 = true;
            break;
        case 9:
            f[14] = 0x4f;
            break;
        case 10:
            f[14] = 0x45;
            f[46] = 0xf0;
            break;
        case 11:
            f[46] = 0x50;
            f[12] = 0x86;
            f[13] = 0xdd;
            break;
        }
        send_extended(&n, &c, f, length, 2, IXSM | TXSM, TSE);
        CHECK_EQ(rd(&n, TDH), rd(&n, TDT));
    }
    sent = n.net.count;
    CHECK(sent <= 2);
    for (unsigned i = 0; i < sent; i++)
        for (size_t b = 54; b < n.net.sent[i].length; b++)
            CHECK(n.net.sent[i].bytes[b] != 0x5a);
    nic_close(&n);
}

TEST(a_context_stays_until_the_next_one)
{
    struct nic n;
    uint8_t f[3000];
    struct context tse = tcp_context(1000, 2000), plain = tcp_context(0, 0);
    size_t length = make_ipv4(f, 6, 2000, 1);

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    send_extended(&n, &tse, f, length, 1, IXSM | TXSM, TSE);
    CHECK_EQ(n.net.count, 2);
    net_forget(&n.net);
    length = make_ipv4(f, 6, 100, 1);
    put_be16(f + 50, (uint16_t)words_sum(f + 26, 8, 6 + 120));
    send_extended(&n, &plain, f, length, 1, IXSM | TXSM, 0); /* does not touch the other */
    CHECK_EQ(n.net.count, 1);
    CHECK(l4_sum_good(n.net.sent[0].bytes, 14));
    net_forget(&n.net);
    length = make_ipv4(f, 6, 2000, 1);
    pc_poke(&n.pc, TX_BUFFER, f, length);
    put_tx(&n, rd(&n, TDT), TX_BUFFER, length | DATA | DEXT | TSE | IXSM | TXSM | EOP);
    wr(&n, TDT, rd(&n, TDT) + 1);
    check_segments(&n, f, length, 1000, 0);
    nic_close(&n);
}

/* ---- Tags, delays, hosts, statistics ---- */

TEST(a_tag_is_inserted_when_both_ask_for_it)
{
    struct nic n;
    uint8_t f[100];

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    make_frame(f, "\x02\0\0\0\0\2", 100, 1);
    send_legacy(&n, f, 100, VLE | 0x5064ull << 48);
    CHECK_EQ(n.net.sent[0].length, 100);
    wr(&n, CTRL, rd(&n, CTRL) | CTRL_VME);
    send_legacy(&n, f, 100, VLE | 0x5064ull << 48);
    CHECK_EQ(n.net.sent[1].length, 104);
    CHECK_MEM(n.net.sent[1].bytes, f, 12);
    CHECK_EQ(get_be32(n.net.sent[1].bytes + 12), 0x81005064);
    CHECK_MEM(n.net.sent[1].bytes + 16, f + 12, 88);
    send_legacy(&n, f, 100, 0);
    CHECK_EQ(n.net.sent[2].length, 100);
    wr(&n, VET, 0x88a8);
    send_legacy(&n, f, 100, VLE | 7ull << 48);
    CHECK_EQ(get_be32(n.net.sent[3].bytes + 12), 0x88a80007);
    nic_close(&n);
}

TEST(segments_carry_the_tag_that_vet_names)
{
    struct nic n;
    uint8_t f[5000];
    size_t length = make_ipv4(f, 6, 4000, 1);
    struct context c = tcp_context(1000, 4000);

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    wr(&n, CTRL, rd(&n, CTRL) | CTRL_VME);
    wr(&n, VET, 0x88a8);
    send_extended(&n, &c, f, length, 2, IXSM | TXSM, TSE | VLE | 0x5064ull << 48);
    check_segments(&n, f, length, 1000, 4);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(get_be32(n.net.sent[i].bytes + 12), 0x88a85064);
    nic_close(&n);
}

TEST(an_interrupt_may_be_delayed)
{
    struct nic n;
    uint8_t f[100];

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    wr(&n, TIDV, 100); /* 102.4 us */
    wr(&n, IMS, INT_TXDW);
    make_frame(f, "\x02\0\0\0\0\2", 100, 1);
    send_legacy(&n, f, 100, IDE);
    CHECK_EQ(tx_status(&n, 0), 1);
    CHECK(!nic_irq(&n));
    pc_crank(&n.pc, 103 * NS_PER_US);
    CHECK(nic_irq(&n));
    rd(&n, ICR);
    send_legacy(&n, f, 100, 0);
    CHECK(nic_irq(&n));
    nic_close(&n);
}

TEST(a_short_delay_is_not_kept_waiting_by_a_long_one)
{
    struct nic n;
    uint8_t f[100];

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    start_rx(&n, 0);
    wr(&n, TIDV, 0xffff);
    wr(&n, RDTR, 8);
    wr(&n, IMS, INT_RXT0);
    make_frame(f, NIC_MAC, 100, 1);
    send_legacy(&n, f, 100, IDE);
    CHECK(takes(&n, f, 100));
    CHECK(!nic_irq(&n));
    pc_crank(&n.pc, 10 * NS_PER_US);
    CHECK(nic_irq(&n));
    nic_close(&n);
}

TEST(a_udp_checksum_is_never_zero)
{
    for (unsigned offloads = 0; offloads < 2; offloads++) {
        struct nic n;
        uint8_t f[100];
        struct context c = tcp_context(0, 0);

        nic_open(&n, &e1000_class, offloads);
        start_tx(&n);
        make_ipv4(f, 17, 2, 0);
        memset(f + 34, 0, 10);
        put_be16(f + 42, 0xffff);
        c.tucso = 40;
        c.tucse = 43;
        send_extended(&n, &c, f, 44, 1, TXSM, 0);
        CHECK_EQ(get_be16(n.net.sent[0].bytes + 40), 0xffff);
        nic_close(&n);
    }
}

TEST(a_frame_longer_than_the_card_holds_is_dropped)
{
    struct nic n;
    static uint8_t f[30000];

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    make_frame(f, NIC_MAC, sizeof(f), 1);
    send_legacy(&n, f, 30000, 0);
    CHECK_EQ(n.net.count, 0);
    CHECK_EQ(rd(&n, TDH), 1);
    send_legacy(&n, f, 9014, 0);
    CHECK_EQ(n.net.count, 1);
    nic_close(&n);
}

TEST(a_full_host_delays_and_loses_nothing)
{
    struct nic n;
    uint8_t f[100];

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    n.net.room = 2;
    for (unsigned i = 0; i < 5; i++) {
        make_frame(f, "\x02\0\0\0\0\2", 100, i);
        pc_poke(&n.pc, TX_BUFFER + 0x1000 * i, f, 100);
        put_tx(&n, i, TX_BUFFER + 0x1000 * i, 100 | EOP | RS);
    }
    wr(&n, TDT, 5);
    CHECK_EQ(rd(&n, TDH), 2);
    CHECK_EQ(tx_status(&n, 2), 0);
    n.net.room = 10;
    net_writable(&n.net);
    CHECK_EQ(rd(&n, TDH), 5);
    for (unsigned i = 0; i < 5; i++) {
        make_frame(f, "\x02\0\0\0\0\2", 100, i);
        CHECK_MEM(n.net.sent[i].bytes, f, 100);
    }
    nic_close(&n);
}

TEST(what_is_sent_is_counted_and_reading_clears)
{
    struct nic n;
    uint8_t f[1514];

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    make_frame(f, "\x02\0\0\0\0\2", 60, 1);
    send_legacy(&n, f, 60, 0);
    make_frame(f, "\xff\xff\xff\xff\xff\xff", 1000, 1);
    send_legacy(&n, f, 1000, 0);
    make_frame(f, "\x01\0\x5e\0\0\1", 1514, 1);
    send_legacy(&n, f, 1514, 0);
    CHECK_EQ(rd(&n, GPTC), 3);
    CHECK_EQ(rd(&n, GPTC), 0);
    CHECK_EQ(rd(&n, TPT), 3);
    CHECK_EQ(rd(&n, GOTCL), 64 + 1004 + 1518);
    CHECK_EQ(rd(&n, GOTCL), 64 + 1004 + 1518); /* the high half clears both */
    CHECK_EQ(rd(&n, GOTCH), 0);
    CHECK_EQ(rd(&n, GOTCL), 0);
    CHECK_EQ(rd(&n, PTC64), 1);
    CHECK_EQ(rd(&n, PTC64 + 16), 1); /* 512 to 1023 */
    CHECK_EQ(rd(&n, PTC64 + 20), 1);
    CHECK_EQ(rd(&n, 0x40f0), 1); /* MPTC */
    CHECK_EQ(rd(&n, 0x40f4), 1); /* BPTC */
    nic_close(&n);
}

TEST(a_card_restored_elsewhere_goes_on_where_it_was)
{
    struct nic n, m;
    uint8_t f[100];

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    wr(&n, TIDV, 1000);
    wr(&n, IMS, INT_TXDW);
    n.net.room = 2;
    for (unsigned i = 0; i < 5; i++) {
        make_frame(f, "\x02\0\0\0\0\2", 100, i);
        pc_poke(&n.pc, TX_BUFFER + 0x1000 * i, f, 100);
        put_tx(&n, i, TX_BUFFER + 0x1000 * i, 100 | EOP | RS | IDE);
    }
    wr(&n, TDT, 5);
    CHECK_EQ(rd(&n, TDH), 2);
    nic_move(&m, &n, &e1000_class);
    CHECK(!nic_irq(&m));
    pc_settle(&m.pc);
    CHECK_EQ(m.net.count, 3); /* the rest, without a word from the guest */
    CHECK_MEM(m.net.sent[2].bytes, f, 100);
    CHECK(nic_irq(&m)); /* what was delayed has not been forgotten */
    CHECK_EQ(rd(&m, TDH), 5);
    CHECK_EQ(tx_status(&m, 4), 1);
    nic_close(&m);
}

/* ---- Rings that lie ---- */

/* CVE-2015-6815: a descriptor that never advances the packet. */
TEST(cve_2015_6815_descriptors_without_data_end)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    for (unsigned i = 0; i < RING; i++)
        put_tx(&n, i, TX_BUFFER, DEXT | DATA | TSE); /* segment nothing, for ever */
    wr(&n, TDT, RING - 1);
    pc_settle(&n.pc);
    CHECK_EQ(n.net.count, 0);
    nic_close(&n);
}

/* CVE-2016-1981: TDH or TDT behind the ring's end, so that the two never meet. */
TEST(cve_2016_1981_pointers_outside_of_the_ring_end)
{
    static const uint16_t pairs[][2] = { { 0, RING }, { RING, 0 }, { 0xffff, 1 }, { 5, 0xffff } };

    for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++) {
        struct nic n;

        nic_open(&n, &e1000_class, false);
        start_tx(&n);
        for (unsigned k = 0; k < RING; k++)
            put_tx(&n, k, TX_BUFFER, 64 | EOP | RS);
        wr(&n, TDH, pairs[i][0]);
        wr(&n, TDT, pairs[i][1]);
        pc_settle(&n.pc);
        CHECK_EQ(n.net.count, 0);
        wr(&n, TDLEN, 0);
        wr(&n, TDT, 1);
        pc_settle(&n.pc);
        nic_close(&n);
    }
}

/* CVE-2021-20257: descriptors that write back over themselves. */
TEST(cve_2021_20257_a_ring_over_its_own_descriptors_ends)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    for (unsigned k = 0; k < RING; k++)
        put_tx(&n, k, TX_RING, 0xfff0 | DEXT | DATA | RS | (k % 8 == 7 ? EOP : 0));
    wr(&n, TDT, RING - 1);
    pc_settle(&n.pc);
    CHECK_EQ(rd(&n, TDH), RING - 8); /* the last packet has no end */
    nic_close(&n);
}

TEST(a_packet_of_too_many_descriptors_is_dropped)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    wr(&n, TDLEN, 4096 * 16);
    for (unsigned k = 0; k < 4096; k++)
        put_tx(&n, k, TX_BUFFER, 60000);
    wr(&n, TDT, 4095);
    pc_settle(&n.pc);
    CHECK_EQ(n.net.count, 0);
    CHECK(rd(&n, TDH) >= 4096 - 256);
    nic_close(&n);
}

TEST(a_long_ring_is_sent_in_turns_and_whole)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    wr(&n, TDLEN, 1024 * 16);
    for (unsigned k = 0; k < 1024; k++)
        put_tx(&n, k, TX_BUFFER, 64 | EOP);
    wr(&n, TDT, 1023);
    CHECK(n.net.count < 1023);
    pc_settle(&n.pc);
    CHECK_EQ(n.net.count, 1023);
    nic_close(&n);
}

TEST(dma_reaches_ram_and_nothing_else)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    put_tx(&n, 0, NIC_MMIO, 100 | EOP | RS);
    put_tx(&n, 1, 0xffffffffff000000, 100 | EOP | RS);
    wr(&n, TDT, 2);
    CHECK_EQ(n.net.count, 2);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned b = 0; b < 100; b++)
            CHECK_EQ(n.net.sent[i].bytes[b], 0xff);
    wr(&n, TDBAL, NIC_MMIO);
    wr(&n, TDT, 3);
    pc_settle(&n.pc);
    CHECK_EQ(rd(&n, RAL), 0x12005452);
    pc_config_write(&n.pc, NIC_DEVFN, 4, 2, 3); /* not bus master */
    wr(&n, TDBAL, TX_RING);
    net_forget(&n.net);
    wr(&n, TDT, 5);
    CHECK_EQ(n.net.count, 0);
    nic_close(&n);
}
