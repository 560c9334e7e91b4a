/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of a stream, some of them changed, are merged where merge.c likes: what is cut again from the whole
 * are the frames it was made of.
 */
#include <stdlib.h>
#include <string.h>
#include "dm/net/merge.h"
#include "dm/net/packet.h"
#include "tests/fuzz/kit/input.h"
#include "tests/unit/dm/net/stream.h"

#define FRAMES_MOST 48u
#define PIECES_MOST 160u /* a whole has 128 at most */

struct piece {
    size_t length;
    uint8_t *bytes;
};

static struct merge merge, before;
static struct piece pieces[PIECES_MOST]; /* what the whole was made of */
static unsigned count, next;
static uint8_t room[PACKET_MOST + PIECES_MOST * MERGE_HEADER_MOST]; /* for their bytes */
static size_t used;
static uint8_t whole[PACKET_MOST], scratch[PACKET_MOST], frame[PACKET_MOST];

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void remember(void *arg, const uint8_t *f, size_t length)
{
    demand(count < PIECES_MOST && length <= sizeof(room) - used);
    pieces[count++] = (struct piece){ length, memcpy(room + used, f, length) };
    used += length;
}

/* The same but for TCP's checksum, and for an identification that means nothing. */
static void compare(void *arg, const uint8_t *f, size_t length)
{
    struct piece *p = &pieces[next++];
    bool v6 = get_be16(f + 12) == 0x86dd;

    demand(next <= count && length == p->length);
    demand(!packet_judge(f, length, NULL).ip_bad);
    memcpy(p->bytes + (v6 ? 70 : 50), f + (v6 ? 70 : 50), 2);
    if (!v6 && f[20] & 0x40) {
        memcpy(p->bytes + 18, f + 18, 2);
        memcpy(p->bytes + 24, f + 24, 2);
    }
    demand(!memcmp(f, p->bytes, length));
}

static void close_whole(unsigned frames)
{
    const struct offload *off = &merge.off;
    size_t tcp;

    if (frames < 2)
        return;
    demand(merge.frames == frames && merge.length <= 14 + 65535);
    merge_end(&merge);
    demand(off->header_bytes <= MERGE_HEADER_MOST && off->needs_csum && !off->data_valid && !off->ecn);
    memcpy(whole, merge.header, off->header_bytes);
    tcp = get_be16(whole + 12) == 0x86dd ? 54 : 34;
    next = 0;
    demand(packet_segment(whole, merge.length, off, scratch, compare, NULL));
    demand(next == count);
    demand(packet_fill_checksum(whole, merge.length, off)); /* as one it is whole, too */
    demand(!packet_fold(packet_sum(whole + tcp, merge.length - tcp,
                                   packet_pseudo(whole + 14, tcp == 54, 6, merge.length - tcp))));
    demand(get_be16(whole + (tcp == 54 ? 18 : 16)) == merge.length - (tcp == 54 ? 54 : 14));
    demand(!packet_judge(whole, merge.length, NULL).ip_bad);
}

/* One that was taken: its pieces, as it would be cut alone. Somebody vouches for it, and it is all there. */
static void take_pieces(const uint8_t *f, size_t length, const struct offload *off)
{
    bool v6 = get_be16(f + 12) == 0x86dd;

    demand(!off->ecn && (off->needs_csum ? off->csum_start == (v6 ? 54 : 34) && off->csum_offset == 16
                                         : off->data_valid));
    demand(v6 || !(get_be16(f + 20) & 0x3fff));
    if (off->gso == GSO_NONE)
        remember(NULL, f, length);
    else
        demand(packet_segment(f, length, off, scratch, remember, NULL));
}

/* How many frames the whole has now; 0: none is begun. */
static unsigned feed(unsigned frames, const uint8_t *f, size_t length, const struct offload *off)
{
    size_t end = merge.length, at;

    if (frames) {
        memcpy(&before, &merge, sizeof(merge));
        at = merge_add(&merge, f, length, off);
        if (at) {
            demand(at < length && merge.length == end + length - at);
            memcpy(whole + end, f + at, length - at);
            take_pieces(f, length, off);
            return frames + 1;
        }
        demand(!memcmp(&before, &merge, sizeof(merge)));
        close_whole(frames);
    }
    count = 0;
    used = 0;
    if (!merge_begin(&merge, f, length, off))
        return 0;
    memcpy(whole, f, length);
    take_pieces(f, length, off);
    return 1;
}

static struct offload take_offload(struct input *in, const struct stream *s, size_t length, size_t unit,
                                   unsigned how)
{
    struct offload off = stream_blank(s, frame, length, how & 1 ? unit : 0);

    off.needs_csum = !(how & 2);
    off.data_valid = !(how & 4);
    if (how & 8) {
        off.gso = (off.gso ^ take8(in)) & 7;
        off.gso_size ^= take16(in);
        off.csum_start ^= take8(in);
        off.csum_offset ^= take8(in);
        off.ecn = how & 0x80;
    }
    return off;
}

/* Some bytes of it, mostly of its headers; the sum of an IPv4 header is made right again, or not. */
static void spoil(struct input *in, const struct stream *s, size_t length, unsigned how)
{
    for (unsigned i = how >> 4 & 3; i; i--) {
        size_t at = take8(in);

        if (at < length)
            frame[at] ^= take8(in);
    }
    if (!(how & 0x40) && !s->v6 && length >= 34) {
        put_be16(frame + 24, 0);
        put_be16(frame + 24, (uint16_t)~words_sum(frame + 14, 20, 0));
    }
}

/* And says so, or not. */
static size_t end_elsewhere(struct input *in, const struct stream *s, size_t length)
{
    uint8_t how = take8(in), bytes = take8(in);

    memset(frame + length, how, bytes);
    length = how & 1 ? MIN(length, bytes) : length + bytes;
    if (how & 2)
        put_be16(frame + (s->v6 ? 18 : 16), (uint16_t)(length - (s->v6 ? 54 : 14)));
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t data[PACKET_MOST];
    struct input in = { bytes, size };
    uint8_t kind = take8(&in);
    struct stream s = { .v6 = kind & 1, .df = kind & 2, .step = kind & 4 ? 2 : 1,
                        .options = 4 * (kind >> 4) % 44u, .id = (uint16_t)(0xfff0 + (kind & 8) * 2),
                        .sequence = 0u - 3000 };
    size_t unit = 500 + take16(&in) % (kind & 0x80 ? 8500u : 200u), at = 0;
    unsigned frames = 0, nth = 0;

    if (!data[1])
        fill_bytes(data, sizeof(data), 0);
    for (unsigned i = 0; i < FRAMES_MOST && in.left; i++) {
        unsigned what = take8(&in), how = take8(&in), part = what & 7;
        size_t pieces_here = how & 1 ? 1 + (what >> 5) : 1, length;
        size_t payload = part == 7 ? take16(&in) % (unit + 2) : pieces_here * unit - (part == 6);
        struct offload off;
        uint8_t *exact;

        payload = MIN(payload, 65535u - 100 - s.options);
        length = stream_headers(&s, frame, at, nth, payload, part == 5);
        memcpy(frame + length - payload, data + at % 256, payload);
        off = take_offload(&in, &s, length, unit, how);
        if ((what & 0x18) == 0x18) /* early, or late */
            length = end_elsewhere(&in, &s, length);
        spoil(&in, &s, length, how);
        exact = malloc(length ? length : 1);
        memcpy(exact, frame, length);
        frames = feed(frames, exact, length, &off);
        free(exact);
        if ((what & 0x18) == 0x08) { /* as if it were one */
            at += MIN(payload, unit);
            nth++;
        } else if ((what & 0x18) != 0x10) { /* or the next one stands where this one did */
            at += payload;
            nth += (unsigned)pieces_here;
        }
    }
    close_whole(frames);
    return 0;
}
