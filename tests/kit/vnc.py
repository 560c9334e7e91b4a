#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A small VNC client (RFB 3.3 to 3.8), Python's standard library only.

As a module: Client, Picture, read_png(), write_png(). As a program:
  vnc.py [--password P] HOST:DISPLAY screenshot FILE.png
  vnc.py HOST:DISPLAY type TEXT        (a \\n in TEXT is Enter)
  vnc.py HOST:DISPLAY key NAME...      (names as in KEYS, or one character)
  vnc.py HOST:DISPLAY pointer X Y [BUTTONS]
  vnc.py [--timeout S] HOST:DISPLAY wait FILE.png
HOST::PORT names a TCP port instead of a display; unix:PATH a socket.

Security types None and VNC authentication; encodings Raw, CopyRect, DesktopSize. Left out on
purpose: TLS, compressing encodings, colour maps.
"""
import os
import select
import socket
import struct
import sys
import time
import zlib

KEYS = {
    "enter": 0xff0d, "escape": 0xff1b, "tab": 0xff09, "backspace": 0xff08, "delete": 0xffff,
    "left": 0xff51, "up": 0xff52, "right": 0xff53, "down": 0xff54, "home": 0xff50, "end": 0xff57,
    "shift": 0xffe1, "ctrl": 0xffe3, "alt": 0xffe9, "space": 0x20,
    **{"f%d" % n: 0xffbd + n for n in range(1, 13)},
}
SHIFTED = set('~!@#$%^&*()_+{}|:"<>?ABCDEFGHIJKLMNOPQRSTUVWXYZ')


class VncError(Exception):
    """One sentence about what went wrong."""


# --- pictures ----------------------------------------------------------------------------------
class Picture:
    """Pixels as RGB bytes, top row first."""

    def __init__(self, width, height, rgb):
        self.width, self.height, self.rgb = width, height, bytes(rgb)

    def pixel(self, x, y):
        at = (y * self.width + x) * 3
        return tuple(self.rgb[at:at + 3])

    def __eq__(self, other):
        return (self.width, self.height, self.rgb) == (other.width, other.height, other.rgb)


def write_png(path, picture):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    stride = picture.width * 3
    rows = b"".join(b"\0" + picture.rgb[y * stride:(y + 1) * stride] for y in range(picture.height))
    head = struct.pack(">IIBBBBB", picture.width, picture.height, 8, 2, 0, 0, 0)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 6)) +
                chunk(b"IEND", b""))


def read_png(path):
    """Reads PNGs of 8-bit RGB or RGBA, not interlaced: ours, and what screendump writes."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise VncError("%s is not a PNG file." % path)
    at, body, head = 8, b"", None
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        part = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            head = struct.unpack(">IIBBBBB", part)
        elif kind == b"IDAT":
            body += part
        at += size + 12
    if not head or head[2] != 8 or head[3] not in (2, 6) or head[6]:
        raise VncError("%s is a kind of PNG this reader does not know." % path)
    width, height, depth = head[0], head[1], 3 if head[3] == 2 else 4
    raw, stride = zlib.decompress(body), width * depth
    rows, last = [], bytearray(stride)
    for y in range(height):
        kind = raw[y * (stride + 1)]
        row = bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride if kind else 0):
            a = row[i - depth] if i >= depth else 0
            b, c = last[i], last[i - depth] if i >= depth else 0
            if kind == 1:
                guess = a
            elif kind == 2:
                guess = b
            elif kind == 3:
                guess = (a + b) // 2
            else:
                p = a + b - c
                guess = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            row[i] = (row[i] + guess) & 255
        last = row
        if depth == 4:
            rgb = bytearray(width * 3)
            rgb[0::3], rgb[1::3], rgb[2::3] = row[0::4], row[1::4], row[2::4]
            row = rgb
        rows.append(bytes(row))
    return Picture(width, height, b"".join(rows))


# --- DES, for VNC authentication (FIPS 46-3) -----------------------------------------------------
IP = [(58, 57)[i // 32] - 8 * (i % 8) + 2 * (i % 32 // 8) for i in range(64)]
FP = [0] * 64
for _i, _bit in enumerate(IP):
    FP[_bit - 1] = _i + 1
E = [(4 * (i // 6) + i % 6 - 1) % 32 + 1 for i in range(48)]
P = [16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10,
     2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25]
PC1 = [57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3,
       60, 52, 44, 36, 63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37,
       29, 21, 13, 5, 28, 20, 12, 4]
PC2 = [14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
       41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32]
SHIFTS = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1]
SBOX = [[int(c, 16) for c in box] for box in (
    "e4d12fb83a6c59070f74e2d1a6cb9538" "41e8d62bfc973a50fc8249175b3ea06d",
    "f18e6b34972dc05a3d47f28ec01a69b5" "0e7ba4d158c6932fd8a13f42b67c05e9",
    "a09e63f51dc7b428d709346a285ecbf1" "d6498f30b12c5ae71ad069874fe3b52c",
    "7de3069a1285bc4fd8b56f03472c1ae9" "a690cb7df13e52843f06a1d8945bc72e",
    "2c417ab6853fd0e9eb2c47d150fa3986" "421bad78f9c5630eb8c71e2d6f09a453",
    "c1af92680d34e75baf427c9561de0b38" "9ef528c3704a1db6432c95fabe17608d",
    "4b2ef08d3c975a61d0b7491ae35c2f86" "14bdc37eaf6805926bd814a7950fe23c",
    "d2846fb1a93e50c71fd8a374c56b0e92" "7b419ce206adf35821e74a8dfc90356b")]


def _permute(bits, table):
    return [bits[i - 1] for i in table]


def _bits(data):
    return [byte >> (7 - i) & 1 for byte in data for i in range(8)]


def des_block(key, block):
    """Encrypts one block of 8 bytes."""
    c = _permute(_bits(key), PC1)
    c, d = c[:28], c[28:]
    value = _permute(_bits(block), IP)
    left, right = value[:32], value[32:]
    for shift in SHIFTS:
        c, d = c[shift:] + c[:shift], d[shift:] + d[:shift]
        mixed = [a ^ b for a, b in zip(_permute(right, E), _permute(c + d, PC2))]
        out = []
        for n in range(8):
            six = mixed[n * 6:n * 6 + 6]
            row = six[0] * 2 + six[5]
            column = six[1] * 8 + six[2] * 4 + six[3] * 2 + six[4]
            nibble = SBOX[n][row * 16 + column]
            out += [nibble >> (3 - i) & 1 for i in range(4)]
        left, right = right, [a ^ b for a, b in zip(left, _permute(out, P))]
    bits = _permute(right + left, FP)
    return bytes(sum(bits[i * 8 + j] << (7 - j) for j in range(8)) for i in range(8))


def vnc_response(password, challenge):
    """VNC authentication uses each password byte with its bits in reverse order."""
    key = password.encode("latin-1")[:8].ljust(8, b"\0")
    key = bytes(int("{:08b}".format(b)[::-1], 2) for b in key)
    return des_block(key, challenge[:8]) + des_block(key, challenge[8:16])


# --- the client ------------------------------------------------------------------------------
class Client:
    def __init__(self, address, password=None, timeout=30):
        self.timeout = timeout
        self.sock = self._connect(address)
        self._handshake(password)

    def _connect(self, address):
        try:
            if address.startswith("unix:"):
                sock = socket.socket(socket.AF_UNIX)
                sock.settimeout(self.timeout)
                sock.connect(address[5:])
                return sock
            host, _, port = address.rpartition(":")
            number = int(port)
            if host.endswith(":"):
                host = host[:-1]
            elif number < 1000:
                number += 5900
            sock = socket.create_connection((host or "127.0.0.1", number), self.timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except ValueError:
            raise VncError("'%s' is not HOST:DISPLAY, HOST::PORT or unix:PATH." % address) from None
        except OSError as e:
            raise VncError("no VNC server answers at %s: %s." % (address, e.strerror or e)) from None

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _read(self, size):
        data = bytearray()
        while len(data) < size:
            try:
                part = self.sock.recv(min(size - len(data), 1 << 20))
            except socket.timeout:
                raise VncError("the VNC server fell silent for %d seconds." % self.timeout) from None
            except OSError as e:
                raise VncError("the VNC connection broke: %s." % e.strerror) from None
            if not part:
                raise VncError("the VNC server closed the connection.")
            data += part
        return bytes(data)

    def _handshake(self, password):
        greeting = self._read(12)
        if not greeting.startswith(b"RFB 003."):
            raise VncError("the server speaks no RFB: it said %r." % greeting)
        minor = min(int(greeting[8:11]), 8)
        minor = minor if minor in (7, 8) else 3
        self.sock.sendall(b"RFB 003.%03d\n" % minor)
        if minor == 3:
            kind = struct.unpack(">I", self._read(4))[0]
            offered = [kind]
        else:
            offered = list(self._read(self._read(1)[0]))
        if not offered or offered == [0]:
            raise VncError("the VNC server refused: %s." % self._reason())
        if 2 in offered and password is not None:
            kind = 2
        elif 1 in offered:
            kind = 1
        elif 2 in offered:
            raise VncError("the VNC server wants a password.")
        else:
            raise VncError("the VNC server offers only security types %s." % offered)
        if minor != 3:
            self.sock.sendall(bytes([kind]))
        if kind == 2:
            self.sock.sendall(vnc_response(password, self._read(16)))
        if kind == 2 or minor == 8:
            if struct.unpack(">I", self._read(4))[0]:
                why = self._reason() if minor == 8 else "authentication failed"
                raise VncError("the VNC server refused: %s." % why.rstrip("."))
        self.sock.sendall(b"\1")                                    # shared
        self.width, self.height = struct.unpack(">HH", self._read(4))
        self._read(16)
        self.name = self._read(struct.unpack(">I", self._read(4))[0]).decode("utf-8", "replace")
        # 32 bits, little endian, blue in the lowest byte
        self.sock.sendall(struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.sock.sendall(struct.pack(">BxHiii", 2, 3, 0, 1, -223))
        self.screen = bytearray(self.width * self.height * 4)

    def _reason(self):
        return self._read(struct.unpack(">I", self._read(4))[0]).decode("utf-8", "replace")

    def _resize(self, width, height):
        self.width, self.height = width, height
        self.screen = bytearray(width * height * 4)

    def _message(self):
        """Takes one message from the server; returns what an update drew: number of rectangles,
        or -1 where the size changed, or None for other messages."""
        kind = self._read(1)[0]
        if kind == 0:
            count, resized = struct.unpack(">xH", self._read(3))[0], False
            for _ in range(count):
                x, y, w, h, encoding = struct.unpack(">HHHHi", self._read(12))
                if encoding == -223:
                    self._resize(w, h)
                    resized = True
                elif encoding in (0, 1):
                    self._draw(encoding, x, y, w, h)
                else:
                    raise VncError("the server sent encoding %d, which was not asked for." % encoding)
            return -1 if resized else count
        if kind == 1:
            self._read(6 * struct.unpack(">xHH", self._read(5))[1])
        elif kind == 3:
            self._read(struct.unpack(">xxxI", self._read(7))[0])
        elif kind != 2:
            raise VncError("the server sent a message of unknown type %d." % kind)
        return None

    def _draw(self, encoding, x, y, w, h):
        if encoding == 1:
            sx, sy = struct.unpack(">HH", self._read(4))
            rows = [self.screen[((sy + i) * self.width + sx) * 4:][:w * 4] for i in range(h)]
        else:
            data = self._read(w * h * 4)
            rows = [data[i * w * 4:(i + 1) * w * 4] for i in range(h)]
        if x + w > self.width or y + h > self.height:
            raise VncError("the server drew %dx%d at %d,%d on a screen of %dx%d." %
                           (w, h, x, y, self.width, self.height))
        for i, row in enumerate(rows):
            at = ((y + i) * self.width + x) * 4
            self.screen[at:at + w * 4] = row

    def screenshot(self):
        """The whole screen, drawn anew by the server."""
        deadline = time.monotonic() + self.timeout
        while True:
            self.sock.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, self.width, self.height))
            drawn = None
            while drawn is None:
                drawn = self._message()
            # A full answer may come in several updates (or as a resize first, or from an earlier
            # request): ask for more until nothing is waiting.
            while select.select([self.sock], [], [], 0.3)[0] and time.monotonic() < deadline:
                step = self._message()
                drawn = -1 if step == -1 else drawn
            if drawn > 0:
                break
            if time.monotonic() > deadline:
                raise VncError("the VNC server sent no picture for %d seconds." % self.timeout)
        pixels = bytearray(self.width * self.height * 3)
        pixels[0::3], pixels[1::3], pixels[2::3] = self.screen[2::4], self.screen[1::4], self.screen[0::4]
        return Picture(self.width, self.height, pixels)

    def wait_for(self, matches, timeout, every=1.0):
        """Takes screenshots until matches(picture) is true; returns that picture or None."""
        deadline = time.monotonic() + timeout
        while True:
            picture = self.screenshot()
            if matches(picture):
                return picture
            if time.monotonic() > deadline:
                return None
            time.sleep(every)

    def key(self, keysym, down):
        self.sock.sendall(struct.pack(">BBxxI", 4, down, keysym))

    def press(self, keysym, pause=0.03):
        self.key(keysym, 1)
        time.sleep(pause)
        self.key(keysym, 0)
        time.sleep(pause)

    def type(self, text, pause=0.03):
        """Types as a person would: Shift goes down for capitals and signs."""
        for char in text:
            keysym = KEYS["enter"] if char == "\n" else ord(char)
            if char in SHIFTED:
                self.key(KEYS["shift"], 1)
                self.press(keysym, pause)
                self.key(KEYS["shift"], 0)
            else:
                self.press(keysym, pause)

    def pointer(self, x, y, buttons=0):
        self.sock.sendall(struct.pack(">BBHH", 5, buttons, x, y))


def main(argv):
    password, timeout = None, 30
    while argv and argv[0].startswith("--"):
        if len(argv) < 2 or argv[0] not in ("--password", "--timeout"):
            raise VncError("unknown option '%s'; there are --password P and --timeout S." % argv[0])
        if argv[0] == "--password":
            password = argv[1]
        else:
            timeout = float(argv[1])
        argv = argv[2:]
    if len(argv) < 2:
        raise VncError("usage: vnc.py [--password P] HOST:DISPLAY screenshot|type|key|pointer|wait ...")
    address, verb, rest = argv[0], argv[1], argv[2:]
    if verb not in ("screenshot", "type", "key", "pointer", "wait") or not rest:
        raise VncError("there is no command '%s %s'." % (verb, " ".join(rest)))
    with Client(address, password, timeout) as vnc:
        if verb == "screenshot":
            write_png(rest[0], vnc.screenshot())
        elif verb == "type":
            vnc.type(" ".join(rest).replace("\\n", "\n"))
        elif verb == "key":
            codes = [KEYS.get(k.lower()) or ord(k) for k in rest]
            for code in codes:
                vnc.key(code, 1)
            for code in reversed(codes):
                vnc.key(code, 0)
        elif verb == "pointer":
            vnc.pointer(*[int(v, 0) for v in rest[:3]])
        else:
            want = read_png(rest[0])
            if not vnc.wait_for(lambda p: p == want, timeout):
                raise VncError("the screen did not become %s within %g seconds." % (rest[0], timeout))
        vnc.sock.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (VncError, OSError, ValueError) as error:
        print("vnc.py: %s" % error, file=sys.stderr)
        os._exit(1)
