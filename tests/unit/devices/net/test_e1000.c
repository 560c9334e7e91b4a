/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The card as a PCI function and a register file: EEPROM, PHY, link, interrupts, resets. */
#include "tests/unit/devices/net/e1000_bench.h"

TEST(the_function_says_it_is_an_82540em)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 0, 4), 0x100e8086);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 8, 4) >> 8, 0x020000);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 0x3d, 1), 1);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 6, 2) & 0x10, 0);
    pc_config_write(&n.pc, NIC_DEVFN, 4, 2, 0);
    pc_config_write(&n.pc, NIC_DEVFN, 0x10, 4, ~0u);
    pc_config_write(&n.pc, NIC_DEVFN, 0x14, 4, ~0u);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 0x10, 4), 0xfffe0000);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 0x14, 4), 0xffffffc1);
    nic_close(&n);
}

TEST(registers_start_as_the_manual_says)
{
    static const struct {
        unsigned at;
        uint32_t value;
    } want[] = {
        { STATUS, 0x00000783 },
        { VET, 0x8100 },
        { RCTL, 0 },
        { TCTL, 0 },
        { IMS, 0 },
        { PBA, 0x00100030 },
        { RAL, 0x12005452 },
        { RAH, 0x80005634 },
        { RDT, 0 },
        { LEDCTL, 0x07068302 },
        { RAL + 8, 0 },
        { RAH + 8, 0 },
        { 0xfffc, 0 },
        { 0x1fffc, 0 },
    };
    struct nic n;

    nic_open(&n, &e1000_class, false);
    for (unsigned i = 0; i < ARRAY_SIZE(want); i++)
        CHECK_EQ(rd(&n, want[i].at), want[i].value);
    CHECK_EQ(rd(&n, CTRL) & 0x04000000, 0);
    nic_close(&n);
}

TEST(registers_keep_only_the_bits_they_have)
{
    static const struct {
        unsigned at;
        uint32_t mask;
    } want[] = {
        { VET, 0xffff },        { RDBAL, 0xfffffff0 },
        { RDBAH, ~0u },         { RDLEN, 0x000fff80 },
        { TDBAL, 0xfffffff0 },  { TDLEN, 0x000fff80 },
        { MTA + 4 * 127, ~0u }, { VFTA, ~0u },
        { STATUS, 0x00000783 }, { GPRC, 0 },
        { RAL + 8 * 15, ~0u },  { RDTR, 0xffff },
    };
    struct nic n;

    nic_open(&n, &e1000_class, false);
    for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
        wr(&n, want[i].at, ~0u);
        CHECK_EQ(rd(&n, want[i].at), want[i].mask);
    }
    nic_close(&n);
}

TEST(registers_answer_through_the_io_window_too)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    pc_out32(&n.pc, NIC_IO, RAL);
    CHECK_EQ(pc_in32(&n.pc, NIC_IO), RAL);
    CHECK_EQ(pc_in32(&n.pc, NIC_IO + 4), 0x12005452);
    pc_out32(&n.pc, NIC_IO, MTA + 8);
    pc_out32(&n.pc, NIC_IO + 4, 0xcafef00d);
    CHECK_EQ(rd(&n, MTA + 8), 0xcafef00d);
    pc_out32(&n.pc, NIC_IO, 0xffffffff);
    CHECK_EQ(pc_in32(&n.pc, NIC_IO + 4), 0);
    pc_out32(&n.pc, NIC_IO + 4, 1);
    nic_close(&n);
}

/* ---- The EEPROM ---- */

TEST(the_eeprom_reads_through_eerd_and_its_sum_is_right)
{
    struct nic n;
    uint16_t sum = 0;

    nic_open(&n, &e1000_class, false);
    for (unsigned i = 0; i < 64; i++) {
        uint32_t v;

        wr(&n, EERD, i << 8 | 1);
        v = rd(&n, EERD);
        CHECK(v & 0x10);
        CHECK_EQ(v >> 8 & 0xff, i);
        sum = (uint16_t)(sum + (v >> 16));
        if (i < 3)
            CHECK_EQ(v >> 16, get_le16(NIC_MAC + 2 * i));
    }
    CHECK_EQ(sum, 0xbaba);
    wr(&n, EERD, 0xff << 8 | 1);
    CHECK_EQ(rd(&n, EERD) >> 16, 0);
    nic_close(&n);
}

#define SK 1u
#define CS 2u
#define DI 4u
#define DO 8u
#define REQUEST 0x40u
#define GRANT 0x80u

/* As Linux's driver does: it keeps what it read and changes one line at a time. */
static uint32_t eecd_raise(struct nic *n, uint32_t v)
{
    wr(n, EECD, v | SK);
    return v | SK;
}

static void eecd_send(struct nic *n, uint32_t bits, int count)
{
    uint32_t v = rd(n, EECD) & ~(DI | DO);

    for (int i = count - 1; i >= 0; i--) {
        v = (v & ~DI) | (bits >> i & 1 ? DI : 0);
        wr(n, EECD, v);
        v = eecd_raise(n, v);
        v &= ~SK;
        wr(n, EECD, v);
    }
    wr(n, EECD, v & ~DI);
}

static uint16_t eecd_get(struct nic *n, int count)
{
    uint16_t data = 0;
    uint32_t v = rd(n, EECD) & ~(DI | DO);

    for (int i = 0; i < count; i++) {
        v = eecd_raise(n, v);
        v = rd(n, EECD) & ~DI; /* with DO in it, which it writes back */
        data = (uint16_t)(data << 1 | (v & DO ? 1 : 0));
        v &= ~SK;
        wr(n, EECD, v);
    }
    return data;
}

TEST(the_eeprom_reads_bit_by_bit)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    wr(&n, EECD, rd(&n, EECD) | REQUEST);
    CHECK(rd(&n, EECD) & GRANT);
    for (unsigned word = 0; word < 64; word++) {
        uint16_t got;

        wr(&n, EECD, rd(&n, EECD) & ~(DI | SK));
        wr(&n, EECD, rd(&n, EECD) | CS);
        eecd_send(&n, 6, 3);
        eecd_send(&n, word, 6);
        CHECK_EQ(rd(&n, EECD) & DO, 0); /* the dummy bit */
        got = eecd_get(&n, 16);
        wr(&n, EECD, rd(&n, EECD) & ~(CS | SK));
        wr(&n, EERD, word << 8 | 1);
        CHECK_EQ(got, rd(&n, EERD) >> 16);
    }
    wr(&n, EECD, rd(&n, EECD) & ~REQUEST);
    CHECK(!(rd(&n, EECD) & GRANT));
    CHECK(rd(&n, EECD) & 0x100);
    nic_close(&n);
}

/* ---- The PHY ---- */

static uint32_t mdic(struct nic *n, uint32_t command, unsigned phy, unsigned reg, unsigned data)
{
    wr(n, MDIC, command | phy << 21 | reg << 16 | data);
    return rd(n, MDIC);
}

#define PHY_WRITE 0x04000000u
#define PHY_READ 0x08000000u

TEST(the_phy_answers_at_address_one_and_nowhere_else)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    CHECK_EQ(mdic(&n, PHY_READ, 1, 2, 0) & 0x7000ffff, 0x10000141);
    CHECK_EQ(mdic(&n, PHY_READ, 1, 3, 0) & 0xfff0, 0x0c20);
    for (unsigned phy = 0; phy < 32; phy++)
        if (phy != 1)
            CHECK(mdic(&n, PHY_READ, phy, 2, 0) & 0x40000000);
    CHECK_EQ(mdic(&n, PHY_READ, 1, 1, 0) & 0x24, 0x24);
    mdic(&n, PHY_WRITE, 1, 4, 0x01e1);
    CHECK_EQ(mdic(&n, PHY_READ, 1, 4, 0) & 0xffff, 0x01e1);
    mdic(&n, PHY_WRITE, 1, 2, 0xffff);
    CHECK_EQ(mdic(&n, PHY_READ, 1, 2, 0) & 0xffff, 0x0141);
    wr(&n, IMS, 0x200);
    mdic(&n, PHY_READ | 0x20000000, 1, 0, 0);
    CHECK(nic_irq(&n));
    CHECK_EQ(rd(&n, ICR) & 0x200, 0x200);
    nic_close(&n);
}

TEST(a_reset_phy_forgets_and_negotiates)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    mdic(&n, PHY_WRITE, 1, 4, 0x01e1);
    mdic(&n, PHY_WRITE, 1, 0, 0x9140);
    CHECK_EQ(mdic(&n, PHY_READ, 1, 0, 0) & 0xffff, 0x1140); /* the bit clears itself */
    CHECK_EQ(mdic(&n, PHY_READ, 1, 4, 0) & 0xffff, 0x0de1);
    CHECK_EQ(rd(&n, STATUS) & 2, 0);
    pc_crank(&n.pc, NS_PER_SEC);
    CHECK_EQ(rd(&n, STATUS) & 2, 2);
    mdic(&n, PHY_WRITE, 1, 0, 0x1940); /* powered down */
    CHECK_EQ(rd(&n, STATUS) & 2, 0);
    mdic(&n, PHY_WRITE, 1, 0, 0x1140);
    CHECK_EQ(rd(&n, STATUS) & 2, 2);
    nic_close(&n);
}

TEST(negotiation_takes_the_link_down_and_up_again)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    wr(&n, IMS, INT_LSC);
    CHECK_EQ(rd(&n, STATUS) & 2, 2);
    mdic(&n, PHY_WRITE, 1, 0, 0x1340);
    CHECK_EQ(rd(&n, STATUS) & 2, 0);
    CHECK_EQ(mdic(&n, PHY_READ, 1, 1, 0) & 0x24, 0);
    CHECK_EQ(rd(&n, ICR) & INT_LSC, INT_LSC);
    CHECK(!nic_irq(&n));
    pc_crank(&n.pc, NS_PER_SEC);
    CHECK_EQ(rd(&n, STATUS) & 2, 2);
    CHECK_EQ(mdic(&n, PHY_READ, 1, 1, 0) & 0x24, 0x24);
    CHECK_EQ(mdic(&n, PHY_READ, 1, 17, 0) & 0xec00, 0xac00); /* 1000, full duplex, resolved, up */
    CHECK(nic_irq(&n));
    nic_close(&n);
}

TEST(a_pulled_cable_takes_the_link_down)
{
    struct nic n;
    uint8_t f[64];

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    wr(&n, IMS, INT_LSC);
    netport_set_link(n.net.port, false);
    CHECK(nic_irq(&n));
    CHECK_EQ(rd(&n, STATUS) & 2, 0);
    CHECK_EQ(rd(&n, ICR) & INT_LSC, INT_LSC);
    make_frame(f, NIC_MAC, 64, 0);
    send_legacy(&n, f, 64, 0);
    CHECK_EQ(n.net.count, 0);
    netport_set_link(n.net.port, true);
    CHECK(nic_irq(&n));
    CHECK_EQ(rd(&n, STATUS) & 2, 2);
    nic_close(&n);
}

/* ---- Interrupts ---- */

TEST(causes_are_masked_read_and_cleared)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    wr(&n, ICS, INT_TXQE);
    CHECK(!nic_irq(&n));
    wr(&n, IMS, INT_TXQE | INT_RXT0);
    CHECK(nic_irq(&n));
    CHECK_EQ(rd(&n, IMS), INT_TXQE | INT_RXT0);
    wr(&n, IMC, INT_TXQE);
    CHECK(!nic_irq(&n));
    CHECK_EQ(rd(&n, IMS), INT_RXT0);
    wr(&n, ICS, INT_RXT0);
    CHECK(nic_irq(&n));
    CHECK_EQ(rd(&n, ICR), INT_RXT0 | INT_TXQE); /* all causes, whatever the mask */
    CHECK(!nic_irq(&n));
    CHECK_EQ(rd(&n, ICR), 0);
    wr(&n, ICS, INT_RXT0 | INT_LSC);
    wr(&n, ICR, INT_RXT0); /* writing clears what is written */
    CHECK(!nic_irq(&n));
    CHECK_EQ(rd(&n, ICR), INT_LSC);
    nic_close(&n);
}

TEST(throttling_keeps_interrupts_apart)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    wr(&n, ITR, 1000); /* 256 us */
    wr(&n, IMS, INT_RXT0);
    wr(&n, ICS, INT_RXT0);
    CHECK(nic_irq(&n));
    rd(&n, ICR);
    wr(&n, ICS, INT_RXT0);
    CHECK(!nic_irq(&n));
    pc_crank(&n.pc, 200 * NS_PER_US);
    CHECK(!nic_irq(&n));
    pc_crank(&n.pc, 57 * NS_PER_US);
    CHECK(nic_irq(&n));
    rd(&n, ICR);
    pc_crank(&n.pc, NS_PER_MS);
    wr(&n, ICS, INT_RXT0);
    CHECK(nic_irq(&n)); /* after a pause there is nothing to wait for */
    rd(&n, ICR);
    wr(&n, ICS, INT_RXT0);
    CHECK(!nic_irq(&n));
    wr(&n, ITR, 0);
    CHECK(nic_irq(&n));
    nic_close(&n);
}

/* ---- Resets ---- */

TEST(software_reset_spares_configuration_space_the_phy_and_the_eeprom)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    start_tx(&n);
    start_rx(&n, RCTL_UPE);
    wr(&n, RAL, 0x11223344);
    wr(&n, MTA, 5);
    mdic(&n, PHY_WRITE, 1, 4, 0x01e1);
    wr(&n, IMS, INT_LSC);
    wr(&n, ICS, INT_LSC);
    CHECK(nic_irq(&n));
    wr(&n, CTRL, 0x04000000);
    CHECK(!nic_irq(&n));
    CHECK_EQ(rd(&n, CTRL) & 0x04000000, 0);
    CHECK_EQ(rd(&n, RAL), 0x12005452);
    CHECK_EQ(rd(&n, RAH), 0x80005634);
    CHECK_EQ(rd(&n, MTA), 0);
    CHECK_EQ(rd(&n, RCTL), 0);
    CHECK_EQ(rd(&n, TDLEN), 0);
    CHECK_EQ(rd(&n, IMS), 0);
    CHECK_EQ(mdic(&n, PHY_READ, 1, 4, 0) & 0xffff, 0x01e1);
    CHECK_EQ(rd(&n, STATUS) & 2, 2);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 4, 2), 7);
    nic_close(&n);
}

TEST(regs_are_saved_to_the_last_byte)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    pc_check_saved(n.dev);
    pc_check_reset(&n.pc, n.dev, 3);
    nic_close(&n);
}

TEST(a_saved_state_with_a_position_outside_is_refused)
{
    struct nic n;
    struct error err = { "" };

    nic_open(&n, &e1000_class, false);
    CHECK_EQ(device_check_regs(n.dev, &err), 0);
    for (const struct saved_field *f = e1000_class.saved; f->name; f++) {
        uint8_t *at = (uint8_t *)device_regs(n.dev) + f->offset, was = *at;

        if (strcmp(f->name, "serial_bits") && strcmp(f->name, "serial_out_bits"))
            continue;
        *at = 200;
        CHECK(device_check_regs(n.dev, &err) < 0);
        CHECK_SAYS(err, "out of range");
        *at = was;
    }
    nic_close(&n);
}

TEST(after_random_accesses_reset_equals_fresh)
{
    for (unsigned seed = 1; seed <= 6; seed++) {
        struct nic n;

        nic_open(&n, &e1000_class, seed & 1);
        nic_check_chaos(&n, seed, 20000, seed & 2 ? 0x6000 : 0x400);
        nic_close(&n);
    }
}

TEST(random_descriptors_do_no_harm)
{
    for (unsigned seed = 1; seed <= 6; seed++) {
        struct nic n;
        uint32_t x = seed;
        uint8_t f[1100], d[16];

        nic_open(&n, &e1000_class, seed & 1);
        start_tx(&n);
        start_rx(&n, RCTL_UPE | RCTL_BAM | RCTL_LPE);
        wr(&n, CTRL, rd(&n, CTRL) | CTRL_VME);
        for (unsigned i = 0; i < 6000; i++) {
            uint32_t ring = i & 1 ? TX_RING : RX_RING;

            for (unsigned k = 0; k < 4; k++)
                put_le32(d + 4 * k, nic_random(&x));
            put_le64(d, nic_random(&x) % (PC_RAM + 65536));
            if (ring == TX_RING && i % 3 == 0)
                make_ipv4(f, i & 8 ? 6 : 17, 1000, i),
                    pc_poke(&n.pc, get_le64(d) % (PC_RAM / 2), f, 1054);
            pc_poke(&n.pc, ring + nic_random(&x) % RING * 16, d, 16);
            if (i % 8 == 0)
                wr(&n, TDT, nic_random(&x) % (RING + 1));
            if (i % 8 == 4) {
                wr(&n, RDT, nic_random(&x) % (RING + 1));
                wr(&n, RCTL, nic_random(&x) | (i & 16 ? RCTL_EN : 0));
                make_frame(f, NIC_MAC, 1000, i);
                net_deliver(&n.net, f, 1000, NULL);
            }
            if (i % 64 == 0) {
                pc_crank(&n.pc, NS_PER_MS);
                net_forget(&n.net);
                rd(&n, ICR);
            }
        }
        nic_close(&n);
    }
}

TEST(detached_with_work_left_it_is_quiet)
{
    struct nic n;
    uint8_t f[64];

    nic_open(&n, &e1000_class, false);
    wr(&n, TDBAL, TX_RING);
    wr(&n, TDLEN, 1024 * 16);
    make_frame(f, NIC_MAC, 64, 0);
    pc_poke(&n.pc, TX_BUFFER, f, 64);
    for (unsigned i = 0; i < 1024; i++)
        put_tx(&n, i, TX_BUFFER, 64 | EOP);
    wr(&n, TCTL, 2);
    wr(&n, TDT, 1023);
    CHECK(n.net.count < 1023); /* the rest has been put off */
    device_detach(n.pc.devices[--n.pc.device_count]);
    pc_settle(&n.pc);
    nic_close(&n);
}

TEST(a_card_without_a_cable_works_all_the_same)
{
    struct nic n;
    uint8_t f[100];

    pc_open(&n.pc);
    n.dev = pc_plug(&n.pc, &e1000_class, "addr=04.0,mac=52:54:00:12:34:56");
    nic_decode(&n);
    CHECK_EQ(rd(&n, STATUS) & 2, 0);
    start_tx(&n);
    make_frame(f, NIC_MAC, 100, 0);
    send_legacy(&n, f, 100, 0);
    CHECK_EQ(tx_status(&n, 0), 1);
    pc_close(&n.pc);
}

TEST(a_saved_state_of_noise_does_no_harm)
{
    for (unsigned seed = 1; seed <= 40; seed++)
        nic_check_noise(&e1000_class, seed, 0x6000);
}

TEST(unplugged_it_is_gone_and_its_port_hangs_up)
{
    struct nic n;

    nic_open(&n, &e1000_class, false);
    device_class_of(n.dev)->unplug(n.dev);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 0, 4), 0xffffffff);
    CHECK_EQ(rd(&n, STATUS), 0xffffffff);
    CHECK(n.net.hung_up);
    nic_close(&n);
}
