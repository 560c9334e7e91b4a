# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 600
# The other common set: standard VGA, e1000, 4 vCPUs, a VNC password, no tablet. Ends with a reboot by
# the guest, which makes a new domain and a new device model, and xl shutdown.
import hardware
from guest import Guest, blank_disk, guest_cd
from scenario import check_equal, main, run, say, wait_until


def scenario():
    images = {"hda": blank_disk("hda.img", 24)}
    guest = Guest(disk=["%s,raw,hdc,cdrom" % guest_cd(),
                        "format=raw,vdev=hda,access=rw,backendtype=qdisk,target=" + images["hda"]],
                  vga="stdvga", vcpus=4, vif=["model=e1000,bridge=" + hardware.bridge()])
    guest.create()
    guest.wait_ready(240)
    check_equal(guest.sh("grep -c ^processor /proc/cpuinfo"), "4", "the number of vCPUs")
    hardware.text_screen(guest)
    hardware.type_on_console(guest)
    hardware.check_pci(guest, {
        "00:00.0": ("8086:1237", ""), "00:01.0": ("8086:7000", ""), "00:01.1": ("8086:7010", "ata_piix"),
        "00:01.3": ("8086:7113", ""), "00:02.0": ("5853:0001", "xen-platform-pci"),
        "00:03.0": ("1234:1111", ""), "00:04.0": ("8086:100e", "e1000")})
    hardware.mouse(guest)
    hardware.disk_round_trip(guest, images, 16, "1M")
    hardware.network_round_trip(guest, module="e1000")
    hardware.graphic_screen(guest, "bochs")
    old = guest.domid
    guest.serial.send("sync; /sbin/reboot\n")
    guest.expect("XDM-GUEST-reboot", 30)

    def restarted():
        if guest.alive():
            guest.find()
        return guest.domid != old
    wait_until(restarted, 90, "the guest to come back from its reboot")
    say("guest: rebooted, now domain %d" % guest.domid)
    guest.open_serial()
    guest.wait_ready(240)
    hardware.check_no_traces(old)
    run("xl", "shutdown", guest.name)
    guest.expect("XDM-GUEST-poweroff", 60, "the request of xl shutdown")
    guest.wait_gone()
    hardware.check_no_traces(guest.domid)
    say("guest: shut down by xl, nothing left behind")


main(scenario)
