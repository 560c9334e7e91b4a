/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI as the firmware sets it up. Bridges and 64-bit BARs are not in this PC. */
#include <stdlib.h>
#include "tests/guest/guest.h"

#define COMMAND 0x04
#define COMMAND_IO 1
#define COMMAND_MEMORY 2
#define CLASS 0x0a
#define CLASS_IDE 0x0101
#define BAR 0x10
#define BARS 6
#define IDETIM 0x40
#define IDETIM_DECODE 0x8000

struct claim {
    unsigned devfn, at;
    bool io;
    uint32_t size;
};

static int larger(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;

    return x->size < y->size ? 1 : x->size > y->size ? -1 : 0;
}

static unsigned claims_of(unsigned devfn, struct claim *out)
{
    unsigned count = 0;

    for (unsigned at = BAR; at < BAR + 4 * BARS; at += 4) {
        uint32_t was = guest_config_read(0, devfn, at, 4), ones;

        guest_config_write(0, devfn, at, 4, ~0u);
        ones = guest_config_read(0, devfn, at, 4);
        guest_config_write(0, devfn, at, 4, was);
        if (!ones)
            continue;
        out[count++] =
            (struct claim){ .devfn = devfn,
                            .at = at,
                            .io = ones & 1,
                            .size = ones & 1 ? (~(ones & ~3u) & 0xffff) + 1 : ~(ones & ~15u) + 1 };
    }
    return count;
}

static void switch_on(unsigned devfn)
{
    uint32_t command = guest_config_read(0, devfn, COMMAND, 2);

    if (guest_config_read(0, devfn, CLASS, 2) == CLASS_IDE) {
        guest_config_write(0, devfn, IDETIM, 2, IDETIM_DECODE);
        guest_config_write(0, devfn, IDETIM + 2, 2, IDETIM_DECODE);
    }
    guest_config_write(0, devfn, COMMAND, 2, command | COMMAND_IO | COMMAND_MEMORY);
}

void guest_pci_setup(void)
{
    static struct claim claims[256 * BARS];
    uint32_t memory = 0xf0000000u, io = 0xc000;
    unsigned count = 0;

    for (unsigned devfn = 0; devfn < 256; devfn++) {
        if (guest_config_read(0, devfn, 0, 4) != ~0u)
            count += claims_of(devfn, claims + count);
        else if (!(devfn & 7))
            devfn += 7;
    }
    qsort(claims, count, sizeof(*claims), larger);
    for (struct claim *c = claims; c < claims + count; c++) {
        uint32_t *next = c->io ? &io : &memory;

        *next = (*next + c->size - 1) & ~(c->size - 1);
        guest_config_write(0, c->devfn, c->at, 4, *next);
        *next += c->size;
    }
    for (unsigned devfn = 0; devfn < 256; devfn++)
        if (guest_config_read(0, devfn, 0, 4) != ~0u)
            switch_on(devfn);
}

uint64_t guest_bar(unsigned devfn, unsigned bar)
{
    uint32_t value = guest_config_read(0, devfn, BAR + 4 * bar, 4);

    return value & 1 ? value & ~3u : value & ~15u;
}
