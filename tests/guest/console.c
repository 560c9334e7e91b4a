/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/guest/console.h"
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"

#define WAIT_MS 20000

_Atomic uint32_t *guest_console_word(struct guest_console *c, unsigned offset)
{
    return (_Atomic uint32_t *)(void *)(c->page + offset);
}

void guest_console_add(struct guest_console *c, unsigned devid, const char *type,
                       const char *output, unsigned limit)
{
    memset(c, 0, sizeof(*c));
    c->devid = devid;
    guest_pv_name(&c->pv, "console", "console", devid);
    if (devid == 0)
        snprintf(c->pv.front, sizeof(c->pv.front), "/local/domain/%d/console", SIMXEN_DOMID);
    guest_pv_put(c->pv.front, "backend", "%s", c->pv.back);
    guest_pv_put(c->pv.front, "backend-id", "0");
    guest_pv_put(c->pv.front, "limit", "%u", limit);
    guest_pv_put(c->pv.front, "type", "%s", type);
    guest_pv_put(c->pv.front, "output", "%s", output);
    guest_pv_put(c->pv.front, "tty", "%s", "");
    if (devid)
        guest_pv_put(c->pv.front, "state", "1");
    guest_pv_put(c->pv.back, "frontend-id", "%d", SIMXEN_DOMID);
    guest_pv_put(c->pv.back, "frontend", "%s", c->pv.front);
    guest_pv_put(c->pv.back, "protocol", "vt100");
    guest_pv_put(c->pv.back, "online", "1");
    guest_pv_put(c->pv.back, "state", "1");
}

bool guest_console_connect(struct guest_console *c, uint32_t page)
{
    c->page = guest_page(page);
    memset(c->page, 0, SIMXEN_PAGE);
    c->port = guest_channel();
    c->seen = simxen()->remotes[c->port].wakes;
    c->ref = guest_grant(page, false);
    guest_pv_put(c->pv.front, "ring-ref", "%u", c->devid ? c->ref : page / SIMXEN_PAGE);
    guest_pv_put(c->pv.front, "port", "%u", c->port);
    if (c->devid)
        guest_pv_state(&c->pv, 3);
    return guest_pv_await(&c->pv, 4);
}

void guest_console_forget(struct guest_console *c)
{
    CHECK(guest_grant_end(c->ref));
    guest_channel_close(c->port);
}

bool guest_console_disconnect(struct guest_console *c)
{
    bool ok;

    guest_pv_state(&c->pv, 6);
    ok = guest_pv_await(&c->pv, 6);
    guest_console_forget(c);
    return ok;
}

bool guest_console_write(struct guest_console *c, const void *bytes, size_t count)
{
    const uint8_t *p = bytes;

    while (count) {
        uint32_t prod = atomic_load(guest_console_word(c, GUEST_CONS_OUT_PROD));
        uint32_t held = prod - atomic_load(guest_console_word(c, GUEST_CONS_OUT_CONS));
        size_t n = MIN(2048 - held, count);

        CHECK(held <= 2048);
        if (!n && !guest_channel_wait(c->port, &c->seen, WAIT_MS))
            return false;
        for (size_t i = 0; i < n; i++)
            c->page[1024 + (prod + i) % 2048] = *p++;
        count -= n;
        atomic_store(guest_console_word(c, GUEST_CONS_OUT_PROD), prod + (uint32_t)n);
        guest_channel_notify(c->port);
    }
    return true;
}

size_t guest_console_read(struct guest_console *c, void *bytes, size_t most, unsigned ms)
{
    uint32_t cons = atomic_load(guest_console_word(c, GUEST_CONS_IN_CONS)), held;
    uint8_t *p = bytes;
    size_t n;

    while (!(held = atomic_load(guest_console_word(c, GUEST_CONS_IN_PROD)) - cons))
        if (!guest_channel_wait(c->port, &c->seen, ms))
            return 0;
    CHECK(held <= 1024);
    n = MIN(held, most);
    for (size_t i = 0; i < n; i++)
        p[i] = c->page[(cons + i) % 1024];
    atomic_store(guest_console_word(c, GUEST_CONS_IN_CONS), cons + (uint32_t)n);
    guest_channel_notify(c->port);
    return n;
}
