/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PV frame buffer of a PV or PVH guest, by what a viewer sees. */
#include <linux/input-event-codes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "tests/guest/fb.h"
#include "tests/guest/guest.h"
#include "tests/guest/kbd.h"
#include "tests/kit/check.h"
#include "tests/kit/noise.h"
#include "tests/simxen/simxen.h"
#include "tests/simxen/store.h"
#include "tests/whole/run.h"
#include "tests/whole/viewer.h"

#define END_MS 20000
#define KBD_PAGE 0x2001000u
#define PICTURE { .width = 320, .height = 200, .depth = 32, .updates = true }

static struct guest_fb fb;
static struct guest_kbd kbd;
static struct viewer viewer;

static void open_guest(struct dm *dm)
{
    struct dm_config config = { .attached = true, .vnc = true, .vcpus = 1 };

    dm_open(dm, &config);
    guest_fb_add(&fb, 0);
}

static void look(struct dm *dm)
{
    viewer_open(&viewer, dm);
    viewer_keep(&viewer);
    viewer_ask(&viewer, false);
}

static void close_guest(struct dm *dm)
{
    CHECK_EQ(simxen()->live_frames, 0);
    CHECK_EQ(dm_close(dm, SIGTERM, END_MS), 0);
}

/* ---- Pictures ---- */

/* The nearest of 256 shades to value / most. */
static uint32_t shade(uint32_t value, uint32_t most)
{
    return (value * 255 * 2 + most) / (2 * most);
}

static uint32_t colour(uint32_t p, int depth)
{
    switch (depth) {
    case 8: return shade(p >> 5 & 7, 7) << 16 | shade(p >> 2 & 7, 7) << 8 | shade(p & 3, 3);
    case 16: return shade(p >> 11 & 31, 31) << 16 | shade(p >> 5 & 63, 63) << 8 | shade(p & 31, 31);
    default: return p & 0xffffff;
    }
}

/* Widths of eight bits are made from fewer in more than one way. */
static bool near(uint32_t a, uint32_t b)
{
    for (unsigned shift = 0; shift < 24; shift += 8)
        if (abs((int)(a >> shift & 255) - (int)(b >> shift & 255)) > 2)
            return false;
    return true;
}

static void paint(const struct guest_fb_config *c, size_t offset, uint32_t seed)
{
    unsigned pixel = (unsigned)c->depth / 8;
    size_t stride = c->stride ? (size_t)c->stride : (size_t)c->width * pixel;
    uint8_t bytes[4];

    for (int y = 0; y < c->height; y++)
        for (int x = 0; x < c->width; x++) {
            put_le32(bytes, noise(seed + (uint32_t)(y * c->width + x)));
            guest_fb_write(&fb, offset + (size_t)y * stride + (size_t)x * pixel, bytes, pixel);
        }
}

static bool shows(const struct guest_fb_config *c, uint32_t seed)
{
    if (viewer.width != (unsigned)c->width || viewer.height != (unsigned)c->height)
        return false;
    for (int i = 0; i < c->width * c->height; i++)
        if (!near(viewer.pixels[i], colour(noise(seed + (uint32_t)i), c->depth)))
            return false;
    return true;
}

static bool is_black(void)
{
    for (unsigned i = 0; i < viewer.width * viewer.height; i++)
        if (viewer.pixels[i])
            return false;
    return true;
}

/* Looks until the picture is this one, or black where there is none. */
static void await_picture(const struct guest_fb_config *c, uint32_t seed)
{
    uint64_t start = now_ns();

    while (c ? !shows(c, seed) : !is_black()) {
        CHECK(now_ns() - start < END_MS * 1000000ull);
        viewer_ask(&viewer, true);
        viewer_update(&viewer, 200);
    }
}

static void show(const struct guest_fb_config *c, uint32_t seed)
{
    CHECK(guest_pv_await(&fb.pv, 2));
    guest_fb_prepare(&fb, c);
    paint(c, 0, seed);
    guest_fb_offer(&fb, c);
    CHECK(guest_pv_await(&fb.pv, 4));
    guest_pv_state(&fb.pv, 4);
}

/* The same from the start to the end of a test. */
static void open_shown(struct dm *dm, const struct guest_fb_config *c, uint32_t seed)
{
    open_guest(dm);
    look(dm);
    show(c, seed);
    await_picture(c, seed);
}

static void close_shown(struct dm *dm)
{
    viewer_close(&viewer);
    CHECK(guest_fb_disconnect(&fb));
    close_guest(dm);
}

/* ---- Pictures arrive ---- */

TEST(a_viewer_sees_every_depth_of_both_kinds_of_guest)
{
    static const int depths[] = { 8, 16, 24, 32 };
    struct dm dm;

    open_guest(&dm);
    look(&dm);
    await_picture(NULL, 0);
    for (unsigned i = 0; i < 8; i++) {
        struct guest_fb_config c = { .width = 96 + (int)i, .height = 64, .depth = depths[i / 2],
                                     .stride = i & 4 ? 1000 : 0, .narrow = i & 1, .updates = true };

        show(&c, i);
        await_picture(&c, i);
        CHECK(guest_fb_disconnect(&fb));
        await_picture(NULL, 0);
        guest_pv_state(&fb.pv, 1);
    }
    viewer_close(&viewer);
    close_guest(&dm);
}

TEST(a_frontend_that_names_no_protocol_is_told_by_its_directory)
{
    struct guest_fb_config c = PICTURE;
    struct dm dm;

    open_guest(&dm);
    look(&dm);
    c.protocol = "";
    for (unsigned narrow = 0; narrow < 2; narrow++) {
        c.narrow = narrow;
        show(&c, narrow);
        await_picture(&c, narrow);
        CHECK(guest_fb_disconnect(&fb));
        guest_pv_state(&fb.pv, 1);
    }
    viewer_close(&viewer);
    close_guest(&dm);
}

TEST(more_frames_than_one_directory_holds)
{
    struct guest_fb_config c = { .width = 1280, .height = 1024, .depth = 32, .updates = true };
    struct dm dm;

    open_shown(&dm, &c, 5);
    close_shown(&dm);
}

/* The next update that has pixels; how many. */
static unsigned next_change(void)
{
    unsigned pixels = 0;

    viewer_ask(&viewer, true);
    while (!pixels)
        pixels = viewer_update(&viewer, END_MS);
    return pixels;
}

static void pixel(const struct guest_fb_config *c, int x, int y, uint32_t value)
{
    guest_fb_write(&fb, (size_t)(y * c->width + x) * 4, &value, 4);
}

TEST(of_an_update_only_what_differs_travels)
{
    struct guest_fb_config c = PICTURE;
    struct dm dm;

    open_shown(&dm, &c, 1);
    for (int i = 0; i < 20; i++) {
        pixel(&c, 10 + i, 30, 0xff000001u + (uint32_t)i);
        guest_fb_update(&fb, 0, 20, 320, 40);
        CHECK_EQ(next_change(), 1);
        CHECK_EQ(viewer.pixels[30 * 320 + 10 + i], 1 + i);
    }
    close_shown(&dm);
}

TEST(thousands_of_updates_leave_the_last_picture)
{
    struct guest_fb_config c = PICTURE;
    struct dm dm;

    open_shown(&dm, &c, 1);
    paint(&c, 0, 2);
    for (unsigned i = 0; i < 2000; i++)
        guest_fb_update(&fb, (int)(i % 7), (int)(i % 5), 320, 200);
    await_picture(&c, 2);
    close_shown(&dm);
}

TEST(what_a_frontend_does_not_tell_of_is_seen_all_the_same)
{
    struct guest_fb_config c = PICTURE;
    struct dm dm;

    open_guest(&dm);
    look(&dm);
    for (unsigned i = 0; i < 2; i++) { /* one that never tells; one that tells, and dies */
        c.updates = i;
        show(&c, 1);
        await_picture(&c, 1);
        pixel(&c, 319, 199, 0x00abcdef);
        CHECK_EQ(next_change(), 1);
        CHECK_EQ(viewer.pixels[320 * 200 - 1], 0xabcdef);
        CHECK(guest_fb_disconnect(&fb));
        guest_pv_state(&fb.pv, 1);
    }
    viewer_close(&viewer);
    close_guest(&dm);
}

TEST(the_picture_changes_its_size_and_its_place)
{
    struct guest_fb_config c = PICTURE, small = { .width = 200, .height = 100, .depth = 16,
                                                  .stride = 512 };
    static const int lies[][5] = {
        { -1, 10, 40, 32, 0 },          { 10, 0, 40, 32, 0 },         { 10, 10, 0, 32, 0 },
        { 10, 10, -40, 32, 0 },         { 10, 10, 40, 7, 0 },         { 10, 10, 40, 32, -4 },
        { 10, 10, 40, 32, 256000 },     { 10, 10, 3, 32, 0 },         { 10, 10, 256001, 32, 0 },
        { 10, 10, 0x7fffffff, 32, 4 },  { 10, 10, 40, -32, 0 },       { 10, 10, 40, 32, 255999 },
    };
    struct dm dm;

    open_shown(&dm, &c, 1);
    paint(&small, 8192, 2);
    guest_fb_resize(&fb, 200, 100, 512, 16, 8192);
    await_picture(&small, 2);
    for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
        guest_fb_resize(&fb, lies[i][0], lies[i][1], lies[i][2], lies[i][3], lies[i][4]);
    guest_fb_event(&fb, (uint32_t[10]){ 1 });
    guest_fb_event(&fb, (uint32_t[10]){ 0xff });
    guest_fb_update(&fb, -100, -100, 0x7fffffff, 0x7fffffff);
    guest_fb_update(&fb, 0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff);
    guest_fb_update(&fb, 5, 5, -5, -5);
    small.width = 100; /* what does not fit is cut: a line is 512 bytes, the memory 256000 */
    small.height = 484;
    paint(&small, 8192, 3);
    guest_fb_resize(&fb, 100, 0x7fffffff, 512, 16, 8192);
    await_picture(&small, 3);
    CHECK(atomic_load(guest_fb_word(&fb, GUEST_FB_OUT_CONS)) > 12);
    close_shown(&dm);
}

TEST(a_frontend_hears_when_somebody_looks_and_when_nobody_does)
{
    struct guest_fb_config c = PICTURE;
    uint32_t period = 0;
    struct dm dm;

    open_guest(&dm);
    show(&c, 1);
    CHECK(!guest_fb_advice(&fb, &period, 100));
    look(&dm);
    CHECK(guest_fb_advice(&fb, &period, END_MS));
    CHECK(period > 0 && period <= 100);
    await_picture(&c, 1);
    viewer_close(&viewer);
    CHECK(guest_fb_advice(&fb, &period, END_MS));
    CHECK_EQ(period, 0);
    CHECK(guest_fb_disconnect(&fb));
    close_guest(&dm);
}

/* ---- Connections end ---- */

TEST(a_frontend_that_crashes_is_let_go_and_the_next_one_is_seen)
{
    struct guest_fb_config c = PICTURE;
    struct dm dm;

    open_guest(&dm);
    look(&dm);
    for (unsigned i = 0; i < 20; i++) {
        show(&c, i);
        if (i % 4 == 0)
            await_picture(&c, i);
        if (i & 1) { /* it starts again, without a word */
            guest_pv_state(&fb.pv, 1);
            CHECK(guest_pv_await(&fb.pv, 2));
            guest_fb_forget(&fb);
        } else {
            CHECK(guest_fb_disconnect(&fb));
            guest_pv_state(&fb.pv, 1);
        }
        CHECK_EQ(simxen()->live_frames, 0);
    }
    await_picture(NULL, 0);
    viewer_close(&viewer);
    close_guest(&dm);
}

TEST(a_frame_buffer_taken_away_while_somebody_looks)
{
    struct guest_fb_config c = PICTURE;
    struct dm dm;

    open_shown(&dm, &c, 1);
    CHECK(guest_pv_remove(&fb.pv));
    CHECK_EQ(simxen()->live_frames, 0);
    await_picture(NULL, 0);
    viewer_close(&viewer);
    close_guest(&dm);
}

TEST(the_end_of_the_process_lets_go_of_the_frames)
{
    struct guest_fb_config c = PICTURE;
    struct dm dm;

    open_shown(&dm, &c, 1);
    CHECK_EQ(dm_end(&dm, SIGTERM, END_MS), 0);
    CHECK_EQ(simxen()->live_frames, 0);
    viewer_close(&viewer);
    CHECK_EQ(dm_close(&dm, 0, END_MS), 0);
}

/* ---- Lies ---- */

struct lie {
    struct guest_fb_config c;
    unsigned offset, value; /* of a word of the page; 0: none */
    uint64_t entry;         /* the first of the directory; 0: as it should be */
    const char *key, *text; /* of the frontend's nodes */
};

static void refuse(const struct lie *lie)
{
    CHECK(guest_pv_await(&fb.pv, 2));
    guest_fb_prepare(&fb, &lie->c);
    if (lie->offset)
        atomic_store(guest_fb_word(&fb, lie->offset), lie->value);
    if (lie->entry)
        put_le64(guest_fb_directory(), lie->entry);
    guest_fb_name(&fb, &lie->c);
    if (lie->key)
        guest_pv_put(fb.pv.front, lie->key, "%s", lie->text);
    guest_pv_state(&fb.pv, 3);
    CHECK(guest_pv_await(&fb.pv, 5));
    guest_pv_state(&fb.pv, 6);
    CHECK(guest_pv_await(&fb.pv, 6));
    CHECK_EQ(simxen()->live_frames, 0);
    guest_fb_forget(&fb);
    guest_pv_state(&fb.pv, 1);
}

TEST(pages_that_lie_are_refused_and_the_next_one_is_seen)
{
    static const struct lie lies[] = {
        { .c = PICTURE, .offset = GUEST_FB_WIDTH, .value = 0 },
        { .c = PICTURE, .offset = GUEST_FB_WIDTH, .value = 0x80000000 },
        { .c = PICTURE, .offset = GUEST_FB_HEIGHT, .value = 0xffffffff },
        { .c = PICTURE, .offset = GUEST_FB_LINE, .value = 0x80000000 },
        { .c = PICTURE, .offset = GUEST_FB_LINE, .value = 3 },
        { .c = PICTURE, .offset = GUEST_FB_LINE, .value = 0x7fffffff },
        { .c = PICTURE, .offset = GUEST_FB_MEMORY, .value = 1 },
        { .c = PICTURE, .offset = GUEST_FB_DEPTH, .value = 0 },
        { .c = PICTURE, .offset = GUEST_FB_DEPTH, .value = 12 },
        { .c = PICTURE, .offset = GUEST_FB_DEPTH, .value = 255 },
        { .c = PICTURE, .offset = GUEST_FB_PD_64, .value = 0x7fffffff },
        { .c = PICTURE, .offset = GUEST_FB_PD_64 + 4, .value = 0xffffffff },
        { .c = PICTURE, .entry = 0x7fffffff },
        { .c = PICTURE, .entry = ~0ull },
        { .c = PICTURE, .offset = GUEST_FB_OUT_PROD, .value = 52 },
        { .c = PICTURE, .offset = GUEST_FB_OUT_PROD, .value = 0x80000000 },
        { .c = PICTURE, .offset = GUEST_FB_OUT_CONS, .value = 1 },
        { .c = PICTURE, .offset = GUEST_FB_IN_PROD, .value = 26 },
        { .c = PICTURE, .key = "page-ref", .text = "16777216" },
        { .c = PICTURE, .key = "page-ref", .text = "99999999" },
        { .c = PICTURE, .key = "page-ref", .text = "18446744073709551615" },
        { .c = PICTURE, .key = "page-ref", .text = "yes" },
        { .c = PICTURE, .key = "event-channel", .text = "1999" },
        { .c = PICTURE, .key = "event-channel", .text = "-1" },
    };
    struct guest_fb_config c = PICTURE;
    struct dm dm;

    open_guest(&dm);
    look(&dm);
    for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
        refuse(&lies[i]);
    show(&c, 9);
    await_picture(&c, 9);
    close_shown(&dm);
}

TEST(rings_that_lie_end_the_connection_and_the_next_one_is_well)
{
    static const uint32_t prod[] = { 52, 0x7fffffff, 0x80000000, 0xffffffff };
    struct guest_fb_config c = PICTURE;
    struct dm dm;

    open_guest(&dm);
    for (unsigned i = 0; i < 4; i++) {
        CHECK(guest_fb_connect(&fb, &c));
        atomic_store(guest_fb_word(&fb, GUEST_FB_OUT_PROD), prod[i]);
        guest_channel_notify(fb.port);
        CHECK(guest_pv_await(&fb.pv, 5));
        guest_pv_state(&fb.pv, 6);
        CHECK(guest_pv_await(&fb.pv, 6));
        guest_fb_forget(&fb);
        guest_pv_state(&fb.pv, 1);
    }
    show(&c, 1);
    look(&dm);
    await_picture(&c, 1);
    close_shown(&dm);
}

TEST(nodes_rewritten_while_connected_change_nothing)
{
    struct guest_fb_config c = PICTURE;
    struct dm dm;

    open_guest(&dm);
    look(&dm);
    show(&c, 1);
    guest_pv_put(fb.pv.front, "page-ref", "1");
    guest_pv_put(fb.pv.front, "event-channel", "1");
    guest_pv_put(fb.pv.front, "protocol", "x86_32-abi");
    for (unsigned offset = GUEST_FB_WIDTH; offset < 1024; offset += 4)
        atomic_store(guest_fb_word(&fb, offset), 0xffffffff);
    await_picture(&c, 1);
    close_shown(&dm);
}

static atomic_bool stop;

static void *scribble(void *arg)
{
    uint32_t i = 0;

    while (!atomic_load(&stop)) {
        i++;
        put_le32(fb.page + GUEST_FB_WIDTH + noise(i) % 1000 / 4 * 4, noise(i * 3));
        put_le32(fb.page + 2048 + noise(i * 7) % 2000 / 4 * 4,
                 i & 1 ? noise(i) & 3 : noise(i * 5) % 400);
        atomic_store(guest_fb_word(&fb, GUEST_FB_OUT_PROD),
                     atomic_load(guest_fb_word(&fb, GUEST_FB_OUT_CONS)) + noise(i * 11) % 51);
        guest_channel_notify(fb.port);
    }
    return NULL;
}

TEST(a_page_that_changes_all_the_time_does_no_harm)
{
    struct guest_fb_config c = PICTURE;
    pthread_t thread;
    struct dm dm;

    open_guest(&dm);
    look(&dm);
    show(&c, 1);
    atomic_store(&stop, false);
    CHECK_EQ(pthread_create(&thread, NULL, scribble, NULL), 0);
    for (unsigned i = 0; i < 40; i++) {
        viewer_ask(&viewer, i % 4);
        viewer_update(&viewer, 100);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    guest_pv_state(&fb.pv, 6); /* by a lie it may have ended already */
    CHECK(guest_pv_await(&fb.pv, 6));
    guest_fb_forget(&fb);
    guest_pv_state(&fb.pv, 1);
    viewer_close(&viewer);
    look(&dm);
    show(&c, 2);
    await_picture(&c, 2);
    close_shown(&dm);
}

/* ---- What the toolstack says, and who else is there ---- */

TEST(the_toolstack_limits_its_memory_and_what_is_over_is_cut)
{
    struct guest_fb_config c = { .width = 512, .height = 1024, .depth = 32, .updates = true };
    struct dm dm;

    open_guest(&dm);
    guest_pv_put(fb.pv.back, "videoram", "1");
    look(&dm);
    show(&c, 1);
    c.height = 512; /* is one MiB */
    await_picture(&c, 1);
    CHECK(simxen()->live_frames <= 257);
    close_shown(&dm);
}

TEST(a_picture_larger_than_a_screen_is_cut)
{
    struct guest_fb_config c = { .width = 4000, .height = 4000, .depth = 8, .updates = true };
    struct dm dm;

    open_guest(&dm);
    look(&dm);
    CHECK(guest_fb_connect(&fb, &c));
    while (viewer.width != 2560 || viewer.height != 1600) {
        viewer_ask(&viewer, true);
        viewer_update(&viewer, END_MS);
    }
    close_shown(&dm);
}

TEST(there_is_one_screen_and_the_first_frame_buffer_has_it)
{
    struct guest_fb_config c = PICTURE;
    struct guest_fb first;
    struct dm dm;

    open_guest(&dm);
    show(&c, 1);
    first = fb;
    guest_fb_add(&fb, 1);
    CHECK(guest_pv_await(&fb.pv, 2));
    guest_fb_offer(&fb, &c);
    CHECK(guest_pv_await(&fb.pv, 5));
    guest_pv_state(&fb.pv, 6);
    CHECK(guest_pv_await(&fb.pv, 6));
    guest_fb_forget(&fb);
    fb = first;
    look(&dm);
    await_picture(&c, 1);
    close_shown(&dm);
}

TEST(an_hvm_guest_keeps_its_own_display)
{
    struct dm_config config = { .vcpus = 1, .vga = "VGA", .vnc = true };
    struct dm dm;

    dm_open(&dm, &config);
    guest_fb_add(&fb, 0);
    guest_kbd_add(&kbd, 0);
    CHECK(guest_pv_await(&kbd.pv, 2)); /* by then the other one would have been seen too */
    CHECK_EQ(guest_pv_number(fb.pv.back, "state", 0), 1);
    CHECK_EQ(guest_pv_number(fb.pv.back, "feature-resize", 0), 0);
    CHECK_EQ(dm_close(&dm, SIGTERM, END_MS), 0);
}

TEST(a_restricted_process_shows_one_that_comes_later_and_comes_back)
{
    char root[] = "/tmp/simxen-root-XXXXXX";
    const char *more[] = { "-xen-domid-restrict", "-chroot", root, "-runas", "64001:64001", NULL };
    struct dm_config config = { .attached = true, .vnc = true, .vcpus = 1, .more = more };
    struct guest_fb_config c = PICTURE;
    struct dm dm;

    CHECK(mkdtemp(root));
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* leaks are looked for in /proc, which a chroot has not */
    dm_open(&dm, &config);
    unsetenv("ASAN_OPTIONS");
    look(&dm);
    guest_fb_add(&fb, 0);
    for (unsigned i = 0; i < 3; i++) {
        show(&c, i);
        await_picture(&c, i);
        CHECK(guest_fb_disconnect(&fb));
        guest_pv_state(&fb.pv, 1);
    }
    viewer_close(&viewer);
    close_guest(&dm);
    CHECK_EQ(rmdir(root), 0);
}

/* ---- Keys and pointer ---- */

static void expect(unsigned type, unsigned pressed, int a, int b)
{
    struct guest_kbd_event e;

    CHECK(guest_kbd_read(&kbd, &e, END_MS));
    CHECK_EQ(e.type, type);
    CHECK_EQ(e.pressed, pressed);
    CHECK_EQ(e.a, a);
    CHECK_EQ(e.b, b);
}

static void point_at_pixels(const struct guest_fb_config *c)
{
    static const unsigned points[][2] = { { 0, 0 }, { 1, 1 }, { 100, 99 }, { 319, 199 } };

    for (unsigned i = 0; i < 4; i++) {
        unsigned x = MIN(points[i][0], (unsigned)c->width - 1);

        viewer_pointer(&viewer, x, points[i][1], 0);
        expect(GUEST_KBD_POSITION, 0, (int)x, (int)points[i][1]);
    }
}

TEST(keys_and_pixels_reach_the_pv_keyboard_beside_it)
{
    struct guest_fb_config c = PICTURE;
    struct dm dm;

    open_guest(&dm);
    guest_kbd_add(&kbd, 0);
    CHECK(guest_pv_await(&kbd.pv, 2));
    CHECK_EQ(guest_pv_number(kbd.pv.back, "width", 0), 799); /* until there is a picture */
    CHECK_EQ(guest_pv_number(kbd.pv.back, "height", 0), 599);
    show(&c, 1);
    look(&dm);
    await_picture(&c, 1);
    CHECK_EQ(guest_pv_number(kbd.pv.back, "width", 0), 319);
    CHECK_EQ(guest_pv_number(kbd.pv.back, "height", 0), 199);
    CHECK(guest_kbd_connect(&kbd, &(struct guest_kbd_config){ .absolute = true,
                                                              .page = KBD_PAGE }));
    point_at_pixels(&c);
    viewer_key(&viewer, 'q', true);
    expect(GUEST_KBD_KEY, 1, KEY_Q, 0);
    viewer_key(&viewer, 'q', false);
    expect(GUEST_KBD_KEY, 0, KEY_Q, 0);
    CHECK(guest_kbd_disconnect(&kbd));
    guest_pv_state(&kbd.pv, 1);
    CHECK(guest_kbd_connect(&kbd, &(struct guest_kbd_config){ .absolute = true, .raw = true,
                                                              .page = KBD_PAGE }));
    viewer_pointer(&viewer, 319, 199, 0);
    expect(GUEST_KBD_POSITION, 0, 0x7fff, 0x7fff);
    CHECK(guest_kbd_disconnect(&kbd));
    viewer_close(&viewer);
    CHECK(guest_fb_disconnect(&fb));
    CHECK_EQ(simxen()->live_grants, 0);
    close_guest(&dm);
}
