/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The standard VGA: registers, windows, VBE, and drawing. */
#include "tests/fuzz/kit/display.h"
#include "tests/fuzz/kit/play.h"

static const char *const devices[] = { "VGA,vgamem_mb=1,screen=s", NULL };
static const struct family vga = { .devices = devices, .prologue = display_mode };

FUZZ_FAMILY(vga)
