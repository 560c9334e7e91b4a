/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Xen platform device: PV drivers find Xen by it, and ask it to unplug emulated devices.
 * Documents: Xen's hvm-emulated-unplug and its public headers. Its interrupt is Xen's callback
 * and never ours to raise. Not modelled: the driver blacklist (nobody fills it any more).
 */
#include <errno.h>
#include <string.h>
#include "devices/pci/function.h"
#include "devices/platform/platform.h"
#include "dm/base/bytes.h"
#include "dm/base/log.h"
#include "ioreq/answer.h"

#define FIXED_BASE 0x10
#define FIXED_PORTS 16
#define MAGIC 0x49d2
#define PROTOCOL 1
#define FLAG_ROM_LOCKED 0x01
#define UNPLUG_DISKS 0x01
#define UNPLUG_NICS 0x02
#define UNPLUG_AUX 0x04
#define UNPLUG_NVME 0x08
#define BAR0_BYTES 0x100
#define BAR1_BYTES 0x1000000

struct platform_regs {
    struct pci_regs pci;
    uint8_t flags;
    uint8_t unplugged; /* what the guest asked for so far */
    uint16_t product;
    uint32_t build;
    uint8_t line_length;
    uint8_t line[127]; /* the log line the guest is writing */
};

struct platform {
    struct pci_function fn;
    struct platform_regs *regs;
    struct board *board;
};

static void log_char(struct platform *p, uint8_t c)
{
    struct platform_regs *r = p->regs;

    if (c != '\n' && r->line_length < sizeof(r->line) - 1) {
        r->line[r->line_length++] = c;
        return;
    }
    log_guest("%.*s", r->line_length, (const char *)r->line);
    memset(r->line, 0, sizeof(r->line));
    r->line_length = 0;
    if (c != '\n')
        r->line[r->line_length++] = c;
}

static void set_flags(struct platform *p, uint8_t flags)
{
    p->regs->flags = flags & FLAG_ROM_LOCKED;
    p->board->ops->lock_rom(p->board->ops_arg, p->regs->flags & FLAG_ROM_LOCKED);
}

static void unplug_done(void *arg)
{
    answer_complete(arg, 0);
}

/* The guest waits until all is drained and closed: its PV driver opens the same image next. */
static void unplug(struct platform *p, uint8_t mask)
{
    mask &= UNPLUG_DISKS | UNPLUG_NICS | UNPLUG_AUX | UNPLUG_NVME;
    if (!mask)
        return;
    p->regs->unplugged |= mask;
    p->board->ops->unplug(p->board->ops_arg, mask, unplug_done, answer_defer());
}

/* ---- The fixed ports ---- */

static uint64_t fixed_read(void *state, uint64_t offset, unsigned size)
{
    struct platform *p = state;

    if (size == 2 && offset == 0)
        return MAGIC;
    if (size == 1 && offset == 0)
        return p->regs->flags;
    if (size == 1 && offset == 2)
        return PROTOCOL;
    return ones(size);
}

static void fixed_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct platform *p = state;

    switch (offset << 4 | size) {
    case 0x01:
        set_flags(p, (uint8_t)value);
        break;
    case 0x02:
        unplug(p, (uint8_t)value);
        break;
    case 0x04:
        p->regs->build = (uint32_t)value;
        break;
    case 0x21:
        log_char(p, (uint8_t)value);
        break;
    case 0x22:
        p->regs->product = (uint16_t)value;
        break;
    }
}

static const struct region_ops fixed_ops = {
    .name = "xen-platform", .min_size = 1, .max_size = 4,
    .read = fixed_read, .write = fixed_write,
};

/* ---- The BARs: the old way to ask for the same, and a page pool the guest maps over ---- */

static uint64_t bar_read(void *state, uint64_t offset, unsigned size)
{
    struct platform *p = state;

    return offset == 0 ? p->regs->flags : ones(size);
}

static void bar_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct platform *p = state;

    if (offset == 0)
        set_flags(p, (uint8_t)value);
    else if (offset == 4 && value == 1)
        unplug(p, UNPLUG_DISKS | UNPLUG_NICS);
    else if (offset == 8 && value == 1)
        unplug(p, UNPLUG_DISKS);
    else if (offset == 8 && value == 2)
        unplug(p, UNPLUG_NICS);
    else if (offset == 8)
        log_char(p, (uint8_t)value);
}

static uint64_t pool_read(void *state, uint64_t offset, unsigned size)
{
    return ones(size);
}

static void pool_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
}

static const struct region_ops bar_ops = {
    .name = "xen-platform-io", .min_size = 1, .max_size = 4, .read = bar_read, .write = bar_write,
};
static const struct region_ops pool_ops = {
    .name = "xen-platform-pool", .min_size = 1, .max_size = 8,
    .read = pool_read, .write = pool_write,
};

static int platform_attach(struct device *dev, struct error *err)
{
    struct platform *p = device_state(dev);
    static const struct pci_identity identity = {
        .vendor = 0x5853, .device = 0x0001, .subsystem_vendor = 0x5853, .subsystem = 0x0001,
        .revision = 1, .class_code = 0xff8000, .pin = 1,
        .bars = { [0] = { .kind = PCI_BAR_IO, .size = BAR0_BYTES, .ops = &bar_ops },
                  [1] = { .kind = PCI_BAR_MEM32, .prefetchable = true, .size = BAR1_BYTES,
                          .ops = &pool_ops } },
    };
    unsigned devfn;
    int rc;

    p->regs = device_regs(dev);
    p->board = device_board(dev);
    rc = pci_parse_addr(device_text(dev, "addr"), &devfn, err);
    if (rc == 0)
        rc = pci_function_attach(&p->fn, dev, p, &p->regs->pci, devfn, &identity, err);
    if (rc == 0)
        rc = device_ports(dev, FIXED_BASE, FIXED_PORTS, &fixed_ops, err);
    return rc;
}

static void platform_detach(struct device *dev)
{
    struct platform *p = device_state(dev);

    pci_function_detach(&p->fn);
}

static void platform_reset(struct device *dev)
{
    struct platform *p = device_state(dev);
    struct pci_regs pci = p->regs->pci;

    memset(p->regs, 0, sizeof(*p->regs));
    p->regs->pci = pci;
    pci_function_reset(&p->fn);
    set_flags(p, 0);
}

static int platform_loaded(struct device *dev, struct error *err)
{
    struct platform *p = device_state(dev);

    if (p->regs->line_length >= sizeof(p->regs->line))
        return error_set(err, -EINVAL, "saved state of %s: its log line is %u bytes long",
                         device_id(dev), p->regs->line_length);
    set_flags(p, p->regs->flags);
    return pci_function_loaded(&p->fn, err);
}

static const struct device_option addr_option[] = {
    { "addr", OPTION_TEXT, "02.0" },
    { NULL, OPTION_TEXT, NULL },
};

static const struct saved_field platform_saved[] = {
    SAVED_PCI(struct platform_regs),
    SAVED(struct platform_regs, flags), SAVED(struct platform_regs, unplugged),
    SAVED(struct platform_regs, product), SAVED(struct platform_regs, build),
    SAVED(struct platform_regs, line_length), SAVED_ARRAY(struct platform_regs, line),
    { NULL, 0, 0, 0 },
};

const struct device_class xen_platform_class = {
    .name = "xen-platform", .summary = "Xen platform device with the unplug protocol",
    .hidden = true,
    .state_size = sizeof(struct platform), .regs_size = sizeof(struct platform_regs),
    .options = addr_option, .saved = platform_saved, .version = 1,
    .attach = platform_attach, .detach = platform_detach, .reset = platform_reset,
    .loaded = platform_loaded,
};
