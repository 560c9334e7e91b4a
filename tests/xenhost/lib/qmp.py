# SPDX-License-Identifier: GPL-2.0-or-later
"""A QMP client, as libxl is one; and what a device model has counted."""
import json
import socket

from scenario import check


class Qmp:
    def __init__(self, domid):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect("/var/run/xen/qmp-libxl-%d" % domid)
        self.file = self.socket.makefile("rb")
        check("QMP" in json.loads(self.file.readline()), "QMP does not greet")
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        words = {"execute": name, "id": name, "arguments": arguments}
        self.socket.sendall(json.dumps(words).encode() + b"\r\n")
        while True:
            answer = json.loads(self.file.readline())
            if answer.get("id") == name:
                check("return" in answer, "QMP %s: %s", name, answer.get("error"))
                return answer["return"]

    def close(self):
        self.file.close()
        self.socket.close()


class Metrics:
    """All counters of a guest's device model at one moment."""

    def __init__(self, guest):
        qmp = Qmp(guest.domid)
        self.list = qmp.command("x-query-metrics")
        qmp.close()

    def sum(self, name, **labels):
        """Of all with these labels, whatever others they have."""
        return sum(one["value"] for one in self.list
                   if one["name"] == name and labels.items() <= one["labels"].items())
