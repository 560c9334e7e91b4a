/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lives on the machine loop: such a guest has no emulated devices that could wait for a drawing, and
 * nothing is drawn while nobody looks.
 */
#include <errno.h>
#include <stdlib.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/display/screen.h"
#include "dm/xen/evtchn.h"
#include "pv-backends/fb/draw.h"
#include "pv-backends/fb/memory.h"
#include "pv-backends/fb/page.h"
#include "pv-backends/fb/vfb.h"
#include "pv-backends/host.h"
#include "pv-backends/kbd/vkbd.h"
#include "pv-backends/page.h"

#define REFRESH_MS 33u /* what viewers look at in a second, at most */
/*
 * What a frontend draws it tells of, but not what its kernel writes there as it dies: so all is looked
 * at now and then.
 */
#define WHOLE_NS NS_PER_SEC

struct vfb {
    struct pv_io *io;
    struct pv_page page;
    struct fb_memory memory;
    uint32_t port; /* ours; 0: not bound */
    bool linked, shown;
    bool updates;  /* it tells what it has drawn */
    struct fb_ring ring;
    struct fb_shape shape;
    struct damage drawn; /* as it told */
    uint64_t whole_ns;   /* when all of it was looked at */
    uint32_t advised;    /* ms; 0 is what it begins with */
};

static struct pv_host *host_of(struct vfb *v)
{
    return pv_bus_host(pv_bus_of(pv_of(v)));
}

static void advise(struct vfb *v, uint32_t ms)
{
    if (v->advised == ms || !v->linked || !fb_advise(&v->ring, v->page.bytes, ms))
        return;
    v->advised = ms;
    evtchn_notify(v->io->evtchn, v->port);
}

/* ---- The screen's side ---- */

static void draw_part(struct vfb *v, const struct surface *surface, struct damage *damage,
                      const struct rect *part)
{
    fb_draw(surface, damage, v->memory.bytes, &v->shape, part);
}

/* Whether parts that lie over each other cost more than all of the picture. */
static bool too_many(const struct vfb *v)
{
    uint64_t pixels = 0;

    for (unsigned i = 0; i < v->drawn.count; i++)
        pixels += (uint64_t)v->drawn.rects[i].width * v->drawn.rects[i].height;
    return pixels > (uint64_t)v->shape.width * v->shape.height;
}

static void draw(void *owner, struct surface *surface, struct damage *damage, bool all)
{
    struct vfb *v = owner;
    struct rect whole = { 0, 0, v->shape.width, v->shape.height };
    uint64_t now = clock_now();

    advise(v, REFRESH_MS);
    if (surface->width != whole.width || surface->height != whole.height)
        screen_size(host_of(v)->screen, surface, whole.width, whole.height);
    if (surface->width != whole.width || surface->height != whole.height)
        return; /* there was no memory for it */
    if (all || !v->updates || now - v->whole_ns >= WHOLE_NS || too_many(v)) {
        draw_part(v, surface, damage, &whole);
        v->whole_ns = now;
    } else {
        for (unsigned i = 0; i < v->drawn.count; i++)
            draw_part(v, surface, damage, &v->drawn.rects[i]);
    }
    v->drawn.count = 0;
}

static void unwatched(void *owner)
{
    advise(owner, 0);
}

static const struct screen_ops screen_ops = { .draw = draw, .unwatched = unwatched };

/* ---- Events ---- */

static void on_update(struct vfb *v, const struct fb_event *e)
{
    struct rect part = fb_clip(&v->shape, e->x, e->y, e->width, e->height);

    damage_add(&v->drawn, part.x, part.y, part.width, part.height);
}

static void take_shape(struct vfb *v, const struct fb_shape *shape)
{
    v->shape = *shape;
    v->drawn.count = 0; /* of the picture before it; and of this one all */
    damage_add(&v->drawn, 0, 0, shape->width, shape->height);
}

/* For pointers, whose positions are on it. */
static void tell_size(struct vfb *v, unsigned width, unsigned height)
{
    host_of(v)->fb_width = width;
    host_of(v)->fb_height = height;
}

static void on_resize(struct vfb *v, const struct fb_event *e)
{
    struct fb_shape shape;
    struct error err;

    if (fb_judge(&shape, &e->wish, v->memory.length, &err) < 0) {
        log_guest("%s: the guest asks for %s", pv_name(pv_of(v)), err.text);
        return;
    }
    take_shape(v, &shape);
    tell_size(v, shape.width, shape.height);
}

static void on_event(void *arg)
{
    struct vfb *v = arg;
    int n = v->linked ? fb_waiting(&v->ring, v->page.bytes) : 0;
    struct fb_event e;

    if (n < 0) {
        v->linked = false;
        pv_failed_later(pv_of(v), "the guest claims to have sent more events than there is room for");
    }
    if (n <= 0)
        return;
    for (int i = 0; i < n; i++) {
        fb_take(&v->ring, v->page.bytes, &e);
        if (e.kind == FB_UPDATE)
            on_update(v, &e);
        else if (e.kind == FB_RESIZE)
            on_resize(v, &e);
        else
            log_guest("%s: the guest sends an event of an unknown kind", pv_name(pv_of(v)));
    }
    fb_taken(&v->ring, v->page.bytes);
    evtchn_notify(v->io->evtchn, v->port); /* a frontend may wait for room */
}

/* ---- The class ---- */

static int probe(struct pv_device *dev, struct error *err)
{
    struct vfb *v = pv_state(dev);
    int rc = pv_back_write(dev, "feature-resize", err, "1");

    if (rc == 0)
        rc = pv_back_write(dev, "request-update", err, "1");
    if (rc == 0)
        rc = pv_io_home(host_of(v)->pool, pv_bus_loop(pv_bus_of(dev)), &v->io, err);
    return rc == 0 ? pv_back_write(dev, "hotplug-status", err, "connected") : rc;
}

/* What the toolstack allows, in bytes. */
static int find_limit(struct pv_device *dev, size_t *limit, struct error *err)
{
    uint64_t mib = 0;
    int rc = pv_back_number(dev, "videoram", UINT32_MAX, &mib, err);

    *limit = mib ? mib * MIB : SIZE_MAX;
    return rc == -ENOENT ? 0 : rc;
}

static int map_all(struct pv_device *dev, struct vfb *v, struct error *err)
{
    struct backing *backing = host_of(v)->backing;
    struct fb_head *head = malloc(sizeof(*head));
    char *protocol = pv_front_read(dev, "protocol");
    struct fb_shape shape;
    enum fb_words words;
    size_t limit = 0;
    int rc = head ? find_limit(dev, &limit, err) : error_set(err, -ENOMEM, "out of memory");

    if (rc == 0)
        rc = pv_page_named(&v->page, dev, "page-ref", backing, err);
    if (rc == 0) {
        words = fb_words_of(protocol, v->page.bytes);
        fb_read_head(head, v->page.bytes, words);
        rc = fb_map(&v->memory, backing, head, words, limit, err);
    }
    if (rc == 0)
        rc = fb_judge(&shape, &head->wish, v->memory.length, err);
    if (rc == 0)
        take_shape(v, &shape);
    free(protocol);
    free(head);
    return rc;
}

static void resize_pointer(void *arg, struct pv_device *dev)
{
    vkbd_resize(dev);
}

static int connect(struct pv_device *dev, struct error *err)
{
    struct vfb *v = pv_state(dev);
    uint64_t port;
    int rc = pv_front_number(dev, "event-channel", UINT32_MAX, &port, err);

    if (rc == 0 && !host_of(v)->screen)
        rc = error_set(err, -ENODEV, "%s: there is no screen to show it", pv_name(dev));
    if (rc == 0)
        rc = map_all(dev, v, err);
    if (rc == 0 && !fb_begin(&v->ring, v->page.bytes))
        rc = error_set(err, -EINVAL, "%s: its rings begin with indices that cannot be",
                       pv_name(dev));
    if (rc == 0)
        rc = evtchn_bind(v->io->evtchn, v->io->domid, (uint32_t)port, on_event, v, &v->port, err);
    if (rc == 0)
        rc = screen_attach(host_of(v)->screen, pv_bus_loop(pv_bus_of(dev)), &screen_ops, v, err);
    if (rc < 0)
        return rc;
    v->updates = pv_front_flag(dev, "feature-update");
    v->advised = 0;
    v->shown = v->linked = true;
    tell_size(v, v->shape.width, v->shape.height);
    pv_bus_walk(pv_bus_of(dev), resize_pointer, NULL);
    return 0;
}

static void unlink_all(struct vfb *v)
{
    v->linked = false;
    if (v->shown) {
        screen_detach(host_of(v)->screen);
        tell_size(v, 0, 0);
    }
    v->shown = false;
    if (v->port)
        evtchn_unbind(v->io->evtchn, v->port);
    v->port = 0;
    fb_unmap(&v->memory);
    pv_page_drop(&v->page);
}

static void disconnect(struct pv_device *dev)
{
    unlink_all(pv_state(dev));
    pv_disconnected(dev);
}

static void close_device(struct pv_device *dev)
{
    unlink_all(pv_state(dev));
}

const struct pv_class vfb_class = {
    .kind = "vfb", .front = "vfb", .size = sizeof(struct vfb), .probe = probe,
    .connect = connect, .disconnect = disconnect, .close = close_device,
};
