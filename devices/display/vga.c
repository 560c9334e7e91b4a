/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VGA as a whole: what it claims, its reset, and the judging of registers that were loaded. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "devices/display/vga.h"
#include "dm/base/bytes.h"
#include "dm/memory/vram.h"

static const struct screen_ops screen_ops = { .draw = vga_draw, .unwatched = vga_unwatched };

int vga_attach(struct vga *vga, struct device *dev, struct vga_regs *regs, struct vram *vram,
               size_t size, const struct vga_ops *ops, void *owner, struct error *err)
{
    struct screen *screen;
    int rc;

    assert((void *)vga == device_state(dev)); /* which is what handlers are called with */
    *vga = (struct vga){
        .dev = dev, .regs = regs, .vram = vram, .bytes = vram_bytes(vram), .size = size,
        .ops = ops, .owner = owner,
    };
    vga->dirty = calloc(1, DIV_ROUND_UP(size / PAGE_BYTES, 8) + 1);
    vga->bounce = malloc(VGA_LINE_BYTES);
    vga->pixels = malloc((SCREEN_MAX_WIDTH + 64) * sizeof(*vga->pixels));
    if (!vga->dirty || !vga->bounce || !vga->pixels)
        return error_set(err, -ENOMEM, "device %s: out of memory", device_id(dev));
    /* 0x3bc-0x3bf is a parallel port's. */
    rc = device_ports(dev, 0x3b0, 0x0c, &vga_low_ports_ops, err);
    if (rc == 0)
        rc = device_ports(dev, 0x3c0, 0x20, &vga_ports_ops, err);
    if (rc == 0)
        rc = device_mmio(dev, 0xa0000, 0x20000, &vga_window_ops, err);
    if (rc < 0)
        return rc;
    if (*device_text(dev, "screen")) {
        screen = device_host_end(dev, "screen", "screen", err);
        if (!screen)
            return -ENOENT;
        rc = screen_attach(screen, device_board(dev)->loop, &screen_ops, vga, err);
        if (rc < 0)
            return rc;
        vga->screen = screen;
    }
    return 0;
}

void vga_detach(struct vga *vga)
{
    if (vga->screen)
        screen_detach(vga->screen);
    vga->screen = NULL;
    free(vga->dirty);
    free(vga->bounce);
    free(vga->pixels);
    vga->dirty = NULL;
    vga->bounce = NULL;
    vga->pixels = NULL;
}

void vga_reset(struct vga *vga)
{
    memset(vga->regs, 0, sizeof(*vga->regs));
    vga->regs->dac_mask = 0xff;
}

/* Every value of a register is one the guest could have written, but for those used as counters. */
int vga_loaded(struct vga *vga, struct error *err)
{
    const struct vga_regs *r = vga->regs;

    if (r->dac_part > 2 || r->attr_is_data > 1 || r->status_toggle > 1)
        return error_set(err, -EINVAL, "saved state of %s: VGA registers that cannot be",
                         device_id(vga->dev));
    memset(vga->row_seen, 0, sizeof(vga->row_seen));
    memset(&vga->drawn, 0, sizeof(vga->drawn));
    return 0;
}
