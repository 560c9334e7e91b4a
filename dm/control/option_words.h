/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_CONTROL_OPTION_WORDS_H
#define DM_CONTROL_OPTION_WORDS_H
#include <stdbool.h>
#include <stdint.h>
#include "dm/control/options.h"
struct error;

/* What the files of the command line share. For options.c and option_*.c only. */
#define PAIRS_MOST 24

/* "first,name=value,name", split. */
struct words {
    const char *option; /* as the user wrote it, for sentences */
    const char *first;  /* NULL where the text starts with name=value */
    struct pair pairs[PAIRS_MOST];
    unsigned count;
};

/* A copy that lives as long as the configuration; NULL where memory ends. */
char *options_keep(struct machine_config *c, const char *text);

/*
 * Splits a text at its commas, ",," being one comma. `has_first`: a first word without "=" is
 * w->first, not a name.
 */
int words_split(struct machine_config *c, struct words *w, const char *option, const char *text,
                bool has_first, struct error *err);
const char *words_get(const struct words *w, const char *name); /* the last one given; or NULL */
/* Every name is in the list (which NULL ends), or a sentence. */
int words_only(const struct words *w, const char *const *names, struct error *err);
/* on or off into *value, which stays as it is where the name is not given. */
int words_flag(const struct words *w, const char *name, bool *value, struct error *err);
int words_number(const char *option, const char *text, uint64_t most, uint64_t *value,
                 struct error *err);

/* One option taken: its value into the configuration, or a sentence. */
typedef int option_fn(struct machine_config *c, const char *option, const char *text,
                      struct error *err);

/* A word of the command line, and what becomes of it. */
struct option {
    const char *name;
    bool has_text;
    option_fn *take;     /* NULL: ignored, or refused where `instead` says so */
    const char *instead;
};

/* Words that mean something, or something else, under -accel qtest only: option_qtest.c. */
bool option_qtest_asked(int argc, char *const argv[]);
const struct option *option_qtest_find(const char *word);
int option_qtest_whole(struct machine_config *c, struct error *err);
void option_qtest_name_formats(struct machine_config *c); /* of images that are no files */

option_fn option_chardev;
option_fn option_mon;
option_fn option_qmp;
option_fn option_serial;
option_fn option_parallel;
option_fn option_debugcon;
option_fn option_drive;
option_fn option_device;
option_fn option_global;
option_fn option_netdev;
option_fn option_net;
option_fn option_usb;
option_fn option_usbdevice;
#endif
