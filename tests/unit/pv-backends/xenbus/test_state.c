/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include "pv-backends/xenbus/state.h"
#include "tests/kit/check.h"

/* A frontend's story: what it and the toolstack write, and what we answer. */
struct line {
    enum pv_phase phase;
    bool online;
    enum xenbus_state front, back;
    enum xenbus_action action;
    enum xenbus_state state;
};

static void hold(const struct line *lines, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct xenbus_seen seen = { true, lines[i].online, lines[i].front, lines[i].back };
        struct xenbus_step step = xenbus_decide(lines[i].phase, &seen);

        if (step.action != lines[i].action || (step.action != XENBUS_NOTHING &&
                                               step.action != XENBUS_DISCONNECT &&
                                               step.state != lines[i].state))
            fail_msg("line %u: action %d state %d, wanted %d and %d", i, step.action, step.state,
                     lines[i].action, lines[i].state);
    }
}
#define HOLD(lines) hold(lines, sizeof(lines) / sizeof(*(lines)))

TEST(a_life_as_linux_leads_it)
{
    static const struct line lines[] = {
        { PV_FRESH, true, 1, 1, XENBUS_PROBE, 2 },
        { PV_READY, true, 1, 2, XENBUS_NOTHING, 2 },
        { PV_READY, true, 3, 2, XENBUS_CONNECT, 4 },
        { PV_LINKED, true, 3, 4, XENBUS_NOTHING, 4 },
        { PV_LINKED, true, 4, 4, XENBUS_NOTHING, 4 },
        { PV_LINKED, true, 5, 4, XENBUS_SAY, 5 },
        { PV_LINKED, true, 5, 5, XENBUS_NOTHING, 5 },
        { PV_LINKED, true, 6, 5, XENBUS_DISCONNECT, 6 },
        { PV_LEAVING, true, 6, 5, XENBUS_NOTHING, 5 },
        { PV_FRESH, true, 6, 5, XENBUS_SAY, 6 },
        { PV_FRESH, true, 6, 6, XENBUS_NOTHING, 6 },
        { PV_FRESH, true, 1, 6, XENBUS_PROBE, 2 }, /* the driver is loaded again */
    };

    HOLD(lines);
}

TEST(the_toolstack_takes_it_away)
{
    static const struct line lines[] = {
        { PV_LINKED, false, 4, 5, XENBUS_NOTHING, 5 }, /* the frontend has to let go first */
        { PV_LINKED, false, 5, 5, XENBUS_NOTHING, 5 },
        { PV_LINKED, false, 6, 5, XENBUS_DISCONNECT, 6 },
        { PV_FRESH, false, 6, 5, XENBUS_SAY, 6 },
        { PV_FRESH, false, 6, 6, XENBUS_REMOVE, 6 },
        { PV_READY, false, 1, 5, XENBUS_CLOSE, 6 }, /* nobody had connected */
        { PV_FRESH, false, 1, 5, XENBUS_SAY, 6 },
        { PV_LINKED, false, 0, 5, XENBUS_DISCONNECT, 6 }, /* destroyed */
    };

    HOLD(lines);
}

TEST(a_kernel_that_died_or_was_replaced_starts_again)
{
    static const struct line lines[] = {
        { PV_LINKED, true, 1, 4, XENBUS_DISCONNECT, 6 },
        { PV_LINKED, true, 2, 4, XENBUS_DISCONNECT, 6 },
        { PV_FRESH, true, 1, 4, XENBUS_PROBE, 2 },
        { PV_READY, true, 5, 2, XENBUS_CLOSE, 6 },
        { PV_FRESH, true, 5, 6, XENBUS_NOTHING, 6 },
    };

    HOLD(lines);
}

TEST(a_directory_that_vanishes_is_the_end)
{
    struct xenbus_seen seen = { .there = false };

    CHECK_EQ(xenbus_decide(PV_FRESH, &seen).action, XENBUS_REMOVE);
    CHECK_EQ(xenbus_decide(PV_READY, &seen).action, XENBUS_REMOVE);
    CHECK_EQ(xenbus_decide(PV_LINKED, &seen).action, XENBUS_DISCONNECT);
    CHECK_EQ(xenbus_decide(PV_LEAVING, &seen).action, XENBUS_NOTHING);
}

TEST(states_are_one_digit)
{
    CHECK_EQ(xenbus_parse(NULL), 0);
    CHECK_EQ(xenbus_parse("4"), 4);
    CHECK_EQ(xenbus_parse("9"), 0);
    CHECK_EQ(xenbus_parse("44"), 0);
    CHECK_EQ(xenbus_parse("-1"), 0);
    CHECK_EQ(xenbus_parse(""), 0);
}

/* Whatever is written, a step that was taken asks for no other of its kind at once. */
TEST(no_words_make_us_answer_for_ever)
{
    for (int phase = PV_FRESH; phase <= PV_LEAVING; phase++)
        for (unsigned bits = 0; bits < 4; bits++)
            for (int front = 0; front <= 8; front++)
                for (int back = 0; back <= 8; back++) {
                    struct xenbus_seen seen = { bits & 1, bits & 2, (enum xenbus_state)front,
                                                (enum xenbus_state)back };
                    struct xenbus_step step = xenbus_decide((enum pv_phase)phase, &seen);

                    if (step.action != XENBUS_SAY)
                        continue;
                    seen.back = step.state;
                    CHECK(xenbus_decide((enum pv_phase)phase, &seen).action != XENBUS_SAY);
                }
}
