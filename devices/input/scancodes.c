/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scan codes. Document: IBM PS/2 Hardware Interface Technical Reference, "Keyboards (101- and
 * 102-Key)"; the codes of later keys from Microsoft's "Keyboard Scan Code Specification".
 * Linux's KEY_* numbers up to 88 are set 1 codes; set 2 follows from set 1 by the table that the
 * controller translates with; set 3 has codes of its own.
 */
#include <linux/input-event-codes.h>
#include <string.h>
#include "devices/input/ps2.h"
#include "dm/base/bytes.h"

static const uint8_t set1_to_set2[128] = {
    [0x01] = 0x76, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66,
    0x0d,
    [0x10] = 0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43, 0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x14,
    0x1c, 0x1b,
    [0x20] = 0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c, 0x52, 0x0e, 0x12, 0x5d, 0x1a, 0x22,
    0x21, 0x2a,
    [0x30] = 0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7c, 0x11, 0x29, 0x58, 0x05, 0x06, 0x04,
    0x0c, 0x03,
    [0x40] = 0x0b, 0x83, 0x0a, 0x01, 0x09, 0x77, 0x7e, 0x6c, 0x75, 0x7d, 0x7b, 0x6b, 0x73, 0x74,
    0x79, 0x69,
    [0x50] = 0x72, 0x7a, 0x70, 0x71, 0x84, 0x60, 0x61, 0x78, 0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f,
    0x37, 0x3f,
    [0x60] = 0x47, 0x4f, 0x56, 0x5e, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0x40, 0x48, 0x50,
    0x57, 0x6f,
    [0x70] = 0x13, 0x19, 0x39, 0x51, 0x53, 0x5c, 0x5f, 0x62, 0x63, 0x64, 0x65, 0x67, 0x68, 0x6a,
    0x6d, 0x6e,
};

#define EXTENDED 0x80 /* an 0xe0 goes before it */

/* Set 1 codes of the keys past 88. */
static const struct {
    uint16_t key;
    uint8_t code;
} later_keys[] = {
    { KEY_KPENTER, EXTENDED | 0x1c },     { KEY_RIGHTCTRL, EXTENDED | 0x1d },
    { KEY_KPSLASH, EXTENDED | 0x35 },     { KEY_RIGHTALT, EXTENDED | 0x38 },
    { KEY_HOME, EXTENDED | 0x47 },        { KEY_UP, EXTENDED | 0x48 },
    { KEY_PAGEUP, EXTENDED | 0x49 },      { KEY_LEFT, EXTENDED | 0x4b },
    { KEY_RIGHT, EXTENDED | 0x4d },       { KEY_END, EXTENDED | 0x4f },
    { KEY_DOWN, EXTENDED | 0x50 },        { KEY_PAGEDOWN, EXTENDED | 0x51 },
    { KEY_INSERT, EXTENDED | 0x52 },      { KEY_DELETE, EXTENDED | 0x53 },
    { KEY_LEFTMETA, EXTENDED | 0x5b },    { KEY_RIGHTMETA, EXTENDED | 0x5c },
    { KEY_COMPOSE, EXTENDED | 0x5d },     { KEY_MENU, EXTENDED | 0x5d },
    { KEY_POWER, EXTENDED | 0x5e },       { KEY_SLEEP, EXTENDED | 0x5f },
    { KEY_WAKEUP, EXTENDED | 0x63 },      { KEY_MUTE, EXTENDED | 0x20 },
    { KEY_VOLUMEDOWN, EXTENDED | 0x2e },  { KEY_VOLUMEUP, EXTENDED | 0x30 },
    { KEY_PREVIOUSSONG, EXTENDED | 0x10 }, { KEY_NEXTSONG, EXTENDED | 0x19 },
    { KEY_PLAYPAUSE, EXTENDED | 0x22 },   { KEY_STOPCD, EXTENDED | 0x24 },
    { KEY_CALC, EXTENDED | 0x21 },        { KEY_HOMEPAGE, EXTENDED | 0x32 },
    { KEY_MAIL, EXTENDED | 0x6c },        { KEY_SEARCH, EXTENDED | 0x65 },
    { KEY_BACK, EXTENDED | 0x6a },        { KEY_FORWARD, EXTENDED | 0x69 },
    { KEY_STOP, EXTENDED | 0x68 },        { KEY_REFRESH, EXTENDED | 0x67 },
    { KEY_BOOKMARKS, EXTENDED | 0x66 },   { KEY_COMPUTER, EXTENDED | 0x6b },
    { KEY_KPEQUAL, 0x59 },                { KEY_KPCOMMA, 0x7e },
    { KEY_RO, 0x73 },                     { KEY_YEN, 0x7d },
    { KEY_HENKAN, 0x79 },                 { KEY_MUHENKAN, 0x7b },
    { KEY_KATAKANAHIRAGANA, 0x70 },       { KEY_KATAKANA, 0x78 },
    { KEY_HIRAGANA, 0x77 },               { KEY_ZENKAKUHANKAKU, 0x76 },
    { KEY_HANGEUL, 0x72 },                { KEY_HANJA, 0x71 },
    { KEY_F13, 0x64 }, { KEY_F14, 0x65 }, { KEY_F15, 0x66 }, { KEY_F16, 0x67 },
    { KEY_F17, 0x68 }, { KEY_F18, 0x69 }, { KEY_F19, 0x6a }, { KEY_F20, 0x6b },
    { KEY_F21, 0x6c }, { KEY_F22, 0x6d }, { KEY_F23, 0x6e }, { KEY_F24, 0x76 },
};

/* Set 3, where it is not what set 2 has. */
static const struct {
    uint16_t key;
    uint8_t code;
} set3_keys[] = {
    { KEY_ESC, 0x08 },        { KEY_F1, 0x07 },         { KEY_F2, 0x0f },
    { KEY_F3, 0x17 },         { KEY_F4, 0x1f },         { KEY_F5, 0x27 },
    { KEY_F6, 0x2f },         { KEY_F7, 0x37 },         { KEY_F8, 0x3f },
    { KEY_F9, 0x47 },         { KEY_F10, 0x4f },        { KEY_F11, 0x56 },
    { KEY_F12, 0x5e },        { KEY_SYSRQ, 0x57 },      { KEY_SCROLLLOCK, 0x5f },
    { KEY_PAUSE, 0x62 },      { KEY_CAPSLOCK, 0x14 },   { KEY_LEFTCTRL, 0x11 },
    { KEY_LEFTALT, 0x19 },    { KEY_RIGHTALT, 0x39 },   { KEY_RIGHTCTRL, 0x58 },
    { KEY_BACKSLASH, 0x5c },  { KEY_102ND, 0x13 },      { KEY_INSERT, 0x67 },
    { KEY_DELETE, 0x64 },     { KEY_HOME, 0x6e },       { KEY_END, 0x65 },
    { KEY_PAGEUP, 0x6f },     { KEY_PAGEDOWN, 0x6d },   { KEY_LEFT, 0x61 },
    { KEY_RIGHT, 0x6a },      { KEY_UP, 0x63 },         { KEY_DOWN, 0x60 },
    { KEY_NUMLOCK, 0x76 },    { KEY_KPSLASH, 0x4a },    { KEY_KPASTERISK, 0x7e },
    { KEY_KPMINUS, 0x4e },    { KEY_KPPLUS, 0x7c },     { KEY_KPENTER, 0x79 },
    { KEY_LEFTMETA, 0x8b },   { KEY_RIGHTMETA, 0x8c },  { KEY_COMPOSE, 0x8d },
};

static uint8_t set1_code(unsigned key)
{
    if (key >= 1 && key <= KEY_F12 && key != 84 && key != KEY_ZENKAKUHANKAKU)
        return (uint8_t)key;
    for (size_t i = 0; i < ARRAY_SIZE(later_keys); i++)
        if (later_keys[i].key == key)
            return later_keys[i].code;
    return 0;
}

static uint8_t set3_code(unsigned key)
{
    uint8_t code;

    for (size_t i = 0; i < ARRAY_SIZE(set3_keys); i++)
        if (set3_keys[i].key == key)
            return set3_keys[i].code;
    code = set1_code(key);
    return code & EXTENDED ? 0 : set1_to_set2[code];
}

static size_t whole(const char *text, size_t n, uint8_t bytes[8])
{
    memcpy(bytes, text, n);
    return n;
}

/* Print Screen and Pause send what no other key does: shifts and controls around their code. */
static size_t print_screen(bool down, unsigned set, bool sysrq, uint8_t bytes[8])
{
    if (sysrq)
        return set == 1 ? whole(down ? "\x54" : "\xd4", 1, bytes)
                        : whole(down ? "\x84" : "\xf0\x84", down ? 1 : 2, bytes);
    if (set == 1)
        return whole(down ? "\xe0\x2a\xe0\x37" : "\xe0\xb7\xe0\xaa", 4, bytes);
    return down ? whole("\xe0\x12\xe0\x7c", 4, bytes)
                : whole("\xe0\xf0\x7c\xe0\xf0\x12", 6, bytes);
}

static size_t pause_key(bool down, unsigned set, uint8_t bytes[8])
{
    if (!down)
        return 0; /* it has no release: both went out with the press */
    return set == 1 ? whole("\xe1\x1d\x45\xe1\x9d\xc5", 6, bytes)
                    : whole("\xe1\x14\x77\xe1\xf0\x14\xf0\x77", 8, bytes);
}

size_t scancode_bytes(unsigned key, bool down, unsigned set, bool sysrq, uint8_t bytes[8])
{
    uint8_t code;
    size_t n = 0;

    if (set == 3) {
        code = set3_code(key);
        if (!code)
            return 0;
        if (!down)
            bytes[n++] = 0xf0;
        bytes[n++] = code;
        return n;
    }
    if (key == KEY_SYSRQ)
        return print_screen(down, set, sysrq, bytes);
    if (key == KEY_PAUSE)
        return pause_key(down, set, bytes);
    code = set1_code(key);
    if (!code)
        return 0;
    if (code & EXTENDED)
        bytes[n++] = 0xe0;
    code &= 0x7f;
    if (set == 1) {
        bytes[n++] = (uint8_t)(code | (down ? 0 : 0x80));
        return n;
    }
    if (!down)
        bytes[n++] = 0xf0;
    bytes[n++] = set1_to_set2[code];
    return n;
}

uint8_t scancode_translate(uint8_t byte)
{
    switch (byte) { /* no key of ours, but in the controller's table */
    case 0x00: /* overrun */
        return 0xff;
    case 0x02: /* also what a keyboard in set 2 answers when asked for its set */
        return 0x41;
    case 0x7f: /* a second code for the same key on some keyboards */
        return 0x54;
    }
    for (unsigned code = 1; byte && code < ARRAY_SIZE(set1_to_set2); code++)
        if (set1_to_set2[code] == byte)
            return (uint8_t)code;
    return byte; /* answers such as 0xfa and 0xaa pass as they are */
}
