/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keymaps, key names, and the argument of -vnc. */
#include <linux/input-event-codes.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/display/keymap.h"
#include "dm/display/keynames.h"
#include "dm/display/vnc.h"
#include "dm/display/vnc_keys.h"
#include "tests/kit/check.h"

static struct keymap_hit hit(const char *map, uint32_t sym)
{
    const struct keymap *m;
    struct keymap_hit h;
    struct error err = { "" };

    CHECK_EQ(keymap_find(&m, map, &err), 0);
    CHECK(keymap_lookup(m, sym, &h));
    return h;
}

TEST(characters_are_where_the_layouts_have_them)
{
    static const struct {
        const char *map;
        uint32_t sym;
        unsigned key;
        bool shift, altgr;
    } rows[] = {
        { "en-us", '"', KEY_APOSTROPHE, true, false }, { "en-gb", '"', KEY_2, true, false },
        { "en-gb", '#', KEY_BACKSLASH, false, false }, { "en-gb", '\\', KEY_102ND, false, false },
        { "de", 'z', KEY_Y, false, false }, { "de", '@', KEY_Q, false, true },
        { "de", 0x20ac, KEY_E, false, true }, { "de", '|', KEY_102ND, false, true },
        { "de", '~', KEY_RIGHTBRACE, false, true }, { "de", 0xdf, KEY_MINUS, false, false },
        { "de", 0xfe51, KEY_EQUAL, false, false }, /* dead acute */
        { "fr", 'a', KEY_Q, false, false }, { "fr", '1', KEY_1, true, false },
        { "fr", '@', KEY_0, false, true }, { "fr", '}', KEY_EQUAL, false, true },
        { "es", '@', KEY_2, false, true }, { "es", 0xf1, KEY_SEMICOLON, false, false },
        { "es", '{', KEY_APOSTROPHE, false, true },
        { "it", '@', KEY_SEMICOLON, false, true }, { "it", '{', KEY_LEFTBRACE, true, true },
        { "pt", '{', KEY_7, false, true }, { "pt-br", '/', KEY_RO, false, false },
        { "ja", '@', KEY_LEFTBRACE, false, false }, { "ja", '_', KEY_RO, true, false },
        { "sv", '\\', KEY_MINUS, false, true }, { "fi", '~', KEY_RIGHTBRACE, false, true },
        { "no", 0xf8, KEY_SEMICOLON, false, false }, { "da", 0xf8, KEY_APOSTROPHE, false, false },
        { "da", '|', KEY_EQUAL, false, true },
        { "ru", 0x6c1, KEY_F, false, false }, { "ru", 0x01000444, KEY_A, false, false },
        { "ru", 'w', KEY_W, false, false },
        { "pl", 0x1ea, KEY_E, false, true }, { "pl", 0x1ca, KEY_E, true, true },
        { "pl", 0x1b3, KEY_L, false, true }, { "pl", 0x1f1, KEY_N, false, true },
        { "hu", '@', KEY_V, false, true }, { "hu", '0', KEY_GRAVE, false, false },
        { "hu", 0x1f5, KEY_LEFTBRACE, false, false },
        { "tr", 0x2b9, KEY_I, false, false }, { "tr", 'i', KEY_APOSTROPHE, false, false },
        { "tr", '@', KEY_Q, false, true },
        { "nl", '@', KEY_GRAVE, false, false }, { "nl-be", '@', KEY_2, false, true },
        { "fr-be", '\\', KEY_102ND, false, true }, { "nl-be", '~', KEY_SLASH, false, true },
        { "de-ch", '@', KEY_2, false, true }, { "fr-ch", 0xe9, KEY_SEMICOLON, false, false },
        { "de-ch", '{', KEY_APOSTROPHE, false, true }, { "fr-ch", '[', KEY_LEFTBRACE, false, true },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct keymap_hit h = hit(rows[i].map, rows[i].sym);

        if (h.key != rows[i].key || h.shift != rows[i].shift || h.altgr != rows[i].altgr)
            print_error("%s 0x%x\n", rows[i].map, rows[i].sym);
        CHECK_EQ(h.key, rows[i].key);
        CHECK_EQ(h.shift, rows[i].shift);
        CHECK_EQ(h.altgr, rows[i].altgr);
    }
}

TEST(an_unknown_keymap_names_those_there_are)
{
    const struct keymap *m;
    struct error err = { "" };

    CHECK(keymap_find(&m, "klingon", &err) < 0);
    CHECK_SAYS(err, "klingon");
    CHECK_SAYS(err, "pt-br");
    CHECK_SAYS(err, " nl");
    CHECK_EQ(keymap_find(&m, NULL, &err), 0);
}

TEST(key_names_go_there_and_back)
{
    CHECK_EQ(key_from_name("ret"), KEY_ENTER);
    CHECK_EQ(key_from_name("ctrl_r"), KEY_RIGHTCTRL);
    CHECK_EQ(key_from_name("nonsense"), 0);
    CHECK_STR(key_name(KEY_DELETE), "delete");
    CHECK_EQ(key_from_number(0x1e), KEY_A);
    CHECK_EQ(key_from_number(0xd3), KEY_DELETE);
    CHECK_EQ(key_from_number(0x73), KEY_RO);
    CHECK_EQ(key_from_number(0x100), 0);
    for (unsigned n = 0; n < 0x1000; n++)
        CHECK(key_from_number(n) < 256);
}

/* ---- A keyboard ---- */

struct log {
    int keys[64]; /* negative: released */
    unsigned count;
};

static void note(void *arg, unsigned key, bool down)
{
    struct log *log = arg;

    CHECK(log->count < ARRAY_SIZE(log->keys));
    log->keys[log->count++] = down ? (int)key : -(int)key;
}

static void keyboard(struct vnc_keyboard *kb, struct log *log, const char *map)
{
    const struct keymap *m;
    struct error err = { "" };

    *log = (struct log){ .count = 0 };
    CHECK_EQ(keymap_find(&m, map, &err), 0);
    vnc_keys_open(kb, m, note, log);
}

static void expect(const struct log *log, const int *keys, unsigned count)
{
    CHECK_EQ(log->count, count);
    for (unsigned i = 0; i < count; i++)
        CHECK_EQ(log->keys[i], keys[i]);
}
#define EXPECT(log, ...)                                                                           \
    expect(log, (const int[]){ __VA_ARGS__ }, sizeof((int[]){ __VA_ARGS__ }) / sizeof(int))

TEST(a_held_shift_is_left_alone_where_it_fits)
{
    struct vnc_keyboard kb;
    struct log log;

    keyboard(&kb, &log, "en-us");
    vnc_keys_symbol(&kb, 0xffe1, true, 0);
    vnc_keys_symbol(&kb, '@', true, 0);
    vnc_keys_symbol(&kb, '@', false, 0);
    vnc_keys_symbol(&kb, 0xffe1, false, 0);
    EXPECT(&log, KEY_LEFTSHIFT, KEY_2, -KEY_2, -KEY_LEFTSHIFT);
}

TEST(a_held_shift_is_lifted_where_the_guests_layout_has_none)
{
    struct vnc_keyboard kb;
    struct log log;

    keyboard(&kb, &log, "fr"); /* & is shifted on the viewer's keyboard, plain on this one */
    vnc_keys_symbol(&kb, 0xffe2, true, 0);
    vnc_keys_symbol(&kb, '&', true, 0);
    vnc_keys_symbol(&kb, '&', false, 0);
    EXPECT(&log, KEY_RIGHTSHIFT, -KEY_RIGHTSHIFT, KEY_1, KEY_RIGHTSHIFT, -KEY_1);
}

TEST(altgr_is_pressed_for_a_character_that_needs_it)
{
    struct vnc_keyboard kb;
    struct log log;

    keyboard(&kb, &log, "de");
    vnc_keys_symbol(&kb, '@', true, 0);
    vnc_keys_symbol(&kb, '@', false, 0);
    EXPECT(&log, KEY_RIGHTALT, KEY_Q, -KEY_RIGHTALT, -KEY_Q);
}

TEST(caps_lock_in_the_guest_turns_the_shift_of_letters_round)
{
    struct vnc_keyboard kb;
    struct log log;

    keyboard(&kb, &log, "en-us");
    vnc_keys_symbol(&kb, 'A', true, 4);
    vnc_keys_symbol(&kb, 'A', false, 4);
    vnc_keys_symbol(&kb, '!', true, 4);
    EXPECT(&log, KEY_A, -KEY_A, KEY_LEFTSHIFT, KEY_1, -KEY_LEFTSHIFT);
}

TEST(shortcuts_keep_the_modifiers_that_are_held)
{
    struct vnc_keyboard kb;
    struct log log;

    keyboard(&kb, &log, "en-us");
    vnc_keys_symbol(&kb, 0xffe3, true, 0);
    vnc_keys_symbol(&kb, 'C', true, 0);
    EXPECT(&log, KEY_LEFTCTRL, KEY_C);
    vnc_keys_release_all(&kb);
    EXPECT(&log, KEY_LEFTCTRL, KEY_C, -KEY_LEFTCTRL, -KEY_C);
}

TEST(keypad_digits_turn_num_lock_on)
{
    struct vnc_keyboard kb;
    struct log log;

    keyboard(&kb, &log, "en-us");
    vnc_keys_symbol(&kb, 0xffb5, true, 0);
    vnc_keys_symbol(&kb, 0xffb6, true, 0);
    EXPECT(&log, KEY_NUMLOCK, -KEY_NUMLOCK, KEY_KP5, KEY_KP6);
}

TEST(any_keysym_is_survived)
{
    struct vnc_keyboard kb;
    struct log log;

    keyboard(&kb, &log, "hu");
    for (uint32_t sym = 0; sym < 0x20000; sym++) {
        log.count = 0;
        vnc_keys_symbol(&kb, sym * 2654435761u, sym & 1, sym >> 3 & 7);
        log.count = 0;
        vnc_keys_symbol(&kb, sym, sym & 1, sym >> 3 & 7);
    }
    log.count = 0;
}

/* ---- -vnc ---- */

static int parse(struct vnc_config *c, const char *text, struct error *err)
{
    static char storage[256];

    *err = (struct error){ "" };
    return vnc_parse(c, storage, sizeof(storage), text, err);
}

TEST(what_libxl_writes_is_understood)
{
    struct vnc_config c;
    struct error err;

    CHECK_EQ(parse(&c, "none", &err), 0);
    CHECK(!c.listen);
    CHECK_EQ(parse(&c, "127.0.0.1:0,to=99", &err), 0);
    CHECK_STR(c.listen, "127.0.0.1");
    CHECK_EQ(c.display, 0);
    CHECK_EQ(c.to, 99);
    CHECK(!c.password);
    CHECK_EQ(parse(&c, "0.0.0.0:3,password=on,to=99", &err), 0);
    CHECK(c.password);
    CHECK_EQ(c.display, 3);
    CHECK_EQ(parse(&c, "[::1]:7,password", &err), 0);
    CHECK_STR(c.listen, "::1");
    CHECK(c.password);
    CHECK_EQ(parse(&c, ":1,websocket=5701,share=force-shared", &err), 0);
    CHECK_STR(c.listen, "");
    CHECK(c.websocket);
    CHECK_EQ(c.websocket_port, 5701);
    CHECK_EQ(parse(&c, "unix:/run/vnc.sock,password=off", &err), 0);
    CHECK_STR(c.listen, "unix:/run/vnc.sock");
}

TEST(what_is_wrong_with_vnc_is_said)
{
    static const struct { const char *text, *says; } rows[] = {
        { "127.0.0.1", "display" }, { "127.0.0.1:", "display" }, { "127.0.0.1:x", "number" },
        { "127.0.0.1:70000", "59635" }, { "127.0.0.1:5,to=4", "to=" },
        { "127.0.0.1:0,to=", "to=" }, { "127.0.0.1:0,password=maybe", "on or off" },
        { "127.0.0.1:0,tls-creds=x", "tls-creds" }, { "127.0.0.1:0,colour=red", "colour" },
        { "unix:", "path" }, { "127.0.0.1:0,websocket=abc", "websocket" },
        { "127.0.0.1:0,share=no", "share" }, { "localhost:0,sasl", "sasl" },
    };
    struct vnc_config c;
    struct error err;

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        CHECK(parse(&c, rows[i].text, &err) < 0);
        CHECK_SAYS(err, rows[i].says);
    }
}
