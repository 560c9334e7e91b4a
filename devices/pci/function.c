/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PCI function's configuration space. Document: PCI Local Bus Specification 3.0, "Configuration
 * Space" and "Base Addresses". Not modelled: parity, status bits of errors, built-in self test.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "devices/pci/function.h"
#include "dm/base/bytes.h"
#include "dm/base/log.h"
#include "dm/memory/memory.h"
#include "ioreq/pci_config.h"

#define VENDOR_ID 0x00
#define DEVICE_ID 0x02
#define COMMAND 0x04
#define COMMAND_IO 0x0001
#define COMMAND_MEMORY 0x0002
#define COMMAND_MASTER 0x0004
#define COMMAND_SERR 0x0100
#define COMMAND_INTX_OFF 0x0400
#define STATUS 0x06
#define STATUS_INTX 0x0008
#define STATUS_CAPABILITIES 0x0010
#define REVISION_ID 0x08
#define CLASS_CODE 0x09
#define HEADER_TYPE 0x0e
#define BASE_ADDRESS 0x10
#define SUBSYSTEM_VENDOR 0x2c
#define SUBSYSTEM_ID 0x2e
#define ROM_ADDRESS 0x30
#define ROM_ENABLE 1u
#define CAPABILITIES 0x34
#define INTERRUPT_LINE 0x3c
#define INTERRUPT_PIN 0x3d
#define FIRST_CAPABILITY 0x40

#define NOWHERE UINT64_MAX
#define ROM 6
#define ROM_MOST (4 * MIB)

static unsigned bar_offset(unsigned bar)
{
    return bar == ROM ? ROM_ADDRESS : BASE_ADDRESS + 4 * bar;
}

int pci_parse_addr(const char *text, unsigned *devfn, struct error *err)
{
    unsigned long slot, function = 0;
    char *end;

    slot = strtoul(text, &end, 16);
    if (end != text && *end == '.') {
        const char *p = end + 1;

        function = strtoul(p, &end, 16);
        if (end == p)
            end = (char *)text;
    }
    if (end == text || *end || slot > 31 || function > 7)
        return error_set(err, -EINVAL, "addr=%s is not a PCI address: use SLOT.FUNCTION, such as 04.0",
                         text);
    *devfn = (unsigned)(slot << 3 | function);
    return 0;
}

/* ---- BARs ---- */

static uint64_t bar_address(const struct pci_function *fn, unsigned bar)
{
    const struct pci_bar *b = &fn->identity.bars[bar];
    const uint8_t *config = fn->regs->config;
    uint16_t command = get_le16(config + COMMAND);
    uint32_t low = get_le32(config + bar_offset(bar));
    uint64_t addr;

    if (fn->regs->gone)
        return NOWHERE;
    switch (b->kind) {
    case PCI_BAR_IO:
        addr = low & ~3u;
        /* an address of zero is a BAR nobody has set yet, and would shadow the board's own ports */
        if (!(command & COMMAND_IO) || !addr || addr + b->size > 0x10000)
            return NOWHERE;
        return addr;
    case PCI_BAR_MEM32:
        addr = low & ~15u;
        break;
    case PCI_BAR_MEM64:
        addr = (low & ~15u) | (uint64_t)get_le32(config + bar_offset(bar) + 4) << 32;
        break;
    case PCI_BAR_ROM:
        addr = low & ~0x7ffu;
        if (!(low & ROM_ENABLE))
            return NOWHERE;
        break;
    default:
        return NOWHERE;
    }
    /* the top 4 KiB below 4 GiB: all ones during sizing */
    if (!(command & COMMAND_MEMORY) || !addr || addr + b->size - 1 < addr ||
        (b->kind != PCI_BAR_MEM64 && addr + b->size > 0xfffff000u))
        return NOWHERE;
    return addr;
}

static void bar_place(struct pci_function *fn, unsigned bar, uint64_t addr)
{
    const struct pci_bar *b = &fn->identity.bars[bar];
    struct board *board = device_board(fn->dev);
    struct error err;

    /* one that found its place taken tries again: whoever was there may have left */
    if (addr == fn->at[bar] && (addr == NOWHERE || b->move || fn->mapped[bar]))
        return;
    region_unmap(fn->mapped[bar]);
    fn->mapped[bar] = NULL;
    fn->at[bar] = addr;
    if (b->move) {
        b->move(fn->state, addr);
        return;
    }
    if (addr == NOWHERE)
        return;
    if (region_map(&fn->mapped[bar], b->kind == PCI_BAR_IO ? board->ports : board->mmio, addr,
                   b->size, b->ops, bar == ROM ? (void *)fn : fn->state, &err) < 0)
        log_guest("%s: BAR %u: %s", device_id(fn->dev), bar, err.text);
}

/*
 * All BARs to where the registers say: first those that leave, then those that come, so that two
 * may trade places.
 */
static void place_bars(struct pci_function *fn)
{
    uint64_t addr[PCI_BARS];

    for (unsigned i = 0; i < PCI_BARS; i++) {
        addr[i] = fn->identity.bars[i].kind == PCI_BAR_NONE ? NOWHERE : bar_address(fn, i);
        if (addr[i] != fn->at[i])
            bar_place(fn, i, NOWHERE);
    }
    for (unsigned i = 0; i < PCI_BARS; i++)
        bar_place(fn, i, addr[i]);
}

static uint64_t rom_read(void *state, uint64_t offset, unsigned size)
{
    struct pci_function *fn = state;

    return get_le(fn->rom + offset, size);
}

static void rom_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
}

static const struct region_ops rom_ops = {
    .name = "pci-rom", .min_size = 1, .max_size = 8, .read = rom_read, .write = rom_write,
};

static int load_rom(struct pci_function *fn, const char *path, struct error *err)
{
    struct pci_bar *bar = &fn->identity.bars[ROM];
    struct stat st;
    uint64_t size = 2048;
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
    ssize_t got;

    if (fd < 0)
        return error_errno(err, "device %s: open the boot ROM %s", device_id(fn->dev), path);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
        st.st_size > (off_t)ROM_MOST) {
        rc = error_set(err, -EINVAL, "device %s: %s is not a boot ROM: it must be a file of at most 4 MiB",
                       device_id(fn->dev), path);
        goto out;
    }
    while (size < (uint64_t)st.st_size)
        size *= 2;
    fn->rom = malloc(size);
    if (!fn->rom) {
        rc = error_set(err, -ENOMEM, "device %s: out of memory", device_id(fn->dev));
        goto out;
    }
    memset(fn->rom, 0xff, size);
    got = read(fd, fn->rom, (size_t)st.st_size);
    if (got != st.st_size) {
        rc = error_set(err, -EIO, "device %s: read the boot ROM %s: it ended early",
                       device_id(fn->dev), path);
        goto out;
    }
    *bar = (struct pci_bar){ .kind = PCI_BAR_ROM, .size = size, .ops = &rom_ops };
out:
    close(fd);
    return rc;
}

/* ---- Configuration space ---- */

static uint32_t config_read(void *state, unsigned offset, unsigned size)
{
    struct pci_function *fn = state;

    if (fn->regs->gone)
        return UINT32_MAX;
    if (fn->identity.config_reading)
        fn->identity.config_reading(fn->state, offset, size);
    return (uint32_t)get_le(fn->regs->config + offset, size);
}

static void update_pin(struct pci_function *fn)
{
    uint8_t *config = fn->regs->config;
    bool off = get_le16(config + COMMAND) & COMMAND_INTX_OFF;

    config[STATUS] = (uint8_t)((config[STATUS] & ~STATUS_INTX) |
                               (fn->regs->intx ? STATUS_INTX : 0));
    irq_set(fn->irq, fn->regs->intx && !off && !fn->regs->gone);
}

static void config_write(void *state, unsigned offset, unsigned size, uint32_t value)
{
    struct pci_function *fn = state;
    uint8_t *config = fn->regs->config;
    bool moves = (offset < COMMAND + 2 && offset + size > COMMAND) ||
                 (offset < BASE_ADDRESS + 24 && offset + size > BASE_ADDRESS) ||
                 (offset < ROM_ADDRESS + 4 && offset + size > ROM_ADDRESS);

    if (fn->regs->gone)
        return;
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(value >> (8 * i)), mask = fn->writable[offset + i];

        config[offset + i] = (uint8_t)((config[offset + i] & ~mask) | (byte & mask));
        config[offset + i] &= (uint8_t)~(byte & fn->clears[offset + i]);
    }
    if (moves) {
        place_bars(fn);
        update_pin(fn);
    }
    if (fn->identity.config_written)
        fn->identity.config_written(fn->state, offset, size);
}

static const struct pci_config_ops config_ops = { .read = config_read, .write = config_write };

static void describe_masks(struct pci_function *fn)
{
    uint16_t command = COMMAND_MASTER | COMMAND_SERR | COMMAND_INTX_OFF;

    for (unsigned i = 0; i < PCI_BARS; i++) {
        const struct pci_bar *b = &fn->identity.bars[i];
        uint64_t mask = ~(b->size - 1);

        if (b->kind == PCI_BAR_NONE)
            continue;
        if (b->kind == PCI_BAR_IO) {
            put_le32(fn->writable + bar_offset(i), (uint32_t)(mask & ~3u));
            command |= COMMAND_IO;
            continue;
        }
        if (b->kind == PCI_BAR_ROM) {
            put_le32(fn->writable + ROM_ADDRESS, (uint32_t)(mask & ~0x7ffu) | ROM_ENABLE);
        } else {
            put_le32(fn->writable + bar_offset(i), (uint32_t)(mask & ~15u));
            if (b->kind == PCI_BAR_MEM64)
                put_le32(fn->writable + bar_offset(i) + 4, (uint32_t)(mask >> 32));
        }
        command |= COMMAND_MEMORY;
    }
    put_le16(fn->writable + COMMAND, command);
    fn->writable[0x0c] = 0xff; /* cache line size */
    fn->writable[0x0d] = 0xff; /* latency timer */
    fn->writable[INTERRUPT_LINE] = 0xff;
    fn->clears[STATUS + 1] = 0xf9;
}

int pci_function_attach(struct pci_function *fn, struct device *dev, void *state,
                        struct pci_regs *regs, unsigned devfn, const struct pci_identity *identity,
                        struct error *err)
{
    int rc;

    *fn = (struct pci_function){ .dev = dev, .state = state, .regs = regs, .devfn = devfn,
                                 .identity = *identity, .next_capability = FIRST_CAPABILITY };
    for (unsigned i = 0; i < PCI_BARS; i++)
        fn->at[i] = NOWHERE;
    if (identity->rom_file && *identity->rom_file) {
        rc = load_rom(fn, identity->rom_file, err);
        if (rc < 0)
            return rc;
    }
    describe_masks(fn);
    if (identity->pin)
        fn->irq = device_intx(dev, devfn >> 3, identity->pin - 1u);
    rc = pci_route_add(device_board(dev)->pci, devfn, &config_ops, fn, err);
    if (rc < 0) {
        free(fn->rom);
        fn->rom = NULL;
        fn->dev = NULL;
    }
    return rc;
}

void pci_function_detach(struct pci_function *fn)
{
    if (!fn->dev)
        return;
    for (unsigned i = 0; i < PCI_BARS; i++)
        bar_place(fn, i, NOWHERE);
    if (!fn->regs->gone)
        pci_route_remove(device_board(fn->dev)->pci, fn->devfn);
    free(fn->rom);
    fn->rom = NULL;
    fn->dev = NULL;
}

/* Registers that say what the function is, and that reset leaves as they are. */
static void write_identity(struct pci_function *fn)
{
    const struct pci_identity *id = &fn->identity;
    uint8_t *c = fn->regs->config;

    put_le16(c + VENDOR_ID, id->vendor);
    put_le16(c + DEVICE_ID, id->device);
    c[REVISION_ID] = id->revision;
    c[CLASS_CODE] = (uint8_t)id->class_code;
    put_le16(c + CLASS_CODE + 1, (uint16_t)(id->class_code >> 8));
    c[HEADER_TYPE] = id->header_type;
    put_le16(c + SUBSYSTEM_VENDOR, id->subsystem_vendor ? id->subsystem_vendor : 0x1af4);
    put_le16(c + SUBSYSTEM_ID, id->subsystem_vendor ? id->subsystem : 0x1100);
    c[INTERRUPT_PIN] = id->pin;
    for (unsigned i = 0; i < PCI_BARS; i++) {
        const struct pci_bar *b = &id->bars[i];

        if (b->kind == PCI_BAR_IO)
            c[bar_offset(i)] = 1;
        else if (b->kind == PCI_BAR_MEM32 || b->kind == PCI_BAR_MEM64)
            c[bar_offset(i)] = (uint8_t)((b->kind == PCI_BAR_MEM64 ? 4 : 0) |
                                         (b->prefetchable ? 8 : 0));
    }
}

void pci_function_reset(struct pci_function *fn)
{
    uint8_t *config = fn->regs->config;

    fn->regs->intx = 0;
    for (unsigned i = 0; i < 256; i++) /* what is neither writable nor clearing is fixed */
        config[i] &= (uint8_t) ~(fn->writable[i] | fn->clears[i]);
    write_identity(fn);
    place_bars(fn);
    update_pin(fn);
}

int pci_function_loaded(struct pci_function *fn, struct error *err)
{
    const struct pci_identity *id = &fn->identity;
    const uint8_t *c = fn->regs->config;

    if (get_le16(c + VENDOR_ID) != id->vendor || get_le16(c + DEVICE_ID) != id->device)
        return error_set(err, -EINVAL, "saved state of %s is of another PCI function, %04x:%04x",
                         device_id(fn->dev), get_le16(c + VENDOR_ID), get_le16(c + DEVICE_ID));
    if (fn->regs->gone)
        pci_route_remove(device_board(fn->dev)->pci, fn->devfn);
    place_bars(fn);
    update_pin(fn);
    return 0;
}

void pci_function_unplug(struct pci_function *fn)
{
    if (fn->regs->gone)
        return;
    fn->regs->gone = 1;
    fn->regs->intx = 0;
    place_bars(fn);
    update_pin(fn);
    pci_route_remove(device_board(fn->dev)->pci, fn->devfn);
}

unsigned pci_add_capability(struct pci_function *fn, uint8_t id, unsigned offset, unsigned size)
{
    uint8_t *c = fn->regs->config;

    if (!offset)
        offset = fn->next_capability;
    fn->next_capability = MAX(fn->next_capability, ROUND_UP(offset + size, 4));
    c[offset] = id;
    c[offset + 1] = c[CAPABILITIES];
    c[CAPABILITIES] = (uint8_t)offset;
    c[STATUS] |= STATUS_CAPABILITIES;
    return offset;
}

void pci_set_intx(struct pci_function *fn, bool level)
{
    if (fn->regs->intx == level)
        return;
    fn->regs->intx = level;
    update_pin(fn);
}

bool pci_bus_master(const struct pci_function *fn)
{
    return get_le16(fn->regs->config + COMMAND) & COMMAND_MASTER && !fn->regs->gone;
}

bool pci_io_enabled(const struct pci_function *fn)
{
    return get_le16(fn->regs->config + COMMAND) & COMMAND_IO && !fn->regs->gone;
}

bool pci_dma_read(struct pci_function *fn, uint64_t addr, void *buf, size_t length)
{
    if (pci_bus_master(fn))
        return dma_read(device_board(fn->dev)->memory, addr, buf, length);
    memset(buf, 0xff, length);
    return false;
}

bool pci_dma_write(struct pci_function *fn, uint64_t addr, const void *buf, size_t length)
{
    return pci_bus_master(fn) && dma_write(device_board(fn->dev)->memory, addr, buf, length);
}
