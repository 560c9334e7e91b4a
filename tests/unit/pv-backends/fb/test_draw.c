/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a frame buffer to a surface. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "pv-backends/fb/draw.h"
#include "tests/kit/check.h"

#define WIDTH 64
#define HEIGHT 32

static uint32_t pixels[WIDTH * HEIGHT];
static const struct surface surface = { .pixels = pixels, .width = WIDTH, .height = HEIGHT,
                                        .stride = WIDTH };
static const struct rect whole = { 0, 0, WIDTH, HEIGHT };

static uint32_t shown(uint32_t value, unsigned depth)
{
    struct fb_shape shape = { .width = 1, .height = 1, .stride = 4, .depth = depth };
    struct damage damage = { .count = 0 };
    uint8_t bytes[4];

    put_le32(bytes, value);
    pixels[0] = 0xdeadbeef;
    fb_draw(&surface, &damage, bytes, &shape, &(struct rect){ 0, 0, 1, 1 });
    CHECK_EQ(damage.count, 1);
    return pixels[0];
}

TEST(colours_of_every_depth)
{
    CHECK_EQ(shown(0xff123456, 32), 0x123456);
    CHECK_EQ(shown(0xff123456, 24), 0x123456);
    CHECK_EQ(shown(0xffffffff, 16), 0xffffff);
    CHECK_EQ(shown(0xf800, 16), 0xff0000);
    CHECK_EQ(shown(0x07e0, 16), 0x00ff00);
    CHECK_EQ(shown(0x001f, 16), 0x0000ff);
    CHECK_EQ(shown(0x8410, 16), 0x848284);
    CHECK_EQ(shown(0x7fff, 15), 0xffffff);
    CHECK_EQ(shown(0xfc00, 15), 0xff0000);
    CHECK_EQ(shown(0x03e0, 15), 0x00ff00);
    CHECK_EQ(shown(0xff, 8), 0xffffff);
    CHECK_EQ(shown(0xe0, 8), 0xff0000);
    CHECK_EQ(shown(0x1c, 8), 0x00ff00);
    CHECK_EQ(shown(0x03, 8), 0x0000ff);
    CHECK_EQ(shown(0x92, 8), 0x9292aa);
}

/* A frame buffer of exactly as many bytes as its picture has: who reads past it is seen. */
static uint8_t *make(const struct fb_shape *s)
{
    size_t bytes = s->offset + s->stride * s->height;
    uint8_t *fb = malloc(bytes);

    CHECK(fb);
    for (size_t i = 0; i < bytes; i++)
        fb[i] = (uint8_t)(i * 37 >> 3);
    return fb;
}

TEST(every_depth_reads_its_own_bytes_and_no_others)
{
    static const unsigned depths[] = { 8, 15, 16, 24, 32 };

    for (unsigned i = 0; i < 5; i++) {
        size_t bytes = (depths[i] + 7) / 8;
        struct fb_shape s = { WIDTH, HEIGHT, WIDTH * bytes, 13, depths[i] };
        struct damage damage = { .count = 0 };
        uint8_t *fb = make(&s);

        memset(pixels, 0, sizeof(pixels));
        fb_draw(&surface, &damage, fb, &s, &whole);
        for (unsigned y = 0; y < HEIGHT && bytes == 4; y++)
            for (unsigned x = 0; x < WIDTH; x++)
                CHECK_EQ(pixels[y * WIDTH + x],
                         get_le32(fb + 13 + y * s.stride + x * 4) & 0xffffff);
        damage.count = 0;
        fb_draw(&surface, &damage, fb, &s, &whole);
        CHECK_EQ(damage.count, 0); /* all is as it was */
        free(fb);
    }
}

static void change(uint8_t *fb, unsigned x, unsigned y)
{
    fb[(y * WIDTH + x) * 4] ^= 1;
}

TEST(damage_is_what_differs)
{
    struct fb_shape s = { WIDTH, HEIGHT, WIDTH * 4, 0, 32 };
    struct damage damage = { .count = 0 };
    uint8_t *fb = make(&s);

    fb_draw(&surface, &damage, fb, &s, &whole);
    change(fb, 10, 4);
    change(fb, 5, 5);
    change(fb, 20, 5);
    change(fb, 0, 7); /* line 6 lies between */
    change(fb, WIDTH - 1, HEIGHT - 1);
    damage.count = 0;
    fb_draw(&surface, &damage, fb, &s, &whole);
    CHECK_EQ(damage.count, 3);
    CHECK_MEM(&damage.rects[0], (&(struct rect){ 5, 4, 16, 2 }), sizeof(struct rect));
    CHECK_MEM(&damage.rects[1], (&(struct rect){ 0, 7, 1, 1 }), sizeof(struct rect));
    CHECK_MEM(&damage.rects[2], (&(struct rect){ WIDTH - 1, HEIGHT - 1, 1, 1 }), sizeof(struct rect));
    change(fb, 10, 4);
    change(fb, 30, 4);
    change(fb, 12, 12);
    damage.count = 0;
    fb_draw(&surface, &damage, fb, &s, &(struct rect){ 8, 2, 10, 8 });
    CHECK_EQ(damage.count, 1); /* what lies beside the part waits for another update */
    CHECK_MEM(&damage.rects[0], (&(struct rect){ 10, 4, 1, 1 }), sizeof(struct rect));
    free(fb);
}

TEST(updates_are_cut_to_the_picture)
{
    static const struct {
        int x, y, width, height;
        struct rect want;
    } cases[] = {
        { 0, 0, WIDTH, HEIGHT, { 0, 0, WIDTH, HEIGHT } },
        { 5, 6, 7, 8, { 5, 6, 7, 8 } },
        { -5, -6, 7, 8, { 0, 0, 2, 2 } },
        { 60, 30, 100, 100, { 60, 30, 4, 2 } },
        { INT_MIN, INT_MIN, INT_MAX, INT_MAX, { 0, 0, 0, 0 } },
        { -1, -1, INT_MAX, INT_MAX, { 0, 0, WIDTH, HEIGHT } },
        { 1, 1, INT_MAX, INT_MAX, { 1, 1, WIDTH - 1, HEIGHT - 1 } },
        { INT_MAX, INT_MAX, INT_MAX, INT_MAX, { 0, 0, 0, 0 } },
        { 5, 5, -3, 3, { 0, 0, 0, 0 } },
        { 5, 5, 3, INT_MIN, { 0, 0, 0, 0 } },
        { WIDTH, 0, 1, 1, { 0, 0, 0, 0 } },
        { 0, 0, 0, 5, { 0, 0, 0, 0 } },
    };
    struct fb_shape s = { WIDTH, HEIGHT, WIDTH * 4, 0, 32 };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rect got = fb_clip(&s, cases[i].x, cases[i].y, cases[i].width, cases[i].height);

        CHECK_MEM(&got, &cases[i].want, sizeof(got));
    }
}
