/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compressed clusters: raw deflate or zstd, by the libraries, which are loaded with the first image
 * that needs them, so that a guest without one does not pay for it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include "dm/base/error.h"
#include "dm/block/qcow2/internal.h"

#define WINDOW_BITS (-15) /* no header; writers use less, which this reads */

struct unpack_lib {
    void *handle;
    int (*init)(z_streamp, int, const char *, int);
    int (*inflate)(z_streamp, int);
    int (*end)(z_streamp);
    ZSTD_DStream *(*zstd_open)(void);
    size_t (*zstd_close)(ZSTD_DStream *);
    size_t (*zstd_run)(ZSTD_DStream *, ZSTD_outBuffer *, ZSTD_inBuffer *);
    unsigned (*zstd_bad)(size_t);
};

int unpack_open(struct unpack_lib **out, bool zstd, const char *path, struct error *err)
{
    struct unpack_lib *lib = calloc(1, sizeof(*lib));
    bool whole;

    *out = lib;
    if (!lib)
        return error_set(err, -ENOMEM, "disk image %s: out of memory", path);
    lib->handle = dlopen(zstd ? "libzstd.so.1" : "libz.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!lib->handle)
        return error_set(err, -ENOENT, "disk image %s needs %s: %s", path,
                         zstd ? "libzstd (Debian: libzstd1)" : "zlib (Debian: zlib1g)", dlerror());
    if (zstd) {
        *(void **)&lib->zstd_open = dlsym(lib->handle, "ZSTD_createDStream");
        *(void **)&lib->zstd_close = dlsym(lib->handle, "ZSTD_freeDStream");
        *(void **)&lib->zstd_run = dlsym(lib->handle, "ZSTD_decompressStream");
        *(void **)&lib->zstd_bad = dlsym(lib->handle, "ZSTD_isError");
        whole = lib->zstd_open && lib->zstd_close && lib->zstd_run && lib->zstd_bad;
    } else {
        *(void **)&lib->init = dlsym(lib->handle, "inflateInit2_");
        *(void **)&lib->inflate = dlsym(lib->handle, "inflate");
        *(void **)&lib->end = dlsym(lib->handle, "inflateEnd");
        whole = lib->init && lib->inflate && lib->end;
    }
    if (!whole)
        return error_set(err, -ENOENT, "disk image %s: the library that unpacks it lacks a function",
                         path);
    return 0;
}

void unpack_close(struct unpack_lib *lib)
{
    if (lib && lib->handle)
        dlclose(lib->handle);
    free(lib);
}

static int unpack_zstd(struct unpack_lib *lib, const uint8_t *from, size_t length, uint8_t *to,
                       size_t n)
{
    ZSTD_inBuffer in = { from, length, 0 };
    ZSTD_outBuffer out = { to, n, 0 };
    ZSTD_DStream *stream = lib->zstd_open();
    int rc = 0;

    if (!stream)
        return -ENOMEM;
    while (rc == 0 && out.pos < n) {
        size_t in_before = in.pos, out_before = out.pos, r = lib->zstd_run(stream, &out, &in);

        if (lib->zstd_bad(r) || (in.pos == in_before && out.pos == out_before))
            rc = -EIO;
    }
    lib->zstd_close(stream);
    return rc;
}

int unpack(struct unpack_lib *lib, const uint8_t *from, size_t length, uint8_t *to, size_t n)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)from, .avail_in = (uInt)length,
                   .next_out = to, .avail_out = (uInt)n };
    int rc;

    if (lib->zstd_open)
        return unpack_zstd(lib, from, length, to, n);
    if (lib->init(&z, WINDOW_BITS, ZLIB_VERSION, (int)sizeof(z)) != Z_OK)
        return -ENOMEM;
    rc = lib->inflate(&z, Z_FINISH);
    lib->end(&z);
    /* what follows the stream is no part of it */
    return z.avail_out == 0 && (rc == Z_STREAM_END || rc == Z_BUF_ERROR) ? 0 : -EIO;
}
