/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include "pv-backends/ring.h"
#include "tests/kit/check.h"

static _Alignas(4096) uint8_t page[4096];

static struct pv_ring fresh(uint32_t at)
{
    struct pv_ring r;

    memset(page, 0, sizeof(page));
    pv_ring_init(&r, page, sizeof(page), 112);
    atomic_store(pv_ring_word(&r, 0), at);
    atomic_store(pv_ring_word(&r, 2), at);
    pv_ring_resume(&r);
    return r;
}

TEST(a_ring_has_as_many_slots_as_the_public_macros_give_it)
{
    struct pv_ring r = fresh(0);

    CHECK_EQ(r.count, 32);
    pv_ring_init(&r, page, 16 * 4096, 112);
    CHECK_EQ(r.count, 512);
    pv_ring_init(&r, page, 4096, 108);
    CHECK_EQ(r.count, 32);
}

TEST(a_producer_goes_forward_by_what_there_is_room_for_and_no_other_way)
{
    for (unsigned round = 0; round < 2; round++) { /* and where the indices wrap */
        uint32_t at = round ? 0xfffffff0u : 0;
        struct pv_ring r = fresh(at);

        CHECK_EQ(pv_ring_waiting(&r), 0);
        atomic_store(pv_ring_word(&r, 0), at + 32);
        CHECK_EQ(pv_ring_waiting(&r), 32);
        atomic_store(pv_ring_word(&r, 0), at + 33);
        CHECK_EQ(pv_ring_waiting(&r), PV_RING_BROKEN);
        r.taken = at + 20;
        r.put = at + 4;
        atomic_store(pv_ring_word(&r, 0), at + 36);
        CHECK_EQ(pv_ring_waiting(&r), 16);
        for (uint32_t back = at + 4; back != at + 20; back++) { /* those are taken already */
            atomic_store(pv_ring_word(&r, 0), back);
            CHECK_EQ(pv_ring_waiting(&r), PV_RING_BROKEN);
        }
        atomic_store(pv_ring_word(&r, 0), at + 3);
        CHECK_EQ(pv_ring_waiting(&r), PV_RING_BROKEN);
    }
}

TEST(the_frontend_is_told_when_it_asked_and_not_before)
{
    struct pv_ring r = fresh(0);

    atomic_store(pv_ring_word(&r, 3), 2); /* its rsp_event */
    r.put = 1;
    CHECK(!pv_ring_push(&r));
    r.put = 3;
    CHECK(pv_ring_push(&r));
    CHECK(!pv_ring_push(&r));
    CHECK_EQ(atomic_load(pv_ring_word(&r, 2)), 3);
}
