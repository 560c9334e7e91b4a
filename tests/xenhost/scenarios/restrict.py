# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# dm_restrict=1: the device model gives up root, the file system and all domains but its own, and the
# guest boots all the same; a CD change by descriptor still works.
import os

import hardware
from guest import Guest, guest_cd
from scenario import check, check_equal, main, run, say, wait_until

USER, UID = "xen-qemuuser-shared", 64000


def add_user():
    with open("/etc/passwd") as f:
        if any(line.startswith(USER + ":") for line in f):
            return
    with open("/etc/passwd", "a") as f:
        f.write("%s:x:%d:%d::/nonexistent:/usr/sbin/nologin\n" % (USER, UID, UID))
    with open("/etc/group", "a") as f:
        f.write("%s:x:%d:\n" % (USER, UID))


def scenario():
    add_user()
    cd = guest_cd()
    guest = Guest(disk=["%s,raw,hdc,cdrom" % cd], vga="stdvga", dm_restrict=1)
    guest.create()
    pid = guest.dm_pid()
    with open("/proc/%d/status" % pid) as f:
        status = dict(line.split(":", 1) for line in f)
    check_equal(status["Uid"].split(), [str(UID)] * 4, "the device model's user ids")
    check_equal(status["Gid"].split(), [str(UID)] * 4, "the device model's group ids")
    check(set(status["Groups"].split()) <= {str(UID)}, "the device model is in the groups %s", status["Groups"])
    root = os.readlink("/proc/%d/root" % pid)
    check("qemu-root-%d" % guest.domid in root, "the device model's root directory is %s", root)
    say("the device model is %s in %s" % (USER, root))
    guest.wait_ready()
    hardware.text_screen(guest)
    run("xl", "cd-eject", guest.name, "hdc")
    run("xl", "cd-insert", guest.name, "hdc", cd)
    name = hardware.ide_disk(guest, "hdc")
    # the first access after a change may end in "medium has changed", as on any drive
    wait_until(lambda: guest.sh("mount -t iso9660 -o ro /dev/%s /mnt" % name, ok=False)[0] == 0, 30,
               "the CD that was put in to be mounted")
    check("line" in guest.sh("tail -n 1 /mnt/check.txt; umount /mnt"), "the CD put in later reads wrong")
    say("guest: booted, and reads the CD that was put in later")
    guest.destroy()


main(scenario)
