/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The argument of -vnc. Document: QEMU's manual page, "-vnc"; what libxl writes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/error.h"
#include "dm/display/vnc.h"

#define DISPLAY_MOST (65535 - 5900)

static bool number(const char *text, unsigned most, unsigned *value)
{
    char *end;
    unsigned long n;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    n = strtoul(text, &end, 10);
    *value = (unsigned)n;
    return !*end && !errno && n <= most;
}

static bool flag(const char *value, bool *out)
{
    if (!value || !strcmp(value, "on") || !strcmp(value, "yes"))
        *out = true;
    else if (!strcmp(value, "off") || !strcmp(value, "no"))
        *out = false;
    else
        return false;
    return true;
}

static int parse_address(struct vnc_config *c, char *word, const char *text, struct error *err)
{
    char *colon = strrchr(word, ':');
    size_t n;

    if (!strncmp(word, "unix:", 5)) {
        if (!word[5])
            return error_set(err, -EINVAL, "-vnc %s: the path of the socket is missing", text);
        c->listen = word;
        return 0;
    }
    if (!colon)
        return error_set(err, -EINVAL, "-vnc %s: the display is missing; write HOST:DISPLAY, such as "
                         "127.0.0.1:0", text);
    if (!number(colon + 1, DISPLAY_MOST, &c->display))
        return error_set(err, -EINVAL, "-vnc %s: the display must be a number from 0 to %d", text,
                         DISPLAY_MOST);
    *colon = 0;
    n = strlen(word);
    if (n >= 2 && word[0] == '[' && word[n - 1] == ']') {
        word[n - 1] = 0;
        word++;
    }
    c->listen = word;
    return 0;
}

static int parse_option(struct vnc_config *c, char *word, const char *text, struct error *err)
{
    char *value = strchr(word, '=');

    if (value)
        *value++ = 0;
    if (!strcmp(word, "to")) {
        if (!value || !number(value, DISPLAY_MOST, &c->to) || c->to < c->display)
            return error_set(err, -EINVAL,
                             "-vnc %s: to= must be a display from %u to %d", text, c->display,
                             DISPLAY_MOST);
        return 0;
    }
    if (!strcmp(word, "password")) {
        if (!flag(value, &c->password))
            return error_set(err, -EINVAL, "-vnc %s: password= must be on or off; the password "
                             "itself comes by QMP", text);
        return 0;
    }
    if (!strcmp(word, "websocket")) {
        if (flag(value, &c->websocket))
            return 0;
        if (!number(value, 65535, &c->websocket_port) || !c->websocket_port)
            return error_set(err, -EINVAL, "-vnc %s: websocket= must be on, off or a port", text);
        c->websocket = true;
        return 0;
    }
    /* every client shares; lossy and non-adaptive are the client's to choose here */
    if (!strcmp(word, "share")) {
        if (value && (!strcmp(value, "allow-exclusive") || !strcmp(value, "force-shared") ||
                      !strcmp(value, "ignore")))
            return 0;
        return error_set(err, -EINVAL, "-vnc %s: share= must be allow-exclusive, force-shared or "
                         "ignore", text);
    }
    if (!strcmp(word, "lossy") || !strcmp(word, "non-adaptive") || !strcmp(word, "lock-key-sync") ||
        !strcmp(word, "power-control") || !strcmp(word, "key-delay-ms") || !strcmp(word, "id"))
        return 0;
    if (!strcmp(word, "reverse") || !strcmp(word, "sasl") || !strncmp(word, "tls", 3) ||
        !strncmp(word, "sasl-", 5))
        return error_set(err, -EINVAL, "-vnc %s: %s is not supported; listen on 127.0.0.1 and use "
                         "an SSH tunnel", text, word);
    return error_set(err, -EINVAL, "-vnc %s: there is no option %s; there are to, password, "
                     "websocket and share", text, word);
}

int vnc_parse(struct vnc_config *c, char *storage, size_t room, const char *text,
              struct error *err)
{
    char *next;
    int rc;

    *c = (struct vnc_config){ .listen = NULL };
    if (strlen(text) >= room)
        return error_set(err, -EINVAL, "-vnc: its argument is too long");
    strcpy(storage, text);
    next = strchr(storage, ',');
    if (next)
        *next++ = 0;
    if (!strcmp(storage, "none"))
        return 0;
    rc = parse_address(c, storage, text, err);
    while (rc == 0 && next) {
        char *word = next;

        next = strchr(word, ',');
        if (next)
            *next++ = 0;
        rc = parse_option(c, word, text, err);
    }
    return rc;
}
