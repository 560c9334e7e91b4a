# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 900
# The other common set: standard VGA, e1000, 4 vCPUs, no tablet, so that the PS/2 mouse points. Ends
# with a power-off by the guest.
import hardware
from guest import Guest, blank_disk, guest_cd
from scenario import check_equal, main, say


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
    guest.serial.send("/sbin/poweroff\n")
    guest.wait_gone()
    hardware.check_no_traces(guest.domid)
    say("guest: powered off, nothing left behind")


main(scenario)
