/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a frame buffer's frontend says, and what it is believed. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/display/screen.h"
#include "dm/memory/backing.h"
#include "dm/memory/local.h"
#include "pv-backends/fb/memory.h"
#include "pv-backends/fb/page.h"
#include "tests/kit/check.h"

static _Alignas(4096) uint8_t page[4096];
static struct fb_ring ring;

/* ---- The picture ---- */

TEST(the_head_lies_as_fbif_has_it_for_both_kinds_of_guest)
{
    struct fb_head h;

    for (unsigned i = 0; i < sizeof(page); i++)
        page[i] = (uint8_t)(i / 4);
    fb_read_head(&h, page, FB_WORDS_32);
    CHECK_EQ(h.wish.width, 0x04040404);
    CHECK_EQ(h.wish.height, 0x05050505);
    CHECK_EQ(h.wish.stride, 0x06060606);
    CHECK_EQ(h.bytes, 0x07070707);
    CHECK_EQ(h.wish.depth, 8); /* one byte of four */
    CHECK_EQ(h.wish.offset, 0);
    CHECK_EQ(h.directory_count, (1024 - 36) / 4);
    CHECK_EQ(h.directories[0], 0x09090909);
    CHECK_EQ(h.directories[246], 0xffffffff);
    fb_read_head(&h, page, FB_WORDS_64);
    CHECK_EQ(h.directory_count, (1024 - 40) / 8);
    CHECK_EQ(h.directories[0], 0x0b0b0b0b0a0a0a0a);
    CHECK_EQ(h.directories[122], 0xfffffffffefefefe);
}

TEST(the_kind_of_guest_is_named_or_guessed_from_a_single_directory)
{
    memset(page, 0, sizeof(page));
    CHECK_EQ(fb_words_of("x86_32-abi", page), FB_WORDS_32);
    CHECK_EQ(fb_words_of("x86_64-abi", page), FB_WORDS_64);
    put_le32(page + 36, 5);
    CHECK_EQ(fb_words_of(NULL, page), FB_WORDS_32);
    memset(page, 0, sizeof(page));
    put_le64(page + 40, 5);
    CHECK_EQ(fb_words_of(NULL, page), FB_WORDS_64);
}

static int judge(struct fb_shape *s, int width, int height, int stride, int depth, int offset)
{
    struct error err;

    memset(s, 0xee, sizeof(*s));
    return fb_judge(s, &(struct fb_wish){ width, height, stride, depth, offset }, 10000, &err);
}

TEST(what_does_not_fit_is_cut)
{
    struct fb_shape s;

    CHECK_EQ(judge(&s, 10, 10, 40, 32, 0), 0);
    CHECK_EQ(s.width, 10);
    CHECK_EQ(s.height, 10);
    CHECK_EQ(judge(&s, 11, 10, 40, 32, 0), 0);
    CHECK_EQ(s.width, 10);
    CHECK_EQ(judge(&s, 10, 251, 40, 32, 0), 0);
    CHECK_EQ(s.height, 250);
    CHECK_EQ(judge(&s, 10, 250, 40, 32, 1), 0); /* one byte too many */
    CHECK_EQ(s.height, 249);
    CHECK_EQ(judge(&s, INT_MAX, INT_MAX, 10000, 8, 0), 0);
    CHECK_EQ(s.width, SCREEN_MAX_WIDTH);
    CHECK_EQ(s.height, 1);
    CHECK_EQ(judge(&s, INT_MAX, INT_MAX, 3, 24, 0), 0);
    CHECK_EQ(s.width, 1);
    CHECK_EQ(s.height, SCREEN_MAX_HEIGHT);
    CHECK_EQ(judge(&s, 10, 10, 4, 32, 9996), 0);
    CHECK_EQ(s.width, 1);
    CHECK_EQ(s.height, 1);
}

TEST(pictures_that_cannot_be_are_refused)
{
    static const int values[] = { INT_MIN, INT_MIN + 1, -40, -1, 0, 10001, INT_MAX };
    struct fb_shape s;

    for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
        CHECK_EQ(judge(&s, MIN(values[i], 0), 10, 40, 32, 0), -EINVAL);
        CHECK_EQ(judge(&s, 10, MIN(values[i], 0), 40, 32, 0), -EINVAL);
        CHECK_EQ(judge(&s, 10, 10, values[i], 32, 0), -EINVAL);
        CHECK_EQ(judge(&s, 10, 10, 40, values[i], 0), -EINVAL);
        if (values[i])
            CHECK_EQ(judge(&s, 10, 10, 40, 32, values[i]), -EINVAL);
    }
    for (int depth = 0; depth < 256; depth++)
        CHECK_EQ(judge(&s, 10, 10, 40, depth, 0),
                 depth == 8 || depth == 15 || depth == 16 || depth == 24 || depth == 32 ? 0
                                                                                       : -EINVAL);
    CHECK_EQ(judge(&s, 10, 10, 3, 32, 0), -EINVAL); /* not one pixel */
    CHECK_EQ(judge(&s, 10, 10, 4, 32, 9997), -EINVAL);
}

/* ---- Its memory ---- */

#define RAM_BYTES (96 * MIB)

struct room {
    struct backing *ram;
    struct fb_head head;
    struct fb_memory memory;
};

static void room_open(struct room *r)
{
    struct memory_layout layout = { .low_end = RAM_BYTES };
    struct error err;

    memset(r, 0, sizeof(*r));
    CHECK_EQ(local_backing_open(&r->ram, &layout, &err), 0);
    r->head.directory_count = 123;
    for (unsigned i = 0; i < 123; i++)
        r->head.directories[i] = i + 1;
}

/* Entries of its directories, which lie side by side from frame 1 on. */
static void entry(struct room *r, size_t i, unsigned words, uint64_t gfn)
{
    uint8_t bytes[8];

    put_le64(bytes, gfn);
    CHECK(local_guest_write(r->ram, 4096 + i * words, bytes, words));
}

TEST(frames_are_found_by_their_directories)
{
    static const enum fb_words kinds[] = { FB_WORDS_32, FB_WORDS_64 };
    struct error err = { "" };
    struct room r;

    room_open(&r);
    for (unsigned k = 0; k < 2; k++) {
        for (size_t i = 0; i < 2000; i++) {
            uint64_t gfn = 1000 + 7 * (i ^ 1);

            entry(&r, i, kinds[k], gfn);
            CHECK(local_guest_write(r.ram, gfn * 4096, &i, sizeof(i)));
        }
        r.head.bytes = 2000 * 4096 - 1;
        CHECK_EQ(fb_map(&r.memory, r.ram, &r.head, kinds[k], SIZE_MAX, &err), 0);
        CHECK_EQ(r.memory.length, 2000 * 4096 - 1);
        for (size_t i = 0; i < 2000; i++)
            CHECK_EQ(get_le64(r.memory.bytes + i * 4096), i);
        fb_unmap(&r.memory);
        CHECK(!r.memory.bytes);
        fb_unmap(&r.memory);
    }
    local_backing_close(r.ram);
}

TEST(memory_that_is_claimed_is_bounded)
{
    struct error err = { "" };
    struct room r;

    room_open(&r);
    r.head.bytes = 0xffffffff; /* every entry is 0, and frame 0 is there */
    CHECK_EQ(fb_map(&r.memory, r.ram, &r.head, FB_WORDS_64, SIZE_MAX, &err), 0);
    CHECK_EQ(r.memory.length, FB_MOST);
    fb_unmap(&r.memory);
    CHECK_EQ(fb_map(&r.memory, r.ram, &r.head, FB_WORDS_64, MIB + 1, &err), 0);
    CHECK_EQ(r.memory.pages, 257);
    fb_unmap(&r.memory);
    r.head.directory_count = 2;
    CHECK_EQ(fb_map(&r.memory, r.ram, &r.head, FB_WORDS_64, SIZE_MAX, &err), 0);
    CHECK_EQ(r.memory.length, 4 * MIB);
    fb_unmap(&r.memory);
    r.head.bytes = 0;
    CHECK_EQ(fb_map(&r.memory, r.ram, &r.head, FB_WORDS_64, SIZE_MAX, &err), -EINVAL);
    local_backing_close(r.ram);
}

TEST(frames_that_are_not_there_are_refused_and_nothing_stays_mapped)
{
    struct error err = { "" };
    struct room r;

    room_open(&r);
    r.head.bytes = 1024 * 4096;
    entry(&r, 1023, FB_WORDS_64, RAM_BYTES / 4096);
    CHECK_EQ(fb_map(&r.memory, r.ram, &r.head, FB_WORDS_64, SIZE_MAX, &err), -EFAULT);
    CHECK(strstr(err.text, "0x6000,"));
    CHECK(!r.memory.bytes);
    entry(&r, 1023, FB_WORDS_64, ~0ull);
    CHECK_EQ(fb_map(&r.memory, r.ram, &r.head, FB_WORDS_64, SIZE_MAX, &err), -EFAULT);
    entry(&r, 1023, FB_WORDS_64, 0);
    CHECK_EQ(fb_map(&r.memory, r.ram, &r.head, FB_WORDS_64, SIZE_MAX, &err), 0);
    fb_unmap(&r.memory);
    r.head.directories[1] = RAM_BYTES / 4096;
    CHECK_EQ(fb_map(&r.memory, r.ram, &r.head, FB_WORDS_64, SIZE_MAX, &err), -EFAULT);
    CHECK(!r.memory.bytes);
    local_backing_close(r.ram);
}

/* ---- Events ---- */

static void begin(void)
{
    memset(page, 0, sizeof(page));
    CHECK(fb_begin(&ring, page));
}

static uint8_t *out_event(unsigned i)
{
    return page + 2048 + i % FB_OUT_RING * FB_EVENT;
}

TEST(events_are_read_as_fbif_has_them)
{
    struct fb_event e;

    begin();
    for (unsigned k = 1; k < 6; k++) {
        put_le32(out_event(0) + 4 * k, 10 * k);
        put_le32(out_event(1) + 4 * k, 100 * k);
    }
    out_event(0)[0] = 2;
    out_event(0)[1] = 0xee;
    out_event(1)[0] = 3;
    out_event(2)[0] = 1;
    put_le32(page + 12, 3);
    CHECK_EQ(fb_waiting(&ring, page), 3);
    fb_take(&ring, page, &e);
    CHECK_EQ(e.kind, FB_UPDATE);
    CHECK_EQ(e.x, 10);
    CHECK_EQ(e.y, 20);
    CHECK_EQ(e.width, 30);
    CHECK_EQ(e.height, 40);
    fb_take(&ring, page, &e);
    CHECK_EQ(e.kind, FB_RESIZE);
    CHECK_EQ(e.wish.width, 100);
    CHECK_EQ(e.wish.height, 200);
    CHECK_EQ(e.wish.stride, 300);
    CHECK_EQ(e.wish.depth, 400);
    CHECK_EQ(e.wish.offset, 500);
    fb_take(&ring, page, &e);
    CHECK_EQ(e.kind, FB_OTHER);
    CHECK_EQ(get_le32(page + 8), 0); /* not the frontend's again until all is done */
    fb_taken(&ring, page);
    CHECK_EQ(get_le32(page + 8), 3);
    CHECK_EQ(fb_waiting(&ring, page), 0);
}

TEST(indices_wrap_at_the_end_of_their_range_and_of_the_ring)
{
    struct fb_event e;
    unsigned taken = 0;

    memset(page, 0, sizeof(page));
    put_le32(page + 8, 0xfffffff0); /* out_cons, as the one before left it */
    put_le32(page + 12, 0xfffffff0);
    CHECK(fb_begin(&ring, page));
    for (uint32_t prod = 0xfffffff1; prod != 0x100; prod++) {
        put_le32(page + 12, prod);
        CHECK_EQ(fb_waiting(&ring, page), 1);
        fb_take(&ring, page, &e);
        fb_taken(&ring, page);
        taken++;
    }
    CHECK_EQ(taken, 0x10f);
    CHECK_EQ(get_le32(page + 8), 0xff);
}

TEST(indices_that_cannot_be_are_found_out)
{
    static const uint32_t lies[] = { 52, 53, 0x7fffffff, 0x80000000, 0xffffffff };

    for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
        begin();
        put_le32(page + 12, lies[i]);
        CHECK_EQ(fb_waiting(&ring, page), -1);
        CHECK(!fb_begin(&ring, page));
    }
    begin();
    put_le32(page + 8, 77); /* what is ours is not read again */
    put_le32(page + 12, 51);
    CHECK_EQ(fb_waiting(&ring, page), 51);
    memset(page, 0, sizeof(page));
    put_le32(page + 4, 26);
    CHECK(!fb_begin(&ring, page));
}

TEST(advice_lies_as_fbif_has_it_and_waits_for_nobody)
{
    static const uint8_t want[FB_EVENT] = { 1, 0, 0, 0, 0x21 };

    begin();
    memset(page + 1024, 0xee, 1024);
    for (unsigned i = 0; i < FB_IN_RING; i++)
        CHECK(fb_advise(&ring, page, 33));
    CHECK(!fb_advise(&ring, page, 33));
    CHECK_EQ(get_le32(page + 4), FB_IN_RING);
    for (unsigned i = 0; i < FB_IN_RING; i++)
        CHECK_MEM(page + 1024 + i * FB_EVENT, want, FB_EVENT);
    CHECK_EQ(page[1024 + FB_IN_RING * FB_EVENT], 0xee);
    put_le32(page, 1);
    CHECK(fb_advise(&ring, page, 0));
    CHECK_EQ(get_le32(page + 1024 + 4), 0);
    put_le32(page, 0x80000000); /* read what was never there: nothing is said */
    CHECK(!fb_advise(&ring, page, 0));
}
