/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_KIT_FILES_H
#define TESTS_FUZZ_KIT_FILES_H
#include <stdbool.h>

/*
 * Who feeds hostile file names in must not have files opened: the linker routes open() and its
 * like here (-Wl,--wrap). While a guard is up they are refused, or end the process.
 */
enum files_guard { FILES_FREE, FILES_REFUSED, FILES_FORBIDDEN };
void files_guard(enum files_guard guard);
#endif
