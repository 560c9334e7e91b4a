/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cirrus Logic CL-GD5446 on PCI, 1013:00b8: what xl gives a guest that asks for nothing else.
 * Document: CL-GD5446 Technical Reference Manual. The chip has 4 MiB of memory and no more,
 * whatever the configuration says; the rest of the frames are the guest's to ignore.
 */
#include "devices/display/cirrus.h"
#include <errno.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/memory/vram.h"

#define CHIP_MEMORY (4 * MIB)
#define LINEAR_BYTES (32 * MIB)
#define MMIO_BYTES 0x1000

static const struct vga_ops cirrus_vga_ops = {
    .mode = cirrus_mode,
    .port_read = cirrus_port_read, .port_write = cirrus_port_write,
    .window_read = cirrus_window_read, .window_write = cirrus_window_write,
    .overlay_lines = cirrus_overlay_lines, .overlay = cirrus_overlay,
};

static int cirrus_attach(struct device *dev, struct error *err)
{
    struct cirrus *c = device_state(dev);
    uint64_t mb = device_number(dev, "vgamem_mb");
    const struct pci_identity identity = {
        .vendor = 0x1013, .device = 0x00b8, .class_code = 0x030000,
        .rom_file = device_text(dev, "romfile"),
        .bars = {
            [0] = { .kind = PCI_BAR_MEM32, .prefetchable = true, .size = LINEAR_BYTES,
                    .move = cirrus_framebuffer_move },
            [1] = { .kind = PCI_BAR_MEM32, .size = MMIO_BYTES, .ops = &cirrus_mmio_ops },
        },
    };
    unsigned devfn;
    int rc;

    c->regs = device_regs(dev);
    c->framebuffer = UINT64_MAX;
    timer_init_recorded(&c->trap_timer, device_board(dev)->loop, cirrus_trap_expired, c);
    if (mb < 4 || mb > 16)
        return error_set(err, -EINVAL, "device %s: vgamem_mb=%llu must be from 4 to 16",
                         device_id(dev), (unsigned long long)mb);
    rc = pci_parse_addr(device_text(dev, "addr"), &devfn, err);
    if (rc == 0)
        rc = vram_open(&c->vram, device_board(dev)->backing, mb * MIB,
                       device_number(dev, "vram_gfn"), err);
    if (rc == 0)
        rc = vga_attach(&c->vga, dev, &c->regs->vga, c->vram, CHIP_MEMORY, &cirrus_vga_ops, c,
                        err);
    if (rc == 0)
        rc = pci_function_attach(&c->pci, dev, c, &c->regs->pci, devfn, &identity, err);
    if (rc == 0)
        c->pci.writable[4] |= 1; /* I/O space: no BAR has it, the legacy ports do */
    return rc;
}

static void cirrus_detach(struct device *dev)
{
    struct cirrus *c = device_state(dev);

    vga_detach(&c->vga);
    pci_function_detach(&c->pci);
    cirrus_memory_detach(c);
    vram_close(c->vram);
}

static void cirrus_reset(struct device *dev)
{
    struct cirrus *c = device_state(dev);
    struct cirrus_regs *r = c->regs;

    vga_reset(&c->vga);
    r->vga.seq[0x06] = 0x0f;
    r->vga.seq[0x0f] = 0x98; /* 64 bits wide, two banks of 2 MiB */
    r->vga.seq[0x15] = 0x04;
    r->vga.seq[0x17] = 0x20; /* on PCI */
    r->vga.seq[0x1f] = 0x2d; /* memory clock */
    r->vga.gr[0x18] = 0x0f;
    r->hidden_dac = 0x05;
    r->hidden_reads = 0;
    r->cursor_x = r->cursor_y = 0;
    memset(r->cursor_palette, 0, sizeof(r->cursor_palette));
    memset(&r->blit, 0, sizeof(r->blit));
    pci_function_reset(&c->pci);
    timer_clear(&c->trap_timer);
    cirrus_trap_expired(c);
}

static int cirrus_loaded(struct device *dev, struct error *err)
{
    struct cirrus *c = device_state(dev);
    const struct cirrus_regs *r = c->regs;
    int rc = vga_loaded(&c->vga, err);

    if (rc < 0)
        return rc;
    if (r->hidden_reads > 4 || r->vga.gr_index > 0x3f || r->cursor_x > 0x7ff ||
        r->cursor_y > 0x7ff || !cirrus_blit_possible(&r->blit))
        return error_set(err, -EINVAL, "saved state of %s: Cirrus registers that cannot be",
                         device_id(dev));
    rc = pci_function_loaded(&c->pci, err);
    if (rc == 0)
        cirrus_update_trap(c);
    return rc;
}

static void cirrus_log_dirty(struct device *dev, bool on)
{
    struct cirrus *c = device_state(dev);

    vram_log_dirty(c->vram, on);
}

static const struct device_option cirrus_options[] = {
    { "addr", OPTION_TEXT, "03.0" },
    { "vgamem_mb", OPTION_NUMBER, "8" },
    { "vram_gfn", OPTION_NUMBER, "0xf00000" }, /* where the frames stay while the BAR is off */
    { "romfile", OPTION_TEXT, "" },
    { "screen", OPTION_TEXT, "" },
    { 0 },
};

#define BLIT(field) SAVED(struct cirrus_regs, blit.field)
#define BLIT_ARRAY(field) SAVED_ARRAY(struct cirrus_regs, blit.field)
static const struct saved_field cirrus_saved[] = {
    SAVED_PCI(struct cirrus_regs), SAVED_VGA(struct cirrus_regs),
    SAVED(struct cirrus_regs, hidden_dac), SAVED(struct cirrus_regs, hidden_reads),
    SAVED(struct cirrus_regs, cursor_x), SAVED(struct cirrus_regs, cursor_y),
    SAVED_ARRAY(struct cirrus_regs, cursor_palette), SAVED_ARRAY(struct cirrus_regs, reserved),
    BLIT(dst), BLIT(src), BLIT(width), BLIT(height), BLIT(dst_pitch), BLIT(src_pitch),
    BLIT_ARRAY(fg), BLIT_ARRAY(bg), BLIT_ARRAY(key), BLIT(mode), BLIT(ext), BLIT(rop),
    BLIT(skip), BLIT(host), BLIT(reserved), BLIT(filled), BLIT(line), BLIT_ARRAY(data), { 0 },
};

const struct device_class cirrus_vga_class = {
    .name = "cirrus-vga", .summary = "Cirrus Logic GD5446",
    .state_size = sizeof(struct cirrus), .regs_size = sizeof(struct cirrus_regs),
    .options = cirrus_options, .saved = cirrus_saved, .version = 1,
    .attach = cirrus_attach, .detach = cirrus_detach, .reset = cirrus_reset,
    .loaded = cirrus_loaded, .log_dirty = cirrus_log_dirty,
};
