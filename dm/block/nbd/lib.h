/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_NBD_LIB_H
#define DM_BLOCK_NBD_LIB_H
#include <stddef.h>
#ifdef HAVE_LIBNBD
#include <libnbd.h>
struct error;

/* libnbd, loaded with the first disk that needs it: who has none does not pay for it. */
struct nbd_lib {
    void *handle;
#define NBD_NAMES(X)                                                                               \
    X(create) X(close) X(get_error) X(get_errno) X(aio_connect_uri) X(aio_get_fd)                  \
    X(aio_get_direction) X(aio_notify_read) X(aio_notify_write) X(aio_is_ready) X(aio_is_dead)     \
    X(aio_is_closed) X(get_size) X(is_read_only) X(can_flush) X(can_fua) X(can_trim) X(can_zero)   \
    X(get_block_size) X(aio_pread) X(aio_pwrite) X(aio_flush) X(aio_trim) X(aio_zero)              \
    X(aio_disconnect)
#define X(name) __typeof__(nbd_##name) *name;
    NBD_NAMES(X)
#undef X
};

int nbd_lib_load(struct nbd_lib *lib, struct error *err);

/* The URI of what -drive names: "nbd:HOST:PORT[:exportname=NAME]" or one already. 0 or -EINVAL. */
int nbd_uri(const char *path, char *uri, size_t n);
#endif
#endif
