/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frame buffer's frontend: its page and its directories, of any bytes, with events and indices of any
 * value, while a viewer looks and connections come and go. Nodes are the toolstack's and the
 * frontend's; the bus is another target's.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/display/screen.h"
#include "dm/memory/backing.h"
#include "dm/memory/local.h"
#include "dm/xen/evtchn.h"
#include "pv-backends/fb/vfb.h"
#include "pv-backends/host.h"
#include "pv-backends/kbd/vkbd.h"
#include "tests/fuzz/kit/input.h"

#define RAM_PAGES 600u /* two and a bit of what the largest picture here has */
#define SHARED 1u
#define DIRECTORIES 2u
#define FRAMES 16u

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "==== what must hold does not: %s\n", what);
    abort();
}

/* ---- The bus and the event channel, as far as this device has to do with them ---- */

struct pv_device {
    struct pv_host host;
    struct loop *loop;
    struct pv_io io;
    uint64_t page_ref, videoram;
    const char *protocol;
    bool updates, failed, bound;
    evtchn_fn *fn;
    void *fn_arg;
    unsigned notified;
    max_align_t state[64];
};
static struct pv_device dev;

void *pv_state(struct pv_device *d)
{
    return d->state;
}

struct pv_device *pv_of(void *state)
{
    return &dev;
}

struct pv_bus *pv_bus_of(const struct pv_device *d)
{
    return NULL;
}

struct pv_host *pv_bus_host(const struct pv_bus *bus)
{
    return &dev.host;
}

struct loop *pv_bus_loop(const struct pv_bus *bus)
{
    return dev.loop;
}

const char *pv_name(const struct pv_device *d)
{
    return "vfb 0";
}

void pv_bus_walk(struct pv_bus *bus, void (*fn)(void *arg, struct pv_device *d), void *arg)
{
    fn(arg, &dev);
}

void vkbd_resize(struct pv_device *d)
{
}

char *pv_front_read(struct pv_device *d, const char *key)
{
    return d->protocol ? strdup(d->protocol) : NULL;
}

bool pv_front_flag(struct pv_device *d, const char *key)
{
    return d->updates;
}

int pv_front_number(struct pv_device *d, const char *key, uint64_t most, uint64_t *value,
                    struct error *err)
{
    *value = strcmp(key, "page-ref") ? 5 : d->page_ref;
    return *value <= most ? 0 : error_set(err, -EINVAL, "too large");
}

int pv_back_number(struct pv_device *d, const char *key, uint64_t most, uint64_t *value,
                   struct error *err)
{
    if (!d->videoram)
        return error_set(err, -ENOENT, "none");
    *value = d->videoram;
    return 0;
}

int pv_back_write(struct pv_device *d, const char *key, struct error *err, const char *format, ...)
{
    return 0;
}

void pv_failed_later(struct pv_device *d, const char *why)
{
    must(!d->failed, "a connection fails once");
    d->failed = true;
}

void pv_disconnected(struct pv_device *d)
{
}

int pv_io_home(struct pv_io_pool *pool, struct loop *machine, struct pv_io **out, struct error *err)
{
    *out = &dev.io;
    return 0;
}

int evtchn_bind(struct evtchn *ev, unsigned domid, uint32_t remote, evtchn_fn *fn, void *arg,
                uint32_t *local, struct error *err)
{
    must(!dev.bound, "one port is bound");
    dev.bound = true;
    dev.fn = fn;
    dev.fn_arg = arg;
    *local = 1;
    return 0;
}

void evtchn_unbind(struct evtchn *ev, uint32_t local)
{
    must(dev.bound, "what is unbound was bound");
    dev.bound = false;
}

void evtchn_notify(struct evtchn *ev, uint32_t local)
{
    must(dev.bound, "who is told is there");
    dev.notified++;
}

/* ---- Memory: how much of it is mapped is counted ---- */

static struct backing *ram;
static size_t mapped;

static void *count_map(struct backing *b, uint64_t gfn, size_t pages, int *errs)
{
    void *p = ram->ops->map(ram, gfn, pages, errs);

    mapped += p ? pages : 0;
    return p;
}

static void *count_map_list(struct backing *b, const uint64_t *gfns, size_t pages, int *errs)
{
    void *p = ram->ops->map_list(ram, gfns, pages, errs);

    mapped += p ? pages : 0;
    return p;
}

static void count_unmap(struct backing *b, void *addr, size_t pages)
{
    must(mapped >= pages, "what is unmapped was mapped");
    mapped -= pages;
    ram->ops->unmap(ram, addr, pages);
}

static const struct backing_ops count_ops = { .map = count_map, .map_list = count_map_list,
                                              .unmap = count_unmap };
static struct backing counted = { &count_ops };

/* ---- A viewer ---- */

static struct screen_viewer *viewer;
static unsigned looks;

static void on_ready(void *owner, const struct surface *s, const struct damage *damage)
{
    looks++;
    must(s->width <= SCREEN_MAX_WIDTH && s->height <= SCREEN_MAX_HEIGHT, "a picture has its bounds");
    must(damage->count <= SCREEN_MAX_RECTS, "so has the list of what changed");
    for (unsigned i = 0; i < damage->count; i++) {
        const struct rect *r = &damage->rects[i];

        must(r->width && r->height && r->x < s->width && r->width <= s->width - r->x &&
                 r->y < s->height && r->height <= s->height - r->y,
             "what changed lies in the picture");
    }
    for (unsigned y = 0; y < s->height; y += 7)
        must(s->pixels[(size_t)y * s->stride + s->width - 1] <= 0xffffff, "a pixel has three bytes");
    screen_release(viewer);
}

static const struct screen_viewer_ops viewer_ops = { .ready = on_ready };

static void settle(void)
{
    while (loop_step(dev.loop))
        ;
}

/* ---- The frontend ---- */

static uint8_t *shared; /* the first page of ours is frame SHARED */

static void fill(struct input *in, uint8_t *to, size_t most)
{
    const uint8_t *bytes;
    size_t at = take16(in) % most, n = take_bytes(in, MIN(take8(in), most - at), &bytes);

    memcpy(to + at, bytes, n);
}

static void put_word(uint8_t *at, unsigned words, uint64_t value)
{
    put_le(at, words, value);
}

/* A page as a frontend that does not lie has it. */
static void tidy(struct input *in)
{
    static const uint8_t depths[] = { 8, 15, 16, 24, 32, 32, 32, 7 };
    unsigned words = take8(in) & 1 ? 8 : 4, depth = depths[take8(in) & 7];
    unsigned width = take16(in) % 300 + 1, height = take8(in) + 1u;
    unsigned stride = width * ((depth + 7) / 8) + take8(in) % 16;

    memset(shared, 0, PAGE_BYTES);
    put_le32(shared + 16, width);
    put_le32(shared + 20, height);
    put_le32(shared + 24, stride);
    put_le32(shared + 28, stride * height + take8(in));
    shared[32] = (uint8_t)depth;
    for (unsigned i = 0; i < 4; i++)
        put_word(shared + (words == 8 ? 40 : 36) + i * words, words, DIRECTORIES + i);
    for (unsigned i = 0; i < 4 * PAGE_BYTES / words; i++)
        put_word(shared + PAGE_BYTES + i * words, words,
                 FRAMES + (i * 5 + 1) % (RAM_PAGES - FRAMES));
    dev.protocol = words == 8 ? "x86_64-abi" : "x86_32-abi";
}

static void send_event(struct input *in)
{
    uint32_t prod = get_le32(shared + 12);
    uint8_t *e = shared + 2048 + prod % 51 * 40;
    uint8_t how = take8(in);

    memset(e, 0, 40);
    e[0] = how & 3 ? 2 + (how & 1) : how >> 2;
    for (unsigned i = 1; i < 6; i++)
        put_le32(e + 4 * i, how & 0x80 ? take32(in) : (uint32_t)(int16_t)take16(in));
    put_le32(shared + 12, prod + 1);
}

static void notify(void)
{
    if (dev.bound)
        dev.fn(dev.fn_arg);
}

static bool linked;

static void part(void)
{
    if (linked)
        vfb_class.disconnect(&dev);
    vfb_class.close(&dev);
    linked = dev.failed = false;
    must(!mapped && !dev.bound, "a connection that ended leaves nothing");
    must(!dev.host.fb_width && !dev.host.fb_height, "and no size");
}

static void meet(struct input *in)
{
    uint8_t how = take8(in);
    struct error err = { "" };

    part();
    dev.updates = how & 1;
    dev.videoram = how & 2 ? 2 : 1;
    dev.page_ref = how & 0x80 ? take32(in) : SHARED;
    if (how & 4)
        dev.protocol = NULL;
    must(vfb_class.probe(&dev, &err) == 0, "it can be offered");
    linked = vfb_class.connect(&dev, &err) == 0;
    must(linked || err.text[0], "what is refused is refused with a sentence");
    if (!linked)
        vfb_class.disconnect(&dev); /* as the bus does it */
}

static void play(struct input *in)
{
    uint8_t op = take8(in);

    switch (op % 9) {
    case 0: tidy(in); break;
    case 1: meet(in); break;
    case 2: fill(in, shared, PAGE_BYTES); break;
    case 3: fill(in, shared + PAGE_BYTES, 4 * PAGE_BYTES); break;
    case 4: send_event(in); break;
    case 5: notify(); break;
    case 6: screen_request(viewer, op & 0x80); break;
    case 7: clock_crank(take16(in) * NS_PER_MS / 16); break;
    default: part();
    }
    settle();
    if (dev.failed)
        part();
}

static void prepare(void)
{
    struct memory_layout layout = { .low_end = RAM_PAGES * PAGE_BYTES };
    int errs[RAM_PAGES - SHARED];
    struct error err;

    clock_stop(NS_PER_SEC);
    log_guest_limit(0);
    must(loop_open(&dev.loop, "main", &err) == 0, "a loop opens");
    must(local_backing_open(&ram, &layout, &err) == 0, "memory opens");
    shared = ram->ops->map(ram, SHARED, RAM_PAGES - SHARED, errs);
    must(shared, "memory is mapped");
    must(screen_open(&dev.host.screen, "screen", &err) == 0, "a screen opens");
    screen_settle(dev.host.screen, dev.loop);
    dev.host.backing = &counted;
    must(screen_viewer_open(&viewer, dev.host.screen, dev.loop, &viewer_ops, NULL, &err) == 0,
         "a viewer opens");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input in = { bytes, size };

    if (!dev.loop)
        prepare();
    must(linked == false && vfb_class.size <= sizeof(dev.state), "a device fits");
    memset(dev.state, 0, sizeof(dev.state));
    memset(shared, 0, (FRAMES - SHARED) * PAGE_BYTES);
    while (in.left)
        play(&in);
    part();
    looks = 0;
    screen_request(viewer, true);
    settle();
    must(looks == 1, "who asks sees something");
    clock_crank(10 * NS_PER_SEC);
    settle();
    must(loop_next_timer(dev.loop) == UINT64_MAX, "no timer is left");
    return 0;
}
