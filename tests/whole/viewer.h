/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_WHOLE_VIEWER_H
#define TESTS_WHOLE_VIEWER_H
#include <stdbool.h>
#include <stdint.h>
#include "tests/whole/run.h"

/* A VNC client that takes raw pixels and throws them away, or keeps them, and has hands. */
struct viewer {
    int fd;
    unsigned width, height;
    uint32_t *pixels; /* 0x00RRGGBB; NULL: not kept */
};

void viewer_open(struct viewer *v, const struct dm *dm); /* fails the test */
void viewer_close(struct viewer *v);
void viewer_keep(struct viewer *v); /* from now on: pixels, and changes of size */
void viewer_ask(struct viewer *v, bool incremental); /* for the whole screen */
/* Reads one update; how many pixels it had. 0: none came within ms. */
unsigned viewer_update(struct viewer *v, unsigned ms);
/* Buttons as RFB has them: 1 left, 2 middle, 4 right, 8 and 16 a notch of the wheel. */
void viewer_pointer(struct viewer *v, unsigned x, unsigned y, unsigned buttons);
void viewer_key(struct viewer *v, unsigned keysym, bool down);
#endif
