/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From video memory to the surface, a scan line at a time, only when a viewer asks. A line is
 * looked at when its pages were written or the mode changed, converted, and compared with what the
 * surface shows, so that viewers hear of the pixels that are really different. The guest may write
 * meanwhile: every byte is just a colour, and the next drawing sees the page dirty again.
 */
#include <string.h>
#include "devices/display/vga.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/memory/vram.h"

/* Cursor: 16 frames on, 16 off; characters: twice as slow. */
#define BLINK_NS (NS_PER_SEC * 16 / 70)
#define TEXT_BYTES (512 * 1024u) /* all that a text mode's addresses reach, fonts too */

const uint8_t *vga_fetch(struct vga *vga, uint64_t offset, size_t length)
{
    size_t at = (size_t)(offset & (vga->size - 1)), first;

    if (length <= vga->size - at)
        return vga->bytes + at;
    first = vga->size - at;
    memcpy(vga->bounce, vga->bytes + at, first);
    memcpy(vga->bounce + first, vga->bytes, length - first);
    return vga->bounce;
}

/* ---- Colours ---- */

static uint32_t dac_colour(const struct vga_regs *r, bool dac8, unsigned index)
{
    const uint8_t *p = r->palette + 3 * (index & r->dac_mask);
    uint32_t rgb = 0;

    for (unsigned i = 0; i < 3; i++) {
        unsigned v = p[i];

        if (!dac8)
            v = (v & 0x3f) << 2 | (v & 0x3f) >> 4;
        rgb = rgb << 8 | v;
    }
    return rgb;
}

static uint32_t attr_colour(const struct vga_regs *r, bool dac8, unsigned i)
{
    unsigned index = r->attr[i], select = r->attr[0x14];

    if (r->attr[0x10] & 0x80) /* Internal Palette Size: bits 5 and 4 from Color Select too */
        index = (index & 0x0f) | (select & 0x0f) << 4;
    else
        index = (index & 0x3f) | (select & 0x0c) << 4;
    return dac_colour(r, dac8, index);
}

static bool update_colours(struct vga *vga, const struct vga_mode *m)
{
    unsigned count = m->kind == VGA_INDEXED ? 256 : m->kind < VGA_INDEXED ? 16 : 0;
    bool changed = false;

    for (unsigned i = 0; i < count; i++) {
        uint32_t rgb = m->kind == VGA_INDEXED ? dac_colour(vga->regs, m->dac8, i)
                                              : attr_colour(vga->regs, m->dac8,
                                                            m->kind == VGA_TEXT
                                                                ? i : i & m->plane_mask);

        changed |= vga->colours[i] != rgb;
        vga->colours[i] = rgb;
    }
    return changed;
}

/* ---- Lines ---- */

/* Bytes of video memory that a line takes, panning included. */
static size_t line_bytes(const struct vga_mode *m)
{
    unsigned dots = (m->wide ? DIV_ROUND_UP(m->width, 2) : m->width) + m->pan;

    switch (m->kind) {
    case VGA_TEXT: return (m->columns + 1) * 4;
    case VGA_PLANAR: case VGA_CGA4: return DIV_ROUND_UP(dots, 8) * 4;
    case VGA_INDEXED: return dots;
    case VGA_RGB555: case VGA_RGB565: return dots * 2;
    case VGA_RGB888: return dots * 3;
    default: return dots * 4;
    }
}

/* Bit 7 of a byte to the first of eight bytes, 0 or 1 each. */
static uint64_t to_bytes(uint8_t bits)
{
    uint64_t t = bits * 0x0101010101010101ull & 0x0102040810204080ull;

    return (t + 0x7f7f7f7f7f7f7f7full) >> 7 & 0x0101010101010101ull;
}

static void put_dots(struct vga *vga, const uint8_t *dots, unsigned count, uint32_t *pixels)
{
    for (unsigned i = 0; i < count; i++)
        pixels[i] = vga->colours[dots[i]];
}

static void planar_line(struct vga *vga, const uint8_t *p, unsigned dots, uint32_t *pixels)
{
    for (unsigned x = 0; x < dots; x += 8, p += 4) {
        uint8_t index[8];

        put_le64(index, to_bytes(p[0]) | to_bytes(p[1]) << 1 | to_bytes(p[2]) << 2 |
                            to_bytes(p[3]) << 3);
        put_dots(vga, index, 8, pixels + x);
    }
}

static void cga4_line(struct vga *vga, const uint8_t *p, unsigned dots, uint32_t *pixels)
{
    for (unsigned x = 0; x < dots; x += 8, p += 4) {
        uint8_t index[8];

        for (unsigned i = 0; i < 8; i++) {
            unsigned plane = i / 4, shift = 6 - 2 * (i % 4);

            index[i] = (uint8_t)((p[plane] >> shift & 3) | (p[plane + 2] >> shift & 3) << 2);
        }
        put_dots(vga, index, 8, pixels + x);
    }
}

static uint32_t from_555(unsigned v)
{
    unsigned r = v >> 10 & 31, g = v >> 5 & 31, b = v & 31;

    return (r << 3 | r >> 2) << 16 | (g << 3 | g >> 2) << 8 | (b << 3 | b >> 2);
}

static uint32_t from_565(unsigned v)
{
    unsigned r = v >> 11 & 31, g = v >> 5 & 63, b = v & 31;

    return (r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 | (b << 3 | b >> 2);
}

static void direct_line(const struct vga_mode *m, const uint8_t *p, unsigned dots,
                        uint32_t *pixels)
{
    for (unsigned x = 0; x < dots; x++)
        switch (m->kind) {
        case VGA_RGB555: pixels[x] = from_555(get_le16(p + 2 * x)); break;
        case VGA_RGB565: pixels[x] = from_565(get_le16(p + 2 * x)); break;
        case VGA_RGB888:
            pixels[x] = p[3 * x] | (uint32_t)p[3 * x + 1] << 8 | (uint32_t)p[3 * x + 2] << 16;
            break;
        default: pixels[x] = get_le32(p + 4 * x) & 0xffffff; break;
        }
}

static void graphics_line(struct vga *vga, const struct vga_mode *m, uint32_t offset,
                          unsigned pan, uint32_t *pixels)
{
    unsigned dots = (m->wide ? DIV_ROUND_UP(m->width, 2) : m->width) + pan;
    const uint8_t *p = vga_fetch(vga, offset, line_bytes(m));

    switch (m->kind) {
    case VGA_PLANAR: planar_line(vga, p, dots, pixels); break;
    case VGA_CGA4: cga4_line(vga, p, dots, pixels); break;
    case VGA_INDEXED: put_dots(vga, p, dots, pixels); break;
    default: direct_line(m, p, dots, pixels); break;
    }
    if (pan)
        memmove(pixels, pixels + pan, (dots - pan) * sizeof(*pixels));
    if (m->wide)
        for (unsigned x = m->width; x-- > 0;)
            pixels[x] = pixels[x / 2];
}

/* ---- What was written ---- */

/* Asks for the pages the picture lies on, in one range; the tracking has just one. */
static void look_for_writes(struct vga *vga, const struct vga_mode *m)
{
    uint64_t first = m->start, end;
    uint32_t last;

    vga_locate(m, m->height - 1, &last);
    end = (uint64_t)last + line_bytes(m);
    if (m->kind == VGA_TEXT) {
        first = 0;
        end = MIN(TEXT_BYTES, vga->size);
    } else if (end > vga->size || end < first || m->compare != ~0u || m->scan_bits) {
        first = 0; /* it wraps or jumps about: take it all */
        end = vga->size;
    }
    vga->dirty_first = first / PAGE_BYTES;
    vga->dirty_pages = DIV_ROUND_UP(end, PAGE_BYTES) - vga->dirty_first;
    vram_dirty(vga->vram, vga->dirty_first * PAGE_BYTES, vga->dirty_pages * PAGE_BYTES,
               vga->dirty);
}

static bool any_written(const struct vga *vga)
{
    for (size_t i = 0; i < vga->dirty_pages; i++)
        if (vga->dirty[i / 8] >> (i % 8) & 1)
            return true;
    return false;
}

static bool span_written(const struct vga *vga, size_t at, size_t length)
{
    for (size_t page = at / PAGE_BYTES; page <= (at + length - 1) / PAGE_BYTES; page++) {
        size_t i = page - vga->dirty_first;

        if (page < vga->dirty_first || i >= vga->dirty_pages || (vga->dirty[i / 8] >> (i % 8) & 1))
            return true;
    }
    return false;
}

static bool line_written(const struct vga *vga, uint32_t offset, size_t length)
{
    size_t at = offset & (vga->size - 1);

    if (length <= vga->size - at)
        return span_written(vga, at, length);
    return span_written(vga, at, vga->size - at) ||
           span_written(vga, 0, length - (vga->size - at));
}

/* ---- The surface ---- */

/* Changed lines near each other, as one rectangle; glyphs have gaps. */
#define PATCH_GAP 8
struct patch {
    unsigned left, right, top, bottom; /* right 0: empty */
};

static void patch_flush(struct patch *patch, struct damage *damage)
{
    if (patch->right)
        damage_add(damage, patch->left, patch->top, patch->right - patch->left,
                   patch->bottom - patch->top);
    patch->right = 0;
}

static void patch_extend(struct patch *patch, struct damage *damage, unsigned line, unsigned left,
                         unsigned right)
{
    if (patch->right && line - patch->bottom > PATCH_GAP)
        patch_flush(patch, damage);
    if (!patch->right)
        *patch = (struct patch){ left, right, line, line };
    patch->left = MIN(patch->left, left);
    patch->right = MAX(patch->right, right);
    patch->bottom = line + 1;
}

static void put_line(struct vga *vga, struct surface *surface, unsigned line, struct patch *patch,
                     struct damage *damage)
{
    uint32_t *to = surface->pixels + (size_t)line * surface->stride, *from = vga->pixels;
    unsigned left = 0, right = surface->width;

    if (!memcmp(to, from, right * sizeof(*to)))
        return;
    while (to[left] == from[left])
        left++;
    while (to[right - 1] == from[right - 1])
        right--;
    memcpy(to + left, from + left, (right - left) * sizeof(*to));
    patch_extend(patch, damage, line, left, right);
}

static bool covers(unsigned first, unsigned count, unsigned line)
{
    return line >= first && line - first < count;
}

static void draw_lines(struct vga *vga, const struct vga_mode *m, struct surface *surface,
                       struct damage *damage, bool all, unsigned over_first, unsigned over_count)
{
    uint32_t last_offset = 0;
    unsigned last_scan = 0, row = 0;
    bool text = m->kind == VGA_TEXT, converted = false, row_changed = false;
    size_t bytes = line_bytes(m);
    struct patch patch = { 0 };

    for (unsigned line = 0; line < m->height; line++) {
        uint32_t offset;
        unsigned scan = vga_locate(m, line, &offset);
        unsigned pan = line > m->compare && !m->pan_all ? 0 : m->pan;
        bool over = covers(over_first, over_count, line);
        bool was_over = covers(vga->overlay_first, vga->overlay_count, line);
        bool same = line && offset == last_offset && scan == last_scan;

        if (text && (!line || offset != last_offset || scan < last_scan))
            row_changed = vga_text_row_changed(vga, m, row++, offset);
        if (!(all || over || was_over || (text ? row_changed : line_written(vga, offset, bytes)))) {
            converted = false;
        } else {
            if (!same || !converted) {
                if (text)
                    vga_text_line(vga, m, offset, scan, vga->pixels);
                else
                    graphics_line(vga, m, offset, pan, vga->pixels);
            }
            if (over)
                vga->ops->overlay(vga->owner, line, vga->pixels, m->width);
            converted = !over && line != m->compare;
            put_line(vga, surface, line, &patch, damage);
        }
        last_offset = offset;
        last_scan = scan;
    }
    patch_flush(&patch, damage);
}

/* Whether the modes differ in more than what moves; as bytes, so copies must be exact. */
static bool same_mode(const struct vga_mode *was, const struct vga_mode *is)
{
    struct vga_mode still;

    memcpy(&still, is, sizeof(still));
    still.cursor = was->cursor;
    still.cursor_at = was->cursor_at;
    still.cursor_first = was->cursor_first;
    still.cursor_last = was->cursor_last;
    return !memcmp(was, &still, sizeof(still));
}

static void fill_black(struct surface *surface, struct damage *damage)
{
    for (unsigned y = 0; y < surface->height; y++)
        memset(surface->pixels + (size_t)y * surface->stride, 0,
               surface->width * sizeof(*surface->pixels));
    damage_add(damage, 0, 0, surface->width, surface->height);
}

void vga_draw(void *owner, struct surface *surface, struct damage *damage, bool all)
{
    struct vga *vga = owner;
    struct vga_mode mode;
    unsigned over_first = 0, over_count = 0;
    uint64_t phase = clock_now() / BLINK_NS;

    vga_mode_now(vga, &mode);
    if (surface->width != mode.width || surface->height != mode.height) {
        screen_size(vga->screen, surface, mode.width, mode.height);
        if (surface->width != mode.width || surface->height != mode.height)
            return; /* no memory for it */
        all = true;
    }
    all |= !same_mode(&vga->drawn, &mode);
    memcpy(&vga->drawn, &mode, sizeof(mode));
    if (mode.blank) {
        if (all)
            fill_black(surface, damage);
        return;
    }
    all |= update_colours(vga, &mode);
    vga->on_phase = !(phase & 1);
    vga->blink_phase = !(phase & 2);
    look_for_writes(vga, &mode);
    if (mode.kind == VGA_TEXT && (all || any_written(vga)))
        all |= vga_text_fonts(vga, &mode);
    if (vga->ops->overlay_lines)
        vga->ops->overlay_lines(vga->owner, &over_first, &over_count);
    draw_lines(vga, &mode, surface, damage, all, over_first, over_count);
    vga->overlay_first = over_first;
    vga->overlay_count = over_count;
}

void vga_unwatched(void *owner)
{
    vram_untrack(((struct vga *)owner)->vram);
}
