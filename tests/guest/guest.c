/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU's accesses, as Xen 4.17 sends them: xen/common/ioreq.c by its documented ABI (public
 * hvm/ioreq.h). Left out: the chips that Xen has itself; a port of theirs goes where ranges say.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "tests/guest/guest.h"
#include "tests/simxen/simxen.h"

#define CF8 0xcf8
#define CFC 0xcfc

static _Atomic uint32_t cf8; /* one for all vCPUs, as in Xen */
static unsigned spins = GUEST_SPINS;

void guest_spin(unsigned turns)
{
    spins = turns;
}

static uint64_t ones(unsigned size)
{
    return size >= 8 ? ~0ull : (1ull << 8 * size) - 1;
}

/* What Xen never lets a device model change; the state may only go forward. */
static void judge(volatile const ioreq_t *r, const ioreq_t *sent, unsigned from, unsigned state)
{
    if (state > STATE_IORESP_READY || state < from)
        simxen_crash("ioreq state %u after %u (%s %llx)", state, from,
                     sent->type == IOREQ_TYPE_PIO ? "port" : "address",
                     (unsigned long long)sent->addr);
    if (r->addr != sent->addr || r->count != sent->count || r->size != sent->size ||
        r->vp_eport != sent->vp_eport || r->type != sent->type || r->dir != sent->dir ||
        r->df != sent->df || r->data_is_ptr != sent->data_is_ptr)
        simxen_crash("the device model changed a request (%llx) beside its state and data",
                     (unsigned long long)sent->addr);
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* One turn of a wait: a pause, and after so many of them a nap until the futex changes. */
struct wait {
    unsigned turns;
    uint64_t start;
};

/* False: it has taken too long. `seen` is what the word was when the condition was looked at. */
static bool wait_turn(struct wait *w, uint32_t *word, uint32_t seen)
{
    struct timespec slice = { .tv_nsec = 100000000 };

    if (w->turns < spins) {
        w->turns++;
        __builtin_ia32_pause();
        if (w->turns % 0x100000) /* spinning for ever must end as well */
            return true;
    }
    if (!w->start)
        w->start = now_ms();
    if (now_ms() - w->start > GUEST_WAIT_MS)
        return false;
    if (w->turns >= spins)
        syscall(SYS_futex, word, FUTEX_WAIT, seen, &slice, NULL, 0);
    return true;
}

static void await(volatile ioreq_t *r, const ioreq_t *sent)
{
    uint32_t *wakes = &simxen()->remotes[sent->vp_eport].wakes;
    unsigned state = STATE_IOREQ_READY;
    struct wait w = { 0 };

    for (;;) {
        uint32_t seen = __atomic_load_n(wakes, __ATOMIC_SEQ_CST);
        unsigned now = r->state;

        judge(r, sent, state, now);
        state = now;
        if (state == STATE_IORESP_READY)
            return;
        if (!wait_turn(&w, wakes, seen))
            simxen_crash("no answer within %d ms: %s %llx, size %u, %s", GUEST_WAIT_MS,
                         sent->type == IOREQ_TYPE_PIO ? "port" : "address",
                         (unsigned long long)sent->addr, sent->size, sent->dir ? "read" : "write");
    }
}

static bool await_level(const uint8_t *level)
{
    struct simxen_seen *s = &simxen()->seen;
    struct wait w = { 0 };
    bool there;

    __atomic_fetch_add(&s->sleepers, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        uint32_t seen = __atomic_load_n(&s->levels, __ATOMIC_SEQ_CST);

        there = __atomic_load_n(level, __ATOMIC_SEQ_CST);
        if (there || !wait_turn(&w, &s->levels, seen))
            break;
    }
    __atomic_fetch_sub(&s->sleepers, 1, __ATOMIC_SEQ_CST);
    return there;
}

bool guest_await_isa(unsigned irq)
{
    return await_level(&simxen()->seen.isa_level[irq]);
}

bool guest_await_intx(unsigned devfn)
{
    return await_level(&simxen()->seen.intx_level[devfn >> 3][0]);
}

static uint64_t last_byte(const ioreq_t *r)
{
    uint64_t items = r->type == IOREQ_TYPE_COPY ? r->count : 1;

    return r->addr + items * r->size - 1;
}

static int route(const ioreq_t *r)
{
    uint64_t function = r->addr >> 32;

    switch (r->type) {
    case IOREQ_TYPE_PIO:
        return simxen_select(SIMXEN_PORT_IO, r->addr, last_byte(r));
    case IOREQ_TYPE_COPY:
        return simxen_select(SIMXEN_MEMORY, r->addr, last_byte(r));
    default:
        return simxen_select(SIMXEN_PCI, function, function);
    }
}

/* To this server; waits for its answer. */
static uint64_t request_of(unsigned id, unsigned vcpu, ioreq_t want)
{
    volatile ioreq_t *r = simxen_slot(id, vcpu);
    uint64_t data;

    want.vp_eport = simxen()->servers[id].ports[vcpu];
    if (r->state != STATE_IOREQ_NONE)
        simxen_crash("vCPU %u sends a request while its slot is in state %u", vcpu, r->state);
    if (r->vp_eport != want.vp_eport)
        simxen_crash("vCPU %u: its event channel was %u and is %u", vcpu, want.vp_eport,
                     r->vp_eport);
    if (!simxen()->remotes[want.vp_eport].local)
        simxen_crash("vCPU %u: nobody has bound its event channel %u", vcpu, want.vp_eport);
    want.state = STATE_IOREQ_NONE;
    *(ioreq_t *)(uintptr_t)r = want;
    atomic_thread_fence(memory_order_release);
    r->state = STATE_IOREQ_READY;
    simxen_raise(simxen()->remotes[want.vp_eport].local);
    await(r, &want);
    atomic_thread_fence(memory_order_acquire);
    data = r->data;
    r->state = STATE_IOREQ_NONE;
    return data & ones(want.size);
}

/* Sends a request to its server and waits; all ones where nobody claims it. */
static uint64_t request(unsigned vcpu, ioreq_t want)
{
    int id = route(&want);

    return id < 0 ? ones(want.size) : request_of((unsigned)id, vcpu, want);
}

void guest_exchange(unsigned vcpu, uint64_t addr)
{
    uint64_t gfn = addr / SIMXEN_PAGE;
    int rc;

    simxen_lock();
    simxen_p2m()[gfn] = 0;
    simxen()->pages--;
    rc = simxen_populate(gfn);
    simxen_unlock();
    if (rc < 0)
        simxen_crash("populate frame 0x%llx again: errno %d", (unsigned long long)gfn, -rc);
    for (unsigned id = 0; id < SIMXEN_SERVERS; id++)
        if (simxen()->servers[id].enabled)
            request_of(id, vcpu, (ioreq_t){ .type = IOREQ_TYPE_INVALIDATE, .size = 4, .data = ~0ull });
}

/* Where a port access goes: configuration cycles are requests of their own. */
static uint64_t port_access(unsigned vcpu, ioreq_t want)
{
    uint32_t selected;

    if (want.addr == CF8 && want.size == 4 && want.dir == IOREQ_WRITE)
        cf8 = (uint32_t)want.data; /* Xen listens in, and sends it on */
    selected = cf8;
    if (want.addr >= CFC && want.addr < CFC + 4 && selected >> 31) {
        want.type = IOREQ_TYPE_PCI_CONFIG;
        want.addr = (uint64_t)(selected >> 8 & 0xffff) << 32 | (selected & 0xfc) | (want.addr & 3);
    }
    return request(vcpu, want);
}

uint32_t guest_in(unsigned vcpu, uint16_t port, unsigned size)
{
    return (uint32_t)port_access(
        vcpu,
        (ioreq_t){
            .type = IOREQ_TYPE_PIO, .dir = IOREQ_READ, .addr = port, .size = size, .count = 1 });
}

void guest_out(unsigned vcpu, uint16_t port, unsigned size, uint32_t value)
{
    port_access(vcpu, (ioreq_t){ .type = IOREQ_TYPE_PIO,
                                 .dir = IOREQ_WRITE,
                                 .addr = port,
                                 .size = size,
                                 .count = 1,
                                 .data = value });
}

uint64_t guest_load(unsigned vcpu, uint64_t addr, unsigned size)
{
    return request(
        vcpu,
        (ioreq_t){
            .type = IOREQ_TYPE_COPY, .dir = IOREQ_READ, .addr = addr, .size = size, .count = 1 });
}

void guest_store(unsigned vcpu, uint64_t addr, unsigned size, uint64_t value)
{
    request(vcpu, (ioreq_t){ .type = IOREQ_TYPE_COPY,
                             .dir = IOREQ_WRITE,
                             .addr = addr,
                             .size = size,
                             .count = 1,
                             .data = value });
}

/* Xen cuts a string operation where its memory leaves a page. */
static void string(unsigned vcpu, unsigned dir, uint16_t port, unsigned size, unsigned count,
                   uint64_t addr)
{
    while (count) {
        unsigned room = (SIMXEN_PAGE - (unsigned)(addr % SIMXEN_PAGE)) / size;
        unsigned n = room > count ? count : room ? room : 1;

        port_access(vcpu, (ioreq_t){ .type = IOREQ_TYPE_PIO,
                                     .dir = dir & 1,
                                     .addr = port,
                                     .size = size,
                                     .count = n,
                                     .data = addr,
                                     .data_is_ptr = 1 });
        addr += (uint64_t)n * size;
        count -= n;
    }
}

void guest_ins(unsigned vcpu, uint16_t port, unsigned size, unsigned count, uint64_t addr)
{
    string(vcpu, IOREQ_READ, port, size, count, addr);
}

void guest_outs(unsigned vcpu, uint16_t port, unsigned size, unsigned count, uint64_t addr)
{
    string(vcpu, IOREQ_WRITE, port, size, count, addr);
}

/* Xen keeps the ring's pointers small, under the device model's hands. */
static void canonicalise(volatile struct buffered_iopage *page)
{
    _Atomic uint64_t *both = (_Atomic uint64_t *)(uintptr_t)page;
    uint64_t old = atomic_load(both);
    uint32_t turns = (uint32_t)old / IOREQ_BUFFER_SLOT_NUM * IOREQ_BUFFER_SLOT_NUM;

    if (turns) /* no matter if it fails: there is another time */
        atomic_compare_exchange_strong(both, &old, old - turns - ((uint64_t)turns << 32));
}

bool guest_post(uint64_t addr, unsigned size, uint64_t value)
{
    volatile struct buffered_iopage *page;
    unsigned slots = size == 8 ? 2 : 1;
    uint32_t at;
    int id;

    id = simxen_select(SIMXEN_MEMORY, addr, addr + size - 1);
    if (id < 0 || !simxen()->servers[id].buffering)
        return false;
    simxen_lock(); /* one ring for all vCPUs */
    page = simxen_posted((unsigned)id);
    at = page->write_pointer;
    if (at - page->read_pointer > IOREQ_BUFFER_SLOT_NUM)
        simxen_crash("posted requests: read pointer %u, write pointer %u", page->read_pointer, at);
    if (at - page->read_pointer + slots > IOREQ_BUFFER_SLOT_NUM)
        goto refuse;
    for (unsigned i = 0; i < slots; i++) {
        volatile buf_ioreq_t *e = &page->buf_ioreq[(at + i) % IOREQ_BUFFER_SLOT_NUM];

        e->type = IOREQ_TYPE_COPY;
        e->dir = IOREQ_WRITE;
        e->size = (uint32_t)__builtin_ctz(size) & 3;
        e->addr = addr & 0xfffff;
        e->data = (uint32_t)(value >> 32 * i);
    }
    atomic_thread_fence(memory_order_release);
    page->write_pointer = at + slots;
    canonicalise(page);
    simxen_raise(simxen()->remotes[simxen()->servers[id].ports[SIMXEN_VCPUS]].local);
    simxen_unlock();
    return true;

refuse:
    simxen_unlock();
    return false;
}

uint32_t guest_config_read(unsigned vcpu, unsigned devfn, unsigned at, unsigned size)
{
    guest_out(vcpu, CF8, 4, 0x80000000u | devfn << 8 | (at & 0xfc));
    return guest_in(vcpu, (uint16_t)(CFC + (at & 3)), size);
}

void guest_config_write(unsigned vcpu, unsigned devfn, unsigned at, unsigned size, uint32_t value)
{
    guest_out(vcpu, CF8, 4, 0x80000000u | devfn << 8 | (at & 0xfc));
    guest_out(vcpu, (uint16_t)(CFC + (at & 3)), size, value);
}

uint8_t *guest_page(uint64_t addr)
{
    uint64_t gfn = addr / SIMXEN_PAGE;
    uint32_t entry = gfn < SIMXEN_GFNS ? simxen_p2m()[gfn] : 0;

    if (!(entry & SIMXEN_VALID))
        return NULL;
    return simxen_ram() + (uint64_t)(entry & SIMXEN_MFN) * SIMXEN_PAGE + addr % SIMXEN_PAGE;
}

static void copy(uint64_t addr, uint8_t *out, const uint8_t *in, size_t n)
{
    while (n) {
        size_t here = SIMXEN_PAGE - addr % SIMXEN_PAGE;
        uint8_t *page = guest_page(addr);

        if (!page)
            simxen_crash("the guest has no memory at %llx", (unsigned long long)addr);
        here = here > n ? n : here;
        memcpy(in ? page : out, in ? in : page, here);
        addr += here;
        n -= here;
        if (in)
            in += here;
        else
            out += here;
    }
}

void guest_read(uint64_t addr, void *bytes, size_t n)
{
    copy(addr, bytes, NULL, n);
}

void guest_write(uint64_t addr, const void *bytes, size_t n)
{
    copy(addr, NULL, bytes, n);
}

void guest_touched(uint64_t addr)
{
    simxen_dirty()[addr / SIMXEN_PAGE] = 1;
}
