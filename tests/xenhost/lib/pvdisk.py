# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's PV disks on our own backend: images of every format, data through them, and what is left."""
import hashlib
import os
import re
import subprocess

import hardware
from guest import blank_disk
from scenario import WORK, check, check_equal, note, run, run_quiet, say, wait_until, xenstore

MIB = 1 << 20
SIZE = 160                  # MiB of each image
FIXED = 16                  # MiB at its end that are never written: of the qcow2 they are its backing file's


def qdisk(vdev, target, kind="raw", more=""):
    """A disk of xl.cfg, or what block-attach takes."""
    return "format=%s,vdev=%s,access=rw,backendtype=qdisk,%starget=%s" % (kind, vdev, more, target)


def node(guest, number, key):
    return xenstore("/local/domain/0/backend/qdisk/%d/%d/%s" % (guest.domid, number, key))


def await_disk(guest, name, there=True):
    wait_until(lambda: (name in guest.sh("ls /sys/block").split()) == there, 40,
               "%s to %s in the guest" % (name, "appear" if there else "go"))


def digest(image, mib, skip=0):
    with open(image, "rb") as f:
        f.seek(skip * MIB)
        return hashlib.sha256(f.read(mib * MIB)).hexdigest()


def random_data(mib):
    """A command of the guest's: the same bytes each time, and no two MiB of them alike. Only 8 are random, which take long."""
    return ("[ -e /tmp/data ] || dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null; "
            "for i in $(seq %d); do echo $i; cat /tmp/data; done 2>/dev/null | dd bs=1M iflag=fullblock count=%d 2>/dev/null" %
            (mib // 8, mib))


def write(guest, name, mib, block="1M"):
    """Random data past the guest's page cache; its digest as the guest reads it back."""
    guest.sh("%s | dd of=/dev/%s bs=%s iflag=fullblock oflag=direct conv=fsync 2>/dev/null" %
             (random_data(mib), name, block), timeout=300)
    # a guest that was once told of an error asks for no flush any more, and says nothing of it
    check_equal(guest.sh("cat /sys/block/%s/queue/write_cache" % name), "write back", "what the guest thinks of flushes of " + name)
    return read(guest, name, mib, block)


def read(guest, name, mib, block="1M", skip=0):
    return guest.sh("dd if=/dev/%s bs=%s iflag=direct,count_bytes,skip_bytes skip=%d count=%d 2>/dev/null | sha256sum" %
                    (name, block, skip * MIB, mib * MIB), timeout=300).split()[0]


def write_and_verify(guest, name, image, mib, block="256k"):
    check_equal(write(guest, name, mib, block), digest(image, mib),
                "what the guest reads back from %s, and what is in its image" % name)


class Images:
    """One of each format: {name of the disk in the guest: Image}."""

    def __init__(self, names):
        self.server = None
        base = blank_disk("base.img", SIZE)
        with open(base, "r+b") as f:
            f.seek((SIZE - FIXED) * MIB)
            f.write(os.urandom(FIXED * MIB))
        self.base = digest(base, FIXED, SIZE - FIXED)
        makers = {"raw": lambda p: (blank_disk("disk.raw", SIZE), "raw"), "qcow2": self.qcow2, "vhd": self.vhd,
                  "nbd": self.nbd}
        self.all = {}
        for kind, name in names.items():
            target, xl_kind = makers[kind](os.path.join(WORK, "disk." + kind))
            self.all[kind] = {"name": name, "target": target, "xl": qdisk(name, target, xl_kind), "digest": None}

    @staticmethod
    def qcow2(path):
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.img", "-F", "raw", path)
        return path, "qcow2"

    @staticmethod
    def vhd(path):
        run("qemu-img", "create", "-q", "-f", "vpc", "-o", "force_size=on", path, "%dM" % SIZE)
        return path, "vhd"

    def nbd(self, path):
        blank_disk("disk.nbd", SIZE)
        self.server = subprocess.Popen(["qemu-nbd", "-f", "raw", "-t", "--discard=unmap", "-k", path + ".sock", path],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(path + ".sock"), 20, "the NBD server's socket")
        return "nbd:unix:%s.sock" % path, "raw"

    def xl(self):
        return [image["xl"] for image in self.all.values()]

    def write_and_verify(self, guest, mib=128):
        """The guest's half: writes, and reads back; here() then looks at the images."""
        sent = guest.sh("%s | sha256sum" % random_data(mib), timeout=90).split()[0]
        for kind, image in self.all.items():
            await_disk(guest, image["name"])
            image["digest"] = write(guest, image["name"], mib)
            check_equal(image["digest"], sent, "what the guest reads back from its disk on %s" % kind)
            if kind == "qcow2":
                check_equal(read(guest, image["name"], FIXED, skip=SIZE - FIXED), self.base,
                            "what the guest reads through its qcow2 from the backing file")
        say("guest: %d MiB written and verified on %s" % (mib, ", ".join(self.all)))

    def here(self, mib=128):
        """Once nothing has the images open: they are whole, and hold what the guest wrote."""
        if self.server:
            self.server.terminate()
            self.server.wait(20)
        for kind, image in self.all.items():
            path, raw = os.path.join(WORK, "disk." + kind), os.path.join(WORK, "judged.raw")
            if kind == "qcow2":
                _, text = run("qemu-img", "check", path, ok=False)
                note(text)
                check("No errors were found" in text, "qemu-img check of the qcow2: %s", text.strip())
            if kind in ("qcow2", "vhd"):
                run("qemu-img", "convert", "-f", "vpc" if kind == "vhd" else kind, "-O", "raw", path, raw, timeout=120)
                path = raw
            check_equal(digest(path, mib), image["digest"], "what is in the %s image" % kind)
            if kind == "qcow2":
                check_equal(digest(path, FIXED, SIZE - FIXED), self.base, "what the qcow2 has of its backing file")
            if path == raw:
                os.unlink(raw)
        say("the images hold what the guest wrote, and qemu-img finds no fault in them")


def comes_and_goes(guest, name, image):
    """xl adds a disk, the guest uses it, xl takes it away."""
    run("xl", "block-attach", guest.name, qdisk(name, image))
    await_disk(guest, name)
    write_and_verify(guest, name, image, 8)
    run("xl", "block-detach", guest.name, name)
    await_disk(guest, name, there=False)
    say("guest: a disk was added, used and taken away")


def open_images():
    """Processes that have a file of this scenario open, beside what the scenario itself started."""
    found = []
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) == os.getpid():
            continue
        try:
            with open("/proc/%s/comm" % pid) as f:
                name = f.read().strip()
            files = [os.readlink("/proc/%s/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%s/fd" % pid)]
        except OSError:
            continue
        found += ["%s has %s open" % (name, f) for f in files if f.startswith(WORK + "/") and name != "qemu-nbd"]
    return found


def grants(domid):
    """What Xen says of this domain's grants in use, and of a domain that only they keep alive."""
    run_quiet("xl", "debug-keys", "g")
    text = run("xl", "dmesg")
    table = text[text.rindex("gnttab_usage_print_all [ key 'g' pressed"):]
    found = re.findall(r"grant-table for remote d%d\b.*" % domid, table)
    for line in run("xl", "list").splitlines()[1:]:
        words = line.split()
        if "%d" % domid in words[1:2]:
            found.append("domain: " + line.strip())
    return found


def nothing_left(domid):
    """Of a domain that ended, however it ended: no node, process, grant, interface or open file."""
    hardware.check_no_traces(domid)
    wait_until(lambda: not open_images(), 20, "the images to be closed: %s" % open_images())
    wait_until(lambda: not grants(domid), 20, "the grants to go: %s" % grants(domid))
