# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 500
# The e1000's boot ROM finds dnsmasq, fetches a script, a kernel and an initramfs, and runs them.
import os
import shutil
import subprocess

import hardware
from guest import BASE_CMDLINE, NEVER, Guest
from scenario import GUEST_FILES, RESULTS, WORK, check, main, on_failure, say


def scenario():
    check(shutil.which("dnsmasq") or os.path.exists("/usr/sbin/dnsmasq"), "this host has no dnsmasq")
    bridge = hardware.bridge()
    root = os.path.join(WORK, "tftp")
    os.mkdir(root)
    os.chmod(WORK, 0o755)
    for file in ("vmlinuz", "initrd"):
        shutil.copy(os.path.join(GUEST_FILES, file), root)
    with open(os.path.join(root, "boot.ipxe"), "w") as f:
        f.write("#!ipxe\necho xen-dm network boot\nkernel vmlinuz %s initrd=initrd netboot=yes\ninitrd initrd\nboot\n" %
                (BASE_CMDLINE + NEVER))
    log = os.path.join(RESULTS, "dnsmasq.txt")
    server = subprocess.Popen([
        "dnsmasq", "--keep-in-foreground", "--port=0", "--conf-file=/dev/null", "--user=root", "--bind-interfaces",
        "--interface=" + bridge, "--except-interface=lo", "--dhcp-range=192.168.77.100,192.168.77.150,1h",
        "--dhcp-boot=boot.ipxe", "--enable-tftp", "--tftp-root=" + root, "--log-dhcp", "--log-facility=" + log,
        "--dhcp-leasefile=" + os.path.join(WORK, "leases"), "--pid-file"])
    try:
        guest = Guest(boot="n", vif=["model=e1000,bridge=" + bridge], disk=[])
        on_failure(lambda: guest.screenshot("pxe.png"))
        guest.create()
        guest.wait_ready(400)
        check("netboot=yes" in guest.sh("cat /proc/cmdline"), "the guest was booted by something else")
        say("guest: its kernel came over the network")
        guest.destroy()
    finally:
        server.terminate()


main(scenario)
