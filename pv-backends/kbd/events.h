/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_KBD_EVENTS_H
#define PV_BACKENDS_KBD_EVENTS_H
#include <stdbool.h>
#include <stdint.h>

/*
 * Events of a PV keyboard and pointer on their way to its ring (public/io/kbdif.h). What the ring
 * has no room for waits here, bounded: motions join, presses are lost first and releases last, so
 * that no key stays down. Pure but for the page.
 */
#define KBD_EVENT 40u
#define KBD_RING 51u /* events of a page */
#define KBD_WAITING 256u

struct kbd_event {
    uint8_t type, pressed;
    int32_t a, b, c; /* of a motion or position: x, y, z; of a key: its code in a */
};
enum { KBD_MOTION = 1, KBD_KEY = 3, KBD_POSITION = 4 };

struct kbd_events {
    uint32_t prod; /* ours; the page's copy is for the guest */
    struct kbd_event waiting[KBD_WAITING];
    unsigned head, count;
};

/* Where the guest has it; false: its indices cannot be. */
bool kbd_begin(struct kbd_events *e, uint8_t *page);
void kbd_add(struct kbd_events *e, const struct kbd_event *event);
/* Puts what there is room for; how many. -1: the guest claims to have read what was never there. */
int kbd_put(struct kbd_events *e, uint8_t *page);
#endif
