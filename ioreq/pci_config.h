/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IOREQ_PCI_CONFIG_H
#define IOREQ_PCI_CONFIG_H
#include <stdint.h>
struct error;

/*
 * Routes configuration accesses to the function that lives at a devfn of bus 0, segment 0. One
 * table per loop that holds devices. Nobody there: reads are all-ones. The home loop's only.
 */
struct pci_routes;

struct pci_config_ops {
    uint32_t (*read)(void *state, unsigned offset, unsigned size); /* inside one dword */
    void (*write)(void *state, unsigned offset, unsigned size, uint32_t value);
};

struct pci_route_claims {
    int (*claim)(void *arg, unsigned devfn, struct error *err);
    void (*release)(void *arg, unsigned devfn);
};

int pci_routes_open(struct pci_routes **out, const struct pci_route_claims *claims, void *arg,
                    struct error *err);
void pci_routes_close(struct pci_routes *routes);
int pci_route_add(struct pci_routes *routes, unsigned devfn, const struct pci_config_ops *ops,
                  void *state, struct error *err); /* -EBUSY where taken */
void pci_route_remove(struct pci_routes *routes, unsigned devfn); /* nobody there: fine */

/* `offset` as Xen sends it: byte in configuration space, low two bits from the port used. */
uint32_t pci_routes_read(struct pci_routes *routes, unsigned devfn, unsigned offset, unsigned size);
void pci_routes_write(struct pci_routes *routes, unsigned devfn, unsigned offset, unsigned size,
                      uint32_t value);
#endif
