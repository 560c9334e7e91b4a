/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stand-in for libxengnttab, called as a backend calls it: what Xen refuses is refused. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xengnttab.h>
#include "tests/guest/guest.h"
#include "tests/kit/check.h"
#include "tests/simxen/simxen.h"

#define RW (PROT_READ | PROT_WRITE)
#define A 0x10000
#define B 0x20000
#define HOLE 0xa0000 /* the VGA window has no memory */

static xengnttab_handle *open_table(void)
{
    xengnttab_handle *h;

    simxen_destroy(); /* of a test that failed */
    CHECK_EQ(simxen_create(1, 256, 0), 0);
    h = xengnttab_open(NULL, 0);
    CHECK(h);
    return h;
}

static void close_table(xengnttab_handle *h)
{
    xengnttab_close(h);
    CHECK_EQ(simxen()->live_grants, 0);
    simxen_destroy();
}

TEST(a_mapped_page_is_the_guests_and_cannot_be_taken_back)
{
    xengnttab_handle *h = open_table();
    uint32_t refs[] = { guest_grant(A, false), guest_grant(B, false) };
    uint8_t *p = xengnttab_map_domain_grant_refs(h, 2, SIMXEN_DOMID, refs, RW);

    CHECK(p);
    *guest_page(A + 5) = 1;
    p[SIMXEN_PAGE + 7] = 2;
    CHECK_EQ(p[5], 1);
    CHECK_EQ(*guest_page(B + 7), 2);
    CHECK_EQ(simxen()->live_grants, 2);
    CHECK(!guest_grant_end(refs[0]));
    CHECK_EQ(xengnttab_unmap(h, p, 1), -1); /* not a part */
    CHECK_EQ(xengnttab_unmap(h, p, 2), 0);
    CHECK(guest_grant_end(refs[0]));
    CHECK_EQ(xengnttab_unmap(h, p, 2), -1);
    close_table(h);
}

TEST(one_bad_reference_and_nothing_is_mapped)
{
    xengnttab_handle *h = open_table();
    uint32_t refs[] = { guest_grant(A, false), 0 };
    const uint32_t bad[] = { 12345, SIMXEN_GRANTS, guest_grant(HOLE, false), guest_grant(B, true) };

    for (unsigned i = 0; i < 4; i++) {
        refs[1] = bad[i];
        CHECK(!xengnttab_map_domain_grant_refs(h, 2, SIMXEN_DOMID, refs, RW));
        CHECK_EQ(errno, EINVAL);
        CHECK_EQ(simxen()->live_grants, 0);
    }
    CHECK(guest_grant_end(refs[0]));
    CHECK_EQ(simxen()->seen.grant_errors, 4);
    close_table(h);
}

TEST(a_read_only_grant_is_mapped_to_read_and_stays_so)
{
    xengnttab_handle *h = open_table();
    uint32_t ref = guest_grant(A, true);
    uint8_t *p = xengnttab_map_grant_ref(h, SIMXEN_DOMID, ref, PROT_READ);
    int zero = open("/dev/zero", O_RDONLY);

    CHECK(p);
    CHECK_EQ(simxen()->grants[ref].flags, GTF_permit_access | GTF_readonly | GTF_reading);
    CHECK_EQ(read(zero, p, 1), -1);
    CHECK_EQ(errno, EFAULT);
    close(zero);
    CHECK_EQ(xengnttab_unmap(h, p, 1), 0);
    close_table(h);
}

TEST(the_most_that_was_asked_for_is_all_there_is)
{
    xengnttab_handle *h = open_table();
    uint32_t ref = guest_grant(A, false);
    void *p;

    CHECK_EQ(xengnttab_set_max_grants(h, 1), 0);
    p = xengnttab_map_grant_ref(h, SIMXEN_DOMID, ref, RW);
    CHECK(p);
    CHECK(!xengnttab_map_grant_ref(h, SIMXEN_DOMID, ref, RW));
    CHECK_EQ(xengnttab_unmap(h, p, 1), 0);
    CHECK(xengnttab_map_grant_ref(h, SIMXEN_DOMID, ref, RW));
    close_table(h); /* which unmaps */
}

TEST(unmapping_clears_the_byte_and_tells_the_peer)
{
    xengnttab_handle *h = open_table();
    uint32_t remote;
    uint8_t *p;

    simxen_lock();
    CHECK_EQ(simxen_take_port(&remote), 0);
    simxen()->locals[9] = (struct simxen_local){ .used = true, .remote = remote };
    simxen_unlock();
    *guest_page(A + 17) = 0xff;
    p = xengnttab_map_grant_ref_notify(h, SIMXEN_DOMID, guest_grant(A, false), RW, 17, 9);
    CHECK(p);
    CHECK_EQ(simxen()->remotes[remote].wakes, 0);
    CHECK_EQ(xengnttab_unmap(h, p, 1), 0);
    CHECK_EQ(*guest_page(A + 17), 0);
    CHECK_EQ(simxen()->remotes[remote].wakes, 1);
    close_table(h);
}

TEST(a_copy_answers_for_each_segment)
{
    xengnttab_handle *h = open_table();
    uint32_t good = guest_grant(A, false), read_only = guest_grant(B, true);
    char in[16] = "", out[16] = "from the backend";
    xengnttab_grant_copy_segment_t segs[] = {
        { .source.foreign = { .ref = read_only, .offset = 4080, .domid = SIMXEN_DOMID },
          .dest.virt = in,
          .len = 16,
          .flags = GNTCOPY_source_gref },
        { .source.virt = out,
          .dest.foreign = { .ref = read_only, .domid = SIMXEN_DOMID },
          .len = 16,
          .flags = GNTCOPY_dest_gref },
        { .source.virt = out,
          .dest.foreign = { .ref = good, .offset = 8, .domid = SIMXEN_DOMID },
          .len = 16,
          .flags = GNTCOPY_dest_gref },
        { .source.foreign = { .ref = SIMXEN_GRANTS, .domid = SIMXEN_DOMID },
          .dest.virt = in,
          .len = 1,
          .flags = GNTCOPY_source_gref },
    };

    memcpy(guest_page(B + 4080), "from the guest!", 16);
    CHECK_EQ(xengnttab_grant_copy(h, 4, segs), 0);
    CHECK_EQ(segs[0].status, GNTST_okay);
    CHECK_STR(in, "from the guest!");
    CHECK_EQ((uint16_t)segs[1].status, (uint16_t)GNTST_general_error);
    CHECK_EQ(*guest_page(B), 0);
    CHECK_EQ(segs[2].status, GNTST_okay);
    CHECK_MEM(guest_page(A + 8), out, 16);
    CHECK_EQ((uint16_t)segs[3].status, (uint16_t)GNTST_bad_gntref);
    segs[0].source.foreign.offset = 4081; /* over the end of the page */
    CHECK_EQ(xengnttab_grant_copy(h, 4, segs), -1);
    CHECK_EQ(errno, EINVAL);
    close_table(h);
}
