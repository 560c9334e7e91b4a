/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which step comes next. Each is taken once: a second look at the same words asks for nothing. */
#include <stddef.h>
#include "pv-backends/xenbus/state.h"

enum xenbus_state xenbus_parse(const char *text)
{
    if (!text || text[0] < '1' || text[0] > '8' || text[1])
        return XENBUS_UNKNOWN;
    return (enum xenbus_state)(text[0] - '0');
}

static struct xenbus_step step(enum xenbus_action action, enum xenbus_state state)
{
    return (struct xenbus_step){ action, state };
}

/* A word that is there already is not said again: the frontend would see it change. */
static struct xenbus_step say(const struct xenbus_seen *seen, enum xenbus_state state)
{
    return seen->back == state ? step(XENBUS_NOTHING, state) : step(XENBUS_SAY, state);
}

/* libxl wants it gone, and waits for Closed. */
static bool is_leaving(const struct xenbus_seen *seen)
{
    return !seen->online;
}

static struct xenbus_step fresh(const struct xenbus_seen *seen)
{
    if (is_leaving(seen))
        return seen->back == XENBUS_CLOSED ? step(XENBUS_REMOVE, XENBUS_CLOSED)
                                           : step(XENBUS_SAY, XENBUS_CLOSED);
    switch (seen->front) {
    case XENBUS_CLOSING:
    case XENBUS_CLOSED: /* it comes back by Initialising */
        return say(seen, XENBUS_CLOSED);
    case XENBUS_UNKNOWN:
        return step(XENBUS_NOTHING, XENBUS_UNKNOWN);
    default:
        return step(XENBUS_PROBE, XENBUS_INIT_WAIT);
    }
}

static struct xenbus_step ready(const struct xenbus_seen *seen)
{
    if (is_leaving(seen) || seen->front == XENBUS_UNKNOWN)
        return step(XENBUS_CLOSE, XENBUS_CLOSED);
    switch (seen->front) {
    case XENBUS_INITIALISED:
    case XENBUS_CONNECTED:
        return step(XENBUS_CONNECT, XENBUS_CONNECTED);
    case XENBUS_CLOSING:
    case XENBUS_CLOSED:
        return step(XENBUS_CLOSE, XENBUS_CLOSED);
    default:
        return say(seen, XENBUS_INIT_WAIT); /* another's hand was there, or a failed connect */
    }
}

static struct xenbus_step linked(const struct xenbus_seen *seen)
{
    switch (seen->front) {
    case XENBUS_INITIALISED:
    case XENBUS_CONNECTED:
    case XENBUS_RECONFIGURING:
    case XENBUS_RECONFIGURED:
        if (is_leaving(seen)) /* the frontend is asked, and goes when it can */
            return say(seen, XENBUS_CLOSING);
        return say(seen, XENBUS_CONNECTED);
    case XENBUS_CLOSING:
        return say(seen, XENBUS_CLOSING);
    default: /* closed; or a new kernel that knows of no connection; or no frontend any more */
        return step(XENBUS_DISCONNECT, XENBUS_CLOSED);
    }
}

struct xenbus_step xenbus_decide(enum pv_phase phase, const struct xenbus_seen *seen)
{
    if (!seen->there && phase != PV_LEAVING)
        return phase == PV_LINKED ? step(XENBUS_DISCONNECT, XENBUS_CLOSED)
                                  : step(XENBUS_REMOVE, XENBUS_CLOSED);
    switch (phase) {
    case PV_FRESH:
        return fresh(seen);
    case PV_READY:
        return ready(seen);
    case PV_LINKED:
        return linked(seen);
    default:
        return step(XENBUS_NOTHING, seen->back);
    }
}
