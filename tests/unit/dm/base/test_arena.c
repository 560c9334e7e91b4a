/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "dm/base/arena.h"
#include "dm/base/error.h"
#include "tests/kit/check.h"

static struct arena *open_arena(size_t bytes)
{
    struct error err = { "" };
    struct arena *a = NULL;

    CHECK_EQ(arena_open(&a, bytes, &err), 0);
    return a;
}

TEST(pieces_are_zeroed_aligned_and_apart)
{
    static const uint8_t zeros[100];
    struct arena *a = open_arena(4096);
    uint8_t *one = arena_piece(a, "one", 100), *two = arena_piece(a, "two", 1);

    CHECK(one && two);
    CHECK_EQ((uintptr_t)one % 64, 0);
    CHECK_EQ((uintptr_t)two % 64, 0);
    CHECK(two >= one + 100);
    CHECK_MEM(one, zeros, 100);
    memset(one, 0xff, 100);
    CHECK_EQ(*two, 0);
    CHECK_EQ(arena_used(a), 128 + 64);
    arena_close(a);
}

TEST(a_name_gives_its_piece_back_if_the_size_agrees)
{
    struct arena *a = open_arena(4096);
    uint8_t *p = arena_piece(a, "uart", 40);

    p[3] = 7;
    CHECK(arena_piece(a, "uart", 40) == p);
    CHECK_EQ(p[3], 7);
    CHECK(arena_piece(a, "uart", 41) == NULL);
    CHECK_EQ(arena_used(a), 64);
    arena_close(a);
}

TEST(a_full_arena_and_a_name_too_long_give_nothing)
{
    struct arena *a = open_arena(4096);
    char name[80] = "";

    CHECK(arena_piece(a, "all", 4096) != NULL);
    CHECK(arena_piece(a, "more", 1) == NULL);
    CHECK(arena_piece(a, "all", 4096) != NULL);
    arena_close(a);
    a = open_arena(1); /* rounded up to a page */
    memset(name, 'x', 63);
    CHECK(arena_piece(a, name, 8) != NULL);
    name[63] = 'x';
    CHECK(arena_piece(a, name, 8) == NULL);
    arena_close(a);
    arena_close(NULL);
}

TEST(the_descriptor_shows_what_the_pieces_hold_and_does_not_survive_exec)
{
    struct arena *a = open_arena(8192);
    uint8_t *p = arena_piece(a, "regs", 16), *view;
    struct stat st;

    memcpy(p, "all that a guest", 16);
    CHECK_EQ(fstat(arena_fd(a), &st), 0);
    CHECK_EQ(st.st_size, 8192);
    CHECK(fcntl(arena_fd(a), F_GETFD) & FD_CLOEXEC);
    view = mmap(NULL, 4096, PROT_READ, MAP_SHARED, arena_fd(a), 0);
    CHECK(view != MAP_FAILED);
    CHECK_MEM(view, "all that a guest", 16);
    munmap(view, 4096);
    arena_close(a);
}

TEST(many_pieces_fill_it_to_the_last_byte)
{
    struct arena *a = open_arena(64 * 64);
    char name[16];

    for (unsigned i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "dev%u", i);
        CHECK(arena_piece(a, name, 1) != NULL);
    }
    CHECK(arena_piece(a, "dev64", 1) == NULL);
    CHECK_EQ(arena_used(a), 4096);
    arena_close(a);
}
