/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_FB_DRAW_H
#define PV_BACKENDS_FB_DRAW_H
#include <stddef.h>
#include <stdint.h>
#include "dm/display/screen.h"
#include "pv-backends/fb/page.h"

/*
 * From the frontend's frame buffer to a screen's surface. The memory is read once, a line at a time,
 * for the frontend writes to it meanwhile; what is as it was is not damage. Pure.
 */
void fb_draw(const struct surface *surface, struct damage *damage, const uint8_t *bytes,
             const struct fb_shape *shape, const struct rect *part);
/* What of an update lies in the picture; its width is 0 where nothing does. */
struct rect fb_clip(const struct fb_shape *shape, int32_t x, int32_t y, int32_t width,
                    int32_t height);
#endif
