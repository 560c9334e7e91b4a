/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What drivers write before the first descriptor is looked at. */
#include "tests/fuzz/kit/bench.h"
#include "tests/fuzz/kit/rings.h"

#define RING 0x1000u
#define OTHER_RING 0x2000u
#define LANDING 0x8000u /* where frames and bytes may land */

/* Both channels with a table of PRDs, a drive that was given a command, and the engine started. */
void rings_ide(struct input *in, uint32_t bus_master)
{
    uint8_t how = take8(in);

    for (unsigned channel = 0; channel < 2; channel++) {
        unsigned port = channel ? 0x170 : 0x1f0;

        bench_out(bus_master + 8 * channel + 4, 4, RING + channel * 0x1000);
        bench_out(port + 6, 1, how & 1 ? 0xf0 : 0xe0);
        bench_out(port + 2, 1, take8(in));
        bench_out(port + 7, 1, take8(in));
        bench_out(bus_master + 8 * channel, 1, how & 2 ? 0x09 : 0x01);
    }
}

/* A frame list in which every frame begins at the first descriptor; ports reset and enabled. */
void rings_uhci(struct input *in, uint32_t ports)
{
    uint8_t how = take8(in), list[4096] = { 0 };

    for (unsigned i = 0; i < sizeof(list); i += 4) {
        list[i] = how & 2;
        list[i + 1] = RING >> 8;
    }
    bench_poke(0x10000, list, sizeof(list));
    bench_out(ports + 8, 4, 0x10000);
    for (unsigned port = 0; port < 2; port++) {
        bench_out(ports + 0x10 + 2 * port, 2, 0x0200);
        bench_out(ports + 0x10 + 2 * port, 2, 0x0000);
        bench_out(ports + 0x10 + 2 * port, 2, 0x0004);
    }
    bench_out(ports + 4, 2, 0x000f);
    bench_out(ports, 2, how & 1 ? 0x0001 : 0x0081);
}

void rings_e1000(struct input *in, uint32_t mmio)
{
    const uint32_t values[][2] = {
        { 0x0000, 0x00000040 },               /* CTRL: link up */
        { 0x3800, RING }, { 0x3804, 0 }, { 0x3808, 0x80u * (1 + take8(in) % 32) },
        { 0x2800, OTHER_RING }, { 0x2804, 0 }, { 0x2808, 0x80u * (1 + take8(in) % 32) },
        { 0x2818, 15 },                       /* RDT */
        { 0x5000, take16(in) },               /* RXCSUM */
        { 0x0100, 0x00000002u | take32(in) }, /* RCTL */
        { 0x00d0, 0xffffffff },               /* IMS */
        { 0x0400, 0x00000002u | take32(in) }, /* TCTL */
        { 0x3818, take8(in) },                /* TDT: go */
    };

    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        bench_write(mmio + values[i][0], 4, values[i][1]);
}

void rings_rtl8139(struct input *in, uint32_t ports)
{
    uint8_t how = take8(in);

    bench_out(ports + 0x37, 1, 0x0c);             /* receiver and transmitter on */
    bench_out(ports + 0xe0, 2, how & 1 ? 0x03 | take8(in) : 0); /* C+ mode */
    bench_out(ports + 0x20, 4, RING);             /* C+ transmit ring */
    bench_out(ports + 0x24, 4, 0);
    bench_out(ports + 0xe4, 4, OTHER_RING);       /* C+ receive ring */
    bench_out(ports + 0xe8, 4, 0);
    bench_out(ports + 0x30, 4, LANDING);          /* receive buffer */
    bench_out(ports + 0x40, 4, take32(in));       /* TCR */
    bench_out(ports + 0x44, 4, 0x0f | take32(in)); /* RCR */
    bench_out(ports + 0x3c, 2, 0xffff);
    if (!(how & 1))
        for (unsigned i = 0; i < 4; i++)
            bench_out(ports + 0x20 + 4 * i, 4, RING + i * 0x400);
    if (how & 1)
        bench_out(ports + 0xd9, 1, 0x40); /* TPPoll */
    else
        bench_out(ports + 0x10, 4, take16(in));
}
