/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each request of the qtest protocol does. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/clock.h"
#include "dm/base/loop.h"
#include "dm/machine/machine.h"
#include "dm/machine/qtest_verbs.h"

#define WORDS_MOST 6
#define BULK_MOST (64 * MIB) /* bytes of one read or write */
#define TIMERS_A_TURN 1000   /* then the loop looks after QMP and signals */

struct words {
    char *at[WORDS_MOST];
    unsigned count;
    uint64_t n[WORDS_MOST]; /* as numbers; the verb says which are */
};

static struct bare *bare_of(const struct qtest *q)
{
    return q->machine ? q->machine->bare : NULL;
}

/* ---- Accesses ---- */

static void answer_access(struct qtest *q, uint64_t data)
{
    if (q->work.req.read)
        qtest_say(q, "OK 0x%0*llx", (int)q->digits,
                  (unsigned long long)(data & ones(q->work.req.size)));
    else
        qtest_say(q, "OK");
}

static void access_done(struct io_work *work, uint64_t data)
{
    struct qtest *q = container_of(work, struct qtest, work);

    answer_access(q, data);
    qtest_go_on(q);
}

static void start_access(struct qtest *q, enum io_type type, bool read, unsigned size,
                         uint64_t addr, uint64_t value)
{
    uint64_t data = type == IO_PORT ? ones(size) : 0;

    q->work = (struct io_work){
        .req = { .type = type,
                 .read = read,
                 .size = size,
                 .count = 1,
                 .addr = addr,
                 .data = value & ones(size) },
        .done = access_done,
        .can_wait = true,
    };
    q->digits = type == IO_PORT ? 4 : 16;
    if (!bare_of(q) || bare_start(bare_of(q), &q->work, &data))
        answer_access(q, data);
    else
        q->busy = true;
}

static unsigned size_of(char letter)
{
    return letter == 'b' ? 1 : letter == 'w' ? 2 : letter == 'l' ? 4 : 8;
}

static void run_in(struct qtest *q, struct words *w)
{
    if (w->n[1] > 0xffff)
        qtest_say(q, "FAIL port 0x%llx is past 0xffff", (unsigned long long)w->n[1]);
    else
        start_access(q, IO_PORT, true, size_of(w->at[0][2]), w->n[1], 0);
}

static void run_out(struct qtest *q, struct words *w)
{
    if (w->n[1] > 0xffff)
        qtest_say(q, "FAIL port 0x%llx is past 0xffff", (unsigned long long)w->n[1]);
    else
        start_access(q, IO_PORT, false, size_of(w->at[0][3]), w->n[1], w->n[2]);
}

static void run_read_one(struct qtest *q, struct words *w)
{
    start_access(q, IO_MMIO, true, size_of(w->at[0][4]), w->n[1], 0);
}

static void run_write_one(struct qtest *q, struct words *w)
{
    start_access(q, IO_MMIO, false, size_of(w->at[0][5]), w->n[1], w->n[2]);
}

/* ---- Memory in bulk ---- */

static void read_bytes(struct qtest *q, uint64_t addr, uint8_t *buf, size_t n)
{
    if (bare_of(q))
        bare_read(bare_of(q), addr, buf, n);
    else
        memset(buf, 0, n);
}

static void write_bytes(struct qtest *q, uint64_t addr, const uint8_t *buf, size_t n)
{
    if (bare_of(q))
        bare_write(bare_of(q), addr, buf, n);
}

/* Whether a bulk request may be; says why where not. */
static bool bulk_fits(struct qtest *q, const struct words *w)
{
    if (w->n[2] && w->n[2] <= BULK_MOST && w->n[1] + (w->n[2] - 1) >= w->n[1])
        return true;
    qtest_say(q, "FAIL a length of %llu: from 1 to %llu bytes at once", (unsigned long long)w->n[2],
              BULK_MOST);
    return false;
}

static void run_read(struct qtest *q, struct words *w)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t buf[4096];
    char *p;

    if (!bulk_fits(q, w))
        return;
    memcpy(qtest_room(q, 5), "OK 0x", 5);
    for (uint64_t done = 0, n; done < w->n[2]; done += n) {
        n = MIN(sizeof(buf), w->n[2] - done);
        read_bytes(q, w->n[1] + done, buf, n);
        p = qtest_room(q, 2 * n);
        for (size_t i = 0; i < n; i++) {
            *p++ = digits[buf[i] >> 4];
            *p++ = digits[buf[i] & 15];
        }
    }
    *qtest_room(q, 1) = '\n';
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Data that is shorter than the length goes on as zeroes. */
static void run_write(struct qtest *q, struct words *w)
{
    const char *hex = w->at[3];
    size_t given = strlen(hex);
    uint8_t *buf;

    if (!bulk_fits(q, w))
        return;
    if (given < 4 || hex[0] != '0' || hex[1] != 'x') {
        qtest_say(q, "FAIL the data must be 0x and hexadecimal digits");
        return;
    }
    buf = calloc(1, w->n[2]);
    if (!buf) {
        qtest_say(q, "FAIL out of memory");
        return;
    }
    for (uint64_t i = 0; i < w->n[2] && 2 * i + 4 <= given; i++) {
        int high = nibble(hex[2 * i + 2]), low = nibble(hex[2 * i + 3]);

        if (high < 0 || low < 0) {
            free(buf);
            qtest_say(q, "FAIL the data must be 0x and hexadecimal digits");
            return;
        }
        buf[i] = (uint8_t)(high << 4 | low);
    }
    write_bytes(q, w->n[1], buf, w->n[2]);
    free(buf);
    qtest_say(q, "OK");
}

static void run_memset(struct qtest *q, struct words *w)
{
    uint8_t buf[4096];

    if (w->n[2] && !bulk_fits(q, w))
        return;
    memset(buf, (uint8_t)w->n[3], sizeof(buf));
    for (uint64_t done = 0, n; done < w->n[2]; done += n) {
        n = MIN(sizeof(buf), w->n[2] - done);
        write_bytes(q, w->n[1] + done, buf, n);
    }
    qtest_say(q, "OK");
}

/* ---- Base 64 ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void run_b64read(struct qtest *q, struct words *w)
{
    uint8_t buf[3 * 1024];

    if (!bulk_fits(q, w))
        return;
    memcpy(qtest_room(q, 3), "OK ", 3);
    for (uint64_t done = 0, n; done < w->n[2]; done += n) {
        n = MIN(sizeof(buf), w->n[2] - done);
        memset(buf, 0, sizeof(buf));
        read_bytes(q, w->n[1] + done, buf, n);
        for (size_t i = 0; i < n; i += 3) {
            uint32_t bits = (uint32_t)buf[i] << 16 | (uint32_t)buf[i + 1] << 8 | buf[i + 2];
            char *p = qtest_room(q, 4);

            p[0] = alphabet[bits >> 18];
            p[1] = alphabet[bits >> 12 & 63];
            p[2] = (char)(i + 1 < n ? alphabet[bits >> 6 & 63] : '=');
            p[3] = (char)(i + 2 < n ? alphabet[bits & 63] : '=');
        }
    }
    *qtest_room(q, 1) = '\n';
}

/* Decodes in place; the number of bytes, or -1 where it is no base 64. */
static long decode(char *text)
{
    uint8_t *out = (uint8_t *)text;
    unsigned bits = 0, have = 0;

    for (const char *p = text; *p && *p != '='; p++) {
        const char *at = strchr(alphabet, *p);

        if (!at)
            return -1;
        bits = (bits << 6 | (unsigned)(at - alphabet)) & 0xffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            *out++ = (uint8_t)(bits >> have);
        }
    }
    return (char *)out - text;
}

static void run_b64write(struct qtest *q, struct words *w)
{
    long n;

    if (!bulk_fits(q, w))
        return;
    n = decode(w->at[3]);
    if (n < 0) {
        qtest_say(q, "FAIL the data is no base 64");
        return;
    }
    write_bytes(q, w->n[1], (uint8_t *)w->at[3], MIN((uint64_t)n, w->n[2]));
    qtest_say(q, "OK");
}

/* ---- Time ---- */

static void say_time(struct qtest *q)
{
    qtest_say(q, "OK %llu", (unsigned long long)clock_now());
}

static void turn(void *arg);

/* Runs timers up to q->until; false where the loop shall have a turn first. */
static bool step(struct qtest *q)
{
    for (unsigned i = 0; i < TIMERS_A_TURN; i++) {
        uint64_t due = loop_next_timer(q->loop);

        if (due > q->until) {
            if (q->until > clock_now())
                clock_crank(q->until - clock_now());
            return true;
        }
        if (due > clock_now())
            clock_crank(due - clock_now());
        loop_run_timers(q->loop);
    }
    loop_post(q->loop, turn, q);
    return false;
}

static void turn(void *arg)
{
    struct qtest *q = arg;

    if (step(q)) {
        say_time(q);
        qtest_go_on(q);
    }
}

static void step_to(struct qtest *q, uint64_t until)
{
    q->until = until;
    if (step(q))
        say_time(q);
    else
        q->busy = true;
}

static void run_clock_step(struct qtest *q, struct words *w)
{
    uint64_t due = loop_next_timer(q->loop);

    if (w->count > 1)
        step_to(q, clock_now() + MIN(w->n[1], INT64_MAX - MIN(clock_now(), (uint64_t)INT64_MAX)));
    else if (due == UINT64_MAX)
        say_time(q); /* nothing will ever happen */
    else
        step_to(q, MAX(due, clock_now()));
}

static void run_clock_set(struct qtest *q, struct words *w)
{
    step_to(q, MAX(MIN(w->n[1], (uint64_t)INT64_MAX), clock_now()));
}

/* ---- The rest ---- */

static void on_irq(void *arg, unsigned irq, bool level)
{
    qtest_say(arg, "IRQ %s %u", level ? "raise" : "lower", irq);
}

static void run_intercept(struct qtest *q, struct words *w)
{
    const char *name = strrchr(w->at[1], '/') ? strrchr(w->at[1], '/') + 1 : w->at[1];

    if (!bare_of(q) || strcmp(name, "ioapic")) {
        qtest_say(q, "FAIL Unknown device");
        return;
    }
    if (!q->intercepting)
        bare_listen(bare_of(q), on_irq, q);
    q->intercepting = true;
    qtest_say(q, "OK");
}

static void run_unknown_device(struct qtest *q, struct words *w)
{
    qtest_say(q, "FAIL Unknown device");
}

static void run_endianness(struct qtest *q, struct words *w)
{
    qtest_say(q, "OK little");
}

static const struct verb {
    const char *name;
    unsigned least;   /* words after the name */
    unsigned numbers; /* bit i: word i is one */
    void (*run)(struct qtest *q, struct words *w);
} verbs[] = {
    { "inb", 1, 2, run_in },
    { "inw", 1, 2, run_in },
    { "inl", 1, 2, run_in },
    { "outb", 2, 6, run_out },
    { "outw", 2, 6, run_out },
    { "outl", 2, 6, run_out },
    { "readb", 1, 2, run_read_one },
    { "readw", 1, 2, run_read_one },
    { "readl", 1, 2, run_read_one },
    { "readq", 1, 2, run_read_one },
    { "writeb", 2, 6, run_write_one },
    { "writew", 2, 6, run_write_one },
    { "writel", 2, 6, run_write_one },
    { "writeq", 2, 6, run_write_one },
    { "read", 2, 6, run_read },
    { "write", 3, 6, run_write },
    { "memset", 3, 14, run_memset },
    { "b64read", 2, 6, run_b64read },
    { "b64write", 3, 6, run_b64write },
    { "clock_step", 0, 2, run_clock_step },
    { "clock_set", 1, 2, run_clock_set },
    { "endianness", 0, 0, run_endianness },
    { "irq_intercept_in", 1, 0, run_intercept },
    { "irq_intercept_out", 1, 0, run_unknown_device }, /* chips inside have no name here */
    { "irq_intercept_out_named", 2, 0, run_unknown_device },
    { "set_irq_in", 4, 0, run_unknown_device },
};

static bool parse_number(const char *text, uint64_t *n)
{
    char *end;

    errno = 0;
    *n = strtoull(text, &end, 0);
    return (*text >= '0' && *text <= '9') && !*end && !errno;
}

static bool judge(struct qtest *q, const struct verb *v, struct words *w)
{
    if (w->count - 1 < v->least) {
        qtest_say(q, "FAIL %s needs %u words after it", v->name, v->least);
        return false;
    }
    for (unsigned i = 1; i < w->count; i++)
        if (v->numbers >> i & 1 && !parse_number(w->at[i], &w->n[i])) {
            qtest_say(q, "FAIL %s: %.40s is not a number", v->name, w->at[i]);
            return false;
        }
    return true;
}

void qtest_run(struct qtest *q, char *line)
{
    struct words w = { .count = 0 };
    char *rest = line, *word;

    while (w.count < WORDS_MOST && (word = strtok_r(rest, " ", &rest)))
        w.at[w.count++] = word;
    if (!w.count) {
        qtest_say(q, "FAIL an empty line");
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(verbs); i++)
        if (!strcmp(verbs[i].name, w.at[0])) {
            if (judge(q, &verbs[i], &w))
                verbs[i].run(q, &w);
            return;
        }
    qtest_say(q, "FAIL Unknown command '%.40s'", w.at[0]);
}
