/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Video memory: where it lies, what was written to it, and what that costs. */
#include <errno.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/memory/backing.h"
#include "dm/memory/local.h"
#include "dm/memory/vram.h"
#include "tests/kit/check.h"

#define SIZE (1 * MIB)
#define PAGES (SIZE / PAGE_BYTES)
#define SCRATCH 0x100000
#define FRAMEBUFFER 0xf0000000ull

struct bench {
    struct backing backing;
    struct backing_ops ops;
    struct backing *real;
    struct vram *v;
    unsigned dirty_calls, untracks, relocations, cache_calls;
    int relocate_rc, dirty_rc;
    uint8_t bits[PAGES / 8];
};

static struct bench *bench_of(struct backing *b)
{
    return container_of(b, struct bench, backing);
}

static void *pass_map(struct backing *b, uint64_t gfn, size_t pages, int *errs)
{
    return bench_of(b)->real->ops->map(bench_of(b)->real, gfn, pages, errs);
}

static void pass_unmap(struct backing *b, void *addr, size_t pages)
{
    bench_of(b)->real->ops->unmap(bench_of(b)->real, addr, pages);
}

static int pass_populate(struct backing *b, uint64_t gfn, size_t pages, struct error *err)
{
    return bench_of(b)->real->ops->populate(bench_of(b)->real, gfn, pages, err);
}

static int count_relocate(struct backing *b, uint64_t from, uint64_t to, size_t pages)
{
    struct bench *t = bench_of(b);

    if (t->relocate_rc && to != SCRATCH)
        return t->relocate_rc;
    t->relocations++;
    return t->real->ops->relocate(t->real, from, to, pages);
}

static int count_cache(struct backing *b, uint64_t gfn, size_t pages)
{
    bench_of(b)->cache_calls++;
    return 0;
}

static int count_dirty(struct backing *b, uint64_t gfn, size_t pages, uint8_t *bitmap)
{
    struct bench *t = bench_of(b);

    if (pages)
        t->dirty_calls++;
    else
        t->untracks++;
    return t->dirty_rc ? t->dirty_rc : t->real->ops->dirty(t->real, gfn, pages, bitmap);
}

static void pass_modified(struct backing *b, uint64_t gfn, size_t pages)
{
    bench_of(b)->real->ops->modified(bench_of(b)->real, gfn, pages);
}

static void open_bench(struct bench *t)
{
    static const struct memory_layout layout = { .low_end = 4 * MIB };
    struct error err = { "" };

    memset(t, 0, sizeof(*t));
    t->ops = (struct backing_ops){ .map = pass_map, .unmap = pass_unmap, .populate = pass_populate,
                                   .relocate = count_relocate, .cache_wb = count_cache,
                                   .dirty = count_dirty, .modified = pass_modified };
    t->backing.ops = &t->ops;
    CHECK_EQ(local_backing_open(&t->real, &layout, &err), 0);
    CHECK_EQ(vram_open(&t->v, &t->backing, SIZE, SCRATCH, &err), 0);
}

static void close_bench(struct bench *t)
{
    vram_close(t->v);
    local_backing_close(t->real);
}

static unsigned look(struct bench *t)
{
    unsigned n = 0;

    vram_dirty(t->v, 0, SIZE, t->bits);
    for (unsigned i = 0; i < PAGES; i++)
        n += t->bits[i / 8] >> (i % 8) & 1;
    return n;
}

TEST(it_starts_hidden_zeroed_and_whole)
{
    struct bench t;

    open_bench(&t);
    CHECK_EQ(vram_size(t.v), SIZE);
    CHECK_EQ(vram_address(t.v), VRAM_HIDDEN);
    CHECK_EQ(vram_bytes(t.v)[0], 0);
    CHECK_EQ(vram_bytes(t.v)[SIZE - 1], 0);
    close_bench(&t);
    vram_close(NULL);
}

TEST(it_moves_into_sight_and_away_and_our_mapping_stays)
{
    struct error err = { "" };
    struct bench t;
    char text[8];

    open_bench(&t);
    memcpy(vram_bytes(t.v), "picture", 8);
    CHECK(!local_guest_read(t.real, FRAMEBUFFER, text, 8));
    CHECK_EQ(vram_move(t.v, FRAMEBUFFER, &err), 0);
    CHECK_EQ(vram_address(t.v), FRAMEBUFFER);
    CHECK(local_guest_read(t.real, FRAMEBUFFER, text, 8));
    CHECK_STR(text, "picture");
    CHECK_EQ(t.cache_calls, 1);
    CHECK(local_guest_write(t.real, FRAMEBUFFER + SIZE - 1, "!", 1));
    CHECK_EQ(vram_bytes(t.v)[SIZE - 1], '!');
    CHECK_EQ(vram_move(t.v, VRAM_HIDDEN, &err), 0);
    CHECK_EQ(vram_address(t.v), VRAM_HIDDEN);
    CHECK(!local_guest_read(t.real, FRAMEBUFFER, text, 8));
    CHECK_EQ(vram_bytes(t.v)[SIZE - 1], '!');
    close_bench(&t);
}

TEST(a_move_to_where_it_is_costs_nothing_and_one_that_overlaps_itself_works)
{
    struct error err = { "" };
    struct bench t;
    char text[4];

    open_bench(&t);
    memcpy(vram_bytes(t.v), "abc", 4);
    vram_move(t.v, FRAMEBUFFER, &err);
    t.relocations = 0;
    CHECK_EQ(vram_move(t.v, FRAMEBUFFER, &err), 0);
    CHECK_EQ(t.relocations, 0);
    CHECK_EQ(vram_move(t.v, FRAMEBUFFER + SIZE / 2, &err), 0);
    CHECK_EQ(t.relocations, 2); /* by way of the scratch frames */
    CHECK(local_guest_read(t.real, FRAMEBUFFER + SIZE / 2, text, 4));
    CHECK_STR(text, "abc");
    CHECK(!local_guest_read(t.real, FRAMEBUFFER, text, 4));
    close_bench(&t);
}

TEST(a_move_that_xen_refuses_says_so_and_leaves_it_hidden)
{
    struct error err = { "" };
    struct bench t;

    open_bench(&t);
    vram_move(t.v, FRAMEBUFFER, &err);
    t.relocate_rc = -EINVAL;
    CHECK_EQ(vram_move(t.v, FRAMEBUFFER + SIZE, &err), -EINVAL);
    CHECK_SAYS(err, "0xf0100");
    CHECK_EQ(vram_address(t.v), VRAM_HIDDEN);
    t.relocate_rc = 0;
    CHECK_EQ(vram_move(t.v, FRAMEBUFFER, &err), 0);
    close_bench(&t);
}

TEST(the_first_look_at_a_range_says_all_and_the_next_one_what_was_written)
{
    struct error err = { "" };
    struct bench t;

    open_bench(&t);
    vram_move(t.v, FRAMEBUFFER, &err);
    CHECK_EQ(look(&t), PAGES);
    CHECK_EQ(look(&t), 0);
    local_guest_write(t.real, FRAMEBUFFER + 5 * 4096 + 17, "x", 1);
    vram_touch(t.v, 9 * 4096 - 1, 2); /* two pages */
    CHECK_EQ(look(&t), 3);
    CHECK_EQ(t.bits[0], 1 << 5);
    CHECK_EQ(t.bits[1], 3);
    CHECK_EQ(look(&t), 0);
    close_bench(&t);
}

TEST(another_range_or_place_or_an_error_says_all)
{
    struct error err = { "" };
    struct bench t;
    uint8_t bits[PAGES / 8] = { 0 };

    open_bench(&t);
    look(&t);
    vram_dirty(t.v, 4096 + 1, 4096, bits); /* rounded out to two pages */
    CHECK_EQ(bits[0] & 3, 3);
    CHECK_EQ(look(&t), PAGES);
    CHECK_EQ(look(&t), 0);
    vram_move(t.v, FRAMEBUFFER, &err);
    CHECK_EQ(t.untracks, 1);
    CHECK_EQ(look(&t), PAGES);
    t.dirty_rc = -EIO;
    CHECK_EQ(look(&t), PAGES);
    CHECK_EQ(look(&t), PAGES);
    close_bench(&t);
}

TEST(a_touch_in_a_part_stays_dirty_until_that_part_is_looked_at)
{
    struct bench t;
    uint8_t bits[1];

    open_bench(&t);
    look(&t);
    vram_touch(t.v, 20 * 4096, 1);
    vram_dirty(t.v, 0, 4 * 4096, bits);
    vram_dirty(t.v, 0, 4 * 4096, bits);
    CHECK_EQ(bits[0] & 0x0f, 0);
    look(&t);
    vram_touch(t.v, 30 * 4096, 1);
    CHECK_EQ(look(&t), 1);
    CHECK_EQ(t.bits[3], 1 << 6);
    close_bench(&t);
}

TEST(ranges_past_the_end_are_cut)
{
    struct bench t;
    uint8_t bits[PAGES / 8 + 8];

    open_bench(&t);
    look(&t);
    memset(bits, 0, sizeof(bits));
    vram_touch(t.v, SIZE, 1);
    vram_touch(t.v, SIZE - 1, 100 * MIB);
    vram_touch(t.v, 0, 0);
    CHECK_EQ(look(&t), 1);
    CHECK_EQ(t.bits[PAGES / 8 - 1], 0x80);
    vram_touch(t.v, SIZE - 4096 - 1, SIZE_MAX);
    CHECK_EQ(look(&t), 2);
    vram_dirty(t.v, SIZE, 4096, bits);
    vram_dirty(t.v, SIZE - 4096, 64 * MIB, bits);
    CHECK_EQ(bits[0] & 1, 1);
    CHECK_EQ(bits[1], 0);
    vram_dirty(t.v, SIZE * 2, SIZE, bits);
    close_bench(&t);
}

TEST(tracking_ends_when_nobody_looks_and_costs_one_call)
{
    struct bench t;

    open_bench(&t);
    vram_untrack(t.v);
    CHECK_EQ(t.untracks, 0);
    look(&t);
    vram_untrack(t.v);
    vram_untrack(t.v);
    CHECK_EQ(t.untracks, 1);
    CHECK_EQ(look(&t), PAGES);
    close_bench(&t);
}

TEST(our_writes_are_reported_while_log_dirty_is_on)
{
    struct error err = { "" };
    struct bench t;
    uint64_t gfn;

    open_bench(&t);
    vram_move(t.v, FRAMEBUFFER, &err);
    vram_touch(t.v, 0, 4096);
    CHECK_EQ(local_modified_pages(t.real, NULL), 0);
    vram_log_dirty(t.v, true);
    vram_touch(t.v, 4095, 4097);
    CHECK_EQ(local_modified_pages(t.real, &gfn), 2);
    CHECK_EQ(gfn, (FRAMEBUFFER >> 12) + 1);
    vram_log_dirty(t.v, false);
    vram_touch(t.v, 0, SIZE);
    CHECK_EQ(local_modified_pages(t.real, NULL), 2);
    close_bench(&t);
}

TEST(frames_that_exist_already_are_refused)
{
    static const struct memory_layout layout = { .low_end = 4 * MIB };
    struct error err = { "" };
    struct backing *real;
    struct vram *v = NULL;

    CHECK_EQ(local_backing_open(&real, &layout, &err), 0);
    CHECK(vram_open(&v, real, SIZE, 16, &err) < 0);
    CHECK_SAYS(err, "0x10");
    CHECK(v == NULL);
    local_backing_close(real);
}
