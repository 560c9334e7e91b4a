# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 800
# The PV frame buffer, keyboard and pointer of a PVH guest, and of a PV guest, at VNC: Linux's console is on the
# screen, a pattern is there pixel by pixel, keys and positions arrive; so do the last words of a kernel that dies,
# which tells nobody of them; and nothing is left at the end.
import os

import hardware
import screen
import vnc
from guest import BASE_CMDLINE, Guest
from scenario import GUEST_FILES, OURS, RESULTS, check, check_equal, main, say, wait_until, xenstore

# what Linux's font draws as the one of VGA BIOSes does
LINES = ("Hello on the PB console", "123456789 ABCDEGHIJKLNOPQRSU abcdeghijklnopqrstuyz")


# a PV guest's picture is larger than one directory of frames
SIZES = {"pvh": (800, 600), "pv": (1920, 1080)}


def make(kind):
    width, height = SIZES[kind]
    cmdline = BASE_CMDLINE.replace("console=ttyS0,115200", "console=hvc0").replace("panic=5", "panic=60")
    return Guest(name="pv-screen-" + kind, line="console", type=kind, kernel=os.path.join(GUEST_FILES, "vmlinuz"),
                 ramdisk=os.path.join(GUEST_FILES, "initrd"), vfb=["vnc=1,vnclisten=127.0.0.1"], serial=None, vnc=None,
                 vnclisten=None, boot=None, on_reboot="destroy",
                 cmdline=cmdline + "xen_fbfront.video=%d,%d,%d " % (width * height * 4 // (1 << 20) + 1, width, height))


def read(guest, lines, file, act):
    """A viewer sees these lines on the console, after act()."""
    font = screen.vga_font()
    with guest.vnc() as client:
        client.screenshot()
        act()
        shown = client.wait_for(lambda p: all(line in screen.read_text(p, font, p.width // 8) for line in lines), 30)
        last = client.screenshot()
    vnc.write_png(os.path.join(RESULTS, file), shown or last)
    check(shown, "the screen does not show %r, it reads: %r", lines, screen.read_text(last, font, last.width // 8)[:300])
    return shown


def console(guest, size, file):
    """What is written on tty1 can be read from the picture that VNC has of it."""
    text = "printf '\\033[2J\\033[H\\033[?25l' >/dev/tty1; cat >/dev/tty1 <<'E'\n%s\nE\n" % "\n".join(LINES)
    shown = read(guest, LINES, file, lambda: guest.sh(text))
    check_equal((shown.width, shown.height), size, "the picture's size")
    say("guest: the console is on the PV frame buffer (%dx%d)" % size)


def pointer(guest, width, height):
    """Positions arrive in pixels; or in those of the size that the frontend was told before there was a picture."""
    node = hardware.input_device(guest, "Xen Virtual Pointer")
    backend = "/local/domain/0/backend/vkbd/%d/0/" % guest.domid
    ends = [int(xenstore(backend + key) or size - 1) for key, size in (("width", width), ("height", height))]
    places = ((100, 50), (width // 2, height // 2), (width - 1, height - 1))

    def act(client):
        for x, y in places:
            client.pointer(x, y)
            hardware.time.sleep(0.7)
        client.pointer(*places[-1], 1)
        hardware.time.sleep(0.5)
        client.pointer(*places[-1], 0)

    events = hardware.input_events(guest, node, act)
    lost = 0 if OURS else 2     # QEMU's scaling takes a pixel or two
    for axis, (end, size) in enumerate(zip(ends, (width, height))):
        seen = [value for kind, code, value in events if (kind, code) == (3, axis)]
        for want in [round(place[axis] * end / (size - 1)) for place in places]:
            check(any(0 <= want - v <= lost for v in seen), "the pointer never was at %d of axis %d: %s", want, axis, seen)
    check((1, 0x110, 1) in events and (1, 0x110, 0) in events, "the left button was not seen: %s", events)
    say("guest: the PV pointer is where VNC puts it, of %d by %d" % (ends[0] + 1, ends[1] + 1))


def panic(guest):
    guest.sh("printf '\\033[2J\\033[H' >/dev/tty1")
    read(guest, ["Kernel panic - not s"], "panic.png", lambda: guest.serial.send("echo c >/proc/sysrq-trigger\n"))
    say("guest: its kernel's last words are on the screen")


def connected(guest):
    for kind in ("vfb", "vkbd"):
        node = "/local/domain/0/backend/%s/%d/0/state" % (kind, guest.domid)
        wait_until(lambda: xenstore(node) == "4", 60, "the %s to connect" % kind)


def scenario():
    for kind in ("pvh", "pv"):
        guest = make(kind)
        guest.create()
        guest.wait_ready(300)
        connected(guest)
        console(guest, SIZES[kind], "console-%s.png" % kind)
        hardware.type_on_console(guest)
        guest.screenshot("typed-%s.png" % kind)
        pointer(guest, *SIZES[kind])
        if kind == "pvh":
            hardware.graphic_screen(guest, "xen-fbfront")
        check_equal(xenstore("/local/domain/0/backend/vfb/%d/0/state" % guest.domid), "4", "the frame buffer's state")
        if kind == "pv":
            panic(guest)
        guest.destroy()
        hardware.check_no_traces(guest.domid)


main(scenario)
