/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checksums and segmentation: frames and the offloads that lie about them. */
#include <stdlib.h>
#include <string.h>
#include "dm/net/packet.h"
#include "tests/fuzz/kit/input.h"

static uint8_t scratch[PACKET_MOST];

static void look(void *arg, const uint8_t *frame, size_t length)
{
    size_t *sum = arg;

    if (length > PACKET_MOST)
        abort();
    *sum += length;
    /* a piece is a frame: it can be judged, and its sums are right */
    if (packet_judge(frame, length, NULL).ip_bad)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input in = { bytes, size };
    struct offload off = { .gso = 0 };
    uint8_t flags = take8(&in), *frame;
    uint16_t more = take16(&in);
    const uint8_t *head;
    size_t n, length, sum = 0;

    off.needs_csum = flags & 1;
    off.data_valid = flags & 2;
    off.ecn = flags & 4;
    off.gso = flags & 8 ? GSO_TCPV4 : flags & 16 ? GSO_TCPV6 : GSO_NONE;
    off.header_bytes = take16(&in);
    off.gso_size = take16(&in);
    off.csum_start = take16(&in);
    off.csum_offset = take16(&in);
    n = take_bytes(&in, 2048, &head);
    length = n + (flags & 0x80 ? more : 0);
    frame = malloc(length + 1); /* of its own size, so that ASan sees its end */
    memcpy(frame, head, n);
    memset(frame + n, 0, length + 1 - n);
    frame = realloc(frame, length ? length : 1);
    packet_judge(frame, length, flags & 0x20 ? &off : NULL);
    packet_segment(frame, length, &off, scratch, look, &sum);
    packet_fill_checksum(frame, length, &off);
    free(frame);
    return 0;
}
