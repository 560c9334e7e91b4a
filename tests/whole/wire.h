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

/* Waits for the carrier where there is none yet. */
bool wire_send(struct wire *w, const void *frame, size_t length);
/* One that is still to be completed or cut. */
bool wire_send_offload(struct wire *w, const void *frame, size_t length,
                       const struct virtio_net_hdr *offload);
/* At once: lost where nobody is connected. offload NULL: a whole frame. */
bool wire_try(struct wire *w, const void *frame, size_t length,
              const struct virtio_net_hdr *offload);
bool wire_await(void); /* until the tap has a carrier */
bool wire_mtu(unsigned mtu);     /* of the tap */
bool wire_loopback(void); /* of this network namespace, up */
bool wire_exists(const char *name); /* an interface of that name */
bool wire_carrier(const char *name); /* it is up, and somebody is at the other end */
/* A frame the guest has sent, with what the device model said of it to the kernel. */
struct wire_frame {
    size_t length;
    struct virtio_net_hdr offload;
    int tag; /* 802.1Q: the kernel takes it out of the frame; -1 is none */
    uint8_t bytes[WIRE_MOST];
};

/* The next one; 0 where none comes within ms. Frames of the host's own are passed over. */
size_t wire_receive(struct wire *w, struct wire_frame *frame, unsigned ms);

#endif
