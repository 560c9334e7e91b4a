/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two streams of a console page. */
#include <string.h>
#include "dm/base/bytes.h"
#include "pv-backends/console/stream.h"
#include "tests/kit/check.h"

static _Alignas(4096) uint8_t page[4096];
static uint8_t out[CONSOLE_OUT];
static struct console_stream s;

static void begin(uint32_t in, uint32_t from)
{
    memset(page, 0, sizeof(page));
    put_le32(page + 3072, in);
    put_le32(page + 3076, in);
    put_le32(page + 3080, from);
    put_le32(page + 3084, from);
    console_begin(&s, page);
}

TEST(bytes_go_round_the_rings_and_their_indices_too)
{
    uint8_t bytes[CONSOLE_IN];

    begin(0xffffff80, 0xfffffff0);
    for (unsigned i = 0; i < CONSOLE_OUT; i++)
        page[CONSOLE_IN + (0xfffffff0 + i) % CONSOLE_OUT] = (uint8_t)i;
    put_le32(page + 3084, 0xfffffff0 + CONSOLE_OUT);
    CHECK_EQ(console_take(&s, out), CONSOLE_OUT);
    for (unsigned i = 0; i < CONSOLE_OUT; i++)
        CHECK_EQ(out[i], (uint8_t)i);
    CHECK_EQ(get_le32(page + 3080), 0xfffffff0 + CONSOLE_OUT);
    CHECK_EQ(console_take(&s, out), 0);
    for (unsigned i = 0; i < CONSOLE_IN; i++)
        bytes[i] = (uint8_t)(i * 3);
    CHECK_EQ(console_room(&s), CONSOLE_IN);
    console_put(&s, bytes, CONSOLE_IN);
    CHECK_EQ(console_room(&s), 0);
    for (unsigned i = 0; i < CONSOLE_IN; i++)
        CHECK_EQ(page[(0xffffff80 + i) % CONSOLE_IN], bytes[i]);
    put_le32(page + 3072, 0xffffff80 + 7);
    CHECK_EQ(console_room(&s), 7);
}

TEST(what_the_guest_claims_is_judged)
{
    begin(5, 5);
    put_le32(page + 3084, 5 + CONSOLE_OUT + 1);
    CHECK_EQ(console_take(&s, out), SIZE_MAX);
    put_le32(page + 3084, 4);
    CHECK_EQ(console_take(&s, out), SIZE_MAX);
    put_le32(page + 3072, 6);
    CHECK_EQ(console_room(&s), SIZE_MAX);
}

TEST(our_own_indices_are_not_read_back)
{
    begin(0, 0);
    put_le32(page + 3080, 0x12345678);
    put_le32(page + 3076, 0x12345678);
    put_le32(page + 3084, 4);
    CHECK_EQ(console_take(&s, out), 4);
    CHECK_EQ(get_le32(page + 3080), 4);
    CHECK_EQ(console_room(&s), CONSOLE_IN);
}
