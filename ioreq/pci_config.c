/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration accesses: a table of 256 devfns. */
#include <errno.h>
#include <stdlib.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "ioreq/pci_config.h"

struct pci_routes {
    const struct pci_route_claims *claims;
    void *arg;
    struct {
        const struct pci_config_ops *ops;
        void *state;
    } at[256];
};

int pci_routes_open(struct pci_routes **out, const struct pci_route_claims *claims, void *arg,
                    struct error *err)
{
    struct pci_routes *r = calloc(1, sizeof(*r));

    if (!r)
        return error_set(err, -ENOMEM, "PCI routes: out of memory");
    r->claims = claims;
    r->arg = arg;
    *out = r;
    return 0;
}

void pci_routes_close(struct pci_routes *r)
{
    if (!r)
        return;
    for (unsigned devfn = 0; devfn < ARRAY_SIZE(r->at); devfn++)
        pci_route_remove(r, devfn);
    free(r);
}

int pci_route_add(struct pci_routes *r, unsigned devfn, const struct pci_config_ops *ops,
                  void *state, struct error *err)
{
    int rc;

    if (devfn >= ARRAY_SIZE(r->at))
        return error_set(err, -EINVAL, "PCI address %02x.%x is not on bus 0", devfn >> 3, devfn & 7);
    if (r->at[devfn].ops)
        return error_set(err, -EBUSY, "PCI address %02x.%x is taken", devfn >> 3, devfn & 7);
    if (r->claims) {
        rc = r->claims->claim(r->arg, devfn, err);
        if (rc < 0)
            return rc;
    }
    r->at[devfn].ops = ops;
    r->at[devfn].state = state;
    return 0;
}

void pci_route_remove(struct pci_routes *r, unsigned devfn)
{
    if (devfn >= ARRAY_SIZE(r->at) || !r->at[devfn].ops)
        return;
    r->at[devfn].ops = NULL;
    if (r->claims)
        r->claims->release(r->arg, devfn);
}

/* Handlers see accesses inside one dword; a wider or straddling one is cut there. */
uint32_t pci_routes_read(struct pci_routes *r, unsigned devfn, unsigned offset, unsigned size)
{
    uint32_t value = 0;

    for (unsigned done = 0, n; done < size; done += n) {
        unsigned o = offset + done;

        n = MIN(size - done, 4 - o % 4);
        if (devfn >= ARRAY_SIZE(r->at) || !r->at[devfn].ops || o > 0xff)
            value |= (uint32_t)ones(n) << (8 * done);
        else
            value |= (r->at[devfn].ops->read(r->at[devfn].state, o, n) & (uint32_t)ones(n))
                     << (8 * done);
    }
    return value;
}

void pci_routes_write(struct pci_routes *r, unsigned devfn, unsigned offset, unsigned size,
                      uint32_t value)
{
    for (unsigned done = 0, n; done < size; done += n) {
        unsigned o = offset + done;

        n = MIN(size - done, 4 - o % 4);
        if (devfn < ARRAY_SIZE(r->at) && r->at[devfn].ops && o <= 0xff)
            r->at[devfn].ops->write(r->at[devfn].state, o, n,
                                    (value >> (8 * done)) & (uint32_t)ones(n));
    }
}
