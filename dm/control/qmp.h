/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_CONTROL_QMP_H
#define DM_CONTROL_QMP_H
#include <jansson.h>
#include <stdbool.h>
#include "dm/control/options.h"
struct error;
struct fdsets;
struct loop;
struct machine;

/*
 * QMP: JSON commands over unix sockets (or TCP), several sockets and several clients at once. The
 * machine loop's only. Source: QEMU's "QMP Protocol Specification", and what libxl, xl and xentop
 * send.
 */
struct qmp;

/* Whose dialect we speak: clients look at it. */
#define QEMU_MAJOR 7
#define QEMU_MINOR 2
#define QEMU_MICRO 0

int qmp_open(struct qmp **out, struct loop *loop, struct error *err);
void qmp_close(struct qmp *qmp); /* unlinks its sockets; NULL is fine */
/* Listens (server) or connects as a chardev's words say. `events`: whether its clients get any. */
int qmp_add(struct qmp *qmp, const struct chardev_words *words, bool events, struct error *err);
/* The machine that commands are for; NULL in the probe. */
void qmp_set_machine(struct qmp *qmp, struct machine *machine);
/* To every client that has negotiated. Takes `data` over; NULL where there is none. */
void qmp_event(struct qmp *qmp, const char *name, json_t *data);

struct fdsets *qmp_fdsets(struct qmp *qmp);
/* Ends the loop: `quit` where there is no machine. */
void qmp_end_loop(struct qmp *qmp);

/* ---- Commands ---- */
struct command {
    struct qmp *qmp;
    struct machine *machine;
    struct qmp_client *client; /* private; NULL once it has hung up */
    json_t *id, *arguments;    /* arguments is an object */
    bool human;                /* it was typed: the answer is a text, errors too */
    int fd;                    /* came beside the text; -1: none. A command that keeps it sets -1 */
};

/* Answers once, at once or later; the command is gone afterwards. `result` is taken over. */
void command_return(struct command *command, json_t *result);
void command_fail(struct command *command, const char *class, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Arguments; the table has judged their types. */
const char *command_text(const struct command *command, const char *name); /* NULL: not given */
bool command_flag(const struct command *command, const char *name, bool fallback);
json_int_t command_int(const struct command *command, const char *name, json_int_t fallback);

struct command_row {
    const char *name;
    const char *arguments; /* "id:s force:b? *": s text, b bool, i integer, any; ? optional; * more */
    void (*run)(struct command *command);
    bool probe; /* also where there is no machine */
};
const struct command_row *command_find(const char *name);
const struct command_row *command_at(unsigned i); /* NULL: past the end */
#endif
