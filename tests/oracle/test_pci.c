/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration space of every function: after reset, and which of its bits can be written. */
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/oracle/machines.h"
#include "tests/oracle/oracle.h"

#define SLOTS 32
#define BYTES 256
#define COMMAND 0x04
#define BAR 0x10
#define ROM 0x30

static bool is_there(unsigned devfn)
{
    return guest_config_read(0, devfn, 0, 4) != ~0u;
}

static void dump(struct transcript *t, unsigned devfn, const char *when)
{
    for (unsigned at = 0; at < BYTES; at++)
        note(t, guest_config_read(0, devfn, at, 1), "%02x.%u+%02x%s", devfn >> 3, devfn & 7, at,
             when);
}

/* All ones into each word, and what came of it; put back before the next. */
static void probe(struct transcript *t, unsigned devfn, unsigned at, uint32_t value)
{
    uint32_t was = guest_config_read(0, devfn, at, 4);

    guest_config_write(0, devfn, at, 4, value);
    note(t, guest_config_read(0, devfn, at, 4), "%02x.%u+%02x<%08x", devfn >> 3, devfn & 7, at,
         value);
    guest_config_write(0, devfn, at, 4, was);
}

static void configuration(struct transcript *t, const struct dm *dm, void *arg)
{
    (void)dm;
    (void)arg;
    for (unsigned devfn = 0; devfn < SLOTS * 8; devfn++) {
        note(t, guest_config_read(0, devfn, 0, 4), "%02x.%u", devfn >> 3, devfn & 7);
        if (!is_there(devfn))
            continue;
        dump(t, devfn, "");
        for (unsigned at = 0; at < BYTES; at += 4)
            if (at != COMMAND) {
                probe(t, devfn, at, ~0u);
                probe(t, devfn, at, 0);
            }
        probe(t, devfn, COMMAND, 0xffff);
        dump(t, devfn, "-after");
    }
}

TEST(pci_configuration_of_the_standard_machine)
{
    oracle("pci-standard", machine_standard(), configuration, NULL);
}

TEST(pci_configuration_of_the_cirrus_machine)
{
    oracle("pci-cirrus", machine_cirrus(), configuration, NULL);
}
