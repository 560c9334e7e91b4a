/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pages that Xen shares with us, whoever else may write them: request slots, buffered ring. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <xen/xen.h>
#include <xen/hvm/ioreq.h>
#include "dm/base/bytes.h"
#include "ioreq/internal.h"
#include "tests/kit/check.h"
#include "tests/kit/pc.h"

#define PORT 0x500u

/* A server without Xen: pages of our own, and a region that remembers what reached it. */
struct bench {
    struct pc pc;
    struct server server;
    struct vcpu vcpus[2];
    struct region *region;
    uint64_t offsets, values; /* sums of what was written */
    unsigned writes;
};

static _Alignas(4096) uint8_t sync_page[4096];
static _Alignas(4096) struct buffered_iopage buffered;
static unsigned notified;

void evtchn_notify(struct evtchn *evtchn, uint32_t port)
{
    notified++;
}

static uint64_t region_read(void *state, uint64_t offset, unsigned size)
{
    return 0x1122334455667788;
}

static void region_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct bench *b = state;

    b->offsets += offset;
    b->values += value;
    b->writes++;
}

static const struct region_ops ops = {
    .name = "test", .min_size = 1, .max_size = 4, .read = region_read, .write = region_write,
};

static void open_bench(struct bench *b)
{
    memset(b, 0, sizeof(*b));
    memset(sync_page, 0, sizeof(sync_page));
    memset(&buffered, 0, sizeof(buffered));
    notified = 0;
    pc_open(&b->pc);
    b->server.pages.sync = sync_page;
    b->server.pages.buffered = &buffered;
    b->server.targets = (struct io_targets){ b->pc.board.ports, b->pc.board.mmio, b->pc.board.pci,
                                             b->pc.board.memory };
    b->server.vcpus = b->vcpus;
    b->server.vcpu_count = 2;
    for (unsigned i = 0; i < 2; i++)
        b->vcpus[i] = (struct vcpu){ .server = &b->server, .index = i, .port = i };
    CHECK_EQ(region_map(&b->region, b->pc.board.ports, PORT, 16, &ops, b, NULL), 0);
}

static void close_bench(struct bench *b)
{
    region_unmap(b->region);
    pc_close(&b->pc);
}

static ioreq_t *ask(unsigned i, uint64_t addr, bool read, uint64_t data)
{
    ioreq_t *r = (ioreq_t *)(void *)sync_page + i;

    *r = (ioreq_t){ .addr = addr, .data = data, .count = 1, .size = 4, .dir = read,
                    .type = IOREQ_TYPE_PIO, .vp_eport = 7, .state = STATE_IOREQ_READY };
    return r;
}

TEST(a_request_is_taken_once_and_answered_once)
{
    struct bench b;
    ioreq_t *r;

    open_bench(&b);
    r = ask(1, PORT, true, 0);
    CHECK(!vcpu_serve(&b.server, &b.vcpus[0]));
    CHECK(vcpu_serve(&b.server, &b.vcpus[1]));
    CHECK_EQ(r->state, STATE_IORESP_READY);
    CHECK_EQ(r->data, 0x55667788);
    CHECK_EQ(notified, 1);
    CHECK(!vcpu_serve(&b.server, &b.vcpus[1]));
    CHECK_EQ(notified, 1);
    close_bench(&b);
}

/* XSA-216: an answer carries nothing of ours but the answer. */
TEST(xsa_216_an_answer_changes_state_and_data_and_nothing_else)
{
    struct bench b;
    ioreq_t *r, want;
    uint8_t before[4096];

    open_bench(&b);
    memset(sync_page, 0xa5, sizeof(sync_page));
    r = ask(1, PORT, true, 0);
    r->_pad0 = 0xbeef;
    want = *r;
    want.data = 0x55667788;
    want.state = STATE_IORESP_READY;
    memcpy(before, sync_page, sizeof(before));
    vcpu_serve(&b.server, &b.vcpus[1]);
    CHECK_MEM(r, &want, sizeof(want));
    memcpy(before + sizeof(*r), &want, sizeof(want));
    CHECK_MEM(sync_page, before, sizeof(before));
    close_bench(&b);
}

/* XSA-199: the address of a port access has 64 bits; only 16 of them are a port's. */
TEST(xsa_199_ports_over_0xffff_reach_nobody)
{
    static const uint64_t addrs[] = { 0x10000 + PORT, 0x100000000ull + PORT, UINT64_MAX - 1 };
    struct bench b;

    open_bench(&b);
    for (unsigned i = 0; i < ARRAY_SIZE(addrs); i++) {
        ioreq_t *r = ask(0, addrs[i], true, 0);

        CHECK(vcpu_serve(&b.server, &b.vcpus[0]));
        CHECK_EQ(r->data, 0xffffffff);
        ask(0, addrs[i], false, 1);
        CHECK(vcpu_serve(&b.server, &b.vcpus[0]));
    }
    CHECK_EQ(b.writes, 0);
    close_bench(&b);
}

TEST(a_request_of_unknown_type_or_absurd_size_is_answered_with_ones)
{
    struct bench b;
    ioreq_t *r;

    open_bench(&b);
    for (unsigned type = 0; type < 256; type++) {
        if (type == IOREQ_TYPE_PIO || type == IOREQ_TYPE_COPY || type == IOREQ_TYPE_PCI_CONFIG ||
            type == IOREQ_TYPE_INVALIDATE)
            continue;
        r = ask(0, PORT, true, 0);
        r->type = (uint8_t)type;
        CHECK(vcpu_serve(&b.server, &b.vcpus[0]));
        CHECK_EQ(r->data, UINT64_MAX);
        CHECK_EQ(r->state, STATE_IORESP_READY);
    }
    for (unsigned size = 0; size < 40; size += 3) {
        r = ask(0, PORT, true, 0);
        r->size = size;
        CHECK(vcpu_serve(&b.server, &b.vcpus[0]));
        CHECK_EQ(r->state, STATE_IORESP_READY);
    }
    close_bench(&b);
}

/* ---- While somebody else writes the pages ---- */

static atomic_bool stop;

/* Between a good request and one that would hurt, as fast as it goes; the state stays out of it. */
__attribute__((no_sanitize("thread"))) static void *flip_slot(void *arg)
{
    volatile ioreq_t *r = (ioreq_t *)(void *)sync_page;

    do {
        r->addr = PORT + 8;
        r->size = 0xffffffff;
        r->count = 0xffffffff;
        r->data = 2;
        r->addr = PORT;
        r->size = 4;
        r->count = 1;
        r->data = 1;
    } while (!atomic_load_explicit(&stop, memory_order_relaxed));
    return NULL;
}

/* XSA-155, XSA-197: what was judged is what is performed. */
TEST(xsa_155_a_slot_that_changes_while_it_is_read_is_performed_as_it_was_judged)
{
    struct bench b;
    pthread_t thread;

    open_bench(&b);
    atomic_store(&stop, true);
    flip_slot(NULL); /* once: a good request is there before anybody looks */
    atomic_store(&stop, false);
    CHECK_EQ(pthread_create(&thread, NULL, flip_slot, NULL), 0);
    for (unsigned i = 0; i < 20000; i++) {
        volatile ioreq_t *r = (ioreq_t *)(void *)sync_page;
        unsigned before = b.writes;

        b.offsets = b.values = 0;
        r->type = IOREQ_TYPE_PIO;
        r->state = STATE_IOREQ_READY;
        CHECK(vcpu_serve(&b.server, &b.vcpus[0]));
        CHECK_EQ(notified, i + 1);
        CHECK_EQ(r->state, STATE_IORESP_READY);
        if (b.writes == before) /* refused whole */
            continue;
        CHECK_EQ(b.writes, before + 1);
        CHECK(b.offsets == 0 || b.offsets == 8);
        /* or the answer of a request before that was refused */
        CHECK(b.values == 1 || b.values == 2 || b.values == UINT32_MAX);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    close_bench(&b);
}

__attribute__((no_sanitize("thread"))) static void *flip_ring(void *arg)
{
    volatile buf_ioreq_t *slots = buffered.buf_ioreq;

    while (!atomic_load_explicit(&stop, memory_order_relaxed))
        for (unsigned i = 0; i < IOREQ_BUFFER_SLOT_NUM; i++) {
            slots[i].size = 3; /* two slots */
            slots[i].addr = PORT + 4;
            slots[i].size = 2;
            slots[i].addr = PORT;
        }
    return NULL;
}

TEST(xsa_155_a_ring_that_changes_while_it_is_drained_is_drained_to_its_end)
{
    struct bench b;
    pthread_t thread;

    open_bench(&b);
    atomic_store(&stop, false);
    CHECK_EQ(pthread_create(&thread, NULL, flip_ring, NULL), 0);
    for (unsigned i = 0; i < 2000; i++) {
        uint32_t from = buffered.read_pointer;

        __atomic_store_n(&buffered.write_pointer, from + 64, __ATOMIC_RELEASE);
        CHECK(buffered_drain(&b.server));
        /* an entry may have been two slots by then; it is never half of one, and never without end */
        CHECK(buffered.read_pointer - from >= 64);
        CHECK(buffered.read_pointer - from <= 4 * IOREQ_BUFFER_SLOT_NUM + 1);
        buffered.read_pointer = buffered.write_pointer = from + 64;
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    close_bench(&b);
}

TEST(a_write_pointer_from_nowhere_costs_a_bounded_pass)
{
    struct bench b;

    open_bench(&b);
    buffered.write_pointer = 0x80000000;
    CHECK(buffered_drain(&b.server));
    CHECK(buffered.read_pointer <= 2 * IOREQ_BUFFER_SLOT_NUM);
    CHECK(buffered_drain(&b.server));
    CHECK(buffered.read_pointer <= 4 * IOREQ_BUFFER_SLOT_NUM);
    close_bench(&b);
}
