/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP on the screen and the keyboard. */
#include <stdlib.h>
#include <string.h>
#include "dm/base/clock.h"
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/control/commands.h"
#include "dm/display/input.h"
#include "dm/display/keynames.h"
#include "dm/display/screendump.h"
#include "dm/machine/machine.h"

#define KEYS_MOST 16
#define HOLD_MS_DEFAULT 100

static void dumped(void *arg, int rc, const struct error *err)
{
    struct command *cmd = arg;

    if (rc < 0)
        command_fail(cmd, "GenericError", "%s", err->text);
    else
        command_return(cmd, NULL);
}

void run_screendump(struct command *cmd)
{
    const char *path = command_text(cmd, "filename"), *format = command_text(cmd, "format");
    struct machine *m = cmd->machine;
    struct error err;

    if (format && strcmp(format, "png") && strcmp(format, "ppm"))
        command_fail(cmd, "GenericError", "format %s is neither png nor ppm", format);
    else if (!m->screen)
        command_fail(cmd, "GenericError", "the guest has no display (vga=\"none\")");
    else if (screendump(m->screen, m->loop, path,
                        format && !strcmp(format, "png") ? PICTURE_PNG : PICTURE_PPM, dumped, cmd,
                        &err) < 0)
        command_fail(cmd, "GenericError", "%s", err.text);
}

/* ---- Keys: pressed now, released a little later, in reverse ---- */

struct press {
    struct machine *machine;
    unsigned keys[KEYS_MOST], count;
    struct timer timer;
};

static void release(void *arg)
{
    struct press *p = arg;

    while (p->count)
        input_key(p->machine->input, p->keys[--p->count], false);
    free(p);
}

static bool press(struct machine *m, const unsigned *keys, unsigned count, uint64_t hold_ms)
{
    struct press *p = calloc(1, sizeof(*p));

    if (!p)
        return false;
    p->machine = m;
    p->count = count;
    memcpy(p->keys, keys, count * sizeof(*keys));
    for (unsigned i = 0; i < count; i++)
        input_key(m->input, keys[i], true);
    timer_init(&p->timer, m->loop, release, p);
    timer_set_in(&p->timer, hold_ms * NS_PER_MS);
    return true;
}

bool press_keys(struct machine *m, const char *names, const char *between)
{
    char *copy = strdup(names), *rest = copy;
    unsigned keys[KEYS_MOST], count = 0;
    bool known = copy != NULL;

    for (char *word = copy; known && (word = strtok_r(rest, between, &rest));) {
        unsigned key = key_from_name(word);

        known = key && count < KEYS_MOST;
        if (known)
            keys[count++] = key;
    }
    free(copy);
    return known && count && press(m, keys, count, HOLD_MS_DEFAULT);
}

void run_send_key(struct command *cmd)
{
    const json_t *list = json_object_get(cmd->arguments, "keys");
    json_int_t hold = command_int(cmd, "hold-time", HOLD_MS_DEFAULT);
    unsigned keys[KEYS_MOST], count = 0;
    size_t n = json_array_size(list);

    if (!json_is_array(list) || !n || n > KEYS_MOST || hold < 0 || hold > 10000) {
        command_fail(cmd, "GenericError", "keys is a list of 1 to %d keys, hold-time 0 to 10000 ms",
                     KEYS_MOST);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i), *data = json_object_get(one, "data");
        unsigned key = json_is_integer(data)  ? key_from_number((unsigned)json_integer_value(data))
                       : json_is_string(data) ? key_from_name(json_string_value(data))
                                              : 0;

        if (!key) {
            command_fail(cmd, "GenericError", "there is no key %s",
                         json_is_string(data) ? json_string_value(data) : "of that number");
            return;
        }
        keys[count++] = key;
    }
    press(cmd->machine, keys, count, (uint64_t)hold);
    command_return(cmd, NULL);
}
