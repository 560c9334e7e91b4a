/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "tests/guest/pv.h"
#include <linux/futex.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/simxen/store.h"

#define HEADER 64u
enum { REQ_PROD, REQ_EVENT, RSP_PROD, RSP_EVENT };

/* ---- Nodes ---- */

void guest_pv_put(const char *dir, const char *key, const char *format, ...)
{
    char path[192], value[512];
    va_list args;

    va_start(args, format);
    vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    snprintf(path, sizeof(path), "%s/%s", dir, key);
    store_put(path, value);
}

void guest_pv_drop(const char *dir, const char *key)
{
    char path[192];

    snprintf(path, sizeof(path), "%s/%s", dir, key);
    store_drop(path);
}

uint64_t guest_pv_number(const char *dir, const char *key, uint64_t otherwise)
{
    char path[192], *text;
    uint64_t value;

    snprintf(path, sizeof(path), "%s/%s", dir, key);
    text = store_get(path);
    value = text ? strtoull(text, NULL, 10) : otherwise;
    free(text);
    return value;
}

void guest_pv_name(struct guest_pv *pv, const char *kind, const char *front_kind, unsigned devid)
{
    snprintf(pv->back, sizeof(pv->back), "/local/domain/0/backend/%s/%d/%u", kind, SIMXEN_DOMID,
             devid);
    snprintf(pv->front, sizeof(pv->front), "/local/domain/%d/device/%s/%u", SIMXEN_DOMID,
             front_kind, devid);
}

void guest_pv_add(struct guest_pv *pv, const char *kind, const char *front_kind, unsigned devid)
{
    guest_pv_name(pv, kind, front_kind, devid);
    guest_pv_put(pv->front, "backend", "%s", pv->back);
    guest_pv_put(pv->front, "backend-id", "0");
    guest_pv_put(pv->front, "state", "1");
    guest_pv_put(pv->back, "frontend", "%s", pv->front);
    guest_pv_put(pv->back, "frontend-id", "%d", SIMXEN_DOMID);
    guest_pv_put(pv->back, "online", "1");
    guest_pv_put(pv->back, "state", "1");
}

void guest_pv_state(struct guest_pv *pv, unsigned state)
{
    guest_pv_put(pv->front, "state", "%u", state);
}

bool guest_pv_await(struct guest_pv *pv, unsigned state)
{
    char path[128], value[8];

    snprintf(path, sizeof(path), "%s/state", pv->back);
    snprintf(value, sizeof(value), "%u", state);
    return store_wait(path, value, GUEST_STATE_MS);
}

bool guest_pv_remove(struct guest_pv *pv)
{
    bool closed;

    guest_pv_put(pv->back, "online", "0");
    guest_pv_put(pv->back, "state", "5");
    guest_pv_state(pv, 6);
    closed = guest_pv_await(pv, 6);
    store_drop(pv->back);
    store_drop(pv->front);
    return closed;
}

/* ---- Event channels ---- */

uint32_t guest_channel(void)
{
    uint32_t port = 0;

    simxen_lock();
    CHECK_EQ(simxen_take_port(&port), 0);
    simxen_unlock();
    return port;
}

void guest_channel_close(uint32_t port)
{
    simxen_lock();
    simxen_drop_port(port);
    simxen_unlock();
}

void guest_channel_notify(uint32_t port)
{
    uint32_t local = simxen()->remotes[port].local;

    if (local)
        simxen_raise(local);
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool guest_channel_wait(uint32_t port, uint32_t *seen, unsigned ms)
{
    struct timespec slice = { .tv_nsec = 50000000 };
    uint32_t *wakes = &simxen()->remotes[port].wakes;
    uint64_t start = now_ms();

    for (;;) {
        uint32_t now = __atomic_load_n(wakes, __ATOMIC_SEQ_CST);

        if (now != *seen) {
            *seen = now;
            return true;
        }
        if (now_ms() - start > ms)
            return false;
        syscall(SYS_futex, wakes, FUTEX_WAIT, now, &slice, NULL, 0);
    }
}

/* ---- Rings ---- */

static _Atomic uint32_t *word(struct guest_ring *r, unsigned index)
{
    return (_Atomic uint32_t *)(void *)(r->base + 4 * index);
}

void guest_ring_init(struct guest_ring *r, uint64_t addr, unsigned pages, unsigned entry)
{
    *r = (struct guest_ring){ .base = guest_page(addr), .entry = entry, .count = 1 };
    for (unsigned i = 1; i < pages; i++)
        CHECK(guest_page(addr + i * SIMXEN_PAGE) == r->base + i * SIMXEN_PAGE);
    while (HEADER + 2 * r->count * entry <= pages * SIMXEN_PAGE)
        r->count *= 2;
    memset(r->base, 0, pages * SIMXEN_PAGE);
    atomic_store(word(r, REQ_EVENT), 1);
    atomic_store(word(r, RSP_EVENT), 1);
}

void *guest_ring_next(struct guest_ring *r)
{
    if (r->made - r->taken >= r->count)
        return NULL;
    return r->base + HEADER + (size_t)(r->made++ & (r->count - 1)) * r->entry;
}

bool guest_ring_push(struct guest_ring *r)
{
    uint32_t old = atomic_load(word(r, REQ_PROD));

    atomic_store_explicit(word(r, REQ_PROD), r->made, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    return r->made - atomic_load(word(r, REQ_EVENT)) < r->made - old;
}

void *guest_ring_response(struct guest_ring *r)
{
    uint32_t there = atomic_load_explicit(word(r, RSP_PROD), memory_order_acquire);

    if (there == r->taken)
        return NULL;
    CHECK(there - r->taken <= r->made - r->taken); /* no more answers than requests */
    return r->base + HEADER + (size_t)(r->taken++ & (r->count - 1)) * r->entry;
}

bool guest_ring_arm(struct guest_ring *r)
{
    atomic_store(word(r, RSP_EVENT), r->taken + 1);
    atomic_thread_fence(memory_order_seq_cst);
    return atomic_load(word(r, RSP_PROD)) != r->taken;
}
