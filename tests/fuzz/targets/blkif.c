/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block frontend: slots, segment lists, grants of every kind, indices and events, against one
 * queue on a disk that answers late or with errors. There is no Xen: grants and event channels are
 * those below. Shared memory changes whenever something was copied out of it.
 *
 * What must hold: each request on the ring has one answer; of a slot only the answer's bytes are
 * written, and they are id, operation and status; what the disk is asked for lies on it; pages
 * granted for reading are not written; nothing stays mapped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/block/format.h"
#include "dm/xen/evtchn.h"
#include "dm/xen/grant.h"
#include "pv-backends/block/queue.h"
#include "pv-backends/host.h"
#include "pv-backends/ring.h"
#include "tests/fuzz/kit/input.h"

#define PAGE 4096u
#define PAGES 64u
#define RING_PAGES 4u /* at most */
#define DISK_BYTES (1u << 20)
#define OPS_MOST 400
#define STEPS_MOST 5000

static uint8_t *memory, *memory_read_only; /* the same PAGES + RING_PAGES pages */
static enum { GRANT_NONE, GRANT_READ, GRANT_WRITE, GRANT_FAULTS } grant_kind[PAGES];
static int mapped;
static unsigned copies;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

/* ---- Memory that changes ---- */

static struct change {
    uint32_t at;
    uint8_t flip;
} changes[16];
static unsigned change_count;
static bool meddled; /* since it was last asked */

static void forget_slots(void);

static void meddle(void)
{
    for (unsigned i = 0; i < change_count; i++)
        memory[changes[i].at] ^= changes[i].flip;
    if (change_count) {
        meddled = true;
        forget_slots();
    }
}

/* ---- Grants ---- */

struct grants {
    int none;
};

int grants_open(struct grants **out, unsigned domid, struct error *err)
{
    return -ENOSYS;
}

void grants_close(struct grants *g)
{
}

void grants_reach(struct grants *g, struct reach *reach)
{
}

void grants_look_again(struct grants *g)
{
}

void grants_forget(struct grants *g)
{
}

struct grant_stats grants_stats(const struct grants *g)
{
    return (struct grant_stats){ 0 };
}

void *grants_map(struct grants *g, const uint32_t *refs, unsigned count, bool writable,
                 struct error *err)
{
    meddle();
    if (count != 1 || refs[0] >= PAGES || grant_kind[refs[0]] == GRANT_NONE ||
        grant_kind[refs[0]] == GRANT_FAULTS || (writable && grant_kind[refs[0]] == GRANT_READ))
        return NULL;
    mapped++;
    return (writable ? memory : memory_read_only) + refs[0] * PAGE;
}

void grants_unmap(struct grants *g, void *addr, unsigned count)
{
    mapped -= (int)count;
}

int grants_copy(struct grants *g, struct grant_copy *pieces, unsigned count)
{
    bool fails = false;

    if (count > GRANT_COPIES_MOST)
        die("%u pieces in one copy", count);
    for (unsigned i = 0; i < count; i++) {
        struct grant_copy *p = &pieces[i];

        if (p->offset + p->length > PAGE)
            die("a copy leaves its page: %u + %u", p->offset, p->length);
        p->failed = p->ref >= PAGES || grant_kind[p->ref] == GRANT_NONE ||
                    grant_kind[p->ref] == GRANT_FAULTS ||
                    (p->to_guest && grant_kind[p->ref] == GRANT_READ);
        fails |= p->ref < PAGES && grant_kind[p->ref] == GRANT_FAULTS;
        if (!p->failed && p->to_guest)
            memcpy(memory + p->ref * PAGE + p->offset, p->bytes, p->length);
        else if (!p->failed)
            memcpy(p->bytes, memory + p->ref * PAGE + p->offset, p->length);
        copies++;
    }
    meddle();
    if (!fails)
        return 0;
    for (unsigned i = 0; i < count; i++) /* the call as a whole fails */
        pieces[i].failed = true;
    return -EFAULT;
}

/* ---- Event channels ---- */

static evtchn_fn *event;
static void *event_arg;

int evtchn_open(struct evtchn **out, struct loop *loop, struct error *err)
{
    return -ENOSYS;
}

void evtchn_close(struct evtchn *ev)
{
}

int evtchn_restrict(struct evtchn *ev, unsigned domid, struct error *err)
{
    return 0;
}

int evtchn_bind(struct evtchn *ev, unsigned domid, uint32_t remote, evtchn_fn *fn, void *arg,
                uint32_t *local, struct error *err)
{
    if (!remote)
        return -EINVAL;
    event = fn;
    event_arg = arg;
    *local = 1;
    return 0;
}

void evtchn_unbind(struct evtchn *ev, uint32_t local)
{
    event = NULL;
}

void evtchn_notify(struct evtchn *ev, uint32_t local)
{
}

/* ---- The disk ---- */

static struct disk_request *waiting[2048];
static unsigned wait_count;

static void touch(const struct disk_request *req)
{
    for (unsigned i = 0; i < req->iov_count; i++) {
        uint8_t *p = req->iov[i].iov_base;
        volatile uint8_t sum = 0;

        if (req->op == DISK_READ)
            memset(p, 0x5a, req->iov[i].iov_len);
        else
            for (size_t k = 0; k < req->iov[i].iov_len; k += 256)
                sum = (uint8_t)(sum + p[k]);
    }
}

static void complete(unsigned which, int rc)
{
    struct disk_request *req = waiting[which];

    memmove(waiting + which, waiting + which + 1, (--wait_count - which) * sizeof(*waiting));
    if (rc == 0 && (req->op == DISK_READ || req->op == DISK_WRITE))
        touch(req);
    disk_done(req, rc);
}

static void submit(struct disk *disk, struct disk_queue *queue, struct disk_request *req)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < req->iov_count; i++)
        sum += req->iov[i].iov_len;
    if (req->op <= DISK_WRITE && sum != req->length)
        die("%llu bytes in vectors, %llu asked for", (unsigned long long)sum,
            (unsigned long long)req->length);
    if (req->op != DISK_FLUSH &&
        (req->offset > DISK_BYTES || req->length > DISK_BYTES - req->offset))
        die("a request past the disk's end: %llu + %llu", (unsigned long long)req->offset,
            (unsigned long long)req->length);
    if (disk->readonly && req->op != DISK_READ && req->op != DISK_FLUSH)
        die("operation %d on a disk for reading", req->op);
    if (wait_count == ARRAY_SIZE(waiting))
        die("%u requests in flight", wait_count);
    waiting[wait_count++] = req;
}

static void close_disk(struct disk *disk)
{
}

static const struct disk_ops ops = { .name = "fake", .submit = submit, .close = close_disk };

/* ---- The frontend ---- */

static struct {
    struct blk_queue *queue;
    struct pv_ring ring; /* for slots; `taken` is what we have made */
    uint32_t answered;   /* that we have looked at */
    enum blk_layout layout;
    uint8_t slots[512][BLK_SLOT_MOST]; /* as they were put; all others are not looked at */
    bool sane[512], broken, stopped, spoilt;
} f;

static void forget_slots(void)
{
    memset(f.sane, 0, sizeof(f.sane));
}

static struct loop *loop;
static struct pv_io io;
static struct disk disk;

static void on_broken(void *arg, const char *why)
{
    f.broken = true;
}

static void on_stopped(void *arg)
{
    f.stopped = true;
}

static void look_at(uint32_t index)
{
    unsigned at = index & (f.ring.count - 1), n = f.layout == BLK_X86_32 ? 12 : 16;
    const uint8_t *slot = pv_ring_slot(&f.ring, index);
    int16_t status = (int16_t)get_le16(slot + 10);

    if (slot[9] || (n == 16 && get_le32(slot + 12)))
        die("bytes of ours in response %u", index);
    if (status > 0 || status < -2)
        die("response %u has status %d", index, status);
    if (f.sane[at] && memcmp(slot + n, f.slots[at] + n, f.ring.entry - n))
        die("response %u is longer than a response", index);
    f.sane[at] = false;
}

/* False where there was nothing to do. */
static bool step(void)
{
    bool any = loop_step(loop);
    uint32_t shown;

    shown = atomic_load(pv_ring_word(&f.ring, 2));
    if (f.spoilt || f.broken) /* indices are no longer ours alone to write, or it gave up */
        return any;
    if (shown - f.answered > f.ring.count)
        die("%u responses at once", shown - f.answered);
    for (; f.answered != shown; f.answered++)
        if (!meddled)
            look_at(f.answered);
    meddled = false;
    return any;
}

static uint8_t *next_slot(void)
{
    uint8_t *slot = pv_ring_slot(&f.ring, f.ring.taken);

    memset(slot, 0xee, f.ring.entry);
    return slot;
}

static void made_slot(void)
{
    unsigned at = f.ring.taken & (f.ring.count - 1);

    memcpy(f.slots[at], pv_ring_slot(&f.ring, f.ring.taken), f.ring.entry);
    f.sane[at] = true;
    f.ring.taken++;
}

static void put_segments(struct input *in, uint8_t *at, unsigned count)
{
    static const uint8_t edges[][2] = { { 0, 7 }, { 0, 0 }, { 7, 7 }, { 0, 3 }, { 4, 7 },
                                        { 7, 0 }, { 0, 8 }, { 255, 255 } };
    uint8_t how = take8(in), ref = take8(in);

    for (unsigned i = 0; i < count; i++, at += 8) {
        put_le32(at, how & 0x80 && i == 2 ? 0xfffffff0u : (ref + (how & 0x40 ? 0 : i)) % PAGES);
        memcpy(at + 4, edges[how & 0x20 ? (how + i) & 7 : how & 7 & (i ? 3 : 7)], 2);
        put_le16(at + 6, 0xdead);
    }
}

static void put_request(struct input *in)
{
    unsigned wide = f.layout == BLK_X86_64 ? 4 : 0, count;
    uint8_t op = take8(in), n = take8(in), page;
    uint64_t sector = take16(in);
    uint8_t *s;

    if (f.ring.taken - f.answered >= f.ring.count)
        return;
    if (sector & 0x8000)
        sector |= 0xffffffffffff0000ull;
    s = next_slot();
    s[0] = op & 0x80 ? op : op % 7;
    put_le64(s + 4 + wide, 0x1122334400000000ull | f.ring.taken);
    put_le64(s + 8 + 2 * wide, sector & ~(n & 0x80 ? 7ull : 0));
    if (s[0] == 6) {
        page = take8(in) % PAGES;
        s[1] = op >> 4 & 7;
        count = n & 0x40 ? n * 4u : n & 0x3f;
        put_le16(s + 2, (uint16_t)count);
        put_le32(s + 20 + 2 * wide, op & 8 ? 0x7fffffffu : page);
        put_segments(in, memory + page * PAGE, MIN(count, PAGE / 8));
    } else if (s[0] == 5) {
        s[1] = n & 1;
        put_le64(s + 16 + 2 * wide, (uint64_t)take16(in) << (n & 0x20 ? 48 : 0));
    } else {
        s[1] = n & 0x40 ? n : n % 12;
        put_segments(in, s + 16 + 2 * wide, MIN(s[1], 11u));
    }
    made_slot();
}

static void push(void)
{
    atomic_store(pv_ring_word(&f.ring, 0), f.ring.taken);
}

static void poke(struct input *in)
{
    uint32_t at = take32(in) % ((PAGES + (f.ring.count > 32 ? RING_PAGES : 1)) * PAGE);
    const uint8_t *bytes;
    size_t n = take_bytes(in, take8(in) & 31, &bytes);

    n = MIN(n, (PAGES + RING_PAGES) * PAGE - at);
    f.spoilt |= at + n > PAGES * PAGE && at < PAGES * PAGE + 16;
    memcpy(memory + at, bytes, n);
    forget_slots();
    meddled = true;
}

static void plan_changes(struct input *in)
{
    change_count = take8(in) % ARRAY_SIZE(changes);
    for (unsigned i = 0; i < change_count; i++) {
        uint8_t where = take8(in);
        uint16_t offset = take16(in);

        /* slots and pages; the indices are poke()'s */
        changes[i].at = where & 1 ? PAGES * PAGE + 64 + offset % (PAGE - 64)
                                  : offset % (PAGES * PAGE);
        changes[i].flip = take8(in);
    }
    forget_slots();
}

static void play(struct input *in)
{
    static const int results[] = { 0, 0, -EIO, -ENOSPC, -EOPNOTSUPP, -EROFS, 0, 0 };
    uint8_t what = take8(in);

    switch (what & 15) {
    case 0 ... 5:
        put_request(in);
        if (what & 0x10)
            push();
        if (what & 0x20 && event)
            event(event_arg);
        break;
    case 6:
        push();
        break;
    case 7:
        if (event)
            event(event_arg);
        break;
    case 8 ... 10:
        for (unsigned i = 0; i <= (what >> 6); i++)
            step();
        break;
    case 11:
    case 12:
        for (unsigned i = 0; wait_count && i <= (what >> 7) * 8u; i++)
            complete(take8(in) % wait_count, results[what >> 4 & 7]);
        break;
    case 13:
        poke(in);
        break;
    case 14:
        plan_changes(in);
        break;
    case 15:
        grant_kind[take8(in) % PAGES] = what >> 4 & 3;
    }
}

/* ---- One input ---- */

static void open_world(void)
{
    size_t bytes = (PAGES + RING_PAGES) * PAGE;
    struct error err;
    int fd = memfd_create("guest", MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0 || loop_open(&loop, "io", &err) < 0)
        abort();
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memory_read_only = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    io = (struct pv_io){ .loop = loop, .domid = 1 };
    if (disk_queue_open(&io.queue, loop, &err) < 0)
        abort();
}

static void begin(struct input *in)
{
    uint8_t how = take8(in), kinds = take8(in);
    struct disk_config dc = { .path = "fake", .readonly = how & 4 };
    unsigned pages = how & 8 ? RING_PAGES : 1;
    struct blk_queue_config c = { .io = &io, .disk = &disk, .ring = memory + PAGES * PAGE,
                                  .ring_bytes = pages * PAGE, .layout = how & 1 ? BLK_X86_32
                                                                                : BLK_NATIVE,
                                  .port = how & 0x80 && how & 0x40 && how & 0x20 ? 0 : 5,
                                  .readonly = how & 4, .persistent = how & 2,
                                  .discard = !(how & 4) && !(kinds & 0x40),
                                  .unit = how & 0x10 ? 4096 : 512, .name = "qdisk 1",
                                  .broken = on_broken };
    struct error err;

    memset(memory, 0, (PAGES + RING_PAGES) * PAGE);
    memset(&f, 0, sizeof(f));
    memset(&disk, 0, sizeof(disk));
    change_count = 0;
    meddled = false;
    for (unsigned i = 0; i < PAGES; i++)
        grant_kind[i] = i % 8 == 7 && kinds & 0x80 ? kinds & 3 : GRANT_WRITE;
    if (disk_init(&disk, &ops, &dc, &err) < 0)
        abort();
    disk.bytes = DISK_BYTES;
    atomic_store(&disk.takes_discard, !dc.readonly);
    f.layout = c.layout;
    pv_ring_init(&f.ring, c.ring, c.ring_bytes, blk_slot_bytes(c.layout));
    f.ring.taken = f.answered = how & 0x20 ? 0xfffffff8u : 0;
    for (unsigned i = 0; i < 4; i++)
        atomic_store(pv_ring_word(&f.ring, i), f.ring.taken + (i & 1));
    if (blk_queue_open(&f.queue, &c, &err) < 0)
        abort();
    step();
}


static void hold_all_answered(void)
{
    uint32_t shown;

    push();
    for (unsigned idle = 0; idle < 6; idle++) {
        if (step() || wait_count)
            idle = 0;
        while (wait_count)
            complete(0, 0);
    }
    shown = atomic_load(pv_ring_word(&f.ring, 2));
    if (!f.broken && !f.spoilt && shown != f.ring.taken)
        die("%u requests were made, and %u answers given", f.ring.taken, shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input in = { bytes, size };
    bool early;

    if (!loop)
        open_world();
    begin(&in);
    early = take8(&in) & 1;
    for (unsigned i = 0; in.left && i < OPS_MOST; i++)
        play(&in);
    if (!early) {
        change_count = 0;
        hold_all_answered();
    }
    change_count = 0;
    blk_queue_stop(f.queue, on_stopped, NULL);
    for (unsigned i = 0; !f.stopped && i < STEPS_MOST; i++) {
        step();
        while (wait_count)
            complete(0, i & 1 ? -EIO : 0);
    }
    if (!f.stopped)
        die("the queue does not stop");
    blk_queue_close(f.queue);
    if (mapped)
        die("%d pages are still mapped", mapped);
    if (event)
        die("the event channel is still bound");
    free(disk.path);
    return 0;
}
