# SPDX-License-Identifier: GPL-2.0-or-later
"""The qtest protocol itself: each request, and what is no request."""
import base64
import unittest

from qtest import Failed, Machine, Test, pattern


class Protocol(Test):
    def fails(self, m, line, part=""):
        with self.assertRaises(Failed) as caught:
            m.ask(line)
        self.assertTrue(str(caught.exception).startswith("FAIL "), caught.exception)
        self.assertIn(part, str(caught.exception))

    def test_answers_have_the_form_that_clients_read(self):
        m = self.machine("-nodefaults")
        self.assertEqual(m.ask("endianness"), "little")
        self.assertEqual(m.ask("inb 0x92"), "0x0000")
        self.assertEqual(m.ask("inl 0xcf8"), "0x0000")
        self.assertEqual(m.ask("outl 0xcf8 0x80000000"), "")
        self.assertEqual(m.ask("inl 0xcfc"), "0x12378086")
        self.assertEqual(m.ask("inw 3324"), "0x8086")
        self.assertEqual(m.ask("readq 0x1000"), "0x0000000000000000")
        self.assertEqual(m.ask("writeq 0x1000 0x1122334455667788"), "")
        self.assertEqual(m.ask("readq 0x1000"), "0x1122334455667788")
        self.assertEqual(m.ask("readl 0x1000"), "0x0000000055667788")
        self.assertEqual(m.ask("readw 0x1002"), "0x0000000000005566")
        self.assertEqual(m.ask("readb 0x1007"), "0x0000000000000011")

    def test_memory_in_bulk(self):
        m = self.machine("-nodefaults")
        self.assertEqual(m.ask("write 0x2000 4 0x01020304"), "")
        self.assertEqual(m.ask("read 0x2000 5"), "0x0102030400")
        m.ask("memset 0x2001 2 0xaa")
        self.assertEqual(m.ask("read 0x2000 4"), "0x01aaaa04")
        m.ask("write 0x2000 4 0xff")  # the rest is zeroes
        self.assertEqual(m.ask("read 0x2000 4"), "0xff000000")
        for n in (1, 2, 3, 4096, 10000):
            data = pattern(n + 4)[:n]
            m.ask(f"b64write 0x2ff0 {n} {base64.b64encode(data).decode()}")
            self.assertEqual(m.peek(0x2ff0, n), data)

    def test_a_line_of_a_megabyte(self):
        m = self.machine("-nodefaults", "-m", "32M")
        data = pattern(1 << 19)
        m.poke(0x100000, data)
        self.assertEqual(m.peek(0x100000, len(data)), data)
        self.assertEqual(m.ask(f"read 0x100000 {len(data)}"), "0x" + data.hex())

    def test_many_requests_at_once_are_answered_in_order(self):
        m = self.machine("-nodefaults")
        script = "".join(f"writel 0x3000 {i}\nreadl 0x3000\n" for i in range(2000))
        answers = m.replay(script)
        self.assertEqual(answers[1::2], [f"OK 0x{i:016x}" for i in range(2000)])

    def test_what_is_no_request_fails_with_a_text(self):
        m = self.machine("-nodefaults")
        for line, part in (("frobnicate", "Unknown command"), ("", ""), ("inb", "needs"),
                           ("outb 0x70", "needs"), ("inb nowhere", "not a number"),
                           ("inb 0x10000", "0xffff"), ("read 0 0", "length"),
                           ("write 0x1000 4 01020304", "0x"), ("write 0x1000 4 0xzz", "0x"),
                           ("write 0x1000 99999999999 0x00", "length"),
                           ("b64write 0x1000 4 !!!!", "base 64"),
                           ("clock_set", "needs"), ("irq_intercept_in nobody", "Unknown device"),
                           ("set_irq_in a b 0 1", "Unknown device")):
            self.fails(m, line, part)
        self.assertEqual(m.ask("endianness"), "little")

    def test_memory_ends_where_m_says(self):
        for words, top in (((), 128), (("-m", "384"), 384), (("-m", "32M"), 32)):
            m = self.machine("-nodefaults", *words)
            last = (top << 20) - 8
            m.ask(f"writeq {last} 0x1234")
            self.assertEqual(m.ask(f"readq {last}"), "0x0000000000001234")
            m.ask(f"writeq {top << 20} 0x1234")
            self.assertEqual(m.ask(f"readq {top << 20}"), "0x0000000000000000")

    def test_memory_above_four_gigabytes(self):
        m = self.machine("-nodefaults", "-m", "4G")
        m.ask("writeq 0x100000000 0xabc")
        self.assertEqual(m.ask("readq 0x100000000"), "0x0000000000000abc")
        m.ask("writeq 0xc0000000 0xabc")  # the hole for devices
        self.assertEqual(m.ask("readq 0xc0000000"), "0x0000000000000000")

    def test_without_a_machine_the_protocol_works(self):
        m = self.machine(kind="none")
        self.assertEqual(m.ask("endianness"), "little")
        self.assertEqual(m.inb(0x60), 0xff)
        self.assertEqual(m.ask("clock_step 100"), "100")
        self.fails(m, "irq_intercept_in ioapic")
        self.assertEqual(m.qmp("query-version")["qemu"]["major"], 7)


class Time(Test):
    def test_the_clock_stands_unless_stepped(self):
        m = self.machine("-nodefaults")
        self.assertEqual(m.ask("clock_step 0"), "0")
        self.assertEqual(m.ask("clock_step 1000"), "1000")
        self.assertEqual(m.ask("clock_set 5000"), "5000")
        self.assertEqual(m.ask("clock_set 10"), "5000")  # it never goes back
        self.assertEqual(m.ask("clock_step 1"), "5001")

    def test_timers_run_in_order_on_the_way(self):
        """The PM timer's overflow is Xen's, but the serial port's timeout is ours."""
        m = self.machine("-nodefaults", "-serial", "null")
        m.ask("irq_intercept_in ioapic")
        m.outb(0x3fc, 0x18)  # loopback, OUT2
        m.outb(0x3fa, 0xc1)  # FIFOs, trigger at 14 bytes
        m.outb(0x3f9, 0x01)
        m.outb(0x3f8, 0x55)
        self.assertEqual(m.inb(0x3f8 + 5) & 1, 1)
        self.assertFalse(m.irqs.get(4))  # one byte is no trigger
        m.ask("clock_step 1000000000")
        self.assertTrue(m.irqs.get(4))
        self.assertEqual(m.inb(0x3fa) & 15, 12)  # character timeout
        self.assertEqual(m.inb(0x3f8), 0x55)
        self.assertFalse(m.irqs.get(4))


class Interrupts(Test):
    def test_raises_and_lowers_come_before_the_answer(self):
        m = self.machine("-nodefaults", "-serial", "null")
        m.ask("irq_intercept_in ioapic")
        m.ask("irq_intercept_in ioapic")  # once more is fine
        m.outb(0x3fc, 8)
        m.outb(0x3f9, 2)  # transmitter empty
        self.assertEqual(m.irqs, {4: True})
        m.outb(0x3f9, 0)
        self.assertEqual(m.irqs, {4: False})

    def test_a_pci_pin_goes_where_the_piix3_sends_its_link(self):
        m = self.machine("-nodefaults", "-device", "e1000,addr=04.0")
        m.ask("irq_intercept_in ioapic")
        m.bar(4 << 3, 0, 0xe0000000)
        m.config(1 << 3, 0x60 + (4 + 3) % 4, 1, 11)
        m.writel(0xe00000d0, 1)  # IMS, ICS: transmit descriptor written back
        m.writel(0xe00000c8, 1)
        self.assertEqual(m.irqs, {11: True})
        m.config(1 << 3, 0x63, 1, 10)
        self.assertEqual(m.irqs, {10: True, 11: False})
        m.readl(0xe00000c0)
        self.assertEqual(m.irqs, {10: False, 11: False})


class Ends(Test):
    def test_sigterm_ends_it_with_status_0_and_an_event(self):
        for kind in ("pc", "none"):
            m = Machine(kind=kind)
            m.process.terminate()
            self.assertEqual(m.event("SHUTDOWN"), {"guest": False, "reason": "host-signal"})
            self.assertEqual(m.end(None), 0)

    def test_quit_ends_it_with_status_0(self):
        for kind in ("pc", "none"):
            m = Machine(kind=kind)
            m.qmp("quit")
            self.assertEqual(m.end(None), 0)

    def test_a_test_that_hangs_up_leaves_qmp(self):
        m = self.machine("-nodefaults")
        m.wire.peer.close()
        self.assertEqual(m.qmp("query-status")["status"], "running")


if __name__ == "__main__":
    unittest.main()
