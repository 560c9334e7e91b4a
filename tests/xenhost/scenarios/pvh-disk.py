# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# A PVH guest, whose only device model is the process for its backends that xl starts (-machine xenpv): its
# disk is written and verified from both sides, one is added and taken away, and nothing is left at the end.
import hashlib
import os

import hardware
from guest import BASE_CMDLINE, Guest, blank_disk
from scenario import GUEST_FILES, check, check_equal, main, only_ours, run, say, wait_until

MIB = 1 << 20


def qdisk(vdev, image):
    return "format=raw,vdev=%s,access=rw,backendtype=qdisk,target=%s" % (vdev, image)


def scenario():
    only_ours()
    first, second = (blank_disk(n + ".img", 40) for n in ("xvda", "xvdb"))
    guest = Guest(line="console", type="pvh", kernel=os.path.join(GUEST_FILES, "vmlinuz"),
                  ramdisk=os.path.join(GUEST_FILES, "initrd"), disk=[qdisk("xvda", first)], serial=None, vnc=None,
                  vnclisten=None, boot=None, cmdline=BASE_CMDLINE.replace("console=ttyS0,115200", "console=hvc0"))
    guest.create()
    with open("/proc/%d/cmdline" % guest.dm_pid()) as f:
        check("xenpv" in f.read().split("\0"), "the device model of a PVH guest is not for backends")
    guest.wait_ready()
    wait_until(lambda: "xvda" in guest.sh("ls /sys/block"), 40, "the disk in the guest")
    for name, image in (("xvda", first), ("xvdb", second)):
        if image == second:
            run("xl", "block-attach", guest.name, qdisk("xvdb", second))
            wait_until(lambda: "xvdb" in guest.sh("ls /sys/block"), 40, "the second disk in the guest")
        guest.sh("dd if=/dev/urandom of=/dev/%s bs=256k count=128 iflag=fullblock oflag=direct conv=fsync 2>/dev/null" % name,
                 timeout=200)
        got = guest.sh("dd if=/dev/%s bs=256k count=128 iflag=direct 2>/dev/null | sha256sum" % name, timeout=200).split()[0]
        with open(image, "rb") as f:
            check_equal(got, hashlib.sha256(f.read(32 * MIB)).hexdigest(), "%s as the guest and the host read it" % name)
    run("xl", "block-detach", guest.name, "xvdb")
    wait_until(lambda: "xvdb" not in guest.sh("ls /sys/block"), 40, "the second disk to go")
    say("guest: 32 MiB written and verified on each of two disks; one was added and taken away")
    guest.destroy()
    hardware.check_no_traces(guest.domid)


main(scenario)
