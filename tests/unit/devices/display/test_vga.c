/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VGA as a guest drives it: ports, the window, and what is then on the screen. */
#include "tests/unit/devices/display/bench.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"

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
