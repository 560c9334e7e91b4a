/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bus: finds the devices of one domain below backend/KIND/DOMID, and moves each from step to
 * step. A watch only marks what is to be looked at; looking is done once, from a message, however
 * often the frontend has written meanwhile.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/xen/store.h"
#include "pv-backends/xenbus/device.h"

#define PATH_MOST 256
#define DEVICES_MOST 256 /* of a domain; the toolstack makes them, so this is no guest's doing */

struct pv_device {
    struct pv_bus *bus;
    const struct pv_class *cls;
    unsigned devid;
    char name[48], back[PATH_MOST], front[PATH_MOST];
    enum pv_phase phase;
    struct store_watch *back_watch, *front_watch;
    bool look;    /* something was written since we last looked */
    bool waits;   /* probe said: not now; until a node of ours changes */
    bool other;   /* somebody else serves it */
    bool refused; /* connect failed; until the frontend's state changes */
    bool front_wrote, back_wrote;
    enum xenbus_state refused_at;
    struct pv_device *next;
    max_align_t state[];
};

struct kind {
    struct pv_bus *bus;
    const struct pv_class *cls;
    struct store_watch *watch;
};

struct pv_bus {
    struct store *store;
    struct loop *loop;
    unsigned domid;
    struct pv_host *host;
    struct kind *kinds;
    unsigned kind_count;
    struct pv_device *devices;
    bool find, posted; /* find: look for new devices */
    bool stopping, stopped;
    void (*done)(void *arg);
    void *done_arg;
};

static void look(void *arg);

static void look_soon(struct pv_bus *bus)
{
    if (!bus->posted)
        loop_post(bus->loop, look, bus);
    bus->posted = true;
}

/* ---- Accessors ---- */

void *pv_state(struct pv_device *dev)
{
    return dev->state;
}

struct pv_device *pv_of(void *state)
{
    return (struct pv_device *)((char *)state - offsetof(struct pv_device, state));
}

struct pv_bus *pv_bus_of(const struct pv_device *dev)
{
    return dev->bus;
}

unsigned pv_devid(const struct pv_device *dev)
{
    return dev->devid;
}

const char *pv_name(const struct pv_device *dev)
{
    return dev->name;
}

enum pv_phase pv_phase(const struct pv_device *dev)
{
    return dev->phase;
}

const struct pv_class *pv_class_of(const struct pv_device *dev)
{
    return dev->cls;
}

struct pv_host *pv_bus_host(const struct pv_bus *bus)
{
    return bus->host;
}

struct loop *pv_bus_loop(const struct pv_bus *bus)
{
    return bus->loop;
}

unsigned pv_bus_domid(const struct pv_bus *bus)
{
    return bus->domid;
}

void pv_bus_walk(struct pv_bus *bus, void (*fn)(void *arg, struct pv_device *dev), void *arg)
{
    for (struct pv_device *d = bus->devices; d; d = d->next)
        fn(arg, d);
}

/* ---- Nodes ---- */

static char *read_node(struct pv_bus *bus, const char *dir, const char *key)
{
    char path[PATH_MOST + 64];

    if (!*dir)
        return NULL;
    snprintf(path, sizeof(path), "%s/%s", dir, key);
    return store_read(bus->store, path);
}

char *pv_back_read(struct pv_device *dev, const char *key)
{
    return read_node(dev->bus, dev->back, key);
}

char *pv_front_read(struct pv_device *dev, const char *key)
{
    return read_node(dev->bus, dev->front, key);
}

static bool read_flag(struct pv_bus *bus, const char *dir, const char *key)
{
    char *text = read_node(bus, dir, key);
    bool on = text && !strcmp(text, "1");

    free(text);
    return on;
}

bool pv_back_flag(struct pv_device *dev, const char *key)
{
    return read_flag(dev->bus, dev->back, key);
}

bool pv_front_flag(struct pv_device *dev, const char *key)
{
    return read_flag(dev->bus, dev->front, key);
}

static int read_number(struct pv_device *dev, const char *dir, const char *key, uint64_t most,
                       uint64_t *value, struct error *err)
{
    char *text = read_node(dev->bus, dir, key), *end = NULL;
    int rc = 0;

    if (!text)
        return error_set(err, -ENOENT, "%s: %s has no node %s", dev->name, dir, key);
    errno = 0;
    *value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || *value > most)
        rc = error_set(err, -EINVAL, "%s: %s/%s is %.32s, not a number from 0 to %llu", dev->name,
                       dir, key, text, (unsigned long long)most);
    free(text);
    return rc;
}

int pv_back_number(struct pv_device *dev, const char *key, uint64_t most, uint64_t *value,
                   struct error *err)
{
    return read_number(dev, dev->back, key, most, value, err);
}

int pv_front_number(struct pv_device *dev, const char *key, uint64_t most, uint64_t *value,
                    struct error *err)
{
    return read_number(dev, dev->front, key, most, value, err);
}

static int write_node(struct pv_device *dev, const char *dir, const char *key, struct error *err,
                      const char *format, va_list args)
{
    char path[PATH_MOST + 64], value[1024];

    if (!*dir)
        return error_set(err, -ENOENT, "%s: there is no frontend", dev->name);
    snprintf(path, sizeof(path), "%s/%s", dir, key);
    vsnprintf(value, sizeof(value), format, args);
    return store_write(dev->bus->store, path, value, err);
}

int pv_back_write(struct pv_device *dev, const char *key, struct error *err, const char *format,
                  ...)
{
    va_list args;
    int rc;

    va_start(args, format);
    rc = write_node(dev, dev->back, key, err, format, args);
    va_end(args);
    return rc;
}

int pv_front_write(struct pv_device *dev, const char *key, struct error *err, const char *format,
                   ...)
{
    va_list args;
    int rc;

    va_start(args, format);
    rc = write_node(dev, dev->front, key, err, format, args);
    va_end(args);
    return rc;
}

void pv_back_remove(struct pv_device *dev, const char *key)
{
    char path[PATH_MOST + 64];

    snprintf(path, sizeof(path), "%s/%s", dev->back, key);
    store_remove(dev->bus->store, path);
}

/* ---- Steps ---- */

static enum xenbus_state front_state(struct pv_device *dev)
{
    enum xenbus_state state = dev->cls->front_state ? dev->cls->front_state(dev) : XENBUS_UNKNOWN;
    char *text = state == XENBUS_UNKNOWN ? pv_front_read(dev, "state") : NULL;

    if (text)
        state = xenbus_parse(text);
    free(text);
    return state;
}

static void say(struct pv_device *dev, enum xenbus_state state)
{
    struct error err;

    if (pv_back_write(dev, "state", &err, "%d", state) < 0)
        log_warn("%s: %s", dev->name, err.text);
}

/*
 * What is wrong, where `xl` and people look for it. Not what stands there already: the write comes
 * back by our own watch, and a probe that fails each time would have no end.
 */
static void complain(struct pv_device *dev, const struct error *why, bool of_guest)
{
    bool named = !strncmp(why->text, dev->name, strlen(dev->name));
    char *old = pv_back_read(dev, "error"), text[sizeof(dev->name) + sizeof(why->text) + 2];

    snprintf(text, sizeof(text), "%s%s%s", named ? "" : dev->name, named ? "" : ": ", why->text);
    if (!old || strcmp(old, text)) {
        if (of_guest) /* which may come again with another lie for ever */
            log_guest("%s", text);
        else
            log_warn("%s", text);
        pv_back_write(dev, "error", NULL, "%s", text);
    }
    free(old);
}

static void probe(struct pv_device *dev, enum xenbus_state state)
{
    struct error err = { "" };
    int rc = dev->cls->probe(dev, &err);

    dev->waits = rc < 0;
    if (rc == 0) {
        dev->phase = PV_READY;
        say(dev, state);
    } else if (rc != -EAGAIN) {
        complain(dev, &err, false);
    }
}

static void disconnect(struct pv_device *dev)
{
    dev->phase = PV_LEAVING;
    dev->cls->disconnect(dev);
}

static void refuse(struct pv_device *dev, enum xenbus_state front)
{
    dev->refused = front >= XENBUS_INITIALISED && front != XENBUS_CLOSING && front != XENBUS_CLOSED;
    dev->refused_at = front; /* one that leaves already waits for our Closed, and changes no more */
    say(dev, XENBUS_CLOSING);
    disconnect(dev);
}

void pv_failed(struct pv_device *dev, const char *why)
{
    struct error err;

    if (dev->phase != PV_LINKED)
        return;
    error_set(&err, -EPROTO, "%s: %s", dev->name, why);
    complain(dev, &err, true);
    refuse(dev, front_state(dev));
}

struct failure {
    struct pv_device *dev;
    char why[128];
};

static void fail_now(void *arg)
{
    struct failure *f = arg;

    pv_failed(f->dev, f->why);
    free(f);
}

void pv_failed_later(struct pv_device *dev, const char *why)
{
    struct failure *f = malloc(sizeof(*f));

    if (!f)
        return;
    f->dev = dev;
    snprintf(f->why, sizeof(f->why), "%s", why);
    loop_post(dev->bus->loop, fail_now, f);
}

static void connect(struct pv_device *dev, enum xenbus_state front, enum xenbus_state state)
{
    struct error err = { "" };
    int rc = dev->cls->connect(dev, &err);

    if (rc == 0) {
        dev->phase = PV_LINKED;
        say(dev, state);
        return;
    }
    complain(dev, &err, true);
    refuse(dev, front);
}

static void forget(struct pv_device *dev)
{
    static const char *const brought_back[] = { "state", "error", NULL };
    struct pv_device **at = &dev->bus->devices;

    while (*at != dev)
        at = &(*at)->next;
    *at = dev->next;
    if (dev->phase != PV_FRESH) /* linked only where no loop runs any more */
        dev->cls->close(dev);
    if (dev->cls->remove)
        dev->cls->remove(dev);
    store_unwatch(dev->back_watch);
    store_unwatch(dev->front_watch);
    store_sweep(dev->bus->store, dev->back, "frontend", brought_back);
    free(dev);
}

/*
 * Its node `frontend` says that a directory is the toolstack's: we never write it. The others come
 * back, and the directory with them, where we write one while the toolstack removes them all.
 */
static struct xenbus_seen see(struct pv_device *dev)
{
    char *online = pv_back_read(dev, "online"), *back = pv_back_read(dev, "state"),
         *frontend = pv_back_read(dev, "frontend");
    struct xenbus_seen seen = { .there = frontend && (back || online),
                                .online = online && !strcmp(online, "1"),
                                .front = front_state(dev),
                                .back = xenbus_parse(back) };

    free(online);
    free(back);
    free(frontend);
    if (dev->bus->stopping) /* the process ends: as if all frontends had gone */
        seen.front = XENBUS_UNKNOWN;
    return seen;
}

/* True where another look is due. The device may be gone then, or not. */
static bool move(struct pv_device *dev)
{
    struct xenbus_seen seen = see(dev);
    struct xenbus_step step = xenbus_decide(dev->phase, &seen);

    if (dev->phase == PV_FRESH && seen.there)
        dev->other = dev->cls->ours && !dev->cls->ours(dev);
    if (dev->other && seen.there)
        return false;
    if (dev->refused && seen.front == dev->refused_at && seen.online && seen.there)
        return false;
    dev->refused = false;
    switch (step.action) {
    case XENBUS_NOTHING:
        return false;
    case XENBUS_SAY:
        if (!dev->bus->stopping)
            say(dev, step.state);
        return false; /* our own write comes back by the watch */
    case XENBUS_PROBE:
        if (dev->waits || dev->bus->stopping)
            return false;
        probe(dev, step.state);
        return false;
    case XENBUS_CONNECT:
        connect(dev, seen.front, step.state);
        return false;
    case XENBUS_DISCONNECT:
        disconnect(dev);
        return false;
    case XENBUS_CLOSE:
        dev->cls->close(dev);
        dev->phase = PV_FRESH;
        if (!dev->bus->stopping)
            say(dev, step.state);
        return true;
    case XENBUS_REMOVE:
        forget(dev);
        return false;
    }
    return false;
}

static void disconnected(void *arg)
{
    struct pv_device *dev = arg;

    dev->cls->close(dev);
    dev->phase = PV_FRESH;
    dev->look = true;
    look_soon(dev->bus);
}

void pv_reopen(struct pv_device *dev)
{
    if (dev->phase != PV_READY)
        return;
    dev->cls->close(dev);
    dev->phase = PV_FRESH;
    dev->waits = false;
    dev->look = true;
    look_soon(dev->bus);
}

void pv_disconnected(struct pv_device *dev)
{
    loop_post(dev->bus->loop, disconnected, dev);
}

/* ---- Finding ---- */

static void on_back(void *arg)
{
    struct pv_device *dev = arg;

    dev->look = dev->back_wrote = true;
    look_soon(dev->bus);
}

static void on_front(void *arg)
{
    struct pv_device *dev = arg;

    dev->look = dev->front_wrote = true;
    look_soon(dev->bus);
}

/*
 * The frontend's directory as the toolstack wrote it into ours. The guest cannot write there, but
 * what is read must be a path of that guest all the same.
 */
static int find_front(struct pv_device *dev, struct error *err)
{
    char *path = pv_back_read(dev, "frontend"), want[64];
    int rc = 0;

    snprintf(want, sizeof(want), "/local/domain/%u/", dev->bus->domid);
    if (!path || strncmp(path, want, strlen(want)) || strlen(path) >= sizeof(dev->front))
        rc = error_set(err, -EINVAL, "%s: its node frontend is not below %s", dev->name, want);
    else
        strcpy(dev->front, path);
    free(path);
    return rc;
}

static int watch_both(struct pv_device *dev, struct error *err)
{
    int rc = find_front(dev, err);

    if (rc == 0)
        rc = store_watch(&dev->back_watch, dev->bus->store, dev->back, on_back, dev, err);
    if (rc == 0)
        rc = store_watch(&dev->front_watch, dev->bus->store, dev->front, on_front, dev, err);
    return rc;
}

static void add_device(struct kind *kind, unsigned devid)
{
    struct pv_bus *bus = kind->bus;
    struct pv_device *dev = calloc(1, sizeof(*dev) + kind->cls->size);
    struct error err;

    if (!dev) {
        log_error("%s %u: out of memory", kind->cls->kind, devid);
        return;
    }
    dev->bus = bus;
    dev->cls = kind->cls;
    dev->devid = devid;
    snprintf(dev->name, sizeof(dev->name), "%s %u", kind->cls->kind, devid);
    snprintf(dev->back, sizeof(dev->back), "backend/%s/%u/%u", kind->cls->kind, bus->domid, devid);
    if (watch_both(dev, &err) < 0) { /* half written: the watch of the kind calls again */
        store_unwatch(dev->back_watch);
        store_unwatch(dev->front_watch);
        free(dev);
        return;
    }
    dev->look = true;
    dev->next = bus->devices;
    bus->devices = dev;
}

static bool known(const struct pv_bus *bus, const struct pv_class *cls, unsigned devid)
{
    for (const struct pv_device *d = bus->devices; d; d = d->next)
        if (d->cls == cls && d->devid == devid)
            return true;
    return false;
}

static void find_devices(struct kind *kind)
{
    char path[PATH_MOST];
    unsigned count;
    char **list;

    snprintf(path, sizeof(path), "backend/%s/%u", kind->cls->kind, kind->bus->domid);
    list = store_list(kind->bus->store, path, &count);
    for (unsigned i = 0; i < count && i < DEVICES_MOST; i++) {
        char *end;
        unsigned long devid = strtoul(list[i], &end, 10);

        if (*end || end == list[i] || devid > UINT32_MAX ||
            known(kind->bus, kind->cls, (unsigned)devid))
            continue;
        add_device(kind, (unsigned)devid);
    }
    store_free_list(list);
}

static bool all_gone(const struct pv_bus *bus)
{
    for (const struct pv_device *d = bus->devices; d; d = d->next)
        if (d->phase == PV_LINKED || d->phase == PV_LEAVING)
            return false;
    return true;
}

static void look(void *arg)
{
    struct pv_bus *bus = arg;
    struct pv_device *dev, *next;

    bus->posted = false;
    if (bus->find && !bus->stopping)
        for (unsigned i = 0; i < bus->kind_count; i++)
            find_devices(&bus->kinds[i]);
    bus->find = false;
    for (dev = bus->devices; dev; dev = next) {
        bool front = dev->front_wrote, back = dev->back_wrote;

        next = dev->next;
        if (!dev->look)
            continue;
        dev->look = dev->front_wrote = dev->back_wrote = false;
        dev->waits &= !back;
        if (back && dev->cls->changed && dev->phase != PV_FRESH)
            dev->cls->changed(dev);
        if (front && dev->cls->front_changed && dev->phase == PV_LINKED)
            dev->cls->front_changed(dev);
        if (move(dev)) {
            dev->look = true;
            look_soon(bus);
        }
    }
    if (bus->stopping && !bus->stopped && all_gone(bus)) {
        bus->stopped = true;
        for (dev = bus->devices; dev; dev = dev->next)
            if (dev->cls->closes_at_end && !dev->other)
                say(dev, XENBUS_CLOSED);
        loop_post(bus->loop, bus->done, bus->done_arg);
    }
}

static void on_kind(void *arg)
{
    struct kind *kind = arg;

    kind->bus->find = true;
    look_soon(kind->bus);
}

/* ---- The bus ---- */

int pv_bus_open(struct pv_bus **out, struct store *store, struct loop *machine, unsigned domid,
                const struct pv_class *const *classes, struct pv_host *host, struct error *err)
{
    struct pv_bus *bus = calloc(1, sizeof(*bus));
    char path[PATH_MOST];
    int rc = 0;

    if (!bus)
        return error_set(err, -ENOMEM, "PV backends: out of memory");
    *bus = (struct pv_bus){ .store = store, .loop = machine, .domid = domid, .host = host };
    while (classes[bus->kind_count])
        bus->kind_count++;
    bus->kinds = calloc(bus->kind_count + 1, sizeof(*bus->kinds));
    if (!bus->kinds)
        rc = error_set(err, -ENOMEM, "PV backends: out of memory");
    for (unsigned i = 0; rc == 0 && i < bus->kind_count; i++) {
        bus->kinds[i] = (struct kind){ .bus = bus, .cls = classes[i] };
        snprintf(path, sizeof(path), "backend/%s/%u", classes[i]->kind, domid);
        rc = store_watch(&bus->kinds[i].watch, store, path, on_kind, &bus->kinds[i], err);
    }
    if (rc < 0) {
        pv_bus_close(bus);
        return rc;
    }
    *out = bus;
    return 0;
}

void pv_bus_look(struct pv_bus *bus)
{
    bus->find = true;
    look(bus);
}

void pv_bus_stop(struct pv_bus *bus, void (*done)(void *arg), void *arg)
{
    bus->stopping = true;
    bus->done = done;
    bus->done_arg = arg;
    for (struct pv_device *d = bus->devices; d; d = d->next)
        d->look = true;
    look_soon(bus);
}

void pv_bus_close(struct pv_bus *bus)
{
    if (!bus)
        return;
    while (bus->devices)
        forget(bus->devices);
    for (unsigned i = 0; i < bus->kind_count && bus->kinds; i++)
        store_unwatch(bus->kinds[i].watch);
    free(bus->kinds);
    free(bus);
}
