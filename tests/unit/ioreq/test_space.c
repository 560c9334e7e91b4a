/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "ioreq/dispatch.h"
#include "ioreq/space.h"
#include "tests/kit/check.h"
#include "tests/kit/pc.h"

struct cells {
    uint8_t bytes[64];
    unsigned reads, writes, last_size;
    uint64_t last_offset;
    struct region *self;
    struct answer *answer;
};

static uint64_t cells_read(void *state, uint64_t offset, unsigned size)
{
    struct cells *c = state;

    c->reads++;
    c->last_size = size;
    c->last_offset = offset;
    return get_le(c->bytes + offset, size);
}

static void cells_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct cells *c = state;

    c->writes++;
    c->last_size = size;
    c->last_offset = offset;
    put_le(c->bytes + offset, size, value);
}

static const struct region_ops bytes_only = { "bytes", 1, 1, cells_read, cells_write };
static const struct region_ops words = { "words", 4, 4, cells_read, cells_write };

TEST(a_wide_access_is_split_into_what_the_region_takes)
{
    struct cells c = { .bytes = { 0x11, 0x22, 0x33, 0x44 } };
    struct region *r;
    struct pc pc;

    pc_open(&pc);
    CHECK_EQ(region_map(&r, pc.board.ports, 0x300, 8, &bytes_only, &c, NULL), 0);
    CHECK_EQ(pc_in32(&pc, 0x300), 0x44332211);
    CHECK_EQ(c.reads, 4);
    pc_out16(&pc, 0x302, 0xbeef);
    CHECK_EQ(c.bytes[2], 0xef);
    CHECK_EQ(c.bytes[3], 0xbe);
    pc_close(&pc);
}

TEST(a_narrow_access_is_widened_to_what_the_region_takes)
{
    struct cells c = { .bytes = { 0x11, 0x22, 0x33, 0x44 } };
    struct region *r;
    struct pc pc;

    pc_open(&pc);
    CHECK_EQ(region_map(&r, pc.board.mmio, 0xf0000000, 64, &words, &c, NULL), 0);
    CHECK_EQ(pc_mmio_read(&pc, 0xf0000002, 1), 0x33);
    CHECK_EQ(c.last_offset, 0);
    CHECK_EQ(c.last_size, 4);
    pc_mmio_write(&pc, 0xf0000009, 1, 0xaa);
    CHECK_EQ(get_le32(c.bytes + 8), 0xaa00);
    pc_close(&pc);
}

TEST(an_access_that_straddles_regions_is_cut_and_the_gap_reads_ones)
{
    struct cells a = { .bytes = { 1, 2 } }, b = { .bytes = { 3 } };
    struct region *ra, *rb;
    struct pc pc;

    pc_open(&pc);
    CHECK_EQ(region_map(&ra, pc.board.ports, 0x300, 2, &bytes_only, &a, NULL), 0);
    CHECK_EQ(region_map(&rb, pc.board.ports, 0x303, 1, &bytes_only, &b, NULL), 0);
    CHECK_EQ(pc_in32(&pc, 0x300), 0x03ff0201);
    CHECK_EQ(pc_in8(&pc, 0x302), 0xff);
    pc_close(&pc);
}

TEST(regions_may_not_overlap)
{
    struct error err = { "" };
    struct region *r, *other;
    struct cells c = { .reads = 0 };
    struct pc pc;

    pc_open(&pc);
    CHECK_EQ(region_map(&r, pc.board.ports, 0x300, 8, &bytes_only, &c, &err), 0);
    CHECK_EQ(region_map(&other, pc.board.ports, 0x307, 1, &words, &c, &err), -EBUSY);
    CHECK_SAYS(err, "bytes is there already");
    CHECK_EQ(region_map(&other, pc.board.ports, 0x308, 1, &bytes_only, &c, &err), 0);
    region_unmap(r);
    CHECK_EQ(region_map(&r, pc.board.ports, 0x304, 4, &bytes_only, &c, &err), 0);
    pc_close(&pc);
}

static void unmap_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct cells *c = state;

    region_unmap(c->self);
    c->self = NULL;
}

static const struct region_ops self_unmapping = { "self", 1, 1, cells_read, unmap_write };

TEST(a_region_may_be_unmapped_from_inside_its_handler)
{
    struct cells c = { .reads = 0 };
    struct pc pc;

    pc_open(&pc);
    CHECK_EQ(region_map(&c.self, pc.board.ports, 0x300, 4, &self_unmapping, &c, NULL), 0);
    pc_out32(&pc, 0x300, 0);
    CHECK_EQ(pc_in8(&pc, 0x300), 0xff);
    pc_close(&pc);
}

static void later(void *arg)
{
    struct cells *c = arg;

    answer_complete(c->answer, 0x5a);
}

static struct loop *bench_loop;

static uint64_t waiting_read(void *state, uint64_t offset, unsigned size)
{
    struct cells *c = state;

    c->reads++;
    c->answer = answer_defer();
    loop_post(bench_loop, later, c);
    return 0;
}

static uint64_t at_once_read(void *state, uint64_t offset, unsigned size)
{
    answer_complete(answer_defer(), 0x77);
    return 0;
}

static const struct region_ops waiting_ops = { "waiting", 1, 4, waiting_read, cells_write };
static const struct region_ops at_once_ops = { "at-once", 1, 4, at_once_read, cells_write };

TEST(an_answer_may_come_later)
{
    struct cells c = { .reads = 0 };
    struct region *r;
    struct pc pc;

    pc_open(&pc);
    bench_loop = pc.loop;
    CHECK_EQ(region_map(&r, pc.board.ports, 0x300, 4, &waiting_ops, &c, NULL), 0);
    CHECK_EQ(pc_in8(&pc, 0x300), 0x5a);
    CHECK_EQ(c.reads, 1);
    pc_close(&pc);
}

TEST(an_answer_may_come_inside_the_handler)
{
    struct region *r;
    struct pc pc;

    pc_open(&pc);
    CHECK_EQ(region_map(&r, pc.board.ports, 0x300, 4, &at_once_ops, NULL, NULL), 0);
    CHECK_EQ(pc_in8(&pc, 0x300), 0x77);
    pc_close(&pc);
}

static void repeat_done(struct io_work *work, uint64_t data)
{
    work->targets = NULL;
}

TEST(a_repeat_into_memory_resumes_after_each_answer)
{
    struct cells c = { .reads = 0 };
    struct region *r;
    struct pc pc;
    uint8_t bytes[5];

    pc_open(&pc);
    bench_loop = pc.loop;
    CHECK_EQ(region_map(&r, pc.board.ports, 0x300, 4, &waiting_ops, &c, NULL), 0);
    struct io_targets targets = { pc.board.ports, pc.board.mmio, pc.board.pci, pc.board.memory };
    struct io_work work = {
        .req = { .type = IO_PORT, .read = true, .in_memory = true, .size = 1, .count = 4,
                 .addr = 0x300, .data = 0x1000 },
        .targets = &targets, .done = repeat_done, .can_wait = true,
    };
    uint64_t data;

    CHECK(!io_start(&work, &data));
    for (int i = 0; i < 100 && work.targets; i++)
        loop_step(pc.loop);
    CHECK(!work.targets);
    CHECK_EQ(c.reads, 4);
    pc_peek(&pc, 0x1000, bytes, 5);
    CHECK_MEM(bytes, "\x5a\x5a\x5a\x5a\x00", 5);
    pc_close(&pc);
}

TEST(a_descending_repeat_walks_memory_downwards)
{
    struct cells c = { .reads = 0 };
    struct region *r;
    struct pc pc;

    pc_open(&pc);
    CHECK_EQ(region_map(&r, pc.board.mmio, 0xf0000000, 64, &bytes_only, &c, NULL), 0);
    pc_poke(&pc, 0x2000, "abcdefgh", 8);
    struct io_targets targets = { pc.board.ports, pc.board.mmio, pc.board.pci, pc.board.memory };
    struct io_work work = {
        .req = { .type = IO_MMIO, .in_memory = true, .descending = true, .size = 2, .count = 4,
                 .addr = 0xf0000006, .data = 0x2006 },
        .targets = &targets, .done = repeat_done, .can_wait = true,
    };
    uint64_t data;

    CHECK(io_start(&work, &data));
    CHECK_MEM(c.bytes, "abcdefgh", 8);
    pc_close(&pc);
}

TEST(a_request_that_cannot_be_is_answered_with_ones)
{
    struct pc pc;

    pc_open(&pc);
    struct io_targets targets = { pc.board.ports, pc.board.mmio, pc.board.pci, pc.board.memory };
    struct io_work work = {
        .req = { .type = IO_PORT, .read = true, .size = 3, .count = 1, .addr = 0x300 },
        .targets = &targets, .done = repeat_done, .can_wait = true,
    };
    uint64_t data = 0;

    CHECK(io_start(&work, &data));
    CHECK_EQ(data, UINT64_MAX);
    work.req.size = 4;
    work.req.count = UINT32_MAX;
    data = 0;
    CHECK(io_start(&work, &data));
    CHECK_EQ(data, UINT64_MAX);
    pc_close(&pc);
}
