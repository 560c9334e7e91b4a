# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 240
# bios="ovmf": the firmware starts and runs. Debian's OVMF of this release shows nothing on the screen
# under the stock device model in the box, whose VRAM relocation fails; the firmware's own messages
# (port 0x402, or the boot loader it finds) are what can be compared. The failed relocation must not
# happen with xen-dm.
import os
import re
import time

from guest import Guest, guest_cd
from scenario import OURS, check, main, note, run_quiet, say


def scenario():
    guest = Guest(bios="ovmf", vga="stdvga", memory=512, disk=["%s,raw,hdc,cdrom" % guest_cd()])
    guest.create()
    deadline, said, seen = time.monotonic() + 100, 0, {}
    while time.monotonic() < deadline:
        check(guest.alive(), "the guest ended")
        check(os.path.exists("/proc/%d" % guest.dm_pid()), "the device model died: %s" % guest.last_words(""))
        picture = guest.screenshot("ovmf-screen.png")
        colours = len(set(picture.rgb[i:i + 3] for i in range(0, len(picture.rgb), 999)))
        if (picture.width, picture.height, colours) not in seen:
            seen[(picture.width, picture.height, colours)] = time.monotonic()
            note("screen %dx%d, %d colours" % (picture.width, picture.height, colours))
        if colours > 1 and picture.width >= 800:
            said += 1
            if said > 2:
                break
        time.sleep(5)
    log = open(guest.log, errors="replace").read()
    say("ovmf: screens seen: %s" % ", ".join("%dx%d with %d colours" % s for s in seen))
    _, state = run_quiet("xl", "list", guest.name)
    note(state)
    if OURS:
        check(not re.search(r"relocat|[Ff]ailed to", log), "the log tells of a failure: %s", guest.last_words(""))
        check(any(w >= 640 for w, _, _ in seen), "the firmware never set a graphic mode")
    guest.destroy()


main(scenario)
