/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_KIT_RINGS_H
#define TESTS_FUZZ_KIT_RINGS_H
#include <stdint.h>
#include "tests/fuzz/kit/input.h"

/* Drivers' set-up: rings where the player writes descriptors (0x1000 on), and the card told to go. */
void rings_ide(struct input *in, uint32_t bus_master);
void rings_uhci(struct input *in, uint32_t ports);
void rings_e1000(struct input *in, uint32_t mmio);
void rings_rtl8139(struct input *in, uint32_t ports);
#endif
