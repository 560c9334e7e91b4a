/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NBD servers that lie: the input is the features and the size that the server tells, the requests
 * of a guest, and what the server answers: bytes as they come, or replies that name a request which
 * waits, with errors, chunks and lengths of the input's choice. The server is a thread on a unix
 * socket; libnbd itself is Debian's, without instrumentation, so the corpus follows our side.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/block/disk.h"
#include "tests/fuzz/kit/bench.h"
#include "tests/fuzz/kit/input.h"

#define FLYING 8u
#define BYTES_MOST (64u << 10)
#define STEPS_MOST 64u
#define LIVES 3u /* connections that the server takes for one input */
#define OPTIONS_MOST 16u
#define PATIENCE_MS 20 /* of the server, with a silent client */
#define TURNS_MOST 20000u

enum how { RAW = 1, STRUCTURED = 2, READONLY = 4, WRITETHROUGH = 8, BLOCK_SIZES = 16, DISCARD = 32 };

static struct loop *loop;
static struct disk_queue *queue;
static unsigned flying;
static struct disk_request reqs[FLYING];
static struct iovec iovs[FLYING][2];
static uint8_t data[FLYING][BYTES_MOST];

/* Nobody of ours sleeps for long: time passes by the crank. */
int __real_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
    return __real_poll(fds, n, MIN(ms, 1));
}

/* ---- The server ---- */

static struct server {
    int listener;
    pthread_t thread;
    struct input script;
    uint8_t how;
    uint64_t size;
    uint16_t flags;
    uint32_t least;
    atomic_bool stop;
    int fd;
    struct asked {
        uint64_t cookie, offset;
        uint32_t data; /* bytes that it wants to have */
    } asked[FLYING];   /* requests that wait for a reply */
    unsigned waiting;
} server;

static bool server_send(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;

    while (n) {
        ssize_t sent = send(server.fd, p, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool server_take(void *to, size_t n)
{
    uint8_t *p = to;

    while (n) {
        struct pollfd at = { server.fd, POLLIN, 0 };
        ssize_t got;

        if (atomic_load(&server.stop) || __real_poll(&at, 1, PATIENCE_MS) <= 0)
            return false;
        got = recv(server.fd, p, n, 0);
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

static bool server_swallow(uint64_t n)
{
    uint8_t away[4096];

    for (; n; n -= MIN(n, sizeof(away)))
        if (!server_take(away, MIN(n, sizeof(away))))
            return false;
    return true;
}

static bool option_reply(uint32_t option, uint32_t type, const void *body, uint32_t n)
{
    uint8_t head[20];

    put_be64(head, 0x3e889045565a9);
    put_be32(head + 8, option);
    put_be32(head + 12, type);
    put_be32(head + 16, n);
    return server_send(head, sizeof(head)) && (!n || server_send(body, n));
}

static bool server_go(uint32_t option)
{
    uint8_t export[12] = { 0 }, sizes[14] = { 0, 3 };

    put_be64(export + 2, server.size);
    put_be16(export + 10, server.flags);
    put_be32(sizes + 2, server.least);
    put_be32(sizes + 6, 4096);
    put_be32(sizes + 10, 32 << 20);
    return option_reply(option, 3, export, sizeof(export)) &&
           (!(server.how & BLOCK_SIZES) || option_reply(option, 3, sizes, sizeof(sizes))) &&
           option_reply(option, 1, NULL, 0);
}

/* What a good server says before the first request; then whether there may be one. */
static bool server_hello(void)
{
    uint8_t hello[18], flags[4], option[16];

    memcpy(hello, "NBDMAGICIHAVEOPT", 16);
    put_be16(hello + 16, 3);
    if (!server_send(hello, sizeof(hello)) || !server_take(flags, sizeof(flags)))
        return false;
    for (unsigned i = 0; i < OPTIONS_MOST; i++) {
        uint32_t number;

        if (!server_take(option, sizeof(option)) || !server_swallow(get_be32(option + 12)))
            return false;
        number = get_be32(option + 8);
        if (number == 7)
            return server_go(number);
        if (!option_reply(number, number == 8 && server.how & STRUCTURED ? 1 : 0x80000001, NULL, 0))
            return false;
    }
    return false;
}

/* Takes requests that have come, and waits for one if none waits for a reply. */
static bool server_listen(void)
{
    uint8_t head[28];

    for (;;) {
        struct pollfd at = { server.fd, POLLIN, 0 };
        struct asked *a = &server.asked[server.waiting];

        if (server.waiting == FLYING || (server.waiting && __real_poll(&at, 1, 0) <= 0))
            return true;
        if (!server_take(head, sizeof(head)) || get_be16(head + 6) == 2)
            return false;
        if (get_be16(head + 6) == 1 && !server_swallow(get_be32(head + 24)))
            return false;
        memcpy(&a->cookie, head + 8, 8);
        a->offset = get_be64(head + 16);
        a->data = get_be16(head + 6) ? 0 : get_be32(head + 24);
        server.waiting++;
    }
}

static struct asked take_asked(uint8_t which, bool stays)
{
    struct asked a = { which, 0, 0 };

    if (server.waiting) {
        a = server.asked[which % server.waiting];
        if (!stays)
            server.asked[which % server.waiting] = server.asked[--server.waiting];
    }
    return a;
}

static bool zeroes(uint32_t n)
{
    static const uint8_t none[4096];

    for (n = MIN(n, 1u << 20); n; n -= MIN(n, sizeof(none)))
        if (!server_send(none, MIN(n, sizeof(none))))
            return false;
    return true;
}

enum reply { CHUNK = 4, AWRY = 8, UNEVEN = 16, AS_ASKED = 32 };

static bool chunk(struct input *in, uint8_t op)
{
    uint8_t flags = op & AWRY ? take8(in) : 1, head[28];
    struct asked a = take_asked(take8(in), !(flags & 1));
    bool right = op & AS_ASKED;
    uint32_t n = right ? a.data + (a.data ? 8 : 0) : op & UNEVEN ? take32(in) : take16(in);

    put_be32(head, 0x668e33ef);
    put_be16(head + 4, flags);
    put_be16(head + 6, right ? !!a.data : take16(in));
    memcpy(head + 8, &a.cookie, 8);
    put_be32(head + 16, n);
    put_be64(head + 20, right ? a.offset : take16(in));
    return server_send(head, 20 + MIN(n, 8)) && zeroes(n - MIN(n, 8));
}

static bool reply(struct input *in, uint8_t op)
{
    uint8_t head[16];
    struct asked a = take_asked(take8(in), false);

    put_be32(head, 0x67446698);
    put_be32(head + 4, op & AWRY ? take32(in) : 0);
    memcpy(head + 8, &a.cookie, 8);
    return server_send(head, sizeof(head)) && zeroes(op & AS_ASKED ? a.data : take16(in));
}

static void server_serve(void)
{
    while (server.script.left && !atomic_load(&server.stop)) {
        uint8_t op = take8(&server.script);
        const uint8_t *bytes;
        size_t n;

        switch (op & 3) {
        case 0:
            n = take_bytes(&server.script, 1 + (op >> 2), &bytes);
            if (!server_send(bytes, n))
                return;
            break;
        case 3:
            if (op & CHUNK && op & AWRY)
                return; /* gone */
            break;
        default:
            if (!server_listen() ||
                !(op & CHUNK ? chunk(&server.script, op) : reply(&server.script, op)))
                return;
        }
    }
}

static void *server_run(void *arg)
{
    for (unsigned life = 0; life < LIVES && !atomic_load(&server.stop);) {
        struct pollfd at = { server.listener, POLLIN, 0 };

        if (__real_poll(&at, 1, 5) <= 0)
            continue;
        server.fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC);
        if (server.fd < 0)
            abort();
        server.waiting = 0;
        life++;
        if (server.how & RAW || server_hello())
            server_serve();
        close(server.fd);
    }
    return NULL;
}

static void server_start(struct input *in)
{
    static const uint64_t sizes[] = { 0, 511, 513, 1 << 20, 1ull << 40, INT64_MAX, UINT64_MAX, 1 << 16 };
    uint8_t b = take8(in);

    server.how = take8(in);
    server.size = sizes[b & 7] + (b & 8 ? take16(in) : 0);
    server.flags = take16(in);
    server.least = 1u << (b >> 4);
    atomic_store(&server.stop, false);
}

/* ---- The disk ---- */

static void done(struct disk_request *req, int rc)
{
    if (rc > 0 || !req->owner)
        bench_broken("a request ends with %d%s", rc, req->owner ? "" : ", twice");
    req->owner = NULL;
    flying--;
}

static void turn(void)
{
    if (loop_step(loop))
        return;
    clock_crank(NS_PER_SEC / 50);
    usleep(20);
}

static void settle(void)
{
    for (unsigned i = 0; flying; i++) {
        if (i == TURNS_MOST)
            bench_broken("%u requests never end", flying);
        turn();
    }
}

static void request(struct disk *disk, uint8_t a, uint8_t b)
{
    uint64_t sectors = disk_bytes(disk) / 512, at = MIN(b >> 1, sectors - 1);
    unsigned i = 0, n = (unsigned)MIN(1u + (a >> 3) * 4, BYTES_MOST / 512);

    while (reqs[i].owner && i < FLYING - 1)
        i++;
    if (reqs[i].owner)
        return;
    if (b & 1)
        at = sectors - 1 - at;
    n = (unsigned)MIN(n, sectors - at);
    iovs[i][0] = (struct iovec){ data[i], 512 };
    iovs[i][1] = (struct iovec){ data[i] + 512, (n - 1) * 512 };
    reqs[i] = (struct disk_request){ .op = a % 5, .offset = at * 512, .length = n * 512,
                                     .iov = iovs[i], .iov_count = n > 1 ? 2 : 1, .done = done,
                                     .owner = &reqs[i] };
    flying++;
    disk_submit(disk, queue, &reqs[i]);
}

static char uri[128];

static void use(struct input *in)
{
    struct disk_config config = { .path = uri, .format = "nbd", .discard = server.how & DISCARD,
                                  .readonly = server.how & READONLY,
                                  .writethrough = server.how & WRITETHROUGH };
    struct error err = { "" };
    const uint8_t *ops;
    size_t n = take_bytes(in, 2 * (take8(in) % STEPS_MOST), &ops);
    struct disk *disk;

    server.script = *in;
    if (pthread_create(&server.thread, NULL, server_run, NULL))
        abort();
    if (disk_open(&disk, &config, &err) == 0) {
        for (size_t i = 0; i + 1 < n; i += 2) {
            request(disk, ops[i], ops[i + 1]);
            if (ops[i] % 8 == 7)
                settle();
        }
        settle();
        disk_close(disk);
    } else if (!*err.text) {
        bench_broken("refused without a sentence");
    }
    atomic_store(&server.stop, true);
    pthread_join(server.thread, NULL);
}

static char path[96];

static void away(void)
{
    unlink(path);
}

static void open_once(void)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    struct error err;

    signal(SIGPIPE, SIG_IGN);
    log_guest_limit(0);
    if (loop_open(&loop, "fuzz", &err) < 0 || disk_queue_open(&queue, loop, &err) < 0)
        bench_broken("set-up: %s", err.text);
    snprintf(path, sizeof(path), "/tmp/xen-dm-fuzz-nbd.%d", (int)getpid());
    snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s", path);
    memcpy(to.sun_path, path, strlen(path) + 1);
    unlink(path);
    server.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server.listener < 0 || bind(server.listener, (struct sockaddr *)&to, sizeof(to)) < 0 ||
        listen(server.listener, 8) < 0)
        bench_broken("set-up: no socket at %s", path);
    atexit(away);
    clock_stop(NS_PER_SEC);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input in = { bytes, size };
    struct pollfd left;

    if (!loop)
        open_once();
    server_start(&in);
    use(&in);
    /* connections that were made and never taken */
    for (left = (struct pollfd){ server.listener, POLLIN, 0 }; __real_poll(&left, 1, 0) > 0;)
        close(accept4(server.listener, NULL, NULL, SOCK_CLOEXEC));
    return 0;
}
