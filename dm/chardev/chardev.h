/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_CHARDEV_CHARDEV_H
#define DM_CHARDEV_CHARDEV_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct error;
struct loop;

/*
 * A chardev: a byte stream on the host, at the other end of a serial port. Output is buffered up
 * to a bound; what nobody reads beyond it is dropped, as on a wire. The home loop's only (the loop
 * it was opened on).
 */
struct chardev;

struct chardev_config {
    const char *id;   /* label: "serial0", "libxl-cmd" */
    const char *kind; /* pty, socket, file, stdio, null, pipe, serial (a host tty), ring */
    const char *path; /* socket (unix), file, pipe, tty */
    const char *host, *port; /* socket (TCP) */
    int fd;                  /* socket: a listening (server) or connected one; or -1 */
    bool server, wait, telnet, append;
    unsigned reconnect; /* seconds; 0: no */
};
/* "pty", "file:PATH", "tcp:H:P,server=on,wait=off", ...: QEMU's -serial words. Pure. */
int chardev_parse_legacy(struct chardev_config *config, char *storage, size_t storage_size,
                         const char *text, struct error *err);

int chardev_open(struct chardev **out, struct loop *loop, const struct chardev_config *config,
                 struct error *err);
void chardev_close(struct chardev *cd); /* sends what it can without waiting; NULL is fine */

const char *chardev_id(const struct chardev *cd);
/* As query-chardev shows it: "pty:/dev/pts/3", "unix:/path,server=on", "null", "file". */
const char *chardev_filename(const struct chardev *cd);
bool chardev_connected(const struct chardev *cd); /* somebody is at the other end, as far as known */

struct chardev_user {
    size_t (*room)(void *owner); /* how many bytes `receive` will take now */
    void (*receive)(void *owner, const uint8_t *bytes, size_t count);
    void (*connected)(void *owner, bool up); /* may be NULL */
    void (*drained)(void *owner);            /* output buffer is empty again; may be NULL */
};
void chardev_attach(struct chardev *cd, const struct chardev_user *user, void *owner);
void chardev_detach(struct chardev *cd);
bool chardev_used(const struct chardev *cd); /* somebody is attached */
void chardev_accept(struct chardev *cd); /* room() has grown */
/* To the user, as if it came from the host. For the kinds, and for who plays a recording. */
void chardev_deliver(struct chardev *cd, const uint8_t *bytes, size_t count);
void chardev_tell_drained(struct chardev *cd);
void chardev_tell_connected(struct chardev *cd, bool up);
/* Returns how many bytes were taken; fewer than asked where the buffer is full. */
size_t chardev_write(struct chardev *cd, const void *bytes, size_t count);
#endif
