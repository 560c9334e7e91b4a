/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_GUEST_KBD_H
#define TESTS_GUEST_KBD_H
#include <stdbool.h>
#include <stdint.h>
#include "tests/guest/pv.h"

/* A keyboard and pointer frontend: public/io/kbdif.h. */
struct guest_kbd_config {
    bool absolute, raw;
    bool named; /* the page by its frame, as old frontends have it */
    uint32_t page;
};

struct guest_kbd {
    struct guest_pv pv;
    uint8_t *page;
    uint32_t ref, port, seen;
};

struct guest_kbd_event {
    uint8_t type, pressed;
    int32_t a, b, c;
};
enum { GUEST_KBD_MOTION = 1, GUEST_KBD_KEY = 3, GUEST_KBD_POSITION = 4 };

void guest_kbd_add(struct guest_kbd *k, unsigned devid);
bool guest_kbd_connect(struct guest_kbd *k, const struct guest_kbd_config *c);
bool guest_kbd_disconnect(struct guest_kbd *k);
void guest_kbd_forget(struct guest_kbd *k); /* where the backend let go itself */
bool guest_kbd_read(struct guest_kbd *k, struct guest_kbd_event *event, unsigned ms);
#endif
