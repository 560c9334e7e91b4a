/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Power management as a BIOS and an ACPI interpreter drive it. */
#include <string.h>
#include "devices/acpi/piix4_pm.h"
#include "dm/base/error.h"
#include "tests/kit/check.h"
#include "tests/kit/pc.h"

#define DEVFN 0x0b /* 01.3 */
#define PMBASE 0x40
#define PMREGMISC 0x80
#define PM 0xb000
#define PM1_STS (PM + 0)
#define PM1_EN (PM + 2)
#define PM1_CNT (PM + 4)
#define SCI_EN 1
#define SLP_EN 0x2000
#define APM_CNT 0xb2
#define APM_STS 0xb3
#define GPE_STS 0xafe0
#define GPE_EN 0xafe2
#define GPE_PCI 2
#define GPE_CPU 4
#define CPUS 0xaf00
#define PCIU 0xae00
#define PCID 0xae04
#define B0EJ 0xae08
#define B0RM 0xae0c
#define SCI 9

static struct device *open_pm(struct pc *pc, const char *options)
{
    struct device *dev;

    pc_open(pc);
    dev = pc_plug(pc, &piix4_pm_class, options);
    pc_config_write(pc, DEVFN, PMBASE, 4, PM | 1);
    pc_config_write(pc, DEVFN, PMREGMISC, 1, 1);
    return dev;
}

static void acpi_on(struct pc *pc)
{
    pc_out8(pc, APM_CNT, 0xf1);
}

/* ---- Where the block is ---- */

TEST(the_block_answers_at_pmbase_once_enabled_and_moves_with_it)
{
    struct pc pc;

    pc_open(&pc);
    pc_plug(&pc, &piix4_pm_class, "");
    pc_config_write(&pc, DEVFN, PMBASE, 4, PM | 1);
    CHECK_EQ(pc_in16(&pc, PM1_CNT), 0xffff);
    pc_config_write(&pc, DEVFN, PMREGMISC, 1, 1);
    CHECK_EQ(pc_in16(&pc, PM1_CNT), 0);
    pc_out16(&pc, PM1_EN, 0x0120);
    pc_config_write(&pc, DEVFN, PMBASE, 2, 0xb101);
    CHECK_EQ(pc_in16(&pc, PM1_EN), 0xffff);
    CHECK_EQ(pc_in16(&pc, PM1_EN + 0x100), 0x0120);
    pc_config_write(&pc, DEVFN, PMREGMISC, 1, 0);
    CHECK_EQ(pc_in16(&pc, PM1_EN + 0x100), 0xffff);
    pc_config_write(&pc, DEVFN, PMBASE, 2, 0);
    pc_config_write(&pc, DEVFN, PMREGMISC, 1, 1);
    CHECK_EQ(pc_in16(&pc, 0), 0xffff);
    pc_config_write(&pc, DEVFN, PMBASE, 2, 0xffc1); /* the last place there is */
    CHECK_EQ(pc_in16(&pc, 0xffc4), 0);
    pc_config_write(&pc, DEVFN, PMBASE, 2, 0xafc1); /* over GPE0: not ours to take */
    CHECK_EQ(pc_in16(&pc, GPE_STS), 0);
    pc_close(&pc);
}

TEST(its_configuration_says_what_xen_and_bios_look_for)
{
    struct pc pc;

    open_pm(&pc, "");
    CHECK_EQ(pc_config_read(&pc, DEVFN, 0, 4), 0x71138086);
    CHECK_EQ(pc_config_read(&pc, DEVFN, 8, 4), 0x06800003);
    CHECK_EQ(pc_config_read(&pc, DEVFN, 0x3d, 1), 1);
    pc_config_write(&pc, DEVFN, 0x3c, 1, 9);
    CHECK_EQ(pc_config_read(&pc, DEVFN, 0x3c, 1), 9);
    pc_close(&pc);
}

/* hvmloader writes words over it. */
TEST(the_interrupt_pin_is_read_only_and_io_decoding_is_not)
{
    struct pc pc;

    open_pm(&pc, "");
    pc_config_write(&pc, DEVFN, 0x3c, 2, 0x0009);
    CHECK_EQ(pc_config_read(&pc, DEVFN, 0x3c, 2), 0x0109);
    pc_config_write(&pc, DEVFN, 0x04, 2, 0x0001);
    CHECK_EQ(pc_config_read(&pc, DEVFN, 0x04, 2) & 1, 1);
    pc_close(&pc);
}

TEST(registers_take_bytes_words_and_dwords)
{
    struct pc pc;

    open_pm(&pc, "");
    pc_out8(&pc, PM1_EN + 1, 0x01);
    pc_out8(&pc, PM1_EN, 0x20);
    CHECK_EQ(pc_in16(&pc, PM1_EN), 0x0120);
    CHECK_EQ(pc_in32(&pc, PM1_STS), 0x01200000);
    pc_out32(&pc, PM1_STS, 0x03210000);
    CHECK_EQ(pc_in8(&pc, PM1_EN), 0x21);
    CHECK_EQ(pc_in8(&pc, PM1_EN + 1), 0x03);
    pc_out32(&pc, PM + 0x20, 0x11223344); /* the rest of the block is storage */
    CHECK_EQ(pc_in32(&pc, PM + 0x20), 0x11223344);
    CHECK_EQ(pc_in16(&pc, PM + 0x3f), 0xff00);
    pc_close(&pc);
}

/* ---- ACPI on and off ---- */

TEST(apm_commands_switch_sci_en_and_nothing_else_does)
{
    struct pc pc;

    open_pm(&pc, "");
    pc_out16(&pc, PM1_CNT, SCI_EN);
    CHECK_EQ(pc_in16(&pc, PM1_CNT) & SCI_EN, 0);
    acpi_on(&pc);
    CHECK_EQ(pc_in16(&pc, PM1_CNT) & SCI_EN, SCI_EN);
    CHECK_EQ(pc_in8(&pc, APM_CNT), 0xf1);
    pc_out16(&pc, PM1_CNT, 0);
    CHECK_EQ(pc_in16(&pc, PM1_CNT) & SCI_EN, SCI_EN);
    pc_out8(&pc, APM_CNT, 0x55);
    CHECK_EQ(pc_in16(&pc, PM1_CNT) & SCI_EN, SCI_EN);
    pc_out8(&pc, APM_CNT, 0xf0);
    CHECK_EQ(pc_in16(&pc, PM1_CNT) & SCI_EN, 0);
    pc_out8(&pc, APM_STS, 0x77);
    CHECK_EQ(pc_in8(&pc, APM_STS), 0x77);
    pc_close(&pc);
}

/* ---- Sleep ---- */

TEST(sleep_type_0_powers_off_and_1_suspends)
{
    struct pc pc;

    open_pm(&pc, "");
    acpi_on(&pc);
    pc_out16(&pc, PM1_CNT, 0 << 10);
    CHECK_EQ(pc.power_offs, 0);
    pc_out16(&pc, PM1_CNT, SLP_EN | 0 << 10);
    CHECK_EQ(pc.power_offs, 1);
    CHECK_EQ(pc_in16(&pc, PM1_CNT), SCI_EN); /* SLP_EN reads as zero */
    pc_out16(&pc, PM1_CNT, SLP_EN | 1 << 10 | SCI_EN);
    CHECK_EQ(pc.suspends, 1);
    CHECK_EQ(pc.power_offs, 1);
    CHECK_EQ(pc_in16(&pc, PM1_CNT), 1 << 10 | SCI_EN);
    pc_out16(&pc, PM1_CNT, SLP_EN | 7 << 10);
    CHECK_EQ(pc.power_offs + pc.suspends, 2);
    pc_close(&pc);
}

TEST(the_high_byte_alone_puts_the_machine_to_sleep)
{
    struct pc pc;

    open_pm(&pc, "");
    pc_out8(&pc, PM1_CNT + 1, (SLP_EN | 1 << 10) >> 8);
    CHECK_EQ(pc.suspends, 1);
    pc_out8(&pc, PM1_CNT, 0x20); /* bit 5 of the low byte is not SLP_EN */
    CHECK_EQ(pc.suspends + pc.power_offs, 1);
    pc_close(&pc);
}

TEST(waking_sets_wak_sts_which_a_one_clears)
{
    struct pc pc;
    struct device *pm = open_pm(&pc, "");

    pm_wake(pm);
    CHECK_EQ(pc_in16(&pc, PM1_STS), 0x8000);
    pc_out16(&pc, PM1_STS, 0x0001);
    CHECK_EQ(pc_in16(&pc, PM1_STS), 0x8000);
    pc_out8(&pc, PM1_STS + 1, 0x80);
    CHECK_EQ(pc_in16(&pc, PM1_STS), 0);
    pc_close(&pc);
}

/* ---- GPE0 and the SCI ---- */

TEST(gpe_status_clears_by_ones_and_enable_is_written)
{
    struct pc pc;
    struct device *pm = open_pm(&pc, "");

    pm_slot_added(pm, 5);
    CHECK_EQ(pm_add_cpu(pm, 1, NULL), 0);
    CHECK_EQ(pc_in16(&pc, GPE_STS), GPE_PCI | GPE_CPU);
    pc_out8(&pc, GPE_STS, GPE_CPU);
    CHECK_EQ(pc_in8(&pc, GPE_STS), GPE_PCI);
    pc_out8(&pc, GPE_STS + 1, 0xff);
    CHECK_EQ(pc_in8(&pc, GPE_STS), GPE_PCI);
    pc_out16(&pc, GPE_EN, 0x8006);
    CHECK_EQ(pc_in16(&pc, GPE_EN), 0x8006);
    pc_out8(&pc, GPE_EN, 0x02);
    CHECK_EQ(pc_in16(&pc, GPE_EN), 0x8002);
    CHECK_EQ(pc_in32(&pc, GPE_STS), 0x80020002);
    pc_close(&pc);
}

TEST(the_sci_is_high_while_an_enabled_event_stands_and_acpi_is_on)
{
    struct pc pc;
    struct device *pm = open_pm(&pc, "");

    pm_slot_added(pm, 5);
    CHECK(!pc.isa[SCI]);
    pc_out8(&pc, GPE_EN, GPE_PCI);
    CHECK(!pc.isa[SCI]);
    acpi_on(&pc);
    CHECK(pc.isa[SCI]);
    pc_out8(&pc, GPE_EN, 0);
    CHECK(!pc.isa[SCI]);
    pc_out8(&pc, GPE_EN, GPE_PCI);
    CHECK(pc.isa[SCI]);
    pc_out8(&pc, GPE_STS, GPE_PCI);
    CHECK(!pc.isa[SCI]);
    pc_close(&pc);
}

/* Xen drives the same line for PM1 and may have lowered it behind our back. */
TEST(a_level_that_stands_is_said_again_when_the_guest_touches_what_it_follows_from)
{
    struct pc pc;
    struct device *pm = open_pm(&pc, "");

    acpi_on(&pc);
    pc_out8(&pc, GPE_EN, GPE_PCI | GPE_CPU);
    pm_slot_added(pm, 5);
    pm_add_cpu(pm, 1, NULL);
    CHECK(pc.isa[SCI]);
    pc.isa[SCI] = false;
    pc_out8(&pc, GPE_STS, GPE_CPU); /* one of two is cleared */
    CHECK(pc.isa[SCI]);
    pc.isa[SCI] = false;
    pc_out16(&pc, PM1_EN, 0x100);
    CHECK(pc.isa[SCI]);
    pc_close(&pc);
}

/* ---- CPUs ---- */

TEST(the_cpu_bitmap_shows_who_is_online_and_grows)
{
    struct error err = { "" };
    struct pc pc;
    struct device *pm = open_pm(&pc, "cpus=9");

    CHECK_EQ(pc_in8(&pc, CPUS), 0xff);
    CHECK_EQ(pc_in8(&pc, CPUS + 1), 0x01);
    CHECK_EQ(pc_in8(&pc, CPUS + 31), 0x00);
    pc_out8(&pc, CPUS + 1, 0xff); /* read-only */
    CHECK_EQ(pc_in8(&pc, CPUS + 1), 0x01);
    CHECK_EQ(pm_add_cpu(pm, 127, &err), 0);
    CHECK_EQ(pc_in8(&pc, CPUS + 15), 0x80);
    CHECK(pm_cpu_online(pm, 127));
    CHECK(!pm_cpu_online(pm, 126));
    CHECK(!pm_cpu_online(pm, 100000));
    CHECK(pm_add_cpu(pm, 8, &err) < 0);
    CHECK_SAYS(err, "online already");
    CHECK(pm_add_cpu(pm, 256, &err) < 0);
    CHECK_SAYS(err, "CPU 256");
    device_reset(pm);
    CHECK_EQ(pc_in8(&pc, CPUS + 15), 0x00);
    CHECK_EQ(pc_in8(&pc, CPUS + 1), 0x01);
    pc_close(&pc);
}

/* ---- PCI slots ---- */

static unsigned ejected, ejections;

static void on_eject(void *arg, unsigned slot)
{
    ejected = slot;
    ejections++;
}

TEST(a_slot_that_came_is_told_once_and_can_go)
{
    struct pc pc;
    struct device *pm = open_pm(&pc, "");

    ejections = 0;
    pm_on_eject(pm, on_eject, NULL);
    CHECK_EQ(pc_in32(&pc, PCIU), 0);
    pm_slot_added(pm, 6);
    pm_slot_added(pm, 31);
    CHECK_EQ(pc_in32(&pc, PCIU), 0x80000040);
    CHECK_EQ(pc_in32(&pc, PCIU), 0);
    CHECK_EQ(pc_in32(&pc, B0RM), 0x80000040);
    pm_slot_remove(pm, 6);
    CHECK_EQ(pc_in32(&pc, PCID), 0x40);
    CHECK_EQ(ejections, 0);
    pc_out32(&pc, B0EJ, 0x40);
    CHECK_EQ(ejections, 1);
    CHECK_EQ(ejected, 6);
    CHECK_EQ(pc_in32(&pc, PCID), 0);
    CHECK_EQ(pc_in32(&pc, B0RM), 0x80000000);
    pc_out32(&pc, B0EJ, 0x7fffffff); /* nothing else can go */
    CHECK_EQ(ejections, 1);
    CHECK_EQ(pc_in32(&pc, B0EJ), 0);
    pc_out32(&pc, PCIU, 0xffffffff);
    pc_out32(&pc, PCID, 0xffffffff);
    CHECK_EQ(pc_in32(&pc, PCID), 0);
    pc_close(&pc);
}

TEST(an_eject_with_nobody_listening_is_fine)
{
    struct pc pc;
    struct device *pm = open_pm(&pc, "");

    pm_slot_added(pm, 3);
    pc_out32(&pc, B0EJ, 8);
    CHECK_EQ(pc_in32(&pc, B0RM), 0);
    pc_close(&pc);
}

/* ---- The whole ---- */

TEST(loaded_registers_put_the_block_and_the_sci_back)
{
    struct error err = { "" };
    struct pc pc;
    struct device *pm = open_pm(&pc, "");
    static uint8_t saved[4096];

    acpi_on(&pc);
    pc_out8(&pc, GPE_EN, GPE_PCI);
    pm_slot_added(pm, 3);
    memcpy(saved, device_regs(pm), device_class_of(pm)->regs_size);
    device_reset(pm);
    CHECK(!pc.isa[SCI]);
    CHECK_EQ(pc_in16(&pc, PM1_CNT), 0xffff);
    memcpy(device_regs(pm), saved, device_class_of(pm)->regs_size);
    CHECK_EQ(device_check_regs(pm, &err), 0);
    CHECK(pc.isa[SCI]);
    CHECK_EQ(pc_in16(&pc, PM1_CNT), SCI_EN);
    pc_close(&pc);
}

TEST(reset_equals_fresh_and_everything_is_saved)
{
    struct pc pc;
    struct device *pm = open_pm(&pc, "cpus=3");

    pc_check_saved(pm);
    pc_check_reset(&pc, pm, 7);
    pc_close(&pc);
}
