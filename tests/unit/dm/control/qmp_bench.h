/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DM_CONTROL_QMP_BENCH_H
#define TESTS_UNIT_DM_CONTROL_QMP_BENCH_H
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/control/qmp.h"
#include "dm/machine/machine.h"
#include "tests/kit/check.h"

#define CAPABILITIES "{\"execute\":\"qmp_capabilities\"}"
#define STATUS "{\"execute\":\"query-status\"}"
#define GREETING                                                                                   \
    "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":0,\"minor\":2,\"major\":7},\"package\":\"xen-dm\"}," \
    "\"capabilities\":[]}}\r\n"
#define DONE "{\"return\":{}}\r\n"

/* A server with libxl's socket and libxenstat's, and a machine that has just what is asked for. */
struct bench {
    struct loop *loop;
    struct qmp *qmp;
    struct machine machine;
    struct machine_config config;
    char folder[40], libxl[80], xenstat[80];
    char *answer;
};

static inline void add(struct bench *b, const char *path, bool events)
{
    struct chardev_words words = { .id = "m", .kind = "socket", .path = path, .fd = -1,
                                   .server = true };
    struct error err = { "" };

    CHECK_EQ(qmp_add(b->qmp, &words, events, &err), 0);
}

static inline void open_bench(struct bench *b, bool machine)
{
    memset(b, 0, sizeof(*b));
    clock_stop(NS_PER_SEC);
    signal(SIGPIPE, SIG_IGN);
    strcpy(b->folder, "/tmp/xen-dm-qmp-XXXXXX");
    CHECK(mkdtemp(b->folder) != NULL);
    snprintf(b->libxl, sizeof(b->libxl), "%s/libxl", b->folder);
    snprintf(b->xenstat, sizeof(b->xenstat), "%s/xenstat", b->folder);
    CHECK_EQ(loop_open(&b->loop, "qmp", NULL), 0);
    CHECK_EQ(qmp_open(&b->qmp, b->loop, NULL), 0);
    add(b, b->libxl, true);
    add(b, b->xenstat, false);
    b->answer = malloc(8 * MIB);
    b->config.name = "guest";
    b->machine.config = &b->config;
    b->machine.loop = b->loop;
    b->machine.state = RUN_RUNNING;
    if (machine)
        qmp_set_machine(b->qmp, &b->machine);
}

static inline void settle(struct bench *b)
{
    for (int i = 0; i < 1000 && loop_step(b->loop); i++)
        ;
}

static inline void close_bench(struct bench *b)
{
    settle(b);
    qmp_close(b->qmp);
    settle(b); /* nothing of it may be left in the loop */
    CHECK(access(b->libxl, F_OK) < 0);
    loop_close(b->loop);
    rmdir(b->folder);
    free(b->answer);
}

static inline int dial(struct bench *b, const char *path)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(sun.sun_path, path);
    CHECK_EQ(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    settle(b);
    return fd;
}

/* All that has come from the server; NULL where it has hung up. */
static inline const char *hear(struct bench *b, int fd)
{
    size_t got = 0;
    ssize_t n;

    do {
        settle(b);
        n = read(fd, b->answer + got, 8 * MIB - 1 - got);
        got += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    b->answer[got] = 0;
    return n == 0 && !got ? NULL : b->answer;
}

static inline void say(int fd, const char *text)
{
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
}

static inline const char *ask(struct bench *b, int fd, const char *text)
{
    say(fd, text);
    return hear(b, fd);
}

static inline void expect_error(struct bench *b, int fd, const char *text, const char *class,
                         const char *part)
{
    const char *answer = ask(b, fd, text);
    char want[128];

    CHECK(answer != NULL);
    snprintf(want, sizeof(want), "{\"error\":{\"class\":\"%s\",\"desc\":\"", class);
    if (strncmp(answer, want, strlen(want)) || !strstr(answer, part))
        print_error("%s\nis answered: %s\n", text, answer);
    CHECK(!strncmp(answer, want, strlen(want)));
    CHECK(strstr(answer, part));
}

/* A client past its greeting and its capabilities. */
static inline int client(struct bench *b)
{
    int fd = dial(b, b->libxl);

    CHECK_STR(hear(b, fd), GREETING);
    CHECK_STR(ask(b, fd, CAPABILITIES), DONE);
    return fd;
}
#endif
