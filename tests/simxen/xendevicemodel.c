/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stand-in for libxendevicemodel.so.1: every dm_op is a cheap system call and some work under
 * the lock. Left out: ioreq pages with guest frame numbers (Xen before 4.11), injected events.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xendevicemodel.h>
#include <xen/hvm/dm_op.h>
#include "tests/simxen/simxen.h"

#define ATOMIC_RING 2 /* HVM_IOREQSRV_BUFIOREQ_ATOMIC, which the header keeps from us */

struct xendevicemodel_handle {
    bool restricted;
};

/* ---- Each call: the domain is the right one and alive, the lock held, the call counted ---- */

static struct simxen *enter(const xendevicemodel_handle *h, domid_t domid, unsigned op)
{
    struct simxen *s = simxen();

    simxen_syscall();
    if (domid != SIMXEN_DOMID || s->dying) {
        errno = h->restricted ? EPERM : ESRCH;
        return NULL;
    }
    simxen_lock();
    s->seen.dm_ops[op]++;
    return s;
}

/* The lock is held: who knows a route by heart asks again. */
static void change_routes(void)
{
    __atomic_fetch_add(&simxen()->routes, 1, __ATOMIC_RELEASE);
}

static int leave(int rc)
{
    simxen_unlock();
    if (rc >= 0)
        return rc;
    errno = -rc;
    return -1;
}

xendevicemodel_handle *xendevicemodel_open(struct xentoollog_logger *logger, unsigned flags)
{
    return simxen() ? calloc(1, sizeof(xendevicemodel_handle)) : NULL;
}

int xendevicemodel_close(xendevicemodel_handle *h)
{
    free(h);
    return 0;
}

int xendevicemodel_restrict(xendevicemodel_handle *h, domid_t domid)
{
    h->restricted = true;
    return domid == SIMXEN_DOMID ? 0 : (errno = ESRCH, -1);
}

int xendevicemodel_nr_vcpus(xendevicemodel_handle *h, domid_t domid, unsigned int *vcpus)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_nr_vcpus);

    if (!s)
        return -1;
    *vcpus = s->vcpus;
    return leave(0);
}

/* ---- ioreq servers ---- */

static struct simxen_server *server_of(struct simxen *s, ioservid_t id)
{
    return id < SIMXEN_SERVERS && s->servers[id].used ? &s->servers[id] : NULL;
}

static void zero_pages(unsigned id)
{
    static const char zeros[2 * SIMXEN_PAGE];

    if (pwrite(simxen_ioreq_fd(), zeros, sizeof(zeros), (off_t)(id * sizeof(zeros))) < 0)
        simxen_crash("clear the pages of ioreq server %u: errno %d", id, errno);
}

static int create(struct simxen *s, int buffering, ioservid_t *id)
{
    struct simxen_server *server = s->servers;
    int rc = 0;

    if (buffering < 0 || buffering > ATOMIC_RING)
        return -EINVAL;
    while (server < s->servers + SIMXEN_SERVERS && server->used)
        server++;
    if (server == s->servers + SIMXEN_SERVERS)
        return -ENOSPC;
    memset(server, 0, sizeof(*server));
    *id = (ioservid_t)(server - s->servers);
    zero_pages(*id);
    for (unsigned i = 0; rc == 0 && i < s->vcpus; i++)
        rc = simxen_take_port(&server->ports[i]);
    if (rc == 0 && buffering)
        rc = simxen_take_port(&server->ports[SIMXEN_VCPUS]);
    server->buffering = (unsigned)buffering;
    server->used = rc == 0;
    return rc;
}

int xendevicemodel_create_ioreq_server(xendevicemodel_handle *h, domid_t domid, int buffering,
                                       ioservid_t *id)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_create_ioreq_server);

    return s ? leave(create(s, buffering, id)) : -1;
}

int xendevicemodel_destroy_ioreq_server(xendevicemodel_handle *h, domid_t domid, ioservid_t id)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_destroy_ioreq_server);
    struct simxen_server *server = s ? server_of(s, id) : NULL;

    if (!s)
        return -1;
    if (!server)
        return leave(-ENOENT);
    for (unsigned i = 0; i <= SIMXEN_VCPUS; i++)
        if (server->ports[i])
            simxen_drop_port(server->ports[i]);
    server->used = server->enabled = false;
    change_routes();
    return leave(0);
}

int xendevicemodel_get_ioreq_server_info(xendevicemodel_handle *h, domid_t domid, ioservid_t id,
                                         xen_pfn_t *sync, xen_pfn_t *buffered, evtchn_port_t *port)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_get_ioreq_server_info);
    struct simxen_server *server = s ? server_of(s, id) : NULL;

    if (!s)
        return -1;
    if (!server)
        return leave(-ENOENT);
    if (sync || buffered)
        return leave(server->resource_mapped ? -EPERM : -EOPNOTSUPP);
    if (port)
        *port = server->ports[SIMXEN_VCPUS];
    return leave(0);
}

int xendevicemodel_set_ioreq_server_state(xendevicemodel_handle *h, domid_t domid, ioservid_t id,
                                          int enabled)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_set_ioreq_server_state);
    struct simxen_server *server = s ? server_of(s, id) : NULL;
    volatile ioreq_t *slots;

    if (!s)
        return -1;
    if (!server)
        return leave(-ENOENT);
    server->enabled = enabled;
    change_routes();
    if (enabled) { /* only from now on are the ports in the page */
        slots = simxen_slot(id, 0);
        for (unsigned i = 0; i < s->vcpus; i++)
            slots[i].vp_eport = server->ports[i];
    }
    return leave(0);
}

/* Xen's rangeset: ranges that overlap are refused, and what is removed must be there whole. */
static int add_range(struct simxen_server *s, unsigned space, uint64_t first, uint64_t last)
{
    struct simxen_range *r = s->ranges[space];
    unsigned *count = &s->range_count[space];

    if (first > last)
        return -EINVAL;
    for (unsigned i = 0; i < *count; i++)
        if (first <= r[i].last && r[i].first <= last)
            return -EEXIST;
    if (*count == SIMXEN_RANGES)
        return -ENOSPC;
    r[(*count)++] = (struct simxen_range){ first, last };
    return 0;
}

static int remove_range(struct simxen_server *s, unsigned space, uint64_t first, uint64_t last)
{
    struct simxen_range *r = s->ranges[space];
    unsigned *count = &s->range_count[space];

    for (unsigned i = 0; i < *count; i++) {
        struct simxen_range old = r[i];

        if (first < old.first || last > old.last)
            continue;
        r[i] = r[--*count];
        if (old.first < first)
            r[(*count)++] = (struct simxen_range){ old.first, first - 1 };
        if (last < old.last)
            r[(*count)++] = (struct simxen_range){ last + 1, old.last };
        return 0;
    }
    return -ENOENT;
}

static int range(xendevicemodel_handle *h, domid_t domid, ioservid_t id, unsigned space,
                 uint64_t first, uint64_t last, bool add)
{
    struct simxen *s = enter(h, domid,
                             add ? XEN_DMOP_map_io_range_to_ioreq_server
                                 : XEN_DMOP_unmap_io_range_from_ioreq_server);
    struct simxen_server *server = s ? server_of(s, id) : NULL;

    if (!s)
        return -1;
    if (!server)
        return leave(-ENOENT);
    change_routes();
    return leave(add ? add_range(server, space, first, last)
                     : remove_range(server, space, first, last));
}

int xendevicemodel_map_io_range_to_ioreq_server(xendevicemodel_handle *h, domid_t domid,
                                                ioservid_t id, int mmio, uint64_t first,
                                                uint64_t last)
{
    return range(h, domid, id, mmio ? SIMXEN_MEMORY : SIMXEN_PORT_IO, first, last, true);
}

int xendevicemodel_unmap_io_range_from_ioreq_server(xendevicemodel_handle *h, domid_t domid,
                                                    ioservid_t id, int mmio, uint64_t first,
                                                    uint64_t last)
{
    return range(h, domid, id, mmio ? SIMXEN_MEMORY : SIMXEN_PORT_IO, first, last, false);
}

static uint64_t sbdf(uint16_t segment, uint8_t bus, uint8_t device, uint8_t function)
{
    return XEN_DMOP_PCI_SBDF((uint64_t)segment, bus, device, function);
}

int xendevicemodel_map_pcidev_to_ioreq_server(xendevicemodel_handle *h, domid_t domid,
                                              ioservid_t id, uint16_t segment, uint8_t bus,
                                              uint8_t device, uint8_t function)
{
    uint64_t at = sbdf(segment, bus, device, function);

    if (device > 0x1f || function > 7)
        return errno = EINVAL, -1;
    return range(h, domid, id, SIMXEN_PCI, at, at, true);
}

int xendevicemodel_unmap_pcidev_from_ioreq_server(xendevicemodel_handle *h, domid_t domid,
                                                  ioservid_t id, uint16_t segment, uint8_t bus,
                                                  uint8_t device, uint8_t function)
{
    uint64_t at = sbdf(segment, bus, device, function);

    return range(h, domid, id, SIMXEN_PCI, at, at, false);
}

/* ---- Interrupts, and the end ---- */

static void change_level(uint8_t *is, unsigned *changes, unsigned level)
{
    if (*is == level)
        return;
    ++*changes;
    __atomic_store_n(is, (uint8_t)level, __ATOMIC_SEQ_CST);
    simxen_count_level();
}

int xendevicemodel_set_isa_irq_level(xendevicemodel_handle *h, domid_t domid, uint8_t irq,
                                     unsigned int level)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_set_isa_irq_level);

    if (!s)
        return -1;
    if (irq > 15 || level > 1)
        return leave(-EINVAL);
    change_level(&s->seen.isa_level[irq], &s->seen.isa_changes[irq], level);
    return leave(0);
}

int xendevicemodel_set_pci_intx_level(xendevicemodel_handle *h, domid_t domid, uint16_t segment,
                                      uint8_t bus, uint8_t device, uint8_t intx, unsigned int level)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_set_pci_intx_level);

    if (!s)
        return -1;
    if (segment || bus || device > 31 || intx > 3 || level > 1)
        return leave(-EINVAL);
    change_level(&s->seen.intx_level[device][intx], &s->seen.intx_changes[device][intx], level);
    return leave(0);
}

int xendevicemodel_set_pci_link_route(xendevicemodel_handle *h, domid_t domid, uint8_t link,
                                      uint8_t irq)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_set_pci_link_route);

    if (!s)
        return -1;
    if (link > 3 || irq > 15)
        return leave(-EINVAL);
    s->seen.link_irq[link] = irq;
    return leave(0);
}

int xendevicemodel_inject_msi(xendevicemodel_handle *h, domid_t domid, uint64_t addr, uint32_t data)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_inject_msi);
    unsigned at = s ? s->seen.msi_count++ % SIMXEN_MSIS : 0;

    if (!s)
        return -1;
    s->seen.msis[at].addr = addr;
    s->seen.msis[at].data = data;
    return leave(0);
}

int xendevicemodel_shutdown(xendevicemodel_handle *h, domid_t domid, unsigned int reason)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_remote_shutdown);

    if (!s)
        return -1;
    if (!s->shut_down) /* the first one wins */
        s->shutdown_reason = reason;
    s->shut_down = true;
    return leave(0);
}

/* ---- Memory ---- */

/* Moves frames one by one, as add_to_physmap does: a source that is not there stops it. */
static int relocate(uint32_t *p2m, uint32_t count, uint64_t from, uint64_t to)
{
    if (from + count > SIMXEN_GFNS || to + count > SIMXEN_GFNS)
        return -EINVAL;
    for (uint32_t i = 0; i < count; i++) {
        if (!(p2m[from + i] & SIMXEN_VALID))
            return -EINVAL;
        p2m[to + i] = p2m[from + i]; /* what was there is freed */
        if (from != to)
            p2m[from + i] = 0;
    }
    return 0;
}

int xendevicemodel_relocate_memory(xendevicemodel_handle *h, domid_t domid, uint32_t count,
                                   uint64_t from, uint64_t to)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_relocate_memory);

    return s ? leave(relocate(simxen_p2m(), count, from, to)) : -1;
}

int xendevicemodel_pin_memory_cacheattr(xendevicemodel_handle *h, domid_t domid, uint64_t first,
                                        uint64_t last, uint32_t type)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_pin_memory_cacheattr);

    if (!s)
        return -1;
    s->seen.pins++;
    return leave(first > last ? -EINVAL : 0);
}

static int set_type(uint32_t *p2m, hvmmem_type_t type, uint64_t first, uint32_t count)
{
    if (!count || first + count > SIMXEN_GFNS)
        return -EINVAL;
    if (type != HVMMEM_ram_rw && type != HVMMEM_ram_ro)
        return -EOPNOTSUPP;
    for (uint64_t gfn = first; gfn < first + count; gfn++)
        if (p2m[gfn] & SIMXEN_VALID)
            p2m[gfn] =
                (p2m[gfn] & ~SIMXEN_READ_ONLY) | (type == HVMMEM_ram_ro ? SIMXEN_READ_ONLY : 0);
    return 0;
}

int xendevicemodel_set_mem_type(xendevicemodel_handle *h, domid_t domid, hvmmem_type_t type,
                                uint64_t first, uint32_t count)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_set_mem_type);

    return s ? leave(set_type(simxen_p2m(), type, first, count)) : -1;
}

static int track(struct simxen *s, uint64_t first, uint32_t count, uint8_t *bitmap)
{
    uint8_t *dirty = simxen_dirty();
    bool all = s->vram_first != first || s->vram_count != count;

    if (count > 1u << 18 || first + count > SIMXEN_GFNS)
        return -EINVAL;
    s->vram_first = first;
    s->vram_count = count;
    if (count)
        memset(bitmap, 0, (count + 7) / 8);
    for (uint32_t i = 0; i < count; i++) {
        if (all || dirty[first + i])
            bitmap[i / 8] |= (uint8_t)(1u << (i % 8));
        dirty[first + i] = 0;
    }
    return 0;
}

int xendevicemodel_track_dirty_vram(xendevicemodel_handle *h, domid_t domid, uint64_t first,
                                    uint32_t count, unsigned long *bitmap)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_track_dirty_vram);

    return s ? leave(track(s, first, count, (uint8_t *)bitmap)) : -1;
}

static int modified(uint64_t first, uint32_t count)
{
    if (first + count > SIMXEN_GFNS)
        return -EINVAL;
    memset(simxen_dirty() + first, 1, count);
    return 0;
}

int xendevicemodel_modified_memory(xendevicemodel_handle *h, domid_t domid, uint64_t first,
                                   uint32_t count)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_modified_memory);

    return s ? leave(modified(first, count)) : -1;
}

int xendevicemodel_modified_memory_bulk(xendevicemodel_handle *h, domid_t domid,
                                        struct xen_dm_op_modified_memory_extent extents[],
                                        uint32_t count)
{
    struct simxen *s = enter(h, domid, XEN_DMOP_modified_memory);
    int rc = 0;

    if (!s)
        return -1;
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = modified(extents[i].first_pfn, extents[i].nr);
    return leave(rc);
}
