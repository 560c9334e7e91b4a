/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_DISPLAY_VNC_KEYS_H
#define DM_DISPLAY_VNC_KEYS_H
#include <stdbool.h>
#include <stdint.h>
struct keymap;

/*
 * One client's keyboard: turns the characters that a VNC client says were typed into keys that go
 * down and up, with Shift and AltGr put right around them, and remembers what is down. The home
 * loop of the client.
 */
struct vnc_keyboard {
    const struct keymap *map;
    void (*press)(void *arg, unsigned key, bool down);
    void *arg;
    uint8_t down[64];   /* a bit for each KEY_*, as the guest was told */
    bool caps, num;     /* locks, as the guest has them by our count */
    unsigned leds;      /* as last seen: a change of them corrects the count */
};

void vnc_keys_open(struct vnc_keyboard *kb, const struct keymap *map,
                   void (*press)(void *arg, unsigned key, bool down), void *arg);
/* `leds` as input_leds() says. */
void vnc_keys_symbol(struct vnc_keyboard *kb, uint32_t keysym, bool down, unsigned leds);
void vnc_keys_key(struct vnc_keyboard *kb, unsigned key, bool down);
void vnc_keys_release_all(struct vnc_keyboard *kb);
#endif
