/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Left out: touch. Positions are in a frame of `width` by `height`, which the frontend reads. Where the
 * toolstack names none it is the range of our own positions, so none is lost in scaling; beside a PV
 * frame buffer it ends at the last pixel of that, or of the protocol's default size, which frontends
 * that do not read it take for granted.
 */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/display/input.h"
#include "dm/xen/evtchn.h"
#include "pv-backends/host.h"
#include "pv-backends/kbd/events.h"
#include "pv-backends/kbd/vkbd.h"
#include "pv-backends/page.h"

struct vkbd {
    struct pv_io *io;
    struct pv_page page;
    uint32_t port; /* ours; 0: not bound */
    bool linked;
    struct input_ops ops; /* what this frontend takes */
    struct input_device *source;
    struct kbd_events events;
    unsigned buttons; /* as the guest knows them */
    int32_t x, y;     /* where its pointer is */
    uint64_t width, height;
    bool own_width, own_height; /* the toolstack names none */
};

#define FB_WIDTH 800 /* XENFB_WIDTH and XENFB_HEIGHT, which public/io/fbif.h has for kernels only */
#define FB_HEIGHT 600

/* ---- Events ---- */

static void put(struct vkbd *v)
{
    int n = v->linked ? kbd_put(&v->events, v->page.bytes) : 0;

    if (n > 0)
        evtchn_notify(v->io->evtchn, v->port);
    if (n >= 0)
        return;
    v->linked = false;
    pv_failed_later(pv_of(v), "the guest claims to have read events that were never there");
}

static void on_event(void *arg) /* it has read some */
{
    put(arg);
}

static void add(struct vkbd *v, struct kbd_event event)
{
    kbd_add(&v->events, &event);
}

static void key(void *owner, unsigned code, bool down)
{
    add(owner, (struct kbd_event){ .type = KBD_KEY, .pressed = down, .a = (int32_t)code });
    put(owner);
}

static void change_buttons(struct vkbd *v, unsigned buttons)
{
    static const unsigned codes[] = { BTN_LEFT, BTN_MIDDLE, BTN_RIGHT, BTN_SIDE, BTN_EXTRA };

    for (unsigned i = 0; i < ARRAY_SIZE(codes); i++)
        if ((buttons ^ v->buttons) & 1u << i)
            add(v, (struct kbd_event){ .type = KBD_KEY, .pressed = buttons >> i & 1,
                                       .a = (int32_t)codes[i] });
    v->buttons = buttons;
}

static int32_t scale(unsigned at, uint64_t size)
{
    return (int32_t)((MIN(at, INPUT_ABS_MAX) * size + INPUT_ABS_MAX / 2) / INPUT_ABS_MAX);
}

static void pointer_abs(void *owner, unsigned x, unsigned y, unsigned buttons)
{
    struct vkbd *v = owner;

    v->x = scale(x, v->width);
    v->y = scale(y, v->height);
    add(v, (struct kbd_event){ .type = KBD_POSITION, .a = v->x, .b = v->y });
    change_buttons(v, buttons);
    put(v);
}

static void pointer_rel(void *owner, int dx, int dy, unsigned buttons)
{
    struct vkbd *v = owner;

    if (dx || dy)
        add(v, (struct kbd_event){ .type = KBD_MOTION, .a = dx, .b = dy });
    change_buttons(v, buttons);
    put(v);
}

/* Notches towards the user count up. */
static void wheel(void *owner, int dz, unsigned buttons)
{
    struct vkbd *v = owner;

    if (v->ops.pointer_abs)
        add(v, (struct kbd_event){ .type = KBD_POSITION, .a = v->x, .b = v->y, .c = -dz });
    else
        add(v, (struct kbd_event){ .type = KBD_MOTION, .c = -dz });
    put(v);
}

/* ---- The class ---- */

static int write_size(struct pv_device *dev, const char *key, unsigned otherwise, bool *own,
                      uint64_t *value, struct error *err)
{
    int rc = *own ? 0 : pv_back_number(dev, key, INT32_MAX, value, err);

    if (rc != -ENOENT && (rc < 0 || (!*own && *value)))
        return rc;
    *own = true; /* also when this is opened again: what stands there is what we wrote */
    *value = otherwise;
    return pv_back_write(dev, key, err, "%u", otherwise);
}

static int write_sizes(struct pv_device *dev, struct vkbd *v, struct error *err)
{
    const struct pv_host *host = pv_bus_host(pv_bus_of(dev));
    unsigned width = INPUT_ABS_MAX, height = INPUT_ABS_MAX;
    int rc;

    if (host->screen) {
        width = (host->fb_width ? host->fb_width : FB_WIDTH) - 1;
        height = (host->fb_height ? host->fb_height : FB_HEIGHT) - 1;
    }
    rc = write_size(dev, "width", width, &v->own_width, &v->width, err);
    return rc < 0 ? rc : write_size(dev, "height", height, &v->own_height, &v->height, err);
}

void vkbd_resize(struct pv_device *dev)
{
    if (pv_class_of(dev) == &vkbd_class)
        pv_reopen(dev);
}

static int probe(struct pv_device *dev, struct error *err)
{
    struct vkbd *v = pv_state(dev);
    int rc = write_sizes(dev, v, err);

    if (rc == 0)
        rc = pv_back_write(dev, "feature-abs-pointer", err, "1");
    if (rc == 0)
        rc = pv_back_write(dev, "feature-raw-pointer", err, "1");
    if (rc == 0)
        rc = pv_io_home(pv_bus_host(pv_bus_of(dev))->pool, pv_bus_loop(pv_bus_of(dev)), &v->io,
                        err);
    return rc == 0 ? pv_back_write(dev, "hotplug-status", err, "connected") : rc;
}

static void choose_events(struct pv_device *dev, struct vkbd *v)
{
    bool keys = !pv_back_flag(dev, "feature-disable-keyboard");
    bool pointer = !pv_back_flag(dev, "feature-disable-pointer");
    bool absolute = pv_front_flag(dev, "request-abs-pointer");

    v->ops = (struct input_ops){ .key = keys ? key : NULL, .wheel = pointer ? wheel : NULL };
    if (pointer && absolute)
        v->ops.pointer_abs = pointer_abs;
    else if (pointer)
        v->ops.pointer_rel = pointer_rel;
    if (pv_front_flag(dev, "request-raw-pointer"))
        v->width = v->height = INPUT_ABS_MAX;
}

static int map_page(struct pv_device *dev, struct vkbd *v, struct error *err)
{
    int rc = pv_page_granted(&v->page, dev, "page-gref", v->io->grants, err);

    return rc == -ENOENT
               ? pv_page_named(&v->page, dev, "page-ref", pv_bus_host(pv_bus_of(dev))->backing, err)
               : rc;
}

/* From here on people's keys come to this one, as from any keyboard that was plugged in last. */
static int attach(struct pv_device *dev, struct vkbd *v, struct error *err)
{
    struct input *input = pv_bus_host(pv_bus_of(dev))->input;
    int rc = input ? input_attach(&v->source, input, &v->ops, v, err) : 0;

    if (v->source)
        input_activate(v->source);
    return rc;
}

static int connect(struct pv_device *dev, struct error *err)
{
    struct vkbd *v = pv_state(dev);
    uint64_t port;
    int rc = pv_front_number(dev, "event-channel", UINT32_MAX, &port, err);

    if (rc == 0)
        rc = map_page(dev, v, err);
    if (rc == 0 && !kbd_begin(&v->events, v->page.bytes))
        rc = error_set(err, -EINVAL, "%s: its ring begins with indices that cannot be",
                       pv_name(dev));
    if (rc == 0)
        rc = evtchn_bind(v->io->evtchn, v->io->domid, (uint32_t)port, on_event, v, &v->port, err);
    if (rc < 0)
        return rc;
    choose_events(dev, v);
    v->buttons = 0;
    v->linked = true;
    return attach(dev, v, err);
}

static void unlink_page(struct vkbd *v)
{
    v->linked = false;
    input_detach(v->source);
    v->source = NULL;
    if (v->port)
        evtchn_unbind(v->io->evtchn, v->port);
    v->port = 0;
    pv_page_drop(&v->page);
}

static void disconnect(struct pv_device *dev)
{
    unlink_page(pv_state(dev));
    pv_disconnected(dev);
}

static void close_device(struct pv_device *dev)
{
    unlink_page(pv_state(dev));
}

const struct pv_class vkbd_class = {
    .kind = "vkbd", .front = "vkbd", .size = sizeof(struct vkbd), .probe = probe,
    .connect = connect, .disconnect = disconnect, .close = close_device,
};
