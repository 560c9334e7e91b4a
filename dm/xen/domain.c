/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's domain. Thin: the libraries' own calls with our error convention. A failed interrupt
 * call has nobody to tell; the domain is then on its way out.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xen/xen.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/xen/domain.h"
#include "dm/xen/handles.h"
#include "dm/xen/unstable.h"

#define ROM_FIRST_GFN 0xc0
#define ROM_GFNS 0x40
#define BUFFERED_ATOMIC 2 /* HVM_IOREQSRV_BUFIOREQ_ATOMIC */

/* Xen tells a driver domain nothing of others, but whether there is one to have an event channel with. */
static int open_finder(struct domain *d, struct error *err)
{
    d->finder = xenevtchn_open(NULL, 0);
    return d->finder ? 0 : error_errno(err, "open Xen's event channels for domain %u", d->id);
}

/*
 * The handle to ask with, and the domain alive. For backends alone it need not be known: a driver domain's
 * toolstack has said so.
 */
static int find_domain(struct domain **out, unsigned domid, bool *hvm, bool backends,
                       struct error *err)
{
    struct domain *d = calloc(1, sizeof(*d));
    bool dying = false;
    int rc;

    if (!d)
        return error_set(err, -ENOMEM, "domain %u: out of memory", domid);
    d->id = domid;
    d->backing.ops = &foreign_ops;
    rc = unstable_open(&d->control, err);
    if (rc == 0) {
        rc = unstable_domain_state(d->control, domid, &dying, hvm);
        if (rc == -EPERM && backends)
            rc = open_finder(d, err);
        else if (rc == -EPERM)
            rc = error_set(err, rc, "domain %u: Xen does not let this domain be its device model", domid);
        else if (rc < 0 || dying)
            rc = error_set(err, -ESRCH, "domain %u %s: -xen-domid takes the id of a domain being built",
                           domid, rc < 0 ? "does not exist" : "is dying");
    }
    if (rc == 0) {
        d->memory = xenforeignmemory_open(NULL, 0);
        if (!d->memory)
            rc = error_errno(err, "open Xen's foreign memory interface for domain %u", domid);
    }
    if (rc < 0) {
        domain_close(d);
        return rc;
    }
    *out = d;
    return 0;
}

int domain_open_attached(struct domain **out, unsigned domid, struct error *err)
{
    bool hvm;

    return find_domain(out, domid, &hvm, true, err);
}

int domain_open(struct domain **out, unsigned domid, struct error *err)
{
    struct domain *d = NULL;
    bool hvm;
    int rc = find_domain(&d, domid, &hvm, false, err);

    if (rc < 0)
        return rc;
    if (!hvm) {
        rc = error_set(err, -EINVAL, "domain %u is not an HVM domain; use -machine xenpv for a PV one",
                       domid);
        goto fail;
    }
    d->model = xendevicemodel_open(NULL, 0);
    if (!d->model) {
        rc = error_errno(err, "open Xen's device model interface for domain %u", domid);
        goto fail;
    }
    if (xendevicemodel_nr_vcpus(d->model, domid, &d->vcpus) < 0) {
        rc = error_errno(err, "ask how many vCPUs domain %u has", domid);
        goto fail;
    }
    *out = d;
    return 0;

fail:
    domain_close(d);
    return rc;
}

void domain_close(struct domain *d)
{
    if (!d)
        return;
    if (d->finder)
        xenevtchn_close(d->finder);
    if (d->memory)
        xenforeignmemory_close(d->memory);
    if (d->model)
        xendevicemodel_close(d->model);
    unstable_close(d->control);
    free(d);
}

int domain_restrict(struct domain *d, struct error *err)
{
    if ((d->model && xendevicemodel_restrict(d->model, (domid_t)d->id) < 0) ||
        xenforeignmemory_restrict(d->memory, (domid_t)d->id) < 0)
        return error_errno(err, "restrict the Xen handles to domain %u", d->id);
    unstable_close(d->control); /* it cannot be restricted, only given up */
    d->control = NULL;
    d->restricted = true;
    return 0;
}

unsigned domain_id(const struct domain *d)
{
    return d->id;
}

unsigned domain_vcpus(const struct domain *d)
{
    return d->vcpus;
}

struct backing *domain_backing(struct domain *d)
{
    return &d->backing;
}

bool domain_is_hidden(const struct domain *d)
{
    return d->finder;
}

bool domain_alive(struct domain *d)
{
    unsigned vcpus;
    bool dying, hvm;

    if (d->finder) /* no guest has a port 0: what differs is who is asked */
        return xenevtchn_bind_interdomain(d->finder, d->id, 0) >= 0 || errno != ESRCH;
    if (d->control)
        return unstable_domain_state(d->control, d->id, &dying, &hvm) == 0 && !dying;
    return !d->model || xendevicemodel_nr_vcpus(d->model, (domid_t)d->id, &vcpus) == 0;
}

void domain_isa_irq(struct domain *d, unsigned irq, bool level)
{
    xendevicemodel_set_isa_irq_level(d->model, (domid_t)d->id, (uint8_t)irq, level);
}

void domain_pci_intx(struct domain *d, unsigned slot, unsigned pin, bool level)
{
    xendevicemodel_set_pci_intx_level(d->model, (domid_t)d->id, 0, 0, (uint8_t)slot, (uint8_t)pin,
                                      level);
}

void domain_pci_link(struct domain *d, unsigned link, unsigned irq)
{
    xendevicemodel_set_pci_link_route(d->model, (domid_t)d->id, (uint8_t)link, (uint8_t)irq);
}

void domain_msi(struct domain *d, uint64_t addr, uint32_t data)
{
    xendevicemodel_inject_msi(d->model, (domid_t)d->id, addr, data);
}

void domain_lock_rom(struct domain *d, bool locked)
{
    xendevicemodel_set_mem_type(d->model, (domid_t)d->id, locked ? HVMMEM_ram_ro : HVMMEM_ram_rw,
                                ROM_FIRST_GFN, ROM_GFNS);
}

void domain_shut_down(struct domain *d, enum domain_end reason)
{
    xendevicemodel_shutdown(d->model, (domid_t)d->id, reason);
}

void domain_power_button(struct domain *d)
{
    if (d->control)
        unstable_power_button(d->control, d->id);
}

int domain_set_sleep(struct domain *d, unsigned state, struct error *err)
{
    int rc = d->control ? unstable_set_param(d->control, d->id, HVM_PARAM_ACPI_S_STATE, state)
                        : -EPERM;

    if (rc < 0)
        return error_set(err, rc, "set the sleep state of domain %u to S%u: errno %d", d->id, state,
                         -rc);
    return 0;
}

/* ---- ioreq servers ---- */

int domain_ioserver_create(struct domain *d, uint16_t *id, struct error *err)
{
    ioservid_t got;

    if (xendevicemodel_create_ioreq_server(d->model, (domid_t)d->id, BUFFERED_ATOMIC, &got) < 0)
        return error_errno(err, "create an ioreq server for domain %u", d->id);
    *id = got;
    return 0;
}

/* Kernels before 4.18 cannot map the resource; there the frames have guest numbers. */
int domain_map_grants(struct domain *d, unsigned frames, struct grant_table *table,
                      struct error *err)
{
    *table = (struct grant_table){ .frames = frames };
    table->resource = xenforeignmemory_map_resource(d->memory, (domid_t)d->id,
                                                    XENMEM_resource_grant_table,
                                                    XENMEM_resource_grant_table_id_shared, 0, frames,
                                                    &table->entries, PROT_READ | PROT_WRITE, 0);
    if (table->resource)
        return 0;
    *table = (struct grant_table){ 0 };
    return error_errno(err, "map the grant table of domain %u", d->id);
}

void domain_unmap_grants(struct domain *d, struct grant_table *table)
{
    if (table->resource)
        xenforeignmemory_unmap_resource(d->memory, table->resource);
    *table = (struct grant_table){ 0 };
}

/* Only a table of the second version has frames of status words. */
unsigned domain_grants_version(struct domain *d)
{
    void *words = NULL, *resource;

    resource = xenforeignmemory_map_resource(d->memory, (domid_t)d->id, XENMEM_resource_grant_table,
                                             XENMEM_resource_grant_table_id_status, 0, 1, &words,
                                             PROT_READ, 0);
    if (resource)
        xenforeignmemory_unmap_resource(d->memory, resource);
    return resource ? 2 : 1;
}

static int map_by_gfn(struct domain *d, uint16_t id, struct ioserver_pages *pages,
                      struct error *err)
{
    xen_pfn_t sync, buffered, gfns[2];
    int errs[2];

    if (xendevicemodel_get_ioreq_server_info(d->model, (domid_t)d->id, id, &sync, &buffered, NULL) <
        0)
        return error_errno(err, "ask where the pages of ioreq server %u are", id);
    gfns[0] = buffered;
    gfns[1] = sync;
    pages->buffered = xenforeignmemory_map(d->memory, d->id, PROT_READ | PROT_WRITE, 2, gfns, errs);
    if (!pages->buffered)
        return error_errno(err, "map the pages of ioreq server %u", id);
    pages->sync = (uint8_t *)pages->buffered + PAGE_BYTES;
    return 0;
}

int domain_ioserver_map(struct domain *d, uint16_t id, struct ioserver_pages *pages,
                        struct error *err)
{
    evtchn_port_t port;
    int rc;

    memset(pages, 0, sizeof(*pages));
    pages->resource = xenforeignmemory_map_resource(d->memory, (domid_t)d->id,
                                                    XENMEM_resource_ioreq_server, id, 0, 2,
                                                    &pages->buffered, PROT_READ | PROT_WRITE, 0);
    if (pages->resource) {
        pages->sync = (uint8_t *)pages->buffered + PAGE_BYTES;
    } else {
        rc = map_by_gfn(d, id, pages, err);
        if (rc < 0)
            return rc;
    }
    if (xendevicemodel_get_ioreq_server_info(d->model, (domid_t)d->id, id, NULL, NULL, &port) < 0)
        return error_errno(err, "ask for the buffered port of ioreq server %u", id);
    pages->buffered_port = port;
    return 0;
}

void domain_ioserver_unmap(struct domain *d, struct ioserver_pages *pages)
{
    if (pages->resource)
        xenforeignmemory_unmap_resource(d->memory, pages->resource);
    else if (pages->buffered)
        xenforeignmemory_unmap(d->memory, pages->buffered, 2);
    memset(pages, 0, sizeof(*pages));
}

int domain_ioserver_enable(struct domain *d, uint16_t id, bool on, struct error *err)
{
    if (xendevicemodel_set_ioreq_server_state(d->model, (domid_t)d->id, id, on) < 0)
        return error_errno(err, "%s ioreq server %u", on ? "enable" : "disable", id);
    return 0;
}

void domain_ioserver_destroy(struct domain *d, uint16_t id)
{
    xendevicemodel_destroy_ioreq_server(d->model, (domid_t)d->id, id);
}

int domain_ioserver_claim(struct domain *d, uint16_t id, enum ioserver_space space, uint64_t first,
                          uint64_t last, struct error *err)
{
    if (xendevicemodel_map_io_range_to_ioreq_server(d->model, (domid_t)d->id, id,
                                                    space == IOSERVER_MMIO, first, last) < 0)
        return error_errno(err, "ask Xen for the %s 0x%llx-0x%llx",
                           space == IOSERVER_MMIO ? "addresses" : "ports",
                           (unsigned long long)first, (unsigned long long)last);
    return 0;
}

void domain_ioserver_release(struct domain *d, uint16_t id, enum ioserver_space space,
                             uint64_t first, uint64_t last)
{
    xendevicemodel_unmap_io_range_from_ioreq_server(d->model, (domid_t)d->id, id,
                                                    space == IOSERVER_MMIO, first, last);
}

int domain_ioserver_claim_pci(struct domain *d, uint16_t id, unsigned devfn, struct error *err)
{
    if (xendevicemodel_map_pcidev_to_ioreq_server(d->model, (domid_t)d->id, id, 0, 0,
                                                  (uint8_t)(devfn >> 3), devfn & 7) < 0)
        return error_errno(err, "ask Xen for the PCI function %02x.%x", devfn >> 3, devfn & 7);
    return 0;
}

void domain_ioserver_release_pci(struct domain *d, uint16_t id, unsigned devfn)
{
    xendevicemodel_unmap_pcidev_from_ioreq_server(d->model, (domid_t)d->id, id, 0, 0,
                                                  (uint8_t)(devfn >> 3), devfn & 7);
}
