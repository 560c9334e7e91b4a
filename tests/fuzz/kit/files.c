/* SPDX-License-Identifier: GPL-2.0-or-later */
/* open() and its like, behind a guard. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/fuzz/kit/files.h"

static enum files_guard guarded;

void files_guard(enum files_guard guard)
{
    guarded = guard;
}

static bool refused(const char *what, const char *path)
{
    if (guarded == FILES_FORBIDDEN) {
        fprintf(stderr, "==== what must hold does not: %s of \"%s\"\n", what, path);
        abort();
    }
    errno = EACCES;
    return guarded == FILES_REFUSED;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return refused("open", path) ? -1 : __real_open(path, flags, mode);
}

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode)
{
    return refused("fopen", path) ? NULL : __real_fopen(path, mode);
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
    return refused("unlink", path) ? -1 : __real_unlink(path);
}

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
    return refused("socket", "") ? -1 : __real_socket(domain, type, protocol);
}
