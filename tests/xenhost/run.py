#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs scenarios on a real Xen: the machine's own where it has one, or one in a box."""
import argparse
import glob
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import agent
import box

START = time.monotonic()
STARTS_MOST = 5  # of a box that does not get as far as a scenario
ROOT = os.path.dirname(box.TESTS)
print_lock = threading.Lock()


plain = False           # the demo's: what scenarios say goes out as it is


def say(text, who="", scenario=False):
    with print_lock:
        if plain and scenario:
            print(text, flush=True)
            return
        print("[%5.1f s] %s%s" % (time.monotonic() - START, who and who + ": ", text), flush=True)


def all_scenarios():
    """
    Name and time limit of each; the limit is in the file, "# limit: SECONDS". Those marked
    "# by name only" run only when they are named.
    """
    found, hidden = {}, set()
    for path in sorted(glob.glob(box.HERE + "/scenarios/*.py")):
        with open(path) as f:
            text = f.read()
        match = re.search(r"^# limit: (\d+)", text, re.M)
        name = os.path.basename(path)[:-3]
        found[name] = int(match.group(1)) if match else 300
        if "\n# by name only" in text:
            hidden.add(name)
    return found, hidden


class Board:
    """What is to be done and what came of it; shared by the boxes' threads."""

    def __init__(self, names, limits):
        # the longest first, so that the boxes end together
        self.todo = sorted(names, key=lambda n: -limits[n])
        self.limits = limits
        self.results, self.lock = {}, threading.Lock()

    def take(self):
        with self.lock:
            return self.todo.pop(0) if self.todo else None

    def give_back(self, name):
        with self.lock:
            self.todo.insert(0, name)

    def record(self, name, kind, sentence):
        with self.lock:
            self.results[name] = (kind, sentence)
        say({"pass": "PASS %s", "skip": "SKIP %s: %s", "fail": "FAIL %s: %s"}[kind] %
            ((name,) if kind == "pass" else (name, sentence)))


class Worker(threading.Thread):
    """
    Keeps one box running until nothing is left to do; starts it again where it breaks: twice in scenarios, and
    a few times where it did not come so far, as an emulated timer that is late ends Xen's own start.
    """

    def __init__(self, number, board, files, payload, options):
        super().__init__(daemon=True)
        self.number, self.board, self.files, self.payload, self.options = number, board, files, payload, options
        self.box = None
        self.failures = []
        self.stop = False

    def run(self):
        attempt, broken, blamed = 0, 0, set()
        while not self.stop:
            with self.board.lock:
                if not self.board.todo:
                    return
            attempt += 1
            label = "box%d" % self.number + (".%d" % attempt if attempt > 1 else "")
            self.box = box.Box(label, self.files, self.payload, os.path.join(self.options.out, label), self.options)
            say("powered on", label)
            current = None
            try:
                current = self.drive(label)
                return
            except box.BoxError as e:
                sentence, current = e.args[0], (e.args[1] if len(e.args) > 1 else None)
                say("the box failed: %s" % sentence, label)
                self.failures.append("%s: %s" % (label, sentence))
                broken += bool(current)
                if current and current not in blamed and broken < 3:
                    blamed.add(current)
                    self.board.give_back(current)
                elif current:
                    self.board.record(current, "fail", "the box failed twice in it: %s" % sentence)
                if broken >= 3 or attempt - broken >= STARTS_MOST:
                    return
            finally:
                self.box.kill()
                self.box.collect(self.options.out)

    def drive(self, label):
        """Feeds the box with scenarios until none is left; BoxError(sentence, scenario) where it breaks."""
        current, deadline, xen_seen, ready = None, None, False, False
        heard = time.monotonic()
        while True:
            try:
                kind, value = self.box.events.get(timeout=1)
            except queue.Empty:
                kind, value = None, None
            now = time.monotonic()
            if not xen_seen and self.box.xen_is_up():
                xen_seen = True
                say("Xen is up", label)
            if kind == "ended":
                if current is None and ready == "ended":
                    return
                raise box.BoxError(self.box.why(value), current)
            if kind == "line":
                heard = now
                words = value.split(" ", 2) + ["", ""]
                if words[0] == "@ready":
                    ready = True
                    say("dom0 is ready", label)
                elif words[0] == "@say":
                    say(words[2], "%s %s" % (label, words[1]), scenario=True)
                elif words[0] == "@output":
                    print(value[8:], flush=True)
                elif words[0] in ("@pass", "@fail", "@skip") and words[1] == current:
                    self.board.record(current, words[0][1:], words[2])
                    current = None
                if ready is True and current is None and words[0] != "@beat":
                    current = None if self.stop else self.board.take()
                    if current:
                        limit = self.board.limits[current]
                        # the agent keeps the scenario's limit; this one is for an agent that hangs
                        deadline = now + limit + 120
                        if current != "exec":
                            say("starts", "%s %s" % (label, current))
                        self.box.send("%s %d" % ("exec" if current == "exec" else "run " + current, limit))
                    else:
                        ready, deadline = "ended", now + 60
                        self.box.send("end")
            if not ready and now - self.box.started > box.READY_LIMIT:
                raise box.BoxError("dom0 was not ready after %d seconds" % box.READY_LIMIT)
            if ready == "ended" and now > deadline:
                return                          # it is late with its power-off; nothing is lost
            if ready is True and now - heard > box.SILENCE_LIMIT:
                raise box.BoxError("dom0 fell silent for %d seconds" % box.SILENCE_LIMIT, current)
            if ready is True and current and now > deadline:
                raise box.BoxError("dom0's agent did not end the scenario in time", current)


def in_boxes(board, options, names):
    files = box.image(say)
    with tempfile.TemporaryDirectory(prefix="xen-box-") as tmp:
        payload = os.path.join(tmp, "payload.tar")
        box.payload(payload, options.dm, options.exec, options.shell)
        if options.shell:
            say("starting a box; its shell comes here in about 15 seconds, 'exit' powers it off")
            shell_box = box.Box("box1", files, payload, os.path.join(options.out, "box1"), options)
            shell_box.process.wait()
            shell_box.collect(options.out)
            return []
        workers = [Worker(n + 1, board, files, payload, options) for n in range(min(options.jobs, len(names)))]
        try:
            for worker in workers:
                worker.start()
            for worker in workers:
                while worker.is_alive():
                    worker.join(0.5)
        finally:
            for worker in workers:
                worker.stop = True
                if worker.box and worker.is_alive():
                    worker.box.kill()
            for worker in workers:
                worker.join(30)
        return [failure for worker in workers for failure in worker.failures]


def on_this_host(board, options):
    """The same scenarios, on the machine's own Xen."""
    files = box.image(say)
    work = tempfile.mkdtemp(prefix="xdm-work-", dir="/var/tmp")
    host = agent.Host(options.dm, files + "/guest", work, options.out, False)
    while True:
        name = board.take()
        if not name:
            os.rmdir(work) if not os.listdir(work) else None
            return []
        kind, sentence = host.run(name, board.limits[name], lambda text, n=name: say(text, n, scenario=True))
        board.record(name, kind, sentence)


def has_xen():
    if not os.path.exists("/dev/xen/privcmd"):
        return False
    try:
        return subprocess.run(["xl", "info"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20,
                              check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def out_dir(wanted):
    if wanted:
        os.makedirs(wanted, exist_ok=True)
        return os.path.abspath(wanted)
    base = os.path.join(ROOT, "build", "xenhost")
    for old in sorted(glob.glob(base + "/2*"))[:-20]:
        shutil.rmtree(old, ignore_errors=True)
    path = os.path.join(base, time.strftime("%Y%m%d-%H%M%S-") + str(os.getpid()))
    os.makedirs(path)
    link = os.path.join(base, "latest")
    try:
        if os.path.islink(link):
            os.unlink(link)
        os.symlink(os.path.basename(path), link)
    except OSError:
        pass                                    # two runs began at once: either link is right
    return path


def arguments():
    p = argparse.ArgumentParser(prog="tests/xenhost/run", description=__doc__)
    p.add_argument("scenario", nargs="*", help="all of them where none is named")
    p.add_argument("--dm", default=os.path.join(ROOT, "build/xen-dm"), help="the device model: a path, or 'stock' for Debian's QEMU (default: build/xen-dm)")
    p.add_argument("--out", help="where logs and screenshots go (default: build/xenhost/DATE, and build/xenhost/latest)")
    p.add_argument("--jobs", type=int, default=2, help="boxes side by side (default: 2)")
    p.add_argument("--memory", type=int, default=4096, help="MiB of memory of a box (default: 4096)")
    p.add_argument("--accel", choices=["tcg", "kvm"], default=os.environ.get("XEN_BOX_ACCEL", "tcg"), help="kvm where it offers nested virtualisation")
    p.add_argument("--box", action="store_true", help="a box, even where this machine runs Xen itself")
    p.add_argument("--list", action="store_true", help="name the scenarios and their time limits, and end")
    p.add_argument("--exec", metavar="SCRIPT", help="run this shell command (or @FILE) in dom0 instead of scenarios")
    p.add_argument("--plain", action="store_true", help="show what scenarios say without time and name")
    p.add_argument("--limit", type=int, default=600, help="seconds for --exec (default: 600)")
    p.add_argument("--shell", action="store_true", help="a root shell in dom0, instead of scenarios")
    return p.parse_args()


def main():
    global plain
    options = arguments()
    plain = options.plain
    limits, hidden = all_scenarios()
    if options.list:
        for name, limit in limits.items():
            print("%-20s %4d s" % (name, limit))
        return 0
    unknown = [name for name in options.scenario if name not in limits]
    if unknown:
        sys.exit("run: there is no scenario '%s'; --list names them." % unknown[0])
    if options.jobs < 1:
        sys.exit("run: --jobs needs a number of at least 1.")
    if options.dm != "stock" and not os.access(options.dm, os.X_OK):
        sys.exit("run: there is no program %s; build it with 'make', or say --dm stock." % options.dm)
    if options.exec and options.exec.startswith("@"):
        with open(options.exec[1:]) as f:
            options.exec = f.read()
    names = options.scenario or [name for name in limits if name not in hidden]
    if options.exec is not None:
        names, limits["exec"] = ["exec"], options.limit
    options.dm = options.dm if options.dm == "stock" else os.path.abspath(options.dm)
    options.out = out_dir(options.out)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    board = Board(names, limits)
    try:
        if has_xen() and not (options.box or options.shell or options.exec):
            say("this machine runs Xen: using it")
            failures = on_this_host(board, options)
        else:
            failures = in_boxes(board, options, names)
    except box.BoxError as e:
        print("FAIL box: %s" % e)
        failures = [str(e)]
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    if options.shell:
        return 0
    for name in board.todo:
        board.results[name] = ("fail", "it was not run, because the box failed")
    if options.exec is not None:
        print("results: %s" % options.out)
        return 0 if board.results.get("exec", ("fail",))[0] == "pass" else 1
    print()
    for failure in failures:
        print("BOX %s" % failure)
    for name in sorted(board.results):
        kind, sentence = board.results[name]
        print("%s %s%s" % (kind.upper(), name, ": " + sentence if sentence else ""))
    count = {k: sum(1 for r in board.results.values() if r[0] == k) for k in ("pass", "fail", "skip")}
    print("logs and screenshots: %s" % options.out)
    print("%d passed, %d failed%s" % (count["pass"], count["fail"], ", %d skipped" % count["skip"] if count["skip"] else ""))
    return 0 if count["fail"] == 0 and count["pass"] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
