/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IDE, its bus master, two hard disks and two CD-ROM drives, one of them empty. */
#include "tests/fuzz/kit/play.h"
#include "tests/fuzz/kit/rings.h"

static void prologue(struct input *in)
{
    rings_ide(in, BENCH_PORTS_AT);
}

static const char *const devices[] = { "piix3-ide,drive0=hd0,drive1=hd1,drive2=cd2,drive3=cd3",
                                       NULL };
static const struct family storage = { .devices = devices, .prologue = prologue };

FUZZ_FAMILY(storage)
