/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DM_BASE_TAPE_H
#define DM_BASE_TAPE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct error;
struct timer;

/*
 * Recording what reaches the devices of a loop, and giving it to them again. A reel is the file; a
 * tape is one loop's track in it. On a tape lie events (an access, a timer, a frame, a key: what
 * makes a device run) and inside an event the replies that the device got when it asked the world
 * (memory, a host end). While an event runs the clock stands still, on both sides, so that time is
 * a part of the event. Played again, the same events and replies lead to the same registers.
 *
 * The file is a number of equal chunks, each of one tape; when all are in use a tape takes its own
 * oldest chunk again, so the file never grows. Checkpoints (all that the guest can see) say where
 * playing can begin and whether it went well. The file is mapped: what was recorded is there even
 * when the process was killed inside the event.
 *
 * A tape belongs to its loop; only reel functions are called before the loops run and after.
 */
enum tape_kind {
    TAPE_NOTHING, /* the end of what was recorded */
    TAPE_CHECKPOINT,
    /* replies */
    TAPE_REPLY,
    /* events; the numbers and bytes that follow each are the seams' business */
    TAPE_EVENTS,
    TAPE_IO = TAPE_EVENTS,
    TAPE_TIMER,
    TAPE_DISK,      /* a request has ended */
    TAPE_MEDIUM,    /* another medium comes into a drive */
    TAPE_EJECT,     /* the guest is asked to let go of one */
    TAPE_REMOVED,   /* the medium of an unplugged drive is closed */
    TAPE_FRAME,
    TAPE_WRITABLE,
    TAPE_LINK,
    TAPE_BYTES,     /* a chardev's */
    TAPE_CONNECTED,
    TAPE_DRAINED,
    TAPE_INPUT,
    TAPE_DEVICE,    /* the machine asks something of one device */
    TAPE_ANSWER,    /* what a device asked of the whole machine is done */
    TAPE_KINDS
};

struct tape;
struct reel;

/* ---- The file ---- */
#define REEL_TAPES 8

/*
 * Creates `path` with room for `bytes` (at least two chunks for each tape), taken from the host now
 * so that a full disk is found out here. `words` are kept for who plays it: the command line.
 */
int reel_create(struct reel **out, const char *path, uint64_t bytes, int argc, char *const argv[],
                struct error *err);
int reel_open(struct reel **out, const char *path, struct error *err); /* to be played */
void reel_close(struct reel *reel); /* what was never used is cut off; NULL is fine */
int reel_words(const struct reel *reel, char ***argv); /* the array is malloc()ed, its words not */

/* The track number `index` of a reel, lives as long as the reel. `name` is for messages. */
struct tape *reel_tape(struct reel *reel, unsigned index, const char *name);

/* ---- Seams: recording ---- */
extern _Thread_local struct tape *tape_of_thread; /* of the loop that runs; see loop_set_tape() */

/* The running loop's tape, or NULL: then there is nothing to do. */
static inline struct tape *tape_here(void)
{
    return tape_of_thread;
}
bool tape_plays(const struct tape *tape);

/*
 * An event comes: what follows reaches a device. May be inside another. While a tape plays, these
 * do nothing: the player has taken the event off it.
 */
void tape_begin(struct tape *tape, enum tape_kind kind);
void tape_number(struct tape *tape, uint64_t value);
void tape_bytes(struct tape *tape, const void *bytes, size_t length); /* length and bytes */
void tape_text(struct tape *tape, const char *text);
void tape_end(struct tape *tape);
/*
 * An event that reaches whom `id` names, in the running loop's tape; NULL where nothing is recorded.
 * What is written to a NULL tape, and its end, are nothing.
 */
static inline struct tape *tape_event(enum tape_kind kind, const char *id)
{
    struct tape *tape = tape_here();

    if (tape) {
        tape_begin(tape, kind);
        tape_text(tape, id);
    }
    return tape;
}

/*
 * The world's reply to a device, inside an event: recorded as it is, or played over `buf` after the
 * events that came while it was asked. Outside of events, and without a tape, nothing happens.
 */
void tape_reply_slow(struct tape *tape, void *buf, size_t length);
static inline void tape_reply(void *buf, size_t length)
{
    if (tape_of_thread)
        tape_reply_slow(tape_of_thread, buf, length);
}

/* Work that will end in an event of its own; no checkpoint is made meanwhile. */
uint64_t tape_promise(struct tape *tape); /* its number, from 1 */
void tape_kept(struct tape *tape);

unsigned tape_add_timer(struct tape *tape, struct timer *timer); /* its number, from 1 */
struct timer *tape_timer(const struct tape *tape, unsigned number); /* NULL: no such */

/*
 * Called where a checkpoint is due: writes with tape_number() and tape_bytes(). On the tape's loop,
 * between events.
 */
void tape_set_snapshot(struct tape *tape, void (*fn)(void *arg, struct tape *tape), void *arg);
void tape_checkpoint(struct tape *tape); /* the last one, when the loops have ended */

/* ---- Playing ---- */
struct tape_player {
    /* An event that came inside another; takes it off the tape and performs it. */
    void (*event)(void *arg, enum tape_kind kind);
};
void tape_set_player(struct tape *tape, const struct tape_player *player, void *arg);

/* What comes next: its kind is taken off. Of an event the clock then shows the time. */
enum tape_kind tape_next(struct tape *tape);
void tape_done(struct tape *tape); /* the event that tape_next() gave has been performed */
uint64_t tape_take_number(struct tape *tape);
/* At most `room` bytes; the length recorded. More than `room` is a divergence. */
size_t tape_take_bytes(struct tape *tape, void *buf, size_t room);
const char *tape_take_text(struct tape *tape); /* until the next call */

/* Playing and recording do not agree: a sentence; the tape then ends. The first one is kept. */
__attribute__((format(printf, 2, 3))) void tape_diverge(struct tape *tape, const char *fmt, ...);
const char *tape_divergence(const struct tape *tape); /* NULL: none */
uint64_t tape_events(const struct tape *tape);        /* played or recorded so far */
bool tape_cut(const struct tape *tape); /* the recording ends inside an event */
#endif
