/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What PV backends get of the machine, and their coming and going with it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/block/drive.h"
#include "dm/machine/machine.h"
#include "dm/machine/pv.h"
#include "dm/xen/domain.h"
#include "dm/xen/reach.h"
#include "dm/xen/store.h"
#include "pv-backends/block/blkback.h"
#include "pv-backends/catalogue.h"
#include "pv-backends/fb/vfb.h"
#include "pv-backends/host.h"
#include "pv-backends/net/netback.h"

#define LOOPS_DEFAULT 4u
#define POLL_DEFAULT (50 * NS_PER_US)

struct pv {
    struct pv_host host;
    const struct pv_class *classes[PV_CLASSES_MOST + 1]; /* that we serve; ends with NULL */
    struct pv_bus *bus;
    struct memory_news news; /* what the machine loop hears of the guest's memory */
};

/* The emulated drive that a PV disk stands beside: the first, where several have one image. */
static struct drive *find_twin(struct machine *m, const char *path)
{
    for (unsigned i = 0; i < m->drive_count; i++) {
        const struct disk *disk = drive_disk(m->drives[i]);

        if (disk && !strcmp(disk_path(disk), path))
            return m->drives[i];
    }
    return NULL;
}

static struct disk *find_disk(void *arg, const char *path)
{
    struct drive *twin = find_twin(arg, path);

    return twin ? disk_ref(drive_disk(twin)) : NULL;
}

static void find_policy(void *arg, const char *path, enum error_policy policy[2])
{
    struct machine *m = arg;
    struct drive *twin = find_twin(m, path);

    if (m->config->has_pv_errors)
        memcpy(policy, m->config->pv_errors, sizeof(m->config->pv_errors));
    else if (twin)
        drive_policy(twin, policy);
}

static void disk_failed(void *arg, const char *device, const struct drive_error *what)
{
    machine_disk_failed(arg, device, what);
}

static struct chardev *find_chardev(void *arg, const char *id)
{
    return machine_chardev(arg, id);
}

/*
 * Network devices unless we are to be restricted: they open taps when the toolstack's script is done.
 * Frame buffers where they are the only display, as QEMU has it; all others.
 */
static bool serves(const struct machine_config *c, const struct pv_class *cls)
{
    if (cls == &netback_class)
        return !c->restricted;
    return cls != &vfb_class || c->kind == MACHINE_PV;
}

static void choose_classes(const struct machine_config *c,
                           const struct pv_class *classes[PV_CLASSES_MOST + 1])
{
    unsigned n = 0;

    for (unsigned i = 0; pv_classes[i] && n < PV_CLASSES_MOST; i++)
        if (serves(c, pv_classes[i]))
            classes[n++] = pv_classes[i];
    classes[n] = NULL;
}

void machine_pv_kinds(const struct machine_config *c, const char *kinds[PV_CLASSES_MOST + 1])
{
    const struct pv_class *classes[PV_CLASSES_MOST + 1];
    unsigned n = 0;

    for (choose_classes(c, classes); classes[n]; n++)
        kinds[n] = classes[n]->kind;
    kinds[n] = NULL;
}

/* A disk that only we serve: a CD drive's medium is with the emulated drive. */
static bool has_disks(struct machine *m)
{
    char path[96];
    bool found = false;
    unsigned count;
    char **list;

    snprintf(path, sizeof(path), "backend/qdisk/%u", m->config->domid);
    list = store_list(m->store, path, &count);
    for (unsigned i = 0; i < count && !found; i++) {
        char *type;

        snprintf(path, sizeof(path), "backend/qdisk/%u/%.16s/device-type", m->config->domid, list[i]);
        type = store_read(m->store, path);
        found = type && !strcmp(type, "disk");
        free(type);
    }
    store_free_list(list);
    return found;
}

static uint64_t kib_of(struct machine *m, const char *key)
{
    char path[96], *text;
    uint64_t kib;

    snprintf(path, sizeof(path), "/local/domain/%u/memory/%s", m->config->domid, key);
    text = store_read(m->store, path);
    kib = text ? strtoull(text, NULL, 10) : 0;
    free(text);
    return kib;
}

/*
 * Whether the guest has fewer frames than it was promised, until its balloon driver gives up the rest:
 * each that we map is taken from the few.
 */
static bool populates_on_demand(struct machine *m)
{
    return kib_of(m, "static-max") > kib_of(m, "target") + kib_of(m, "videoram");
}

static void forget(void *arg)
{
    struct pv *pv = arg;

    pv_io_pool_forget(pv->host.pool);
}

/* Who is told of frames that move, which only a device model is, may map the guest's memory. */
static const struct reach_config *find_reach(struct machine *m, struct reach_config *r)
{
    struct pv *pv = m->pv;

    if (m->config->kind != MACHINE_HVM || !m->config->reach || populates_on_demand(m))
        return NULL;
    pv->news.invalidated = forget;
    pv->news.arg = pv;
    memory_tell(m->seats[SEAT_MACHINE].memory, &pv->news);
    *r = (struct reach_config){ .domain = m->domain, .layout = &m->layout, .news = &pv->news };
    return r;
}

/* All that will ever be needed, while it can be opened. */
static int seal(struct machine *m, struct error *err)
{
    struct pv *pv = m->pv;
    int rc = pv_io_pool_fill(pv->host.pool, m->loop, err);

    if (rc == 0)
        pv_bus_look(pv->bus);
    pv->host.sealed = true;
    return rc;
}

int machine_open_pv(struct machine *m, struct error *err)
{
    const struct machine_config *c = m->config;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t poll = c->poll_window_us >= 0 ? (uint64_t)c->poll_window_us * NS_PER_US
                    : cpus < 2             ? 0
                                           : POLL_DEFAULT;
    struct reach_config reach;
    struct pv *pv;
    int rc;

    if (!pv_classes[0] || m->bare)
        return 0;
    if (c->restricted && c->kind == MACHINE_HVM && !has_disks(m)) {
        log_info("restricted, and there are no PV disks: no PV devices are served, nor can be added");
        return 0;
    }
    pv = calloc(1, sizeof(*pv));
    if (!pv)
        return error_set(err, -ENOMEM, "PV backends: out of memory");
    m->pv = pv;
    choose_classes(c, pv->classes);
    pv->host = (struct pv_host){ .backing = domain_backing(m->domain), .input = m->input,
                                 .screen = c->kind == MACHINE_PV ? m->screen : NULL,
                                 .net_of_kernel = netback_of_kernel(!c->netback),
                                 .net_user = c->netback_user,
                                 .net_drain_ns = c->netback_drain_ms * NS_PER_MS,
                                 .find_disk = find_disk, .find_policy = find_policy,
                                 .disk_failed = disk_failed, .find_chardev = find_chardev, .arg = m,
                                 .l2_cache = c->pv_l2_cache };
    rc = pv_io_pool_open(&pv->host.pool, c->domid,
                         c->io_threads ? c->io_threads : MIN((unsigned)MAX(cpus, 1), LOOPS_DEFAULT),
                         poll, find_reach(m, &reach), err);
    if (rc == 0)
        rc = pv_bus_open(&pv->bus, m->store, m->loop, c->domid, pv->classes, &pv->host, err);
    return rc == 0 && c->restricted ? seal(m, err) : rc;
}

void machine_stop_pv(struct machine *m, void (*done)(void *arg), void *arg)
{
    if (m->pv && m->pv->bus)
        pv_bus_stop(m->pv->bus, done, arg);
    else
        loop_post(m->loop, done, arg);
}

void machine_walk_pv(struct machine *m, void (*fn)(void *arg, struct pv_device *dev), void *arg)
{
    if (m->pv && m->pv->bus)
        pv_bus_walk(m->pv->bus, fn, arg);
}

bool machine_pv_copies(struct machine *m, struct grant_stats *copies)
{
    if (m->pv)
        *copies = pv_io_pool_copies(m->pv->host.pool);
    return m->pv;
}

static void resume_one(void *arg, struct pv_device *dev)
{
    blkback_resume(dev);
}

void machine_resume_pv(struct machine *m)
{
    machine_walk_pv(m, resume_one, NULL);
}

void machine_close_pv(struct machine *m)
{
    if (!m->pv)
        return;
    pv_io_pool_stop(m->pv->host.pool);
    pv_bus_close(m->pv->bus);
    pv_io_pool_close(m->pv->host.pool);
    if (m->seats[SEAT_MACHINE].memory)
        memory_tell(m->seats[SEAT_MACHINE].memory, NULL);
    free(m->pv);
    m->pv = NULL;
}
