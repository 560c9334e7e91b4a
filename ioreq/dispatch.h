/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IOREQ_DISPATCH_H
#define IOREQ_DISPATCH_H
#include <stdbool.h>
#include <stdint.h>
#include "ioreq/answer.h"
struct memory;
struct pci_routes;
struct space;
struct tape;

/*
 * From a private copy of a request to its answer. Knows nothing of Xen's pages: server.c takes
 * and puts, tests call it directly. The home loop's only.
 */
enum io_type { IO_PORT, IO_MMIO, IO_CONFIG };

struct io_request {
    enum io_type type;
    bool read;       /* device to guest */
    bool in_memory;  /* data is a guest address that the items come from or go to */
    bool descending; /* the direction flag: later items lie lower */
    unsigned size;   /* bytes an item: 1, 2, 4, 8 */
    uint32_t count;
    uint64_t addr; /* port, guest address, or devfn << 32 | offset */
    uint64_t data;
};

struct io_targets {
    struct space *ports, *mmio;
    struct pci_routes *pci;
    struct memory *memory;
};

/* The item being waited for; embedded in the work, opaque. */
struct answer {
    struct io_work *work;
    bool deferred, completed;
    uint64_t value;
};

struct io_work {
    struct io_request req;
    const struct io_targets *targets;
    void (*done)(struct io_work *work, uint64_t data); /* for work that was pending */
    uint32_t next;   /* item */
    uint64_t result; /* of the last read */
    struct answer answer;
    bool can_wait;
};

/*
 * Performs req. True: done, the answer is in *data. False: some handler will answer later, and
 * work->done is called then; the work must stay where it is. A request that cannot be is answered
 * with all-ones.
 */
bool io_start(struct io_work *work, uint64_t *data);

/* The request that was recorded (TAPE_IO); work's targets and done are set. Calls done in any case. */
void io_play(struct io_work *work, struct tape *tape);
#endif
