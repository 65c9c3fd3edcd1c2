/* SPDX-License-Identifier: Apache-2.0 */
/* Any records on an open connection, with a cipher that lets everything pass: no crash, no leak,
 * every byte accounted for, and nothing after the end.
 *
 * Input: one byte (bit 0: 1.2, bit 1: client, bits 2-3: cipher), then operations of a byte:
 *   0x00-0x7f  a record: inner or outer type 20 + (op & 7), its length in the next two bytes (cut
 * to 17,000), filled with the bytes that follow and then zeros; arrives in one piece 0x80-0xbf  op
 * & 63 raw bytes of the input arrive 0xc0-0xdf  (op & 31) * 600 bytes are sent 0xe0-0xef
 * close_notify is sent 0xf0-0xff  from now on TCP has no space (odd) or has (even) */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>

#include "pkt.h"
#include "tls_conn.h"
#include "tls_threads.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rte_mempool *bufs, *indirect;
static struct hd_worker_stats stats;
static struct tls_threads *threads;
static struct tls *tls;

struct input {
	const uint8_t *p;
	size_t n;
};

static void stop(void)
{
	tls_destroy(tls);
	tls_threads_destroy(threads);
}

static void start(void)
{
	static const struct tls_threads_config tc = { .n_workers = 1 };
	struct tls_config c = { .max_connections = 4, .max_handshakes = 4, .stats = &stats };
	char prefix[64];
	char *argv[] = {
		"fuzz-tls", "--no-huge",      "--no-pci",	   "-m",  "64", "--no-shconf", "-l",
		"0",	    "--no-telemetry", "--log-level=error", prefix
	};

	snprintf(prefix, sizeof(prefix), "--file-prefix=fuzz-tls-%d", getpid());
	if (rte_eal_init(HD_ARRAY_SIZE(argv), argv) < 0)
		abort();
	bufs = rte_pktmbuf_pool_create("bufs", 8191, 0, PKT_PRIV_SIZE, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	indirect = rte_pktmbuf_pool_create("indirect", 8191, 0, PKT_PRIV_SIZE, 0, SOCKET_ID_ANY);
	c.bufs = bufs;
	c.indirect = indirect;
	c.threads = threads = tls_threads_create(&tc);
	tls = threads != NULL ? tls_create(&c, 0) : NULL;
	if (bufs == NULL || indirect == NULL || tls == NULL)
		abort();
	atexit(stop);
}

static struct tls_conn *make(uint8_t how)
{
	static const uint16_t suites[2][4] = { { 0x1301, 0x1302, 0x1303, 0x1301 },
					       { 0xc02b, 0xc02c, 0xcca8, 0xc02f } };
	struct tls_conn *c = core_pool_get(&tls->conns);

	memset(c, 0, sizeof(*c));
	c->tls = tls;
	c->phase = TLS_PHASE_OPEN;
	c->role = how >> 1 & 1 ? HD_TLS_CLIENT : HD_TLS_SERVER;
	c->suite = tls_suite_index(tls_suite_find(suites[how & 1][how >> 2 & 3]));
	c->is_1_3 = !(how & 1);
	c->limit = TLS_PLAIN_MAX;
	return c;
}

static uint32_t take(struct input *in, void *out, size_t n)
{
	n = n < in->n ? n : in->n;
	memcpy(out, in->p, n);
	in->p += n;
	in->n -= n;
	return (uint32_t)n;
}

static void arrive(struct bufq *q, const void *p, uint32_t n)
{
	if (n > 0 && bufq_copy_in(q, p, n, bufs) < 0)
		abort();
}

static void arrive_record(struct bufq *q, struct input *in, uint8_t op, const struct tls_conn *c)
{
	static uint8_t record[17100];
	uint8_t length[2] = { 0 };
	uint32_t n, overhead = c->is_1_3 ? 17 : 16u + tls_conn_suite(c)->explicit_bytes;

	take(in, length, 2);
	n = (uint32_t)(length[0] << 8 | length[1]);
	n = n < 17000 ? n : 17000;
	memset(record, 0, sizeof(record));
	record[0] = c->is_1_3 ? 23 : (uint8_t)(20 + (op & 7));
	record[1] = record[2] = 3;
	record[3] = (uint8_t)((n + overhead) >> 8);
	record[4] = (uint8_t)(n + overhead);
	take(in, record + 5 + (c->is_1_3 ? 0 : tls_conn_suite(c)->explicit_bytes), n < 64 ? n : 64);
	if (c->is_1_3)
		record[5 + n] = (uint8_t)(20 + (op & 7));
	arrive(q, record, 5 + n + overhead);
}

static void send_some(struct tls_conn *c, uint32_t n, struct bufq *wire)
{
	static uint8_t zeros[31 * 600];
	struct bufq q = { 0 };

	arrive(&q, zeros, n);
	if (tls_send(c, &q, wire, 0) < 0)
		abort();
	assert(q.bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct bufq received = { 0 }, plain = { 0 }, wire = { 0 };
	uint32_t space = 1, ended = 0;
	struct tls_conn *c;
	uint8_t op = 0;

	if (tls == NULL)
		start();
	take(&in, &op, 1);
	c = make(op);
	while (take(&in, &op, 1) == 1) {
		struct tls_io io = {
			.in = &received, .plain = &plain, .wire = &wire, .plain_room = 40000
		};
		uint8_t raw[64];
		uint32_t before, events;
		if (op < 0x80)
			arrive_record(&received, &in, op, c);
		else if (op < 0xc0)
			arrive(&received, raw, take(&in, raw, op & 63));
		else if (op < 0xe0)
			send_some(c, (op & 31) * 600u, &wire);
		else if (op < 0xf0)
			tls_close(c, &wire);
		else
			space = !(op & 1);
		io.wire_space = space;
		io.fin = in.n == 0;
		before = received.bytes;
		events = tls_pump(c, &io, 0);
		assert(before - received.bytes == io.overhead + plain.bytes);
		assert(!ended || plain.bytes == 0);
		assert(!(events & TLS_EV_FAILED) || tls_conn_failure(c) != 0);
		ended |= events & (TLS_EV_EOF | TLS_EV_FAILED);
		bufq_clear(&plain);
		bufq_clear(&wire);
	}
	tls_release(c);
	bufq_clear(&received);
	assert(rte_mempool_in_use_count(bufs) == 0 && rte_mempool_in_use_count(indirect) == 0);
	return 0;
}
