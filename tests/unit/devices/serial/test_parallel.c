/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parallel port as a printer driver strobes it. */
#include "devices/serial/serial.h"
#include "tests/unit/devices/serial/line.h"

#define LPT1 0x378
#define STATUS (LPT1 + 1)
#define CONTROL (LPT1 + 2)
#define STROBE 0x01
#define INIT 0x04
#define SELECT 0x08
#define IRQ_ON 0x10
#define INPUT 0x20
#define IRQ 7

static struct device *open_parallel(struct line *l)
{
    line_open(l);
    return pc_plug(&l->pc, &parallel_class, "chardev=line");
}

static void print(struct pc *pc, char c, uint8_t control)
{
    pc_out8(pc, LPT1, (uint8_t)c);
    pc_out8(pc, CONTROL, control | STROBE);
    pc_out8(pc, CONTROL, control);
}

TEST(a_strobe_prints_a_byte)
{
    struct line l;

    open_parallel(&l);
    for (const char *p = "page 1"; *p; p++) {
        CHECK_EQ(pc_in8(&l.pc, STATUS) & 0x80, 0x80); /* not busy */
        print(&l.pc, *p, INIT | SELECT);
    }
    CHECK_STR(line_read(&l), "page 1");
    line_close(&l);
}

TEST(without_a_strobe_or_while_initialising_nothing_is_printed)
{
    struct line l;

    open_parallel(&l);
    pc_out8(&l.pc, LPT1, 'x');
    pc_out8(&l.pc, CONTROL, INIT);
    pc_out8(&l.pc, CONTROL, INIT | STROBE);
    print(&l.pc, 'y', 0);
    CHECK_STR(line_read(&l), "");
    line_close(&l);
}

TEST(the_acknowledge_is_a_pulse_seen_once_and_interrupts_if_enabled)
{
    struct line l;

    open_parallel(&l);
    print(&l.pc, 'x', INIT);
    CHECK(!l.pc.isa[IRQ]);
    CHECK_EQ(pc_in8(&l.pc, STATUS) & 0x40, 0);
    CHECK_EQ(pc_in8(&l.pc, STATUS) & 0x40, 0x40);
    print(&l.pc, 'y', INIT | IRQ_ON);
    CHECK(l.pc.isa[IRQ]);
    pc_in8(&l.pc, STATUS);
    CHECK(!l.pc.isa[IRQ]);
    print(&l.pc, 'z', INIT | IRQ_ON);
    pc_out8(&l.pc, CONTROL, INIT);
    CHECK(!l.pc.isa[IRQ]);
    line_close(&l);
}

TEST(data_and_control_read_back)
{
    struct line l;

    open_parallel(&l);
    CHECK_EQ(pc_in8(&l.pc, CONTROL), 0xcc);
    pc_out8(&l.pc, LPT1, 0xaa);
    CHECK_EQ(pc_in8(&l.pc, LPT1), 0xaa);
    pc_out8(&l.pc, CONTROL, 0xff);
    CHECK_EQ(pc_in8(&l.pc, CONTROL), 0xff);
    CHECK_EQ(pc_in8(&l.pc, LPT1), 0xff); /* the port is an input now: nobody drives it */
    pc_out8(&l.pc, CONTROL, INIT);
    CHECK_EQ(pc_in8(&l.pc, LPT1), 0xaa);
    CHECK_EQ(pc_in8(&l.pc, LPT1 + 3), 0xff);
    line_close(&l);
}

TEST(a_port_without_a_printer_is_always_ready)
{
    struct pc pc;

    pc_open(&pc);
    pc_plug(&pc, &parallel_class, "");
    print(&pc, 'x', INIT);
    CHECK_EQ(pc_in8(&pc, STATUS) & 0x80, 0x80);
    pc_close(&pc);
}

TEST(reset_equals_fresh_and_everything_is_saved)
{
    struct line l;
    struct device *dev = open_parallel(&l);

    pc_check_saved(dev);
    pc_check_reset(&l.pc, dev, 9);
    line_close(&l);
}
