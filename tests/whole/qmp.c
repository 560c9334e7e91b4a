/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "tests/whole/qmp.h"

#define LINE 65536

/* Byte by byte, so that nothing of the next line is lost with this one. */
static bool read_line(int fd, char *line)
{
    size_t n = 0;

    while (n < LINE - 1 && read(fd, line + n, 1) == 1)
        if (line[n++] == '\n') {
            line[n - 1] = 0;
            return true;
        }
    return false;
}

char *qmp_say(int qmp, const char *command)
{
    char *line = malloc(LINE);
    bool ok = line && send(qmp, command, strlen(command), MSG_NOSIGNAL) > 0;

    do
        ok = ok && read_line(qmp, line);
    while (ok && !strstr(line, "\"return\"") && !strstr(line, "\"error\""));
    if (ok)
        return line;
    free(line);
    return NULL;
}

int qmp_open(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char *answer = NULL;

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
        answer = qmp_say(fd, "{\"execute\":\"qmp_capabilities\"}\n");
    if (!answer && fd >= 0)
        close(fd);
    fd = answer ? fd : -1;
    free(answer);
    return fd;
}
