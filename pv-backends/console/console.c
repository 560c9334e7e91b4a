/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A console: a page of bytes both ways, a chardev. Frontends spin while their ring is full, so what
 * the guest writes is always taken: up to `limit` bytes wait for a slow reader, and then the oldest go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/chardev/chardev.h"
#include "dm/xen/evtchn.h"
#include "pv-backends/console/console.h"
#include "pv-backends/console/stream.h"
#include "pv-backends/host.h"
#include "pv-backends/page.h"

#define LIMIT_MOST (1u << 20) /* which is also what libxl writes */

struct console {
    struct chardev *host;
    bool owned;  /* ours to close; as long as there is a device, for people know its tty */
    struct pv_io *io;
    struct pv_page page;
    struct console_stream stream;
    uint32_t port; /* ours; 0: not bound */
    bool linked;
    uint8_t *backlog; /* what the host has not taken; a ring of `limit` bytes, from when it is needed */
    uint32_t limit, head, held;
};

/* ---- The host's end ---- */

static int find_host(struct pv_device *dev, struct console *c, const char *id, struct error *err)
{
    struct pv_host *host = pv_bus_host(pv_bus_of(dev));

    c->host = host->find_chardev ? host->find_chardev(host->arg, id) : NULL;
    if (!c->host)
        return error_set(err, -ENOENT, "%s: there is no chardev %.64s", pv_name(dev), id);
    if (!chardev_used(c->host))
        return 0;
    c->host = NULL;
    return error_set(err, -EBUSY, "%s: the chardev %.64s is used already", pv_name(dev), id);
}

static int open_host(struct pv_device *dev, struct console *c, struct error *err)
{
    char *output = pv_front_read(dev, "output"), storage[256];
    struct chardev_config config;
    int rc = chardev_parse_legacy(&config, storage, sizeof(storage), output ? output : "pty", err);

    if (rc == 0 && !strcmp(config.kind, "chardev")) {
        rc = find_host(dev, c, config.path, err);
    } else if (rc == 0) {
        config.id = pv_name(dev);
        rc = chardev_open(&c->host, pv_bus_loop(pv_bus_of(dev)), &config, err);
        c->owned = rc == 0;
    }
    free(output);
    return rc;
}

/* "pty:/dev/pts/3": where people find it. */
static int write_tty(struct pv_device *dev, const struct console *c, struct error *err)
{
    const char *name = chardev_filename(c->host);

    return strncmp(name, "pty:", 4) ? 0 : pv_front_write(dev, "tty", err, "%s", name + 4);
}

/* ---- From the guest ---- */

static void keep(struct console *c, const uint8_t *bytes, size_t count)
{
    if (!c->backlog)
        c->backlog = malloc(c->limit);
    for (size_t i = 0; c->backlog && i < count; i++) {
        if (c->held == c->limit) { /* the oldest goes */
            c->head = (c->head + 1) % c->limit;
            c->held--;
        }
        c->backlog[(c->head + c->held++) % c->limit] = bytes[i];
    }
}

static void send_backlog(struct console *c)
{
    while (c->held) {
        size_t part = MIN(c->held, c->limit - c->head);
        size_t taken = chardev_write(c->host, c->backlog + c->head, part);

        c->head = (c->head + (uint32_t)taken) % c->limit;
        c->held -= (uint32_t)taken;
        if (taken < part)
            return;
    }
}

static void send(struct console *c, const uint8_t *bytes, size_t count)
{
    size_t taken = c->held ? 0 : chardev_write(c->host, bytes, count);

    keep(c, bytes + taken, count - taken);
}

static void fail(struct console *c, const char *why)
{
    c->linked = false;
    pv_failed_later(pv_of(c), why);
}

static void on_event(void *arg)
{
    struct console *c = arg;
    uint8_t bytes[CONSOLE_OUT];
    size_t count = c->linked ? console_take(&c->stream, bytes) : 0;

    if (count == SIZE_MAX) {
        fail(c, "the guest claims to have written more than its ring holds");
        return;
    }
    if (count) {
        send(c, bytes, count);
        evtchn_notify(c->io->evtchn, c->port);
    }
    if (c->linked)
        chardev_accept(c->host); /* the guest may have read */
}

/* ---- To the guest ---- */

static size_t room(void *owner)
{
    struct console *c = owner;
    size_t n = c->linked ? console_room(&c->stream) : 0;

    if (n != SIZE_MAX)
        return n;
    fail(c, "the guest claims to have read what was never written");
    return 0;
}

static void receive(void *owner, const uint8_t *bytes, size_t count)
{
    struct console *c = owner;
    size_t n = room(c); /* the guest may have taken it back since it was asked */

    if (!c->linked || !n)
        return;
    console_put(&c->stream, bytes, MIN(n, count));
    evtchn_notify(c->io->evtchn, c->port);
}

static void drained(void *owner)
{
    send_backlog(owner);
}

static const struct chardev_user host_user = { .room = room, .receive = receive,
                                               .drained = drained };

/* ---- The class ---- */

static bool is_first(const struct pv_device *dev)
{
    return pv_devid(dev) == 0;
}

static bool ours(struct pv_device *dev)
{
    char *type = pv_front_read(dev, "type");
    bool mine = type && !strcmp(type, "ioemu");

    free(type);
    return mine;
}

/* The first console has none: it is there when its ring is. */
static enum xenbus_state front_state(struct pv_device *dev)
{
    char *port = is_first(dev) ? pv_front_read(dev, "port") : NULL;
    enum xenbus_state state = port ? XENBUS_CONNECTED : XENBUS_UNKNOWN;

    free(port);
    return state;
}

static int probe(struct pv_device *dev, struct error *err)
{
    struct console *c = pv_state(dev);
    uint64_t limit = LIMIT_MOST;
    int rc = pv_front_number(dev, "limit", UINT32_MAX, &limit, err);

    if (rc == -EINVAL)
        return rc;
    limit = rc < 0 || !limit ? LIMIT_MOST : MIN(limit, LIMIT_MOST);
    if (limit != c->limit) {
        free(c->backlog);
        c->backlog = NULL;
        c->head = c->held = 0;
        c->limit = (uint32_t)limit;
    }
    rc = c->host ? 0 : open_host(dev, c, err);
    if (rc == 0)
        rc = write_tty(dev, c, err);
    if (rc == 0)
        rc = pv_io_home(pv_bus_host(pv_bus_of(dev))->pool, pv_bus_loop(pv_bus_of(dev)), &c->io,
                        err);
    return rc == 0 ? pv_back_write(dev, "hotplug-status", err, "connected") : rc;
}

static int connect(struct pv_device *dev, struct error *err)
{
    struct console *c = pv_state(dev);
    uint64_t port;
    int rc = pv_front_number(dev, "port", UINT32_MAX, &port, err);

    if (rc == 0 && is_first(dev)) /* a frame number, whatever the node is called */
        rc = pv_page_named(&c->page, dev, "ring-ref", pv_bus_host(pv_bus_of(dev))->backing, err);
    else if (rc == 0)
        rc = pv_page_granted(&c->page, dev, "ring-ref", c->io->grants, err);
    if (rc == 0)
        rc = evtchn_bind(c->io->evtchn, c->io->domid, (uint32_t)port, on_event, c, &c->port, err);
    if (rc < 0)
        return rc;
    console_begin(&c->stream, c->page.bytes);
    c->linked = true;
    chardev_attach(c->host, &host_user, c);
    on_event(c);
    return 0;
}

static void unlink_ring(struct console *c)
{
    c->linked = false;
    if (c->host)
        chardev_detach(c->host);
    if (c->port)
        evtchn_unbind(c->io->evtchn, c->port);
    c->port = 0;
    pv_page_drop(&c->page);
}

static void disconnect(struct pv_device *dev)
{
    struct console *c = pv_state(dev);

    on_event(c); /* its last words */
    unlink_ring(c);
    pv_disconnected(dev);
}

static void close_device(struct pv_device *dev)
{
    unlink_ring(pv_state(dev));
}

static void remove_device(struct pv_device *dev)
{
    struct console *c = pv_state(dev);

    if (c->owned)
        chardev_close(c->host);
    free(c->backlog);
}

const struct pv_class console_class = {
    .kind = "console", .front = "console", .size = sizeof(struct console), .ours = ours,
    .front_state = front_state, .probe = probe, .connect = connect, .disconnect = disconnect,
    .close = close_device, .remove = remove_device,
};
