/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PV keyboard and pointer, at a viewer's hands; and who has the input when. */
#include <linux/input-event-codes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "tests/guest/guest.h"
#include "tests/guest/kbd.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/whole/run.h"
#include "tests/whole/viewer.h"

#define END_MS 30000
#define PAGE 0x2000000u

static struct guest_kbd kbd;
static struct viewer viewer;

static void open_pc(struct dm *dm)
{
    struct dm_config config = { .vcpus = 1, .vga = "VGA", .vnc = true };

    dm_open(dm, &config);
    viewer_open(&viewer, dm);
    guest_kbd_add(&kbd, 0);
}

static void close_pc(struct dm *dm)
{
    viewer_close(&viewer);
    CHECK_EQ(simxen()->live_grants, 0);
    CHECK_EQ(dm_close(dm, SIGTERM, END_MS), 0);
}

static void expect(unsigned type, unsigned pressed, int a, int b, int c)
{
    struct guest_kbd_event e;

    CHECK(guest_kbd_read(&kbd, &e, END_MS));
    CHECK_EQ(e.type, type);
    CHECK_EQ(e.pressed, pressed);
    CHECK_EQ(e.a, a);
    CHECK_EQ(e.b, b);
    CHECK_EQ(e.c, c);
}

static void press_and_expect(unsigned keysym, int code)
{
    viewer_key(&viewer, keysym, true);
    expect(GUEST_KBD_KEY, 1, code, 0, 0);
    viewer_key(&viewer, keysym, false);
    expect(GUEST_KBD_KEY, 0, code, 0, 0);
}

static int scaled(unsigned at, unsigned size)
{
    return (int)((uint64_t)at * 0x7fff / (size - 1));
}

static void expect_near(unsigned x, unsigned y)
{
    struct guest_kbd_event e;

    CHECK(guest_kbd_read(&kbd, &e, END_MS));
    CHECK_EQ(e.type, GUEST_KBD_POSITION);
    CHECK(abs(e.a - scaled(x, viewer.width)) < 64);
    CHECK(abs(e.b - scaled(y, viewer.height)) < 64);
}

static void point(bool named, bool raw)
{
    struct dm dm;

    open_pc(&dm);
    CHECK(guest_kbd_connect(&kbd, &(struct guest_kbd_config){ .absolute = true, .raw = raw,
                                                              .named = named, .page = PAGE }));
    CHECK_EQ(guest_pv_number(kbd.pv.back, "feature-abs-pointer", 0), 1);
    CHECK_EQ(guest_pv_number(kbd.pv.back, "width", 0), 0x7fff);
    press_and_expect('a', KEY_A);
    press_and_expect(0xff0d, KEY_ENTER);
    viewer_pointer(&viewer, 100, 200, 0);
    expect_near(100, 200);
    viewer_pointer(&viewer, 300, 20, 1);
    expect_near(300, 20);
    expect(GUEST_KBD_KEY, 1, BTN_LEFT, 0, 0);
    viewer_pointer(&viewer, 300, 20, 4);
    expect_near(300, 20);
    expect(GUEST_KBD_KEY, 0, BTN_LEFT, 0, 0);
    expect(GUEST_KBD_KEY, 1, BTN_RIGHT, 0, 0);
    CHECK(guest_kbd_disconnect(&kbd));
    close_pc(&dm);
}

TEST(keys_and_positions_arrive_at_a_granted_page)
{
    point(false, false);
}

TEST(keys_and_positions_arrive_at_a_page_named_by_its_frame)
{
    point(true, true);
}

TEST(a_relative_pointer_and_the_wheel)
{
    struct guest_kbd_event e;
    struct dm dm;

    open_pc(&dm);
    CHECK(guest_kbd_connect(&kbd, &(struct guest_kbd_config){ .page = PAGE }));
    viewer_pointer(&viewer, 100, 100, 0);
    viewer_pointer(&viewer, 110, 95, 0);
    do { /* the first may be a jump from anywhere */
        CHECK(guest_kbd_read(&kbd, &e, END_MS));
        CHECK_EQ(e.type, GUEST_KBD_MOTION);
    } while (e.a != 10 || e.b != -5);
    viewer_pointer(&viewer, 110, 95, 8); /* away from the user */
    expect(GUEST_KBD_MOTION, 0, 0, 0, -1);
    CHECK(guest_kbd_disconnect(&kbd));
    close_pc(&dm);
}

/* The i8042 has a byte from the keyboard. */
static bool emulated_has_key(void)
{
    uint64_t start = now_ns();

    while (now_ns() - start < END_MS * 1000000ull)
        if (guest_in(0, 0x64, 1) & 1) {
            guest_in(0, 0x60, 1);
            return true;
        }
    return false;
}

TEST(the_emulated_keyboard_has_the_keys_until_a_frontend_connects_and_after_it_left)
{
    struct guest_kbd_event e;
    struct dm dm;

    open_pc(&dm);
    guest_out(0, 0x64, 1, 0x60); /* one byte each way: scan codes of set 1 */
    guest_out(0, 0x60, 1, 0x40);
    CHECK(guest_pv_await(&kbd.pv, 2)); /* the backend is ready: that is not enough */
    viewer_key(&viewer, 'a', true);
    CHECK(emulated_has_key());
    viewer_key(&viewer, 'a', false);
    CHECK(emulated_has_key());
    CHECK(guest_kbd_connect(&kbd, &(struct guest_kbd_config){ .page = PAGE }));
    press_and_expect('b', KEY_B);
    CHECK(!(guest_in(0, 0x64, 1) & 1));
    viewer_key(&viewer, 'c', true); /* held while the driver goes */
    CHECK(guest_kbd_read(&kbd, &e, END_MS));
    CHECK(guest_kbd_disconnect(&kbd));
    viewer_key(&viewer, 'c', false); /* which the emulated one never had down */
    viewer_key(&viewer, 'd', true);
    CHECK(emulated_has_key());
    guest_pv_state(&kbd.pv, 1);
    CHECK(guest_kbd_connect(&kbd, &(struct guest_kbd_config){ .page = PAGE }));
    viewer_key(&viewer, 'd', false); /* went down there, so it goes up there */
    CHECK(emulated_has_key());
    press_and_expect('e', KEY_E);
    CHECK(guest_kbd_disconnect(&kbd));
    close_pc(&dm);
}

TEST(a_guest_that_does_not_read_loses_presses_and_no_key_stays_down)
{
    bool down[256] = { false };
    uint64_t start = now_ns();
    struct guest_kbd_event e;
    struct dm dm;

    open_pc(&dm);
    CHECK(guest_kbd_connect(&kbd, &(struct guest_kbd_config){ .page = PAGE }));
    for (unsigned i = 0; i < 400; i++) {
        viewer_key(&viewer, 'a' + i % 26, true);
        viewer_key(&viewer, 'a' + i % 26, false);
    }
    for (bool end = false; !end;) { /* what is sent until one comes through was behind all others */
        viewer_key(&viewer, 0xff1b, true);
        viewer_key(&viewer, 0xff1b, false);
        while (!end && guest_kbd_read(&kbd, &e, 1000)) {
            CHECK_EQ(e.type, GUEST_KBD_KEY);
            down[e.a & 255] = e.pressed;
            end = e.a == KEY_ESC && !e.pressed;
        }
        CHECK(now_ns() - start < 4 * END_MS * 1000000ull);
    }
    for (unsigned i = 0; i < 256; i++)
        CHECK(!down[i]);
    CHECK(guest_kbd_disconnect(&kbd));
    close_pc(&dm);
}

TEST(lies_end_the_connection_and_the_next_one_is_well)
{
    static const uint32_t read[] = { 1, 0x7fffffff, 0x80000000, 0xffffff00 };
    struct guest_kbd_config c = { .page = PAGE };
    struct dm dm;

    open_pc(&dm);
    for (unsigned i = 0; i < 4; i++) {
        CHECK(guest_kbd_connect(&kbd, &c));
        atomic_store((_Atomic uint32_t *)(void *)kbd.page, read[i]);
        guest_channel_notify(kbd.port);
        CHECK(guest_pv_await(&kbd.pv, 5));
        guest_pv_state(&kbd.pv, 6);
        CHECK(guest_pv_await(&kbd.pv, 6));
        guest_kbd_forget(&kbd);
        guest_pv_state(&kbd.pv, 1);
    }
    CHECK(guest_kbd_connect(&kbd, &c));
    press_and_expect('z', KEY_Z);
    CHECK(guest_kbd_disconnect(&kbd));
    guest_pv_state(&kbd.pv, 1);
    CHECK(guest_pv_await(&kbd.pv, 2));
    guest_pv_put(kbd.pv.front, "page-gref", "31000");
    guest_pv_state(&kbd.pv, 3);
    CHECK(guest_pv_await(&kbd.pv, 5));
    CHECK(guest_pv_remove(&kbd.pv));
    close_pc(&dm);
}
