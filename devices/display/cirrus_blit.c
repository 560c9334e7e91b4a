/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BitBLT engine of the CL-GD5446. Document: CL-GD5446 Technical Reference Manual, "BitBLT
 * Engine" and "BitBLT Registers".
 *
 * A blit goes line by line: the source line is made up in a buffer, merged with the destination
 * line, and put back. Lines are at most 8 KiB, and there are at most 2048 of them, so a blit is
 * bounded; every address is taken modulo the size of video memory where a line is read or written,
 * in lines_in() and line_out(), so no pitch or start can reach past it.
 */
#include "devices/display/cirrus.h"
#include "dm/base/bytes.h"
#include "dm/memory/vram.h"

static unsigned pixel_bytes(const struct cirrus_blit *b)
{
    return ((b->mode & BLT_PIXEL) >> 4) + 1;
}

static bool expands(const struct cirrus_blit *b)
{
    return b->mode & BLT_EXPAND;
}

static bool patterned(const struct cirrus_blit *b)
{
    return b->mode & BLT_PATTERN;
}

static bool solid(const struct cirrus_blit *b)
{
    return (b->ext & BLT_EXT_SOLID) &&
           (b->mode & (BLT_PATTERN | BLT_EXPAND | BLT_TRANSPARENT | BLT_TO_HOST)) ==
               (BLT_PATTERN | BLT_EXPAND);
}

/* Only plain copies run backwards; the start addresses then name the last byte. */
static bool backward(const struct cirrus_blit *b)
{
    return (b->mode & BLT_BACKWARD) && !expands(b) && !patterned(b);
}

/* ---- Lines of video memory ---- */

static void line_in(const struct cirrus *c, uint32_t at, uint8_t *buf, size_t n)
{
    size_t first;

    at &= cirrus_mask(c);
    first = MIN(n, c->vga.size - at);
    memcpy(buf, c->vga.bytes + at, first);
    memcpy(buf + first, c->vga.bytes, n - first);
}

static void line_out(struct cirrus *c, uint32_t at, const uint8_t *buf, size_t n)
{
    size_t first;

    at &= cirrus_mask(c);
    first = MIN(n, c->vga.size - at);
    memcpy(c->vga.bytes + at, buf, first);
    vram_touch(c->vram, at, first);
    if (first == n)
        return;
    memcpy(c->vga.bytes, buf + first, n - first);
    vram_touch(c->vram, 0, n - first);
}

/* The lowest address of a line, whichever way the blit runs. */
static uint32_t line_address(const struct cirrus_blit *b, uint32_t start, uint32_t pitch,
                             unsigned line)
{
    return backward(b) ? start - line * pitch - (b->width - 1) : start + line * pitch;
}

/* ---- Raster operations ---- */

/* What comes out for source and destination bits 11, 10, 01, 00, in bits 3 to 0. */
static unsigned truth(uint8_t rop)
{
    static const struct { uint8_t rop, truth; } table[] = {
        { 0x00, 0x0 }, { 0x05, 0x8 }, { 0x06, 0xa }, { 0x09, 0x4 }, { 0x0b, 0x5 }, { 0x0d, 0xc },
        { 0x0e, 0xf }, { 0x50, 0x2 }, { 0x59, 0x6 }, { 0x6d, 0xe }, { 0x90, 0x1 }, { 0x95, 0x9 },
        { 0xad, 0xd }, { 0xd0, 0x3 }, { 0xd6, 0xb }, { 0xda, 0x7 },
    };
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
        if (table[i].rop == rop)
            return table[i].truth;
    return 0xa; /* not an operation: the destination stays */
}

static void merge(uint8_t rop, uint8_t *dst, const uint8_t *src, size_t n)
{
    unsigned t = truth(rop);
    uint8_t m11 = t & 8 ? 0xff : 0, m10 = t & 4 ? 0xff : 0;
    uint8_t m01 = t & 2 ? 0xff : 0, m00 = t & 1 ? 0xff : 0;

    if (t == 0xc) {
        memcpy(dst, src, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t s = src[i], d = dst[i];

        dst[i] = (uint8_t)((s & ((d & m11) | (~d & m10))) | (~s & ((d & m01) | (~d & m00))));
    }
}

/* ---- Source lines ---- */

/* Pixels and bytes at the left edge that are not drawn; only where the source has no such edge. */
static unsigned skip_pixels(const struct cirrus_blit *b)
{
    if (!expands(b) && !patterned(b))
        return 0;
    return pixel_bytes(b) == 3 ? (b->skip & 0x1f) / 3 : b->skip & 7;
}

/*
 * A bit for each pixel, leftmost first, to pixels in `line`; `drawn` says of each byte whether it
 * is to be written. `period`: bits after which the source starts again, 0: never.
 */
static void expand_line(const struct cirrus_blit *b, const uint8_t *bits, unsigned period,
                        uint8_t *line, uint8_t *drawn)
{
    bool transparent = b->mode & BLT_TRANSPARENT;
    bool invert = transparent && (b->ext & BLT_EXT_INVERT);
    unsigned bytes = pixel_bytes(b);

    for (unsigned x = skip_pixels(b) * bytes, i = skip_pixels(b); x < b->width; i++) {
        unsigned k = period ? i % period : i;
        bool set = bits[k / 8] >> (7 - k % 8) & 1;
        const uint8_t *colour = set ? b->fg : b->bg;

        for (unsigned j = 0; j < bytes && x < b->width; j++, x++) {
            line[x] = colour[j];
            drawn[x] = !transparent || set != invert ? 0xff : 0;
        }
    }
}

static void repeat_line(const struct cirrus_blit *b, const uint8_t *pixels, uint8_t *line)
{
    unsigned bytes = pixel_bytes(b);

    for (unsigned x = 0; x < b->width; x++)
        line[x] = pixels[x % (8 * bytes)];
}

/* Bytes of a whole pattern, and of one of its eight lines. */
static unsigned pattern_line_bytes(const struct cirrus_blit *b)
{
    return expands(b) ? 1 : pixel_bytes(b) == 3 ? 32 : 8 * pixel_bytes(b);
}

/* Where transparent and not expanded: pixels that come out in the key colour are not drawn. */
static void apply_key(const struct cirrus_blit *b, const uint8_t *merged, uint8_t *drawn)
{
    unsigned bytes = pixel_bytes(b);

    for (unsigned x = 0; x + bytes <= b->width; x += bytes)
        if (!memcmp(merged + x, b->key, bytes))
            memset(drawn + x, 0, bytes);
}

/* `source`: the line's bytes or bits; or, for a pattern, the whole of it. */
static void blit_line(struct cirrus *c, const struct cirrus_blit *b, const uint8_t *source,
                      unsigned number)
{
    uint32_t at = line_address(b, b->dst, b->dst_pitch, number);
    unsigned left = skip_pixels(b) * pixel_bytes(b), row = (b->src + number) & 7;
    uint8_t line[BLIT_LINE], drawn[BLIT_LINE], dst[BLIT_LINE], merged[BLIT_LINE];
    bool partly = b->mode & BLT_TRANSPARENT;

    if (left >= b->width)
        return;
    memset(drawn, 0xff, b->width);
    if (solid(b)) {
        for (unsigned x = 0; x < b->width; x++)
            line[x] = b->fg[x % pixel_bytes(b)];
        source = line;
    } else if (expands(b)) {
        expand_line(b, patterned(b) ? source + row : source, patterned(b) ? 8 : 0, line, drawn);
        source = line;
    } else if (patterned(b)) {
        repeat_line(b, source + row * pattern_line_bytes(b), line);
        source = line;
    }
    line_in(c, at, dst, b->width);
    memcpy(merged, dst, b->width);
    merge(b->rop, merged + left, source + left, b->width - left);
    if (partly && !expands(b))
        apply_key(b, merged, drawn);
    if (partly)
        for (unsigned x = left; x < b->width; x++)
            merged[x] = (uint8_t)((merged[x] & drawn[x]) | (dst[x] & ~drawn[x]));
    line_out(c, at, merged, b->width);
}

/* ---- A blit from start to end ---- */

static void finish(struct cirrus *c)
{
    c->regs->blit.host = HOST_IDLE;
    c->regs->vga.gr[GR_BLT_CONTROL] &= ~(BLT_BUSY | BLT_START);
    cirrus_update_trap(c);
}

void cirrus_blit_abort(struct cirrus *c)
{
    finish(c);
}

static void blit_pattern(struct cirrus *c, const uint8_t *pattern)
{
    for (unsigned line = 0; line < c->regs->blit.height; line++)
        blit_line(c, &c->regs->blit, pattern, line);
}

static void blit_screen(struct cirrus *c)
{
    const struct cirrus_blit *b = &c->regs->blit;
    unsigned pixels = b->width / pixel_bytes(b) + 1;
    uint8_t source[BLIT_LINE];

    if (solid(b) || patterned(b)) {
        line_in(c, b->src & ~7u, source, 8 * pattern_line_bytes(b));
        blit_pattern(c, source);
        return;
    }
    for (unsigned line = 0; line < b->height; line++) {
        if (expands(b)) /* bits follow on without regard to a pitch, whole bytes a line */
            line_in(c, b->src + line * DIV_ROUND_UP(b->width / pixel_bytes(b), 8), source,
                    DIV_ROUND_UP(pixels, 8));
        else
            line_in(c, line_address(b, b->src, b->src_pitch, line), source, b->width);
        blit_line(c, b, source, line);
    }
}

/* How many bytes the CPU gives, or takes, for one line; or for a pattern. */
static unsigned host_bytes(const struct cirrus_blit *b)
{
    unsigned pixels = b->width / pixel_bytes(b), bytes;

    if (patterned(b) && b->host == HOST_WRITES)
        return 8 * pattern_line_bytes(b);
    if (!expands(b) || b->host == HOST_READS)
        bytes = ROUND_UP(b->width, 4);
    else if (b->ext & BLT_EXT_DWORDS)
        bytes = DIV_ROUND_UP(pixels, 32) * 4;
    else
        bytes = DIV_ROUND_UP(pixels, 8);
    return MAX(MIN(bytes, BLIT_LINE), 1u);
}

static void fetch_host_line(struct cirrus *c)
{
    struct cirrus_blit *b = &c->regs->blit;

    memset(b->data, 0, sizeof(b->data));
    line_in(c, line_address(b, b->src, b->src_pitch, b->line), b->data, b->width);
}

void cirrus_blit_feed(struct cirrus *c, uint8_t byte)
{
    struct cirrus_blit *b = &c->regs->blit;

    b->data[b->filled++] = byte;
    if (b->filled < host_bytes(b))
        return;
    b->filled = 0;
    if (patterned(b)) {
        blit_pattern(c, b->data);
        finish(c);
        return;
    }
    blit_line(c, b, b->data, b->line++);
    if (b->line == b->height)
        finish(c);
}

uint8_t cirrus_blit_drain(struct cirrus *c)
{
    struct cirrus_blit *b = &c->regs->blit;
    uint8_t byte = b->data[b->filled++];

    if (b->filled < host_bytes(b))
        return byte;
    b->filled = 0;
    if (++b->line == b->height)
        finish(c);
    else
        fetch_host_line(c);
    return byte;
}

static void take_registers(struct cirrus *c)
{
    const uint8_t *gr = c->regs->vga.gr;
    struct cirrus_blit *b = &c->regs->blit;

    b->width = get_le16(gr + GR_BLT_WIDTH) + 1u;
    b->height = get_le16(gr + GR_BLT_HEIGHT) + 1u;
    b->dst_pitch = get_le16(gr + GR_BLT_DST_PITCH);
    b->src_pitch = get_le16(gr + GR_BLT_SRC_PITCH);
    b->dst = get_le16(gr + GR_BLT_DST) | (uint32_t)gr[GR_BLT_DST + 2] << 16;
    b->src = get_le16(gr + GR_BLT_SRC) | (uint32_t)gr[GR_BLT_SRC + 2] << 16;
    b->mode = gr[GR_BLT_MODE];
    b->ext = gr[GR_BLT_EXT];
    b->rop = gr[GR_BLT_ROP];
    b->skip = gr[GR_BLT_SKIP];
    memcpy(b->key, gr + GR_BLT_KEY, 2);
    memcpy(b->fg, (const uint8_t[]){ gr[1], gr[GR_FG1], gr[GR_FG2], gr[GR_FG3] }, 4);
    memcpy(b->bg, (const uint8_t[]){ gr[0], gr[GR_BG1], gr[GR_BG2], gr[GR_BG3] }, 4);
    b->filled = b->line = 0;
    b->host = HOST_IDLE;
}

void cirrus_blit_start(struct cirrus *c)
{
    struct cirrus_blit *b = &c->regs->blit;
    unsigned ends;

    take_registers(c);
    ends = b->mode & (BLT_FROM_HOST | BLT_TO_HOST);
    if (ends == (BLT_FROM_HOST | BLT_TO_HOST) ||
        /* a key has two bytes: deeper pixels cannot be compared with it */
        ((b->mode & BLT_TRANSPARENT) && !expands(b) && pixel_bytes(b) > 2)) {
        finish(c);
        return;
    }
    if (!ends || (solid(b) && ends == BLT_FROM_HOST)) {
        blit_screen(c);
        finish(c);
        return;
    }
    b->host = ends == BLT_FROM_HOST ? HOST_WRITES : HOST_READS;
    if (b->host == HOST_READS)
        fetch_host_line(c);
    c->regs->vga.gr[GR_BLT_CONTROL] |= BLT_BUSY;
    cirrus_update_trap(c);
}

bool cirrus_blit_possible(const struct cirrus_blit *b)
{
    if (b->host == HOST_IDLE)
        return true;
    return b->host <= HOST_READS && b->width >= 1 && b->width <= BLIT_LINE && b->height >= 1 &&
           b->height <= 2048 && b->line < b->height && b->filled < host_bytes(b);
}
