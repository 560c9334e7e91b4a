# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# What administrators do to a guest with xl: list, console, pause, sysrq, trigger, CD change, more
# vCPUs, xentop; and destroy, after which nothing is left behind.
import hashlib
import os
import pty
import select
import subprocess
import time

import hardware
import vnc
from guest import Guest, blank_disk, guest_cd
from scenario import OURS, WORK, Failure, check, check_equal, main, note, run, say, wait_until, xenstore


def console(guest, line, answer, timeout=30):
    """`xl console` on a terminal: types a line and waits for the answer."""
    guest.serial.close()                # two readers would each get a part
    parent, child = pty.openpty()
    process = subprocess.Popen(["xl", "console", guest.name], stdin=child, stdout=child, stderr=child,
                               start_new_session=True)
    os.close(child)
    seen, deadline, typed = b"", time.monotonic() + timeout, 0
    try:
        while answer not in seen.decode("utf-8", "replace"):
            check(time.monotonic() < deadline, "xl console did not show '%s', but %r", answer, seen[-200:])
            # xl console empties its terminal's input when it starts: type until it was heard
            if time.monotonic() - typed > 3:
                os.write(parent, line.encode() + b"\n")
                typed = time.monotonic()
            if select.select([parent], [], [], 0.5)[0]:
                seen += os.read(parent, 4096)
    finally:
        process.kill()
        process.wait()
        os.close(parent)
    guest.open_serial()


def state(guest):
    return run("xl", "list", guest.name).splitlines()[-1].split()[4]


def cd_of(guest, name):
    """The checksum of the CD in the drive, or None where it has no medium."""
    status, out = guest.sh("dd if=/dev/%s bs=64k iflag=direct 2>/dev/null | sha256sum; cat /sys/block/%s/size" %
                           (name, name), timeout=90, ok=False)
    note(out)
    digest = out.split()[0]
    return None if digest == hashlib.sha256(b"").hexdigest() else digest


def xentop(guest):
    """
    The guest's disks in xentop, which asks the device model and waits 10 ms for the answer: in a box
    that is not always enough, so several looks count as one.
    """
    seen = []
    for _ in range(5):
        head = []
        for line in run("xentop", "-b", "-f", "-i", "5", "-d", "1", timeout=90).splitlines():
            # "no limit" is two words, and stands in one column
            words = line.replace("no limit", "no-limit").split()
            if "NAME" in words:
                head = words
            elif words and words[0] == guest.name:
                seen.append(dict(zip(head, words)))
        if any(int(v["VBDS"]) >= 1 and int(v["VBD_RD"]) > 0 for v in seen):
            return
    raise Failure("xentop shows no disks with reads, but %s" % [(v["VBDS"], v["VBD_RD"]) for v in seen])


def scenario():
    image = blank_disk("hda.img", 24)
    guest = Guest(disk=["format=raw,vdev=hda,access=rw,backendtype=qdisk,target=" + image,
                        "%s,raw,hdc,cdrom" % guest_cd()],
                  vcpus=1, maxvcpus=2, usb=1, usbdevice=["tablet"], vif=["bridge=" + hardware.bridge()],
                  # Debian's QEMU has no DES, so it can have no VNC password
                  vncpasswd="s3cret" if OURS else None)
    guest.create(start=False)
    first = guest.domid
    check_equal(state(guest)[2], "p", "the paused guest's state in xl list")
    guest.run()
    guest.wait_ready()
    port = xenstore("/local/domain/%d/console/vnc-port" % first)
    check(port and 5900 <= int(port) < 6000, "the VNC port in xenstore is %s", port)
    with guest.vnc(password="s3cret" if OURS else None) as client:
        check(client.screenshot().width >= 640, "the VNC picture is small")
    if OURS:
        try:
            guest.vnc(password="wrong").close()
            raise Failure("VNC let a wrong password in")
        except vnc.VncError as e:
            check("refused" in str(e), "a wrong VNC password: %s", e)
    say("xl list, VNC port and password")

    console(guest, "echo con''sole", "console")
    say("xl console")

    run("xl", "pause", guest.name)
    check_equal(state(guest)[2], "p", "the paused guest's state")
    before = run("xl", "vcpu-list", guest.name).splitlines()[1].split()
    time.sleep(3)
    check_equal(run("xl", "vcpu-list", guest.name).splitlines()[1].split(), before, "a paused vCPU's time")
    run("xl", "unpause", guest.name)
    check_equal(guest.sh("echo back"), "back", "the unpaused guest's answer")
    say("xl pause, unpause")

    run("xl", "sysrq", guest.name, "h")
    wait_until(lambda: "sysrq: HELP" in guest.sh("dmesg | tail -n 5"), 20, "the guest to take xl sysrq")
    run("xl", "trigger", guest.name, "nmi", "0")
    wait_until(lambda: "NMI" in guest.sh("dmesg | tail -n 5"), 20, "the guest to take xl trigger nmi")
    say("xl sysrq, trigger")

    run("xl", "vcpu-set", "--ignore-host", guest.name, "2")
    wait_until(lambda: guest.sh("ls -d /sys/devices/system/cpu/cpu1 || true").endswith("cpu1"), 30, "the second vCPU in the guest")
    say("xl vcpu-set")

    guest.sh("dd if=/dev/%s of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null" % hardware.ide_disk(guest, "hda"))
    xentop(guest)
    say("xentop shows the disks")

    drive = hardware.ide_disk(guest, "hdc")
    data = os.urandom(2 << 20)
    other = os.path.join(WORK, "other.iso")
    with open(other, "wb") as f:
        f.write(data)
    run("xl", "cd-eject", guest.name, "hdc")
    check_equal(cd_of(guest, drive), None, "the medium after xl cd-eject")
    run("xl", "cd-insert", guest.name, "hdc", other)
    wait_until(lambda: cd_of(guest, drive) == hashlib.sha256(data).hexdigest(), 40, "the guest to read the new CD")
    run("xl", "cd-eject", guest.name, "hdc")
    check_equal(cd_of(guest, drive), None, "the medium after the second xl cd-eject")
    say("xl cd-eject, cd-insert")

    guest.destroy()
    hardware.check_no_traces(first)
    say("xl destroy: nothing left behind")


main(scenario)
