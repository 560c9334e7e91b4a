/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PV_BACKENDS_CONSOLE_STREAM_H
#define PV_BACKENDS_CONSOLE_STREAM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The two byte streams of a console page (public/io/console.h). Both indices of each are the guest's
 * to write, so ours are kept here, and its are judged. Pure but for the page.
 */
#define CONSOLE_IN 1024u  /* to the guest */
#define CONSOLE_OUT 2048u /* from the guest */

struct console_stream {
    uint8_t *page;
    uint32_t in_prod, out_cons;
};

void console_begin(struct console_stream *s, uint8_t *page); /* where the guest has it */
/* Takes what the guest has written; how much. SIZE_MAX: it claims more than there is room for. */
size_t console_take(struct console_stream *s, uint8_t out[CONSOLE_OUT]);
/* Room for the guest's input; SIZE_MAX: it claims to have read what was never there. */
size_t console_room(const struct console_stream *s);
/* At most that. */
void console_put(struct console_stream *s, const uint8_t *bytes, size_t count);
#endif
