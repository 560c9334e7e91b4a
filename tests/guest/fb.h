/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_GUEST_FB_H
#define TESTS_GUEST_FB_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tests/guest/pv.h"

/*
 * A frame buffer frontend: public/io/fbif.h. Its frames lie in reverse order, so that only who goes
 * by the directory finds the picture.
 */
struct guest_fb_config {
    int width, height, depth;
    int stride;     /* bytes; 0: as the width needs */
    uint32_t bytes; /* of the frame buffer; 0: as the picture needs */
    bool narrow;    /* a 32-bit guest's directory */
    const char *protocol; /* NULL: as the directory is; "": no such node */
    bool updates;   /* feature-update */
};

struct guest_fb {
    struct guest_pv pv;
    uint8_t *page; /* the shared one */
    uint32_t port, seen;
    size_t pages; /* of the frame buffer */
};

void guest_fb_add(struct guest_fb *f, unsigned devid);
/* In parts, for frontends that lie: the page and its directories; the nodes; those, and state 3. */
void guest_fb_prepare(struct guest_fb *f, const struct guest_fb_config *c);
void guest_fb_name(struct guest_fb *f, const struct guest_fb_config *c);
void guest_fb_offer(struct guest_fb *f, const struct guest_fb_config *c);
bool guest_fb_connect(struct guest_fb *f, const struct guest_fb_config *c);
bool guest_fb_disconnect(struct guest_fb *f);
void guest_fb_forget(struct guest_fb *f); /* where the backend let go itself */

void guest_fb_write(struct guest_fb *f, size_t at, const void *bytes, size_t n);
void guest_fb_update(struct guest_fb *f, int x, int y, int width, int height);
void guest_fb_resize(struct guest_fb *f, int width, int height, int stride, int depth, int offset);
/* Any event at all; waits for room. False: there was none. */
bool guest_fb_event(struct guest_fb *f, const uint32_t words[10]);
/* What the backend advises: milliseconds. False after `ms`. */
bool guest_fb_advice(struct guest_fb *f, uint32_t *period, unsigned ms);

/* Words of the page, by their offsets. */
enum { GUEST_FB_IN_CONS = 0, GUEST_FB_IN_PROD = 4, GUEST_FB_OUT_CONS = 8, GUEST_FB_OUT_PROD = 12,
       GUEST_FB_WIDTH = 16, GUEST_FB_HEIGHT = 20, GUEST_FB_LINE = 24, GUEST_FB_MEMORY = 28,
       GUEST_FB_DEPTH = 32, GUEST_FB_PD_32 = 36, GUEST_FB_PD_64 = 40 };
_Atomic uint32_t *guest_fb_word(struct guest_fb *f, unsigned offset);
/* Where the first directory lies, for entries that lie. */
uint8_t *guest_fb_directory(void);
#endif
