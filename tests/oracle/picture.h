/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_ORACLE_PICTURE_H
#define TESTS_ORACLE_PICTURE_H
struct dm;
struct transcript;

/* The screen by QMP's screendump: its size and every line, of each colour the highest `bits`. */
void note_screen(struct transcript *t, const struct dm *dm, unsigned bits, const char *what);
#endif
