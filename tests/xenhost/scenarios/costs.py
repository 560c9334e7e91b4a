# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 300
# Memory and time of xen-dm beside those of the stock device model, in the same boot, as a table: for
# figures, not for a verdict (a box proves ratios, not speed), save that ours must be the smaller.
import os
import re
import subprocess
import threading
import time

import hardware
from guest import Guest, blank_disk
from scenario import DM_PATH, OURS, RESULTS, check, main, say

STOCK = "/usr/libexec/xen-qemu-system-i386"


def kib(text, name):
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(name + ":"))


def measure(label, path):
    image = blank_disk(label + ".img", 24)
    guest = Guest(name="costs-" + label, device_model_override=path, usb=1, usbdevice=["tablet"], vga="stdvga", boot="c",
                  disk=["format=raw,vdev=hda,access=rw,backendtype=qdisk,target=" + image],
                  vif=["model=e1000,bridge=" + hardware.bridge()])
    watch = RunningWatch()
    guest.create(start=False)
    running = watch.milliseconds(guest.domid, guest.dm_pid())
    guest.run()
    time.sleep(12)                      # the BIOS has run by then, and found nothing to boot
    pid = guest.dm_pid()
    with open("/proc/%d/smaps_rollup" % pid) as f:
        rollup = f.read()
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    with open("/proc/%d/maps" % pid) as f:
        libraries = len({line.split()[-1] for line in f if ".so" in line})
    figures = {
        "USS, KiB": kib(rollup, "Private_Clean") + kib(rollup, "Private_Dirty"),
        "RSS, KiB": kib(rollup, "Rss"),
        "threads": len(os.listdir("/proc/%d/task" % pid)),
        "descriptors": len(os.listdir("/proc/%d/fd" % pid)),
        "libraries": libraries,
        "CPU seconds so far": sum(int(v) for v in fields[11:13]) / os.sysconf("SC_CLK_TCK"),
        "exec to running, ms": running,
        "xl create, s": round(guest.create_seconds, 1),
    }
    guest.destroy()
    hardware.check_no_traces(guest.domid)
    return figures


class RunningWatch:
    """Notes when the device model of the next guest says that it is running."""

    def __init__(self):
        self.process = subprocess.Popen(["xenstore-watch", "/local/domain/0/device-model"], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.times = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            match = re.search(r"device-model/(\d+)/state", line)
            if match:
                self.times.setdefault(int(match.group(1)), time.clock_gettime(time.CLOCK_BOOTTIME))

    def milliseconds(self, domid, pid):
        self.process.kill()
        with open("/proc/%d/stat" % pid) as f:
            started = int(f.read().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
        check(domid in self.times, "the device model never said that it is running")
        return round((self.times[domid] - started) * 1000)


def scenario():
    figures = {"stock": measure("stock", STOCK)}
    if OURS:
        figures["xen-dm"] = measure("xen-dm", DM_PATH)
    lines = ["%-22s %s" % ("", "".join("%12s" % name for name in figures))]
    for row in figures["stock"]:
        lines.append("%-22s %s" % (row, "".join("%12s" % figures[name][row] for name in figures)))
    with open(os.path.join(RESULTS, "costs.txt"), "w") as f:
        f.write("\n".join(lines) + "\n")
    for line in lines:
        say(line)
    if OURS:
        check(figures["xen-dm"]["USS, KiB"] < figures["stock"]["USS, KiB"], "xen-dm uses more memory than stock QEMU")


main(scenario)
