# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 600
# A Linux boot from CD that is recorded, with a disk, a NIC and a tablet in use, until it powers off; then
# the recording is played again, and every device comes to the registers it had.
import os
import re
import shutil

import hardware
from guest import Guest, blank_disk, guest_cd
from scenario import DM_PATH, RESULTS, WORK, check, main, only_ours, run, say


def scenario():
    only_ours()
    reel = os.path.join(WORK, "boot.reel")
    image = blank_disk("hda.img", 8)
    guest = Guest(disk=["format=raw,vdev=hda,access=rw,backendtype=qdisk,target=%s" % image,
                        "%s,raw,hdc,cdrom" % guest_cd()], usb=1, usbdevice=["tablet"],
                  vif=["bridge=" + hardware.bridge()],
                  device_model_args_hvm=["-record", reel + ",size=128"])
    guest.create()
    guest.wait_ready()
    hardware.type_on_console(guest)
    hardware.disk_round_trip(guest, {"hda": image}, 4, "256k")
    run("xl", "cd-insert", guest.name, "hdc", guest_cd(name="other.iso"))
    run("xl", "trigger", guest.name, "power")
    guest.expect("XDM-GUEST-poweroff", 60, "its ACPI power button")
    guest.wait_gone()
    say("recorded %.1f MB" % (os.path.getsize(reel) / 1e6))
    code, out = run(DM_PATH + "-replay", reel, timeout=300, ok=False)
    shutil.copy(reel, RESULTS)
    found = re.search(r"(\d+) events, (\d+) checkpoints: the same registers\n", out)
    check(code == 0 and found, "the recording does not replay: %s", out.strip()[-300:])
    say("replayed " + found[0].strip())
    check(int(found[1]) > 10000, "a boot is more than %s events", found[1])


main(scenario)
