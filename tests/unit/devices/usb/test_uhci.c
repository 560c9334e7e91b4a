/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The USB controller: registers, ports, the schedule, and what an idle guest costs. */
#include "tests/unit/devices/usb/uhci_bench.h"

/* ---- Registers and ports ---- */

TEST(fresh_registers_are_those_of_a_halted_controller)
{
    struct usb u;

    usb_open(&u, "tablet");
    CHECK_EQ(pc_config_read(&u.pc, UHCI_DEVFN, 0x60, 1), 0x10);
    CHECK_EQ(pc_config_read(&u.pc, UHCI_DEVFN, 0xc0, 2), 0x2000);
    device_reset(u.dev);
    pc_config_write(&u.pc, UHCI_DEVFN, 0x20, 4, IO);
    pc_config_write(&u.pc, UHCI_DEVFN, 0x04, 2, 0x0005);
    CHECK_EQ(pc_in16(&u.pc, USBCMD), 0);
    CHECK_EQ(pc_in16(&u.pc, USBSTS), HALTED);
    CHECK_EQ(pc_in16(&u.pc, USBINTR), 0);
    CHECK_EQ(pc_in16(&u.pc, FRNUM), 0);
    CHECK_EQ(pc_in8(&u.pc, IO + 0x0c), 64);
    CHECK_EQ(pc_in16(&u.pc, PORTSC(0)), 0x0083); /* connected, changed, and bit 7 is one */
    CHECK_EQ(pc_in16(&u.pc, PORTSC(1)), 0x0080);
    CHECK_EQ(pc_in16(&u.pc, PORTSC(2)) & 0x0080, 0); /* how drivers count ports */
    usb_close(&u);
}

TEST(registers_keep_their_bits)
{
    struct usb u;

    usb_open(&u, "");
    pc_out16(&u.pc, USBCMD, 0);
    CHECK_EQ(pc_in16(&u.pc, USBSTS), HALTED);
    pc_out32(&u.pc, FLBASE, 0xfffff123);
    CHECK_EQ(pc_in32(&u.pc, FLBASE), 0xfffff000);
    pc_out16(&u.pc, FRNUM, 0xffff);
    CHECK_EQ(pc_in16(&u.pc, FRNUM), 0x07ff);
    pc_out16(&u.pc, USBINTR, 0xffff);
    CHECK_EQ(pc_in16(&u.pc, USBINTR), 0x000f);
    pc_out8(&u.pc, IO + 0x0c, 0xff);
    CHECK_EQ(pc_in8(&u.pc, IO + 0x0c), 0x7f);
    pc_out16(&u.pc, USBCMD, 0x0002); /* host controller reset */
    CHECK_EQ(pc_in32(&u.pc, FLBASE), 0);
    CHECK_EQ(pc_in16(&u.pc, USBCMD), 0);
    CHECK_EQ(pc_in16(&u.pc, USBSTS), HALTED);
    usb_close(&u);
}

TEST(the_frame_number_counts_milliseconds_while_running)
{
    struct usb u;
    unsigned before;

    usb_open(&u, "");
    before = pc_in16(&u.pc, FRNUM);
    frames(&u, 7);
    CHECK_EQ((pc_in16(&u.pc, FRNUM) - before) & 0x7ff, 7);
    frames(&u, 5000);
    CHECK_EQ((pc_in16(&u.pc, FRNUM) - before) & 0x7ff, 5007 % 2048);
    clock_crank(3 * NS_PER_MS); /* nobody has looked at the schedule meanwhile */
    CHECK_EQ((pc_in16(&u.pc, FRNUM) - before) & 0x7ff, 5010 % 2048);
    pc_out16(&u.pc, USBCMD, 0);
    before = pc_in16(&u.pc, FRNUM);
    frames(&u, 100);
    CHECK_EQ(pc_in16(&u.pc, FRNUM), before);
    usb_close(&u);
}

TEST(ports_reset_enable_and_clear_their_changes)
{
    struct usb u;

    usb_open(&u, "mouse");
    pc_out16(&u.pc, PORTSC(0), 0x0200);
    CHECK_EQ(pc_in16(&u.pc, PORTSC(0)) & 0x0204, 0x0200);
    pc_out16(&u.pc, PORTSC(0), 0x0204);
    CHECK_EQ(pc_in16(&u.pc, PORTSC(0)) & 4, 0); /* not enabled while in reset */
    pc_out16(&u.pc, PORTSC(0), 0x0000);
    pc_out16(&u.pc, PORTSC(0), 0x0004);
    CHECK_EQ(pc_in16(&u.pc, PORTSC(0)) & 7, 7);
    pc_out16(&u.pc, PORTSC(0), 0x0006);
    CHECK_EQ(pc_in16(&u.pc, PORTSC(0)) & 7, 5);
    pc_out16(&u.pc, PORTSC(1), 0x0004); /* nothing is plugged there */
    CHECK_EQ(pc_in16(&u.pc, PORTSC(1)) & 7, 0);
    usb_close(&u);
}

TEST(wrong_lists_of_devices_are_refused_with_a_sentence)
{
    static const struct { const char *options, *says; } wrong[] = {
        { "ports=joystick", "joystick" }, { "ports=tablet mouse keyboard", "two ports" },
        { "input=nobody", "nobody" }, { "addr=99", "PCI address" },
    };
    struct pc pc;

    pc_open(&pc);
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct error err = { "" };
        struct device *dev;

        CHECK(device_attach(&dev, &pc.board, &uhci_class, "u", wrong[i].options, &err) < 0);
        CHECK_SAYS(err, wrong[i].says);
    }
    pc_close(&pc);
}

/* ---- Transfers ---- */

TEST(a_device_answers_only_at_its_address_on_an_enabled_port)
{
    struct usb u;
    uint8_t descriptor[18];

    usb_open(&u, "tablet");
    CHECK_EQ(request(&u, 0, 0x80, 6, 0x0100, 0, 8, descriptor), -1);
    port_reset(&u, 0);
    CHECK_EQ(request(&u, 0, 0x80, 6, 0x0100, 0, 8, descriptor), 8);
    CHECK_EQ(request(&u, 1, 0x80, 6, 0x0100, 0, 8, descriptor), -1);
    pc_out16(&u.pc, PORTSC(0), 0x1004); /* suspended */
    CHECK_EQ(request(&u, 0, 0x80, 6, 0x0100, 0, 8, descriptor), -1);
    usb_close(&u);
}

TEST(nobody_there_is_a_stalled_transfer_with_a_time_out_and_an_error)
{
    struct usb u;
    uint32_t td;

    usb_open(&u, "");
    td = td_make(&u, END, ACTIVE, token(PID_IN, 5, 0, 8), BUFFER);
    put32(&u, QH_CTRL + 4, td);
    frames(&u, 2);
    CHECK_EQ(td_status(&u, td) & STATUS_BITS, STALLED | TIMED_OUT);
    CHECK_EQ(td_actual(&u, td), 0);
    CHECK_EQ(pc_in16(&u.pc, USBSTS) & (USBINT | USBERR), USBERR);
    CHECK(intx(&u));
    pc_out16(&u.pc, USBSTS, USBERR);
    CHECK(!intx(&u));
    CHECK_EQ(get32(&u, QH_CTRL + 4), td); /* a failed transfer stays on its queue */
    usb_close(&u);
}

TEST(an_interrupt_on_completion_comes_and_is_acknowledged)
{
    struct usb u;
    uint32_t td;

    usb_open(&u, "keyboard");
    enumerate(&u, 0, 3);
    td = ask_report(&u, 3, IOC);
    frames(&u, 20);
    CHECK(td_status(&u, td) & ACTIVE); /* nothing to say */
    CHECK(td_status(&u, td) & NAK);
    CHECK(!intx(&u));
    input_key(u.input, KEY_A, true);
    frames(&u, 3);
    CHECK_EQ(td_status(&u, td) & STATUS_BITS, 0);
    CHECK_EQ(td_actual(&u, td), 8);
    CHECK_EQ(get32(&u, QH_INT + 4), END);
    CHECK(intx(&u));
    CHECK_EQ(pc_in16(&u.pc, USBSTS) & 3, USBINT);
    pc_out16(&u.pc, USBINTR, 0x0b); /* not for completions */
    CHECK(!intx(&u));
    pc_out16(&u.pc, USBINTR, 0x0f);
    CHECK(intx(&u));
    pc_out16(&u.pc, USBSTS, USBINT);
    CHECK(!intx(&u));
    usb_close(&u);
}

TEST(a_short_packet_stops_its_queue_and_interrupts_if_asked_to)
{
    struct usb u;
    uint32_t setup, data, more;
    uint8_t bytes[8] = { 0x80, 8, 0, 0, 0, 0, 64, 0 }; /* GET_CONFIGURATION: one byte comes */

    usb_open(&u, "mouse");
    enumerate(&u, 0, 1);
    for (unsigned spd = 0; spd < 2; spd++) {
        u.td = 0;
        pc_poke(&u.pc, BUFFER, bytes, 8);
        setup = td_make(&u, (TDS + 32) | DEPTH, ACTIVE, token(PID_SETUP, 1, 0, 8), BUFFER);
        data = td_make(&u, (TDS + 64) | DEPTH, ACTIVE | (spd ? SPD : 0), token(PID_IN, 1, 0, 8),
                       BUFFER + 16);
        more = td_make(&u, END, ACTIVE, token(PID_IN, 1, 0, 8), BUFFER + 24);
        put32(&u, QH_CTRL + 4, setup);
        frames(&u, 4);
        CHECK_EQ(td_actual(&u, data), 1);
        CHECK_EQ(!(td_status(&u, more) & ACTIVE), !spd);
        CHECK_EQ(get32(&u, QH_CTRL + 4) & ~DEPTH, spd ? data : END);
        CHECK_EQ(intx(&u), spd);
        put32(&u, QH_CTRL + 4, END);
        pc_out16(&u.pc, USBSTS, USBINT);
    }
    usb_close(&u);
}

TEST(depth_first_finishes_a_queue_in_one_frame_and_breadth_first_takes_one_each)
{
    static const uint8_t setup[8] = { 0x80, 6, 0, 1, 0, 0, 18, 0 };

    for (unsigned depth = 0; depth < 2; depth++) {
        struct usb u;
        uint32_t tds[5];
        unsigned done = 0;

        usb_open(&u, "mouse");
        port_reset(&u, 0);
        pc_poke(&u.pc, BUFFER, setup, 8);
        u.td = 0;
        for (unsigned i = 0; i < 5; i++)
            tds[i] = td_make(&u, i < 4 ? (TDS + 32 * (i + 1)) | (depth ? DEPTH : 0) : END, ACTIVE,
                             i == 0   ? token(PID_SETUP, 0, 0, 8)
                             : i == 4 ? token(PID_OUT, 0, 0, 0)
                                      : token(PID_IN, 0, 0, i < 3 ? 8 : 2), BUFFER + 32 * i);
        put32(&u, QH_CTRL + 4, tds[0]);
        frames(&u, 1);
        for (unsigned i = 0; i < 5; i++)
            done += !(td_status(&u, tds[i]) & ACTIVE);
        CHECK_EQ(done, depth ? 5 : 1);
        frames(&u, 4);
        CHECK_EQ(get32(&u, QH_CTRL + 4), END);
        usb_close(&u);
    }
}

TEST(transfers_linked_straight_from_the_frame_list_run_too)
{
    struct usb u;
    uint32_t td;

    usb_open(&u, "mouse");
    enumerate(&u, 0, 2);
    td = td_make(&u, QH_CTRL | QUEUE, ACTIVE | IOC, token(PID_IN, 2, 1, 4), BUFFER);
    for (unsigned i = 0; i < 1024; i++)
        put32(&u, FRAME_LIST + 4 * i, td);
    input_pointer_rel(u.input, 3, 4, 0);
    frames(&u, 3);
    CHECK_EQ(td_actual(&u, td), 4);
    CHECK(intx(&u));
    usb_close(&u);
}

TEST(a_queue_in_one_frame_of_128_is_seen_though_we_look_seldom)
{
    struct usb u;
    uint32_t td;

    usb_open(&u, "keyboard");
    enumerate(&u, 0, 1);
    for (unsigned i = 0; i < 1024; i++)
        put32(&u, FRAME_LIST + 4 * i, i % 128 ? QH_CTRL | QUEUE : QH_INT | QUEUE);
    frames(&u, 2000); /* backed off by now */
    td = ask_report(&u, 1, IOC);
    input_key(u.input, KEY_A, true);
    frames(&u, 140);
    CHECK(!(td_status(&u, td) & ACTIVE));
    usb_close(&u);
}

/* ---- Hostile schedules ---- */

TEST(absurd_lengths_and_pids_stop_the_controller_with_a_process_error)
{
    static const struct { uint32_t pid; unsigned length; } wrong[] = {
        { PID_IN, 1281 }, { PID_OUT, 2046 }, { PID_IN, 2047 }, { 0x00, 8 }, { 0xff, 8 },
        { 0xa5, 8 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct usb u;
        uint32_t td;

        usb_open(&u, "mouse");
        port_reset(&u, 0);
        td = td_make(&u, END, ACTIVE, token(wrong[i].pid, 0, 0, wrong[i].length), BUFFER);
        put32(&u, QH_CTRL + 4, td);
        frames(&u, 3);
        CHECK_EQ(pc_in16(&u.pc, USBSTS), PROCESS_ERROR | HALTED);
        CHECK_EQ(pc_in16(&u.pc, USBCMD) & RUN, 0);
        CHECK(intx(&u));
        CHECK(td_status(&u, td) & ACTIVE);
        pc_out16(&u.pc, USBSTS, PROCESS_ERROR);
        CHECK(!intx(&u));
        usb_close(&u);
    }
}

TEST(the_longest_packet_is_taken)
{
    struct usb u;
    uint32_t td;

    usb_open(&u, "mouse");
    port_reset(&u, 0);
    td = td_make(&u, END, ACTIVE, token(PID_OUT, 0, 0, 1280), BUFFER);
    put32(&u, QH_CTRL + 4, td);
    frames(&u, 2);
    CHECK(td_status(&u, td) & STALLED); /* not what the device expected, but a packet */
    CHECK(pc_in16(&u.pc, USBCMD) & RUN);
    usb_close(&u);
}

TEST(schedules_that_go_in_circles_end)
{
    struct usb u;
    uint32_t a, b;

    usb_open(&u, "mouse");
    enumerate(&u, 0, 1);
    put32(&u, QH_CTRL, QH_INT | QUEUE); /* bandwidth reclamation, as drivers do */
    frames(&u, 100);
    a = td_make(&u, 0, 0, token(PID_IN, 1, 1, 8), BUFFER);
    put32(&u, a, a); /* a transfer linked to itself, from the frame list */
    put32(&u, FRAME_LIST, a);
    frames(&u, 2000);
    b = td_make(&u, 0, ACTIVE, token(PID_SETUP, 1, 0, 8), BUFFER);
    put32(&u, b, b | DEPTH); /* and one in a queue */
    put32(&u, QH_CTRL + 4, b);
    frames(&u, 2000);
    put32(&u, QH_INT, QH_INT | QUEUE);
    put32(&u, QH_INT + 4, QH_INT | QUEUE); /* a queue in itself */
    frames(&u, 2000);
    CHECK(pc_in16(&u.pc, USBCMD) & RUN);
    usb_close(&u);
}

TEST(pointers_to_nowhere_and_without_bus_mastering_are_harmless)
{
    struct usb u;
    uint32_t td;

    usb_open(&u, "mouse");
    port_reset(&u, 0);
    pc_out32(&u.pc, FLBASE, 0xfffff000);
    frames(&u, 100);
    pc_out32(&u.pc, FLBASE, 0xa0000);
    frames(&u, 100);
    pc_out32(&u.pc, FLBASE, FRAME_LIST);
    pc_config_write(&u.pc, UHCI_DEVFN, 0x04, 2, 0x0001);
    td = td_make(&u, END, ACTIVE, token(PID_SETUP, 0, 0, 8), BUFFER);
    put32(&u, QH_CTRL + 4, td);
    frames(&u, 100);
    CHECK(td_status(&u, td) & ACTIVE);
    usb_close(&u);
}

/* ---- Costs ---- */

static uint64_t timers_in_a_minute(struct usb *u)
{
    uint64_t before = loop_get_stats(u->pc.loop).timers;

    frames(u, 60000);
    return loop_get_stats(u->pc.loop).timers - before;
}

TEST(an_idle_guest_that_polls_its_tablet_costs_a_few_looks_a_second)
{
    struct usb u;
    uint64_t looks;

    usb_open(&u, "tablet");
    enumerate(&u, 0, 1);
    ask_report(&u, 1, IOC);
    looks = timers_in_a_minute(&u);
    CHECK(looks < 1100); /* the chip itself would look 60 000 times */
    CHECK(looks > 60);
    usb_close(&u);
}

TEST(a_stopped_controller_costs_nothing)
{
    struct usb u;

    usb_open(&u, "tablet");
    pc_out16(&u.pc, USBCMD, 0);
    CHECK_EQ(timers_in_a_minute(&u), 0);
    usb_close(&u);
}

TEST(after_a_quiet_minute_a_movement_still_arrives_at_once)
{
    struct usb u;
    uint32_t td;

    usb_open(&u, "tablet");
    enumerate(&u, 0, 1);
    td = ask_report(&u, 1, IOC);
    frames(&u, 60000);
    input_pointer_abs(u.input, 100, 200, 0);
    frames(&u, 2);
    CHECK(!(td_status(&u, td) & ACTIVE));
    CHECK(intx(&u));
    usb_close(&u);
}

TEST(a_control_transfer_queued_in_silence_starts_within_the_longest_look)
{
    struct usb u;
    uint32_t td;

    usb_open(&u, "tablet");
    port_reset(&u, 0);
    frames(&u, 60000);
    td = td_make(&u, END, ACTIVE, token(PID_SETUP, 0, 0, 8), BUFFER);
    put32(&u, QH_CTRL + 4, td);
    frames(&u, 65);
    CHECK(!(td_status(&u, td) & ACTIVE));
    usb_close(&u);
}

/* ---- Sleep ---- */

TEST(a_device_that_may_wakes_the_sleeping_bus_and_one_that_may_not_does_not)
{
    for (unsigned may = 0; may < 2; may++) {
        struct usb u;

        usb_open(&u, "keyboard");
        enumerate(&u, 0, 1);
        if (may)
            CHECK_EQ(request(&u, 1, 0x00, 3, 1, 0, 0, NULL), 0);
        pc_out16(&u.pc, USBCMD, 0x00c8); /* stopped, global suspend */
        input_key(u.input, KEY_SPACE, true);
        frames(&u, 2);
        CHECK_EQ(!!(pc_in16(&u.pc, USBSTS) & RESUME), may);
        CHECK_EQ(intx(&u), may);
        pc_out16(&u.pc, USBSTS, RESUME);
        CHECK(!intx(&u));
        usb_close(&u);
    }
}

TEST(a_suspended_port_shows_the_resume)
{
    struct usb u;

    usb_open(&u, "keyboard");
    enumerate(&u, 0, 1);
    CHECK_EQ(request(&u, 1, 0x00, 3, 1, 0, 0, NULL), 0);
    pc_out16(&u.pc, USBCMD, 0);
    pc_out16(&u.pc, PORTSC(0), 0x1004);
    input_key(u.input, KEY_SPACE, true);
    frames(&u, 2);
    CHECK_EQ(pc_in16(&u.pc, PORTSC(0)) & 0x0040, 0x0040);
    CHECK(pc_in16(&u.pc, USBSTS) & RESUME);
    usb_close(&u);
}

/* ---- The whole ---- */

TEST(a_loaded_controller_goes_on_where_it_was)
{
    struct error err = { "" };
    struct usb u;
    static uint8_t saved[8192];
    uint8_t report[8];
    size_t n;

    usb_open(&u, "keyboard");
    enumerate(&u, 0, 9);
    n = device_class_of(u.dev)->regs_size;
    CHECK(n <= sizeof(saved));
    memcpy(saved, device_regs(u.dev), n);
    device_reset(u.dev);
    clock_crank(3600 * NS_PER_SEC);
    memcpy(device_regs(u.dev), saved, n);
    CHECK_EQ(device_check_regs(u.dev, &err), 0);
    CHECK_EQ(pc_in16(&u.pc, USBCMD) & RUN, RUN);
    input_key(u.input, KEY_A, true);
    CHECK_EQ(fetch_report(&u, 9, report), 8);
    CHECK_EQ(report[2], 0x04);
    usb_close(&u);
}

TEST(a_saved_state_of_another_device_is_refused)
{
    struct error err = { "" };
    struct usb u, v;
    static uint8_t saved[8192];
    size_t n;

    usb_open(&v, "keyboard");
    n = device_class_of(v.dev)->regs_size;
    memcpy(saved, device_regs(v.dev), n);
    usb_close(&v);
    usb_open(&u, "tablet");
    memcpy(device_regs(u.dev), saved, n);
    CHECK(device_check_regs(u.dev, &err) < 0);
    CHECK_SAYS(err, "USB device 0");
    device_reset(u.dev);
    usb_close(&u);
}

TEST(a_reset_after_a_refused_state_gives_what_is_plugged)
{
    static uint8_t fresh[8192];
    struct error err = { "" };
    struct usb u;
    size_t n;

    usb_open(&u, "tablet"); /* and nothing in the other port */
    n = device_class_of(u.dev)->regs_size;
    device_reset(u.dev);
    memcpy(fresh, device_regs(u.dev), n);
    memset((uint8_t *)device_regs(u.dev) + n / 2, 1, n - n / 2);
    CHECK(device_check_regs(u.dev, &err) < 0);
    device_reset(u.dev);
    CHECK_MEM(device_regs(u.dev), fresh, n);
    CHECK_EQ(device_check_regs(u.dev, &err), 0);
    usb_close(&u);
}

TEST(reset_equals_fresh_and_everything_is_saved)
{
    struct usb u;

    usb_open(&u, "tablet keyboard");
    pc_check_saved(u.dev);
    pc_check_reset(&u.pc, u.dev, 21);
    usb_close(&u);
}
