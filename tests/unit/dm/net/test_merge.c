/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames that become one: cut again they are what they were; and each reason not to. */
#include <stdlib.h>
#include "dm/net/merge.h"
#include "tests/unit/devices/net/nic_bench.h"
#include "tests/unit/dm/net/stream.h"

#define UNIT 1000u

static const struct stream four = { .options = 12, .sequence = 0x1000, .id = 7, .step = 1 };
static const struct stream six = { .v6 = true, .options = 12, .sequence = 0x1000 };
static const struct offload valid = { .data_valid = true };

/* A whole, made as a netport makes it. */
static struct merge merge;
static uint8_t whole[PACKET_MOST], scratch[PACKET_MOST], frame[PACKET_MOST];

/* Frames lie in memory of their own size, so that ASan sees their ends. */
static uint8_t *exactly(const uint8_t *f, size_t length)
{
    uint8_t *exact = malloc(length ? length : 1);

    memcpy(exact, f, length);
    return exact;
}

static bool begin(const uint8_t *f, size_t length, const struct offload *off)
{
    uint8_t *exact = exactly(f, length);
    bool begun = merge_begin(&merge, exact, length, off);

    if (begun)
        memcpy(whole, exact, length);
    free(exact);
    return begun;
}

static bool add(const uint8_t *f, size_t length, const struct offload *off)
{
    uint8_t *exact = exactly(f, length);
    size_t end = merge.length, at = merge_add(&merge, exact, length, off);

    if (at) {
        CHECK_EQ(merge.length, end + length - at);
        CHECK(merge.length <= sizeof(whole));
        memcpy(whole + end, exact + at, length - at);
    }
    free(exact);
    return at;
}

/* What was merged is `total` bytes of the stream, and cut again its frames of `unit`, byte for byte. */
static void check_whole(const struct stream *s, size_t total, size_t unit, bool push)
{
    struct stream_end cut = { *s, .total = total, .unit = unit, .push = push };

    if (s->df)
        cut.stream.step = 1; /* identifications that mean nothing are counted anew */
    merge_end(&merge);
    memcpy(whole, merge.header, merge.off.header_bytes);
    CHECK_EQ(merge.length, stream_header(s) + total);
    CHECK(merge.off.needs_csum && !merge.off.data_valid && !merge.off.ecn);
    CHECK_EQ(merge.off.gso, s->v6 ? GSO_TCPV6 : GSO_TCPV4);
    CHECK_EQ(merge.off.gso_size, unit);
    CHECK_EQ(merge.off.header_bytes, stream_header(s));
    CHECK_EQ(merge.off.csum_start, stream_tcp(s));
    CHECK_EQ(merge.off.csum_offset, 16);
    CHECK(packet_segment(whole, merge.length, &merge.off, scratch, stream_end_take, &cut));
    CHECK_EQ(cut.at, total);
    /* and a host that completes it as one finds the same in the checksum's field as in any other */
    CHECK(s->v6 || ip_sum_good(whole, 14));
    CHECK(packet_fill_checksum(whole, merge.length, &merge.off));
    CHECK(l4_sum_good(whole, 14));
}

/* ---- What goes together ---- */

static struct stream random_stream(uint32_t *x)
{
    static const size_t options[] = { 0, 12, 20, 40 };
    struct stream s = { .v6 = nic_random(x) & 1, .df = nic_random(x) & 1,
                        .options = options[nic_random(x) % 4], .sequence = nic_random(x),
                        .id = (uint16_t)nic_random(x), .step = 1, .port = (uint16_t)nic_random(x) };

    if (nic_random(x) & 1)
        s.sequence = 0u - nic_random(x) % 9000; /* which wraps on the way */
    if (nic_random(x) & 1)
        s.id = (uint16_t)(0u - nic_random(x) % 9);
    if (s.df)
        s.step = (uint16_t)(nic_random(x) % 3);
    return s;
}

/* One as it may come: complete and known to be good, or to be completed; of one piece, or of several. */
static size_t random_form(uint32_t *x, const struct stream *s, size_t length, size_t unit, bool several,
                          struct offload *off)
{
    *off = several ? stream_blank(s, frame, length, unit) : valid;
    if (!several && nic_random(x) & 1)
        *off = stream_blank(s, frame, length, 0);
    off->data_valid |= nic_random(x) & 1;
    if (several && nic_random(x) & 1) {
        stream_sum(s, frame, length);
        off->data_valid = true;
        off->needs_csum = false;
    }
    return length;
}

TEST(what_was_merged_and_cut_again_is_what_it_was)
{
    uint32_t x = 5;

    for (unsigned round = 0; round < 600; round++) {
        struct stream s = random_stream(&x);
        size_t unit = 512 + nic_random(&x) % (round % 8 ? 1000 : 9000), at = 0, part, length;
        size_t most = 65535 - (s.v6 ? 40 : 20) - 20 - s.options;
        size_t pieces = 2 + nic_random(&x) % (most / unit - 2);
        size_t total = pieces * unit + (nic_random(&x) & 1 ? nic_random(&x) % unit : 0);
        bool push = nic_random(&x) & 1;
        unsigned inputs = 0, nth = 0, count;
        struct offload off;

        total = MIN(total, most);
        for (; at < total; at += part, nth += count, inputs++) {
            count = nic_random(&x) % 3 ? 1 : 1 + nic_random(&x) % 5;
            if (!at)
                count = MIN(count, (unsigned)pieces - 1); /* something is to follow */
            part = MIN(count * unit, total - at);
            length = stream_frame(&s, frame, at, nth, part, push && at + part == total);
            length = random_form(&x, &s, length, unit, count > 1 || !(nic_random(&x) % 8), &off);
            CHECK(at ? add(frame, length, &off) : begin(frame, length, &off));
        }
        CHECK_EQ(merge.frames, inputs);
        CHECK_EQ(merge.closed, push || total % unit);
        check_whole(&s, total, unit, push);
    }
}

/* The first frame of it. */
static void begin_with(const struct stream *s)
{
    static uint8_t first[PACKET_MOST];

    CHECK(begin(first, stream_frame(s, first, 0, 0, UNIT, false), &valid));
}

TEST(a_push_or_a_short_one_is_the_last_and_a_longer_one_is_none)
{
    static const struct {
        size_t bytes;
        bool push, joins, closes;
    } seconds[] = {
        { UNIT, false, true, false }, { UNIT, true, true, true },      { UNIT - 1, false, true, true },
        { 1, true, true, true },      { UNIT + 1, false, false, true }, { 2 * UNIT, false, false, true },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(seconds); i++)
        for (unsigned v6 = 0; v6 < 2; v6++) {
            const struct stream *s = v6 ? &six : &four;
            size_t at = UNIT, length = stream_frame(s, frame, at, 1, seconds[i].bytes, seconds[i].push);

            begin_with(s);
            CHECK_EQ(add(frame, length, &valid), seconds[i].joins);
            if (!seconds[i].joins)
                continue;
            at += seconds[i].bytes;
            length = stream_frame(s, frame, at, 2, UNIT, false);
            CHECK_EQ(add(frame, length, &valid), !seconds[i].closes);
            check_whole(s, at + (seconds[i].closes ? 0 : UNIT), UNIT, seconds[i].push);
            length = stream_frame(s, frame, 0, 0, seconds[i].bytes, true);
            CHECK(!begin(frame, length, &valid)); /* nothing follows what is pushed */
        }
}

TEST(a_whole_is_as_long_as_ip_can_say_and_no_longer)
{
    for (unsigned over = 0; over < 2; over++) {
        struct stream s = { .id = 1, .step = 1 }; /* 40 bytes of headers */
        size_t bytes = 14 * 4500, rest = 65535 - 40 - bytes + over, length;
        struct offload off;

        length = stream_frame(&s, frame, 0, 0, bytes, false);
        off = stream_blank(&s, frame, length, 4500);
        CHECK(begin(frame, length, &off));
        length = stream_frame(&s, frame, bytes, 14, rest, false);
        CHECK_EQ(add(frame, length, &valid), !over);
        if (!over)
            check_whole(&s, bytes + rest, 4500, false);
    }
}

TEST(small_segments_begin_nothing)
{
    for (size_t bytes = 511; bytes < 513; bytes++) {
        size_t length = stream_frame(&four, frame, 0, 0, 4 * bytes, false);
        struct offload off = stream_blank(&four, frame, length, bytes);

        CHECK_EQ(begin(frame, length, &off), bytes == 512);
        length = stream_frame(&four, frame, 0, 0, bytes, false);
        CHECK_EQ(begin(frame, length, &valid), bytes == 512);
    }
}

/* ---- What does not ---- */

/* Such a frame does not follow, and does no harm to what does. `begins`: it is the first of others, though. */
static void check_stranger(const char *what, const struct stream *s, const uint8_t *f, size_t length,
                           const struct offload *off, bool begins)
{
    static uint8_t next[PACKET_MOST];

    begin_with(s);
    check_true(!add(f, length, off), what, __FILE__, __LINE__);
    CHECK(add(next, stream_frame(s, next, UNIT, 1, UNIT, false), &valid));
    check_true(!add(f, length, off), what, __FILE__, __LINE__);
    check_whole(s, 2 * UNIT, UNIT, false);
    check_true(begin(f, length, off) == begins, what, __FILE__, __LINE__);
}

struct change {
    const char *what;
    unsigned at; /* offset in the frame */
    uint8_t flip;
    bool begins;
};

/* Each alone keeps a frame away, which followed without it; its checksums are right. */
static void check_changes(const struct stream *s, const struct change *changes, unsigned count)
{
    for (const struct change *c = changes; c < changes + count; c++) {
        size_t length = stream_frame(s, frame, UNIT, 1, UNIT, false);

        begin_with(s);
        CHECK(add(frame, length, &valid));
        frame[c->at] ^= c->flip;
        stream_sum(s, frame, length);
        check_stranger(c->what, s, frame, length, &valid, c->begins);
    }
}

static void check_tcp_changes(const struct stream *s)
{
    unsigned tcp = (unsigned)stream_tcp(s);
    const struct change changes[] = {
        { "source port", tcp + 1, 1, true },
        { "destination port", tcp + 3, 1, true },
        { "a byte is missing or twice", tcp + 7, 1, true },
        { "far away", tcp + 4, 0x80, true },
        { "acknowledges something else", tcp + 11, 1, true },
        { "longer options", tcp + 12, 0x10, true },
        { "options over the data", tcp + 12, 0x70, true },
        { "no room for the header itself", tcp + 12, 0xc0, false },
        { "a reserved bit", tcp + 12, 1, true },
        { "FIN", tcp + 13, 0x01, false },
        { "SYN", tcp + 13, 0x02, false },
        { "RST", tcp + 13, 0x04, false },
        { "no ACK", tcp + 13, 0x10, false },
        { "URG", tcp + 13, 0x20, false },
        { "ECE", tcp + 13, 0x40, false },
        { "CWR", tcp + 13, 0x80, false },
        { "another window", tcp + 15, 1, true },
        { "urgent pointer", tcp + 19, 1, true },
        { "first option", tcp + 20, 1, true },
        { "last option", tcp + 31, 1, true },
        { "no Ethernet address of it", 0, 2, true },
        { "nor that", 11, 1, true },
        { "not IP", 12, 0x80, false },
    };

    check_changes(s, changes, ARRAY_SIZE(changes));
}

TEST(segments_that_differ_in_anything_but_data_stay_apart)
{
    check_tcp_changes(&four);
    check_tcp_changes(&six);
}

TEST(ipv4_headers_that_differ_keep_frames_apart)
{
    static const struct change changes[] = {
        { "version", 14, 0x20, false },
        { "header of 24 bytes", 14, 0x03, false },
        { "header of 16 bytes", 14, 0x01, false },
        { "type of service", 15, 0x20, true },
        { "congestion", 15, 0x03, true },
        { "longer than the frame", 16, 0x04, false },
        { "padding behind it", 17, 0x08, false },
        { "another identification, and it may be fragmented", 19, 1, true },
        { "may not be fragmented", 20, 0x40, true },
        { "the reserved bit", 20, 0x80, true },
        { "more fragments", 20, 0x20, false },
        { "not the first fragment", 21, 1, false },
        { "time to live", 22, 1, true },
        { "UDP", 23, 6 ^ 17, false },
        { "source", 26, 1, true },
        { "destination", 33, 1, true },
    };

    check_changes(&four, changes, ARRAY_SIZE(changes));
}

TEST(ipv6_headers_that_differ_keep_frames_apart)
{
    static const struct change changes[] = {
        { "version", 14, 0x20, false },
        { "traffic class", 14, 0x01, true },
        { "congestion", 15, 0x30, true },
        { "flow label", 15, 0x01, true },
        { "its middle", 16, 1, true },
        { "its end", 17, 1, true },
        { "longer than the frame", 18, 0x04, false },
        { "padding behind it", 19, 0x08, false },
        { "an extension header", 20, 6, false },
        { "UDP", 20, 6 ^ 17, false },
        { "hop limit", 21, 1, true },
        { "source", 22, 1, true },
        { "destination", 53, 1, true },
    };

    check_changes(&six, changes, ARRAY_SIZE(changes));
}

TEST(identifications_count_up_where_frames_may_be_fragmented)
{
    struct stream s = four;
    size_t length;

    for (s.step = 0; s.step < 4; s.step++)
        for (s.df = 0;; s.df = true) {
            CHECK(begin(frame, stream_frame(&s, frame, 0, 0, UNIT, false), &valid));
            length = stream_frame(&s, frame, UNIT, 1, UNIT, false);
            CHECK_EQ(add(frame, length, &valid), s.df || s.step == 1);
            if (s.df || s.step == 1)
                check_whole(&s, 2 * UNIT, UNIT, false);
            if (s.df)
                break;
        }
}

TEST(holes_and_overlaps_of_any_size_keep_frames_apart)
{
    static const uint32_t offs[] = { 1, 512, 2 * UNIT, 0x7fffffff, 0x80000000, 0u - UNIT, 0u - 1 };

    for (unsigned i = 0; i < ARRAY_SIZE(offs); i++)
        for (unsigned v6 = 0; v6 < 2; v6++) {
            const struct stream *s = v6 ? &six : &four;
            size_t length = stream_frame(s, frame, UNIT + offs[i], 1, UNIT, false);

            check_stranger("elsewhere in the stream", s, frame, length, &valid, true);
        }
}

TEST(checksums_that_nobody_vouches_for_and_offloads_of_another_kind_keep_frames_apart)
{
    static const struct {
        const char *what;
        struct offload off; /* of a frame with 2 * UNIT bytes */
        bool begins;
    } offs[] = {
        { "nobody vouches", { .gso = GSO_NONE }, false },
        { "to be cut, and nobody vouches", { .gso = GSO_TCPV4, .gso_size = UNIT }, false },
        { "longer than the first", { .data_valid = true }, true },
        { "a checksum elsewhere", { .needs_csum = true, .csum_start = 38, .csum_offset = 16 }, false },
        { "though known to be good", { .needs_csum = true, .data_valid = true, .csum_start = 0 }, false },
        { "as of UDP", { .needs_csum = true, .csum_start = 34, .csum_offset = 6 }, false },
        { "not TCP over IPv4", { .data_valid = true, .gso = GSO_TCPV6, .gso_size = UNIT }, false },
        { "segments of UDP", { .data_valid = true, .gso = 5, .gso_size = UNIT }, false },
        { "other segments", { .data_valid = true, .gso = GSO_TCPV4, .gso_size = UNIT / 2 + 100 }, false },
        { "larger segments", { .data_valid = true, .gso = GSO_TCPV4, .gso_size = 2 * UNIT }, true },
        { "segments of nothing", { .data_valid = true, .gso = GSO_TCPV4 }, false },
        { "congestion notified", { .data_valid = true, .gso = GSO_TCPV4, .ecn = true, .gso_size = UNIT },
          false },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(offs); i++) {
        size_t length = stream_frame(&four, frame, UNIT, 1, 2 * UNIT, false);

        check_stranger(offs[i].what, &four, frame, length, &offs[i].off, offs[i].begins);
    }
}

TEST(what_is_no_plain_segment_stays_as_it_is)
{
    for (unsigned v6 = 0; v6 < 2; v6++) {
        const struct stream *s = v6 ? &six : &four;
        size_t length = stream_frame(s, frame, UNIT, 1, 0, false), tcp = stream_tcp(s);

        check_stranger("an ACK alone", s, frame, length, &valid, false);
        length = stream_frame(s, frame, UNIT, 1, UNIT, false);
        memset(frame + length, 0, 6);
        check_stranger("padding of the wire", s, frame, length + 6, &valid, false);
        memmove(frame + 16, frame + 12, length - 12);
        put_be32(frame + 12, 0x81000005);
        check_stranger("a VLAN tag", s, frame, length + 4, &valid, false);
        length = stream_frame(s, frame, UNIT, 1, UNIT, false);
        memmove(frame + tcp + 8, frame + tcp, length - tcp);
        if (v6) { /* hop-by-hop: padding */
            memcpy(frame + 54, "\6\0\1\4\0\0\0\0", 8);
            frame[20] = 0;
            put_be16(frame + 18, (uint16_t)(length + 8 - 54));
        } else { /* no operation, eight times */
            memset(frame + 34, 1, 8);
            frame[14] = 0x47;
            put_be16(frame + 16, (uint16_t)(length + 8 - 14));
            put_be16(frame + 24, 0);
            put_be16(frame + 24, (uint16_t)~words_sum(frame + 14, 28, 0));
            CHECK(l4_sum_good(frame, 14));
        }
        check_stranger("more headers", s, frame, length + 8, &valid, false);
    }
}

TEST(a_wrong_ipv4_checksum_is_left_to_be_found)
{
    size_t length = stream_frame(&four, frame, UNIT, 1, UNIT, false);

    for (unsigned bit = 0; bit < 16; bit++) {
        frame[24 + bit / 8] ^= (uint8_t)(1u << bit % 8);
        check_stranger("a wrong checksum", &four, frame, length, &valid, false);
        frame[24 + bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* ---- Frames that end early ---- */

TEST(a_frame_cut_anywhere_is_read_to_its_end_and_no_further)
{
    for (unsigned v6 = 0; v6 < 2; v6++)
        for (unsigned honest = 0; honest < 2; honest++) { /* it says how long it is now */
            const struct stream *s = v6 ? &six : &four;
            size_t header = stream_header(s);

            for (size_t n = 0; n <= header + UNIT; n++) {
                struct offload off;
                bool good = n == header + UNIT || (honest && n > header), full = n >= header + 512;

                stream_frame(s, frame, UNIT, 1, UNIT, false);
                if (honest && n >= stream_tcp(s)) {
                    put_be16(frame + (v6 ? 18 : 16), (uint16_t)(n - (v6 ? 54 : 14)));
                    stream_sum(s, frame, MAX(n, stream_tcp(s) + 18));
                }
                CHECK_EQ(begin(frame, n, &valid), good && full);
                begin_with(s);
                CHECK_EQ(add(frame, n, &valid), good);
                off = stream_blank(s, frame, MAX(n, stream_tcp(s)), 0);
                CHECK_EQ(begin(frame, n, &off), good && full);
            }
        }
}

TEST(headers_that_point_past_the_end_are_refused)
{
    for (unsigned v6 = 0; v6 < 2; v6++)
        for (size_t bytes = 1; bytes < 40; bytes++) {
            struct stream s = v6 ? six : four;
            size_t length, tcp = stream_tcp(&s);

            s.options = 0;
            length = stream_frame(&s, frame, UNIT, 1, bytes, false);
            begin_with(&s);
            CHECK(add(frame, length, &valid));
            for (unsigned words = 0; words < 16; words++) {
                frame[tcp + 12] = (uint8_t)(words << 4);
                stream_sum(&s, frame, length);
                begin_with(&s);
                CHECK_EQ(add(frame, length, &valid), words == 5);
                CHECK(!begin(frame, length, &valid));
            }
        }
}
