/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small xenstored; what is left out is in store.h. Wire format: public io/xs_wire.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <xen/io/xs_wire.h>
#include "tests/simxen/simxen.h"
#include "tests/simxen/store.h"
#include "tests/simxen/xenstored.h"

#define CLIENTS 16
#define PAYLOAD 4096
#define HOME "/local/domain/0/"

struct node {
    struct node *next;
    char *path, *value;
};

struct xs_watch {
    struct xs_watch *next;
    int fd;
    char *path, *token; /* as the client said it: relative ones come back relative */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    int listener, stop[2], clients[CLIENTS];
    struct node *nodes;
    struct xs_watch *watches;
} store = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- The tree ---- */

static void canonical(char *out, size_t size, const char *path)
{
    snprintf(out, size, "%s%s", *path == '/' || *path == '@' ? "" : HOME, path);
}

static bool is_below(const char *path, const char *top)
{
    size_t n = strlen(top);

    return !strncmp(path, top, n) && (!path[n] || path[n] == '/' || !strcmp(top, "/"));
}

static struct node *find(const char *path)
{
    for (struct node *n = store.nodes; n; n = n->next)
        if (!strcmp(n->path, path))
            return n;
    return NULL;
}

static bool exists(const char *path)
{
    for (struct node *n = store.nodes; n; n = n->next)
        if (is_below(n->path, path))
            return true;
    return false;
}

static void reply(int fd, uint32_t type, uint32_t id, const void *data, size_t length)
{
    struct xsd_sockmsg head = { .type = type, .req_id = id, .len = (uint32_t)length };
    char message[sizeof(head) + PAYLOAD];

    memcpy(message, &head, sizeof(head));
    memcpy(message + sizeof(head), data, length);
    if (send(fd, message, sizeof(head) + length, MSG_NOSIGNAL) < 0)
        fprintf(stderr, "store: answer a client: errno %d\n", errno);
}

static void send_event(const struct xs_watch *w, const char *canonical_path)
{
    const char *path = canonical_path;
    char text[PAYLOAD];
    int n;

    if (*w->path != '/' && !strncmp(path, HOME, strlen(HOME)))
        path += strlen(HOME);
    n = snprintf(text, sizeof(text), "%s%c%s", path, 0, w->token);
    reply(w->fd, XS_WATCH_EVENT, 0, text, (size_t)n + 1);
}

/* `gone`: the node and all below, so that watches below hear of it as well. */
static void fire(const char *path, bool gone)
{
    char at[PAYLOAD];

    for (struct xs_watch *w = store.watches; w; w = w->next) {
        canonical(at, sizeof(at), w->path);
        if (is_below(path, at) || (gone && is_below(at, path)))
            send_event(w, path);
    }
    pthread_cond_broadcast(&store.changed);
}

static void put(const char *path, const char *value, size_t length)
{
    struct node *n = find(path);

    if (!n) {
        n = calloc(1, sizeof(*n));
        n->path = strdup(path);
        n->next = store.nodes;
        store.nodes = n;
    }
    free(n->value);
    n->value = strndup(value, length);
    fire(path, false);
}

static void drop(const char *path)
{
    for (struct node **at = &store.nodes; *at;) {
        struct node *n = *at;

        if (is_below(n->path, path)) {
            *at = n->next;
            free(n->path);
            free(n->value);
            free(n);
        } else {
            at = &n->next;
        }
    }
    fire(path, true);
}

/* The names right below a path, each with its zero. */
static size_t list(char *out, size_t size, const char *path)
{
    size_t length = 0, skip = strlen(path) + 1;

    for (struct node *n = store.nodes; n; n = n->next) {
        size_t name, k = 0;

        if (!is_below(n->path, path) || !n->path[strlen(path)])
            continue;
        name = strcspn(n->path + skip, "/");
        while (k < length && (strncmp(out + k, n->path + skip, name) || out[k + name]))
            k += strlen(out + k) + 1;
        if (k >= length && length + name + 1 < size)
            length +=
                (size_t)snprintf(out + length, size - length, "%.*s", (int)name, n->path + skip) +
                1;
    }
    return length;
}

/* ---- Requests ---- */

static void add_watch(int fd, const char *path, const char *token)
{
    struct xs_watch *w = calloc(1, sizeof(*w));

    w->fd = fd;
    w->path = strdup(path);
    w->token = strdup(token);
    w->next = store.watches;
    store.watches = w;
}

/* token NULL: all of a client's */
static bool remove_watches(int fd, const char *path, const char *token)
{
    bool any = false;

    for (struct xs_watch **at = &store.watches; *at;) {
        struct xs_watch *w = *at;

        if (w->fd == fd && (!token || (!strcmp(w->path, path) && !strcmp(w->token, token)))) {
            *at = w->next;
            free(w->path);
            free(w->token);
            free(w);
            any = true;
        } else {
            at = &w->next;
        }
    }
    return any;
}

/* `text` is the payload, and a zero behind it. */
static void request(int fd, const struct xsd_sockmsg *head, char *text)
{
    char at[PAYLOAD + 32], out[PAYLOAD];
    const char *second = text + strlen(text) + 1, *error = NULL;
    struct node *n;

    canonical(at, sizeof(at), text);
    n = find(at);
    switch (head->type) {
    case XS_READ:
        if (n || exists(at)) {
            reply(fd, XS_READ, head->req_id, n ? n->value : "", n ? strlen(n->value) : 0);
            return;
        }
        error = "ENOENT";
        break;
    case XS_DIRECTORY:
        if (exists(at)) {
            reply(fd, XS_DIRECTORY, head->req_id, out, list(out, sizeof(out), at));
            return;
        }
        error = "ENOENT";
        break;
    case XS_WRITE:
        put(at, second, head->len - (size_t)(second - text));
        break;
    case XS_MKDIR:
        if (!exists(at))
            put(at, "", 0);
        break;
    case XS_RM:
        if (exists(at))
            drop(at);
        break;
    case XS_WATCH:
        add_watch(fd, text, second);
        reply(fd, XS_WATCH, head->req_id, "OK", 3);
        send_event(store.watches, at);
        return;
    case XS_UNWATCH:
        error = remove_watches(fd, text, second) ? NULL : "ENOENT";
        break;
    case XS_TRANSACTION_START:
        reply(fd, head->type, head->req_id, "1", 2);
        return;
    case XS_TRANSACTION_END:
    case XS_SET_PERMS:
        break;
    case XS_GET_DOMAIN_PATH:
        snprintf(out, sizeof(out), "/local/domain/%.16s", text);
        reply(fd, head->type, head->req_id, out, strlen(out) + 1);
        return;
    default:
        error = "ENOSYS";
    }
    reply(fd, error ? XS_ERROR : head->type, head->req_id, error ? error : "OK",
          error ? strlen(error) + 1 : 3);
}

static bool serve(int fd)
{
    struct xsd_sockmsg head;
    char text[PAYLOAD + 2];

    if (recv(fd, &head, sizeof(head), MSG_WAITALL) != sizeof(head) || head.len > PAYLOAD ||
        recv(fd, text, head.len, MSG_WAITALL) != (ssize_t)head.len)
        return false;
    text[head.len] = text[head.len + 1] = 0;
    pthread_mutex_lock(&store.lock);
    request(fd, &head, text);
    pthread_mutex_unlock(&store.lock);
    return true;
}

static void *run(void *arg)
{
    struct pollfd fds[CLIENTS + 2];

    for (;;) {
        unsigned n = 2;

        fds[0] = (struct pollfd){ .fd = store.stop[0], .events = POLLIN };
        fds[1] = (struct pollfd){ .fd = store.listener, .events = POLLIN };
        for (unsigned i = 0; i < CLIENTS; i++)
            fds[n++] = (struct pollfd){ .fd = store.clients[i] - 1, .events = POLLIN };
        if (poll(fds, n, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[0].revents)
            return NULL;
        for (unsigned i = 0; i < CLIENTS; i++) {
            int fd = store.clients[i] - 1;

            if (!fds[i + 2].revents || serve(fd))
                continue;
            pthread_mutex_lock(&store.lock);
            remove_watches(fd, NULL, NULL);
            pthread_mutex_unlock(&store.lock);
            close(fd);
            store.clients[i] = 0;
        }
        for (unsigned i = 0; fds[1].revents && i < CLIENTS; i++)
            if (!store.clients[i]) {
                store.clients[i] = accept4(store.listener, NULL, NULL, SOCK_CLOEXEC) + 1;
                break;
            }
    }
}

/* ---- For the test ---- */

/* The real one, where it is installed; what follows is for where it is not. */
static bool real;

int store_start(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    pthread_condattr_t attr;

    real = xenstored_there();
    if (real)
        return xenstored_start();
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/xenstored", simxen_dir());
    setenv("XENSTORED_PATH", addr.sun_path, 1);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&store.changed, &attr);
    store.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (store.listener < 0 || pipe2(store.stop, O_CLOEXEC) < 0 ||
        bind(store.listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(store.listener, CLIENTS) < 0)
        return -errno;
    return -pthread_create(&store.thread, NULL, run, NULL);
}

void store_stop(void)
{
    if (real) {
        xenstored_stop();
        return;
    }
    if (write(store.stop[1], "", 1) == 1)
        pthread_join(store.thread, NULL);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (store.clients[i]) {
            remove_watches(store.clients[i] - 1, NULL, NULL);
            close(store.clients[i] - 1);
            store.clients[i] = 0;
        }
    drop("/");
    close(store.listener);
    close(store.stop[0]);
    close(store.stop[1]);
    unlink(getenv("XENSTORED_PATH"));
    unsetenv("XENSTORED_PATH");
}

void store_put(const char *path, const char *value)
{
    char at[PAYLOAD];

    if (real) {
        xenstored_put(path, value);
        return;
    }
    canonical(at, sizeof(at), path);
    pthread_mutex_lock(&store.lock);
    put(at, value, strlen(value));
    pthread_mutex_unlock(&store.lock);
}

char *store_get(const char *path)
{
    char at[PAYLOAD], *value = NULL;
    struct node *n;

    if (real)
        return xenstored_get(path);
    canonical(at, sizeof(at), path);
    pthread_mutex_lock(&store.lock);
    n = find(at);
    if (n)
        value = strdup(n->value);
    pthread_mutex_unlock(&store.lock);
    return value;
}

void store_drop(const char *path)
{
    char at[PAYLOAD];

    if (real) {
        xenstored_drop(path);
        return;
    }
    canonical(at, sizeof(at), path);
    pthread_mutex_lock(&store.lock);
    drop(at);
    pthread_mutex_unlock(&store.lock);
}

void store_fire(const char *path)
{
    if (real) {
        xenstored_fire(path);
        return;
    }
    pthread_mutex_lock(&store.lock);
    fire(path, false);
    pthread_mutex_unlock(&store.lock);
}

bool store_wait(const char *path, const char *value, unsigned ms)
{
    char at[PAYLOAD];
    struct timespec until;
    bool there;
    int rc = 0;

    if (real)
        return xenstored_wait(path, value, ms);
    canonical(at, sizeof(at), path);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000l;
    if (until.tv_nsec >= 1000000000l) {
        until.tv_nsec -= 1000000000l;
        until.tv_sec++;
    }
    pthread_mutex_lock(&store.lock);
    for (;;) {
        struct node *n = find(at);

        there = n && !strcmp(n->value, value);
        if (there || rc)
            break;
        rc = pthread_cond_timedwait(&store.changed, &store.lock, &until);
    }
    pthread_mutex_unlock(&store.lock);
    return there;
}
