# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 900
# A guest's PV disks on the device model's own backend (backendtype=qdisk): data written and verified from
# both sides, discard, a larger disk, a disk added and taken away, one taken away under load, a reboot, and
# a kernel that crashes under load.
import os

import hardware
from guest import Guest, blank_disk, guest_cd
from pvdisk import MIB, await_disk, comes_and_goes, digest, node, nothing_left, qdisk, read, write_and_verify
from qmp import Qmp
from scenario import check, check_equal, main, note, only_ours, run, say, wait_until


def discard(guest, image):
    """What the guest throws away is no longer on the host's disk, and reads as zeroes."""
    before = os.stat(image).st_blocks * 512
    guest.sh("blkdiscard -o %d -l %d /dev/xvda" % (64 * MIB, 32 * MIB))
    after = os.stat(image).st_blocks * 512
    check(after <= before - 31 * MIB, "after a discard of 32 MiB the image takes %d bytes, before %d", after, before)
    check_equal(guest.sh("dd if=/dev/xvda bs=1M skip=64 count=32 iflag=direct 2>/dev/null | tr -d '\\0' | wc -c"), "0",
                "the bytes that are not zero in what was discarded")
    say("guest: discarded 32 MiB; the image shrank from %d to %d MiB" % (before // MIB, after // MIB))


def grow(guest, image, mib):
    """By QMP, while it is in use; and by hand, with any write to the backend's directory to say so."""
    qmp = Qmp(guest.domid)
    qmp.command("block_resize", device="xvdb", size=mib * MIB)
    qmp.close()
    wait_until(lambda: guest.sh("cat /sys/block/xvdb/size") == str(mib * 2048), 20, "the guest to see %d MiB" % mib)
    guest.sh("dd if=/tmp/data of=/dev/xvdb bs=1M seek=%d count=8 oflag=direct conv=fsync 2>/dev/null" % (mib - 8))
    check_equal(read(guest, "xvdb", 8, skip=mib - 8), digest(image, 8, mib - 8), "the end of the larger disk")
    os.truncate(image, (mib + 8) * MIB)
    run("xenstore-write", "/local/domain/0/backend/qdisk/%d/51728/resize" % guest.domid, "1")
    wait_until(lambda: guest.sh("cat /sys/block/xvdb/size") == str((mib + 8) * 2048), 20, "the guest to see the larger file")
    say("guest: sees its disk grow to %d MiB by QMP, and to %d with its file" % (mib, mib + 8))


def scenario():
    only_ours()
    first, second, third = (blank_disk(n + ".img", m) for n, m in (("xvda", 160), ("xvdb", 24), ("xvdf", 24)))
    guest = Guest(disk=[qdisk("xvda", first), qdisk("xvdb", second), "%s,raw,hdc,cdrom" % guest_cd("xen_legacy_crash")], vcpus=2)
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
    discard(guest, first)
    grow(guest, second, 64)

    comes_and_goes(guest, "xvdf", third)
    for again in ("taken away", "attached again, and taken away once more"):
        run("xl", "block-attach", guest.name, qdisk("xvdf", third))
        await_disk(guest, "xvdf")
        check_equal(read(guest, "xvdf", 8), digest(third, 8), "the disk that was attached again")
        guest.sh("(while dd if=/dev/xvdf of=/dev/null bs=64k iflag=direct 2>/dev/null; do :; done) & sleep 2")
        run("xl", "block-detach", guest.name, "xvdf", ok=False, timeout=60)
        wait_until(lambda: node(guest, 51792, "state") is None, 60, "the disk under load to go")
        write_and_verify(guest, "xvdb", second, 8)
        say("guest: a disk was %s while it was read; the others work" % again)

    before = guest.domid
    guest.sh("reboot -f &", ok=False)
    wait_until(lambda: guest.find() and guest.domid != before, 60, "the guest to reboot")
    guest.open_serial()
    guest.wait_ready(300)
    await_disk(guest, "xvda")
    check_equal(read(guest, "xvda", 8), digest(first, 8), "the disk after a reboot")
    hardware.check_no_traces(before)
    say("guest: rebooted, its disk is as it was")
    guest.sh("(while :; do dd if=/dev/zero of=/dev/xvda bs=1M oflag=direct 2>/dev/null; done) & "
             "(while :; do dd if=/dev/xvdb of=/dev/null bs=64k iflag=direct 2>/dev/null; done) & sleep 1", ok=False)
    guest.serial.send("echo c >/proc/sysrq-trigger\n")
    guest.wait_gone(60)
    nothing_left(guest.domid)
    say("the guest's kernel crashed under load: nothing is left")


main(scenario)
