/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/kit/check.h"
#include "tests/oracle/oracle.h"
#include "tests/oracle/picture.h"
#include "tests/whole/qmp.h"

/* A line of the picture as a number: enough to see where two differ. */
static uint32_t sum(const uint8_t *bytes, size_t n)
{
    uint32_t h = 0x811c9dc5;

    while (n--)
        h = (h ^ *bytes++) * 0x01000193;
    return h;
}

static void note_picture(struct transcript *t, const char *path, unsigned bits, const char *what)
{
    unsigned width = 0, height = 0;
    FILE *f = fopen(path, "r");
    uint8_t *row;

    CHECK(f);
    CHECK_EQ(fscanf(f, "P6 %u %u 255", &width, &height), 2);
    fgetc(f);
    note(t, width, "%s.width", what);
    note(t, height, "%s.height", what);
    row = malloc(width * 3 + 1);
    for (unsigned y = 0; y < height; y++) {
        CHECK_EQ(fread(row, 3, width, f), width);
        for (unsigned i = 0; i < width * 3; i++)
            row[i] >>= 8 - bits;
        note(t, sum(row, width * 3), "%s.line%u", what, y);
    }
    free(row);
    fclose(f);
}

/* KEEP=directory leaves the pictures there. */
void note_screen(struct transcript *t, const struct dm *dm, unsigned bits, const char *what)
{
    char path[256], command[512], *answer;
    int qmp = qmp_open(dm->qmp);

    if (getenv("KEEP"))
        snprintf(path, sizeof(path), "%s/%s-%s.ppm", getenv("KEEP"), what,
                 is_stock(t) ? "stock" : "ours");
    else
        snprintf(path, sizeof(path), "%s/screen.ppm", dm->dir);
    CHECK(qmp >= 0);
    snprintf(command, sizeof(command),
             "{\"execute\":\"screendump\",\"arguments\":{\"filename\":\"%s\"}}\n", path);
    answer = qmp_say(qmp, command);
    CHECK(answer && strstr(answer, "\"return\""));
    free(answer);
    close(qmp);
    note_picture(t, path, bits, what);
    if (!getenv("KEEP"))
        unlink(path);
}
