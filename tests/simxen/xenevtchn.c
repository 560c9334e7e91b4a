/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stand-in for libxenevtchn.so.1. A handle is a FIFO that four bytes come out of for each
 * event, one read(2) each; notify is one system call, the wake-up of the vCPU that waits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xenevtchn.h>
#include "tests/simxen/simxen.h"

struct xenevtchn_handle {
    int fd;
    unsigned index;
    bool restricted;
};

static int fail(int error)
{
    errno = error;
    return -1;
}

static struct simxen_local *local_of(xenevtchn_handle *h, evtchn_port_t port)
{
    struct simxen_local *l = &simxen()->locals[port % SIMXEN_PORTS];

    return port < SIMXEN_PORTS && l->used && l->handle == h->index ? l : NULL;
}

static int open_fifo(unsigned index)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/evt%u", simxen_dir(), index);
    unlink(path);
    if (mkfifo(path, 0600) < 0)
        return -1;
    return open(path, O_RDWR | O_CLOEXEC);
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
    struct simxen *s = simxen();
    xenevtchn_handle *h = s ? calloc(1, sizeof(*h)) : NULL;

    if (!h)
        return NULL;
    simxen_lock();
    while (h->index < SIMXEN_HANDLES && s->handles[h->index])
        h->index++;
    h->fd = h->index < SIMXEN_HANDLES ? open_fifo(h->index) : -1;
    if (h->fd >= 0) {
        s->handles[h->index] = true;
        simxen_own_handle(h->index, h->fd);
    }
    simxen_unlock();
    if (h->fd >= 0)
        return h;
    free(h);
    return NULL;
}

static void drop(struct simxen_local *l)
{
    struct simxen_remote *r = &simxen()->remotes[l->remote];

    l->used = false;
    r->local = 0;
}

/* The index stays taken: the other side may have the FIFO open still. */
int xenevtchn_close(xenevtchn_handle *h)
{
    if (!h)
        return 0;
    simxen_lock();
    for (evtchn_port_t port = 1; port < SIMXEN_PORTS; port++)
        if (local_of(h, port))
            drop(local_of(h, port));
    simxen_own_handle(h->index, -1);
    simxen_unlock();
    close(h->fd);
    free(h);
    return 0;
}

int xenevtchn_fd(xenevtchn_handle *h)
{
    return h->fd;
}

static int bind(xenevtchn_handle *h, evtchn_port_t remote)
{
    struct simxen *s = simxen();
    evtchn_port_t port = 1;

    if (!remote || remote >= SIMXEN_PORTS || !s->remotes[remote].used || s->remotes[remote].local)
        return -EINVAL;
    while (port < SIMXEN_PORTS && s->locals[port].used)
        port++;
    if (port == SIMXEN_PORTS)
        return -ENOSPC;
    s->locals[port] = (struct simxen_local){ .used = true, .handle = h->index, .remote = remote };
    s->remotes[remote].local = port;
    simxen_raise(port); /* what was sent before anyone listened is not lost */
    return (int)port;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *h, uint32_t domid,
                                                     evtchn_port_t remote)
{
    int rc;

    simxen_syscall();
    if (domid != SIMXEN_DOMID || simxen()->dying)
        return fail(h->restricted ? EPERM : ESRCH);
    simxen_lock();
    rc = bind(h, remote);
    simxen_unlock();
    return rc < 0 ? fail(-rc) : rc;
}

int xenevtchn_unbind(xenevtchn_handle *h, evtchn_port_t port)
{
    struct simxen_local *l = local_of(h, port);

    simxen_syscall();
    if (!l)
        return fail(EINVAL);
    simxen_lock();
    drop(l);
    simxen_unlock();
    return 0;
}

int xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t port)
{
    if (!local_of(h, port))
        return fail(EINVAL);
    simxen_notify(port);
    return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *h)
{
    evtchn_port_t port;

    return read(h->fd, &port, sizeof(port)) == sizeof(port) ? (int)port : -1;
}

int xenevtchn_unmask(xenevtchn_handle *h, evtchn_port_t port)
{
    if (!local_of(h, port))
        return fail(EINVAL);
    simxen_syscall();
    simxen_unmask(port);
    return 0;
}

int xenevtchn_restrict(xenevtchn_handle *h, domid_t domid)
{
    simxen_syscall();
    h->restricted = true;
    return domid == SIMXEN_DOMID ? 0 : fail(ESRCH);
}
