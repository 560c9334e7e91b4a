/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_FB_MEMORY_H
#define PV_BACKENDS_FB_MEMORY_H
#include <stddef.h>
#include <stdint.h>
#include "pv-backends/fb/page.h"
struct backing;
struct error;

/* A frontend's frame buffer: frames that its directories name, side by side, to be read only. */
struct fb_memory {
    struct backing *backing;
    const uint8_t *bytes; /* NULL: none */
    size_t pages, length;
};
#define FB_MOST (64u << 20) /* bytes that are mapped; a screen has a quarter */

/*
 * At most `limit` bytes of it, which is no more than FB_MOST, and what its directories have room for.
 * -EFAULT where a frame is not there.
 */
int fb_map(struct fb_memory *memory, struct backing *backing, const struct fb_head *head,
           enum fb_words words, size_t limit, struct error *err);
void fb_unmap(struct fb_memory *memory); /* fine where there is none */
#endif
