/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptor rings: the first byte chooses a card, the second part of the input is guest memory
 * with the ring in it, and the card is set to work before anything else happens.
 */
#include "tests/fuzz/kit/play.h"
#include "tests/fuzz/kit/rings.h"

static void prologue(struct input *in)
{
    /* as bench_enable() places them, by devfn: IDE, UHCI, e1000, rtl8139 */
    switch (take8(in) & 3) {
    case 0:
        rings_ide(in, BENCH_PORTS_AT);
        break;
    case 1:
        rings_uhci(in, BENCH_PORTS_AT + 0x100);
        break;
    case 2:
        rings_e1000(in, BENCH_MMIO_AT);
        break;
    default:
        rings_rtl8139(in, BENCH_PORTS_AT + 0x300);
    }
}

static const char *const devices[] = {
    "piix3-ide,drive0=hd0,drive1=hd1,drive2=cd2,drive3=cd3",
    "piix3-usb-uhci,input=i,ports=tablet mouse", "e1000,netdev=n",
    "rtl8139,netdev=n2,addr=05.0", NULL,
};
static const struct family rings = { .devices = devices, .prologue = prologue };

FUZZ_FAMILY(rings)
