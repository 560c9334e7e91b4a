# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 700
# Our netback beside the kernel's, in one dom0 and in one guest: cards are the kernel's unless the script vif-xen-dm
# gives them to the device model. Both carry data at once; ours comes and goes while the kernel's is in use.
import os
import re
import socket
import statistics
import threading
import time

import hardware
import network
from guest import Guest, guest_cd
from scenario import check, check_equal, main, note, only_ours, run, run_quiet, say, wait_until, xenstore

MIB = 1 << 20
PACE = 48
SCRIPT = os.path.abspath(os.path.join(os.path.dirname(hardware.__file__), "../../../pv-backends/net/vif-xen-dm"))
DRIVER = "/sys/bus/xen-backend/drivers/vif/"
HOSTS, ADDRESSES = (hardware.HOST_IP, "192.168.78.1"), (hardware.GUEST_IP, "192.168.78.2")
OURS = "type=vif,bridge=%s,script=%s" % (hardware.BRIDGE, SCRIPT)


def scenario():
    only_ours()
    run("modprobe", "xen-netback")
    hardware.bridge()
    guest = Guest(memory=384, disk=["%s,raw,hdc,cdrom" % guest_cd("")],
                  vif=["type=vif,bridge=" + hardware.BRIDGE, OURS])
    guest.create()
    whose(guest, 0, kernel=True)
    whose(guest, 1, kernel=False)
    guest.wait_ready(300)
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
    """
    The same stream by each card alone, in turns; on one CPU the time is the cost of all of it. A stream out of the
    guest in segments takes one of two times, by either card: that of few large bursts, or that of many small ones.
    """
    for whole, turns, what in ((True, 5, "64 KiB at once"), (False, 2, "frames of 1500 bytes")):
        segments(guest, whole)
        for way in (into, out_of):
            times = [[], []]
            for n in (0, 1, 1, 0) * turns:
                times[n].append(timed(way, guest, n))
            say("guest: %d MiB %s the guest, %s: %.2f s by the kernel's card, %.2f s by ours" %
                ((PACE, way.__name__.replace("_", " "), what) + tuple(map(statistics.median, times))))
    segments(guest, True)


def segments(guest, whole):
    """Whether either end hands its streams over uncut."""
    network.host_segments(hardware.BRIDGE, whole)
    for n in range(2):
        guest.sh("offload eth%d tso %s" % (n, "on" if whole else "off"))


def timed(way, guest, n):
    with socket.create_server((HOSTS[n], 0)) as listener:
        before, began = sum(moved(guest, n)), time.monotonic()
        way(guest, listener, "nc %s %d -e dd bs=64k" % listener.getsockname())
        spent = time.monotonic() - began
    check(sum(moved(guest, n)) - before > PACE * MIB, "the stream did not go through eth%d", n)
    return spent


def into(guest, listener, command):
    def send():
        with listener.accept()[0] as connection:
            connection.sendall(bytes(PACE * MIB))
    peer = threading.Thread(target=send, daemon=True)
    peer.start()
    guest.sh(command + " of=/dev/null 2>/dev/null", timeout=120)


def out_of(guest, listener, command):
    received = []

    def receive():
        with listener.accept()[0] as connection:
            received.append(0)
            while (part := len(connection.recv(1 << 18))):
                received[0] += part
    peer = threading.Thread(target=receive, daemon=True)
    peer.start()
    guest.sh(command + " if=/dev/zero count=%d 2>/dev/null" % (PACE * 16), timeout=120)
    peer.join(60)
    check_equal(received, [PACE * MIB], "bytes that came out")


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
    sent, answered = (int(re.search(r"(\d+) packets " + what, pings)[1]) for what in ("transmitted", "received"))
    check(answered >= sent - 1, "pings by the kernel's card were lost meanwhile: %s", pings)  # the last may be under way
    note(run_quiet("dmesg")[1][-2000:])
    say("guest: a card of ours came and went twice; the kernel's lost nothing meanwhile")


main(scenario)
