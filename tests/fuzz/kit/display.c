/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modes that a BIOS sets, so that drawing starts from something that draws. */
#include "tests/fuzz/kit/display.h"
#include "tests/unit/devices/display/modes.h"

static void index_all(unsigned port, const uint8_t *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bench_out(port, 1, i);
        bench_out(port + 1, 1, values[i]);
    }
}

static void set(const struct bench_mode *m)
{
    bench_out(0x3c2, 1, m->misc);
    index_all(0x3c4, m->seq, sizeof(m->seq));
    bench_out(0x3d4, 2, 0x0011);
    index_all(0x3d4, m->crtc, sizeof(m->crtc));
    index_all(0x3ce, m->gr, sizeof(m->gr));
    bench_in(0x3da, 1);
    for (unsigned i = 0; i < sizeof(m->attr); i++) {
        bench_out(0x3c0, 1, i);
        bench_out(0x3c0, 1, m->attr[i]);
    }
    bench_out(0x3c0, 1, 0x20);
}

static void vbe(unsigned width, unsigned height, unsigned bpp)
{
    const unsigned values[][2] = { { 4, 0 }, { 1, width }, { 2, height }, { 3, bpp }, { 4, 0x41 } };

    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        bench_out(0x1ce, 2, values[i][0]);
        bench_out(0x1cf, 2, values[i][1]);
    }
}

void display_mode(struct input *in)
{
    static const struct bench_mode *const modes[] = { &bench_text, &bench_12h, &bench_13h,
                                                        &bench_cga4 };
    static const uint8_t depths[] = { 4, 8, 15, 16, 24, 32 };
    uint8_t which = take8(in);

    set(modes[which & 3]);
    if (which & 4)
        vbe(16u + 8 * (which >> 4), 64, depths[(which >> 3) % 6]);
}
