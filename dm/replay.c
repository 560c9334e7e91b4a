/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xen-dm-replay FILE: plays what xen-dm -record wrote, without Xen. */
#include <stdio.h>
#include <stdlib.h>
#include "dm/base/error.h"
#include "dm/base/log.h"
#include "dm/machine/record.h"

int main(int argc, char *argv[])
{
    struct replay *replay = NULL;
    struct replay_result result;
    struct error err;
    int rc;

    if (argc != 2 || argv[1][0] == '-') {
        fputs("usage: xen-dm-replay FILE\n"
              "Gives the devices again what \"xen-dm -record FILE\" has recorded, and says whether "
              "they\ncame to the same registers. Runs under a debugger or a sanitizer.\n",
              stderr);
        return EXIT_FAILURE;
    }
    rc = replay_open(&replay, argv[1], &err);
    if (rc == 0)
        rc = replay_run(replay, &err);
    if (rc < 0) {
        log_error("%s", err.text);
    } else {
        result = replay_result(replay);
        printf("%llu events, %llu checkpoints: the same registers%s\n",
               (unsigned long long)result.events, (unsigned long long)result.checkpoints,
               result.cut ? "; the recording ends inside an event" : "");
    }
    replay_close(replay);
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
