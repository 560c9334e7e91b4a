# SPDX-License-Identifier: GPL-2.0-or-later
"""What scenarios do with a guest's emulated hardware: find it, and move data through it."""
import hashlib
import os
import re
import socket
import struct
import threading
import time

import screen
import vnc
from scenario import RESULTS, Failure, check, check_equal, note, on_failure, run, run_quiet, say, wait_until

MIB = 1 << 20
BRIDGE, HOST_IP, GUEST_IP = "xdmbr0", "192.168.77.1", "192.168.77.2"


# --- PCI -----------------------------------------------------------------------------------------
def pci(guest):
    """{"00:01.1": (id, class, driver)} as the guest's kernel sees it."""
    out = guest.sh('for d in /sys/bus/pci/devices/*; do r=$(readlink $d/driver); '
                   'echo ${d##*/} $(cat $d/vendor $d/device $d/class) ${r##*/}; done')
    found = {}
    for line in out.splitlines():
        words = line.split() + [""]
        found[words[0][5:]] = (words[1][2:] + ":" + words[2][2:], words[3][2:6], words[4])
    return found


def check_pci(guest, wanted):
    """wanted: {slot: (id, driver)}; exactly these devices, each with the driver that belongs to it."""
    got = {slot: (ids, driver) for slot, (ids, _, driver) in pci(guest).items()}
    for slot in sorted(set(got) | set(wanted)):
        check_equal(got.get(slot), wanted.get(slot), "PCI device %s" % slot)
    say("guest: %d PCI devices, each with its driver" % len(got))


# --- disks ---------------------------------------------------------------------------------------
IDE = {"hda": "0:0:0:0", "hdb": "0:0:1:0", "hdc": "1:0:0:0", "hdd": "1:0:1:0"}


def ide_disk(guest, place):
    """The guest's name (sda, sr0) of the drive at hda, hdb, hdc or hdd."""
    path = "/sys/bus/scsi/devices/%s/block" % IDE[place]
    guest.sh("i=0; until ls %s >/dev/null 2>&1 || [ $i -ge 20 ]; do sleep 1; i=$((i+1)); done" % path)
    name = guest.sh("ls %s" % path).strip()
    check(name, "the guest found no drive at %s", place)
    return name


def ide_modes(guest):
    """The transfer mode of each drive there is, as the guest's driver chose it: XFER_MW_DMA_2, XFER_PIO_4."""
    out = guest.sh("cd /sys/class/ata_device; for d in dev*; do echo $d $(cat $d/class $d/xfer_mode); done")
    return {words[0]: words[2] for words in map(str.split, out.splitlines()) if len(words) > 2 and words[1] != "none"}


def disk_round_trip(guest, disks, mib, block):
    """
    Random data to each disk, another offset on each, past the guest's page cache; read back there,
    and from the whole image here. disks: {"hda": image path, ...}.
    """
    guest.sh("dd if=/dev/urandom of=/tmp/data bs=1M count=%d 2>/dev/null" % mib)
    want = guest.sh("sha256sum </tmp/data", timeout=90).split()[0]
    data_end = {}
    for place, image in disks.items():
        name, offset = ide_disk(guest, place), 1 + list(IDE).index(place)
        began = time.monotonic()
        guest.sh("dd if=/tmp/data of=/dev/%s bs=%s seek=%d oflag=direct,seek_bytes conv=fsync 2>/dev/null" %
                 (name, block, offset * MIB), timeout=240)
        wrote = time.monotonic()
        got = guest.sh("dd if=/dev/%s bs=%s skip=%d count=%d iflag=direct,skip_bytes,count_bytes 2>/dev/null | sha256sum" %
                       (name, block, offset * MIB, mib * MIB), timeout=240).split()[0]
        check_equal(got, want, "what the guest reads back from %s" % place)
        note("%s: wrote %d MiB in %.1f s, read in %.1f s" % (place, mib, wrote - began, time.monotonic() - wrote))
        data_end[image] = (offset * MIB, (offset + mib) * MIB)
    for place, image in disks.items():
        start, end = data_end[image]
        digest, position = hashlib.sha256(), 0
        with open(image, "rb") as f:
            while True:
                part = f.read(MIB)
                if not part:
                    break
                if start <= position < end:
                    digest.update(part)
                else:
                    check(not any(part), "the image of %s changed at %d MiB, where nothing was written",
                          place, position // MIB)
                position += len(part)
        check_equal(digest.hexdigest(), want, "what the host reads from the image of %s" % place)
    say("guest: %d MiB written and verified on %s, here too" % (mib, ", ".join(disks)))


def use_pio(guest):
    """Loads the guest's ATA drivers again without DMA."""
    guest.sh("cd /; rmmod sr_mod sd_mod ata_piix ata_generic; rmmod libata && modprobe libata dma=0 && "
             "modprobe -a ata_piix sd_mod sr_mod", timeout=60)


# --- network -----------------------------------------------------------------------------------------
def bridge():
    """A bridge of the scenarios' own, with this end's address on it."""
    if not os.path.exists("/sys/class/net/" + BRIDGE):
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "addr", "add", HOST_IP + "/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    return BRIDGE


class Peer:
    """Sends the same bytes to whoever connects to .out, hashes what comes in at .into."""

    def __init__(self, size, address=HOST_IP):
        self.address = address
        self.data = os.urandom(size)
        self.hash = hashlib.sha256(self.data).hexdigest()
        self.received = []
        self.out, self.into = self._listen(self._send), self._listen(self._receive)

    def _listen(self, serve):
        sock = socket.create_server((self.address, 0))

        def loop():
            while True:
                connection = sock.accept()[0]
                with connection:
                    serve(connection)

        threading.Thread(target=loop, daemon=True).start()
        return sock.getsockname()[1]

    def _send(self, connection):
        try:
            connection.sendall(self.data)
        except OSError as e:
            note("while sending: %s" % e)

    def _receive(self, connection):
        digest = hashlib.sha256()
        while True:
            part = connection.recv(65536)
            if not part:
                break
            digest.update(part)
        self.received.append(digest.hexdigest())


def exchange(guest, peer, what):
    """A peer's bytes to the guest and back, over TCP, with checksums."""
    began = time.monotonic()
    got = guest.sh("nc %s %d </dev/null | tee /tmp/net | sha256sum" % (HOST_IP, peer.out), timeout=240).split()[0]
    check_equal(got, peer.hash, "the checksum of what the guest received")
    there = time.monotonic()
    before = len(peer.received)
    guest.sh("nc %s %d </tmp/net" % (HOST_IP, peer.into), timeout=240)
    wait_until(lambda: len(peer.received) > before, 20, "the end of the guest's stream")
    check_equal(peer.received[-1], peer.hash, "the checksum of what the guest sent")
    say("guest: %d MiB each way over %s (%.1f s in, %.1f s out)" %
        (len(peer.data) // MIB, what, there - began, time.monotonic() - there))


def network_round_trip(guest, interface="eth0", mib=4, module=None):
    """mib MiB each way over TCP, checksums compared; the guest's interface gets an address."""
    peer = Peer(mib * MIB)
    guest.sh("ip addr add %s/24 dev %s 2>/dev/null; ip link set %s up" % (GUEST_IP, interface, interface))
    wait_until(lambda: guest.sh("ping -c 1 -W 2 %s" % HOST_IP, ok=False)[0] == 0, 40, "a ping from the guest")
    if module:
        driver = guest.sh("r=$(readlink /sys/class/net/%s/device/driver); echo ${r##*/}" % interface)
        check_equal(driver, module, "the driver of %s" % interface)
    exchange(guest, peer, module or interface)
    guest.sh("ip addr flush dev %s; rm -f /tmp/net" % interface)


# --- keyboard and pointers -----------------------------------------------------------------------
def type_on_console(guest):
    """Text typed through VNC arrives at the shell on tty1: letters, capitals, digits and signs."""
    text = "Typed by VNC: a-z A-Z 42 (ok) {x} 'q' #1 50% ~/_=+"
    with guest.vnc() as client:
        client.type("\n")
        client.type('cat >/tmp/typed <<E\n%s\nE\n' % text)
    wait_until(lambda: guest.sh("test -s /tmp/typed", ok=False)[0] == 0, 60, "the typed text to arrive")
    check_equal(guest.sh("cat /tmp/typed"), text, "the text typed through VNC")
    say("guest: text typed through VNC arrived")


def input_device(guest, pattern):
    """The event node of the input device with this in its name."""
    def find():
        entry = ""
        for line in guest.sh("cat /proc/bus/input/devices").splitlines():
            if line.startswith("N:"):
                entry = line
            match = re.search(r"\bevent\d+", line)
            if line.startswith("H:") and match and pattern in entry:
                return "/dev/input/" + match.group(0)
        return None
    return wait_until(find, 30, "the guest's input device '%s'" % pattern, every=2)


def input_events(guest, node, act):
    """[(type, code, value)] that the guest sees at an input node while act(client) runs."""
    guest.sh("(timeout 120 cat %s >/tmp/events & echo $! >/tmp/events.pid)" % node)
    time.sleep(0.5)
    with guest.vnc() as client:
        client.screenshot()
        act(client)
        time.sleep(1.5)
    guest.sh("kill $(cat /tmp/events.pid); true")
    hexes = guest.sh("hexdump -v -e '24/1 \"%02x\" \"\\n\"' /tmp/events")
    return [struct.unpack("<HHi", bytes.fromhex(line.strip())[16:24]) for line in hexes.split() if len(line) == 48]


def tablet(guest):
    """The pointer is where VNC puts it: absolute coordinates, in 32768ths of the screen; and buttons."""
    node = input_device(guest, "Tablet")
    places = []

    def act(client):
        for part in ((0.25, 0.5), (0.75, 0.25), (0.5, 0.9)):
            x, y = int(client.width * part[0]), int(client.height * part[1])
            places.append((x * 32767 // (client.width - 1), y * 32767 // (client.height - 1)))
            client.pointer(x, y)
            time.sleep(0.7)
        client.pointer(x, y, 1)
        time.sleep(0.5)
        client.pointer(x, y, 0)

    events = input_events(guest, node, act)
    x = y = None
    seen = []
    for kind, code, value in events:
        if kind == 3:
            x, y = (value, y) if code == 0 else (x, value) if code == 1 else (x, y)
        if kind == 0 and None not in (x, y):
            seen.append((x, y))
    for want in places:
        check(any(abs(want[0] - a) < 200 and abs(want[1] - b) < 200 for a, b in seen),
              "the tablet never was at %s, but at %s", want, seen)
    check((1, 0x110, 1) in events and (1, 0x110, 0) in events, "the tablet's left button was not seen: %s", events)
    say("guest: the tablet follows the VNC pointer")


def mouse(guest):
    """Without a tablet the PS/2 mouse moves, in the right direction, and clicks."""
    node = input_device(guest, "Mouse")

    def act(client):
        for x in range(100, 200, 10):
            client.pointer(x, 100 + x // 10)
            time.sleep(0.1)
        client.pointer(190, 119, 4)
        time.sleep(0.3)
        client.pointer(190, 119, 0)

    events = input_events(guest, node, act)
    right = sum(value for kind, code, value in events if (kind, code) == (2, 0))
    down = sum(value for kind, code, value in events if (kind, code) == (2, 1))
    check(right > 20, "the PS/2 mouse moved %d to the right, not about 90", right)
    check(0 < down < right, "the PS/2 mouse moved %d down, not about 9", down)
    check((1, 0x111, 1) in events and (1, 0x111, 0) in events, "the mouse's right button was not seen: %s", events)
    say("guest: the PS/2 mouse moves and clicks")


# --- screen --------------------------------------------------------------------------------------
def text_screen(guest, lines=("xen-dm text screen", "0123456789 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")):
    """In text mode, the VNC picture reads as what the guest wrote."""
    guest.sh("printf '\\033[2J\\033[H\\033[?25l' >/dev/tty1; cat >/dev/tty1 <<'E'\n%s\nE\n" % "\n".join(lines))
    font = screen.vga_font()
    with guest.vnc() as client:
        picture = client.wait_for(lambda p: all(line in screen.read_text(p, font) for line in lines), 20)
        last = client.screenshot()
    vnc.write_png(os.path.join(RESULTS, "text-screen.png"), picture or last)
    if not picture:
        raise Failure("the screen does not show the text, it reads: %r" % screen.read_text(last, font)[:200])
    say("guest: the screen shows the text (%dx%d)" % (picture.width, picture.height))


# saturated colours come out alike in 16, 24 and 32 bits
COLOURS = [(255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0), (255, 0, 255), (255, 0, 0), (0, 0, 255), (0, 0, 0)]


def graphic_screen(guest, module):
    """A DRM driver sets a graphic mode; a pattern drawn into /dev/fb0 is on VNC, pixel by pixel."""
    guest.sh("modprobe %s; i=0; until [ -e /dev/fb0 ] || [ $i -ge 20 ]; do sleep 1; i=$((i+1)); done; ls /dev/fb0" %
             module, timeout=90)
    guest.sh("printf '\\033[?25l\\033[2J' >/dev/tty1; echo 0 >/sys/class/graphics/fbcon/cursor_blink; true")
    size = guest.sh("cd /sys/class/graphics/fb0; cat virtual_size bits_per_pixel stride").split()
    width, height = [int(v) for v in size[0].split(",")]
    bits, stride = int(size[1]), int(size[2])
    check(bits in (16, 24, 32), "the frame buffer has %d bits per pixel", bits)
    height = min(height, 768) if module == "cirrus" else height

    def raw(colour):
        r, g, b = colour
        if bits == 16:
            return struct.pack("<H", (r >> 3) << 11 | (g >> 2) << 5 | b >> 3)
        return bytes((b, g, r, 0)[:bits // 8])

    # Files are repeated by doubling, since a process costs tens of milliseconds in there. The upper
    # half of the picture: 8 columns; the lower half: 8 bands, from black to white.
    bar, half = width // 8, height // 2
    band, pad = half // 8, stride - bar * 8 * bits // 8
    guest.sh("cd /tmp; rep() { n=$(($(stat -c %s $2) * $1)); while [ $(stat -c %s $2) -lt $n ]; do "
             "cat $2 $2 >rep; mv rep $2; done; head -c $n $2; }")
    for n, colour in enumerate(COLOURS):
        octal = "".join("\\%03o" % byte for byte in raw(colour))
        guest.sh("printf '%s' >px; rep %d px >bar%d; cp bar%d px; rep 8 px >row%d" % (octal, bar, n, n, n), timeout=90)
    guest.sh("head -c %d /dev/zero >pad; cat bar0 bar1 bar2 bar3 bar4 bar5 bar6 bar7 pad >columns; "
             "rep %d columns >picture" % (pad, half), timeout=90)
    for n in reversed(range(8)):
        guest.sh("cat row%d pad >band; rep %d band >>picture" % (n, band), timeout=90)
    guest.sh("cat picture >/dev/fb0; rm -f picture columns band; cd /", timeout=90)

    def column_row():
        return b"".join(bytes(c) * bar for c in COLOURS)

    bands = half // 8
    want = column_row() * half + b"".join(bytes(c) * (bar * 8) * bands for c in reversed(COLOURS))
    used, rows = bar * 8, half + bands * 8

    def matches(picture):
        if picture.width < used or picture.height < rows:
            return False
        got = b"".join(picture.rgb[y * picture.width * 3:y * picture.width * 3 + used * 3] for y in range(rows))
        return got == want

    with guest.vnc() as client:
        picture = client.wait_for(matches, 30)
        last = client.screenshot()
    vnc.write_png(os.path.join(RESULTS, "graphic-screen.png"), picture or last)
    if not picture:
        raise Failure("the VNC picture (%dx%d) is not the pattern the guest drew (%dx%d, %d bits); see graphic-screen.png" %
                      (last.width, last.height, width, height, bits))
    say("guest: %dx%d at %d bits by the %s driver, every pixel right" % (width, height, bits, module))


# --- what a guest leaves behind ---------------------------------------------------------------------
def traces(domid):
    """Everything of a domain that should be gone with it: a list of sentences."""
    found = []
    if str(domid) in [words[1] for words in map(str.split, run_quiet("xl", "list")[1].splitlines()) if len(words) > 1]:
        found.append("the domain itself: somebody has pages of its memory still")
    for node in ("/local/domain/%d" % domid, "/local/domain/0/device-model/%d" % domid, "/libxl/%d" % domid):
        if run_quiet("xenstore-exists", node)[0] == 0:
            found.append("xenstore node %s" % node)
    for kind in os_listing_of_backends():
        if run_quiet("xenstore-exists", "/local/domain/0/backend/%s/%d" % (kind, domid))[0] == 0:
            found.append("backend node %s/%d" % (kind, domid))
    for net in os.listdir("/sys/class/net"):
        if net.startswith("vif%d." % domid):
            found.append("network interface %s" % net)
    for file in os.listdir("/var/run/xen"):
        # libxl leaves the root directory of a restricted device model, which is empty, until it needs it again
        if re.search(r"[-.]%d(\D|$)" % domid, file) and ("qmp" in file or "qemu" in file) and "qemu-root" not in file:
            found.append("/var/run/xen/%s" % file)
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            if b"-xen-domid" in words and words[words.index(b"-xen-domid") + 1] == b"%d" % domid:
                found.append("process %s" % pid)
    return found


def os_listing_of_backends():
    return run_quiet("xenstore-list", "/local/domain/0/backend")[1].split()


def check_no_traces(domid, timeout=30):
    try:
        wait_until(lambda: not traces(domid), timeout, "domain %d to leave nothing behind" % domid)
    except Failure:
        raise Failure("domain %d left behind: %s" % (domid, ", ".join(traces(domid)))) from None
