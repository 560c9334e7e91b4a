# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# by name only
# What `make demo` shows: an ordinary xl.cfg, the guest's boot on the terminal, its screen as a picture.
import time

from guest import READY, Guest, guest_cd
from scenario import main, run, say


def scenario():
    guest = Guest(name="demo", disk=["%s,raw,hdc,cdrom" % guest_cd(
        "xen_emul_unplug=never loglevel=6 xdm_person")], usb=1, usbdevice=["tablet"], vga="stdvga")
    guest.write_config()
    say("--- xl.cfg " + "-" * 60)
    with open(guest.cfg) as f:
        for line in f:
            say(line.rstrip())
    say("--- xl create " + "-" * 57)
    guest.create()
    say("--- the guest's serial console " + "-" * 40)
    deadline, ready = time.monotonic() + 240, False
    while not ready:
        match = guest.expect(r"^(.*)\n", max(1, deadline - time.monotonic()), "the guest's shell")
        say(match.group(1))
        ready = READY in match.group(1)
    guest.serial.send("uname -a; ls /sys/bus/pci/devices; exit\n")
    until = time.monotonic() + 6
    while time.monotonic() < until:
        match = guest.serial.find(r"^(.*)\n")
        if match:
            say(match.group(1))
        else:
            guest.serial.wait(0.5)
    say("-" * 71)
    with guest.vnc() as client:
        client.type("clear; uname -sr; cat /proc/interrupts | head -n 12\n")
        time.sleep(8)
    guest.screenshot("screen.png")
    for line in run("xl", "list").splitlines():
        say(line)
    guest.destroy()


main(scenario)
