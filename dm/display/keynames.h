/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_DISPLAY_KEYNAMES_H
#define DM_DISPLAY_KEYNAMES_H

/* Names and numbers of keys, as QMP and VNC clients say them, and KEY_* codes. Pure functions. */

/* QMP's QKeyCode: "a", "ret", "ctrl_r". 0 where there is no such key. */
unsigned key_from_name(const char *name);
const char *key_name(unsigned key); /* NULL where it has none */

/* A key number: an XT scan code, with bit 7 set where the keyboard sends 0xe0 first. 0: none. */
unsigned key_from_number(unsigned number);
#endif
