/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receiving: filters, buffers of every size, checksums, tags, a ring that is full, loopback. */
#include "tests/unit/devices/net/e1000_bench.h"

#define EVERYONE "\xff\xff\xff\xff\xff\xff"
#define OTHER "\x52\x54\x00\x12\x34\x57"
#define GROUP "\x01\x00\x5e\x01\x02\x03"
#define DD_EOP_IXSM 0x07

TEST(a_frame_is_laid_into_its_descriptor)
{
    struct nic n;
    uint8_t f[1514];
    static struct rx r;

    nic_open(&n, &e1000_class, false);
    start_rx(&n, 0);
    wr(&n, IMS, INT_RXT0);
    for (unsigned i = 0; i < 2 * RING; i++) {
        size_t length = 60 + i * 11;

        make_frame(f, NIC_MAC, length, i);
        CHECK(takes(&n, f, length));
        CHECK(nic_irq(&n));
        CHECK_EQ(rd(&n, ICR) & INT_RXT0, INT_RXT0);
        get_rx(&n, i % RING, &r);
        CHECK_EQ(r.length, length);
        CHECK_EQ(r.status, DD_EOP_IXSM);
        CHECK_EQ(r.errors, 0);
        CHECK_MEM(r.bytes, f, length);
    }
    nic_close(&n);
}

TEST(short_frames_are_padded_and_the_crc_is_there_unless_stripped)
{
    struct nic n;
    uint8_t f[60] = { 0 };
    static struct rx r;

    nic_open(&n, &e1000_class, false);
    start_rx(&n, 0);
    make_frame(f, NIC_MAC, 42, 0);
    CHECK(takes(&n, f, 42));
    get_rx(&n, 0, &r);
    CHECK_EQ(r.length, 60);
    CHECK_MEM(r.bytes, f, 60);
    wr(&n, RCTL, RCTL_EN);
    CHECK(takes(&n, f, 42));
    get_rx(&n, 1, &r);
    CHECK_EQ(r.length, 64);
    nic_close(&n);
}

TEST(a_frame_spans_as_many_buffers_as_it_needs)
{
    static const struct {
        uint32_t rctl;
        unsigned bytes;
    } sizes[] = { { 0, 2048 },
                  { 1u << 16, 1024 },
                  { 2u << 16, 512 },
                  { 3u << 16, 256 },
                  { 1u << 25 | 1u << 16, 16384 },
                  { 1u << 25 | 2u << 16, 8192 },
                  { 1u << 25 | 3u << 16, 4096 } };

    for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
        struct nic n;
        static uint8_t f[9014], got[9014 + 16384];
        static struct rx r;
        unsigned count = DIV_ROUND_UP(9014 + 4, sizes[s].bytes), at = 0;

        nic_open(&n, &e1000_class, false);
        start_rx(&n, RCTL_LPE | sizes[s].rctl);
        wr(&n, RCTL, rd(&n, RCTL) & ~RCTL_SECRC);
        make_frame(f, NIC_MAC, sizeof(f), s);
        CHECK(takes(&n, f, sizeof(f)));
        CHECK_EQ(rd(&n, RDH), count);
        for (unsigned i = 0; i < count; i++) {
            bool last = i + 1 == count;

            get_rx(&n, i, &r);
            CHECK_EQ(r.status & 3, last ? 3 : 1);
            CHECK_EQ(r.length, last ? 9018 - at : sizes[s].bytes);
            memcpy(got + at, r.bytes, r.length);
            at += r.length;
        }
        CHECK_EQ(at, 9018);
        CHECK_MEM(got, f, sizeof(f));
        nic_close(&n);
    }
}

/* XSA-41: a frame longer than any buffer, where jumbo frames are not enabled. */
TEST(xsa_41_frames_too_long_are_dropped)
{
    struct nic n;
    static uint8_t f[20000];

    nic_open(&n, &e1000_class, false);
    start_rx(&n, 0);
    make_frame(f, NIC_MAC, sizeof(f), 0);
    CHECK(!takes(&n, f, 1519));
    CHECK(!takes(&n, f, 9000));
    CHECK_EQ(rd(&n, ROC), 2);
    CHECK(takes(&n, f, 1518)); /* with a tag */
    wr(&n, RCTL, rd(&n, RCTL) | RCTL_LPE);
    CHECK(takes(&n, f, 9000));
    CHECK(!takes(&n, f, 16384));
    CHECK(!takes(&n, f, 20000));
    CHECK_EQ(rd(&n, ROC), 2);
    nic_close(&n);
}

/* ---- Filters ---- */

TEST(unicast_goes_by_the_sixteen_addresses_or_all)
{
    struct nic n;
    uint8_t f[64], mac[6] = { 0x02, 0x10, 0x20, 0x30, 0x40, 0x50 };

    nic_open(&n, &e1000_class, false);
    start_rx(&n, 0);
    make_frame(f, NIC_MAC, 64, 0);
    CHECK(takes(&n, f, 64));
    memcpy(f, OTHER, 6);
    CHECK(!takes(&n, f, 64));
    wr(&n, RCTL, rd(&n, RCTL) | RCTL_UPE);
    CHECK(takes(&n, f, 64));
    wr(&n, RCTL, rd(&n, RCTL) & ~RCTL_UPE);
    for (unsigned i = 1; i < 16; i++) {
        mac[5] = (uint8_t)i;
        memcpy(f, mac, 6);
        wr(&n, RAL + 8 * i, get_le32(mac));
        wr(&n, RAH + 8 * i, get_le16(mac + 4));
        CHECK(!takes(&n, f, 64)); /* not valid yet */
        wr(&n, RAH + 8 * i, get_le16(mac + 4) | 0x80000000);
        CHECK(takes(&n, f, 64));
    }
    nic_close(&n);
}

TEST(broadcast_needs_bam)
{
    struct nic n;
    uint8_t f[64];

    nic_open(&n, &e1000_class, false);
    start_rx(&n, 0);
    make_frame(f, EVERYONE, 64, 0);
    CHECK(!takes(&n, f, 64));
    wr(&n, RCTL, rd(&n, RCTL) | RCTL_BAM);
    CHECK(takes(&n, f, 64));
    nic_close(&n);
}

TEST(multicast_goes_by_the_hash_of_each_offset)
{
    static const unsigned shifts[] = { 4, 3, 2, 0 };
    struct nic n;
    uint8_t f[64];
    static struct rx r;

    nic_open(&n, &e1000_class, false);
    start_rx(&n, 0);
    for (unsigned mo = 0; mo < 4; mo++)
        for (unsigned i = 0; i < 20; i++) {
            uint8_t mac[6] = { 1, 0, 0x5e, 1, (uint8_t)(i * 37), (uint8_t)(i * 91) };
            unsigned hash = (unsigned)(mac[4] | mac[5] << 8) >> shifts[mo] & 0xfff, head;

            wr(&n, RCTL, (rd(&n, RCTL) & ~0x3000u) | mo << 12);
            make_frame(f, mac, 64, 0);
            CHECK(!takes(&n, f, 64));
            wr(&n, MTA + 4 * (hash >> 5), 1u << (hash & 31));
            head = rd(&n, RDH);
            CHECK(takes(&n, f, 64));
            get_rx(&n, head, &r);
            CHECK_EQ(r.status & 0x80, 0x80); /* by hash: perhaps not for us */
            wr(&n, MTA + 4 * (hash >> 5), 0);
        }
    wr(&n, RCTL, rd(&n, RCTL) | RCTL_MPE);
    make_frame(f, GROUP, 64, 0);
    CHECK(takes(&n, f, 64));
    nic_close(&n);
}

TEST(vlans_are_filtered_by_their_table)
{
    struct nic n;
    uint8_t f[68];

    nic_open(&n, &e1000_class, false);
    start_rx(&n, RCTL_VFE);
    make_frame(f, NIC_MAC, 68, 0);
    CHECK(takes(&n, f, 68)); /* without a tag */
    for (unsigned id = 0; id < 4096; id += 273) {
        put_be32(f + 12, 0x81006000 | id);
        CHECK(!takes(&n, f, 68));
        wr(&n, VFTA + 4 * (id >> 5), 1u << (id & 31));
        CHECK(takes(&n, f, 68));
        wr(&n, VFTA + 4 * (id >> 5), 0);
    }
    wr(&n, RCTL, rd(&n, RCTL) & ~RCTL_VFE);
    CHECK(takes(&n, f, 68));
    nic_close(&n);
}

TEST(tags_are_taken_out_when_asked)
{
    struct nic n;
    uint8_t f[200];
    static struct rx r;

    nic_open(&n, &e1000_class, false);
    start_rx(&n, 0);
    make_frame(f, NIC_MAC, 200, 1);
    put_be32(f + 12, 0x81005064);
    CHECK(takes(&n, f, 200));
    get_rx(&n, 0, &r);
    CHECK_EQ(r.length, 200);
    CHECK_EQ(r.status & 8, 0);
    wr(&n, CTRL, rd(&n, CTRL) | CTRL_VME);
    CHECK(takes(&n, f, 200));
    get_rx(&n, 1, &r);
    CHECK_EQ(r.length, 196);
    CHECK_EQ(r.status & 8, 8);
    CHECK_EQ(r.special, 0x5064);
    CHECK_MEM(r.bytes, f, 12);
    CHECK_MEM(r.bytes + 12, f + 16, 184);
    nic_close(&n);
}

/* ---- Checksums ---- */

TEST(checksums_are_judged_as_rxcsum_says)
{
    for (unsigned on = 0; on < 4; on++)
        for (unsigned udp = 0; udp < 2; udp++) {
            struct nic n;
            uint8_t f[600], sums = (uint8_t)((on & 1 ? 0x40 : 0) | (on & 2 ? 0x20 : 0));
            size_t length = make_ipv4(f, udp ? 17 : 6, 501, 1);
            static struct rx r;

            nic_open(&n, &e1000_class, false);
            start_rx(&n, 0);
            wr(&n, RXCSUM, on << 8);
            sum_ipv4(f);
            CHECK(takes(&n, f, length));
            get_rx(&n, 0, &r);
            CHECK_EQ(r.status & 0x64, on ? sums : 4);
            CHECK_EQ(r.errors, 0);
            f[length - 1] ^= 1;
            f[22]--;
            CHECK(takes(&n, f, length));
            get_rx(&n, 1, &r);
            CHECK_EQ(r.errors, (on & 1 ? 0x40 : 0) | (on & 2 ? 0x20 : 0));
            put_be16(f + 20, 0x2000); /* a fragment: its sum is the guest's to judge */
            sum_ipv4(f);
            CHECK(takes(&n, f, length));
            get_rx(&n, 2, &r);
            CHECK_EQ(r.errors, 0);
            CHECK_EQ(r.status & 0x20, 0);
            nic_close(&n);
        }
}

TEST(what_the_host_vouches_for_is_not_summed_again)
{
    struct nic n;
    uint8_t f[600];
    size_t length = make_ipv4(f, 6, 501, 1);
    struct offload off = { .data_valid = true };
    static struct rx r;

    nic_open(&n, &e1000_class, false);
    start_rx(&n, 0);
    wr(&n, RXCSUM, 0x300);
    sum_ipv4(f);
    f[length - 1] ^= 1;
    CHECK(net_deliver(&n.net, f, length, &off));
    get_rx(&n, 0, &r);
    CHECK_EQ(r.errors, 0);
    CHECK_EQ(r.status & 0x60, 0x60);
    nic_close(&n);
}

/* ---- A ring that is full ---- */

TEST(a_full_ring_keeps_frames_at_the_host_until_rdt_moves)
{
    struct nic n;
    uint8_t f[100];
    unsigned accepts;

    nic_open(&n, &e1000_class, false);
    start_rx(&n, 0);
    make_frame(f, NIC_MAC, 100, 0);
    for (unsigned i = 0; i < RING - 1; i++)
        CHECK(net_deliver(&n.net, f, 100, NULL));
    CHECK_EQ(rd(&n, RDH), rd(&n, RDT));
    CHECK(!net_deliver(&n.net, f, 100, NULL));
    CHECK(!net_deliver(&n.net, f, 100, NULL));
    CHECK_EQ(rd(&n, RNBC), 1); /* one frame, however often it is offered */
    accepts = n.net.accepts;
    wr(&n, RDT, 5);
    CHECK_EQ(n.net.accepts, accepts + 1);
    CHECK(net_deliver(&n.net, f, 100, NULL));
    CHECK_EQ(rd(&n, GPRC), RING);
    nic_close(&n);
}

TEST(few_descriptors_left_are_a_cause_of_their_own)
{
    for (unsigned rdmts = 0; rdmts < 3; rdmts++) {
        struct nic n;
        uint8_t f[100];
        unsigned taken = 0, threshold = RING >> (rdmts + 1);

        nic_open(&n, &e1000_class, false);
        start_rx(&n, rdmts << 8);
        make_frame(f, NIC_MAC, 100, 0);
        while (!(rd(&n, ICR) & INT_RXDMT0)) {
            CHECK(net_deliver(&n.net, f, 100, NULL));
            taken++;
        }
        CHECK_EQ(RING - 1 - taken, threshold);
        nic_close(&n);
    }
}

TEST(an_interrupt_may_be_delayed)
{
    struct nic n;
    uint8_t f[100];

    nic_open(&n, &e1000_class, false);
    start_rx(&n, 0);
    wr(&n, RDTR, 100);
    wr(&n, IMS, INT_RXT0);
    make_frame(f, NIC_MAC, 100, 0);
    CHECK(takes(&n, f, 100));
    CHECK(!nic_irq(&n));
    pc_crank(&n.pc, 103 * NS_PER_US);
    CHECK(nic_irq(&n));
    nic_close(&n);
}

TEST(a_closed_receiver_loses_frames)
{
    struct nic n;
    uint8_t f[100];

    nic_open(&n, &e1000_class, false);
    make_frame(f, NIC_MAC, 100, 0);
    CHECK(net_deliver(&n.net, f, 100, NULL)); /* not ours to keep */
    start_rx(&n, 0);
    pc_config_write(&n.pc, NIC_DEVFN, 4, 2, 3);
    CHECK(net_deliver(&n.net, f, 100, NULL));
    CHECK_EQ(rd(&n, RDH), 0);
    CHECK_EQ(rd(&n, GPRC), 0);
    nic_close(&n);
}

TEST(pointers_outside_of_the_ring_take_nothing)
{
    struct nic n;
    uint8_t f[100];

    nic_open(&n, &e1000_class, false);
    start_rx(&n, 0);
    make_frame(f, NIC_MAC, 100, 0);
    wr(&n, RDH, RING);
    CHECK(!takes(&n, f, 100));
    wr(&n, RDH, 0xffff);
    wr(&n, RDT, 0xffff);
    CHECK(!net_deliver(&n.net, f, 100, NULL));
    wr(&n, RDH, 0);
    wr(&n, RDT, 0xffff);
    CHECK(!net_deliver(&n.net, f, 100, NULL));
    nic_close(&n);
}

TEST(dma_reaches_ram_and_nothing_else)
{
    struct nic n;
    uint8_t f[200], d[16] = { 0 };

    nic_open(&n, &e1000_class, false);
    start_rx(&n, 0);
    put_le64(d, NIC_MMIO + RAL);
    pc_poke(&n.pc, RX_RING, d, 16);
    make_frame(f, NIC_MAC, 200, 0);
    CHECK(takes(&n, f, 200));
    CHECK_EQ(rd(&n, RAL), 0x12005452);
    wr(&n, RDBAL, NIC_MMIO);
    net_deliver(&n.net, f, 200, NULL);
    CHECK_EQ(rd(&n, RAL), 0x12005452);
    nic_close(&n);
}

TEST(what_is_received_is_counted)
{
    struct nic n;
    uint8_t f[1514];

    nic_open(&n, &e1000_class, false);
    start_rx(&n, RCTL_BAM | RCTL_MPE);
    make_frame(f, NIC_MAC, 60, 0);
    CHECK(takes(&n, f, 60));
    make_frame(f, EVERYONE, 200, 0);
    CHECK(takes(&n, f, 200));
    make_frame(f, GROUP, 1514, 0);
    CHECK(takes(&n, f, 1514));
    CHECK_EQ(rd(&n, TPR), 3);
    CHECK_EQ(rd(&n, GPRC), 3);
    CHECK_EQ(rd(&n, GPRC), 0);
    CHECK_EQ(rd(&n, BPRC), 1);
    CHECK_EQ(rd(&n, MPRC), 1);
    CHECK_EQ(rd(&n, PRC64), 1);
    CHECK_EQ(rd(&n, PRC64 + 8), 1);  /* 128 to 255 */
    CHECK_EQ(rd(&n, PRC64 + 20), 1); /* 1024 and more */
    CHECK_EQ(rd(&n, GORCL), 64 + 204 + 1518);
    CHECK_EQ(rd(&n, GORCH), 0);
    CHECK_EQ(rd(&n, GORCL), 0);
    nic_close(&n);
}

/* ---- Loopback ---- */

static uint32_t phy(struct nic *n, uint32_t command)
{
    wr(n, MDIC, command | 1u << 21);
    return rd(n, MDIC) & 0xffff;
}

TEST(loopback_by_the_mac_or_the_phy_returns_what_is_sent)
{
    for (unsigned by_phy = 0; by_phy < 2; by_phy++) {
        struct nic n;
        uint8_t f[300];
        static struct rx r;

        nic_open(&n, &e1000_class, false);
        start_tx(&n);
        start_rx(&n, by_phy ? 0 : RCTL_LBM);
        if (by_phy)
            phy(&n, 0x04000000 | 0x4140);
        for (unsigned i = 0; i < 20; i++) {
            make_frame(f, NIC_MAC, 300, i);
            send_legacy(&n, f, 300, 0);
            get_rx(&n, i, &r);
            CHECK_EQ(r.length, 300);
            CHECK_MEM(r.bytes, f, 300);
        }
        CHECK(net_deliver(&n.net, f, 300, NULL)); /* the wire is not heard */
        CHECK_EQ(rd(&n, RDH), 20);
        CHECK_EQ(n.net.count, 0);
        nic_close(&n);
    }
}

TEST(loopback_into_a_full_ring_misses_and_says_so)
{
    struct nic n;
    uint8_t f[100];

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    start_rx(&n, RCTL_LBM);
    wr(&n, RDT, 2);
    rd(&n, ICR);
    make_frame(f, NIC_MAC, 100, 0);
    for (unsigned i = 0; i < 5; i++)
        send_legacy(&n, f, 100, 0);
    CHECK_EQ(rd(&n, RDH), 2);
    CHECK_EQ(rd(&n, MPC), 3);
    CHECK_EQ(rd(&n, ICR) & INT_RXO, INT_RXO);
    nic_close(&n);
}

/* Descriptors that loop back onto the transmit ring itself change it while it is being read. */
TEST(loopback_onto_the_transmit_ring_ends)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    start_rx(&n, RCTL_LBM | RCTL_UPE | RCTL_MPE | RCTL_BAM);
    start_tx(&n);
    for (unsigned i = 0; i < RING; i++) {
        uint8_t d[16] = { 0 };

        put_le64(d, TX_RING + 16 * i);
        pc_poke(&n.pc, RX_RING + 16 * i, d, 16);
        put_tx(&n, i, TX_RING, 160 | EOP | RS);
    }
    wr(&n, TDT, RING - 1);
    pc_settle(&n.pc);
    CHECK_EQ(n.net.count, 0);
    nic_close(&n);
}
