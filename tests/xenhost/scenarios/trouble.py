# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# What goes wrong on hosts: odd names, 128 vCPUs, a full disk, two clients at once, SIGTERM and kill -9 of
# the device model. The guest is told the truth, nothing is left behind, and nobody waits.
import os
import signal
import time

import hardware
from guest import Guest, guest_cd
from qmp import Qmp
from scenario import WORK, check, check_equal, main, only_ours, run, say, wait_until


def full_disk(guest, room):
    """The host has no room for what the guest writes: an error in the guest, which lives on."""
    name = hardware.ide_disk(guest, "hda")
    status, out = guest.sh("dd if=/dev/urandom of=/dev/%s bs=64k count=128 oflag=direct" % name, timeout=120, ok=False)
    check(status != 0 and "rror" in out, "writing 8 MiB to a disk with room for 4 went well: %s", out)
    check_equal(guest.sh("dd if=/dev/%s bs=64k count=8 iflag=direct 2>/dev/null | wc -c" % name), str(8 * 65536),
                "the bytes that can still be read")
    os.truncate(os.path.join(room, "ballast"), 0)
    guest.sh("dd if=/dev/urandom of=/tmp/w bs=64k count=16; dd if=/tmp/w of=/dev/%s bs=64k seek=64 oflag=direct" % name,
             timeout=60)
    guest.sh("echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/%s bs=64k skip=64 count=16 iflag=direct 2>/dev/null "
             "| cmp - /tmp/w" % name)
    say("guest: a full host disk is an I/O error, and ends with the shortage")


def two_clients(guest):
    first, second = Qmp(guest.domid), Qmp(guest.domid)
    check_equal(second.command("query-status")["status"], "running", "what the second QMP client is told")
    check_equal(first.command("query-status")["status"], "running", "what the first QMP client is told")
    first.close()
    check(second.command("query-block"), "QMP lists no drives once the first client has gone")
    second.close()
    with guest.vnc() as one, guest.vnc() as other:
        a, b = one.screenshot(), other.screenshot()
        check_equal((a.width, a.height), (b.width, b.height), "the size that the second viewer sees")
    say("two QMP clients and two viewers at once are served")


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def many_vcpus():
    guest = Guest(name="odd", vcpus=1, maxvcpus=128, vga="stdvga", serial="null",
                  disk=["format=raw,vdev=hda,access=rw,backendtype=qdisk,target=" + odd_image()])
    guest.create(start=False)
    pid = guest.dm_pid()
    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: gone(pid), 5, "the device model to end after SIGTERM", every=0.05)
    say("128 vCPUs; SIGTERM ended the device model after %.2f s" % (time.monotonic() - began))
    guest.destroy()
    hardware.check_no_traces(guest.domid)


def odd_image():
    path = os.path.join(WORK, "an odd = name.img")
    with open(path, "wb") as f:
        f.truncate(4 << 20)
    return path


def scenario():
    only_ours()
    room = os.path.join(WORK, "room")
    os.makedirs(room)
    run("mount", "-t", "tmpfs", "-o", "size=8m", "none", room)
    with open(os.path.join(room, "ballast"), "wb") as f:
        f.write(bytes(4 << 20))
    image = os.path.join(room, "small.img")
    with open(image, "wb") as f:
        f.truncate(16 << 20)
    many_vcpus()
    guest = Guest(disk=["format=raw,vdev=hda,access=rw,backendtype=qdisk,target=" + image,
                        "%s,raw,hdc,cdrom" % guest_cd()], vga="stdvga",
                  vif=["model=e1000,bridge=" + hardware.bridge()])
    guest.create()
    guest.wait_ready()
    full_disk(guest, room)
    two_clients(guest)
    pid = guest.dm_pid()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: gone(pid), 5, "the device model to end after SIGKILL", every=0.05)
    guest.destroy()
    hardware.check_no_traces(guest.domid)
    say("after kill -9 of the device model, xl destroy leaves nothing behind")
    run("umount", room)


main(scenario)
