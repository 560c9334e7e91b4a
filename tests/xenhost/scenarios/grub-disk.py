# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 300
# A hard disk with GRUB in its first sectors boots.
import os
import shutil

import hardware
from guest import BASE_CMDLINE, NEVER, Guest, patch_cmdline
from scenario import GUEST_FILES, WORK, check_equal, main


def scenario():
    image = os.path.join(WORK, "grub.img")
    shutil.copy(os.path.join(GUEST_FILES, "grub.img"), image)
    patch_cmdline(image, BASE_CMDLINE + NEVER)
    guest = Guest(boot="c", disk=["format=raw,vdev=hda,access=rw,backendtype=qdisk,target=" + image])
    guest.create()
    guest.wait_ready()
    check_equal(hardware.ide_disk(guest, "hda"), "sda", "the disk's name")
    check_equal(guest.sh("grep -o 'BOOT_IMAGE=[^ ]*' /proc/cmdline"), "BOOT_IMAGE=/boot/vmlinuz", "the loader's trace")
    guest.destroy()


main(scenario)
