# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# A driver domain: a PVH guest on dom0's own root disk, with `xl devd` in it, which starts xen-dm for another
# guest's disk and network card. What the guest writes is in the driver domain; nothing is left there at the end.
import hashlib
import os

import hardware
from guest import pvh_guest
from pvdisk import qdisk
from scenario import DM_PATH, WORK, Skip, check, check_equal, main, only_ours, run, say, wait_until, \
    xenstore, xenstore_list

MIB = 1 << 20
LIBXL_DM = "/usr/libexec/xen-qemu-system-i386"
IMAGE = "/var/tmp/guest.img"
# The root file system is dom0's, read-only; then what a driver domain's services do, and a scenario's shell
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for m in /m/*.ko; do insmod $m; done 2>/dev/null
i=0
until [ -e /dev/xvda ] || [ $i -ge 300 ]; do usleep 100000; i=$((i + 1)); done
mount -t ext4 -o ro /dev/xvda /mnt
for d in run tmp var/log var/lib/xen var/tmp; do mount -t tmpfs tmp /mnt/$d; done
for d in dev proc sys; do mount --move /$d /mnt/$d; done
cat >/mnt/tmp/init <<'E'
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mkdir -p /dev/pts /run/xen /run/lock /var/log/xen
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
modprobe -a xen-evtchn xen-gntdev xen-privcmd xenfs tun bridge
mount -t xenfs xenfs /proc/xen
mount --bind @DM@ @LIBXL_DM@
ip link add xdmbr0 type bridge
ip addr add @HOST_IP@/24 dev xdmbr0
ip link set xdmbr0 up
stty -F /dev/hvc0 raw -echo
echo "XDM-GUEST-READY $(uname -r)" >/dev/hvc0
while :; do
    dd if=/dev/hvc0 bs=512 2>/dev/null | sh >/dev/hvc0 2>&1
    sleep 0.2
done
E
exec chroot /mnt /bin/bash /tmp/init
"""


def initrd():
    """What finds the root disk and goes there."""
    tree, version = os.path.join(WORK, "initrd.d"), os.uname().release
    for name in ("bin", "m", "proc", "sys", "dev", "mnt"):
        os.makedirs(os.path.join(tree, name))
    run("cp", "/bin/busybox", tree + "/bin/busybox")
    os.symlink("busybox", tree + "/bin/sh")
    files = []
    for module in ("xen-blkfront", "crc32c_generic", "ext4"):
        for line in run("modprobe", "-S", version, "-D", module).splitlines():
            words = line.split()
            if words[0] == "insmod" and words[1] not in files:
                files.append(words[1])
    for n, file in enumerate(files):
        run("cp", file, "%s/m/%02d-%s" % (tree, n, os.path.basename(file)))
    with open(tree + "/init", "w") as f:
        f.write(INIT.replace("@DM@", DM_PATH).replace("@LIBXL_DM@", LIBXL_DM).replace("@HOST_IP@", hardware.HOST_IP))
    os.chmod(tree + "/init", 0o755)
    path = os.path.join(WORK, "initrd")
    run("sh", "-c", "cd %s && find . | busybox cpio -o -H newc | gzip -1 >%s" % (tree, path))
    return path


def root_disk():
    device = run("findmnt", "-n", "-o", "SOURCE", "/").strip()
    kind = run("findmnt", "-n", "-o", "FSTYPE", "/").strip()
    if os.environ.get("IN_BOX") != "1" or kind != "ext4" or not device.startswith("/dev/"):
        raise Skip("dom0's root disk is not one that a guest may look at")
    run("sync")
    return device


def scenario():
    only_ours()
    driver = pvh_guest("driver", memory=400, ramdisk=initrd(), driver_domain=1,
                       disk=["format=raw,vdev=xvda,access=ro,backendtype=qdisk,target=" + root_disk()])
    driver.create()
    driver.wait_ready(200)
    driver.sh("xl devd", timeout=90)
    driver.sh("truncate -s 40M " + IMAGE)
    say("driver domain: xl devd runs")
    guest = pvh_guest(disk=[qdisk("xvda", IMAGE, more="backend=%s," % driver.name)],
                      vif=["bridge=xdmbr0,backend=" + driver.name])
    guest.create(start=False)
    check("-xen-domid\0%d\0" % guest.domid in processes(driver), "xl devd has started no process for the guest")
    check_equal(xenstore("/local/domain/%d/device-model/%d/state" % (driver.domid, guest.domid)), "running",
                "the process's state")
    # dom0's xl does not wait for the driver domain's script, which xl devd gives up after 40 seconds
    wait_until(lambda: xenstore("/local/domain/%d/backend/vif/%d/0/hotplug-status" % (driver.domid, guest.domid)) == "connected",
               60, "the vif script in the driver domain")
    guest.run()
    guest.wait_ready(200)
    wait_until(lambda: guest.sh("ls /sys/block /sys/class/net").split().count("xvda"), 40, "the disk in the guest")
    guest.sh("dd if=/dev/urandom of=/dev/xvda bs=256k count=64 iflag=fullblock oflag=direct conv=fsync 2>/dev/null", timeout=120)
    there = guest.sh("dd if=/dev/xvda bs=256k count=64 iflag=direct 2>/dev/null | sha256sum", timeout=120).split()[0]
    check_equal(driver.sh("head -c 16M %s | sha256sum" % IMAGE).split()[0], there, "the disk as the driver domain has it")
    guest.sh("ip addr add %s/24 dev eth0; ip link set eth0 up" % hardware.GUEST_IP)
    wait_until(lambda: guest.sh("ping -c 1 -W 2 %s" % hardware.HOST_IP, ok=False)[0] == 0, 60, "a ping to the driver domain")
    driver.sh("(sleep 90 | busybox nc -l -p 77 | sha256sum >/tmp/sum) >/dev/null 2>&1 &")
    guest.sh("sleep 1; dd if=/dev/xvda bs=256k count=16 2>/dev/null | nc %s 77" % hardware.HOST_IP, timeout=120)
    check_equal(driver.sh("sleep 1; cat /tmp/sum").split()[0], guest.sh("dd if=/dev/xvda bs=256k count=16 2>/dev/null | sha256sum").split()[0],
                "what came to the driver domain")
    say("guest: 16 MiB written and verified on its disk, and 4 MiB sent, through the driver domain")
    guest.destroy()
    wait_until(lambda: not xenstore_list("/local/domain/%d/backend" % driver.domid), 30, "the guest's backends to go")
    wait_until(lambda: "-xen-domid" not in processes(driver), 30, "its process to end")
    check("vif%d" % guest.domid not in driver.sh("ls /sys/class/net"), "its tap is still there")
    say("driver domain: the guest was destroyed, and nothing is left of it")
    driver.destroy()
    hardware.check_no_traces(guest.domid)
    hardware.check_no_traces(driver.domid)


def processes(driver):
    return driver.sh("cat /proc/[0-9]*/cmdline | tr '\\0' '@'; true").replace("@", "\0")


main(scenario)
