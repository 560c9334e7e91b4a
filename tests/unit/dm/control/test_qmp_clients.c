/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP's clients: their descriptors, several at once, xentop, and those who are slow or gone. */
#include <sys/stat.h>
#include "dm/control/fdsets.h"
#include "tests/unit/dm/control/qmp_bench.h"

/* ---- Descriptors ---- */

static void say_with_fd(int to, const char *text, int fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
                              .cmsg_type = SCM_RIGHTS } };
    struct iovec iov = { (void *)text, strlen(text) };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                          .msg_controllen = sizeof(control) };

    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    CHECK_EQ(sendmsg(to, &msg, 0), strlen(text));
}

TEST(add_fd_takes_the_descriptor_that_came_beside_it)
{
    struct bench b;
    struct error err = { "" };
    int fd, null = open("/dev/null", O_RDONLY), got;
    struct stat mine, theirs;

    open_bench(&b, true);
    fd = client(&b);
    say_with_fd(fd, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":4,\"opaque\":\"rd\"}}", null);
    CHECK(strstr(hear(&b, fd), "\"fdset-id\":4"));
    got = fdsets_open(qmp_fdsets(b.qmp), 4, false, &err);
    CHECK(got >= 0);
    fstat(null, &mine);
    fstat(got, &theirs);
    CHECK_EQ(mine.st_rdev, theirs.st_rdev);
    CHECK(fcntl(got, F_GETFD) & FD_CLOEXEC);
    close(got);
    CHECK(fdsets_open(qmp_fdsets(b.qmp), 4, true, &err) < 0); /* it is open for reading only */
    CHECK_SAYS(err, "writing");
    CHECK(strstr(ask(&b, fd, "{\"execute\":\"query-fdsets\"}"), "\"opaque\":\"rd\""));
    CHECK_STR(ask(&b, fd, "{\"execute\":\"remove-fd\",\"arguments\":{\"fdset-id\":4}}"), DONE);
    expect_error(&b, fd, "{\"execute\":\"remove-fd\",\"arguments\":{\"fdset-id\":4}}",
                 "GenericError", "not found");
    close(null);
    close(fd);
    close_bench(&b);
}

TEST(add_fd_without_one_or_with_an_absurd_number_is_refused)
{
    struct bench b;
    int fd, null = open("/dev/null", O_RDONLY);

    open_bench(&b, true);
    fd = client(&b);
    expect_error(&b, fd, "{\"execute\":\"add-fd\"}", "GenericError", "SCM_RIGHTS");
    say_with_fd(fd, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":-7}}", null);
    CHECK(strstr(hear(&b, fd), "non-negative"));
    say_with_fd(fd, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":2147483647}}", null);
    CHECK(strstr(hear(&b, fd), "2147483647"));
    CHECK(strstr(ask(&b, fd, "{\"execute\":\"query-fdsets\"}"), "2147483647"));
    say_with_fd(fd, "{\"execute\":\"add-fd\",\"arguments\":{}}", null);
    CHECK(strstr(hear(&b, fd), "\"fdset-id\":0"));
    close(null);
    close(fd);
    close_bench(&b);
}

TEST(a_descriptor_belongs_to_the_command_it_came_with_and_to_no_later_one)
{
    struct bench b;
    int fd, null = open("/dev/null", O_RDONLY);

    open_bench(&b, true);
    fd = client(&b);
    say_with_fd(fd, STATUS, null);
    CHECK(strstr(hear(&b, fd), "running"));
    expect_error(&b, fd, "{\"execute\":\"add-fd\"}", "GenericError", "SCM_RIGHTS");
    say_with_fd(fd, "{\"execute\"", null); /* the first byte of a command in two writes */
    settle(&b);
    CHECK(strstr(ask(&b, fd, ":\"add-fd\"}"), "fdset-id"));
    close(null);
    close(fd);
    close_bench(&b);
}

TEST(descriptors_go_with_the_last_client)
{
    struct bench b;
    struct error err = { "" };
    int fd, other, null = open("/dev/null", O_RDONLY);

    open_bench(&b, true);
    fd = client(&b);
    other = client(&b);
    say_with_fd(fd, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":1}}", null);
    hear(&b, fd);
    close(fd);
    settle(&b);
    fd = fdsets_open(qmp_fdsets(b.qmp), 1, false, &err);
    CHECK(fd >= 0);
    close(fd);
    close(other);
    settle(&b);
    CHECK(fdsets_open(qmp_fdsets(b.qmp), 1, false, &err) < 0);
    close(null);
    close_bench(&b);
}

/* ---- Several clients, slow ones, gone ones ---- */

TEST(two_clients_at_once_do_not_hear_each_other)
{
    struct bench b;
    int one, two;

    open_bench(&b, true);
    one = client(&b);
    two = client(&b);
    say(one, "{\"execute\":\"query-");
    CHECK(strstr(ask(&b, two, STATUS), "running"));
    CHECK_STR(hear(&b, one), "");
    CHECK(strstr(ask(&b, one, "name\"}"), "guest"));
    CHECK_STR(hear(&b, two), "");
    close(one);
    close(two);
    close_bench(&b);
}

TEST(events_reach_negotiated_clients_of_libxls_socket_and_nobody_on_xenstats)
{
    struct bench b;
    int one, fresh, xentop;

    open_bench(&b, true);
    one = client(&b);
    fresh = dial(&b, b.libxl);
    hear(&b, fresh);
    xentop = dial(&b, b.xenstat);
    hear(&b, xentop);
    CHECK_STR(ask(&b, xentop, CAPABILITIES), DONE);
    qmp_event(b.qmp, "RESET", json_pack("{s:b}", "guest", 1));
    qmp_event(b.qmp, "STOP", NULL);
    CHECK(strstr(hear(&b, one), "\"event\":\"RESET\",\"data\":{\"guest\":true}}\r\n"));
    CHECK(strstr(b.answer, "\"event\":\"STOP\"}\r\n"));
    CHECK_STR(hear(&b, fresh), "");
    CHECK_STR(hear(&b, xentop), "");
    close(one);
    close(fresh);
    close(xentop);
    close_bench(&b);
}

/* xentop: greeting, capabilities, then the same question every few seconds, without newlines. */
TEST(xentops_pattern_is_one_line_for_each_question)
{
    struct bench b;
    int fd;

    open_bench(&b, true);
    fd = dial(&b, b.xenstat);
    CHECK_STR(hear(&b, fd), GREETING);
    CHECK_STR(ask(&b, fd, "{ \"execute\": \"qmp_capabilities\" }"), DONE);
    for (int i = 0; i < 10; i++) {
        const char *answer;

        qmp_event(b.qmp, "STOP", NULL);
        answer = ask(&b, fd, "{ \"execute\": \"query-blockstats\" }");
        CHECK(!strncmp(answer, "{\"return\":[", 11));
        CHECK(strchr(answer, '\n')[1] == 0);
    }
    close(fd);
    close_bench(&b);
}

TEST(a_client_that_never_reads_is_dropped_and_others_live_on)
{
    struct bench b;
    char junk[4096];
    int deaf, fd, drained = 0;
    ssize_t n;

    open_bench(&b, true);
    deaf = client(&b);
    fd = client(&b);
    for (int i = 0; i < 200000 && !drained; i++) {
        n = send(deaf, "{\"execute\":\"query-commands\"}", 28, MSG_NOSIGNAL);
        settle(&b);
        drained = n < 0 && errno == EPIPE;
    }
    CHECK(drained);
    while ((n = read(deaf, junk, sizeof(junk))) > 0)
        ;
    CHECK_EQ(n <= 0, 1);
    CHECK(strstr(ask(&b, fd, STATUS), "running"));
    close(deaf);
    close(fd);
    close_bench(&b);
}

TEST(a_client_that_reads_no_events_is_dropped_without_saying_a_word)
{
    struct bench b;
    int deaf, fd;
    ssize_t n;
    static char junk[MIB];

    open_bench(&b, true);
    deaf = client(&b);
    for (int i = 0; i < 60000; i++) {
        qmp_event(b.qmp, "RTC_CHANGE", json_pack("{s:s}", "text",
                  "some event with a text that makes it a hundred bytes and more, all in all"));
        if (i % 1000 == 0)
            settle(&b);
    }
    settle(&b);
    fd = client(&b);
    while ((n = read(deaf, junk, sizeof(junk))) > 0)
        ;
    CHECK_EQ(n, 0); /* the end, not merely nothing for now */
    close(deaf);
    close(fd);
    close_bench(&b);
}

TEST(a_client_gone_before_its_answer_harms_nobody)
{
    struct bench b;

    open_bench(&b, true);
    for (int i = 0; i < 50; i++) {
        int fd = dial(&b, b.libxl);

        say(fd, CAPABILITIES STATUS "{\"execute\":\"query-commands\"}" STATUS);
        close(fd);
        settle(&b);
    }
    close_bench(&b);
}

TEST(a_client_that_only_closes_its_writing_side_gets_its_answers)
{
    struct bench b;
    int fd;

    open_bench(&b, true);
    fd = dial(&b, b.libxl);
    say(fd, CAPABILITIES STATUS);
    shutdown(fd, SHUT_WR);
    CHECK(strstr(hear(&b, fd), "running"));
    close(fd);
    close_bench(&b);
}

TEST(a_seventeenth_client_is_turned_away)
{
    struct bench b;
    int fds[17];

    open_bench(&b, true);
    for (int i = 0; i < 17; i++)
        fds[i] = dial(&b, b.libxl);
    CHECK(hear(&b, fds[16]) == NULL);
    for (int i = 0; i < 17; i++)
        close(fds[i]);
    settle(&b);
    close(client(&b));
    close_bench(&b);
}
