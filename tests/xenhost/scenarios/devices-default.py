# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 900
# The xl.cfg most people write, on emulated devices only: default VGA (cirrus) and NIC (rtl8139), USB
# tablet, three IDE disks beside the CD. Data goes both ways through each, then the ACPI button.
import hardware
from guest import Guest, blank_disk, guest_cd
from scenario import check, main, run, say


def scenario():
    images = {place: blank_disk(place + ".img", 24) for place in ("hda", "hdb", "hdd")}
    disks = ["format=raw,vdev=%s,access=rw,backendtype=qdisk,target=%s" % item for item in images.items()]
    guest = Guest(disk=disks + ["%s,raw,hdc,cdrom" % guest_cd()], usb=1, usbdevice=["tablet"],
                  vif=["bridge=" + hardware.bridge()])
    guest.create()
    guest.wait_ready()
    hardware.text_screen(guest)
    hardware.type_on_console(guest)
    hardware.check_pci(guest, {
        "00:00.0": ("8086:1237", ""), "00:01.0": ("8086:7000", ""), "00:01.1": ("8086:7010", "ata_piix"),
        "00:01.2": ("8086:7020", "uhci_hcd"), "00:01.3": ("8086:7113", ""),
        "00:02.0": ("5853:0001", "xen-platform-pci"), "00:03.0": ("1013:00b8", ""),
        "00:04.0": ("10ec:8139", "8139cp")})
    hardware.tablet(guest)
    hardware.disk_round_trip(guest, images, 16, "256k")
    modes = hardware.ide_modes(guest)
    check(all("DMA" in mode for mode in modes.values()) and len(modes) == 4, "the drives' modes are %s", modes)
    name = hardware.ide_disk(guest, "hdc")
    guest.sh("mount -t iso9660 -o ro /dev/%s /mnt" % name)
    check("line 19999 of the CD test file" in guest.sh("tail -n 1 /mnt/check.txt"), "the CD reads wrong")
    guest.sh("sha256sum /mnt/vmlinuz /mnt/initrd >/tmp/cd; umount /mnt; cat /tmp/cd", timeout=120)
    hardware.network_round_trip(guest, module="8139cp")
    for image in images.values():
        with open(image, "r+b") as f:
            f.truncate(0)
            f.truncate(24 << 20)
    hardware.use_pio(guest)
    hardware.disk_round_trip(guest, images, 1, "64k")
    modes = hardware.ide_modes(guest)
    check(all("PIO" in mode for mode in modes.values()), "the drives' modes are %s, not PIO", modes)
    hardware.graphic_screen(guest, "cirrus")
    run("xl", "trigger", guest.name, "power")
    guest.expect("XDM-GUEST-poweroff", 60, "its ACPI power button")
    guest.wait_gone()
    say("guest: powered off by its ACPI button")


main(scenario)
