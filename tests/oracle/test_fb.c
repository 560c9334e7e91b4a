/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PV frame buffer: one frontend, and what a viewer sees of it from either, by QMP's screendump.
 * Depths that both know, pictures that do not fit, changes of size and those that cannot be.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdlib.h>
#include "dm/base/bytes.h"
#include "tests/guest/fb.h"
#include "tests/guest/guest.h"
#include "tests/guest/kbd.h"
#include "tests/kit/check.h"
#include "tests/kit/noise.h"
#include "tests/oracle/oracle.h"
#include "tests/oracle/picture.h"
#include "tests/whole/viewer.h"

static struct guest_fb fb;

static void scatter(uint32_t seed)
{
    for (size_t at = 0; at < fb.pages * 4096; at += 4) {
        uint32_t value = noise(seed + (uint32_t)at);

        guest_fb_write(&fb, at, &value, 4);
    }
}

/* All that was sent has been taken, and then all of the picture is asked for. */
static void look(struct transcript *t, const struct dm *dm, unsigned bits, const char *what)
{
    guest_fb_update(&fb, 0, 0, 4096, 4096);
    while (atomic_load(guest_fb_word(&fb, GUEST_FB_OUT_CONS)) !=
           atomic_load(guest_fb_word(&fb, GUEST_FB_OUT_PROD)))
        CHECK(guest_channel_wait(fb.port, &fb.seen, GUEST_STATE_MS));
    note_screen(t, dm, bits, what);
}

static void show(const struct guest_fb_config *c)
{
    CHECK(guest_pv_await(&fb.pv, 2));
    guest_fb_prepare(&fb, c);
    scatter((uint32_t)c->depth);
    guest_fb_offer(&fb, c);
    CHECK(guest_pv_await(&fb.pv, 4));
    guest_pv_state(&fb.pv, 4);
}

static void hide(void)
{
    CHECK(guest_fb_disconnect(&fb));
    guest_pv_state(&fb.pv, 1);
}

static const struct guest_fb_config configs[] = {
    { .width = 320, .height = 200, .depth = 32, .updates = true },
    { .width = 320, .height = 200, .depth = 32, .updates = true, .narrow = true },
    { .width = 332, .height = 77, .depth = 32, .updates = true, .stride = 1400 },
    { .width = 320, .height = 200, .depth = 16, .updates = true },
    { .width = 320, .height = 200, .depth = 8, .updates = true },
    { .width = 320, .height = 200, .depth = 32, .updates = true, .bytes = 100000 },
    { .width = 900, .height = 200, .depth = 32, .updates = true, .stride = 1200 },
    { .width = 320, .height = 200, .depth = 32, .updates = true, .protocol = "" },
    { .width = 320, .height = 200, .depth = 32, .protocol = "", .narrow = true },
};

static void picture(struct transcript *t, const struct dm *dm, void *arg)
{
    const struct guest_fb_config *c = arg;
    char what[32];

    guest_fb_add(&fb, 0);
    CHECK(guest_pv_await(&fb.pv, 2));
    note(t, guest_pv_number(fb.pv.back, "feature-resize", 0), "feature-resize");
    show(c);
    if (c->updates)
        note(t, guest_pv_number(fb.pv.back, "request-update", 0), "request-update");
    snprintf(what, sizeof(what), "fb-%td-%d", c - configs, c->depth);
    look(t, dm, c->depth == 8 ? 2 : c->depth == 16 ? 5 : 8, what);
    hide();
}

static void sizes(struct transcript *t, const struct dm *dm, void *arg)
{
    static const int resizes[][5] = {
        { 200, 100, 800, 32, 0 },     { 100, 100, 400, 32, 4096 },  { 640, 400, 1280, 16, 0 },
        { 2000, 100, 800, 32, 0 },    { 200, 100000, 800, 32, 0 },  { 200, 100, 800, 7, 0 },
        { 200, 100, 0, 32, 0 },       { 200, 100, -800, 32, 0 },    { 200, 100, 800, 32, -4 },
        { 200, 100, 800, 32, 1 << 30 }, { 300, 300, 1200, 32, 0 },
    };
    struct guest_fb_config c = { .width = 400, .height = 300, .depth = 32, .updates = true,
                                 .bytes = 800000 };
    char what[32];

    (void)arg;
    guest_fb_add(&fb, 0);
    show(&c);
    for (unsigned i = 0; i < ARRAY_SIZE(resizes); i++) {
        guest_fb_resize(&fb, resizes[i][0], resizes[i][1], resizes[i][2], resizes[i][3],
                        resizes[i][4]);
        snprintf(what, sizeof(what), "size-%u", i);
        look(t, dm, resizes[i][3] == 16 ? 5 : 8, what);
    }
    guest_fb_event(&fb, (uint32_t[10]){ 1 });
    guest_fb_event(&fb, (uint32_t[10]){ 77 });
    guest_fb_update(&fb, -5, -5, 10, 10);
    guest_fb_update(&fb, 5, 5, -10, -10);
    look(t, dm, 8, "after-odd-events");
    hide();
}

/* A pixel or two are lost where QEMU scales. */
static void point(struct transcript *t, struct guest_kbd *kbd, struct viewer *v, unsigned x, unsigned y)
{
    struct guest_kbd_event e;

    viewer_pointer(v, x, y, 0);
    do
        CHECK(guest_kbd_read(kbd, &e, GUEST_STATE_MS));
    while (e.type != GUEST_KBD_POSITION);
    note(t, abs(e.a - (int)x) <= 2 && abs(e.b - (int)y) <= 2, "near-%u-%u", x, y);
    note(t, (uint32_t)e.c, "at-%u-%u.z", x, y);
}

/* Until moves arrive: QEMU takes input some time after it says that it is connected. */
static void warm_up(struct guest_kbd *kbd, struct viewer *v)
{
    struct guest_kbd_event e;
    unsigned tries = 0;

    do {
        CHECK(tries++ < 50);
        viewer_pointer(v, 3 + tries % 2, 3, 0);
    } while (!guest_kbd_read(kbd, &e, 100));
    while (guest_kbd_read(kbd, &e, 200))
        ;
}

static void pixels(struct transcript *t, const struct dm *dm, void *arg)
{
    struct guest_fb_config c = { .width = 320, .height = 200, .depth = 32, .updates = true };
    struct guest_kbd kbd;
    struct viewer v;

    (void)arg;
    guest_fb_add(&fb, 0);
    guest_kbd_add(&kbd, 0);
    show(&c);
    viewer_open(&v, dm);
    viewer_keep(&v);
    viewer_ask(&v, false);
    while (v.width != 320) {
        CHECK(viewer_update(&v, GUEST_STATE_MS) || v.width == 320);
        viewer_ask(&v, true);
    }
    CHECK(guest_kbd_connect(&kbd, &(struct guest_kbd_config){ .absolute = true, .page = 0x2001000 }));
    warm_up(&kbd, &v);
    for (unsigned i = 0; i < 20; i++)
        point(t, &kbd, &v, i * 319 / 19, 199 - i * 199 / 19);
    viewer_close(&v);
    CHECK(guest_kbd_disconnect(&kbd));
    hide();
}

static const struct dm_config config = { .attached = true, .vcpus = 1 };

TEST(pictures_of_the_pv_frame_buffer)
{
    /* a process each: QEMU is lost where a frontend comes back wider */
    for (unsigned i = 0; i < ARRAY_SIZE(configs); i++)
        oracle("fb-pictures", &config, picture, (void *)(uintptr_t)&configs[i]);
}

TEST(sizes_of_the_pv_frame_buffer)
{
    oracle("fb-sizes", &config, sizes, NULL);
}

TEST(the_pointer_is_at_pixels_of_the_pv_frame_buffer)
{
    static const struct dm_config seen = { .attached = true, .vnc = true, .vcpus = 1 };

    oracle("fb-pointer", &seen, pixels, NULL);
}
