# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 700
# A guest's PV disks on images of all formats: qcow2 with a backing file, vhd, and an NBD server's. What the
# guest wrote is in the image afterwards; a qcow2 shrinks by a discard and grows in use.
import os

from guest import Guest, guest_cd
from pvdisk import FIXED, MIB, SIZE, Images, nothing_left, read
from qmp import Qmp
from scenario import WORK, check, check_equal, main, only_ours, say, wait_until

LARGER = 192


def discard(guest, name, image):
    """Past what is judged later: it is written, then thrown away."""
    at = SIZE - FIXED
    guest.sh("dd if=/tmp/data of=/dev/%s bs=1M seek=%d oflag=direct conv=fsync 2>/dev/null" % (name, at - 8))
    before = os.stat(image).st_blocks * 512
    guest.sh("blkdiscard -o %d -l %d /dev/%s" % ((at - 8) * MIB, 8 * MIB, name))
    # the clusters are given back once no table on the host's disk points at them
    guest.sh("dd if=/tmp/data of=/dev/%s bs=64k count=1 oflag=direct conv=fsync 2>/dev/null" % name)
    after = os.stat(image).st_blocks * 512
    check(after <= before - 7 * MIB, "after a discard of 8 MiB the qcow2 takes %d bytes, before %d", after, before)
    say("guest: discarded 8 MiB; the qcow2 shrank from %d to %d KiB" % (before // 1024, after // 1024))


def grow(guest, name):
    qmp = Qmp(guest.domid)
    qmp.command("block_resize", device=name, size=LARGER * MIB)
    qmp.close()
    wait_until(lambda: guest.sh("cat /sys/block/%s/size" % name) == str(LARGER * 2048), 20, "the guest to see a larger disk")
    guest.sh("dd if=/tmp/data of=/dev/%s bs=1M seek=%d count=8 oflag=direct conv=fsync 2>/dev/null" % (name, LARGER - 8))
    check_equal(read(guest, name, 8, skip=LARGER - 8), guest.sh("sha256sum </tmp/data").split()[0], "the end of the larger disk")
    check_equal(guest.sh("dd if=/dev/%s bs=1M skip=%d count=%d iflag=direct 2>/dev/null | tr -d '\\0' | wc -c" %
                         (name, SIZE, LARGER - SIZE - 8)), "0", "the bytes that are not zero in what came new")
    say("guest: its qcow2 grew to %d MiB" % LARGER)


def scenario():
    only_ours()
    images = Images({"qcow2": "xvda", "vhd": "xvdb", "nbd": "xvdd"})
    guest = Guest(disk=images.xl() + ["%s,raw,hdc,cdrom" % guest_cd("")], vcpus=2)
    guest.create()
    guest.wait_ready(300)
    images.write_and_verify(guest)
    discard(guest, "xvda", os.path.join(WORK, "disk.qcow2"))
    grow(guest, "xvda")
    for image in images.all.values():
        image["digest"] = read(guest, image["name"], 128)
    guest.destroy()
    nothing_left(guest.domid)
    images.here()


main(scenario)
