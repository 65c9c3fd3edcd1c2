/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of legs with TLS share: records as the fake tls has them. */
#ifndef TESTS_PROXY_BED_SECURE_H
#define TESTS_PROXY_BED_SECURE_H

#include "bed_talk.h"

#define CLIENT "spiffe://td/ns/shop/sa/client"
#define BACKEND "spiffe://td/ns/shop/sa/web"

static inline void say(struct tcp_conn *c, uint8_t type, const char *payload)
{
	static uint8_t out[20000];

	fake_tcp_say_bytes(c, out, fake_tls_record(type, payload, (uint32_t)strlen(payload), out));
}

static inline void say_data(struct tcp_conn *c, const char *text)
{
	say(c, 23, text);
}

/* What came in records since the last call. */
static inline const char *heard(struct tcp_conn *c)
{
	uint32_t from = c->text_read;
	const char *text;

	c->text_read = c->text_n;
	text = fake_tls_read(c->text + from, c->text_n - from);
	assert_non_null(text);
	return text;
}

/* The listener asks for the mesh's TLS as `mode` says. */
static inline void secure_inbound(struct bed *b, uint8_t mode)
{
	b->tls_options.contexts[0] =
		(struct fake_tls_context){ .is_set = 1, .wants_peer = 1, .prefix = "spiffe://td/" };
	b->tls_options.contexts[1] = (struct fake_tls_context){ .is_set = 1, .prefix = BACKEND };
	b->tls_options.contexts[2] = (struct fake_tls_context){ .is_set = 1 };
	b->listener.inbound = mode;
	b->listener.tls_context = 1;
	bed_publish(b);
}

static inline struct tcp_conn *secure_caller(struct bed *b, const char *hello)
{
	struct tcp_conn *c = bed_caller(b);

	say(c, 22, hello);
	bed_run(b);
	return c;
}

#define MESH_HELLO "sni=outbound_.80_._.web alpn=istio-http/1.1,istio,http/1.1 id=" CLIENT

#endif
