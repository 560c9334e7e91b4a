/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Source: public/io/fbif.h, "struct xenfb_page"; its page directory is of the frontend's long words. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/display/screen.h"
#include "pv-backends/fb/page.h"

enum {
    IN_CONS = 0, IN_PROD = 4, OUT_CONS = 8, OUT_PROD = 12,
    WIDTH = 16, HEIGHT = 20, LINE_LENGTH = 24, MEM_LENGTH = 28, DEPTH = 32,
    DIRECTORY_32 = 36, DIRECTORY_64 = 40, IN_EVENTS = 1024, OUT_EVENTS = 2048,
};
#define REFRESH_PERIOD 1

static _Atomic uint32_t *word(const uint8_t *page, unsigned offset)
{
    return (_Atomic uint32_t *)(uintptr_t)(page + offset);
}

static uint32_t load(const uint8_t *page, unsigned offset)
{
    return atomic_load(word(page, offset));
}

/* Bytes of the frontend's, read once: no compiler may come back to them. */
static void copy_once(void *to, const uint8_t *from, size_t n)
{
    memcpy(to, from, n);
    atomic_signal_fence(memory_order_seq_cst);
}

/* ---- The picture ---- */

enum fb_words fb_words_of(const char *protocol, const uint8_t *page)
{
    if (protocol)
        return strcmp(protocol, "x86_32-abi") ? FB_WORDS_64 : FB_WORDS_32;
    return load(page, DIRECTORY_32 + FB_WORDS_32) ? FB_WORDS_64 : FB_WORDS_32;
}

void fb_read_head(struct fb_head *h, const uint8_t *page, enum fb_words words)
{
    unsigned first = words == FB_WORDS_64 ? DIRECTORY_64 : DIRECTORY_32;

    h->wish = (struct fb_wish){ .width = (int32_t)load(page, WIDTH),
                                .height = (int32_t)load(page, HEIGHT),
                                .stride = (int32_t)load(page, LINE_LENGTH),
                                .depth = (int32_t)(load(page, DEPTH) & 0xff) };
    h->bytes = load(page, MEM_LENGTH);
    h->directory_count = MIN(FB_DIRECTORIES, (IN_EVENTS - first) / words);
    fb_read_directory(h->directories, page + first, h->directory_count, words);
}

void fb_read_directory(uint64_t *gfns, const uint8_t *page, size_t count, enum fb_words words)
{
    uint8_t entry[8];

    for (size_t i = 0; i < count; i++) {
        copy_once(entry, page + i * words, words);
        gfns[i] = get_le(entry, words);
    }
}

int fb_judge(struct fb_shape *s, const struct fb_wish *w, size_t bytes, struct error *err)
{
    size_t pixel = DIV_ROUND_UP((unsigned)w->depth, 8u), room;

    if (w->depth != 8 && w->depth != 15 && w->depth != 16 && w->depth != 24 && w->depth != 32)
        return error_set(err, -EINVAL, "a picture of %d bits a pixel; it has 8, 15, 16, 24 or 32",
                         w->depth);
    if (w->offset < 0 || (size_t)w->offset >= bytes || w->stride <= 0)
        return error_set(err, -EINVAL, "a picture at byte %d, a line every %d, of %zu", w->offset,
                         w->stride, bytes);
    room = bytes - (size_t)w->offset;
    if (w->width <= 0 || w->height <= 0 || (size_t)w->stride > room || (size_t)w->stride < pixel)
        return error_set(err, -EINVAL, "a picture of %dx%d, a line every %d bytes, in %zu",
                         w->width, w->height, w->stride, room);
    *s = (struct fb_shape){ .stride = (size_t)w->stride, .offset = (size_t)w->offset,
                            .depth = (unsigned)w->depth };
    s->width = (unsigned)MIN(MIN((size_t)w->width, s->stride / pixel), SCREEN_MAX_WIDTH);
    s->height = (unsigned)MIN(MIN((size_t)w->height, room / s->stride), SCREEN_MAX_HEIGHT);
    return 0;
}

/* ---- Events ---- */

bool fb_begin(struct fb_ring *r, const uint8_t *page)
{
    *r = (struct fb_ring){ load(page, OUT_CONS), load(page, IN_PROD) };
    return fb_waiting(r, page) >= 0 && r->in_prod - load(page, IN_CONS) <= FB_IN_RING;
}

int fb_waiting(const struct fb_ring *r, const uint8_t *page)
{
    uint32_t n = load(page, OUT_PROD) - r->out_cons;

    return n > FB_OUT_RING ? -1 : (int)n;
}

void fb_take(struct fb_ring *r, const uint8_t *page, struct fb_event *event)
{
    uint8_t e[FB_EVENT];

    copy_once(e, page + OUT_EVENTS + r->out_cons++ % FB_OUT_RING * FB_EVENT, sizeof(e));
    *event = (struct fb_event){ .kind = FB_OTHER };
    if (e[0] == FB_UPDATE) {
        event->kind = FB_UPDATE;
        event->x = (int32_t)get_le32(e + 4);
        event->y = (int32_t)get_le32(e + 8);
        event->width = (int32_t)get_le32(e + 12);
        event->height = (int32_t)get_le32(e + 16);
    } else if (e[0] == FB_RESIZE) {
        event->kind = FB_RESIZE;
        event->wish = (struct fb_wish){ (int32_t)get_le32(e + 4), (int32_t)get_le32(e + 8),
                                        (int32_t)get_le32(e + 12), (int32_t)get_le32(e + 16),
                                        (int32_t)get_le32(e + 20) };
    }
}

void fb_taken(const struct fb_ring *r, uint8_t *page)
{
    atomic_store(word(page, OUT_CONS), r->out_cons);
}

bool fb_advise(struct fb_ring *r, uint8_t *page, uint32_t ms)
{
    uint8_t *e = page + IN_EVENTS + r->in_prod % FB_IN_RING * FB_EVENT;

    if (r->in_prod - load(page, IN_CONS) >= FB_IN_RING)
        return false;
    memset(e, 0, FB_EVENT);
    e[0] = REFRESH_PERIOD;
    put_le32(e + 4, ms);
    atomic_store(word(page, IN_PROD), ++r->in_prod);
    return true;
}
