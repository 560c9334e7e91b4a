/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_DISPLAY_VNC_H
#define DM_DISPLAY_VNC_H
#include <stdbool.h>
#include <stddef.h>
struct error;
struct input;
struct screen;

/*
 * The VNC server: libvncserver, loaded when this is opened, on a loop and thread of its own, for
 * its writes may wait for a client. Without clients it costs nothing.
 */
struct vnc;

struct vnc_config {
    const char *listen; /* "127.0.0.1", "::1", "unix:PATH"; "" is every address */
    unsigned display;   /* port 5900 + display */
    unsigned to;        /* tries display to display + to */
    bool password;      /* logins need vnc_set_password(); refused until then */
    const char *keymap; /* NULL: en-us */
    const char *websocket; /* NULL: off; "" the same number from 5700 on; or a port */
    const char *share;  /* NULL, "allow-exclusive", "force-shared", "ignore" */
    const char *name;   /* of the desktop; may be NULL */
};

/*
 * QEMU's -vnc text, with texts kept in `storage`. Pure. Unknown words get a sentence. "none" is
 * the caller's business.
 */
int vnc_parse(struct vnc_config *config, char *storage, size_t storage_size, const char *text,
              struct error *err);

/* The port is bound and listening when this returns. */
int vnc_open(struct vnc **out, const struct vnc_config *config, struct screen *screen,
             struct input *input, struct error *err);
void vnc_close(struct vnc *vnc); /* NULL is fine */

const char *vnc_host(const struct vnc *vnc);
const char *vnc_service(const struct vnc *vnc); /* the decimal TCP port */
bool vnc_has_password(const struct vnc *vnc);
unsigned vnc_clients(const struct vnc *vnc); /* any loop */
void vnc_set_password(struct vnc *vnc, const char *password); /* any loop; 8 characters count */
#endif
