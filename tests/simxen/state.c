/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The shared state: made by the test, mapped by both sides, and the work of both under its lock. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "tests/simxen/simxen.h"

#define MAGIC (0x6e780000u + sizeof(struct simxen) % 0x10000) /* both sides agree on it */
#define IOREQ_BYTES (2ul * SIMXEN_SERVERS * SIMXEN_PAGE)

static struct {
    pthread_mutex_t lock;
    struct simxen *state;
    uint32_t *p2m;
    uint8_t *dirty;
    int ram, ioreq, file;
    uint8_t *frames, *pages;   /* the test's views of these two */
    int fifos[SIMXEN_HANDLES]; /* to write to, plus one; opened when first needed */
} own = { .lock = PTHREAD_MUTEX_INITIALIZER };

const char *simxen_dir(void)
{
    return getenv("SIMXEN_DIR");
}

static int open_file(const char *name, int flags)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", simxen_dir(), name);
    return open(path, flags | O_CLOEXEC, 0600);
}

static void *map_file(const char *name, size_t size)
{
    int fd = open_file(name, O_RDWR);
    void *p;

    if (fd < 0)
        return NULL;
    p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    close(fd);
    return p == MAP_FAILED ? NULL : p;
}

static void attach(void)
{
    struct simxen *s = map_file("state", sizeof(*s));

    own.p2m = map_file("p2m", SIMXEN_GFNS * sizeof(*own.p2m));
    own.dirty = map_file("dirty", SIMXEN_GFNS);
    own.ram = open_file("ram", O_RDWR);
    own.ioreq = open_file("ioreq", O_RDWR);
    own.file = open_file("state", O_RDWR);
    if (s && own.p2m && own.dirty && own.ram >= 0 && own.ioreq >= 0 && own.file >= 0)
        own.state = s;
}

struct simxen *simxen(void)
{
    if (own.state)
        return own.state;
    if (!simxen_dir()) {
        errno = ENOENT;
        return NULL;
    }
    pthread_mutex_lock(&own.lock);
    if (!own.state)
        attach();
    pthread_mutex_unlock(&own.lock);
    if (own.state && own.state->magic != MAGIC)
        simxen_crash("%s is not a pretend Xen of this build", simxen_dir());
    return own.state;
}

uint32_t *simxen_p2m(void)
{
    return own.p2m;
}

uint8_t *simxen_dirty(void)
{
    return own.dirty;
}

int simxen_ram_fd(void)
{
    return own.ram;
}

int simxen_ioreq_fd(void)
{
    return own.ioreq;
}

int simxen_state_fd(void)
{
    return own.file;
}

/* The lock survives its holder: a killed device model leaves the other side able to look. */
void simxen_lock(void)
{
    if (pthread_mutex_lock(&own.state->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&own.state->lock);
}

void simxen_unlock(void)
{
    pthread_mutex_unlock(&own.state->lock);
}

void simxen_syscall(void)
{
    syscall(SYS_getppid);
}

void simxen_crash(const char *format, ...)
{
    char text[sizeof(own.state->crash)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (own.state && !own.state->crash[0])
        memcpy(own.state->crash, text, sizeof(text));
    fprintf(stderr, "simxen: the domain crashed: %s\n", text);
    abort();
}

int simxen_populate(uint64_t gfn)
{
    struct simxen *s = own.state;

    if (gfn >= SIMXEN_GFNS || own.p2m[gfn] & SIMXEN_VALID)
        return -EINVAL;
    if (s->pages >= s->pages_most || s->next_mfn >= SIMXEN_MFNS)
        return -ENOMEM;
    own.p2m[gfn] = SIMXEN_VALID | s->next_mfn++;
    s->pages++;
    return 0;
}

/* ---- Event channels ---- */

int simxen_take_port(uint32_t *port)
{
    for (uint32_t i = 1; i < SIMXEN_PORTS; i++)
        if (!own.state->remotes[i].used) {
            own.state->remotes[i] = (struct simxen_remote){ .used = true };
            *port = i;
            return 0;
        }
    return -ENOSPC;
}

void simxen_drop_port(uint32_t port)
{
    own.state->remotes[port].used = false; /* a peer that is left keeps half a channel */
}

void simxen_own_handle(unsigned index, int fd)
{
    own.fifos[index] = fd + 1;
}

static void put_event(struct simxen_local *l, uint32_t port)
{
    char name[16];
    int *fd = &own.fifos[l->handle];

    if (!*fd) {
        snprintf(name, sizeof(name), "evt%u", l->handle);
        *fd = open_file(name, O_WRONLY | O_NONBLOCK) + 1;
    }
    __atomic_fetch_add(&own.state->seen.events, 1, __ATOMIC_RELAXED);
    if (!*fd || write(*fd - 1, &port, sizeof(port)) != sizeof(port))
        fprintf(stderr, "simxen: event channel %u: nobody reads handle %u\n", port, l->handle);
}

/* As the kernel's driver: an event is masked once it is in the queue, until it is unmasked. */
void simxen_raise(uint32_t local)
{
    uint32_t *flags = &own.state->locals[local].flags, old, now;

    old = __atomic_load_n(flags, __ATOMIC_RELAXED);
    do
        now = old & SIMXEN_MASKED ? old | SIMXEN_PENDING : SIMXEN_MASKED;
    while (
        !__atomic_compare_exchange_n(flags, &old, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    if (!(old & SIMXEN_MASKED))
        put_event(&own.state->locals[local], local);
}

void simxen_unmask(uint32_t local)
{
    uint32_t *flags = &own.state->locals[local].flags, old, now;

    old = __atomic_load_n(flags, __ATOMIC_RELAXED);
    do
        now = old & SIMXEN_PENDING ? SIMXEN_MASKED : 0;
    while (
        !__atomic_compare_exchange_n(flags, &old, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    if (old & SIMXEN_PENDING)
        put_event(&own.state->locals[local], local);
}

void simxen_notify(uint32_t local)
{
    uint32_t *wakes = &own.state->remotes[own.state->locals[local].remote].wakes;

    __atomic_fetch_add(&own.state->seen.notifies, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(wakes, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, wakes, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* ---- ioreq servers ---- */

static bool has_range(const struct simxen_server *s, unsigned space, uint64_t first, uint64_t last)
{
    for (unsigned i = 0; first <= last; i++) {
        if (i == s->range_count[space])
            return false;
        /* ranges that touch are one: what is left of the access begins behind this one */
        if (s->ranges[space][i].first <= first && first <= s->ranges[space][i].last) {
            if (last <= s->ranges[space][i].last)
                return true;
            first = s->ranges[space][i].last + 1;
            i = -1u;
        }
    }
    return true;
}

static int search(unsigned space, uint64_t first, uint64_t last)
{
    for (int id = SIMXEN_SERVERS - 1; id >= 0; id--) {
        const struct simxen_server *s = &own.state->servers[id];

        if (s->used && s->enabled && has_range(s, space, first, last))
            return id;
    }
    return -1;
}

int simxen_select(unsigned space, uint64_t first, uint64_t last)
{
    static __thread struct {
        uint32_t routes;
        unsigned space;
        uint64_t first, last;
        int id;
        const struct simxen *state;
    } known[64];
    unsigned at = (unsigned)(first ^ first >> 32) % 64;
    uint32_t routes = __atomic_load_n(&own.state->routes, __ATOMIC_ACQUIRE);
    int id;

    if (known[at].state == own.state && known[at].routes == routes && known[at].space == space &&
        known[at].first == first && known[at].last == last)
        return known[at].id;
    simxen_lock();
    id = search(space, first, last);
    routes = own.state->routes;
    simxen_unlock();
    known[at].state = own.state;
    known[at].routes = routes;
    known[at].space = space;
    known[at].first = first;
    known[at].last = last;
    known[at].id = id;
    return id;
}

/* ---- Interrupt lines ---- */

void simxen_count_level(void)
{
    struct simxen_seen *seen = &own.state->seen;

    __atomic_fetch_add(&seen->levels, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&seen->sleepers, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, &seen->levels, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* ---- The test's side ---- */

static int make_file(const char *name, uint64_t size)
{
    int fd = open_file(name, O_RDWR | O_CREAT | O_EXCL);

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)size) < 0) {
        close(fd);
        return -errno;
    }
    return close(fd);
}

static int make_files(void)
{
    int rc = make_file("state", sizeof(struct simxen));

    if (rc == 0)
        rc = make_file("p2m", (uint64_t)SIMXEN_GFNS * sizeof(uint32_t));
    if (rc == 0)
        rc = make_file("dirty", SIMXEN_GFNS);
    if (rc == 0)
        rc = make_file("ram", (uint64_t)SIMXEN_MFNS * SIMXEN_PAGE);
    if (rc == 0)
        rc = make_file("ioreq", IOREQ_BYTES);
    return rc;
}

int simxen_create(unsigned vcpus, uint64_t low_pages, uint64_t headroom_pages)
{
    static uint32_t creations; /* what was known of an earlier one's routes is not true of this */
    char dir[] = "/dev/shm/simxen-XXXXXX";
    pthread_mutexattr_t attr;
    int rc = 0;

    if (!mkdtemp(dir) || setenv("SIMXEN_DIR", dir, 1) < 0)
        return -errno;
    rc = make_files();
    if (rc < 0)
        return rc;
    own.state = NULL;
    own.frames = own.pages = NULL;
    memset(own.fifos, 0, sizeof(own.fifos));
    attach();
    if (!own.state)
        return -errno;
    own.state->magic = MAGIC;
    own.state->routes = ++creations << 20;
    own.state->vcpus = vcpus;
    own.state->pages_most = low_pages + headroom_pages;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&own.state->lock, &attr);
    for (uint64_t gfn = 0; rc == 0 && gfn < low_pages; gfn++)
        if (gfn < 0xa0 || gfn >= 0xc0)
            rc = simxen_populate(gfn);
    return rc;
}

void simxen_destroy(void)
{
    static const char *const files[] = { "state", "p2m", "dirty", "ram", "ioreq" };
    char path[512];

    if (!simxen_dir())
        return;
    for (unsigned i = 0; i < sizeof(files) / sizeof(*files); i++) {
        snprintf(path, sizeof(path), "%s/%s", simxen_dir(), files[i]);
        unlink(path);
    }
    for (unsigned i = 0; i < SIMXEN_HANDLES; i++) {
        if (own.fifos[i])
            close(own.fifos[i] - 1);
        snprintf(path, sizeof(path), "%s/evt%u", simxen_dir(), i);
        unlink(path);
    }
    rmdir(simxen_dir());
    munmap(own.state, sizeof(*own.state));
    munmap(own.p2m, SIMXEN_GFNS * sizeof(*own.p2m));
    munmap(own.dirty, SIMXEN_GFNS);
    if (own.frames)
        munmap(own.frames, (size_t)SIMXEN_MFNS * SIMXEN_PAGE);
    if (own.pages)
        munmap(own.pages, IOREQ_BYTES);
    close(own.ram);
    close(own.ioreq);
    own.state = NULL;
    own.frames = own.pages = NULL;
    unsetenv("SIMXEN_DIR");
}

uint8_t *simxen_ram(void)
{
    void *p;

    if (!own.frames) {
        p = mmap(NULL, (size_t)SIMXEN_MFNS * SIMXEN_PAGE, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_NORESERVE, own.ram, 0);
        if (p == MAP_FAILED)
            simxen_crash("map all memory: errno %d", errno);
        own.frames = p;
    }
    return own.frames;
}

/* ioreq servers are the domain's, and stay. */
unsigned simxen_reap(void)
{
    struct simxen *s = own.state;
    unsigned live;

    simxen_lock();
    live = s->live_grants;
    s->live_grants = s->live_frames = 0;
    memset(s->granted, 0, sizeof(s->granted));
    for (unsigned i = 0; i < SIMXEN_GRANTS; i++)
        s->grants[i].flags &= (uint16_t) ~(GTF_reading | GTF_writing);
    memset(s->locals, 0, sizeof(s->locals));
    for (unsigned i = 0; i < SIMXEN_PORTS; i++)
        s->remotes[i].local = 0;
    simxen_unlock();
    return live;
}

static uint8_t *pages_of(unsigned server)
{
    void *p;

    if (!own.pages) {
        p = mmap(NULL, IOREQ_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, own.ioreq, 0);
        if (p == MAP_FAILED)
            simxen_crash("map the ioreq pages: errno %d", errno);
        own.pages = p;
    }
    return own.pages + 2ul * server * SIMXEN_PAGE;
}

volatile ioreq_t *simxen_slot(unsigned server, unsigned vcpu)
{
    return (volatile ioreq_t *)(void *)(pages_of(server) + SIMXEN_PAGE) + vcpu;
}

volatile struct buffered_iopage *simxen_posted(unsigned server)
{
    return (volatile struct buffered_iopage *)(void *)pages_of(server);
}
