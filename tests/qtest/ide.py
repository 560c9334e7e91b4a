# SPDX-License-Identifier: GPL-2.0-or-later
"""An IDE driver for tests: PIO and bus master on the primary or secondary channel."""
import struct
import time

DEVFN = 1 << 3 | 1
BM = 0xc000  # where we put the bus master BAR
BSY, DRDY, DF, DRQ, ERR = 0x80, 0x40, 0x20, 0x08, 0x01
READ_DMA, WRITE_DMA, IDENTIFY, FLUSH, PACKET, DSM = 0xc8, 0xca, 0xec, 0xe7, 0xa0, 0x06
READ_SECTORS, WRITE_SECTORS = 0x20, 0x30
BM_ACTIVE, BM_ERROR, BM_INTR = 1, 2, 4
PRDT = 0x10000


class Ide:
    def __init__(self, m, channel=0, unit=0):
        self.m = m
        self.base = (0x1f0, 0x170)[channel]
        self.bm = BM + 8 * channel
        self.number = 14 + channel
        self.unit = unit
        m.ask("irq_intercept_in ioapic")
        m.bar(DEVFN, 4, BM | 1, 5)
        self.select()

    def select(self, head=0xe0):
        self.m.outb(self.base + 6, head | self.unit << 4)

    def status(self):
        return self.m.inb(self.base + 7)

    def error(self):
        return self.m.inb(self.base + 1)

    def command(self, code, lba=0, count=0, features=0):
        self.select(0xe0 | lba >> 24 & 15)
        for offset, value in ((1, features), (2, count), (3, lba), (4, lba >> 8), (5, lba >> 16)):
            self.m.outb(self.base + offset, value & 0xff)
        self.m.outb(self.base + 7, code)

    def wait(self, bits=0):
        """Until it is no longer busy, and has those bits; the status."""
        end = time.monotonic() + 20
        while True:
            status = self.m.inb(self.base + 0x206)
            if not status & BSY and status & bits == bits:
                return status
            if time.monotonic() > end:
                raise TimeoutError(f"status 0x{status:02x}")
            time.sleep(0.0002)

    def pio_in(self, length):
        answers = self.m.replay(f"inw 0x{self.base:x}\n" * (length // 2))
        return b"".join(struct.pack("<H", int(a[3:], 0)) for a in answers)

    def pio_out(self, data):
        lines = "".join(f"outw 0x{self.base:x} 0x{data[i] | data[i + 1] << 8:x}\n"
                        for i in range(0, len(data), 2))
        self.m.replay(lines)

    def identify(self):
        self.command(IDENTIFY)
        self.wait(DRQ)
        return self.pio_in(512)

    def prdt(self, *pieces):
        """(address, bytes) each; the last ends the table."""
        table = b"".join(struct.pack("<II", a, n & 0xffff | (0x80000000 if i == len(pieces) - 1 else 0))
                         for i, (a, n) in enumerate(pieces))
        self.m.poke(PRDT, table)
        self.m.outl(self.bm + 4, PRDT)

    def start(self, to_memory):
        self.m.outb(self.bm, 8 if to_memory else 0)
        self.m.outb(self.bm + 2, BM_INTR | BM_ERROR)
        self.m.outb(self.bm, 9 if to_memory else 1)

    def stop(self):
        self.m.outb(self.bm, 0)

    def dma(self, code, lba, count, *pieces):
        """A whole DMA command: the drive's status, and the bus master's as it was at the end."""
        self.prdt(*pieces)
        self.command(code, lba, count)
        self.start(code == READ_DMA)
        self.m.irq(self.number)
        bm = self.m.inb(self.bm + 2)
        self.stop()
        self.m.outb(self.bm + 2, BM_INTR | BM_ERROR)
        return self.status(), bm

    def packet(self, cdb, limit=0xfffe, dma=False):
        self.select(0xa0)
        for offset, value in ((1, 1 if dma else 0), (4, limit & 0xff), (5, limit >> 8)):
            self.m.outb(self.base + offset, value)
        self.m.outb(self.base + 7, PACKET)
        self.wait(DRQ)
        self.pio_out(bytes(cdb).ljust(12, b"\0"))

    def packet_in(self, cdb, limit=0xfffe):
        """A packet command by PIO: all that the drive sends."""
        self.packet(cdb, limit)
        data = b""
        while True:
            status = self.wait()
            if not status & DRQ:
                return data, status
            n = self.m.inb(self.base + 4) | self.m.inb(self.base + 5) << 8
            data += self.pio_in(n)

    def sense(self):
        data, _ = self.packet_in([3, 0, 0, 0, 18])
        return data[2] & 15, data[12], data[13]


def text(page, word, words):
    raw = page[2 * word:2 * (word + words)]
    return b"".join(raw[i + 1:i + 2] + raw[i:i + 1] for i in range(0, len(raw), 2)).decode().rstrip()
