/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifdef HAVE_LIBNBD
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/error.h"
#include "dm/block/nbd/lib.h"

int nbd_lib_load(struct nbd_lib *lib, struct error *err)
{
    lib->handle = dlopen("libnbd.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!lib->handle)
        return error_set(err, -ENOENT, "NBD disks need libnbd (Debian: libnbd0): %s", dlerror());
#define X(name)                                                                                    \
    *(void **)&lib->name = dlsym(lib->handle, "nbd_" #name);                                       \
    if (!lib->name)                                                                                \
        return error_set(err, -ENOENT, "libnbd has no nbd_%s; install a newer one", #name);
    NBD_NAMES(X)
#undef X
    return 0;
}

static void escape(char *to, size_t room, const char *from, size_t n)
{
    size_t out = 0;

    for (size_t i = 0; i < n && out + 4 < room; i++) {
        unsigned char c = (unsigned char)from[i];
        char two[4];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("-._~/", c)) {
            to[out++] = (char)c;
        } else {
            snprintf(two, sizeof(two), "%%%02x", c);
            memcpy(to + out, two, 3);
            out += 3;
        }
    }
    to[out] = 0;
}

int nbd_uri(const char *path, char *uri, size_t n)
{
    char name[1024] = "", socket[1024];
    const char *rest, *export;
    size_t length;

    if (!strncmp(path, "nbd://", 6) || strncmp(path, "nbd:", 4))
        return snprintf(uri, n, "%s", path) < (int)n ? 0 : -EINVAL;
    rest = path + 4;
    export = strstr(rest, ":exportname=");
    length = export ? (size_t)(export - rest) : strlen(rest);
    if (export)
        escape(name, sizeof(name), export + 12, strlen(export + 12));
    if (!strncmp(rest, "unix:", 5)) {
        escape(socket, sizeof(socket), rest + 5, length - 5);
        return snprintf(uri, n, "nbd+unix:///%s?socket=%s", name, socket) < (int)n ? 0 : -EINVAL;
    }
    if (!memchr(rest, ':', length) || length < 3)
        return -EINVAL;
    return snprintf(uri, n, "nbd://%.*s/%s", (int)length, rest, name) < (int)n ? 0 : -EINVAL;
}
#endif
