/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host bridge and the ISA bridge: configuration ports, resets, PIRQ routes. */
#include "devices/pci/chipset.h"
#include "dm/base/bytes.h"
#include "tests/kit/check.h"
#include "tests/kit/pc.h"

#define ADDRESS 0xcf8
#define DATA 0xcfc
#define RESET_CONTROL 0xcf9
#define PORT92 0x92
#define PIIX3 8 /* 01.0 */

static void open_chipset(struct pc *pc)
{
    pc_open(pc);
    pc_plug(pc, &i440fx_class, "");
    pc_plug(pc, &piix3_class, "");
}

TEST(the_latch_and_the_data_port_reach_every_function)
{
    struct pc pc;

    open_chipset(&pc);
    pc_out32(&pc, ADDRESS, 0x80000000);
    CHECK_EQ(pc_in32(&pc, ADDRESS), 0x80000000);
    CHECK_EQ(pc_in32(&pc, DATA), 0x12378086);
    pc_out32(&pc, ADDRESS, 0x80000800);
    CHECK_EQ(pc_in32(&pc, DATA), 0x70008086);
    CHECK_EQ(pc_in16(&pc, DATA + 2), 0x7000);
    CHECK_EQ(pc_in8(&pc, DATA + 1), 0x80);
    pc_out32(&pc, ADDRESS, 0x80001000);
    CHECK_EQ(pc_in32(&pc, DATA), 0xffffffff); /* nobody at 02.0 */
    pc_close(&pc);
}

TEST(without_the_enable_bit_or_on_another_bus_nobody_answers)
{
    struct pc pc;

    open_chipset(&pc);
    pc_out32(&pc, ADDRESS, 0x00000000);
    CHECK_EQ(pc_in32(&pc, DATA), 0xffffffff);
    pc_out32(&pc, ADDRESS, 0x80010000);
    CHECK_EQ(pc_in32(&pc, DATA), 0xffffffff);
    pc_out32(&pc, DATA, 0);
    pc_out32(&pc, ADDRESS, 0x80000000);
    CHECK_EQ(pc_in32(&pc, DATA), 0x12378086);
    pc_close(&pc);
}

TEST(the_latch_takes_dwords_only)
{
    struct pc pc;

    open_chipset(&pc);
    pc_out32(&pc, ADDRESS, 0x80000860);
    pc_out8(&pc, ADDRESS, 0);
    pc_out16(&pc, ADDRESS, 0);
    pc_out16(&pc, ADDRESS + 2, 0);
    CHECK_EQ(pc_in32(&pc, ADDRESS), 0x80000860);
    CHECK_EQ(pc_in8(&pc, ADDRESS), 0xff);
    CHECK_EQ(pc_in16(&pc, ADDRESS + 2), 0xffff);
    pc_close(&pc);
}

TEST(data_writes_of_all_sizes_land_in_their_bytes)
{
    struct pc pc;

    open_chipset(&pc);
    pc_out32(&pc, ADDRESS, 0x80000058);
    pc_out8(&pc, DATA + 1, 0x33); /* PAM0 */
    pc_out16(&pc, DATA + 2, 0x1122);
    CHECK_EQ(pc_in32(&pc, DATA), 0x11223300);
    CHECK_EQ(pc_config_read(&pc, 0, 0x59, 1), 0x33);
    pc_out32(&pc, DATA + 2, 0xaabbccdd); /* runs past the port's end */
    CHECK_EQ(pc_config_read(&pc, 0, 0x5a, 2), 0xccdd);
    pc_close(&pc);
}

TEST(memory_attributes_read_back_and_reset)
{
    struct pc pc;

    open_chipset(&pc);
    CHECK_EQ(pc_config_read(&pc, 0, 0x72, 1), 0x02);
    for (unsigned i = 0x59; i < 0x60; i++) {
        pc_config_write(&pc, 0, i, 1, 0x30 + i % 4);
        CHECK_EQ(pc_config_read(&pc, 0, i, 1), 0x30 + i % 4);
    }
    pc_config_write(&pc, 0, 0x72, 1, 0xff);
    CHECK_EQ(pc_config_read(&pc, 0, 0x72, 1), 0x7f);
    device_reset(pc.devices[0]);
    CHECK_EQ(pc_config_read(&pc, 0, 0x59, 1), 0);
    CHECK_EQ(pc_config_read(&pc, 0, 0x72, 1), 0x02);
    CHECK_EQ(pc_config_read(&pc, 0, 0x04, 2), 0x0006);
    pc_config_write(&pc, 0, 0x04, 2, 0);
    CHECK_EQ(pc_config_read(&pc, 0, 0x04, 2) & 0x0002, 0x0002); /* memory is always on */
    pc_close(&pc);
}

TEST(the_reset_control_register_resets_on_the_rising_edge_of_its_cpu_bit)
{
    struct pc pc;

    open_chipset(&pc);
    pc_out8(&pc, RESET_CONTROL, 0x02);
    CHECK_EQ(pc.resets, 0);
    CHECK_EQ(pc_in8(&pc, RESET_CONTROL), 0x02);
    pc_out8(&pc, RESET_CONTROL, 0x06);
    CHECK_EQ(pc.resets, 1);
    pc_out8(&pc, RESET_CONTROL, 0x06);
    CHECK_EQ(pc.resets, 1);
    pc_out8(&pc, RESET_CONTROL, 0x00);
    pc_out8(&pc, RESET_CONTROL, 0x04);
    CHECK_EQ(pc.resets, 2);
    pc_out8(&pc, RESET_CONTROL, 0xf9);
    CHECK_EQ(pc_in8(&pc, RESET_CONTROL), 0);
    CHECK_EQ(pc.resets, 2);
    pc_close(&pc);
}

TEST(port_92_keeps_a20_and_resets_on_the_edge_of_its_bit_0)
{
    struct pc pc;

    open_chipset(&pc);
    CHECK_EQ(pc_in8(&pc, PORT92), 0);
    pc_out8(&pc, PORT92, 0x02);
    CHECK_EQ(pc_in8(&pc, PORT92), 0x02);
    CHECK_EQ(pc.resets, 0);
    pc_out8(&pc, PORT92, 0x03);
    pc_out8(&pc, PORT92, 0x03);
    CHECK_EQ(pc.resets, 1);
    pc_out8(&pc, PORT92, 0xfe);
    CHECK_EQ(pc_in8(&pc, PORT92), 0x02);
    pc_close(&pc);
}

TEST(pirq_routes_are_told_and_off_at_reset)
{
    struct pc pc;

    open_chipset(&pc);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(pc_config_read(&pc, PIIX3, 0x60 + i, 1), 0x80);
        CHECK_EQ(pc.links[i], 0);
    }
    pc_config_write(&pc, PIIX3, 0x60, 4, 0x0b800a05);
    CHECK_EQ(pc.links[0], 5);
    CHECK_EQ(pc.links[1], 10);
    CHECK_EQ(pc.links[2], 0);
    CHECK_EQ(pc.links[3], 11);
    pc_config_write(&pc, PIIX3, 0x62, 1, 0x09);
    CHECK_EQ(pc.links[2], 9);
    pc_config_write(&pc, PIIX3, 0x5f, 2, 0x0700); /* a write that only reaches the first link */
    CHECK_EQ(pc.links[0], 7);
    device_reset(pc.devices[1]);
    CHECK_EQ(pc.links[3], 0);
    pc_close(&pc);
}

TEST(the_isa_bridge_is_multifunction_with_its_power_on_values)
{
    static const struct { unsigned offset, value; } fresh[] = {
        { 0x0e, 0x80 }, { 0x0a, 0x01 }, { 0x0b, 0x06 }, { 0x04, 0x07 }, { 0x4c, 0x4d },
        { 0x4e, 0x03 }, { 0x69, 0x02 }, { 0x70, 0x80 }, { 0x76, 0x0c }, { 0x77, 0x0c },
        { 0x78, 0x02 }, { 0xa0, 0x08 }, { 0xa8, 0x0f },
    };
    struct pc pc;

    open_chipset(&pc);
    for (int turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < ARRAY_SIZE(fresh); i++)
            CHECK_EQ(pc_config_read(&pc, PIIX3, fresh[i].offset, 1), fresh[i].value);
        for (unsigned o = 0x40; o < 0x100; o += 4)
            pc_config_write(&pc, PIIX3, o, 4, 0x80808080);
        device_reset(pc.devices[1]);
    }
    pc_close(&pc);
}

TEST(loaded_routes_are_told_again)
{
    struct error err = { "" };
    struct pc pc;

    open_chipset(&pc);
    pc_config_write(&pc, PIIX3, 0x60, 4, 0x0b800a05);
    pc.links[0] = pc.links[3] = 77;
    CHECK_EQ(device_check_regs(pc.devices[1], &err), 0);
    CHECK_EQ(device_check_regs(pc.devices[0], &err), 0);
    CHECK_EQ(pc.links[0], 5);
    CHECK_EQ(pc.links[3], 11);
    pc_close(&pc);
}

TEST(resets_equal_fresh_and_everything_is_saved)
{
    struct pc pc;

    open_chipset(&pc);
    for (unsigned i = 0; i < 2; i++) {
        pc_check_saved(pc.devices[i]);
        pc_check_reset(&pc, pc.devices[i], 42 + i);
    }
    pc_close(&pc);
}
