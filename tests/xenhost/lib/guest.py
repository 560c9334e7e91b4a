# SPDX-License-Identifier: GPL-2.0-or-later
"""An HVM guest under xl: its configuration, its life, and its serial line with a shell on it."""
import os
import re
import select
import shutil
import termios
import threading
import time
import tty

import vnc
from scenario import (DM_PATH, GUEST_FILES, NAME, OURS, RESULTS, WORK, Failure, check, note, on_failure,
                      run, run_quiet, say, wait_until, xenstore)

READY = "XDM-GUEST-READY"
NEVER = "xen_emul_unplug=never"
# noearly leaves out a search of the whole PCI space for an AGP bridge, which takes 7 seconds in a box
BASE_CMDLINE = "console=tty0 console=ttyS0,115200 quiet loglevel=3 panic=5 mitigations=off nokaslr pci=noearly "


def patch_cmdline(path, cmdline):
    """Writes a kernel command line into the place that the image keeps for one (see image/guest)."""
    marker, room = b"@CMDLINE@", 500
    with open(path, "r+b") as f:
        data = f.read()
        at = data.find(marker + b" " * (room - len(marker)))
        check(at >= 0, "%s has no room for a kernel command line" % path)
        check(len(cmdline) <= room, "the kernel command line is too long")
        f.seek(at)
        f.write(cmdline.encode().ljust(room))


def guest_cd(cmdline=NEVER, name="cd.iso"):
    """A CD in WORK that boots Linux with this command line."""
    path = os.path.join(WORK, name)
    shutil.copy(os.path.join(GUEST_FILES, "guest.iso"), path)
    patch_cmdline(path, BASE_CMDLINE + cmdline)
    return path


def blank_disk(name, mib):
    path = os.path.join(WORK, name)
    with open(path, "wb") as f:
        f.truncate(mib << 20)
    return path


def to_cfg(value):
    if isinstance(value, (list, tuple)):
        return "[%s]" % ", ".join(to_cfg(v) for v in value)
    return '"%s"' % value if isinstance(value, str) else str(int(value))


class Guest:
    """
    Keyword arguments are lines of xl.cfg; these are there unless overridden (None removes one):
    type, memory, vcpus, serial, vnc, boot, device_model_override, on_* = destroy.
    """

    def __init__(self, name=None, line="serial/0", **config):
        self.line = line                        # the xenstore directory of the line with the shell
        self.name = "xdm-" + (name or NAME)
        self.config = {
            "type": "hvm", "name": self.name, "memory": 256, "vcpus": 1, "serial": "pty", "boot": "d",
            "vnc": 1, "vnclisten": "127.0.0.1", "device_model_override": DM_PATH,
            "on_crash": "destroy", "on_reboot": "restart", "on_poweroff": "destroy",
        }
        self.config.update(config)
        self.cfg = os.path.join(RESULTS, self.name + ".cfg")
        self.log = "/var/log/xen/qemu-dm-%s.log" % self.name
        self.domid = None
        self.serial = None
        self.count = 0
        self.create_seconds = None
        on_failure(self.collect)

    # --- life ----------------------------------------------------------------------------------
    def write_config(self):
        with open(self.cfg, "w") as f:
            for key, value in self.config.items():
                if value is not None:
                    f.write("%s = %s\n" % (key, to_cfg(value)))

    def create(self, start=True):
        """xl create, paused; opens the serial line; then lets it run, so that no output is lost."""
        self.write_config()
        began = time.monotonic()
        code, out = run("xl", "create", "-p", self.cfg, timeout=120, ok=False)
        self.create_seconds = time.monotonic() - began
        if code:
            note(out)
            raise Failure("xl create failed: %s" % self.last_words(out))
        check(self.find(), "xl create succeeded, but there is no domain %s", self.name)
        say("xl create took %.1f s: domain %d, device model %s" %
            (self.create_seconds, self.domid, os.path.basename(DM_PATH)))
        if self.config.get("serial") == "pty" or self.line != "serial/0":
            self.open_serial()
        if start:
            self.run()

    def run(self):
        run("xl", "unpause", self.name)

    def find(self):
        """Learns the domain number, which changes when the guest reboots; false while there is none."""
        code, out = run_quiet("xl", "domid", self.name)
        if code == 0:
            self.domid = int(out)
        return code == 0

    def last_words(self, out):
        """The sentence that tells most: the device model's own, or xl's."""
        try:
            with open(self.log, errors="replace") as f:
                lines = [line.strip() for line in f if line.strip()]
        except OSError:
            lines = []
        words = [line.strip() for line in out.splitlines() if "error" in line]
        return " / ".join(lines[-1:] + words[:1]) or out.strip()[-200:]

    def dm_pid(self):
        return int(xenstore("/local/domain/%d/image/device-model-pid" % self.domid) or 0)

    def alive(self):
        return run_quiet("xl", "domid", self.name)[0] == 0

    def wait_gone(self, timeout=60):
        wait_until(lambda: not self.alive(), timeout, "domain %s to end" % self.name)

    def destroy(self):
        if self.alive():
            run("xl", "destroy", self.name)
        if self.serial:
            self.serial.close()

    # --- serial line -------------------------------------------------------------------------------
    def open_serial(self):
        if self.serial:
            self.serial.close()
        path = wait_until(lambda: xenstore("/local/domain/%d/%s/tty" % (self.domid, self.line)), 30,
                          "xenstore to name the guest's serial line")
        self.serial = Serial(path, os.path.join(RESULTS, "serial-%s.txt" % self.name))

    def expect(self, pattern, timeout, what=None):
        """Waits for a pattern on the serial line; returns the match and consumes up to its end."""
        deadline = time.monotonic() + timeout
        last_look = time.monotonic()
        while True:
            match = self.serial.find(pattern)
            if match:
                return match
            if time.monotonic() - last_look > 3:
                last_look = time.monotonic()
                if not self.alive():
                    raise Failure("the guest ended while it should have shown %s" % (what or pattern))
                pid = self.dm_pid()
                if pid and not os.path.exists("/proc/%d" % pid):
                    raise Failure("the device model died: %s" % self.last_words(""))
            if time.monotonic() > deadline:
                raise Failure("waited %d seconds for %s on the guest's serial line (its last: %r)" %
                              (timeout, what or pattern, self.serial.tail()))
            self.serial.wait(0.5)

    def wait_ready(self, timeout=150):
        began = time.monotonic()
        match = self.expect(READY + r" (\S+)\n", timeout, "the guest's shell")
        say("guest: Linux %s is up, %.1f s after it was started" % (match.group(1), time.monotonic() - began))

    def sh(self, command, timeout=60, ok=True):
        """Runs a command in the guest's shell; its output, or (status, output) with ok=False."""
        self.count += 1
        tag = "XDM%d" % self.count
        # the doubled quotes keep an echo of the command from looking like its answer; what comes before
        # the first mark is not this command's
        self.serial.send("{ echo @%s:; %s\n} </dev/null 2>&1; echo \"\n\"@%s:$?@\n" %
                         ('""'.join(tag), command, '""'.join(tag)))
        match = self.expect(r"(?s)@%s:\n(.*?)\n@%s:(\d+)@\n" % (tag, tag), timeout, "the end of '%s'" % command[:60])
        status, output = int(match.group(2)), match.group(1).strip("\n")
        note("guest$ %s (%d)\n%s" % (command, status, output))
        if not ok:
            return status, output
        check(status == 0, "in the guest, '%s' ended with status %d: %s" % (command[:80], status, output[-200:]))
        return output

    # --- screen -----------------------------------------------------------------------------------
    def vnc(self, **options):
        port = wait_until(lambda: xenstore("/local/domain/%d/console/vnc-port" % self.domid), 20,
                          "the VNC port in xenstore")
        return vnc.Client("127.0.0.1::%s" % port, **options)

    def screenshot(self, file):
        with self.vnc() as client:
            picture = client.screenshot()
        vnc.write_png(os.path.join(RESULTS, file), picture)
        return picture

    def collect(self):
        """After a failure: what the screen shows and where the vCPU is."""
        if self.domid is None or not self.alive():
            return
        run("xl", "vcpu-list", self.name, ok=False)
        _, text = run("/usr/lib/xen-4.17/bin/xenctx", "-a", str(self.domid), "0", ok=False, timeout=20)
        note(text)
        if self.config.get("vnc"):
            self.screenshot("failed-screen.png")


def pvh_guest(name=None, cmdline="", **config):
    """Without emulated devices; boots in a quarter of the time of one from CD. Its shell is on the PV console."""
    cmdline = BASE_CMDLINE.replace("console=ttyS0,115200", "console=hvc0") + cmdline
    return Guest(name, line="console", **dict({
        "type": "pvh", "kernel": os.path.join(GUEST_FILES, "vmlinuz"), "ramdisk": os.path.join(GUEST_FILES, "initrd"),
        "cmdline": cmdline, "serial": None, "vnc": None, "vnclisten": None, "boot": None}, **config))


class Serial:
    """The guest's end of a pty, read by a thread so that the device model never waits for us."""

    def __init__(self, path, log):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.fd, termios.TCSANOW)
        self.log = open(log, "ab")
        self.text = ""
        self.seen = ""                          # all of it, for tail()
        self.news = threading.Condition()
        self.closed = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while not self.closed:
            try:
                if not select.select([self.fd], [], [], 0.5)[0]:
                    continue
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                continue
            except (OSError, ValueError):
                break
            if not data:
                break
            self.log.write(data)
            self.log.flush()
            with self.news:
                more = data.decode("utf-8", "replace").replace("\r", "")
                self.text += more
                self.seen = (self.seen + more)[-4000:]
                self.news.notify_all()

    def wait(self, seconds):
        with self.news:
            self.news.wait(seconds)

    def find(self, pattern):
        with self.news:
            match = re.search(pattern, self.text, re.MULTILINE)
            if match:
                self.text = self.text[match.end():]
            return match

    def tail(self):
        return self.seen[-120:]

    def send(self, text):
        data = text.encode()
        deadline = time.monotonic() + 30
        while data:
            check(time.monotonic() < deadline, "the guest's serial line takes no input")
            try:
                data = data[os.write(self.fd, data[:256]):]
            except BlockingIOError:
                time.sleep(0.02)

    def close(self):
        if not self.closed:
            self.closed = True
            time.sleep(0.05)
            os.close(self.fd)
            self.log.close()
