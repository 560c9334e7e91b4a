/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_KIT_DISPLAY_H
#define TESTS_FUZZ_KIT_DISPLAY_H
#include "tests/fuzz/kit/bench.h"

/* A display as a BIOS leaves it: text, planes, 256 colours, or a linear mode of VBE. */
void display_mode(struct input *in);
#endif
