# SPDX-License-Identifier: GPL-2.0-or-later
"""The box: its image in the cache, and one emulated machine with Xen and dom0 in it."""
import fcntl
import glob
import hashlib
import os
import queue
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
VIF_SCRIPT = "pv-backends/net/vif-xen-dm"
READY_LIMIT = 240           # seconds from power-on to dom0's agent; 10 on an idle machine
SILENCE_LIMIT = 90          # the agent says something every 5 seconds


class BoxError(Exception):
    """The box itself failed: one sentence."""


# --- the image -----------------------------------------------------------------------------------
def cache_dir():
    """The first place that can be written, outside the clone: the image survives `git clean`."""
    for path in (os.environ.get("XEN_DM_CACHE") or "/var/cache/xen-dm", os.path.expanduser("~/.cache/xen-dm")):
        try:
            os.makedirs(path, exist_ok=True)
        except OSError:
            continue
        if os.access(path, os.W_OK):
            return path
    raise BoxError("no place for the image: set XEN_DM_CACHE to a directory that can be written.")


def image_key():
    """Names what the image is made from: change a file or the package list, and it is made anew."""
    digest = hashlib.sha256()
    for path in sorted(glob.glob(HERE + "/image/*")):
        with open(path, "rb") as f:
            digest.update(f.read())
    digest.update(subprocess.run([TESTS + "/install-packages", "--list", "dom0"], check=True,
                                 stdout=subprocess.PIPE).stdout)
    return digest.hexdigest()[:16]


def image(say):
    """The directory with xen, vmlinuz, initrd, dom0.img and guest/; builds it where it is missing."""
    cache = cache_dir()
    final = os.path.join(cache, "box-" + image_key())
    if os.path.isdir(final):
        return final
    with open(os.path.join(cache, "lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another run builds the dom0 image; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(final):
            return final
        say("building the dom0 image (once, one to three minutes; kept in %s)" % cache)
        for old in glob.glob(cache + "/build-*"):
            shutil.rmtree(old, ignore_errors=True)
        work = tempfile.mkdtemp(prefix="build-", dir=cache)
        log = os.path.join(cache, "build.log")
        with open(log, "w") as f:
            child = subprocess.Popen([HERE + "/image/build", work], stdin=subprocess.DEVNULL, text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
            last = ""
            for line in child.stdout:
                f.write(line)
                if line.startswith("@ "):
                    last = line[2:].strip()
                    say("image: " + last)
            code = child.wait()
        if code:
            shutil.rmtree(work, ignore_errors=True)
            why = last if last.startswith("error") else "it stopped while " + last
            raise BoxError("the dom0 image could not be built: %s (see %s)" % (why, log))
        os.rename(work, final)
        # Images of older trees: keep the newest two, for people who switch between branches.
        images = sorted(glob.glob(cache + "/box-*"), key=os.path.getmtime, reverse=True)
        for old in images[3:]:
            shutil.rmtree(old, ignore_errors=True)
    return final


# --- one machine -----------------------------------------------------------------------------------
def payload(path, dm, command=None, shell=False):
    """The second disk: a tar archive with the binary, the scenarios and what starts them."""
    with tempfile.TemporaryDirectory() as tmp:
        start = os.path.join(tmp, "start")
        with open(start, "w") as f:
            f.write("#!/bin/sh\ncd /payload/tests/xenhost\n")
            if shell:
                f.write("[ -f /payload/xen-dm ] && install -D /payload/xen-dm /usr/local/libexec/xen-dm\n"
                        "export TERM=vt100 PYTHONPATH=lib:../kit DM=%s\n"
                        "stty -F /dev/ttyS1 115200 sane\n"
                        "setsid sh -c 'exec bash -i </dev/ttyS1 >/dev/ttyS1 2>&1'\n" %
                        ("stock" if dm == "stock" else "/usr/local/libexec/xen-dm"))
            else:
                f.write("python3 agent.py\n")
        os.chmod(start, 0o755)
        with tarfile.open(path, "w") as tar:
            tar.add(start, "start")
            if command is not None:
                script = os.path.join(tmp, "exec")
                with open(script, "w") as f:
                    f.write(command if command.startswith("#!") else "#!/bin/bash\n%s\n" % command)
                os.chmod(script, 0o755)
                tar.add(script, "exec")
            if dm != "stock":
                for suffix in ("", "-replay"):
                    tar.add(os.path.realpath(dm) + suffix, "xen-dm" + suffix)
            tar.add(os.path.join(os.path.dirname(TESTS), VIF_SCRIPT), VIF_SCRIPT)
            for part in ("xenhost", "kit", "packages"):
                if os.path.exists(os.path.join(TESTS, part)):
                    tar.add(os.path.join(TESTS, part), "tests/" + part,
                            filter=lambda t: None if "__pycache__" in t.name else t)


class Box:
    """One emulated machine. Events, in a queue: ("line", TEXT) from the agent and ("ended", CODE)."""

    def __init__(self, name, files, payload_path, out, options):
        self.name, self.out, self.options = name, out, options
        self.events = queue.Queue()
        os.makedirs(out, exist_ok=True)
        self.console = os.path.join(out, "console.txt")
        self.results = os.path.join(out, "results.img")
        with open(self.results, "wb") as f:
            f.truncate(2 << 30)
        # no journal: what dom0 has synced can be read without a mount and without a recovery
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", self.results], check=True)
        command = [
            "qemu-system-x86_64", "-M", "q35", "-accel", options.accel,
            "-cpu", "host" if options.accel == "kvm" else "qemu64,+svm,+npt",
            "-smp", "1", "-m", str(options.memory), "-net", "none", "-display", "none", "-no-reboot",
            "-kernel", files + "/xen",
            "-append", "console=com1 com1=115200 dom0_mem=1400M,max:1400M loglvl=all guest_loglvl=all conring_size=1M console_timestamps=boot",
            "-initrd", "%s/vmlinuz console=hvc0 panic=1,%s/initrd" % (files, files),
            "-serial", "file:" + self.console, "-chardev", "stdio,id=agent,signal=off", "-serial", "chardev:agent"]
        for n, (path, more) in enumerate([(files + "/dom0.img", ",snapshot=on"), (payload_path, ",readonly=off,snapshot=on"),
                                          (self.results, ",cache=unsafe")]):
            command += ["-drive", "if=none,id=d%d,file=%s,format=raw%s" % (n, path.replace(",", ",,"), more),
                        "-device", "ide-hd,drive=d%d,bus=ide.%d" % (n, n)]
        self.started = time.monotonic()
        self.stderr = open(os.path.join(out, "emulator.txt"), "wb")
        pipe = None if options.shell else subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self.stderr,
                                        start_new_session=not options.shell)
        if not options.shell:
            threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with open(os.path.join(self.out, "agent.txt"), "wb") as log:
            for line in self.process.stdout:
                log.write(line)
                log.flush()
                self.events.put(("line", line.decode("utf-8", "replace").rstrip("\r\n")))
        self.events.put(("ended", self.process.wait()))

    def send(self, text):
        try:
            self.process.stdin.write((text + "\n").encode())
            self.process.stdin.flush()
        except (OSError, ValueError):
            pass                                # it ended; the queue says so

    def xen_is_up(self):
        try:
            with open(self.console, "rb") as f:
                return b"Dom0 has maximum" in f.read()
        except OSError:
            return False

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def collect(self, into):
        """Copies the results disk into a directory."""
        self.stderr.close()
        subprocess.run(["e2fsck", "-fy", self.results], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        with tempfile.TemporaryDirectory(dir=self.out) as tmp:
            subprocess.run(["debugfs", "-R", "rdump / %s" % tmp, self.results], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False)
            for name in os.listdir(tmp):
                if name != "lost+found":
                    target = os.path.join(into, name)
                    shutil.rmtree(target, ignore_errors=True)
                    shutil.move(os.path.join(tmp, name), target)
        os.unlink(self.results)

    def why(self, code):
        """What the emulator said, for a box that ended by itself."""
        with open(os.path.join(self.out, "emulator.txt"), errors="replace") as f:
            said = f.read().strip().splitlines()
        if code < 0 or said:
            return "the emulator ended with %d: %s" % (code, said[-1] if said else "no message")
        with open(self.console, errors="replace") as f:
            lines = [line.strip() for line in f.read().splitlines() if line.strip()]
        panic = [line for line in lines if "panic" in line.lower() or "FATAL" in line]
        return "Xen or dom0 went down: %s" % (panic or lines or ["no message"])[-1]
