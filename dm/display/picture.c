/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PPM by hand, PNG by libpng, which is loaded when first asked for. */
#include <dlfcn.h>
#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/error.h"
#include "dm/display/picture.h"

static int write_all(int fd, const void *bytes, size_t n, struct error *err)
{
    const char *p = bytes;

    while (n) {
        ssize_t done = write(fd, p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return error_errno(err, "write the picture");
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

static int write_ppm(int fd, const uint8_t *rgb, unsigned width, unsigned height,
                     struct error *err)
{
    char header[64];
    int n = snprintf(header, sizeof(header), "P6\n%u %u\n255\n", width, height);
    int rc = write_all(fd, header, (size_t)n, err);

    return rc < 0 ? rc : write_all(fd, rgb, (size_t)width * height * 3, err);
}

static int write_png(int fd, const uint8_t *rgb, unsigned width, unsigned height,
                     struct error *err)
{
    int (*write_to_memory)(png_imagep, void *, png_alloc_size_t *, int, const void *, png_int_32,
                           const void *);
    png_image image = { .version = PNG_IMAGE_VERSION, .width = width, .height = height,
                        .format = PNG_FORMAT_RGB, .flags = PNG_IMAGE_FLAG_FAST };
    size_t room = (size_t)width * height * 3 + height * 8 + 65536;
    png_alloc_size_t length = room;
    void *lib = dlopen("libpng16.so.16", RTLD_NOW), *file;
    int rc;

    if (!lib)
        return error_set(err, -ENOENT,
                         "PNG needs libpng 1.6 (Debian: libpng16-16); PPM works without");
    write_to_memory = (int (*)(png_imagep, void *, png_alloc_size_t *, int, const void *,
                               png_int_32, const void *))dlsym(lib, "png_image_write_to_memory");
    file = malloc(room);
    if (!write_to_memory || !file)
        rc = error_set(err, -ENOMEM, "encode PNG: out of memory");
    else if (!write_to_memory(&image, file, &length, 0, rgb, 0, NULL))
        rc = error_set(err, -EIO, "encode PNG: %s", image.message);
    else
        rc = write_all(fd, file, length, err);
    free(file);
    dlclose(lib);
    return rc;
}

int picture_write(int fd, enum picture_format format, const uint8_t *rgb, unsigned width,
                  unsigned height, struct error *err)
{
    return format == PICTURE_PNG ? write_png(fd, rgb, width, height, err)
                                 : write_ppm(fd, rgb, width, height, err);
}
