/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keysyms to keys. A viewer's user has another keyboard than the guest believes in, so a character
 * may need another Shift than the one held: it is pressed or lifted just around the key.
 */
#include <linux/input-event-codes.h>
#include <string.h>
#include "dm/display/keymap.h"
#include "dm/display/vnc_keys.h"

#define LED_NUM 2u
#define LED_CAPS 4u

void vnc_keys_open(struct vnc_keyboard *kb, const struct keymap *map,
                   void (*press)(void *arg, unsigned key, bool down), void *arg)
{
    *kb = (struct vnc_keyboard){ .map = map, .press = press, .arg = arg };
}

static bool is_down(const struct vnc_keyboard *kb, unsigned key)
{
    return kb->down[key / 8] >> (key % 8) & 1;
}

void vnc_keys_key(struct vnc_keyboard *kb, unsigned key, bool down)
{
    if (!key || key >= sizeof(kb->down) * 8 || (!down && !is_down(kb, key)))
        return;
    if (down && !is_down(kb, key)) {
        kb->caps ^= key == KEY_CAPSLOCK;
        kb->num ^= key == KEY_NUMLOCK;
    }
    if (down)
        kb->down[key / 8] |= (uint8_t)(1 << (key % 8));
    else
        kb->down[key / 8] &= (uint8_t)~(1 << (key % 8));
    kb->press(kb->arg, key, down);
}

static void tap(struct vnc_keyboard *kb, unsigned key)
{
    vnc_keys_key(kb, key, true);
    vnc_keys_key(kb, key, false);
}

static bool keypad_digit(uint32_t sym)
{
    return (sym >= 0xffb0 && sym <= 0xffb9) || sym == 0xffae;
}

static bool keypad_arrow(uint32_t sym)
{
    return sym >= 0xff95 && sym <= 0xff9f;
}

/* Lifts or presses the Shift keys; what it returns undoes it. */
static unsigned set_shift(struct vnc_keyboard *kb, bool want)
{
    bool left = is_down(kb, KEY_LEFTSHIFT), right = is_down(kb, KEY_RIGHTSHIFT);

    if (want && !left && !right) {
        kb->press(kb->arg, KEY_LEFTSHIFT, true);
        return 1;
    }
    if (want || (!left && !right))
        return 0;
    if (left)
        kb->press(kb->arg, KEY_LEFTSHIFT, false);
    if (right)
        kb->press(kb->arg, KEY_RIGHTSHIFT, false);
    return (left ? 2 : 0) | (right ? 4 : 0);
}

static void undo_shift(struct vnc_keyboard *kb, unsigned undo)
{
    if (undo & 1)
        kb->press(kb->arg, KEY_LEFTSHIFT, false);
    if (undo & 2)
        kb->press(kb->arg, KEY_LEFTSHIFT, true);
    if (undo & 4)
        kb->press(kb->arg, KEY_RIGHTSHIFT, true);
}

static void press_character(struct vnc_keyboard *kb, const struct keymap_hit *hit)
{
    /* with Ctrl or Alt it is a shortcut: the place counts, and our own Shift would change it */
    bool shortcut = is_down(kb, KEY_LEFTCTRL) || is_down(kb, KEY_RIGHTCTRL) ||
                    is_down(kb, KEY_LEFTALT) || is_down(kb, KEY_LEFTMETA);
    bool altgr = hit->altgr && !is_down(kb, KEY_RIGHTALT);
    unsigned undo = 0;

    if (!shortcut || hit->altgr)
        undo = set_shift(kb, hit->shift != (hit->letter && kb->caps));
    if (altgr)
        kb->press(kb->arg, KEY_RIGHTALT, true);
    vnc_keys_key(kb, hit->key, true);
    if (altgr)
        kb->press(kb->arg, KEY_RIGHTALT, false);
    undo_shift(kb, undo);
}

void vnc_keys_symbol(struct vnc_keyboard *kb, uint32_t sym, bool down, unsigned leds)
{
    struct keymap_hit hit;

    if (leds != kb->leds) { /* the guest has had its say */
        kb->caps = leds & LED_CAPS;
        kb->num = leds & LED_NUM;
        kb->leds = leds;
    }
    if (!keymap_lookup(kb->map, sym, &hit))
        return;
    if (!down) {
        vnc_keys_key(kb, hit.key, false);
        return;
    }
    if ((keypad_digit(sym) && !kb->num) || (keypad_arrow(sym) && kb->num))
        tap(kb, KEY_NUMLOCK);
    if (hit.printable)
        press_character(kb, &hit);
    else
        vnc_keys_key(kb, hit.key, true);
}

void vnc_keys_release_all(struct vnc_keyboard *kb)
{
    for (unsigned key = 1; key < sizeof(kb->down) * 8; key++)
        vnc_keys_key(kb, key, false);
}
