# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 400
# Our netback beside the kernel's, in one dom0 and in one guest: cards are the kernel's unless the script vif-xen-dm
# gives them to the device model. Both carry data at once; ours comes and goes while the kernel's is in use.
import os
import time

import hardware
import network
from guest import blank_disk, pvh_guest
from pvdisk import qdisk
from scenario import check, check_equal, main, note, only_ours, run, run_quiet, say, wait_until, xenstore

MIB = 1 << 20
PACE = 8
SCRIPT = os.path.abspath(os.path.join(os.path.dirname(hardware.__file__), "../../../pv-backends/net/vif-xen-dm"))
DRIVER = "/sys/bus/xen-backend/drivers/vif/"
HOSTS, ADDRESSES = (hardware.HOST_IP, "192.168.78.1"), (hardware.GUEST_IP, "192.168.78.2")
OURS = "bridge=%s,script=%s" % (hardware.BRIDGE, SCRIPT)


def scenario():
    only_ours()
    run("modprobe", "xen-netback")
    hardware.bridge()
    guest = pvh_guest(disk=[qdisk("xvda", blank_disk("small.img", 4))],
                      vif=["bridge=" + hardware.BRIDGE, OURS])
    guest.create()
    whose(guest, 0, kernel=True)
    whose(guest, 1, kernel=False)
    guest.wait_ready()
    run("ip", "addr", "replace", HOSTS[1] + "/24", "dev", hardware.BRIDGE)
    guest.sh("echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore")  # each card answers for itself alone
    for n, address in enumerate(ADDRESSES):
        guest.sh("ip addr add %s/24 dev eth%d; ip link set eth%d up" % (address, n, n))
    both(guest)
    pace(guest)
    ours_comes_and_goes(guest)
    guest.destroy()
    hardware.check_no_traces(guest.domid)
    check(os.path.exists(DRIVER), "the kernel's netback is gone")
    say("destroyed: nothing is left")


def whose(guest, number, kernel):
    vif = "vif%d.%d" % (guest.domid, number)
    bound = os.path.exists(DRIVER + "vif-%d-%d" % (guest.domid, number))
    tap = os.path.exists("/sys/class/net/%s/tun_flags" % vif)
    check_equal((bound, tap), (kernel, not kernel), "%s: (the kernel has it, it is a tap)" % vif)
    check_equal(network.master(vif), hardware.BRIDGE, "the bridge of " + vif)


def moved(guest, number):
    """Bytes of a card as the bridge has seen them, both ways."""
    return [int(network.about("vif%d.%d" % (guest.domid, number), "statistics/%s_bytes" % way)) for way in ("rx", "tx")]


def at_once(guest, commands):
    guest.sh("pids=; %s wait $pids" % "".join("%s & pids=\"$pids $!\"; " % c for c in commands), timeout=200)


def both(guest):
    """4 MiB into each card at once; then out of each at once."""
    peers = [hardware.Peer(4 * MIB, host) for host in HOSTS]
    before = [moved(guest, n) for n in range(2)]
    at_once(guest, ["nc %s %d </dev/null >/tmp/in%d" % (peer.address, peer.out, n) for n, peer in enumerate(peers)])
    for n, peer in enumerate(peers):
        check_equal(guest.sh("sha256sum </tmp/in%d" % n).split()[0], peer.hash, "what the guest received by eth%d" % n)
    at_once(guest, ["nc %s %d </tmp/in%d" % (peer.address, peer.into, n) for n, peer in enumerate(peers)])
    for n, peer in enumerate(peers):
        wait_until(lambda p=peer: p.received, 20, "the guest's stream by eth%d" % n)
        check_equal(peer.received[-1], peer.hash, "what the guest sent by eth%d" % n)
        grown = [b - a for a, b in zip(before[n], moved(guest, n))]
        check(min(grown) > 4 * MIB, "only %s bytes went through eth%d", grown, n)
    say("guest: 4 MiB each way by the kernel's card and by ours, at once")


def pace(guest):
    """The same stream by each card alone, three times in turns; on one CPU the time is the cost of all of it."""
    peers, best = [hardware.Peer(PACE * MIB, host) for host in HOSTS], [[999, 999], [999, 999]]
    for n in (0, 1, 1, 0, 0, 1):
        peer = peers[n]
        times = [time.monotonic()]
        guest.sh("nc %s %d </dev/null >/tmp/pace" % (peer.address, peer.out), timeout=120)
        times.append(time.monotonic())
        before = len(peer.received)
        guest.sh("nc %s %d </tmp/pace" % (peer.address, peer.into), timeout=120)
        wait_until(lambda p=peer, b=before: len(p.received) > b, 20, "the end of the guest's stream")
        times.append(time.monotonic())
        check_equal(peer.received[-1], peer.hash, "what went in and out by eth%d" % n)
        best[n] = [min(b, later - sooner) for b, sooner, later in zip(best[n], times, times[1:])]
    guest.sh("rm /tmp/pace")
    say("guest: %d MiB in and out by the kernel's card alone in %.1f s and %.1f s, by ours in %.1f s and %.1f s" %
        (PACE, *best[0], *best[1]))


def ours_comes_and_goes(guest):
    guest.sh("(ping -s 1400 -i 0.1 %s >/tmp/pings 2>&1 & echo $! >/tmp/pinger)" % HOSTS[0])
    run("ip", "addr", "replace", "192.168.79.1/24", "dev", hardware.BRIDGE)
    before = network.holdings(guest.dm_pid())
    for number in (2, 2):
        run("xl", "network-attach", guest.name, *OURS.split(","))
        wait_until(lambda: "eth2" in guest.sh("ls /sys/class/net"), 40, "a third card in the guest")
        whose(guest, number, kernel=False)
        guest.sh("ip addr add 192.168.79.2/24 dev eth2; ip link set eth2 up")
        wait_until(lambda: guest.sh("ping -c 1 -W 2 192.168.79.1", ok=False)[0] == 0, 30, "a ping by it")
        run("xl", "network-detach", guest.name, str(number))
        wait_until(lambda: xenstore("/local/domain/0/backend/vif/%d/%d/state" % (guest.domid, number)) is None, 20,
                   "its backend to go")
    wait_until(lambda: network.holdings(guest.dm_pid()) == before, 20, "descriptors and grants to be %s again" % (before,))
    pings = guest.sh("kill -INT $(cat /tmp/pinger); sleep 1; cat /tmp/pings | tail -n 3")
    check(", 0% packet loss" in pings, "pings by the kernel's card were lost meanwhile: %s", pings)
    note(run_quiet("dmesg")[1][-2000:])
    say("guest: a card of ours came and went twice; the kernel's lost nothing meanwhile")


main(scenario)
