/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stand-in for libxenforeignmemory.so.1: guest frames by one mmap(2) per run of machine frames.
 * A frame that is not there stays out of reach, and says so in err[], as privcmd does it.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xenforeignmemory.h>
#include <xen/memory.h>
#include "tests/simxen/simxen.h"

struct xenforeignmemory_handle {
    bool restricted;
};

struct xenforeignmemory_resource_handle {
    void *addr;
    size_t bytes;
};

static int fail(int error)
{
    errno = error;
    return -1;
}

xenforeignmemory_handle *xenforeignmemory_open(struct xentoollog_logger *logger, unsigned flags)
{
    return simxen() ? calloc(1, sizeof(xenforeignmemory_handle)) : NULL;
}

int xenforeignmemory_close(xenforeignmemory_handle *h)
{
    free(h);
    return 0;
}

int xenforeignmemory_restrict(xenforeignmemory_handle *h, domid_t domid)
{
    simxen_syscall();
    h->restricted = true;
    return domid == SIMXEN_DOMID ? 0 : fail(ESRCH);
}

static uint32_t entry(xen_pfn_t gfn)
{
    return gfn < SIMXEN_GFNS ? simxen_p2m()[gfn] : 0;
}

/* Maps frames from the first on that lie in a row; their number, or a negative errno. */
static int map_run(char *addr, int prot, size_t pages, const xen_pfn_t *gfns)
{
    uint32_t first = entry(gfns[0]);
    size_t n = 1;

    while (n < pages && (entry(gfns[n]) & SIMXEN_VALID) &&
           (entry(gfns[n]) & SIMXEN_MFN) == (first & SIMXEN_MFN) + n)
        n++;
    if (mmap(addr, n * SIMXEN_PAGE, prot, MAP_SHARED | MAP_FIXED, simxen_ram_fd(),
             (off_t)(first & SIMXEN_MFN) * SIMXEN_PAGE) == MAP_FAILED)
        return -errno;
    return (int)n;
}

static int map_all(char *addr, int prot, size_t pages, const xen_pfn_t *gfns, int *err)
{
    int rc = 0;

    for (size_t i = 0; i < pages; i += (size_t)rc) {
        if (entry(gfns[i]) & SIMXEN_VALID) {
            rc = map_run(addr + i * SIMXEN_PAGE, prot, pages - i, gfns + i);
            if (rc < 0)
                return rc;
            for (int k = 0; err && k < rc; k++)
                err[i + (size_t)k] = 0;
        } else {
            if (!err)
                return -EINVAL;
            err[i] = -EINVAL;
            rc = 1;
        }
    }
    return 0;
}

void *xenforeignmemory_map2(xenforeignmemory_handle *h, uint32_t domid, void *hint, int prot,
                            int flags, size_t pages, const xen_pfn_t gfns[], int err[])
{
    char *addr;
    int rc;

    if (domid != SIMXEN_DOMID || !pages) {
        errno = h->restricted ? EPERM : ESRCH;
        return NULL;
    }
    addr = mmap(hint, pages * SIMXEN_PAGE, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (flags & MAP_FIXED), -1, 0);
    if (addr == MAP_FAILED)
        return NULL;
    simxen_lock();
    rc = map_all(addr, prot, pages, gfns, err);
    simxen()->seen.maps++;
    simxen()->seen.map_pages += (unsigned)pages;
    simxen()->live_frames += rc == 0 ? (unsigned)pages : 0;
    simxen_unlock();
    if (rc == 0)
        return addr;
    munmap(addr, pages * SIMXEN_PAGE);
    errno = -rc;
    return NULL;
}

void *xenforeignmemory_map(xenforeignmemory_handle *h, uint32_t domid, int prot, size_t pages,
                           const xen_pfn_t gfns[], int err[])
{
    return xenforeignmemory_map2(h, domid, NULL, prot, 0, pages, gfns, err);
}

int xenforeignmemory_unmap(xenforeignmemory_handle *h, void *addr, size_t pages)
{
    simxen_lock();
    simxen()->live_frames -= (unsigned)pages;
    simxen_unlock();
    return munmap(addr, pages * SIMXEN_PAGE);
}

static xenforeignmemory_resource_handle *map_part(int fd, size_t offset, unsigned long frames, int prot,
                                                  void **addr)
{
    void *p = mmap(NULL, frames * SIMXEN_PAGE, prot, MAP_SHARED, fd, (off_t)offset);
    xenforeignmemory_resource_handle *r = p == MAP_FAILED ? NULL : malloc(sizeof(*r));

    if (!r)
        return NULL;
    r->addr = *addr = p;
    r->bytes = frames * SIMXEN_PAGE;
    return r;
}

/* As Xen has it: status words there are only of a table of the second version. */
static xenforeignmemory_resource_handle *map_grants(unsigned id, unsigned long frame,
                                                    unsigned long frames, int prot, void **addr)
{
    bool status = id == XENMEM_resource_grant_table_id_status;

    simxen_syscall();
    if (id > 1 || (status && !simxen()->second_table) ||
        (frame + frames) * SIMXEN_PAGE > sizeof(simxen()->grants)) {
        errno = EINVAL;
        return NULL;
    }
    return map_part(simxen_state_fd(), offsetof(struct simxen, grants) + frame * SIMXEN_PAGE, frames,
                    prot, addr);
}

xenforeignmemory_resource_handle *
xenforeignmemory_map_resource(xenforeignmemory_handle *h, domid_t domid, unsigned int type,
                              unsigned int id, unsigned long frame, unsigned long frames,
                              void **addr, int prot, int flags)
{
    xenforeignmemory_resource_handle *r;
    struct simxen_server *server = &simxen()->servers[id % SIMXEN_SERVERS];

    if (domid == SIMXEN_DOMID && type == XENMEM_resource_grant_table)
        return map_grants(id, frame, frames, prot, addr);
    if (domid != SIMXEN_DOMID || type != XENMEM_resource_ioreq_server || id >= SIMXEN_SERVERS ||
        !server->used || frame + frames > 2) {
        errno = domid != SIMXEN_DOMID ? ESRCH : EINVAL;
        return NULL;
    }
    if (server->gfn_mapped) { /* one way or the other */
        errno = EPERM;
        return NULL;
    }
    r = map_part(simxen_ioreq_fd(), (2 * id + frame) * SIMXEN_PAGE, frames, prot, addr);
    server->resource_mapped |= r != NULL;
    return r;
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle *h, xenforeignmemory_resource_handle *r)
{
    int rc = munmap(r->addr, r->bytes);

    free(r);
    return rc;
}
