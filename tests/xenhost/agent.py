#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs scenarios where Xen is: in the box's dom0 (told what to do over its second serial port), or
on a real Xen host (imported by box.py).

On the wire, one line each. To the agent: "run NAME SECONDS", "exec SECONDS", "end".
From it: "@ready", "@say NAME TEXT", "@output TEXT", "@done NAME", "@pass NAME", "@fail NAME SENTENCE",
"@skip NAME SENTENCE", "@beat".
"""
import glob
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
STOCK = "/usr/libexec/xen-qemu-system-i386"
LOGS = "/var/log/xen"


def quiet(*command, timeout=30):
    """Output of a command, whatever becomes of it; nothing here may hang or raise."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout)
        return done.stdout.decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired) as e:
        return "%s: %s\n" % (" ".join(command), e)


def our_domains():
    """(domid, name) of guests that scenarios made: their names begin with xdm-."""
    found = []
    for line in quiet("xl", "list").splitlines()[1:]:
        words = line.split()
        if len(words) > 2 and words[1].isdigit() and words[0].startswith("xdm-"):
            found.append((int(words[1]), words[0]))
    return found


class Host:
    """A place to run scenarios: the device model under test, scratch space, results."""

    def __init__(self, dm, guest_files, work, results, in_box):
        self.dm, self.guest_files, self.work, self.results = dm, guest_files, work, results
        self.in_box = in_box

    def environment(self, name):
        return dict(os.environ, DM=self.dm, DM_PATH=STOCK if self.dm == "stock" else self.dm,
                    GUEST_FILES=self.guest_files, WORK=os.path.join(self.work, name),
                    RESULTS=os.path.join(self.results, name), IN_BOX="1" if self.in_box else "",
                    SCENARIO=name, PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1",
                    PYTHONPATH=":".join([os.path.join(HERE, "lib"), os.path.join(HERE, "../kit")]))

    def run(self, name, limit, say):
        """Runs one scenario; returns ("pass" | "fail" | "skip", sentence)."""
        env = self.environment(name)
        for key in ("WORK", "RESULTS"):
            shutil.rmtree(env[key], ignore_errors=True)
            os.makedirs(env[key])
        # what lies there from before is not this scenario's
        before = {p: os.stat(p).st_mtime_ns for p in glob.glob(LOGS + "/*")}
        verdict = self._run_child(name, limit, say, env)
        self._clean_up(env, before)
        return verdict

    def _run_child(self, name, limit, say, env):
        script = os.path.join(HERE, "scenarios", name + ".py")
        with open(os.path.join(env["RESULTS"], "log.txt"), "w") as log:
            child = subprocess.Popen([sys.executable, script], cwd=env["WORK"], env=env, text=True,
                                     errors="replace", stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     start_new_session=True)
            late = []

            def expire():
                late.append(1)
                # SIGTERM first: the library then says where it stood and takes a screenshot
                self._kill(child, signal.SIGTERM)
                time.sleep(15)
                self._kill(child, signal.SIGKILL)

            timer = threading.Timer(limit, expire)
            timer.daemon = True
            timer.start()
            start, sentence, kind = time.monotonic(), "", ""
            for line in child.stdout:
                log.write("%7.1f %s" % (time.monotonic() - start, line))
                log.flush()
                if line.startswith("> "):
                    say(line[2:].rstrip())
                elif line.startswith("FAIL: ") or line.startswith("SKIP: "):
                    kind, sentence = line[:4].lower(), line[6:].rstrip()
            code = child.wait()
            timer.cancel()
        self._kill(child, signal.SIGKILL)
        if late:
            return "fail", "took more than %d seconds (%s)" % (limit, sentence or "it said nothing")
        if kind:
            return kind, sentence
        if code:
            return "fail", "the scenario ended with status %d, see log.txt" % code
        return "pass", ""

    @staticmethod
    def _kill(child, sig):
        try:
            os.killpg(child.pid, sig)
        except OSError:
            pass

    def _clean_up(self, env, before):
        results = env["RESULTS"]
        for domid, guest in our_domains():
            quiet("xl", "destroy", str(domid))
        if self.in_box:
            with open(os.path.join(results, "xl-dmesg.txt"), "w") as f:
                f.write(quiet("xl", "dmesg", "-c"))
            with open(os.path.join(results, "dom0-dmesg.txt"), "w") as f:
                f.write(quiet("dmesg", "-c"))
            for pid in quiet("pgrep", "-f", "xen-domid").split():
                if pid.isdigit():
                    os.kill(int(pid), signal.SIGKILL)
        for path in glob.glob(LOGS + "/*"):
            if os.path.isfile(path) and os.stat(path).st_mtime_ns != before.get(path):
                if self.in_box or "xdm-" in path:
                    shutil.copy(path, results)
                    if "/core." in path:
                        os.unlink(path)
        # a scenario that failed may have left a mount in there
        quiet("umount", "-R", os.path.join(env["WORK"], "ro"))
        shutil.rmtree(env["WORK"], ignore_errors=True)
        if self.in_box:
            quiet("sync")


# --- in the box --------------------------------------------------------------------------------
def serve(port):
    lock = threading.Lock()

    def send(text):
        with lock:
            os.write(port, (text.replace("\r", "") + "\n").encode("utf-8", "replace"))

    def beat():
        while True:
            time.sleep(5)
            send("@beat")

    dm = "stock"
    if os.path.exists("/payload/xen-dm"):
        dm = "/usr/local/libexec/xen-dm"
        os.makedirs(os.path.dirname(dm), exist_ok=True)
        for suffix in ("", "-replay"):
            shutil.copy("/payload/xen-dm" + suffix, dm + suffix)
            os.chmod(dm + suffix, 0o755)
    host = Host(dm, "/usr/share/xen-dm-guest", "/var/tmp/work", "/out", True)
    threading.Thread(target=beat, daemon=True).start()
    send("@ready")
    for line in os.fdopen(os.dup(port), "r", errors="replace"):
        words = line.split()
        if words[:1] == ["run"]:
            name = words[1]
            kind, sentence = host.run(name, float(words[2]), lambda text: send("@say %s %s" % (name, text)))
            send("@%s %s %s" % (kind, name, sentence))
        elif words[:1] == ["exec"]:
            env = host.environment("exec")
            for key in ("WORK", "RESULTS"):
                os.makedirs(env[key], exist_ok=True)
            child = subprocess.Popen(["timeout", "-k", "5", words[1], "/payload/exec"], env=env, cwd=env["WORK"],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True, errors="replace")
            for out in child.stdout:
                send("@output " + out.rstrip("\n"))
            code = child.wait()
            subprocess.run("cp -r /var/log/xen/* %s/ 2>/dev/null; sync" % env["RESULTS"], shell=True)
            send(("@pass exec" if code == 0 else "@fail exec the command ended with status %d" % code))
        elif words[:1] == ["end"]:
            break


if __name__ == "__main__":
    tty = os.open("/dev/ttyS1", os.O_RDWR | os.O_NOCTTY)
    subprocess.run(["stty", "-F", "/dev/ttyS1", "raw", "-echo", "115200"])
    serve(tty)
