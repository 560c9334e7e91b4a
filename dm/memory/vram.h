/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_MEMORY_VRAM_H
#define DM_MEMORY_VRAM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct backing;
struct error;

/*
 * Video memory: guest frames that we populate above the guest's RAM, keep mapped for good, and
 * move into the guest's sight when the framebuffer BAR is decoded (contract 8.7). The display
 * device's loop only.
 */
struct vram;

#define VRAM_HIDDEN UINT64_MAX

/* `size` in bytes, whole pages. `scratch_gfn`: where the frames stay while hidden. */
int vram_open(struct vram **out, struct backing *backing, size_t size, uint64_t scratch_gfn,
              struct error *err);
void vram_close(struct vram *vram); /* the frames are the guest's and stay; NULL is fine */

uint8_t *vram_bytes(struct vram *vram);
size_t vram_size(const struct vram *vram);

/* Puts the first byte at guest address `addr` (page aligned), or away with VRAM_HIDDEN. */
int vram_move(struct vram *vram, uint64_t addr, struct error *err);
uint64_t vram_address(const struct vram *vram);

/* We wrote [offset, offset + length): remembered as dirty, and told to log-dirty when it is on. */
void vram_touch(struct vram *vram, size_t offset, size_t length);
void vram_log_dirty(struct vram *vram, bool on);

/*
 * What was written since the last call, by the guest or by vram_touch(): bit i of `bitmap` is page
 * i of [offset, offset + length), rounded out to whole pages. Asking about another range than the
 * last time answers all ones. vram_untrack() ends the cost of tracking when nobody looks.
 */
void vram_dirty(struct vram *vram, size_t offset, size_t length, uint8_t *bitmap);
void vram_untrack(struct vram *vram);
#endif
