/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H
#include <stdbool.h>
#include <stdint.h>

/* A block frontend's load: so many requests of one kind in flight, all the time. */
struct load {
    bool stock; /* on QEMU's qdisk */
    bool write, random, persistent;
    bool direct;         /* past the host's page cache (xl: direct-io-safe) */
    unsigned kib, depth; /* of a request; requests in flight for each queue */
    unsigned queues;     /* 0: one, said as frontends with one say it */
    const char *params;  /* as libxl writes them: "aio:/path" */
    uint64_t image_bytes;
    uint64_t for_ns;
};

/* fio's in the place of a frontend: `path` is the file, buffered or direct. */
struct load_fio {
    bool write, random, direct;
    unsigned kib, depth;
    const char *path;
    uint64_t image_bytes;
    unsigned ms;
};

struct load_result {
    double per_second; /* requests */
    double cpu_us;     /* of the device model, for each request */
    double p50, p99, p999; /* microseconds from put to answer */
};

struct load_result load_run(const struct load *l);
struct load_result load_fio(const struct load_fio *f); /* without cpu_us */
#endif
