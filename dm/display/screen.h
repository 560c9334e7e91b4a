/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_DISPLAY_SCREEN_H
#define DM_DISPLAY_SCREEN_H
#include <stdbool.h>
#include <stdint.h>
struct error;
struct loop;

/*
 * A screen: between one display device, on its loop, and the viewers (VNC, screendump), on theirs.
 * Nothing happens unless a viewer asks: it posts a request, the device draws into the surface and
 * the viewer is told which rectangles changed. The surface belongs to the device while it draws
 * and to the viewers between their `ready` and their next request, one viewer at a time, so
 * nobody ever reads what another writes. No lock.
 */
struct screen;

#define SCREEN_MAX_WIDTH 2560
#define SCREEN_MAX_HEIGHT 1600

struct surface {
    uint32_t *pixels; /* 0x00RRGGBB */
    unsigned width, height, stride; /* pixels */
    uint64_t generation;            /* another number after every change of size */
};

struct rect {
    unsigned x, y, width, height;
};

/* Up to so many rectangles a drawing; more are folded into their hull. */
#define SCREEN_MAX_RECTS 64
struct damage {
    unsigned count;
    struct rect rects[SCREEN_MAX_RECTS];
};
void damage_add(struct damage *damage, unsigned x, unsigned y, unsigned width, unsigned height);

int screen_open(struct screen **out, const char *id, struct error *err);
void screen_close(struct screen *screen);
/*
 * For a device that comes and goes while viewers look: it will be on this loop, and without it the
 * screen is black, in the size it had last. Before the first viewer.
 */
void screen_settle(struct screen *screen, struct loop *loop);
const char *screen_id(const struct screen *screen);

/* ---- The device's side (its loop) ---- */
struct screen_ops {
    /*
     * Bring the surface up to date and add what changed to `damage`; where `all` is set, draw it
     * all. First call screen_size() if the mode has another size than the surface.
     */
    void (*draw)(void *owner, struct surface *surface, struct damage *damage, bool all);
    void (*unwatched)(void *owner); /* no viewer has asked for a while: stop tracking; may be NULL */
};
int screen_attach(struct screen *screen, struct loop *loop, const struct screen_ops *ops,
                  void *owner, struct error *err);
void screen_detach(struct screen *screen); /* while viewers look: of a settled screen only */
/* Inside draw() only: a new size, all black; *surface is updated. Sizes are clamped to the most. */
void screen_size(struct screen *screen, struct surface *surface, unsigned width, unsigned height);

/* ---- The viewer's side (any loop; the callback runs on the loop given) ---- */
struct screen_viewer;
struct screen_viewer_ops {
    /* Your turn to read the surface, until you call screen_release(). */
    void (*ready)(void *owner, const struct surface *surface, const struct damage *damage);
    /*
     * After screen_viewer_close(): nobody will touch the viewer, its owner or its loop any more.
     * The last call, and on the device's loop (on the viewer's, where there is no device). Or NULL.
     */
    void (*closed)(void *owner);
};
int screen_viewer_open(struct screen_viewer **out, struct screen *screen, struct loop *loop,
                       const struct screen_viewer_ops *ops, void *owner, struct error *err);
void screen_viewer_close(struct screen_viewer *viewer);
/* The same at once, where neither the device's loop nor the viewer's runs any more. */
void screen_viewer_drop(struct screen_viewer *viewer);
void screen_request(struct screen_viewer *viewer, bool all); /* one `ready` follows, later */
void screen_release(struct screen_viewer *viewer);
#endif
