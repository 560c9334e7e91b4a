/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_GUEST_CONSOLE_H
#define TESTS_GUEST_CONSOLE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tests/guest/pv.h"

/* A console frontend: public/io/console.h. The first console's page is named by its frame. */
struct guest_console {
    struct guest_pv pv;
    unsigned devid;
    uint8_t *page;
    uint32_t ref, port, seen;
};

enum { GUEST_CONS_IN_CONS = 3072, GUEST_CONS_IN_PROD = 3076, GUEST_CONS_OUT_CONS = 3080,
       GUEST_CONS_OUT_PROD = 3084 };
_Atomic uint32_t *guest_console_word(struct guest_console *c, unsigned offset);

/* The toolstack's half. type: "ioemu", or who else serves it. */
void guest_console_add(struct guest_console *c, unsigned devid, const char *type,
                       const char *output, unsigned limit);
bool guest_console_connect(struct guest_console *c, uint32_t page); /* guest address */
bool guest_console_disconnect(struct guest_console *c);
void guest_console_forget(struct guest_console *c); /* where the backend let go itself */
/* Waits for room as drivers do; false: there was none in time. */
bool guest_console_write(struct guest_console *c, const void *bytes, size_t count);
size_t guest_console_read(struct guest_console *c, void *bytes, size_t most, unsigned ms);
#endif
