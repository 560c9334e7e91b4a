/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PS/2 mouse through the controller: knocks, packets, what adds up while nobody reads. */
#include "devices/input/ps2.h"
#include "tests/unit/devices/input/i8042_bench.h"

static void say(struct kbd *k, uint8_t byte)
{
    mouse(k, byte);
    expect_mouse(k, 0xfa);
}

static void rate(struct kbd *k, uint8_t value)
{
    say(k, 0xf3);
    say(k, value);
}

static void open_enabled(struct kbd *k)
{
    kbd_open(k);
    say(k, 0xf4);
}

static void knock(struct kbd *k)
{
    rate(k, 200);
    rate(k, 100);
    rate(k, 80);
}

TEST(reset_passes_its_test_and_tells_a_plain_mouse)
{
    struct kbd k;

    kbd_open(&k);
    mouse(&k, 0xff);
    expect_mouse(&k, 0xfa, 0xaa, 0x00);
    mouse(&k, 0xf2);
    expect_mouse(&k, 0xfa, 0x00);
    mouse(&k, 0x01);
    expect_mouse(&k, 0xfe);
    kbd_close(&k);
}

TEST(the_knocks_find_a_wheel_and_then_five_buttons)
{
    struct kbd k;

    kbd_open(&k);
    knock(&k);
    mouse(&k, 0xf2);
    expect_mouse(&k, 0xfa, 0x03);
    rate(&k, 200);
    rate(&k, 200);
    rate(&k, 80);
    mouse(&k, 0xf2);
    expect_mouse(&k, 0xfa, 0x04);
    mouse(&k, 0xff);
    expect_mouse(&k, 0xfa, 0xaa, 0x00);
    mouse(&k, 0xf2);
    expect_mouse(&k, 0xfa, 0x00);
    rate(&k, 200); /* five buttons without the wheel first: no */
    rate(&k, 200);
    rate(&k, 80);
    mouse(&k, 0xf2);
    expect_mouse(&k, 0xfa, 0x00);
    kbd_close(&k);
}

TEST(status_tells_what_was_set)
{
    struct kbd k;

    open_enabled(&k);
    rate(&k, 40);
    say(&k, 0xe8);
    say(&k, 3);
    say(&k, 0xe7);
    move(&k, 0, 0, INPUT_LEFT | INPUT_RIGHT);
    mouse(&k, 0xe9); /* drops the packet that waited behind the one in the buffer */
    CHECK_EQ(get(&k), 0x0b);
    expect_mouse(&k, 0xfa, 0x35, 3, 40);
    say(&k, 0xe6);
    say(&k, 0xf0);
    mouse(&k, 0xe9);
    expect_mouse(&k, 0xfa, 0x65, 3, 40);
    say(&k, 0xf6);
    mouse(&k, 0xe9);
    expect_mouse(&k, 0xfa, 0x05, 2, 100);
    kbd_close(&k);
}

TEST(motion_is_signed_with_y_going_up)
{
    struct kbd k;

    open_enabled(&k);
    move(&k, 5, 3, 0);
    expect_mouse(&k, 0x28, 5, 0xfd);
    move(&k, -5, -3, 0);
    expect_mouse(&k, 0x18, 0xfb, 3);
    kbd_close(&k);
}

TEST(buttons_are_told_as_they_change)
{
    static const struct { unsigned held; uint8_t first; } steps[] = {
        { INPUT_LEFT, 0x09 }, { INPUT_LEFT | INPUT_RIGHT, 0x0b }, { INPUT_MIDDLE, 0x0c },
        { 0, 0x08 },
    };
    struct kbd k;

    open_enabled(&k);
    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
        move(&k, 0, 0, steps[i].held);
        expect_mouse(&k, steps[i].first, 0, 0);
        move(&k, 0, 0, steps[i].held); /* nothing new */
        CHECK_EQ(status(&k) & OBF, 0);
    }
    kbd_close(&k);
}

TEST(long_motion_takes_several_packets)
{
    struct kbd k;

    open_enabled(&k);
    move(&k, 300, 0, 0);
    expect_mouse(&k, 0x08, 127, 0, 0x08, 127, 0, 0x08, 46, 0);
    kbd_close(&k);
}

TEST(motion_nobody_reads_adds_up_and_is_not_lost)
{
    struct kbd k;
    int x = 0;

    open_enabled(&k);
    for (int i = 0; i < 1000; i++)
        move(&k, 7, 0, 0);
    while (status(&k) & OBF) {
        get(&k);
        x += get(&k);
        get(&k);
    }
    CHECK_EQ(x, 7000);
    for (int i = 0; i < 100; i++)
        move(&k, 2000000000, -2000000000, 0); /* it ends somewhere, and nothing overflows */
    kbd_close(&k);
}

TEST(the_wheel_turns_in_a_fourth_byte_once_it_was_asked_for)
{
    struct kbd k;

    open_enabled(&k);
    wheel(&k, 1); /* a plain mouse has none */
    CHECK_EQ(status(&k) & OBF, 0);
    knock(&k);
    wheel(&k, 1);
    expect_mouse(&k, 0x08, 0, 0, 0xff); /* away from the user is negative on the wire */
    wheel(&k, -1);
    expect_mouse(&k, 0x08, 0, 0, 0x01);
    wheel(&k, 10); /* more than a packet holds */
    expect_mouse(&k, 0x08, 0, 0, 0xf9, 0x08, 0, 0, 0xfd);
    kbd_close(&k);
}

TEST(five_buttons_share_the_byte_with_the_wheel)
{
    struct kbd k;

    open_enabled(&k);
    knock(&k);
    rate(&k, 200);
    rate(&k, 200);
    rate(&k, 80);
    move(&k, 0, 0, INPUT_SIDE);
    expect_mouse(&k, 0x08, 0, 0, 0x10);
    move(&k, 0, 0, INPUT_EXTRA);
    expect_mouse(&k, 0x08, 0, 0, 0x20);
    wheel(&k, 1);
    expect_mouse(&k, 0x08, 0, 0, 0x2f);
    kbd_close(&k);
}

TEST(a_mouse_that_is_not_enabled_says_nothing_and_forgets_motion)
{
    struct kbd k;

    kbd_open(&k);
    move(&k, 9, 9, 0);
    CHECK_EQ(status(&k) & OBF, 0);
    say(&k, 0xf4);
    CHECK_EQ(status(&k) & OBF, 0);
    say(&k, 0xf5);
    move(&k, 9, 9, INPUT_LEFT);
    CHECK_EQ(status(&k) & OBF, 0);
    kbd_close(&k);
}

TEST(remote_mode_tells_only_when_asked)
{
    struct kbd k;

    open_enabled(&k);
    say(&k, 0xf0);
    move(&k, 4, -2, INPUT_RIGHT);
    CHECK_EQ(status(&k) & OBF, 0);
    mouse(&k, 0xeb);
    expect_mouse(&k, 0xfa, 0x0a, 4, 2);
    say(&k, 0xea);
    move(&k, 1, 0, INPUT_RIGHT);
    expect_mouse(&k, 0x0a, 1, 0);
    kbd_close(&k);
}

TEST(wrap_mode_echoes_everything_but_its_end_and_reset)
{
    struct kbd k;

    open_enabled(&k);
    say(&k, 0xee);
    mouse(&k, 0x42);
    expect_mouse(&k, 0x42);
    mouse(&k, 0xf4);
    expect_mouse(&k, 0xf4);
    move(&k, 1, 1, 0);
    CHECK_EQ(status(&k) & OBF, 0);
    mouse(&k, 0xec);
    CHECK_EQ(get(&k), 0xfa);
    mouse(&k, 0xee);
    while (status(&k) & OBF)
        get(&k);
    mouse(&k, 0xff);
    expect_mouse(&k, 0xfa, 0xaa, 0x00);
    kbd_close(&k);
}

TEST(the_last_byte_is_sent_again_on_request)
{
    struct kbd k;

    kbd_open(&k);
    mouse(&k, 0xf2);
    expect_mouse(&k, 0xfa, 0x00);
    mouse(&k, 0xfe);
    expect_mouse(&k, 0x00);
    kbd_close(&k);
}
