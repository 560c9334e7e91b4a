# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# dm_restrict=1: the device model gives up root, the file system and all domains but its own, and the
# guest boots all the same; a CD change by descriptor still works, and (in ours) PV disks do.
import os

import hardware
from guest import NEVER, Guest, blank_disk, guest_cd, pvh_guest
from pvdisk import Images, await_disk, digest, node, nothing_left, qdisk, read, write_and_verify
from scenario import NAME, OURS, check, check_equal, main, run, run_quiet, say, wait_until

USER, UID = "xen-qemuuser-shared", 64000


def add_user():
    with open("/etc/passwd") as f:
        if any(line.startswith(USER + ":") for line in f):
            return
    with open("/etc/passwd", "a") as f:
        f.write("%s:x:%d:%d::/nonexistent:/usr/sbin/nologin\n" % (USER, UID, UID))
    with open("/etc/group", "a") as f:
        f.write("%s:x:%d:\n" % (USER, UID))


def check_root(pid, domid):
    root = os.readlink("/proc/%d/root" % pid)
    check("qemu-root-%d" % domid in root, "the root directory of process %d is %s", pid, root)
    return root


def check_powerless(pid, domid):
    with open("/proc/%d/status" % pid) as f:
        status = dict(line.split(":", 1) for line in f)
    check_equal(status["Uid"].split(), [str(UID)] * 4, "the user ids of process %d" % pid)
    check_equal(status["Gid"].split(), [str(UID)] * 4, "the group ids of process %d" % pid)
    check(set(status["Groups"].split()) <= {str(UID)}, "process %d is in the groups %s", pid, status["Groups"])
    return check_root(pid, domid)


def pv_disks(guest, first, images):
    """One that an emulated drive has too, and a qcow2 of its own; both larger than what libxl leaves of a file."""
    helpers = [int(pid) for pid in run_quiet("pgrep", "-P", str(guest.dm_pid()))[1].split()]
    check_equal(len(helpers), 1, "the processes of the device model's")
    check_powerless(helpers[0], guest.domid)
    await_disk(guest, "xvdb")
    write_and_verify(guest, "xvdb", first, 16)
    images.write_and_verify(guest, 32)
    more = blank_disk("more.img", 8)
    run("xl", "block-attach", guest.name, qdisk("xvdf", more))
    why = wait_until(lambda: node(guest, 51792, "error"), 30, "the sentence on a disk that comes too late")
    check("dm_restrict=1" in why, "of a disk that comes too late it is said: %s", why)
    run("xl", "block-detach", guest.name, "xvdf", ok=False)
    say("guest: its PV disks work; one that comes later is refused: %s" % why)


def pvh():
    """The process for a PVH guest's backends. libxl (4.17) names no user for it, but the rest."""
    images = Images({"qcow2": "xvda"})
    guest = pvh_guest(disk=images.xl(), dm_restrict=1, name=NAME + "-pvh")
    guest.create()
    check_root(guest.dm_pid(), guest.domid)
    guest.wait_ready()
    images.write_and_verify(guest, 16)
    guest.destroy()
    nothing_left(guest.domid)
    images.here(16)


def scenario():
    add_user()
    cd = guest_cd("" if OURS else NEVER)
    disks, images, first = ["%s,raw,hdc,cdrom" % cd], None, blank_disk("xvdb.img", 24)
    if OURS:
        images = Images({"qcow2": "xvde"})
        disks += [qdisk("xvdb", first)] + images.xl()
    guest = Guest(disk=disks, vga="stdvga", dm_restrict=1)
    guest.create()
    say("the device model is %s in %s" % (USER, check_powerless(guest.dm_pid(), guest.domid)))
    guest.wait_ready()
    hardware.text_screen(guest)
    if OURS:
        pv_disks(guest, first, images)
    run("xl", "cd-eject", guest.name, "hdc")
    run("xl", "cd-insert", guest.name, "hdc", cd)
    name = hardware.ide_disk(guest, "hdc")
    # the first access after a change may end in "medium has changed", as on any drive
    wait_until(lambda: guest.sh("mount -t iso9660 -o ro /dev/%s /mnt" % name, ok=False)[0] == 0, 30,
               "the CD that was put in to be mounted")
    check("line" in guest.sh("tail -n 1 /mnt/check.txt; umount /mnt"), "the CD put in later reads wrong")
    say("guest: booted, and reads the CD that was put in later")
    if OURS:
        check_equal(read(guest, "xvdb", 16), digest(first, 16), "the PV disk after the CD change")
    guest.destroy()
    if OURS:
        nothing_left(guest.domid)
        images.here(32)
        pvh()


main(scenario)
