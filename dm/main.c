/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xen-dm: parse, open, run, close. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/base/loop.h"
#include "dm/control/metrics.h"
#include "dm/control/options.h"
#include "dm/control/qmp.h"
#include "dm/machine/machine.h"
#include "dm/machine/qtest.h"
#include "dm/machine/restrict.h"

#define END_SECONDS 5 /* after a signal, for disks to flush and taps to go, which a busy host is slow at */

struct process {
    struct machine_config config;
    struct loop *loop;
    struct qmp *qmp;
    struct metrics_socket *metrics;
    struct machine *machine; /* NULL in the probe */
    struct qtest *qtest;
    struct watch *signals;
    int signal_fd;
    int parent; /* -daemonize: where it waits to hear that we run; else -1 */
};

/* An event of the machine's, with the data QEMU gives it. */
static void on_event(void *arg, const char *name, const char *reason)
{
    struct process *p = arg;
    json_t *data = NULL;

    if (!strcmp(name, "SHUTDOWN") || !strcmp(name, "RESET"))
        data = json_pack("{s:b,s:s}", "guest", reason && !strncmp(reason, "guest", 5), "reason",
                         reason ? reason : "");
    qmp_event(p->qmp, name, data);
}

static void on_event_data(void *arg, const char *name, json_t *data)
{
    qmp_event(((struct process *)arg)->qmp, name, data);
}

/* SIGTERM, SIGHUP, SIGINT: flush and end; and end in any case when the time is up. */
static void on_signal(void *arg, unsigned events)
{
    struct process *p = arg;
    struct signalfd_siginfo info;

    if (read(p->signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    alarm(END_SECONDS);
    on_event(p, "SHUTDOWN", "host-signal");
    if (p->machine)
        machine_quit(p->machine);
    else
        loop_stop(p->loop);
}

static int open_signals(struct process *p, struct error *err)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes becomes an I/O error */
    signal(SIGALRM, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM); /* whatever mask xl left us */
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (p->signal_fd < 0)
        return error_errno(err, "wait for signals");
    return watch_open(&p->signals, p->loop, p->signal_fd, WATCH_READ, on_signal, p, err);
}

static int open_monitors(struct process *p, struct error *err)
{
    const struct machine_config *c = &p->config;
    int rc = qmp_open(&p->qmp, p->loop, err);

    for (unsigned i = 0; rc == 0 && i < c->monitor_count; i++)
        for (unsigned k = 0; rc == 0 && k < c->chardev_count; k++)
            if (!strcmp(c->chardevs[k].id, c->monitors[i].chardev))
                rc = qmp_add(p->qmp, &c->chardevs[k],
                             strcmp(c->chardevs[k].id, "libxenstat-cmd") != 0, err);
    return rc;
}

static int open_all(struct process *p, struct error *err)
{
    int rc = loop_open(&p->loop, "machine", err);

    if (p->config.qtest)
        clock_stop(0);
    if (rc == 0)
        rc = open_signals(p, err);
    if (rc == 0 && p->config.kind == MACHINE_HVM)
        rc = pc_judge(&p->config, err);
    if (rc == 0)
        rc = open_monitors(p, err);
    if (rc == 0 && p->config.qtest_path)
        rc = qtest_open(&p->qtest, p->loop, p->config.qtest_path, err);
    if (rc < 0 || p->config.kind == MACHINE_NONE)
        return rc;
    rc = machine_open(&p->machine, &p->config, p->loop, err);
    if (rc < 0)
        return rc;
    p->machine->event = on_event;
    p->machine->event_data = on_event_data;
    p->machine->event_arg = p;
    qmp_set_machine(p->qmp, p->machine);
    if (p->qtest)
        qtest_set_machine(p->qtest, p->machine);
    rc = p->config.metrics ? metrics_open(&p->metrics, p->machine, p->config.metrics, err) : 0;
    if (rc == 0)
        rc = machine_start(p->machine, err);
    if (rc == 0)
        rc = machine_announce(p->machine, err);
    if (rc == 0)
        rc = machine_restrict(p->machine, err);
    return rc;
}

static void close_all(struct process *p)
{
    alarm(2 * END_SECONDS);
    qtest_close(p->qtest);
    qmp_close(p->qmp);
    metrics_close(p->metrics);
    machine_close(p->machine);
    watch_close(p->signals);
    loop_close(p->loop);
    options_free(&p->config);
}

/* ---- -daemonize and -pidfile ---- */

/*
 * Before anything is opened, for threads do not survive a fork. The parent ends when the child runs
 * (0), or has failed (1) and said why.
 */
static int leave_parent(struct process *p, struct error *err)
{
    char word = 1;
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_errno(err, "-daemonize: make a pipe");
    pid = fork();
    if (pid < 0)
        return error_errno(err, "-daemonize: fork");
    if (pid) {
        close(ends[1]);
        _exit(read(ends[0], &word, 1) == 1 ? word : 1);
    }
    close(ends[0]);
    p->parent = ends[1];
    if (setsid() < 0)
        return error_errno(err, "-daemonize: leave the session");
    return 0;
}

static int write_pid(const char *path, struct error *err)
{
    char text[16];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

    if (fd < 0)
        return error_errno(err, "-pidfile: create %s", path);
    if (write(fd, text, (size_t)n) != n) {
        int rc = error_errno(err, "-pidfile: write %s", path);

        close(fd);
        return rc;
    }
    close(fd);
    return 0;
}

/* It runs: whoever started us may go on. */
static int tell_parent(struct process *p, struct error *err)
{
    int rc = p->config.pidfile ? write_pid(p->config.pidfile, err) : 0, null;
    char fine = 0;

    if (rc < 0 || p->parent < 0)
        return rc;
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    if (write(p->parent, &fine, 1) != 1)
        log_warn("-daemonize: nobody waits for us");
    close(p->parent);
    p->parent = -1;
    return 0;
}

int main(int argc, char *argv[])
{
    static struct process process = { .parent = -1 };
    struct error err = { "" };
    int rc;

    mallopt(M_ARENA_MAX, 1); /* loops allocate little; an arena each would cost more */
    rc = options_parse(&process.config, argc, argv, &err);
    if (rc == 0 && process.config.help) {
        fputs(options_help(), stdout);
        return 0;
    }
    if (rc == 0 && process.config.version) {
        puts("xen-dm (speaks QEMU 7.2's QMP)");
        return 0;
    }
    if (rc == 0 && process.config.daemonize)
        rc = leave_parent(&process, &err);
    if (rc == 0)
        rc = open_all(&process, &err);
    if (rc == 0)
        rc = tell_parent(&process, &err);
    if (rc == 0)
        loop_run(process.loop);
    else
        log_error("%s", err.text);
    if (process.config.pidfile && rc == 0)
        unlink(process.config.pidfile);
    close_all(&process);
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
