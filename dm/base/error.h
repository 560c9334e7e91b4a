/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BASE_ERROR_H
#define DM_BASE_ERROR_H

/*
 * A caller's buffer for one sentence. Functions that can fail return 0 or a negative errno; the
 * leaf that failed writes the sentence, which names the thing and, where it can, what to do. Any
 * thread; `err` may be NULL, and the sentence is lost.
 */
struct error {
    char text[512];
};

/* Writes the sentence and returns `rc`. */
int error_set(struct error *err, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with errno: appends ": <what errno means>" and returns -errno. */
int error_errno(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
