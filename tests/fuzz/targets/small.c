/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The small devices of every PC: chipset, ACPI, CMOS, DMA, keyboard, serial and parallel ports. */
#include "tests/fuzz/kit/play.h"

static const char *const devices[] = {
    "i440FX", "PIIX3", "PIIX4_PM,cpus=3", "xen-platform", "mc146818-ram,cpus=3", "i8257",
    "i8042,input=i", "isa-serial,chardev=c", "isa-parallel", "isa-debugcon", NULL,
};
static const struct family small = { .devices = devices };

FUZZ_FAMILY(small)
