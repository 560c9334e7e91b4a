/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Screens with several viewers, screenshots, and input on its way to devices. */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/display/input.h"
#include "dm/display/screen.h"
#include "dm/display/screendump.h"
#include "tests/kit/check.h"

/* ---- A display whose picture is one number ---- */

struct stage {
    struct loop *loop;
    struct screen *screen;
    unsigned width, height, draws, alls, unwatched;
    uint32_t colour;
    struct rect change;
};

static void stage_draw(void *owner, struct surface *s, struct damage *damage, bool all)
{
    struct stage *st = owner;

    st->draws++;
    st->alls += all;
    if (s->width != st->width || s->height != st->height) {
        screen_size(st->screen, s, st->width, st->height);
        all = true;
    }
    for (unsigned i = 0; i < s->width * s->height; i++)
        s->pixels[i] = st->colour;
    if (st->change.width)
        damage_add(damage, st->change.x, st->change.y, st->change.width, st->change.height);
    st->change.width = 0;
}

static void stage_unwatched(void *owner)
{
    ((struct stage *)owner)->unwatched++;
}

static const struct screen_ops stage_ops = { stage_draw, stage_unwatched };

static void stage_open(struct stage *st)
{
    struct error err = { "" };

    *st = (struct stage){ .width = 64, .height = 32, .colour = 0x102030 };
    clock_stop(NS_PER_SEC);
    CHECK_EQ(loop_open(&st->loop, "stage", &err), 0);
    CHECK_EQ(screen_open(&st->screen, "one", &err), 0);
    CHECK_EQ(screen_attach(st->screen, st->loop, &stage_ops, st, &err), 0);
}

static void settle(struct stage *st)
{
    while (loop_step(st->loop))
        ;
}

static void stage_close(struct stage *st)
{
    settle(st);
    screen_close(st->screen);
    loop_close(st->loop);
}

struct eye {
    struct screen_viewer *viewer;
    unsigned looks, width;
    struct damage damage;
    uint32_t seen;
    bool keep, closed;
};

static void eye_ready(void *owner, const struct surface *s, const struct damage *damage)
{
    struct eye *e = owner;

    e->looks++;
    e->width = s->width;
    e->seen = s->pixels[0];
    e->damage = *damage;
    if (!e->keep)
        screen_release(e->viewer);
}

static void eye_closed(void *owner)
{
    ((struct eye *)owner)->closed = true;
}

static const struct screen_viewer_ops eye_ops = { eye_ready, eye_closed };

static void eye_open(struct eye *e, struct stage *st)
{
    struct error err = { "" };

    *e = (struct eye){ .viewer = NULL };
    CHECK_EQ(screen_viewer_open(&e->viewer, st->screen, st->loop, &eye_ops, e, &err), 0);
}

static void eye_look(struct eye *e, struct stage *st)
{
    screen_request(e->viewer, false);
    settle(st);
}

TEST(nothing_is_drawn_until_somebody_asks)
{
    struct stage st;
    struct eye e;

    stage_open(&st);
    eye_open(&e, &st);
    settle(&st);
    CHECK_EQ(st.draws, 0);
    eye_look(&e, &st);
    CHECK_EQ(st.draws, 1);
    CHECK_EQ(st.alls, 1);
    CHECK_EQ(e.seen, 0x102030);
    CHECK_EQ(e.damage.count, 1);
    CHECK_EQ(e.damage.rects[0].width, 64);
    eye_look(&e, &st);
    CHECK_EQ(st.alls, 1);
    CHECK_EQ(e.damage.count, 0);
    screen_viewer_close(e.viewer);
    settle(&st);
    CHECK(e.closed);
    stage_close(&st);
}

TEST(each_viewer_hears_of_every_change)
{
    struct stage st;
    struct eye a, b;

    stage_open(&st);
    eye_open(&a, &st);
    eye_open(&b, &st);
    eye_look(&a, &st);
    eye_look(&b, &st);
    st.change = (struct rect){ 1, 2, 3, 4 };
    eye_look(&a, &st);
    CHECK_EQ(a.damage.count, 1);
    eye_look(&a, &st);
    CHECK_EQ(a.damage.count, 0);
    eye_look(&b, &st);
    CHECK_EQ(b.damage.count, 1);
    CHECK_EQ(b.damage.rects[0].height, 4);
    screen_viewer_close(a.viewer);
    screen_viewer_close(b.viewer);
    stage_close(&st);
}

TEST(one_viewer_at_a_time_reads_the_surface)
{
    struct stage st;
    struct eye a, b;

    stage_open(&st);
    eye_open(&a, &st);
    eye_open(&b, &st);
    a.keep = true;
    eye_look(&a, &st);
    eye_look(&b, &st);
    CHECK_EQ(a.looks, 1);
    CHECK_EQ(b.looks, 0);
    CHECK_EQ(st.draws, 1);
    screen_release(a.viewer);
    settle(&st);
    CHECK_EQ(b.looks, 1);
    a.keep = true;
    eye_look(&a, &st);
    eye_look(&b, &st);
    screen_viewer_close(a.viewer); /* goes while it reads: the turn passes on */
    settle(&st);
    CHECK_EQ(b.looks, 2);
    screen_viewer_close(b.viewer);
    stage_close(&st);
}

TEST(another_size_is_all_new_to_everybody)
{
    struct stage st;
    struct eye a, b;

    stage_open(&st);
    eye_open(&a, &st);
    eye_open(&b, &st);
    eye_look(&a, &st);
    eye_look(&b, &st);
    st.width = 9999;
    eye_look(&a, &st);
    CHECK_EQ(a.width, SCREEN_MAX_WIDTH);
    eye_look(&b, &st);
    CHECK_EQ(b.damage.rects[0].width, SCREEN_MAX_WIDTH);
    screen_viewer_close(a.viewer);
    screen_viewer_close(b.viewer);
    stage_close(&st);
}

TEST(the_device_is_told_when_nobody_looks_any_more)
{
    struct stage st;
    struct eye e;

    stage_open(&st);
    eye_open(&e, &st);
    eye_look(&e, &st);
    clock_crank(3 * NS_PER_SEC);
    settle(&st);
    CHECK_EQ(st.unwatched, 1);
    CHECK_EQ(loop_next_timer(st.loop), UINT64_MAX);
    eye_look(&e, &st);
    CHECK_EQ(st.alls, 2);
    CHECK_EQ(e.damage.rects[0].width, 64);
    screen_viewer_close(e.viewer);
    stage_close(&st);
}

TEST(a_settled_screen_is_black_without_its_device_and_viewers_stay)
{
    struct error err = { "" };
    struct stage st;
    struct eye e;

    stage_open(&st);
    screen_detach(st.screen);
    screen_settle(st.screen, st.loop);
    eye_open(&e, &st);
    for (unsigned i = 0; i < 3; i++) {
        eye_look(&e, &st);
        CHECK_EQ(e.looks, 2 * i + 1);
        CHECK_EQ(e.seen, 0);
        CHECK_EQ(e.width, i ? 64 : 640); /* as it was last */
        CHECK_EQ(e.damage.rects[0].width, e.width);
        CHECK_EQ(screen_attach(st.screen, st.loop, &stage_ops, &st, &err), 0);
        CHECK_EQ(screen_attach(st.screen, st.loop, &stage_ops, &st, &err), -EBUSY);
        eye_look(&e, &st);
        CHECK_EQ(e.seen, 0x102030);
        CHECK_EQ(e.width, 64);
        CHECK_EQ(st.draws, i + 1);
        screen_detach(st.screen);
    }
    eye_look(&e, &st);
    clock_crank(3 * NS_PER_SEC); /* nobody looks: no device is told */
    settle(&st);
    CHECK_EQ(st.unwatched, 0);
    screen_viewer_close(e.viewer);
    settle(&st);
    CHECK(e.closed);
    stage_close(&st);
}

TEST(a_device_that_leaves_a_settled_screen_while_it_is_read_is_not_missed)
{
    struct error err = { "" };
    struct stage st;
    struct eye e;

    stage_open(&st);
    screen_detach(st.screen);
    screen_settle(st.screen, st.loop);
    CHECK_EQ(screen_attach(st.screen, st.loop, &stage_ops, &st, &err), 0);
    eye_open(&e, &st);
    e.keep = true;
    eye_look(&e, &st);
    CHECK_EQ(e.seen, 0x102030);
    screen_detach(st.screen);
    screen_release(e.viewer);
    e.keep = false;
    eye_look(&e, &st);
    CHECK_EQ(e.seen, 0);
    screen_viewer_close(e.viewer);
    stage_close(&st);
}

TEST(damage_beyond_the_list_becomes_its_hull)
{
    struct damage d = { .count = 0 };

    for (unsigned i = 0; i <= SCREEN_MAX_RECTS; i++)
        damage_add(&d, 10 + i * 2, 100 - i, 1, 1);
    CHECK_EQ(d.count, 1);
    CHECK_EQ(d.rects[0].x, 10);
    CHECK_EQ(d.rects[0].y, 100 - SCREEN_MAX_RECTS);
    CHECK_EQ(d.rects[0].width, 2 * SCREEN_MAX_RECTS + 1);
    CHECK_EQ(d.rects[0].height, SCREEN_MAX_RECTS + 1);
    damage_add(&d, 0, 0, 0, 5);
    CHECK_EQ(d.count, 1);
}

/* ---- Screenshots ---- */

static int dump_rc;
static bool dump_done;

static void on_dump(void *arg, int rc, const struct error *err)
{
    dump_rc = rc;
    dump_done = true;
}

static void dump(struct stage *st, const char *path, enum picture_format format)
{
    struct error err = { "" };

    dump_done = false;
    CHECK_EQ(screendump(st->screen, st->loop, path, format, on_dump, NULL, &err), 0);
    for (unsigned i = 0; i < 5000 && !dump_done; i++)
        if (!loop_step(st->loop))
            usleep(1000);
    CHECK(dump_done);
    CHECK_EQ(dump_rc, 0);
}

TEST(a_screenshot_is_what_is_on_the_screen)
{
    char path[] = "/tmp/test-screen-XXXXXX";
    int fd = mkstemp(path);
    uint8_t ppm[32], rgb[64 * 32 * 3];
    struct error err = { "" };
    struct stage st;

    stage_open(&st);
    dump(&st, path, PICTURE_PPM);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 13 + 64 * 32 * 3);
    CHECK_EQ(pread(fd, ppm, 16, 0), 16);
    CHECK_MEM(ppm, "P6\n64 32\n255\n\x10\x20\x30", 16);
    dump(&st, path, PICTURE_PNG);
    CHECK_EQ(pread(fd, rgb, 24, 0), 24);
    CHECK_MEM(rgb, "\x89PNG\r\n\x1a\n", 8);
    CHECK_EQ(get_be32(rgb + 16), 64);
    CHECK_EQ(get_be32(rgb + 20), 32);
    close(fd);
    unlink(path);
    CHECK(screendump(st.screen, st.loop, "/nonexistent/x", PICTURE_PNG, on_dump, NULL, &err) < 0);
    CHECK_SAYS(err, "/nonexistent/x");
    stage_close(&st);
}

/* ---- Input ---- */

struct hand {
    unsigned keys, last, abs, rel, wheels;
};

static void hand_key(void *owner, unsigned key, bool down)
{
    struct hand *h = owner;

    h->keys++;
    h->last = key | (down ? 0x8000 : 0);
}

static void hand_abs(void *owner, unsigned x, unsigned y, unsigned buttons)
{
    ((struct hand *)owner)->abs++;
}

static void hand_rel(void *owner, int dx, int dy, unsigned buttons)
{
    ((struct hand *)owner)->rel++;
}

static void hand_wheel(void *owner, int dz, unsigned buttons)
{
    ((struct hand *)owner)->wheels++;
}

static const struct input_ops keyboard_ops = { .key = hand_key };
static const struct input_ops mouse_ops = { .pointer_rel = hand_rel, .wheel = hand_wheel };
static const struct input_ops tablet_ops = { .pointer_abs = hand_abs, .wheel = hand_wheel };

TEST(events_go_to_the_device_activated_last)
{
    struct hand ps2 = { 0 }, usb = { 0 }, mouse = { 0 }, tablet = { 0 };
    struct input_device *d[4];
    struct error err = { "" };
    struct stage st;
    struct input *in;

    stage_open(&st);
    CHECK_EQ(input_open(&in, st.loop, &err), 0);
    CHECK_EQ(input_attach(&d[0], in, &keyboard_ops, &ps2, &err), 0);
    CHECK_EQ(input_attach(&d[1], in, &keyboard_ops, &usb, &err), 0);
    CHECK_EQ(input_attach(&d[2], in, &mouse_ops, &mouse, &err), 0);
    CHECK_EQ(input_attach(&d[3], in, &tablet_ops, &tablet, &err), 0);
    CHECK(!input_wants_abs(in)); /* no driver has taken the tablet yet */
    input_key(in, KEY_A, true);
    settle(&st);
    CHECK_EQ(ps2.last, KEY_A | 0x8000);
    input_activate(d[1]);
    input_key(in, KEY_B, true);
    input_key(in, KEY_A, false); /* comes up where it went down */
    settle(&st);
    CHECK_EQ(usb.last, KEY_B | 0x8000);
    CHECK_EQ(ps2.last, KEY_A);
    input_activate(d[3]);
    CHECK(input_wants_abs(in));
    input_pointer_abs(in, 1, 2, 0);
    input_wheel(in, 1);
    settle(&st);
    CHECK_EQ(tablet.abs, 1);
    CHECK_EQ(tablet.wheels, 1);
    input_activate(d[2]);
    CHECK(input_wants_abs(in)); /* a tablet in use wins over a mouse that came later */
    input_deactivate(d[3]); /* its driver has let go */
    CHECK(!input_wants_abs(in));
    input_pointer_rel(in, 1, 1, 0);
    input_wheel(in, 1);
    settle(&st);
    CHECK_EQ(mouse.rel, 1);
    CHECK_EQ(mouse.wheels, 1);
    input_detach(d[1]);
    input_key(in, KEY_C, true);
    settle(&st);
    CHECK_EQ(ps2.last, KEY_C | 0x8000);
    input_close(in);
    stage_close(&st);
}

TEST(a_flood_of_events_is_cut_but_releases_get_through)
{
    struct hand ps2 = { 0 };
    struct input_device *dev;
    struct error err = { "" };
    struct stage st;
    struct input *in;

    stage_open(&st);
    CHECK_EQ(input_open(&in, st.loop, &err), 0);
    CHECK_EQ(input_attach(&dev, in, &keyboard_ops, &ps2, &err), 0);
    for (unsigned i = 0; i < 100000; i++)
        input_key(in, KEY_A, true);
    input_key(in, KEY_A, false);
    input_key(in, 99999, true);
    settle(&st);
    CHECK(ps2.keys < 3000);
    CHECK_EQ(ps2.last, KEY_A);
    input_close(in);
    stage_close(&st);
}
