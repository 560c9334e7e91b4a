/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * User networking through libslirp, loaded only when a netdev asks for it: it brings glib, which
 * nobody else here needs. Slirp wants to be asked before each sleep which descriptors it waits
 * for; a hook of the loop does that and keeps watches to match.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/log.h"
#include "dm/net/internal.h"
#include "dm/net/packet.h"

#define LIBRARY "libslirp.so.0"
#define SOCKETS_MOST 512
#define FRAMES_MOST 256

struct library {
    void *handle;
    Slirp *(*new)(const SlirpConfig *, const SlirpCb *, void *);
    void (*cleanup)(Slirp *);
    void (*fill)(Slirp *, uint32_t *, SlirpAddPollCb, void *);
    void (*poll)(Slirp *, int, SlirpGetREventsCb, void *);
    void (*input)(Slirp *, const uint8_t *, int);
};

/* A descriptor slirp waits for. */
struct waited {
    struct user *user;
    int fd;
    unsigned wanted, ready; /* WATCH_* */
    bool asked;             /* in the latest fill */
    struct watch *watch;
};

/* A frame on its way to the guest. */
struct waiting {
    struct waiting *next;
    size_t length;
    uint8_t bytes[];
};

struct user {
    struct netport port;
    struct library lib;
    Slirp *slirp;
    struct hook hook;
    struct timer timeout;
    uint64_t due; /* of `timeout` */
    struct waited *waited[SOCKETS_MOST];
    int count;
    bool ready; /* some descriptor is, or time is up */
    char *hostname, *tftp, *bootfile;
    uint8_t *frame;
    struct waiting *first, *last; /* frames for the guest */
    unsigned frames;
    bool full; /* the guest's card has no room for the first of them */
};

static struct user *user_of(struct netport *p)
{
    return container_of(p, struct user, port);
}

/* ---- What slirp calls ---- */

static ssize_t send_packet(const void *frame, size_t length, void *opaque)
{
    struct user *u = opaque;
    struct waiting *w = u->frames < FRAMES_MOST ? malloc(sizeof(*w) + length) : NULL;

    if (!w) /* dropped, as on a wire */
        return (ssize_t)length;
    w->next = NULL;
    w->length = length;
    memcpy(w->bytes, frame, length);
    if (u->last)
        u->last->next = w;
    else
        u->first = w;
    u->last = w;
    u->frames++;
    return (ssize_t)length;
}

static void drop_first(struct user *u)
{
    struct waiting *w = u->first;

    u->first = w->next;
    if (!u->first)
        u->last = NULL;
    u->frames--;
    free(w);
}

/* Never from inside slirp: it often answers within the call in which the guest's card sends. */
static void deliver(struct user *u)
{
    while (u->first && !u->full) {
        u->full = !netport_deliver(&u->port, u->first->bytes, u->first->length, NULL);
        if (!u->full)
            drop_first(u);
    }
}

static void guest_error(const char *text, void *opaque)
{
    log_guest("user network: %s", text);
}

static int64_t clock_get_ns(void *opaque)
{
    return (int64_t)clock_now();
}

struct slirp_timer {
    struct timer timer;
    SlirpTimerCb fn;
    void *arg;
    struct user *user;
};

static void on_slirp_timer(void *arg)
{
    struct slirp_timer *t = arg;

    t->fn(t->arg);
}

static void *timer_new(SlirpTimerCb fn, void *arg, void *opaque)
{
    struct slirp_timer *t = calloc(1, sizeof(*t));

    if (t)
        *t = (struct slirp_timer){ .fn = fn, .arg = arg, .user = opaque };
    return t;
}

static void timer_free_one(void *timer, void *opaque)
{
    struct slirp_timer *t = timer;

    if (t)
        timer_clear(&t->timer);
    free(t);
}

static void timer_mod(void *timer, int64_t ms, void *opaque)
{
    struct slirp_timer *t = timer;

    if (!t || !t->user->port.loop)
        return;
    if (!t->timer.loop)
        timer_init(&t->timer, t->user->port.loop, on_slirp_timer, t);
    timer_set(&t->timer, (uint64_t)ms * NS_PER_MS);
}

static void forget(struct user *u, int at)
{
    watch_close(u->waited[at]->watch);
    free(u->waited[at]);
    u->waited[at] = u->waited[--u->count];
}

static void unregister_fd(int fd, void *opaque)
{
    struct user *u = opaque;

    for (int i = 0; i < u->count; i++)
        if (u->waited[i]->fd == fd) { /* before it is closed and its number used again */
            forget(u, i);
            return;
        }
}

static void register_fd(int fd, void *opaque)
{
    unregister_fd(fd, opaque);
}

static void notify(void *opaque)
{
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_get_ns,
    .timer_new = timer_new,
    .timer_free = timer_free_one,
    .timer_mod = timer_mod,
    .register_poll_fd = register_fd,
    .unregister_poll_fd = unregister_fd,
    .notify = notify,
};

/* ---- Descriptors, before each sleep ---- */

static void on_ready(void *arg, unsigned events)
{
    struct waited *w = arg;

    w->ready |= events;
    w->user->ready = true;
    watch_set(w->watch, 0); /* slirp looks in the hook; level-triggered events would repeat */
}

static int add_poll(int fd, int events, void *opaque)
{
    struct user *u = opaque;
    unsigned wanted = (events & SLIRP_POLL_IN || events & SLIRP_POLL_PRI ? WATCH_READ : 0) |
                      (events & SLIRP_POLL_OUT ? WATCH_WRITE : 0);
    int i = 0;

    while (i < u->count && u->waited[i]->fd != fd)
        i++;
    if (i == u->count) {
        struct waited *w = i < SOCKETS_MOST ? calloc(1, sizeof(*w)) : NULL;

        if (!w)
            return -1;
        *w = (struct waited){ .user = u, .fd = fd };
        if (watch_open(&w->watch, u->port.loop, fd, 0, on_ready, w, NULL) < 0) {
            free(w);
            return -1;
        }
        u->waited[u->count++] = w;
    }
    u->waited[i]->asked = true;
    u->waited[i]->wanted = wanted;
    return i;
}

static int get_revents(int at, void *opaque)
{
    struct user *u = opaque;
    unsigned ready = at >= 0 && at < u->count ? u->waited[at]->ready : 0;

    return (ready & WATCH_READ ? SLIRP_POLL_IN : 0) | (ready & WATCH_WRITE ? SLIRP_POLL_OUT : 0) |
           (ready & WATCH_HANGUP ? SLIRP_POLL_HUP | SLIRP_POLL_IN : 0);
}

static void on_timeout(void *arg)
{
    ((struct user *)arg)->ready = true;
}

/* An earlier time replaces a later one; a later one does not, or a busy loop would put it off. */
static void wake_in(struct user *u, uint32_t ms)
{
    uint64_t due = clock_now() + MAX(ms, 1u) * NS_PER_MS;

    if (ms == UINT32_MAX) {
        timer_clear(&u->timeout);
    } else if (!timer_is_set(&u->timeout) || due < u->due) {
        u->due = due;
        timer_set(&u->timeout, due);
    }
}

static void before_sleep(void *arg)
{
    struct user *u = arg;
    uint32_t ms = UINT32_MAX;

    for (int i = 0; i < u->count; i++)
        u->waited[i]->asked = false;
    u->lib.fill(u->slirp, &ms, add_poll, u);
    if (u->ready) {
        u->ready = false;
        u->lib.poll(u->slirp, 0, get_revents, u);
        for (int i = 0; i < u->count; i++)
            u->waited[i]->ready = 0;
        for (int i = 0; i < u->count; i++)
            u->waited[i]->asked = false;
        ms = UINT32_MAX;
        u->lib.fill(u->slirp, &ms, add_poll, u);
    }
    for (int i = u->count - 1; i >= 0; i--) {
        if (u->waited[i]->asked)
            watch_set(u->waited[i]->watch, u->waited[i]->wanted);
        else
            forget(u, i);
    }
    deliver(u);
    wake_in(u, ms);
}

/* ---- The port ---- */

static int user_attach(struct netport *p, struct error *err)
{
    struct user *u = user_of(p);
    SlirpConfig config = {
        .version = 1,
        .in_enabled = true,
        .in6_enabled = true,
        .vhostname = u->hostname,
        .tftp_path = u->tftp,
        .bootfile = u->bootfile,
    };

    inet_pton(AF_INET, "10.0.2.0", &config.vnetwork);
    inet_pton(AF_INET, "255.255.255.0", &config.vnetmask);
    inet_pton(AF_INET, "10.0.2.2", &config.vhost);
    inet_pton(AF_INET, "10.0.2.15", &config.vdhcp_start);
    inet_pton(AF_INET, "10.0.2.3", &config.vnameserver);
    inet_pton(AF_INET6, "fec0::", &config.vprefix_addr6);
    config.vprefix_len = 64;
    inet_pton(AF_INET6, "fec0::2", &config.vhost6);
    inet_pton(AF_INET6, "fec0::3", &config.vnameserver6);
    timer_init(&u->timeout, p->loop, on_timeout, u);
    u->slirp = u->lib.new(&config, &callbacks, u);
    if (!u->slirp)
        return error_set(err, -EINVAL, "netdev %s: libslirp refused to start", p->id);
    u->hook = (struct hook){ .fn = before_sleep, .arg = u };
    loop_add_hook(p->loop, &u->hook);
    return 0;
}

static void user_hang_up(struct netport *p)
{
    struct user *u = user_of(p);

    if (!u->slirp)
        return;
    loop_remove_hook(p->loop, &u->hook);
    timer_clear(&u->timeout);
    u->lib.cleanup(u->slirp);
    u->slirp = NULL;
    while (u->count)
        forget(u, u->count - 1);
    while (u->first)
        drop_first(u);
    u->full = false;
}

static void user_accept(struct netport *p)
{
    struct user *u = user_of(p);

    u->full = false;
    deliver(u);
}

static int user_send(struct netport *p, const struct iovec *iov, unsigned count,
                     const struct offload *off)
{
    struct user *u = user_of(p);
    size_t at = 0;

    for (unsigned i = 0; i < count; i++) {
        if (at + iov[i].iov_len > PACKET_MOST)
            return 0;
        memcpy(u->frame + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    if (u->slirp)
        u->lib.input(u->slirp, u->frame, (int)at);
    return 0;
}

static void user_close(struct netport *p)
{
    struct user *u = user_of(p);

    user_hang_up(p);
    if (u->lib.handle)
        dlclose(u->lib.handle);
    free(u->hostname);
    free(u->tftp);
    free(u->bootfile);
    free(u->frame);
    free(u);
}

static const struct netport_kind user_kind = {
    .attach = user_attach,
    .detach = user_hang_up,
    .accept = user_accept,
    .send = user_send,
    .hang_up = user_hang_up,
    .close = user_close,
};

static int load(struct library *lib, const char *id, struct error *err)
{
    lib->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!lib->handle)
        return error_set(
            err, -ENOENT,
            "netdev %s: user networking needs %s; install the Debian package libslirp0", id,
            LIBRARY);
    *(void **)&lib->new = dlsym(lib->handle, "slirp_new");
    *(void **)&lib->cleanup = dlsym(lib->handle, "slirp_cleanup");
    *(void **)&lib->fill = dlsym(lib->handle, "slirp_pollfds_fill");
    *(void **)&lib->poll = dlsym(lib->handle, "slirp_pollfds_poll");
    *(void **)&lib->input = dlsym(lib->handle, "slirp_input");
    if (!lib->new || !lib->cleanup || !lib->fill || !lib->poll || !lib->input)
        return error_set(err, -ENOENT, "netdev %s: %s lacks a function we need: it is too old", id,
                         LIBRARY);
    return 0;
}

int user_open(struct netport **out, const struct netport_config *c, struct error *err)
{
    struct user *u = calloc(1, sizeof(*u));
    int rc;

    if (!u)
        return error_set(err, -ENOMEM, "netdev %s: out of memory", c->id);
    u->port.kind = &user_kind;
    *out = &u->port; /* closed by the caller on error */
    u->hostname = c->hostname ? strdup(c->hostname) : NULL;
    u->tftp = c->tftp ? strdup(c->tftp) : NULL;
    u->bootfile = c->bootfile ? strdup(c->bootfile) : NULL;
    u->frame = malloc(PACKET_MOST);
    rc = netport_name(&u->port, c->id, "user,net=10.0.2.0/24", err);
    if (rc == 0 && !u->frame)
        rc = error_set(err, -ENOMEM, "netdev %s: out of memory", c->id);
    return rc < 0 ? rc : load(&u->lib, c->id, err);
}
