/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_BLOCK_BUFFERS_H
#define PV_BACKENDS_BLOCK_BUFFERS_H
#include <stddef.h>
#include <stdint.h>

/*
 * Memory of our own for data on its way between a guest and a disk: page aligned, by powers of two,
 * kept for the next request. Bounded for each queue, whatever the guest asks for. The queue's loop.
 */
struct buffers;

#define BUFFERS_MOST (4u << 20) /* bytes of a queue */

int buffers_open(struct buffers **out); /* -ENOMEM */
void buffers_close(struct buffers *b);  /* all were given back; NULL is fine */
/* At most 1 MiB; NULL: not now. */
uint8_t *buffers_get(struct buffers *b, uint64_t length);
void buffers_put(struct buffers *b, uint8_t *p, uint64_t length); /* as it was got; NULL is fine */
#endif
