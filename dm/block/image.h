/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BLOCK_IMAGE_H
#define DM_BLOCK_IMAGE_H
#include <pthread.h>
#include <sys/types.h>
#include "dm/block/format.h"

/*
 * What image formats with tables have in common: a request is cut into runs that lie together, and
 * each is moved by the submitter's own queue, all at once.
 *
 * The tables are a disk's, but requests come from several loops, each with a queue of its own, and
 * most of them only want to know where a cluster lies. So the copies of tables in memory are behind
 * a mutex, held for a look or a stroke and never across I/O; sending each request to an owner loop
 * and back would cost more than the read it is for. What takes I/O on tables (loading, allocating
 * in advance, writing back) is done by the image's scribe: one thread that makes plain blocking
 * calls one after the other, so that the order in which things reach the file is the order in which
 * the code is written. It is born with the first such job.
 *
 * A place in the file that is given up is used again only when nothing on the platter points at it
 * and all requests that might still be moving data there have ended (`epoch`).
 */
enum map {
    MAP_DATA,   /* at `host` */
    MAP_ZERO,   /* reads as zeroes */
    MAP_BELOW,  /* in the backing file */
    MAP_NEW,    /* of a write: there is no place yet, or one that must stay as it is */
    MAP_PACKED, /* compressed */
    MAP_LOAD,   /* unknown until the scribe has loaded something */
    MAP_BAD,    /* the tables are nonsense */
    MAP_DONE,   /* of clear(): these bytes are done with */
    MAP_WAIT,   /* image.c's own: until a unit has got its place */
};

struct extent {
    enum map map;
    uint64_t at, length; /* the guest's */
    uint64_t host;       /* where `at` lies in the file; of MAP_NEW: where the first unit does */
    /* Of MAP_NEW: what of the first and last unit lies around; is it to be filled, with what */
    uint64_t head, tail;
    bool old_head, old_tail; /* with what is read there now; else with zeroes */
    bool virgin;             /* zeroes are there already */
};

struct image;
struct image_ops {
    /* These five under the lock. */
    void (*find)(struct image *img, struct extent *e, bool write); /* cuts e->length */
    bool (*take)(struct image *img, struct extent *e); /* of MAP_NEW: a place; may cut. False: load */
    void (*link)(struct image *img, const struct extent *e);      /* the data is there */
    void (*give_back)(struct image *img, const struct extent *e); /* it is not, and never will be */
    /*
     * Zeroes, or forgets where `discard`, what it can without writing data: MAP_DONE. MAP_DATA:
     * zeroes must be written (e->length cut to at most a unit).
     */
    void (*clear)(struct image *img, struct extent *e, bool discard);
    bool (*dirty)(struct image *img); /* under the lock too: is there anything for flush() */
    /* These by the scribe; 0 or a negative errno. */
    int (*load)(struct image *img, uint64_t at, uint64_t length, bool write);
    int (*unpack)(struct image *img, uint64_t host, const uint8_t **unit); /* good until the next */
    int (*flush)(struct image *img);
    void (*mark)(struct image *img); /* as corrupt */
    void (*close)(struct image *img); /* frees it too; may be half open */
};

/* Something for the scribe; done() on `loop`. */
struct job {
    struct job *next;
    struct image *img;
    struct loop *loop;
    void (*run)(struct job *job);
    void (*done)(struct job *job);
    int rc;
};

struct part;
struct op;

/* The files above a backing file: a chain that comes back to one of them is refused. */
struct image_chain {
    dev_t dev;
    ino_t ino;
    unsigned depth;
    const struct image_chain *above;
};
#define IMAGE_DEPTH_MOST 32

struct image {
    struct disk disk;
    const struct image_ops *ops;
    struct disk *file; /* raw */
    int fd;            /* its descriptor, for tables */
    bool block;        /* it is a block device */
    struct disk *below;
    uint64_t unit; /* a cluster, a block */
    bool writethrough, no_flush;
    atomic_bool broken; /* no more writes */
    struct image_chain chain;

    pthread_mutex_t lock;
    struct part *busy; /* units that are getting a place */
    struct op *waiting, **waiting_tail;
    uint64_t epoch;            /* under the lock; requests take their part in it there */
    atomic_uint inflight[2];   /* of epoch % 2 */

    pthread_cond_t work; /* for the scribe */
    pthread_t scribe;
    bool has_scribe, closing;
    struct job *jobs, **jobs_tail;
};

/* Opens the file of an image below `img`, which is zeroed but for disk_init(). */
int image_open_file(struct image *img, const struct image_ops *ops,
                    const struct disk_config *config, struct error *err);
/* The backing file `name` as the image says it, of the format that it says. */
int image_open_below(struct image *img, const char *name, const char *format,
                     const struct disk_config *config, struct error *err);
/* Once all is open: reads the first sector. */
int image_opened(struct image *img, struct error *err);
void image_submit(struct disk *disk, struct disk_queue *queue, struct disk_request *req);
void image_close(struct disk *disk);

/* Blocking calls on the file, whole or an error. What lies past its end reads as zeroes. */
int image_read(struct image *img, void *to, size_t n, uint64_t at);
int image_write(struct image *img, const void *from, size_t n, uint64_t at);
int image_write_zeroes(struct image *img, size_t n, uint64_t at);
int image_sync(struct image *img);
void image_punch(struct image *img, uint64_t at, uint64_t n); /* a hint */
int image_size(struct image *img, uint64_t *bytes);

/* The scribe (scribe.c). */
void image_post(struct image *img, struct job *job);
void image_scribe_end(struct image *img);
#endif
