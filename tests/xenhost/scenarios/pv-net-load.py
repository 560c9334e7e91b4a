# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 600
# Our netback under load, in a dom0 without the kernel's: jumbo frames, segmentation on and off as counters
# prove it, ping floods, cards added and taken away while data flows, and guests that end or crash meanwhile.
import hardware
import network
from guest import blank_disk, pvh_guest
from pvdisk import qdisk
from scenario import check, check_equal, main, only_ours, run, say, wait_until, xenstore

MIB = 1 << 20
MTU = 9000


def scenario():
    only_ours()
    hardware.bridge()
    run("ip", "link", "set", hardware.BRIDGE, "mtu", MTU)
    with network.without_kernel_netback():
        guest = boot()
        peer = hardware.Peer(8 * MIB)
        segments(guest, peer)
        floods(guest)
        coming_and_going(guest)
        begin_load(guest, peer)
        guest.destroy()
        hardware.check_no_traces(guest.domid)
        say("destroyed under load: nothing is left")
        crash(peer)


def boot(**config):
    """Data can flow when this returns, in frames of 9000 bytes."""
    guest = pvh_guest(disk=[qdisk("xvda", blank_disk("small.img", 4))], cmdline=" xen_legacy_crash",
                      vif=["bridge=%s,mtu=%d" % (hardware.BRIDGE, MTU)], **config)
    guest.create(start=False)
    vif = "vif%d.0" % guest.domid
    check_equal(network.about(vif, "mtu"), str(MTU), "the MTU of the tap")
    check_equal(network.master(vif), hardware.BRIDGE, "the bridge of the tap")
    check_equal(network.about(vif, "carrier"), "0", "the carrier of a card whose guest has not begun")
    guest.run()
    guest.wait_ready()
    up(guest, "eth0", hardware.GUEST_IP)
    wait_until(lambda: network.about(vif, "carrier") == "1", 20, "the carrier of a card whose guest runs")
    return guest


def up(guest, interface, address):
    guest.sh("ip link set %s mtu %d; ip addr add %s/24 dev %s; ip link set %s up" %
             (interface, MTU, address, interface, interface))
    wait_until(lambda: guest.sh("ping -c 1 -W 2 %s" % hardware.HOST_IP, ok=False)[0] == 0, 40, "a ping from the guest")


def frames_of(vif):
    """(from, to) the guest, as dom0 has them: what goes together in a stream is one to who takes it."""
    return [int(network.about(vif, "statistics/%s_packets" % way)) for way in ("rx", "tx")]


def segments(guest, peer):
    """Data both ways with and without segmentation offload, whole and cut."""
    vif = "vif%d.0" % guest.domid
    for whole, peer in ((True, peer), (False, hardware.Peer(4 * MIB))):
        check_equal(guest.sh("offload eth0 tso %s" % ("on" if whole else "off")), "on" if whole else "off",
                    "segmentation in the guest")
        network.host_segments(vif, whole)
        before, sent, host = network.frames(guest, "segmented_frames"), network.frames(guest), frames_of(vif)
        hardware.exchange(guest, peer, "PV network, TSO %s" % ("on" if whole else "off"))
        cut = [b - a for a, b in zip(before, network.frames(guest, "segmented_frames"))]
        all_of_them = [b - a for a, b in zip(sent, network.frames(guest))]
        handed = [b - a for a, b in zip(host, frames_of(vif))]
        say("guest: frames from and to it: %s, of them to be cut: %s; dom0 has seen %s" % (all_of_them, cut, handed))
        if whole:
            check(min(cut) > 20, "with segmentation on, only %s frames were uncut", cut)
        else:
            check_equal(cut[0], 0, "uncut frames of the guest's with segmentation off")
            check(min(all_of_them[0], handed[1]) > 4 * MIB // MTU, "4 MiB in %s and %s frames of 9000 bytes",
                  all_of_them, handed)
    guest.sh("offload eth0 tso on")
    network.host_segments(vif, True)


def floods(guest):
    jumbo = run("ping", "-M", "do", "-s", MTU - 28, "-c", 5, "-i", "0.2", hardware.GUEST_IP)
    check(" 0% packet loss" in jumbo, "pings of 9000 bytes in one frame were lost: %s", jumbo)
    times = [network.flood(count, size) for count, size in ((2000, 56), (1000, MTU - 28))]
    say("guest: 5 pings of %d bytes unfragmented; floods of 2000 in %.1f s, of 1000 with 9000 bytes in %.1f s" %
        (MTU, *times))


def begin_load(guest, peer, address=hardware.HOST_IP):
    """A stream each way that does not end by itself."""
    guest.sh("(while nc %s %d </dev/null >/dev/null; do :; done) >/dev/null 2>&1 & "
             "(while nc %s %d </dev/zero >/dev/null; do :; done) >/dev/null 2>&1 & true" %
             (address, peer.out, address, peer.into))
    before = network.frames(guest)
    wait_until(lambda: all(b > a + 50 for a, b in zip(before, network.frames(guest))), 30, "the load to begin")


def coming_and_going(guest):
    """A second card comes, has data of its own flow, and goes meanwhile; the first one never notices."""
    before = network.holdings(guest.dm_pid())
    for round in range(2):
        run("xl", "network-attach", guest.name, "bridge=" + hardware.BRIDGE, "mtu=%d" % MTU)
        wait_until(lambda: "eth1" in guest.sh("ls /sys/class/net"), 40, "the second card in the guest")
        guest.sh("ip link set eth1 mtu %d; ip addr add 192.168.77.3/24 dev eth1; ip link set eth1 up" % MTU)
        wait_until(lambda: guest.sh("ping -c 1 -W 2 -I eth1 %s" % hardware.HOST_IP, ok=False)[0] == 0, 20,
                   "a ping by the second card")
        guest.sh("(ping -I eth1 -s 8000 -A %s >/dev/null 2>&1 & echo $! >/tmp/pinger)" % hardware.HOST_IP)
        run("xl", "network-detach", guest.name, "1")
        wait_until(lambda: "eth1" not in guest.sh("ls /sys/class/net"), 40, "the second card to go")
        guest.sh("kill $(cat /tmp/pinger); true")
        wait_until(lambda: xenstore("/local/domain/0/backend/vif/%d/1/state" % guest.domid) is None, 20,
                   "the second card's backend to go")
        check_equal(network.about("vif%d.1" % guest.domid, "mtu"), None, "the second card's tap")
    wait_until(lambda: network.holdings(guest.dm_pid()) == before, 20, "descriptors and grants to be %s again" % (before,))
    hardware.exchange(guest, hardware.Peer(MIB), "PV network")
    say("guest: a second card came and went twice, with data on it")


def crash(peer):
    guest = boot(on_crash="destroy", on_reboot="restart")
    begin_load(guest, peer)
    guest.serial.send("echo c >/proc/sysrq-trigger\n")
    guest.wait_gone(60)
    guest.serial.close()
    hardware.check_no_traces(guest.domid)
    say("crashed under load: nothing is left")


main(scenario)
