# SPDX-License-Identifier: GPL-2.0-or-later
"""What a PC's firmware reads: boot order, disk geometry, memory sizes, fw_cfg, PCI functions."""
import struct
import unittest

from qtest import Failed, Test

BLANK, LARGE_HEADS, FEW_HEADS = 0, 1, 2


def cmos(m, index):
    m.outb(0x70, index)
    return m.inb(0x71)


def order(m):
    return cmos(m, 0x38) | cmos(m, 0x3d) << 8


class BootOrder(Test):
    def test_the_order_and_what_it_falls_back_to(self):
        for words, first, then in (("", 0x1230, 0x1230), ("-no-fd-bootchk", 0x1231, 0x1231),
                                   ("-boot c", 0x0200, 0x0200), ("-boot nda", 0x3410, 0x3410),
                                   ("-boot order=", 0, 0),
                                   ("-boot order= -boot order=c", 0x0200, 0x0200),
                                   ("-boot once=a", 0x0100, 0x1230),
                                   ("-boot once=a -no-fd-bootchk", 0x0101, 0x1231),
                                   ("-boot once=a,order=c", 0x0100, 0x0200),
                                   ("-boot once=d -boot order=nda", 0x0300, 0x3410),
                                   ("-boot once=a -boot once=b -boot once=c", 0x0200, 0x1230)):
            with self.subTest(words):
                m = self.machine("-nodefaults", *words.split())
                self.assertEqual(order(m), first)
                m.qmp("system_reset")
                m.event("RESET")
                self.assertEqual(order(m), then)


def mbr(heads, sectors=63):
    """A first sector with one partition that ends on that head and sector."""
    entry = bytes([0x80, 1, 1, 0, 0x0c, heads - 1, sectors, 0]) + struct.pack("<II", 63, 1000)
    return bytes(0x1be) + entry + bytes(48) + b"\x55\xaa"


class Geometry(Test):
    """Disks of 32 MiB and of 8 GiB, as QEMU's hd-geo-test has them."""

    def look(self, m, disk):
        base = 0x24 if disk else 0x1b
        raw = bytes(cmos(m, base + i) for i in range(9))
        cylinders, heads, wpcom, control, landing, sectors = struct.unpack("<HBHBHB", raw)
        self.assertEqual(wpcom, 0xffff)
        self.assertEqual(control, 0xc0 | (heads > 8) << 3)
        self.assertEqual(landing, cylinders)
        self.assertEqual(cmos(m, 0x19 + disk), 47)
        return cylinders, heads, sectors, cmos(m, 0x39) >> 2 * disk & 3

    def check(self, size, first, want, *words):
        image = self.image(size, first)
        m = self.machine("-nodefaults", "-drive", f"id=d,if=none,file={image},format=raw",
                         "-device", ",".join(("ide-hd,drive=d,bus=ide.0", *words)))
        self.assertEqual(self.look(m, 0), want)
        self.assertEqual(cmos(m, 0x12), 0xf0)

    def test_blank(self):
        self.check(32 << 20, b"", (65, 16, 63, 0))
        self.check(8 << 30, b"", (16383, 16, 63, 1))

    def test_partitioned_through_a_translation(self):
        self.check(32 << 20, mbr(255), (65, 16, 63, 2))
        self.check(8 << 30, mbr(255), (16383, 16, 63, 1))

    def test_partitioned_as_it_is(self):
        self.check(32 << 20, mbr(4, 17), (963, 4, 17, 0))

    def test_as_the_user_says(self):
        self.check(32 << 20, b"", (1022, 2, 32, 0), "cyls=1022", "heads=2", "secs=32")
        self.check(32 << 20, b"", (2046, 2, 16, 1), "cyls=2046", "heads=2", "secs=16")
        self.check(32 << 20, b"", (65, 16, 63, 3), "bios-chs-trans=rechs")

    def test_no_disks(self):
        m = self.machine("-nodefaults")
        self.assertEqual([cmos(m, i) for i in (0x12, 0x19, 0x1a, 0x39)], [0] * 4)

    def test_four_drives(self):
        image = self.image(32 << 20)
        m = self.machine("-nodefaults", *(x for i in range(3) for x in (
            "-drive", f"file={image},if=ide,format=raw,index={i}")),
            "-drive", "if=ide,media=cdrom,index=3")
        self.assertEqual(self.look(m, 0), self.look(m, 1))
        self.assertEqual(cmos(m, 0x12), 0xff)

    def test_a_geometry_that_no_drive_has_is_refused(self):
        image = self.image(32 << 20)
        with self.assertRaisesRegex(Failed, "heads"):
            self.machine("-nodefaults", "-drive", f"id=d,if=none,file={image},format=raw",
                         "-device", "ide-hd,drive=d,cyls=10,heads=17,secs=63")


class Memory(Test):
    def test_sizes(self):
        m = self.machine("-nodefaults", "-m", "384")
        self.assertEqual(cmos(m, 0x15) | cmos(m, 0x16) << 8, 640)
        self.assertEqual(cmos(m, 0x17) | cmos(m, 0x18) << 8, 65535)
        self.assertEqual(cmos(m, 0x34) | cmos(m, 0x35) << 8, (384 - 16) * 16)
        m = self.machine("-nodefaults", "-m", "5G")
        self.assertEqual(cmos(m, 0x5b) | cmos(m, 0x5c) << 8, 2 * 1024 * 16)


class Shadow(Test):
    AREAS = [(0xf0000, 0x59, 4), *((0xc0000 + 0x4000 * i, 0x5a + i // 2, 4 * (i & 1))
                                   for i in range(12))]

    def test_ram_behind_rom_is_as_the_host_bridge_says(self):
        m = self.machine("-nodefaults")
        for base, register, shift in self.AREAS:
            def pam(flags):
                m.config(0, register, 1, flags << shift)
            pam(1)
            self.assertEqual(m.peek(base, 0x4000), bytes(0x4000))
            m.ask(f"memset {base} 0x4000 0x41")  # not for writing
            self.assertEqual(m.readb(base), 0)
            pam(3)
            m.ask(f"memset {base} 0x4000 0x42")
            self.assertEqual(m.peek(base, 0x4000), b"\x42" * 0x4000)
            pam(0)
            self.assertEqual(m.peek(base, 0x4000), bytes(0x4000))
            m.ask(f"memset {base} 0x4000 0x43")
            pam(1)
            self.assertEqual(m.readb(base + 0x3fff), 0x42)
            pam(0)

    def test_firmware_lies_at_the_end_of_four_gigabytes_and_of_one_megabyte(self):
        data = bytes(range(256)) * 768  # 192 KiB: more than fits below 1 MiB
        for words in (("-bios", self.image(0, data)),
                      ("-drive", f"if=pflash,format=raw,file={self.image(0, data)}")):
            m = self.machine("-S", *words)
            self.assertEqual(m.peek((1 << 32) - len(data), len(data)), data)
            self.assertEqual(m.peek(0xe0000, 0x20000), data[-0x20000:])
            self.assertEqual(m.peek(0xdff00, 0x100), bytes(0x100))
            m.writel(0xffff0, 0)
            self.assertEqual(m.peek(0xffff0, 16), data[-16:])
        with self.assertRaisesRegex(Failed, "firmware"):
            self.machine("-bios", "/nonesuch")


class FwCfg(Test):
    def item(self, m, number, length):
        m.outw(0x510, number)
        return bytes(m.inb(0x511) for _ in range(length))

    def test_items(self):
        m = self.machine("-nodefaults", "-m", "384", "-smp", "2", "-boot", "menu=on", "-uuid",
                         "4600cb32-38ec-4b2f-8acb-81c6ea54f2d8")
        self.assertEqual(self.item(m, 0, 4), b"QEMU")
        self.assertEqual(self.item(m, 1, 4)[0] & 1, 1)
        self.assertEqual(self.item(m, 2, 16).hex(), "4600cb3238ec4b2f8acb81c6ea54f2d8")
        self.assertEqual(self.item(m, 3, 8), struct.pack("<Q", 384 << 20))
        self.assertEqual(self.item(m, 5, 2), b"\2\0")
        self.assertEqual(self.item(m, 14, 2), b"\1\0")
        self.assertEqual(self.item(m, 0x19, 6), bytes(6))
        self.assertEqual(self.item(m, 0x7777, 4), bytes(4))

    def test_files(self):
        m = self.machine("-nodefaults", "-boot", "reboot-timeout=-1", "-boot", "splash-time=12")
        count, = struct.unpack(">I", self.item(m, 0x19, 4))
        found = {}
        for _ in range(count):
            size, number, _, name = struct.unpack(">IHH56s", bytes(m.inb(0x511) for _ in range(64)))
            found[name.rstrip(b"\0")] = number, size
        self.assertEqual(set(found), {b"etc/boot-fail-wait", b"etc/boot-menu-wait"})
        self.assertEqual(self.item(m, *found[b"etc/boot-fail-wait"]), b"\xff" * 4)
        self.assertEqual(self.item(m, *found[b"etc/boot-menu-wait"]), b"\x0c\0")

    def test_by_dma(self):
        m = self.machine("-nodefaults")
        m.poke(0x1000, struct.pack(">IIQ", 3 << 16 | 8 | 2, 8, 0x2000))
        m.outl(0x514, 0)
        m.outl(0x518, 0x00100000)  # 0x1000, big-endian
        self.assertEqual(m.peek(0x1000, 4), bytes(4))
        self.assertEqual(m.peek(0x2000, 8), struct.pack("<Q", 128 << 20))
        m.poke(0x1000, struct.pack(">IIQ", 2, 0xffffffff, 0xfffffffff000))
        m.outl(0x518, 0x00100000)
        self.assertEqual(m.peek(0x1000, 4), b"\0\0\0\1")


class Pci(Test):
    def functions(self, m):
        found = {}
        for devfn in range(256):
            value = m.config(devfn, 0)
            if value != 0xffffffff:
                found[f"{devfn >> 3:02x}.{devfn & 7}"] = f"{value & 0xffff:04x}:{value >> 16:04x}"
        return found

    ALWAYS = {"00.0": "8086:1237", "01.0": "8086:7000", "01.1": "8086:7010", "01.3": "8086:7113"}

    def test_a_pc_without_defaults(self):
        self.assertEqual(self.functions(self.machine("-nodefaults")), self.ALWAYS)

    def test_a_pc_with_its_defaults(self):
        m = self.machine()
        self.assertEqual(self.functions(m),
                         {**self.ALWAYS, "02.0": "1234:1111", "03.0": "8086:100e"})
        self.assertEqual([b["device"] for b in m.qmp("query-block")], ["ide1-cd0"])
        self.assertEqual(m.inb(0x3fd) & 0x60, 0x60)  # a serial port

    def test_devices_where_they_are_asked_for(self):
        m = self.machine("-vga", "none", "-device", "VGA,addr=1f.0", "-device", "rtl8139,addr=0x7",
                         "-device", "e1000,addr=04.0", "-device", "piix3-usb-uhci,id=uhci,addr=1d.0",
                         "-device", "usb-tablet,bus=uhci.0,port=1")
        self.assertEqual(self.functions(m),
                         {**self.ALWAYS, "03.0": "8086:100e", "1f.0": "1234:1111",
                          "07.0": "10ec:8139", "04.0": "8086:100e", "1d.0": "8086:7020"})

    def test_xenfv_has_the_platform_device(self):
        m = self.machine("-nodefaults", kind="xenfv")
        self.assertEqual(self.functions(m), {**self.ALWAYS, "02.0": "5853:0001"})

    def test_the_host_bridge_is_as_its_book_says(self):
        m = self.machine("-nodefaults")
        self.assertEqual(m.config(0, 4, 2), 0x0006)
        self.assertEqual(m.config(0, 6, 2), 0x0280)
        self.assertEqual(m.config(0, 10, 2), 0x0600)
        self.assertEqual([m.config(0, 0x59 + i, 1) for i in range(7)], [0] * 7)
        self.assertEqual(m.config(0, 0x72, 1), 0x02)

    def test_the_byte_may_be_named_in_the_address_register_too(self):
        m = self.machine("-nodefaults")
        for offset, letter, want in ((2, "w", 0x1237), (8, "b", 2), (0x0b, "b", 6), (0x0a, "w", 0x0600),
                                     (0x72, "b", 2)):
            m.outl(0xcf8, 0x80000000 | offset)
            self.assertEqual(int(m.ask(f"in{letter} 0xcfc"), 0), want)
        m.outl(0xcf8, 0x80000059)
        m.outb(0xcfc, 0x33)
        self.assertEqual(m.config(0, 0x58), 0x3300)

    def test_no_default_where_something_was_said(self):
        m = self.machine("-vga", "cirrus", "-net", "none", "-serial", "none")
        self.assertEqual(self.functions(m), {**self.ALWAYS, "02.0": "1013:00b8"})
        self.assertEqual(m.inb(0x3fd), 0xff)


if __name__ == "__main__":
    unittest.main()
