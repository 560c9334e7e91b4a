/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pages of a PV console and of a PV keyboard: indices of any value, between our own writes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "pv-backends/console/stream.h"
#include "pv-backends/kbd/events.h"
#include "tests/fuzz/kit/input.h"

static _Alignas(4096) uint8_t page[4096];

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "==== what must hold does not: %s\n", what);
    abort();
}

static void fill(struct input *in)
{
    const uint8_t *bytes;
    size_t n = take_bytes(in, 64, &bytes);

    for (size_t i = 0; n && i < sizeof(page); i++)
        page[i] = bytes[i % n];
}

/* A word of the page: anything, or near what stands there. */
static void write_word(struct input *in, unsigned at)
{
    uint8_t how = take8(in);

    put_le32(page + at, how & 0x80 ? take32(in) : get_le32(page + at) + (how & 0x7f) * 32);
}

static void play_console(struct input *in)
{
    static uint8_t out[CONSOLE_OUT];
    struct console_stream s;

    console_begin(&s, page);
    while (in->left) {
        uint8_t op = take8(in);
        size_t n;

        write_word(in, 3072 + 4 * (op & 3));
        if (op & 4) {
            uint32_t prod = get_le32(page + 3084);

            n = console_take(&s, out);
            must(n == SIZE_MAX || (n <= CONSOLE_OUT && s.out_cons == prod &&
                                   get_le32(page + 3080) == prod), "all that was written is taken");
            for (size_t i = 0; n != SIZE_MAX && i < n; i++)
                must(out[i] == page[CONSOLE_IN + (prod - (uint32_t)n + i) % CONSOLE_OUT],
                     "what was written is what is taken");
        }
        n = console_room(&s);
        must(n == SIZE_MAX || n <= CONSOLE_IN, "there is no more room than the ring");
        if (n != SIZE_MAX && n) {
            const uint8_t *bytes;
            size_t count = take_bytes(in, n, &bytes);

            console_put(&s, bytes, count);
            must(get_le32(page + 3076) == s.in_prod, "what was put is shown");
        }
    }
}

static void play_kbd(struct input *in)
{
    static struct kbd_events e;

    if (!kbd_begin(&e, page))
        return;
    while (in->left) {
        uint8_t op = take8(in);
        uint32_t prod = e.prod;
        unsigned waited;
        int n;

        kbd_add(&e, &(struct kbd_event){ .type = (uint8_t[]){ 1, 3, 4, 3 }[op & 3],
                                         .pressed = op & 4, .a = (int32_t)take32(in),
                                         .b = (int8_t)op, .c = (int8_t)op });
        if (op & 8)
            write_word(in, op & 16 ? 8 + (op >> 3 & 4) : 0);
        waited = e.count;
        n = kbd_put(&e, page);
        must(n == -1 || (n <= (int)KBD_RING && (unsigned)n + e.count == waited &&
                         e.prod == prod + (uint32_t)n && get_le32(page + 4) == e.prod),
             "what left was put");
        must(e.count <= KBD_WAITING, "what waits has its bound");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input in = { bytes, size };
    uint8_t which = take8(&in);

    memset(page, 0, sizeof(page));
    fill(&in);
    if (which & 1)
        play_console(&in);
    else
        play_kbd(&in);
    return 0;
}
