/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of tests of this program, and the checks. */
#include <stdlib.h>
#include <string.h>
#include "tests/kit/check.h"

#define TESTS_MOST 512

static struct CMUnitTest tests[TESTS_MOST];
static size_t count;

void check_register(const char *name, void (*fn)(void **state))
{
    if (count == TESTS_MOST) {
        fprintf(stderr, "more than %d tests in one program\n", TESTS_MOST);
        abort();
    }
    tests[count++] = (struct CMUnitTest){ .name = name, .test_func = fn };
}

void check_eq(uint64_t got, uint64_t want, const char *text, const char *file, int line)
{
    if (got == want)
        return;
    print_error("%s:%d: %s is 0x%llx (%lld), wanted 0x%llx (%lld)\n", file, line, text,
                (unsigned long long)got, (long long)got, (unsigned long long)want,
                (long long)want);
    _fail(file, line);
}

void check_true(int ok, const char *text, const char *file, int line)
{
    if (ok)
        return;
    print_error("%s:%d: not true: %s\n", file, line, text);
    _fail(file, line);
}

void check_text(const char *got, const char *want, const char *text, const char *file, int line)
{
    if (got == want || (got && want && !strcmp(got, want)))
        return;
    print_error("%s:%d: %s is \"%s\", wanted \"%s\"\n", file, line, text, got ? got : "(null)",
                want ? want : "(null)");
    _fail(file, line);
}

void check_bytes(const void *got, const void *want, size_t n, const char *text, const char *file,
                 int line)
{
    const uint8_t *g = got, *w = want;

    for (size_t i = 0; i < n; i++)
        if (g[i] != w[i]) {
            print_error("%s:%d: %s[%zu] is 0x%02x, wanted 0x%02x\n", file, line, text, i, g[i],
                        w[i]);
            _fail(file, line);
        }
}

void check_says(const char *text, const char *part, const char *file, int line)
{
    if (strstr(text, part))
        return;
    print_error("%s:%d: the error says \"%s\", which lacks \"%s\"\n", file, line, text, part);
    _fail(file, line);
}

int check_run(const char *part)
{
    static char pattern[256];

    if (part) {
        snprintf(pattern, sizeof(pattern), "*%s*", part);
        cmocka_set_test_filter(pattern);
    }
    return _cmocka_run_group_tests("tests", tests, count, NULL, NULL);
}
