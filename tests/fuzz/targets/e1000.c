/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The e1000: rings in guest memory, offloads, the EEPROM and the PHY. */
#include "tests/fuzz/kit/play.h"
#include "tests/fuzz/kit/rings.h"

static void prologue(struct input *in)
{
    rings_e1000(in, BENCH_MMIO_AT);
}

static const char *const devices[] = { "e1000,netdev=n", NULL };
static const struct family e1000 = { .devices = devices, .prologue = prologue };

FUZZ_FAMILY(e1000)
