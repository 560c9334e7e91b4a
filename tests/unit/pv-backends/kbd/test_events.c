/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events on their way to the ring of a PV keyboard. */
#include <string.h>
#include "dm/base/bytes.h"
#include "pv-backends/kbd/events.h"
#include "tests/kit/check.h"

static _Alignas(4096) uint8_t page[4096];
static struct kbd_events e;

static void begin(void)
{
    memset(page, 0, sizeof(page));
    CHECK(kbd_begin(&e, page));
}

static void add(unsigned type, unsigned pressed, int a, int b, int c)
{
    kbd_add(&e, &(struct kbd_event){ (uint8_t)type, (uint8_t)pressed, a, b, c });
}

static const uint8_t *event(unsigned i)
{
    return page + 1024 + i % KBD_RING * KBD_EVENT;
}

TEST(events_lie_as_kbdif_has_them)
{
    static const uint8_t want[KBD_EVENT] = { 4, 0, 0, 0, 0x10, 0x27, 0, 0, 5, 0, 0, 0, 0xff, 0xff,
                                             0xff, 0xff };
    begin();
    memset(page + 1024, 0xee, 2048);
    add(KBD_KEY, 1, 30, 0, 0);
    add(KBD_POSITION, 0, 10000, 5, -1);
    CHECK_EQ(kbd_put(&e, page), 2);
    CHECK_EQ(get_le32(page + 4), 2);
    CHECK_EQ(event(0)[0], 3);
    CHECK_EQ(event(0)[1], 1);
    CHECK_EQ(get_le32(event(0) + 4), 30);
    CHECK_MEM(event(1), want, KBD_EVENT);
}

TEST(motions_join_while_they_wait_and_never_across_a_key)
{
    begin();
    add(KBD_MOTION, 0, 1, 2, 0);
    add(KBD_MOTION, 0, 10, -20, 1);
    add(KBD_KEY, 1, 30, 0, 0);
    add(KBD_POSITION, 0, 1, 2, 0);
    add(KBD_POSITION, 0, 10, 20, 1);
    add(KBD_MOTION, 0, INT32_MAX, 0, 0);
    add(KBD_MOTION, 0, 1, 0, 0); /* round, not undefined */
    CHECK_EQ(kbd_put(&e, page), 4);
    CHECK_EQ(get_le32(event(0) + 4), 11);
    CHECK_EQ((int32_t)get_le32(event(0) + 8), -18);
    CHECK_EQ(get_le32(event(2) + 4), 10);
    CHECK_EQ(get_le32(event(2) + 12), 1);
}

TEST(a_full_ring_waits_and_goes_on_where_it_was)
{
    begin();
    for (int i = 0; i < 60; i++)
        add(KBD_KEY, 1, i, 0, 0);
    CHECK_EQ(kbd_put(&e, page), KBD_RING);
    CHECK_EQ(kbd_put(&e, page), 0);
    put_le32(page, 3);
    CHECK_EQ(kbd_put(&e, page), 3);
    CHECK_EQ(get_le32(event(51) + 4), 51);
    CHECK_EQ(get_le32(event(3) + 4), 3);
    put_le32(page, 54);
    CHECK_EQ(kbd_put(&e, page), 6);
}

TEST(releases_are_kept_when_presses_are_lost)
{
    unsigned presses = 0, releases = 0;

    begin();
    for (int i = 0; i < 1000; i++)
        add(KBD_KEY, 1, i, 0, 0);
    for (int i = 0; i < 100; i++)
        add(KBD_KEY, 0, i, 0, 0);
    for (uint32_t at = 0; kbd_put(&e, page) > 0; put_le32(page, at))
        for (; at != get_le32(page + 4); at++) {
            presses += event(at)[1];
            releases += !event(at)[1];
        }
    CHECK_EQ(presses, KBD_WAITING / 2);
    CHECK_EQ(releases, 100);
}

TEST(indices_that_cannot_be_are_told)
{
    begin();
    add(KBD_KEY, 1, 30, 0, 0);
    put_le32(page, 1); /* read before it was there */
    CHECK_EQ(kbd_put(&e, page), -1);
    put_le32(page + 4, 52);
    put_le32(page, 0);
    CHECK(!kbd_begin(&e, page));
    put_le32(page, 0xfffffff0); /* round */
    put_le32(page + 4, 0x10);
    CHECK(kbd_begin(&e, page));
    add(KBD_KEY, 1, 30, 0, 0);
    CHECK_EQ(kbd_put(&e, page), 1);
}
