/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_DISPLAY_SCREENDUMP_H
#define DM_DISPLAY_SCREENDUMP_H
struct error;
struct loop;
struct screen;

enum picture_format { PICTURE_PPM, PICTURE_PNG };

/*
 * Writes what the screen shows to a file. done(arg, 0 or -errno, sentence) runs on `loop` once,
 * later; or, when this returns an error, never. The encoding has a thread of its own: a second of
 * compression would stall the machine.
 */
typedef void screendump_done_fn(void *arg, int rc, const struct error *err);
int screendump(struct screen *screen, struct loop *loop, const char *path,
               enum picture_format format, screendump_done_fn *done, void *arg, struct error *err);
#endif
