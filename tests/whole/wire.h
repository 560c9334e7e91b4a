/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_WHOLE_WIRE_H
#define TESTS_WHOLE_WIRE_H
#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The host's end of a tap that the device model makes: a packet socket on the interface, in network
 * and user namespaces of this process's own, so that no right is needed and nothing is left over.
 */
#define WIRE_TAP "simxen0"
#define WIRE_MAC "00:16:3e:00:00:01" /* the guest's */
#define WIRE_MOST (65536 + 256)

struct wire {
    int fd;
};

/* Before the device model starts, while this process has one thread. Once is enough. */
bool wire_prepare(void);
bool wire_open(struct wire *w); /* when it runs: the tap is there */
void wire_close(struct wire *w);

bool wire_send(struct wire *w, const void *frame, size_t length);
/*
 * The next frame the guest has sent, with what the device model said of it; 0 where none comes
 * within ms. Frames of the host's own are passed over.
 */
size_t wire_receive(struct wire *w, uint8_t *frame, struct virtio_net_hdr *header, unsigned ms);

#endif
