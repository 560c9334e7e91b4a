/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program of tests; apart from check.c, which the fuzz targets use too and have a main() already. */
#include "tests/kit/check.h"

int main(int argc, char **argv)
{
    return check_run(argc > 1 ? argv[1] : NULL);
}
