/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP's framing, errors and sockets, as libxl and strangers try them. */
#include "tests/unit/dm/control/qmp_bench.h"

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

TEST(random_bytes_and_broken_commands_never_crash_it)
{
    static const char *const pieces[] = {
        "{", "}", "[", "]", "\"", "\\", ":", ",", "\n", " ", "1", "-", "1e999", "null", "\xff", "\xc3",
        "\"execute\"", "\"query-version\"", "\"arguments\"", "\"id\"", "\\u0000", "\\ud800",
        "{\"execute\":\"query-version\"}", "{\"execute\":\"query-commands\",\"id\":", "\r\n",
        "{\"execute\":\"query-status\"}", "{\"arguments\":{},\"execute\":\"x\"}",
    };
    struct bench b;
    uint32_t x = 99;
    unsigned answers = 0;
    int fd;

    open_bench(&b, false);
    fd = client(&b);
    for (unsigned i = 0; i < 20000; i++) {
        const char *heard;

        for (unsigned n = 1 + ((x = x * 1664525 + 1013904223) >> 28); n; n--)
            say(fd, pieces[((x = x * 1664525 + 1013904223) >> 16) % ARRAY_SIZE(pieces)]);
        heard = hear(&b, fd);
        answers += heard && *heard;
        if (!heard || i % 100 == 0) { /* a fresh start, or it waits for a quote for ever */
            close(fd);
            fd = client(&b);
        }
    }
    CHECK(answers > 100);
    close(fd);
    fd = client(&b);
    CHECK(strstr(ask(&b, fd, "{\"execute\":\"query-version\"}"), "return"));
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
