/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts the device model as libxl 4.17 does, looks at it from outside, and ends it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"
#include "tests/simxen/store.h"
#include "tests/whole/run.h"

#define MIB_PAGES (1024 * 1024 / SIMXEN_PAGE)
#define RAM_MIB 256
#define WORDS 96
#define START_MS 30000
#define STOCK "/usr/libexec/xen-qemu-system-i386"

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct words {
    char *word[WORDS];
    unsigned count;
};

__attribute__((format(printf, 2, 3))) static void word(struct words *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (w->count == WORDS - 1 || vasprintf(&w->word[w->count++], format, args) < 0)
        abort();
    va_end(args);
}

/* "-a b" as two words: libxl's own constants. */
static void words(struct words *w, const char *text)
{
    char *copy = strdup(text), *save = NULL;

    for (char *p = strtok_r(copy, " ", &save); p; p = strtok_r(NULL, " ", &save))
        word(w, "%s", p);
    free(copy);
}

static const char *setting(const char *name, const char *otherwise)
{
    return getenv(name) ? getenv(name) : otherwise;
}

static const char *our_binary(void)
{
    return setting("DM", "build/xen-dm");
}

/* In libxl's order. */
static void guest_words(struct words *w, const struct dm *dm, const struct dm_config *c)
{
    words(w, "-xen-domid 7 -no-shutdown -chardev");
    word(w, "socket,id=libxl-cmd,path=%s,server=on,wait=off", dm->qmp);
    words(w, "-mon chardev=libxl-cmd,mode=control -chardev");
    word(w, "socket,id=libxenstat-cmd,path=%s/qmp-stat,server=on,wait=off", dm->dir);
    words(w, "-mon chardev=libxenstat-cmd,mode=control -nodefaults -no-user-config");
    if (c->attached) {
        words(w, "-xen-attach -name guest");
        words(w, c->vnc ? "-vnc 127.0.0.1:0,to=99 -display none"
                        : "-vnc none -display none -nographic");
        words(w, "-machine xenpv");
        word(w, "-m");
        word(w, "%d", RAM_MIB);
        for (unsigned i = 0; c->more && c->more[i]; i++)
            word(w, "%s", c->more[i]);
        return;
    }
    words(w, "-name guest");
    words(w, c->vnc ? "-vnc 127.0.0.1:0,to=99" : "-vnc none");
    words(w, "-display none -serial pty");
    if (c->vga) {
        word(w, "-device");
        word(w, "%s,vgamem_mb=16", c->vga);
    }
    words(w, "-boot order=cda");
    if (c->vcpus > 1) {
        word(w, "-smp");
        word(w, "%u,maxcpus=%u", c->vcpus, c->vcpus);
    }
    words(w, "-net none -machine xenfv,suppress-vmdesc=on -m");
    word(w, "%d", RAM_MIB);
    if (c->disk) {
        word(w, "-drive");
        word(w, "file=%s,if=ide,index=0,media=disk,format=raw,cache=writeback", c->disk);
    }
}

static void make_argv(struct words *w, const struct dm *dm, const struct dm_config *c,
                      const char *binary)
{
    word(w, "%s", binary);
    if (c->role)
        words(w, c->role);
    else
        guest_words(w, dm, c);
    for (unsigned i = 0; c->more && c->more[i] && !c->attached; i++)
        word(w, "%s", c->more[i]);
}

static void set_library_path(void)
{
    const char *binary = our_binary();
    const char *slash = strrchr(binary, '/');
    char path[512], *full;

    snprintf(path, sizeof(path), "%.*s/simxen", slash ? (int)(slash - binary) : 1,
             slash ? binary : ".");
    full = realpath(path, NULL);
    setenv("LD_LIBRARY_PATH", full ? full : path, 1);
    free(full);
}

static pid_t launch(struct words *w, const char *log)
{
    int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    pid_t pid;

    pid = vfork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that aborts leaves none behind */
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(out, 1);
        dup2(out, 2);
        execv(w->word[0], w->word);
        _exit(127);
    }
    close(out);
    return pid;
}

static void show_log(const struct dm *dm)
{
    char line[512];
    FILE *f = fopen(dm->log, "r");

    while (f && fgets(line, sizeof(line), f))
        fprintf(stderr, "  dm: %s", line);
    if (f)
        fclose(f);
}

/* What a check that failed has left behind. */
static struct dm left;
static bool is_left;

static void close_left(void)
{
    if (is_left)
        dm_close(&left, SIGKILL, 1000);
}

void dm_open(struct dm *dm, const struct dm_config *config)
{
    static bool registered;
    const char *binary = config->stock ? setting("STOCK", STOCK) : our_binary();
    struct words w = { .count = 0 };
    bool running;

    close_left();
    if (!registered)
        registered = !atexit(close_left); /* after the last test */
    memset(dm, 0, sizeof(*dm));
    CHECK_EQ(simxen_create(config->vcpus, RAM_MIB * MIB_PAGES, 17 * MIB_PAGES), 0);
    simxen()->driver = config->driver;
    CHECK_EQ(store_start(), 0);
    snprintf(dm->dir, sizeof(dm->dir), "%s", simxen_dir());
    snprintf(dm->log, sizeof(dm->log), "%s/log", dm->dir);
    snprintf(dm->qmp, sizeof(dm->qmp), "%s/qmp", dm->dir);
    make_argv(&w, dm, config, binary);
    if (config->before)
        config->before();
    set_library_path();
    dm->start_ns = now_ns();
    dm->pid = launch(&w, dm->log);
    left = *dm;
    is_left = true;
    running = store_wait("device-model/7/state", "running", START_MS);
    dm->running_ns = now_ns();
    while (w.count)
        free(w.word[--w.count]);
    if (!running)
        show_log(dm);
    CHECK(running);
}

void dm_await_no_grants(unsigned ms)
{
    for (uint64_t start = now_ns(); simxen()->live_grants && now_ns() - start < ms * 1000000ull;)
        usleep(1000);
}

void dm_follow(struct dm *dm, const char *pidfile)
{
    int status = -1, pid = 0;
    FILE *f;

    CHECK_EQ(waitpid(dm->pid, &status, 0), dm->pid);
    dm->pid = left.pid = 0;
    CHECK_EQ(status, 0);
    f = fopen(pidfile, "r");
    CHECK(f);
    CHECK_EQ(fscanf(f, "%d", &pid), 1);
    fclose(f);
    dm->pid = left.pid = pid;
}

int dm_end(struct dm *dm, int signal, unsigned ms)
{
    struct pollfd end = { .fd = (int)syscall(SYS_pidfd_open, dm->pid, 0), .events = POLLIN };
    bool ended;
    int status;

    kill(dm->pid, signal);
    ended = poll(&end, 1, (int)ms) == 1;
    if (!ended)
        kill(dm->pid, SIGKILL);
    close(end.fd);
    waitpid(dm->pid, &status, 0);
    dm->pid = left.pid = 0;
    if (signal != SIGKILL && (!ended || status))
        show_log(dm);
    return ended ? status : -1;
}

int dm_close(struct dm *dm, int signal, unsigned ms)
{
    static const char *const files[] = { "qmp", "qmp-stat", "log" };
    int status = dm->pid > 0 ? dm_end(dm, signal, ms) : 0;
    char path[128];

    is_left = false;
    store_stop();
    for (unsigned i = 0; i < sizeof(files) / sizeof(*files); i++) {
        snprintf(path, sizeof(path), "%s/%s", dm->dir, files[i]);
        unlink(path);
    }
    simxen_destroy();
    return status;
}

/* ---- Memory ---- */

struct mapping {
    char name[256];
    unsigned rss, clean, dirty;
};

static void account(struct dm_memory *m, const struct mapping *at, const char *dir, bool list)
{
    if (!strncmp(at->name, dir, strlen(dir))) {
        m->guest += at->rss;
        return;
    }
    m->rss += at->rss;
    m->uss += at->clean + at->dirty;
    m->dirty += at->dirty;
    if (list && at->clean + at->dirty)
        printf("  %6u KiB private (%u written)  %s\n", at->clean + at->dirty, at->dirty,
               *at->name ? at->name : "(anonymous)");
}

struct dm_memory dm_memory(const struct dm *dm, bool list)
{
    struct dm_memory m = { 0 };
    struct mapping at = { .rss = 0 };
    char path[64], line[512], access[5];
    unsigned long from, to, offset;
    unsigned n;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/smaps", dm->pid);
    f = fopen(path, "r");
    CHECK(f);
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "%lx-%lx %4s %lx %x:%x", &from, &to, access, &offset, &n, &n) == 6) {
            at = (struct mapping){ .rss = 0 };
            sscanf(line, "%*x-%*x %*s %*x %*s %*u %255[^\n]", at.name);
        }
        if (sscanf(line, "Rss: %u", &n) == 1)
            at.rss = n;
        if (sscanf(line, "Private_Clean: %u", &n) == 1)
            at.clean = n;
        if (sscanf(line, "Private_Dirty: %u", &n) == 1)
            at.dirty = n;
        if (!strncmp(line, "VmFlags:", 8))
            account(&m, &at, dm->dir, list);
    }
    fclose(f);
    return m;
}

void dm_replay(const char *file)
{
    const char *binary = our_binary();
    char command[512], text[1024] = "";
    FILE *f;

    snprintf(command, sizeof(command), "%s-replay %s 2>&1", binary, file);
    f = popen(command, "r");
    CHECK(f);
    while (fgets(text, sizeof(text), f)) /* what devices log comes before the last line */
        ;
    if (pclose(f) != 0 || !strstr(text, "the same registers"))
        fail_msg("%s: %s", command, text);
    if (getenv("REPLAY_SAYS"))
        printf("  %s", text);
}
