/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_GUEST_PS2_H
#define TESTS_GUEST_PS2_H
#include <stdbool.h>
#include <stdint.h>

/* A driver for the keyboard controller at ports 0x60 and 0x64, and what hangs on it. */
void guest_i8042_command(unsigned vcpu, uint8_t code);
void guest_i8042_write(unsigned vcpu, uint8_t value); /* to port 0x60: also the keyboard */
bool guest_i8042_read(unsigned vcpu, uint8_t *value); /* false: nothing is there */

/* Sends a byte to the keyboard or the mouse and collects what it says to it; the bytes that came.
 */
unsigned guest_ps2_send(unsigned vcpu, bool mouse, uint8_t value, uint8_t *answer, unsigned most);

#endif
