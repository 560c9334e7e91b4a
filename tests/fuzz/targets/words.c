/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The small parsers of text: -serial words, the argument of -vnc, key names, keysyms in a layout,
 * PCI addresses, options of a device. The first byte says which.
 */
#include <stdlib.h>
#include <string.h>
#include "devices/catalogue.h"
#include "devices/pci/function.h"
#include "dm/base/arena.h"
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/chardev/chardev.h"
#include "dm/display/keymap.h"
#include "dm/display/keynames.h"
#include "dm/display/vnc.h"
#include "tests/fuzz/kit/files.h"
#include "tests/fuzz/kit/input.h"
#include "tests/kit/pc.h"

static void parse_serial(const char *text, struct error *err)
{
    struct chardev_config config;
    size_t room = 64;
    char *storage = malloc(room);

    chardev_parse_legacy(&config, storage, room, text, err);
    free(storage);
}

static void parse_vnc(const char *text, struct error *err)
{
    struct vnc_config config;
    size_t room = 64;
    char *storage = malloc(room);

    vnc_parse(&config, storage, room, text, err);
    free(storage);
}

static void parse_keysyms(struct input *in)
{
    static const char *const names[] = { NULL, "de", "fr", "en-us", "ja", "nonsense" };
    const struct keymap *map;
    struct keymap_hit hit;

    if (keymap_find(&map, names[take8(in) % ARRAY_SIZE(names)], NULL) == 0)
        while (in->left)
            keymap_lookup(map, take32(in), &hit);
}

/* A device of any class, with options as somebody typed them; no host end is found. */
static void parse_device(uint8_t which, const char *text, struct error *err)
{
    static struct pc pc;
    struct device *dev = NULL;
    unsigned count = 0;

    while (catalogue_at(count))
        count++;
    if (strstr(text, "mb=") || strstr(text, "romfile")) /* memory and files are theirs to have */
        return;
    if (!pc.loop)
        pc_open(&pc);
    else if (arena_used(pc.board.arena) > 900 * KIB) {
        pc_close(&pc);
        pc_open(&pc);
    }
    if (device_attach(&dev, &pc.board, catalogue_at(which % count), "x", text, err) == 0) {
        device_detach(dev);
        pc_close(&pc); /* its piece of the arena, its video memory */
        memset(&pc, 0, sizeof(pc));
    } else if (!*err->text) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input in = { bytes, size };
    uint8_t which = take8(&in);
    struct error err = { "" };
    char *text = malloc(in.left + 1);
    unsigned devfn;

    memcpy(text, in.at, in.left);
    text[in.left] = 0;
    files_guard(FILES_FORBIDDEN);
    switch (which % 6) {
    case 0:
        parse_serial(text, &err);
        break;
    case 1:
        parse_vnc(text, &err);
        break;
    case 2:
        key_name(key_from_name(text));
        key_from_number((unsigned)atoi(text));
        break;
    case 3:
        parse_keysyms(&in);
        break;
    case 4:
        pci_parse_addr(text, &devfn, &err);
        break;
    default:
        files_guard(FILES_REFUSED);
        parse_device(which / 6, text, &err);
    }
    files_guard(FILES_FREE);
    free(text);
    return 0;
}
