# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads text from a picture of a VGA text screen, by comparing cells with the font's glyphs."""
import glob

from scenario import Failure

# 'A' of the font that every VGA BIOS carries; the glyph of character 0 lies 65 glyphs before it
GLYPH_A = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")


def vga_font():
    """{rows of a glyph: character} from a VGA BIOS image of the seabios package."""
    for path in sorted(glob.glob("/usr/share/seabios/vgabios-*.bin")):
        with open(path, "rb") as f:
            rom = f.read()
        at = rom.find(GLYPH_A) - 65 * 16
        if at >= 0:
            font = {}
            for code in range(255, -1, -1):     # so that a space wins over other empty glyphs
                char = chr(code) if 32 <= code < 127 else "?" if code else " "
                font.setdefault(rom[at + code * 16:at + code * 16 + 16], char)
            for code in range(32, 127):
                font[rom[at + code * 16:at + code * 16 + 16]] = chr(code)
            return font
    raise Failure("no VGA BIOS of the seabios package is installed to take the font from")


def read_text(picture, font, columns=80):
    """The lines of a text screen; cells are 8 or 9 pixels wide and 16 high."""
    cell_height = 16
    cell = picture.width // columns
    if cell not in (8, 9) or picture.width != cell * columns:
        return ""
    lines = []
    stride = picture.width * 3
    for row in range(picture.height // cell_height):
        line = ""
        rows = [picture.rgb[(row * cell_height + y) * stride:(row * cell_height + y + 1) * stride]
                for y in range(cell_height)]
        for column in range(columns):
            at = column * cell * 3
            cells = [r[at:at + 24] for r in rows]
            # the background is the colour of the corner, except in inverse cells
            back = cells[0][:3]
            if all(c == back * 8 for c in cells):
                line += " "
                continue
            glyph = bytes(sum(1 << (7 - x) for x in range(8) if c[x * 3:x * 3 + 3] != back) for c in cells)
            line += font.get(glyph, "\ufffd")
        lines.append(line.rstrip())
    return "\n".join(lines).rstrip()
