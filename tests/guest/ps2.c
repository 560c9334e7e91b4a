/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/guest/guest.h"
#include "tests/guest/ps2.h"

#define DATA 0x60
#define STATUS 0x64
#define OUTPUT_FULL 1
#define INPUT_FULL 2
#define TO_MOUSE 0xd4
#define TRIES 1000

static bool await_room(unsigned vcpu)
{
    unsigned tries = TRIES;

    while (tries-- && guest_in(vcpu, STATUS, 1) & INPUT_FULL)
        ;
    return tries != -1u;
}

void guest_i8042_command(unsigned vcpu, uint8_t code)
{
    if (await_room(vcpu))
        guest_out(vcpu, STATUS, 1, code);
}

void guest_i8042_write(unsigned vcpu, uint8_t value)
{
    if (await_room(vcpu))
        guest_out(vcpu, DATA, 1, value);
}

bool guest_i8042_read(unsigned vcpu, uint8_t *value)
{
    if (!(guest_in(vcpu, STATUS, 1) & OUTPUT_FULL))
        return false;
    *value = (uint8_t)guest_in(vcpu, DATA, 1);
    return true;
}

unsigned guest_ps2_send(unsigned vcpu, bool mouse, uint8_t value, uint8_t *answer, unsigned most)
{
    unsigned n = 0;

    if (mouse)
        guest_i8042_command(vcpu, TO_MOUSE);
    guest_i8042_write(vcpu, value);
    while (n < most && guest_i8042_read(vcpu, &answer[n]))
        n++;
    return n;
}
