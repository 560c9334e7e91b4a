# SPDX-License-Identifier: GPL-2.0-or-later
"""Each device is there, does its simplest work, and tells time by the test's clock."""
import os
import struct
import tempfile
import unittest

from ide import Ide
from qtest import Test, pattern

ICR, ICS, IMS, RCTL, TCTL = 0xc0, 0xc8, 0xd0, 0x100, 0x400
TDBAL, TDBAH, TDLEN, TDH, TDT = 0x3800, 0x3804, 0x3808, 0x3810, 0x3818
BAR = 0xe0000000
SLOT = 4 << 3


class E1000(Test):
    def card(self):
        m = self.machine("-nodefaults", "-device", "e1000,addr=04.0,mac=52:54:00:12:34:56")
        m.ask("irq_intercept_in ioapic")
        m.config(1 << 3, 0x63, 1, 11)
        m.bar(SLOT, 0, BAR)
        return m

    def test_its_bars_have_their_sizes(self):
        m = self.machine("-nodefaults", "-device", "e1000,addr=04.0")
        for bar, want in ((0, 0xfffe0000), (1, 0xffffffc1)):
            m.config(SLOT, 0x10 + 4 * bar, 4, 0xffffffff)
            self.assertEqual(m.config(SLOT, 0x10 + 4 * bar), want)

    def test_its_address_is_in_the_receive_address_and_the_eeprom(self):
        m = self.card()
        self.assertEqual(m.readl(BAR + 0x5400), 0x12005452)
        self.assertEqual(m.readl(BAR + 0x5404), 0x80005634)
        words = []
        for i in range(3):
            m.writel(BAR + 0x14, 1 | i << 8)
            words.append(m.readl(BAR + 0x14) >> 16)
        self.assertEqual(struct.pack("<HHH", *words), bytes.fromhex("525400123456"))

    def test_a_frame_is_sent_and_its_descriptor_written_back(self):
        m = self.card()
        m.poke(0x20000, pattern(64))
        m.poke(0x10000, struct.pack("<QHBBBBH", 0x20000, 64, 0, 0x0b, 0, 0, 0))
        for reg, value in ((TDBAL, 0x10000), (TDBAH, 0), (TDLEN, 128), (TDH, 0), (IMS, 1),
                           (TCTL, 2)):
            m.writel(BAR + reg, value)
        m.writel(BAR + TDT, 1)
        m.ask("clock_step 10000000")
        m.irq(11)
        self.assertEqual(m.peek(0x1000c, 1)[0] & 1, 1)
        self.assertEqual(m.readl(BAR + TDH), 1)
        self.assertTrue(m.readl(BAR + ICR) & 1)
        self.assertFalse(m.irqs[11])


class Rtl8139(Test):
    def test_its_timer_runs_by_the_clock(self):
        m = self.machine("-nodefaults", "-device", "rtl8139,addr=04.0")
        io = m.bar(SLOT, 0, 0xc001) & ~1
        m.ask("irq_intercept_in ioapic")
        m.config(1 << 3, 0x63, 1, 10)
        m.outb(io + 0x50, 0xc0)
        m.outw(io + 0x3c, 0x4000)  # interrupt at the timer
        m.outl(io + 0x54, 33000)   # TimerInt: 1 ms of 33 MHz
        m.outl(io + 0x48, 0)       # the count begins
        m.ask("clock_step 900000")
        self.assertEqual(m.inw(io + 0x3e) & 0x4000, 0)
        m.ask("clock_step 200000")
        self.assertEqual(m.inw(io + 0x3e) & 0x4000, 0x4000)
        self.assertTrue(m.irqs.get(10))
        m.outw(io + 0x3e, 0x4000)
        self.assertFalse(m.irqs[10])

    def timer(self):
        m = self.machine("-nodefaults", "-device", "rtl8139,addr=04.0")
        io = m.bar(SLOT, 0, 0xc001) & ~1
        m.outw(io + 0x3c, 0)
        return (m, lambda: m.inl(io + 0x48), lambda v: m.outl(io + 0x48, v),
                lambda v: m.outl(io + 0x54, int(v)), lambda: m.inw(io + 0x3e) & 0x4000,
                lambda: m.outw(io + 0x3e, 0x4000))

    def test_its_timer_counts_on_and_wraps(self):
        m, count, restart, _, fired, _ = self.timer()
        restart(12345)  # any value: it starts at 0
        before, wraps = count(), 0
        self.assertLess(before, 3000000)
        while wraps < 2:
            m.ask("clock_step 10000000000")
            now = count()
            ticks = (now - before) & 0xffffffff
            self.assertTrue(329000000 < ticks < 334000000, ticks)
            wraps += now < before
            before = now
        self.assertFalse(fired())  # no TimerInt, no interrupt

    def test_its_timer_fires_whatever_is_written_afterwards(self):
        m, count, restart, at, fired, forget = self.timer()
        at(1)
        restart(0)
        m.ask("clock_step 40")
        self.assertTrue(fired())
        forget()
        self.assertFalse(fired())
        for late in (lambda: restart(0), lambda: at(0)):
            restart(0)
            at(0)
            forget()
            at(count() + 16000000)
            m.ask("clock_step 1000000000")
            late()
            self.assertTrue(fired())

    def test_its_timer_fires_again_after_a_wrap(self):
        m, count, restart, at, fired, forget = self.timer()
        restart(0)
        at(1000)
        for _ in range(2):
            before = count()
            while count() >= before:
                before = count()
                m.ask("clock_step 10000000000")
            self.assertTrue(fired())
            forget()
            self.assertFalse(fired())

    def test_its_address(self):
        m = self.machine("-nodefaults", "-device", "rtl8139,addr=04.0,mac=52:54:00:ab:cd:ef")
        io = m.bar(SLOT, 0, 0xc001) & ~1
        self.assertEqual(bytes(m.inb(io + i) for i in range(6)).hex(), "525400abcdef")


class Displays(Test):
    def test_frame_buffers_hold_what_is_written(self):
        for words in (("-vga", "std"), ("-vga", "cirrus"), ("-device", "VGA,addr=08.0"),
                      ("-device", "cirrus-vga,addr=08.0")):
            with self.subTest(words):
                m = self.machine("-nodefaults", *words)
                m.bar((2 if words[0] == "-vga" else 8) << 3, 0, BAR)
                data = pattern(8192)
                m.poke(BAR + 0x1000, data)
                self.assertEqual(m.peek(BAR + 0x1000, len(data)), data)

    def test_bochs_registers(self):
        m = self.machine("-nodefaults", "-vga", "std")
        m.outw(0x1ce, 0)
        self.assertEqual(m.inw(0x1cf) & 0xfff0, 0xb0c0)
        m.bar(2 << 3, 2, 0xf0000000)
        self.assertEqual(int(m.ask("readw 0xf0000500"), 0) & 0xfff0, 0xb0c0)

    def test_a_picture_of_a_mode_that_is_set(self):
        m = self.machine("-nodefaults", "-vga", "std")
        m.bar(2 << 3, 0, BAR)
        m.inb(0x3da)
        m.outb(0x3c0, 0x20)  # the screen is on
        for index, value in ((4, 0), (1, 64), (2, 48), (3, 32), (4, 0x41)):
            m.outw(0x1ce, index)
            m.outw(0x1cf, value)
        m.ask(f"memset 0x{BAR:x} {64 * 48 * 4} 0x7f")
        fd, path = tempfile.mkstemp(prefix="qtest-ppm-")
        os.close(fd)
        self.addCleanup(os.unlink, path)
        m.qmp("screendump", filename=path)
        with open(path, "rb") as f:
            self.assertEqual(f.read(), b"P6\n64 48\n255\n" + b"\x7f" * 64 * 48 * 3)


class Ports(Test):
    def test_the_keyboard_controller_tests_itself(self):
        m = self.machine("-nodefaults")
        m.outb(0x64, 0xaa)
        self.assertEqual(m.inb(0x60), 0x55)

    def test_a_key_comes_from_qmp_and_interrupts(self):
        m = self.machine("-nodefaults")
        m.ask("irq_intercept_in ioapic")
        m.outb(0x64, 0x60)
        m.outb(0x60, 0x41)  # translate; interrupt
        m.qmp("send-key", keys=[{"type": "qcode", "data": "a"}])
        m.irq(1)
        self.assertEqual(m.inb(0x60), 0x1e)
        m.ask("clock_step 200000000")  # it is held for a tenth of a second
        self.assertEqual(m.inb(0x60), 0x9e)

    def test_serial_ports_loop_back(self):
        m = self.machine("-nodefaults", "-serial", "null", "-serial", "null")
        for base in (0x3f8, 0x2f8):
            m.outb(base + 4, 0x10)
            m.outb(base, 0x5a)
            self.assertEqual((m.inb(base + 5) & 1, m.inb(base)), (1, 0x5a))


class Platform(Test):
    def test_unplug_takes_disks_and_cards(self):
        path = self.image()
        m = self.machine("-nodefaults", "-drive", f"file={path},if=ide,format=raw", "-device",
                         "e1000,addr=04.0", kind="xenfv")
        d = Ide(m)
        d.identify()
        self.assertEqual(m.inw(0x10), 0x49d2)
        m.outw(0x10, 3)
        self.assertEqual(m.config(SLOT, 0), 0xffffffff)
        self.assertEqual(d.status(), 0)

    def test_acpi_ports_follow_their_base(self):
        m = self.machine("-nodefaults")
        pm = 1 << 3 | 3
        m.config(pm, 0x40, 4, 0xb001)
        m.config(pm, 0x80, 1, 1)
        m.outw(0xb004, 0x0400)  # the PM1a control register; SLP_EN would act
        self.assertEqual(m.inw(0xb004) & 0x1c00, 0x0400)
        m.config(pm, 0x40, 4, 0xb101)
        self.assertEqual(m.inw(0xb004), 0xffff)
        self.assertEqual(m.inw(0xb104) & 0x1c00, 0x0400)


if __name__ == "__main__":
    unittest.main()
