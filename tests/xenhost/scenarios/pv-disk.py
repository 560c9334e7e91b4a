# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 1100
# A guest's PV disks on the device model's own backend (backendtype=qdisk): data written and verified from
# both sides, a flush, a disk added and taken away, one taken away under load, reboots, and the end.
import hashlib

import hardware
from guest import Guest, blank_disk, guest_cd
from scenario import check, check_equal, main, note, only_ours, run, say, wait_until, xenstore

MIB = 1 << 20
REBOOTS = 2


def qdisk(vdev, image):
    return "format=raw,vdev=%s,access=rw,backendtype=qdisk,target=%s" % (vdev, image)


def node(guest, number, key):
    return xenstore("/local/domain/0/backend/qdisk/%d/%d/%s" % (guest.domid, number, key))


def await_disk(guest, name, there=True):
    wait_until(lambda: (name in guest.sh("ls /sys/block").split()) == there, 40,
               "%s to %s in the guest" % (name, "appear" if there else "go"))


def digest(image, mib):
    with open(image, "rb") as f:
        return hashlib.sha256(f.read(mib * MIB)).hexdigest()


def write_and_verify(guest, name, image, mib, block="256k"):
    """Random data past the guest's page cache; read back there, and here."""
    guest.sh("dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null; "
             "for i in $(seq %d); do cat /tmp/data; done | dd of=/dev/%s bs=%s iflag=fullblock oflag=direct conv=fsync 2>/dev/null"
             % (mib // 8, name, block), timeout=300)
    got = guest.sh("dd if=/dev/%s bs=%s iflag=direct,count_bytes count=%d 2>/dev/null | sha256sum" %
                   (name, block, mib * MIB), timeout=300).split()[0]
    check_equal(got, digest(image, mib), "what the guest reads back from %s, and what is in its image" % name)


def scenario():
    only_ours()
    first, second, third = (blank_disk(n + ".img", m) for n, m in (("xvda", 160), ("xvdb", 24), ("xvdf", 24)))
    guest = Guest(disk=[qdisk("xvda", first), qdisk("xvdb", second), "%s,raw,hdc,cdrom" % guest_cd("")], vcpus=2)
    guest.create()
    guest.wait_ready(300)
    await_disk(guest, "xvda")
    await_disk(guest, "xvdb")
    check_equal(node(guest, 51712, "state"), "4", "the backend's state")
    check_equal(node(guest, 51712, "feature-max-indirect-segments"), "256", "the segments of a request")
    queues = guest.sh("ls /sys/block/xvda/mq").split()
    note("queues: %s" % queues)
    check_equal(len(queues), 2, "the queues of a guest with two vCPUs")
    say("guest: PV disks are there, with %d queues" % len(queues))
    write_and_verify(guest, "xvda", first, 128, "1M")
    write_and_verify(guest, "xvdb", second, 16)
    say("guest: 128 MiB and 16 MiB written and verified on its PV disks, here too")

    run("xl", "block-attach", guest.name, qdisk("xvdf", third))
    await_disk(guest, "xvdf")
    write_and_verify(guest, "xvdf", third, 8)
    run("xl", "block-detach", guest.name, "xvdf")
    await_disk(guest, "xvdf", there=False)
    say("guest: a disk was added, used and taken away")
    run("xl", "block-attach", guest.name, qdisk("xvdf", third))
    await_disk(guest, "xvdf")
    guest.sh("(while dd if=/dev/xvdf of=/dev/null bs=64k iflag=direct 2>/dev/null; do :; done) & sleep 2")
    run("xl", "block-detach", guest.name, "xvdf", ok=False, timeout=60)
    wait_until(lambda: node(guest, 51792, "state") is None, 60, "the disk under load to go")
    write_and_verify(guest, "xvdb", second, 8)
    say("guest: a disk was taken away while it was read; the others work")

    for i in range(REBOOTS):
        before = guest.domid
        guest.sh("reboot -f &", ok=False)
        wait_until(lambda: guest.find() and guest.domid != before, 60, "the guest to reboot")
        guest.open_serial()
        guest.wait_ready(300)
        await_disk(guest, "xvda")
        got = guest.sh("dd if=/dev/xvda bs=1M count=8 iflag=direct 2>/dev/null | sha256sum").split()[0]
        check_equal(got, digest(first, 8), "the disk after reboot %d" % (i + 1))
        hardware.check_no_traces(before)
    say("guest: rebooted %d times, its disk is as it was" % REBOOTS)
    guest.sh("(while :; do dd if=/tmp/data of=/dev/xvda bs=1M oflag=direct 2>/dev/null; done) & sleep 1", ok=False)
    guest.destroy()
    hardware.check_no_traces(guest.domid)
    say("destroyed under load: nothing is left")


main(scenario)
