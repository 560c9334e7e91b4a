/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Least privilege. Order matters: handles while we are root, then the root directory, then the
 * user. xenstore cannot be restricted: PV backends go on through a keeper (dm/xen/keeper.h), and
 * without any of them it is closed. Nor can grants: who has PV disks keeps a handle that could map
 * what other domains let dom0 map, which is why one without has none.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/block/drive.h"
#include "dm/machine/machine.h"
#include "dm/machine/pv.h"
#include "dm/machine/restrict.h"
#include "dm/xen/domain.h"
#include "dm/xen/keeper.h"
#include "dm/xen/store.h"
#include "ioreq/server.h"
#include "pv-backends/block/blkback.h"

/* "name", or "uid:gid" in decimal. */
static int find_user(const char *text, uid_t *uid, gid_t *gid, struct error *err)
{
    const struct passwd *pw;
    unsigned u, g;
    int used = 0;

    if (sscanf(text, "%u:%u%n", &u, &g, &used) == 2 && !text[used]) {
        *uid = u;
        *gid = g;
    } else {
        pw = getpwnam(text);
        if (!pw)
            return error_set(err, -ENOENT, "-runas %s: there is no such user", text);
        *uid = pw->pw_uid;
        *gid = pw->pw_gid;
    }
    if (*uid == 0)
        return error_set(err, -EINVAL, "-runas %s: that is root, which gives nothing up", text);
    return 0;
}

static int drop_user(const char *text, uid_t uid, gid_t gid, struct error *err)
{
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return error_errno(err, "-runas %s: become that user", text);
    if (setuid(0) == 0)
        return error_set(err, -EPERM, "-runas %s: root could be regained", text);
    return 0;
}

/* The file system, and root. */
static int drop(void *arg, struct error *err)
{
    const struct machine_config *c = arg;
    uid_t uid = 0;
    gid_t gid = 0;
    int rc = c->runas ? find_user(c->runas, &uid, &gid, err) : 0; /* before /etc is out of reach */

    if (rc == 0 && c->chroot && (chroot(c->chroot) < 0 || chdir("/") < 0))
        rc = error_errno(err, "-chroot %s: enter it", c->chroot);
    if (rc == 0 && c->runas)
        rc = drop_user(c->runas, uid, gid, err);
    return rc;
}

int machine_start_keeper(struct machine *m, struct error *err)
{
    const char *kinds[PV_CLASSES_MOST + 1];
    const struct keeper_rules rules = { .domid = m->config->domid, .kinds = kinds, .drop = drop,
                                        .arg = (void *)(uintptr_t)m->config };

    machine_pv_kinds(m->config, kinds);
    return keeper_start(&m->keeper, &rules, err);
}

static void close_store(struct machine *m)
{
    store_unwatch(m->release_watch);
    store_close(m->store);
    keeper_close(m->keeper);
    m->release_watch = NULL;
    m->store = NULL;
    m->keeper = NULL;
}

/*
 * libxl leaves a process that it restricts 256 KiB of each file (RLIMIT_FSIZE), which no disk image
 * fits in: as much as the largest image takes must do.
 */
static void add_disk(uint64_t *room, const struct disk *disk)
{
    if (disk && !disk_readonly(disk))
        *room = MAX(*room, disk_bytes(disk) * 2 + 64 * MIB); /* tables, and what grows */
}

static void add_pv_disk(void *arg, struct pv_device *dev)
{
    struct blk_info info;

    if (blkback_info(dev, &info))
        add_disk(arg, info.disk);
}

static void make_room(struct machine *m)
{
    uint64_t room = 0;
    struct rlimit limit;

    for (unsigned i = 0; i < m->drive_count; i++)
        add_disk(&room, drive_disk(m->drives[i]));
    machine_walk_pv(m, add_pv_disk, &room);
    if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur >= room)
        return;
    limit.rlim_cur = room;
    limit.rlim_max = MAX(limit.rlim_max, room);
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        log_warn("writes past %llu bytes of an image will fail (RLIMIT_FSIZE): errno %d",
                 (unsigned long long)limit.rlim_cur, errno);
}

int machine_restrict(struct machine *m, struct error *err)
{
    const struct machine_config *c = m->config;
    int rc = 0;

    if (c->restricted) {
        make_room(m);
        if (!m->pv)
            close_store(m);
        rc = domain_restrict(m->domain, err);
        for (unsigned i = 0; rc == 0 && i < SEATS; i++)
            if (m->seats[i].used)
                rc = server_restrict(m->seats[i].server, err);
    }
    return rc == 0 ? drop((void *)(uintptr_t)c, err) : rc;
}
