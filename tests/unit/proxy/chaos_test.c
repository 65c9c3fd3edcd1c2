/* SPDX-License-Identifier: Apache-2.0 */
/* Callers, backends, time and policy do whatever they like, in any order. Whatever happens, the
 * proxy keeps its books: at the end no buffer, connection, exchange or count is left, and no caller
 * got an answer that it did not ask for. A seed reproduces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bed.h"
#include "policy_world.h"
#include "proxy_pool.h"
#include "proxy_random.h"

#define STEPS 140

/* Policies of workloads: each may be any endpoint's. */
#define POLICY(name, app, spec)                                                                    \
	"---\napiVersion: v1\nkind: Service\nmetadata: {name: " app "}\n"                          \
	"spec: {selector: {app: " app "}, ports: [{name: http, port: 80}]}\n---\napiVersion: v1\n"  \
	"kind: Pod\nmetadata: {name: " app ", labels: {app: " app "}}\n"                            \
	"spec: {containers: [{name: c}]}\nstatus: {podIP: 10.2.9." name ", phase: Running}\n---\n"  \
	"apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p" name      \
	"}\nspec: {selector: {matchLabels: {app: " app "}}, " spec "}\n"

static const char policies[] =
	POLICY("1", "a", "rules: [{from: [{source: {principals: [td/ns/n/sa/a]}}]}]")
	POLICY("2", "b", "action: DENY, rules: [{when: [{key: connection.sni, values: [a.test]}]}]")
	POLICY("3", "c", "rules: [{to: [{operation: {paths: [/a, /b]}}]}]");

static struct policy_world world;

static struct proxy_random rnd;
static int is_secure; /* every other seed speaks TLS */

static uint32_t below(uint32_t n)
{
	return proxy_random_below(&rnd, n);
}

static const char *const requests[] = {
	"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
	"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789",
	"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	"POST /b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nabcd",
	"GET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
	"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	"GET /d HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
	"\r\n\r\nGET /e HTTP/1.1\r\nHost: a\r\n\r\nGET /f HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n1\r\nc\r\n"
	"1\r\nd\r\n1\r\ne\r\n1\r\nf\r\n1\r\ng\r\n1\r\nh\r\n0\r\n\r\n",
};

static const char *const answers[] = {
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\n\r\nuntil close",
	"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 204 No\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\n",
	"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
	"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nbad",
	"garbage\r\n\r\n",
	"0\r\n\r\n",
};

static void say_some(struct tcp_conn *c, const void *bytes, uint32_t n)
{
	uint32_t from = below(4) ? 0 : below(n), k = below(3) ? n - from : below(n - from + 1);

	if (k > 0)
		fake_tcp_say_bytes(c, (const uint8_t *)bytes + from, k);
}

static const char *const hellos[] = {
	"sni=a.test alpn=istio id=spiffe://td/ns/n/sa/a",
	"sni=b.test alpn=http/1.1 id=spiffe://td/ns/n/sa/a",
	"ok id=spiffe://td/ns/n/sa/b",
	"ok id=spiffe://other/ns/n/sa/b",
	"alpn=istio",
};

/* Records of every kind, whole in most cases, in their order or not. */
static void say_record(struct tcp_conn *c, const char *text)
{
	uint8_t out[1024];
	uint32_t n;

	switch (below(8)) {
	case 0:
		n = fake_tls_record(21, below(3) ? "close" : "fatal", 5, out);
		break;
	case 1:
	case 2:
	case 3:
		text = hellos[below(HD_ARRAY_SIZE(hellos))];
		n = fake_tls_record(22, text, (uint32_t)strlen(text), out);
		break;
	default:
		n = fake_tls_record(23, text, (uint32_t)strlen(text), out);
	}
	if (below(12))
		fake_tcp_say_bytes(c, out, n);
	else
		say_some(c, out, n);
}

/* A random piece of a text, often all of it. */
static void say_piece(struct tcp_conn *c, const char *text)
{
	if (is_secure && below(6))
		say_record(c, text);
	else
		say_some(c, text, (uint32_t)strlen(text));
}

static struct tcp_conn *any_conn(struct bed *b, int active)
{
	uint32_t n = b->tcp->n, at;

	if (n == 0)
		return NULL;
	at = below(n);
	for (uint32_t i = 0; i < n; i++) {
		struct tcp_conn *c = &b->tcp->conns[(at + i) % n];
		if (c->is_live && c->is_active == active)
			return c;
	}
	return NULL;
}

/* A connection that ended says nothing more, and one that is not up yet says nothing yet. */
static int may_speak(const struct tcp_conn *c)
{
	return c != NULL && !c->chaos_over && (!c->is_active || c->chaos_up);
}

static void shake_conn(struct tcp_conn *c)
{
	switch (below(5)) {
	case 0:
		if (may_speak(c)) {
			c->chaos_over = 1;
			fake_tcp_fin(c);
		}
		break;
	case 1:
		if (c->chaos_over < 2) {
			c->chaos_over = 2;
			fake_tcp_reset(c, below(2) ? TCP_ERR_RESET : TCP_ERR_TIMEOUT);
		}
		break;
	case 2:
		fake_tcp_ack(c);
		break;
	default:
		fake_tcp_set_space(c, below(3) ? 262144 : below(40));
	}
}

static void shake_tls(struct bed *b)
{
	b->tls_options.latency = below(2) ? 0 : below(100) * HD_NS_PER_MS;
	b->tls_options.seal_fails = below(4) == 0 ? (int)below(4) : 0;
	for (uint32_t i = 0; i < FAKE_TLS_CONTEXTS; i++)
		b->tls_options.contexts[i] =
			(struct fake_tls_context){ .is_set = below(8) != 0,
						   .wants_peer = below(2) != 0,
						   .prefix = below(2) ? "spiffe://td/" : NULL };
	b->listener.inbound = (uint8_t)below(3);
	b->listener.tls_context = 1;
	b->listener.servers_count = below(4) == 0 ? 2 : 0;
	b->servers[0] = (struct hd_tls_server){ .text = BED_TEXT("a.test"), .context = below(3) };
	b->servers[1] = (struct hd_tls_server){ .kind = HD_DOMAIN_ANY,
						.context = below(2),
						.protocol = HD_PROTO_TCP };
	for (uint32_t i = 0; i < BED_ENDPOINTS; i++)
		b->endpoints[i].tls_context = below(3);
}

/* Cluster 1 has endpoints 4 on. */
static void shake_mirrors(struct bed *b)
{
	b->clusters[1].endpoints_first = 4;
	b->clusters[1].endpoints_count = below(3);
	b->routes[0].extras = below(2);
	b->extras[0] = (struct hd_extras){ .mirrors_count = below(3) };
	for (uint32_t i = 0; i < 2; i++)
		b->mirrors[i] = (struct hd_mirror){ .cluster = below(2),
						    .share = { .per_million = 1 + below(1000000),
							       .die = i } };
}

static uint32_t any_authz(void)
{
	const struct hd_snapshot *s = world.snapshot;

	return below(2) ? s->endpoints[below(s->n_endpoints)].authz : 0;
}

static void shake_authz(struct bed *b)
{
	b->authz = world.snapshot->authz;
	for (uint32_t i = 0; i < BED_ENDPOINTS; i++)
		b->endpoints[i].authz = any_authz();
}

static void shake_choice(struct bed *b)
{
	b->routes[0].destinations_count = 1 + below(2);
	b->routes[0].total_weight = 0;
	for (uint32_t i = 0; i < b->routes[0].destinations_count; i++) {
		b->destinations[i] = (struct hd_destination){ .cluster = below(2),
							      .weight = 1 + below(9),
							      .edits = below(2) };
		b->routes[0].total_weight += b->destinations[i].weight;
	}
	b->edits[0] = (struct hd_edits){ .response_count = 1, .authority = BED_TEXT("b") };
	b->edit_list[0] = (struct hd_edit){ .kind = HD_EDIT_SET,
					    .name = BED_TEXT("x-sni"),
					    .pieces_count = 1 };
	b->pieces[0] = (struct hd_piece){ .kind = HD_PIECE_SERVER_NAME };
}

static void shake_policy(struct bed *b)
{
	struct hd_route *r = &b->routes[0];

	r->retry.on = below(2) ? HD_RETRY_5XX | HD_RETRY_CONNECT_FAILURE : HD_RETRY_CONNECT_FAILURE;
	r->retry.attempts = (uint16_t)below(3);
	r->retry.per_try_timeout = below(3) ? 0 : 50 * HD_NS_PER_MS;
	r->timeout = below(3) ? 0 : 200 * HD_NS_PER_MS;
	b->listener.protocol = below(3) == 0 ? HD_PROTO_TCP : HD_PROTO_HTTP;
	b->listener.cluster = 0;
	b->clusters[0].idle_timeout = below(2) * HD_NS_PER_S;
	b->clusters[0].max_connection_duration = below(2) * HD_NS_PER_S;
	b->clusters[0].endpoints_count = below(4);
	b->clusters[0].lb = (uint8_t)below(3);
	b->clusters[0].max_connections = below(2) ? UINT32_MAX : 1 + below(3);
	b->clusters[0].max_pending_requests = below(2) ? UINT32_MAX : 1 + below(3);
	b->clusters[0].max_requests = below(2) ? UINT32_MAX : 1 + below(5);
	b->clusters[0].max_requests_per_connection = below(3);
	b->clusters[0].max_retries = below(2) ? UINT32_MAX : 1;
	for (uint32_t i = 0; i < BED_ENDPOINTS; i++) {
		b->endpoints[i].weight = 1 + below(2);
		if (below(6) == 0) /* the slot stands for another address now */
			b->endpoints[i].addr.port++;
	}
	shake_mirrors(b);
	shake_authz(b);
	shake_choice(b);
	if (is_secure)
		shake_tls(b);
	bed_publish(b);
}

static void step(struct bed *b)
{
	struct tcp_conn *down = any_conn(b, 0), *up = any_conn(b, 1);

	switch (below(12)) {
	case 0:
		if (b->tcp->n < FAKE_TCP_MAX - 40)
			bed_caller(b);
		break;
	case 1:
	case 2:
	case 3:
		if (may_speak(down))
			say_piece(down, requests[below(HD_ARRAY_SIZE(requests))]);
		break;
	case 4:
	case 5:
	case 6:
		if (may_speak(up))
			say_piece(up, answers[below(HD_ARRAY_SIZE(answers))]);
		break;
	case 7:
		if (up != NULL && !up->chaos_up && !up->chaos_over) {
			up->chaos_up = 1;
			fake_tcp_connected(up);
		}
		break;
	case 8:
		if (below(2) ? down != NULL : up != NULL)
			shake_conn(down != NULL && (up == NULL || below(2)) ? down : up);
		break;
	case 9:
		b->health[below(BED_ENDPOINTS)] = below(2) ? HD_EP_HEALTHY : HD_EP_EJECTED;
		b->tcp->refuse_connect = below(8) == 0;
		break;
	case 10:
		if (below(4) == 0)
			shake_policy(b);
		break;
	default:
		b->now += below(200) * HD_NS_PER_MS;
	}
	if (below(3))
		bed_run(b);
}

/* Everybody goes away. */
static void end_all(struct bed *b)
{
	for (int round = 0; round < 3; round++) {
		bed_run(b);
		for (uint32_t i = 0; i < b->tcp->n; i++)
			if (b->tcp->conns[i].is_live)
				fake_tcp_reset(&b->tcp->conns[i], TCP_ERR_RESET);
		bed_run(b);
		b->now += HD_NS_PER_S;
	}
	bed_run(b);
}

static void assert_books_are_even(struct bed *b)
{
	for (uint32_t i = 0; i < b->tcp->n; i++)
		assert_false(b->tcp->conns[i].is_live);
	assert_int_equal(fake_tls_live(b->tls), 0);
	for (uint32_t i = 0; i < BED_ENDPOINTS; i++) {
		const struct proxy_endpoint_state *st = &b->slots.endpoints[0][i];
		assert_int_equal(st->stats.active, 0);
		assert_int_equal(st->stats.connections, 0);
		assert_int_equal(st->n_connecting, 0);
		assert_int_equal(st->n_pending, 0);
	}
	for (uint32_t i = 0; i < BED_CLUSTERS; i++) {
		const struct proxy_cluster_state *cs = &b->slots.clusters[0][i];
		assert_int_equal(cs->stats.requests_active, 0);
		assert_int_equal(cs->stats.connections, 0);
		assert_int_equal(cs->stats.pending, 0);
		assert_int_equal(cs->stats.retries_active, 0);
	}
}

static void books_are_even_whatever_happens(void **state)
{
	const char *rounds = getenv("CHAOS_ROUNDS"), *first = getenv("CHAOS_SEED");
	uint64_t seed = first != NULL ? strtoull(first, NULL, 10) : 1;
	uint64_t end = seed + (rounds != NULL ? strtoull(rounds, NULL, 10) : 150);
	/* What must have happened, or the rest proves little. */
	static const enum hd_counter wanted[] = { HD_PROXY_MIRRORED, HD_PROXY_MIRROR_FAILED,
						  HD_PROXY_DENIED, HD_PROXY_PLAINTEXT_REFUSED,
						  HD_PROXY_NO_ENDPOINT, HD_PROXY_TUNNELS };
	uint64_t sums[HD_ARRAY_SIZE(wanted)] = { 0 };

	for (; seed < end; seed++) {
		struct bed *b = bed_create(2);
		rnd = (struct proxy_random){ { seed, seed * 77 + 1 } };
		is_secure = seed % 2 == 0;
		if (is_secure)
			shake_policy(b);
		for (int i = 0; i < STEPS; i++)
			step(b);
		if (below(3) == 0)
			proxy_drain(b->proxy, b->now);
		end_all(b);
		assert_books_are_even(b);
		for (uint32_t i = 0; i < HD_ARRAY_SIZE(wanted); i++)
			sums[i] += bed_count(b, wanted[i]);
		bed_destroy(b);
	}
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(wanted) && first == NULL; i++)
		assert_true(sums[i] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(books_are_even_whatever_happens) };

	if (bed_eal("unit-proxy-chaos") < 0)
		return 1;
	policy_world_open(&world, NULL);
	if (policy_world_load(&world, policies) != 0) {
		policy_world_tell(&world);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
