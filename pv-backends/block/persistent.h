/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_BLOCK_PERSISTENT_H
#define PV_BACKENDS_BLOCK_PERSISTENT_H
#include <stdbool.h>
#include <stdint.h>
struct grants;

/*
 * Pages that the frontend promised to use again (feature-persistent): mapped when first seen, and
 * kept. Bounded; where it is full, or a page cannot be mapped, the caller copies instead.
 */
struct persistent;

int persistent_open(struct persistent **out, struct grants *grants, unsigned most); /* -ENOMEM */
void persistent_close(struct persistent *p); /* unmaps all; NULL is fine */
/* The page behind `ref`, mapped for writing too if `writable`; NULL: not to be had this way. */
uint8_t *persistent_page(struct persistent *p, uint32_t ref, bool writable);
unsigned persistent_count(const struct persistent *p);
#endif
