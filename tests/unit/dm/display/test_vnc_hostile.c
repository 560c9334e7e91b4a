/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients of the VNC server that mean ill. */
#include "tests/unit/dm/display/vnc_bench.h"

/* Resident memory of this process in KiB. */
static unsigned long resident(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f && fscanf(f, "%*u %lu", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return pages * 4;
}

/* Asks for the whole screen again and again, and reads none of it. */
static void hoarding_script(struct desk *d)
{
    unsigned long before;
    struct viewer v;

    dial(&v, d->vnc);
    EXPECT(d, login(&v));
    set_encodings(&v, raw_and_size, 2);
    ask(&v, false);
    update(&v);
    before = resident();
    for (unsigned i = 0; i < 2000 && !v.dead; i++)
        ask(&v, false); /* 2.2 GiB of pixels */
    poll(NULL, 0, 500);
    EXPECT(d, resident() < before + 65536);
    hang_up(&v);
}

TEST(cve_2017_15124_a_client_that_never_reads_costs_one_picture)
{
    static struct desk d;

    desk_open(&d, &tablet_ops, false);
    bench_set_mode(&d.b, &bench_text);
    desk_run(&d, hoarding_script);
    desk_close(&d);
}

/* Clipboards whose lengths lie: negative, as the extended form writes its own, or beyond the text. */
static void clipboard_script(struct desk *d)
{
    static const int32_t extended[] = { 0, (int32_t)0xc0a1e5ce };
    static const uint32_t lengths[] = { 0xffffffff, 0xfffffffc, 0xfffffff0, 0x80000000, 0x7fffffff,
                                        0x00100001, 5 };
    struct viewer v;

    for (unsigned i = 0; i < 2 * ARRAY_SIZE(lengths); i++) {
        uint8_t msg[8 + 16] = { 6 };

        dial(&v, d->vnc);
        EXPECT(d, login(&v));
        set_encodings(&v, extended, 1 + (i & 1));
        put_be32(msg + 4, lengths[i / 2]);
        put_be32(msg + 8, 0x10000001); /* provide, text */
        give(&v, msg, sizeof(msg));
        ask(&v, false);
        hang_up(&v);
    }
    dial(&v, d->vnc);
    EXPECT(d, login(&v));
    hang_up(&v);
}

TEST(cve_2022_3165_clipboards_of_lying_length_are_survived)
{
    static struct desk d;

    desk_open(&d, &tablet_ops, false);
    desk_run(&d, clipboard_script);
    desk_close(&d);
}

static void hostile_script(struct desk *d)
{
    static const uint8_t cut[] = { 6, 0, 0, 0, 0xff, 0xff, 0xff, 0xf0 };
    uint32_t seed = 12345;
    struct viewer v;

    for (unsigned round = 0; round < 12; round++) {
        uint8_t junk[600];

        dial(&v, d->vnc);
        if (round & 1)
            EXPECT(d, login(&v));
        if (round == 3)
            give(&v, cut, sizeof(cut));
        for (unsigned i = 0; i < sizeof(junk); i++)
            junk[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
        if (round > 5)
            junk[0] = (uint8_t)(round - 6); /* messages that exist */
        give(&v, junk, sizeof(junk));
        hang_up(&v);
    }
    dial(&v, d->vnc);
    EXPECT(d, login(&v));
    set_encodings(&v, raw_and_size, 2);
    ask(&v, false);
    update(&v);
    EXPECT(d, !v.dead);
    hang_up(&v);
}

TEST(nonsense_from_a_client_hurts_only_itself)
{
    static struct desk d;

    desk_open(&d, &tablet_ops, false);
    desk_run(&d, hostile_script);
    desk_close(&d);
}
