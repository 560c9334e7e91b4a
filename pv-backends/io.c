/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pool of I/O loops. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/block/disk.h"
#include "dm/xen/evtchn.h"
#include "dm/xen/grant.h"
#include "dm/xen/reach.h"
#include "pv-backends/host.h"

#define LOOPS_MOST 16
/*
 * Above the programs whose data they carry, as a backend in the kernel is: who waits for a frame would else run
 * after each one, and answer each one. Not so far above that a busy guest takes a CPU of the host's alone; and
 * not where they poll, for a thread that spins is to give way.
 */
#define NICE (-10)

struct pv_io_pool {
    unsigned domid, most, next;
    uint64_t poll_ns;
    struct reach_config reach; /* no domain: all goes by Xen */
    struct pv_io ios[LOOPS_MOST];
    struct pv_io home; /* its loop is the machine's */
};

int pv_io_pool_open(struct pv_io_pool **out, unsigned domid, unsigned most, uint64_t poll_ns,
                    const struct reach_config *reach, struct error *err)
{
    struct pv_io_pool *p = calloc(1, sizeof(*p));

    if (!p)
        return error_set(err, -ENOMEM, "PV backends: out of memory");
    p->domid = domid;
    p->most = MIN(MAX(most, 1), LOOPS_MOST);
    p->poll_ns = poll_ns;
    if (reach)
        p->reach = *reach;
    *out = p;
    return 0;
}

static void close_io(struct pv_io *io)
{
    loop_join_thread(io->loop);
    disk_queue_close(io->queue);
    evtchn_close(io->evtchn);
    grants_close(io->grants);
    loop_close(io->loop);
    *io = (struct pv_io){ 0 };
}

void pv_io_pool_stop(struct pv_io_pool *p)
{
    for (unsigned i = 0; p && i < p->most; i++)
        loop_join_thread(p->ios[i].loop);
}

void pv_io_pool_close(struct pv_io_pool *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->most; i++)
        close_io(&p->ios[i]);
    p->home.loop = NULL;
    close_io(&p->home);
    free(p);
}

static int open_grants(struct pv_io_pool *p, struct pv_io *io, struct error *err)
{
    int rc = grants_open(&io->grants, p->domid, err);
    struct reach *reach;

    if (rc < 0 || !p->reach.domain)
        return rc;
    rc = reach_open(&reach, &p->reach, err);
    if (rc == 0)
        grants_reach(io->grants, reach);
    return rc;
}

/* `whole`: with all that it may ever need. */
static int open_io(struct pv_io_pool *p, struct pv_io *io, unsigned index, bool whole,
                   struct error *err)
{
    char name[16];
    int rc;

    snprintf(name, sizeof(name), "io%u", index);
    rc = loop_open(&io->loop, name, err);
    if (rc < 0)
        return rc;
    io->index = index;
    io->domid = p->domid;
    loop_set_poll_window(io->loop, p->poll_ns);
    if (!p->poll_ns)
        loop_set_nice(io->loop, NICE);
    rc = open_grants(p, io, err);
    if (rc == 0)
        rc = evtchn_open(&io->evtchn, io->loop, err);
    if (rc == 0 && whole)
        rc = pv_io_queue(io, err);
    if (rc == 0 && whole)
        rc = evtchn_restrict(io->evtchn, p->domid, err);
    if (rc == 0)
        rc = loop_start_thread(io->loop, err);
    if (rc < 0)
        close_io(io);
    return rc;
}

int pv_io_pool_fill(struct pv_io_pool *p, struct loop *machine, struct error *err)
{
    struct pv_io *home;
    int rc = pv_io_home(p, machine, &home, err);

    if (rc == 0)
        rc = evtchn_restrict(home->evtchn, p->domid, err);
    for (unsigned i = 0; rc == 0 && i < p->most; i++)
        rc = p->ios[i].loop ? 0 : open_io(p, &p->ios[i], i, true, err);
    return rc;
}

int pv_io_get(struct pv_io_pool *p, unsigned spread, struct pv_io **out, struct error *err)
{
    unsigned index = spread ? (p->next - 1 + spread) % p->most : p->next++ % p->most;
    struct pv_io *io = &p->ios[index];
    int rc = io->loop ? 0 : open_io(p, io, index, false, err);

    if (rc < 0)
        return rc;
    grants_look_again(io->grants);
    *out = io;
    return 0;
}

int pv_io_home(struct pv_io_pool *p, struct loop *machine, struct pv_io **out, struct error *err)
{
    struct pv_io *io = &p->home;
    int rc = 0;

    if (!io->loop) {
        io->domid = p->domid;
        rc = grants_open(&io->grants, p->domid, err);
        if (rc == 0)
            rc = evtchn_open(&io->evtchn, machine, err);
        if (rc == 0)
            io->loop = machine;
        else
            close_io(io);
    }
    *out = io;
    return rc;
}

static void forget_here(void *arg)
{
    struct pv_io *io = arg;

    atomic_store(&io->forgets, false); /* what comes from here on has another message */
    grants_forget(io->grants);
}

void pv_io_pool_forget(struct pv_io_pool *p)
{
    for (unsigned i = 0; i < p->most; i++)
        if (p->ios[i].loop && !atomic_exchange(&p->ios[i].forgets, true))
            loop_post(p->ios[i].loop, forget_here, &p->ios[i]);
}

struct grant_stats pv_io_pool_copies(const struct pv_io_pool *p)
{
    struct grant_stats all = { 0 };

    for (unsigned i = 0; i < p->most; i++)
        if (p->ios[i].grants) {
            struct grant_stats s = grants_stats(p->ios[i].grants);

            all.reached += s.reached;
            all.by_xen += s.by_xen;
        }
    return all;
}

int pv_io_queue(struct pv_io *io, struct error *err)
{
    return io->queue ? 0 : disk_queue_open(&io->queue, io->loop, err);
}
