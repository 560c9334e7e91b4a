/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The standard VGA on PCI, 1234:1111: a VGA, the Bochs display interface, a linear framebuffer in
 * BAR 0 and registers in BAR 2. Document: QEMU's docs/specs/standard-vga. The framebuffer is guest
 * memory that moves with its BAR; legacy ports and window are decoded whatever the command
 * register says, as firmware expects of the machine's first display.
 */
#include <errno.h>
#include <string.h>
#include "devices/display/edid.h"
#include "devices/display/vbe.h"
#include "devices/display/vga.h"
#include "devices/pci/function.h"
#include "dm/base/bytes.h"
#include "dm/base/log.h"
#include "dm/memory/vram.h"

#define MMIO_BYTES 0x1000
#define MMIO_EDID_END 0x400
#define MMIO_PORTS 0x400
#define MMIO_PORTS_END 0x420
#define MMIO_VBE 0x500
#define MMIO_VBE_END (MMIO_VBE + 2 * VBE_REGS)
#define MMIO_EXTENSION 0x600 /* its size, then the byte order of the framebuffer */
#define EXTENSION_BYTES 8
#define LITTLE_ENDIAN_FB 0x1e1e1e1eu
#define BIG_ENDIAN_FB 0xbebebebeu

struct std_regs {
    struct pci_regs pci;
    struct vga_regs vga;
    struct vbe_regs vbe;
};

struct std {
    struct vga vga; /* first: its handlers are called with the private state */
    struct std_regs *regs;
    struct pci_function pci;
    struct vram *vram;
    uint8_t edid[EDID_BYTES];
};

/* ---- The Bochs display interface at its ports ---- */

static void write_vbe(struct std *s, unsigned reg, uint16_t value)
{
    size_t clear = vbe_write(&s->regs->vbe, reg, value, s->vga.size);

    if (clear) {
        memset(s->vga.bytes, 0, clear);
        vram_touch(s->vram, 0, clear);
    }
}

static uint64_t dispi_read(void *state, uint64_t offset, unsigned size)
{
    struct std *s = state;

    if (offset == 0)
        return s->regs->vbe.index;
    return vbe_read(&s->regs->vbe, s->regs->vbe.index, s->vga.size);
}

/* Index at 0x1ce; data at 0x1cf, or at 0x1d0 for those that cannot write unaligned. */
static void dispi_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct std *s = state;

    if (offset == 0)
        s->regs->vbe.index = (uint16_t)value;
    else
        write_vbe(s, s->regs->vbe.index, (uint16_t)value);
}

static const struct region_ops dispi_ops = {
    .name = "vga-dispi", .min_size = 1, .max_size = 2, .read = dispi_read, .write = dispi_write,
};

static bool std_mode(void *owner, struct vga_mode *mode)
{
    struct std *s = owner;

    if (!vbe_enabled(&s->regs->vbe))
        return false;
    vbe_mode(&s->regs->vbe, s->vga.size, mode);
    return true;
}

/* A linear mode shows itself in the window 64 KiB at a time; a planar one goes the VGA's way. */
static uint8_t *banked(struct std *s, uint32_t offset)
{
    const struct vbe_regs *v = &s->regs->vbe;
    size_t at = v->value[VBE_BANK] * (size_t)65536 + offset;

    return offset < 65536 && at < s->vga.size ? s->vga.bytes + at : NULL;
}

static bool linear(const struct std *s)
{
    return vbe_enabled(&s->regs->vbe) && s->regs->vbe.value[VBE_BPP] != 4;
}

static bool std_window_read(void *owner, uint32_t offset, uint8_t *value)
{
    struct std *s = owner;
    const uint8_t *p;

    if (!linear(s))
        return false;
    p = banked(s, offset);
    *value = p ? *p : 0xff;
    return true;
}

static bool std_window_write(void *owner, uint32_t offset, uint8_t value)
{
    struct std *s = owner;
    uint8_t *p;

    if (!linear(s))
        return false;
    p = banked(s, offset);
    if (p) {
        *p = value;
        vram_touch(s->vram, (size_t)(p - s->vga.bytes), 1);
    }
    return true;
}

static const struct vga_ops std_vga_ops = {
    .mode = std_mode, .window_read = std_window_read, .window_write = std_window_write,
};

/* ---- BARs ---- */

static uint8_t mmio_byte(struct std *s, uint32_t offset)
{
    if (offset < MMIO_EDID_END)
        return offset < EDID_BYTES ? s->edid[offset] : 0;
    if (offset < MMIO_PORTS_END)
        return vga_port_read(&s->vga, 0x3c0 + offset - MMIO_PORTS);
    if (offset >= MMIO_VBE && offset < MMIO_VBE_END) {
        unsigned reg = (offset - MMIO_VBE) / 2;

        return (uint8_t)(vbe_read(&s->regs->vbe, reg, s->vga.size) >> (8 * (offset & 1)));
    }
    if (offset >= MMIO_EXTENSION && offset < MMIO_EXTENSION + EXTENSION_BYTES)
        return (uint8_t)((offset < MMIO_EXTENSION + 4 ? EXTENSION_BYTES : LITTLE_ENDIAN_FB) >>
                         (8 * (offset & 3)));
    return 0xff;
}

static uint64_t mmio_read(void *state, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)mmio_byte(state, (uint32_t)offset + i) << (8 * i);
    return value;
}

static void mmio_write(void *state, uint64_t offset, unsigned size, uint64_t value)
{
    struct std *s = state;

    if (offset >= MMIO_PORTS && offset < MMIO_PORTS_END) {
        for (unsigned i = 0; i < size && offset + i < MMIO_PORTS_END; i++)
            vga_port_write(&s->vga, 0x3c0 + (unsigned)offset + i - MMIO_PORTS,
                           (uint8_t)(value >> (8 * i)));
    } else if (offset >= MMIO_VBE && offset < MMIO_VBE_END && !(offset & 1)) {
        unsigned reg = (unsigned)(offset - MMIO_VBE) / 2;

        if (size == 1) /* half of a register */
            value = (vbe_read(&s->regs->vbe, reg, s->vga.size) & 0xff00) | (value & 0xff);
        for (unsigned i = 0; i < size; i += 2)
            write_vbe(s, reg + i / 2, (uint16_t)(value >> (8 * i)));
    }
    /* the byte order of the framebuffer stays little-endian, as x86 guests have it */
}

static const struct region_ops mmio_ops = {
    .name = "vga-mmio", .min_size = 1, .max_size = 4, .read = mmio_read, .write = mmio_write,
};

static void framebuffer_move(void *state, uint64_t addr)
{
    struct std *s = state;
    struct error err;

    if (vram_move(s->vram, addr, &err) < 0)
        log_guest("VGA framebuffer: %s", err.text);
}

/* ---- The device ---- */

static int std_attach(struct device *dev, struct error *err)
{
    struct std *s = device_state(dev);
    uint64_t mb = device_number(dev, "vgamem_mb");
    uint64_t width = device_number(dev, "xres"), height = device_number(dev, "yres");
    struct pci_identity identity = {
        .vendor = 0x1234, .device = 0x1111, .revision = 2, .class_code = 0x030000,
        .rom_file = device_text(dev, "romfile"),
        .bars = {
            [0] = { .kind = PCI_BAR_MEM32, .prefetchable = true, .move = framebuffer_move },
            [2] = { .kind = PCI_BAR_MEM32, .size = MMIO_BYTES, .ops = &mmio_ops },
        },
    };
    unsigned devfn;
    int rc;

    s->regs = device_regs(dev);
    if (mb < 1 || mb > 512)
        return error_set(err, -EINVAL, "device %s: vgamem_mb=%llu must be from 1 to 512",
                         device_id(dev), (unsigned long long)mb);
    while (mb & (mb - 1)) /* a BAR is a power of two; more frames than asked for may not be had */
        mb &= mb - 1;
    if (width < 320 || width > SCREEN_MAX_WIDTH || height < 200 || height > SCREEN_MAX_HEIGHT)
        return error_set(err, -EINVAL, "device %s: xres and yres must be from 320x200 to %ux%u",
                         device_id(dev), SCREEN_MAX_WIDTH, SCREEN_MAX_HEIGHT);
    rc = pci_parse_addr(device_text(dev, "addr"), &devfn, err);
    if (rc == 0)
        rc = vram_open(&s->vram, device_board(dev)->backing, mb * MIB,
                       device_number(dev, "vram_gfn"), err);
    if (rc < 0)
        return rc;
    edid_make(s->edid, (unsigned)width, (unsigned)height);
    rc = vga_attach(&s->vga, dev, &s->regs->vga, s->vram, mb * MIB, &std_vga_ops, s, err);
    if (rc == 0)
        rc = device_ports(dev, 0x1ce, 4, &dispi_ops, err);
    if (rc < 0)
        return rc;
    identity.bars[0].size = mb * MIB;
    rc = pci_function_attach(&s->pci, dev, s, &s->regs->pci, devfn, &identity, err);
    if (rc == 0)
        s->pci.writable[4] |= 1; /* I/O space: no BAR has it, the legacy ports do */
    return rc;
}

static void std_detach(struct device *dev)
{
    struct std *s = device_state(dev);

    vga_detach(&s->vga);
    pci_function_detach(&s->pci);
    vram_close(s->vram);
}

static void std_reset(struct device *dev)
{
    struct std *s = device_state(dev);

    vga_reset(&s->vga);
    vbe_reset(&s->regs->vbe);
    pci_function_reset(&s->pci);
}

static int std_loaded(struct device *dev, struct error *err)
{
    struct std *s = device_state(dev);
    int rc = vga_loaded(&s->vga, err);

    if (rc == 0)
        rc = pci_function_loaded(&s->pci, err);
    if (rc == 0 && vbe_enabled(&s->regs->vbe))
        vbe_judge(&s->regs->vbe, s->vga.size);
    return rc;
}

static void std_log_dirty(struct device *dev, bool on)
{
    struct std *s = device_state(dev);

    vram_log_dirty(s->vram, on);
}

static const struct device_option std_options[] = {
    { "addr", OPTION_TEXT, "03.0" },
    { "vgamem_mb", OPTION_NUMBER, "16" },
    { "vram_gfn", OPTION_NUMBER, "0xf00000" }, /* where the frames stay while the BAR is off */
    { "romfile", OPTION_TEXT, "" },
    { "screen", OPTION_TEXT, "" },
    { "xres", OPTION_NUMBER, "1280" },         /* what the monitor prefers */
    { "yres", OPTION_NUMBER, "800" },
    { 0 },
};

static const struct saved_field std_saved[] = {
    SAVED_PCI(struct std_regs), SAVED_VGA(struct std_regs), SAVED_VBE(struct std_regs), { 0 },
};

const struct device_class vga_class = {
    .name = "VGA", .summary = "standard VGA with the Bochs display interface",
    .state_size = sizeof(struct std), .regs_size = sizeof(struct std_regs),
    .options = std_options, .saved = std_saved, .version = 1,
    .attach = std_attach, .detach = std_detach, .reset = std_reset, .loaded = std_loaded,
    .log_dirty = std_log_dirty,
};
