/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the keeper of xenstore lets a device model of domain 7 do. */
#include <string.h>
#include <stdint.h>
#include <xen/io/xs_wire.h>
#include "dm/xen/keeper.h"
#include "tests/kit/check.h"

static const char *const kinds[] = { "qdisk", "vkbd", NULL };
static const struct keeper_rules rules = { .domid = 7, .kinds = kinds };

static bool lets(uint32_t type, const char *path)
{
    return keeper_lets(&rules, type, path, strlen(path) + 1);
}

static const struct {
    const char *path;
    bool read, write;
} paths[] = {
    { "backend/qdisk/7", true, true },
    { "backend/qdisk/7/51712/state", true, true },
    { "backend/vkbd/7/0/state", true, true },
    { "device-model/7/state", true, true },
    { "/local/domain/7/device/vbd/51712/state", true, true },
    { "/local/domain/7", true, false },
    { "/local/domain/7/console/tty", true, false },
    { "/local/domain/7/image/device-model-pid", true, false },
    { "/local/domain/7/deviceless", true, false },
    /* other domains, of which some begin alike */
    { "backend/qdisk/70/51712/params", false, false },
    { "backend/qdisk/8/51712/params", false, false },
    { "backend/qdisk", false, false },
    { "backend", false, false },
    { "/local/domain/70/device/vbd/51712", false, false },
    { "/local/domain/0/backend/qdisk/8/51712/params", false, false },
    { "/local/domain/0", false, false },
    { "device-model/8/state", false, false },
    /* what is not ours of this one, and the toolstack's own */
    { "backend/vif/7/0/script", false, false },
    { "backend/vbd/7/51712/params", false, false },
    { "backend/qdiskette/7", false, false },
    { "/libxl/7/device/vbd/51712/params", false, false },
    { "/vm/0/name", false, false },
    { "/tool/xenstored", false, false },
    { "/", false, false },
    { "", false, false },
    { "@introduceDomain", false, false },
};

TEST(paths_of_its_own_domain_are_let_through_and_no_others)
{
    static const uint32_t reads[] = { XS_READ, XS_DIRECTORY, XS_DIRECTORY_PART, XS_WATCH, XS_UNWATCH };
    static const uint32_t writes[] = { XS_WRITE, XS_MKDIR, XS_RM };

    for (unsigned i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        for (unsigned k = 0; k < sizeof(reads) / sizeof(*reads); k++)
            if (lets(reads[k], paths[i].path) != paths[i].read)
                fail_msg("request %u of \"%s\"", reads[k], paths[i].path);
        for (unsigned k = 0; k < sizeof(writes) / sizeof(*writes); k++)
            if (lets(writes[k], paths[i].path) != paths[i].write)
                fail_msg("request %u of \"%s\"", writes[k], paths[i].path);
    }
    CHECK(lets(XS_WATCH, "@releaseDomain"));
    CHECK(lets(XS_UNWATCH, "@releaseDomain"));
    CHECK(!lets(XS_READ, "@releaseDomain"));
}

TEST(requests_that_no_backend_makes_are_not_let_through)
{
    for (uint32_t type = 0; type < 40; type++) {
        bool known = type == XS_READ || type == XS_DIRECTORY || type == XS_DIRECTORY_PART ||
                     type == XS_WATCH || type == XS_UNWATCH || type == XS_WRITE || type == XS_MKDIR ||
                     type == XS_RM || type == XS_TRANSACTION_START || type == XS_TRANSACTION_END;

        CHECK_EQ(lets(type, "backend/qdisk/7/51712/state"), known);
    }
    CHECK(!lets(XS_INVALID, "backend/qdisk/7/51712/state"));
}

TEST(a_path_that_does_not_end_is_none)
{
    CHECK(!keeper_lets(&rules, XS_READ, "backend/qdisk/7", 15));
    CHECK(!keeper_lets(&rules, XS_WRITE, "backend/qdisk/7/state", 21));
    CHECK(!keeper_lets(&rules, XS_RM, "", 0));
}
