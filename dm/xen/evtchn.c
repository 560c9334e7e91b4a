/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Event channels through libxenevtchn: a table from local ports to whom to call. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <xenevtchn.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/xen/evtchn.h"

#define EVENTS_A_PASS 64

struct bound {
    uint32_t local;
    evtchn_fn *fn;
    void *arg;
};

struct evtchn {
    xenevtchn_handle *handle;
    struct loop *loop;
    struct watch *watch;
    struct bound *bound;
    size_t count;
};

static struct bound *find(struct evtchn *ev, uint32_t local)
{
    for (size_t i = 0; i < ev->count; i++)
        if (ev->bound[i].local == local)
            return &ev->bound[i];
    return NULL;
}

static void on_event(void *arg, unsigned events)
{
    struct evtchn *ev = arg;
    /* each costs a read and an unmask; a loop that polls finds the next work without them */
    int most = loop_polls(ev->loop) ? 1 : EVENTS_A_PASS;

    for (int i = 0; i < most; i++) {
        int port = xenevtchn_pending(ev->handle);
        struct bound *b;

        if (port < 0)
            return;
        xenevtchn_unmask(ev->handle, (evtchn_port_t)port); /* before we look: none is missed */
        b = find(ev, (uint32_t)port);
        if (b)
            b->fn(b->arg);
    }
}

int evtchn_open(struct evtchn **out, struct loop *loop, struct error *err)
{
    struct evtchn *ev = calloc(1, sizeof(*ev));
    int rc, fd;

    if (!ev)
        return error_set(err, -ENOMEM, "event channels: out of memory");
    ev->loop = loop;
    ev->handle = xenevtchn_open(NULL, 0);
    if (!ev->handle) {
        rc = error_errno(err, "open Xen's event channels");
        goto fail;
    }
    fd = xenevtchn_fd(ev->handle);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    rc = watch_open(&ev->watch, loop, fd, WATCH_READ, on_event, ev, err);
    if (rc < 0)
        goto fail;
    *out = ev;
    return 0;

fail:
    evtchn_close(ev);
    return rc;
}

void evtchn_close(struct evtchn *ev)
{
    if (!ev)
        return;
    watch_close(ev->watch);
    if (ev->handle)
        xenevtchn_close(ev->handle);
    free(ev->bound);
    free(ev);
}

int evtchn_restrict(struct evtchn *ev, unsigned domid, struct error *err)
{
    if (xenevtchn_restrict(ev->handle, (domid_t)domid) < 0)
        return error_errno(err, "restrict event channels to domain %u", domid);
    return 0;
}

int evtchn_bind(struct evtchn *ev, unsigned domid, uint32_t remote, evtchn_fn *fn, void *arg,
                uint32_t *local, struct error *err)
{
    struct bound *bound = realloc(ev->bound, (ev->count + 1) * sizeof(*bound));
    xenevtchn_port_or_error_t port;

    if (!bound)
        return error_set(err, -ENOMEM, "event channels: out of memory");
    ev->bound = bound;
    port = xenevtchn_bind_interdomain(ev->handle, domid, remote);
    if (port < 0)
        return error_errno(err, "bind event channel %u of domain %u", remote, domid);
    ev->bound[ev->count++] = (struct bound){ .local = (uint32_t)port, .fn = fn, .arg = arg };
    *local = (uint32_t)port;
    return 0;
}

void evtchn_unbind(struct evtchn *ev, uint32_t local)
{
    struct bound *b = find(ev, local);

    if (!b)
        return;
    xenevtchn_unbind(ev->handle, local);
    *b = ev->bound[--ev->count];
}

void evtchn_notify(struct evtchn *ev, uint32_t local)
{
    if (xenevtchn_notify(ev->handle, local) < 0)
        log_guest("notify event channel %u: errno %d", local, errno);
}
