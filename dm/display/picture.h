/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_DISPLAY_PICTURE_H
#define DM_DISPLAY_PICTURE_H
#include <stddef.h>
#include <stdint.h>
#include "dm/display/screendump.h"
struct error;

/* A picture as 8-bit RGB triples, top row first, to an open descriptor. Any thread; may block. */
int picture_write(int fd, enum picture_format format, const uint8_t *rgb, unsigned width,
                  unsigned height, struct error *err);
#endif
