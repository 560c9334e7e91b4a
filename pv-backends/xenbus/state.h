/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_XENBUS_STATE_H
#define PV_BACKENDS_XENBUS_STATE_H
#include <stdbool.h>

/*
 * The connection of a frontend and its backend, as a pure function of what both have written to
 * xenstore and of how far we are. Source: public/io/xenbus.h; what Linux's and Windows' frontends do
 * at connect, reload, kexec and crash; what libxl writes (contract 6).
 */
enum xenbus_state { /* public/io/xenbus.h: XenbusState* */
    XENBUS_UNKNOWN = 0, /* no such node, or nonsense in it */
    XENBUS_INITIALISING = 1,
    XENBUS_INIT_WAIT = 2,
    XENBUS_INITIALISED = 3,
    XENBUS_CONNECTED = 4,
    XENBUS_CLOSING = 5,
    XENBUS_CLOSED = 6,
    XENBUS_RECONFIGURING = 7,
    XENBUS_RECONFIGURED = 8,
};
enum xenbus_state xenbus_parse(const char *text); /* NULL: XENBUS_UNKNOWN */

enum pv_phase {
    PV_FRESH,    /* nothing is open */
    PV_READY,    /* the host end is open and our features are written */
    PV_LINKED,   /* rings are mapped, and served */
    PV_LEAVING,  /* requests are being ended */
};

struct xenbus_seen {
    bool there;  /* the backend's directory */
    bool online; /* libxl: the device is to stay */
    enum xenbus_state front, back;
};

enum xenbus_action {
    XENBUS_NOTHING,
    XENBUS_PROBE,      /* open the host end, write features, then `state` */
    XENBUS_CONNECT,    /* map rings, then `state` */
    XENBUS_DISCONNECT, /* end what is in flight, unmap; then decide again */
    XENBUS_CLOSE,      /* close the host end, then `state` */
    XENBUS_REMOVE,     /* the device is gone: forget it */
    XENBUS_SAY,        /* just write `state` */
};

struct xenbus_step {
    enum xenbus_action action;
    enum xenbus_state state;
};
struct xenbus_step xenbus_decide(enum pv_phase phase, const struct xenbus_seen *seen);
#endif
