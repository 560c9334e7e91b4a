/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The player. Each operation is decoded so that a changed byte changes one thing, and so that most
 * bytes mean something: a region is chosen by number, an offset is taken modulo its length, an
 * address comes from a table of places where arithmetic goes wrong.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "devices/storage/piix_ide.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/loop.h"
#include "dm/block/drive.h"
#include "tests/fuzz/kit/disk.h"
#include "tests/fuzz/kit/play.h"

#define OPERATIONS_MOST 300
#define BULK_AT 0x1000u

/* ---- Addresses and values ---- */

uint64_t play_address(struct input *in)
{
    uint8_t where = take8(in);
    uint64_t fine = take8(in);

    switch (where & 0xf) {
    default: /* RAM, in steps of 64 bytes to 16 KiB */
        return (uint64_t)(where & 0xf) * 0x4000 + fine * 64;
    case 10:
        return BENCH_RAM - fine - 1; /* across the end of RAM */
    case 11:
        return (where >> 4) * 0x1000ull + 0x1000 - fine % 64; /* across a page */
    case 12:
        return BENCH_MMIO_AT + (where >> 4) * 32ull * MIB + fine * 4; /* a device's registers */
    case 13:
        return 4 * GIB + (where >> 4) * 0x1000ull - (fine & 0x80 ? fine & 0x7f : 0) + fine;
    case 14:
        return 0xa0000 + (where >> 4) * 0x2000ull + fine * 16; /* the VGA's window, ROMs */
    case 15:
        return where >> 4 ? (uint64_t)0 - fine - 1 : 0xffffffff - fine;
    }
}

uint32_t play_value(struct input *in)
{
    uint8_t how = take8(in);

    switch (how & 7) {
    case 0:
        return take8(in);
    case 1:
        return take16(in);
    case 2:
        return take32(in);
    case 3:
        return (uint32_t)play_address(in);
    case 4:
        return 1u << (how >> 3);
    case 5:
        return ~(1u << (how >> 3));
    case 6:
        return (uint32_t)take16(in) << 16 | how >> 3;
    default:
        return (uint32_t)take8(in) << 24 | how >> 3;
    }
}

/* ---- The guest's accesses ---- */

static bool somewhere(struct input *in, struct io_request *req)
{
    const struct bench_span *span;
    uint8_t which = take8(in);
    uint16_t offset = take16(in);

    bench_look_around();
    if (!bench.span_count)
        return false;
    span = &bench.spans[which % bench.span_count];
    req->type = span->port ? IO_PORT : IO_MMIO;
    req->addr = span->base + (span->length > 65536 && which & 0x80
                                  ? (uint64_t)offset << 8 & (span->length - 1)
                                  : offset % span->length);
    return true;
}

static void access_region(struct input *in, uint8_t op)
{
    struct io_request req = { .read = op & 0x10, .size = 1u << (op >> 5 & 3), .count = 1 };

    if (!somewhere(in, &req))
        return;
    if (!req.read)
        req.data = play_value(in);
    bench_io(&req);
}

/* rep ins, rep outs, rep movs. */
static void access_repeated(struct input *in, uint8_t op)
{
    struct io_request req = { .read = op & 0x10, .size = 1u << (op >> 5 & 3), .in_memory = true,
                              .descending = op & 0x80 };

    if (!somewhere(in, &req))
        return;
    req.count = take8(in);
    req.count = req.count < 200 ? req.count : (req.count - 199) * 64;
    req.data = play_address(in);
    bench_io(&req);
}

/* Any request at all, as Xen could write it. */
static void access_raw(struct input *in, uint8_t op)
{
    struct io_request req = { .read = op & 0x10, .in_memory = op & 0x20, .descending = op & 0x40 };

    req.type = take8(in) % 3;
    req.size = 1u << (take8(in) & 3);
    req.count = take16(in) & 0x3ff;
    req.addr = req.type == IO_PORT ? take16(in) : play_address(in);
    if (req.type == IO_CONFIG)
        req.addr = (uint64_t)(req.addr & 0x1ff) << 32 | take16(in);
    req.data = req.in_memory ? play_address(in) : take32(in);
    bench_io(&req);
    bench.spans_stale = true;
}

static void access_config(struct input *in, uint8_t op)
{
    uint8_t which = take8(in), offset = take8(in);
    unsigned size = 1u << (op >> 5) % 3;

    if (!bench.functions)
        return;
    if (op & 0x10)
        bench_config_read(bench.devfn[which % bench.functions], offset, size);
    else
        bench_config(bench.devfn[which % bench.functions], offset, size, play_value(in));
}

/* An index port, and the data port beside it. */
static void access_indexed(struct input *in, uint8_t op)
{
    static const uint16_t ports[] = { 0x3c4, 0x3d4, 0x3ce, 0x3c0, 0x1ce, 0x70, 0x3c8, 0xb2 };
    unsigned port = ports[op >> 4 & 7];
    uint8_t index = take8(in);

    if (port == 0x3c0)
        bench_in(0x3da, 1);
    bench_out(port, port == 0x1ce ? 2 : 1, index);
    if (port == 0x1ce)
        bench_out(port + 1, 2, take16(in));
    else
        bench_out(port == 0x3c0 ? port : port + 1, 1, take8(in));
}

/* ---- Guest memory ---- */

static void write_memory(struct input *in, uint8_t op)
{
    uint64_t at = play_address(in);
    const uint8_t *bytes;
    size_t n = take_bytes(in, op & 0x80 ? 64 : op >> 4 & 7, &bytes);

    bench_poke(at, bytes, n);
}

/* A descriptor of four words at one of the usual places, each word an address or a value. */
static void write_descriptor(struct input *in, uint8_t op)
{
    uint8_t slot = take8(in), bytes[16];
    uint8_t kinds = take8(in);

    for (unsigned i = 0; i < 4; i++) {
        uint32_t word = 0;

        switch (kinds >> (2 * i) & 3) {
        case 1:
            word = (uint32_t)play_address(in);
            break;
        case 2:
            word = take16(in);
            break;
        case 3:
            word = take32(in);
            break;
        }
        put_le(bytes + 4 * i, 4, word);
    }
    bench_poke(BULK_AT + (op >> 4) * 0x1000u + slot * 16u, bytes, sizeof(bytes));
}

/* ---- The rest of the world ---- */

static void pass_time(struct input *in, uint8_t op)
{
    static const uint64_t units[] = { NS_PER_US, 125 * NS_PER_US, NS_PER_MS, 50 * NS_PER_MS };
    uint64_t end = clock_now() + units[op >> 4 & 3] * (1 + take8(in) % 64);

    for (uint64_t due; bench.steps && (due = loop_next_timer(bench.pc.loop)) <= end;) {
        bench.steps--;
        if (due > clock_now())
            clock_crank(due - clock_now());
        bench_settle();
    }
    if (clock_now() < end)
        clock_crank(end - clock_now());
    bench_settle();
}

static void disks(struct input *in, uint8_t op)
{
    static const int results[] = { 0, 0, -EIO, -ENOSPC };

    if (op & 0x80)
        fake_disk_hold(op & 0x40);
    else
        fake_disk_let_go(take8(in), results[op >> 4 & 3]);
}

static void frame(struct input *in, uint8_t op)
{
    static uint8_t bytes[65536 + 32];
    static const uint16_t lengths[] = { 14, 60, 64, 1514, 1518, 9014, 16384, 65535 };
    struct net *net = &bench.net[op >> 7];
    struct offload off = { .gso = 0 };
    const uint8_t *head;
    uint8_t how = take8(in);
    size_t n, length = how & 0x80 ? how & 0x7f : lengths[how & 7];

    if (how & 0x40 && how & 0x20) { /* the host runs full, or has room again */
        net->room = how & 0x10 ? how & 0xf : UINT32_MAX;
        net_writable(net);
        return;
    }
    n = take_bytes(in, MIN(length, op & 0x40 ? 128 : 16), &head);
    memset(bytes, 0xff, 6);
    memset(bytes + 6, 0, MAX(length, 6) - 6);
    memcpy(bytes, head, n);
    if (op & 0x20) {
        off.needs_csum = take8(in) & 1;
        off.csum_start = take8(in);
        off.csum_offset = take8(in) & 0x3f;
    }
    net_deliver(net, bytes, length, op & 0x20 ? &off : NULL);
    bench_settle();
}

static void people(struct input *in, uint8_t op)
{
    uint8_t a = take8(in), b = take8(in);

    switch (op >> 4 & 3) {
    case 0:
        input_key(bench.input, a | (b & 2) << 7, b & 1);
        break;
    case 1:
        input_pointer_rel(bench.input, (int8_t)a * (op & 0x40 ? 300 : 1), (int8_t)b, op >> 6);
        break;
    case 2:
        input_pointer_abs(bench.input, a * 129u, b * 200u, op >> 6);
        break;
    default:
        input_wheel(bench.input, (int8_t)a);
    }
    bench_settle();
}

static void serial_line(struct input *in, uint8_t op)
{
    uint8_t away[512];
    const uint8_t *bytes;
    size_t n = take_bytes(in, bench.line_bytes < 64 ? 1 + (op >> 4) : 0, &bytes);

    if (read(bench.line, away, sizeof(away)) < 0 && errno != EAGAIN)
        bench_broken("the serial line is gone");
    if (n && write(bench.line, bytes, n) < 0 && errno != EAGAIN)
        bench_broken("the serial line is gone");
    bench.line_bytes += (unsigned)n;
    bench_settle();
}

static void look(void)
{
    if (!bench.draws)
        return;
    bench.draws--;
    screen_request(bench.viewer, bench.draws & 1);
    bench_settle();
}

static void medium(struct input *in, uint8_t op)
{
    static const uint64_t sizes[] = { 2048, 512, 64 * KIB, 700 * MIB, 8 * GIB, 1ull << 45, 0, 0 };
    struct drive *d = bench.drives[2 + (op >> 4 & 1)];
    uint64_t bytes = sizes[take8(in) & 7];
    struct disk *next = bytes ? fake_disk_open(bench.pc.loop, bytes, true) : NULL;

    if (drive_change(d, next, op & 0x20, NULL, NULL, NULL) < 0)
        disk_close(next);
    bench_settle();
}

/* ---- Reset, save and load ---- */

static void resume(struct device *dev)
{
    if (device_class_of(dev)->resume)
        device_class_of(dev)->resume(dev);
    bench_settle();
}

static struct device *some_device(uint8_t which)
{
    return bench.pc.devices[which % bench.pc.device_count];
}

static void reset(struct input *in)
{
    device_reset(some_device(take8(in)));
    bench_settle();
    bench.spans_stale = true;
}

/*
 * Times are of the process that saved them; and an interrupt that a timer held back comes at once.
 */
static bool may_differ(const struct device_class *cls, size_t at)
{
    const struct saved_field *f = cls->saved;

    while (f->name && (at < f->offset || at - f->offset >= (size_t)f->size * f->count))
        f++;
    return f->name && (strstr(f->name, "_due") || !strcmp(f->name, "pci.intx") ||
                       (!strcmp(f->name, "pci.config") && at - f->offset == 6));
}

/* What was saved is taken back, and is what it was. */
static void save_and_load(struct input *in)
{
    struct device *dev = some_device(take8(in));
    size_t n = device_class_of(dev)->regs_size;
    uint8_t *regs = device_regs(dev), *copy = malloc(n + 1);
    struct error err = { "" };

    bench_drain(dev);
    memcpy(copy, regs, n);
    device_reset(dev);
    bench_settle();
    memcpy(regs, copy, n);
    if (device_check_regs(dev, &err) < 0)
        bench_broken("%s refuses what it saved: %s", device_class_of(dev)->name, err.text);
    for (size_t i = 0; memcmp(regs, copy, n) && i < n && !bench.spoiled; i++)
        if (regs[i] != copy[i] && !may_differ(device_class_of(dev), i))
            bench_broken("%s: byte %zu of regs was 0x%02x when saved, and is 0x%02x when loaded",
                         device_class_of(dev)->name, i, copy[i], regs[i]);
    free(copy);
    resume(dev);
    bench.spans_stale = true;
}

/* A saved state with bytes changed is refused, or lived with. */
static void load_spoilt(struct input *in, uint8_t op)
{
    struct device *dev = some_device(take8(in));
    size_t n = device_class_of(dev)->regs_size;
    uint8_t *regs = device_regs(dev);
    struct error err = { "" };

    bench_drain(dev);
    for (unsigned i = 0; n && i < 1u + (op >> 4); i++) {
        uint16_t at = take16(in);

        regs[(n > 65536 && at & 1 ? at * 64u : at) % n] = take8(in);
    }
    if (device_check_regs(dev, &err) < 0) {
        if (!*err.text)
            bench_broken("%s refuses a saved state, and says nothing", device_class_of(dev)->name);
        device_reset(dev);
    }
    resume(dev);
    bench.spoiled = true; /* identity bytes survive a reset */
    bench.spans_stale = true;
}

static void unplugged(void *arg)
{
}

static void unplug(uint8_t op)
{
    for (unsigned i = 0; i < bench.pc.device_count; i++) {
        struct device *dev = bench.pc.devices[i];

        if (bench.spoiled) /* one at a time */
            return;
        if (device_class_of(dev) == &piix3_ide_class && op & 0x10) {
            bench.spoiled = true;
            piix_ide_unplug(dev, op & 0x20, unplugged, NULL);
        } else if (device_class_of(dev)->unplug && op & 0x40) {
            bench.spoiled = true;
            device_class_of(dev)->unplug(dev);
        }
    }
    bench_settle();
    bench.spans_stale = true;
}

/* ---- The table ---- */

static void operate(struct input *in)
{
    uint8_t op = take8(in);

    switch (op & 0xf) {
    case 0:
    case 1:
    case 2:
        access_region(in, op);
        break;
    case 3:
        access_repeated(in, op);
        break;
    case 4:
        access_config(in, op);
        break;
    case 5:
        access_indexed(in, op);
        break;
    case 6:
        write_memory(in, op);
        break;
    case 7:
        write_descriptor(in, op);
        break;
    case 8:
        pass_time(in, op);
        break;
    case 9:
        disks(in, op);
        break;
    case 10:
        frame(in, op);
        break;
    case 11:
        people(in, op);
        break;
    case 12:
        op & 0x80 ? serial_line(in, op & 0x7f) : look();
        break;
    case 13:
        medium(in, op);
        break;
    case 14:
        access_raw(in, op);
        break;
    default:
        if (op >= 0xf0)
            unplug(take8(in));
        else if (op >= 0xb0)
            load_spoilt(in, op);
        else if (op >= 0x70)
            save_and_load(in);
        else if (op >= 0x40)
            reset(in);
        else
            bench_enable();
    }
}

void play_some(struct input *in, unsigned operations)
{
    while (in->left && operations--)
        operate(in);
}

void play(const struct family *family, const uint8_t *bytes, size_t size)
{
    struct input in = { bytes, size };
    uint8_t start = take8(&in);
    const uint8_t *bulk;

    bench_begin(family);
    if (!(start & 0x80))
        bench_enable();
    if (start & 0x40) {
        size_t n = take_bytes(&in, (start & 0x1fu) * 64, &bulk);

        bench_poke(BULK_AT, bulk, n);
    }
    if (!(start & 0x20) && family->prologue)
        family->prologue(&in);
    play_some(&in, OPERATIONS_MOST);
    bench_end();
}
