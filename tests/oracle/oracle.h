/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tests/whole/run.h"

/*
 * Differential tests: one script is played to xen-dm and to Debian's QEMU, both on the pretend Xen,
 * and what the two answered is compared line by line. A difference fails the test unless
 * tests/oracle/differences has it, with its reason; a line there that nothing needs fails it too.
 *
 * A script says what it saw with note(): `what` names the thing, the same words from both, and has
 * no spaces in it.
 */
struct transcript;
typedef void oracle_script(struct transcript *t, const struct dm *dm, void *arg);

void oracle(const char *name, const struct dm_config *config, oracle_script *script, void *arg);

/* The same in parts, for a test that plays many scripts under one name. */
unsigned oracle_differences(const char *name, const struct dm_config *config, oracle_script *script,
                            void *arg, unsigned shown);
void oracle_end(const char *name, unsigned bad); /* fails where bad, or the list has too much */

void note(struct transcript *t, uint64_t value, const char *what, ...)
    __attribute__((format(printf, 3, 4)));
void note_text(struct transcript *t, const char *value, const char *what, ...)
    __attribute__((format(printf, 3, 4)));
/* A line for each byte: `what` and its offset. */
void note_bytes(struct transcript *t, const void *bytes, size_t n, const char *what);

/* Whether this is stock QEMU: for what a script must wait for, never for what it says. */
bool is_stock(const struct transcript *t);

#endif
