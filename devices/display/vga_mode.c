/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the registers of an IBM VGA put on the screen. Document: IBM VGA Technical Reference, "CRT
 * Controller", "Attribute Controller"; FreeVGA, "Programming". Not modelled: borders, interlace,
 * and timings as such; a picture is as many dots as the CRTC counts between its blankings.
 */
#include <string.h>
#include "devices/display/vga.h"
#include "dm/base/bytes.h"

#define SEQ1_8DOT 0x01
#define SEQ1_HALF_CLOCK 0x08
#define SEQ1_SCREEN_OFF 0x20
#define GR5_INTERLEAVE 0x20
#define GR5_256 0x40
#define GR6_GRAPHICS 0x01
#define ATTR_ON 0x20 /* Palette Address Source, in the index */
#define ATTR10_MONO 0x02
#define ATTR10_LINE_GRAPHICS 0x04
#define ATTR10_BLINK 0x08
#define ATTR10_PAN_TOP 0x20
#define CR9_DOUBLE 0x80
#define CR10_CURSOR_OFF 0x20

static uint32_t font_address(unsigned set)
{
    return (set & 3) * 0x4000 + (set & 4 ? 0x2000 : 0);
}

static void text_mode(const struct vga_regs *r, struct vga_mode *m)
{
    unsigned scale = m->wide ? 2 : 1, pan = r->attr[0x13] & 15;
    unsigned maps = r->seq[3];
    uint32_t cursor = r->crtc[0x0e] << 8 | r->crtc[0x0f];

    m->kind = VGA_TEXT;
    m->cell_width = r->seq[1] & SEQ1_8DOT ? 8 : 9;
    m->columns = MIN(r->crtc[1] + 1u, SCREEN_MAX_WIDTH / (m->cell_width * scale));
    m->width = m->columns * m->cell_width * scale;
    m->pan = m->cell_width == 9 ? (pan >= 8 ? 0 : pan + 1) : pan & 7;
    m->font[0] = font_address((maps & 3) | (maps >> 2 & 4));
    m->font[1] = font_address((maps >> 2 & 3) | (maps >> 3 & 4));
    m->blinks = r->attr[0x10] & ATTR10_BLINK;
    m->line_graphics = r->attr[0x10] & ATTR10_LINE_GRAPHICS;
    m->mono = r->attr[0x10] & ATTR10_MONO;
    m->underline = r->crtc[0x14] & 0x1f;
    m->cursor_first = r->crtc[0x0a] & 0x1f;
    m->cursor_last = r->crtc[0x0b] & 0x1f;
    m->cursor = !(r->crtc[0x0a] & CR10_CURSOR_OFF) && m->cursor_first <= m->cursor_last;
    m->cursor_at = (cursor + (r->crtc[0x0b] >> 5 & 3)) * 4;
    m->scan_bits = 0; /* the row scan goes to the font, not to the address */
}

static void graphics_mode(const struct vga_regs *r, struct vga_mode *m)
{
    unsigned pan = r->attr[0x13] & 15;

    m->width = (r->crtc[1] + 1u) * 8;
    m->pan = pan & 7;
    if (r->gr[5] & GR5_256) {
        m->kind = VGA_INDEXED;
        m->wide = true; /* two dot clocks make a pixel of 8 bits */
        m->pan = pan >> 1 & 3;
    } else {
        m->kind = r->gr[5] & GR5_INTERLEAVE ? VGA_CGA4 : VGA_PLANAR;
        if (m->wide)
            m->width *= 2;
    }
}

static void plain_mode(const struct vga_regs *r, struct vga_mode *m)
{
    const uint8_t *c = r->crtc;

    m->height = (c[0x12] | (c[7] & 0x02u) << 7 | (c[7] & 0x40u) << 3) + 1;
    m->compare = c[0x18] | (c[7] & 0x10u) << 4 | (c[9] & 0x40u) << 3;
    if (m->compare >= m->height)
        m->compare = ~0u;
    m->start = ((uint32_t)c[0x0c] << 8 | c[0x0d]) * 4 + (c[8] >> 5 & 3u) * 4;
    m->pitch = c[0x13] * 8u;
    m->row_scans = (c[9] & 0x1fu) + 1;
    m->doubled = c[9] & CR9_DOUBLE;
    m->preset = c[8] & 0x1f;
    m->pan_all = !(r->attr[0x10] & ATTR10_PAN_TOP);
    m->scan_bits = ~c[0x17] & 3u;
    m->scan_shift = 14 + (c[0x17] >> 6 & 1u); /* bytes are counted, not words: one bit further */
    m->wide = r->seq[1] & SEQ1_HALF_CLOCK;
    if (r->gr[6] & GR6_GRAPHICS)
        graphics_mode(r, m);
    else
        text_mode(r, m);
}

void vga_mode_now(struct vga *vga, struct vga_mode *m)
{
    const struct vga_regs *r = vga->regs;

    memset(m, 0, sizeof(*m)); /* padding too: modes are compared as bytes */
    m->row_scans = 1;
    m->compare = ~0u;
    m->plane_mask = r->attr[0x12] & 15;
    m->blank = !(r->attr_index & ATTR_ON) || (r->seq[1] & SEQ1_SCREEN_OFF);
    if (!vga->ops->mode || !vga->ops->mode(vga->owner, m)) {
        plain_mode(r, m);
        if (!r->crtc[0]) { /* no BIOS has set a mode yet: a dark monitor, not nine dots */
            m->width = 640;
            m->height = 480;
            m->blank = true;
        }
    }
    m->width = MIN(m->width, SCREEN_MAX_WIDTH);
    m->height = MIN(m->height, SCREEN_MAX_HEIGHT);
}

unsigned vga_locate(const struct vga_mode *m, unsigned line, uint32_t *offset)
{
    uint32_t base = m->start;
    unsigned preset = m->preset, row, scan;

    if (line > m->compare) {
        line -= m->compare + 1;
        base = 0;
        preset = 0;
    }
    row = (m->doubled ? line / 2 : line) + preset;
    scan = row % m->row_scans;
    *offset = base + row / m->row_scans * m->pitch;
    if (m->scan_bits) {
        uint32_t bits = m->scan_bits << m->scan_shift;

        *offset = (*offset & ~bits) | ((scan << m->scan_shift) & bits);
    }
    return scan;
}
