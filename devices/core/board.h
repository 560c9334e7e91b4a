/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_CORE_BOARD_H
#define DEVICES_CORE_BOARD_H
#include <stdbool.h>
#include <stdint.h>
struct arena;
struct backing;
struct error;
struct loop;
struct memory;
struct pci_routes;
struct space;

/*
 * What the devices of one loop are plugged into: their address spaces, their view of guest memory,
 * and the way out to interrupt controllers. There is a board per loop that holds devices; machine/
 * builds them (on Xen: one ioreq server each), tests/kit builds one without Xen.
 */
struct board {
    struct loop *loop;
    struct space *ports, *mmio;
    struct pci_routes *pci;
    struct memory *memory;
    struct backing *backing; /* for VRAM */
    struct arena *arena;
    const struct board_ops *ops;
    void *ops_arg;
};

/* Any loop. Levels arrive here only when they change. */
struct board_ops {
    void (*isa_irq)(void *arg, unsigned irq, bool level);
    void (*pci_intx)(void *arg, unsigned slot, unsigned pin, bool level); /* pin 0 = INTA# */
    void (*pci_link)(void *arg, unsigned link, unsigned irq); /* link 0-3; irq 0: disabled */
    void (*msi)(void *arg, uint64_t addr, uint32_t data);
    /* What the guest asked of the whole machine. */
    void (*reset)(void *arg);
    void (*power_off)(void *arg);
    void (*suspend)(void *arg); /* ACPI S3 */
    /* ROM area 0xc0000-0xfffff: read-only or not (xen-platform). */
    void (*lock_rom)(void *arg, bool locked);
    /*
     * A host end by kind and id, as the configuration named it; NULL where there is none. Kinds:
     * "drive" struct drive *, "netport" struct netport *, "chardev" struct chardev *,
     * "screen" struct screen *, "input" struct input *. It stays the machine's.
     */
    void *(*host_end)(void *arg, const char *kind, const char *id);
    /* Unplug (xen-platform). Calls done(done_arg) on the caller's loop when all is drained. */
    void (*unplug)(void *arg, unsigned mask, void (*done)(void *), void *done_arg);
};
#endif
