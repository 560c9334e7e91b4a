# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices that come and go: PCI cards by ACPI's eject register, USB devices at once."""
import unittest

from qtest import Failed, Test

EJECT, UP, DOWN = 0xae08, 0xae00, 0xae04
PORTSC = 0xc010


class Pci(Test):
    def has(self, m, slot):
        return m.config(slot << 3, 0) != 0xffffffff

    def eject(self, m, slot, name):
        m.outl(EJECT, 1 << slot)
        self.assertEqual(m.event("DEVICE_DELETED"),
                         {"device": name, "path": f"/machine/peripheral/{name}"})
        self.assertFalse(self.has(m, slot))

    def test_a_card_comes_and_goes(self):
        for driver in ("e1000", "rtl8139", "piix3-usb-uhci"):
            m = self.machine("-nodefaults")
            for _ in range(2):
                m.qmp("device_add", driver=driver, id="new", addr="04.0")
                self.assertTrue(self.has(m, 4))
                self.assertEqual(m.inl(UP), 1 << 4)
                self.assertEqual(m.inl(UP), 0)  # told once
                m.qmp("device_del", id="new")
                self.assertEqual(m.inl(DOWN), 1 << 4)
                self.assertTrue(self.has(m, 4))
                self.eject(m, 4, "new")

    def test_a_card_that_was_there_from_the_start_goes_too(self):
        m = self.machine("-nodefaults", "-device", "e1000,id=nic,addr=05.0")
        m.bar(5 << 3, 0, 0xe0000000)
        m.qmp("device_del", id="nic")
        self.eject(m, 5, "nic")
        self.assertEqual(m.readl(0xe0000000), 0)

    def test_a_reset_takes_out_what_was_asked_to_go(self):
        m = self.machine("-nodefaults", "-device", "rtl8139,id=nic,addr=05.0", "-device",
                         "e1000,id=stays,addr=06.0")
        m.qmp("device_del", id="nic")
        m.qmp("system_reset")
        m.event("DEVICE_DELETED")
        m.event("RESET")
        self.assertEqual((self.has(m, 5), self.has(m, 6)), (False, True))
        m.qmp("device_del", id="stays")
        self.eject(m, 6, "stays")

    def test_what_cannot_be_is_refused(self):
        m = self.machine("-nodefaults", "-device", "e1000,id=nic,addr=05.0", "-device", "VGA,id=v")
        for words in ({"driver": "e1000", "id": "nic"}, {"driver": "e1000", "addr": "05.0"},
                      {"driver": "e1000", "addr": "99.0"}, {"driver": "nonesuch"},
                      {"driver": "ide-hd", "drive": "x"}, {"driver": "VGA"},
                      {"driver": "e1000", "nonesuch": 1}, {"driver": "usb-tablet"},
                      {"driver": "e1000", "netdev": "x"}):
            self.assertRaises(Failed, m.qmp, "device_add", **words)
        self.assertRaises(Failed, m.qmp, "device_del", id="v")
        self.assertEqual(m.qmp_raw("device_del", id="x")["error"]["class"], "DeviceNotFound")
        m.qmp("device_del", id="nic")
        self.assertRaises(Failed, m.qmp, "device_del", id="nic")
        self.assertIn("error", m.qmp_raw("device_add"))

    def test_many_times(self):
        m = self.machine("-nodefaults")
        for i in range(200):
            m.qmp("device_add", driver="e1000", id="n")
            m.qmp("device_del", id="n")
            m.outl(EJECT, 1 << 2)
            m.event("DEVICE_DELETED")

    def test_a_slot_nobody_asked_to_go_may_be_ejected(self):
        m = self.machine("-nodefaults", "-device", "e1000,id=nic,addr=05.0")
        m.outl(EJECT, 0xffffffff)
        m.event("DEVICE_DELETED")
        self.assertEqual(m.config(0, 0), 0x12378086)
        self.assertEqual(m.config(9, 0), 0x70108086)


class Usb(Test):
    def uhci(self, *more):
        m = self.machine("-nodefaults", "-device", "piix3-usb-uhci,id=uhci,addr=1d.0", *more)
        m.bar(0x1d << 3, 4, 0xc001)
        return m

    def test_a_device_at_the_port_it_is_asked_for(self):
        m = self.uhci("-device", "usb-tablet,bus=uhci.0,port=2")
        self.assertEqual([m.inw(PORTSC) & 3, m.inw(PORTSC + 2) & 3], [0, 3])

    def test_a_device_comes_and_goes(self):
        m = self.uhci("-device", "usb-tablet,bus=uhci.0,port=1,id=first")
        self.assertEqual(m.inw(PORTSC) & 3, 3)
        m.outw(PORTSC, 2)
        m.qmp("device_add", driver="usb-kbd", bus="uhci.0", port="2", id="second")
        self.assertEqual(m.inw(PORTSC + 2) & 3, 3)
        self.assertRaises(Failed, m.qmp, "device_add", driver="usb-mouse", bus="uhci.0", port="2")
        self.assertRaises(Failed, m.qmp, "device_add", driver="usb-mouse", bus="uhci.0", port="3")
        self.assertRaises(Failed, m.qmp, "device_add", driver="usb-mouse", bus="nowhere.0")
        m.outw(PORTSC + 2, 2 | 4)  # seen; enabled
        m.qmp("device_del", id="second")
        self.assertEqual(m.event("DEVICE_DELETED")["device"], "second")
        self.assertEqual(m.inw(PORTSC + 2) & 15, 2 | 8)  # gone, and no longer enabled
        m.qmp("device_del", id="first")
        self.assertEqual(m.inw(PORTSC) & 3, 2)
        m.qmp("device_add", driver="usb-mouse", bus="uhci.0", port="1", id="first")
        self.assertEqual(m.inw(PORTSC) & 3, 3)

    def test_a_controller_takes_its_devices_with_it(self):
        m = self.uhci("-device", "usb-tablet,bus=uhci.0,id=t")
        m.qmp("device_del", id="uhci")
        m.outl(EJECT, 1 << 0x1d)
        self.assertEqual([m.event("DEVICE_DELETED")["device"] for _ in range(2)], ["t", "uhci"])

    def test_two_controllers_have_their_own(self):
        m = self.uhci("-device", "piix3-usb-uhci,id=two,addr=1e.0", "-device",
                      "usb-kbd,bus=two.0,port=1")
        m.bar(0x1e << 3, 4, 0xc101)
        self.assertEqual([m.inw(PORTSC) & 1, m.inw(0xc110) & 1], [0, 1])


class Drives(Test):
    def names(self, m):
        return [b["device"] for b in m.qmp("query-block")]

    def test_a_drive_without_a_device_goes_and_comes(self):
        m = self.machine("-nodefaults", "-drive", "if=none,id=drive0")
        self.assertIn("Duplicate", m.hmp("drive_add 0 if=none,id=drive0"))
        self.assertEqual(m.hmp("drive_del drive0"), "")
        self.assertEqual(self.names(m), [])
        self.assertIn("not found", m.hmp("drive_del drive0"))
        for _ in range(20):
            self.assertEqual(m.hmp("drive_add 0 if=none,id=drive0,file=null-co://"), "OK\r\n")
            self.assertEqual(self.names(m), ["drive0"])
            self.assertEqual(m.hmp("drive_del drive0"), "")

    def test_drives_that_cannot_be_are_refused(self):
        m = self.machine("-nodefaults", "-drive", "if=ide,file=null-co://,id=hd")
        self.assertIn("in use", m.hmp("drive_del hd"))
        for words in ("if=ide,file=null-co://,index=1", "if=none", "if=none,id=x,file=/nonesuch",
                      "if=none,id=x,format=qcow2,file=" + self.image(), "if=none,id=x,frob=1"):
            self.assertIn("Error", m.hmp("drive_add 0 " + words), words)
        for i in range(7):
            self.assertEqual(m.hmp(f"drive_add 0 if=none,id=d{i}"), "OK\r\n")
        self.assertIn("more than", m.hmp("drive_add 0 if=none,id=x"))

    def test_devices_by_typed_words(self):
        m = self.machine("-nodefaults")
        self.assertEqual(m.hmp("device_add rtl8139,id=n,addr=07.0"), "")
        self.assertEqual(m.config(7 << 3, 0), 0x813910ec)
        self.assertIn("Error", m.hmp("device_add nonesuch"))
        self.assertEqual(m.hmp("device_del n"), "")
        m.outl(EJECT, 1 << 7)
        m.event("DEVICE_DELETED")


if __name__ == "__main__":
    unittest.main()
