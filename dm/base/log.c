/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log. A line is one write(2), so lines of different threads do not mix. What a guest can cause
 * is limited to a burst each second and to a total for life.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/clock.h"
#include "dm/base/log.h"

#define BURST 10 /* guest lines a second */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned long guest_left = 1048576;
static uint64_t second_start;
static unsigned in_second;

static size_t emit(const char *level, const char *format, va_list args)
{
    char line[1024];
    size_t n, room;

    n = (size_t)snprintf(line, sizeof(line), "xen-dm: %s", level);
    room = sizeof(line) - n - 1;
    vsnprintf(line + n, room, format, args);
    for (char *p = line + n; *p; p++) /* a guest's bytes must not forge lines or escapes */
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    n = strlen(line);
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0)
        return 0; /* nowhere left to complain */
    return n;
}

#define EMIT(level)                                                                                \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        emit(level, format, args);                                                                 \
        va_end(args);                                                                              \
    } while (0)

void log_error(const char *format, ...)
{
    EMIT("error: ");
}

void log_warn(const char *format, ...)
{
    EMIT("warning: ");
}

void log_info(const char *format, ...)
{
    EMIT("");
}

void log_guest(const char *format, ...)
{
    uint64_t now = clock_now();
    va_list args;
    size_t n;

    pthread_mutex_lock(&mutex);
    if (now - second_start >= NS_PER_SEC) {
        second_start = now;
        in_second = 0;
    }
    if (!guest_left || in_second >= BURST)
        goto out;
    in_second++;
    va_start(args, format);
    n = emit("guest: ", format, args);
    va_end(args);
    guest_left -= n < guest_left ? n : guest_left;
    if (!guest_left)
        log_warn("the guest has filled its share of this log; its further lines are dropped");
out:
    pthread_mutex_unlock(&mutex);
}

void log_guest_limit(unsigned long bytes)
{
    pthread_mutex_lock(&mutex);
    guest_left = bytes;
    pthread_mutex_unlock(&mutex);
}
