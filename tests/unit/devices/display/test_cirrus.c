/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The CL-GD5446 as a guest drives it: extended modes, banks, cursor, and every kind of blit. */
#include "tests/unit/devices/display/bench.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"

#define CHIP (4u << 20)

TEST(it_says_what_it_is)
{
    struct bench b;

    bench_open(&b, &cirrus_vga_class, "screen=vga");
    bench_set_mode(&b, &bench_text);
    CHECK_EQ(pc_config_read(&b.pc, 0x18, 0, 4), 0x00b81013);
    CHECK_EQ(pc_config_read(&b.pc, 0x18, 10, 2), 0x0300);
    CHECK_EQ(bench_peek_index(&b, 0x3d4, 0x27), 0xb8);
    bench_index(&b, 0x3c4, 6, 0x92);
    CHECK_EQ(bench_peek_index(&b, 0x3c4, 6), 0x12);
    bench_index(&b, 0x3c4, 6, 0);
    CHECK_EQ(bench_peek_index(&b, 0x3c4, 6), 0x0f);
    CHECK_EQ(bench_peek_index(&b, 0x3c4, 0x0f) & 0x98, 0x98); /* 4 MiB */
    bench_look(&b);
    CHECK_EQ(b.width, 720);
    bench_close(&b);
}
