/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/guest/kbd.h"
#include <stdatomic.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"

#define LENGTH 51u
#define EVENT 40u

void guest_kbd_add(struct guest_kbd *k, unsigned devid)
{
    memset(k, 0, sizeof(*k));
    guest_pv_add(&k->pv, "vkbd", "vkbd", devid);
}

bool guest_kbd_connect(struct guest_kbd *k, const struct guest_kbd_config *c)
{
    if (!guest_pv_await(&k->pv, 2))
        return false;
    k->page = guest_page(c->page);
    memset(k->page, 0, SIMXEN_PAGE);
    k->port = guest_channel();
    k->seen = simxen()->remotes[k->port].wakes;
    k->ref = guest_grant(c->page, false);
    guest_pv_put(k->pv.front, "page-ref", "%u", c->page / SIMXEN_PAGE);
    if (!c->named)
        guest_pv_put(k->pv.front, "page-gref", "%u", k->ref);
    guest_pv_put(k->pv.front, "event-channel", "%u", k->port);
    guest_pv_put(k->pv.front, "request-abs-pointer", "%d", c->absolute);
    guest_pv_put(k->pv.front, "request-raw-pointer", "%d", c->raw);
    guest_pv_state(&k->pv, 3);
    if (!guest_pv_await(&k->pv, 4))
        return false;
    guest_pv_state(&k->pv, 4);
    return true;
}

void guest_kbd_forget(struct guest_kbd *k)
{
    CHECK(guest_grant_end(k->ref));
    guest_channel_close(k->port);
}

bool guest_kbd_disconnect(struct guest_kbd *k)
{
    bool ok;

    guest_pv_state(&k->pv, 6);
    ok = guest_pv_await(&k->pv, 6);
    guest_kbd_forget(k);
    return ok;
}

bool guest_kbd_read(struct guest_kbd *k, struct guest_kbd_event *event, unsigned ms)
{
    _Atomic uint32_t *cons = (_Atomic uint32_t *)(void *)k->page;
    _Atomic uint32_t *prod = (_Atomic uint32_t *)(void *)(k->page + 4);
    uint32_t at = atomic_load(cons);
    const uint8_t *e;

    while (atomic_load(prod) == at)
        if (!guest_channel_wait(k->port, &k->seen, ms))
            return false;
    CHECK(atomic_load(prod) - at <= LENGTH);
    e = k->page + 1024 + at % LENGTH * EVENT;
    *event = (struct guest_kbd_event){ e[0], e[1], (int32_t)get_le32(e + 4),
                                       (int32_t)get_le32(e + 8), (int32_t)get_le32(e + 12) };
    for (unsigned i = 16; i < EVENT; i++)
        CHECK_EQ(e[i], 0);
    atomic_store(cons, at + 1);
    guest_channel_notify(k->port);
    return true;
}
