/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_KIT_IMAGE_H
#define TESTS_KIT_IMAGE_H
#include <stdbool.h>
#include <stdint.h>
#include "dm/block/disk.h"
struct loop;

/*
 * Disk images under test: a folder of their own in memory, qemu-img as the judge, and random
 * requests held against a model.
 */
const char *image_folder(void); /* made once, removed at exit */
/* Runs a command in that folder; fails the test where it does not end with 0. */
void image_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Its exit status. */
int image_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
void image_path(char *path, size_t n, const char *name);
/* Fills a raw file with runs of data and holes, from `seed`. */
void image_fill(const char *name, uint64_t bytes, unsigned seed);

struct image_bench {
    struct loop *loop;
    struct disk_queue *queue;
    struct disk *disk;
};
void image_open_bench(struct image_bench *b, const char *name, struct disk_config config);
void image_close_bench(struct image_bench *b);
int image_try(const char *name, const char *format, bool readonly, char *sentence, size_t n);
int image_do(struct image_bench *b, enum disk_op op, uint64_t offset, void *data, uint64_t length);

/* Random requests, several at a time, from `loops` loops (1: on this thread). */
struct image_ride {
    unsigned seed, requests, depth, loops;
    uint64_t longest; /* bytes of a request */
    bool only_reads;
    uint8_t *model; /* the disk's bytes, before and after */
};
void image_ride(struct disk *disk, const struct image_ride *ride);

/* The disk's bytes, read whole. */
uint8_t *image_bytes(struct disk *disk);
void image_save_model(const char *name, const uint8_t *model, uint64_t bytes);
#endif
