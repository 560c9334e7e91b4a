/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Cirrus GD5446: registers, windows, blits, cursor, and drawing. */
#include "tests/fuzz/kit/display.h"
#include "tests/fuzz/kit/play.h"

static const char *const devices[] = { "cirrus-vga,vgamem_mb=4,screen=s", NULL };
static const struct family cirrus = { .devices = devices, .prologue = display_mode };

FUZZ_FAMILY(cirrus)
