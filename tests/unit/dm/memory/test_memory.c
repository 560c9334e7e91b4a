/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guest memory: windows, pins, holes and log-dirty reports, over a backing that keeps count. */
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/memory/local.h"
#include "dm/memory/memory.h"
#include "tests/kit/check.h"
#include "tests/kit/counted.h"

#define WINDOW (2 * MIB)
#define HIGH (4 * GIB)

static const struct memory_layout layout = { .low_end = 64 * MIB, .high_end = HIGH + 16 * MIB };

struct bench {
    struct counted c;
    struct memory *m;
};

static void open_bench(struct bench *b, unsigned windows)
{
    struct error err = { "" };

    memset(b, 0, sizeof(*b));
    counted_open(&b->c, &layout);
    CHECK_EQ(memory_open(&b->m, &b->c.backing, &layout, windows, &err), 0);
}

static void close_bench(struct bench *b)
{
    memory_close(b->m);
    counted_close(&b->c);
}

/* ---- Copies ---- */

TEST(what_is_written_is_what_the_guest_reads_and_the_reverse)
{
    struct bench b;
    uint8_t bytes[8], word[4] = { 0x78, 0x56, 0x34, 0x12 };

    open_bench(&b, 4);
    CHECK(dma_write(b.m, 0x1ffe, "abcdefgh", 8));
    CHECK(local_guest_read(b.c.real, 0x1ffe, bytes, 8));
    CHECK_MEM(bytes, "abcdefgh", 8);
    CHECK(local_guest_write(b.c.real, HIGH + 4092, word, 4));
    CHECK_EQ(dma_read32(b.m, HIGH + 4092), 0x12345678);
    close_bench(&b);
}

TEST(a_copy_crosses_windows_and_uses_each_once)
{
    struct bench b;
    static uint8_t out[3 * WINDOW], in[3 * WINDOW];

    open_bench(&b, 8);
    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i * 7 + (i >> 12));
    CHECK(dma_write(b.m, WINDOW - 5, out, sizeof(out)));
    CHECK_EQ(b.c.maps, 4);
    CHECK(dma_read(b.m, WINDOW - 5, in, sizeof(in)));
    CHECK_EQ(b.c.maps, 4);
    CHECK_MEM(in, out, sizeof(in));
    CHECK_EQ(memory_get_stats(b.m).misses, 4);
    CHECK_EQ(memory_get_stats(b.m).hits, 4);
    close_bench(&b);
}

TEST(what_is_not_ram_reads_as_ones_and_swallows_writes)
{
    static const struct { uint64_t addr; const char *what; } spots[] = {
        { 0xa0000, "the VGA window" }, { 0xbffff, "its last byte" },
        { 64 * MIB, "past low RAM" },  { 0xfee00000, "the APIC" },
        { HIGH - 1, "the last byte below 4 GiB" }, { HIGH + 16 * MIB, "past high RAM" },
        { 1ull << 52, "nowhere" },     { UINT64_MAX, "the last byte of all" },
    };
    struct bench b;

    open_bench(&b, 4);
    for (unsigned i = 0; i < ARRAY_SIZE(spots); i++) {
        uint8_t byte = 0x55;

        CHECK(!dma_read(b.m, spots[i].addr, &byte, 1));
        CHECK_EQ(byte, 0xff);
        CHECK(!dma_write(b.m, spots[i].addr, "x", 1));
    }
    CHECK_EQ(dma_read32(b.m, 0xa1000), UINT32_MAX);
    CHECK_EQ(b.c.maps, 0);
    close_bench(&b);
}

TEST(a_copy_over_the_edge_of_a_hole_moves_what_is_ram)
{
    struct bench b;
    uint8_t bytes[16];

    open_bench(&b, 4);
    CHECK(!dma_write(b.m, 0xa0000 - 4, "abcdefgh", 8));
    CHECK(!dma_read(b.m, 0xa0000 - 4, bytes, 8));
    CHECK_MEM(bytes, "abcd\xff\xff\xff\xff", 8);
    CHECK(!dma_write(b.m, 0xc0000 - 4, "abcdefgh", 8));
    CHECK(local_guest_read(b.c.real, 0xc0000, bytes, 4));
    CHECK_MEM(bytes, "efgh", 4);
    CHECK(!dma_read(b.m, 64 * MIB - 2, bytes, 4));
    CHECK_MEM(bytes, "\0\0\xff\xff", 4);
    /* through 4 GiB in one copy: nothing below, RAM above */
    CHECK(dma_write(b.m, HIGH, "high", 4));
    CHECK(!dma_read(b.m, HIGH - 4, bytes, 8));
    CHECK_MEM(bytes, "\xff\xff\xff\xffhigh", 8);
    /* an address that wraps */
    CHECK(!dma_read(b.m, UINT64_MAX - 1, bytes, 4));
    CHECK_MEM(bytes, "\xff\xff", 2);
    close_bench(&b);
}

TEST(a_copy_of_no_bytes_is_fine_anywhere)
{
    struct bench b;
    size_t none = 0;

    open_bench(&b, 4);
    CHECK(dma_read(b.m, 0x1000, NULL, 0));
    CHECK(dma_write(b.m, 0xa0000, NULL, 0));
    CHECK(memory_pin(b.m, 0x1000, &none, false) == NULL);
    CHECK_EQ(b.c.maps, 0);
    close_bench(&b);
}

/* ---- Windows ---- */

TEST(the_bound_holds_and_the_least_recently_used_window_goes)
{
    struct bench b;
    uint8_t byte;

    open_bench(&b, 3);
    for (unsigned i = 0; i < 3; i++)
        dma_read(b.m, i * WINDOW, &byte, 1);
    dma_read(b.m, 0 * WINDOW, &byte, 1); /* now 1 is the oldest */
    dma_read(b.m, 3 * WINDOW, &byte, 1);
    CHECK_EQ(memory_get_stats(b.m).windows, 3);
    CHECK_EQ(memory_get_stats(b.m).evictions, 1);
    CHECK_EQ(b.c.maps, 4);
    dma_read(b.m, 0 * WINDOW, &byte, 1);
    dma_read(b.m, 2 * WINDOW, &byte, 1);
    CHECK_EQ(b.c.maps, 4);
    dma_read(b.m, 1 * WINDOW, &byte, 1);
    CHECK_EQ(b.c.maps, 5);
    for (unsigned i = 0; i < 1000; i++)
        dma_read(b.m, (i * 37 % 32) * WINDOW, &byte, 1);
    CHECK_EQ(memory_get_stats(b.m).windows, 3);
    CHECK_EQ(b.c.maps - b.c.unmaps, 3);
    close_bench(&b);
}

TEST(a_window_with_a_pin_is_never_evicted_and_the_bound_yields_to_pins)
{
    struct bench b;
    uint8_t *pins[4], byte;
    size_t n;

    open_bench(&b, 2);
    for (unsigned i = 0; i < 4; i++) {
        n = 16;
        pins[i] = memory_pin(b.m, i * WINDOW + 0x123, &n, true);
        CHECK(pins[i] != NULL);
        CHECK_EQ(n, 16);
        memset(pins[i], 'a' + (int)i, 16);
    }
    CHECK_EQ(memory_get_stats(b.m).windows, 4);
    CHECK_EQ(memory_get_stats(b.m).pinned, 4);
    for (unsigned i = 4; i < 10; i++)
        dma_read(b.m, i * WINDOW, &byte, 1);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(pins[i][0], 'a' + i);
        CHECK(local_guest_read(b.c.real, i * WINDOW + 0x123 + 15, &byte, 1));
        CHECK_EQ(byte, 'a' + i);
        memory_unpin(b.m, pins[i], 16, true);
    }
    CHECK_EQ(memory_get_stats(b.m).pinned, 0);
    close_bench(&b);
}

TEST(a_pin_ends_where_the_window_the_ram_or_a_missing_frame_is)
{
    struct bench b;
    size_t n = 4 * WINDOW;
    void *p;

    open_bench(&b, 8);
    p = memory_pin(b.m, 3 * WINDOW - 100, &n, false);
    CHECK(p != NULL);
    CHECK_EQ(n, 100);
    memory_unpin(b.m, p, n, false);
    n = WINDOW;
    p = memory_pin(b.m, 0x9f000, &n, false);
    CHECK_EQ(n, 0x1000);
    memory_unpin(b.m, p, n, false);
    n = WINDOW;
    p = memory_pin(b.m, 64 * MIB - 8, &n, false);
    CHECK_EQ(n, 8);
    memory_unpin(b.m, p, n, false);
    n = 8;
    CHECK(memory_pin(b.m, 0xa0000, &n, false) == NULL);
    b.c.missing = (10 * WINDOW >> 12) + 3;
    n = WINDOW;
    p = memory_pin(b.m, 10 * WINDOW + 10, &n, false);
    CHECK_EQ(n, 3 * 4096 - 10);
    memory_unpin(b.m, p, n, false);
    close_bench(&b);
}

TEST(a_pin_ends_before_the_window_that_cannot_be_mapped)
{
    struct bench b;
    size_t n = 16;
    uint8_t byte = 0;

    open_bench(&b, 4);
    b.c.refuse = true;
    CHECK(memory_pin(b.m, 0x1000, &n, false) == NULL);
    CHECK(!dma_read(b.m, 0x1000, &byte, 1));
    CHECK_EQ(byte, 0xff);
    b.c.refuse = false;
    CHECK(dma_read(b.m, 0x1000, &byte, 1));
    close_bench(&b);
}

TEST(a_frame_that_was_missing_is_asked_for_again)
{
    struct bench b;
    uint8_t bytes[3 * 4096];

    open_bench(&b, 4);
    b.c.missing = 5;
    memset(bytes, 0, sizeof(bytes));
    CHECK(!dma_read(b.m, 4 * 4096, bytes, sizeof(bytes)));
    CHECK_EQ(bytes[4095], 0);
    CHECK_EQ(bytes[4096], 0xff);
    CHECK_EQ(bytes[8191], 0xff);
    CHECK_EQ(bytes[8192], 0);
    b.c.missing = 0; /* ballooned back in */
    CHECK(dma_write(b.m, 5 * 4096, "back", 4));
    CHECK(dma_read(b.m, 5 * 4096, bytes, 4));
    CHECK_MEM(bytes, "back", 4);
    close_bench(&b);
}

/* ---- Invalidation ---- */

TEST(invalidation_drops_what_is_free_and_keeps_what_is_pinned_until_its_last_unpin)
{
    struct bench b;
    size_t n = 4096, m = 8;
    uint8_t *p, *q, byte;

    open_bench(&b, 4);
    p = memory_pin(b.m, 0x3000, &n, true);
    q = memory_pin(b.m, 0x5000, &m, true); /* the same window */
    dma_read(b.m, WINDOW, &byte, 1);
    CHECK_EQ(b.c.maps, 2);
    memory_invalidate(b.m);
    CHECK_EQ(b.c.unmaps, 1);
    CHECK_EQ(memory_get_stats(b.m).windows, 0);
    CHECK_EQ(memory_get_stats(b.m).pinned, 2);
    memset(p, 'p', n); /* still there for its user */
    CHECK(dma_read(b.m, 0x3000, &byte, 1)); /* others see the new mapping */
    CHECK_EQ(byte, 'p');
    CHECK_EQ(b.c.maps, 3);
    memory_unpin(b.m, p, n, true);
    CHECK_EQ(b.c.unmaps, 1);
    memory_invalidate(b.m); /* once more, with an orphan about */
    CHECK_EQ(b.c.unmaps, 2);
    memory_unpin(b.m, q, m, true);
    CHECK_EQ(b.c.unmaps, 3);
    CHECK_EQ(memory_get_stats(b.m).pinned, 0);
    close_bench(&b);
}

TEST(closing_with_a_pin_left_gives_everything_back)
{
    struct bench b;
    size_t n = 1;

    open_bench(&b, 1);
    CHECK(memory_pin(b.m, 0x1000, &n, false) != NULL);
    memory_invalidate(b.m);
    n = 1;
    CHECK(memory_pin(b.m, 0x1000, &n, false) != NULL);
    close_bench(&b);
    memory_close(NULL);
}

/* ---- Log-dirty ---- */

TEST(writes_are_reported_while_log_dirty_is_on_and_only_then)
{
    struct bench b;
    uint64_t gfn;
    size_t n = 3 * 4096;
    uint8_t *p, byte;

    open_bench(&b, 4);
    dma_write(b.m, 0x1000, "x", 1);
    CHECK_EQ(local_modified_pages(b.c.real, NULL), 0);
    memory_log_dirty(b.m, true);
    dma_read(b.m, 0x1000, &byte, 1);
    CHECK_EQ(local_modified_pages(b.c.real, NULL), 0);
    dma_write(b.m, 0x2fff, "xy", 2);
    CHECK_EQ(local_modified_pages(b.c.real, &gfn), 2);
    CHECK_EQ(gfn, 3);
    p = memory_pin(b.m, HIGH + 0x800, &n, true);
    CHECK_EQ(local_modified_pages(b.c.real, NULL), 2);
    memory_unpin(b.m, p, n, true);
    CHECK_EQ(local_modified_pages(b.c.real, &gfn), 6); /* 0x800 to 0x3800: four frames */
    CHECK_EQ(gfn, (HIGH >> 12) + 3);
    n = 100;
    p = memory_pin(b.m, 0x1000, &n, false);
    memory_unpin(b.m, p, n, false);
    CHECK_EQ(local_modified_pages(b.c.real, NULL), 6);
    memory_log_dirty(b.m, false);
    dma_write(b.m, 0x1000, "x", 1);
    CHECK_EQ(local_modified_pages(b.c.real, NULL), 6);
    close_bench(&b);
}

TEST(a_write_through_a_pin_is_reported_even_if_its_window_was_invalidated)
{
    struct bench b;
    uint64_t gfn;
    size_t n = 10;
    void *p;

    open_bench(&b, 4);
    memory_log_dirty(b.m, true);
    p = memory_pin(b.m, 7 * WINDOW + 0x5000, &n, true);
    memory_invalidate(b.m);
    memory_unpin(b.m, p, n, true);
    CHECK_EQ(local_modified_pages(b.c.real, &gfn), 1);
    CHECK_EQ(gfn, (7 * WINDOW + 0x5000) >> 12);
    close_bench(&b);
}

TEST(an_unpin_of_what_was_never_pinned_is_ignored)
{
    struct bench b;
    char mine;

    open_bench(&b, 4);
    memory_unpin(b.m, &mine, 1, true);
    CHECK_EQ(memory_get_stats(b.m).pinned, 0);
    close_bench(&b);
}

/* ---- News for loops that Xen tells nothing ---- */

/* A teller and a follower of one backing. */
struct pair {
    struct bench b; /* the follower's */
    struct memory *teller;
    struct memory_news news;
};

static void open_pair(struct pair *p)
{
    struct error err = { "" };

    open_bench(&p->b, 4);
    memset(&p->news, 0, sizeof(p->news));
    CHECK_EQ(memory_open(&p->teller, &p->b.c.backing, &layout, 4, &err), 0);
    memory_tell(p->teller, &p->news);
    memory_follow(p->b.m, &p->news);
}

static void close_pair(struct pair *p)
{
    memory_close(p->teller);
    close_bench(&p->b);
}

TEST(who_follows_drops_its_windows_at_the_call_after_the_teller_was_invalidated)
{
    struct pair p;
    uint8_t byte;

    open_pair(&p);
    dma_read(p.b.m, 0, &byte, 1);
    dma_read(p.b.m, WINDOW, &byte, 1);
    dma_read(p.teller, 0, &byte, 1);
    CHECK_EQ(p.b.c.maps, 3);
    memory_invalidate(p.teller);
    CHECK_EQ(p.b.c.unmaps, 1); /* the teller's own; the other is another loop's */
    dma_read(p.b.m, 0, &byte, 1);
    CHECK_EQ(p.b.c.unmaps, 3);
    CHECK_EQ(p.b.c.maps, 4);
    dma_read(p.b.m, 0, &byte, 1); /* once */
    CHECK_EQ(p.b.c.maps, 4);
    memory_invalidate(p.teller);
    CHECK(memory_frame(p.b.m, 0, false) == NULL);
    CHECK_EQ(memory_get_stats(p.b.m).windows, 0);
    CHECK_EQ(p.b.c.unmaps, 4);
    close_pair(&p);
}

TEST(what_was_told_before_one_follows_is_old_news)
{
    struct pair p;
    uint8_t byte;

    open_pair(&p);
    memory_invalidate(p.teller);
    dma_read(p.b.m, 0, &byte, 1);
    memory_invalidate(p.teller);
    memory_follow(p.b.m, &p.news);
    dma_read(p.b.m, 0, &byte, 1);
    CHECK_EQ(p.b.c.maps, 1);
    close_pair(&p);
}

TEST(a_pin_of_one_that_follows_outlives_the_invalidation)
{
    struct pair p;
    uint8_t *pin, *again, byte;
    size_t n = 4096, m = 4096;

    open_pair(&p);
    pin = memory_pin(p.b.m, 0x3000, &n, true);
    memory_invalidate(p.teller);
    again = memory_pin(p.b.m, 0x3000, &m, true); /* a pin is a call as well: it heeds */
    CHECK(again != pin);
    CHECK_EQ(p.b.c.maps, 2);
    CHECK_EQ(p.b.c.unmaps, 0);
    memset(pin, 'p', n);
    CHECK(local_guest_read(p.b.c.real, 0x3fff, &byte, 1));
    CHECK_EQ(byte, 'p');
    memory_unpin(p.b.m, pin, n, true);
    CHECK_EQ(p.b.c.unmaps, 1);
    memory_unpin(p.b.m, again, m, true);
    CHECK_EQ(p.b.c.unmaps, 1);
    CHECK_EQ(memory_get_stats(p.b.m).pinned, 0);
    close_pair(&p);
}

TEST(who_follows_reports_writes_while_the_teller_has_log_dirty_on)
{
    struct pair p;
    uint64_t gfn;
    size_t n = 8192;
    void *pin;

    open_pair(&p);
    dma_write(p.b.m, 0x1000, "x", 1);
    memory_wrote(p.b.m, 5);
    CHECK_EQ(local_modified_pages(p.b.c.real, NULL), 0);
    pin = memory_pin(p.b.m, 0x8000, &n, true);
    memory_log_dirty(p.teller, true);
    CHECK(atomic_load(&p.news.log_dirty));
    dma_write(p.b.m, 0x1fff, "xy", 2);
    CHECK_EQ(local_modified_pages(p.b.c.real, &gfn), 2);
    CHECK_EQ(gfn, 2);
    memory_wrote(p.b.m, (HIGH >> 12) + 7);
    CHECK_EQ(local_modified_pages(p.b.c.real, &gfn), 3);
    CHECK_EQ(gfn, (HIGH >> 12) + 7);
    memory_unpin(p.b.m, pin, n, true);
    CHECK_EQ(local_modified_pages(p.b.c.real, &gfn), 5);
    CHECK_EQ(gfn, 9);
    memory_log_dirty(p.teller, false);
    memory_wrote(p.b.m, 5);
    CHECK_EQ(local_modified_pages(p.b.c.real, NULL), 5);
    close_pair(&p);
}

/* ---- Frames ---- */

TEST(a_frame_is_mapped_with_the_window_around_it_if_one_wants_it_so)
{
    struct bench b;
    uint8_t *p, *q, bytes[4];

    open_bench(&b, 4);
    CHECK(local_guest_write(b.c.real, 0x205000, "five", 4));
    CHECK(memory_frame(b.m, 0x205, false) == NULL);
    CHECK_EQ(b.c.maps, 0);
    p = memory_frame(b.m, 0x205, true);
    CHECK(p != NULL);
    CHECK_MEM(p, "five", 4);
    q = memory_frame(b.m, 0x3ff, false); /* the last of the same window */
    CHECK(q == p + (0x3ff - 0x205) * 4096);
    memcpy(q + 4092, "last", 4);
    CHECK(local_guest_read(b.c.real, 0x3ffffc, bytes, 4));
    CHECK_MEM(bytes, "last", 4);
    CHECK(memory_frame(b.m, 0x400, false) == NULL);
    CHECK(memory_frame(b.m, (HIGH >> 12) + 1, true) != NULL);
    CHECK_EQ(b.c.maps, 2);
    close_bench(&b);
}

TEST(a_frame_that_is_missing_in_a_mapped_window_is_asked_for_only_if_one_wants_it_so)
{
    struct bench b;

    open_bench(&b, 4);
    b.c.missing = 5;
    CHECK(memory_frame(b.m, 4, true) != NULL);
    CHECK(memory_frame(b.m, 5, false) == NULL);
    CHECK_EQ(b.c.maps, 1);
    CHECK(memory_frame(b.m, 5, true) == NULL);
    CHECK_EQ(b.c.maps, 2);
    b.c.missing = 0;
    CHECK(memory_frame(b.m, 5, false) == NULL);
    CHECK_EQ(b.c.maps, 2);
    CHECK(memory_frame(b.m, 5, true) != NULL);
    CHECK_EQ(b.c.maps, 3);
    b.c.refuse = true;
    CHECK(memory_frame(b.m, 0x300, true) == NULL);
    CHECK(memory_frame(b.m, 5, true) != NULL);
    close_bench(&b);
}

TEST(a_frame_that_is_not_ram_is_none_even_in_a_mapped_window)
{
    static const uint64_t spots[] = { 0xa0, 0xbf, 64 * MIB >> 12, 0xfee00, (HIGH >> 12) - 1,
                                      (HIGH + 16 * MIB) >> 12, 1ull << 52, (1ull << 52) + 4,
                                      UINT64_MAX };
    struct bench b;

    open_bench(&b, 4);
    CHECK(memory_frame(b.m, 4, true) != NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(spots); i++) {
        CHECK(memory_frame(b.m, spots[i], false) == NULL);
        CHECK(memory_frame(b.m, spots[i], true) == NULL);
    }
    CHECK_EQ(b.c.maps, 1);
    close_bench(&b);
}
