/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keyboard controller and its keyboard, as SeaBIOS and Linux drive them. */
#include "devices/input/ps2.h"
#include "tests/unit/devices/input/i8042_bench.h"

/* ---- The controller ---- */

TEST(linux_and_seabios_find_a_working_controller)
{
    struct kbd k;

    kbd_open(&k);
    CHECK_EQ(status(&k), 0x10); /* empty, unlocked, not yet tested */
    command(&k, 0xaa);
    CHECK_EQ(get(&k), 0x55);
    CHECK_EQ(status(&k) & 0x0c, 0x0c); /* system flag, and the last byte was a command */
    command(&k, 0xab);
    CHECK_EQ(get(&k), 0x00);
    command(&k, 0xa9);
    CHECK_EQ(get(&k), 0x00);
    command(&k, 0xa4);
    CHECK_EQ(get(&k), 0xf1);
    command(&k, 0xc0);
    CHECK_EQ(get(&k), 0x80);
    data(&k, 0xee);
    CHECK_EQ(status(&k) & 0x08, 0);
    kbd_close(&k);
}

TEST(the_command_byte_and_its_ram_read_back)
{
    struct kbd k;

    kbd_open(&k);
    command(&k, 0x20);
    CHECK_EQ(get(&k), MODE_DEFAULT);
    set_mode(&k, 0x47);
    command(&k, 0x20);
    CHECK_EQ(get(&k), 0x47);
    for (uint8_t i = 1; i < 32; i++) {
        command(&k, 0x60 + i);
        data(&k, (uint8_t)(i * 5));
    }
    for (uint8_t i = 1; i < 32; i++) {
        command(&k, 0x20 + i);
        CHECK_EQ(get(&k), i * 5);
    }
    kbd_close(&k);
}

/* Linux, i8042_check_aux(): the AUX buffer loops back; then A7 and A8 move bit 5. */
TEST(linux_finds_the_mouse_port)
{
    struct kbd k;

    kbd_open(&k);
    command(&k, 0xd3);
    data(&k, 0x5a);
    CHECK_EQ(status(&k) & (OBF | AUX), OBF | AUX);
    CHECK(k.pc.isa[12]);
    CHECK_EQ(get(&k), 0x5a);
    command(&k, 0xa7);
    command(&k, 0x20);
    CHECK_EQ(get(&k) & 0x20, 0x20);
    command(&k, 0xa8);
    command(&k, 0x20);
    CHECK_EQ(get(&k) & 0x20, 0);
    kbd_close(&k);
}

TEST(a_byte_that_waits_keeps_its_sender_whatever_is_answered_next)
{
    struct kbd k;

    kbd_open(&k);
    command(&k, 0xd3);
    data(&k, 0x5a);
    command(&k, 0x20); /* its answer waits behind the mouse's byte */
    CHECK_EQ(status(&k) & (OBF | AUX), OBF | AUX);
    CHECK(k.pc.isa[12] && !k.pc.isa[1]);
    CHECK_EQ(get(&k), 0x5a);
    CHECK_EQ(status(&k) & (OBF | AUX), OBF);
    CHECK(!k.pc.isa[12] && k.pc.isa[1]);
    CHECK_EQ(get(&k), MODE_DEFAULT);
    kbd_close(&k);
}

TEST(a_byte_put_into_the_keyboards_buffer_comes_back_as_its_own)
{
    struct kbd k;

    kbd_open(&k);
    command(&k, 0xd2);
    data(&k, 0x77);
    CHECK(k.pc.isa[1]);
    expect(&k, 0x77);
    CHECK(!k.pc.isa[1]);
    kbd_close(&k);
}

TEST(interrupts_follow_the_buffer_and_the_mode)
{
    struct kbd k;

    kbd_open(&k);
    set_mode(&k, 0x02); /* the mouse's only */
    data(&k, 0xee);
    CHECK(!k.pc.isa[1]);
    set_mode(&k, 0x01);
    CHECK(k.pc.isa[1]);
    CHECK_EQ(get(&k), 0xee);
    CHECK(!k.pc.isa[1]);
    mouse(&k, 0xf2);
    CHECK(!k.pc.isa[12]);
    set_mode(&k, 0x03);
    CHECK(k.pc.isa[12]);
    expect_mouse(&k, 0xfa, 0x00);
    CHECK(!k.pc.isa[12]);
    kbd_close(&k);
}

TEST(each_byte_of_several_is_an_edge_of_its_own)
{
    struct kbd k;
    unsigned before;

    kbd_open(&k);
    before = k.pc.isa_edges[1];
    data(&k, 0xf2); /* three bytes */
    expect(&k, 0xfa, 0xab, 0x83);
    CHECK_EQ(k.pc.isa_edges[1] - before, 3);
    kbd_close(&k);
}

TEST(resets_by_pulse_and_by_output_port_reach_the_machine)
{
    struct kbd k;

    kbd_open(&k);
    command(&k, 0xfe);
    CHECK_EQ(k.pc.resets, 1);
    command(&k, 0xff); /* pulses nothing */
    command(&k, 0xf1);
    CHECK_EQ(k.pc.resets, 1);
    command(&k, 0xd1);
    data(&k, 0xcf);
    CHECK_EQ(k.pc.resets, 1);
    command(&k, 0xd1);
    data(&k, 0xce);
    CHECK_EQ(k.pc.resets, 2);
    kbd_close(&k);
}

TEST(the_output_port_shows_a20_and_the_interrupt_lines)
{
    struct kbd k;

    kbd_open(&k);
    command(&k, 0xd0);
    CHECK_EQ(get(&k) & 0x33, 0x03);
    command(&k, 0xdd);
    command(&k, 0xd0);
    CHECK_EQ(get(&k) & 0x02, 0x00);
    command(&k, 0xdf);
    data(&k, 0xee); /* the keyboard's line goes up */
    command(&k, 0xd0);
    CHECK_EQ(get(&k), 0xee);
    CHECK_EQ(get(&k) & 0x12, 0x12); /* as it was when asked */
    kbd_close(&k);
}

TEST(a_disabled_port_keeps_its_bytes)
{
    struct kbd k;

    kbd_open(&k);
    command(&k, 0xad);
    key(&k, KEY_A, true);
    CHECK_EQ(status(&k) & OBF, 0);
    command(&k, 0xae);
    expect(&k, 0x1c);
    command(&k, 0xad);
    data(&k, 0xee); /* talking to the keyboard enables it */
    expect(&k, 0xee);
    mouse(&k, 0xf4);
    expect_mouse(&k, 0xfa);
    command(&k, 0xa7);
    move(&k, 1, 0, 0);
    CHECK_EQ(status(&k) & OBF, 0);
    command(&k, 0xa8);
    expect_mouse(&k, 0x08, 0x01, 0x00);
    kbd_close(&k);
}

TEST(an_awaited_argument_is_forgotten_when_another_command_comes)
{
    struct kbd k;

    kbd_open(&k);
    command(&k, 0xd1);
    command(&k, 0xa8);
    data(&k, 0xee); /* not the output port: that would reset us */
    CHECK_EQ(k.pc.resets, 0);
    expect(&k, 0xee);
    kbd_close(&k);
}

/* ---- The keyboard's commands ---- */

TEST(the_keyboard_answers_its_commands)
{
    struct kbd k;

    kbd_open(&k);
    data(&k, 0xff);
    expect(&k, 0xfa, 0xaa);
    data(&k, 0xee);
    expect(&k, 0xee);
    data(&k, 0xf5);
    expect(&k, 0xfa);
    data(&k, 0xf4);
    expect(&k, 0xfa);
    data(&k, 0xf6);
    expect(&k, 0xfa);
    data(&k, 0xf3);
    expect(&k, 0xfa);
    data(&k, 0x20);
    expect(&k, 0xfa);
    data(&k, 0xef);
    expect(&k, 0xfe); /* not a command */
    data(&k, 0xf2);
    CHECK_EQ(get(&k), 0xfa);
    CHECK_EQ(get(&k), 0xab);
    CHECK_EQ(get(&k), 0x83);
    data(&k, 0xfe); /* once more */
    expect(&k, 0x83);
    for (unsigned c = 0xf7; c <= 0xfa; c++) {
        data(&k, (uint8_t)c);
        expect(&k, 0xfa);
    }
    data(&k, 0xfb);
    expect(&k, 0xfa);
    data(&k, 0x1c); /* the key it is for */
    expect(&k, 0xfa);
    kbd_close(&k);
}

TEST(leds_reach_the_people)
{
    struct kbd k;

    kbd_open(&k);
    data(&k, 0xed);
    expect(&k, 0xfa);
    data(&k, 0x05);
    expect(&k, 0xfa);
    CHECK_EQ(input_leds(k.input), 5);
    kbd_close(&k);
}

TEST(a_command_in_place_of_an_argument_is_taken_as_a_command)
{
    struct kbd k;

    kbd_open(&k);
    data(&k, 0xed);
    expect(&k, 0xfa);
    data(&k, 0xf4);
    expect(&k, 0xfa);
    data(&k, 0x02); /* no longer an argument */
    expect(&k, 0xfe);
    kbd_close(&k);
}

TEST(a_disabled_keyboard_says_nothing)
{
    struct kbd k;

    kbd_open(&k);
    data(&k, 0xf5);
    expect(&k, 0xfa);
    key(&k, KEY_A, true);
    CHECK_EQ(status(&k) & OBF, 0);
    data(&k, 0xf4);
    expect(&k, 0xfa);
    key(&k, KEY_A, false);
    expect(&k, 0xf0, 0x1c);
    kbd_close(&k);
}

/* ---- Scan codes ---- */

static void choose_set(struct kbd *k, uint8_t set)
{
    data(k, 0xf0);
    expect(k, 0xfa);
    data(k, set);
    expect(k, 0xfa);
}

TEST(the_scan_code_set_is_chosen_and_told)
{
    struct kbd k;

    kbd_open(&k);
    for (uint8_t set = 1; set <= 3; set++) {
        choose_set(&k, set);
        data(&k, 0xf0);
        expect(&k, 0xfa);
        data(&k, 0);
        expect(&k, 0xfa, set);
    }
    data(&k, 0xf0);
    expect(&k, 0xfa);
    data(&k, 4);
    expect(&k, 0xfe);
    kbd_close(&k);
}

TEST(asked_for_its_set_through_the_translator_the_answer_is_translated_too)
{
    static const uint8_t translated[] = { 0, 0x43, 0x41, 0x3f };
    struct kbd k;

    kbd_open(&k);
    set_mode(&k, MODE_DEFAULT | TRANSLATE);
    for (uint8_t set = 1; set <= 3; set++) {
        choose_set(&k, set);
        data(&k, 0xf0);
        expect(&k, 0xfa);
        data(&k, 0);
        expect(&k, 0xfa, translated[set]);
    }
    data(&k, 0xf2);
    expect(&k, 0xfa, 0xab, 0x41);
    kbd_close(&k);
}

/* What each key sends: set 1 make, set 2 make and break. */
struct code {
    unsigned key;
    const char *set1, *make, *brk, *set3;
};

static const struct code codes[] = {
    { KEY_A, "\x1e", "\x1c", "\xf0\x1c", "\x1c" },
    { KEY_ESC, "\x01", "\x76", "\xf0\x76", "\x08" },
    { KEY_F1, "\x3b", "\x05", "\xf0\x05", "\x07" },
    { KEY_F7, "\x41", "\x83", "\xf0\x83", "\x37" },
    { KEY_F12, "\x58", "\x07", "\xf0\x07", "\x5e" },
    { KEY_102ND, "\x56", "\x61", "\xf0\x61", "\x13" },
    { KEY_LEFTCTRL, "\x1d", "\x14", "\xf0\x14", "\x11" },
    { KEY_RIGHTCTRL, "\xe0\x1d", "\xe0\x14", "\xe0\xf0\x14", "\x58" },
    { KEY_RIGHTALT, "\xe0\x38", "\xe0\x11", "\xe0\xf0\x11", "\x39" },
    { KEY_UP, "\xe0\x48", "\xe0\x75", "\xe0\xf0\x75", "\x63" },
    { KEY_DELETE, "\xe0\x53", "\xe0\x71", "\xe0\xf0\x71", "\x64" },
    { KEY_KP7, "\x47", "\x6c", "\xf0\x6c", "\x6c" },
    { KEY_KPENTER, "\xe0\x1c", "\xe0\x5a", "\xe0\xf0\x5a", "\x79" },
    { KEY_LEFTMETA, "\xe0\x5b", "\xe0\x1f", "\xe0\xf0\x1f", "\x8b" },
    { KEY_RO, "\x73", "\x51", "\xf0\x51", "\x51" },
    { KEY_YEN, "\x7d", "\x6a", "\xf0\x6a", "\x6a" },
};

static void expect_text(struct kbd *k, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(get(k), (uint8_t)bytes[i]);
    CHECK_EQ(status(k) & OBF, 0);
}

TEST(set_2_has_makes_and_breaks)
{
    struct kbd k;

    kbd_open(&k);
    for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
        key(&k, codes[i].key, true);
        expect_text(&k, codes[i].make, strlen(codes[i].make));
        key(&k, codes[i].key, false);
        expect_text(&k, codes[i].brk, strlen(codes[i].brk));
    }
    kbd_close(&k);
}

static void expect_set_1(struct kbd *k)
{
    for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
        char brk[4];
        size_t n = strlen(codes[i].set1);

        key(k, codes[i].key, true);
        expect_text(k, codes[i].set1, n);
        strcpy(brk, codes[i].set1);
        brk[n - 1] = (char)(brk[n - 1] | 0x80);
        key(k, codes[i].key, false);
        expect_text(k, brk, n);
    }
}

TEST(set_2_translated_and_set_1_untranslated_are_the_same)
{
    struct kbd k;

    kbd_open(&k);
    set_mode(&k, MODE_DEFAULT | TRANSLATE);
    expect_set_1(&k);
    set_mode(&k, MODE_DEFAULT);
    choose_set(&k, 1);
    expect_set_1(&k);
    kbd_close(&k);
}

TEST(set_3_has_one_byte_makes)
{
    struct kbd k;

    kbd_open(&k);
    choose_set(&k, 3);
    for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
        key(&k, codes[i].key, true);
        expect(&k, (uint8_t)codes[i].set3[0]);
        key(&k, codes[i].key, false);
        expect(&k, 0xf0, (uint8_t)codes[i].set3[0]);
    }
    kbd_close(&k);
}

/* The table in the IBM manual, whole: the controller translates every byte below 0x80. */
TEST(the_translation_table_is_the_controllers)
{
    static const uint8_t table[128] = {
        0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29,
        0x59, 0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11,
        0x03, 0x5b, 0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14,
        0x13, 0x06, 0x5d, 0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24,
        0x16, 0x08, 0x09, 0x5f, 0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35,
        0x26, 0x27, 0x19, 0x0c, 0x61, 0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36,
        0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, 0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c,
        0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, 0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45,
        0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
    };

    for (unsigned i = 0; i < 256; i++)
        CHECK_EQ(scancode_translate((uint8_t)i),
                 i < 128 ? table[i] : i == 0x83 ? 0x41 : i == 0x84 ? 0x54 : i);
}

TEST(print_screen_and_pause_send_what_no_other_key_does)
{
    struct kbd k;

    kbd_open(&k);
    key(&k, KEY_SYSRQ, true);
    expect(&k, 0xe0, 0x12, 0xe0, 0x7c);
    key(&k, KEY_SYSRQ, false);
    expect(&k, 0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12);
    key(&k, KEY_PAUSE, true);
    expect(&k, 0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77);
    key(&k, KEY_PAUSE, false);
    CHECK_EQ(status(&k) & OBF, 0);
    set_mode(&k, MODE_DEFAULT | TRANSLATE);
    key(&k, KEY_PAUSE, true);
    expect(&k, 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
    key(&k, KEY_PAUSE, false);
    key(&k, KEY_SYSRQ, true);
    expect(&k, 0xe0, 0x2a, 0xe0, 0x37);
    key(&k, KEY_SYSRQ, false);
    expect(&k, 0xe0, 0xb7, 0xe0, 0xaa);
    key(&k, KEY_LEFTALT, true);
    expect(&k, 0x38);
    key(&k, KEY_SYSRQ, true); /* Alt-SysRq is another code */
    expect(&k, 0x54);
    key(&k, KEY_SYSRQ, false);
    expect(&k, 0xd4);
    key(&k, KEY_LEFTALT, false);
    expect(&k, 0xb8);
    kbd_close(&k);
}

TEST(a_repeated_make_passes_and_a_release_of_what_is_up_does_not)
{
    struct kbd k;

    kbd_open(&k);
    key(&k, KEY_B, true);
    key(&k, KEY_B, true);
    expect(&k, 0x32, 0x32);
    key(&k, KEY_B, false);
    key(&k, KEY_B, false);
    expect(&k, 0xf0, 0x32);
    key(&k, KEY_MICMUTE, true); /* a key no PS/2 keyboard has */
    key(&k, 5000, true);
    CHECK_EQ(status(&k) & OBF, 0);
    kbd_close(&k);
}

TEST(keys_nobody_reads_are_dropped_whole_and_answers_still_have_room)
{
    struct kbd k;
    unsigned bytes = 0;
    uint8_t last = 0, byte;

    kbd_open(&k);
    for (unsigned i = 0; i < 200; i++) {
        key(&k, KEY_RIGHTCTRL, true);
        key(&k, KEY_RIGHTCTRL, false);
    }
    data(&k, 0xf2);
    while (status(&k) & OBF) {
        byte = get(&k);
        CHECK(byte == 0xe0 || byte == 0xf0 || byte == 0x14 || byte == 0xfa || byte == 0xab ||
              byte == 0x83);
        if (byte == 0xf0)
            CHECK_EQ(last, 0xe0);
        last = byte;
        bytes++;
    }
    CHECK(bytes <= PS2_QUEUE + 1);
    CHECK_EQ(last, 0x83);
    kbd_close(&k);
}

TEST(a_key_held_through_a_flood_nobody_reads_is_released)
{
    struct kbd k;
    uint8_t before = 0, last = 0;

    kbd_open(&k);
    key(&k, KEY_LEFTSHIFT, true);
    for (unsigned i = 0; i < 200; i++) {
        key(&k, KEY_A, true);
        key(&k, KEY_A, false);
    }
    key(&k, KEY_LEFTSHIFT, false);
    while (status(&k) & OBF) {
        before = last;
        last = get(&k);
    }
    CHECK_EQ(before, 0xf0);
    CHECK_EQ(last, 0x12);
    kbd_close(&k);
}

/* ---- The whole ---- */

TEST(saved_state_out_of_range_is_refused)
{
    static const struct { const char *field; size_t at; uint8_t value; } wrong[] = {
        { "source", 0, 4 },
        { "keyboard", offsetof(struct ps2_keyboard, queue.head), PS2_QUEUE },
        { "keyboard", offsetof(struct ps2_keyboard, queue.count), PS2_QUEUE + 1 },
        { "keyboard", offsetof(struct ps2_keyboard, scan_set), 0 },
        { "mouse", offsetof(struct ps2_mouse, queue.count), 255 },
        { "mouse", offsetof(struct ps2_mouse, dx) + 3, 0x7f },
    };
    struct kbd k;

    kbd_open(&k);
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct error err = { "" };
        const struct saved_field *f = device_class_of(k.dev)->saved;

        CHECK_EQ(device_check_regs(k.dev, &err), 0);
        while (strcmp(f->name, wrong[i].field))
            f++;
        ((uint8_t *)device_regs(k.dev))[f->offset + wrong[i].at] = wrong[i].value;
        CHECK(device_check_regs(k.dev, &err) < 0);
        CHECK_SAYS(err, "saved state");
        device_reset(k.dev);
    }
    kbd_close(&k);
}

TEST(reset_equals_fresh_and_everything_is_saved)
{
    struct kbd k;

    kbd_open(&k);
    pc_check_saved(k.dev);
    for (unsigned seed = 1; seed < 5; seed++)
        pc_check_reset(&k.pc, k.dev, seed);
    kbd_close(&k);
}
