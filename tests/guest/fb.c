/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/guest/fb.h"
#include <stdatomic.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"

#define SHARED 0x2000000u
#define DIRECTORIES 0x2100000u
#define FRAMES 0x3000000u
#define IN_RING 25u
#define OUT_RING 51u
#define EVENT 40u

void guest_fb_add(struct guest_fb *f, unsigned devid)
{
    memset(f, 0, sizeof(*f));
    guest_pv_add(&f->pv, "vfb", "vfb", devid);
}

_Atomic uint32_t *guest_fb_word(struct guest_fb *f, unsigned offset)
{
    return (_Atomic uint32_t *)(void *)(f->page + offset);
}

uint8_t *guest_fb_directory(void)
{
    return guest_page(DIRECTORIES);
}

static uint64_t frame(const struct guest_fb *f, size_t i)
{
    return FRAMES / SIMXEN_PAGE + f->pages - 1 - i;
}

static void fill_directories(struct guest_fb *f, unsigned entry)
{
    size_t each = SIMXEN_PAGE / entry;

    for (size_t i = 0; i < f->pages; i++)
        put_le(guest_page(DIRECTORIES + i / each * SIMXEN_PAGE) + i % each * entry, entry,
               frame(f, i));
    for (size_t i = 0; i * each < f->pages; i++)
        put_le(f->page + (entry == 8 ? GUEST_FB_PD_64 : GUEST_FB_PD_32) + i * entry, entry,
               DIRECTORIES / SIMXEN_PAGE + i);
}

void guest_fb_prepare(struct guest_fb *f, const struct guest_fb_config *c)
{
    int stride = c->stride ? c->stride : c->width * (c->depth / 8);
    uint32_t bytes = c->bytes ? c->bytes : (uint32_t)(stride * c->height);

    f->page = guest_page(SHARED);
    memset(f->page, 0, SIMXEN_PAGE);
    put_le32(f->page + GUEST_FB_WIDTH, (uint32_t)c->width);
    put_le32(f->page + GUEST_FB_HEIGHT, (uint32_t)c->height);
    put_le32(f->page + GUEST_FB_LINE, (uint32_t)stride);
    put_le32(f->page + GUEST_FB_MEMORY, bytes);
    f->page[GUEST_FB_DEPTH] = (uint8_t)c->depth;
    f->pages = MIN(DIV_ROUND_UP(bytes, SIMXEN_PAGE), 24576u);
    fill_directories(f, c->narrow ? 4 : 8);
}

void guest_fb_name(struct guest_fb *f, const struct guest_fb_config *c)
{
    f->port = guest_channel();
    f->seen = simxen()->remotes[f->port].wakes;
    guest_pv_put(f->pv.front, "page-ref", "%u", SHARED / SIMXEN_PAGE);
    guest_pv_put(f->pv.front, "event-channel", "%u", f->port);
    if (!c->protocol)
        guest_pv_put(f->pv.front, "protocol", c->narrow ? "x86_32-abi" : "x86_64-abi");
    else if (*c->protocol)
        guest_pv_put(f->pv.front, "protocol", "%s", c->protocol);
    else
        guest_pv_drop(f->pv.front, "protocol");
    guest_pv_put(f->pv.front, "feature-update", "%d", c->updates);
}

void guest_fb_offer(struct guest_fb *f, const struct guest_fb_config *c)
{
    guest_fb_name(f, c);
    guest_pv_state(&f->pv, 3);
}

bool guest_fb_connect(struct guest_fb *f, const struct guest_fb_config *c)
{
    if (!guest_pv_await(&f->pv, 2))
        return false;
    guest_fb_prepare(f, c);
    guest_fb_offer(f, c);
    if (!guest_pv_await(&f->pv, 4))
        return false;
    guest_pv_state(&f->pv, 4);
    return true;
}

void guest_fb_forget(struct guest_fb *f)
{
    guest_channel_close(f->port);
}

bool guest_fb_disconnect(struct guest_fb *f)
{
    bool ok;

    guest_pv_state(&f->pv, 6);
    ok = guest_pv_await(&f->pv, 6);
    guest_fb_forget(f);
    return ok;
}

void guest_fb_write(struct guest_fb *f, size_t at, const void *bytes, size_t n)
{
    const uint8_t *from = bytes;

    CHECK(at + n <= f->pages * SIMXEN_PAGE);
    for (size_t part; n; n -= part, at += part, from += part) {
        part = MIN(n, SIMXEN_PAGE - at % SIMXEN_PAGE);
        memcpy(guest_page(frame(f, at / SIMXEN_PAGE) * SIMXEN_PAGE) + at % SIMXEN_PAGE, from, part);
    }
}

bool guest_fb_event(struct guest_fb *f, const uint32_t words[10])
{
    _Atomic uint32_t *prod = guest_fb_word(f, GUEST_FB_OUT_PROD);
    uint32_t at = atomic_load(prod);

    while (at - atomic_load(guest_fb_word(f, GUEST_FB_OUT_CONS)) >= OUT_RING)
        if (!guest_channel_wait(f->port, &f->seen, GUEST_STATE_MS))
            return false;
    for (unsigned i = 0; i < 10; i++)
        put_le32(f->page + 2048 + at % OUT_RING * EVENT + 4 * i, words[i]);
    atomic_store(prod, at + 1);
    guest_channel_notify(f->port);
    return true;
}

void guest_fb_update(struct guest_fb *f, int x, int y, int width, int height)
{
    CHECK(guest_fb_event(f, (uint32_t[10]){ 2, (uint32_t)x, (uint32_t)y, (uint32_t)width,
                                            (uint32_t)height }));
}

void guest_fb_resize(struct guest_fb *f, int width, int height, int stride, int depth, int offset)
{
    CHECK(guest_fb_event(f, (uint32_t[10]){ 3, (uint32_t)width, (uint32_t)height, (uint32_t)stride,
                                            (uint32_t)depth, (uint32_t)offset }));
}

bool guest_fb_advice(struct guest_fb *f, uint32_t *period, unsigned ms)
{
    _Atomic uint32_t *cons = guest_fb_word(f, GUEST_FB_IN_CONS);
    _Atomic uint32_t *prod = guest_fb_word(f, GUEST_FB_IN_PROD);
    uint32_t at = atomic_load(cons);
    const uint8_t *e = f->page + 1024 + at % IN_RING * EVENT;

    while (atomic_load(prod) == at)
        if (!guest_channel_wait(f->port, &f->seen, ms))
            return false;
    CHECK(atomic_load(prod) - at <= IN_RING);
    CHECK_EQ(e[0], 1);
    *period = get_le32(e + 4);
    for (unsigned i = 8; i < EVENT; i++)
        CHECK_EQ(e[i], 0);
    atomic_store(cons, at + 1);
    return true;
}
