/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_KIT_NOISE_H
#define TESTS_KIT_NOISE_H
#include <stdint.h>

/* A number that looks like chance, the same for the same i. */
static inline uint32_t noise(uint32_t i)
{
    i = (i ^ 61) ^ i >> 16;
    i *= 9;
    i ^= i >> 4;
    i *= 0x27d4eb2d;
    return i ^ i >> 15;
}
#endif
