/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_KIT_COUNTED_H
#define TESTS_KIT_COUNTED_H
#include <stdbool.h>
#include "dm/memory/backing.h"
#include "dm/memory/memory.h"

/* A backing in front of the local one that counts maps and can miss frames. */
struct counted {
    struct backing backing;
    struct backing_ops ops;
    struct backing *real;
    unsigned maps, unmaps;
    uint64_t missing; /* a frame that the guest has ballooned out; 0: none */
    bool refuse;
    void (*in_map)(void *arg); /* called while frames are mapped; NULL: nobody */
    void *arg;
};

void counted_open(struct counted *c, const struct memory_layout *layout);
void counted_close(struct counted *c); /* all that was mapped is unmapped */
#endif
