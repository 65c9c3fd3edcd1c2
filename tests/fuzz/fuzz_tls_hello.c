/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the beginning of a stream: the look into a ClientHello reads nothing past its end,
 * and says the same however the bytes lie in buffers. The first byte of the input is the size of
 * the pieces. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>

#include "pkt.h"
#include "tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rte_mempool *bufs;

static void start(void)
{
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
	if (bufs == NULL)
		abort();
}

static enum tls_sniff sniff(const uint8_t *p, size_t n, size_t piece, struct tls_hello *h)
{
	struct bufq q = { 0 };
	enum tls_sniff v;

	for (size_t at = 0; at < n;) {
		size_t k = piece < n - at ? piece : n - at;
		struct rte_mbuf *m = rte_pktmbuf_alloc(bufs);
		assert(m != NULL);
		memcpy(rte_pktmbuf_append(m, (uint16_t)k), p + at, k);
		/* No room behind it: each piece stays a buffer of its own. */
		m->buf_len = (uint16_t)(m->data_off + m->data_len);
		bufq_append(&q, m);
		at += k;
	}
	v = tls_sniff(&q, h);
	while (q.head != NULL) {
		q.head->buf_len = (uint16_t)(RTE_MBUF_DEFAULT_BUF_SIZE);
		bufq_consume(&q, q.head->data_len);
	}
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_hello a, b;
	enum tls_sniff v;

	if (bufs == NULL)
		start();
	if (size < 1)
		return 0;
	size = size < 4000 ? size : 4000;
	v = sniff(data + 1, size - 1, 1500, &a);
	assert(v == sniff(data + 1, size - 1, 1 + data[0], &b));
	assert(a.sni_n <= 255 && a.sni[a.sni_n] == '\0');
	assert(memcmp(&a, &b, sizeof(a)) == 0);
	return 0;
}
