/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The card as a PCI function and a register file: EEPROM, PHY, timer, resets, hostile accesses. */
#include "tests/unit/devices/net/rtl8139_bench.h"

TEST(the_function_says_it_is_an_8139_cplus)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 0, 4), 0x813910ec);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 8, 4), 0x02000020);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 0x3d, 1), 1);
    pc_config_write(&n.pc, NIC_DEVFN, 4, 2, 0);
    for (unsigned bar = 0x10; bar <= 0x14; bar += 4)
        pc_config_write(&n.pc, NIC_DEVFN, bar, 4, ~0u);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 0x10, 4), 0xffffff01);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 0x14, 4), 0xffffff00);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 0x30, 4), 0);
    nic_close(&n);
}

TEST(power_management_is_in_the_list_and_survives_reset)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    for (int i = 0; i < 2; i++) {
        CHECK(pc_config_read(&n.pc, NIC_DEVFN, 6, 2) & 0x10);
        CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 0x34, 1), 0x50);
        CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 0x50, 4), 0xf7c20001);
        CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 0x54, 2), 0);
        pc_config_write(&n.pc, NIC_DEVFN, 0x54, 2, 0x0103);
        CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 0x54, 2), 0x0103);
        device_reset(n.dev);
    }
    nic_close(&n);
}

TEST(registers_read_by_byte_word_and_double_word_through_both_bars)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    CHECK_EQ(r32(&n, IDR), 0x12005452);
    CHECK_EQ(r16(&n, IDR + 4), 0x5634);
    CHECK_EQ(r8(&n, IDR + 3), 0x12);
    CHECK_EQ(pc_in32(&n.pc, NIC_IO + IDR), 0x12005452);
    CHECK_EQ(pc_in16(&n.pc, NIC_IO + IDR + 4), 0x5634);
    w32(&n, MAR, 0x44332211);
    pc_out8(&n.pc, NIC_IO + MAR + 2, 0xaa);
    CHECK_EQ(r32(&n, MAR), 0x44aa2211);
    w32(&n, IMR, 0xffff0005); /* the half of ISR clears nothing that is not set */
    CHECK_EQ(r32(&n, IMR), 0x00000005);
    CHECK_EQ(r16(&n, 0xda), 0); /* the 8169 has a register here, and drivers look */
    nic_close(&n);
}

TEST(reset_values_tell_the_chip_and_its_state)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    CHECK_EQ(r32(&n, TCR) & 0x7cc00000, 0x74800000);
    CHECK_EQ(r8(&n, CR), 0x01);
    CHECK_EQ(r16(&n, CAPR), 0xfff0);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(r32(&n, TSD + 4 * i), 0x2000);
    CHECK_EQ(r16(&n, TSADS), 0x000f);
    CHECK_EQ(r8(&n, CONFIG1) & 0x0c, 0x0c);
    CHECK_EQ(r16(&n, BMCR), 0x3100);
    CHECK_EQ(r16(&n, BMSR), 0x782d);
    CHECK_EQ(r16(&n, ANAR), 0x05e1);
    CHECK_EQ(r16(&n, ANLPAR), 0x45e1);
    CHECK_EQ(r8(&n, MSR), 0);
    CHECK_EQ(r16(&n, CPCR), 0);
    w16(&n, CPCR, 0x001b);
    CHECK_EQ(r16(&n, CPCR), 0x001b); /* how iPXE tells a C+ */
    nic_close(&n);
}

/* ---- The EEPROM, as 8139cp talks to it ---- */

static void ee_select(struct nic *n)
{
    w8(n, CR9346, 0x80);
    w8(n, CR9346, 0x88);
}

static void ee_send(struct nic *n, uint32_t bits, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        uint8_t v = 0x88 | (bits >> i & 1 ? 2 : 0);

        w8(n, CR9346, v);
        w8(n, CR9346, v | 4);
    }
    w8(n, CR9346, 0x88);
}

static uint16_t ee_get(struct nic *n)
{
    uint16_t v = 0;

    for (int i = 0; i < 16; i++) {
        w8(n, CR9346, 0x8c);
        v = (uint16_t)(v << 1 | (r8(n, CR9346) & 1));
        w8(n, CR9346, 0x88);
    }
    return v;
}

static uint16_t ee_read(struct nic *n, unsigned word, unsigned address_bits)
{
    uint16_t v;

    ee_select(n);
    ee_send(n, 6u << address_bits | word, 5 + (int)address_bits);
    v = ee_get(n);
    w8(n, CR9346, 0);
    return v;
}

TEST(the_eeprom_reads_as_a_93c46)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    CHECK(ee_read(&n, 0, 8) != 0x8129); /* drivers probe for the larger one first */
    CHECK_EQ(ee_read(&n, 0, 6), 0x8129);
    CHECK_EQ(ee_read(&n, 1, 6), 0x10ec);
    CHECK_EQ(ee_read(&n, 2, 6), 0x8139);
    CHECK_EQ(ee_read(&n, 7, 6), 0x5452);
    CHECK_EQ(ee_read(&n, 8, 6), 0x1200);
    CHECK_EQ(ee_read(&n, 9, 6), 0x5634);
    ee_select(&n);
    ee_send(&n, 6u << 6 | 7, 9);
    CHECK_EQ(r8(&n, CR9346) & 1, 0); /* the dummy bit */
    CHECK_EQ(ee_get(&n), 0x5452);
    CHECK_EQ(ee_get(&n), 0x1200); /* and it reads on */
    nic_close(&n);
}

TEST(the_eeprom_is_written_only_while_enabled)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    ee_select(&n);
    ee_send(&n, 5u << 22 | 9u << 16 | 0xbeef, 25);
    CHECK_EQ(ee_read(&n, 9, 6), 0x5634);
    ee_select(&n);
    ee_send(&n, 4u << 6 | 0x30, 9); /* EWEN */
    ee_select(&n);
    ee_send(&n, 5u << 22 | 9u << 16 | 0xbeef, 25);
    w8(&n, CR9346, 0x80);
    w8(&n, CR9346, 0x88);
    CHECK_EQ(r8(&n, CR9346) & 1, 1); /* ready */
    CHECK_EQ(ee_read(&n, 9, 6), 0xbeef);
    CHECK_EQ(r16(&n, IDR + 4), 0x5634);
    w8(&n, CR9346, 0x40); /* load */
    CHECK_EQ(r16(&n, IDR + 4), 0xbeef);
    CHECK_EQ(r8(&n, CR9346) & 0xc0, 0);
    ee_select(&n);
    ee_send(&n, 7u << 6 | 9, 9); /* ERASE */
    CHECK_EQ(ee_read(&n, 9, 6), 0xffff);
    ee_select(&n);
    ee_send(&n, 4u << 6, 9); /* EWDS */
    ee_select(&n);
    ee_send(&n, 4u << 22 | 0x10u << 16, 25); /* WRAL */
    CHECK_EQ(ee_read(&n, 9, 6), 0xffff);
    nic_close(&n);
}

TEST(configuration_is_locked_until_9346cr_opens_it)
{
    struct nic n;
    uint8_t was;

    nic_open(&n, &rtl8139_class, false);
    was = r8(&n, CONFIG1);
    w8(&n, CONFIG1, 0x20);
    w16(&n, BMCR, 0x0000);
    CHECK_EQ(r8(&n, CONFIG1), was);
    CHECK_EQ(r16(&n, BMCR), 0x3100);
    w8(&n, CR9346, 0xc0);
    w8(&n, CONFIG1, 0x20);
    w8(&n, CONFIG3, 0x60);
    w16(&n, BMCR, 0x0000);
    CHECK_EQ(r8(&n, CONFIG1), 0x2c);
    CHECK_EQ(r8(&n, CONFIG3) & 0x70, 0x60);
    CHECK_EQ(r16(&n, BMCR), 0x0000);
    CHECK_EQ(r8(&n, MSR), 0x08); /* 10 Mb/s by force */
    w16(&n, BMCR, 0x8000);
    CHECK_EQ(r16(&n, BMCR), 0x3100);
    nic_close(&n);
}

TEST(a_pulled_cable_shows_in_the_phy_and_interrupts)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    w16(&n, IMR, 0x0020);
    netport_set_link(n.net.port, false);
    CHECK(nic_irq(&n));
    CHECK_EQ(r16(&n, ISR), 0x0020);
    CHECK_EQ(r8(&n, MSR) & 4, 4);
    CHECK_EQ(r16(&n, BMSR) & 0x24, 0);
    w16(&n, ISR, 0x0020);
    CHECK(!nic_irq(&n));
    netport_set_link(n.net.port, true);
    CHECK(nic_irq(&n));
    CHECK_EQ(r16(&n, BMSR) & 0x24, 0x24);
    nic_close(&n);
}

TEST(the_timer_counts_at_33_mhz_and_interrupts_at_its_value)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    w16(&n, IMR, 0x4000);
    w32(&n, TCTR, 1234);
    CHECK_EQ(r32(&n, TCTR), 0);
    pc_crank(&n.pc, 10 * NS_PER_US);
    CHECK_EQ(r32(&n, TCTR), 330);
    w32(&n, TIMERINT, 3300);
    pc_crank(&n.pc, 80 * NS_PER_US);
    CHECK(!nic_irq(&n));
    pc_crank(&n.pc, 11 * NS_PER_US);
    CHECK(nic_irq(&n));
    w16(&n, ISR, 0x4000);
    CHECK(!nic_irq(&n));
    pc_crank(&n.pc, NS_PER_SEC);
    CHECK(!nic_irq(&n)); /* not before the counter comes round */
    w32(&n, TCTR, 0);
    pc_crank(&n.pc, 101 * NS_PER_US);
    CHECK(nic_irq(&n));
    nic_close(&n);
}

TEST(the_software_interrupt_is_there)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    w16(&n, IMR, 0x0100);
    w8(&n, TPPOLL, 0x01);
    CHECK(nic_irq(&n));
    CHECK_EQ(r8(&n, TPPOLL), 0);
    nic_close(&n);
}

TEST(software_reset_keeps_addresses_and_configuration)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    start_ring(&n, 1, 0x0f);
    w32(&n, MAR, 0x12345678);
    w32(&n, IDR, 0x44332211);
    w8(&n, CR9346, 0xc0);
    w16(&n, CPCR, 3);
    w8(&n, CR, 0x10);
    CHECK_EQ(r8(&n, CR), 0x01); /* clears itself; receiver and transmitter off */
    CHECK_EQ(r32(&n, MAR), 0x12345678);
    CHECK_EQ(r32(&n, IDR), 0x44332211);
    CHECK_EQ(r8(&n, CR9346), 0xc0);
    CHECK_EQ(r16(&n, IMR), 0);
    CHECK_EQ(r16(&n, CPCR), 0);
    CHECK_EQ(r32(&n, RCR), 0);
    CHECK_EQ(r32(&n, RBSTART), 0);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 4, 2), 7);
    nic_close(&n);
}

TEST(regs_are_saved_to_the_last_byte)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    pc_check_saved(n.dev);
    pc_check_reset(&n.pc, n.dev, 3);
    nic_close(&n);
}

TEST(a_saved_state_with_a_position_outside_is_refused)
{
    struct nic n;
    struct error err = { "" };
    const struct saved_field *f = rtl8139_class.saved;

    nic_open(&n, &rtl8139_class, false);
    CHECK_EQ(device_check_regs(n.dev, &err), 0);
    for (; f->name; f++) {
        uint8_t *at = (uint8_t *)device_regs(n.dev) + f->offset, was = *at;

        if (strcmp(f->name, "tx_at") && strcmp(f->name, "tx_ring_at") &&
            strcmp(f->name, "rx_ring_at") && strcmp(f->name, "ee_bits") &&
            strcmp(f->name, "ee_addr"))
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

        nic_open(&n, &rtl8139_class, seed & 1);
        nic_check_chaos(&n, seed, 20000, 256);
        nic_close(&n);
    }
}

TEST(random_descriptors_do_no_harm_in_cplus_mode)
{
    for (unsigned seed = 1; seed <= 6; seed++) {
        struct nic n;
        uint32_t x = seed;
        uint8_t frame[1500];

        nic_open(&n, &rtl8139_class, seed & 1);
        start_cplus(&n, seed & 2 ? 0x60 : 0);
        for (unsigned i = 0; i < 4000; i++) {
            uint32_t ring = nic_random(&x) & 1   ? TX_RING
                            : nic_random(&x) & 1 ? TX_HIGH_RING
                                                 : RX_RING;

            put_desc(&n, ring, nic_random(&x) % 64, nic_random(&x) | (i & 3 ? OWN : 0),
                     nic_random(&x), nic_random(&x) % (PC_RAM + 65536));
            make_ipv4(frame, i & 1 ? 6 : 17, 1000, i);
            frame[14 + nic_random(&x) % 40] = (uint8_t)nic_random(&x);
            pc_poke(&n.pc, nic_random(&x) % (PC_RAM - 2000), frame, 1054);
            net_deliver(&n.net, frame, 1054, NULL);
            w8(&n, TPPOLL, 0xc0);
            w16(&n, ISR, 0xffff);
            if (i % 32 == 0) {
                pc_crank(&n.pc, NS_PER_MS);
                net_forget(&n.net);
            }
        }
        nic_close(&n);
    }
}

TEST(a_saved_state_of_noise_does_no_harm)
{
    for (unsigned seed = 1; seed <= 40; seed++)
        nic_check_noise(&rtl8139_class, seed, 256);
}

TEST(unplugged_it_is_gone_and_its_port_hangs_up)
{
    struct nic n;

    nic_open(&n, &rtl8139_class, false);
    w32(&n, TIMERINT, 100);
    device_class_of(n.dev)->unplug(n.dev);
    CHECK_EQ(pc_config_read(&n.pc, NIC_DEVFN, 0, 4), 0xffffffff);
    CHECK_EQ(r32(&n, IDR), 0xffffffff);
    CHECK(n.net.hung_up);
    pc_crank(&n.pc, NS_PER_SEC);
    CHECK(!nic_irq(&n));
    nic_close(&n);
}

TEST(a_card_without_a_cable_works_all_the_same)
{
    struct nic n;

    pc_open(&n.pc);
    n.dev = pc_plug(&n.pc, &rtl8139_class, "addr=04.0,mac=52:54:00:12:34:56");
    nic_decode(&n);
    CHECK_EQ(r16(&n, BMSR) & 4, 0);
    start_ring(&n, 0, 0x0f);
    w32(&n, TSAD, TX_BUFFER);
    w32(&n, TSD, 64);
    CHECK_EQ(r32(&n, TSD) & 0xa000, 0xa000);
    pc_close(&n.pc);
}
