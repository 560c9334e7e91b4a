/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_FB_PAGE_H
#define PV_BACKENDS_FB_PAGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct error;

/*
 * The page that a PV frame buffer's frontend shares (public/io/fbif.h): what it says of the picture,
 * the directory of its frames, and two rings of events. The frontend may write anything anywhere at
 * any time: each word is copied once, then judged. Pure but for the page.
 */
enum fb_words { FB_WORDS_32 = 4, FB_WORDS_64 = 8 }; /* bytes of the frontend's unsigned long */

#define FB_EVENT 40u
#define FB_IN_RING 25u  /* events to the frontend */
#define FB_OUT_RING 51u /* events from it */
#define FB_DIRECTORIES 256u

/* A picture as the frontend wishes it: in the page, or in an event. */
struct fb_wish {
    int32_t width, height, stride, depth, offset;
};

/* The same, judged: all of it lies within the frame buffer, and it is no larger than a screen. */
struct fb_shape {
    unsigned width, height; /* pixels */
    size_t stride, offset;  /* bytes */
    unsigned depth;         /* bits: 8, 15, 16, 24 (three bytes) or 32 */
};

/* What stood in the page when it was copied. */
struct fb_head {
    struct fb_wish wish;
    uint32_t bytes; /* of the frame buffer */
    uint64_t directories[FB_DIRECTORIES];
    unsigned directory_count; /* that lie before the rings */
};
/*
 * A frontend that names no protocol (NULL) is from the days of a single directory: what would be the
 * second one of a 32-bit guest tells.
 */
enum fb_words fb_words_of(const char *protocol, const uint8_t *page);
void fb_read_head(struct fb_head *head, const uint8_t *page, enum fb_words words);
/* As many of the frames that a directory names. */
void fb_read_directory(uint64_t *gfns, const uint8_t *page, size_t count, enum fb_words words);

/* `bytes`: of the frame buffer. A picture that does not fit is cut; -EINVAL where none is left. */
int fb_judge(struct fb_shape *shape, const struct fb_wish *wish, size_t bytes, struct error *err);

/* ---- Events ---- */
struct fb_ring {
    uint32_t out_cons, in_prod; /* ours; the page's copies are for the guest */
};
enum fb_kind { FB_UPDATE = 2, FB_RESIZE = 3, FB_OTHER = 0 };
struct fb_event {
    enum fb_kind kind;
    int32_t x, y, width, height; /* of an update */
    struct fb_wish wish;         /* of a new size */
};

/* Where the guest has them; false: its indices cannot be. */
bool fb_begin(struct fb_ring *ring, const uint8_t *page);
/* How many events wait; -1: more than there is room for. */
int fb_waiting(const struct fb_ring *ring, const uint8_t *page);
void fb_take(struct fb_ring *ring, const uint8_t *page, struct fb_event *event); /* where one waits */
void fb_taken(const struct fb_ring *ring, uint8_t *page); /* the frontend may write there again */
/*
 * Advises the frontend to refresh every `ms`; 0: nobody looks. False where it has not read what it
 * was told before.
 */
bool fb_advise(struct fb_ring *ring, uint8_t *page, uint32_t ms);
#endif
