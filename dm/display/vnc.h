/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_DISPLAY_VNC_H
#define DM_DISPLAY_VNC_H
#include <stdbool.h>
#include <stddef.h>
struct error;
struct input;
struct screen;

/*
 * The VNC server: RFB by libvncserver, which is loaded for the first client. One thread listens;
 * each client has a thread, a loop and a copy of the screen of its own, so a slow client delays
 * nobody, and what waits for it is one picture. Without a client nothing runs and nothing is drawn.
 */
struct vnc;

struct vnc_config {
    const char *listen; /* "127.0.0.1", "::1", "" for all, or "unix:PATH"; NULL: no server */
    unsigned display;   /* TCP port 5900 + display */
    unsigned to;        /* try ports up to 5900 + to; 0: just the one */
    bool password;      /* none gets in until vnc_set_password() */
    bool websocket;     /* a second port for browsers; the first one takes them too */
    unsigned websocket_port; /* 0: 5700 + display */
    const char *keymap; /* QEMU's -k; NULL: en-us */
    const char *name;   /* of the guest */
};

/*
 * The argument of -vnc: "none", "HOST:D", "[V6]:D", "unix:PATH", then ",to=L", ",password=on|off",
 * ",websocket=on|off|PORT", ",share=...". Fills `config` but keymap and name; its texts lie in
 * `storage`. -EINVAL with the sentence. Pure.
 */
int vnc_parse(struct vnc_config *config, char *storage, size_t room, const char *text,
              struct error *err);

/*
 * The port is bound and listening when this returns. `input` may be NULL. A second server is opened
 * only after vnc_load() of the first: the library's own set-up is not made for threads.
 */
int vnc_open(struct vnc **out, const struct vnc_config *config, struct screen *screen,
             struct input *input, struct error *err);
/* Clients are let in from now on: the screen has its device, and those who came early wait. */
void vnc_serve(struct vnc *vnc);
/* No loop runs any more that `screen` or `input` use. NULL is fine. */
void vnc_close(struct vnc *vnc);

/*
 * Loading the library takes longer than all the rest of start-up, and twice the memory; most guests
 * are never looked at. vnc_present() only sees that it is there, for a sentence in time; vnc_load()
 * loads it now: where it cannot be reached later (chroot), or a second server is opened.
 */
int vnc_present(struct error *err);
int vnc_load(struct vnc *vnc, struct error *err);

/* ---- Any thread ---- */
const char *vnc_host(const struct vnc *vnc);    /* as bound: "127.0.0.1"; a path for unix: */
const char *vnc_service(const struct vnc *vnc); /* the TCP port in decimal; "" for unix: */
void vnc_set_password(struct vnc *vnc, const char *text); /* 8 characters count; "": no login */
unsigned vnc_clients(const struct vnc *vnc);
#endif
