/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_KIT_INPUT_H
#define TESTS_FUZZ_KIT_INPUT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The fuzzer's bytes, taken from the front. Past the end all reads are zero, so that a cut input
 * means what its beginning meant.
 */
struct input {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t take8(struct input *in)
{
    if (!in->left)
        return 0;
    in->left--;
    return *in->at++;
}

static inline uint16_t take16(struct input *in)
{
    uint16_t low = take8(in);

    return (uint16_t)(low | take8(in) << 8);
}

static inline uint32_t take32(struct input *in)
{
    uint32_t low = take16(in);

    return low | (uint32_t)take16(in) << 16;
}

/* At most `most` bytes as they lie; how many there are. */
static inline size_t take_bytes(struct input *in, size_t most, const uint8_t **bytes)
{
    size_t n = in->left < most ? in->left : most;

    *bytes = in->at;
    in->at += n;
    in->left -= n;
    return n;
}
#endif
