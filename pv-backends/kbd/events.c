/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdatomic.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "pv-backends/kbd/events.h"

enum { IN_CONS = 0, IN_PROD = 4, OUT_CONS = 8, OUT_PROD = 12, IN_RING = 1024 };

static _Atomic uint32_t *word(uint8_t *page, unsigned offset)
{
    return (_Atomic uint32_t *)(void *)(page + offset);
}

bool kbd_begin(struct kbd_events *e, uint8_t *page)
{
    *e = (struct kbd_events){ .prod = atomic_load(word(page, IN_PROD)) };
    return e->prod - atomic_load(word(page, IN_CONS)) <= KBD_RING;
}

static struct kbd_event *last(struct kbd_events *e)
{
    return e->count ? &e->waiting[(e->head + e->count - 1) % KBD_WAITING] : NULL;
}

static bool join(struct kbd_event *old, const struct kbd_event *new)
{
    if (!old || old->type != new->type || new->type == KBD_KEY)
        return false;
    old->a = new->type == KBD_MOTION ? (int32_t)((uint32_t)old->a + (uint32_t)new->a) : new->a;
    old->b = new->type == KBD_MOTION ? (int32_t)((uint32_t)old->b + (uint32_t)new->b) : new->b;
    old->c = (int32_t)((uint32_t)old->c + (uint32_t)new->c);
    return true;
}

void kbd_add(struct kbd_events *e, const struct kbd_event *event)
{
    bool release = event->type == KBD_KEY && !event->pressed;

    if (join(last(e), event) || e->count >= (release ? KBD_WAITING : KBD_WAITING / 2))
        return;
    e->waiting[(e->head + e->count++) % KBD_WAITING] = *event;
}

static void lay_out(const struct kbd_event *event, uint8_t out[KBD_EVENT])
{
    memset(out, 0, KBD_EVENT);
    out[0] = event->type;
    out[1] = event->pressed;
    put_le32(out + 4, (uint32_t)event->a);
    put_le32(out + 8, (uint32_t)event->b);
    put_le32(out + 12, (uint32_t)event->c);
}

int kbd_put(struct kbd_events *e, uint8_t *page)
{
    uint32_t held = e->prod - atomic_load(word(page, IN_CONS));
    int put = 0;

    if (held > KBD_RING)
        return -1;
    for (; e->count && held < KBD_RING; held++, put++) {
        lay_out(&e->waiting[e->head], page + IN_RING + e->prod++ % KBD_RING * KBD_EVENT);
        e->head = (e->head + 1) % KBD_WAITING;
        e->count--;
    }
    atomic_store_explicit(word(page, IN_PROD), e->prod, memory_order_release);
    atomic_store(word(page, OUT_CONS), atomic_load(word(page, OUT_PROD))); /* there are no such events */
    return put;
}
