/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ATAPI: packets of twelve bytes to a drive with and without a medium, their answers read or their
 * data written, by PIO and by DMA, with media changes and whatever else between them.
 */
#include "tests/fuzz/kit/play.h"
#include "tests/fuzz/kit/disk.h"

#define PORT 0x170u
#define BUSY 0x80u
#define DRQ 0x08u
#define PRDS 0x1000u

static unsigned ready(void)
{
    unsigned status = bench_in(PORT + 7, 1) & 0xff;

    for (int i = 0; status & BUSY && i < 50; i++) {
        bench_settle();
        status = bench_in(PORT + 7, 1) & 0xff;
    }
    return status;
}

/* All data phases of a packet, as far as the budget goes. */
static void phases(struct input *in, unsigned most)
{
    while (ready() & DRQ && most--) {
        struct io_request req = { .type = IO_PORT, .size = 2, .addr = PORT, .in_memory = true };
        unsigned bytes = (bench_in(PORT + 4, 1) & 0xff) | (bench_in(PORT + 5, 1) & 0xff) << 8;

        req.read = bench_in(PORT + 2, 1) & 2;
        req.count = (bytes + 1) / 2 + (take8(in) == 0xff); /* one word too many is a try as well */
        req.data = 0x8000;
        bench_io(&req);
    }
}

static void packet(struct input *in)
{
    uint8_t how = take8(in);
    bool dma = how & 1;

    bench_out(PORT + 6, 1, how & 2 ? 0xb0 : 0xa0);
    bench_out(PORT + 1, 1, dma | (how & 4) >> 1);
    bench_out(PORT + 4, 1, how & 8 ? take8(in) : 0xfe);
    bench_out(PORT + 5, 1, how & 8 ? take8(in) : 0xff);
    if (dma) {
        bench_out(BENCH_PORTS_AT + 12, 4, PRDS);
        bench_out(BENCH_PORTS_AT + 10, 1, 0x06);
        bench_out(BENCH_PORTS_AT + 8, 1, how & 0x10 ? 0x01 : 0x09);
    }
    bench_out(PORT + 7, 1, 0xa0);
    ready();
    for (unsigned i = 0; i < 6; i++)
        bench_out(PORT, 2, take16(in));
    if (!(how & 0x20))
        phases(in, 1 + (how >> 6) * 20);
    if (dma && !(how & 0x40))
        bench_out(BENCH_PORTS_AT + 8, 1, 0);
}

/* Three pieces of memory, the last one far too long. */
static void prologue(struct input *in)
{
    static const uint8_t prds[] = { 0x00, 0x80, 0, 0, 0x00, 0x08, 0, 0, 0xf0, 0x9f, 0, 0, 0x20, 0, 0, 0,
                                    0x00, 0xc0, 3, 0, 0x00, 0x00, 0, 0x80 };

    bench_poke(PRDS, prds, sizeof(prds));
}

static const char *const devices[] = { "piix3-ide,drive2=cd2,drive3=cd3", NULL };
static const struct family family = { .devices = devices, .prologue = prologue };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input in = { bytes, size };

    bench_begin(&family);
    bench_enable();
    prologue(&in);
    for (unsigned i = 0; in.left && i < 40; i++) {
        uint8_t what = take8(&in);

        if (what < 0xe0)
            packet(&in);
        else
            play_some(&in, 1 + (what & 7));
    }
    bench_end();
    return 0;
}
