/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stand-in for libxengnttab.so.1: dom0 maps and copies what the guest's grant table allows, as
 * Xen 4.17 and Linux's gntdev judge it. A batch is one cheap system call, and a mapping one mmap(2)
 * for each run of frames. Left out: dma-bufs, granting pages of dom0's own, transitive grants and
 * those of a part of a page (both need the second version's table).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xengnttab.h>
#include "tests/simxen/simxen.h"

#define BACKEND 0 /* dom0 */
#define NONE ((uint32_t)-1)

struct mapping {
    struct mapping *next;
    uint8_t *addr;
    uint32_t count, *refs;
    bool writes;
    uint32_t notify_offset, notify_port;
};

struct xengntdev_handle {
    pthread_mutex_t lock; /* for `mappings`; taken before Xen's */
    struct mapping *mappings;
    uint32_t most, count; /* pages; most 0: no limit was asked for */
};

static int fail(int error)
{
    errno = error;
    return -1;
}

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned flags)
{
    xengnttab_handle *h = simxen() ? calloc(1, sizeof(*h)) : NULL;

    if (h)
        pthread_mutex_init(&h->lock, NULL);
    return h;
}

int xengnttab_set_max_grants(xengnttab_handle *h, uint32_t count)
{
    simxen_syscall();
    if (h->mappings)
        return fail(EBUSY); /* "before any other functions are invoked on it" */
    h->most = count;
    return 0;
}

/* ---- What Xen says of one grant, under its lock ---- */

/* The machine frame behind a reference in *mfn; GNTST_okay or what is wrong. */
static int judge(uint32_t domid, uint32_t ref, bool write, uint32_t *mfn)
{
    const grant_entry_v1_t *e = &simxen()->grants[ref % SIMXEN_GRANTS];
    uint16_t flags = __atomic_load_n(&e->flags, __ATOMIC_ACQUIRE);
    uint32_t entry;

    if (domid != SIMXEN_DOMID || simxen()->dying)
        return GNTST_bad_domain;
    if (ref >= SIMXEN_GRANTS)
        return GNTST_bad_gntref;
    if ((flags & GTF_type_mask) != GTF_permit_access || e->domid != BACKEND)
        return GNTST_general_error;
    if (write && (flags & GTF_readonly))
        return GNTST_general_error;
    entry = e->frame < SIMXEN_GFNS ? simxen_p2m()[e->frame] : 0;
    if (!(entry & SIMXEN_VALID) || (write && (entry & SIMXEN_READ_ONLY)))
        return GNTST_bad_page;
    *mfn = entry & SIMXEN_MFN;
    return GNTST_okay;
}

static void refuse(uint32_t ref, int status)
{
    simxen()->seen.grant_errors++;
    fprintf(stderr, "simxen: grant %u: status %d\n", ref, status);
}

static void hold(uint32_t ref, bool write)
{
    struct simxen *s = simxen();

    s->granted[ref].maps++;
    s->granted[ref].writers += write;
    s->live_grants++;
    s->seen.grant_maps++;
    __atomic_fetch_or(&s->grants[ref].flags, GTF_reading | (write ? GTF_writing : 0),
                      __ATOMIC_SEQ_CST);
}

static void let_go(uint32_t ref, bool write)
{
    struct simxen *s = simxen();
    uint16_t keep = 0xffff;

    if (!--s->granted[ref].maps)
        keep &= (uint16_t)~GTF_reading;
    s->granted[ref].writers -= write;
    if (!s->granted[ref].writers)
        keep &= (uint16_t)~GTF_writing;
    s->seen.grant_unmaps++;
    __atomic_fetch_and(&s->grants[ref].flags, keep, __ATOMIC_SEQ_CST);
    /* Last: who sees that nothing is held may end the grants. */
    __atomic_fetch_sub(&s->live_grants, 1, __ATOMIC_SEQ_CST);
}

/* ---- Mapping: all of it, or nothing ---- */

/* Takes hold of all references, and says which frames they are. */
static int hold_all(const struct mapping *m, uint32_t domid, const uint32_t *domids, uint32_t *mfns)
{
    int status = GNTST_okay;
    uint32_t n = 0;

    for (; status == GNTST_okay && n < m->count; n++) {
        status = judge(domids ? domids[n] : domid, m->refs[n], m->writes, &mfns[n]);
        if (status != GNTST_okay)
            break;
        hold(m->refs[n], m->writes);
    }
    if (status == GNTST_okay)
        return 0;
    refuse(m->refs[n], status);
    while (n--)
        let_go(m->refs[n], m->writes);
    return -EINVAL;
}

static int map_frames(uint8_t *addr, int prot, uint32_t count, const uint32_t *mfns)
{
    uint32_t n;

    for (uint32_t i = 0; i < count; i += n) {
        for (n = 1; i + n < count && mfns[i + n] == mfns[i] + n;)
            n++;
        if (mmap(addr + (size_t)i * SIMXEN_PAGE, (size_t)n * SIMXEN_PAGE, prot,
                 MAP_SHARED | MAP_FIXED, simxen_ram_fd(),
                 (off_t)mfns[i] * SIMXEN_PAGE) == MAP_FAILED)
            return -errno;
    }
    return 0;
}

static void drop_mapping(struct mapping *m)
{
    if (m)
        free(m->refs);
    free(m);
}

static struct mapping *new_mapping(uint32_t count, const uint32_t *refs, int prot)
{
    struct mapping *m = calloc(1, sizeof(*m));

    if (m)
        m->refs = malloc(count * sizeof(*refs));
    if (!m || !m->refs) {
        drop_mapping(m);
        return NULL;
    }
    memcpy(m->refs, refs, count * sizeof(*refs));
    m->count = count;
    m->writes = prot & PROT_WRITE;
    m->notify_offset = m->notify_port = NONE;
    return m;
}

/* The addresses first: what can go wrong then is a grant. */
static int establish(struct mapping *m, uint32_t domid, const uint32_t *domids, int prot)
{
    size_t bytes = (size_t)m->count * SIMXEN_PAGE;
    uint32_t *mfns = malloc(m->count * sizeof(*mfns));
    void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int rc;

    if (!mfns || p == MAP_FAILED) {
        free(mfns);
        return -ENOMEM;
    }
    m->addr = p;
    simxen_syscall();
    simxen_lock();
    simxen()->seen.grant_batches++;
    rc = hold_all(m, domid, domids, mfns);
    simxen_unlock();
    if (rc == 0 && map_frames(m->addr, prot, m->count, mfns) < 0)
        simxen_crash("map %u granted frames: errno %d", m->count, errno);
    free(mfns);
    if (rc < 0)
        munmap(p, bytes);
    return rc;
}

static void *map(xengnttab_handle *h, uint32_t count, uint32_t domid, const uint32_t *domids,
                 const uint32_t *refs, int prot, uint32_t notify_offset, uint32_t notify_port)
{
    struct mapping *m;
    int rc = -ENOMEM;

    if (!count || !(prot & PROT_READ))
        return errno = EINVAL, NULL;
    m = new_mapping(count, refs, prot);
    if (!m)
        return errno = ENOMEM, NULL;
    m->notify_offset = notify_offset;
    m->notify_port = notify_port;
    pthread_mutex_lock(&h->lock);
    rc = h->most && h->count + count > h->most ? -ENOSPC : establish(m, domid, domids, prot);
    if (rc == 0) {
        h->count += count;
        m->next = h->mappings;
        h->mappings = m;
    }
    pthread_mutex_unlock(&h->lock);
    if (rc == 0)
        return m->addr;
    drop_mapping(m);
    errno = -rc;
    return NULL;
}

void *xengnttab_map_grant_ref(xengnttab_handle *h, uint32_t domid, uint32_t ref, int prot)
{
    return map(h, 1, domid, NULL, &ref, prot, NONE, NONE);
}

void *xengnttab_map_grant_refs(xengnttab_handle *h, uint32_t count, uint32_t *domids,
                               uint32_t *refs, int prot)
{
    return map(h, count, 0, domids, refs, prot, NONE, NONE);
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *h, uint32_t count, uint32_t domid,
                                      uint32_t *refs, int prot)
{
    return map(h, count, domid, NULL, refs, prot, NONE, NONE);
}

void *xengnttab_map_grant_ref_notify(xengnttab_handle *h, uint32_t domid, uint32_t ref, int prot,
                                     uint32_t notify_offset, evtchn_port_t notify_port)
{
    bool byte = notify_offset != NONE, port = notify_port != NONE;

    if ((byte && (notify_offset >= SIMXEN_PAGE || !(prot & PROT_WRITE))) ||
        (port && (notify_port >= SIMXEN_PORTS || !simxen()->locals[notify_port].used)))
        return errno = EINVAL, NULL;
    return map(h, 1, domid, NULL, &ref, prot, notify_offset, notify_port);
}

/* In the kernel's order: the byte, the event, and the page. */
static void unmap(xengnttab_handle *h, struct mapping *m)
{
    if (m->notify_offset != NONE)
        *(volatile uint8_t *)(m->addr + m->notify_offset) = 0;
    if (m->notify_port != NONE)
        simxen_notify(m->notify_port);
    munmap(m->addr, (size_t)m->count * SIMXEN_PAGE);
    simxen_syscall();
    simxen_lock();
    for (uint32_t i = 0; i < m->count; i++)
        let_go(m->refs[i], m->writes);
    simxen_unlock();
    h->count -= m->count;
    drop_mapping(m);
}

/* What was mapped in one go is unmapped in one: a part of it is EINVAL, as from gntdev. */
int xengnttab_unmap(xengnttab_handle *h, void *addr, uint32_t count)
{
    struct mapping **at, *m;

    pthread_mutex_lock(&h->lock);
    for (at = &h->mappings; *at && (*at)->addr != addr; at = &(*at)->next)
        ;
    m = *at;
    if (m && m->count == count) {
        *at = m->next;
        unmap(h, m);
    } else {
        fprintf(stderr, "simxen: unmap of %u granted pages at %p, where %u are\n", count, addr,
                m ? m->count : 0);
        m = NULL;
    }
    pthread_mutex_unlock(&h->lock);
    return m ? 0 : fail(EINVAL);
}

int xengnttab_close(xengnttab_handle *h)
{
    if (!h)
        return 0;
    while (h->mappings) {
        struct mapping *m = h->mappings;

        h->mappings = m->next;
        unmap(h, m);
    }
    pthread_mutex_destroy(&h->lock);
    free(h);
    return 0;
}

/* ---- Copying: each segment has its own answer ---- */

/* What gntdev refuses the whole batch for. */
static bool is_malformed(const xengnttab_grant_copy_segment_t *s)
{
    bool from = s->flags & GNTCOPY_source_gref, to = s->flags & GNTCOPY_dest_gref;

    return (s->flags & ~(GNTCOPY_source_gref | GNTCOPY_dest_gref)) || (!from && !to) ||
           (from && s->source.foreign.offset + s->len > SIMXEN_PAGE) ||
           (to && s->dest.foreign.offset + s->len > SIMXEN_PAGE);
}

/* Where one end lies: GNTST_okay, or what Xen says. */
static int end_of(const union xengnttab_copy_ptr *end, bool foreign, bool write, uint8_t **out)
{
    uint32_t mfn = 0;
    int status = GNTST_okay;

    if (!foreign) {
        *out = end->virt;
        return GNTST_okay;
    }
    status = judge(end->foreign.domid, end->foreign.ref, write, &mfn);
    *out = simxen_ram() + (size_t)mfn * SIMXEN_PAGE + end->foreign.offset;
    if (status != GNTST_okay)
        refuse(end->foreign.ref, status);
    return status;
}

int xengnttab_grant_copy(xengnttab_handle *h, uint32_t count, xengnttab_grant_copy_segment_t *segs)
{
    uint8_t *from, *to;

    simxen_syscall();
    for (uint32_t i = 0; i < count; i++)
        if (is_malformed(&segs[i]))
            return fail(EINVAL);
    simxen_lock();
    simxen()->seen.grant_batches++;
    simxen()->seen.grant_copies += count;
    for (xengnttab_grant_copy_segment_t *s = segs; s < segs + count; s++) {
        int status = end_of(&s->source, s->flags & GNTCOPY_source_gref, false, &from);

        if (status == GNTST_okay)
            status = end_of(&s->dest, s->flags & GNTCOPY_dest_gref, true, &to);
        if (status == GNTST_okay)
            memcpy(to, from, s->len);
        s->status = (int16_t)status;
    }
    simxen_unlock();
    return 0;
}
