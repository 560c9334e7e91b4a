/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bench: a board without Xen, and the checks that every device must pass. */
#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "dm/base/arena.h"
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/memory/local.h"
#include "ioreq/dispatch.h"
#include "ioreq/pci_config.h"
#include "tests/kit/check.h"
#include "tests/kit/pc.h"

#define WAIT_SECONDS 10
#define FENCE_BYTES 256

static void isa_irq(void *arg, unsigned irq, bool level)
{
    struct pc *pc = arg;

    pc->isa_edges[irq] += level;
    pc->isa[irq] = level;
}

static void pci_intx(void *arg, unsigned slot, unsigned pin, bool level)
{
    struct pc *pc = arg;

    pc->intx[slot][pin] = level;
}

static void pci_link(void *arg, unsigned link, unsigned irq)
{
    ((struct pc *)arg)->links[link] = irq;
}

static void msi(void *arg, uint64_t addr, uint32_t data)
{
    struct pc *pc = arg;

    pc->msi_addr = addr;
    pc->msi_data = data;
    pc->msis++;
}

static void on_reset(void *arg)
{
    ((struct pc *)arg)->resets++;
}

static void on_power_off(void *arg)
{
    ((struct pc *)arg)->power_offs++;
}

static void on_suspend(void *arg)
{
    ((struct pc *)arg)->suspends++;
}

static void lock_rom(void *arg, bool locked)
{
    ((struct pc *)arg)->rom_locked = locked;
}

static void *host_end(void *arg, const char *kind, const char *id)
{
    struct pc *pc = arg;

    for (unsigned i = 0; i < pc->end_count; i++)
        if (!strcmp(pc->ends[i].kind, kind) && !strcmp(pc->ends[i].id, id))
            return pc->ends[i].end;
    return NULL;
}

static void unplug(void *arg, unsigned mask, void (*done)(void *), void *done_arg)
{
    struct pc *pc = arg;

    pc->unplug_mask |= mask;
    loop_post(pc->loop, done, done_arg);
}

static const struct board_ops ops = {
    .isa_irq = isa_irq, .pci_intx = pci_intx, .pci_link = pci_link, .msi = msi,
    .reset = on_reset, .power_off = on_power_off, .suspend = on_suspend, .lock_rom = lock_rom,
    .host_end = host_end, .unplug = unplug,
};

static void must(int rc, const struct error *err)
{
    if (rc < 0) {
        print_error("the bench: %s\n", err->text);
        fail();
    }
}

void pc_open(struct pc *pc)
{
    static const struct memory_layout layout = { .low_end = PC_RAM };
    struct error err = { "" };

    memset(pc, 0, sizeof(*pc));
    clock_stop(NS_PER_SEC);
    log_guest_limit(0);
    must(loop_open(&pc->loop, "bench", &err), &err);
    must(local_backing_open(&pc->backing, &layout, &err), &err);
    pc->board.loop = pc->loop;
    pc->board.backing = pc->backing;
    pc->board.ops = &ops;
    pc->board.ops_arg = pc;
    must(space_open(&pc->board.ports, "ports", NULL, NULL, &err), &err);
    must(space_open(&pc->board.mmio, "mmio", NULL, NULL, &err), &err);
    must(pci_routes_open(&pc->board.pci, NULL, NULL, &err), &err);
    must(memory_open(&pc->board.memory, pc->backing, &layout, 4, &err), &err);
    must(arena_open(&pc->board.arena, 1 << 20, &err), &err);
}

void pc_close(struct pc *pc)
{
    while (pc->device_count)
        device_detach(pc->devices[--pc->device_count]);
    space_close(pc->board.ports);
    space_close(pc->board.mmio);
    pci_routes_close(pc->board.pci);
    memory_close(pc->board.memory);
    for (unsigned i = 0; i < ARRAY_SIZE(pc->fences); i++)
        if (pc->fences[i])
            ASAN_UNPOISON_MEMORY_REGION(pc->fences[i], FENCE_BYTES);
    arena_close(pc->board.arena);
    local_backing_close(pc->backing);
    loop_close(pc->loop);
}

void pc_give(struct pc *pc, const char *kind, const char *id, void *end)
{
    CHECK(pc->end_count < ARRAY_SIZE(pc->ends));
    pc->ends[pc->end_count].kind = kind;
    pc->ends[pc->end_count].id = id;
    pc->ends[pc->end_count++].end = end;
}

/* Behind a device's registers: under ASan, who runs off them is seen. */
static void fence(struct pc *pc)
{
    char name[16];

    snprintf(name, sizeof(name), "fence%u", pc->device_count);
    pc->fences[pc->device_count] = arena_piece(pc->board.arena, name, FENCE_BYTES);
    if (pc->fences[pc->device_count])
        ASAN_POISON_MEMORY_REGION(pc->fences[pc->device_count], FENCE_BYTES);
}

struct device *pc_plug(struct pc *pc, const struct device_class *cls, const char *options)
{
    struct error err = { "" };
    char id[32];

    CHECK(pc->device_count < ARRAY_SIZE(pc->devices));
    snprintf(id, sizeof(id), "dev%u", pc->device_count);
    must(device_attach(&pc->devices[pc->device_count], &pc->board, cls, id, options, &err), &err);
    fence(pc);
    return pc->devices[pc->device_count++];
}

/* ---- Accesses: the way Xen's requests go, and waiting where the answer is deferred ---- */

static void answered(struct io_work *work, uint64_t data)
{
    work->result = data;
    work->targets = NULL;
}

static bool is_answered(void *arg)
{
    return !((struct io_work *)arg)->targets;
}

static uint64_t access_guest(struct pc *pc, enum io_type type, bool read, uint64_t addr,
                             unsigned size, uint64_t value)
{
    struct io_targets targets = { pc->board.ports, pc->board.mmio, pc->board.pci,
                                  pc->board.memory };
    struct io_work work = {
        .req = { .type = type, .read = read, .size = size, .count = 1, .addr = addr,
                 .data = value },
        .targets = &targets, .done = answered, .can_wait = true,
    };
    uint64_t data;

    if (io_start(&work, &data))
        return data;
    CHECK(pc_wait(pc, is_answered, &work));
    return work.result;
}

uint8_t pc_in8(struct pc *pc, uint64_t port)
{
    return (uint8_t)access_guest(pc, IO_PORT, true, port, 1, 0);
}

uint16_t pc_in16(struct pc *pc, uint64_t port)
{
    return (uint16_t)access_guest(pc, IO_PORT, true, port, 2, 0);
}

uint32_t pc_in32(struct pc *pc, uint64_t port)
{
    return (uint32_t)access_guest(pc, IO_PORT, true, port, 4, 0);
}

void pc_out8(struct pc *pc, uint64_t port, uint8_t v)
{
    access_guest(pc, IO_PORT, false, port, 1, v);
}

void pc_out16(struct pc *pc, uint64_t port, uint16_t v)
{
    access_guest(pc, IO_PORT, false, port, 2, v);
}

void pc_out32(struct pc *pc, uint64_t port, uint32_t v)
{
    access_guest(pc, IO_PORT, false, port, 4, v);
}

uint64_t pc_mmio_read(struct pc *pc, uint64_t addr, unsigned size)
{
    return access_guest(pc, IO_MMIO, true, addr, size, 0);
}

void pc_mmio_write(struct pc *pc, uint64_t addr, unsigned size, uint64_t v)
{
    access_guest(pc, IO_MMIO, false, addr, size, v);
}

uint32_t pc_config_read(struct pc *pc, unsigned devfn, unsigned offset, unsigned size)
{
    return (uint32_t)access_guest(pc, IO_CONFIG, true, (uint64_t)devfn << 32 | offset, size, 0);
}

void pc_config_write(struct pc *pc, unsigned devfn, unsigned offset, unsigned size, uint32_t v)
{
    access_guest(pc, IO_CONFIG, false, (uint64_t)devfn << 32 | offset, size, v);
}

void pc_poke(struct pc *pc, uint64_t addr, const void *bytes, size_t n)
{
    CHECK(local_guest_write(pc->backing, addr, bytes, n));
}

void pc_peek(struct pc *pc, uint64_t addr, void *bytes, size_t n)
{
    CHECK(local_guest_read(pc->backing, addr, bytes, n));
}

/* ---- Time ---- */

void pc_settle(struct pc *pc)
{
    for (int i = 0; i < 1000 && loop_step(pc->loop); i++)
        ;
}

static uint64_t real_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

bool pc_wait(struct pc *pc, bool (*done)(void *arg), void *arg)
{
    uint64_t end = real_ms() + WAIT_SECONDS * 1000;

    while (!done(arg)) {
        static const struct timespec pause = { 0, 50000 };

        if (real_ms() > end)
            return false;
        if (!loop_step(pc->loop)) /* real I/O is on its way */
            nanosleep(&pause, NULL);
    }
    return true;
}

void pc_crank(struct pc *pc, uint64_t ns)
{
    uint64_t end = clock_now() + ns;

    for (int i = 0; i < 1000000; i++) {
        uint64_t due = loop_next_timer(pc->loop);

        if (due > end)
            break;
        if (due > clock_now())
            clock_crank(due - clock_now());
        pc_settle(pc);
    }
    if (clock_now() < end)
        clock_crank(end - clock_now());
    pc_settle(pc);
}

/* ---- Checks for every device ---- */

struct span {
    uint64_t base, length;
};

struct spans {
    struct span at[256];
    unsigned count;
};

static void collect(void *arg, const struct region_info *info)
{
    struct spans *s = arg;

    if (s->count < ARRAY_SIZE(s->at))
        s->at[s->count++] = (struct span){ info->base, info->length };
}

static uint32_t next_random(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

static void scribble(struct pc *pc, unsigned seed, unsigned times)
{
    struct spans ports = { .count = 0 }, mmio = { .count = 0 };
    uint32_t x = seed ? seed : 1;

    for (unsigned i = 0; i < times; i++) {
        bool is_port;
        struct spans *s;
        struct span *span;
        unsigned size;
        uint64_t addr;

        if (i % 64 == 0) { /* regions move as the guest plays with BARs */
            ports.count = mmio.count = 0;
            space_walk(pc->board.ports, collect, &ports);
            space_walk(pc->board.mmio, collect, &mmio);
        }
        is_port = !mmio.count || (ports.count && next_random(&x) & 1);
        s = is_port ? &ports : &mmio;
        if (!s->count)
            return;
        span = &s->at[next_random(&x) % s->count];
        size = 1u << next_random(&x) % 3;
        addr = span->base + next_random(&x) % span->length;
        access_guest(pc, is_port ? IO_PORT : IO_MMIO, next_random(&x) % 3 == 0, addr, size, next_random(&x));
        if (i % 16 == 0)
            pc_crank(pc, next_random(&x) % NS_PER_MS);
    }
}

void pc_check_reset(struct pc *pc, struct device *dev, unsigned seed)
{
    size_t n = device_class_of(dev)->regs_size;
    uint8_t *fresh = malloc(n), *regs = device_regs(dev);

    device_reset(dev);
    pc_settle(pc);
    memcpy(fresh, regs, n);
    scribble(pc, seed, 2000);
    pc_settle(pc);
    device_reset(dev);
    pc_settle(pc);
    for (size_t i = 0; i < n; i++)
        if (regs[i] != fresh[i]) {
            print_error("%s: after reset byte %zu of regs is 0x%02x, was 0x%02x when fresh\n",
                        device_class_of(dev)->name, i, regs[i], fresh[i]);
            fail();
        }
    free(fresh);
}

void pc_check_saved(struct device *dev)
{
    const struct device_class *cls = device_class_of(dev);
    uint8_t *seen = calloc(1, cls->regs_size + 1);

    for (const struct saved_field *f = cls->saved; f && f->name; f++) {
        size_t bytes = (size_t)f->size * f->count;

        CHECK(f->offset + bytes <= cls->regs_size);
        for (size_t i = 0; i < bytes; i++) {
            if (seen[f->offset + i]++)
                print_error("%s: byte %zu of regs is saved twice (%s)\n", cls->name,
                            f->offset + i, f->name);
            CHECK_EQ(seen[f->offset + i], 1);
        }
    }
    for (size_t i = 0; i < cls->regs_size; i++)
        if (!seen[i]) {
            print_error("%s: byte %zu of regs is not saved\n", cls->name, i);
            fail();
        }
    free(seen);
}
