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
from scenario import GUEST_FILES, RESULTS, check, check_equal, main, only_ours, say, wait_until, xenstore

# what Linux's font draws as the one of VGA BIOSes does
LINES = ("Hello on the PB console", "123456789 ABCDEGHIJKLNOPQRSU abcdeghijklnopqrstuyz")


def make(kind):
    return Guest(name="pv-screen-" + kind, line="console", type=kind, kernel=os.path.join(GUEST_FILES, "vmlinuz"),
                 ramdisk=os.path.join(GUEST_FILES, "initrd"), vfb=["vnc=1,vnclisten=127.0.0.1"], serial=None, vnc=None,
                 vnclisten=None, boot=None, on_reboot="destroy",
                 cmdline=BASE_CMDLINE.replace("console=ttyS0,115200", "console=hvc0").replace("panic=5", "panic=60"))


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


def console(guest, file):
    """What is written on tty1 can be read from the picture that VNC has of it."""
    text = "printf '\\033[2J\\033[H\\033[?25l' >/dev/tty1; cat >/dev/tty1 <<'E'\n%s\nE\n" % "\n".join(LINES)
    shown = read(guest, LINES, file, lambda: guest.sh(text))
    say("guest: the console is on the PV frame buffer (%dx%d)" % (shown.width, shown.height))


def pointer(guest):
    """Positions arrive in pixels."""
    node = hardware.input_device(guest, "Xen Virtual Pointer")
    places = ((100, 50), (400, 300), (799, 599))

    def act(client):
        for x, y in places:
            client.pointer(x, y)
            hardware.time.sleep(0.7)
        client.pointer(799, 599, 1)
        hardware.time.sleep(0.5)
        client.pointer(799, 599, 0)

    events = hardware.input_events(guest, node, act)
    for x, y in places:
        check((3, 0, x) in events and (3, 1, y) in events, "the pointer never was at %d,%d: %s", x, y, events)
    check((1, 0x110, 1) in events and (1, 0x110, 0) in events, "the left button was not seen: %s", events)
    say("guest: the PV pointer is where VNC puts it, pixel by pixel")


def panic(guest):
    read(guest, ["Kernel panic - not s"], "panic.png", lambda: guest.serial.send("echo c >/proc/sysrq-trigger\n"))
    say("guest: its kernel's last words are on the screen")


def connected(guest):
    for kind in ("vfb", "vkbd"):
        node = "/local/domain/0/backend/%s/%d/0/state" % (kind, guest.domid)
        wait_until(lambda: xenstore(node) == "4", 60, "the %s to connect" % kind)


def scenario():
    only_ours()
    for kind in ("pvh", "pv"):
        guest = make(kind)
        guest.create()
        guest.wait_ready(300)
        connected(guest)
        console(guest, "console-%s.png" % kind)
        hardware.type_on_console(guest)
        guest.screenshot("typed-%s.png" % kind)
        if kind == "pvh":
            pointer(guest)
            hardware.graphic_screen(guest, "xen-fbfront")
        check_equal(xenstore("/local/domain/0/backend/vfb/%d/0/state" % guest.domid), "4", "the frame buffer's state")
        if kind == "pv":
            panic(guest)
        guest.destroy()
        hardware.check_no_traces(guest.domid)


main(scenario)
