/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log: what a guest can cause is bounded, and cannot forge lines. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/clock.h"
#include "dm/base/log.h"
#include "tests/kit/check.h"

static int saved, file;

/* stderr goes to a file until captured() reads it. */
static void capture(void)
{
    char path[] = "/tmp/xen-dm-log-XXXXXX";

    file = mkstemp(path);
    CHECK(file >= 0);
    unlink(path);
    fflush(stderr);
    saved = dup(STDERR_FILENO);
    dup2(file, STDERR_FILENO);
}

static size_t captured(char *text, size_t size)
{
    ssize_t n;

    dup2(saved, STDERR_FILENO);
    close(saved);
    n = pread(file, text, size - 1, 0);
    close(file);
    CHECK(n >= 0);
    text[n] = 0;
    return (size_t)n;
}

static unsigned lines(const char *text)
{
    unsigned n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

TEST(a_guest_may_log_ten_lines_a_second)
{
    char text[65536];

    clock_stop(1000 * NS_PER_SEC);
    log_guest_limit(1 << 20);
    capture();
    for (int i = 0; i < 1000; i++)
        log_guest("line %d", i);
    clock_crank(NS_PER_SEC - 1);
    log_guest("still the same second");
    clock_crank(1);
    for (int i = 0; i < 1000; i++)
        log_guest("second %d", i);
    captured(text, sizeof(text));
    CHECK_EQ(lines(text), 20);
    CHECK(strstr(text, "xen-dm: guest: line 9\n"));
    CHECK(!strstr(text, "line 10"));
    CHECK(!strstr(text, "same second"));
    CHECK(strstr(text, "second 9\n"));
}

TEST(a_guest_may_log_so_many_bytes_in_its_life_and_the_end_is_announced_once)
{
    static char text[1 << 17];
    size_t n;

    clock_stop(2000 * NS_PER_SEC);
    log_guest_limit(10000);
    capture();
    for (int i = 0; i < 10000; i++) {
        log_guest("a guest that complains for ever, number %d", i);
        clock_crank(NS_PER_SEC);
    }
    n = captured(text, sizeof(text));
    CHECK(n >= 10000);
    CHECK(n < 10000 + 1024 + 200);
    CHECK(strstr(text, "further lines are dropped\n") == text + n - strlen("further lines are dropped\n"));
}

TEST(a_limit_of_zero_silences_the_guest_and_nobody_else)
{
    char text[4096];

    clock_stop(20000 * NS_PER_SEC);
    log_guest_limit(0);
    capture();
    log_guest("nothing");
    log_error("an error");
    log_warn("a warning");
    log_info("a word");
    captured(text, sizeof(text));
    CHECK_STR(text, "xen-dm: error: an error\nxen-dm: warning: a warning\nxen-dm: a word\n");
}

TEST(control_characters_become_question_marks)
{
    char text[4096];

    clock_stop(30000 * NS_PER_SEC);
    log_guest_limit(1 << 20);
    capture();
    log_guest("%s", "one\nxen-dm: error: forged\r\x1b[2J\x7f\ttab");
    captured(text, sizeof(text));
    CHECK_STR(text, "xen-dm: guest: one?xen-dm: error: forged??[2J??tab\n");
}

TEST(a_line_too_long_is_cut_and_still_ends)
{
    char text[8192], word[5000];
    size_t n;

    memset(word, 'x', sizeof(word) - 1);
    word[sizeof(word) - 1] = 0;
    capture();
    log_info("%s", word);
    n = captured(text, sizeof(text));
    CHECK(n <= 1024);
    CHECK(n > 1000);
    CHECK_EQ(text[n - 1], '\n');
    CHECK_EQ(lines(text), 1);
}
