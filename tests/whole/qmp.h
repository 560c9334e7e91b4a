/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_WHOLE_QMP_H
#define TESTS_WHOLE_QMP_H

/* A QMP client for tests: one command, one answer; events are passed over. */
int qmp_open(const char *path); /* a socket that has said qmp_capabilities, or -1 */
char *qmp_say(int qmp,
              const char *command); /* the answer's line, to be freed; NULL: it went away */

#endif
