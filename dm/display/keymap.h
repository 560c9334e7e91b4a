/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_DISPLAY_KEYMAP_H
#define DM_DISPLAY_KEYMAP_H
#include <stdbool.h>
#include <stdint.h>
struct error;

/*
 * Keyboard layouts: from the character a VNC client says was typed (an X keysym) to the place on
 * the keyboard, and what must be held for it. Constant tables; any thread.
 */
struct keymap;

/* By QEMU's -k names; NULL is en-us. -EINVAL with a sentence that lists the names. */
int keymap_find(const struct keymap **out, const char *name, struct error *err);

struct keymap_hit {
    unsigned key;      /* KEY_* */
    bool printable;    /* the three below matter */
    bool shift, altgr; /* what must be held for this character */
    bool letter;       /* Caps Lock turns its shift round */
};
bool keymap_lookup(const struct keymap *map, uint32_t keysym, struct keymap_hit *hit);
#endif
