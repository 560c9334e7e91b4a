# SPDX-License-Identifier: GPL-2.0-or-later
"""QMP as device tests lean on it: the greeting, errors, states and events, types and trees."""
import json
import unittest

from qtest import Failed, Test


class Qmp(Test):
    def raw(self, m, text):
        m.monitor.send(text.encode() + b"\n")
        return m.message()

    def test_the_greeting_says_what_query_version_says(self):
        m = self.machine("-nodefaults")
        self.assertEqual(m.greeting["version"], m.qmp("query-version"))
        self.assertIsInstance(m.greeting["capabilities"], list)

    def test_what_is_no_command_is_an_error(self):
        m = self.machine("-nodefaults")
        for text in ('{"execute": 1}', '{}', '[]', '{"arguments": {}}', '{"execute": null}',
                     '{"execute": "query-version", "extra": 1}', '{"exec-oob": "query-version"}',
                     '{"execute": "query-version", "arguments": []}',
                     '{"execute": "query-version", "arguments": {"a": 1}}',
                     '{"execute": "qom-get", "arguments": {"path": 1, "property": "x"}}',
                     '{"execute": "qom-get", "arguments": {"path": "/"}}', '{"execute": nonsense}'):
            self.assertEqual(self.raw(m, text)["error"]["class"], "GenericError", text)
        self.assertEqual(self.raw(m, '{"execute": "frob"}')["error"]["class"], "CommandNotFound")
        self.assertEqual(self.raw(m, '{"execute": "qmp_capabilities"}')["error"]["class"],
                         "CommandNotFound")
        self.assertEqual(self.raw(m, '{"execute": "query-version", "id": {"a": [1]}}')["id"],
                         {"a": [1]})

    def test_a_capability_that_was_not_offered_is_refused(self):
        m = self.machine("-nodefaults", negotiate=False)
        answer = self.raw(m, json.dumps({"execute": "qmp_capabilities",
                                         "arguments": {"enable": ["oob"]}}))
        self.assertEqual(answer["error"]["class"], "GenericError")
        self.assertEqual(self.raw(m, '{"execute": "query-version"}')["error"]["class"],
                         "CommandNotFound")
        self.assertIn("return", self.raw(m, '{"execute": "qmp_capabilities"}'))

    def test_states_and_events(self):
        m = self.machine("-nodefaults", "-S")
        self.assertEqual(m.qmp("query-status")["status"], "prelaunch")
        m.qmp("cont")
        m.event("RESUME")
        m.qmp("stop")
        m.event("STOP")
        self.assertEqual(m.qmp("query-status"),
                         {"status": "paused", "running": False, "singlestep": False})
        m.qmp("cont")
        m.event("RESUME")
        m.qmp("system_reset")
        self.assertEqual(m.event("RESET"), {"guest": False, "reason": "host-qmp-system-reset"})

    def test_a_reset_by_the_guest(self):
        for port, value in ((0xcf9, 6), (0x92, 1), (0x64, 0xfe)):
            m = self.machine("-nodefaults")
            m.outb(port, value)
            self.assertEqual(m.event("RESET"), {"guest": True, "reason": "guest-reset"})

    def test_power_off_by_the_guest(self):
        for more, status in ((("-no-shutdown",), "shutdown"), ((), None)):
            m = self.machine("-nodefaults", *more)
            m.config(1 << 3 | 3, 0x40, 4, 0xb001)
            m.config(1 << 3 | 3, 0x80, 1, 1)
            m.outw(0xb004, 0x2000)  # SLP_EN, type 0: S5
            self.assertEqual(m.event("SHUTDOWN"), {"guest": True, "reason": "guest-shutdown"})
            if status:
                self.assertEqual(m.qmp("query-status")["status"], status)

    def test_machines_and_types(self):
        for kind in ("pc", "none"):
            m = self.machine(kind=kind)
            machines = m.qmp("query-machines")
            self.assertTrue(any(x.get("alias") == "pc" for x in machines))
            for x in machines:
                self.assertLessEqual({"name", "cpu-max", "hotpluggable-cpus", "numa-mem-supported",
                                      "deprecated", "acpi"}, set(x))
            names = {x["name"] for x in m.qmp("qom-list-types", implements="device", abstract=False)}
            self.assertLessEqual({"e1000", "rtl8139", "VGA", "cirrus-vga", "piix3-usb-uhci",
                                  "usb-tablet", "ide-hd", "ide-cd", "i440FX-pcihost"}, names)
            for name in names:
                m.qmp("device-list-properties", typename=name)
            self.assertIn("error", m.qmp_raw("device-list-properties", typename="nonesuch"))

    def test_types_know_their_parents(self):
        m = self.machine("-nodefaults", kind="none")
        every = m.qmp("qom-list-types", abstract=True)
        concrete = {x["name"] for x in m.qmp("qom-list-types", abstract=False)}
        self.assertEqual({x["name"] for x in every if not x.get("abstract")}, concrete)
        for parent in ("object", "device", "sys-bus-device"):
            parents = {x["name"]: x.get("parent")
                       for x in m.qmp("qom-list-types", implements=parent, abstract=True)}
            for name in list(parents):
                while name != parent:
                    self.assertIsNotNone(name)
                    name = parents.get(name)

    def test_without_a_machine_monitors_answer(self):
        m = self.machine("-nodefaults", kind="none")
        m.qmp("qom-list", path="/")
        m.qmp("qom-list", path="/machine/unattached")
        self.assertEqual(m.hmp("info qtree"), "")
        self.assertEqual(m.hmp('device_add "e1000,help"'), "")

    def test_every_property_of_the_tree_can_be_read(self):
        m = self.machine("-device", "piix3-usb-uhci,id=uhci,addr=1d.0", "-device", "rtl8139,id=n")
        seen = []

        def walk(path):
            for one in m.qmp("qom-list", path=path):
                below = path.rstrip("/") + "/" + one["name"]
                if one["type"].startswith("child<"):
                    walk(below)
                else:
                    m.qmp("qom-get", path=path, property=one["name"])
                    seen.append(below)

        walk("/")
        self.assertIn("/machine/peripheral/uhci/type", seen)
        self.assertIn("/machine/unattached/device[0]/type", seen)
        self.assertRaises(Failed, m.qmp, "qom-list", path="/nowhere")

    def test_what_tests_ask_and_we_never_have(self):
        m = self.machine("-nodefaults")
        self.assertEqual(m.qmp("query-iothreads"), [])
        self.assertEqual(m.qmp("query-migrate"), {})
        self.assertIn("error", m.qmp_raw("migrate", uri="exec:true"))
        self.assertEqual(m.qmp("query-kvm"), {"enabled": False, "present": False})

    def test_info_of_all_kinds_answers(self):
        m = self.machine()
        for what in m.hmp("info").split("\n"):
            if what.startswith("info "):
                self.assertTrue(m.hmp(what.split(" --")[0]) is not None)
        self.assertIn("e1000", m.hmp("info qtree"))


if __name__ == "__main__":
    unittest.main()
