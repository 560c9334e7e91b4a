/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest grants, copied in its memory as we map it: when it is, when Xen does it, and what moves. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "tests/guest/guest.h"
#include "tests/guest/net.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/simxen/store.h"
#include "tests/whole/run.h"
#include "tests/whole/wire.h"

#define END_MS 30000
#define MEMORY 0x2000000u
#define LENGTH 1500u
#define SLOTS GUEST_NET_SLOTS

static struct wire wire;
static struct guest_net_got got;
static struct wire_frame seen;
static const struct guest_net_config usual = { .memory = MEMORY, .sg = true };

static void open_pc(struct dm *dm, struct guest_net *n, struct dm_config *config)
{
    config->vcpus = 1;
    CHECK(wire_prepare());
    dm_open(dm, config);
    guest_net_add(n, 0, WIRE_TAP, NULL);
    CHECK(guest_pv_await(&n->pv, 2));
    CHECK(wire_open(&wire));
}

static void close_pc(struct dm *dm, struct guest_net *n)
{
    CHECK(guest_net_disconnect(n));
    wire_close(&wire);
    CHECK_EQ(simxen()->live_grants, 0);
    CHECK_EQ(dm_close(dm, SIGTERM, END_MS), 0);
}

static void make(uint8_t *frame, unsigned number, bool to_guest)
{
    static const uint8_t guest[6] = { 0, 0x16, 0x3e, 0, 0, 1 }, host[6] = { 2, 0, 0, 0, 0, 2 };

    memcpy(frame, to_guest ? guest : host, 6);
    memcpy(frame + 6, to_guest ? host : guest, 6);
    memcpy(frame + 12, "\x88\xb5", 2);
    for (unsigned i = 14; i < LENGTH; i++)
        frame[i] = (uint8_t)(i * 7 + number * 31 + (i >> 8) + to_guest);
}

/* A frame each way, as it was sent. */
static void pass(struct guest_net *n, unsigned number)
{
    uint8_t frame[LENGTH];

    make(frame, number, false);
    CHECK(guest_net_send(n, 0, frame, LENGTH, NULL));
    guest_net_kick(n, 0);
    CHECK(wire_receive(&wire, &seen, END_MS));
    CHECK_EQ(seen.length, LENGTH);
    CHECK_MEM(seen.bytes, frame, LENGTH);
    CHECK(guest_net_reap(n, 0, END_MS));
    make(frame, number, true);
    CHECK(wire_send(&wire, frame, LENGTH));
    CHECK(guest_net_receive(n, 0, &got, END_MS));
    CHECK(!got.failed);
    CHECK_EQ(got.length, LENGTH);
    CHECK_MEM(got.bytes, frame, LENGTH);
}

/* How many pieces Xen copied of frames that went each way. */
static unsigned by_xen(struct dm_config *config, void (*first)(void))
{
    unsigned before, copies;
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n, config);
    if (first)
        first();
    CHECK(guest_net_connect(&n, &usual));
    CHECK(wire_await());
    before = simxen()->seen.grant_copies;
    for (unsigned i = 0; i < 20; i++)
        pass(&n, i);
    copies = simxen()->seen.grant_copies - before;
    close_pc(&dm, &n);
    return copies;
}

static const char *const never[] = { "-x-reach", "off", NULL };

TEST(xen_is_not_asked_for_copies_unless_we_are_told_to)
{
    CHECK_EQ(by_xen(&(struct dm_config){ .more = NULL }, NULL), 0);
    CHECK_EQ(by_xen(&(struct dm_config){ .more = never }, NULL), 40);
}

static void set_second_table(void)
{
    simxen()->second_table = true;
}

TEST(a_table_of_the_second_version_is_left_to_xen)
{
    CHECK_EQ(by_xen(&(struct dm_config){ .more = NULL }, set_second_table), 40);
}

static void promise(const char *target)
{
    store_put("/local/domain/7/memory/static-max", "262144");
    store_put("/local/domain/7/memory/target", target);
    store_put("/local/domain/7/memory/videoram", "16384");
}

static void promise_more(void)
{
    promise("245756"); /* a frame too few */
}

static void promise_all(void)
{
    promise("245760");
}

TEST(frames_of_a_guest_that_is_populated_on_demand_are_left_alone)
{
    CHECK_EQ(by_xen(&(struct dm_config){ .before = promise_more }, NULL), 40);
    CHECK_EQ(by_xen(&(struct dm_config){ .before = promise_all }, NULL), 0);
}

TEST(nor_are_they_mapped_of_a_guest_whose_memory_nobody_tells_us_about)
{
    CHECK_EQ(by_xen(&(struct dm_config){ .attached = true }, NULL), 40);
}

/* Mapped ones would stay with us, and the host would not get them back. */
TEST(frames_that_are_given_up_are_let_go_of_by_threads_that_sleep)
{
    unsigned before, i;
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n, &(struct dm_config){ .more = NULL });
    CHECK(guest_net_connect(&n, &usual));
    CHECK(wire_await());
    before = simxen()->live_frames;
    pass(&n, 0);
    CHECK(simxen()->live_frames > before);
    guest_exchange(0, 0x1000000);
    for (i = 0; simxen()->live_frames > before && i < END_MS; i++)
        usleep(1000);
    CHECK(i < END_MS);
    pass(&n, 1);
    close_pc(&dm, &n);
}

/* All pages of both rings get other frames, which our side is told about; again and again. */
TEST(frames_that_the_guest_exchanges_are_found_anew)
{
    struct guest_net n;
    struct dm dm;

    open_pc(&dm, &n, &(struct dm_config){ .more = NULL });
    CHECK(guest_net_connect(&n, &usual));
    CHECK(wire_await());
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 3; i++)
            pass(&n, round * 3 + i);
        for (unsigned slot = 0; slot < SLOTS; slot++) {
            guest_exchange(0, n.queue[0].tx_pages + slot * SIMXEN_PAGE);
            guest_exchange(0, n.queue[0].rx_pages + slot * SIMXEN_PAGE);
        }
    }
    CHECK_EQ(simxen()->seen.grant_copies, 0);
    close_pc(&dm, &n);
}
