/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenstore through libxenstore, which stays real everywhere. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/xen/store.h"

#define TRANSACTION_TRIES 100
#define EVENTS_A_PASS 64

struct store_watch {
    struct store_watch *next;
    struct store *store;
    char *path;
    char token[24];
    void (*fn)(void *arg);
    void *arg;
};

struct store {
    struct xs_handle *xs;
    struct watch *watch;
    struct store_watch *watches;
    unsigned tokens;
};

static void on_ready(void *arg, unsigned events)
{
    struct store *s = arg;
    char **hit = NULL;

    /* a guest may write faster than we read: others get their turn in between */
    for (int i = 0; i < EVENTS_A_PASS && (hit = xs_check_watch(s->xs)); i++) {
        for (struct store_watch *w = s->watches; w; w = w->next)
            if (!strcmp(w->token, hit[XS_WATCH_TOKEN])) {
                w->fn(w->arg);
                break; /* it may have unwatched itself */
            }
        free(hit);
    }
    if (!hit && errno != EAGAIN && errno != EINTR) {
        log_error("the connection to xenstore is gone: errno %d", errno);
        watch_close(s->watch);
        s->watch = NULL;
    }
}

/* The library has no other word for where it connects to. */
static struct xs_handle *open_at(const char *path)
{
    const char *now = getenv("XENSTORED_PATH");
    char *before = now ? strdup(now) : NULL;
    struct xs_handle *xs;

    if (path)
        setenv("XENSTORED_PATH", path, 1);
    xs = xs_open(0);
    if (path && before)
        setenv("XENSTORED_PATH", before, 1);
    else if (path)
        unsetenv("XENSTORED_PATH");
    free(before);
    return xs;
}

int store_open(struct store **out, struct loop *loop, struct error *err)
{
    return store_open_at(out, loop, NULL, err);
}

int store_open_at(struct store **out, struct loop *loop, const char *path, struct error *err)
{
    struct store *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return error_set(err, -ENOMEM, "xenstore: out of memory");
    s->xs = open_at(path);
    if (path) /* by the end we may be in a chroot, where glibc cannot load what pthread_cancel() takes */
        dlopen("libgcc_s.so.1", RTLD_NOW);
    if (!s->xs) {
        rc = error_errno(err, "connect to xenstore: is xenstored running?");
        goto fail;
    }
    rc = watch_open(&s->watch, loop, xs_fileno(s->xs), WATCH_READ, on_ready, s, err);
    if (rc < 0)
        goto fail;
    *out = s;
    return 0;

fail:
    store_close(s);
    return rc;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    while (s->watches)
        store_unwatch(s->watches);
    watch_close(s->watch);
    if (s->xs)
        xs_close(s->xs);
    free(s);
}

int store_write(struct store *s, const char *path, const char *value, struct error *err)
{
    if (!xs_write(s->xs, XBT_NULL, path, value, (unsigned)strlen(value)))
        return error_errno(err, "write %s to xenstore node %s", value, path);
    return 0;
}

char *store_read(struct store *s, const char *path)
{
    unsigned length;

    return xs_read(s->xs, XBT_NULL, path, &length);
}

void store_remove(struct store *s, const char *path)
{
    xs_rm(s->xs, XBT_NULL, path);
}

int store_mkdir(struct store *s, const char *path, struct error *err)
{
    if (!xs_mkdir(s->xs, XBT_NULL, path))
        return error_errno(err, "make xenstore directory %s", path);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **store_list(struct store *s, const char *path, unsigned *count)
{
    char **list = xs_directory(s->xs, XBT_NULL, path, count);

    if (!list)
        *count = 0;
    else
        qsort(list, *count, sizeof(*list), by_name);
    return list;
}

void store_free_list(char **list)
{
    free(list); /* one piece, as the library gives it */
}

static int last_error(void)
{
    return errno ? -errno : -EIO;
}

/*
 * What `fn` does is seen by others as one; where somebody came between it is done again. fn(): 0, or a
 * negative errno, and nothing of it was done. That, or -errno; -EAGAIN: others kept changing it.
 */
static int transact(struct store *s, int (*fn)(struct store *s, xs_transaction_t t, void *arg), void *arg)
{
    for (unsigned tries = 0; tries < TRANSACTION_TRIES; tries++) {
        xs_transaction_t t = xs_transaction_start(s->xs);
        int rc = t == XBT_NULL ? last_error() : fn(s, t, arg);

        if (rc < 0) {
            if (t != XBT_NULL)
                xs_transaction_end(s->xs, t, true);
            return rc;
        }
        if (xs_transaction_end(s->xs, t, false))
            return 0;
        if (errno != EAGAIN)
            return last_error();
    }
    return -EAGAIN;
}

static bool put_pair(struct store *s, xs_transaction_t t, const char *const pair[2])
{
    if (pair[1])
        return xs_write(s->xs, t, pair[0], pair[1], (unsigned)strlen(pair[1]));
    return xs_rm(s->xs, t, pair[0]) || errno == ENOENT;
}

static int put_all(struct store *s, xs_transaction_t t, void *arg)
{
    const char *const (*pairs)[2] = arg;

    for (; (*pairs)[0]; pairs++)
        if (!put_pair(s, t, *pairs))
            return last_error();
    return 0;
}

int store_write_all(struct store *s, const char *const (*pairs)[2], struct error *err)
{
    int rc = transact(s, put_all, (void *)(uintptr_t)pairs);

    if (rc == 0)
        return 0;
    if (rc == -EAGAIN)
        return error_set(err, rc, "write %s to xenstore: others kept changing it", pairs[0][0]);
    errno = -rc;
    return error_errno(err, "write %s to xenstore", pairs[0][0]);
}

static bool is_missing(struct store *s, xs_transaction_t t, const char *path)
{
    unsigned length;
    char *text = xs_read(s->xs, t, path, &length);
    bool missing = !text && errno == ENOENT;

    free(text);
    return missing;
}

static void remove_empty(struct store *s, xs_transaction_t t, const char *dir)
{
    unsigned count;
    char **list = xs_directory(s->xs, t, dir, &count);

    if (list && !count)
        xs_rm(s->xs, t, dir);
    free(list);
}

static const char *below(char *path, size_t size, const char *dir, const char *node)
{
    snprintf(path, size, "%s/%s", dir, node);
    return path;
}

struct sweep {
    const char *dir, *guard;
    const char *const *nodes;
};

static int sweep(struct store *s, xs_transaction_t t, void *arg)
{
    const struct sweep *w = arg;
    const char *slash = strrchr(w->dir, '/');
    char path[512];

    if (!is_missing(s, t, below(path, sizeof(path), w->dir, w->guard)))
        return -EEXIST;
    for (unsigned i = 0; w->nodes[i]; i++)
        xs_rm(s->xs, t, below(path, sizeof(path), w->dir, w->nodes[i]));
    remove_empty(s, t, w->dir);
    snprintf(path, sizeof(path), "%.*s", slash ? (int)(slash - w->dir) : 0, w->dir);
    remove_empty(s, t, path);
    return 0;
}

void store_sweep(struct store *s, const char *dir, const char *guard, const char *const *nodes)
{
    struct sweep w = { dir, guard, nodes };

    transact(s, sweep, &w);
}

int store_watch(struct store_watch **out, struct store *s, const char *path, void (*fn)(void *arg),
                void *arg, struct error *err)
{
    struct store_watch *w = calloc(1, sizeof(*w));

    if (!w)
        return error_set(err, -ENOMEM, "xenstore: out of memory");
    w->store = s;
    w->fn = fn;
    w->arg = arg;
    w->path = strdup(path);
    snprintf(w->token, sizeof(w->token), "w%u", s->tokens++);
    if (!w->path || !xs_watch(s->xs, path, w->token)) {
        int rc = error_errno(err, "watch xenstore node %s", path);

        free(w->path);
        free(w);
        return rc;
    }
    w->next = s->watches;
    s->watches = w;
    *out = w;
    return 0;
}

void store_unwatch(struct store_watch *w)
{
    if (!w)
        return;
    for (struct store_watch **at = &w->store->watches; *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            break;
        }
    xs_unwatch(w->store->xs, w->path, w->token);
    free(w->path);
    free(w);
}
