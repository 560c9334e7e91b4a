/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_DISPLAY_VNC_CLIENT_H
#define DM_DISPLAY_VNC_CLIENT_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "dm/display/vnc_keys.h"
#include "dm/display/vnc_lib.h"
struct input;
struct keymap;
struct loop;
struct screen;

/* What all clients of a server read; only `password` changes while they live. */
struct vnc_shared {
    struct vnc_lib lib;
    struct screen *screen;
    struct input *input; /* may be NULL */
    const struct keymap *keymap;
    bool needs_password;
    _Atomic uint64_t password; /* eight characters; 0: nobody gets in */
    char name[128];
};

/*
 * A client: a thread, a loop, a screen in the library with a copy of ours. Made and freed by the
 * listening loop; `done` runs there when the client has ended by itself.
 */
struct vnc_client;

extern rfbProtocolExtension vnc_client_extension;

int vnc_client_start(struct vnc_client **out, struct vnc_shared *shared, struct loop *home,
                     int sock, void (*done)(struct vnc_client *client, void *arg), void *arg);
/* After `done`; or at any time, where no loop of the screen or the input runs any more. */
void vnc_client_close(struct vnc_client *client);
#endif
