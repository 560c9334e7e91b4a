/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The RTL8139: four descriptors and a ring buffer, or C+ mode with its rings and offloads. */
#include "tests/fuzz/kit/play.h"
#include "tests/fuzz/kit/rings.h"

static void prologue(struct input *in)
{
    rings_rtl8139(in, BENCH_PORTS_AT);
}

static const char *const devices[] = { "rtl8139,netdev=n", NULL };
static const struct family rtl8139 = { .devices = devices, .prologue = prologue };

FUZZ_FAMILY(rtl8139)
