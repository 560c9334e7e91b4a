/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VGA as a guest drives it: ports, the window, and what is then on the screen. */
#include "tests/unit/devices/display/bench.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/loop.h"
#include "dm/memory/local.h"

#define BLACK 0x000000u
#define BLUE 0x0000aau
#define GREY 0xaaaaaau
#define YELLOW 0xffff55u
#define FRAME (NS_PER_SEC / 70 + 1)

/* As a BIOS does it: plane 2 alone, sequential. */
static void load_glyph(struct bench *b, unsigned ch, const uint8_t rows[16])
{
    bench_index(b, 0x3c4, 2, 4);
    bench_index(b, 0x3c4, 4, 7);
    bench_index(b, 0x3ce, 5, 0);
    bench_index(b, 0x3ce, 6, 4);
    for (unsigned i = 0; i < 16; i++)
        pc_mmio_write(&b->pc, 0xa0000 + ch * 32 + i, 1, rows[i]);
    bench_index(b, 0x3c4, 2, 3);
    bench_index(b, 0x3c4, 4, 2);
    bench_index(b, 0x3ce, 5, 0x10);
    bench_index(b, 0x3ce, 6, 0x0e);
}

static void text_screen(struct bench *b)
{
    static const uint8_t a[16] = { 0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01, [15] = 0xff };
    static const uint8_t line[16] = { [7] = 0xff };

    bench_open(b, &vga_class, "screen=vga");
    bench_set_mode(b, &bench_text);
    bench_palette(b);
    load_glyph(b, 'A', a);
    load_glyph(b, 0xc4, line);
    load_glyph(b, 'x', line);
    bench_index(b, 0x3d4, 0x0a, 0x20); /* no cursor */
}

static void put_cell(struct bench *b, unsigned x, unsigned y, uint8_t ch, uint8_t attr)
{
    pc_mmio_write(&b->pc, 0xb8000 + (y * 80 + x) * 2, 2, (unsigned)attr << 8 | ch);
}

TEST(text_cells_show_their_glyphs_in_their_colours)
{
    struct bench b;

    text_screen(&b);
    put_cell(&b, 2, 1, 'A', 0x1e);
    bench_look(&b);
    CHECK_EQ(b.width, 720);
    CHECK_EQ(b.height, 400);
    for (unsigned i = 0; i < 8; i++) {
        CHECK_EQ(bench_pixel(&b, 18 + i, 16 + i), YELLOW);
        CHECK_EQ(bench_pixel(&b, 18 + (i + 1) % 8, 16 + i), BLUE);
    }
    CHECK_EQ(bench_pixel(&b, 18 + 8, 16 + 15), BLUE); /* the ninth dot */
    CHECK_EQ(bench_pixel(&b, 17, 16), BLACK);
    CHECK_EQ(pc_mmio_read(&b.pc, 0xb8000 + 164, 2), 0x1e41);
    bench_close(&b);
}

TEST(line_characters_reach_over_the_ninth_dot)
{
    struct bench b;

    text_screen(&b);
    put_cell(&b, 0, 0, 0xc4, 0x07);
    put_cell(&b, 1, 0, 'x', 0x07);
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 8, 7), GREY);
    CHECK_EQ(bench_pixel(&b, 17, 7), BLACK);
    bench_close(&b);
}

TEST(eight_dot_cells_make_640_pixels)
{
    struct bench b;

    text_screen(&b);
    bench_index(&b, 0x3c4, 1, 1);
    put_cell(&b, 1, 0, 'A', 0x07);
    bench_look(&b);
    CHECK_EQ(b.width, 640);
    CHECK_EQ(bench_pixel(&b, 8, 0), GREY);
    CHECK_EQ(bench_pixel(&b, 15, 15), GREY);
    bench_close(&b);
}

TEST(only_what_changed_is_damage)
{
    struct bench b;

    text_screen(&b);
    bench_look(&b);
    bench_look(&b);
    CHECK_EQ(b.damage.count, 0);
    put_cell(&b, 3, 2, 'A', 0x07);
    bench_look(&b);
    CHECK_EQ(b.damage.count, 1);
    CHECK_EQ(b.damage.rects[0].x, 27);
    CHECK_EQ(b.damage.rects[0].width, 8);
    CHECK_EQ(b.damage.rects[0].y, 32);
    bench_close(&b);
}

TEST(the_cursor_blinks)
{
    struct bench b;

    text_screen(&b);
    bench_index(&b, 0x3d4, 0x0a, 0x0d);
    bench_index(&b, 0x3d4, 0x0b, 0x0e);
    bench_index(&b, 0x3d4, 0x0e, 0);
    bench_index(&b, 0x3d4, 0x0f, 81);
    put_cell(&b, 1, 1, ' ', 0x07);
    for (unsigned i = 0; i < 4; i++) {
        bool on = !(clock_now() / (NS_PER_SEC * 16 / 70) & 1);

        bench_look(&b);
        CHECK_EQ(bench_pixel(&b, 9, 16 + 13), on ? GREY : BLACK);
        CHECK_EQ(bench_pixel(&b, 9, 16 + 12), BLACK);
        CHECK_EQ(bench_pixel(&b, 18, 16 + 13), BLACK);
        pc_crank(&b.pc, NS_PER_SEC * 16 / 70);
    }
    bench_close(&b);
}

TEST(attribute_bit_7_blinks_or_brightens)
{
    struct bench b;

    text_screen(&b);
    put_cell(&b, 0, 0, 'A', 0x97);
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 1, 0), BLUE);
    pc_in8(&b.pc, 0x3da);
    pc_out8(&b.pc, 0x3c0, 0x30);
    pc_out8(&b.pc, 0x3c0, 0x04);
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 1, 0), 0x5555ff);
    bench_close(&b);
}

TEST(the_start_address_scrolls_text)
{
    struct bench b;

    text_screen(&b);
    put_cell(&b, 0, 3, 'A', 0x07);
    bench_index(&b, 0x3d4, 0x0d, 3 * 80);
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 0, 0), GREY);
    bench_close(&b);
}

TEST(second_font_is_chosen_by_attribute_bit_3)
{
    struct bench b;

    text_screen(&b);
    bench_index(&b, 0x3c4, 3, 0x04); /* A: map 1 at 0x4000; B: map 0 */
    bench_index(&b, 0x3c4, 2, 4);
    bench_index(&b, 0x3c4, 4, 7);
    bench_index(&b, 0x3ce, 5, 0);
    bench_index(&b, 0x3ce, 6, 4);
    pc_mmio_write(&b.pc, 0xa0000 + 0x4000 + 'A' * 32, 1, 0x0f);
    bench_index(&b, 0x3c4, 2, 3);
    bench_index(&b, 0x3c4, 4, 2);
    bench_index(&b, 0x3ce, 5, 0x10);
    bench_index(&b, 0x3ce, 6, 0x0e);
    put_cell(&b, 0, 0, 'A', 0x0f);
    put_cell(&b, 1, 0, 'A', 0x07);
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 0, 0), BLACK);
    CHECK_EQ(bench_pixel(&b, 4, 0), 0xffffff);
    CHECK_EQ(bench_pixel(&b, 9, 0), GREY);
    bench_close(&b);
}

/* ---- Graphics ---- */

static void open_mode(struct bench *b, const struct bench_mode *mode)
{
    bench_open(b, &vga_class, "screen=vga");
    bench_set_mode(b, mode);
    bench_palette(b);
    pc_in8(&b->pc, 0x3da);
    for (unsigned i = 0; i < 32; i++) /* colour i of the first sixteen is i */
        pc_out8(&b->pc, 0x3c0, (uint8_t)(i / 2));
    pc_out8(&b->pc, 0x3c0, 0x20);
    pc_out8(&b->pc, 0x3c8, 0);
    for (unsigned i = 0; i < 256; i++)
        for (unsigned k = 0; k < 3; k++)
            pc_out8(&b->pc, 0x3c9, (uint8_t)((i >> (2 * k)) * 4 & 0x3f));
}

/* What palette entry i of open_mode() looks like. */
static uint32_t shade(unsigned i)
{
    uint32_t rgb = 0;

    for (unsigned k = 0; k < 3; k++) {
        unsigned v = (i >> (2 * k)) * 4 & 0x3f;

        rgb = rgb << 8 | (v << 2 | v >> 4);
    }
    return rgb;
}

TEST(planar_pixels_take_a_bit_from_each_plane)
{
    struct bench b;

    open_mode(&b, &bench_12h);
    for (unsigned plane = 0; plane < 4; plane++) {
        static const uint8_t bits[4] = { 0x55, 0x33, 0x0f, 0xff };

        bench_index(&b, 0x3c4, 2, 1u << plane);
        pc_mmio_write(&b.pc, 0xa0000 + 80 * 3 + 2, 1, bits[plane]);
    }
    bench_look(&b);
    CHECK_EQ(b.width, 640);
    CHECK_EQ(b.height, 480);
    for (unsigned i = 0; i < 8; i++)
        CHECK_EQ(bench_pixel(&b, 16 + i, 3), shade(8 + i));
    bench_close(&b);
}

TEST(write_modes_do_what_the_graphics_controller_says)
{
    struct bench b;
    struct pc *pc = &b.pc;

    open_mode(&b, &bench_12h);
    /* mode 0 with set/reset and bit mask */
    bench_index(&b, 0x3ce, 0, 0x5);
    bench_index(&b, 0x3ce, 1, 0xf);
    bench_index(&b, 0x3ce, 8, 0xf0);
    pc_mmio_read(pc, 0xa0000, 1);
    pc_mmio_write(pc, 0xa0000, 1, 0);
    /* mode 2, exclusive or */
    bench_index(&b, 0x3ce, 1, 0);
    bench_index(&b, 0x3ce, 5, 2);
    bench_index(&b, 0x3ce, 3, 0x18);
    bench_index(&b, 0x3ce, 8, 0x81);
    pc_mmio_read(pc, 0xa0000, 1);
    pc_mmio_write(pc, 0xa0000, 1, 0x3);
    /* mode 1 copies the latches */
    bench_index(&b, 0x3ce, 5, 1);
    pc_mmio_read(pc, 0xa0000, 1);
    pc_mmio_write(pc, 0xa0001, 1, 0xaa);
    /* mode 3: rotated data and the bit mask choose, set/reset colours */
    bench_index(&b, 0x3ce, 5, 3);
    bench_index(&b, 0x3ce, 3, 1);
    bench_index(&b, 0x3ce, 0, 0x9);
    bench_index(&b, 0x3ce, 8, 0x7e);
    pc_mmio_read(pc, 0xa0002, 1);
    pc_mmio_write(pc, 0xa0002, 1, 0x81); /* rotated: 0xc0, and the mask: 0x40 */
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 0, 0), shade(5 ^ 3));
    CHECK_EQ(bench_pixel(&b, 1, 0), shade(5));
    CHECK_EQ(bench_pixel(&b, 4, 0), shade(0));
    CHECK_EQ(bench_pixel(&b, 7, 0), shade(3));
    CHECK_EQ(bench_pixel(&b, 8, 0), shade(5 ^ 3));
    CHECK_EQ(bench_pixel(&b, 15, 0), shade(3));
    CHECK_EQ(bench_pixel(&b, 16, 0), shade(0));
    CHECK_EQ(bench_pixel(&b, 17, 0), shade(9));
    /* read mode 1: where the colour is 5 */
    bench_index(&b, 0x3ce, 5, 8);
    bench_index(&b, 0x3ce, 2, 5);
    bench_index(&b, 0x3ce, 7, 0xf);
    CHECK_EQ(pc_mmio_read(pc, 0xa0000, 1), 0x70);
    bench_close(&b);
}

TEST(mode_13h_is_320x200_doubled)
{
    struct bench b;

    open_mode(&b, &bench_13h);
    pc_mmio_write(&b.pc, 0xa0000 + 320 * 7 + 11, 1, 200);
    bench_look(&b);
    CHECK_EQ(b.width, 640);
    CHECK_EQ(b.height, 400);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(bench_pixel(&b, 22 + i % 2, 14 + i / 2), shade(200));
    CHECK_EQ(bench_pixel(&b, 24, 14), shade(0));
    CHECK_EQ(bench_pixel(&b, 22, 16), shade(0));
    CHECK_EQ(pc_mmio_read(&b.pc, 0xa0000 + 320 * 7 + 11, 1), 200);
    bench_close(&b);
}

TEST(mode_x_has_a_plane_for_every_fourth_pixel)
{
    struct bench b;

    open_mode(&b, &bench_13h);
    bench_index(&b, 0x3c4, 4, 0x06);
    bench_index(&b, 0x3d4, 0x14, 0x00);
    bench_index(&b, 0x3d4, 0x17, 0xe3);
    bench_index(&b, 0x3c4, 2, 0x04);
    pc_mmio_write(&b.pc, 0xa0000 + 80 * 5 + 3, 1, 99);
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 2 * (4 * 3 + 2), 10), shade(99));
    CHECK_EQ(bench_pixel(&b, 2 * (4 * 3 + 1), 10), shade(0));
    bench_close(&b);
}

TEST(the_screen_splits_at_line_compare)
{
    struct bench b;

    open_mode(&b, &bench_13h);
    bench_index(&b, 0x3d4, 0x18, 99);
    bench_index(&b, 0x3d4, 0x07, 0x0f);
    bench_index(&b, 0x3d4, 0x09, 0x01);
    bench_index(&b, 0x3d4, 0x0c, 0x20); /* 0x2000 dwords on */
    pc_mmio_write(&b.pc, 0xa0000, 1, 50);
    pc_mmio_write(&b.pc, 0xa8000, 1, 60);
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 0, 0), shade(60));
    CHECK_EQ(bench_pixel(&b, 0, 99), shade(0));
    CHECK_EQ(bench_pixel(&b, 0, 100), shade(50));
    bench_close(&b);
}

TEST(cga_pixels_are_two_bits_in_alternating_banks)
{
    struct bench b;

    open_mode(&b, &bench_cga4);
    pc_mmio_write(&b.pc, 0xb8000, 1, 0x1b);          /* 0 1 2 3 on line 0 */
    pc_mmio_write(&b.pc, 0xb8000 + 0x2000, 1, 0xe4); /* 3 2 1 0 on line 1 */
    pc_mmio_write(&b.pc, 0xb8000 + 80, 1, 0xff);
    bench_look(&b);
    CHECK_EQ(b.width, 640);
    CHECK_EQ(b.height, 400);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(bench_pixel(&b, 2 * i, 0), shade(i));
        CHECK_EQ(bench_pixel(&b, 2 * i + 1, 1), shade(i));
        CHECK_EQ(bench_pixel(&b, 2 * i, 2), shade(3 - i));
    }
    CHECK_EQ(bench_pixel(&b, 0, 4), shade(3));
    bench_close(&b);
}

TEST(panning_shifts_by_pixels)
{
    struct bench b;

    open_mode(&b, &bench_12h);
    pc_mmio_write(&b.pc, 0xa0000, 1, 0x10);
    pc_in8(&b.pc, 0x3da);
    pc_out8(&b.pc, 0x3c0, 0x33);
    pc_out8(&b.pc, 0x3c0, 3);
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 0, 0), shade(15));
    CHECK_EQ(bench_pixel(&b, 3, 0), shade(0));
    bench_close(&b);
}

TEST(the_screen_is_black_while_the_palette_is_being_set)
{
    struct bench b;

    open_mode(&b, &bench_13h);
    pc_mmio_write(&b.pc, 0xa0000, 1, 77);
    bench_look(&b);
    pc_in8(&b.pc, 0x3da);
    pc_out8(&b.pc, 0x3c0, 0x00);
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 0, 0), BLACK);
    pc_out8(&b.pc, 0x3c0, 0x00);
    pc_in8(&b.pc, 0x3da);
    pc_out8(&b.pc, 0x3c0, 0x20);
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 0, 0), shade(77));
    bench_close(&b);
}

TEST(vertical_retrace_comes_seventy_times_a_second)
{
    struct bench b;
    unsigned rises = 0, last = 0;

    open_mode(&b, &bench_13h);
    for (unsigned i = 0; i < 10000; i++) {
        unsigned now = pc_in8(&b.pc, 0x3da) & 8;

        rises += now && !last;
        last = now;
        clock_crank(NS_PER_SEC / 10000);
    }
    CHECK(rises >= 69 && rises <= 71);
    bench_close(&b);
}

TEST(mono_and_colour_addresses_take_turns)
{
    struct bench b;

    open_mode(&b, &bench_13h);
    bench_index(&b, 0x3d4, 0x0f, 0x5a);
    CHECK_EQ(bench_peek_index(&b, 0x3b4, 0x0f), 0xff);
    pc_out8(&b.pc, 0x3c2, 0x62);
    CHECK_EQ(bench_peek_index(&b, 0x3b4, 0x0f), 0x5a);
    CHECK_EQ(bench_peek_index(&b, 0x3d4, 0x0f), 0xff);
    CHECK_EQ(pc_in8(&b.pc, 0x3cc), 0x62);
    bench_close(&b);
}

/* ---- The Bochs display interface, and PCI ---- */

static void dispi(struct bench *b, unsigned reg, unsigned value)
{
    pc_out16(&b->pc, 0x1ce, (uint16_t)reg);
    pc_out16(&b->pc, 0x1cf, (uint16_t)value);
}

static unsigned dispi_peek(struct bench *b, unsigned reg)
{
    pc_out16(&b->pc, 0x1ce, (uint16_t)reg);
    return pc_in16(&b->pc, 0x1cf);
}

#define LFB 0xe0000000u
static void vbe_screen(struct bench *b, unsigned width, unsigned height, unsigned bpp)
{
    open_mode(b, &bench_13h);
    pc_config_write(&b->pc, 0x18, 0x10, 4, LFB);
    pc_config_write(&b->pc, 0x18, 4, 2, 3);
    dispi(b, 4, 0);
    dispi(b, 1, width);
    dispi(b, 2, height);
    dispi(b, 3, bpp);
    dispi(b, 4, 0x41);
}

static void lfb_write(struct bench *b, uint32_t offset, uint32_t value, unsigned size)
{
    uint8_t bytes[4];

    put_le32(bytes, value);
    pc_poke(&b->pc, LFB + offset, bytes, size);
}

TEST(vbe_shows_every_depth)
{
    static const struct { unsigned bpp, bytes; uint32_t value, seen; } rows[] = {
        { 8, 1, 200, 0 }, { 15, 2, 0x7c1f, 0xff00ff }, { 16, 2, 0x07e0, 0x00ff00 },
        { 24, 3, 0x123456, 0x123456 }, { 32, 4, 0xff654321, 0x654321 },
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        uint32_t seen = rows[i].bpp == 8 ? shade(200) : rows[i].seen;
        struct bench b;

        vbe_screen(&b, 1024, 768, rows[i].bpp);
        bench_look(&b);
        CHECK_EQ(b.width, 1024);
        CHECK_EQ(b.height, 768);
        CHECK_EQ(bench_pixel(&b, 1023, 767), rows[i].bpp == 8 ? shade(0) : 0);
        lfb_write(&b, (1024 * 768 - 1) * rows[i].bytes, rows[i].value, rows[i].bytes);
        bench_look(&b);
        CHECK_EQ(bench_pixel(&b, 1023, 767), seen);
        CHECK_EQ(b.damage.count, 1);
        CHECK_EQ(b.damage.rects[0].width, 1);
        bench_close(&b);
    }
}

TEST(vbe_registers_say_what_is_in_force)
{
    struct bench b;

    open_mode(&b, &bench_13h);
    CHECK_EQ(dispi_peek(&b, 0), 0xb0c5);
    dispi(&b, 0, 0xb0c2);
    CHECK_EQ(dispi_peek(&b, 0), 0xb0c2);
    dispi(&b, 0, 0x1234);
    CHECK_EQ(dispi_peek(&b, 0), 0xb0c2);
    CHECK_EQ(dispi_peek(&b, 10), 16 * 16);
    dispi(&b, 4, 2);
    CHECK_EQ(dispi_peek(&b, 1), 2560);
    CHECK_EQ(dispi_peek(&b, 2), 1600);
    CHECK_EQ(dispi_peek(&b, 3), 32);
    dispi(&b, 4, 0);
    dispi(&b, 1, 1280);
    dispi(&b, 2, 1024);
    dispi(&b, 3, 32);
    dispi(&b, 4, 0x41);
    CHECK_EQ(dispi_peek(&b, 6), 1280);
    CHECK_EQ(dispi_peek(&b, 7), 16 * 1024 * 1024 / (1280 * 4));
    dispi(&b, 6, 1600);
    dispi(&b, 9, 0xffff);
    CHECK_EQ(dispi_peek(&b, 6), 1600);
    CHECK_EQ(dispi_peek(&b, 9), 16 * 1024 * 1024 / (1600 * 4) - 1024);
    bench_close(&b);
}

TEST(vbe_offsets_pan_over_the_virtual_screen)
{
    struct bench b;

    vbe_screen(&b, 640, 480, 32);
    dispi(&b, 6, 800);
    lfb_write(&b, (10 * 800 + 20) * 4, 0xabcdef, 4);
    dispi(&b, 8, 5);
    dispi(&b, 9, 4);
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 15, 6), 0xabcdef);
    bench_close(&b);
}

TEST(banks_of_the_window_reach_the_whole_memory)
{
    struct bench b;
    uint8_t byte;

    vbe_screen(&b, 1024, 768, 8);
    dispi(&b, 5, 3);
    pc_mmio_write(&b.pc, 0xa1234, 2, 0xbeef);
    pc_peek(&b.pc, LFB + 0x31234, &byte, 1);
    CHECK_EQ(byte, 0xef);
    CHECK_EQ(pc_mmio_read(&b.pc, 0xa1234, 2), 0xbeef);
    dispi(&b, 5, 0x7fff); /* XSA-179: past the end */
    CHECK_EQ(dispi_peek(&b, 5), 3);
    bench_close(&b);
}

/* XSA-179: the bank of one mode, used in another, or moved by registers that were not judged. */
TEST(xsa_179_the_banked_window_stays_in_the_memory)
{
    static const unsigned depths[] = { 4, 8, 15, 16, 24, 32 };
    struct bench b;

    vbe_screen(&b, 1024, 768, 8);
    for (unsigned i = 0; i < ARRAY_SIZE(depths); i++) {
        dispi(&b, 4, 0);
        dispi(&b, 3, depths[i]);
        dispi(&b, 5, 0xffff);
        for (unsigned how = 0; how < 4; how++) {
            dispi(&b, 4, how & 1 ? 0xc1 : 0);
            dispi(&b, 5, 0xfff0 + how);
            dispi(&b, 8, 0xffff);
            dispi(&b, 9, 0xffff);
            bench_index(&b, 0x3ce, 6, how & 2 ? 0x01 : 0x05);
            bench_index(&b, 0x3c4, 4, how & 2 ? 0x06 : 0x0e);
            for (unsigned at = 0; at < 0x20000; at += 4093) {
                pc_mmio_write(&b.pc, 0xa0000 + at, 8, 0xffffffffffffffff);
                pc_mmio_read(&b.pc, 0xa0000 + at, 8);
            }
        }
        bench_look(&b);
    }
    CHECK(dispi_peek(&b, 5) < 256); /* 16 MiB have so many */
    bench_close(&b);
}

TEST(the_register_bar_holds_edid_ports_and_dispi)
{
    struct bench b;
    unsigned sum = 0;

    open_mode(&b, &bench_13h);
    pc_config_write(&b.pc, 0x18, 0x18, 4, 0xf1000000);
    pc_config_write(&b.pc, 0x18, 4, 2, 2);
    CHECK_EQ(pc_mmio_read(&b.pc, 0xf1000000, 8), 0x00ffffffffffff00);
    for (unsigned i = 0; i < 128; i++)
        sum += (unsigned)pc_mmio_read(&b.pc, 0xf1000000 + i, 1);
    CHECK_EQ(sum & 0xff, 0);
    CHECK_EQ(pc_mmio_read(&b.pc, 0xf1000000 + 56, 1), 1280 & 0xff);
    CHECK_EQ(pc_mmio_read(&b.pc, 0xf100040c, 1), 0x63);
    CHECK_EQ(pc_mmio_read(&b.pc, 0xf1000500, 2), 0xb0c5);
    pc_mmio_write(&b.pc, 0xf1000502, 2, 800);
    CHECK_EQ(dispi_peek(&b, 1), 800);
    CHECK_EQ(pc_mmio_read(&b.pc, 0xf1000600, 4), 8);
    CHECK_EQ(pc_mmio_read(&b.pc, 0xf1000604, 4), 0x1e1e1e1e);
    bench_close(&b);
}

TEST(the_framebuffer_moves_with_its_bar)
{
    struct bench b;
    uint8_t byte;

    vbe_screen(&b, 640, 480, 8);
    lfb_write(&b, 0, 42, 1);
    pc_config_write(&b.pc, 0x18, 0x10, 4, 0xd0000000);
    pc_peek(&b.pc, 0xd0000000, &byte, 1);
    CHECK_EQ(byte, 42);
    pc_config_write(&b.pc, 0x18, 4, 2, 0);
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 0, 0), shade(42));
    pc_config_write(&b.pc, 0x18, 0x10, 4, 0xffffffff);
    CHECK_EQ(pc_config_read(&b.pc, 0x18, 0x10, 4), 0xff000008);
    bench_close(&b);
}

TEST(wrong_options_are_refused)
{
    static const struct { const char *options, *says; } rows[] = {
        { "vgamem_mb=0", "vgamem_mb" }, { "vgamem_mb=1024", "vgamem_mb" },
        { "xres=100", "xres" }, { "romfile=/nonexistent", "/nonexistent" },
        { "screen=none", "none" }, { "addr=99", "addr" },
    };
    struct device *dev;
    struct pc pc;

    pc_open(&pc);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct error err = { "" };
        char options[128];

        snprintf(options, sizeof(options), "%s,vram_gfn=%u", rows[i].options, (i + 1) << 16);
        CHECK(device_attach(&dev, &pc.board, &vga_class, rows[i].says, options, &err) < 0);
        CHECK_SAYS(err, rows[i].says);
    }
    pc_close(&pc);
}

TEST(an_odd_size_of_memory_is_rounded_down)
{
    struct bench b;

    bench_open(&b, &vga_class, "screen=vga,vgamem_mb=24");
    CHECK_EQ(dispi_peek(&b, 10), 16 * 16);
    bench_close(&b);
}

/* ---- What a hostile guest does ---- */

static void scramble(struct bench *b, unsigned *seed, unsigned steps)
{
    static const uint16_t ports[] = {
        0x3c0, 0x3c1, 0x3c2, 0x3c4, 0x3c5, 0x3c6, 0x3c7, 0x3c8, 0x3c9, 0x3ce, 0x3cf, 0x3d4, 0x3d5,
        0x3da, 0x3b4, 0x3b5, 0x1ce, 0x1cf,
    };
    for (unsigned i = 0; i < steps; i++) {
        unsigned r = (unsigned)rand_r(seed), v = (unsigned)rand_r(seed);

        if (r % 4 == 0)
            pc_mmio_write(&b->pc, 0xa0000 + (v & 0x1ffff), 1u << (r >> 8 & 3), (uint64_t)r * v);
        else if (r % 4 == 1)
            pc_mmio_read(&b->pc, 0xa0000 + (v & 0x1ffff), 1u << (r >> 8 & 3));
        else if (r % 64 == 2)
            dispi(b, r >> 8 & 15, v & 1 ? v >> 4 & 0xfff : v >> 4);
        else
            pc_out16(&b->pc, ports[r / 4 % ARRAY_SIZE(ports)], (uint16_t)v);
    }
}

TEST(any_registers_can_be_drawn)
{
    for (unsigned seed = 1; seed <= 60; seed++) {
        unsigned state = seed;
        struct bench b;

        bench_open(&b, &vga_class, seed & 1 ? "screen=vga,vgamem_mb=1" : "screen=vga,vgamem_mb=4");
        for (unsigned round = 0; round < 12; round++) {
            scramble(&b, &state, 150);
            pc_out8(&b.pc, 0x3c2, 0x67);
            bench_index(&b, 0x3c4, 1, rand_r(&state) & 0x0d);
            pc_in8(&b.pc, 0x3da);
            pc_out8(&b.pc, 0x3c0, 0x20); /* or most pictures would be black */
            bench_look(&b);
            clock_crank(FRAME);
        }
        bench_close(&b);
    }
}

/* Lines that begin in the memory and end past it, as in CVE-2017-13672. */
TEST(extreme_geometry_wraps_round_the_memory)
{
    struct bench b;

    open_mode(&b, &bench_12h);
    for (unsigned i = 0; i < 25; i++)
        if (i != 0x11)
            bench_index(&b, 0x3d4, i, 0xff);
    bench_look(&b);
    bench_index(&b, 0x3ce, 6, 0);
    bench_look(&b);
    bench_index(&b, 0x3ce, 6, 5);
    bench_index(&b, 0x3ce, 5, 0x40);
    bench_look(&b);
    bench_close(&b);
}

TEST(reset_gives_the_registers_of_a_fresh_one_and_saved_names_them_all)
{
    struct bench b;

    bench_open(&b, &vga_class, "screen=vga");
    pc_check_saved(b.dev);
    for (unsigned seed = 1; seed < 4; seed++)
        pc_check_reset(&b.pc, b.dev, seed);
    bench_close(&b);
}

TEST(nobody_looks_so_nothing_is_done)
{
    struct bench b;

    open_mode(&b, &bench_13h);
    bench_look(&b);
    pc_crank(&b.pc, 5 * NS_PER_SEC);
    CHECK_EQ(loop_next_timer(b.pc.loop), UINT64_MAX);
    pc_mmio_write(&b.pc, 0xa0000, 1, 9);
    bench_look(&b); /* and all is there when somebody looks again */
    CHECK_EQ(bench_pixel(&b, 0, 0), shade(9));
    bench_close(&b);
}

TEST(our_writes_to_video_memory_are_reported_while_log_dirty_is_on)
{
    struct bench b;
    uint64_t gfn, before;

    text_screen(&b);
    before = local_modified_pages(b.pc.backing, &gfn);
    put_cell(&b, 0, 0, 'A', 0x07);
    CHECK_EQ(local_modified_pages(b.pc.backing, &gfn), before); /* off: nobody is told */
    vga_class.log_dirty(b.pc.devices[0], true);
    put_cell(&b, 0, 0, 'x', 0x07);
    CHECK(local_modified_pages(b.pc.backing, &gfn) > before);
    vga_class.log_dirty(b.pc.devices[0], false);
    before = local_modified_pages(b.pc.backing, &gfn);
    put_cell(&b, 0, 0, 'A', 0x07);
    CHECK_EQ(local_modified_pages(b.pc.backing, &gfn), before);
    bench_close(&b);
}
