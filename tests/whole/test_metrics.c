/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the device model counts, by QMP and as Prometheus reads it. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/whole/qmp.h"
#include "tests/whole/run.h"

#define END_MS 30000
#define ACCESSES 160

static int connect_to(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(addr.sun_path, path);
    CHECK_EQ(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

/* All that comes until the other end hangs up; "" where that is nothing. */
static char *ask(const char *path, const char *request)
{
    char *text = calloc(1, 1 << 20);
    int fd = connect_to(path);
    size_t at = 0;
    ssize_t n;

    send(fd, request, strlen(request), MSG_NOSIGNAL); /* it may have no place for us */
    while ((n = read(fd, text + at, (1 << 20) - 1 - at)) > 0)
        at += (size_t)n;
    close(fd);
    return text;
}

static void open_with_socket(struct dm *dm, char path[64])
{
    const char *more[] = { "-x-metrics", path, "-device", "e1000,netdev=net0", "-netdev",
                           "user,id=net0", NULL };
    struct dm_config config = { .vcpus = 1, .more = more };

    snprintf(path, 64, "/tmp/xen-dm-metrics-%d", (int)getpid());
    dm_open(dm, &config);
}

TEST(prometheus_reads_what_the_guest_has_done)
{
    struct dm dm;
    char path[64], *text;
    unsigned long long reads = 0, timed = 0;

    open_with_socket(&dm, path);
    for (int i = 0; i < ACCESSES; i++)
        guest_in(0, 0x1f7, 1);
    text = ask(path, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(!strncmp(text, "HTTP/1.0 200 OK\r\n", 17));
    CHECK(strstr(text, "\n# TYPE xen_dm_region_reads_total counter\n"));
    CHECK(strstr(text, "\nxen_dm_net_frames_total{netdev=\"net0\",way=\"to_guest\"} 0\n"));
    CHECK(strstr(text, "xen_dm_region_reads_total{loop=\"disk\",region=\"ide-command\",base=\"0x1f0\"}"));
    CHECK_EQ(sscanf(strstr(text, "xen_dm_region_reads_total{loop=\"disk\",region=\"ide-command\",base=\"0x1f0\"}"),
                    "%*[^}]} %llu", &reads), 1);
    CHECK_EQ(reads, ACCESSES);
    CHECK(strstr(text, "xen_dm_ioreq_seconds_bucket{loop=\"disk\",le=\"+Inf\"}"));
    CHECK_EQ(sscanf(strstr(text, "xen_dm_ioreq_seconds_bucket{loop=\"disk\",le=\"+Inf\"}"),
                    "%*[^}]} %llu", &timed), 1);
    CHECK_EQ(timed, ACCESSES / 16);
    free(text);
    CHECK_EQ(dm_close(&dm, SIGTERM, END_MS), 0);
    CHECK(access(path, F_OK) < 0);
}

TEST(a_client_of_the_metrics_that_says_too_much_or_goes_leaves_the_others_served)
{
    char path[64], *text, *flood = malloc(20001);
    int quiet[8];
    struct dm dm;

    memset(flood, 'x', 20000);
    flood[20000] = 0;
    open_with_socket(&dm, path);
    for (int i = 0; i < 7; i++)
        quiet[i] = connect_to(path); /* and never says a word */
    for (int i = 0; i < 3; i++) {
        int fd = connect_to(path);

        CHECK_EQ(send(fd, "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
        close(fd);
    }
    quiet[7] = connect_to(path);
    while (send(quiet[7], flood, 20000, MSG_NOSIGNAL) > 0) /* until it is hung up on */
        ;
    close(quiet[7]);
    do { /* the last of those that went may still have its place */
        text = ask(path, "GET /metrics HTTP/1.0\r\n\r\n");
    } while (!*text && (free(text), true));
    CHECK(strstr(text, "xen_dm_loop_wakeups_total{loop=\"machine\"}"));
    free(text);
    free(flood);
    for (int i = 0; i < 7; i++)
        close(quiet[i]);
    CHECK_EQ(dm_close(&dm, SIGTERM, END_MS), 0);
}

TEST(qmp_gives_the_same_and_info_mtree_the_tree)
{
    struct dm dm;
    char path[64], *answer;
    int qmp;

    open_with_socket(&dm, path);
    guest_in(0, 0x1f7, 1);
    qmp = qmp_open(dm.qmp);
    CHECK(qmp >= 0);
    answer = qmp_say(qmp, "{\"execute\":\"x-query-metrics\"}");
    CHECK(strstr(answer, "\"xen_dm_region_reads_total\""));
    CHECK(strstr(answer, "\"region\": \"ide-command\"") || strstr(answer, "\"region\":\"ide-command\""));
    free(answer);
    answer = qmp_say(qmp, "{\"execute\":\"human-monitor-command\","
                          "\"arguments\":{\"command-line\":\"info mtree\"}}");
    CHECK(strstr(answer, "loop disk:"));
    CHECK(strstr(answer, "loop net:"));
    CHECK(strstr(answer, "00000000000001f0-00000000000001f7 ide-command, reads 1, writes 0"));
    free(answer);
    close(qmp);
    CHECK_EQ(dm_close(&dm, SIGTERM, END_MS), 0);
}
