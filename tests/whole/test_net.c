/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames both ways through a tap, with the pretend drivers of both cards. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include "tests/guest/e1000.h"
#include "tests/guest/guest.h"
#include "tests/guest/rtl8139.h"
#include "tests/kit/check.h"
#include "tests/whole/run.h"
#include "tests/whole/wire.h"

#define NIC (3 << 3)
#define MEMORY 0x1000000
#define END_MS 30000
#define FRAMES 600 /* more than twice round a ring */

static void open_pc(struct dm *dm, struct wire *w, const char *model, bool stock)
{
    char device[96];
    const char *const more[] = { "-device", device, "-netdev",
                                 "type=tap,id=net0,ifname=" WIRE_TAP ",script=no,downscript=no",
                                 NULL };
    struct dm_config config = { .stock = stock, .vcpus = 2, .more = more };

    snprintf(device, sizeof(device), "%s,id=nic0,netdev=net0,mac=" WIRE_MAC ",addr=3", model);
    CHECK(wire_prepare());
    dm_open(dm, &config);
    CHECK(wire_open(w));
    guest_pci_setup();
}

static void close_pc(struct dm *dm, struct wire *w)
{
    wire_close(w);
    CHECK_EQ(dm_close(dm, SIGTERM, END_MS), 0);
}

static bool is_in_time(uint64_t start)
{
    return now_ns() - start < END_MS * 1000000ull;
}

static size_t make(uint8_t *frame, unsigned i, bool to_guest)
{
    size_t length = 60 + i * 7 % 1400;

    for (size_t k = 14; k < length; k++)
        frame[k] = (uint8_t)(i * 31 + k);
    memcpy(frame,
           to_guest ? "\x00\x16\x3e\x00\x00\x01\x02\x00\x00\x00\x00\x02\x88\xb5"
                    : "\x02\x00\x00\x00\x00\x02\x00\x16\x3e\x00\x00\x01\x88\xb5",
           14);
    return length;
}

static void expect_on_wire(struct wire *w, unsigned i)
{
    static struct wire_frame got;
    static uint8_t want[2048];
    size_t length = make(want, i, false);

    CHECK_EQ(wire_receive(w, &got, END_MS), length);
    CHECK_MEM(got.bytes, want, length);
}

static void e1000_both_ways(bool stock)
{
    uint8_t frame[2048];
    const uint8_t *got;
    struct guest_e1000 e;
    struct wire w;
    struct dm dm;
    uint64_t start;

    open_pc(&dm, &w, "e1000", stock);
    guest_e1000_open(&e, 0, NIC, MEMORY);
    for (unsigned i = 0; i < FRAMES; i++) {
        size_t length = make(frame, i, false), n = 0;

        CHECK(guest_e1000_send(&e, frame, length));
        guest_e1000_kick(&e);
        expect_on_wire(&w, i);
        start = now_ns();
        while (guest_e1000_reap(&e))
            CHECK(is_in_time(start));
        length = make(frame, i, true);
        CHECK(wire_send(&w, frame, length));
        while (!n && is_in_time(start))
            n = guest_e1000_receive(&e, &got);
        CHECK_EQ(n, length);
        CHECK_MEM(got, frame, length);
    }
    close_pc(&dm, &w);
}

static void rtl8139_both_ways(bool cplus, bool stock)
{
    uint8_t frame[2048], got[2048];
    struct guest_rtl8139 r;
    struct wire w;
    struct dm dm;
    uint64_t start;

    open_pc(&dm, &w, "rtl8139", stock);
    guest_rtl8139_open(&r, 0, NIC, MEMORY, cplus);
    for (unsigned i = 0; i < FRAMES; i++) {
        size_t length = make(frame, i, false), n = 0;

        CHECK(guest_rtl8139_send(&r, frame, length));
        guest_rtl8139_kick(&r);
        expect_on_wire(&w, i);
        start = now_ns();
        while (guest_rtl8139_reap(&r))
            CHECK(is_in_time(start));
        length = make(frame, i, true);
        CHECK(wire_send(&w, frame, length));
        while (!n && is_in_time(start))
            n = guest_rtl8139_receive(&r, got, sizeof(got));
        CHECK_EQ(n, length + 4); /* with FCS */
        CHECK_MEM(got, frame, length);
    }
    close_pc(&dm, &w);
}

TEST(e1000_sends_and_receives)
{
    e1000_both_ways(false);
}

TEST(rtl8139_sends_and_receives_as_the_older_chip)
{
    rtl8139_both_ways(false, false);
}

TEST(rtl8139_sends_and_receives_by_descriptors)
{
    rtl8139_both_ways(true, false);
}

/* That the pretend drivers do what real ones do, and not only what ours expects. */
TEST(the_drivers_work_on_stock_qemu_too)
{
    e1000_both_ways(true);
    rtl8139_both_ways(false, true);
    rtl8139_both_ways(true, true);
}
