/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Least privilege. Order matters: handles while we are root, then the root directory, then the
 * user. xenstore cannot be restricted, so it is closed: who asked for this watches QMP instead.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>
#include "dm/base/error.h"
#include "dm/machine/machine.h"
#include "dm/machine/restrict.h"
#include "dm/xen/domain.h"
#include "dm/xen/store.h"
#include "ioreq/server.h"

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

int machine_restrict(struct machine *m, struct error *err)
{
    const struct machine_config *c = m->config;
    uid_t uid = 0;
    gid_t gid = 0;
    int rc = c->runas ? find_user(c->runas, &uid, &gid, err) : 0; /* before /etc is out of reach */

    if (rc == 0 && c->restricted) {
        store_unwatch(m->release_watch);
        store_close(m->store);
        m->release_watch = NULL;
        m->store = NULL;
        rc = domain_restrict(m->domain, err);
        for (unsigned i = 0; rc == 0 && i < SEATS; i++)
            if (m->seats[i].used)
                rc = server_restrict(m->seats[i].server, err);
    }
    if (rc == 0 && c->chroot && (chroot(c->chroot) < 0 || chdir("/") < 0))
        rc = error_errno(err, "-chroot %s: enter it", c->chroot);
    if (rc == 0 && c->runas)
        rc = drop_user(c->runas, uid, gid, err);
    return rc;
}
