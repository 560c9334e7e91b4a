/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * public/io/fbif.h says how many bits a pixel has and not what they mean. 32 and 24 are as Linux's
 * frontend has them; 16 is 5:6:5, 15 is 5:5:5 and 8 is 3:3:2, as backends always took them.
 */
#include <stdatomic.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "pv-backends/fb/draw.h"

/* `bits` of a colour, two or more: repeated until eight are full. */
static inline uint32_t widen(uint32_t value, unsigned bits)
{
    uint32_t all = value << (8 - bits);

    all |= all >> bits;
    return bits < 4 ? all | all >> 2 * bits : all;
}

static inline uint32_t rgb(uint32_t pixel, unsigned red, unsigned green, unsigned blue)
{
    return widen(pixel >> (green + blue) & ((1u << red) - 1), red) << 16 |
           widen(pixel >> blue & ((1u << green) - 1), green) << 8 |
           widen(pixel & ((1u << blue) - 1), blue);
}

/* From our copy of a line. */
static void convert(uint32_t *to, const uint8_t *from, unsigned n, unsigned depth)
{
    switch (depth) {
    case 8:
        for (unsigned i = 0; i < n; i++)
            to[i] = rgb(from[i], 3, 3, 2);
        break;
    case 15:
        for (unsigned i = 0; i < n; i++)
            to[i] = rgb(get_le16(from + 2 * i), 5, 5, 5);
        break;
    case 16:
        for (unsigned i = 0; i < n; i++)
            to[i] = rgb(get_le16(from + 2 * i), 5, 6, 5);
        break;
    case 24:
        for (unsigned i = 0; i < n; i++)
            to[i] = get_le16(from + 3 * i) | (uint32_t)from[3 * i + 2] << 16;
        break;
    default:
        for (unsigned i = 0; i < n; i++)
            to[i] = get_le32(from + 4 * i) & 0xffffff;
    }
}

/* Where two lines differ first and last; false: nowhere. */
static bool compare(const uint32_t *a, const uint32_t *b, unsigned n, unsigned *first,
                    unsigned *last)
{
    if (!memcmp(a, b, n * sizeof(*a)))
        return false;
    for (*first = 0; a[*first] == b[*first];)
        ++*first;
    for (*last = n - 1; a[*last] == b[*last];)
        --*last;
    return true;
}

void fb_draw(const struct surface *s, struct damage *damage, const uint8_t *bytes,
             const struct fb_shape *shape, const struct rect *part)
{
    size_t pixel = DIV_ROUND_UP(shape->depth, 8u);
    uint8_t copy[4 * SCREEN_MAX_WIDTH];
    uint32_t line[SCREEN_MAX_WIDTH];
    struct rect band = { 0 }; /* of lines in a row that differ */

    for (unsigned y = part->y; y < part->y + part->height; y++) {
        uint32_t *to = s->pixels + (size_t)y * s->stride + part->x;
        unsigned first, last;

        memcpy(copy, bytes + shape->offset + y * shape->stride + part->x * pixel,
               part->width * pixel);
        atomic_signal_fence(memory_order_seq_cst);
        convert(line, copy, part->width, shape->depth);
        if (!compare(line, to, part->width, &first, &last)) {
            damage_add(damage, band.x, band.y, band.width, band.height);
            band.height = 0;
            continue;
        }
        memcpy(to + first, line + first, (last - first + 1) * sizeof(*to));
        first += part->x;
        last += part->x;
        if (!band.height)
            band = (struct rect){ first, y, last - first + 1, 0 };
        last = MAX(last, band.x + band.width - 1);
        band.x = MIN(band.x, first);
        band.width = last - band.x + 1;
        band.height++;
    }
    damage_add(damage, band.x, band.y, band.width, band.height);
}

struct rect fb_clip(const struct fb_shape *s, int32_t x, int32_t y, int32_t width, int32_t height)
{
    int64_t left = MAX(x, 0), top = MAX(y, 0);
    int64_t right = MIN((int64_t)x + width, (int64_t)s->width);
    int64_t bottom = MIN((int64_t)y + height, (int64_t)s->height);

    if (left >= right || top >= bottom)
        return (struct rect){ 0 };
    return (struct rect){ (unsigned)left, (unsigned)top, (unsigned)(right - left),
                          (unsigned)(bottom - top) };
}
