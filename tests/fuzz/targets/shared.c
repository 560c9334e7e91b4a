/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread that changes shared memory while we read it: the request slots, the buffered ring and
 * the rings of devices (the class of XSA-155 and XSA-197). A request that was taken is answered
 * once, whatever its slot says meanwhile; every call returns.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>
#include <xen/hvm/ioreq.h>
#include "dm/base/bytes.h"
#include "dm/base/loop.h"
#include "dm/memory/backing.h"
#include "ioreq/internal.h"
#include "tests/fuzz/kit/disk.h"
#include "tests/fuzz/kit/play.h"
#include "tests/fuzz/kit/rings.h"

#define VCPUS 4
#define RAM_AT 0x1000u
#define RAM_PAGES 2

static struct server server;
static struct vcpu vcpus[VCPUS];
static _Alignas(4096) uint8_t sync_page[4096], buffered_page[4096];
static uint8_t *ram; /* the guest's side of its rings */
static unsigned notified[VCPUS];

/* There is no Xen; who is notified is counted. */
void evtchn_notify(struct evtchn *evtchn, uint32_t port)
{
    notified[port % VCPUS]++;
}

/* ---- The thread ---- */

struct change {
    uint8_t *at;
    uint8_t flip;
};

static struct change changes[32];
static unsigned change_count;
static atomic_bool stop;

static void *meddle(void *arg)
{
    while (!atomic_load_explicit(&stop, memory_order_relaxed))
        for (unsigned i = 0; i < change_count; i++)
            *(volatile uint8_t *)changes[i].at ^= changes[i].flip;
    return NULL;
}

/* The byte with a slot's state is left alone where answers are looked at. */
static bool is_state(const uint8_t *at)
{
    return at >= sync_page && at < sync_page + sizeof(sync_page) &&
           (size_t)(at - sync_page) % sizeof(ioreq_t) == offsetof(ioreq_t, _pad0) + 2;
}

static void plan_changes(struct input *in, bool states)
{
    change_count = take8(in) % ARRAY_SIZE(changes);
    for (unsigned i = 0; i < change_count; i++) {
        uint8_t where = take8(in);
        uint16_t offset = take16(in);
        struct change *c = &changes[i];

        c->flip = take8(in);
        if (where & 1)
            c->at = sync_page + offset % (VCPUS * sizeof(ioreq_t));
        else if (where & 2)
            c->at = buffered_page + offset % sizeof(buffered_page);
        else
            c->at = ram + offset % (RAM_PAGES * PAGE_BYTES);
        if (is_state(c->at) && !states)
            c->flip = 0;
    }
}

/* ---- The server ---- */

static ioreq_t *slot(unsigned i)
{
    return (ioreq_t *)(void *)sync_page + i;
}

static void request(struct input *in, unsigned i)
{
    static const uint8_t types[] = { IOREQ_TYPE_PIO, IOREQ_TYPE_COPY, IOREQ_TYPE_PCI_CONFIG };
    ioreq_t *r = slot(i);
    uint8_t how = take8(in);

    memset(r, 0, sizeof(*r));
    r->vp_eport = i;
    r->dir = how & 1;
    r->df = how >> 1 & 1;
    r->data_is_ptr = how >> 2 & 1;
    r->size = 1u << (how >> 3 & 3);
    r->type = how < 0xe0 ? types[(how >> 5) % 3] : take8(in);
    r->count = how & 4 ? take8(in) : 1;
    r->addr = r->type == IOREQ_TYPE_PIO ? take16(in) : play_address(in);
    r->data = r->data_is_ptr ? play_address(in) : play_value(in);
    atomic_thread_fence(memory_order_release);
    r->state = STATE_IOREQ_READY;
}

static void serve(unsigned i, bool states)
{
    unsigned before = notified[i];
    bool taken = vcpu_serve(&server, &vcpus[i]);

    fake_disk_hold(false);
    for (int k = 0; vcpus[i].busy && k < 1000; k++)
        loop_step(bench.pc.loop);
    if (vcpus[i].busy)
        bench_broken("a request is never answered");
    if (notified[i] - before != taken)
        bench_broken("a request was taken %d times and answered %u times", taken,
                     notified[i] - before);
    if (!states && taken && slot(i)->state != STATE_IORESP_READY)
        bench_broken("a request was answered, and its slot is in state %u", slot(i)->state);
}

static void post(struct input *in)
{
    struct buffered_iopage *page = (void *)buffered_page;
    uint32_t at = page->write_pointer;
    uint8_t bytes[sizeof(buf_ioreq_t)];

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = take8(in);
    memcpy(&page->buf_ioreq[at % IOREQ_BUFFER_SLOT_NUM], bytes, sizeof(bytes));
    __atomic_store_n(&page->write_pointer, at + 1, __ATOMIC_RELEASE);
}

static void open_server(void)
{
    const struct io_targets targets = { bench.pc.board.ports, bench.pc.board.mmio,
                                        bench.pc.board.pci, bench.pc.board.memory };
    int errs[RAM_PAGES];

    memset(&server, 0, sizeof(server));
    memset(sync_page, 0, sizeof(sync_page));
    memset(buffered_page, 0, sizeof(buffered_page));
    server.pages.sync = (void *)sync_page;
    server.pages.buffered = (void *)buffered_page;
    server.targets = targets;
    server.vcpus = vcpus;
    server.vcpu_count = VCPUS;
    for (unsigned i = 0; i < VCPUS; i++)
        vcpus[i] = (struct vcpu){ .server = &server, .index = i, .port = i };
    ram = bench.pc.backing->ops->map(bench.pc.backing, RAM_AT / PAGE_BYTES, RAM_PAGES, errs);
    if (!ram)
        abort();
}

/* ---- One input ---- */

static const char *const devices[] = {
    "piix3-ide,drive0=hd0,drive2=cd2", "piix3-usb-uhci,input=i,ports=tablet mouse",
    "e1000,netdev=n", "rtl8139,netdev=n2,addr=05.0", "xen-platform", NULL,
};
static const struct family family = { .devices = devices };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input in = { bytes, size };
    uint8_t how = take8(&in);
    const uint8_t *bulk;
    bool states = how & 0x80;
    pthread_t thread;
    size_t n;

    bench_begin(&family);
    bench_enable();
    open_server();
    n = take_bytes(&in, (how & 7) * 64, &bulk);
    bench_poke(RAM_AT, bulk, n);
    plan_changes(&in, states);
    atomic_store(&stop, false);
    if (pthread_create(&thread, NULL, meddle, NULL))
        abort();
    switch (how >> 3 & 7) {
    case 0:
        rings_ide(&in, BENCH_PORTS_AT);
        break;
    case 1:
        rings_uhci(&in, BENCH_PORTS_AT + 0x100);
        break;
    case 2:
        rings_e1000(&in, BENCH_MMIO_AT);
        break;
    case 3:
        rings_rtl8139(&in, BENCH_PORTS_AT + 0x300);
        break;
    }
    for (unsigned i = 0; in.left && i < 100; i++) {
        uint8_t what = take8(&in);

        if (what & 0x80) {
            play_some(&in, 1 + (what & 3));
        } else if (what & 0x40) {
            post(&in);
            if (what & 0x20)
                buffered_drain(&server);
        } else {
            request(&in, what % VCPUS);
            serve(what % VCPUS, states);
        }
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    bench.pc.backing->ops->unmap(bench.pc.backing, ram, RAM_PAGES);
    for (unsigned i = 0; i < RAM_PAGES; i++)
        bench.ram_dirty[RAM_AT / PAGE_BYTES + i] = true;
    bench_end();
    return 0;
}
