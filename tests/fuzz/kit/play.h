/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_KIT_PLAY_H
#define TESTS_FUZZ_KIT_PLAY_H
#include <stdint.h>
#include "tests/fuzz/kit/bench.h"

/*
 * A guest, its network, its people and its toolstack, all played from one stream of bytes: an
 * operation is a byte and what follows it. See play.c for the table.
 */
void play(const struct family *family, const uint8_t *bytes, size_t size);

/* Pieces of it, for targets with a grammar of their own. */
uint64_t play_address(struct input *in); /* into RAM, its ends, holes, BARs, past it all */
uint32_t play_value(struct input *in);   /* what guests write into registers */
void play_some(struct input *in, unsigned operations);

#define FUZZ_FAMILY(family)                                                                        \
    int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);                                 \
    int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)                                  \
    {                                                                                              \
        play(&(family), bytes, size);                                                              \
        return 0;                                                                                  \
    }
#endif
