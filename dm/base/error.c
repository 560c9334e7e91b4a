/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One sentence beside a negative errno. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "dm/base/error.h"

int error_set(struct error *err, int rc, const char *format, ...)
{
    va_list args;

    if (err) {
        va_start(args, format);
        vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
    }
    return rc;
}

int error_errno(struct error *err, const char *format, ...)
{
    int saved = errno ? errno : EIO;
    va_list args;
    size_t used;

    if (err) {
        va_start(args, format);
        vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
        used = strlen(err->text);
        snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(saved));
    }
    return -saved;
}
