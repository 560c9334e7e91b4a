/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reels and tapes. A record is a kind and what its seam writes: numbers of seven bits a byte, bytes
 * with their length before them. A tape's chunks follow each other by serial number, and a record
 * may run from one into the next.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/tape.h"

#define MAGIC "xen-dm reel\n"
#define VERSION 2u
#define HEAD_BYTES (64 * KIB)
#define CHUNK_BYTES (1 * MIB)
#define CHUNKS_EACH 2u /* that a tape has from the start */
#define CHUNKS_MOST 4096u
#define TIMERS_MOST 64
#define WORDS_MOST 4096u

struct reel_head {
    char magic[16];
    uint32_t version, chunk_bytes, chunks, words;
    char text[HEAD_BYTES - 32]; /* the words, each with its NUL */
};

struct chunk {
    uint32_t tape;   /* its index and 1; 0: never used */
    uint32_t used;   /* bytes of data */
    uint64_t serial; /* among the tape's, from 1 */
    uint32_t checkpoint; /* where the first one begins, and 1; 0: there is none */
    uint32_t reserved;
    uint8_t data[CHUNK_BYTES - 24];
};

struct tape {
    struct reel *reel;
    unsigned index;
    const char *name;
    struct chunk **own; /* in the order of their serials, from `first` on when recycled */
    unsigned owned, at; /* at: the one being written or played */
    bool full;          /* the reel has no more for us */
    unsigned depth;
    uint64_t last; /* time of the last event */
    uint64_t events, promised, promises;
    bool due; /* a checkpoint */
    void (*snapshot)(void *arg, struct tape *tape);
    void *snapshot_arg;
    struct timer *timers[TIMERS_MOST];
    unsigned timer_count;
    /* playing */
    const struct tape_player *player;
    void *player_arg;
    uint32_t offset; /* in own[at]->data */
    bool ended, cut;
    char text[256], divergence[512];
};

struct reel {
    int fd;
    bool plays;
    struct reel_head *head;
    struct chunk *chunks;
    size_t mapped;
    atomic_uint next; /* chunk that nobody has */
    struct tape tapes[REEL_TAPES];
};

_Thread_local struct tape *tape_of_thread;

/* ---- The file ---- */

static int map_reel(struct reel *r, size_t bytes, bool writable, const char *path,
                    struct error *err)
{
    void *p = mmap(NULL, bytes, PROT_READ | (writable ? PROT_WRITE : 0),
                   writable ? MAP_SHARED : MAP_PRIVATE, r->fd, 0);

    if (p == MAP_FAILED)
        return error_errno(err, "map the recording %s", path);
    r->head = p;
    r->chunks = (struct chunk *)((uint8_t *)p + HEAD_BYTES);
    r->mapped = bytes;
    return 0;
}

static int put_words(struct reel *r, int argc, char *const argv[], struct error *err)
{
    size_t at = 0;

    for (int i = 0; i < argc; i++) {
        size_t n = strlen(argv[i]) + 1;

        if (at + n > sizeof(r->head->text))
            return error_set(err, -E2BIG, "-record: the command line is longer than 64 KiB");
        memcpy(r->head->text + at, argv[i], n);
        at += n;
    }
    r->head->words = (uint32_t)argc;
    return 0;
}

int reel_create(struct reel **out, const char *path, uint64_t bytes, int argc, char *const argv[],
                struct error *err)
{
    uint64_t chunks = MIN(bytes / CHUNK_BYTES, CHUNKS_MOST);
    struct reel *r = calloc(1, sizeof(*r));
    int rc;

    if (!r)
        return error_set(err, -ENOMEM, "-record %s: out of memory", path);
    chunks = MAX(chunks, CHUNKS_EACH * REEL_TAPES);
    r->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (r->fd < 0) {
        rc = error_errno(err, "-record: create %s", path);
        goto fail;
    }
    bytes = HEAD_BYTES + chunks * CHUNK_BYTES;
    errno = posix_fallocate(r->fd, 0, (off_t)bytes);
    if (errno) {
        rc = error_errno(err, "-record: reserve %llu MiB for %s", (unsigned long long)(bytes / MIB),
                         path);
        unlink(path);
        goto fail;
    }
    rc = map_reel(r, bytes, true, path, err);
    if (rc == 0)
        rc = put_words(r, argc, argv, err);
    if (rc < 0)
        goto fail;
    memcpy(r->head->magic, MAGIC, sizeof(MAGIC));
    r->head->version = VERSION;
    r->head->chunk_bytes = CHUNK_BYTES;
    r->head->chunks = (uint32_t)chunks;
    *out = r;
    return 0;

fail:
    reel_close(r);
    return rc;
}

int reel_open(struct reel **out, const char *path, struct error *err)
{
    struct reel *r = calloc(1, sizeof(*r));
    struct stat st;
    int rc;

    if (!r)
        return error_set(err, -ENOMEM, "recording %s: out of memory", path);
    r->plays = true;
    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0 || fstat(r->fd, &st) < 0) {
        rc = error_errno(err, "open the recording %s", path);
        goto fail;
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < HEAD_BYTES) {
        rc = error_set(err, -EINVAL, "%s is no recording of xen-dm's", path);
        goto fail;
    }
    rc = map_reel(r, (size_t)st.st_size, false, path, err);
    if (rc < 0)
        goto fail;
    if (memcmp(r->head->magic, MAGIC, sizeof(MAGIC))) {
        rc = error_set(err, -EINVAL, "%s is no recording of xen-dm's", path);
        goto fail;
    }
    if (r->head->version != VERSION || r->head->chunk_bytes != CHUNK_BYTES) {
        rc = error_set(err, -EINVAL, "the recording %s has version %u; this program plays %u",
                       path, r->head->version, VERSION);
        goto fail;
    }
    *out = r;
    return 0;

fail:
    reel_close(r);
    return rc;
}

/* The chunks that the file really has. */
static unsigned chunk_count(const struct reel *r)
{
    return (unsigned)MIN((r->mapped - HEAD_BYTES) / CHUNK_BYTES, CHUNKS_MOST);
}

void reel_close(struct reel *r)
{
    if (!r)
        return;
    if (r->head && !r->plays) {
        unsigned used = MIN(atomic_load(&r->next), chunk_count(r));

        if (ftruncate(r->fd, (off_t)(HEAD_BYTES + used * CHUNK_BYTES)) < 0)
            log_warn("shorten the recording: errno %d", errno);
    }
    for (unsigned i = 0; i < REEL_TAPES; i++)
        free(r->tapes[i].own);
    if (r->head)
        munmap(r->head, r->mapped);
    if (r->fd >= 0)
        close(r->fd);
    free(r);
}

int reel_words(const struct reel *r, char ***argv)
{
    unsigned count = MIN(r->head->words, WORDS_MOST);
    char *at = r->head->text, *end = at + sizeof(r->head->text);
    char **words = calloc(count + 1, sizeof(*words));

    if (!words)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        char *nul = memchr(at, 0, (size_t)(end - at));

        if (!nul) {
            free(words);
            return -EINVAL;
        }
        words[i] = at;
        at = nul + 1;
    }
    *argv = words;
    return (int)count;
}

/* ---- Tapes ---- */

static int by_serial(const void *a, const void *b)
{
    const struct chunk *const *x = a, *const *y = b;

    return (*x)->serial < (*y)->serial ? -1 : (*x)->serial > (*y)->serial;
}

/* The chunks of a tape in order, from the first that playing can begin in. */
static void find_chunks(struct tape *t)
{
    struct reel *r = t->reel;
    unsigned first = 0;

    for (unsigned i = 0; i < chunk_count(r); i++)
        if (r->chunks[i].tape == t->index + 1)
            t->own[t->owned++] = &r->chunks[i];
    qsort(t->own, t->owned, sizeof(*t->own), by_serial);
    while (first < t->owned && !t->own[first]->checkpoint)
        first++;
    t->at = first;
    t->offset = first < t->owned ? t->own[first]->checkpoint - 1 : 0;
    t->ended = first == t->owned;
}

static bool take_chunk(struct tape *t)
{
    struct reel *r = t->reel;
    unsigned i = t->full ? UINT32_MAX : atomic_fetch_add(&r->next, 1);

    if (i >= chunk_count(r)) {
        t->full = true;
        return false;
    }
    t->own[t->owned++] = &r->chunks[i];
    return true;
}

static void start_chunk(struct tape *t, uint64_t serial)
{
    struct chunk *c = t->own[t->at];

    c->used = 0;
    c->checkpoint = 0;
    c->serial = serial;
    c->tape = t->index + 1;
    t->due = true;
}

struct tape *reel_tape(struct reel *r, unsigned index, const char *name)
{
    struct tape *t = &r->tapes[index];

    t->reel = r;
    t->index = index;
    t->name = name;
    t->own = calloc(CHUNKS_MOST, sizeof(struct chunk *));
    if (!t->own)
        return NULL;
    if (r->plays) {
        find_chunks(t);
    } else {
        for (unsigned i = 0; i < CHUNKS_EACH; i++)
            take_chunk(t);
        start_chunk(t, 1);
    }
    return t;
}

bool tape_plays(const struct tape *t)
{
    return t->reel->plays;
}

/* ---- Recording ---- */

static void next_chunk(struct tape *t)
{
    uint64_t serial = t->own[t->at]->serial + 1;

    if (t->at + 1 < t->owned || (t->at + 1 == t->owned && take_chunk(t)))
        t->at++;
    else
        t->at = 0;
    start_chunk(t, serial);
}

static void put(struct tape *t, const void *bytes, size_t length)
{
    const uint8_t *from = bytes;

    while (length) {
        struct chunk *c = t->own[t->at];
        size_t n = MIN(length, sizeof(c->data) - c->used);

        memcpy(c->data + c->used, from, n);
        c->used += (uint32_t)n;
        from += n;
        length -= n;
        if (c->used == sizeof(c->data))
            next_chunk(t);
    }
}

static void put_number(struct tape *t, uint64_t value)
{
    uint8_t b[10];
    unsigned n = 0;

    for (; value > 0x7f; value >>= 7)
        b[n++] = (uint8_t)(value | 0x80);
    b[n++] = (uint8_t)value;
    put(t, b, n);
}

void tape_checkpoint(struct tape *t)
{
    struct chunk *c = t->own[t->at];

    if (!t->snapshot || t->reel->plays)
        return;
    t->due = false; /* set again where the checkpoint itself runs into the next chunk */
    if (!c->checkpoint)
        c->checkpoint = c->used + 1;
    put_number(t, TAPE_CHECKPOINT);
    t->last = clock_now();
    put_number(t, t->last);
    t->snapshot(t->snapshot_arg, t);
}

void tape_begin(struct tape *t, enum tape_kind kind)
{
    uint64_t now;

    if (t->reel->plays)
        return;
    if (t->depth++) {
        put_number(t, kind);
        return;
    }
    if (t->due && !t->promises)
        tape_checkpoint(t);
    now = clock_now();
    clock_hold(now);
    put_number(t, kind);
    put_number(t, now - t->last);
    t->last = now;
    t->events++;
}

void tape_number(struct tape *t, uint64_t value)
{
    if (t && !t->reel->plays)
        put_number(t, value);
}

void tape_bytes(struct tape *t, const void *bytes, size_t length)
{
    if (!t || t->reel->plays)
        return;
    put_number(t, length);
    put(t, bytes, length);
}

void tape_text(struct tape *t, const char *text)
{
    tape_bytes(t, text, strlen(text));
}

void tape_end(struct tape *t)
{
    if (t && !t->reel->plays && !--t->depth)
        clock_release();
}

uint64_t tape_promise(struct tape *t)
{
    t->promises++;
    return ++t->promised;
}

void tape_kept(struct tape *t)
{
    t->promises--;
}

unsigned tape_add_timer(struct tape *t, struct timer *timer)
{
    if (t->timer_count == TIMERS_MOST)
        return 0;
    t->timers[t->timer_count] = timer;
    return ++t->timer_count;
}

struct timer *tape_timer(const struct tape *t, unsigned number)
{
    return number && number <= t->timer_count ? t->timers[number - 1] : NULL;
}

void tape_set_snapshot(struct tape *t, void (*fn)(void *arg, struct tape *tape), void *arg)
{
    t->snapshot = fn;
    t->snapshot_arg = arg;
}

/* ---- Playing ---- */

void tape_set_player(struct tape *t, const struct tape_player *player, void *arg)
{
    t->player = player;
    t->player_arg = arg;
}

void tape_diverge(struct tape *t, const char *fmt, ...)
{
    char text[sizeof(t->divergence) - 64];
    va_list args;

    t->ended = true;
    if (*t->divergence)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    snprintf(t->divergence, sizeof(t->divergence), "%s, event %llu: %s", t->name,
             (unsigned long long)t->events, text);
}

const char *tape_divergence(const struct tape *t)
{
    return *t->divergence ? t->divergence : NULL;
}

uint64_t tape_events(const struct tape *t)
{
    return t->events;
}

bool tape_cut(const struct tape *t)
{
    return t->cut;
}

/* Goes to the next chunk where this one is read; false at the end. */
static bool more(struct tape *t)
{
    while (!t->ended && t->offset >= MIN(t->own[t->at]->used, sizeof(t->own[0]->data))) {
        if (t->at + 1 == t->owned || t->own[t->at + 1]->serial != t->own[t->at]->serial + 1) {
            t->ended = true;
            break;
        }
        t->at++;
        t->offset = 0;
    }
    return !t->ended;
}

static void take(struct tape *t, void *bytes, size_t length)
{
    uint8_t *to = bytes;

    while (length) {
        const struct chunk *c;
        size_t n;

        if (!more(t)) {
            memset(to, 0, length);
            t->cut = true;
            return;
        }
        c = t->own[t->at];
        n = MIN(length, MIN(c->used, sizeof(c->data)) - t->offset);
        memcpy(to, c->data + t->offset, n);
        t->offset += (uint32_t)n;
        to += n;
        length -= n;
    }
}

uint64_t tape_take_number(struct tape *t)
{
    uint64_t value = 0;
    uint8_t b = 0x80;

    for (unsigned shift = 0; shift < 64 && b & 0x80; shift += 7) {
        take(t, &b, 1);
        value |= (uint64_t)(b & 0x7f) << shift;
    }
    return value;
}

size_t tape_take_bytes(struct tape *t, void *buf, size_t room)
{
    uint64_t length = tape_take_number(t);

    if (length > room) {
        tape_diverge(t, "%llu bytes where at most %zu can be", (unsigned long long)length, room);
        return 0;
    }
    take(t, buf, length);
    return length;
}

const char *tape_take_text(struct tape *t)
{
    t->text[tape_take_bytes(t, t->text, sizeof(t->text) - 1)] = 0;
    return t->text;
}

enum tape_kind tape_next(struct tape *t)
{
    uint64_t kind;

    if (!more(t))
        return TAPE_NOTHING;
    kind = tape_take_number(t);
    if (kind == TAPE_NOTHING || kind >= TAPE_KINDS) {
        tape_diverge(t, "a record of unknown kind %llu", (unsigned long long)kind);
        return TAPE_NOTHING;
    }
    if (kind == TAPE_CHECKPOINT) {
        t->last = tape_take_number(t);
        clock_hold(t->last);
    }
    if (kind < TAPE_EVENTS)
        return kind;
    if (!t->depth++) {
        t->last += tape_take_number(t);
        clock_hold(t->last);
        t->events++;
    }
    return kind;
}

void tape_done(struct tape *t)
{
    if (t->depth)
        t->depth--;
}

static void play_reply(struct tape *t, void *buf, size_t length)
{
    enum tape_kind kind;
    uint64_t recorded;

    while ((kind = tape_next(t)) >= TAPE_EVENTS) {
        t->player->event(t->player_arg, kind);
        tape_done(t);
    }
    if (kind == TAPE_NOTHING) {
        t->cut = true;
        return;
    }
    recorded = kind == TAPE_REPLY ? tape_take_number(t) : 0;
    if (kind != TAPE_REPLY || recorded != length)
        tape_diverge(t, "the device asks for %zu bytes, where the recording has %llu", length,
                     (unsigned long long)recorded);
    else
        take(t, buf, length);
}

void tape_reply_slow(struct tape *t, void *buf, size_t length)
{
    if (!t->depth || t->ended)
        return;
    if (t->reel->plays) {
        play_reply(t, buf, length);
        return;
    }
    put_number(t, TAPE_REPLY);
    put_number(t, length);
    put(t, buf, length);
}
