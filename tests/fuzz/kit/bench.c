/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fuzzer's bench: built once, put back after each input. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "devices/catalogue.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/block/drive.h"
#include "dm/chardev/chardev.h"
#include "dm/memory/local.h"
#include "tests/fuzz/kit/bench.h"
#include "tests/fuzz/kit/disk.h"

#define PIIX3_IDE 0x70108086u
#define PIIX4_PM 0x71138086u

struct bench bench;

static const struct memory_layout layout = { BENCH_RAM, 4 * GIB + BENCH_HIGH };

void bench_broken(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fprintf(stderr, "==== what must hold does not: ");
    vfprintf(stderr, format, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    abort();
}

/* ---- A backing that remembers what was reported as written ---- */

static const struct backing_ops *under(void)
{
    return bench.pc.backing->ops;
}

static bool is_ram(uint64_t gfn)
{
    return gfn < BENCH_RAM / PAGE_BYTES ||
           gfn - 4 * GIB / PAGE_BYTES < BENCH_HIGH / PAGE_BYTES;
}

static void *tell_map(struct backing *b, uint64_t gfn, size_t pages, int *errs)
{
    void *p = under()->map(bench.pc.backing, gfn, pages, errs);

    if (bench.vram_pages && gfn == bench.vram_gfn && !bench.vram) {
        bench.vram = p;
        return p;
    }
    for (size_t i = 0; p && i < pages; i++)
        if (!is_ram(gfn + i)) { /* the bench below has more than we have: it must not be reached */
            errs[i] = -ENOENT;
            mprotect((uint8_t *)p + i * PAGE_BYTES, PAGE_BYTES, PROT_NONE);
        }
    return p;
}

static void tell_unmap(struct backing *b, void *addr, size_t pages)
{
    under()->unmap(bench.pc.backing, addr, pages);
}

static int tell_populate(struct backing *b, uint64_t gfn, size_t pages, struct error *err)
{
    bench.vram_gfn = gfn;
    bench.vram_pages = pages;
    bench.vram = NULL;
    return under()->populate(bench.pc.backing, gfn, pages, err);
}

static int tell_relocate(struct backing *b, uint64_t from, uint64_t to, size_t pages)
{
    int rc = under()->relocate(bench.pc.backing, from, to, pages);

    if (rc == 0 && from == bench.vram_gfn)
        bench.vram_gfn = to;
    return rc;
}

static int tell_cache_wb(struct backing *b, uint64_t gfn, size_t pages)
{
    return 0;
}

static int tell_dirty(struct backing *b, uint64_t gfn, size_t pages, uint8_t *bitmap)
{
    return under()->dirty(bench.pc.backing, gfn, pages, bitmap);
}

static void note(uint64_t gfn)
{
    if (gfn - bench.vram_gfn < bench.vram_pages)
        bench.vram_dirty[gfn - bench.vram_gfn] = true;
    else if (gfn < ARRAY_SIZE(bench.ram_dirty))
        bench.ram_dirty[gfn] = true;
    else if (gfn - 4 * GIB / PAGE_BYTES < ARRAY_SIZE(bench.high_dirty))
        bench.high_dirty[gfn - 4 * GIB / PAGE_BYTES] = true;
}

static void tell_modified(struct backing *b, uint64_t gfn, size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        note(gfn + i);
}

static const struct backing_ops tell_ops = {
    .map = tell_map, .unmap = tell_unmap, .populate = tell_populate, .relocate = tell_relocate,
    .cache_wb = tell_cache_wb, .dirty = tell_dirty, .modified = tell_modified,
};

void bench_poke(uint64_t addr, const void *bytes, size_t n)
{
    for (size_t done = 0, part; done < n; done += part) {
        uint64_t at = addr + done;

        part = MIN(n - done, PAGE_BYTES - at % PAGE_BYTES);
        if (at < BENCH_RAM || (at >= 4 * GIB && at - 4 * GIB < BENCH_HIGH) ||
            (at >> PAGE_BITS) - bench.vram_gfn < bench.vram_pages) {
            local_guest_write(bench.pc.backing, at, (const uint8_t *)bytes + done, part);
            note(at >> PAGE_BITS);
        }
    }
}

static void clean_page(uint64_t gfn)
{
    static const uint8_t zeroes[4096];

    local_guest_write(bench.pc.backing, gfn << PAGE_BITS, zeroes, sizeof(zeroes));
}

static bool zero(const void *p)
{
    static const uint8_t zeroes[4096];

    return !memcmp(p, zeroes, sizeof(zeroes));
}

static void check_zero(uint64_t gfn)
{
    uint8_t page[4096];

    local_guest_read(bench.pc.backing, gfn << PAGE_BITS, page, sizeof(page));
    if (!zero(page))
        bench_broken("guest frame 0x%llx was written, and nobody was told",
                     (unsigned long long)gfn);
}

static void clean_memory(void)
{
    uint64_t high = 4 * GIB / PAGE_BYTES;

    for (unsigned i = 0; i < ARRAY_SIZE(bench.ram_dirty); i++)
        bench.ram_dirty[i] ? clean_page(i) : check_zero(i);
    for (unsigned i = 0; i < ARRAY_SIZE(bench.high_dirty); i++)
        bench.high_dirty[i] ? clean_page(high + i) : check_zero(high + i);
    for (unsigned i = 0; i < bench.vram_pages; i++)
        if (bench.vram_dirty[i])
            memset(bench.vram + (size_t)i * PAGE_BYTES, 0, PAGE_BYTES);
        else if (!zero(bench.vram + (size_t)i * PAGE_BYTES))
            bench_broken("page 0x%x of video memory was written, and nobody was told", i);
    memset(bench.ram_dirty, 0, sizeof(bench.ram_dirty));
    memset(bench.high_dirty, 0, sizeof(bench.high_dirty));
    memset(bench.vram_dirty, 0, sizeof(bench.vram_dirty));
}

/* ---- Host ends ---- */

static const uint64_t disk_sizes[] = { 64 * KIB, 200 * GIB, 2 * MIB, 0 };

static void open_drives(void)
{
    static const char *const ids[] = { "hd0", "hd1", "cd2", "cd3" };

    for (unsigned i = 0; i < 4; i++) {
        struct drive_config config = { .id = ids[i], .cdrom = i >= 2, .readonly = i >= 2 };

        if (disk_sizes[i])
            config.disk = fake_disk_open(bench.pc.loop, disk_sizes[i], i >= 2);
        if (drive_open(&bench.drives[i], &config, NULL) < 0)
            abort();
        drive_set_home(bench.drives[i], bench.pc.loop);
        pc_give(&bench.pc, "drive", ids[i], bench.drives[i]);
    }
}

static void open_line(void)
{
    struct chardev_config config = { .id = "c", .kind = "socket", .telnet = true };
    int sv[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv) < 0)
        abort();
    config.fd = sv[0];
    bench.line = sv[1];
    if (chardev_open(&bench.chardev, bench.pc.loop, &config, NULL) < 0)
        abort();
    pc_give(&bench.pc, "chardev", "c", bench.chardev);
}

static void viewer_ready(void *owner, const struct surface *s, const struct damage *damage)
{
    volatile uint32_t sum = 0;

    for (unsigned y = 0; y < s->height; y += 16) /* it is there, to the last pixel */
        for (unsigned x = 0; x < s->width; x += 64)
            sum ^= s->pixels[(size_t)y * s->stride + x];
    (void)sum;
    for (unsigned i = 0; i < damage->count; i++) {
        const struct rect *r = &damage->rects[i];

        if (r->x + r->width > s->width || r->y + r->height > s->height)
            bench_broken("damage %u,%u %ux%u is not on a screen of %ux%u", r->x, r->y, r->width,
                         r->height, s->width, s->height);
    }
    screen_release(bench.viewer);
}

static const struct screen_viewer_ops viewer_ops = { .ready = viewer_ready };

static void open_ends(void)
{
    if (screen_open(&bench.screen, "s", NULL) < 0 ||
        input_open(&bench.input, bench.pc.loop, NULL) < 0)
        abort();
    pc_give(&bench.pc, "screen", "s", bench.screen);
    pc_give(&bench.pc, "input", "i", bench.input);
    open_drives();
    open_line();
    for (unsigned i = 0; i < 2; i++) {
        static const char *const ids[] = { "n", "n2" };

        net_open(&bench.net[i], ids[i], i == 0);
        pc_give(&bench.pc, "netport", ids[i], bench.net[i].port);
    }
}

/* ---- Building ---- */

static void plug_all(const struct family *family)
{
    for (unsigned i = 0; family->devices[i]; i++) {
        const char *text = family->devices[i], *comma = strchr(text, ',');
        size_t n = comma ? (size_t)(comma - text) : strlen(text);
        const struct device_class *cls;
        struct device *dev;
        char name[32];

        snprintf(name, sizeof(name), "%.*s", (int)n, text);
        cls = catalogue_find(name);
        if (!cls)
            bench_broken("there is no device %s", name);
        dev = pc_plug(&bench.pc, cls, comma ? comma + 1 : "");
        if (cls->log_dirty)
            cls->log_dirty(dev, true);
    }
}

static void find_functions(void)
{
    bench.functions = 0;
    for (unsigned devfn = 0; devfn < 256 && bench.functions < BENCH_FUNCTIONS; devfn++)
        if (bench_config_read(devfn, 0, 4) != UINT32_MAX)
            bench.devfn[bench.functions++] = devfn;
}

static void build(const struct family *family)
{
    memset(&bench, 0, sizeof(bench));
    pc_open(&bench.pc);
    bench.family = family;
    bench.backing.ops = &tell_ops;
    bench.pc.board.backing = &bench.backing;
    memory_close(bench.pc.board.memory);
    if (memory_open(&bench.pc.board.memory, &bench.backing, &layout, 4, NULL) < 0)
        abort();
    memory_log_dirty(bench.pc.board.memory, true);
    bench.pc.backing->ops->populate(bench.pc.backing, 4 * GIB / PAGE_BYTES, BENCH_HIGH / PAGE_BYTES,
                                    NULL);
    open_ends();
    plug_all(family);
    if (screen_viewer_open(&bench.viewer, bench.screen, bench.pc.loop, &viewer_ops, NULL, NULL) < 0)
        abort();
    bench.items = 1000;
    find_functions();
    bench_settle();
    if (bench.vram)
        memset(bench.vram, 0, bench.vram_pages * PAGE_BYTES);
    memset(bench.vram_dirty, 0, sizeof(bench.vram_dirty));
    for (unsigned i = 0; i < bench.pc.device_count; i++) {
        size_t n = device_class_of(bench.pc.devices[i])->regs_size;

        bench.fresh[i] = malloc(n + 1);
        memcpy(bench.fresh[i], device_regs(bench.pc.devices[i]), n);
    }
    bench.wires = bench.pc;
}

static void demolish(void)
{
    for (unsigned i = 0; i < bench.pc.device_count; i++)
        free(bench.fresh[i]);
    screen_viewer_close(bench.viewer);
    while (bench.pc.device_count)
        device_detach(bench.pc.devices[--bench.pc.device_count]);
    bench_settle();
    if (loop_next_timer(bench.pc.loop) != UINT64_MAX)
        bench_broken("a timer is set after all devices were detached");
    chardev_close(bench.chardev);
    close(bench.line);
    for (unsigned i = 0; i < 4; i++)
        drive_close(bench.drives[i]);
    input_close(bench.input);
    screen_close(bench.screen);
    pc_close(&bench.pc);
    net_close(&bench.net[0]);
    net_close(&bench.net[1]);
    fake_disk_forget();
}

void bench_rebuild(void)
{
    const struct family *family = bench.family;

    demolish();
    build(family);
}

void bench_begin(const struct family *family)
{
    if (!bench.family)
        build(family);
    clock_stop(NS_PER_SEC);
    bench.items = 8192;
    bench.draws = BENCH_DRAWS;
    bench.steps = 120;
    bench.spans_stale = true;
}

/* ---- Putting it back ---- */

void bench_settle(void)
{
    for (int i = 0; i < 1000; i++)
        if (!loop_step(bench.pc.loop))
            return;
    bench_broken("the loop does not come to rest");
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

void bench_drain(struct device *dev)
{
    bool done = false;

    if (!device_class_of(dev)->drain)
        return;
    device_class_of(dev)->drain(dev, set_flag, &done);
    if (done)
        bench_broken("%s drains inside the call", device_class_of(dev)->name);
    fake_disk_hold(false);
    for (int i = 0; !done && i < 1000; i++)
        loop_step(bench.pc.loop);
    if (!done)
        bench_broken("%s never drains", device_class_of(dev)->name);
}

static void restore_media(void)
{
    for (unsigned i = 0; i < 4; i++) {
        struct disk *disk = drive_disk(bench.drives[i]);

        if (i >= 2 && (disk_sizes[i] != (disk ? disk_bytes(disk) : 0) ||
                       (disk && strcmp(disk_format(disk), "fake")))) {
            struct disk *next = disk_sizes[i] ? fake_disk_open(bench.pc.loop, disk_sizes[i], true)
                                              : NULL;

            if (drive_change(bench.drives[i], next, true, NULL, NULL, NULL) < 0)
                bench_broken("drive %u takes no medium", i);
            bench_settle();
        } else if (disk) {
            fake_disk_clean(disk);
        }
    }
}

static void drain_line(void)
{
    uint8_t away[4096];

    while (read(bench.line, away, sizeof(away)) > 0)
        bench_settle();
}

static void check_fresh(void)
{
    const struct pc *pc = &bench.pc, *was = &bench.wires;

    for (unsigned i = 0; i < pc->device_count; i++) {
        const struct device_class *cls = device_class_of(pc->devices[i]);
        const uint8_t *regs = device_regs(pc->devices[i]);

        if (!memcmp(regs, bench.fresh[i], cls->regs_size))
            continue;
        for (size_t k = 0; k < cls->regs_size; k++)
            if (regs[k] != bench.fresh[i][k])
                bench_broken("%s: byte %zu of regs is 0x%02x after reset, fresh 0x%02x", cls->name,
                             k, regs[k], bench.fresh[i][k]);
    }
    if (memcmp(pc->isa, was->isa, sizeof(pc->isa)) || memcmp(pc->intx, was->intx, sizeof(pc->intx)))
        bench_broken("a wire is not as fresh after reset");
    if (memory_get_stats(pc->board.memory).pinned)
        bench_broken("guest memory is pinned after reset");
    if (fake_disk_waiting())
        bench_broken("disk requests are in flight after reset");
    if (loop_next_timer(pc->loop) != UINT64_MAX)
        bench_broken("a timer is set after reset");
}

static void reset_all(void)
{
    for (unsigned i = 0; i < bench.pc.device_count; i++)
        device_reset(bench.pc.devices[i]);
    bench_settle();
}

/* What registers say must be what a saved state may say. */
static void check_regs(void)
{
    for (unsigned i = 0; i < bench.pc.device_count; i++) {
        const struct device_class *cls = device_class_of(bench.pc.devices[i]);
        struct error err = { "" };

        bench_drain(bench.pc.devices[i]);
        if (device_check_regs(bench.pc.devices[i], &err) < 0)
            bench_broken("%s cannot be loaded as it is: %s", cls->name, err.text);
        if (cls->resume)
            cls->resume(bench.pc.devices[i]);
    }
}

static void put_back(void)
{
    fake_disk_hold(false);
    bench.net[0].room = bench.net[1].room = UINT32_MAX;
    bench_settle();
    check_regs();
    bench_settle();
    reset_all();
    restore_media();
    drain_line();
    if (bench.draws < BENCH_DRAWS && loop_next_timer(bench.pc.loop) != UINT64_MAX) {
        clock_crank(loop_next_timer(bench.pc.loop) - clock_now()); /* nobody looks any more */
        bench_settle();
    }
    do { /* a reset makes room for a byte of what still comes down the line */
        reset_all();
    } while (bench.line_bytes && bench.line_bytes--);
}

void bench_end(void)
{
    bench.net[0].room = bench.net[1].room = UINT32_MAX;
    if (bench.spoiled) {
        fake_disk_hold(false);
        bench_settle();
        bench_rebuild();
        return;
    }
    put_back();
    check_fresh();
    clean_memory();
    net_forget(&bench.net[0]);
    net_forget(&bench.net[1]);
}

/* ---- Accesses ---- */

static void answered(struct io_work *work, uint64_t data)
{
    work->result = data;
    work->targets = NULL;
}

uint64_t bench_io(const struct io_request *req)
{
    const struct io_targets targets = { bench.pc.board.ports, bench.pc.board.mmio,
                                        bench.pc.board.pci, bench.pc.board.memory };
    struct io_work work = { .req = *req, .targets = &targets, .done = answered, .can_wait = true };
    uint64_t data;

    if (bench.items < req->count)
        return 0;
    bench.items -= req->count;
    if (io_start(&work, &data))
        return data;
    for (unsigned i = 0; work.targets && i < 1000 + 4 * req->count; i++) { /* items one by one */
        fake_disk_hold(false); /* a vCPU that waits does nothing else, and disks do not wait */
        loop_step(bench.pc.loop);
    }
    if (work.targets)
        bench_broken("an access is never answered");
    return work.result;
}

static uint64_t one(enum io_type type, bool read, uint64_t addr, unsigned size, uint32_t value)
{
    struct io_request req = { .type = type, .read = read, .size = size, .count = 1, .addr = addr,
                              .data = value };

    return bench_io(&req);
}

uint64_t bench_in(uint64_t port, unsigned size)
{
    return one(IO_PORT, true, port, size, 0);
}

void bench_out(uint64_t port, unsigned size, uint32_t value)
{
    one(IO_PORT, false, port, size, value);
}

uint32_t bench_read(uint64_t addr, unsigned size)
{
    return (uint32_t)one(IO_MMIO, true, addr, size, 0);
}

void bench_write(uint64_t addr, unsigned size, uint32_t value)
{
    one(IO_MMIO, false, addr, size, value);
}

uint32_t bench_config_read(unsigned devfn, unsigned offset, unsigned size)
{
    return (uint32_t)one(IO_CONFIG, true, (uint64_t)devfn << 32 | offset, size, 0);
}

void bench_config(unsigned devfn, unsigned offset, unsigned size, uint32_t value)
{
    one(IO_CONFIG, false, (uint64_t)devfn << 32 | offset, size, value);
    bench.spans_stale = true;
}

/* ---- What a driver does first ---- */

static void enable(unsigned devfn, uint32_t *port, uint32_t *mmio)
{
    for (unsigned o = 0x10; o < 0x28; o += 4) {
        uint32_t mask;

        bench_config(devfn, o, 4, 0xffffffff);
        mask = bench_config_read(devfn, o, 4);
        if (!mask)
            continue;
        bench_config(devfn, o, 4, mask & 1 ? *port : *mmio);
        *(mask & 1 ? port : mmio) += mask & 1 ? 0x100 : 32 * MIB;
    }
    /* as firmware leaves them: both channels decoded, and the power management block */
    if (bench_config_read(devfn, 0, 4) == PIIX3_IDE)
        bench_config(devfn, 0x40, 4, 0x80008000);
    if (bench_config_read(devfn, 0, 4) == PIIX4_PM) {
        bench_config(devfn, 0x40, 4, 0xb001);
        bench_config(devfn, 0x80, 1, 1);
    }
    bench_config(devfn, 0x04, 2, 0x0007);
}

void bench_enable(void)
{
    uint32_t mmio = BENCH_MMIO_AT, port = BENCH_PORTS_AT;

    for (unsigned i = 0; i < bench.functions; i++)
        enable(bench.devfn[i], &port, &mmio);
}

static void collect(void *arg, const struct region_info *info)
{
    if (bench.span_count < BENCH_SPANS)
        bench.spans[bench.span_count++] =
            (struct bench_span){ info->base, info->length, *(bool *)arg };
}

void bench_look_around(void)
{
    bool port = true, mmio = false;

    if (!bench.spans_stale)
        return;
    bench.spans_stale = false;
    bench.span_count = 0;
    space_walk(bench.pc.board.ports, collect, &port);
    space_walk(bench.pc.board.mmio, collect, &mmio);
}
