/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenstore as toolstack and frontend write it, against the bus and the block backend's control side.
 * There is no xenstore: nodes are in the table below, and watches fire from it, for our own writes
 * too. Opening images, rings and queues is faked, so that connections come and go by the thousand.
 *
 * What must hold: it comes to rest; each disk, grant mapping and queue that was opened is closed;
 * only a backend's own nodes are written; its state is one that xenbus has.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/block/format.h"
#include "dm/xen/evtchn.h"
#include "dm/xen/grant.h"
#include "dm/xen/store.h"
#include "pv-backends/block/blkback.h"
#include "pv-backends/host.h"
#include "tests/fuzz/kit/input.h"

#define DOMID 7
#define NODES 192
#define WATCHES 64
#define OPS_MOST 300
#define REST_MOST 2000 /* passes until nothing is left to do */

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

/* ---- The store ---- */

static struct node {
    char *path, *value;
} nodes[NODES];

struct store_watch {
    char *path;
    void (*fn)(void *arg);
    void *arg;
    bool used, fires;
};
static struct store_watch watches[WATCHES];
static bool refuses; /* writes fail */

static bool is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return !strncmp(path, dir, n) && (!path[n] || path[n] == '/');
}

static void changed(const char *path)
{
    for (unsigned i = 0; i < WATCHES; i++)
        if (watches[i].used && (is_below(path, watches[i].path) || is_below(watches[i].path, path)))
            watches[i].fires = true;
}

static struct node *find(const char *path)
{
    for (unsigned i = 0; i < NODES; i++)
        if (nodes[i].path && !strcmp(nodes[i].path, path))
            return &nodes[i];
    return NULL;
}

static void put(const char *path, const char *value)
{
    struct node *n = find(path);

    for (unsigned i = 0; !n && i < NODES; i++)
        if (!nodes[i].path) {
            n = &nodes[i];
            n->path = strdup(path);
        }
    if (!n)
        return;
    free(n->value);
    n->value = strdup(value);
    changed(path);
}

static void drop(const char *path)
{
    for (unsigned i = 0; i < NODES; i++)
        if (nodes[i].path && is_below(nodes[i].path, path)) {
            free(nodes[i].path);
            free(nodes[i].value);
            nodes[i] = (struct node){ NULL, NULL };
        }
    changed(path);
}

static bool fire(void)
{
    bool any = false;

    for (unsigned i = 0; i < WATCHES; i++)
        if (watches[i].used && watches[i].fires) {
            watches[i].fires = false;
            watches[i].fn(watches[i].arg);
            any = true;
        }
    return any;
}

int store_open(struct store **out, struct loop *loop, struct error *err)
{
    return -ENOSYS;
}

void store_close(struct store *store)
{
}

int store_write(struct store *store, const char *path, const char *value, struct error *err)
{
    if (strncmp(path, "backend/qdisk/7/", 16))
        die("%s is not ours to write", path);
    if (strlen(path) > 6 && !strcmp(path + strlen(path) - 6, "/state") &&
        (value[0] < '1' || value[0] > '8' || value[1]))
        die("state %s", value);
    if (refuses)
        return error_set(err, -EACCES, "write %s: refused", path);
    put(path, value);
    return 0;
}

char *store_read(struct store *store, const char *path)
{
    struct node *n = find(path);

    return n ? strdup(n->value) : NULL;
}

void store_remove(struct store *store, const char *path)
{
    drop(path);
}

void store_sweep(struct store *store, const char *dir, const char *guard, const char *const *names)
{
    char path[512];

    if (strncmp(dir, "backend/qdisk/7/", 16))
        die("%s is not ours to sweep", dir);
    snprintf(path, sizeof(path), "%s/%s", dir, guard);
    for (; !find(path) && *names; names++) {
        char node[512];

        snprintf(node, sizeof(node), "%s/%s", dir, *names);
        drop(node);
    }
}

int store_mkdir(struct store *store, const char *path, struct error *err)
{
    put(path, "");
    return 0;
}

char **store_list(struct store *store, const char *path, unsigned *count)
{
    char **list = calloc(1, NODES * (sizeof(char *) + 32)), *text = (char *)(list + NODES);
    size_t n = strlen(path);

    *count = 0;
    for (unsigned i = 0; i < NODES; i++) {
        unsigned k = 0;

        if (!nodes[i].path || strncmp(nodes[i].path, path, n) || nodes[i].path[n] != '/')
            continue;
        snprintf(text, 32, "%.*s", (int)strcspn(nodes[i].path + n + 1, "/"), nodes[i].path + n + 1);
        while (k < *count && strcmp(list[k], text))
            k++;
        if (k < *count)
            continue;
        list[(*count)++] = text;
        text += 32;
    }
    return list;
}

void store_free_list(char **list)
{
    free(list);
}

int store_write_all(struct store *store, const char *const (*pairs)[2], struct error *err)
{
    return -ENOSYS;
}

int store_watch(struct store_watch **out, struct store *store, const char *path,
                void (*fn)(void *arg), void *arg, struct error *err)
{
    for (unsigned i = 0; i < WATCHES; i++)
        if (!watches[i].used) {
            watches[i] = (struct store_watch){ strdup(path), fn, arg, true, true };
            *out = &watches[i];
            return 0;
        }
    return error_set(err, -ENOSPC, "no more watches");
}

void store_unwatch(struct store_watch *w)
{
    if (!w)
        return;
    free(w->path);
    *w = (struct store_watch){ NULL, NULL, NULL, false, false };
}

/* ---- Grants, channels, queues ---- */

struct grants {
    unsigned mapped;
};
static struct grants grants;
static int queues_live, disks_live;

int grants_open(struct grants **out, unsigned domid, struct error *err)
{
    return -ENOSYS;
}

void grants_close(struct grants *g)
{
}

void *grants_map(struct grants *g, const uint32_t *refs, unsigned count, bool writable,
                 struct error *err)
{
    for (unsigned i = 0; i < count; i++)
        if (refs[i] >= 1000) {
            error_set(err, -EINVAL, "no grant %u", refs[i]);
            return NULL;
        }
    g->mapped += count;
    return calloc(count, 4096);
}

void grants_unmap(struct grants *g, void *addr, unsigned count)
{
    if (count > g->mapped)
        die("%u pages are unmapped of %u", count, g->mapped);
    g->mapped -= count;
    free(addr);
}

int grants_copy(struct grants *g, struct grant_copy *pieces, unsigned count)
{
    return -ENOSYS;
}

static struct loop *loop;
static struct pv_io io;

int pv_io_get(struct pv_io_pool *pool, unsigned spread, struct pv_io **out, struct error *err)
{
    *out = &io;
    return 0;
}

int pv_io_home(struct pv_io_pool *pool, struct loop *machine, struct pv_io **out, struct error *err)
{
    *out = &io;
    return 0;
}

int pv_io_queue(struct pv_io *p, struct error *err)
{
    return 0;
}

int evtchn_bind(struct evtchn *ev, unsigned domid, uint32_t remote, evtchn_fn *fn, void *arg,
                uint32_t *local, struct error *err)
{
    if (remote >= 1000)
        return error_set(err, -EINVAL, "no channel %u", remote);
    queues_live++;
    *local = remote + 1;
    return 0;
}

void evtchn_unbind(struct evtchn *ev, uint32_t local)
{
    queues_live--;
}

void evtchn_notify(struct evtchn *ev, uint32_t local)
{
}

int evtchn_open(struct evtchn **out, struct loop *l, struct error *err)
{
    return -ENOSYS;
}

void evtchn_close(struct evtchn *ev)
{
}

int evtchn_restrict(struct evtchn *ev, unsigned domid, struct error *err)
{
    return 0;
}

/* ---- Disks: any path is an image, but those that begin with '!' ---- */

static void submit(struct disk *disk, struct disk_queue *queue, struct disk_request *req)
{
    die("a request out of nowhere");
}

static void close_disk(struct disk *disk)
{
    disks_live--;
    free(disk);
}

static const struct disk_ops ops = { .name = "fake", .submit = submit, .close = close_disk };

static struct disk *find_disk(void *arg, const char *path)
{
    struct disk_config c = { .path = path, .readonly = strchr(path, 'r') };
    struct disk *disk = calloc(1, sizeof(*disk));

    if (*path == '!' || disk_init(disk, &ops, &c, NULL) < 0) {
        free(disk);
        return NULL; /* then it is opened, and there is no such file */
    }
    disks_live++;
    disk->bytes = 1 << 20;
    return disk;
}

/* ---- Who writes ---- */

static const char *const keys[] = {
    "state", "online", "params", "mode", "frontend", "device-type", "removable", "discard-enable",
    "direct-io-safe", "ring-ref", "event-channel", "protocol", "multi-queue-num-queues",
    "ring-page-order", "feature-persistent", "queue-0/ring-ref", "queue-0/event-channel",
    "queue-1/ring-ref0", "queue-1/event-channel", "ring-ref0", "ring-ref1", "queue-0/ring-ref0", "error",
};
static const char *const values[] = {
    "1", "2", "3", "4", "5", "6", "0", "w", "r", "aio:a", "aio:b", "aio:!none", "aio:", "qcow2:c",
    "vhdx:q", "raw:/x", "cdrom", "x86_64-abi", "x86_32-abi", "8", "16", "17", "999", "1000", "-1",
    "4294967295", "4294967296", "18446744073709551616", "", "0x10", " 1", "1 ", "7",
    "/local/domain/7/device/vbd/51712", "/local/domain/8/device/vbd/51712",
    "/local/domain/7/device/vbd/51728", "/local/domain/7/",
};
static const char *const dirs[] = {
    "backend/qdisk/7/51712", "/local/domain/7/device/vbd/51712", "backend/qdisk/7/51728",
    "/local/domain/7/device/vbd/51728", "backend/qdisk/7", "backend/qdisk/7/-5",
    "backend/qdisk/7/99999999999999999999", "backend/qdisk/7/51712x",
};

static void write_one(struct input *in, uint8_t what)
{
    char path[160], text[80];
    uint8_t key = take8(in), value = take8(in);
    const char *dir = dirs[what % 16 < 12 ? what & 3 : what & 7];

    snprintf(path, sizeof(path), "%s/%s", dir, keys[key % ARRAY_SIZE(keys)]);
    if (value < 0xc0) {
        put(path, values[value % ARRAY_SIZE(values)]);
    } else { /* any bytes: xenstore has no others than these to end a value */
        const uint8_t *bytes;
        size_t n = take_bytes(in, value & 63, &bytes);

        memcpy(text, bytes, n);
        text[n] = 0;
        put(path, text);
    }
}

/* What libxl and a frontend that means well write, so that much is reached soon. */
static void write_all(unsigned which, unsigned queues)
{
    const char *front = dirs[which * 2 + 1], *back = dirs[which * 2];
    const char *const back_nodes[][2] = { { "frontend", front }, { "params", "aio:a" },
                                          { "mode", "w" }, { "online", "1" }, { "state", "1" } };
    const char *const front_nodes[][2] = { { "ring-ref", "8" }, { "event-channel", "16" },
                                           { "protocol", "x86_64-abi" }, { "state", "1" } };
    char path[160];

    for (unsigned i = 0; i < ARRAY_SIZE(back_nodes); i++) {
        snprintf(path, sizeof(path), "%s/%s", back, back_nodes[i][0]);
        put(path, back_nodes[i][1]);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(front_nodes); i++) {
        snprintf(path, sizeof(path), "%s/%s", front, front_nodes[i][0]);
        put(path, front_nodes[i][1]);
    }
    snprintf(path, sizeof(path), "%s/multi-queue-num-queues", front);
    if (queues > 1)
        put(path, "2");
}

static void rest(void)
{
    for (unsigned i = 0, idle = 0; idle < 4; i++, idle++) {
        bool fired = fire();

        if (loop_step(loop) || fired)
            idle = 0;
        if (i == REST_MOST)
            die("it does not come to rest");
    }
}

static void play(struct input *in)
{
    uint8_t what = take8(in);
    char path[160];

    switch (what >> 5) {
    case 0:
        fire();
        break;
    case 1:
        for (unsigned i = 0; i <= (what & 7); i++)
            loop_step(loop);
        break;
    case 2:
        rest();
        break;
    case 3:
        if (what & 0x10)
            write_all(what & 1, what >> 1 & 3);
        else
            refuses = what & 1;
        break;
    case 4:
        snprintf(path, sizeof(path), "%s/%s", dirs[what & 3], keys[take8(in) % ARRAY_SIZE(keys)]);
        drop(what & 8 ? path : dirs[what & 3]);
        break;
    case 5:
        snprintf(path, sizeof(path), "%s/state", dirs[1 + (what & 2)]);
        put(path, values[(what >> 2) % 7]);
        break;
    default:
        write_one(in, what);
    }
}

static void stopped(void *arg)
{
    *(bool *)arg = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct pv_class *const classes[] = { &blkback_class, NULL };
    struct pv_host host = { .find_disk = find_disk };
    struct input in = { bytes, size };
    struct pv_bus *bus;
    struct error err;
    bool done = false;

    if (!loop && loop_open(&loop, "machine", &err) < 0)
        abort();
    io = (struct pv_io){ .loop = loop, .grants = &grants, .domid = DOMID };
    refuses = false;
    if (pv_bus_open(&bus, (struct store *)(void *)nodes, loop, DOMID, classes, &host, &err) < 0)
        abort();
    for (unsigned i = 0; in.left && i < OPS_MOST; i++)
        play(&in);
    rest();
    pv_bus_stop(bus, stopped, &done);
    rest();
    if (!done)
        die("the bus does not stop");
    pv_bus_close(bus);
    rest();
    drop("backend");
    drop("/local");
    if (grants.mapped || queues_live || disks_live)
        die("left: %u pages mapped, %d queues, %d disks", grants.mapped, queues_live, disks_live);
    for (unsigned i = 0; i < WATCHES; i++)
        if (watches[i].used)
            die("a watch of %s is left", watches[i].path);
    return 0;
}
