/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The serial port as hvmloader, SeaBIOS, Linux and Windows drive it. */
#include "devices/serial/serial.h"
#include "dm/base/clock.h"
#include "tests/unit/devices/serial/line.h"

#define COM1 0x3f8
enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR };
#define THR RBR
#define FCR IIR
#define DLL RBR
#define DLM IER
#define DLAB 0x80
#define IRQ 4
#define DATA 0x01
#define OVERRUN 0x02
#define EMPTY 0x60

static struct device *open_uart(struct line *l)
{
    line_open(l);
    return pc_plug(&l->pc, &uart16550_class, "chardev=line");
}

static uint8_t in(struct line *l, unsigned reg)
{
    return pc_in8(&l->pc, COM1 + reg);
}

static void out(struct line *l, unsigned reg, uint8_t value)
{
    pc_out8(&l->pc, COM1 + reg, value);
}

static bool irq(struct line *l)
{
    return l->pc.isa[IRQ];
}

/* ---- Probes ---- */

TEST(fresh_registers_are_those_of_the_reset_table)
{
    struct line l;

    open_uart(&l);
    CHECK_EQ(in(&l, IER), 0);
    CHECK_EQ(in(&l, IIR), 0x01);
    CHECK_EQ(in(&l, LCR), 0);
    CHECK_EQ(in(&l, MCR), 0);
    CHECK_EQ(in(&l, LSR), EMPTY);
    CHECK_EQ(in(&l, MSR), 0xb0);
    CHECK(!irq(&l));
    line_close(&l);
}

/* hvmloader: inb(port + IER) == 0 and a write there reads back its low four bits. */
TEST(hvmloaders_probe_of_ier_finds_a_port)
{
    struct line l;
    struct pc *pc = &l.pc;

    open_uart(&l);
    out(&l, IER, 0xff);
    CHECK_EQ(in(&l, IER), 0x0f);
    out(&l, IER, 0);
    CHECK_EQ(in(&l, IER), 0);
    CHECK_EQ(pc_in8(pc, 0x2f8 + IER), 0xff); /* nobody there */
    line_close(&l);
}

/* Linux, autoconfig(): IER, scratch, loopback of the modem lines, then the FIFO's bits. */
TEST(linux_autoconfiguration_finds_a_16550a)
{
    struct line l;

    open_uart(&l);
    out(&l, SCR, 0xa5);
    CHECK_EQ(in(&l, SCR), 0xa5);
    out(&l, MCR, 0x10 | 0x0a);
    CHECK_EQ(in(&l, MSR) & 0xf0, 0x90);
    out(&l, MCR, 0);
    out(&l, FCR, 0x01);
    CHECK_EQ(in(&l, IIR) >> 6, 3);
    out(&l, FCR, 0);
    CHECK_EQ(in(&l, IIR) >> 6, 0);
    out(&l, FCR, 0x21 | 0x80); /* a 16750's 64-byte bit is not there */
    CHECK_EQ(in(&l, IIR) & 0x20, 0);
    line_close(&l);
}

TEST(the_divisor_is_behind_dlab_and_apart)
{
    struct line l;

    open_uart(&l);
    out(&l, IER, 0x05);
    out(&l, LCR, DLAB | 3);
    CHECK_EQ(in(&l, DLL), 12);
    out(&l, DLL, 0x80);
    out(&l, DLM, 0x01);
    CHECK_EQ(in(&l, DLL), 0x80);
    CHECK_EQ(in(&l, DLM), 0x01);
    CHECK_EQ(in(&l, LCR), DLAB | 3);
    out(&l, LCR, 3);
    CHECK_EQ(in(&l, IER), 0x05);
    CHECK_STR(line_read(&l), "");
    line_close(&l);
}

TEST(status_registers_ignore_writes)
{
    struct line l;

    open_uart(&l);
    out(&l, LSR, 0xff);
    out(&l, MSR, 0xff);
    CHECK_EQ(in(&l, LSR), EMPTY);
    CHECK_EQ(in(&l, MSR), 0xb0);
    line_close(&l);
}

/* ---- Receiving ---- */

TEST(received_byte_raises_the_irq_and_reading_it_lowers_it)
{
    struct line l;

    open_uart(&l);
    out(&l, IER, 0x01);
    line_type(&l, "A");
    CHECK(irq(&l));
    CHECK_EQ(in(&l, IIR), 0x04);
    CHECK_EQ(in(&l, LSR), EMPTY | DATA);
    CHECK_EQ(in(&l, RBR), 'A');
    CHECK(!irq(&l));
    CHECK_EQ(in(&l, LSR), EMPTY);
    line_close(&l);
}

TEST(without_fifos_bytes_come_one_at_a_time_and_none_is_lost)
{
    struct line l;
    const char *text = "a whole sentence, typed at once";

    open_uart(&l);
    line_type(&l, text);
    for (const char *p = text; *p; p++) {
        CHECK(in(&l, LSR) & DATA);
        CHECK_EQ(in(&l, RBR), *p);
        pc_settle(&l.pc);
    }
    CHECK_EQ(in(&l, LSR), EMPTY);
    line_close(&l);
}

TEST(the_fifo_interrupts_at_its_trigger_level)
{
    static const struct { uint8_t fcr; unsigned level; } levels[] = {
        { 0x01, 1 }, { 0x41, 4 }, { 0x81, 8 }, { 0xc1, 14 },
    };

    for (unsigned i = 0; i < 4; i++) {
        struct line l;

        open_uart(&l);
        out(&l, FCR, levels[i].fcr);
        out(&l, IER, 0x01);
        for (unsigned n = 1; n <= levels[i].level; n++) {
            CHECK(!irq(&l));
            line_type(&l, "x");
        }
        CHECK(irq(&l));
        CHECK_EQ(in(&l, IIR), 0xc4);
        in(&l, RBR);
        CHECK(!irq(&l)); /* below the level again */
        line_close(&l);
    }
}

TEST(bytes_below_the_trigger_are_told_of_when_the_line_falls_silent)
{
    struct line l;

    open_uart(&l);
    out(&l, FCR, 0xc1);
    out(&l, IER, 0x01);
    line_type(&l, "abc");
    pc_crank(&l.pc, NS_PER_MS / 4);
    CHECK(!irq(&l));
    line_type(&l, "d"); /* each byte starts the time again */
    pc_crank(&l.pc, NS_PER_MS / 4);
    CHECK(!irq(&l));
    pc_crank(&l.pc, NS_PER_MS / 4);
    CHECK(irq(&l));
    CHECK_EQ(in(&l, IIR), 0xcc);
    CHECK_EQ(in(&l, IIR), 0xcc); /* reading IIR does not clear it */
    CHECK_EQ(in(&l, RBR), 'a');
    CHECK(!irq(&l)); /* but reading data does */
    pc_crank(&l.pc, NS_PER_MS);
    CHECK(irq(&l)); /* and three are still there */
    for (unsigned i = 0; i < 3; i++)
        in(&l, RBR);
    CHECK(!irq(&l));
    pc_crank(&l.pc, NS_PER_SEC);
    CHECK(!irq(&l));
    line_close(&l);
}

TEST(clearing_the_receive_fifo_drops_its_bytes_and_its_time_out)
{
    struct line l;

    open_uart(&l);
    out(&l, FCR, 0xc1);
    out(&l, IER, 0x01);
    line_type(&l, "abc");
    out(&l, FCR, 0xc1 | 0x02);
    CHECK_EQ(in(&l, LSR), EMPTY);
    pc_crank(&l.pc, NS_PER_SEC);
    CHECK(!irq(&l));
    line_type(&l, "z");
    CHECK_EQ(in(&l, RBR), 'z');
    line_close(&l);
}

TEST(the_host_keeps_what_the_fifo_has_no_room_for)
{
    struct line l;
    char text[101];

    for (unsigned i = 0; i < 100; i++)
        text[i] = (char)('!' + i % 90);
    text[100] = 0;
    open_uart(&l);
    out(&l, FCR, 0xc1);
    line_type(&l, text);
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQ(in(&l, LSR), EMPTY | DATA); /* no overrun either */
        CHECK_EQ(in(&l, RBR), text[i]);
        pc_settle(&l.pc);
    }
    CHECK_EQ(in(&l, LSR), EMPTY);
    line_close(&l);
}

TEST(reading_an_empty_receiver_is_harmless)
{
    struct line l;

    open_uart(&l);
    for (unsigned i = 0; i < 40; i++)
        in(&l, RBR);
    CHECK_EQ(in(&l, LSR), EMPTY);
    line_close(&l);
}

/* ---- Sending ---- */

TEST(what_is_sent_arrives_and_the_transmitter_is_empty_again)
{
    struct line l;

    open_uart(&l);
    for (const char *p = "console"; *p; p++) {
        CHECK_EQ(in(&l, LSR), EMPTY);
        out(&l, THR, (uint8_t)*p);
    }
    CHECK_STR(line_read(&l), "console");
    line_close(&l);
}

TEST(enabling_the_transmit_interrupt_fires_it_and_reading_iir_clears_it)
{
    struct line l;

    open_uart(&l);
    CHECK(!irq(&l));
    out(&l, IER, 0x02);
    CHECK(irq(&l));
    CHECK_EQ(in(&l, IIR), 0x02);
    CHECK(!irq(&l));
    CHECK_EQ(in(&l, IIR), 0x01);
    out(&l, IER, 0x02); /* already enabled: no new event */
    CHECK(!irq(&l));
    out(&l, IER, 0x00);
    out(&l, IER, 0x02); /* Linux kicks the transmitter so */
    CHECK(irq(&l));
    out(&l, THR, 'x');
    CHECK(irq(&l)); /* it is empty again at once */
    CHECK_EQ(in(&l, IIR), 0x02);
    out(&l, THR, 'y');
    CHECK(irq(&l));
    out(&l, IER, 0);
    CHECK(!irq(&l));
    line_close(&l);
}

TEST(a_higher_interrupt_hides_the_transmitters_and_keeps_it)
{
    struct line l;

    open_uart(&l);
    out(&l, IER, 0x03);
    line_type(&l, "A");
    CHECK_EQ(in(&l, IIR), 0x04);
    CHECK_EQ(in(&l, IIR), 0x04);
    in(&l, RBR);
    CHECK_EQ(in(&l, IIR), 0x02);
    CHECK_EQ(in(&l, IIR), 0x01);
    line_close(&l);
}

/* Fills the socket and the chardev's buffer; how many bytes went. */
static size_t stuff(struct line *l)
{
    static uint8_t junk[4096];
    size_t all = 0, n;

    while ((n = chardev_write(l->chardev, junk, sizeof(junk))))
        all += n;
    return all;
}

static void drain(struct line *l, size_t bytes)
{
    static char text[65536];
    size_t got = 0;

    while (got < bytes) {
        size_t most = bytes - got < sizeof(text) ? bytes - got : sizeof(text);
        ssize_t n = read(l->far, text, most);

        if (n > 0)
            got += (size_t)n;
        pc_settle(&l->pc);
    }
}

TEST(sixteen_bytes_written_blindly_into_a_full_line_all_arrive_later)
{
    struct line l;
    size_t before;

    open_uart(&l);
    out(&l, FCR, 0x01);
    out(&l, IER, 0x02);
    CHECK_EQ(in(&l, IIR), 0xc2);
    before = stuff(&l);
    for (unsigned i = 0; i < 16; i++)
        out(&l, THR, (uint8_t)('a' + i));
    CHECK_EQ(in(&l, LSR) & EMPTY, 0);
    CHECK(!irq(&l));
    drain(&l, before);
    CHECK_EQ(in(&l, LSR) & EMPTY, EMPTY);
    CHECK(irq(&l));
    CHECK_STR(line_read(&l), "abcdefghijklmnop");
    line_close(&l);
}

TEST(clearing_the_transmit_fifo_drops_what_waits)
{
    struct line l;
    size_t before;

    open_uart(&l);
    out(&l, FCR, 0x01);
    before = stuff(&l);
    out(&l, THR, 'x');
    out(&l, THR, 'y');
    out(&l, FCR, 0x05);
    CHECK_EQ(in(&l, LSR) & EMPTY, EMPTY);
    drain(&l, before);
    out(&l, THR, 'z');
    CHECK_STR(line_read(&l), "z");
    line_close(&l);
}

TEST(a_full_line_takes_one_byte_without_fifos_and_the_last_one_wins)
{
    struct line l;
    size_t before;

    open_uart(&l);
    before = stuff(&l);
    out(&l, THR, 'x');
    CHECK_EQ(in(&l, LSR) & EMPTY, 0);
    out(&l, THR, 'y');
    drain(&l, before);
    CHECK_STR(line_read(&l), "y");
    line_close(&l);
}

TEST(a_line_that_hangs_up_lets_the_guest_go_on)
{
    struct line l;

    open_uart(&l);
    out(&l, IER, 0x02);
    in(&l, IIR);
    stuff(&l);
    out(&l, THR, 'x');
    CHECK_EQ(in(&l, LSR) & EMPTY, 0);
    line_hang_up(&l);
    CHECK_EQ(in(&l, LSR) & EMPTY, EMPTY);
    CHECK(irq(&l));
    out(&l, THR, 'y');
    CHECK_EQ(in(&l, LSR) & EMPTY, EMPTY);
    line_close(&l);
}

TEST(a_port_with_nothing_behind_it_swallows_bytes)
{
    struct pc pc;

    pc_open(&pc);
    pc_plug(&pc, &uart16550_class, "iobase=0x2f8,irq=3");
    pc_out8(&pc, 0x2f8, 'x');
    CHECK_EQ(pc_in8(&pc, 0x2f8 + LSR), EMPTY);
    pc_out8(&pc, 0x2f8 + IER, 2);
    CHECK(pc.isa[3]);
    pc_close(&pc);
}

/* ---- Loopback and modem lines ---- */

TEST(loopback_returns_the_bytes_and_keeps_the_line_out)
{
    struct line l;

    open_uart(&l);
    out(&l, MCR, 0x10);
    out(&l, FCR, 0x01);
    line_type(&l, "outside");
    for (unsigned i = 0; i < 16; i++)
        out(&l, THR, (uint8_t)('A' + i));
    for (unsigned i = 0; i < 16; i++)
        CHECK_EQ(in(&l, RBR), 'A' + i);
    CHECK_EQ(in(&l, LSR), EMPTY);
    CHECK_STR(line_read(&l), "");
    out(&l, MCR, 0);
    pc_settle(&l.pc);
    CHECK_EQ(in(&l, RBR), 'o'); /* what was typed meanwhile comes now */
    line_close(&l);
}

TEST(a_byte_too_many_is_an_overrun_told_once)
{
    struct line l;

    open_uart(&l);
    out(&l, MCR, 0x10);
    out(&l, FCR, 0x01);
    out(&l, IER, 0x04);
    for (unsigned i = 0; i < 17; i++)
        out(&l, THR, (uint8_t)('A' + i));
    CHECK(irq(&l));
    CHECK_EQ(in(&l, IIR), 0xc6);
    CHECK_EQ(in(&l, LSR), EMPTY | DATA | OVERRUN);
    CHECK(!irq(&l));
    CHECK_EQ(in(&l, LSR), EMPTY | DATA);
    CHECK_EQ(in(&l, RBR), 'A');
    line_close(&l);
}

TEST(modem_lines_loop_back_with_their_changes)
{
    struct line l;

    open_uart(&l);
    in(&l, MSR);
    out(&l, MCR, 0x10); /* the four outputs are off: CTS, DSR, DCD fall */
    CHECK_EQ(in(&l, MSR), 0x0b);
    CHECK_EQ(in(&l, MSR), 0x00);
    out(&l, IER, 0x08);
    out(&l, MCR, 0x10 | 0x02);
    CHECK(irq(&l));
    CHECK_EQ(in(&l, IIR), 0x00);
    CHECK_EQ(in(&l, MSR), 0x11);
    CHECK(!irq(&l));
    out(&l, MCR, 0x10 | 0x06); /* ring rises: only its end counts */
    CHECK_EQ(in(&l, MSR), 0x50);
    out(&l, MCR, 0x10 | 0x02);
    CHECK_EQ(in(&l, MSR), 0x14);
    line_close(&l);
}

/* ---- The whole ---- */

TEST(bytes_that_waited_leave_after_a_load)
{
    struct error err = { "" };
    struct line l;
    static uint8_t saved[4096];
    struct device *dev = open_uart(&l);
    size_t before, n = device_class_of(dev)->regs_size;

    out(&l, FCR, 0x01);
    before = stuff(&l);
    out(&l, THR, 'h');
    out(&l, THR, 'i');
    memcpy(saved, device_regs(dev), n);
    device_reset(dev);
    drain(&l, before);
    CHECK_STR(line_read(&l), "");
    memcpy(device_regs(dev), saved, n);
    CHECK_EQ(device_check_regs(dev, &err), 0);
    CHECK_STR(line_read(&l), "hi");
    CHECK_EQ(in(&l, LSR) & EMPTY, EMPTY);
    line_close(&l);
}

TEST(a_fifo_fuller_than_it_can_be_is_refused)
{
    static const char *const counts[] = { "rx_count", "tx_count" };
    struct line l;
    struct device *dev = open_uart(&l);

    for (unsigned i = 0; i < 2; i++) {
        struct error err = { "" };
        const struct saved_field *f = device_class_of(dev)->saved;

        while (strcmp(f->name, counts[i]))
            f++;
        ((uint8_t *)device_regs(dev))[f->offset] = 17;
        CHECK(device_check_regs(dev, &err) < 0);
        CHECK_SAYS(err, "17");
        ((uint8_t *)device_regs(dev))[f->offset] = 0;
    }
    line_close(&l);
}

TEST(a_chardev_that_does_not_exist_is_refused)
{
    struct error err = { "" };
    struct device *dev;
    struct pc pc;

    pc_open(&pc);
    CHECK(device_attach(&dev, &pc.board, &uart16550_class, "u", "chardev=nobody", &err) < 0);
    CHECK_SAYS(err, "nobody");
    pc_close(&pc);
}

TEST(reset_equals_fresh_and_everything_is_saved)
{
    struct line l;
    struct device *dev = open_uart(&l);

    pc_check_saved(dev);
    for (unsigned seed = 1; seed < 5; seed++)
        pc_check_reset(&l.pc, dev, seed);
    line_close(&l);
}
