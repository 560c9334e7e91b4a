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

/* ---- Modes ---- */

#define LFB 0xe0000000u
#define MMIO 0xf1000000u

static void open_packed(struct bench *b, unsigned sr7, unsigned hidden)
{
    bench_open(b, &cirrus_vga_class, "screen=vga");
    bench_set_mode(b, &bench_12h);
    for (unsigned i = 0; i < 4; i++)
        pc_in8(&b->pc, 0x3c6);
    pc_out8(&b->pc, 0x3c6, (uint8_t)hidden);
    bench_index(b, 0x3c4, 6, 0x12);
    bench_index(b, 0x3c4, 7, sr7);
    bench_index(b, 0x3d4, 0x13, 0x00); /* 2048 bytes a line */
    bench_index(b, 0x3d4, 0x1b, 0x10);
    pc_out8(&b->pc, 0x3c8, 0);
    for (unsigned i = 0; i < 768; i++)
        pc_out8(&b->pc, 0x3c9, i / 3 & 0x3f);
    pc_config_write(&b->pc, 0x18, 0x10, 4, LFB);
    pc_config_write(&b->pc, 0x18, 0x14, 4, MMIO);
    pc_config_write(&b->pc, 0x18, 4, 2, 3);
}

static uint32_t grey(unsigned i)
{
    unsigned v = (i & 0x3f) << 2 | (i & 0x3f) >> 4;

    return v * 0x010101;
}

TEST(extended_modes_have_every_depth)
{
    static const struct { unsigned sr7, hidden, bytes; uint32_t value, seen; } rows[] = {
        { 0x11, 0x00, 1, 17, 0 }, { 0x17, 0xf0, 2, 0x7c1f, 0xff00ff },
        { 0x17, 0xe1, 2, 0x07e0, 0x00ff00 }, { 0x15, 0xc5, 3, 0x123456, 0x123456 },
        { 0x19, 0xc5, 4, 0x00654321, 0x654321 },
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct bench b;
        uint8_t bytes[4];

        open_packed(&b, rows[i].sr7, rows[i].hidden);
        put_le32(bytes, rows[i].value);
        pc_poke(&b.pc, LFB + 2048 * 100 + 50 * rows[i].bytes, bytes, rows[i].bytes);
        bench_look(&b);
        CHECK_EQ(b.width, 640);
        CHECK_EQ(b.height, 480);
        CHECK_EQ(bench_pixel(&b, 50, 100), rows[i].bytes == 1 ? grey(17) : rows[i].seen);
        CHECK_EQ(bench_pixel(&b, 51, 100), 0);
        bench_close(&b);
    }
}

TEST(the_hidden_dac_is_behind_four_reads)
{
    struct bench b;

    open_packed(&b, 0x17, 0xe1);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(pc_in8(&b.pc, 0x3c6), 0xff);
    CHECK_EQ(pc_in8(&b.pc, 0x3c6), 0xe1);
    CHECK_EQ(pc_in8(&b.pc, 0x3c6), 0xff);
    pc_in8(&b.pc, 0x3c8); /* anything else starts the count again */
    pc_out8(&b.pc, 0x3c6, 0x3f);
    CHECK_EQ(pc_in8(&b.pc, 0x3c6), 0x3f);
    bench_close(&b);
}

TEST(the_start_address_has_bits_up_to_19)
{
    struct bench b;

    open_packed(&b, 0x11, 0);
    pc_poke(&b.pc, LFB + ((1u << 19 | 1u << 18 | 1u << 17 | 1u << 16 | 5) << 2), "\x21", 1);
    bench_index(&b, 0x3d4, 0x0d, 5);
    bench_index(&b, 0x3d4, 0x1b, 0x1d);
    bench_index(&b, 0x3d4, 0x1d, 0x80);
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 0, 0), grey(0x21));
    bench_close(&b);
}

TEST(two_banks_of_4_or_16_kilobytes)
{
    struct bench b;
    uint8_t byte;

    open_packed(&b, 0x11, 0);
    bench_index(&b, 0x3ce, 0x0b, 0x01);
    bench_index(&b, 0x3ce, 0x09, 0x10);
    bench_index(&b, 0x3ce, 0x0a, 0x20);
    pc_mmio_write(&b.pc, 0xa0005, 1, 0x5a);
    pc_mmio_write(&b.pc, 0xa8007, 1, 0xa5);
    pc_peek(&b.pc, LFB + 0x10005, &byte, 1);
    CHECK_EQ(byte, 0x5a);
    pc_peek(&b.pc, LFB + 0x20007, &byte, 1);
    CHECK_EQ(byte, 0xa5);
    bench_index(&b, 0x3ce, 0x0b, 0x20);
    CHECK_EQ(pc_mmio_read(&b.pc, 0xa0000, 1), 0); /* 0x10 is 256 KiB now */
    bench_index(&b, 0x3ce, 0x09, 0xff);
    pc_mmio_write(&b.pc, 0xaffff, 1, 0x77);
    pc_peek(&b.pc, LFB + 0x3fc000 + 0x3fff, &byte, 1);
    CHECK_EQ(byte, 0);    /* past the end: nothing */
    bench_close(&b);
}

TEST(write_modes_4_and_5_expand_a_byte_to_eight_pixels)
{
    struct bench b;
    uint8_t bytes[16];

    open_packed(&b, 0x11, 0);
    bench_index(&b, 0x3ce, 0, 0x11);
    bench_index(&b, 0x3ce, 1, 0x22);
    bench_index(&b, 0x3ce, 0x0b, 0x06); /* by eight, extended write modes */
    bench_index(&b, 0x3ce, 5, 5);
    pc_mmio_write(&b.pc, 0xa0001, 1, 0xa0);
    bench_index(&b, 0x3ce, 0, 0x33);
    bench_index(&b, 0x3ce, 5, 4);
    pc_mmio_write(&b.pc, LFB + 2, 1, 0x0f); /* the linear framebuffer is trapped for it */
    bench_index(&b, 0x3ce, 5, 0);
    bench_index(&b, 0x3ce, 0x0b, 0);
    pc_crank(&b.pc, NS_PER_SEC);
    pc_peek(&b.pc, LFB + 8, bytes, 16);
    CHECK_MEM(bytes, "\x22\x11\x22\x11\x11\x11\x11\x11\0\0\0\0\x22\x22\x22\x22", 16);
    bench_close(&b);
}

TEST(the_cursor_is_drawn_over_the_picture)
{
    struct bench b;
    uint8_t plane[4] = { 0xf0, 0, 0, 0 }, other[4] = { 0xcc, 0, 0, 0 };

    open_packed(&b, 0x11, 0);
    pc_poke(&b.pc, LFB + CHIP - 16384 + 3 * 256 + 4 * 2, plane, 4);
    pc_poke(&b.pc, LFB + CHIP - 16384 + 3 * 256 + 128 + 4 * 2, other, 4);
    bench_index(&b, 0x3c4, 0x13, 3);
    bench_index(&b, 0x3c4, 0x12, 3); /* its own palette, and on */
    pc_out8(&b.pc, 0x3c8, 0);
    for (unsigned i = 0; i < 3; i++)
        pc_out8(&b.pc, 0x3c9, 0x10);
    pc_out8(&b.pc, 0x3c8, 15);
    for (unsigned i = 0; i < 3; i++)
        pc_out8(&b.pc, 0x3c9, 0x20);
    bench_index(&b, 0x3c4, 0x12, 1);
    pc_out8(&b.pc, 0x3c4, 0x10 | 3 << 5); /* x = 12 * 8 + 3 */
    pc_out8(&b.pc, 0x3c5, 12);
    pc_out8(&b.pc, 0x3c4, 0x11 | 1 << 5); /* y = 81 */
    pc_out8(&b.pc, 0x3c5, 10);
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 99, 83), grey(0x20));
    CHECK_EQ(bench_pixel(&b, 101, 83), 0xffffff); /* inverted */
    CHECK_EQ(bench_pixel(&b, 103, 83), grey(0x10));
    CHECK_EQ(bench_pixel(&b, 105, 83), 0);
    CHECK_EQ(bench_pixel(&b, 99, 82), 0);
    pc_out8(&b.pc, 0x3c4, 0x11);
    pc_out8(&b.pc, 0x3c5, 20);
    bench_look(&b);
    CHECK_EQ(bench_pixel(&b, 99, 83), 0);
    CHECK_EQ(bench_pixel(&b, 99, 162), grey(0x20));
    bench_close(&b);
}

/* ---- Blits, against a reference that goes pixel by pixel ---- */

struct blit {
    unsigned width, height, dst_pitch, src_pitch, dst, src, mode, ext, rop, skip;
    uint32_t fg, bg;
    unsigned key;
};

static void program(struct bench *b, const struct blit *p)
{
    struct pc *pc = &b->pc;

    for (unsigned i = 0; i < 4; i++) {
        pc_mmio_write(pc, MMIO + 0x100 + i, 1, p->bg >> (8 * i));
        pc_mmio_write(pc, MMIO + 0x104 + i, 1, p->fg >> (8 * i));
    }
    pc_mmio_write(pc, MMIO + 0x108, 2, p->width - 1);
    pc_mmio_write(pc, MMIO + 0x10a, 2, p->height - 1);
    pc_mmio_write(pc, MMIO + 0x10c, 2, p->dst_pitch);
    pc_mmio_write(pc, MMIO + 0x10e, 2, p->src_pitch);
    pc_mmio_write(pc, MMIO + 0x110, 2, p->dst & 0xffff);
    pc_mmio_write(pc, MMIO + 0x112, 1, p->dst >> 16);
    pc_mmio_write(pc, MMIO + 0x114, 2, p->src & 0xffff);
    pc_mmio_write(pc, MMIO + 0x116, 1, p->src >> 16);
    pc_mmio_write(pc, MMIO + 0x117, 1, p->skip);
    pc_mmio_write(pc, MMIO + 0x118, 1, p->mode);
    pc_mmio_write(pc, MMIO + 0x11a, 1, p->rop);
    pc_mmio_write(pc, MMIO + 0x11b, 1, p->ext);
    pc_mmio_write(pc, MMIO + 0x11c, 2, p->key);
    pc_mmio_write(pc, MMIO + 0x140, 1, 2);
}

static uint8_t operate(unsigned rop, uint8_t s, uint8_t d)
{
    switch (rop) {
    case 0x00: return 0;
    case 0x05: return s & d;
    case 0x09: return s & ~d;
    case 0x0b: return ~d;
    case 0x0d: return s;
    case 0x0e: return 0xff;
    case 0x50: return ~s & d;
    case 0x59: return s ^ d;
    case 0x6d: return s | d;
    case 0x90: return ~s & ~d;
    case 0x95: return ~(s ^ d);
    case 0xad: return s | ~d;
    case 0xd0: return ~s;
    case 0xd6: return ~s | d;
    case 0xda: return ~s | ~d;
    }
    return d;
}

/* `host`: what the CPU gives, or NULL. */
static void reference(uint8_t *m, const struct blit *p, const uint8_t *host)
{
    unsigned n = (p->mode >> 4 & 3) + 1, pixels = p->width / n;
    bool expand = p->mode & 0x80, pattern = p->mode & 0x40, key = p->mode & 8;
    bool back = (p->mode & 1) && !expand && !pattern;
    bool solid = (p->ext & 4) && expand && pattern && !key;
    unsigned skip = !expand && !pattern ? 0 : n == 3 ? (p->skip & 31) / 3 : p->skip & 7;
    static uint8_t line[8192 + 4];
    static bool put[8192 + 4];
    const uint8_t *old = m;

    for (unsigned y = 0; y < p->height; y++) {
        unsigned bits = DIV_ROUND_UP(pixels, 8);
        unsigned first = back ? p->dst - y * p->dst_pitch - (p->width - 1)
                              : p->dst + y * p->dst_pitch;
        unsigned given = !expand ? ROUND_UP(p->width, 4)
                         : p->ext & 1 ? DIV_ROUND_UP(pixels, 32) * 4 : bits;

        memset(put, 0, sizeof(put)); /* a line is read whole before it is written */
        for (unsigned x = skip; x < pixels; x++) {
            bool drawn = true, match = key && !expand;
            uint8_t out[4];
            unsigned to = first + x * n;

            for (unsigned k = 0; k < n; k++) {
                unsigned row = (p->src + y) & 7, from;
                uint8_t s;

                if (solid) {
                    s = (uint8_t)(p->fg >> (8 * k));
                } else if (expand) {
                    uint8_t byte;
                    bool ink;

                    if (pattern)
                        byte = host ? host[row] : old[((p->src & ~7u) + row) % CHIP];
                    else
                        byte = host ? host[y * given + x / 8]
                                    : old[(p->src + y * bits + x / 8) % CHIP];
                    ink = byte >> (7 - x % 8) & 1;
                    if (key)
                        drawn = ink != (bool)(p->ext & 2);
                    s = (uint8_t)((ink ? p->fg : p->bg) >> (8 * k));
                } else if (pattern) {
                    from = row * (n == 3 ? 32 : 8 * n) + x % 8 * n + k;
                    s = host ? host[from] : old[((p->src & ~7u) + from) % CHIP];
                } else if (host) {
                    s = host[y * given + x * n + k];
                } else if (back) {
                    s = old[(p->src - y * p->src_pitch - (p->width - 1) + x * n + k) % CHIP];
                } else {
                    s = old[(p->src + y * p->src_pitch + x * n + k) % CHIP];
                }
                out[k] = operate(p->rop, s, old[(to + k) % CHIP]);
                match = match && out[k] == (uint8_t)(p->key >> (8 * k));
            }
            for (unsigned k = 0; k < n && drawn && !match; k++) {
                put[x * n + k] = true;
                line[x * n + k] = out[k];
            }
        }
        for (unsigned i = 0; i < p->width; i++)
            if (put[i])
                m[(first + i) % CHIP] = line[i];
    }
}

static uint8_t *noise(struct bench *b, unsigned seed)
{
    uint8_t *m = malloc(CHIP);

    for (unsigned i = 0; i < CHIP; i++)
        m[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
    pc_poke(&b->pc, LFB, m, CHIP);
    return m;
}

static void compare(struct bench *b, const uint8_t *want)
{
    uint8_t *got = malloc(CHIP);
    unsigned i = 0;

    pc_crank(&b->pc, NS_PER_SEC); /* past the trap */
    pc_peek(&b->pc, LFB, got, CHIP);
    while (i < CHIP && got[i] == want[i])
        i++;
    if (i < CHIP)
        print_error("byte 0x%x is 0x%x, wanted 0x%x\n", i, got[i], want[i]);
    free(got);
    CHECK_EQ(i, CHIP);
}

static const uint8_t rops[] = { 0x00, 0x05, 0x06, 0x09, 0x0b, 0x0d, 0x0e, 0x50,
                                0x59, 0x6d, 0x90, 0x95, 0xad, 0xd0, 0xd6, 0xda };

TEST(every_raster_operation_copies_right_both_ways)
{
    struct bench b;
    uint8_t *m;

    open_packed(&b, 0x11, 0);
    m = noise(&b, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(rops); i++) {
        struct blit p = { .width = 37, .height = 5, .dst_pitch = 640, .src_pitch = 512,
                          .dst = 0x10003, .src = 0x20001, .rop = rops[i] };

        program(&b, &p);
        reference(m, &p, NULL);
        p.mode = 1;
        p.dst = 0x30100;
        p.src = p.dst - 700; /* they overlap */
        program(&b, &p);
        reference(m, &p, NULL);
    }
    compare(&b, m);
    free(m);
    bench_close(&b);
}

TEST(fills_patterns_and_expansions_agree_with_the_reference)
{
    struct bench b;
    uint8_t *m;

    open_packed(&b, 0x11, 0);
    m = noise(&b, 2);
    for (unsigned i = 0; i < 16 * 4 * 5; i++) {
        static const uint8_t kinds[5] = { 0x40, 0x80, 0xc0, 0x88, 0xc8 };
        unsigned n = i / 16 % 4 + 1;
        struct blit p = { .width = 29 * n, .height = 11, .dst_pitch = 1000, .src_pitch = 77,
                          .dst = 0x40000 + i * 0x2f01, .src = 0x8000 + i * 13,
                          .rop = rops[i % 16], .mode = kinds[i / 64] | (n - 1) << 4,
                          .skip = i % 7 * (n == 3 ? 3 : 1), .ext = i & 3,
                          .fg = 0x12345678 * (i + 1), .bg = 0x9abcdef1 * (i + 1) };

        p.dst &= CHIP - 1;
        program(&b, &p);
        reference(m, &p, NULL);
        p.ext = 4;
        p.dst = (p.dst + 0x100000) & (CHIP - 1);
        program(&b, &p);
        reference(m, &p, NULL);
    }
    compare(&b, m);
    free(m);
    bench_close(&b);
}

TEST(pixels_of_the_key_colour_are_left_out)
{
    struct bench b;
    uint8_t *m;

    open_packed(&b, 0x11, 0);
    m = noise(&b, 3);
    for (unsigned n = 1; n <= 2; n++) {
        struct blit p = { .width = 640, .height = 40, .dst_pitch = 640, .src_pitch = 640,
                          .dst = 0x10000 * n, .src = 0x80000, .rop = 0x0d,
                          .mode = 8 | (n - 1) << 4, .key = m[0x80000] | m[0x80001] << 8 };

        program(&b, &p);
        reference(m, &p, NULL);
        p.mode |= 0x40;
        p.dst += 0x200000;
        program(&b, &p);
        reference(m, &p, NULL);
    }
    compare(&b, m);
    free(m);
    bench_close(&b);
}

/* Where the CPU may put its data. */
static const uint64_t ways_in[] = { 0xa0000, LFB, LFB + 0x1000000 };

TEST(the_cpu_feeds_a_blit_through_every_door)
{
    struct bench b;
    uint8_t *m;

    open_packed(&b, 0x11, 0);
    m = noise(&b, 4);
    for (unsigned i = 0; i < 48; i++) {
        static const uint8_t kinds[4] = { 0x04, 0x84, 0x8c, 0xc4 };
        unsigned n = i % 4 + 1, total;
        struct blit p = { .width = 21 * n, .height = 3, .dst_pitch = 700,
                          .dst = 0x50000 + i * 0x3001, .src = i, .rop = 0x0d,
                          .mode = kinds[i / 12] | (n - 1) << 4, .ext = i / 4 & 1,
                          .fg = 0x01020304 * (i + 1), .bg = 0x50607080 + i };
        uint8_t host[512];

        for (unsigned k = 0; k < sizeof(host); k++)
            host[k] = (uint8_t)(k * 37 + i);
        total = i / 12 == 3 ? 8 : i / 12 == 0 ? ROUND_UP(p.width, 4) * 3 : p.ext & 1 ? 12 : 9;
        program(&b, &p);
        CHECK(bench_peek_index(&b, 0x3ce, 0x31) & 1); /* busy */
        for (unsigned k = 0; k < total; k++)
            pc_mmio_write(&b.pc, ways_in[i % 3] + k, 1, host[k]);
        CHECK_EQ(bench_peek_index(&b, 0x3ce, 0x31) & 3, 0);
        reference(m, &p, host);
    }
    compare(&b, m);
    free(m);
    bench_close(&b);
}

TEST(the_framebuffer_is_memory_again_a_moment_after_a_blit)
{
    struct blit p = { .width = 4, .height = 1, .dst = 0x100, .rop = 0x0d, .mode = 4 };
    struct bench b;
    uint8_t byte;

    open_packed(&b, 0x11, 0);
    program(&b, &p);
    CHECK(space_holds(b.pc.board.mmio, LFB, 4096));
    pc_mmio_write(&b.pc, LFB, 4, 0x44332211);
    CHECK(space_holds(b.pc.board.mmio, LFB, 4096));
    pc_mmio_write(&b.pc, LFB + 0x200, 1, 0x99); /* still trapped, and works */
    CHECK_EQ(pc_mmio_read(&b.pc, LFB + 0x100, 4), 0x44332211);
    pc_crank(&b.pc, NS_PER_SEC / 5);
    CHECK(!space_holds(b.pc.board.mmio, LFB, 4096));
    pc_peek(&b.pc, LFB + 0x200, &byte, 1);
    CHECK_EQ(byte, 0x99);
    bench_close(&b);
}

TEST(the_cpu_can_take_the_screen_out)
{
    struct blit p = { .width = 6, .height = 3, .src = 0x1234, .src_pitch = 100, .rop = 0x0d,
                      .mode = 2 };
    struct bench b;
    uint8_t *m;

    open_packed(&b, 0x11, 0);
    m = noise(&b, 5);
    program(&b, &p);
    for (unsigned y = 0; y < 3; y++)
        for (unsigned x = 0; x < 8; x++) {
            uint8_t byte = (uint8_t)pc_mmio_read(&b.pc, 0xa0000 + x, 1);

            if (x < 6)
                CHECK_EQ(byte, m[0x1234 + 100 * y + x]);
        }
    CHECK_EQ(bench_peek_index(&b, 0x3ce, 0x31) & 1, 0);
    free(m);
    bench_close(&b);
}

TEST(autostart_and_reset_of_the_engine)
{
    struct blit p = { .width = 8, .height = 1, .dst = 0x300, .rop = 0x0e };
    struct bench b;
    uint8_t byte;

    open_packed(&b, 0x11, 0);
    program(&b, &p);
    pc_mmio_write(&b.pc, MMIO + 0x140, 1, 0x80);
    pc_mmio_write(&b.pc, MMIO + 0x110, 2, 0x500);
    pc_mmio_write(&b.pc, MMIO + 0x112, 1, 0);
    pc_peek(&b.pc, LFB + 0x507, &byte, 1);
    CHECK_EQ(byte, 0xff);
    p.mode = 4;
    program(&b, &p);
    CHECK_EQ(bench_peek_index(&b, 0x3ce, 0x31) & 1, 1);
    bench_index(&b, 0x3ce, 0x31, 4);
    CHECK_EQ(bench_peek_index(&b, 0x3ce, 0x31) & 3, 0);
    bench_close(&b);
}

TEST(registers_in_memory_at_b8000_and_at_the_end_of_the_framebuffer)
{
    struct bench b;

    open_packed(&b, 0x11, 0);
    bench_index(&b, 0x3c4, 0x17, 0x04);
    CHECK_EQ(bench_peek_index(&b, 0x3c4, 0x17), 0x24);
    pc_mmio_write(&b.pc, 0xb8108 - 0x100, 2, 0x1234);
    CHECK_EQ(bench_peek_index(&b, 0x3ce, 0x20), 0x34);
    CHECK_EQ(bench_peek_index(&b, 0x3ce, 0x21), 0x12);
    bench_index(&b, 0x3c4, 0x17, 0x44);
    pc_mmio_write(&b.pc, LFB + CHIP - 0x100 + 8, 1, 0x56);
    CHECK_EQ(bench_peek_index(&b, 0x3ce, 0x20), 0x56);
    CHECK_EQ(pc_mmio_read(&b.pc, MMIO + 0x0c, 1), 0xe3); /* Miscellaneous Output, at BAR 1 */
    bench_close(&b);
}

/* ---- What a hostile guest does ---- */

TEST(blits_of_any_shape_stay_in_video_memory)
{
    struct bench b;
    unsigned seed = 77;

    open_packed(&b, 0x11, 0);
    for (unsigned i = 0; i < 400; i++) {
        struct blit p = { .width = (unsigned)rand_r(&seed) % (i & 1 ? 8192 : 40) + 1,
                          .height = (unsigned)rand_r(&seed) % (i % 50 ? 12 : 2048) + 1,
                          .dst_pitch = (unsigned)rand_r(&seed) & 0x1fff,
                          .src_pitch = (unsigned)rand_r(&seed) & 0x1fff,
                          .dst = (unsigned)rand_r(&seed) & 0x3fffff,
                          .src = (unsigned)rand_r(&seed) & 0x3fffff,
                          .mode = (unsigned)rand_r(&seed) & 0xff,
                          .ext = (unsigned)rand_r(&seed) & 0xff,
                          .rop = i & 1 ? rops[i / 2 % 16] : (unsigned)rand_r(&seed) & 0xff,
                          .skip = (unsigned)rand_r(&seed) & 0xff };

        if (i % 5 == 0)
            p.dst = i & 1 ? 0 : 0x3fffff; /* XSA-208: backwards from the start */
        program(&b, &p);
        for (unsigned k = 0; k < 300; k++) {
            pc_mmio_write(&b.pc, ways_in[k % 3] + k * 8, 8, rand_r(&seed) * 0x100000001ull);
            pc_mmio_read(&b.pc, ways_in[k % 3] + k * 8, 8);
        }
        if (i % 16 == 0)
            bench_look(&b);
    }
    bench_close(&b);
}

/*
 * Shapes that left the memory of other cards. The chip has 4 MiB; what lies behind it in the 8 MiB
 * of frames is nobody's, and stays as it is.
 */
static void leave_memory(const struct blit *shapes, unsigned count)
{
    static const uint8_t mark[4096] = { 0xa5, 0x5a, 0xa5 };
    struct bench b;

    open_packed(&b, 0x11, 0);
    for (unsigned i = 0; i < 16; i++)
        pc_poke(&b.pc, LFB + CHIP + i * 256 * KIB, mark, sizeof(mark));
    for (unsigned i = 0; i < count; i++) {
        program(&b, &shapes[i]);
        for (unsigned k = 0; k < 2000 && shapes[i].mode & 4; k++)
            pc_mmio_write(&b.pc, 0xa0000 + k % 1024 * 8, 8, 0xffffffffffffffff);
        pc_out8(&b.pc, 0x3ce, 0x31);
        pc_out8(&b.pc, 0x3cf, 4); /* the engine is reset */
    }
    pc_crank(&b.pc, NS_PER_SEC); /* and the framebuffer is memory again */
    for (unsigned i = 0; i < 16; i++) {
        uint8_t now[sizeof(mark)];

        pc_peek(&b.pc, LFB + CHIP + i * 256 * KIB, now, sizeof(now));
        CHECK_MEM(now, mark, sizeof(now));
    }
    bench_close(&b);
}

#define BLIT(m, r, w, h, d, dp, s, sp)                                                             \
    { .mode = m, .rop = r, .width = w, .height = h, .dst = d, .dst_pitch = dp, .src = s,           \
      .src_pitch = sp }

TEST(cve_2014_8106_a_pitch_past_the_end_writes_nowhere_else)
{
    static const struct blit shapes[] = {
        BLIT(0x00, 0x0d, 8192, 2048, 0x3fffff, 0x1fff, 0, 0x1fff),
        BLIT(0x00, 0x0d, 1, 2048, 0x3ff000, 0x1fff, 0x3ff000, 0x1fff),
        BLIT(0xc0, 0x0d, 8192, 2048, 0x3ffff8, 0x1fff, 0, 0), /* a pattern, expanded */
        BLIT(0x40, 0x0e, 8192, 2048, 0x3ffff8, 0, 0x3fffff, 0),
    };

    leave_memory(shapes, ARRAY_SIZE(shapes));
}

TEST(xsa_208_a_blit_backwards_over_the_start_writes_nowhere_else)
{
    static const struct blit shapes[] = {
        BLIT(0x01, 0x0d, 8192, 2048, 0, 0x1fff, 0x3fffff, 0x1fff),
        BLIT(0x01, 0x0d, 8192, 2048, 8191, 0x1fff, 16, 0x1fff),
        BLIT(0x01, 0x59, 1, 1, 0, 0, 0, 0),
    };

    leave_memory(shapes, ARRAY_SIZE(shapes));
}

TEST(xsa_209_a_blit_from_the_cpu_writes_nowhere_else)
{
    static const struct blit shapes[] = {
        BLIT(0x04, 0x0d, 8192, 2048, 0x3fffff, 0x1fff, 0x3fffff, 0x1fff),
        BLIT(0x84, 0x0d, 8192, 2048, 0x3ff000, 0x1fff, 0, 0),
        BLIT(0x05, 0x0d, 8192, 2048, 0, 0x1fff, 0, 0),
        BLIT(0x06, 0x0d, 8192, 2048, 0, 0x1fff, 0x3fffff, 0x1fff), /* to the CPU: not on this chip */
    };

    leave_memory(shapes, ARRAY_SIZE(shapes));
}

TEST(xsa_211_a_pattern_read_from_the_last_bytes_writes_nowhere_else)
{
    static const struct blit shapes[] = {
        BLIT(0x40, 0x0d, 8192, 2048, 0x200000, 0x1fff, 0x3fffff, 0),
        BLIT(0x50, 0x0d, 8192, 512, 0x3ffff0, 0x1fff, 0x3ffff9, 0x1fff),
        BLIT(0xf0, 0x0d, 8192, 512, 0x3ffff0, 0x1fff, 0x3ffff9, 0x1fff),
    };

    leave_memory(shapes, ARRAY_SIZE(shapes));
}

TEST(any_cirrus_registers_can_be_drawn)
{
    static const uint16_t ports[] = { 0x3c4, 0x3ce, 0x3d4, 0x3c0, 0x3c6, 0x3c8, 0x3c5, 0x3cf,
                                      0x3d5, 0x3c9 };

    for (unsigned seed = 1; seed <= 40; seed++) {
        unsigned s = seed;
        struct bench b;

        bench_open(&b, &cirrus_vga_class, "screen=vga,vgamem_mb=4");
        pc_config_write(&b.pc, 0x18, 0x10, 4, LFB);
        pc_config_write(&b.pc, 0x18, 4, 2, 3);
        for (unsigned round = 0; round < 10; round++) {
            pc_out8(&b.pc, 0x3c2, 0x67);
            for (unsigned i = 0; i < 120; i++) {
                unsigned r = (unsigned)rand_r(&s), v = (unsigned)rand_r(&s);

                pc_out16(&b.pc, ports[r % ARRAY_SIZE(ports)], (uint16_t)v);
                if (r & 0x1000)
                    pc_mmio_write(&b.pc, 0xa0000 + (v & 0x1ffff), 4, r * 3u);
                if (r & 0x2000)
                    pc_mmio_read(&b.pc, LFB + (v & 0x1ffffff), 4);
            }
            bench_index(&b, 0x3c4, 1, 1);
            if (s & 4)
                bench_index(&b, 0x3c4, 7, (unsigned)rand_r(&s) | 1);
            pc_in8(&b.pc, 0x3da);
            pc_out8(&b.pc, 0x3c0, 0x20);
            bench_look(&b);
            pc_crank(&b.pc, NS_PER_SEC / 20);
        }
        bench_close(&b);
    }
}

TEST(reset_gives_the_registers_of_a_fresh_one_and_saved_names_them_all)
{
    struct bench b;

    bench_open(&b, &cirrus_vga_class, "screen=vga");
    pc_check_saved(b.dev);
    for (unsigned seed = 1; seed < 4; seed++)
        pc_check_reset(&b.pc, b.dev, seed);
    bench_close(&b);
}

TEST(a_loaded_blit_that_cannot_be_is_refused)
{
    struct bench b;
    struct error err = { "" };
    const struct saved_field *f = device_class_of((bench_open(&b, &cirrus_vga_class, ""), b.dev))->saved;
    uint8_t *regs = device_regs(b.dev);

    CHECK_EQ(device_check_regs(b.dev, &err), 0);
    for (; f->name; f++)
        if (!strcmp(f->name, "blit.host"))
            regs[f->offset] = 1;
    for (f = device_class_of(b.dev)->saved; f->name; f++)
        if (!strcmp(f->name, "blit.filled"))
            put_le32(regs + f->offset, 0xffffffff);
    CHECK(device_check_regs(b.dev, &err) < 0);
    CHECK_SAYS(err, "Cirrus");
    device_reset(b.dev);
    CHECK_EQ(device_check_regs(b.dev, &err), 0);
    bench_close(&b);
}
