/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_KIT_BENCH_H
#define TESTS_FUZZ_KIT_BENCH_H
#include <stdbool.h>
#include <stdint.h>
#include "dm/display/input.h"
#include "dm/display/screen.h"
#include "dm/memory/backing.h"
#include "ioreq/dispatch.h"
#include "tests/fuzz/kit/input.h"
#include "tests/kit/net.h"
#include "tests/kit/pc.h"
struct drive;
struct chardev;

/*
 * A bench of devices for the fuzzer: tests/kit's, with every host end there is. It is built once;
 * after each input all is put back, and what must hold is held against it: registers and wires as
 * fresh, nothing pinned, nothing in flight, no timer set, and every page of guest memory that was
 * written was reported as written. So inputs do not see one another, and find more than crashes.
 */
#define BENCH_RAM 0x40000u           /* [0, here) */
#define BENCH_HIGH 0x10000u          /* [4 GiB, 4 GiB + here) */
#define BENCH_MMIO_AT 0xe0000000u    /* where BARs are put */
#define BENCH_PORTS_AT 0xc000u
#define BENCH_DEVICES 20
#define BENCH_DRAWS 6 /* an input */
#define BENCH_FUNCTIONS 8
#define BENCH_SPANS 64

struct family {
    const char *const *devices; /* "class,option=value,..."; NULL ends */
    const char *dictionary;
    /* After BARs are placed; what a driver would set up. May be NULL. */
    void (*prologue)(struct input *in);
};

struct bench_span {
    uint64_t base, length;
    bool port;
};

struct bench {
    struct pc pc;
    struct backing backing; /* tells us what is written; in front of the bench's own */
    const struct family *family;
    struct drive *drives[4];
    struct net net[2];
    struct chardev *chardev;
    int line; /* the other end of the chardev */
    struct screen *screen;
    struct screen_viewer *viewer;
    struct input *input;
    unsigned devfn[BENCH_FUNCTIONS], functions;
    struct bench_span spans[BENCH_SPANS];
    unsigned span_count;
    bool spans_stale;
    bool spoiled; /* what no reset brings back: build it anew */
    uint8_t *fresh[BENCH_DEVICES];
    struct pc wires; /* as fresh */
    /* Guest memory: what was written. */
    uint64_t vram_gfn, vram_pages;
    uint8_t *vram;
    bool ram_dirty[BENCH_RAM / 4096], high_dirty[BENCH_HIGH / 4096], vram_dirty[4096];
    unsigned line_bytes; /* sent down the serial line */
    unsigned items, draws, steps; /* what is left of the budgets of this input */
};

extern struct bench bench;

void bench_begin(const struct family *family); /* builds it the first time */
void bench_end(void);                          /* puts it back and holds what must hold */
void bench_rebuild(void);
void bench_enable(void); /* BARs placed, decoding and bus mastering on */
void bench_look_around(void);
void bench_settle(void);
void bench_drain(struct device *dev); /* before its registers are saved */

uint64_t bench_io(const struct io_request *req);
uint64_t bench_in(uint64_t port, unsigned size);
void bench_out(uint64_t port, unsigned size, uint32_t value);
uint32_t bench_read(uint64_t addr, unsigned size);
void bench_write(uint64_t addr, unsigned size, uint32_t value);
uint32_t bench_config_read(unsigned devfn, unsigned offset, unsigned size);
void bench_config(unsigned devfn, unsigned offset, unsigned size, uint32_t value);
void bench_poke(uint64_t addr, const void *bytes, size_t n); /* the guest writes memory */

/* Ends the process with a sentence: what must hold does not. */
void bench_broken(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
#endif
