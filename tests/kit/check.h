/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_KIT_CHECK_H
#define TESTS_KIT_CHECK_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

/*
 * The harness is cmocka; here are the names. TEST(claim) { ... } registers itself; a check that
 * fails names file, line, value and wanted value, and ends the test. main() is in tests/kit/main.c:
 * an argument filters tests by a part of their name.
 */
void check_register(const char *name, void (*fn)(void **state));
int check_run(const char *part); /* NULL: all */

#define TEST(claim)                                                                                \
    static void claim(void **state);                                                               \
    __attribute__((constructor)) static void register_##claim(void)                                \
    {                                                                                              \
        check_register(#claim, claim);                                                             \
    }                                                                                              \
    static void claim(void **state __attribute__((unused)))

void check_eq(uint64_t got, uint64_t want, const char *text, const char *file, int line);
void check_true(int ok, const char *text, const char *file, int line);
void check_text(const char *got, const char *want, const char *text, const char *file, int line);
void check_bytes(const void *got, const void *want, size_t n, const char *text, const char *file,
                 int line);

#define CHECK(x) check_true(!!(x), #x, __FILE__, __LINE__)
#define CHECK_EQ(got, want) check_eq((uint64_t)(got), (uint64_t)(want), #got, __FILE__, __LINE__)
#define CHECK_STR(got, want) check_text(got, want, #got, __FILE__, __LINE__)
#define CHECK_MEM(got, want, n) check_bytes(got, want, n, #got, __FILE__, __LINE__)
/* The sentence of an error contains `part`. */
#define CHECK_SAYS(err, part) check_says((err).text, part, __FILE__, __LINE__)
void check_says(const char *text, const char *part, const char *file, int line);
#endif
