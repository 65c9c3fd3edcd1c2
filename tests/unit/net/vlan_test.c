/* SPDX-License-Identifier: Apache-2.0 */
#include "net_vlan.h"
#include "net_world.h"

#define TAG_BYTES 4

/* A TCP segment to port 0, with a tag in the frame unless tci is 0. */
static struct rte_mbuf *frame_of(struct world *w, uint16_t tci, struct frame *plain)
{
	const struct tcp_args a = { .src = "10.1.0.2", .dst = "10.1.0.10", .dport = 80, .flags = 2 };
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);
	uint8_t *to;

	assert_non_null(m);
	frame_tcp(plain, &a);
	to = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(plain->n + (tci != 0 ? TAG_BYTES : 0)));
	assert_non_null(to);
	memcpy(to, plain->b, 12);
	if (tci != 0) {
		const uint8_t tag[TAG_BYTES] = { 0x81, 0, (uint8_t)(tci >> 8), (uint8_t)tci };

		memcpy(to + 12, tag, TAG_BYTES);
		to += TAG_BYTES;
	}
	memcpy(to + 12, plain->b + 12, plain->n - 12);
	return m;
}

static uint16_t type_of(const struct rte_mbuf *m)
{
	const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);

	return (uint16_t)(b[12] << 8 | b[13]);
}

/* 802.1Q: 12 bits of the tag are the VLAN, the other four its priority. */
static void the_tag_of_our_vlan_comes_off(void **state)
{
	struct frame plain;
	struct rte_mbuf *m = frame_of(*state, 0xe000 | 10, &plain);

	net_vlan_take(10, &m, 1);
	assert_int_equal(m->pkt_len, plain.n);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), plain.b, plain.n);
	rte_pktmbuf_free(m);
}

static void a_tag_that_the_driver_took_counts_as_one_in_the_frame(void **state)
{
	struct frame plain;
	struct rte_mbuf *m[2] = { frame_of(*state, 0, &plain), frame_of(*state, 0, &plain) };

	for (int i = 0; i < 2; i++) {
		m[i]->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		m[i]->vlan_tci = (uint16_t)(10 + i);
	}
	net_vlan_take(10, m, 2);
	assert_int_equal(type_of(m[0]), 0x0800);
	assert_int_equal(type_of(m[1]), 0x8100);
	rte_pktmbuf_free_bulk(m, 2);
}

static void frames_of_others_and_untagged_ones_are_not_ours(void **state)
{
	const uint16_t tags[] = { 11, 0, 0xe000 };
	struct frame plain;

	for (size_t i = 0; i < HD_ARRAY_SIZE(tags); i++) {
		struct rte_mbuf *m = frame_of(*state, tags[i], &plain);

		net_vlan_take(10, &m, 1);
		assert_int_equal(type_of(m), 0x8100);
		rte_pktmbuf_free(m);
	}
}

/* Two tags: the inner one is somebody else's network. */
static void a_second_tag_stays(void **state)
{
	struct frame plain;
	struct rte_mbuf *m = frame_of(*state, 10, &plain);

	m->vlan_tci = 10;
	assert_int_equal(net_vlan_put(10, &m), 0);
	net_vlan_take(10, &m, 1);
	assert_int_equal(type_of(m), 0x8100);
	rte_pktmbuf_free(m);
}

static void a_runt_is_left_alone(void **state)
{
	struct world *w = *state;
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);

	assert_non_null(rte_pktmbuf_append(m, 13));
	memset(rte_pktmbuf_mtod(m, void *), 0xaa, 13);
	net_vlan_take(10, &m, 1);
	assert_int_equal(m->pkt_len, 13);
	rte_pktmbuf_free(m);
}

static void what_leaves_has_the_tag(void **state)
{
	struct frame plain;
	struct rte_mbuf *m = frame_of(*state, 0, &plain);
	const uint8_t tag[TAG_BYTES] = { 0x81, 0, 0, 10 };
	const uint8_t *b;

	m->l2_len = 14;
	assert_int_equal(net_vlan_put(10, &m), 0);
	b = rte_pktmbuf_mtod(m, const uint8_t *);
	assert_int_equal(m->pkt_len, plain.n + TAG_BYTES);
	assert_memory_equal(b, plain.b, 12);
	assert_memory_equal(b + 12, tag, TAG_BYTES);
	assert_memory_equal(b + 12 + TAG_BYTES, plain.b + 12, plain.n - 12);
	assert_int_equal(m->l2_len, 14 + TAG_BYTES); /* checksum offload finds the IP header */
	rte_pktmbuf_free(m);
}

static void a_shared_frame_is_not_tagged(void **state)
{
	struct frame plain;
	struct rte_mbuf *m = frame_of(*state, 0, &plain);

	rte_mbuf_refcnt_update(m, 1);
	assert_int_not_equal(net_vlan_put(10, &m), 0);
	rte_mbuf_refcnt_update(m, -1);
	rte_pktmbuf_free(m);
}

static void a_tagged_frame_on_a_port_without_vlan_is_counted(void **state)
{
	struct world *w = *state;
	struct frame f = { .n = 64 };

	memcpy(f.b, (const uint8_t[]){ 2, 0, 0, 0, 0, 1 }, 6);
	memcpy(f.b + 6, world_far_mac, 6);
	f.b[12] = 0x81;
	f.b[15] = 10;
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(world_count(w, HD_NET_VLAN), 1);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(the_tag_of_our_vlan_comes_off),
		WORLD_TEST(a_tag_that_the_driver_took_counts_as_one_in_the_frame),
		WORLD_TEST(frames_of_others_and_untagged_ones_are_not_ours),
		WORLD_TEST(a_second_tag_stays),
		WORLD_TEST(a_runt_is_left_alone),
		WORLD_TEST(what_leaves_has_the_tag),
		WORLD_TEST(a_shared_frame_is_not_tagged),
		WORLD_TEST(a_tagged_frame_on_a_port_without_vlan_is_counted),
	};

	return cmocka_run_group_tests(tests, world_group_setup, NULL);
}
