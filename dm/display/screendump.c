/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A screenshot: a viewer that asks once, copies the surface, and gives the copy to a thread that
 * encodes and writes it.
 */
#include "dm/display/screendump.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>
#include "dm/base/error.h"
#include "dm/base/loop.h"
#include "dm/display/picture.h"
#include "dm/display/screen.h"

struct dump {
    struct loop *loop;
    struct screen_viewer *viewer;
    int fd;
    enum picture_format format;
    screendump_done_fn *done;
    void *arg;
    pthread_t thread;
    bool threaded;
    uint8_t *rgb;
    unsigned width, height;
    int rc;
    struct error err;
};

static void on_written(void *arg)
{
    struct dump *d = arg;

    if (d->threaded)
        pthread_join(d->thread, NULL); /* it has nothing left to do but return */
    close(d->fd);
    d->done(d->arg, d->rc, &d->err);
    free(d->rgb);
    free(d);
}

static void *write_thread(void *arg)
{
    struct dump *d = arg;

    d->rc = picture_write(d->fd, d->format, d->rgb, d->width, d->height, &d->err);
    loop_post(d->loop, on_written, d);
    return NULL;
}

static void copy_surface(struct dump *d, const struct surface *s)
{
    uint8_t *p = d->rgb;

    for (unsigned y = 0; y < s->height; y++)
        for (unsigned x = 0; x < s->width; x++) {
            uint32_t rgb = s->pixels[(size_t)y * s->stride + x];

            *p++ = (uint8_t)(rgb >> 16);
            *p++ = (uint8_t)(rgb >> 8);
            *p++ = (uint8_t)rgb;
        }
}

static void on_surface(void *owner, const struct surface *s, const struct damage *damage)
{
    struct dump *d = owner;

    d->width = s->width;
    d->height = s->height;
    d->rgb = malloc((size_t)s->width * s->height * 3 + 1);
    if (d->rgb)
        copy_surface(d, s);
    screen_release(d->viewer);
    screen_viewer_close(d->viewer);
    d->viewer = NULL;
    if (!d->rgb) {
        d->rc = error_set(&d->err, -ENOMEM, "screendump: out of memory");
        loop_post(d->loop, on_written, d);
        return;
    }
    d->threaded = pthread_create(&d->thread, NULL, write_thread, d) == 0;
    if (!d->threaded) /* then it takes our own time */
        write_thread(d);
}

static const struct screen_viewer_ops viewer_ops = { .ready = on_surface };

int screendump(struct screen *screen, struct loop *loop, const char *path,
               enum picture_format format, screendump_done_fn *done, void *arg, struct error *err)
{
    struct dump *d = calloc(1, sizeof(*d));
    int rc;

    if (!d)
        return error_set(err, -ENOMEM, "screendump: out of memory");
    *d = (struct dump){ .loop = loop, .format = format, .done = done, .arg = arg };
    d->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (d->fd < 0) {
        rc = error_errno(err, "screendump to %s", path);
        free(d);
        return rc;
    }
    rc = screen_viewer_open(&d->viewer, screen, loop, &viewer_ops, d, err);
    if (rc < 0) {
        close(d->fd);
        free(d);
        return rc;
    }
    screen_request(d->viewer, true);
    return 0;
}
