/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include "dm/base/bytes.h"
#include "pv-backends/net/shared.h"

#define GROUP_SET (1ull << 48)

void net_shared_init(struct net_shared *s, unsigned queues)
{
    memset(s, 0, sizeof(*s));
    s->queues = queues;
}

/* ---- Multicast groups ---- */

static uint64_t word_of(const uint8_t address[6])
{
    return GROUP_SET | (uint64_t)get_be16(address) << 32 | get_be32(address + 2);
}

static bool find_group(struct net_shared *s, uint64_t word, unsigned *at)
{
    for (*at = 0; *at < NET_GROUPS_MOST; ++*at)
        if (atomic_load_explicit(&s->groups[*at], memory_order_relaxed) == word)
            return true;
    return false;
}

bool net_group_add(struct net_shared *s, const uint8_t address[6])
{
    uint64_t word = word_of(address), none = 0;
    unsigned at;

    if (find_group(s, word, &at))
        return true;
    for (at = 0; at < NET_GROUPS_MOST; at++, none = 0)
        if (atomic_compare_exchange_strong(&s->groups[at], &none, word))
            return true;
    return false;
}

/* Two queues that add the same one at once may have it twice. */
void net_group_drop(struct net_shared *s, const uint8_t address[6])
{
    uint64_t word = word_of(address);
    unsigned at;

    while (find_group(s, word, &at))
        atomic_store(&s->groups[at], 0);
}

bool net_group_wants(struct net_shared *s, const uint8_t address[6])
{
    static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    unsigned at;

    return !(address[0] & 1) || !atomic_load_explicit(&s->filter, memory_order_relaxed) ||
           !memcmp(address, everybody, 6) || find_group(s, word_of(address), &at);
}

/* ---- Hashing ---- */

void net_steering_refresh(struct net_steering *c, struct net_shared *s)
{
    uint32_t now = atomic_load_explicit(&s->generation, memory_order_acquire);

    if (now == c->generation)
        return;
    c->generation = now; /* what is written from here on comes with another number */
    c->algorithm = atomic_load(&s->algorithm);
    c->types = atomic_load(&s->types);
    c->size = atomic_load(&s->size);
    for (unsigned i = 0; i < NET_KEY_BYTES; i++)
        c->key[i] = s->key[i];
    for (unsigned i = 0; i < NET_MAPPING_MOST; i++)
        c->mapping[i] = s->mapping[i];
}

static struct net_control_answer say(uint32_t status, uint32_t data)
{
    return (struct net_control_answer){ status, data };
}

static struct net_control_answer set_key(struct net_shared *s, const uint32_t data[3],
                                         net_fetch_fn *fetch, void *arg)
{
    uint8_t key[NET_KEY_BYTES] = { 0 };

    if (data[1] > NET_KEY_BYTES)
        return say(NET_CONTROL_OVERFLOW, 0);
    if (data[1] && !fetch(arg, data[0], key, data[1]))
        return say(NET_CONTROL_INVALID, 0);
    for (unsigned i = 0; i < NET_KEY_BYTES; i++)
        s->key[i] = key[i];
    return say(NET_CONTROL_OKAY, 0);
}

static struct net_control_answer set_size(struct net_shared *s, uint32_t size)
{
    if (size > NET_MAPPING_MOST)
        return say(NET_CONTROL_INVALID, 0);
    for (unsigned i = 0; i < NET_MAPPING_MOST; i++)
        s->mapping[i] = 0;
    s->size = size;
    return say(NET_CONTROL_OKAY, 0);
}

static struct net_control_answer set_mapping(struct net_shared *s, const uint32_t data[3],
                                             net_fetch_fn *fetch, void *arg)
{
    uint8_t words[4 * NET_MAPPING_MOST];
    unsigned size = s->size, count = data[1], at = data[2];

    if (count > NET_MAPPING_MOST)
        return say(NET_CONTROL_OVERFLOW, 0);
    if (at > size || count > size - at || (count && !fetch(arg, data[0], words, 4 * count)))
        return say(NET_CONTROL_INVALID, 0);
    for (unsigned i = 0; i < count; i++)
        if (get_le32(words + 4 * i) >= s->queues)
            return say(NET_CONTROL_INVALID, 0);
    for (unsigned i = 0; i < count; i++)
        s->mapping[at + i] = (uint8_t)get_le32(words + 4 * i);
    return say(NET_CONTROL_OKAY, 0);
}

static struct net_control_answer handle(struct net_shared *s, const struct net_control_request *r,
                                        net_fetch_fn *fetch, void *arg)
{
    switch (r->type) {
    case 1: /* GET_HASH_FLAGS */
        return s->algorithm ? say(NET_CONTROL_OKAY, NET_HASH_TYPES)
                            : say(NET_CONTROL_NOT_SUPPORTED, 0);
    case 2: /* SET_HASH_FLAGS */
        if (r->data[0] & ~NET_HASH_TYPES || !s->algorithm)
            return say(NET_CONTROL_INVALID, 0);
        s->types = r->data[0];
        return say(NET_CONTROL_OKAY, 0);
    case 3:
        return set_key(s, r->data, fetch, arg);
    case 4: /* GET_HASH_MAPPING_SIZE */
        return say(NET_CONTROL_OKAY, NET_MAPPING_MOST);
    case 5:
        return set_size(s, r->data[0]);
    case 6:
        return set_mapping(s, r->data, fetch, arg);
    case 7: /* SET_HASH_ALGORITHM */
        if (r->data[0] > 1)
            return say(NET_CONTROL_INVALID, 0);
        s->algorithm = r->data[0];
        return say(NET_CONTROL_OKAY, 0);
    default: /* static grants, and what is not known yet */
        return say(NET_CONTROL_NOT_SUPPORTED, 0);
    }
}

struct net_control_answer net_control(struct net_shared *s, const struct net_control_request *r,
                                      net_fetch_fn *fetch, void *arg)
{
    struct net_control_answer answer = handle(s, r, fetch, arg);

    atomic_fetch_add_explicit(&s->generation, 1, memory_order_release);
    return answer;
}
