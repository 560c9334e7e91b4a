# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 700
# A dom0 without the kernel's netback: a vif line of xl.cfg works all the same, for the device model serves it.
# Data both ways with checksums, many pings, a second card added and taken away; the guest's memory shrinks and grows
# under its buffers; nothing is left at the end.
import re
import threading
import time

import hardware
from guest import Guest, guest_cd
from qmp import Metrics
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
    guest.sh("ip addr add %s/24 dev eth0; ip link set eth0 up" % hardware.GUEST_IP)
    check(ping(guest, 1400), "pings of 1400 bytes were lost")
    run("xl", "network-attach", guest.name, "bridge=%s" % hardware.bridge(), "type=vif")
    wait_until(lambda: "eth1" in guest.sh("ls /sys/class/net"), 60, "the second card in the guest")
    run("xl", "network-detach", guest.name, "1")
    wait_until(lambda: "eth1" not in guest.sh("ls /sys/class/net"), 60, "the second card to go")
    check(ping(guest, 64), "pings were lost after the second card went")
    say("guest: pings, and a second card that came and went")
    frames_move(guest)
    guest.destroy()
    hardware.check_no_traces(guest.domid)


def frames_move(guest):
    """Frames are given up and others taken for them, while data goes where buffers lie."""
    whole = int(xenstore("/local/domain/%d/memory/target" % guest.domid)) >> 10
    before, done = Metrics(guest), []

    def press():
        while not done:
            for mib in (whole - 96, whole):
                run("xl", "mem-set", guest.name, str(mib))
                done or time.sleep(0.7)
    presser = threading.Thread(target=press)
    presser.start()
    try:
        for _ in range(3):
            hardware.network_round_trip(guest, mib=8)
    finally:
        done.append(True)
        presser.join()
    after = Metrics(guest)
    invalidations = after.sum("xen_dm_invalidations_total") - before.sum("xen_dm_invalidations_total")
    copies = {by: after.sum("xen_dm_grant_copies_total", by=by) - before.sum("xen_dm_grant_copies_total", by=by)
              for by in ("memory", "xen")}
    check(invalidations > 2, "the guest gave up frames %d times only", invalidations)
    check(min(copies.values()) > 1000, "pieces were copied by %s", copies)  # by Xen while few windows are mapped
    say("guest: 24 MiB each way while its memory went down and up by 96 MiB (%d invalidations); copied by %s" %
        (invalidations, copies))
    run("xl", "mem-set", guest.name, str(whole))
    readings = [0, free_mib()]
    while readings[-1] != readings[-2]:  # till it has grown as far as it can
        time.sleep(3)
        readings.append(free_mib())
    run("xl", "mem-set", guest.name, str(whole - 96))
    wait_until(lambda: free_mib() > readings[-1] + 90, 30, "the frames that the guest gave up to be free")
    say("96 MiB that the guest gave up are free: nothing of ours maps them")


def free_mib():
    return int(re.search(r"^free_memory\s*: (\d+)", run_quiet("xl", "info")[1], re.M).group(1))


main(scenario)
