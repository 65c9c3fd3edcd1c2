/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests with hand-written segments share: one stack at end 0, the test's peer at end 1. */
#ifndef TESTS_TCP_RAW_H
#define TESTS_TCP_RAW_H

#include "pair.h"

#define MS HD_NS_PER_MS
#define ACK PKT_TCP_ACK
#define SYN PKT_TCP_SYN
#define FIN PKT_TCP_FIN
#define RST PKT_TCP_RST
#define PSH PKT_TCP_PSH

static struct pair p;
static struct raw_peer r;
static uint8_t stream_bytes[400000];

static const __attribute__((unused)) struct tcp_options plain = { .present = TCP_OPTION_MSS,
								  .mss = 1460 };
static const __attribute__((unused)) struct tcp_options sack = {
	.present = TCP_OPTION_MSS | TCP_OPTION_SACK_OK | TCP_OPTION_SCALE, .mss = 1460, .scale = 7
};
static const __attribute__((unused)) struct tcp_options full = {
	.present = TCP_OPTION_MSS | TCP_OPTION_SACK_OK | TCP_OPTION_SCALE | TCP_OPTION_TS,
	.mss = 1460,
	.scale = 7,
	.tsval = 5000
};

/* What the peer at end 1 writes is what streams of end 0 expect. */
static __attribute__((unused)) const uint8_t *bytes_at(uint64_t offset)
{
	return stream_bytes + offset;
}

static __attribute__((unused)) struct pair_stream *begin(const struct tcp_options *o)
{
	pair_init(&p, 1, NULL, NULL);
	r = (struct raw_peer){ .nxt = 100000 };
	return raw_open(&r, &p, o);
}

static __attribute__((unused)) void finish(void)
{
	for (uint32_t i = 0; i < p.n_streams; i++)
		if (p.stream[i].c != NULL)
			tcp_abort(p.stream[i].c);
	pair_fini(&p);
}

static __attribute__((unused)) void expect_silence(hd_ns time)
{
	const struct pair_segment *s = raw_expect(&r, time);

	if (s != NULL) {
		pair_dump(&p, 0);
		fail_msg("not silent");
	}
}

static __attribute__((unused)) const struct pair_segment *expect(uint8_t flags, hd_ns limit)
{
	const struct pair_segment *s = raw_expect(&r, limit);

	if (s == NULL)
		pair_dump(&p, 0);
	assert_non_null(s);
	if ((s->flags & ~PSH) != flags) {
		pair_dump(&p, 0);
		fail_msg("flags %02x instead of %02x", s->flags, flags);
	}
	return s;
}

static __attribute__((unused)) void write_stream(struct pair_stream *s, uint32_t n)
{
	s->write_chunk = 16384;
	s->to_send += n;
	tcp_ready_again(s->c, TCP_EV_WRITABLE);
	pair_run_for(&p, 0);
	pair_run_for(&p, 0);
}

/* All data segments now on the wire, acknowledged up to their end. */
static __attribute__((unused)) uint32_t collect(void)
{
	const struct pair_segment *s;
	uint32_t n = 0;

	while ((s = pair_next(&p, &r.cursor)) != NULL) {
		if (s->len != 0 || s->flags & FIN) {
			r.rcv = seq_max(r.rcv, s->seq + s->len + !!(s->flags & FIN));
			n++;
		}
		if (s->opt.present & TCP_OPTION_TS)
			r.ts_echo = s->opt.tsval;
	}
	return n;
}

static void fill_stream(void)
{
	for (uint32_t i = 0; i < sizeof(stream_bytes); i++)
		stream_bytes[i] = pair_byte(1001, i);
}

#endif
