/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_PCI_FUNCTION_H
#define DEVICES_PCI_FUNCTION_H
#include <stdbool.h>
#include <stdint.h>
#include "devices/core/device.h"

/*
 * A PCI function: the part of a device that is its configuration space (PCI Local Bus 3.0, chapter
 * "Configuration Space"). A device embeds `struct pci_regs` as the first member of its regs, and
 * `struct pci_function` in its private state, fills a `struct pci_identity`, and calls
 * pci_function_attach() from its own attach. BARs are mapped and unmapped here as the guest writes
 * the command register and the BARs; sizing with decode off moves nothing.
 */
struct pci_regs {
    uint8_t config[256];
    uint8_t intx; /* level of the pin, as the device wants it, whatever the command register says */
    uint8_t gone; /* unplugged: out of configuration space until the next machine */
    uint8_t reserved[6];
};
/* For the saved table of a device whose regs begin with `struct pci_regs pci`. */
#define SAVED_PCI(type)                                                                            \
    SAVED_ARRAY(type, pci.config), SAVED(type, pci.intx), SAVED(type, pci.gone),                   \
        SAVED_ARRAY(type, pci.reserved)

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM32, PCI_BAR_MEM64, PCI_BAR_ROM };

struct pci_bar {
    enum pci_bar_kind kind;
    bool prefetchable;
    uint64_t size;                 /* bytes, a power of two */
    const struct region_ops *ops;  /* NULL: `move` places it */
    /* Called instead of mapping a region: the BAR is now at `addr`, or nowhere (UINT64_MAX). */
    void (*move)(void *state, uint64_t addr);
};

#define PCI_BARS 7 /* 0 to 5, and the expansion ROM as 6 */

struct pci_identity {
    uint16_t vendor, device, subsystem_vendor, subsystem; /* subsystem 0:0 reads as 1af4:1100 */
    uint8_t revision;
    uint32_t class_code; /* 24 bits: class, subclass, programming interface */
    uint8_t header_type; /* 0x80: multi-function */
    uint8_t pin;         /* 0 none, 1 = INTA# */
    struct pci_bar bars[PCI_BARS];
    const char *rom_file; /* option: BAR 6 from this file; NULL or "" for none */
    /*
     * Called after the generic bytes were written; and before a read. May be NULL. Offsets may
     * span several bytes.
     */
    void (*config_written)(void *state, unsigned offset, unsigned size);
    void (*config_reading)(void *state, unsigned offset, unsigned size);
};

struct pci_function {
    struct device *dev;
    void *state; /* what the handlers above and the BARs' are called with */
    struct pci_regs *regs;
    struct pci_identity identity;
    uint8_t writable[256]; /* bits the guest can write */
    uint8_t clears[256];   /* bits that writing one clears */
    unsigned devfn;
    struct irq *irq;
    struct region *mapped[PCI_BARS];
    uint64_t at[PCI_BARS]; /* UINT64_MAX: not decoded */
    uint8_t *rom;
    unsigned next_capability;
};

/* Where a device with an "addr" option goes: "04.0", "4", "0x1d.7". -EINVAL with the sentence. */
int pci_parse_addr(const char *text, unsigned *devfn, struct error *err);

int pci_function_attach(struct pci_function *fn, struct device *dev, void *state,
                        struct pci_regs *regs, unsigned devfn, const struct pci_identity *identity,
                        struct error *err);
void pci_function_detach(struct pci_function *fn); /* zeroed or attached; the ROM's memory too */
/* Configuration space to power-on values, BARs to nowhere. Called by the device's reset. */
void pci_function_reset(struct pci_function *fn);
/* After regs were loaded: BARs where they say, the pin at its level. */
int pci_function_loaded(struct pci_function *fn, struct error *err);
/* Takes it out of configuration space and off the bus, for good (xen-platform's unplug). */
void pci_function_unplug(struct pci_function *fn);

/* Adds a capability of `size` bytes at `offset` (0: next free, from 0x40) and returns where. */
unsigned pci_add_capability(struct pci_function *fn, uint8_t id, unsigned offset, unsigned size);

/* The pin, gated by the command register's Interrupt Disable, and seen in Status. */
void pci_set_intx(struct pci_function *fn, bool level);
bool pci_bus_master(const struct pci_function *fn); /* COMMAND bit 2: may do DMA */
bool pci_io_enabled(const struct pci_function *fn);

/* For DMA by a function: nothing happens unless it is bus master. */
bool pci_dma_read(struct pci_function *fn, uint64_t addr, void *buf, size_t length);
bool pci_dma_write(struct pci_function *fn, uint64_t addr, const void *buf, size_t length);
#endif
