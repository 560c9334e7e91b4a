/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICES_DISPLAY_VBE_H
#define DEVICES_DISPLAY_VBE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct vga_mode;

/*
 * The Bochs display interface: sixteen-bit registers behind an index, which set linear modes of any
 * size. Knows no bus and no VGA; its owner asks it what mode it is in. The display's loop only.
 */
enum { VBE_ID, VBE_XRES, VBE_YRES, VBE_BPP, VBE_ENABLE, VBE_BANK, VBE_VIRT_WIDTH, VBE_VIRT_HEIGHT,
       VBE_X_OFFSET, VBE_Y_OFFSET, VBE_MEMORY_64K, VBE_REGS };

#define VBE_ENABLED 0x01
#define VBE_GETCAPS 0x02
#define VBE_8BIT_DAC 0x20
#define VBE_LFB 0x40
#define VBE_NOCLEAR 0x80

struct vbe_regs {
    uint16_t index;
    uint16_t value[16];
};
#define SAVED_VBE(type) SAVED(type, vbe.index), SAVED_ARRAY(type, vbe.value)

void vbe_reset(struct vbe_regs *r);
uint16_t vbe_read(const struct vbe_regs *r, unsigned reg, size_t memory);
/* Returns how many bytes from the start of memory the guest wants cleared. */
size_t vbe_write(struct vbe_regs *r, unsigned reg, uint16_t value, size_t memory);
static inline bool vbe_enabled(const struct vbe_regs *r)
{
    return r->value[VBE_ENABLE] & VBE_ENABLED;
}
/* Fills in the geometry; the mode is enabled, and judged against `memory`. */
void vbe_mode(const struct vbe_regs *r, size_t memory, struct vga_mode *mode);
/* Puts values that a guest could not have set back inside their limits. */
void vbe_judge(struct vbe_regs *r, size_t memory);
#endif
