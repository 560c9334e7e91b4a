/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Screens: requests travel to the device's loop, turns at the surface travel back. The lists below
 * are the device loop's; a viewer's own fields are its loop's, and those that travel are written
 * before the post and read after it. Viewers are closed before the device is detached, unless the
 * screen has settled on a loop, which then takes requests with and without a device.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/display/screen.h"

#define UNWATCHED_NS (2 * NS_PER_SEC)

struct screen {
    char *id;
    struct loop *loop; /* the device's; NULL: there is none, and nobody is to come */
    bool settled;
    const struct screen_ops *ops; /* NULL: no device */
    void *owner;
    struct surface surface;
    size_t room; /* pixels allocated */
    bool fresh;  /* the surface shows what the device drew last */
    struct timer idle;
    struct screen_viewer *viewers, *turn;
    uint64_t requests; /* numbers them, so that they are served in order */
};

struct screen_viewer {
    struct screen *screen;
    struct loop *loop, *device_loop;
    const struct screen_viewer_ops *ops;
    void *owner;
    /* this side */
    bool asked, reading, closed, all_next;
    /* travels */
    bool all;
    struct surface view;
    struct damage shown;
    /* the device's side */
    struct screen_viewer *next;
    uint64_t waiting; /* number of its request; 0: none */
    uint64_t generation;
    struct damage pending;
};

void damage_add(struct damage *d, unsigned x, unsigned y, unsigned width, unsigned height)
{
    unsigned right = x + width, bottom = y + height;

    if (!width || !height)
        return;
    if (d->count < SCREEN_MAX_RECTS) {
        d->rects[d->count++] = (struct rect){ x, y, width, height };
        return;
    }
    for (unsigned i = 0; i < d->count; i++) {
        const struct rect *r = &d->rects[i];

        x = MIN(x, r->x);
        y = MIN(y, r->y);
        right = MAX(right, r->x + r->width);
        bottom = MAX(bottom, r->y + r->height);
    }
    d->rects[0] = (struct rect){ x, y, right - x, bottom - y };
    d->count = 1;
}

static void damage_merge(struct damage *to, const struct damage *from)
{
    for (unsigned i = 0; i < from->count; i++)
        damage_add(to, from->rects[i].x, from->rects[i].y, from->rects[i].width,
                   from->rects[i].height);
}

int screen_open(struct screen **out, const char *id, struct error *err)
{
    struct screen *s = calloc(1, sizeof(*s));

    if (s)
        s->id = strdup(id);
    if (!s || !s->id) {
        free(s);
        return error_set(err, -ENOMEM, "screen %s: out of memory", id);
    }
    *out = s;
    return 0;
}

void screen_close(struct screen *s)
{
    struct screen_viewer *v;

    if (!s)
        return;
    s->settled = false;
    screen_detach(s);
    while ((v = s->viewers)) {
        s->viewers = v->next;
        free(v);
    }
    free(s->surface.pixels);
    free(s->id);
    free(s);
}

const char *screen_id(const struct screen *s)
{
    return s->id;
}

/* ---- The device's side ---- */

static void on_idle(void *arg)
{
    struct screen *s = arg;

    free(s->surface.pixels);
    s->surface = (struct surface){ .generation = s->surface.generation };
    s->room = 0;
    s->fresh = false;
    if (s->ops && s->ops->unwatched)
        s->ops->unwatched(s->owner);
}

void screen_settle(struct screen *s, struct loop *loop)
{
    s->loop = loop;
    s->settled = true;
    timer_init(&s->idle, loop, on_idle, s);
}

int screen_attach(struct screen *s, struct loop *loop, const struct screen_ops *ops, void *owner,
                  struct error *err)
{
    if (s->ops || (s->settled && s->loop != loop))
        return error_set(err, -EBUSY, "screen %s has a display device already", s->id);
    s->ops = ops;
    s->owner = owner;
    s->fresh = false;
    if (s->settled)
        return 0;
    s->loop = loop;
    timer_init(&s->idle, loop, on_idle, s);
    return 0;
}

void screen_detach(struct screen *s)
{
    s->ops = NULL;
    s->fresh = false;
    if (s->settled)
        return;
    timer_clear(&s->idle);
    s->loop = NULL;
    s->turn = NULL;
}

void screen_size(struct screen *s, struct surface *surface, unsigned width, unsigned height)
{
    width = MAX(MIN(width, SCREEN_MAX_WIDTH), 1u);
    height = MAX(MIN(height, SCREEN_MAX_HEIGHT), 1u);
    if ((size_t)width * height > s->room) {
        uint32_t *pixels = malloc((size_t)width * height * sizeof(*pixels));

        if (!pixels) {
            log_error("screen %s: out of memory for %ux%u pixels", s->id, width, height);
            return;
        }
        free(s->surface.pixels);
        s->surface.pixels = pixels;
        s->room = (size_t)width * height;
    }
    memset(s->surface.pixels, 0, (size_t)width * height * sizeof(*s->surface.pixels));
    s->surface.width = s->surface.stride = width;
    s->surface.height = height;
    s->surface.generation++;
    *surface = s->surface;
}

static void on_ready(void *arg);

static struct screen_viewer *first_waiting(struct screen *s)
{
    struct screen_viewer *first = NULL;

    for (struct screen_viewer *v = s->viewers; v; v = v->next)
        if (v->waiting && (!first || v->waiting < first->waiting))
            first = v;
    return first;
}

static void blacken(struct surface *surface, struct damage *damage)
{
    memset(surface->pixels, 0,
           (size_t)surface->stride * surface->height * sizeof(*surface->pixels));
    damage_add(damage, 0, 0, surface->width, surface->height);
}

static void draw(struct screen *s)
{
    struct surface surface = s->surface;
    struct damage damage = { .count = 0 };

    if (s->ops)
        s->ops->draw(s->owner, &surface, &damage, !s->fresh);
    else if (surface.pixels && !s->fresh)
        blacken(&surface, &damage);
    s->fresh = true;
    if (!s->surface.pixels)
        screen_size(s, &surface, 640, 480);
    for (struct screen_viewer *v = s->viewers; v; v = v->next)
        damage_merge(&v->pending, &damage);
}

/* Draws for whoever has waited longest, unless somebody is reading. */
static void serve(struct screen *s)
{
    struct screen_viewer *v = s->turn || !s->loop ? NULL : first_waiting(s);

    if (!v)
        return;
    draw(s);
    if (v->all || v->generation != s->surface.generation) {
        v->pending.count = 0;
        damage_add(&v->pending, 0, 0, s->surface.width, s->surface.height);
    }
    v->generation = s->surface.generation;
    v->view = s->surface;
    memcpy(&v->shown, &v->pending, sizeof(v->shown));
    v->pending.count = 0;
    v->waiting = 0;
    s->turn = v;
    loop_post(v->loop, on_ready, v);
}

static void on_join(void *arg)
{
    struct screen_viewer *v = arg;

    v->next = v->screen->viewers;
    v->screen->viewers = v;
}

static void on_request(void *arg)
{
    struct screen_viewer *v = arg;

    v->waiting = ++v->screen->requests;
    timer_clear(&v->screen->idle);
    serve(v->screen);
}

static void release(struct screen_viewer *v)
{
    struct screen *s = v->screen;

    if (s->turn == v)
        s->turn = NULL;
    serve(s);
    if (!s->turn && s->loop)
        timer_set_in(&s->idle, UNWATCHED_NS);
}

static void on_release(void *arg)
{
    release(arg);
}

/*
 * A viewer leaves in three steps, so that no message to it is on its way when it is freed, and this
 * loop is out of the last loop_post() to its loop when that may be closed.
 */
static void forget(struct screen_viewer *v)
{
    struct screen_viewer **p = &v->screen->viewers;

    while (*p && *p != v)
        p = &(*p)->next;
    if (*p)
        *p = v->next;
    free(v);
}

static void on_gone(void *arg)
{
    struct screen_viewer *v = arg;
    void (*closed)(void *owner) = v->ops->closed;
    void *owner = v->owner;

    forget(v);
    if (closed)
        closed(owner);
}

static void on_left(void *arg)
{
    struct screen_viewer *v = arg;

    if (v->device_loop)
        loop_post(v->device_loop, on_gone, v);
    else
        on_gone(v);
}

static void on_leave(void *arg)
{
    struct screen_viewer *v = arg;

    v->waiting = 0;
    release(v);
    loop_post(v->loop, on_left, v);
}

/* ---- The viewer's side ---- */

int screen_viewer_open(struct screen_viewer **out, struct screen *s, struct loop *loop,
                       const struct screen_viewer_ops *ops, void *owner, struct error *err)
{
    struct screen_viewer *v = calloc(1, sizeof(*v));

    if (!v)
        return error_set(err, -ENOMEM, "screen %s: out of memory", s->id);
    v->screen = s;
    v->loop = loop;
    v->device_loop = s->loop;
    v->ops = ops;
    v->owner = owner;
    if (v->device_loop)
        loop_post(v->device_loop, on_join, v);
    *out = v;
    return 0;
}

void screen_viewer_close(struct screen_viewer *v)
{
    if (!v)
        return;
    v->closed = true;
    if (v->device_loop)
        loop_post(v->device_loop, on_leave, v);
    else
        loop_post(v->loop, on_left, v);
}

void screen_viewer_drop(struct screen_viewer *v)
{
    if (v && v->screen->turn == v)
        v->screen->turn = NULL;
    if (v)
        forget(v);
}

static void on_ready(void *arg)
{
    struct screen_viewer *v = arg;

    v->asked = false;
    if (v->closed)
        return; /* on_leave gives the turn back */
    v->reading = true;
    v->ops->ready(v->owner, &v->view, &v->shown);
}

/* Without a display device the screen is a black one that never changes. */
static void on_no_device(void *arg)
{
    static uint32_t black[640 * 480];
    struct screen_viewer *v = arg;

    v->view = (struct surface){ black, 640, 480, 640, 1 };
    v->shown.count = 0;
    if (v->all)
        damage_add(&v->shown, 0, 0, 640, 480);
    on_ready(v);
}

void screen_request(struct screen_viewer *v, bool all)
{
    if (v->asked || v->reading) {
        v->all_next |= all;
        return;
    }
    v->asked = true;
    v->all = all || v->all_next;
    v->all_next = false;
    if (v->device_loop)
        loop_post(v->device_loop, on_request, v);
    else
        loop_post(v->loop, on_no_device, v);
}

void screen_release(struct screen_viewer *v)
{
    if (!v->reading)
        return;
    v->reading = false;
    if (v->device_loop)
        loop_post(v->device_loop, on_release, v);
}
