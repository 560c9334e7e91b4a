/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plays scripts, compares transcripts, and holds the list of differences to its word. */
#define _GNU_SOURCE
#include <fnmatch.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "tests/kit/check.h"
#include "tests/oracle/oracle.h"

#define END_MS 30000
#define LIST "tests/oracle/differences"
#define SHOWN 40
#define LISTED 512

struct line {
    char *what, *value;
};

struct transcript {
    bool stock;
    struct line *lines;
    size_t count, room;
};

/* A line of the list: patterns of a shell for the script, the thing and the two values. */
struct difference {
    char script[64], what[128], ours[64], stock[64];
    bool used;
    unsigned at;
};

static struct difference list[LISTED];
static unsigned listed;
static size_t compared;

static void read_list(void)
{
    char text[512];
    unsigned at = 0;
    FILE *f;

    if (listed)
        return;
    f = fopen(LIST, "r");
    CHECK(f);
    while (fgets(text, sizeof(text), f)) {
        struct difference *d = &list[listed];
        char reason[8];

        at++;
        if (*text == '#' || *text == '\n')
            continue;
        CHECK(listed < LISTED);
        if (sscanf(text, "%63s %127s %63s %63s %7s", d->script, d->what, d->ours, d->stock,
                   reason) != 5) {
            fprintf(stderr, LIST ":%u: wants script, what, ours, stock and a reason\n", at);
            CHECK(!"the list of differences can be read");
        }
        d->at = at;
        listed++;
    }
    fclose(f);
}

/* ---- Transcripts ---- */

bool is_stock(const struct transcript *t)
{
    return t->stock;
}

static void add(struct transcript *t, char *what, char *value)
{
    if (t->count == t->room) {
        t->room = t->room ? 2 * t->room : 256;
        t->lines = realloc(t->lines, t->room * sizeof(*t->lines));
    }
    if (!t->lines || !what || !value)
        abort();
    t->lines[t->count++] = (struct line){ what, value };
}

static char *text_of(const char *format, va_list args)
{
    char *text;

    return vasprintf(&text, format, args) < 0 ? NULL : text;
}

void note_text(struct transcript *t, const char *value, const char *what, ...)
{
    va_list args;

    va_start(args, what);
    add(t, text_of(what, args), strdup(value));
    va_end(args);
}

void note(struct transcript *t, uint64_t value, const char *what, ...)
{
    char text[32];
    va_list args;

    snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
    va_start(args, what);
    add(t, text_of(what, args), strdup(text));
    va_end(args);
}

void note_bytes(struct transcript *t, const void *bytes, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        note(t, ((const uint8_t *)bytes)[i], "%s+%zu", what, i);
}

static void drop(struct transcript *t)
{
    while (t->count) {
        free(t->lines[--t->count].what);
        free(t->lines[t->count].value);
    }
    free(t->lines);
}

/* ---- Comparing ---- */

static bool is_listed(const char *script, const char *what, const char *ours, const char *stock)
{
    bool found = false;

    for (struct difference *d = list; d < list + listed; d++)
        if (!fnmatch(d->script, script, FNM_EXTMATCH) && !fnmatch(d->what, what, FNM_EXTMATCH) &&
            !fnmatch(d->ours, ours, FNM_EXTMATCH) && !fnmatch(d->stock, stock, FNM_EXTMATCH))
            found = d->used = true;
    return found;
}

/* Where `what` comes next in a transcript, from a line on; its end where it does not. */
static size_t seek(const struct transcript *t, size_t at, const char *what)
{
    while (at < t->count && strcmp(t->lines[at].what, what))
        at++;
    return at;
}

struct tally {
    const char *script;
    unsigned bad, most;
};

static void judge(struct tally *tally, const char *what, const char *ours, const char *stock)
{
    if (!strcmp(ours, stock) || is_listed(tally->script, what, ours, stock))
        return;
    if (tally->bad++ < tally->most)
        fprintf(stderr, "%s: %s: ours %s, stock %s\n", tally->script, what, ours, stock);
}

/*
 * The number of differences that nobody has judged. Where one says more than the other (a longer
 * answer), what is only there is compared with nothing, "-".
 */
static unsigned compare(const char *script, const struct transcript *ours,
                        const struct transcript *stock, unsigned shown)
{
    struct tally tally = { script, 0, shown };
    size_t i = 0, k = 0;

    while (i < ours->count || k < stock->count) {
        const struct line *a = &ours->lines[i], *b = &stock->lines[k];

        if (i < ours->count && k < stock->count && !strcmp(a->what, b->what)) {
            judge(&tally, a->what, a->value, b->value);
            i++;
            k++;
        } else if (i < ours->count && seek(stock, k, a->what) == stock->count) {
            judge(&tally, a->what, a->value, "-");
            i++;
        } else {
            judge(&tally, b->what, "-", b->value);
            k++;
        }
    }
    return tally.bad;
}

/* A pattern for several scripts must be needed by each of them. */
static unsigned complain_of_unused(const char *script)
{
    unsigned bad = 0;

    for (struct difference *d = list; d < list + listed; d++)
        if (!fnmatch(d->script, script, FNM_EXTMATCH) && !d->used) {
            fprintf(stderr, LIST ":%u: %s %s: there is no such difference any more\n", d->at,
                    d->script, d->what);
            bad++;
        }
    return bad;
}

static void play(struct transcript *t, const struct dm_config *config, oracle_script *script,
                 void *arg)
{
    struct dm_config mine = *config;
    struct dm dm;

    mine.stock = t->stock;
    dm_open(&dm, &mine);
    script(t, &dm, arg);
    CHECK_EQ(dm_close(&dm, SIGTERM, END_MS), 0);
}

unsigned oracle_differences(const char *name, const struct dm_config *config, oracle_script *script,
                            void *arg, unsigned shown)
{
    struct transcript ours = { .stock = false }, stock = { .stock = true };
    unsigned bad;

    read_list();
    play(&ours, config, script, arg);
    play(&stock, config, script, arg);
    bad = compare(name, &ours, &stock, shown);
    compared += ours.count;
    drop(&ours);
    drop(&stock);
    return bad;
}

static void begin(void)
{
    read_list();
    compared = 0;
    for (unsigned i = 0; i < listed; i++)
        list[i].used = false;
}

void oracle_end(const char *name, unsigned bad)
{
    bad += complain_of_unused(name);
    printf("%s: %zu answers compared, %u differences not listed\n", name, compared, bad);
    begin();
    CHECK_EQ(bad, 0);
}

void oracle(const char *name, const struct dm_config *config, oracle_script *script, void *arg)
{
    begin();
    oracle_end(name, oracle_differences(name, config, script, arg,
                                        getenv("SHOW") ? (unsigned)atoi(getenv("SHOW")) : SHOWN));
}
