/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line under -accel qtest, and that its words stay refused on Xen. */
#include <string.h>
#include "dm/base/bytes.h"
#include "dm/base/error.h"
#include "dm/control/options.h"
#include "tests/kit/check.h"

#define WORDS_MOST 64

struct run {
    struct machine_config c;
    struct error err;
    int rc;
    char text[2048];
};

static void run(struct run *r, const char *line)
{
    char *words[WORDS_MOST] = { "xen-dm" }, *rest = r->text;
    int count = 1;

    memset(r, 0, sizeof(*r));
    snprintf(r->text, sizeof(r->text), "%s", line);
    while (count < WORDS_MOST && (words[count] = strtok_r(rest, " ", &rest)))
        count++;
    r->rc = options_parse(&r->c, count, words, &r->err);
}

static bool has(const struct machine_config *c, const char *driver)
{
    for (unsigned i = 0; i < c->device_count; i++)
        if (!strcmp(c->devices[i].driver, driver))
            return true;
    return false;
}

TEST(a_pc_has_its_usual_devices_unless_they_are_refused)
{
    struct run r;

    run(&r, "-qtest unix:/tmp/x,server=off -qtest-log /dev/null -machine pc -accel qtest");
    CHECK_EQ(r.rc, 0);
    CHECK(r.c.qtest);
    CHECK_STR(r.c.qtest_path, "/tmp/x");
    CHECK_EQ(r.c.ram_mib, 128);
    CHECK_STR(r.c.boot, "cad");
    CHECK(!r.c.platform_device);
    CHECK(has(&r.c, "VGA") && has(&r.c, "e1000"));
    CHECK_EQ(r.c.drive_count, 1);
    CHECK(r.c.drives[0].cdrom && r.c.drives[0].index == 2);
    CHECK_EQ(r.c.serial_count, 1);
    options_free(&r.c);

    run(&r, "-accel qtest -nodefaults");
    CHECK_EQ(r.rc, 0);
    CHECK_EQ(r.c.device_count + r.c.drive_count + r.c.serial_count, 0);
    options_free(&r.c);
}

TEST(an_empty_cd_drive_and_a_node_are_drives)
{
    struct run r;

    run(&r, "-M pc,accel=qtest -nodefaults -device ide-cd,bus=ide.1 "
            "-blockdev driver=file,node-name=f,filename=/img "
            "-blockdev driver=raw,node-name=r,file=f,read-only=on");
    CHECK_EQ(r.rc, 0);
    CHECK_EQ(r.c.drive_count, 3);
    CHECK(r.c.drives[0].node && r.c.drives[1].node && !r.c.drives[2].node);
    CHECK_STR(r.c.drives[1].file, "/img");
    CHECK(r.c.drives[1].readonly);
    CHECK_STR(device_word(&r.c.devices[0], "drive"), r.c.drives[2].id);
    CHECK(r.c.drives[2].cdrom && !r.c.drives[2].file);
    options_free(&r.c);
}

TEST(images_that_are_no_files_are_named_by_their_protocol)
{
    struct run r;

    run(&r, "-accel qtest -drive file=null-co://,if=ide,format=raw "
            "-drive file=blkdebug:/rules:/img,if=ide,werror=stop,rerror=ignore -hdd /other");
    CHECK_EQ(r.rc, 0);
    CHECK_STR(r.c.drives[0].format, "null-co");
    CHECK_STR(r.c.drives[1].format, "blkdebug");
    CHECK_EQ(r.c.drives[1].index, 1); /* the next that is free */
    CHECK_EQ(r.c.drives[1].write_errors, ERRORS_STOP);
    CHECK_EQ(r.c.drives[1].read_errors, ERRORS_IGNORE);
    CHECK_EQ(r.c.drives[2].index, 3);
    options_free(&r.c);
}

TEST(properties_for_all_of_a_kind_are_kept)
{
    struct run r;

    run(&r, "-accel qtest -global ide-hd.serial=s -global driver=ide-cd,property=ver,value=v");
    CHECK_EQ(r.rc, 0);
    CHECK_EQ(r.c.global_count, 2);
    CHECK_STR(r.c.globals[1].name, "ide-cd.ver");
    CHECK_STR(r.c.globals[1].value, "v");
    options_free(&r.c);
}

TEST(memory_below_four_gigabytes_is_as_a_pc_has_it)
{
    struct run r;

    run(&r, "-accel qtest -m size=3G,slots=2,maxmem=8G");
    CHECK_EQ(r.rc, 0);
    CHECK_EQ(r.c.ram_mib, 3072);
    CHECK_EQ(r.c.low_limit, 0xe0000000);
    options_free(&r.c);
    run(&r, "-accel qtest -m 4G");
    CHECK_EQ(r.c.low_limit, 0xc0000000);
    options_free(&r.c);
}

TEST(what_is_wrong_under_qtest_has_its_sentence)
{
    static const struct {
        const char *line, *says;
    } lines[] = {
        { "-accel qtest -machine q35", "pc, xenfv and none" },
        { "-accel qtest -qtest tcp:1234", "unix:PATH" },
        { "-accel qtest -m 12K", "M or G" },
        { "-accel qtest -m 0", "memory" },
        { "-accel qtest -vga qxl", "none, std and cirrus" },
        { "-accel qtest -vga std -device VGA", "already" },
        { "-accel qtest -boot x", "no boot device" },
        { "-accel qtest -boot frob=1", "frob" },
        { "-accel qtest -global ide-hd", "DRIVER.PROPERTY" },
        { "-accel qtest -blockdev driver=file,filename=/x", "node-name" },
        { "-accel qtest -blockdev driver=raw,node-name=x,file=nobody", "filename" },
        { "-accel qtest -monitor stdio", "none" },
        { "-accel qtest -drive file=/x,werror=perhaps", "werror=perhaps" },
        { "-accel qtest -xen-domid-restrict", "no Xen" },
        { "-accel qtest -device virtio-blk-pci", "virtio" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
        struct run r;

        run(&r, lines[i].line);
        if (r.rc == 0)
            print_error("taken: %s\n", lines[i].line);
        CHECK(r.rc < 0);
        CHECK_SAYS(r.err, lines[i].says);
        options_free(&r.c);
    }
}

TEST(words_of_tests_are_refused_on_xen)
{
    static const char *const words[] = { "-qtest unix:/x", "-blockdev driver=file",
                                         "-global a.b=c",  "-vga std",
                                         "-hda /x",        "-accel tcg",
                                         "-machine pc" };

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        char line[128];
        struct run r;

        snprintf(line, sizeof(line), "-xen-domid 5 -m 128 %s", words[i]);
        run(&r, line);
        CHECK(r.rc < 0);
        CHECK(*r.err.text);
        CHECK(!r.c.qtest);
        options_free(&r.c);
    }
}
