/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/platform/platform.h"
#include "tests/kit/check.h"
#include "tests/kit/pc.h"

/* Ports of a register of the first and of the second controller. */
static uint64_t port(unsigned chip, unsigned reg)
{
    return chip ? 0xc0 + 2 * reg : reg;
}

static struct device *open_dma(struct pc *pc)
{
    pc_open(pc);
    return pc_plug(pc, &dma8237_class, "");
}

TEST(address_and_count_go_byte_by_byte_through_the_flip_flop)
{
    struct pc pc;

    open_dma(&pc);
    for (unsigned chip = 0; chip < 2; chip++)
        for (unsigned reg = 0; reg < 8; reg++) {
            uint16_t value = (uint16_t)(0x1234 + 0x0101 * reg + chip);

            pc_out8(&pc, port(chip, 12), 0);
            pc_out8(&pc, port(chip, reg), (uint8_t)value);
            pc_out8(&pc, port(chip, reg), (uint8_t)(value >> 8));
            CHECK_EQ(pc_in8(&pc, port(chip, reg)), value & 0xff);
            CHECK_EQ(pc_in8(&pc, port(chip, reg)), value >> 8);
        }
    pc_close(&pc);
}

TEST(clearing_the_flip_flop_starts_with_the_low_byte_again)
{
    struct pc pc;

    open_dma(&pc);
    pc_out8(&pc, 0, 0x34);
    pc_out8(&pc, 12, 0);
    pc_out8(&pc, 0, 0x78);
    pc_out8(&pc, 0, 0x56);
    CHECK_EQ(pc_in8(&pc, 0), 0x78);
    pc_out8(&pc, 12, 0);
    CHECK_EQ(pc_in8(&pc, 0), 0x78);
    CHECK_EQ(pc_in8(&pc, 0), 0x56);
    pc_close(&pc);
}

TEST(masks_are_set_one_by_one_all_at_once_and_by_master_clear)
{
    struct pc pc;

    open_dma(&pc);
    for (unsigned chip = 0; chip < 2; chip++) {
        CHECK_EQ(pc_in8(&pc, port(chip, 15)) & 0x0f, 0x0f);
        pc_out8(&pc, port(chip, 10), 2);
        CHECK_EQ(pc_in8(&pc, port(chip, 15)) & 0x0f, 0x0b);
        pc_out8(&pc, port(chip, 15), 0x05);
        CHECK_EQ(pc_in8(&pc, port(chip, 15)) & 0x0f, 0x05);
        pc_out8(&pc, port(chip, 10), 4 | 1);
        CHECK_EQ(pc_in8(&pc, port(chip, 15)) & 0x0f, 0x07);
        pc_out8(&pc, port(chip, 14), 0);
        CHECK_EQ(pc_in8(&pc, port(chip, 15)) & 0x0f, 0x00);
        pc_out8(&pc, port(chip, 13), 0);
        CHECK_EQ(pc_in8(&pc, port(chip, 15)) & 0x0f, 0x0f);
    }
    pc_close(&pc);
}

TEST(software_requests_show_in_the_status)
{
    struct pc pc;

    open_dma(&pc);
    pc_out8(&pc, port(1, 9), 4 | 3);
    CHECK_EQ(pc_in8(&pc, port(1, 8)), 0x80);
    CHECK_EQ(pc_in8(&pc, port(0, 8)), 0x00);
    pc_out8(&pc, port(1, 9), 3);
    CHECK_EQ(pc_in8(&pc, port(1, 8)), 0x00);
    pc_close(&pc);
}

TEST(page_registers_are_memory_up_to_0x8f)
{
    struct pc pc;

    open_dma(&pc);
    for (unsigned i = 0; i < 16; i++)
        pc_out8(&pc, 0x80 + i, (uint8_t)(0xc0 + i));
    for (unsigned i = 0; i < 16; i++)
        CHECK_EQ(pc_in8(&pc, 0x80 + i), 0xc0 + i);
    CHECK_EQ(pc_in8(&pc, 0x92), 0xff);
    pc_close(&pc);
}

TEST(the_second_controllers_odd_ports_are_empty)
{
    struct pc pc;

    open_dma(&pc);
    pc_out8(&pc, 0xc1, 0x55);
    CHECK_EQ(pc_in8(&pc, 0xc1), 0xff);
    CHECK_EQ(pc_in8(&pc, 0xc0), 0);
    pc_close(&pc);
}

TEST(reset_equals_fresh_and_everything_is_saved)
{
    struct pc pc;
    struct device *dev = open_dma(&pc);

    pc_check_saved(dev);
    pc_check_reset(&pc, dev, 5);
    pc_close(&pc);
}
