/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DM_DISPLAY_VNC_BENCH_H
#define TESTS_UNIT_DM_DISPLAY_VNC_BENCH_H
#include <arpa/inet.h>
#include <dlfcn.h>
#include <linux/input-event-codes.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/loop.h"
#include "dm/display/input.h"
#include "dm/display/vnc.h"
#include "tests/unit/devices/display/bench.h"

/* A VNC server on a VGA of the bench, and a small client of our own. */

/* ---- The client ---- */

struct viewer {
    int fd;
    unsigned width, height;
    uint32_t *pixels;
    char name[64];
    bool dead;
};

static inline bool take(struct viewer *v, void *buf, size_t n)
{
    size_t done = 0;

    while (!v->dead && done < n) {
        struct pollfd p = { v->fd, POLLIN, 0 };
        ssize_t got = poll(&p, 1, 5000) == 1 ? read(v->fd, (char *)buf + done, n - done) : -1;

        if (got <= 0)
            v->dead = true;
        else
            done += (size_t)got;
    }
    return !v->dead;
}

static inline void give(struct viewer *v, const void *buf, size_t n)
{
    if (send(v->fd, buf, n, MSG_NOSIGNAL) != (ssize_t)n)
        v->dead = true;
}

static inline void dial(struct viewer *v, const struct vnc *vnc)
{
    struct sockaddr_in to = { .sin_family = AF_INET };

    *v = (struct viewer){ .fd = socket(AF_INET, SOCK_STREAM, 0) };
    to.sin_port = htons((uint16_t)atoi(vnc_service(vnc)));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v->dead = connect(v->fd, (struct sockaddr *)&to, sizeof(to)) < 0;
}

/* Up to the security types; how many there are, the first in *type. */
static inline unsigned hello(struct viewer *v, uint8_t *type)
{
    char version[12];
    uint8_t types[256] = { 0 };

    take(v, version, 12);
    give(v, "RFB 003.008\n", 12);
    take(v, types, 1);
    take(v, types + 1, types[0]);
    *type = types[1];
    return types[0];
}

static inline bool login(struct viewer *v)
{
    uint8_t type, init[24], result[4] = { 1, 1, 1, 1 };

    if (hello(v, &type) != 1 || type != 1)
        return false;
    give(v, &type, 1);
    take(v, result, 4);
    give(v, "\1", 1);
    if (get_be32(result) || !take(v, init, 24))
        return false;
    v->width = get_be16(init);
    v->height = get_be16(init + 2);
    take(v, v->name, MIN(get_be32(init + 20), 63u));
    v->pixels = calloc(2560 * 1600, 4);
    return !v->dead;
}

static inline void set_encodings(struct viewer *v, const int32_t *list, unsigned count)
{
    uint8_t msg[4 + 4 * 8] = { 2, 0, 0, (uint8_t)count };

    for (unsigned i = 0; i < count; i++)
        put_be32(msg + 4 + 4 * i, (uint32_t)list[i]);
    give(v, msg, 4 + 4 * count);
}

static inline void ask(struct viewer *v, bool incremental)
{
    uint8_t msg[10] = { 3, incremental };

    put_be16(msg + 6, (uint16_t)v->width);
    put_be16(msg + 8, (uint16_t)v->height);
    give(v, msg, sizeof(msg));
}

/* One update; raw rectangles into pixels, a new size into width and height. */
static inline unsigned update(struct viewer *v)
{
    uint8_t head[4], rect[12];
    unsigned extras = 0;

    take(v, head, 4);
    for (unsigned n = get_be16(head + 2); !v->dead && n; n--) {
        unsigned x, y, w, h;

        take(v, rect, 12);
        x = get_be16(rect), y = get_be16(rect + 2), w = get_be16(rect + 4), h = get_be16(rect + 6);
        if (get_be32(rect + 8) == (uint32_t)-223) {
            v->width = w;
            v->height = h;
        } else if (get_be32(rect + 8) == 0) {
            for (unsigned i = 0; i < h; i++)
                take(v, v->pixels + (y + i) * 2560 + x, w * 4);
        } else {
            extras++;
        }
    }
    return extras;
}

static inline void hang_up(struct viewer *v)
{
    close(v->fd);
    free(v->pixels);
}

/* ---- The bench: the guest's side runs here, the client in a thread ---- */

struct desk {
    struct bench b;
    struct input *input;
    struct input_device *dev;
    struct vnc *vnc;
    struct { unsigned key; bool down; } keys[64];
    unsigned key_count, abs_count, x, y, buttons;
    int dx, dy, wheel;
    atomic_bool finished;
    atomic_uint step;
    unsigned acted;
    uint64_t real;
    void (*act)(struct desk *d, unsigned step); /* the guest */
    void (*script)(struct desk *d);
    const char *wrong;
};

static inline void on_key(void *owner, unsigned key, bool down)
{
    struct desk *d = owner;

    if (d->key_count < ARRAY_SIZE(d->keys)) {
        d->keys[d->key_count].key = key;
        d->keys[d->key_count++].down = down;
    }
}

static inline void on_abs(void *owner, unsigned x, unsigned y, unsigned buttons)
{
    struct desk *d = owner;

    d->abs_count++;
    d->x = x;
    d->y = y;
    d->buttons = buttons;
}

static inline void on_rel(void *owner, int dx, int dy, unsigned buttons)
{
    struct desk *d = owner;

    d->dx += dx;
    d->dy += dy;
    d->buttons = buttons;
}

static inline void on_wheel(void *owner, int dz, unsigned buttons)
{
    ((struct desk *)owner)->wheel += dz;
}

static const struct input_ops tablet_ops __attribute__((unused)) = { .key = on_key, .pointer_abs = on_abs,
                                             .wheel = on_wheel };
static const struct input_ops mouse_ops __attribute__((unused)) = { .key = on_key, .pointer_rel = on_rel,
                                            .wheel = on_wheel };

static inline void *run_script(void *arg)
{
    struct desk *d = arg;

    d->script(d);
    atomic_store(&d->finished, true);
    return NULL;
}

/* Time passes as it does outside, and the guest acts when the script says so. */
static inline bool is_finished(void *arg)
{
    struct desk *d = arg;
    struct timespec ts;
    uint64_t now;
    unsigned step = atomic_load(&d->step);

    clock_gettime(CLOCK_MONOTONIC, &ts);
    now = (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
    clock_crank(d->real ? now - d->real : 0);
    d->real = now;
    if (step != d->acted && d->act) {
        d->act(d, step);
        d->acted = step;
    }
    return atomic_load(&d->finished);
}

static inline void desk_open(struct desk *d, const struct input_ops *ops, bool password)
{
    struct vnc_config c = { .listen = "127.0.0.1", .display = 900, .to = 1300,
                            .password = password, .name = "guest" };
    struct error err = { "" };

    memset(d, 0, sizeof(*d));
    bench_open(&d->b, &vga_class, "screen=vga");
    bench_set_mode(&d->b, &bench_text);
    bench_index(&d->b, 0x3d4, 0x0a, 0x20);
    CHECK_EQ(input_open(&d->input, d->b.pc.loop, &err), 0);
    CHECK_EQ(input_attach(&d->dev, d->input, ops, d, &err), 0);
    input_activate(d->dev);
    CHECK_EQ(vnc_open(&d->vnc, &c, d->b.screen, d->input, &err), 0);
    CHECK_EQ(vnc_load(d->vnc, &err), 0);
    vnc_serve(d->vnc);
}

/* The script in a thread; `between` in ours, as often as it likes. */
static inline void desk_run(struct desk *d, void (*script)(struct desk *d))
{
    pthread_t thread;

    d->script = script;
    atomic_store(&d->finished, false);
    CHECK_EQ(pthread_create(&thread, NULL, run_script, d), 0);
    CHECK(pc_wait(&d->b.pc, is_finished, d));
    pthread_join(thread, NULL);
    pc_settle(&d->b.pc);
    if (d->wrong)
        print_error("%s\n", d->wrong);
    CHECK(!d->wrong);
}

static inline void desk_close(struct desk *d)
{
    screen_viewer_close(d->b.viewer);
    pc_settle(&d->b.pc);
    vnc_close(d->vnc);
    input_detach(d->dev);
    pc_close(&d->b.pc);
    input_close(d->input);
    screen_close(d->b.screen);
    free(d->b.pixels);
}

#define EXPECT(d, x)                                                                               \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            (d)->wrong = #x;                                                                       \
            hang_up(&v);                                                                           \
            return;                                                                                \
        }                                                                                          \
    } while (0)

static const int32_t raw_and_size[] __attribute__((unused)) = { 0, -223 };
#endif
