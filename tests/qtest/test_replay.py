# SPDX-License-Identifier: GPL-2.0-or-later
"""Bug reports in qtest's form, one for each class of bug that has hit emulated PCs. They must leave
the process standing and answering, whatever it answers. The sequences are our own."""
import os
import random
import struct
import tempfile
import unittest

from ide import Ide
from qtest import Test

NIC = """
outl 0xcf8 0x80002010
outl 0xcfc 0xe0000000
outl 0xcf8 0x80002004
outw 0xcfc 0x7
"""


def poke(addr, data):
    return f"write 0x{addr:x} {len(data)} 0x{data.hex()}\n"


def tx(addr, length, command=0x0b, cso=0, css=0):
    return struct.pack("<QHBBBBH", addr, length, cso, command, 0, css, 0)


class Replay(Test):
    def stands(self, m, script=""):
        answers = m.replay(script + "\nclock_step 100000000\nendianness\n")
        self.assertEqual(answers[-1], "OK little")
        self.assertEqual(m.qmp("query-status")["status"], "running")

    def picture(self, m):
        fd, path = tempfile.mkstemp(prefix="qtest-ppm-")
        os.close(fd)
        self.addCleanup(os.unlink, path)
        m.qmp_raw("screendump", filename=path)

    def e1000(self):
        m = self.machine("-nodefaults", "-device", "e1000,addr=04.0")
        m.replay(NIC)
        return m

    def test_e1000_ring_whose_head_is_past_its_end(self):
        self.stands(self.e1000(), """
            writel 0xe0003800 0x10000
            writel 0xe0003808 0x80
            writel 0xe0003810 0xffff
            writel 0xe0000400 0x2
            writel 0xe0003818 0x7
            writel 0xe0003808 0x0
            writel 0xe0003818 0xffff""")

    def test_e1000_descriptors_without_end(self):
        ring = b"".join(tx(0x20000, 0, 0x00) for _ in range(8))
        self.stands(self.e1000(), poke(0x10000, ring) + """
            writel 0xe0003800 0x10000
            writel 0xe0003808 0x80
            writel 0xe0000400 0x2
            writel 0xe0003818 0x8
            writel 0xe0003818 0xfff0""")

    def test_e1000_dma_into_its_own_registers(self):
        ring = tx(0xe0003818, 64) + tx(0xe0000000, 0xffff) + tx(0xe0003800, 16)
        self.stands(self.e1000(), poke(0x10000, ring) + """
            writel 0xe0003800 0x10000
            writel 0xe0003808 0x80
            writel 0xe0002800 0xe0002800
            writel 0xe0002808 0x1000
            writel 0xe0002818 0x10
            writel 0xe0000100 0x8002
            writel 0xe0000000 0x40
            writel 0xe0000400 0x2
            writel 0xe0003818 0x3
            writel 0xe0003800 0xe0003800
            writel 0xe0003810 0x0
            writel 0xe0003818 0x7""")

    def test_e1000_segmentation_with_headers_that_lie(self):
        context = struct.pack("<BBHBBHIBBH", 14, 24, 0xffff, 34, 50, 0, 0x2000ffff | 5 << 24, 0, 255, 0)
        data = struct.pack("<QIBBH", 0x20000, 0x0030ffff | 0x25 << 24, 0, 3, 0)
        self.stands(self.e1000(), poke(0x10000, context + data * 6) + """
            writel 0xe0003800 0x10000
            writel 0xe0003808 0x80
            writel 0xe0000400 0x2
            writel 0xe0003818 0x7""")

    def test_rtl8139_segmentation_with_headers_that_lie(self):
        m = self.machine("-nodefaults", "-device", "rtl8139,addr=04.0")
        m.replay("outl 0xcf8 0x80002010\noutl 0xcfc 0xc001\n" + NIC.split("\n", 3)[3])
        header = bytes(12) + b"\x08\x00" + bytes([0x45, 0, 0xff, 0xff, 0, 0, 0, 0, 64, 6]) + bytes(44)
        for word in (0xf8000040 | 0x7ff << 16, 0xf0000014, 0xf8000000, 0xffffffff):
            self.stands(m, poke(0x20000, header) + poke(0x10000, struct.pack("<IIII", word, 0, 0x20000, 0) * 4) + """
                outw 0xc0e0 0x3
                outb 0xc037 0x0c
                outl 0xc040 0x60000
                outl 0xc020 0x10000
                outl 0xc024 0x0
                outb 0xc0d9 0x40
                outb 0xc038 0x40""")

    def test_rtl8139_loopback_into_its_own_registers(self):
        m = self.machine("-nodefaults", "-device", "rtl8139,addr=04.0")
        m.replay("outl 0xcf8 0x80002010\noutl 0xcfc 0xc001\noutl 0xcf8 0x80002014\n"
                 "outl 0xcfc 0xe0000000\noutl 0xcf8 0x80002004\noutw 0xcfc 0x7\n")
        self.stands(m, """
            outb 0xc037 0x0c
            outl 0xc040 0x60000
            outl 0xc044 0xf
            outl 0xc030 0xe0000000
            outl 0xc020 0xe0000010
            outl 0xc010 0x1fff
            outl 0xc014 0x40
            outl 0xc018 0x0""")

    def test_ide_prd_tables_anywhere(self):
        m = self.machine("-nodefaults", "-drive", f"file={self.image()},if=ide,format=raw")
        d = Ide(m)
        for table in (0, 0xc0000000, 0xfffffffc, 0x7fffffc, 0xa0000):
            m.outl(d.bm + 4, table)
            for code in (0xc8, 0xca, 0x25, 0x35):
                d.command(code, 0, 255)
                m.outb(d.bm, 9 if code in (0xc8, 0x25) else 1)
                m.outb(d.bm, 0)
                m.outb(d.base + 0x206, 4)
                m.outb(d.base + 0x206, 0)
        d.wait(0x40)
        self.stands(m)

    def test_ide_commands_one_over_the_other(self):
        m = self.machine("-nodefaults", "-drive", f"file={self.image()},if=ide,format=raw",
                         "-drive", "if=ide,index=1,media=cdrom")
        self.stands(m, "".join(
            f"outb 0x1f6 0x{0xa0 | c << 4 & 0x10:x}\noutb 0x1f2 0x{c:x}\noutb 0x1f7 0x{c:x}\n"
            "inl 0x1f0\noutl 0x1f0 0xffffffff\ninb 0x1f7\n" for c in range(256)))

    def test_atapi_addresses_below_zero_and_transfers_without_end(self):
        path = self.image(1 << 20)
        m = self.machine("-nodefaults", "-drive", f"file={path},if=ide,media=cdrom,format=raw")
        d = Ide(m)
        for cdb in ([0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 1], [0xa8, 0, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
                    [0xbe, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf8], [0x5a, 0, 0x3f, 0, 0, 0, 0, 0xff, 0xff],
                    [0x12, 1, 0x83, 0, 0xff], [0x43, 2, 9, 0, 0, 0, 0xaa, 0xff, 0xff]):
            for limit in (0, 1, 2, 0xffff):
                d.packet(cdb, limit)
                m.replay("inl 0x1f0\ninw 0x1f0\noutw 0x1f0 0x1\n" * 20)
                m.outb(d.base + 7, 8)  # DEVICE RESET
        self.stands(m)

    def test_vga_of_impossible_shapes(self):
        for vga in ("std", "cirrus"):
            m = self.machine("-nodefaults", "-vga", vga)
            m.bar(2 << 3, 0, 0xe0000000)
            script = "outb 0x3c2 0x67\n"
            for i in range(0x19):
                script += f"outw 0x3d4 0x{0xff00 | i:x}\n"
            for i in range(9):
                script += f"outw 0x3ce 0x{0xff00 | i:x}\n"
            for i in range(5):
                script += f"outw 0x3c4 0x{0xff00 | i:x}\n"
            script += "inb 0x3da\n" + "".join(f"outb 0x3c0 0x{i:x}\noutb 0x3c0 0xff\n" for i in range(0x34, 0x20, -1))
            script += "write 0xa0000 16 0xff\nread 0xbfff0 16\nmemset 0xa0000 0x20000 0xff\n"
            self.stands(m, script)
            self.picture(m)
            for index, values in ((1, (0xffff, 1)), (2, (0xffff, 1)), (3, (15, 8, 4, 0xffff)),
                                  (6, (0xffff, 0)), (8, (0xffff,)), (9, (0xffff,)), (5, (0xffff,))):
                for value in values:
                    self.stands(m, f"""
                        outw 0x1ce 4
                        outw 0x1cf 0
                        outw 0x1ce {index}
                        outw 0x1cf {value}
                        outw 0x1ce 4
                        outw 0x1cf 1
                        memset 0xaff00 0x100 0x55""")
                    self.picture(m)

    def test_cirrus_blits_out_of_bounds(self):
        m = self.machine("-nodefaults", "-vga", "cirrus")
        m.bar(2 << 3, 0, 0xe0000000)
        m.bar(2 << 3, 1, 0xf0000000)
        rand = random.Random(1)
        script = "outw 0x3c4 0x1206\noutw 0x3c4 0x0107\noutw 0x3ce 0x0506\n"
        for mode in list(range(0, 256, 3)):
            script += "".join(f"outw 0x3ce 0x{rand.choice((0, 0xff, rand.randrange(256))) << 8 | i:x}\n"
                              for i in list(range(0x20, 0x30)) + [0x32, 0x33, 0x34, 0x35])
            script += f"outw 0x3ce 0x{mode << 8 | 0x30:x}\noutw 0x3ce 0x0231\n"
            script += "memset 0xa0000 64 0xaa\noutw 0x3ce 0x0431\noutw 0x3ce 0x0031\n"
        self.stands(m, script)
        self.picture(m)

    def test_uhci_schedules_without_end(self):
        m = self.machine("-nodefaults", "-device", "piix3-usb-uhci,id=u,addr=04.0", "-device",
                         "usb-tablet,bus=u.0", "-device", "usb-kbd,bus=u.0")
        m.replay("outl 0xcf8 0x80002020\noutl 0xcfc 0xc001\noutl 0xcf8 0x80002004\noutw 0xcfc 0x7\n")
        frames = struct.pack("<I", 0x20002) * 1024  # each: a queue head that names itself
        queue = struct.pack("<II", 0x20002, 0x30000)
        setup = bytes([0x80, 6, 0, 1, 0, 0, 0xff, 0xff])
        for token in (0x2d | 7 << 21, 0x2d | 0x7ff << 21, 0x69 | 0x7ff << 21, 0xe1 | 0x7fe << 21):
            td = struct.pack("<IIII", 0x30000, 0x1c800000, token, 0x40000)  # it follows itself
            self.stands(m, poke(0x10000, frames) + poke(0x20000, queue) + poke(0x30000, td) +
                        poke(0x40000, setup) + """
                outl 0xc008 0x10000
                outw 0xc010 0x4
                outw 0xc012 0x4
                outw 0xc000 0xc1
                clock_step 5000000
                outl 0xc008 0xfffff000
                clock_step 5000000
                outw 0xc000 0x2""")

    def test_bars_over_each_other_and_over_memory(self):
        m = self.machine("-device", "rtl8139,addr=05.0")
        rand = random.Random(2)
        script = ""
        for _ in range(400):
            devfn = rand.choice((0x10, 0x18, 0x28, 0x09, 0x0b))
            where = rand.choice((0, 0x1000, 0x100000, 0xa0000, 0xe0000000, 0xe0000800, 0xfffff000,
                                 0xffffffff, 0xcf9, 0x1f1, 0x61))
            reg = rand.choice((0x10, 0x14, 0x18, 0x20, 0x24, 0x30, 0x40))
            script += f"outl 0xcf8 0x{0x80000000 | devfn << 8 | reg:x}\noutl 0xcfc 0x{where:x}\n"
            script += f"outl 0xcf8 0x{0x80000000 | devfn << 8 | 4:x}\noutw 0xcfc 0x{rand.randrange(8):x}\n"
            script += f"writeq 0x{where & 0xffffffff:x} 0xffffffffffffffff\nreadq 0x{where + 4 & 0xffffffff:x}\n"
        self.stands(m, script)

    def test_firmware_tables_from_nowhere(self):
        self.stands(self.machine("-nodefaults"), """
            outl 0x514 0xffffffff
            outl 0x518 0xffffffff
            write 0x1000 16 0x0003000affffffff0000000000001000
            outl 0x514 0
            outl 0x518 0x00100000
            outw 0x510 0xffff
            inw 0x510
            inl 0x511
            outl 0xae08 0xffffffff
            inl 0xae00
            outb 0x70 0xff
            outb 0x71 0xff
            inb 0x71""")

    def test_noise(self):
        """Requests at random to all that a PC has, three seeds of them."""
        ports = [*range(0x1f0, 0x1f8), *range(0x3b0, 0x3e0), *range(0x3f6, 0x400), 0x60, 0x64, 0x92,
                 0x70, 0x71, 0xcfc, 0x1ce, 0x1cf, *range(0xc000, 0xc040), *range(0xae00, 0xae10),
                 *range(0, 16), *range(0x80, 0x90), *range(0xc0, 0xe0), 0x402, 0x510, 0x511, 0x514, 0x518]
        for seed in range(3):
            m = self.machine("-drive", f"file={self.image()},if=ide,format=raw", "-device",
                             "rtl8139,addr=05.0", "-device", "piix3-usb-uhci,addr=06.0", "-device",
                             "usb-mouse", "-no-shutdown")
            rand = random.Random(seed)
            for _ in range(10):
                lines = []
                for _ in range(400):
                    value = rand.choice((0, 1, 0xff, 0x80, rand.randrange(1 << 32)))
                    kind = rand.randrange(6)
                    if kind == 0:
                        lines += [f"outl 0xcf8 0x{0x80000000 | rand.choice((0x10, 0x18, 0x28, 0x30, 9, 11)) << 8 | rand.randrange(0, 0x44, 4):x}",
                                  f"outl 0xcfc 0x{rand.choice((value, 0xc001, 0xe0000000, 7)):x}"]
                    elif kind == 1:
                        lines.append(f"clock_step {rand.randrange(1000000)}")
                    elif kind == 2:
                        lines.append(f"write{rand.choice('bwl')} 0x{0xe0000000 + rand.randrange(0x6000):x} 0x{value:x}")
                    elif kind == 3:
                        lines.append(f"in{rand.choice('bwl')} 0x{rand.choice(ports):x}")
                    else:
                        lines.append(f"out{rand.choice('bwl')} 0x{rand.choice(ports):x} 0x{value:x}")
                m.replay("\n".join(lines))
            self.assertEqual(m.ask("endianness"), "little")
            self.picture(m)


if __name__ == "__main__":
    unittest.main()
