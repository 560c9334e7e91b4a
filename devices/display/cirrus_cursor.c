/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hardware cursor of the CL-GD5446. Document: CL-GD5446 Technical Reference Manual, "Hardware
 * Cursor": 32x32 or 64x64 pixels of two planes, in the last 16 KiB of video memory.
 */
#include "devices/display/cirrus.h"
#include "dm/base/bytes.h"

#define SR12_ENABLE 0x01
#define SR12_LARGE 0x04
#define PATTERNS (16 * 1024)

static unsigned cursor_size(const struct cirrus *c)
{
    return c->regs->vga.seq[0x12] & SR12_LARGE ? 64 : 32;
}

void cirrus_overlay_lines(void *owner, unsigned *first, unsigned *count)
{
    struct cirrus *c = owner;

    *first = c->regs->cursor_y;
    *count = c->regs->vga.seq[0x12] & SR12_ENABLE ? cursor_size(c) : 0;
}

static uint32_t cursor_colour(const struct cirrus *c, unsigned entry)
{
    const uint8_t *p = c->regs->cursor_palette + 3 * entry;
    uint32_t rgb = 0;

    for (unsigned i = 0; i < 3; i++)
        rgb = rgb << 8 | ((p[i] & 0x3fu) << 2 | (p[i] & 0x3fu) >> 4);
    return rgb;
}

/* Large: a line's two planes side by side. Small: one plane after the other. */
static void cursor_line(struct cirrus *c, unsigned y, const uint8_t *planes[2])
{
    unsigned select = c->regs->vga.seq[0x13];
    uint32_t base = (uint32_t)c->vga.size - PATTERNS;

    if (cursor_size(c) == 64) {
        base += (select & 0x3c) * 256 + y * 16;
        planes[0] = vga_fetch(&c->vga, base, 16);
        planes[1] = planes[0] + 8;
    } else {
        base += (select & 0x3f) * 256 + y * 4;
        planes[0] = c->vga.bytes + (base & cirrus_mask(c));
        planes[1] = c->vga.bytes + ((base + 128) & cirrus_mask(c));
    }
}

void cirrus_overlay(void *owner, unsigned line, uint32_t *pixels, unsigned width)
{
    struct cirrus *c = owner;
    unsigned y = line - c->regs->cursor_y;
    uint32_t back = cursor_colour(c, 0), front = cursor_colour(c, 15);
    const uint8_t *planes[2];

    cursor_line(c, y & 63, planes);
    for (unsigned i = 0; i < cursor_size(c) && c->regs->cursor_x + i < width; i++) {
        uint32_t *p = pixels + c->regs->cursor_x + i;
        unsigned bit = 7 - i % 8;

        switch ((planes[0][i / 8] >> bit & 1) | (planes[1][i / 8] >> bit & 1) << 1) {
        case 1: *p ^= 0xffffff; break;
        case 2: *p = back; break;
        case 3: *p = front; break;
        }
    }
}
