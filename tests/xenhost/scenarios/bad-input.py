# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# Wrong command lines, images, ports and files: xen-dm ends at once with a non-zero status and one
# sentence on stderr (which is libxl's log), and xl create fails. Never a hang.
#
# Most rows start xen-dm directly, for a paused domain whose own device model was ended, with libxl's
# command line changed in one place; the unchanged one is the control, and must run.
import os
import re
import signal
import socket
import subprocess
import time

from guest import Guest, blank_disk
from scenario import DM_PATH, RESULTS, WORK, Failure, check, main, note, only_ours, run, say, wait_until, xenstore

LIMIT = 20                              # seconds; a good one takes well under 1


def base(domid):
    """libxl's words for a small guest, in groups, so that a row can replace one group."""
    return {
        "domid": ["-xen-domid", str(domid)], "first": ["-no-shutdown"],
        "qmp": ["-chardev", "socket,id=libxl-cmd,path=%s/qmp,server=on,wait=off" % WORK, "-mon", "chardev=libxl-cmd,mode=control"],
        "defaults": ["-nodefaults", "-no-user-config"], "name": ["-name", "bad"],
        "vnc": ["-vnc", "127.0.0.1:50,to=99"], "display": ["-display", "none"], "keymap": [], "serial": ["-serial", "pty"],
        "vga": ["-device", "VGA,vgamem_mb=16"], "boot": ["-boot", "order=cda"], "usb": [], "smp": [],
        "net": ["-device", "e1000,id=nic0,netdev=net0,mac=00:16:3e:00:00:01",
                "-netdev", "type=tap,id=net0,ifname=xdmbad0,br=xenbr0,script=no,downscript=no"],
        "more": [], "machine": ["-machine", "xenfv,suppress-vmdesc=on"], "memory": ["-m", "128"],
        "disk": ["-drive", "file=%s/good.img,if=ide,index=0,media=disk,format=raw,cache=writeback" % WORK], "last": [],
    }


def disk(words):
    return ["-drive", words]


# What is wrong, the group it replaces, the words, and what the sentence must name.
ROWS = [
    ("an unknown option", "more", ["-frobnicate"], r"-frobnicate"),
    ("a word that is no option", "more", ["frobnicate"], r"frobnicate"),
    ("an option without its value", "last", ["-boot"], r"-boot"),
    ("no domain", "domid", [], r"-xen-domid"),
    ("a domain that is no number", "domid", ["-xen-domid", "five"], r"-xen-domid.*five"),
    ("a domain beyond Xen's", "domid", ["-xen-domid", "40000"], r"40000"),
    ("a domain that is not there", "domid", ["-xen-domid", "31999"], r"31999"),
    ("no memory", "memory", [], r"-m\b"),
    ("memory that is no number", "memory", ["-m", "lots"], r"-m.*lots"),
    ("no memory at all", "memory", ["-m", "0"], r"-m"),
    ("another machine", "machine", ["-machine", "q35"], r"q35"),
    ("an unknown machine property", "machine", ["-machine", "xenfv,frob=on"], r"frob"),
    ("an unknown device", "more", ["-device", "frobnicator"], r"frobnicator"),
    ("a SCSI controller", "more", ["-device", "lsi53c895a"], r"lsi53c895a"),
    ("an xHCI controller", "usb", ["-device", "nec-usb-xhci,id=usb"], r"nec-usb-xhci"),
    ("an EHCI controller", "usb", ["-device", "ich9-usb-ehci1,id=usb,addr=0x1d.0x7,multifunction=on"], r"ich9-usb-ehci1"),
    ("sound", "more", ["-device", "intel-hda"], r"intel-hda"),
    ("qxl", "vga", ["-device", "qxl-vga,vram_size_mb=64,ram_size_mb=64"], r"qxl"),
    ("spice", "more", ["-spice", "port=6000,disable-ticketing=on"], r"-?spice"),
    ("direct kernel boot", "more", ["-kernel", "/vmlinuz"], r"-kernel"),
    ("an unknown device property", "vga", ["-device", "VGA,frob=1"], r"frob"),
    ("video memory that is no number", "vga", ["-device", "VGA,vgamem_mb=much"], r"vgamem_mb.*much|much"),
    ("a NIC on a netdev that is not there", "net", ["-device", "e1000,id=nic0,netdev=net7,mac=00:16:3e:00:00:01"], r"net7"),
    ("a bad MAC address", "net", ["-device", "e1000,id=nic0,netdev=net0,mac=00:16:3e:zz", "-netdev",
                                  "type=tap,id=net0,ifname=xdmbad0,script=no,downscript=no"], r"mac|00:16:3e:zz"),
    ("an unknown netdev", "net", ["-netdev", "type=frob,id=net0"], r"frob"),
    ("an interface name that is too long", "net", ["-device", "e1000,id=nic0,netdev=net0,mac=00:16:3e:00:00:01", "-netdev",
                                                   "type=tap,id=net0,ifname=interface-name-too-long,script=no,downscript=no"], r"interface-name-too-long|ifname"),
    ("two devices with one id", "more", ["-device", "e1000,id=nic0,netdev=net0,mac=00:16:3e:00:00:02"], r"nic0|net0"),
    ("a missing image", "disk", disk("file=/nowhere/disk.img,if=ide,index=0,media=disk,format=raw"), r"/nowhere/disk\.img"),
    ("a directory as an image", "disk", disk("file=/etc,if=ide,index=0,media=disk,format=raw"), r"/etc"),
    ("an unknown format", "disk", disk("file={work}/good.img,if=ide,index=0,media=disk,format=frob"), r"frob"),
    ("an image that is no qcow2", "disk", disk("file={work}/good.img,if=ide,index=0,media=disk,format=qcow2"), r"good\.img|qcow2"),
    ("a floppy", "disk", disk("file={work}/good.img,if=floppy,index=0,format=raw"), r"floppy"),
    ("a fifth IDE disk", "disk", disk("file={work}/good.img,if=ide,index=4,media=disk,format=raw"), r"index|4"),
    ("two disks in one place", "last", disk("file={work}/good.img,if=ide,index=0,media=disk,format=raw"), r"index|taken|two|already|0"),
    ("an unknown drive option", "disk", disk("file={work}/good.img,if=ide,index=0,media=disk,format=raw,frob=1"), r"frob"),
    ("a file that cannot be written", "disk", disk("file={work}/ro/good.img,if=ide,index=0,media=disk,format=raw"), r"ro/good\.img"),
    ("a block device that cannot be written", "disk", disk("file={readonly},if=ide,index=0,media=disk,format=raw"), r"{readonly}"),
    ("an image of no size", "disk", disk("file={work}/empty.img,if=ide,index=0,media=disk,format=raw"), r"empty\.img"),
    ("an unknown chardev", "qmp", ["-chardev", "frob,id=c"], r"frob"),
    ("a socket in a missing directory", "qmp", ["-chardev", "socket,id=c,path=/nowhere/qmp,server=on,wait=off", "-mon", "chardev=c,mode=control"], r"/nowhere/qmp"),
    ("a socket path that is too long", "qmp", ["-chardev", "socket,id=c,path=/tmp/" + "x" * 200 + ",server=on,wait=off", "-mon", "chardev=c,mode=control"], r"long|xxx"),
    ("a monitor without its chardev", "qmp", ["-mon", "chardev=nowhere,mode=control"], r"nowhere"),
    ("a VNC port in use", "vnc", ["-vnc", "127.0.0.1:{display}"], r"{port}|:{display}|-vnc"),
    ("a VNC display that is none", "vnc", ["-vnc", "frob"], r"frob|-vnc"),
    ("a VNC address of another machine", "vnc", ["-vnc", "203.0.113.1:0"], r"203\.0\.113\.1"),
    ("an unknown keymap", "keymap", ["-k", "xx-frob"], r"xx-frob"),
    ("an unknown serial port", "serial", ["-serial", "frob:1"], r"frob"),
    ("a serial device that is not there", "serial", ["-serial", "/dev/nowhere"], r"/dev/nowhere"),
    ("a serial connection that is refused", "serial", ["-serial", "tcp:127.0.0.1:1"], r"127\.0\.0\.1|tcp"),
    ("an unknown boot order", "boot", ["-boot", "order=xyz"], r"xyz|-boot|order"),
    ("no vCPU", "smp", ["-smp", "0"], r"-smp"),
    ("more vCPUs than Xen has", "smp", ["-smp", "1,maxcpus=4000"], r"-smp|4000"),
    ("an unknown USB device", "usb", ["-usb", "-usbdevice", "frob"], r"frob"),
    ("an incoming state that is not open", "last", ["-incoming", "fd:99"], r"99|-incoming"),
    ("a user that is not there", "last", ["-runas", "nobody-of-this-name"], r"nobody-of-this-name"),
]

# The same, by xl.cfg; what must be said, in the device model's log or by xl itself.
XL_ROWS = [
    ("a word in device_model_args", {"device_model_args": ["-frobnicate"]}, r"-frobnicate"),
    ("a serial port by xl.cfg", {"serial": "frob:1"}, r"frob"),
    ("qxl by xl.cfg", {"vga": "qxl", "memory": 256, "videoram": 128}, r"qxl"),
    ("xHCI by xl.cfg", {"usbversion": 3}, r"nec-usb-xhci"),
    ("a VNC port in use, by xl.cfg", {"vncunused": 0, "vncdisplay": "{display}"}, r"{port}|:{display}|-vnc"),
    ("a missing image, by xl.cfg", {"disk": ["/nowhere/disk.img,raw,hda,w"]}, r"/nowhere/disk\.img"),
]


def judge(label, code, text, pattern, seconds):
    """None, or what is wrong with how it failed."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "xen-dm: error: " in line]
    if code is None:
        return "it did not end within %d seconds" % LIMIT
    if code < 0:
        return "signal %d ended it: %s" % (-code, lines[-1:])
    if code == 0:
        return "it ended with status 0"
    if len(errors) != 1:
        return "it said %d sentences: %r" % (len(errors), text[-300:])
    if not re.search(pattern, errors[0]):
        return "the sentence does not say what is wrong: %s" % errors[0]
    note("%-40s %.2f s  %s" % (label, seconds, errors[0]))
    return None


def start(words, limit):
    began = time.monotonic()
    child = subprocess.Popen([DM_PATH] + words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        text = child.communicate(timeout=limit)[0]
        return child.returncode, text.decode("utf-8", "replace"), time.monotonic() - began
    except subprocess.TimeoutExpired:
        child.kill()
        return None, child.communicate()[0].decode("utf-8", "replace"), limit


def control(domid):
    """The unchanged command line runs, until SIGTERM."""
    xenstate = "/local/domain/0/device-model/%d/state" % domid
    run("xenstore-rm", xenstate, ok=False)
    log = open(os.path.join(RESULTS, "control.txt"), "w+b")
    child = subprocess.Popen([DM_PATH] + sum(base(domid).values(), []), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until(lambda: xenstore(xenstate) == "running" or child.poll() is not None, 30, "the good command line to run")
        check(child.poll() is None, "the good command line ended: see control.txt")
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            raise Failure("SIGTERM did not end xen-dm within 10 seconds") from None
    check(child.returncode == 0, "SIGTERM ended xen-dm with status %d" % child.returncode)


def hidden(path, rows):
    """Runs rows while a directory of ROMs is away; only in the box, where it is nobody else's."""
    if not os.environ.get("IN_BOX"):
        return []
    os.rename(path, path + ".away")
    try:
        return rows()
    finally:
        os.rename(path + ".away", path)


def bare_domain():
    """
    A paused domain without a device model: its own, which had no VGA to give memory to, was ended. There is
    room for the video memory of several that come after it, for Xen does not take it back when they end.
    """
    guest = Guest(name="bad", memory=256, videoram=128, vga="none", disk=[], vif=[])
    guest.create(start=False)
    pid = guest.dm_pid()
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not os.path.exists("/proc/%d" % pid), 15, "SIGTERM to end the device model")
    return guest


def scenario():
    only_ours()
    blank_disk("good.img", 8)
    open(os.path.join(WORK, "empty.img"), "w").close()
    blank_disk("readonly.img", 8)
    readonly = run("losetup", "--show", "-r", "-f", os.path.join(WORK, "readonly.img")).strip()
    # root may write any file, but not on a file system that is mounted read-only
    os.mkdir(os.path.join(WORK, "ro"))
    run("mount", "--bind", WORK, os.path.join(WORK, "ro"))
    run("mount", "-o", "remount,bind,ro", os.path.join(WORK, "ro"))
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    while port < 5900:                  # VNC displays begin at 5900
        port += 1
    taken.close()
    taken = socket.create_server(("127.0.0.1", port))
    places = {"{work}": WORK, "{readonly}": readonly, "{port}": str(port), "{display}": str(port - 5900)}

    def fill(word):
        for key, value in places.items():
            word = word.replace(key, value)
        return word

    guest = bare_domain()
    control(guest.domid)
    say("the unchanged command line runs")

    wrong, count = [], 0

    def try_row(label, group, words, pattern):
        nonlocal guest
        groups = base(guest.domid)
        check(group in groups, "there is no group %s", group)
        groups[group] = [fill(word) for word in words]
        code, text, seconds = start(sum(groups.values(), []), LIMIT)
        if "video memory" in text or "ioreq server" in text:
            guest.destroy()             # those before it used up the room: Xen takes back neither
            guest = bare_domain()
            groups["domid"] = base(guest.domid)["domid"] if group != "domid" else groups["domid"]
            code, text, seconds = start(sum(groups.values(), []), LIMIT)
        fault = judge(label, code, text, fill(pattern), seconds)
        if fault:
            note("WRONG %s: %s" % (label, fault))
            wrong.append("%s: %s" % (label, fault))
        return 1

    for row in ROWS:
        count += try_row(*row)
    say("%d command lines tried" % count)
    hidden("/usr/share/seabios", lambda: try_row("no VGA BIOS", "first", ["-no-shutdown"], r"vgabios"))
    hidden("/usr/lib/ipxe", lambda: try_row("no boot ROM", "first", ["-no-shutdown"], r"rom"))
    run("losetup", "-d", readonly)
    run("umount", os.path.join(WORK, "ro"))
    guest.destroy()

    for n, (label, config, pattern) in enumerate(XL_ROWS):
        config = {k: int(fill(v)) if k == "vncdisplay" else v for k, v in config.items()}
        one = Guest(name="bad%d" % n, **dict({"memory": 128, "disk": []}, **config))
        one.write_config()
        began = time.monotonic()
        code, out = run("xl", "create", "-p", one.cfg, timeout=100, ok=False)
        text = out + (open(one.log, errors="replace").read() if os.path.exists(one.log) else "")
        fault = "xl create succeeded" if code == 0 else None if re.search(fill(pattern), text) else "nobody said why: %r" % text[-300:]
        note("%s: xl create took %.1f s" % (label, time.monotonic() - began))
        if fault:
            note("WRONG %s: %s" % (label, fault))
            wrong.append("%s: %s" % (label, fault))
        if code == 0:
            one.destroy()
        count += 1
    check(not wrong, "%d of %d bad inputs were taken wrongly: %s", len(wrong), count, " // ".join(wrong)[:1500])
    say("%d bad inputs, each with its sentence" % count)


main(scenario)
