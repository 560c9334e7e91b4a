# SPDX-License-Identifier: GPL-2.0-or-later
"""What every scenario stands on: saying where it is, waiting with a limit, failing in a sentence.

A scenario is a program in scenarios/ that ends with `main(run)`. It finds in its environment DM
("stock" or the path of xen-dm), DM_PATH (the binary to name in xl.cfg), GUEST_FILES, WORK (scratch,
removed afterwards) and RESULTS (kept). It may run on a real host: it names its guests xdm-*.
"""
import os
import signal
import subprocess
import sys
import time
import traceback

DM = os.environ.get("DM", "stock")
DM_PATH = os.environ.get("DM_PATH", "/usr/libexec/xen-qemu-system-i386")
OURS = DM != "stock"
WORK = os.environ.get("WORK", "/tmp")
RESULTS = os.environ.get("RESULTS", "/tmp")
GUEST_FILES = os.environ.get("GUEST_FILES", "/usr/share/xen-dm-guest")
NAME = os.environ.get("SCENARIO", "scenario")


class Failure(Exception):
    """The product (or the scenario) did not do what it should; its text is one sentence."""


class Skip(Exception):
    """The scenario does not apply here."""


def say(text):
    """A progress line for the person who waits."""
    print("> " + text, flush=True)


def note(text):
    """A line for the scenario's log only."""
    print(text, flush=True)


def check(condition, sentence, *args):
    if not condition:
        raise Failure(sentence % args if args else sentence)


def check_equal(got, want, what):
    if got != want:
        raise Failure("%s is %r, not %r" % (what, got, want))


def run(*command, timeout=60, ok=True, text=None):
    """A command's output; ok=False returns (status, output) instead of failing."""
    start = time.monotonic()
    try:
        done = subprocess.run([str(c) for c in command], timeout=timeout, text=True, errors="replace",
                              input=text if text is not None else "",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired as e:
        raise Failure("'%s' did not end within %d seconds" % (" ".join(map(str, command)), timeout)) from e
    note("$ %s (%d, %.1f s)" % (" ".join(map(str, command)), done.returncode, time.monotonic() - start))
    if not ok:
        return done.returncode, done.stdout
    if done.returncode:
        last = (done.stdout.strip().splitlines() or [""])[-1]
        note(done.stdout)
        raise Failure("'%s' ended with status %d: %s" % (" ".join(map(str, command)), done.returncode, last))
    return done.stdout


def wait_until(condition, timeout, what, every=0.5):
    """Polls until condition() is true and returns its value; what completes "waited N s for ..."."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure("waited %d seconds for %s" % (timeout, what))
        time.sleep(every)


def xenstore(path):
    """A node's value, or None."""
    code, out = run_quiet("xenstore-read", path)
    return out.rstrip("\n") if code == 0 else None


def xenstore_list(path):
    code, out = run_quiet("xenstore-list", path)
    return out.split() if code == 0 else []


def run_quiet(*command, timeout=30):
    done = subprocess.run(command, timeout=timeout, text=True, errors="replace", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.returncode, done.stdout


def only_ours():
    if not OURS:
        raise Skip("it is about xen-dm only")


_on_failure = []


def on_failure(function):
    """Registers what to collect when the scenario fails, such as a screenshot."""
    _on_failure.append(function)


def main(scenario):
    def expired(*_):
        signal.alarm(10)
        raise Failure("it was here: %s" % _where())

    signal.signal(signal.SIGTERM, expired)
    try:
        scenario()
        sys.exit(0)
    except Skip as e:
        print("SKIP: %s" % e, flush=True)
        sys.exit(0)
    except Failure as e:
        traceback.print_exc(file=sys.stdout)
        _collect()
        print("FAIL: %s" % str(e).replace("\n", " "), flush=True)
    except Exception as e:                      # pylint: disable=broad-except
        traceback.print_exc(file=sys.stdout)
        _collect()
        print("FAIL: the scenario itself broke: %s: %s" % (type(e).__name__, e), flush=True)
    os._exit(1)


def _collect():
    for function in _on_failure:
        try:
            function()
        except Exception as e:                  # pylint: disable=broad-except
            note("while collecting: %s" % e)


def _where():
    frames = [f for f in traceback.extract_stack() if "/scenarios/" in f.filename]
    return "line %d, %s" % (frames[-1].lineno, frames[-1].line) if frames else "unknown"
