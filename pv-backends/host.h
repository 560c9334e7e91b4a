/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_HOST_H
#define PV_BACKENDS_HOST_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "dm/block/drive.h"
#include "dm/xen/grant.h"
struct backing;
struct chardev;
struct disk;
struct disk_queue;
struct error;
struct evtchn;
struct input;
struct loop;
struct netport;
struct reach_config;
struct screen;

/*
 * What PV backends get from the process that they live in. machine/ fills it in; tests make one of
 * their own.
 */
struct pv_host {
    struct pv_io_pool *pool;
    struct backing *backing; /* of frames that are named by GFN, not by grant (console 0, vfb) */
    struct input *input;     /* NULL: none */
    /* What shows a PV frame buffer, settled on the machine loop; NULL: an emulated display has it. */
    struct screen *screen;
    unsigned fb_width, fb_height; /* as it shows one now, in pixels; 0: none. The machine loop's */
    bool net_of_kernel;      /* network devices are the kernel's, but for those that it has let go of */
    bool net_user;           /* network devices are on user networking, not on taps */
    uint64_t net_drain_ns;   /* how long frames wait for a guest without buffers; 0: as netback says */
    /*
     * A disk that the machine has open already under this path, with a reference for the caller;
     * NULL: none. The machine loop's.
     */
    struct disk *(*find_disk)(void *arg, const char *path);
    /*
     * What becomes of errors of the disk under this path, reads and writes; and that one was: on the
     * machine loop, each way and action once until it is told. Both may be NULL.
     */
    void (*find_policy)(void *arg, const char *path, enum error_policy policy[2]);
    void (*disk_failed)(void *arg, const char *device, const struct drive_error *what);
    struct chardev *(*find_chardev)(void *arg, const char *id); /* stays the machine's; or NULL */
    void *arg;
    uint64_t l2_cache; /* bytes of an image's tables kept in memory; 0: as the format likes */
    bool sealed; /* the process can open no file any more: what is open is kept */
};

/* ---- I/O loops: where queues live ---- */
struct pv_io_pool;

/* What a loop of the pool has. Used on that loop, but for connecting and disconnecting. */
struct pv_io {
    struct loop *loop;
    struct grants *grants;
    struct evtchn *evtchn;
    struct disk_queue *queue; /* opened when pv_io_queue() is first asked */
    unsigned index, domid;
    atomic_bool forgets; /* a message for it to do so is on its way */
};

/*
 * `most` loops for one frontend domain; a thread is started when a queue first asks for its loop. `reach`:
 * how the pages that it grants are in reach without a call to Xen; NULL: they are not.
 */
int pv_io_pool_open(struct pv_io_pool **out, unsigned domid, unsigned most, uint64_t poll_ns,
                    const struct reach_config *reach, struct error *err);
void pv_io_pool_stop(struct pv_io_pool *pool);  /* ends the threads; NULL is fine */
void pv_io_pool_close(struct pv_io_pool *pool); /* no queue is left on any loop; NULL is fine */
/*
 * The loop for the next queue, in turn; `spread` asks for one that differs from other queues of the
 * same device. The machine loop's.
 */
int pv_io_get(struct pv_io_pool *pool, unsigned spread, struct pv_io **out, struct error *err);
/*
 * For devices that live where the host's small things do: the same for the machine loop, made when it
 * is first asked for. The machine loop's.
 */
int pv_io_home(struct pv_io_pool *pool, struct loop *machine, struct pv_io **out,
               struct error *err);
/*
 * All of them at once, and event channels that reach this domain only: for a process that opens nothing
 * later. (Xen knows no such limit for grants.)
 */
int pv_io_pool_fill(struct pv_io_pool *pool, struct loop *machine, struct error *err);
/* Frames of the guest's have moved: all loops let go of what they map. The machine loop's. */
void pv_io_pool_forget(struct pv_io_pool *pool);
/* How many pieces of grants all its loops have copied. The machine loop's. */
struct grant_stats pv_io_pool_copies(const struct pv_io_pool *pool);
/* This loop's way to disks. That loop's, or before a message is posted to it. */
int pv_io_queue(struct pv_io *io, struct error *err);
#endif
