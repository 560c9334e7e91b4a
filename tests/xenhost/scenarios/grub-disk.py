# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 600
# A hard disk with GRUB in its first sectors boots; the guest reboots, which makes a new domain and a new
# device model for the same disk; xl shutdown ends it.
import os
import shutil

import hardware
from guest import BASE_CMDLINE, NEVER, Guest, patch_cmdline
from scenario import GUEST_FILES, WORK, check_equal, main, run, say, wait_until


def scenario():
    image = os.path.join(WORK, "grub.img")
    shutil.copy(os.path.join(GUEST_FILES, "grub.img"), image)
    patch_cmdline(image, BASE_CMDLINE + NEVER)
    guest = Guest(boot="c", disk=["format=raw,vdev=hda,access=rw,backendtype=qdisk,target=" + image])
    guest.create()
    guest.wait_ready(240)
    check_equal(hardware.ide_disk(guest, "hda"), "sda", "the disk's name")
    check_equal(guest.sh("grep -o 'BOOT_IMAGE=[^ ]*' /proc/cmdline"), "BOOT_IMAGE=/boot/vmlinuz", "the loader's trace")
    first = guest.domid
    guest.serial.send("/sbin/reboot\n")
    guest.expect("XDM-GUEST-reboot", 30)
    wait_until(lambda: guest.find() and guest.domid != first, 90, "the guest to come back from its reboot")
    say("guest: rebooted, now domain %d" % guest.domid)
    guest.open_serial()
    guest.wait_ready(240)
    hardware.check_no_traces(first)
    run("xl", "shutdown", guest.name)
    guest.expect("XDM-GUEST-poweroff", 60, "the request of xl shutdown")
    guest.wait_gone()
    hardware.check_no_traces(guest.domid)
    say("guest: shut down by xl, nothing left behind")


main(scenario)
