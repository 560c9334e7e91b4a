/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_BENCH_VIEWER_H
#define TESTS_BENCH_VIEWER_H
#include <stdbool.h>
#include "tests/whole/run.h"

/* A VNC client that takes raw pixels and throws them away. */
struct viewer {
    int fd;
    unsigned width, height;
};

void viewer_open(struct viewer *v, const struct dm *dm); /* fails the test */
void viewer_close(struct viewer *v);
void viewer_ask(struct viewer *v, bool incremental); /* for the whole screen */
/* Reads one update; how many pixels it had. 0: none came within ms. */
unsigned viewer_update(struct viewer *v, unsigned ms);
#endif
