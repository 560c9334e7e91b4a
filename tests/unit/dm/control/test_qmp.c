/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP as libxl, xl, xentop and strangers speak it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/control/fdsets.h"
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

static void add(struct bench *b, const char *path, bool events)
{
    struct chardev_words words = { .id = "m", .kind = "socket", .path = path, .fd = -1,
                                   .server = true };
    struct error err = { "" };

    CHECK_EQ(qmp_add(b->qmp, &words, events, &err), 0);
}

static void open_bench(struct bench *b, bool machine)
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

static void settle(struct bench *b)
{
    for (int i = 0; i < 1000 && loop_step(b->loop); i++)
        ;
}

static void close_bench(struct bench *b)
{
    settle(b);
    qmp_close(b->qmp);
    settle(b); /* nothing of it may be left in the loop */
    CHECK(access(b->libxl, F_OK) < 0);
    loop_close(b->loop);
    rmdir(b->folder);
    free(b->answer);
}

static int dial(struct bench *b, const char *path)
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
static const char *hear(struct bench *b, int fd)
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

static void say(int fd, const char *text)
{
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
}

static const char *ask(struct bench *b, int fd, const char *text)
{
    say(fd, text);
    return hear(b, fd);
}

static void expect_error(struct bench *b, int fd, const char *text, const char *class,
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
static int client(struct bench *b)
{
    int fd = dial(b, b->libxl);

    CHECK_STR(hear(b, fd), GREETING);
    CHECK_STR(ask(b, fd, CAPABILITIES), DONE);
    return fd;
}

/* ---- Framing ---- */

TEST(every_connection_is_greeted_and_lines_end_in_crlf)
{
    struct bench b;
    int fd;

    open_bench(&b, true);
    for (int i = 0; i < 3; i++) {
        fd = dial(&b, i ? b.libxl : b.xenstat);
        CHECK_STR(hear(&b, fd), GREETING);
        close(fd);
        settle(&b);
    }
    close_bench(&b);
}

TEST(a_command_is_complete_with_its_brace_and_needs_no_newline)
{
    struct bench b;
    int fd;

    open_bench(&b, true);
    fd = client(&b);
    CHECK_STR(ask(&b, fd, STATUS),
              "{\"return\":{\"status\":\"running\",\"running\":true,\"singlestep\":false}}\r\n");
    CHECK_STR(ask(&b, fd, "{\"execute\":\"query-name\"}\n"), "{\"return\":{\"name\":\"guest\"}}\r\n");
    CHECK_STR(ask(&b, fd, "\r\n \t\r\n"), "");
    close(fd);
    close_bench(&b);
}

TEST(several_commands_in_one_write_are_answered_in_order)
{
    struct bench b;
    int fd;

    open_bench(&b, true);
    fd = dial(&b, b.libxl);
    hear(&b, fd);
    CHECK_STR(ask(&b, fd, CAPABILITIES "{\"execute\":\"query-name\",\"id\":1}\r\n"
                                       "{\"execute\":\"query-name\",\"id\":2}{\"execute\":\"nope\"}"),
              DONE "{\"return\":{\"name\":\"guest\"},\"id\":1}\r\n"
                   "{\"return\":{\"name\":\"guest\"},\"id\":2}\r\n"
                   "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":"
                   "\"The command nope has not been found\"}}\r\n");
    close(fd);
    close_bench(&b);
}

TEST(a_command_in_pieces_is_put_together)
{
    static const char text[] = "{\"execute\" : \"query-name\", \"id\": \"a}b{\\\"]\"}";
    struct bench b;
    int fd;

    open_bench(&b, true);
    fd = client(&b);
    for (const char *p = text; *p; p++) {
        CHECK_EQ(write(fd, p, 1), 1);
        settle(&b);
        if (p[1])
            CHECK_STR(hear(&b, fd), "");
    }
    CHECK_STR(hear(&b, fd), "{\"return\":{\"name\":\"guest\"},\"id\":\"a}b{\\\"]\"}\r\n");
    close(fd);
    close_bench(&b);
}

TEST(an_id_of_any_kind_comes_back)
{
    static const char *const ids[] = { "7", "\"x\"", "null", "true", "[1,2]", "{\"a\":1}", "1.5" };
    struct bench b;
    char text[128], want[128];
    int fd;

    open_bench(&b, true);
    fd = client(&b);
    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
        snprintf(text, sizeof(text), "{\"id\":%s,\"execute\":\"query-name\"}", ids[i]);
        snprintf(want, sizeof(want), "{\"return\":{\"name\":\"guest\"},\"id\":%s}\r\n", ids[i]);
        CHECK_STR(ask(&b, fd, text), want);
        snprintf(text, sizeof(text), "{\"id\":%s,\"execute\":\"nope\"}", ids[i]);
        snprintf(want, sizeof(want), ",\"id\":%s}\r\n", ids[i]);
        CHECK(strstr(ask(&b, fd, text), want));
    }
    close(fd);
    close_bench(&b);
}

/* ---- Errors ---- */

TEST(before_capabilities_nothing_else_is_taken_and_they_are_negotiated_once)
{
    struct bench b;
    int fd;

    open_bench(&b, true);
    fd = dial(&b, b.libxl);
    hear(&b, fd);
    expect_error(&b, fd, STATUS, "CommandNotFound", "Expecting capabilities negotiation");
    CHECK_STR(ask(&b, fd, CAPABILITIES), DONE);
    expect_error(&b, fd, CAPABILITIES, "CommandNotFound", "already complete");
    CHECK(ask(&b, fd, STATUS) != NULL);
    close(fd);
    close_bench(&b);
}

TEST(errors_have_their_class_and_their_words)
{
    static const struct { const char *text, *class, *part; } cases[] = {
        { "[1,2]", "GenericError", "must be a JSON object" },
        { "{}", "GenericError", "lacks member 'execute'" },
        { "{\"execute\":1}", "GenericError", "lacks member 'execute'" },
        { "{\"execute\":\"query-name\",\"arguments\":[]}", "GenericError", "must be an object" },
        { "{\"execute\":\"query-name\",\"more\":1}", "GenericError", "'more' is unexpected" },
        { "{\"execute\":\"query-name\",\"arguments\":{\"x\":1}}", "GenericError",
          "Parameter 'x' is unexpected" },
        { "{\"execute\":\"device_del\"}", "GenericError", "Parameter 'id' is missing" },
        { "{\"execute\":\"device_del\",\"arguments\":{\"id\":5}}", "GenericError",
          "Invalid parameter type for 'id'" },
        { "{\"execute\":\"set_link\",\"arguments\":{\"name\":\"n\",\"up\":1}}", "GenericError",
          "Invalid parameter type for 'up'" },
        { "{\"execute\":\"x-none\"}", "CommandNotFound", "x-none has not been found" },
        { "{\"execute\":\"query-name\",\"execute\":\"quit\"}", "GenericError", "Invalid JSON" },
        { "{execute:1}", "GenericError", "Invalid JSON" },
        { "{'execute':'query-name'}", "GenericError", "Invalid JSON" },
        { "{\"execute\":\"query-name\"]", "GenericError", "Invalid JSON" },
        { "{\"\xff\":1}", "GenericError", "Invalid JSON" },
        { "rubbish\n", "GenericError", "Invalid JSON" },
        { "}}}\n", "GenericError", "Invalid JSON" },
    };
    struct bench b;
    int fd;

    open_bench(&b, true);
    fd = client(&b);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        expect_error(&b, fd, cases[i].text, cases[i].class, cases[i].part);
        CHECK(strstr(ask(&b, fd, STATUS), "running")); /* and the next one works */
    }
    close(fd);
    close_bench(&b);
}

TEST(a_command_name_too_long_to_repeat_is_still_answered)
{
    struct bench b;
    char text[4096] = "{\"execute\":\"x";
    int fd;

    open_bench(&b, true);
    fd = client(&b);
    for (unsigned i = 0; i < 1000; i++)
        strcat(text, "\xc3\xa9"); /* two bytes each: cut in the middle of one */
    strcat(text, "\"}");
    expect_error(&b, fd, text, "CommandNotFound", "The command x");
    CHECK(strstr(ask(&b, fd, STATUS), "running"));
    close(fd);
    close_bench(&b);
}

TEST(deep_nesting_is_an_error_and_no_crash)
{
    struct bench b;
    char *text = malloc(200001);
    int fd;

    open_bench(&b, true);
    fd = client(&b);
    memset(text, '[', 100000);
    memset(text + 100000, ']', 100000);
    text[200000] = 0;
    expect_error(&b, fd, text, "GenericError", "Invalid JSON");
    for (unsigned i = 0; i < 200000; i += 5)
        memcpy(text + i, "{\"a\":", 5);
    say(fd, text);
    CHECK_STR(hear(&b, fd), "");
    memset(text, '}', 40000);
    text[40000] = 0;
    expect_error(&b, fd, text, "GenericError", "Invalid JSON");
    CHECK(strstr(ask(&b, fd, STATUS), "running"));
    free(text);
    close(fd);
    close_bench(&b);
}

TEST(a_command_without_end_is_cut_off_at_a_mebibyte)
{
    struct bench b;
    char junk[65536];
    size_t sent = 0;
    ssize_t n;
    int fd;

    open_bench(&b, true);
    fd = client(&b);
    say(fd, "{\"execute\":\"");
    memset(junk, 'x', sizeof(junk));
    do {
        n = send(fd, junk, sizeof(junk), MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        settle(&b);
    } while (n > 0 || errno == EAGAIN);
    CHECK(sent >= MIB / 2);
    CHECK(sent < 3 * MIB);
    CHECK(strstr(hear(&b, fd), "more than 1 MiB is refused"));
    CHECK(hear(&b, fd) == NULL);
    close(fd);
    fd = client(&b); /* others are served on */
    close(fd);
    close_bench(&b);
}

TEST(a_long_command_that_ends_is_answered)
{
    struct bench b;
    size_t n = 400000;
    char *text = malloc(n + 100);
    int fd;

    open_bench(&b, true);
    fd = client(&b);
    strcpy(text, "{\"execute\":\"query-name\",\"id\":\"");
    memset(text + strlen(text), 'y', n);
    strcpy(text + strlen("{\"execute\":\"query-name\",\"id\":\"") + n, "\"}");
    for (size_t at = 0, all = strlen(text); at < all;) {
        ssize_t w = write(fd, text + at, MIN(all - at, 50000));

        at += w > 0 ? (size_t)w : 0;
        settle(&b);
    }
    CHECK(strlen(hear(&b, fd)) > n);
    free(text);
    close(fd);
    close_bench(&b);
}

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

/* ---- The probe ---- */

TEST(the_probe_answers_what_libxl_asks_and_quits)
{
    struct bench b;
    int fd;

    open_bench(&b, false);
    fd = client(&b);
    CHECK(strstr(ask(&b, fd, "{\"execute\":\"query-command-line-options\"}"),
                 "\"option\":\"run-with\""));
    CHECK(strstr(b.answer, "\"name\":\"chroot\""));
    expect_error(&b, fd, STATUS, "CommandNotFound", "query-status");
    say(fd, "{\"execute\":\"quit\"}");
    loop_run(b.loop); /* ends by itself */
    CHECK_STR(hear(&b, fd), DONE);
    close(fd);
    close_bench(&b);
}

/* ---- Sockets ---- */

TEST(a_listening_descriptor_is_served_and_not_unlinked)
{
    struct bench b;
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    struct chardev_words words = { .id = "m", .kind = "socket", .server = true };
    struct error err = { "" };
    int fd;

    open_bench(&b, true);
    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/mine", b.folder);
    words.fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQ(bind(words.fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    CHECK_EQ(listen(words.fd, 1), 0);
    CHECK_EQ(qmp_add(b.qmp, &words, true, &err), 0);
    fd = dial(&b, sun.sun_path);
    CHECK_STR(hear(&b, fd), GREETING);
    close(fd);
    settle(&b);
    qmp_close(b.qmp);
    CHECK_EQ(unlink(sun.sun_path), 0);
    b.qmp = NULL;
    close_bench(&b);
}

TEST(wrong_sockets_are_refused_with_a_sentence)
{
    static char longest[200];
    struct chardev_words wrong[] = {
        { .id = "m", .kind = "pty", .fd = -1 },
        { .id = "m", .kind = "socket", .fd = 9999, .server = true },
        { .id = "m", .kind = "socket", .fd = -1, .server = true, .path = "/nowhere/at/all" },
        { .id = "m", .kind = "socket", .fd = -1, .server = true, .path = longest },
        { .id = "m", .kind = "socket", .fd = -1, .path = "/nowhere/at/all" },
        { .id = "m", .kind = "socket", .fd = -1, .server = true, .host = "no.such.host.invalid",
          .port = "1" },
        { .id = "m", .kind = "socket", .fd = -1, .host = "127.0.0.1", .port = "1" },
    };
    static const char *const says[] = { "needs a socket, not pty", "9999", "/nowhere/at/all",
                                        "path is over", "connect to", "no.such.host", "connect to" };
    struct bench b;

    memset(longest, 'x', sizeof(longest) - 1);
    open_bench(&b, true);
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct error err = { "" };

        CHECK(qmp_add(b.qmp, &wrong[i], true, &err) < 0);
        CHECK_SAYS(err, says[i]);
    }
    close_bench(&b);
}
