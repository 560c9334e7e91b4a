/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages that a guest grants, reached in its memory: a table and RAM of ours in the domain's place. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/grant_table.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/memory/local.h"
#include "dm/xen/domain.h"
#include "dm/xen/grant.h"
#include "dm/xen/reach.h"
#include "tests/kit/check.h"
#include "tests/kit/counted.h"

#define HIGH (4 * GIB)
#define PER_WINDOW (2 * MIB / PAGE_BYTES)
#define PER_FRAME (PAGE_BYTES / sizeof(grant_entry_v1_t))
#define TABLE_ROOM 256u /* frames */
#define OFTEN 64        /* windows for the asking, then one for each so many refused pieces */
#define WINDOWS_MOST 512

/* 2048 windows of RAM above 4 GiB */
static const struct memory_layout layout = { .low_end = 64 * MIB, .high_end = 2 * HIGH };

/* ---- The domain's place ---- */

struct domain {
    struct counted c;
    int fd; /* the table's frames */
    grant_entry_v1_t *entries; /* as the guest sees them */
    unsigned room; /* frames that it may have */
    unsigned version, asked_version;
    unsigned asked, largest, mapped, unmapped; /* mappings of the table */
};

struct backing *domain_backing(struct domain *d)
{
    return &d->c.backing;
}

int domain_map_grants(struct domain *d, unsigned frames, struct grant_table *table,
                      struct error *err)
{
    d->asked++;
    d->largest = MAX(d->largest, frames);
    *table = (struct grant_table){ 0 };
    if (frames > d->room)
        return -EINVAL;
    /* Each is a mapping of its own: who keeps an old one touches nothing. */
    table->entries = mmap(NULL, frames * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, 0);
    if (table->entries == MAP_FAILED)
        return -errno;
    table->resource = table->entries;
    table->frames = frames;
    d->mapped++;
    return 0;
}

void domain_unmap_grants(struct domain *d, struct grant_table *table)
{
    if (table->resource) {
        munmap(table->resource, table->frames * PAGE_BYTES);
        d->unmapped++;
    }
    *table = (struct grant_table){ 0 };
}

unsigned domain_grants_version(struct domain *d)
{
    d->asked_version++;
    return d->version;
}

/* ---- The bench ---- */

struct bench {
    struct domain d;
    struct memory_news news;
    struct memory *teller; /* the machine loop's */
    struct reach *reach;
    uint32_t watched; /* the entry whose flags are noted while a window is mapped */
    uint16_t meanwhile;
};

static void note_flags(void *arg)
{
    struct bench *b = arg;

    b->meanwhile = __atomic_load_n(&b->d.entries[b->watched].flags, __ATOMIC_SEQ_CST);
}

static void open_bench(struct bench *b)
{
    struct reach_config config = { .domain = &b->d, .layout = &layout, .news = &b->news };
    struct error err = { "" };

    memset(b, 0, sizeof(*b));
    counted_open(&b->d.c, &layout);
    b->d.c.in_map = note_flags;
    b->d.c.arg = b;
    b->d.room = TABLE_ROOM;
    b->d.version = 1;
    b->d.fd = memfd_create("grants", MFD_CLOEXEC);
    CHECK_EQ(ftruncate(b->d.fd, TABLE_ROOM * PAGE_BYTES), 0);
    b->d.entries = mmap(NULL, TABLE_ROOM * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, b->d.fd,
                        0);
    CHECK(b->d.entries != MAP_FAILED);
    CHECK_EQ(memory_open(&b->teller, &b->d.c.backing, &layout, 4, &err), 0);
    memory_tell(b->teller, &b->news);
    CHECK_EQ(reach_open(&b->reach, &config, &err), 0);
}

static void close_bench(struct bench *b)
{
    reach_close(b->reach);
    CHECK_EQ(b->d.mapped, b->d.unmapped);
    memory_close(b->teller);
    counted_close(&b->d.c);
    munmap(b->d.entries, TABLE_ROOM * PAGE_BYTES);
    close(b->d.fd);
}

static void grant(struct bench *b, uint32_t ref, uint64_t gfn, uint16_t flags)
{
    b->d.entries[ref] = (grant_entry_v1_t){ .flags = flags, .domid = 0, .frame = (uint32_t)gfn };
}

static uint16_t flags_of(const struct bench *b, uint32_t ref)
{
    return b->d.entries[ref].flags;
}

/* To the guest at the beginning of the page, or from it. */
static bool put(struct bench *b, uint32_t ref, const char *text)
{
    struct grant_copy c = { .ref = ref, .length = (uint16_t)strlen(text), .to_guest = true,
                            .bytes = (void *)(uintptr_t)text };

    return reach_copy(b->reach, &c);
}

static bool get(struct bench *b, uint32_t ref, void *bytes, uint16_t length)
{
    struct grant_copy c = { .ref = ref, .length = length, .bytes = bytes };

    return reach_copy(b->reach, &c);
}

static void check_guest(struct bench *b, uint64_t gfn, const char *text)
{
    char bytes[16] = "";

    CHECK(local_guest_read(b->d.c.real, gfn << 12, bytes, strlen(text)));
    CHECK_STR(bytes, text);
}

static void fill_guest(struct bench *b, uint64_t gfn, const char *text)
{
    CHECK(local_guest_write(b->d.c.real, gfn << 12, text, strlen(text)));
}

/* ---- Copies ---- */

/* Where in its page a piece lies. */
static const struct { uint16_t offset, length; } spans[] = {
    { 0, 4096 }, { 0, 1 }, { 4095, 1 }, { 100, 3000 }, { 4000, 96 }, { 2048, 0 },
};

/* The frames 0x300 to 0x302, of which the piece is in the middle one. */
static void guest_frames(struct bench *b, bool write, uint8_t *bytes)
{
    if (write)
        CHECK(local_guest_write(b->d.c.real, 0x300000, bytes, 3 * 4096));
    else
        CHECK(local_guest_read(b->d.c.real, 0x300000, bytes, 3 * 4096));
}

TEST(a_copy_to_the_guest_arrives_where_the_piece_says_and_nowhere_else)
{
    static uint8_t want[3 * 4096], got[3 * 4096], bytes[4096];
    struct bench b;

    open_bench(&b);
    grant(&b, 9, 0x301, GTF_permit_access);
    for (unsigned i = 0; i < ARRAY_SIZE(spans); i++) {
        struct grant_copy c = { .ref = 9, .offset = spans[i].offset, .length = spans[i].length,
                                .to_guest = true, .bytes = bytes };

        memset(want, 0xee, sizeof(want));
        guest_frames(&b, true, want);
        for (unsigned k = 0; k < sizeof(bytes); k++)
            bytes[k] = (uint8_t)(k * 7 + i);
        memcpy(want + 4096 + spans[i].offset, bytes, spans[i].length);
        CHECK(reach_copy(b.reach, &c));
        guest_frames(&b, false, got);
        CHECK_MEM(got, want, sizeof(want));
    }
    close_bench(&b);
}

TEST(a_copy_from_the_guest_brings_what_the_piece_says_and_changes_nothing_there)
{
    static uint8_t there[3 * 4096], after[3 * 4096], want[4098], bytes[4098];
    struct bench b;

    open_bench(&b);
    grant(&b, 9, 0x301, GTF_permit_access);
    for (unsigned i = 0; i < sizeof(there); i++)
        there[i] = (uint8_t)(i * 7 + (i >> 12));
    guest_frames(&b, true, there);
    for (unsigned i = 0; i < ARRAY_SIZE(spans); i++) {
        struct grant_copy c = { .ref = 9, .offset = spans[i].offset, .length = spans[i].length,
                                .bytes = bytes + 1 };

        memset(bytes, 0xee, sizeof(bytes));
        memset(want, 0xee, sizeof(want));
        memcpy(want + 1, there + 4096 + spans[i].offset, spans[i].length);
        CHECK(reach_copy(b.reach, &c));
        CHECK_MEM(bytes, want, sizeof(want));
    }
    guest_frames(&b, false, after);
    CHECK_MEM(after, there, sizeof(there));
    close_bench(&b);
}

TEST(high_ram_is_reached_and_the_windows_around_the_edges_too)
{
    static const uint64_t gfns[] = { 0, 0x9f, 0xc0, (64 * MIB >> 12) - 1, HIGH >> 12,
                                     (2 * HIGH >> 12) - 1 };
    char bytes[4];
    struct bench b;

    open_bench(&b);
    for (uint32_t i = 0; i < ARRAY_SIZE(gfns); i++) {
        grant(&b, 8 + i, gfns[i], GTF_permit_access);
        CHECK(put(&b, 8 + i, "edge"));
        check_guest(&b, gfns[i], "edge");
        CHECK(get(&b, 8 + i, bytes, 4));
        CHECK_MEM(bytes, "edge", 4);
    }
    close_bench(&b);
}

/* ---- Marks of use ---- */

TEST(an_entry_shows_that_it_is_in_use_while_it_is_and_only_the_new_marks_go)
{
    static const struct { uint16_t before; bool to_guest; uint16_t meanwhile; } cases[] = {
        { 0, true, GTF_reading | GTF_writing },
        { 0, false, GTF_reading },
        { GTF_readonly, false, GTF_readonly | GTF_reading },
        /* Xen has it mapped to be read, or granted it to be written */
        { GTF_reading, true, GTF_reading | GTF_writing },
        { GTF_writing, false, GTF_reading | GTF_writing },
        { GTF_writing, true, GTF_reading | GTF_writing },
        /* what the guest may say of caches is its own */
        { GTF_PWT | GTF_PCD | GTF_PAT, true,
          GTF_PWT | GTF_PCD | GTF_PAT | GTF_reading | GTF_writing },
    };
    struct bench b;
    char bytes[4];

    open_bench(&b);
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint16_t flags = GTF_permit_access | cases[i].before;

        b.watched = 20 + i;
        b.meanwhile = 0;
        grant(&b, 20 + i, (i + 1) * PER_WINDOW, flags);
        CHECK(cases[i].to_guest ? put(&b, 20 + i, "mark") : get(&b, 20 + i, bytes, 4));
        CHECK_EQ(b.meanwhile, GTF_permit_access | cases[i].meanwhile);
        CHECK_EQ(flags_of(&b, 20 + i), flags);
        CHECK_EQ(b.d.entries[20 + i].domid, 0);
        CHECK_EQ(b.d.entries[20 + i].frame, (i + 1) * PER_WINDOW);
    }
    close_bench(&b);
}

static void xen_writes(void *arg)
{
    struct bench *b = arg;

    __atomic_fetch_or(&b->d.entries[20].flags, GTF_writing, __ATOMIC_SEQ_CST);
}

TEST(marks_that_come_while_it_is_in_use_stay)
{
    struct bench b;
    char bytes[4];

    open_bench(&b);
    grant(&b, 20, 0x400, GTF_permit_access);
    b.d.c.in_map = xen_writes;
    CHECK(get(&b, 20, bytes, 4));
    CHECK_EQ(flags_of(&b, 20), GTF_permit_access | GTF_writing);
    close_bench(&b);
}

/* ---- Refusals ---- */

/* Both ways: nothing is done and nothing changes. */
static void check_refused(struct bench *b, uint32_t ref, uint64_t gfn, bool to_guest)
{
    grant_entry_v1_t before = b->d.entries[ref];
    char bytes[] = "mine";

    fill_guest(b, gfn, "guest");
    if (to_guest)
        CHECK(!put(b, ref, "other"));
    else
        CHECK(!get(b, ref, bytes, 4));
    check_guest(b, gfn, "guest");
    CHECK_STR(bytes, "mine");
    CHECK_MEM(&b->d.entries[ref], &before, sizeof(before));
}

TEST(what_grants_no_access_is_refused)
{
    static const uint16_t kinds[] = {
        GTF_invalid, GTF_accept_transfer, GTF_transitive, GTF_readonly /* of an invalid one */,
    };
    struct bench b;

    open_bench(&b);
    grant(&b, 8, 0x300, GTF_permit_access);
    CHECK(put(&b, 8, "mapped"));
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        grant(&b, 9, 0x301, kinds[i]);
        check_refused(&b, 9, 0x301, true);
        check_refused(&b, 9, 0x301, false);
    }
    close_bench(&b);
}

TEST(what_is_granted_to_another_domain_is_refused)
{
    static const domid_t others[] = { 1, 7, 0x100, DOMID_SELF };
    struct bench b;

    open_bench(&b);
    grant(&b, 9, 0x301, GTF_permit_access);
    CHECK(put(&b, 9, "mapped"));
    for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
        b.d.entries[9].domid = others[i];
        check_refused(&b, 9, 0x301, true);
        check_refused(&b, 9, 0x301, false);
    }
    close_bench(&b);
}

TEST(what_is_granted_for_reading_is_read_and_never_written)
{
    struct bench b;
    char bytes[5];

    open_bench(&b);
    grant(&b, 9, 0x301, GTF_permit_access | GTF_readonly);
    check_refused(&b, 9, 0x301, true);
    CHECK_EQ(b.d.c.maps, 0);
    CHECK(get(&b, 9, bytes, 5));
    CHECK_MEM(bytes, "guest", 5);
    check_refused(&b, 9, 0x301, true); /* mapped or not */
    close_bench(&b);
}

TEST(what_is_marked_already_is_left_to_who_marked_it)
{
    struct bench b;

    open_bench(&b);
    grant(&b, 8, 0x300, GTF_permit_access);
    CHECK(put(&b, 8, "mapped"));
    grant(&b, 9, 0x301, GTF_permit_access | GTF_reading | GTF_writing);
    check_refused(&b, 9, 0x301, true);
    check_refused(&b, 9, 0x301, false);
    grant(&b, 9, 0x301, GTF_permit_access | GTF_reading);
    check_refused(&b, 9, 0x301, false);
    close_bench(&b);
}

TEST(a_frame_that_is_not_ram_is_refused)
{
    static const uint64_t gfns[] = { 0xa0, 0xbf, 64 * MIB >> 12, 0xfee00, (HIGH >> 12) - 1,
                                     2 * HIGH >> 12, UINT32_MAX };
    struct bench b;

    open_bench(&b);
    grant(&b, 8, 1, GTF_permit_access);
    CHECK(put(&b, 8, "mapped")); /* with the frames of the hole at 0xa0 beside it */
    for (unsigned i = 0; i < ARRAY_SIZE(gfns); i++) {
        char bytes[] = "mine";

        grant(&b, 9, gfns[i], GTF_permit_access);
        CHECK(!put(&b, 9, "other"));
        CHECK(!get(&b, 9, bytes, 4));
        CHECK_STR(bytes, "mine");
        CHECK_EQ(flags_of(&b, 9), GTF_permit_access);
    }
    CHECK_EQ(b.d.c.maps, 1);
    close_bench(&b);
}

TEST(a_frame_that_cannot_be_mapped_is_refused_and_those_beside_it_are_not)
{
    struct bench b;

    open_bench(&b);
    b.d.c.missing = 0x301;
    grant(&b, 8, 0x300, GTF_permit_access);
    grant(&b, 9, 0x301, GTF_permit_access);
    CHECK(put(&b, 8, "beside"));
    check_refused(&b, 9, 0x301, true);
    check_refused(&b, 9, 0x301, false);
    CHECK(put(&b, 8, "beside"));
    b.d.c.missing = 0; /* ballooned back in */
    CHECK(put(&b, 9, "back"));
    check_guest(&b, 0x301, "back");
    b.d.c.refuse = true;
    grant(&b, 10, 0x600, GTF_permit_access);
    check_refused(&b, 10, 0x600, true);
    check_refused(&b, 10, 0x600, false);
    close_bench(&b);
}

TEST(a_piece_that_leaves_its_page_is_refused)
{
    static uint8_t there[3 * 4096], after[3 * 4096], bytes[4096];
    static const struct { uint16_t offset, length; } past[] = {
        { 1, 4096 }, { 4095, 2 }, { 4096, 1 }, { UINT16_MAX, 1 }, { 3, UINT16_MAX },
    };
    struct bench b;

    open_bench(&b);
    grant(&b, 9, 0x301, GTF_permit_access);
    memset(there, 0xee, sizeof(there));
    guest_frames(&b, true, there);
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(past); i++) {
        struct grant_copy c = { .ref = 9, .offset = past[i / 2].offset, .length = past[i / 2].length,
                                .to_guest = i % 2, .bytes = bytes };

        CHECK(!reach_copy(b.reach, &c));
        CHECK_EQ(flags_of(&b, 9), GTF_permit_access);
    }
    guest_frames(&b, false, after);
    CHECK_MEM(after, there, sizeof(there));
    close_bench(&b);
}

/* ---- The table ---- */

TEST(the_table_grows_by_doubling_and_the_old_mapping_goes)
{
    static const struct { unsigned ref; unsigned largest, mapped; } steps[] = {
        { 8, 4, 1 },
        { 4 * PER_FRAME - 1, 4, 1 },
        { 4 * PER_FRAME, 8, 2 },
        { 9, 8, 2 },
        { 33 * PER_FRAME, 64, 3 }, /* as often as need be, in one go */
        { 64 * PER_FRAME - 1, 64, 3 },
        { TABLE_ROOM * PER_FRAME - 1, 256, 4 },
    };
    struct bench b;

    open_bench(&b);
    CHECK_EQ(b.d.asked, 0); /* nobody wants any */
    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
        grant(&b, steps[i].ref, 0x300 + i, GTF_permit_access);
        CHECK(put(&b, steps[i].ref, "grown"));
        check_guest(&b, 0x300 + i, "grown");
        CHECK_EQ(b.d.largest, steps[i].largest);
        CHECK_EQ(b.d.mapped, steps[i].mapped);
        CHECK_EQ(b.d.unmapped, steps[i].mapped - 1);
    }
    close_bench(&b);
}

TEST(a_reference_past_the_largest_table_is_refused_and_never_asked_for)
{
    static const uint32_t refs[] = { TABLE_ROOM * PER_FRAME, UINT32_MAX, 1u << 31 };

    for (unsigned i = 0; i < ARRAY_SIZE(refs); i++) {
        struct bench b;

        open_bench(&b);
        grant(&b, 8, 0x300, GTF_permit_access);
        CHECK(put(&b, 8, "mapped"));
        CHECK(!put(&b, refs[i], "other"));
        CHECK_EQ(b.d.asked, 1);
        CHECK(put(&b, 8, "still")); /* what is there goes on */
        check_guest(&b, 0x300, "still");
        close_bench(&b);
    }
}

TEST(a_table_that_cannot_grow_is_asked_for_once_until_one_looks_again)
{
    uint32_t far = 4 * PER_FRAME + 1;
    struct bench b;

    open_bench(&b);
    b.d.room = 7; /* the domain may have no more */
    grant(&b, 8, 0x300, GTF_permit_access);
    grant(&b, far, 0x301, GTF_permit_access);
    CHECK(put(&b, 8, "near"));
    for (unsigned i = 0; i < 10; i++) {
        check_refused(&b, far, 0x301, true);
        CHECK(put(&b, 8, "near")); /* what is mapped goes on */
    }
    CHECK_EQ(b.d.asked, 2);
    CHECK_EQ(b.d.unmapped, 0);
    b.d.room = 8;
    reach_look_again(b.reach);
    CHECK(put(&b, far, "far"));
    check_guest(&b, 0x301, "far");
    CHECK_EQ(b.d.asked, 3);
    close_bench(&b);
}

TEST(a_table_that_cannot_be_mapped_at_all_is_asked_for_once)
{
    struct bench b;

    open_bench(&b);
    b.d.room = 0;
    grant(&b, 8, 0x300, GTF_permit_access);
    for (unsigned i = 0; i < 10; i++)
        check_refused(&b, 8, 0x300, false);
    CHECK_EQ(b.d.asked, 1);
    close_bench(&b);
}

TEST(a_table_of_the_second_version_is_never_read)
{
    struct bench b;

    open_bench(&b);
    b.d.version = 2;
    grant(&b, 8, 0x300, GTF_permit_access);
    for (unsigned i = 0; i < 10; i++)
        check_refused(&b, 8, 0x300, i % 2);
    CHECK_EQ(b.d.asked, 0);
    CHECK_EQ(b.d.asked_version, 1);
    close_bench(&b);
}

TEST(closing_none_is_fine)
{
    reach_close(NULL);
}

TEST(who_looks_again_sees_that_the_version_changed_either_way)
{
    struct bench b;

    open_bench(&b);
    grant(&b, 8, 0x300, GTF_permit_access);
    CHECK(put(&b, 8, "first"));
    b.d.version = 2;
    CHECK(put(&b, 8, "same")); /* nobody said so: while a ring is mapped it stays */
    CHECK_EQ(b.d.asked_version, 1);
    reach_look_again(b.reach);
    check_refused(&b, 8, 0x300, true);
    CHECK_EQ(b.d.unmapped, 1);
    b.d.version = 1;
    check_refused(&b, 8, 0x300, true);
    reach_look_again(b.reach);
    reach_look_again(b.reach);
    CHECK(put(&b, 8, "third"));
    check_guest(&b, 0x300, "third");
    CHECK_EQ(b.d.asked_version, 3);
    close_bench(&b);
}

/* ---- News ---- */

TEST(a_copy_after_an_invalidation_goes_to_the_frame_that_is_there_now)
{
    static const uint64_t spare = 2 * HIGH >> 12; /* outside of RAM: room to move frames with */
    struct bench b;
    struct error err = { "" };
    struct backing *real;

    open_bench(&b);
    real = b.d.c.real;
    grant(&b, 8, 0x300, GTF_permit_access);
    CHECK(put(&b, 8, "old"));
    /* other frames come in the place of low RAM */
    CHECK_EQ(real->ops->populate(real, spare, 64 * MIB >> 12, &err), 0);
    CHECK_EQ(real->ops->relocate(real, 0, spare * 2, 64 * MIB >> 12), 0);
    CHECK_EQ(real->ops->relocate(real, spare, 0, 64 * MIB >> 12), 0);
    memory_invalidate(b.teller);
    CHECK(put(&b, 8, "new"));
    check_guest(&b, 0x300, "new");
    check_guest(&b, spare * 2 + 0x300, "old");
    CHECK_EQ(b.d.c.maps, 2);
    CHECK_EQ(b.d.c.unmaps, 1);
    close_bench(&b);
}

TEST(copies_to_the_guest_are_reported_while_log_dirty_is_on_and_those_from_it_are_not)
{
    struct bench b;
    uint64_t gfn;
    char bytes[4];

    open_bench(&b);
    grant(&b, 8, 0x305, GTF_permit_access);
    grant(&b, 9, (HIGH >> 12) + 7, GTF_permit_access);
    grant(&b, 10, 0xa0, GTF_permit_access);
    CHECK(put(&b, 8, "before"));
    CHECK_EQ(local_modified_pages(b.d.c.real, NULL), 0);
    memory_log_dirty(b.teller, true);
    CHECK(get(&b, 8, bytes, 4));
    CHECK_EQ(local_modified_pages(b.d.c.real, NULL), 0);
    CHECK(put(&b, 8, "during"));
    CHECK_EQ(local_modified_pages(b.d.c.real, &gfn), 1);
    CHECK_EQ(gfn, 0x305);
    CHECK(put(&b, 9, "during"));
    CHECK_EQ(local_modified_pages(b.d.c.real, &gfn), 2);
    CHECK_EQ(gfn, (HIGH >> 12) + 7);
    CHECK(!put(&b, 10, "refused"));
    CHECK_EQ(local_modified_pages(b.d.c.real, NULL), 2);
    memory_log_dirty(b.teller, false);
    CHECK(put(&b, 8, "after"));
    CHECK_EQ(local_modified_pages(b.d.c.real, NULL), 2);
    close_bench(&b);
}

/* ---- What windows cost ---- */

/* A piece in the nth window of high RAM, in which no other need be. */
static bool far_copy(struct bench *b, unsigned nth)
{
    char byte;

    grant(b, 8, (HIGH >> 12) + nth * PER_WINDOW, GTF_permit_access);
    return get(b, 8, &byte, 1);
}

TEST(a_guest_that_names_frames_all_over_its_ram_has_windows_mapped_now_and_then_only)
{
    struct bench b;
    unsigned refused = 0;

    open_bench(&b);
    for (unsigned i = 0; i < OFTEN; i++)
        CHECK(far_copy(&b, i));
    CHECK_EQ(b.d.c.maps, OFTEN);
    for (unsigned i = OFTEN; i < 1500; i++) {
        refused += !far_copy(&b, i);
        CHECK_EQ(b.d.c.maps, OFTEN + (i + 1 - OFTEN) / (OFTEN + 1));
        CHECK_EQ(flags_of(&b, 8), GTF_permit_access);
    }
    CHECK_EQ(refused, 1500 - b.d.c.maps);
    /* with no credit left, what is mapped goes on */
    for (unsigned i = 0; i < 10 * OFTEN; i++)
        CHECK(far_copy(&b, i % OFTEN));
    CHECK(!far_copy(&b, 1501)); /* which earned nothing */
    close_bench(&b);
}

TEST(a_frame_that_is_not_there_costs_as_much_as_one_that_is)
{
    struct bench b;

    open_bench(&b);
    b.d.c.missing = 0x300;
    grant(&b, 9, 0x300, GTF_permit_access);
    for (unsigned i = 0; i < 100 * OFTEN; i++)
        CHECK(!put(&b, 9, "missing"));
    CHECK(b.d.c.maps <= OFTEN + 100 + 1);
    CHECK(b.d.c.maps >= OFTEN + 100 - 4);
    close_bench(&b);
}

TEST(what_refused_pieces_earn_is_not_hoarded)
{
    struct bench b;

    open_bench(&b);
    grant(&b, 9, 0xa0, GTF_permit_access); /* never there, and no window is mapped for it */
    for (unsigned i = 0; i < 200 * OFTEN; i++)
        CHECK(!put(&b, 9, "hole"));
    CHECK_EQ(b.d.c.maps, 0);
    for (unsigned i = 0; i < 1000; i++)
        far_copy(&b, i);
    CHECK(b.d.c.maps <= 1000 / OFTEN + 1);
    close_bench(&b);
}

TEST(windows_are_bounded_and_the_ones_not_used_go)
{
    struct bench b;
    unsigned most = 0;

    open_bench(&b);
    for (unsigned i = 0; i < 60000; i++) {
        far_copy(&b, i % 2048);
        most = MAX(most, b.d.c.maps - b.d.c.unmaps);
    }
    CHECK_EQ(most, WINDOWS_MOST);
    CHECK(b.d.c.maps > WINDOWS_MOST);
    close_bench(&b);
}

/* ---- Others meanwhile ---- */

#define ROUNDS 20000

/* The guest's CPUs, and the machine loop: each changes what a copy looks at. */
static void *change_entry(void *arg)
{
    struct bench *b = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        __atomic_store_n(&b->d.entries[9].flags, GTF_invalid, __ATOMIC_SEQ_CST);
        __atomic_store_n(&b->d.entries[9].frame, 0x300 + i % 2, __ATOMIC_SEQ_CST);
        __atomic_store_n(&b->d.entries[9].flags, GTF_permit_access, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void *tell_news(void *arg)
{
    struct bench *b = arg;

    for (unsigned i = 0; i < ROUNDS / 100; i++) {
        memory_invalidate(b->teller);
        memory_log_dirty(b->teller, i % 2);
        reach_look_again(b->reach);
    }
    return NULL;
}

TEST(a_guest_that_changes_an_entry_all_the_while_gets_one_frame_or_the_other)
{
    static char page[4096], want[4096];
    pthread_t guest, machine;
    struct bench b;

    open_bench(&b);
    b.d.c.in_map = NULL;
    for (unsigned i = 0; i < 2; i++) {
        memset(page, i ? 'b' : 'a', sizeof(page));
        CHECK(local_guest_write(b.d.c.real, (0x300 + i) << 12, page, sizeof(page)));
    }
    grant(&b, 9, 0x300, GTF_permit_access);
    CHECK_EQ(pthread_create(&guest, NULL, change_entry, &b), 0);
    CHECK_EQ(pthread_create(&machine, NULL, tell_news, &b), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (!get(&b, 9, page, sizeof(page)))
            continue;
        memset(want, page[0] == 'b' ? 'b' : 'a', sizeof(want));
        CHECK_MEM(page, want, sizeof(page));
    }
    CHECK_EQ(pthread_join(guest, NULL), 0);
    CHECK_EQ(pthread_join(machine, NULL), 0);
    CHECK_EQ(flags_of(&b, 9), GTF_permit_access);
    close_bench(&b);
}
