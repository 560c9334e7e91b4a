/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine without Xen. Interrupts go the way that Xen's own router takes them: ISA wires as they
 * are, PCI pins by slot to one of four links, a link to the irq that PIIX3's registers name. Memory
 * is RAM, with the devices' regions above it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "devices/core/device.h"
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/machine/bare.h"
#include "dm/machine/hotplug.h"
#include "dm/machine/machine.h"
#include "dm/machine/unplug.h"
#include "dm/memory/local.h"
#include "ioreq/pci_config.h"
#include "ioreq/space.h"

#define LINKS 4

struct bare {
    struct machine *machine;
    struct backing *backing;
    struct space *ports, *mmio;
    struct pci_routes *pci;
    struct io_targets targets;
    struct {
        bool isa[BARE_IRQS];
        bool pin[32][4];
        unsigned link_high[LINKS]; /* pins of it that are */
        unsigned link_irq[LINKS];  /* 0: to nobody */
        bool told[BARE_IRQS];
        void (*fn)(void *arg, unsigned irq, bool level);
        void *arg;
    } irq;
    uint8_t *firmware; /* ends at 4 GiB, and its last part at 1 MiB too */
    size_t firmware_bytes;
    const char *reset_reason; /* of the reset that is on its way; NULL: none is */
};

static struct machine *machine_of(void *arg)
{
    return ((struct seat *)arg)->machine;
}

static struct bare *bare_of(void *arg)
{
    return machine_of(arg)->bare;
}

/* ---- Interrupts ---- */

static bool level_of(const struct bare *b, unsigned irq)
{
    bool level = b->irq.isa[irq];

    for (unsigned i = 0; i < LINKS; i++)
        level |= irq && b->irq.link_irq[i] == irq && b->irq.link_high[i];
    return level;
}

static void tell(struct bare *b)
{
    for (unsigned irq = 0; b->irq.fn && irq < BARE_IRQS; irq++) {
        bool level = level_of(b, irq);

        if (level == b->irq.told[irq])
            continue;
        b->irq.told[irq] = level;
        b->irq.fn(b->irq.arg, irq, level);
    }
}

void bare_listen(struct bare *b, void (*fn)(void *arg, unsigned irq, bool level), void *arg)
{
    for (unsigned irq = 0; irq < BARE_IRQS; irq++)
        b->irq.told[irq] = level_of(b, irq);
    b->irq.fn = fn;
    b->irq.arg = arg;
}

static void board_isa_irq(void *arg, unsigned irq, bool level)
{
    struct bare *b = bare_of(arg);

    b->irq.isa[irq % BARE_IRQS] = level;
    tell(b);
}

static void board_pci_intx(void *arg, unsigned slot, unsigned pin, bool level)
{
    struct bare *b = bare_of(arg);
    unsigned link = (slot + pin + LINKS - 1) % LINKS;

    if (b->irq.pin[slot][pin] == level)
        return;
    b->irq.pin[slot][pin] = level;
    b->irq.link_high[link] += level ? 1 : -1u;
    tell(b);
}

static void board_pci_link(void *arg, unsigned link, unsigned irq)
{
    struct bare *b = bare_of(arg);

    b->irq.link_irq[link] = irq;
    tell(b);
}

/* A message is a write; a test may point it at memory and look there. */
static void board_msi(void *arg, uint64_t addr, uint32_t data)
{
    uint8_t bytes[4];

    put_le32(bytes, data);
    bare_write(bare_of(arg), addr, bytes, sizeof(bytes));
}

/* ---- What devices ask of the whole machine ---- */

static void reset_now(void *arg)
{
    struct bare *b = arg;
    struct machine *m = b->machine;
    const char *reason = b->reset_reason;

    b->reset_reason = NULL;
    hotplug_reset(m);
    for (unsigned i = 0; i < m->placed_count; i++)
        device_reset(m->placed[i].device);
    hotplug_mark(m);
    machine_emit(m, "RESET", reason);
}

void bare_reset(struct bare *b, const char *reason)
{
    if (!b->reset_reason)
        loop_post(b->machine->loop, reset_now, b);
    b->reset_reason = reason;
}

static void board_reset(void *arg)
{
    bare_reset(bare_of(arg), "guest-reset");
}

static void ended(void *arg)
{
    struct machine *m = arg;

    m->state = RUN_SHUTDOWN;
    machine_emit(m, "SHUTDOWN", "guest-shutdown");
    if (!m->config->no_shutdown)
        machine_quit(m);
}

static void stop_here(void *arg)
{
}

static void board_power_off(void *arg)
{
    struct machine *m = machine_of(arg);

    machine_stop(m, stop_here, NULL);
    loop_post(m->loop, ended, m);
}

static void suspended(void *arg)
{
    struct machine *m = arg;

    m->state = RUN_SUSPENDED;
    machine_emit(m, "SUSPEND", NULL);
}

static void board_suspend(void *arg)
{
    loop_post(machine_of(arg)->loop, suspended, machine_of(arg));
}

static void board_lock_rom(void *arg, bool locked)
{
    /* there is no ROM: the area is RAM */
}

static void board_unplug(void *arg, unsigned mask, void (*done)(void *), void *done_arg)
{
    machine_unplug(machine_of(arg), mask, done, done_arg);
}

static const struct board_ops board_ops = {
    .isa_irq = board_isa_irq,
    .pci_intx = board_pci_intx,
    .pci_link = board_pci_link,
    .msi = board_msi,
    .reset = board_reset,
    .power_off = board_power_off,
    .suspend = board_suspend,
    .lock_rom = board_lock_rom,
    .host_end = machine_host_end,
    .unplug = board_unplug,
};

/* ---- Accesses ---- */

static void access_ram(struct bare *b, const struct io_request *r, uint64_t *data)
{
    uint8_t bytes[8] = { 0 };

    if (r->read) {
        bare_read(b, r->addr, bytes, r->size);
        *data = get_le(bytes, r->size);
    } else {
        put_le(bytes, r->size, r->data);
        bare_write(b, r->addr, bytes, r->size);
    }
}

bool bare_start(struct bare *b, struct io_work *work, uint64_t *data)
{
    work->targets = &b->targets;
    if (work->req.type == IO_MMIO && !space_holds(b->mmio, work->req.addr, 1)) {
        access_ram(b, &work->req, data);
        return true;
    }
    return io_start(work, data);
}

/* ---- ROM and shadow RAM: the host bridge says which of the two an area of 16 KiB is ---- */

#define SHADOW 0xc0000u
#define SHADOW_END 0x100000u
#define BIOS_AREA 0xf0000u /* one area of 64 KiB, and the first nibble */
#define PAM 0x59
#define READ_RAM 1u
#define WRITE_RAM 2u
#define LOW_COPY (128 * KIB) /* of the firmware, below 1 MiB */

static unsigned shadow(const struct bare *b, uint64_t addr)
{
    unsigned nibble = addr >= BIOS_AREA ? 1 : 2 + (unsigned)(addr - SHADOW) / 0x4000;

    return pci_routes_read(b->pci, 0, PAM + nibble / 2, 1) >> (nibble & 1 ? 4 : 0) &
           (READ_RAM | WRITE_RAM);
}

static bool in_shadow(uint64_t addr)
{
    return addr >= SHADOW && addr < SHADOW_END;
}

/* The firmware's byte at an address, NULL where there is none. */
static const uint8_t *firmware_at(const struct bare *b, uint64_t addr)
{
    uint64_t end = addr < SHADOW_END ? SHADOW_END : 4 * GIB;
    uint64_t most = addr < SHADOW_END ? MIN(b->firmware_bytes, LOW_COPY) : b->firmware_bytes;

    return addr < end && end - addr <= most ? b->firmware + b->firmware_bytes - (end - addr) : NULL;
}

static void read_plain(struct bare *b, uint64_t addr, uint8_t *p, size_t n)
{
    bool top = b->firmware && addr < 4 * GIB && addr + n > 4 * GIB - b->firmware_bytes;
    bool rom = top || (in_shadow(addr) && !shadow(b, addr));

    if (!rom) {
        if (!local_guest_read(b->backing, addr, p, n))
            memset(p, 0, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t *byte = firmware_at(b, addr + i);

        if (byte || in_shadow(addr + i))
            p[i] = byte ? *byte : 0;
        else if (!local_guest_read(b->backing, addr + i, p + i, 1))
            p[i] = 0;
    }
}

static void write_plain(struct bare *b, uint64_t addr, const uint8_t *p, size_t n)
{
    if (!in_shadow(addr) || shadow(b, addr) & WRITE_RAM)
        local_guest_write(b->backing, addr, p, n);
}

static int load_firmware(struct bare *b, const char *path, struct error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;

    if (fd < 0 || fstat(fd, &st) < 0) {
        rc = error_errno(err, "open the firmware %s", path);
    } else if (st.st_size <= 0 || st.st_size > (off_t)(16 * MIB)) {
        rc = error_set(err, -EINVAL, "the firmware %s has to be of 1 byte to 16 MiB", path);
    } else {
        b->firmware_bytes = (size_t)st.st_size;
        b->firmware = calloc(1, b->firmware_bytes);
        if (!b->firmware || read(fd, b->firmware, b->firmware_bytes) != st.st_size)
            rc = error_set(err, -EIO, "the firmware %s cannot be read", path);
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

/* How far the bytes from `addr` on are of one kind, up to the end of the page. */
static size_t run_of(const struct bare *b, uint64_t addr, size_t most, bool *device)
{
    size_t n = MIN(most, PAGE_BYTES - addr % PAGE_BYTES), run = 1;

    *device = space_holds(b->mmio, addr, 1);
    if (space_holds(b->mmio, addr, n))
        return n;
    while (run < n && space_holds(b->mmio, addr + run, 1) == *device)
        run++;
    return run;
}

/* A device is asked in the largest aligned pieces, as a copying guest would. */
static unsigned piece(uint64_t addr, size_t left)
{
    unsigned size = 4;

    while (addr % size || size > left)
        size /= 2;
    return size;
}

void bare_read(struct bare *b, uint64_t addr, void *buf, size_t length)
{
    uint8_t *p = buf;
    bool device;

    for (size_t n; length; length -= n, addr += n, p += n) {
        n = run_of(b, addr, length, &device);
        if (device) {
            n = piece(addr, n);
            put_le(p, (unsigned)n, space_read(b->mmio, addr, (unsigned)n));
        } else {
            read_plain(b, addr, p, n);
        }
    }
}

void bare_write(struct bare *b, uint64_t addr, const void *buf, size_t length)
{
    const uint8_t *p = buf;
    bool device;

    for (size_t n; length; length -= n, addr += n, p += n) {
        n = run_of(b, addr, length, &device);
        if (device) {
            n = piece(addr, n);
            space_write(b->mmio, addr, (unsigned)n, get_le(p, (unsigned)n));
        } else {
            write_plain(b, addr, p, n);
        }
    }
}

/* ---- Open and close ---- */

static void seat_all(struct bare *b)
{
    struct machine *m = b->machine;
    static const char *const names[] = { "machine", "disk", "net", "display" };
    struct board board = { .loop = m->loop,
                           .ports = b->ports,
                           .mmio = b->mmio,
                           .pci = b->pci,
                           .memory = m->seats[SEAT_MACHINE].memory,
                           .backing = b->backing,
                           .arena = m->arena,
                           .ops = &board_ops };

    for (unsigned i = 0; i < SEATS; i++) {
        struct seat *s = &m->seats[i];

        s->machine = m;
        s->name = names[i];
        s->loop = m->loop;
        s->board = board;
        s->board.ops_arg = s;
        s->used = i == SEAT_MACHINE; /* the others are the same one */
    }
}

int bare_open(struct machine *m, struct error *err)
{
    struct bare *b = calloc(1, sizeof(*b));
    int rc;

    if (!b)
        return error_set(err, -ENOMEM, "out of memory");
    m->bare = b;
    b->machine = m;
    rc = local_backing_open(&b->backing, &m->layout, err);
    if (rc == 0)
        rc = space_open(&b->ports, "ports", NULL, NULL, err);
    if (rc == 0)
        rc = space_open(&b->mmio, "memory", NULL, NULL, err);
    if (rc == 0)
        rc = pci_routes_open(&b->pci, NULL, NULL, err);
    if (rc == 0)
        rc = memory_open(&m->seats[SEAT_MACHINE].memory, b->backing, &m->layout, 0, err);
    if (rc == 0 && m->config->bios)
        rc = load_firmware(b, m->config->bios, err);
    if (rc < 0)
        return rc; /* machine_close() takes it apart */
    b->targets = (struct io_targets){ b->ports, b->mmio, b->pci, m->seats[SEAT_MACHINE].memory };
    seat_all(b);
    return 0;
}

void bare_close(struct bare *b)
{
    if (!b)
        return;
    space_close(b->ports);
    space_close(b->mmio);
    pci_routes_close(b->pci);
    local_backing_close(b->backing);
    free(b->firmware);
    free(b);
}
