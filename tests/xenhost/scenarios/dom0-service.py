# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 300
# xen-dm as dom0's own backend process, by the words of Debian's init script and of Xen's unit: disks for dom0
# itself, and a guest's qcow2 disk that libxl attaches to dom0 for its boot loader to read.
import hashlib
import os
import signal

import hardware
import network
from guest import BASE_CMDLINE, blank_disk, pvh_guest
from pvdisk import qdisk
from scenario import DM_PATH, GUEST_FILES, WORK, Skip, check, check_equal, main, only_ours, run, run_quiet, say, \
    wait_until, xenstore, xenstore_list

MIB = 1 << 20
PIDFILE = "/run/xdm-dom0.pid"
DEBIAN = "-xen-domid 0 -xen-attach -name dom0 -nographic -M xenpv -daemonize -monitor none -serial none -parallel none"
XEN = "-xen-domid 0 -xen-attach -name dom0 -nographic -M xenpv -daemonize -monitor /dev/null -serial /dev/null " \
      "-parallel /dev/null -nodefaults -no-user-config"
NODE = "/local/domain/0/image/device-model-pid"
LOADER = """#!/bin/sh
for word; do
    case $word in
    --output=*) out=${word#--output=} ;;
    /*) disk=$word ;;
    esac
done
head -c 65536 "$disk" >%s/seen
printf 'kernel %s/vmlinuz\\0ramdisk %s/initrd\\0args %s\\0' >"$out"
"""


def scenario():
    only_ours()
    if xenstore(NODE):
        raise Skip("dom0 has its backend process already")
    run_quiet("modprobe", "xen-blkfront")
    for words in (DEBIAN, XEN):
        pid = start(words)
        disk_of_dom0()
        before = network.holdings(pid)          # its I/O loop stays
        disk_of_dom0()
        wait_until(lambda: network.holdings(pid) == before, 20, "descriptors and grants to be %s again" % (before,))
        say("dom0: 16 MiB written and verified on a disk of its own, twice; nothing is left of it")
        if words == DEBIAN:
            boot_loader()
        stop(pid)


def start(words):
    run(DM_PATH, *words.split(), "-pidfile", PIDFILE)
    with open(PIDFILE) as f:
        pid = int(f.read())
    check(os.path.exists("/proc/%d" % pid), "the process of the pidfile is not there")
    check_equal(xenstore(NODE), str(pid), "the process that libxl looks for")
    return pid


def stop(pid):
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not os.path.exists("/proc/%d" % pid), 20, "the process to end")
    check(not os.path.exists(PIDFILE), "the pidfile is still there")
    check_equal(xenstore(NODE), None, "the process that libxl looks for, after its end")


def there(name):
    return os.path.exists("/sys/block/%s/size" % name)


def disk_of_dom0():
    """Written and verified through /dev/xvdX of dom0."""
    image = blank_disk("dom0.img", 24)
    data = os.urandom(16 * MIB)
    run("xl", "block-attach", "0", qdisk("xvdy", image))
    wait_until(lambda: there("xvdy"), 20, "the disk in dom0")
    run_quiet("udevadm", "settle")
    with open(os.path.join(WORK, "data"), "wb") as f:
        f.write(data)
    run("dd", "if=%s/data" % WORK, "of=/dev/xvdy", "bs=1M", "oflag=direct", "conv=fsync")
    run("dd", "if=/dev/xvdy", "of=%s/back" % WORK, "bs=1M", "count=16", "iflag=direct")
    want = hashlib.sha256(data).hexdigest()
    for file in ("back", "dom0.img"):
        with open(os.path.join(WORK, file), "rb") as f:
            check_equal(hashlib.sha256(f.read(16 * MIB)).hexdigest(), want, "the checksum of %s" % file)
    run("xl", "block-detach", "0", "xvdy")
    wait_until(lambda: not there("xvdy"), 20, "the disk to go")
    wait_until(lambda: not xenstore_list("/local/domain/0/backend/qdisk/0"), 20, "its backend to go")


def boot_loader():
    """libxl attaches the disk to dom0 for as long as the boot loader runs."""
    path = os.path.join(WORK, "boot.qcow2")
    marker = os.path.join(WORK, "marker")
    with open(marker, "wb") as f:
        f.write(os.urandom(65536))
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", marker, path)
    loader = os.path.join(WORK, "loader")
    with open(loader, "w") as f:
        f.write(LOADER % (WORK, GUEST_FILES, GUEST_FILES, BASE_CMDLINE.replace("console=ttyS0,115200", "console=hvc0")))
    os.chmod(loader, 0o755)
    guest = pvh_guest(disk=["format=qcow2,vdev=xvda,access=rw,target=" + path], kernel=None, ramdisk=None, bootloader=loader)
    guest.config["cmdline"] = None
    guest.create()
    guest.wait_ready()
    with open(marker, "rb") as f:
        want = f.read()
    with open(os.path.join(WORK, "seen"), "rb") as f:
        check_equal(hashlib.sha256(f.read()).hexdigest(), hashlib.sha256(want).hexdigest(), "what the boot loader has read")
    wait_until(lambda: "xvda" in guest.sh("ls /sys/block"), 40, "the disk in the guest")
    check_equal(guest.sh("head -c 65536 /dev/xvda | sha256sum").split()[0], hashlib.sha256(want).hexdigest(),
                "what the guest reads")
    guest.destroy()
    hardware.check_no_traces(guest.domid)
    check_equal(xenstore_list("/local/domain/0/backend/qdisk/0"), [], "disks of dom0 that are left")
    say("guest: booted by a boot loader that read its qcow2 disk through dom0")


main(scenario)
