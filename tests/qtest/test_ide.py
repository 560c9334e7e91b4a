# SPDX-License-Identifier: GPL-2.0-or-later
"""IDE hard disks, as QEMU's ide-test goes about them: identify, DMA, PRD tables, flush, trim."""
import struct
import time
import unittest

import ide
from ide import BM_ACTIVE, BM_INTR, BSY, DF, DRDY, DRQ, ERR, Ide, text
from qtest import Test, pattern


class Disk(Test):
    def disk(self, *more, size=1 << 20, data=b""):
        self.path = self.image(size, data)
        m = self.machine("-nodefaults", "-drive",
                         f"file={self.path},if=ide,cache=writeback,format=raw", *more)
        return Ide(m)

    def test_identify(self):
        d = self.disk("-global", "ide-hd.serial=testdisk", "-global", "ide-hd.ver=version")
        page = d.identify()
        self.assertEqual(text(page, 10, 10), "testdisk")
        self.assertEqual(text(page, 23, 4), "version")
        self.assertTrue(struct.unpack_from("<H", page, 2 * 85)[0] & 0x20)  # write cache
        self.assertEqual(struct.unpack_from("<I", page, 2 * 60)[0], 2048)
        self.assertEqual(d.status(), DRDY | 0x10)

    def test_write_and_read_by_dma(self):
        d = self.disk()
        data = pattern(1024)
        d.m.poke(0x20000, data)
        status, bm = d.dma(ide.WRITE_DMA, 3, 2, (0x20000, 1024))
        self.assertEqual(status & (BSY | DF | DRQ | ERR), 0)
        self.assertEqual(bm & 7, BM_INTR)
        status, bm = d.dma(ide.READ_DMA, 3, 2, (0x30000, 512), (0x30800, 512))
        self.assertEqual(status & (BSY | DF | DRQ | ERR), 0)
        self.assertEqual(d.m.peek(0x30000, 512) + d.m.peek(0x30800, 512), data)
        with open(self.path, "rb") as f:
            f.seek(3 * 512)
            self.assertEqual(f.read(1024), data)

    def test_tables_of_all_sizes_against_requests_of_all_sizes(self):
        """Too short: neither active nor an interrupt, and the drive is ready again. Exact: an
        interrupt. Too long: both. The same when START is cleared at once."""
        d = self.disk()
        for sectors in (1, 4, 64, 256):
            want = sectors * 512
            for size in (256, 510, 512, 514, 2048, 4096, 32768, 65280, 65536):
                for abort in (False, True):
                    with self.subTest(sectors=sectors, size=size, abort=abort):
                        d.prdt((0, size))
                        d.command(ide.READ_DMA, 0, sectors & 255)
                        d.start(True)
                        if abort:
                            d.stop()
                        end = time.monotonic() + 20
                        while (bm := d.m.inb(d.bm + 2) & 7) & 5 == BM_ACTIVE:
                            self.assertLess(time.monotonic(), end)
                        self.assertEqual(bm, 0 if size < want else BM_INTR if size == want or abort
                                         else BM_ACTIVE | BM_INTR)
                        self.assertEqual(d.m.irqs.get(14, False), bool(bm & BM_INTR))
                        self.assertEqual(d.status() & (BSY | DRDY | DRQ | DF | ERR), DRDY)
                        self.assertFalse(d.m.irqs.get(14, False))
                        d.stop()

    def test_a_long_table_leaves_the_bus_master_active(self):
        d = self.disk()
        _, bm = d.dma(ide.READ_DMA, 0, 1, (0x20000, 4096), (0x30000, 4096))
        self.assertEqual(bm & 7, BM_ACTIVE | BM_INTR)

    def test_a_descriptor_of_0_bytes_is_64_kib(self):
        data = pattern(65536)
        d = self.disk(data=data)
        status, bm = d.dma(ide.READ_DMA, 0, 128, (0x20000, 0))
        self.assertEqual((status & ERR, bm & 7), (0, BM_INTR))
        self.assertEqual(d.m.peek(0x20000, 65536), data)

    def test_odd_pieces(self):
        data = pattern(4096)
        d = self.disk(data=data)
        status, _ = d.dma(ide.READ_DMA, 0, 8, (0x20002, 2), (0x21006, 1022), (0x22000, 3072))
        self.assertEqual(status & ERR, 0)
        self.assertEqual(d.m.peek(0x20002, 2) + d.m.peek(0x21006, 1022) + d.m.peek(0x22000, 3072),
                         data)

    def test_no_bus_master_no_data(self):
        d = self.disk(data=pattern(512))
        d.m.config(ide.DEVFN, 4, 2, 1)
        d.prdt((0x20000, 512))
        d.command(ide.READ_DMA, 0, 1)
        d.start(True)
        d.m.irq(14)
        self.assertEqual(d.m.inb(d.bm + 2) & 7, BM_ACTIVE | BM_INTR)
        self.assertEqual(d.status() & (BSY | DRQ | DF | ERR), 0)
        self.assertEqual(d.m.peek(0x20000, 512), bytes(512))

    def test_trim_of_a_disk_that_discards_nothing(self):
        d = self.disk(data=pattern(8192))
        d.m.poke(0x20000, struct.pack("<Q", 8 << 48 | 0).ljust(512, b"\0"))
        d.prdt((0x20000, 512))
        d.command(ide.DSM, 0, 1, 1)
        d.start(False)
        d.m.irq(14)
        self.assertEqual((d.m.inb(d.bm + 2) & 7, d.status() & ERR), (BM_INTR, 0))
        with open(self.path, "rb") as f:
            self.assertEqual(f.read(8192), pattern(8192))

    def test_diagnosis_selects_the_first_drive(self):
        d = self.disk()
        d.m.outb(d.base + 6, 0xb0)
        d.m.outb(d.base + 7, 0x90)
        self.assertEqual(d.m.inb(d.base + 6) & 0x10, 0)

    def test_pio_both_ways(self):
        d = self.disk()
        data = pattern(1024, 7)
        d.command(ide.WRITE_SECTORS, 5, 2)
        for i in (0, 512):
            d.wait(DRQ)
            d.pio_out(data[i:i + 512])
        self.assertEqual(d.wait(DRDY) & (ERR | DF | DRQ), 0)
        got = b""
        d.command(ide.READ_SECTORS, 5, 2)
        for _ in range(2):
            d.wait(DRQ)
            got += d.pio_in(512)
        self.assertEqual(got, data)

    def test_past_the_end_is_an_error(self):
        d = self.disk()
        d.command(ide.READ_SECTORS, 2048, 1)
        self.assertTrue(d.wait() & ERR)
        self.assertEqual(d.error() & 0x14 != 0, True)

    def test_trim(self):
        path = self.image(1 << 20, pattern(1 << 20))
        m = self.machine("-nodefaults", "-drive",
                         f"file={path},if=ide,format=raw,discard=unmap")
        d = Ide(m)
        self.assertTrue(struct.unpack_from("<H", d.identify(), 2 * 169)[0] & 1)
        ranges = struct.pack("<QQ", 8 << 48 | 8, 16 << 48 | 64).ljust(512, b"\0")
        m.poke(0x20000, ranges)
        d.prdt((0x20000, 512))
        d.command(ide.DSM, 0, 1, 1)
        d.start(False)
        m.irq(14)
        d.stop()
        self.assertEqual(d.status() & (BSY | DF | DRQ | ERR), 0)
        with open(path, "rb") as f:
            data = f.read()
        self.assertEqual((data[8 * 512:16 * 512], data[64 * 512:80 * 512]),
                         (bytes(8 * 512), bytes(16 * 512)))
        self.assertEqual(data[16 * 512:64 * 512], pattern(1 << 20)[16 * 512:64 * 512])
        m.poke(0x20000, struct.pack("<Q", 8 << 48 | 2044).ljust(512, b"\0"))  # past the end
        d.prdt((0x20000, 512))
        d.command(ide.DSM, 0, 1, 1)
        d.start(False)
        m.irq(14)
        d.stop()
        self.assertTrue(d.status() & ERR)

    def test_flush_without_a_disk_hurts_nobody(self):
        m = self.machine("-nodefaults")
        d = Ide(m)
        d.command(ide.FLUSH)
        self.assertEqual(d.status() & (BSY | DRQ), 0)

    def test_flush_of_an_empty_cd_drive_is_refused(self):
        m = self.machine("-nodefaults", "-device", "ide-cd,bus=ide.0")
        d = Ide(m)
        d.command(ide.FLUSH)
        self.assertEqual(d.wait() & (BSY | DRQ | ERR), ERR)

    def test_initialise_device_parameters_and_reset_restores_them(self):
        d = self.disk()
        d.m.outb(d.base + 2, 16)
        d.m.outb(d.base + 6, 0xa3)
        d.m.outb(d.base + 7, 0x91)
        page = d.identify()
        self.assertEqual(struct.unpack_from("<HH", page, 2 * 55), (4, 16))
        d.m.qmp("system_reset")
        d.m.event("RESET")
        d.select()
        page = d.identify()
        self.assertEqual(struct.unpack_from("<HH", page, 2 * 55), (16, 63))

    def test_a_slave_and_a_secondary(self):
        a, b = self.image(data=b"a" * 512), self.image(data=b"b" * 512)
        m = self.machine("-nodefaults", "-drive", f"id=a,if=none,file={a},format=raw",
                         "-device", "ide-hd,drive=a,bus=ide.0,unit=1",
                         "-blockdev", f"driver=file,node-name=b,filename={b}",
                         "-device", "ide-hd,drive=b,bus=ide.1")
        for channel, unit, want in ((0, 1, b"a"), (1, 0, b"b")):
            d = Ide(m, channel, unit)
            d.command(ide.READ_SECTORS, 0, 1)
            d.wait(DRQ)
            self.assertEqual(d.pio_in(512), want * 512)


class Atapi(Test):
    def cd(self, data, *more):
        path = self.image(len(data), data)
        m = self.machine("-nodefaults", "-drive",
                         f"if=none,file={path},media=cdrom,format=raw,id=sr0,index=0",
                         "-device", "ide-cd,drive=sr0,bus=ide.0", *more)
        d = Ide(m)
        while d.sense()[0]:  # power-on, medium changed
            pass
        return d

    def test_read_by_pio(self):
        data = pattern(16 * 2048)
        d = self.cd(data)
        got, status = d.packet_in([0x28, 0, 0, 0, 0, 1, 0, 0, 3], 2048)
        self.assertEqual((got, status & ERR), (data[2048:4 * 2048], 0))

    def test_read_by_pio_with_any_byte_count(self):
        data = pattern(40 * 2048)
        d = self.cd(data)
        for limit in (0x1000, 0x1234, 2046, 9999, 3 * 512, 0xfffe):
            got, status = d.packet_in([0x28, 0, 0, 0, 0, 0, 0, 0, 40], limit)
            self.assertEqual((got, status & ERR), (data, 0))

    def test_each_burst_is_as_long_as_the_host_asked(self):
        data = pattern(10 * 2048)
        d = self.cd(data)
        d.packet([0x28, 0, 0, 0, 0, 0, 0, 0, 10], 5120)
        for i in range(4):
            d.m.irq(14)
            status = d.wait(DRQ)
            d.status()
            self.assertEqual(status & (ERR | DF), 0)
            self.assertEqual(d.m.inb(d.base + 4) | d.m.inb(d.base + 5) << 8, 5120)
            self.assertEqual(d.pio_in(5120), data[5120 * i:5120 * (i + 1)])
        d.m.irq(14)
        self.assertEqual(d.wait() & (DRQ | ERR), 0)

    def test_read_by_dma(self):
        data = pattern(8 * 2048)
        d = self.cd(data)
        d.prdt((0x20000, 8 * 2048))
        d.packet([0x28, 0, 0, 0, 0, 0, 0, 0, 8], dma=True)
        d.start(True)
        d.m.irq(14)
        d.stop()
        self.assertEqual(d.status() & (BSY | ERR), 0)
        self.assertEqual(d.m.peek(0x20000, len(data)), data)

    def test_nothing_past_the_disc(self):
        d = self.cd(bytes(4 * 2048))
        _, status = d.packet_in([0x28, 0, 0, 0, 0, 4, 0, 0, 1])
        self.assertTrue(status & ERR)
        self.assertEqual(d.sense(), (5, 0x21, 0))


if __name__ == "__main__":
    unittest.main()
