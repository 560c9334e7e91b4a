# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# The PV keyboard that libxl gives every guest: Linux connects to it, and what is typed through VNC arrives.
import hardware
from guest import Guest, guest_cd
from scenario import check, check_equal, main, only_ours, wait_until, xenstore


def scenario():
    only_ours()
    guest = Guest(disk=["%s,raw,hdc,cdrom" % guest_cd("")])
    guest.create()
    guest.wait_ready(300)
    node = "/local/domain/0/backend/vkbd/%d/0/state" % guest.domid
    wait_until(lambda: xenstore(node) == "4", 60, "the PV keyboard to connect")
    devices = guest.sh("cat /proc/bus/input/devices")
    check("Xen Virtual Keyboard" in devices, "the guest has no PV keyboard: %s", devices)
    check_equal(xenstore("/local/domain/0/backend/vkbd/%d/0/feature-abs-pointer" % guest.domid), "1", "its absolute pointer")
    hardware.type_on_console(guest)
    guest.destroy()
    hardware.check_no_traces(guest.domid)


main(scenario)
