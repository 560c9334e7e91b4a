# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's side of guests' PV network cards."""
import fcntl
import os
import re
import socket
import struct

import hardware
from qmp import Metrics
from scenario import check_equal, note, run, run_quiet

SIOCETHTOOL, ETHTOOL_STSO, ETHTOOL_SGSO = 0x8946, 0x1f, 0x24


class without_kernel_netback:
    """with ...: dom0's kernel has no backend for network cards."""

    def __enter__(self):
        run_quiet("rmmod", "xen_netback")

    def __exit__(self, *_):
        run_quiet("modprobe", "xen-netback")


def about(interface, what):
    """A file of the interface's in sysfs; None where it has none, or is down."""
    try:
        with open("/sys/class/net/%s/%s" % (interface, what)) as f:
            return f.read().strip()
    except OSError:
        return None


def master(interface):
    return os.path.basename(os.path.realpath("/sys/class/net/%s/master" % interface))


def host_segments(interface, whole):
    """Whether dom0 hands TCP streams over uncut."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for command in (ETHTOOL_STSO, ETHTOOL_SGSO):
            value = bytearray(struct.pack("II", command, whole))
            address = struct.pack("P", _address(value))
            fcntl.ioctl(sock, SIOCETHTOOL, interface.encode().ljust(16, b"\0") + address.ljust(24, b"\0"))


def _address(buffer):
    import ctypes
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def frames(guest, kind="frames"):
    """(from, to) the guest, on all its cards."""
    now = Metrics(guest)
    return tuple(now.sum("xen_dm_vif_%s_total" % kind, way=way) for way in ("from_guest", "to_guest"))


def flood(count, size, address=hardware.GUEST_IP):
    """As many pings as will go, each answered; the whole takes so many seconds."""
    out = run("ping", "-f", "-q", "-c", count, "-s", size, "-w", 120, address, timeout=140, ok=False)[1]
    note(out)
    got = re.search(r"(\d+) packets transmitted, (\d+) received", out)
    check_equal(got and got.groups(), (str(count), str(count)), "pings of %d bytes sent and answered" % size)
    return float(re.search(r"time (\d+)ms", out).group(1)) / 1000


def holdings(pid):
    """What a process has open: (descriptors, mapped grants)."""
    with open("/proc/%d/maps" % pid) as f:
        grants = sum(1 for line in f if "gntdev" in line)
    return len(os.listdir("/proc/%d/fd" % pid)), grants
