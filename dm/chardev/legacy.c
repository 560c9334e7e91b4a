/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's words for -serial: "pty", "file:PATH", "tcp:HOST:PORT,server=on", "/dev/ttyS0", ... */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/error.h"
#include "dm/chardev/chardev.h"

static bool starts(const char *text, const char *prefix, const char **rest)
{
    size_t n = strlen(prefix);

    if (strncmp(text, prefix, n))
        return false;
    *rest = text + n;
    return true;
}

static bool seconds(const char *word, unsigned *value)
{
    const char *digits;
    size_t n;

    if (!starts(word, "reconnect=", &digits))
        return false;
    n = strspn(digits, "0123456789");
    if (!n || n > 5 || digits[n])
        return false;
    *value = (unsigned)strtoul(digits, NULL, 10);
    return true;
}

/* The settings after an address: server, server=on, nowait, wait=off, telnet, nodelay, ... */
static int settings(struct chardev_config *c, char *text, const char *whole, struct error *err)
{
    c->wait = true;
    for (char *word = strtok_r(text, ",", &text); word; word = strtok_r(NULL, ",", &text)) {
        if (!strcmp(word, "server") || !strcmp(word, "server=on"))
            c->server = true;
        else if (!strcmp(word, "nowait") || !strcmp(word, "wait=off"))
            c->wait = false;
        else if (!strcmp(word, "telnet") || !strcmp(word, "telnet=on"))
            c->telnet = true;
        else if (seconds(word, &c->reconnect) || !strcmp(word, "nodelay") ||
                 !strcmp(word, "wait") || !strcmp(word, "wait=on") ||
                 !strcmp(word, "server=off") || !strcmp(word, "nodelay=on"))
            continue;
        else
            return error_set(err, -EINVAL, "serial port %s: xen-dm knows no setting %s", whole,
                             word);
    }
    return 0;
}

static int socket_words(struct chardev_config *c, char *text, bool tcp, const char *whole,
                        struct error *err)
{
    char *comma = strchr(text, ','), *colon;
    int rc = 0;

    c->kind = "socket";
    if (comma) {
        *comma = 0;
        rc = settings(c, comma + 1, whole, err);
    }
    if (rc < 0)
        return rc;
    if (!tcp) {
        c->path = text;
        return *text ? 0 : error_set(err, -EINVAL, "serial port %s: the path is missing", whole);
    }
    colon = strrchr(text, ':');
    if (!colon || !colon[1])
        return error_set(err, -EINVAL, "serial port %s: use HOST:PORT", whole);
    *colon = 0;
    c->host = *text ? text : "0.0.0.0";
    c->port = colon + 1;
    return 0;
}

int chardev_parse_legacy(struct chardev_config *c, char *storage, size_t storage_size,
                         const char *text, struct error *err)
{
    const char *rest;

    memset(c, 0, sizeof(*c));
    c->fd = -1;
    if (strlen(text) >= storage_size)
        return error_set(err, -EINVAL, "serial port: a word of %zu bytes is too long",
                         strlen(text));
    strcpy(storage, text);
    if (starts(text, "mon:", &rest)) /* a monitor would share the line; only the line is here */
        return chardev_parse_legacy(c, storage, storage_size, rest, err);
    if (!strcmp(text, "pty") || !strcmp(text, "stdio") || !strcmp(text, "null")) {
        c->kind = storage;
        return 0;
    }
    if (!strcmp(text, "/dev/null")) { /* no line; init scripts and `xl devd` write it so */
        c->kind = "null";
        return 0;
    }
    if (starts(text, "file:", &rest) || starts(text, "pipe:", &rest)) {
        c->kind = *text == 'f' ? "file" : "pipe";
        c->path = storage + (rest - text);
        if (!*c->path)
            return error_set(err, -EINVAL, "serial port %s: the path is missing", text);
        return 0;
    }
    if (starts(text, "chardev:", &rest)) {
        c->kind = "chardev";
        c->path = storage + (rest - text);
        return 0;
    }
    if (starts(text, "unix:", &rest))
        return socket_words(c, storage + (rest - text), false, text, err);
    if (starts(text, "tcp:", &rest))
        return socket_words(c, storage + (rest - text), true, text, err);
    if (starts(text, "telnet:", &rest)) {
        c->telnet = true;
        return socket_words(c, storage + (rest - text), true, text, err);
    }
    if (starts(text, "/dev/", &rest)) {
        c->kind = "serial";
        c->path = storage;
        return 0;
    }
    return error_set(err, -EINVAL,
                     "serial port %s: use pty, stdio, null, none, file:PATH, pipe:PATH, unix:PATH, "
                     "tcp:HOST:PORT, telnet:HOST:PORT, chardev:ID or a /dev/tty",
                     text);
}
