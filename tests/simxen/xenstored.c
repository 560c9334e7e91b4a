/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "tests/simxen/xenstored.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xenstore.h>
#include "tests/simxen/simxen.h"

#define START_MS 20000
#define GUEST_GFN 1
#define GUEST_PORT 1

static struct xs_handle *xs;
static pid_t pid;

static const char *binary(void)
{
    static const char *const places[] = { "/usr/lib/xen-4.17/bin/xenstored", "/usr/sbin/xenstored" };
    const char *said = getenv("XENSTORED");

    if (said) /* "": the small one */
        return *said ? said : NULL;
    for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

static const char *preload(void)
{
    static char path[512];
    const char *dm = getenv("DM") ? getenv("DM") : "build/xen-dm", *slash = strrchr(dm, '/');
    char beside[512], *full;

    snprintf(beside, sizeof(beside), "%.*s/simxen/xsd_preload.so", slash ? (int)(slash - dm) : 1,
             slash ? dm : ".");
    full = realpath(beside, NULL);
    snprintf(path, sizeof(path), "%s", full ? full : "");
    free(full);
    return path;
}

bool xenstored_there(void)
{
    return binary() && *preload();
}

static unsigned long long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned long long)t.tv_sec * 1000 + (unsigned long long)t.tv_nsec / 1000000;
}

static void run(const char *dir)
{
    int null = open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    setenv("XENSTORED_RUNDIR", dir, 1);
    setenv("XENSTORED_ROOTDIR", dir, 1);
    setenv("LD_PRELOAD", preload(), 1);
    unsetenv("LD_LIBRARY_PATH");
    execl(binary(), "xenstored", "-N", "-I", "-P", (char *)NULL);
    _exit(127);
}

int xenstored_start(void)
{
    unsigned long long start = now_ms();
    char path[128];

    snprintf(path, sizeof(path), "%s/socket", simxen_dir());
    setenv("XENSTORED_PATH", path, 1);
    pid = fork();
    if (pid < 0)
        return -errno;
    if (!pid)
        run(simxen_dir());
    while (!(xs = xs_open(0))) {
        if (now_ms() - start > START_MS || waitpid(pid, NULL, WNOHANG) == pid)
            return -ETIMEDOUT;
        usleep(500);
    }
    return xs_introduce_domain(xs, SIMXEN_DOMID, GUEST_GFN, GUEST_PORT) ? 0 : -errno;
}

void xenstored_stop(void)
{
    static const char *const files[] = { "socket", "tdb", "xenstored.pid" };
    char path[160];

    if (xs)
        xs_close(xs);
    xs = NULL;
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    pid = 0;
    for (unsigned i = 0; i < sizeof(files) / sizeof(*files); i++) {
        snprintf(path, sizeof(path), "%s/%s", simxen_dir(), files[i]);
        unlink(path);
    }
    unsetenv("XENSTORED_PATH");
}

static const char *full(char *out, size_t size, const char *path)
{
    snprintf(out, size, "%s%s", *path == '/' || *path == '@' ? "" : "/local/domain/0/", path);
    return out;
}

void xenstored_put(const char *path, const char *value)
{
    char at[256];

    if (!xs_write(xs, XBT_NULL, full(at, sizeof(at), path), value, (unsigned)strlen(value)))
        fprintf(stderr, "xenstored: write %s: errno %d\n", at, errno);
}

char *xenstored_get(const char *path)
{
    char at[256];
    unsigned length;

    return xs_read(xs, XBT_NULL, full(at, sizeof(at), path), &length);
}

void xenstored_drop(const char *path)
{
    char at[256];

    xs_rm(xs, XBT_NULL, full(at, sizeof(at), path));
}

/* xenstored itself tells of domains that go: the guest's is taken away, and is back. */
void xenstored_fire(const char *path)
{
    xs_release_domain(xs, SIMXEN_DOMID);
    xs_introduce_domain(xs, SIMXEN_DOMID, GUEST_GFN, GUEST_PORT);
}

static bool holds(const char *path, const char *value)
{
    char *text = xenstored_get(path);
    bool same = text && !strcmp(text, value);

    free(text);
    return same;
}

bool xenstored_wait(const char *path, const char *value, unsigned ms)
{
    unsigned long long end = now_ms() + ms, now;
    struct xs_handle *own = xs_open(0); /* a test may wait on several threads */
    struct pollfd p = { .events = POLLIN };
    char at[256];
    bool there;

    if (!own || !xs_watch(own, full(at, sizeof(at), path), "w"))
        return false;
    p.fd = xs_fileno(own);
    while (!(there = holds(path, value)) && (now = now_ms()) < end) {
        char **hit;

        poll(&p, 1, (int)(end - now));
        while ((hit = xs_check_watch(own)))
            free(hit);
    }
    xs_close(own);
    return there;
}
