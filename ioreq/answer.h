/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IOREQ_ANSWER_H
#define IOREQ_ANSWER_H
#include <stdint.h>

/*
 * An answer that comes later. A region's handler that cannot answer now (it must wait for a disk
 * to drain, say) calls answer_defer() and returns anything; the vCPU waits until somebody calls
 * answer_complete() on the same loop. NULL where the access cannot wait (a posted write): the
 * handler then starts the work and returns.
 */
struct answer;

struct answer *answer_defer(void);
void answer_complete(struct answer *answer, uint64_t value); /* once; NULL is fine */
#endif
