/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of one option: "first,name=value,name", split, looked up and judged. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/error.h"
#include "dm/control/option_words.h"

/* ---- Memory of the texts ---- */

struct chunk {
    struct chunk *next;
    char text[];
};

char *options_keep(struct machine_config *c, const char *text)
{
    struct chunk *k = malloc(sizeof(*k) + strlen(text) + 1);

    if (!k)
        return NULL;
    strcpy(k->text, text);
    k->next = c->memory;
    c->memory = k;
    return k->text;
}

void options_free(struct machine_config *c)
{
    struct chunk *k;

    while ((k = c->memory)) {
        c->memory = k->next;
        free(k);
    }
}

/* ---- "first,name=value,name" ---- */

int words_split(struct machine_config *c, struct words *w, const char *option, const char *text,
                bool has_first, struct error *err)
{
    char *copy = options_keep(c, text), *in, *out, *word;
    bool more = true;

    memset(w, 0, sizeof(*w));
    w->option = option;
    if (!copy)
        return error_set(err, -ENOMEM, "%s: out of memory", option);
    for (in = out = word = copy; more; in++) {
        char *equals;

        if (*in == ',' && in[1] == ',') {
            in++;
            *out++ = ',';
            continue;
        }
        if (*in && *in != ',') {
            *out++ = *in;
            continue;
        }
        more = *in != 0;
        *out = 0;
        equals = strchr(word, '=');
        if (has_first && word == copy && !equals) {
            w->first = word;
        } else if (*word) {
            if (w->count == PAIRS_MOST)
                return error_set(err, -EINVAL, "%s %s: more than %d settings", option, text,
                                 PAIRS_MOST);
            if (equals)
                *equals = 0;
            w->pairs[w->count++] = (struct pair){ word, equals ? equals + 1 : "on" };
        }
        word = out = in + 1;
    }
    return 0;
}

const char *words_get(const struct words *w, const char *name)
{
    for (unsigned i = w->count; i-- > 0;)
        if (!strcmp(w->pairs[i].name, name))
            return w->pairs[i].value;
    return NULL;
}

int words_only(const struct words *w, const char *const *names, struct error *err)
{
    for (unsigned i = 0; i < w->count; i++) {
        const char *const *n = names;

        while (*n && strcmp(*n, w->pairs[i].name))
            n++;
        if (!*n)
            return error_set(err, -EINVAL, "%s: xen-dm knows no setting %s=; leave it out",
                             w->option, w->pairs[i].name);
    }
    return 0;
}

int words_flag(const struct words *w, const char *name, bool *value, struct error *err)
{
    const char *text = words_get(w, name);

    if (!text)
        return 0;
    if (!strcmp(text, "on") || !strcmp(text, "yes") || !strcmp(text, "true"))
        *value = true;
    else if (!strcmp(text, "off") || !strcmp(text, "no") || !strcmp(text, "false"))
        *value = false;
    else
        return error_set(err, -EINVAL, "%s: %s=%s is neither on nor off", w->option, name, text);
    return 0;
}

int words_number(const char *option, const char *text, uint64_t most, uint64_t *value,
                 struct error *err)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    if (*text < '0' || *text > '9' || *end || errno || *value > most)
        return error_set(err, -EINVAL, "%s: %s is not a number from 0 to %llu", option, text,
                         (unsigned long long)most);
    return 0;
}
