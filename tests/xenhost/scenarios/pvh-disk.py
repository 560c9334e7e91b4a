# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 900
# A PVH guest, whose only device model is the process for its backends that xl starts (-machine xenpv): disks
# of all formats are written and verified from both sides, one is added and taken away, the guest reboots
# ten times, is destroyed under load, and nothing is left at the end.
import hardware
from guest import blank_disk, pvh_guest
from pvdisk import Images, await_disk, comes_and_goes, grants, nothing_left, read
from scenario import check, check_equal, main, only_ours, say, wait_until

REBOOTS = 10


def scenario():
    only_ours()
    images = Images({"raw": "xvda", "qcow2": "xvdb", "vhd": "xvdc", "nbd": "xvdd"})
    guest = pvh_guest(disk=images.xl(), vcpus=2)
    guest.create()
    with open("/proc/%d/cmdline" % guest.dm_pid()) as f:
        check("xenpv" in f.read().split("\0"), "the device model of a PVH guest is not for backends")
    guest.wait_ready()
    images.write_and_verify(guest)
    check("grant-table" in str(grants(guest.domid)), "Xen says nothing of the grants of a guest that uses disks")
    more = blank_disk("more.img", 16)
    comes_and_goes(guest, "xvdf", more)
    ends = {name: read(guest, name, 4) for name in ("xvda", "xvdb", "xvdc", "xvdd")}
    for i in range(REBOOTS):
        before = guest.domid
        guest.sh("reboot -f &", ok=False)
        wait_until(lambda: guest.find() and guest.domid != before, 60, "the guest to reboot")
        guest.open_serial()
        guest.wait_ready()
        for name in list(ends) if i in (0, REBOOTS - 1) else ["xvdb"]:
            await_disk(guest, name)
            check_equal(read(guest, name, 4), ends[name], "%s after reboot %d" % (name, i + 1))
        hardware.check_no_traces(before)
        left = grants(before)
        check(not left, "after reboot %d Xen has grants of the guest before: %s", i + 1, left)
    say("guest: rebooted %d times, its disks are as they were" % REBOOTS)
    guest.sh("(while :; do dd if=/dev/xvdb of=/dev/null bs=1M iflag=direct 2>/dev/null; done) & "
             "(while :; do dd if=/dev/xvdd of=/dev/null bs=64k iflag=direct 2>/dev/null; done) & sleep 1", ok=False)
    guest.destroy()
    nothing_left(guest.domid)
    say("destroyed under load: nothing is left")
    images.here()


main(scenario)
