/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/platform/platform.h"
#include "dm/base/error.h"
#include "tests/kit/check.h"
#include "tests/kit/pc.h"

static struct device *open_cmos(struct pc *pc, const char *options)
{
    pc_open(pc);
    return pc_plug(pc, &cmos_class, options);
}

static uint8_t get(struct pc *pc, uint8_t index)
{
    pc_out8(pc, 0x70, index);
    return pc_in8(pc, 0x71);
}

static void put(struct pc *pc, uint8_t index, uint8_t value)
{
    pc_out8(pc, 0x70, index);
    pc_out8(pc, 0x71, value);
}

TEST(boot_order_is_three_nibbles)
{
    static const struct { const char *boot; uint8_t first, third; } orders[] = {
        { "boot=cda", 0x32, 0x10 }, { "boot=dc", 0x23, 0x00 }, { "boot=n", 0x04, 0x00 },
        { "boot=abcd", 0x11, 0x20 }, { "boot=nop", 0x44, 0x40 }, { "boot=", 0x00, 0x00 },
        { "boot=c,fd-check=off", 0x02, 0x01 }, { "", 0x32, 0x10 },
    };

    for (unsigned i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        struct pc pc;

        open_cmos(&pc, orders[i].boot);
        CHECK_EQ(get(&pc, 0x3d), orders[i].first);
        CHECK_EQ(get(&pc, 0x38), orders[i].third);
        pc_close(&pc);
    }
}

TEST(a_letter_that_is_no_boot_device_is_refused)
{
    struct error err = { "" };
    struct device *dev;
    struct pc pc;

    pc_open(&pc);
    CHECK(device_attach(&dev, &pc.board, &cmos_class, "c", "boot=cx", &err) < 0);
    CHECK_SAYS(err, "x is not a boot device");
    pc_close(&pc);
}

TEST(the_clocks_bytes_are_xens_and_the_rest_is_memory)
{
    struct pc pc;

    open_cmos(&pc, "");
    for (unsigned i = 0; i < 128; i++)
        put(&pc, (uint8_t)i, (uint8_t)(i ^ 0x5a));
    for (unsigned i = 0; i < 128; i++)
        CHECK_EQ(get(&pc, (uint8_t)i), i < 14 ? 0 : i ^ 0x5a);
    CHECK_EQ(get(&pc, 0x80 | 0x20), 0x20 ^ 0x5a); /* bit 7 is the NMI mask */
    CHECK_EQ(pc_in8(&pc, 0x70), 0xff);
    CHECK_EQ(pc_in16(&pc, 0x70) >> 8, 0x20 ^ 0x5a);
    pc_close(&pc);
}

TEST(the_number_of_cpus_and_the_equipment_are_noted)
{
    struct pc pc;

    open_cmos(&pc, "cpus=4");
    CHECK_EQ(get(&pc, 0x5f), 3);
    CHECK_EQ(get(&pc, 0x14), 0x06);
    CHECK_EQ(get(&pc, 0x15) | get(&pc, 0x16) << 8, 640);
    pc_close(&pc);
}

TEST(disk_geometry_is_noted_as_an_old_bios_would)
{
    struct pc pc;

    open_cmos(&pc, "geometry0=1023/16/63/1,geometry2=500/4/32/2,geometry3=nonsense");
    CHECK_EQ(get(&pc, 0x12), 0xf0);
    CHECK_EQ(get(&pc, 0x19), 47);
    CHECK_EQ(get(&pc, 0x1a), 0);
    CHECK_EQ(get(&pc, 0x1b) | get(&pc, 0x1c) << 8, 1023);
    CHECK_EQ(get(&pc, 0x1d), 16);
    CHECK_EQ(get(&pc, 0x20), 0xc8);
    CHECK_EQ(get(&pc, 0x21) | get(&pc, 0x22) << 8, 1023);
    CHECK_EQ(get(&pc, 0x23), 63);
    CHECK_EQ(get(&pc, 0x39), 1 | 2 << 4);
    pc_close(&pc);
    open_cmos(&pc, "geometry1=100/2/17/0");
    CHECK_EQ(get(&pc, 0x12), 0x0f);
    CHECK_EQ(get(&pc, 0x1a), 47);
    CHECK_EQ(get(&pc, 0x24), 100);
    CHECK_EQ(get(&pc, 0x26), 2);
    CHECK_EQ(get(&pc, 0x2c), 17);
    pc_close(&pc);
}

TEST(reset_equals_fresh_and_everything_is_saved)
{
    struct error err = { "" };
    struct pc pc;
    struct device *dev = open_cmos(&pc, "cpus=2,geometry0=10/2/3/0");

    pc_check_saved(dev);
    pc_check_reset(&pc, dev, 11);
    CHECK_EQ(device_check_regs(dev, &err), 0);
    *(uint8_t *)device_regs(dev) = 128;
    CHECK(device_check_regs(dev, &err) < 0);
    CHECK_SAYS(err, "index 128");
    pc_close(&pc);
}

TEST(a_suspend_leaves_word_for_the_bios_that_resumes)
{
    struct device *cmos;
    struct pc pc;

    pc_open(&pc);
    cmos = pc_plug(&pc, &cmos_class, "");
    pc_out8(&pc, 0x70, 0x0f);
    CHECK_EQ(pc_in8(&pc, 0x71), 0x00);
    cmos_note_suspend(cmos);
    CHECK_EQ(pc_in8(&pc, 0x71), 0xfe);
    pc_out8(&pc, 0x71, 0x00); /* the BIOS clears it once it has gone on */
    CHECK_EQ(pc_in8(&pc, 0x71), 0x00);
    pc_close(&pc);
}
