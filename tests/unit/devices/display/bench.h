/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DEVICES_DISPLAY_BENCH_H
#define TESTS_UNIT_DEVICES_DISPLAY_BENCH_H
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "dm/display/screen.h"
#include "tests/kit/check.h"
#include "tests/kit/pc.h"
#include "tests/unit/devices/display/modes.h"

/* A display device on the bench, and a viewer that keeps a copy of what it was shown. */
extern const struct device_class vga_class, cirrus_vga_class;

struct bench {
    struct pc pc;
    struct screen *screen;
    struct screen_viewer *viewer;
    struct device *dev;
    uint32_t *pixels;
    unsigned width, height, looks;
    struct damage damage;
};

static void bench_ready(void *owner, const struct surface *s, const struct damage *damage)
{
    struct bench *b = owner;

    free(b->pixels);
    b->pixels = malloc((size_t)s->width * s->height * 4 + 4);
    for (unsigned y = 0; y < s->height; y++)
        memcpy(b->pixels + (size_t)y * s->width, s->pixels + (size_t)y * s->stride, s->width * 4);
    b->width = s->width;
    b->height = s->height;
    b->damage = *damage;
    b->looks++;
    screen_release(b->viewer);
}

static const struct screen_viewer_ops bench_viewer_ops = { .ready = bench_ready };

static inline void bench_open(struct bench *b, const struct device_class *cls, const char *options)
{
    struct error err = { "" };

    memset(b, 0, sizeof(*b));
    pc_open(&b->pc);
    CHECK_EQ(screen_open(&b->screen, "vga", &err), 0);
    pc_give(&b->pc, "screen", "vga", b->screen);
    b->dev = pc_plug(&b->pc, cls, options);
    CHECK_EQ(screen_viewer_open(&b->viewer, b->screen, b->pc.loop, &bench_viewer_ops, b, &err), 0);
}

static inline void bench_close(struct bench *b)
{
    screen_viewer_close(b->viewer);
    pc_settle(&b->pc);
    pc_close(&b->pc);
    screen_close(b->screen);
    free(b->pixels);
}

/* What the viewer is shown now. */
static inline void bench_look(struct bench *b)
{
    unsigned before = b->looks;

    screen_request(b->viewer, false);
    pc_settle(&b->pc);
    CHECK_EQ(b->looks, before + 1);
}

static inline uint32_t bench_pixel(struct bench *b, unsigned x, unsigned y)
{
    CHECK(x < b->width && y < b->height);
    return b->pixels[(size_t)y * b->width + x];
}

static inline void bench_index(struct bench *b, unsigned port, unsigned index, unsigned value)
{
    pc_out8(&b->pc, port, (uint8_t)index);
    pc_out8(&b->pc, port + 1, (uint8_t)value);
}

static inline unsigned bench_peek_index(struct bench *b, unsigned port, unsigned index)
{
    pc_out8(&b->pc, port, (uint8_t)index);
    return pc_in8(&b->pc, port + 1);
}

static inline void bench_set_mode(struct bench *b, const struct bench_mode *m)
{
    struct pc *pc = &b->pc;

    pc_out8(pc, 0x3c2, m->misc);
    for (unsigned i = 0; i < 5; i++)
        bench_index(b, 0x3c4, i, m->seq[i]);
    bench_index(b, 0x3d4, 0x11, 0);
    for (unsigned i = 0; i < 25; i++)
        bench_index(b, 0x3d4, i, m->crtc[i]);
    for (unsigned i = 0; i < 9; i++)
        bench_index(b, 0x3ce, i, m->gr[i]);
    pc_in8(pc, 0x3da);
    for (unsigned i = 0; i < 21; i++) {
        pc_out8(pc, 0x3c0, (uint8_t)i);
        pc_out8(pc, 0x3c0, m->attr[i]);
    }
    pc_out8(pc, 0x3c0, 0x20);
}

/* The 64 colours of an EGA, 6 bits each. */
static inline void bench_palette(struct bench *b)
{
    pc_out8(&b->pc, 0x3c6, 0xff);
    pc_out8(&b->pc, 0x3c8, 0);
    for (unsigned i = 0; i < 64; i++) {
        pc_out8(&b->pc, 0x3c9, (uint8_t)((i >> 2 & 1) * 42 + (i >> 5 & 1) * 21));
        pc_out8(&b->pc, 0x3c9, (uint8_t)((i >> 1 & 1) * 42 + (i >> 4 & 1) * 21));
        pc_out8(&b->pc, 0x3c9, (uint8_t)((i & 1) * 42 + (i >> 3 & 1) * 21));
    }
}
#endif
