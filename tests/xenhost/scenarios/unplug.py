# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# A guest with PV drivers asks for the emulated disk and NIC to be unplugged: they are gone, the PV ones
# work, and the device model has closed the disk's image. The CD stays. After a reboot they are back.
import os

import hardware
from guest import Guest, blank_disk, guest_cd
from scenario import check, check_equal, main, say, wait_until


def holds(pid, image):
    """Whether a process has this file open, by its number, since it may run in a chroot."""
    want = os.stat(image)
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            found = os.stat("/proc/%d/fd/%s" % (pid, fd))
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (want.st_dev, want.st_ino):
            return True
    return False


def scenario():
    image = blank_disk("hda.img", 24)
    # the kernel's block backend over a loop device, so that the device model has only its emulated disk
    guest = Guest(disk=["%s,raw,hda,w" % image, "%s,raw,hdc,cdrom" % guest_cd("")],
                  vif=["model=e1000,bridge=" + hardware.bridge()])
    guest.create(start=False)
    pid = guest.dm_pid()
    loop = os.path.realpath("/sys/block/" + next((d for d in os.listdir("/sys/block") if d.startswith("loop")
                            and backing(d) == image), "none")).split("/")[-1]
    node = "/dev/" + loop if loop != "none" else image
    before = [f for f in (image, node) if os.path.exists(f) and holds_device(pid, f)]
    check(before, "before the guest runs, the device model has neither %s nor %s open", image, node)
    guest.run()
    guest.wait_ready()
    devices = hardware.pci(guest)
    check(not any(ids == "8086:100e" for ids, _, _ in devices.values()), "the e1000 is still there: %s", devices)
    check("00:01.1" in devices, "the IDE controller went with its disk: %s", devices)
    wait_until(lambda: "xvda" in guest.sh("ls /sys/block"), 20, "the PV disk in the guest")
    check("sda" not in guest.sh("ls /sys/block"), "the emulated disk is still there")
    hardware.ide_disk(guest, "hdc")
    say("guest: emulated disk and NIC are gone, the CD is there")
    still = [f for f in (image, node) if os.path.exists(f) and holds_device(pid, f)]
    check(not still, "the device model still has %s open", still)
    say("the device model has closed the image")
    guest.sh("dd if=/dev/urandom of=/tmp/x bs=1M count=2 2>/dev/null; dd if=/tmp/x of=/dev/xvda bs=64k conv=fsync oflag=direct")
    want = guest.sh("sha256sum </tmp/x").split()[0]
    check_equal(guest.sh("dd if=/dev/xvda bs=64k count=32 iflag=direct 2>/dev/null | sha256sum").split()[0], want, "the PV disk's data")
    hardware.network_round_trip(guest, mib=1)
    guest.destroy()
    hardware.check_no_traces(guest.domid)


def backing(loop):
    try:
        with open("/sys/block/%s/loop/backing_file" % loop) as f:
            return f.read().strip()
    except OSError:
        return None


def holds_device(pid, path):
    """As holds(), but a device node is the same when its device number is."""
    want = os.stat(path)
    if not want.st_rdev:
        return holds(pid, path)
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            if os.stat("/proc/%d/fd/%s" % (pid, fd)).st_rdev == want.st_rdev:
                return True
        except OSError:
            continue
    return False


main(scenario)
