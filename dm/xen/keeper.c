/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper of xenstore. Document: docs/misc/xenstore.txt, xen/io/xs_wire.h. Messages are passed on
 * as they are, or answered with an error, one after the other: each side waits for the other anyway.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xen/io/xs_wire.h>
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/xen/keeper.h"

#define REFUSALS_TOLD 16u

struct keeper {
    char dir[32], path[48];
    pid_t pid;
};

/* ---- What it lets through ---- */

/* The path below `dir`: "" for the directory itself; NULL: it is not there. */
static const char *below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    if (strncmp(path, dir, n) || (path[n] && path[n] != '/'))
        return NULL;
    return path[n] ? path + n + 1 : "";
}

static bool is_ours(const struct keeper_rules *r, const char *path)
{
    char dir[64];

    snprintf(dir, sizeof(dir), "device-model/%u", r->domid);
    if (below(path, dir))
        return true;
    for (unsigned i = 0; r->kinds[i]; i++) {
        snprintf(dir, sizeof(dir), "backend/%s/%u", r->kinds[i], r->domid);
        if (below(path, dir))
            return true;
    }
    return false;
}

static bool may_read(const struct keeper_rules *r, const char *path)
{
    char dir[64];

    snprintf(dir, sizeof(dir), "/local/domain/%u", r->domid);
    return below(path, dir) || is_ours(r, path);
}

static bool may_write(const struct keeper_rules *r, const char *path)
{
    char dir[64];

    snprintf(dir, sizeof(dir), "/local/domain/%u/device", r->domid);
    return below(path, dir) || is_ours(r, path);
}

bool keeper_lets(const struct keeper_rules *r, uint32_t type, const char *payload, size_t length)
{
    bool is_text = memchr(payload, 0, length);

    switch (type) {
    case XS_READ:
    case XS_DIRECTORY:
    case XS_DIRECTORY_PART:
        return is_text && may_read(r, payload);
    case XS_WATCH:
    case XS_UNWATCH:
        return is_text && (may_read(r, payload) || !strcmp(payload, "@releaseDomain"));
    case XS_WRITE:
    case XS_MKDIR:
    case XS_RM:
        return is_text && may_write(r, payload);
    case XS_TRANSACTION_START:
    case XS_TRANSACTION_END:
        return true;
    default:
        return false;
    }
}

/* ---- Its process ---- */

struct message {
    struct xsd_sockmsg head;
    char payload[XENSTORE_PAYLOAD_MAX];
};

static bool take_bytes(int fd, void *to, size_t n)
{
    for (char *p = to; n;) {
        ssize_t got = read(fd, p, n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

static bool put_bytes(int fd, const void *from, size_t n)
{
    for (const char *p = from; n;) {
        ssize_t put = write(fd, p, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

static bool take(int fd, struct message *m)
{
    return take_bytes(fd, &m->head, sizeof(m->head)) && m->head.len <= sizeof(m->payload) &&
           take_bytes(fd, m->payload, m->head.len);
}

static bool put(int fd, const struct message *m)
{
    return put_bytes(fd, m, sizeof(m->head) + m->head.len);
}

/* In the words of xenstored. */
static bool refuse(int fd, struct message *m, unsigned *told)
{
    if ((*told)++ < REFUSALS_TOLD)
        log_warn("xenstore: request %u for %.*s is not for a device model of this domain: refused",
                 m->head.type, (int)strnlen(m->payload, m->head.len), m->payload);
    m->head.type = XS_ERROR;
    m->head.len = sizeof("EACCES");
    memcpy(m->payload, "EACCES", sizeof("EACCES"));
    return put(fd, m);
}

static void keep(const struct keeper_rules *r, int ours, int store)
{
    struct pollfd both[2] = { { .fd = ours, .events = POLLIN }, { .fd = store, .events = POLLIN } };
    struct message m;
    unsigned told = 0;
    bool good = true;

    while (good) {
        if (poll(both, 2, -1) < 0 && errno != EINTR)
            return;
        if (both[0].revents) {
            good = take(ours, &m);
            if (good)
                good = keeper_lets(r, m.head.type, m.payload, m.head.len) ? put(store, &m)
                                                                          : refuse(ours, &m, &told);
        }
        if (good && both[1].revents)
            good = take(store, &m) && put(ours, &m);
    }
}

/* As libxenstore finds it. */
static int connect_store(struct error *err)
{
    const char *path = getenv("XENSTORED_PATH"), *dir = getenv("XENSTORED_RUNDIR");
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

    if (path)
        snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    else
        snprintf(at.sun_path, sizeof(at.sun_path), "%s/socket", dir ? dir : "/var/run/xenstored");
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    rc = error_errno(err, "connect to xenstore at %s: is xenstored running?", at.sun_path);
    if (fd >= 0)
        close(fd);
    fd = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC); /* where it runs in a domain of its own */
    return fd >= 0 ? fd : rc;
}

static void live(const struct keeper_rules *r, int listener)
{
    struct error err;
    int store, ours, rc;

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* until it is connected */
    store = connect_store(&err);
    if (store < 0) {
        log_error("%s", err.text);
        _exit(1);
    }
    ours = accept(listener, NULL, NULL);
    if (ours < 0)
        _exit(1);
    /* nothing of the other process's: its end must be seen, by the end of its connection */
    if (dup2(store, 0) < 0 || dup2(ours, 1) < 0)
        _exit(1);
    close_range(3, ~0u, 0);
    rc = r->drop ? r->drop(r->arg, &err) : 0;
    prctl(PR_SET_DUMPABLE, 0); /* so that who has the same user cannot look into it */
    if (rc < 0)
        log_error("%s", err.text);
    else
        keep(r, 1, 0);
    _exit(rc < 0);
}

/* ---- Ours ---- */

static void remove_path(struct keeper *k)
{
    if (*k->path)
        unlink(k->path);
    if (*k->dir)
        rmdir(k->dir);
    *k->path = *k->dir = 0;
}

static int listen_at(struct keeper *k, struct error *err)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd;

    strcpy(k->dir, "/tmp/xen-dm-XXXXXX");
    if (!mkdtemp(k->dir)) {
        *k->dir = 0;
        return error_errno(err, "make a directory in /tmp for the keeper of xenstore");
    }
    snprintf(k->path, sizeof(k->path), "%s/store", k->dir);
    strcpy(at.sun_path, k->path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0) {
        int rc = error_errno(err, "listen at %s for the keeper of xenstore", k->path);

        if (fd >= 0)
            close(fd);
        return rc;
    }
    return fd;
}

int keeper_start(struct keeper **out, const struct keeper_rules *rules, struct error *err)
{
    struct keeper *k = calloc(1, sizeof(*k));
    int fd;

    if (!k)
        return error_set(err, -ENOMEM, "the keeper of xenstore: out of memory");
    fd = listen_at(k, err);
    if (fd >= 0)
        k->pid = fork();
    if (fd >= 0 && k->pid == 0)
        live(rules, fd);
    if (fd >= 0 && k->pid < 0) {
        int rc = error_errno(err, "start the keeper of xenstore");

        close(fd);
        fd = rc;
    }
    if (fd < 0) {
        k->pid = 0;
        keeper_close(k);
        return fd;
    }
    close(fd);
    *out = k;
    return 0;
}

const char *keeper_path(const struct keeper *k)
{
    return k ? k->path : NULL;
}

void keeper_connected(struct keeper *k)
{
    if (k)
        remove_path(k);
}

void keeper_close(struct keeper *k)
{
    if (!k)
        return;
    remove_path(k);
    if (k->pid > 0) {
        kill(k->pid, SIGKILL); /* where it was never connected, or waits for xenstored */
        waitpid(k->pid, NULL, 0);
    }
    free(k);
}
