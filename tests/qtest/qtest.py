# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of the qtest protocol and of QMP, and a PC to use it on. For the tests beside it.

with Machine("-nodefaults") as m: ...; Test is a TestCase that ends its machines by itself and
checks that each ends with status 0, so a device model that died fails the test it died in.
"""
import base64
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

DM = os.environ.get("DM", "build/xen-dm")
PATIENCE = 20  # seconds for an answer: only a hang takes that long


class Failed(Exception):
    """The answer was FAIL, or an error."""


class Socket:
    """Lines from a listening unix socket's only client."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.listener.settimeout(PATIENCE)
        self.peer = None
        self.left = b""

    def accept(self):
        self.peer, _ = self.listener.accept()
        self.peer.settimeout(PATIENCE)
        self.listener.close()

    def send(self, data):
        self.peer.sendall(data)

    def line(self):
        while b"\n" not in self.left:
            more = self.peer.recv(1 << 16)
            if not more:
                raise EOFError("the device model hung up")
            self.left += more
        line, self.left = self.left.split(b"\n", 1)
        return line.decode().rstrip("\r")

    def close(self):
        for s in (self.peer, self.listener):
            if s:
                s.close()


class Machine:
    def __init__(self, *args, kind="pc", negotiate=True):
        self.dir = tempfile.mkdtemp(prefix="qtest-")
        self.irqs = {}
        self.events = []
        self.wire = Socket(os.path.join(self.dir, "qtest"))
        self.monitor = Socket(os.path.join(self.dir, "qmp"))
        self.log = open(os.path.join(self.dir, "log"), "w+b")
        argv = [DM, "-qtest", f"unix:{self.dir}/qtest", "-qtest-log", "/dev/null",
                "-chardev", f"socket,path={self.dir}/qmp,id=char0",
                "-mon", "chardev=char0,mode=control", "-display", "none", "-audio", "none",
                "-machine", kind, *args, "-accel", "qtest"]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log)
        try:
            self.wire.accept()
            self.monitor.accept()
            self.greeting = json.loads(self.monitor.line())["QMP"]
            if negotiate:
                self.qmp("qmp_capabilities")
        except (EOFError, OSError) as e:
            said = self.said()
            self.kill()
            raise Failed(f"{' '.join(argv)}: {e}: {said}") from e

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def said(self):
        try:
            self.process.wait(timeout=5)  # it is ending, or has ended
        except subprocess.TimeoutExpired:
            pass
        with open(self.log.name, "rb") as f:
            return f.read().decode(errors="replace")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.wire.close()
        self.monitor.close()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def end(self, sig=signal.SIGTERM):
        """Asks it to end, and returns its status."""
        if self.process.poll() is None and sig:
            self.process.send_signal(sig)
        status = self.process.wait(timeout=PATIENCE)
        said = self.said()
        self.kill()
        if status:
            print(said[-6000:])
        return status

    # ---- qtest ----
    def answer(self):
        """The next answer; IRQ lines before it are noted."""
        while True:
            line = self.wire.line()
            if not line.startswith("IRQ "):
                return line
            _, way, number = line.split()
            self.irqs[int(number)] = way == "raise"

    def ask(self, text):
        self.wire.send(text.encode() + b"\n")
        line = self.answer()
        if line != "OK" and not line.startswith("OK "):
            raise Failed(line)
        return line[3:]

    def irq(self, number, wanted=True):
        """Waits until an interrupt has that level (disks take real time)."""
        end = time.monotonic() + PATIENCE
        while self.irqs.get(number, False) != wanted:
            if time.monotonic() > end:
                raise Failed(f"irq {number} did not go {'up' if wanted else 'down'}")
            self.ask("endianness")
            time.sleep(0.0002)
        return True

    def inb(self, port):
        return int(self.ask(f"inb 0x{port:x}"), 0)

    def inw(self, port):
        return int(self.ask(f"inw 0x{port:x}"), 0)

    def inl(self, port):
        return int(self.ask(f"inl 0x{port:x}"), 0)

    def outb(self, port, value):
        self.ask(f"outb 0x{port:x} 0x{value:x}")

    def outw(self, port, value):
        self.ask(f"outw 0x{port:x} 0x{value:x}")

    def outl(self, port, value):
        self.ask(f"outl 0x{port:x} 0x{value:x}")

    def readb(self, addr):
        return int(self.ask(f"readb 0x{addr:x}"), 0)

    def readl(self, addr):
        return int(self.ask(f"readl 0x{addr:x}"), 0)

    def writeb(self, addr, value):
        self.ask(f"writeb 0x{addr:x} 0x{value:x}")

    def writel(self, addr, value):
        self.ask(f"writel 0x{addr:x} 0x{value:x}")

    def peek(self, addr, length):
        return base64.b64decode(self.ask(f"b64read 0x{addr:x} {length}"))

    def poke(self, addr, data):
        self.ask(f"write 0x{addr:x} {len(data)} 0x{data.hex()}")

    def replay(self, script):
        """Runs a bug report: a request a line, blank lines and # comments aside. Answers do not matter."""
        lines = [x.split("#")[0].strip() for x in script.splitlines()]
        lines = [x for x in lines if x]
        self.wire.send("".join(x + "\n" for x in lines).encode())
        return [self.answer() for _ in lines]

    # ---- PCI ----
    def config(self, devfn, offset, size=4, value=None):
        self.outl(0xcf8, 0x80000000 | devfn << 8 | offset & 0xfc)
        port, letter = 0xcfc + (offset & 3), {1: "b", 2: "w", 4: "l"}[size]
        if value is None:
            return int(self.ask(f"in{letter} 0x{port:x}"), 0)
        return self.ask(f"out{letter} 0x{port:x} 0x{value:x}")

    def bar(self, devfn, bar, where, enable=7):
        """Puts a BAR somewhere and switches the function on."""
        self.config(devfn, 0x10 + 4 * bar, 4, where)
        self.config(devfn, 4, 2, self.config(devfn, 4, 2) | enable)
        return where

    # ---- QMP ----
    def message(self):
        return json.loads(self.monitor.line())

    def qmp_raw(self, command, **arguments):
        message = {"execute": command}
        if arguments:
            message["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        self.monitor.send(json.dumps(message).encode() + b"\n")
        while True:
            answer = self.message()
            if "event" not in answer:
                return answer
            self.events.append(answer)

    def qmp(self, command, **arguments):
        answer = self.qmp_raw(command, **arguments)
        if "return" not in answer:
            raise Failed(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def event(self, name):
        """The next event of that name, past or to come; those before it are forgotten."""
        while True:
            while self.events:
                event = self.events.pop(0)
                if event["event"] == name:
                    return event.get("data")
            self.events.append(self.message())

    def hmp(self, line):
        return self.qmp("human-monitor-command", command_line=line)


class Test(unittest.TestCase):
    def setUp(self):
        self.machines = []

    def tearDown(self):
        statuses = [m.end() for m in self.machines]
        self.assertEqual(statuses, [0] * len(statuses), "the device model's status")

    def machine(self, *args, **words):
        m = Machine(*args, **words)
        self.machines.append(m)
        return m

    def image(self, size=1 << 20, data=b""):
        """A file of that size that begins with data; gone with the test."""
        fd, path = tempfile.mkstemp(prefix="qtest-image-")
        self.addCleanup(os.unlink, path)
        with os.fdopen(fd, "wb") as f:
            f.write(data)
            f.truncate(max(size, len(data)))
        return path


def pattern(length, seed=1):
    """Bytes that repeat nowhere soon."""
    return b"".join(struct.pack("<I", (i * 2654435761 + seed) & 0xffffffff)
                    for i in range(length // 4))
