/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>
#include "dm/base/histogram.h"
#include "dm/control/metrics.h"
#include "tests/kit/check.h"

TEST(a_bucket_counts_what_is_below_its_limit)
{
    struct histogram h = { 0 };

    histogram_add(&h, 0);
    histogram_add(&h, 63);
    histogram_add(&h, 64);
    histogram_add(&h, 127);
    histogram_add(&h, 128);
    histogram_add(&h, UINT64_MAX / 2);
    CHECK_EQ(h.count, 6);
    CHECK_EQ(h.bucket[0], 2);
    CHECK_EQ(h.bucket[1], 2);
    CHECK_EQ(h.bucket[2], 1);
    CHECK_EQ(h.bucket[HISTOGRAM_BUCKETS - 1], 1);
    CHECK_EQ(histogram_limit(0), 64);
    CHECK_EQ(histogram_limit(2), 256);
    CHECK_EQ(histogram_limit(HISTOGRAM_BUCKETS - 1), UINT64_MAX);
}

TEST(text_has_families_together_labels_quoted_and_histograms_cumulated)
{
    json_t *list = json_pack(
        "[{s:s,s:s,s:{s:s},s:i},{s:s,s:s,s:{},s:i},{s:s,s:s,s:{s:s},s:i},"
        "{s:s,s:s,s:{s:s},s:i,s:f,s:[{s:f,s:i}]}]",
        "name", "a_total", "type", "counter", "labels", "x", "say \"hi\"\\\n", "value", 3, "name",
        "b", "type", "gauge", "labels", "value", 7, "name", "a_total", "type", "counter", "labels",
        "x", "2", "value", 4, "name", "h_seconds", "type", "histogram", "labels", "l", "m",
        "count", 5, "sum", 0.25, "buckets", "le", 6.4e-8, "count", 2);
    char *text;

    CHECK(list);
    text = metrics_text(list);
    CHECK_STR(text, "# TYPE a_total counter\n"
                    "a_total{x=\"say \\\"hi\\\"\\\\\\n\"} 3\n"
                    "a_total{x=\"2\"} 4\n"
                    "# TYPE b gauge\n"
                    "b 7\n"
                    "# TYPE h_seconds histogram\n"
                    "h_seconds_bucket{l=\"m\",le=\"6.4e-08\"} 2\n"
                    "h_seconds_bucket{l=\"m\",le=\"+Inf\"} 5\n"
                    "h_seconds_sum{l=\"m\"} 0.250000000\n"
                    "h_seconds_count{l=\"m\"} 5\n");
    free(text);
    json_decref(list);
}
