/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdatomic.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "pv-backends/console/stream.h"

enum { IN_CONS = 3072, IN_PROD = 3076, OUT_CONS = 3080, OUT_PROD = 3084 };

static _Atomic uint32_t *word(const struct console_stream *s, unsigned offset)
{
    return (_Atomic uint32_t *)(void *)(s->page + offset);
}

void console_begin(struct console_stream *s, uint8_t *page)
{
    s->page = page;
    s->in_prod = atomic_load(word(s, IN_PROD));
    s->out_cons = atomic_load(word(s, OUT_CONS));
}

size_t console_take(struct console_stream *s, uint8_t out[CONSOLE_OUT])
{
    uint32_t count = atomic_load_explicit(word(s, OUT_PROD), memory_order_acquire) - s->out_cons;
    uint32_t at = s->out_cons % CONSOLE_OUT, first = MIN(count, CONSOLE_OUT - at);

    if (count > CONSOLE_OUT)
        return SIZE_MAX;
    memcpy(out, s->page + CONSOLE_IN + at, first);
    memcpy(out + first, s->page + CONSOLE_IN, count - first);
    s->out_cons += count;
    atomic_store(word(s, OUT_CONS), s->out_cons);
    return count;
}

size_t console_room(const struct console_stream *s)
{
    uint32_t held = s->in_prod - atomic_load(word(s, IN_CONS));

    return held > CONSOLE_IN ? SIZE_MAX : CONSOLE_IN - held;
}

void console_put(struct console_stream *s, const uint8_t *bytes, size_t count)
{
    uint32_t at = s->in_prod % CONSOLE_IN;
    size_t first = MIN(count, CONSOLE_IN - at);

    memcpy(s->page + at, bytes, first);
    memcpy(s->page, bytes + first, count - first);
    s->in_prod += (uint32_t)count;
    atomic_store_explicit(word(s, IN_PROD), s->in_prod, memory_order_release);
}
