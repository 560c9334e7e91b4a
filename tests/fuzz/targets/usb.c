/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UHCI schedules over a tablet and a keyboard, or a mouse. */
#include "tests/fuzz/kit/play.h"
#include "tests/fuzz/kit/rings.h"

static void prologue(struct input *in)
{
    rings_uhci(in, BENCH_PORTS_AT);
}

static const char *const devices[] = { "piix3-usb-uhci,input=i,ports=tablet keyboard", NULL };
static const struct family usb = { .devices = devices, .prologue = prologue };

FUZZ_FAMILY(usb)
