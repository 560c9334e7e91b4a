/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The USB devices, enumerated as Linux and Windows do it, and what they report. */
#include "devices/usb/hid.h"
#include "tests/unit/devices/usb/uhci_bench.h"

static const char *const kinds[] = { "tablet", "mouse", "keyboard" };

/* ---- Enumeration ---- */

static void walk_config(const uint8_t *d, int n, unsigned report_length, uint8_t subclass)
{
    int types = 0;

    CHECK_EQ(d[0], 9);
    CHECK_EQ(get_le16(d + 2), n);
    for (int at = 0; at < n; at += d[at]) {
        CHECK(d[at] >= 2);
        types = types * 256 + d[at + 1];
        if (d[at + 1] == 4)
            CHECK_EQ(d[at + 6], subclass);
        if (d[at + 1] == 0x21)
            CHECK_EQ(get_le16(d + at + 7), report_length);
        if (d[at + 1] == 5)
            CHECK_EQ(d[at + 2], 0x81);
    }
    CHECK_EQ(types, 0x02042105);
}

/* Linux: 64 bytes of the device descriptor at address 0, reset, address, then all of it. */
static void enumerate_as_linux(struct usb *u, unsigned kind)
{
    uint8_t d[256];
    int report;

    u->depth = 0;
    port_reset(u, 0);
    CHECK_EQ(request(u, 0, 0x80, 6, 0x0100, 0, 64, d), 18);
    CHECK_EQ(d[7], 8); /* packets of eight bytes */
    port_reset(u, 0);
    CHECK_EQ(request(u, 0, 0x00, 5, 2, 0, 0, NULL), 0);
    CHECK_EQ(request(u, 2, 0x80, 6, 0x0100, 0, 18, d), 18);
    CHECK_EQ(d[1], 1);
    CHECK_EQ(d[17], 1);
    CHECK_EQ(request(u, 2, 0x80, 6, 0x0200, 0, 9, d), 9);
    CHECK_EQ(get_le16(d + 2), 34);
    report = request(u, 2, 0x81, 6, 0x2200, 0, 256, d);
    CHECK(report > 30);
    CHECK_EQ(request(u, 2, 0x80, 6, 0x0200, 0, 34, d), 34);
    walk_config(d, 34, (unsigned)report, kind == 0 ? 0 : 1);
    CHECK_EQ(request(u, 2, 0x80, 6, 0x0300, 0, 255, d), 4); /* languages */
    CHECK_EQ(get_le16(d + 2), 0x0409);
    CHECK(request(u, 2, 0x80, 6, 0x0302, 0x0409, 255, d) > 4);
    CHECK_EQ(d[2], 'U');
    CHECK_EQ(request(u, 2, 0x80, 6, 0x0309, 0x0409, 255, d), -1);
    CHECK_EQ(request(u, 2, 0x00, 9, 1, 0, 0, NULL), 0);
    CHECK_EQ(request(u, 2, 0x21, 10, 0, 0, 0, NULL), 0); /* SET_IDLE */
}

TEST(linux_enumerates_every_device)
{
    for (unsigned kind = 0; kind < 3; kind++) {
        struct usb u;

        usb_open(&u, kinds[kind]);
        enumerate_as_linux(&u, kind);
        usb_close(&u);
    }
}

/* Windows: 18 bytes asked with 64, no configuration until 255 bytes of it were read; depth first. */
TEST(windows_enumerates_every_device)
{
    for (unsigned kind = 0; kind < 3; kind++) {
        struct usb u;
        uint8_t d[256];

        usb_open(&u, kinds[kind]);
        port_reset(&u, 0);
        CHECK_EQ(request(&u, 0, 0x80, 6, 0x0100, 0, 64, d), 18);
        port_reset(&u, 0);
        CHECK_EQ(request(&u, 0, 0x00, 5, 1, 0, 0, NULL), 0);
        CHECK_EQ(request(&u, 1, 0x80, 6, 0x0100, 0, 18, d), 18);
        CHECK_EQ(request(&u, 1, 0x80, 6, 0x0200, 0, 255, d), 34);
        CHECK_EQ(request(&u, 1, 0x80, 6, 0x0600, 0, 10, d), -1); /* no other speed */
        CHECK_EQ(request(&u, 1, 0x80, 0, 0, 0, 2, d), 2);
        CHECK_EQ(get_le16(d), 0);
        CHECK_EQ(request(&u, 1, 0x00, 9, 1, 0, 0, NULL), 0);
        CHECK_EQ(request(&u, 1, 0x80, 8, 0, 0, 1, d), 1);
        CHECK_EQ(d[0], 1);
        CHECK_EQ(request(&u, 1, 0x21, 10, 0, 0, 0, NULL), 0);
        CHECK(request(&u, 1, 0x81, 6, 0x2200, 0, 255, d) > 30);
        usb_close(&u);
    }
}

TEST(two_devices_live_side_by_side)
{
    struct usb u;
    uint8_t report[8];

    usb_open(&u, "tablet keyboard");
    enumerate(&u, 0, 1);
    enumerate(&u, 1, 2);
    input_key(u.input, KEY_Z, true);
    input_pointer_abs(u.input, 7, 9, 0);
    CHECK_EQ(fetch_report(&u, 2, report), 8);
    CHECK_EQ(report[2], 0x1d);
    CHECK_EQ(fetch_report(&u, 1, report), 6);
    CHECK_EQ(get_le16(report + 1), 7);
    usb_close(&u);
}

TEST(the_new_address_counts_only_after_the_status_stage)
{
    static const uint8_t setup[8] = { 0x00, 5, 7 };
    struct usb u;
    uint32_t td;
    uint8_t d[8];

    usb_open(&u, "mouse");
    port_reset(&u, 0);
    pc_poke(&u.pc, BUFFER, setup, 8);
    td = td_make(&u, END, ACTIVE, token(PID_SETUP, 0, 0, 8), BUFFER);
    put32(&u, QH_CTRL + 4, td);
    frames(&u, 2);
    td = td_make(&u, END, ACTIVE, token(PID_IN, 0, 0, 0), 0);
    put32(&u, QH_CTRL + 4, td);
    frames(&u, 2);
    CHECK_EQ(td_status(&u, td) & STATUS_BITS, 0);
    CHECK_EQ(request(&u, 7, 0x80, 8, 0, 0, 1, d), 1);
    usb_close(&u);
}

TEST(requests_it_does_not_know_are_stalled_and_the_next_one_works)
{
    static const struct { uint8_t type, req; uint16_t value, length; } wrong[] = {
        { 0x80, 99, 0, 8 },  { 0x00, 99, 0, 0 }, { 0x00, 9, 2, 0 },   { 0x01, 11, 1, 0 },
        { 0x00, 3, 2, 0 },   { 0xc0, 1, 0, 8 },  { 0x80, 6, 0x0900, 8 }, { 0x80, 6, 0x0201, 8 },
    };
    struct usb u;
    uint8_t d[8];

    usb_open(&u, "mouse");
    enumerate(&u, 0, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        CHECK_EQ(request(&u, 1, wrong[i].type, wrong[i].req, wrong[i].value, 0, wrong[i].length, d),
                 -1);
        CHECK_EQ(request(&u, 1, 0x80, 8, 0, 0, 1, d), 1);
    }
    usb_close(&u);
}

TEST(absurd_setup_lengths_move_no_more_than_there_is)
{
    struct usb u;
    uint8_t d[512] = { 0 };

    usb_open(&u, "keyboard");
    enumerate(&u, 0, 1);
    CHECK_EQ(request(&u, 1, 0x80, 6, 0x0100, 0, 255, d), 18);
    CHECK_EQ(request(&u, 1, 0x21, 9, 0x0200, 0, 300, d), -1); /* a report longer than any */
    CHECK_EQ(request(&u, 1, 0x80, 8, 0, 0, 1, d), 1);
    CHECK_EQ(request(&u, 1, 0x80, 6, 0x0100, 0, 0, d), 0);
    usb_close(&u);
}

/* XSA-335: a length that was refused must not live on into a data stage that comes all the same. */
TEST(xsa_335_a_data_stage_after_a_refused_setup_moves_nothing)
{
    static const struct { uint8_t type, req; uint16_t value; } setups[] = {
        { 0x80, 6, 0x0100 }, { 0x21, 9, 0x0200 }, { 0xa1, 1, 0x0100 }, { 0x00, 99, 0 }, { 0xc0, 99, 0 },
    };
    struct usb u;

    usb_open(&u, "keyboard");
    enumerate(&u, 0, 1);
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(setups); i++) {
        uint8_t setup[8] = { setups[i / 2].type, setups[i / 2].req };
        uint32_t td = td_make(&u, END, ACTIVE, token(PID_SETUP, 1, 0, 8), BUFFER);
        unsigned moved = 0;

        put_le16(setup + 2, setups[i / 2].value);
        put_le16(setup + 6, 0xffff);
        pc_poke(&u.pc, BUFFER, setup, 8);
        put32(&u, QH_CTRL + 4, td);
        frames(&u, 2);
        for (unsigned k = 0; k < 200; k++) { /* 12 KiB, in both directions */
            u.td = 1;
            td = td_make(&u, END, ACTIVE, token(i & 1 ? PID_IN : PID_OUT, 1, 0, 64), BUFFER + 64);
            put32(&u, QH_CTRL + 4, td);
            frames(&u, 2);
            moved += td_status(&u, td) & STALLED ? 0 : td_actual(&u, td);
        }
        CHECK(moved <= 256); /* the longest there is: a descriptor, a report */
        u.td = 0;
    }
    CHECK_EQ(request(&u, 1, 0x80, 8, 0, 0, 1, (uint8_t[1]){ 0 }), 1);
    usb_close(&u);
}

TEST(a_halted_endpoint_stalls_until_it_is_cleared)
{
    struct usb u;
    uint8_t report[8], d[2];
    uint32_t td;

    usb_open(&u, "keyboard");
    enumerate(&u, 0, 1);
    CHECK_EQ(request(&u, 1, 0x02, 3, 0, 0x81, 0, NULL), 0);
    CHECK_EQ(request(&u, 1, 0x82, 0, 0, 0x81, 2, d), 2);
    CHECK_EQ(d[0], 1);
    input_key(u.input, KEY_A, true);
    td = ask_report(&u, 1, 0);
    frames(&u, 3);
    CHECK_EQ(td_status(&u, td) & STATUS_BITS, STALLED);
    CHECK_EQ(request(&u, 1, 0x02, 1, 0, 0x81, 0, NULL), 0);
    CHECK_EQ(fetch_report(&u, 1, report), 8);
    usb_close(&u);
}

TEST(an_unconfigured_device_reports_nothing)
{
    struct usb u;
    uint32_t td;

    usb_open(&u, "keyboard");
    port_reset(&u, 0);
    input_key(u.input, KEY_A, true);
    td = ask_report(&u, 0, 0);
    frames(&u, 3);
    CHECK_EQ(td_status(&u, td) & STATUS_BITS, STALLED);
    usb_close(&u);
}

/* ---- Reports ---- */

TEST(the_tablet_reports_position_buttons_and_wheel)
{
    struct usb u;
    uint8_t r[8];

    usb_open(&u, "tablet");
    enumerate(&u, 0, 1);
    CHECK(input_wants_abs(u.input));
    CHECK_EQ(fetch_report(&u, 1, r), -1);
    input_pointer_abs(u.input, 0x1234, 0x7fff, INPUT_LEFT | INPUT_EXTRA);
    CHECK_EQ(fetch_report(&u, 1, r), 6);
    CHECK_MEM(r, "\x11\x34\x12\xff\x7f\x00", 6);
    input_wheel(u.input, -2);
    CHECK_EQ(fetch_report(&u, 1, r), 6);
    CHECK_MEM(r, "\x11\x34\x12\xff\x7f\xfe", 6); /* it stays where it is */
    CHECK_EQ(fetch_report(&u, 1, r), -1);
    usb_close(&u);
}

TEST(motion_nobody_fetched_is_the_last_position_but_clicks_are_kept_apart)
{
    struct usb u;
    uint8_t r[8];

    usb_open(&u, "tablet");
    enumerate(&u, 0, 1);
    for (unsigned x = 0; x < 100; x++)
        input_pointer_abs(u.input, x, 0, 0);
    input_pointer_abs(u.input, 99, 0, INPUT_LEFT);
    input_pointer_abs(u.input, 99, 0, 0);
    pc_settle(&u.pc);
    CHECK_EQ(fetch_report(&u, 1, r), 6);
    CHECK_MEM(r, "\x00\x63\x00", 3);
    CHECK_EQ(fetch_report(&u, 1, r), 6);
    CHECK_MEM(r, "\x01\x63\x00", 3);
    CHECK_EQ(fetch_report(&u, 1, r), 6);
    CHECK_MEM(r, "\x00\x63\x00", 3);
    CHECK_EQ(fetch_report(&u, 1, r), -1);
    for (unsigned i = 0; i < 200; i++) /* more clicks than there is room for */
        input_pointer_abs(u.input, i, 0, i & 1 ? INPUT_LEFT : 0);
    pc_settle(&u.pc);
    for (unsigned i = 0; fetch_report(&u, 1, r) > 0; i++)
        CHECK(i < 16);
    CHECK_EQ(r[1], 199);
    CHECK_EQ(r[0], 1); /* what is held at the end is right */
    usb_close(&u);
}

TEST(the_mouse_adds_up_and_splits_long_motion)
{
    struct usb u;
    uint8_t r[8];

    usb_open(&u, "mouse");
    enumerate(&u, 0, 1);
    input_pointer_rel(u.input, 100, -5, 0);
    input_pointer_rel(u.input, 100, -5, 0);
    CHECK_EQ(fetch_report(&u, 1, r), 4);
    CHECK_MEM(r, "\x00\x7f\xf6\x00", 4);
    CHECK_EQ(fetch_report(&u, 1, r), 4);
    CHECK_MEM(r, "\x00\x49\x00\x00", 4);
    CHECK_EQ(fetch_report(&u, 1, r), -1);
    input_wheel(u.input, 1);
    CHECK_EQ(fetch_report(&u, 1, r), 4);
    CHECK_MEM(r, "\x00\x00\x00\x01", 4);
    usb_close(&u);
}

TEST(in_boot_protocol_the_mouse_sends_three_bytes)
{
    struct usb u;
    uint8_t r[8], d[1];

    usb_open(&u, "mouse");
    enumerate(&u, 0, 1);
    CHECK_EQ(request(&u, 1, 0xa1, 3, 0, 0, 1, d), 1);
    CHECK_EQ(d[0], 1);
    CHECK_EQ(request(&u, 1, 0x21, 11, 0, 0, 0, NULL), 0);
    input_pointer_rel(u.input, 1, 2, INPUT_MIDDLE);
    CHECK_EQ(fetch_report(&u, 1, r), 3);
    CHECK_MEM(r, "\x04\x01\x02", 3);
    usb_close(&u);
}

TEST(the_keyboard_reports_modifiers_and_up_to_six_keys)
{
    static const unsigned keys[] = { KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G };
    struct usb u;
    uint8_t r[8];

    usb_open(&u, "keyboard");
    enumerate(&u, 0, 1);
    input_key(u.input, KEY_LEFTSHIFT, true);
    CHECK_EQ(fetch_report(&u, 1, r), 8);
    CHECK_MEM(r, "\x02\0\0\0\0\0\0\0", 8);
    for (unsigned i = 0; i < 7; i++) {
        input_key(u.input, keys[i], true);
        CHECK_EQ(fetch_report(&u, 1, r), 8);
    }
    CHECK_MEM(r, "\x02\x00\x04\x05\x06\x07\x08\x09", 8); /* the seventh is lost */
    input_key(u.input, KEY_B, false);
    CHECK_EQ(fetch_report(&u, 1, r), 8);
    CHECK_MEM(r, "\x02\x00\x04\x06\x07\x08\x09\x00", 8);
    input_key(u.input, KEY_LEFTSHIFT, false);
    input_key(u.input, KEY_RIGHTMETA, true);
    CHECK_EQ(fetch_report(&u, 1, r), 8);
    CHECK_EQ(r[0], 0x00);
    CHECK_EQ(fetch_report(&u, 1, r), 8);
    CHECK_EQ(r[0], 0x80);
    usb_close(&u);
}

TEST(a_quick_press_and_release_are_two_reports)
{
    struct usb u;
    uint8_t r[8];

    usb_open(&u, "keyboard");
    enumerate(&u, 0, 1);
    input_key(u.input, KEY_ENTER, true);
    input_key(u.input, KEY_ENTER, false);
    pc_settle(&u.pc);
    CHECK_EQ(fetch_report(&u, 1, r), 8);
    CHECK_EQ(r[2], 0x28);
    CHECK_EQ(fetch_report(&u, 1, r), 8);
    CHECK_EQ(r[2], 0x00);
    CHECK_EQ(fetch_report(&u, 1, r), -1);
    usb_close(&u);
}

TEST(no_key_stays_down_after_a_flood_nobody_read)
{
    struct usb u;
    uint8_t r[8] = { 0 };

    usb_open(&u, "keyboard");
    enumerate(&u, 0, 1);
    for (unsigned i = 0; i < 101; i++) {
        input_key(u.input, KEY_A + i % 9, true);
        input_key(u.input, KEY_A + i % 9, false);
    }
    pc_settle(&u.pc);
    while (fetch_report(&u, 1, r) > 0)
        ;
    CHECK_MEM(r, "\0\0\0\0\0\0\0\0", 8);
    for (unsigned i = 0; i < 40; i++) /* the queue is full when the release comes */
        input_key(u.input, KEY_LEFTSHIFT, true);
    input_key(u.input, KEY_LEFTSHIFT, false);
    pc_settle(&u.pc);
    while (fetch_report(&u, 1, r) > 0)
        ;
    CHECK_EQ(r[0], 0);
    usb_close(&u);
}

TEST(leds_set_by_a_report_reach_the_people)
{
    struct usb u;
    uint8_t leds = 0x03; /* num and caps */

    usb_open(&u, "keyboard");
    enumerate(&u, 0, 1);
    CHECK_EQ(request(&u, 1, 0x21, 9, 0x0200, 0, 1, &leds), 1);
    CHECK_EQ(input_leds(u.input), 6); /* scroll, num, caps from bit 0 */
    usb_close(&u);
}

TEST(get_report_answers_on_the_control_pipe)
{
    struct usb u;
    uint8_t r[8];

    usb_open(&u, "tablet");
    enumerate(&u, 0, 1);
    input_pointer_abs(u.input, 5, 6, 0);
    pc_settle(&u.pc);
    CHECK_EQ(request(&u, 1, 0xa1, 1, 0x0100, 0, 8, r), 6);
    CHECK_EQ(get_le16(r + 1), 5);
    CHECK_EQ(request(&u, 1, 0xa1, 1, 0x0100, 0, 8, r), 6);
    CHECK_EQ(get_le16(r + 3), 6); /* where it was, though nothing is new */
    usb_close(&u);
}

TEST(a_bus_reset_takes_address_and_configuration_and_the_pointer_away)
{
    struct usb u;
    uint8_t d[1];

    usb_open(&u, "tablet");
    enumerate(&u, 0, 4);
    port_reset(&u, 0);
    CHECK_EQ(request(&u, 4, 0x80, 8, 0, 0, 1, d), -1);
    CHECK_EQ(request(&u, 0, 0x80, 8, 0, 0, 1, d), 1);
    CHECK_EQ(d[0], 0);
    usb_close(&u);
}

TEST(every_key_of_a_keyboard_has_a_usage_of_its_own)
{
    uint8_t seen[256] = { 0 };

    for (unsigned key = 1; key <= KEY_COMPOSE; key++) {
        uint8_t usage = hid_usage(key);

        if (key == 84 || !usage)
            continue;
        CHECK(!seen[usage]);
        seen[usage] = 1;
    }
    for (unsigned key = KEY_ESC; key <= KEY_F10; key++)
        CHECK(hid_usage(key) != 0);
    CHECK_EQ(hid_usage(0), 0);
    CHECK_EQ(hid_usage(100000), 0);
}
