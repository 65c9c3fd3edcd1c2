/* SPDX-License-Identifier: Apache-2.0 */
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "net_cksum.h"
#include "net_world.h"

static void c7_9_echo_comes_back_byte_for_byte_up_to_the_mtu(void **state)
{
	struct world *w = *state;
	const char *pairs[][2] = { { "10.1.0.2", "10.1.0.1" },
				   { "10.1.0.2", "10.1.0.10" },
				   { "fd00:1::2", "fd00:1::1" },
				   { "fe80::1", "fe80::ff:fe00:1" } };
	uint8_t data[1472];
	struct frame f, r;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 13);
	for (size_t k = 0; k < HD_ARRAY_SIZE(pairs); k++) {
		int v4 = k < 2;
		uint32_t l4 = v4 ? 34 : 54;

		for (uint32_t n = 0; n <= (v4 ? 1472u : 1452u); n += n < 8 ? 1 : 61) {
			struct hd_ip src, dst;

			frame_icmp(&f, pairs[k][0], pairs[k][1], v4 ? 8 : 128, 0, 0x12345678, data,
				   n);
			assert_int_equal(world_rx(w, 0, &f), 0);
			assert_int_equal(world_sent(w, 0, &r), f.n);
			assert_memory_equal(r.b, world_far_mac, 6);
			assert_int_equal(r.b[l4], v4 ? 0 : 129);
			assert_memory_equal(r.b + l4 + 4, f.b + l4 + 4, n + 4);
			src = ip_of(pairs[k][1]);
			dst = ip_of(pairs[k][0]);
			assert_int_equal(
				cksum_fold(cksum_add(v4 ? 0 : cksum_pseudo(&src, &dst, 58, n + 8),
						     r.b + l4, n + 8)),
				0xffff);
			if (v4) {
				assert_int_equal(cksum_fold(cksum_add(0, r.b + 14, 20)), 0xffff);
				assert_int_equal(r.b[22], 64);
				assert_int_equal(r.b[20] & 0x40, 0x40);
			}
			world_pass(w, 10 * HD_NS_PER_MS);
		}
	}
}

static void options_of_a_request_are_not_echoed(void **state)
{
	struct world *w = *state;
	struct frame f, r;

	frame_icmp(&f, "10.1.0.2", "10.1.0.1", 8, 0, 1, "abc", 3);
	memmove(f.b + 42, f.b + 34, f.n - 34);
	memcpy(f.b + 34, (const uint8_t[]){ 7, 7, 4, 0, 0, 0, 0, 0 }, 8);
	f.n += 8;
	f.b[14] = 0x47;
	f.b[17] += 8;
	frame_fix_ip4(&f);
	world_rx(w, 0, &f);
	assert_int_equal(world_sent(w, 0, &r), f.n - 8);
	assert_int_equal(r.b[14], 0x45);
	assert_memory_equal(r.b + 42, "abc", 3);
}

/* RFC 1122 3.2.2, RFC 4443 2.4 (e). */
static void c6_11_no_error_about_errors_fragments_groups_or_nobody(void **state)
{
	struct world *w = *state;
	static const uint8_t datagram[16] = { 0, 7, 0, 9, 0, 16, 0, 0 };
	struct frame f;

	frame_ip(&f, "10.1.0.2", "10.1.0.255", 17, datagram, sizeof(datagram));
	world_rx(w, 0, &f);
	frame_ip(&f, "10.1.0.2", "224.0.0.1", 17, datagram, sizeof(datagram));
	world_rx(w, 0, &f);
	frame_ip(&f, "fd00:1::2", "ff02::1", 17, datagram, sizeof(datagram));
	world_rx(w, 0, &f);
	frame_ip(&f, "::", "fd00:1::1", 17, datagram, sizeof(datagram));
	world_rx(w, 0, &f);
	frame_ip(&f, "10.1.0.2", "10.1.0.1", 17, datagram, sizeof(datagram));
	f.b[20] = 0x20; /* more fragments */
	frame_fix_ip4(&f);
	world_rx(w, 0, &f);
	for (uint8_t type = 3; type <= 12; type++) {
		if (type == 8)
			continue;
		frame_icmp(&f, "10.1.0.2", "10.1.0.1", type, 3, 0, datagram, sizeof(datagram));
		world_rx(w, 0, &f);
	}
	for (uint8_t type = 1; type <= 4; type++) {
		frame_icmp(&f, "fd00:1::2", "fd00:1::1", type, 0, 0, datagram, sizeof(datagram));
		world_rx(w, 0, &f);
	}
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
}

static void c7_9_bad_or_group_echo_is_silence(void **state)
{
	struct world *w = *state;
	struct frame f;

	frame_icmp(&f, "10.1.0.2", "10.1.0.1", 8, 0, 1, "abcdefgh", 8);
	f.b[45] ^= 1;
	world_rx(w, 0, &f);
	assert_int_equal(world_count(w, HD_NET_ICMP_CHECKSUM), 1);
	frame_icmp(&f, "10.1.0.2", "10.1.0.1", 8, 1, 1, NULL, 0);
	world_rx(w, 0, &f);
	frame_icmp(&f, "10.1.0.2", "10.1.0.255", 8, 0, 1, NULL, 0);
	world_rx(w, 0, &f);
	frame_icmp(&f, "10.1.0.2", "10.1.0.1", 8, 0, 1, NULL, 0);
	memset(f.b, 0xff, 6); /* our address in a broadcast frame */
	world_rx(w, 0, &f);
	frame_icmp(&f, "fd00:1::2", "ff02::1", 128, 0, 1, NULL, 0);
	world_rx(w, 0, &f);
	frame_icmp(&f, "::", "fd00:1::1", 128, 0, 1, NULL, 0);
	world_rx(w, 0, &f);
	frame_ip(&f, "10.1.0.2", "10.1.0.1", IPPROTO_ICMP, "\x08\0\xf7", 3);
	world_rx(w, 0, &f);
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
}

static void c7_9_and_c7_16_echo_is_rate_limited(void **state)
{
	struct world *w = *state;
	struct frame f;

	for (int k = 0; k < 3000; k++) {
		frame_icmp(&f, "10.1.0.2", "10.1.0.1", 8, 0, 1, NULL, 0);
		world_rx(w, 0, &f);
	}
	assert_int_equal(fake_device_sent(&w->dev[0]), 100);
	assert_int_equal(world_count(w, HD_NET_ICMP_RATE), 2900);
}

/* What an error quotes: the head of a segment of ours. */
static uint32_t quote(uint8_t *q, const char *local, const char *remote, uint32_t tcp_bytes)
{
	struct hd_ip l = ip_of(local), r = ip_of(remote);
	uint32_t at = hd_ip_is_v4(&l) ? 20 : 40;
	struct rte_tcp_hdr tcp = { .src_port = rte_cpu_to_be_16(80),
				   .dst_port = rte_cpu_to_be_16(4000),
				   .sent_seq = rte_cpu_to_be_32(77) };

	if (at == 20) {
		*(struct rte_ipv4_hdr *)q =
			(struct rte_ipv4_hdr){ .version_ihl = 0x45,
					       .total_length = rte_cpu_to_be_16(1500),
					       .next_proto_id = IPPROTO_TCP,
					       .src_addr = l.w[3],
					       .dst_addr = r.w[3] };
	} else {
		*(struct rte_ipv6_hdr *)q =
			(struct rte_ipv6_hdr){ .vtc_flow = rte_cpu_to_be_32(6u << 28),
					       .proto = IPPROTO_TCP };
		memcpy(q + 8, l.b, 16);
		memcpy(q + 24, r.b, 16);
	}
	memcpy(q + at, &tcp, tcp_bytes);
	return at + tcp_bytes;
}

static void c1_40_errors_about_our_segments_reach_tcp(void **state)
{
	struct world *w = *state;
	const struct {
		const char *local, *remote, *from;
		uint8_t type, code;
		uint32_t word;
		enum net_icmp what;
		uint32_t mtu;
	} cases[] = {
		{ "10.1.0.1", "10.1.0.2", "10.1.0.2", 3, 0, 0, NET_ICMP_SOFT, 0 },
		{ "10.1.0.1", "10.1.0.2", "10.1.0.2", 3, 1, 0, NET_ICMP_SOFT, 0 },
		{ "10.1.0.1", "10.1.0.2", "10.1.0.2", 3, 2, 0, NET_ICMP_HARD, 0 },
		{ "10.1.0.1", "10.1.0.2", "10.1.0.2", 3, 3, 0, NET_ICMP_HARD, 0 },
		{ "10.1.0.10", "10.1.0.2", "10.1.0.254", 3, 4, 1400, NET_ICMP_TOO_BIG, 1400 },
		{ "10.1.0.1", "10.1.0.2", "10.1.0.254", 3, 13, 0, NET_ICMP_HARD, 0 },
		{ "10.1.0.1", "10.1.0.2", "10.1.0.254", 11, 0, 0, NET_ICMP_SOFT, 0 },
		{ "10.1.0.1", "10.1.0.2", "10.1.0.254", 12, 0, 0, NET_ICMP_SOFT, 0 },
		{ "fd00:1::1", "fd00:1::2", "fd00:1::fe", 1, 0, 0, NET_ICMP_SOFT, 0 },
		{ "fd00:1::1", "fd00:1::2", "fd00:1::2", 1, 4, 0, NET_ICMP_HARD, 0 },
		{ "fd00:1::1", "fd00:1::2", "fd00:1::fe", 2, 0, 1280, NET_ICMP_TOO_BIG, 1280 },
		{ "fd00:1::1", "fd00:1::2", "fd00:1::fe", 3, 0, 0, NET_ICMP_SOFT, 0 },
		{ "fd00:1::1", "fd00:1::2", "fd00:1::2", 4, 1, 0, NET_ICMP_HARD, 0 },
	};
	struct frame f;

	for (size_t k = 0; k < HD_ARRAY_SIZE(cases); k++) {
		uint8_t q[64];
		uint32_t n = quote(q, cases[k].local, cases[k].remote, 8);

		frame_icmp(&f, cases[k].from, cases[k].local, cases[k].type, cases[k].code,
			   rte_cpu_to_be_32(cases[k].word), q, n);
		world_rx(w, 0, &f);
		assert_int_equal(w->n_icmp, k + 1);
		assert_int_equal(w->icmp_what, cases[k].what);
		assert_int_equal(w->icmp_mtu, cases[k].mtu);
		assert_int_equal(w->icmp_seq, 77);
		assert_int_equal(w->icmp_key.local_port, 80);
		assert_int_equal(w->icmp_key.remote_port, 4000);
		assert_true(hd_ip_eq(&w->icmp_key.remote,
				     &(struct hd_ip[]){ ip_of(cases[k].remote) }[0]));
	}
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
}

static void c6_6_errors_that_quote_nothing_of_ours_do_not(void **state)
{
	struct world *w = *state;
	uint8_t q[64];
	struct frame f;
	uint32_t n;

	for (uint32_t tcp_bytes = 0; tcp_bytes < 8; tcp_bytes++) {
		n = quote(q, "10.1.0.1", "10.1.0.2", tcp_bytes);
		frame_icmp(&f, "10.1.0.2", "10.1.0.1", 3, 3, 0, q, n);
		world_rx(w, 0, &f);
		n = quote(q, "fd00:1::1", "fd00:1::2", tcp_bytes);
		frame_icmp(&f, "fd00:1::2", "fd00:1::1", 1, 4, 0, q, n);
		world_rx(w, 0, &f);
	}
	n = quote(q, "10.1.0.9", "10.1.0.2", 8); /* somebody else's segment */
	frame_icmp(&f, "10.1.0.2", "10.1.0.1", 3, 3, 0, q, n);
	world_rx(w, 0, &f);
	n = quote(q, "10.1.0.1", "10.1.0.2", 8);
	q[9] = IPPROTO_UDP;
	frame_icmp(&f, "10.1.0.2", "10.1.0.1", 3, 3, 0, q, n);
	world_rx(w, 0, &f);
	for (uint8_t first = 0; first < 0x45; first++) {
		n = quote(q, "10.1.0.1", "10.1.0.2", 8);
		q[0] = first;
		frame_icmp(&f, "10.1.0.2", "10.1.0.1", 3, 3, 0, q, n);
		world_rx(w, 0, &f);
	}
	assert_int_equal(w->n_icmp, 0);
}

static void c6_10_and_c7_10_redirects_and_quench_are_ignored(void **state)
{
	struct world *w = *state;
	const uint8_t types[] = { 0, 4, 5, 9, 10, 13, 15, 17, 30, 42 };
	uint8_t q[64];
	struct frame f;

	for (size_t k = 0; k < HD_ARRAY_SIZE(types); k++) {
		uint32_t n = quote(q, "10.1.0.1", "10.1.0.2", 8);

		frame_icmp(&f, "10.1.0.254", "10.1.0.1", types[k], 1, 0, q, n);
		world_rx(w, 0, &f);
	}
	assert_int_equal(world_count(w, HD_NET_ICMP_IGNORED), HD_ARRAY_SIZE(types));
	assert_int_equal(w->n_icmp, 0);
	assert_int_equal(fake_device_sent(&w->dev[0]), 0);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(c7_9_echo_comes_back_byte_for_byte_up_to_the_mtu),
		WORLD_TEST(options_of_a_request_are_not_echoed),
		WORLD_TEST(c6_11_no_error_about_errors_fragments_groups_or_nobody),
		WORLD_TEST(c7_9_bad_or_group_echo_is_silence),
		WORLD_TEST(c7_9_and_c7_16_echo_is_rate_limited),
		WORLD_TEST(c1_40_errors_about_our_segments_reach_tcp),
		WORLD_TEST(c6_6_errors_that_quote_nothing_of_ours_do_not),
		WORLD_TEST(c6_10_and_c7_10_redirects_and_quench_are_ignored),
	};

	return cmocka_run_group_tests(tests, world_group_setup, NULL);
}
