/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole catalogue in one machine: what devices do to one another. */
#include "tests/fuzz/kit/play.h"

static const char *const devices[] = {
    "i440FX", "PIIX3", "piix3-ide,drive0=hd0,drive1=hd1,drive2=cd2,drive3=cd3", "PIIX4_PM,cpus=3",
    "xen-platform", "mc146818-ram,cpus=3", "i8257", "piix3-usb-uhci,input=i,ports=mouse tablet",
    "i8042,input=i", "isa-serial,chardev=c", "isa-parallel", "isa-debugcon",
    "VGA,vgamem_mb=1,screen=s", "e1000,netdev=n", "rtl8139,netdev=n2,addr=05.0", NULL,
};
static const struct family machine = { .devices = devices };

FUZZ_FAMILY(machine)
