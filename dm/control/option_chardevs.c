/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options about byte streams: -chardev, and who uses one: -mon, -qmp, -serial, -parallel. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "dm/base/error.h"
#include "dm/control/option_words.h"

int option_chardev(struct machine_config *c, const char *option, const char *text,
                   struct error *err)
{
    static const char *const names[] = { "id",   "path",   "fd",     "server",  "wait",
                                         "host", "port",   "telnet", "append",  "reconnect",
                                         "mux",  "signal", "nowait", "nodelay", "name",
                                         "ipv4", "ipv6",   "to",     "delay",   "logfile",
                                         NULL };
    static const char *const kinds[] = { "socket", "pty",    "file",    "stdio", "null",
                                         "pipe",   "serial", "ringbuf", NULL };
    struct chardev_words *k = &c->chardevs[c->chardev_count];
    struct words w;
    uint64_t n;
    unsigned i = 0;
    int rc = words_split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = words_only(&w, names, err);
    if (rc < 0)
        return rc;
    if (c->chardev_count == CHARDEVS_MOST)
        return error_set(err, -EINVAL, "more than %d -chardev", CHARDEVS_MOST);
    *k = (struct chardev_words){ .id = words_get(&w, "id"),
                                 .kind = w.first,
                                 .path = words_get(&w, "path"),
                                 .host = words_get(&w, "host"),
                                 .port = words_get(&w, "port"),
                                 .fd = -1,
                                 .wait = true };
    if (!k->id || !*k->id)
        return error_set(err, -EINVAL, "%s %s: id= is missing", option, text);
    while (k->kind && kinds[i] && strcmp(kinds[i], k->kind))
        i++;
    if (!k->kind || !kinds[i])
        return error_set(err, -EINVAL,
                         "%s: xen-dm has no chardev %s; use pty, socket, file, stdio, pipe or null",
                         option, k->kind ? k->kind : "of no kind");
    for (i = 0; i < c->chardev_count; i++)
        if (!strcmp(c->chardevs[i].id, k->id))
            return error_set(err, -EINVAL, "%s: there are two with id=%s", option, k->id);
    if (words_get(&w, "fd")) {
        rc = words_number(option, words_get(&w, "fd"), INT32_MAX, &n, err);
        k->fd = (int)n;
    }
    if (rc == 0 && words_get(&w, "reconnect")) {
        rc = words_number(option, words_get(&w, "reconnect"), 86400, &n, err);
        k->reconnect = (unsigned)n;
    }
    if (rc == 0)
        rc = words_flag(&w, "server", &k->server, err);
    if (rc == 0)
        rc = words_flag(&w, "wait", &k->wait, err);
    if (rc == 0)
        rc = words_flag(&w, "telnet", &k->telnet, err);
    if (rc == 0)
        rc = words_flag(&w, "append", &k->append, err);
    if (rc < 0)
        return rc;
    if (words_get(&w, "nowait"))
        k->wait = false;
    if (k->path && !*k->path)
        k->path = NULL;
    if (!strcmp(k->kind, "socket") && !k->path && !k->port && k->fd < 0)
        return error_set(err, -EINVAL, "%s socket,id=%s: path=, port= or fd= is missing", option,
                         k->id);
    if ((!strcmp(k->kind, "file") || !strcmp(k->kind, "pipe")) && !k->path)
        return error_set(err, -EINVAL, "%s %s,id=%s: path= is missing", option, k->kind, k->id);
    c->chardev_count++;
    return 0;
}

int option_mon(struct machine_config *c, const char *option, const char *text, struct error *err)
{
    static const char *const names[] = { "chardev", "mode", "pretty", NULL };
    struct words w;
    const char *chardev, *mode;
    int rc = words_split(c, &w, option, text, true, err);

    if (rc == 0)
        rc = words_only(&w, names, err);
    if (rc < 0)
        return rc;
    chardev = w.first ? w.first : words_get(&w, "chardev");
    mode = words_get(&w, "mode");
    if (!chardev || !mode || strcmp(mode, "control"))
        return error_set(err, -EINVAL,
                         "%s %s: xen-dm has QMP monitors only: use chardev=ID,mode=control", option,
                         text);
    if (c->monitor_count == MONITORS_MOST)
        return error_set(err, -EINVAL, "more than %d -mon", MONITORS_MOST);
    c->monitors[c->monitor_count++].chardev = chardev;
    return 0;
}

/* -qmp unix:PATH,server,nowait is short for a chardev and a monitor. */
int option_qmp(struct machine_config *c, const char *option, const char *text, struct error *err)
{
    char words[600], id[16];
    int rc;

    if (strncmp(text, "unix:", 5))
        return error_set(err, -EINVAL, "%s %s: use unix:PATH,server=on,wait=off", option, text);
    snprintf(id, sizeof(id), "compat_qmp%u", c->monitor_count);
    if (snprintf(words, sizeof(words), "socket,id=%s,path=%s", id, text + 5) >= (int)sizeof(words))
        return error_set(err, -EINVAL, "%s: the path is too long", option);
    rc = option_chardev(c, option, words, err);
    if (rc < 0)
        return rc;
    snprintf(words, sizeof(words), "chardev=%s,mode=control", id);
    return option_mon(c, option, words, err);
}

int option_serial(struct machine_config *c, const char *option, const char *text, struct error *err)
{
    if (c->serial_count == SERIALS_MOST)
        return error_set(err, -EINVAL, "more than %d serial ports; a PC has four", SERIALS_MOST);
    c->serials[c->serial_count++] = options_keep(c, text);
    return 0;
}

int option_parallel(struct machine_config *c, const char *option, const char *text,
                    struct error *err)
{
    c->parallel = strcmp(text, "none") ? options_keep(c, text) : NULL;
    return 0;
}

int option_debugcon(struct machine_config *c, const char *option, const char *text,
                    struct error *err)
{
    c->debugcon = options_keep(c, text);
    return 0;
}
