/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text modes: cells of a character and an attribute in planes 0 and 1, fonts in plane 2. Document:
 * FreeVGA, "VGA Text Mode Operation". A row is drawn again when a digest of what it shows changes,
 * since one dirty page holds half a screen of text.
 */
#include <string.h>
#include "devices/display/vga.h"
#include "dm/base/bytes.h"

#define ATTR_BLINK 0x80

bool vga_text_fonts(struct vga *vga, const struct vga_mode *m)
{
    bool changed = false;

    for (unsigned set = 0; set < 2; set++)
        for (unsigned i = 0; i < sizeof(vga->glyphs[0]); i += 256) {
            const uint8_t *p = vga_fetch(vga, ((uint64_t)m->font[set] + i) * 4, 256 * 4);

            for (unsigned k = 0; k < 256; k++) {
                uint8_t bits = p[4 * k + 2];

                changed |= vga->glyphs[set][i + k] != bits;
                vga->glyphs[set][i + k] = bits;
            }
        }
    return changed;
}

static uint64_t mix(uint64_t digest, uint64_t value)
{
    digest = (digest ^ value) * 0x9e3779b97f4a7c15ull;
    return digest ^ digest >> 29;
}

bool vga_text_row_changed(struct vga *vga, const struct vga_mode *m, unsigned row,
                          uint32_t offset)
{
    unsigned columns = m->columns + 1;
    const uint8_t *cells = vga_fetch(vga, offset, columns * 4);
    uint64_t digest = mix(1, offset);
    uint32_t column = (m->cursor_at - offset) / 4;
    bool blinks = false, changed;

    for (unsigned i = 0; i < columns; i++) {
        digest = mix(digest, get_le16(cells + 4 * i));
        blinks |= m->blinks && (cells[4 * i + 1] & ATTR_BLINK);
    }
    if (blinks)
        digest = mix(digest, vga->blink_phase);
    if (m->cursor && column < columns && vga->on_phase)
        digest = mix(digest, m->cursor_first << 16 | m->cursor_last << 8 | column);
    if (row >= VGA_ROWS)
        return true;
    changed = vga->row_seen[row] != digest;
    vga->row_seen[row] = digest;
    return changed;
}

/* The dots of one cell on one scan line, leftmost in bit 8 (9-dot cells) or 7. */
static unsigned cell_dots(struct vga *vga, const struct vga_mode *m, uint8_t ch, uint8_t attr,
                          unsigned scan, bool cursor)
{
    unsigned bits = vga->glyphs[attr >> 3 & 1][ch * 32 + (scan & 31)];

    if (cursor)
        return 0x1ff;
    if (m->mono && (attr & 7) == 1 && scan == m->underline)
        return 0x1ff;
    if (m->cell_width == 8)
        return bits;
    return bits << 1 | (m->line_graphics && (ch & 0xe0) == 0xc0 ? bits & 1 : 0);
}

void vga_text_line(struct vga *vga, const struct vga_mode *m, uint32_t offset, unsigned scan,
                   uint32_t *pixels)
{
    const uint8_t *cells = vga_fetch(vga, offset, (m->columns + 1) * 4);
    uint32_t column = (m->cursor_at - offset) / 4;
    bool cursor_line = m->cursor && vga->on_phase && scan >= m->cursor_first &&
                       scan <= m->cursor_last;
    unsigned scale = m->wide ? 2 : 1, skip = m->pan * scale, x = 0;

    for (unsigned i = 0; i <= m->columns; i++) {
        uint8_t ch = cells[4 * i], attr = cells[4 * i + 1];
        unsigned dots = cell_dots(vga, m, ch, attr, scan, cursor_line && i == column);
        unsigned ink = attr & 15, paper = attr >> 4;

        if (m->blinks) {
            paper &= 7;
            if ((attr & ATTR_BLINK) && !vga->blink_phase && !(cursor_line && i == column))
                ink = paper;
        }
        for (unsigned d = m->cell_width; d-- > 0;)
            for (unsigned s = 0; s < scale; s++) {
                uint32_t colour = vga->colours[dots >> d & 1 ? ink : paper];

                if (skip)
                    skip--;
                else if (x < m->width)
                    pixels[x++] = colour;
            }
    }
}
