/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: words, NUL between them. It opens nothing, whatever they say, and leaks nothing. */
#include <stdlib.h>
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/control/options.h"
#include "dm/machine/machine.h"
#include "tests/fuzz/kit/files.h"

#define WORDS_MOST 200

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct machine_config *config = malloc(sizeof(*config));
    char *text = malloc(size + 1), *words[WORDS_MOST + 1];
    struct error err = { "" };
    int count = 0, rc;

    memcpy(text, bytes, size);
    text[size] = 0;
    words[count++] = (char[]){ "xen-dm" };
    for (char *p = text; p < text + size && count < WORDS_MOST; p += strlen(p) + 1)
        words[count++] = p;
    words[count] = NULL;
    files_guard(FILES_FORBIDDEN);
    rc = options_parse(config, count, words, &err);
    if (rc == 0 && !config->help && !config->version)
        rc = pc_judge(config, &err);
    if (rc < 0 && !*err.text)
        abort(); /* refused without a sentence */
    files_guard(FILES_FREE);
    options_free(config);
    free(config);
    free(text);
    return 0;
}
