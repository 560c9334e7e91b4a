# SPDX-License-Identifier: GPL-2.0-or-later
"""CD-ROM trays: moved by QMP step by step, by eject and change, and by the guest."""
import unittest

from ide import ERR, Ide
from qtest import Failed, Test, pattern

START_STOP, PREVENT, READ10 = 0x1b, 0x1e, [0x28, 0, 0, 0, 0, 0, 0, 0, 1]


class Tray(Test):
    def cd(self, data=None, name="cd0"):
        words = ["-nodefaults"]
        if data is not None:
            words += ["-drive", f"id=d,if=none,media=cdrom,format=raw,file={self.image(len(data), data)}"]
        drive = ",drive=d" if data is not None else ""
        m = self.machine(*words, "-device", f"ide-cd,id={name},bus=ide.0{drive}")
        d = Ide(m)
        self.settle(d)
        return m, d

    def settle(self, d):
        for _ in range(8):
            d.packet_in([0])  # TEST UNIT READY
            if d.sense()[0] in (0, 2) and d.packet_in([0])[1] & ERR == 0:
                return

    def block(self, m):
        return m.qmp("query-block")[0]

    def moved(self, m):
        return m.event("DEVICE_TRAY_MOVED")["tray-open"]

    def test_step_by_step(self):
        new = pattern(8192, 5)
        m, d = self.cd(pattern(4096))
        m.qmp("blockdev-open-tray", id="cd0")
        self.assertTrue(self.moved(m))
        self.assertTrue(self.block(m)["tray_open"])
        self.assertIn("inserted", self.block(m))
        self.assertTrue(d.packet_in(READ10)[1] & ERR)
        self.assertEqual(d.sense()[:2], (2, 0x3a))
        m.qmp("blockdev-remove-medium", id="cd0")
        self.assertNotIn("inserted", self.block(m))
        m.qmp("blockdev-add", driver="raw", node_name="new", read_only=True,
              file={"driver": "file", "filename": self.image(len(new), new)})
        m.qmp("blockdev-insert-medium", id="cd0", node_name="new")
        self.assertTrue(self.block(m)["tray_open"])
        self.assertIn("error", m.qmp_raw("blockdev-del", node_name="new"))
        m.qmp("blockdev-close-tray", id="cd0")
        self.assertFalse(self.moved(m))
        self.settle(d)
        self.assertEqual(d.packet_in(READ10)[0], new[:2048])

    def test_steps_out_of_order_are_refused(self):
        m, _ = self.cd(pattern(4096))
        for command, words in (("blockdev-remove-medium", {"id": "cd0"}),
                               ("blockdev-insert-medium", {"id": "cd0", "node_name": "x"}),
                               ("blockdev-open-tray", {"id": "nobody"}),
                               ("blockdev-open-tray", {}),
                               ("blockdev-del", {"node_name": "x"})):
            self.assertRaises(Failed, m.qmp, command, **words)
        m.qmp("blockdev-close-tray", id="cd0")  # it is closed: no harm, no event
        m.qmp("blockdev-open-tray", id="cd0")
        m.qmp("blockdev-open-tray", id="cd0")
        self.assertRaises(Failed, m.qmp, "blockdev-insert-medium", id="cd0", node_name="x")
        m.qmp("blockdev-remove-medium", id="cd0")
        self.assertRaises(Failed, m.qmp, "blockdev-insert-medium", id="cd0", node_name="x")
        self.assertEqual([e["data"]["tray-open"] for e in m.events
                          if e["event"] == "DEVICE_TRAY_MOVED"], [True])

    def test_eject_and_change_tell_of_the_tray(self):
        m, d = self.cd(pattern(4096))
        m.qmp("eject", id="cd0")
        self.assertTrue(self.moved(m))
        new = pattern(4096, 9)
        m.qmp("blockdev-change-medium", id="cd0", filename=self.image(4096, new), format="raw")
        self.assertFalse(self.moved(m))
        m.qmp("blockdev-change-medium", id="cd0", filename=self.image(4096, new), format="raw")
        self.assertEqual([self.moved(m), self.moved(m)], [True, False])
        self.settle(d)
        self.assertEqual(d.packet_in(READ10)[0], new[:2048])

    def test_a_guest_that_ejects_and_loads(self):
        data = pattern(4096)
        m, d = self.cd(data)
        d.packet_in([START_STOP, 0, 0, 0, 2])
        self.assertTrue(self.moved(m))
        self.assertTrue(self.block(m)["tray_open"])
        d.packet_in([START_STOP, 0, 0, 0, 3])
        self.assertFalse(self.moved(m))
        self.settle(d)
        self.assertEqual(d.packet_in(READ10)[0], data[:2048])

    def test_a_locked_door_opens_by_force_only(self):
        m, d = self.cd(pattern(4096))
        d.packet_in([PREVENT, 0, 0, 0, 1])
        self.assertTrue(self.block(m)["locked"])
        m.qmp("blockdev-open-tray", id="cd0")  # asks the guest
        self.assertFalse(self.block(m)["tray_open"])
        self.assertRaises(Failed, m.qmp, "eject", id="cd0")
        got, _ = d.packet_in([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8])
        self.assertEqual(got[4] & 15, 1)  # eject request
        m.qmp("blockdev-open-tray", id="cd0", force=True)
        self.assertTrue(self.moved(m))
        self.assertTrue(self.block(m)["tray_open"])

    def test_an_empty_drive(self):
        m, d = self.cd()
        self.assertTrue(d.packet_in(READ10)[1] & ERR)
        m.qmp("blockdev-open-tray", id="cd0")
        m.qmp("blockdev-add", driver="null-co", node_name="n", read_only=True)
        self.assertRaises(Failed, m.qmp, "blockdev-add", driver="null-co", node_name="n")
        m.qmp("blockdev-insert-medium", id="cd0", node_name="n")
        m.qmp("blockdev-close-tray", id="cd0")
        self.settle(d)
        self.assertEqual(d.packet_in(READ10)[0], bytes(2048))
        m.qmp("eject", id="cd0")
        m.qmp("blockdev-del", node_name="n")
        self.assertEqual([n["node-name"] for n in m.qmp("query-named-block-nodes")], [])

    def test_a_hard_disk_has_no_tray(self):
        m = self.machine("-nodefaults", "-drive", f"file={self.image()},if=ide,format=raw")
        for command in ("blockdev-open-tray", "eject", "blockdev-remove-medium"):
            self.assertRaises(Failed, m.qmp, command, id="ide0-hd0")


if __name__ == "__main__":
    unittest.main()
