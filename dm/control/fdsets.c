/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets of descriptors: a short list. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dm/base/error.h"
#include "dm/control/fdsets.h"

#define MEMBERS_MOST 64

struct member {
    int set, fd;
    char *opaque;
};

struct fdsets {
    struct member members[MEMBERS_MOST];
    unsigned count;
    int next;
};

struct fdsets *fdsets_new(void)
{
    return calloc(1, sizeof(struct fdsets));
}

static void drop(struct fdsets *s, unsigned i)
{
    close(s->members[i].fd);
    free(s->members[i].opaque);
    s->members[i] = s->members[--s->count];
}

void fdsets_purge(struct fdsets *s)
{
    while (s->count)
        drop(s, s->count - 1);
}

void fdsets_free(struct fdsets *s)
{
    if (s)
        fdsets_purge(s);
    free(s);
}

int fdsets_add(struct fdsets *s, int set, int fd, const char *opaque, struct error *err)
{
    if (s->count == MEMBERS_MOST)
        return error_set(err, -ENOSPC, "more than %d descriptors are held; remove-fd some",
                         MEMBERS_MOST);
    while (set < 0) { /* the first number that nobody uses */
        set = s->next;
        s->next = s->next == INT_MAX ? 0 : s->next + 1;
        for (unsigned i = 0; i < s->count; i++)
            if (s->members[i].set == set) {
                set = -1;
                break;
            }
    }
    s->members[s->count++] = (struct member){ set, fd, opaque ? strdup(opaque) : NULL };
    return set;
}

int fdsets_remove(struct fdsets *s, int set, int fd, struct error *err)
{
    bool any = false;

    for (unsigned i = s->count; i-- > 0;)
        if (s->members[i].set == set && (fd < 0 || s->members[i].fd == fd)) {
            drop(s, i);
            any = true;
        }
    return any ? 0 : error_set(err, -ENOENT, "File descriptor named 'fdset-id:%d' not found", set);
}

int fdsets_open(struct fdsets *s, int set, bool write, struct error *err)
{
    for (unsigned i = 0; i < s->count; i++) {
        int mode, fd;

        if (s->members[i].set != set)
            continue;
        mode = fcntl(s->members[i].fd, F_GETFL) & O_ACCMODE;
        if (write ? mode == O_RDONLY : mode == O_WRONLY)
            continue;
        fd = fcntl(s->members[i].fd, F_DUPFD_CLOEXEC, 3);
        return fd < 0 ? error_errno(err, "duplicate a descriptor of /dev/fdset/%d", set) : fd;
    }
    return error_set(err, -ENOENT, "/dev/fdset/%d holds no descriptor open for %s", set,
                     write ? "writing" : "reading");
}

/* Whether a member before this one is of the same set. */
static bool told(const struct fdsets *s, unsigned member)
{
    for (unsigned i = 0; i < member; i++)
        if (s->members[i].set == s->members[member].set)
            return true;
    return false;
}

json_t *fdsets_describe(const struct fdsets *s)
{
    json_t *list = json_array();

    for (unsigned first = 0; first < s->count; first++) {
        json_t *fds = json_array();
        int set = s->members[first].set;

        for (unsigned i = first; i < s->count && !told(s, first); i++) {
            json_t *one;

            if (s->members[i].set != set)
                continue;
            one = json_pack("{s:i}", "fd", s->members[i].fd);
            if (s->members[i].opaque)
                json_object_set_new(one, "opaque", json_string(s->members[i].opaque));
            json_array_append_new(fds, one);
        }
        if (json_array_size(fds))
            json_array_append_new(list, json_pack("{s:i,s:O}", "fdset-id", set, "fds", fds));
        json_decref(fds);
    }
    return list;
}
