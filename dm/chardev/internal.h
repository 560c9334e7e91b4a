/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_CHARDEV_INTERNAL_H
#define DM_CHARDEV_INTERNAL_H
#include "dm/base/loop.h"
#include "dm/chardev/chardev.h"

/* What chardev.c (the stream) and open.c (the kinds) share. */
#define OUTPUT_BYTES 65536u /* a power of two */

struct chardev {
    char *id, *filename, *path;
    struct loop *loop;
    int in, out;      /* descriptors; may be the same; -1: none */
    bool keep_latest; /* a full buffer drops its oldest bytes: nobody may be reading for hours */
    bool paused;      /* the user has no room: chardev_accept() reads on */
    bool telnet;
    uint8_t telnet_state;
    struct watch *in_watch, *out_watch;
    int listener;
    struct watch *listen_watch;
    struct chardev_config config; /* what a client needs to connect again; texts are ours */
    char *host, *port;
    struct timer reconnect;
    int connecting; /* a socket on its way to its peer; -1: none */
    struct watch *connect_watch;
    int slave; /* the pty's other end, held open so that it never hangs up */
    const struct chardev_user *user;
    void *owner;
    uint8_t *buffer; /* OUTPUT_BYTES, from the first time something could not be written */
    uint32_t head, tail;
};

/* The stream is up: descriptors are set. And down: they are closed and forgotten. */
int chardev_up(struct chardev *cd, int in, int out, struct error *err);
void chardev_down(struct chardev *cd);
/* Opens by kind. */
int chardev_open_kind(struct chardev *cd, struct error *err);
void chardev_close_kind(struct chardev *cd);
#endif
