/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The platform device as PV drivers and firmware use it: unplug, log, ROM lock. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "devices/platform/platform.h"
#include "dm/base/clock.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "tests/kit/check.h"
#include "tests/kit/pc.h"

#define DEVFN 0x10 /* 02.0 */
#define PORT 0x10
#define LOG 0x12
#define BAR0 0xc000

static struct device *open_platform(struct pc *pc)
{
    struct device *dev;

    pc_open(pc);
    dev = pc_plug(pc, &xen_platform_class, "");
    pc_config_write(pc, DEVFN, 0x10, 4, BAR0);
    pc_config_write(pc, DEVFN, 0x14, 4, 0xf2000000);
    pc_config_write(pc, DEVFN, 0x04, 2, 0x0003);
    return dev;
}

TEST(drivers_find_xen_by_magic_and_version)
{
    struct pc pc;

    open_platform(&pc);
    CHECK_EQ(pc_config_read(&pc, DEVFN, 0, 4), 0x00015853);
    CHECK_EQ(pc_config_read(&pc, DEVFN, 0x2c, 4), 0x00015853);
    CHECK_EQ(pc_in16(&pc, PORT), 0x49d2);
    CHECK_EQ(pc_in8(&pc, LOG), 1);
    CHECK_EQ(pc_in32(&pc, PORT), 0xffffffff);
    CHECK_EQ(pc_in8(&pc, PORT + 1), 0xff);
    pc_close(&pc);
}

TEST(nothing_is_decoded_before_the_firmware_says_so)
{
    struct pc pc;

    pc_open(&pc);
    pc_plug(&pc, &xen_platform_class, "");
    CHECK_EQ(pc_config_read(&pc, DEVFN, 0x04, 2), 0);
    pc_close(&pc);
}

TEST(it_asks_for_its_pin_but_never_raises_it)
{
    struct pc pc;

    open_platform(&pc);
    CHECK_EQ(pc_config_read(&pc, DEVFN, 0x3d, 1), 1);
    pc_out16(&pc, PORT, 1);
    CHECK(!pc.intx[2][0]);
    pc_close(&pc);
}

TEST(the_unplug_mask_goes_to_the_machine)
{
    static const struct { uint16_t asked; unsigned got; } masks[] = {
        { 0x01, 1 }, { 0x02, 2 }, { 0x04, 4 }, { 0x08, 8 }, { 0x0f, 15 }, { 0x00, 0 },
        { 0xf0, 0 }, { 0x103, 3 },
    };
    struct pc pc;

    open_platform(&pc);
    for (unsigned i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        pc.unplug_mask = 0;
        pc_out16(&pc, PORT, masks[i].asked);
        CHECK_EQ(pc.unplug_mask, masks[i].got);
    }
    pc_close(&pc);
}

/* ---- The vCPU waits ---- */

struct slow {
    struct pc *pc;
    void (*done)(void *);
    void *arg;
    unsigned mask;
    struct timer timer;
    uint64_t answered_at;
};

static struct slow slow;

static void slow_done(void *arg)
{
    slow.answered_at = clock_now();
    slow.done(slow.arg);
}

static void slow_unplug(void *arg, unsigned mask, void (*done)(void *), void *done_arg)
{
    slow.mask = mask;
    slow.done = done;
    slow.arg = done_arg;
    timer_init(&slow.timer, slow.pc->loop, slow_done, NULL);
    timer_set_in(&slow.timer, 0);
}

TEST(the_guest_waits_until_all_is_drained)
{
    struct pc pc;
    struct board_ops ops;

    open_platform(&pc);
    slow = (struct slow){ .pc = &pc };
    ops = *pc.board.ops;
    ops.unplug = slow_unplug;
    pc.board.ops = &ops;
    pc_out16(&pc, PORT, 1);
    CHECK_EQ(slow.mask, 1);
    CHECK(slow.answered_at != 0); /* the access came back only after the answer */
    CHECK(slow.arg != NULL);      /* and it was a deferred one */
    pc_close(&pc);
}

/* ---- Writes that are something else by their size ---- */

TEST(size_tells_flags_build_and_product_from_unplug)
{
    struct pc pc;

    open_platform(&pc);
    pc_out32(&pc, PORT, 0xffffffff); /* a build number */
    pc_out16(&pc, PORT + 2, 0xffff); /* a product number */
    CHECK_EQ(pc.unplug_mask, 0);
    CHECK(!pc.rom_locked);
    pc_out8(&pc, PORT, 0x01);
    CHECK(pc.rom_locked);
    CHECK_EQ(pc.unplug_mask, 0);
    pc_close(&pc);
}

TEST(the_rom_lock_is_a_flag_that_reads_back_and_reset_opens)
{
    struct pc pc;
    struct device *dev = open_platform(&pc);

    CHECK_EQ(pc_in8(&pc, PORT), 0);
    pc_out8(&pc, PORT, 0xff);
    CHECK_EQ(pc_in8(&pc, PORT), 1);
    CHECK(pc.rom_locked);
    pc_out8(&pc, PORT, 0xfe);
    CHECK(!pc.rom_locked);
    pc_out8(&pc, PORT, 1);
    device_reset(dev);
    CHECK(!pc.rom_locked);
    CHECK_EQ(pc_in8(&pc, PORT), 0);
    pc_close(&pc);
}

/* ---- The old interface in BAR 0, and the page pool ---- */

TEST(bar_0_unplugs_the_old_way)
{
    static const struct { uint64_t port; uint8_t value; unsigned got; } cases[] = {
        { 4, 1, 3 }, { 4, 0, 0 }, { 4, 2, 0 }, { 8, 1, 1 }, { 8, 2, 2 },
    };
    struct pc pc;

    open_platform(&pc);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pc.unplug_mask = 0;
        pc_out8(&pc, BAR0 + cases[i].port, cases[i].value);
        CHECK_EQ(pc.unplug_mask, cases[i].got);
    }
    pc_out8(&pc, BAR0, 1);
    CHECK(pc.rom_locked);
    CHECK_EQ(pc_in8(&pc, BAR0), 1);
    CHECK_EQ(pc_in8(&pc, BAR0 + 4), 0xff);
    pc_close(&pc);
}

TEST(the_page_pool_reads_ones_and_swallows_writes)
{
    struct pc pc;

    open_platform(&pc);
    CHECK_EQ(pc_config_read(&pc, DEVFN, 0x14, 4), 0xf2000008);
    pc_mmio_write(&pc, 0xf2000000, 8, 0);
    CHECK_EQ(pc_mmio_read(&pc, 0xf2000000, 8), UINT64_MAX);
    CHECK_EQ(pc_mmio_read(&pc, 0xf2fffffc, 4), 0xffffffff);
    pc_close(&pc);
}

/* ---- The log port ---- */

static int saved_stderr, file;

static void capture(void)
{
    char path[] = "/tmp/xen-dm-log-XXXXXX";

    file = mkstemp(path);
    CHECK(file >= 0);
    unlink(path);
    saved_stderr = dup(STDERR_FILENO);
    dup2(file, STDERR_FILENO);
    log_guest_limit(1 << 20);
}

static void captured(char *text, size_t size)
{
    ssize_t n;

    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    n = pread(file, text, size - 1, 0);
    close(file);
    log_guest_limit(0);
    CHECK(n >= 0);
    text[n] = 0;
}

static void say(struct pc *pc, uint64_t port, const char *text)
{
    for (; *text; text++)
        pc_out8(pc, port, (uint8_t)*text);
}

TEST(a_line_is_logged_at_its_newline_from_either_port)
{
    struct pc pc;
    char text[4096];

    open_platform(&pc);
    clock_stop(5000 * NS_PER_SEC);
    capture();
    say(&pc, LOG, "hello ");
    say(&pc, LOG, "there\x1b\n");
    say(&pc, BAR0 + 8, "by the BAR\n");
    say(&pc, LOG, "never ended");
    captured(text, sizeof(text));
    CHECK_STR(text, "xen-dm: guest: hello there?\nxen-dm: guest: by the BAR\n");
    pc_close(&pc);
}

TEST(a_line_without_end_is_cut_and_a_flood_is_limited)
{
    struct pc pc;
    static char text[65536];
    unsigned lines = 0;

    open_platform(&pc);
    clock_stop(6000 * NS_PER_SEC);
    capture();
    for (unsigned i = 0; i < 100000; i++)
        pc_out8(&pc, LOG, 'A' + i % 26);
    captured(text, sizeof(text));
    for (char *p = text; *p; p++)
        lines += *p == '\n';
    CHECK_EQ(lines, 10);
    CHECK_EQ(strcspn(text, "\n"), strlen("xen-dm: guest: ") + 126);
    pc_close(&pc);
}

TEST(saved_state_with_an_impossible_line_is_refused)
{
    struct error err = { "" };
    struct pc pc;
    struct device *dev = open_platform(&pc);
    uint8_t *regs = device_regs(dev);
    const struct saved_field *f = device_class_of(dev)->saved;

    while (strcmp(f->name, "line_length"))
        f++;
    regs[f->offset] = 127;
    CHECK(device_check_regs(dev, &err) < 0);
    CHECK_SAYS(err, "127");
    regs[f->offset] = 126;
    CHECK_EQ(device_check_regs(dev, &err), 0);
    pc_close(&pc);
}

TEST(reset_equals_fresh_and_everything_is_saved)
{
    struct pc pc;
    struct device *dev = open_platform(&pc);

    pc_check_saved(dev);
    pc_check_reset(&pc, dev, 3);
    pc_close(&pc);
}
