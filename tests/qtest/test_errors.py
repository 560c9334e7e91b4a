# SPDX-License-Identifier: GPL-2.0-or-later
"""Images that refuse requests, by rule: what the guest sees, what QMP says, and going on after."""
import os
import tempfile
import unittest

import ide
from ide import BSY, DF, DRDY, DRQ, ERR, Ide
from qtest import Failed, Test, pattern


def rules(*groups):
    return "".join(f"[{name}]\n" + "".join(f'{k} = "{v}"\n' for k, v in words.items())
                   for name, words in groups)


class Errors(Test):
    def disk(self, text, *policy, data=b"", media="disk"):
        path = self.image(1 << 20, data)
        conf = ""
        if text:
            fd, conf = tempfile.mkstemp(prefix="qtest-rules-")
            self.addCleanup(os.unlink, conf)
            with os.fdopen(fd, "w") as f:
                f.write(text)
        words = ",".join((f"file=blkdebug:{conf}:{path},if=ide,cache=writeback,format=raw,index=0",
                          f"media={media}", *policy))
        self.path = path
        return Ide(self.machine("-nodefaults", "-drive", words))

    def write(self, d, lba=0, data=None):
        d.m.poke(0x20000, data or pattern(512))
        return d.dma(ide.WRITE_DMA, lba, 1, (0x20000, 512))

    def test_a_flush_waits_at_a_breakpoint(self):
        d = self.disk("")
        self.write(d)
        d.m.hmp('qemu-io ide0-hd0 "break flush_to_os A"')
        d.command(ide.FLUSH)
        self.assertEqual(d.status() & (BSY | DRDY | DF | ERR | DRQ), BSY | DRDY)
        d.m.hmp('qemu-io ide0-hd0 "resume A"')
        self.assertEqual(d.wait(DRDY) & (BSY | DF | ERR | DRQ), 0)
        self.assertIn("use qemu-io", d.m.hmp('qemu-io ide0-hd0 "resume A"'))

    def test_a_failed_flush_stops_the_machine_and_is_tried_again(self):
        d = self.disk(rules(("inject-error", {"event": "flush_to_disk", "errno": 5, "state": 1,
                                              "immediately": "off", "once": "on"})),
                      "rerror=stop", "werror=stop")
        self.write(d)
        d.command(ide.FLUSH)
        error = d.m.event("BLOCK_IO_ERROR")
        self.assertEqual({k: error[k] for k in ("device", "operation", "action", "nospace")},
                         {"device": "ide0-hd0", "operation": "write", "action": "stop",
                          "nospace": False})
        d.m.event("STOP")
        self.assertEqual(d.m.qmp("query-status")["status"], "io-error")
        self.assertEqual(d.m.qmp("query-block")[0]["io-status"], "failed")
        self.assertEqual(d.status() & (BSY | DRDY | DF | ERR | DRQ), BSY | DRDY)
        d.m.qmp("cont")
        d.m.event("RESUME")
        self.assertEqual(d.wait(DRDY) & (BSY | DF | ERR | DRQ), 0)
        self.assertEqual(d.m.qmp("query-block")[0]["io-status"], "ok")

    def test_dma_goes_on_where_it_was(self):
        data = pattern(8192, 3)
        for event, code in (("write_aio", ide.WRITE_DMA), ("read_aio", ide.READ_DMA)):
            d = self.disk(rules(("inject-error", {"event": event, "once": "on"})),
                          "rerror=stop", "werror=stop", data=bytes(64 * 512) + data)
            d.m.poke(0x20000, data[4096:] + data[:4096])
            d.prdt((0x20000, 1024), (0x20400, 7168))
            d.command(code, 64, 16)
            d.start(code == ide.READ_DMA)
            d.m.event("STOP")
            self.assertFalse(d.m.irqs.get(14, False))
            d.m.qmp("cont")
            d.m.irq(14)
            d.stop()
            self.assertEqual(d.status() & (BSY | DF | ERR | DRQ), 0)
            if code == ide.READ_DMA:
                self.assertEqual(d.m.peek(0x20000, 8192), data)
            else:
                with open(self.path, "rb") as f:
                    f.seek(64 * 512)
                    self.assertEqual(f.read(8192), data[4096:] + data[:4096])

    def test_pio_goes_on_where_it_was(self):
        d = self.disk(rules(("inject-error", {"event": "write_aio", "once": "on"})), "werror=stop")
        data = pattern(512, 9)
        d.command(ide.WRITE_SECTORS, 7, 1)
        d.wait(DRQ)
        d.pio_out(data)
        d.m.event("STOP")
        d.m.qmp("cont")
        self.assertEqual(d.wait(DRDY) & (ERR | DRQ), 0)
        d.command(ide.READ_SECTORS, 7, 1)
        d.wait(DRQ)
        self.assertEqual(d.pio_in(512), data)

    def test_a_reset_ends_what_was_held(self):
        d = self.disk(rules(("inject-error", {"event": "write_aio"})), "werror=stop")
        d.m.poke(0x20000, pattern(512))
        d.prdt((0x20000, 512))
        d.command(ide.WRITE_DMA, 0, 1)
        d.start(False)
        d.m.event("STOP")
        d.m.qmp("system_reset")
        d.m.event("RESET")
        d.m.qmp("cont")
        d.m.event("RESUME")
        d.m.bar(ide.DEVFN, 4, ide.BM | 1, 5)
        self.assertEqual(d.wait(DRDY) & (BSY | ERR | DRQ), 0)

    def test_policies(self):
        always = rules(("inject-error", {"event": "write_aio", "errno": 28}))
        d = self.disk(always, "werror=report")
        self.assertTrue(self.write(d)[0] & ERR)
        self.assertEqual(d.m.event("BLOCK_IO_ERROR")["action"], "report")
        d = self.disk(always, "werror=ignore")
        self.assertFalse(self.write(d)[0] & ERR)
        self.assertEqual(d.m.event("BLOCK_IO_ERROR")["action"], "ignore")
        d = self.disk(always, "werror=enospc")
        d.prdt((0x20000, 512))
        d.command(ide.WRITE_DMA, 0, 1)
        d.start(False)
        self.assertTrue(d.m.event("BLOCK_IO_ERROR")["nospace"])
        d.m.event("STOP")
        self.assertEqual(d.m.qmp("query-block")[0]["io-status"], "nospace")

    def test_a_bad_sector_is_bad_and_its_neighbours_are_good(self):
        data = pattern(1 << 16)
        d = self.disk(rules(("inject-error", {"event": "read_aio", "sector": 20})), data=data)
        for lba in (0, 19, 21):
            d.command(ide.READ_SECTORS, lba, 1)
            d.wait(DRQ)
            self.assertEqual(d.pio_in(512), data[lba * 512:lba * 512 + 512])
        d.command(ide.READ_SECTORS, 20, 1)
        self.assertTrue(d.wait() & ERR)

    def test_states(self):
        d = self.disk(rules(("set-state", {"event": "flush_to_disk", "state": 1, "new_state": 2}),
                            ("inject-error", {"event": "write_aio", "state": 2})))
        self.assertFalse(self.write(d)[0] & ERR)
        d.command(ide.FLUSH)
        d.wait(DRDY)
        d.status()
        self.assertTrue(self.write(d)[0] & ERR)

    def test_rules_that_are_none_are_refused(self):
        with self.assertRaisesRegex(Failed, "not understood"):
            self.disk("[inject-error]\nevent = \"nonesuch\"\n")

    def test_a_disk_of_nothing(self):
        m = self.machine("-nodefaults", "-drive", "file=null-co://,if=ide,format=raw")
        d = Ide(m)
        m.poke(0x20000, pattern(4096))
        self.assertFalse(d.dma(ide.WRITE_DMA, 1, 8, (0x20000, 4096))[0] & ERR)
        self.assertFalse(d.dma(ide.READ_DMA, 1, 8, (0x20000, 4096))[0] & ERR)
        self.assertEqual(m.peek(0x20000, 4096), bytes(4096))
        self.assertEqual(m.qmp("query-block")[0]["inserted"]["image"]["virtual-size"], 1 << 30)


if __name__ == "__main__":
    unittest.main()
