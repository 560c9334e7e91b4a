/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BASE_ARENA_H
#define DM_BASE_ARENA_H
#include <stddef.h>
struct error;

/*
 * The state arena: one memfd that holds the register struct of every device, and nothing else, so
 * that all a guest can see can be saved, compared, or handed to another process as one. Pieces are
 * zeroed, 64-byte aligned, named, and live as long as the arena. The machine loop's only, but what
 * a piece holds belongs to its device's loop.
 */
struct arena;

int arena_open(struct arena **out, size_t bytes, struct error *err);
void arena_close(struct arena *arena);
/* NULL when the arena is full. A name already in it gives that same piece back, if sizes agree. */
void *arena_piece(struct arena *arena, const char *name, size_t bytes);
int arena_fd(const struct arena *arena);
size_t arena_used(const struct arena *arena);
#endif
