/* SPDX-License-Identifier: Apache-2.0 */
/* Consistent hashing, from the objects to the endpoint, against what a real Envoy picked. */
#include "bed_talk.h"
#include "hash_vectors.h"
#include "policy_world.h"
#include "proxy_state.h"

#define ENTRY(name, port, endpoints)                                                        \
	"apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: " name    \
	"}\nspec:\n  hosts: [" name ".test]\n  addresses: [10.9.0." port                    \
	"]\n  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 18480}]\n"       \
	"  resolution: STATIC\n  endpoints:\n" endpoints "---\n"                            \
	"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: " name \
	"}\nspec:\n  host: " name                                                           \
	".test\n  trafficPolicy:\n    loadBalancer:\n      consistentHash:\n"
#define AT(i) "  - {address: 127.3.0." i "}\n"
#define WEIGHED(i, w) "  - {address: 127.3.0." i ", weight: " w "}\n"
#define THREE AT("1") AT("2") AT("3")
#define SEVEN THREE AT("4") AT("5") AT("6") AT("7")
#define FIVE \
	WEIGHED("1", "1") WEIGHED("2", "2") WEIGHED("3", "3") WEIGHED("4", "1") WEIGHED("5", "5")
#define BY_HEADER "        httpHeaderName: X-H\n"

static const char mesh[] = ENTRY("ring3", "1", THREE) BY_HEADER "---\n" ENTRY("ring5w", "2", FIVE)
	BY_HEADER "        ringHash: {minimumRingSize: 1024}\n---\n" ENTRY("ring7s", "3", SEVEN)
		BY_HEADER "        minimumRingSize: 16\n---\n" ENTRY("mag3", "4", THREE) BY_HEADER
	"        maglev: {tableSize: 65537}\n---\n" ENTRY("mag5w", "5", FIVE) BY_HEADER
	"        maglev: {tableSize: 65537}\n---\n" ENTRY("mag7s", "6", SEVEN) BY_HEADER
	"        maglev: {tableSize: 101}\n";

static struct policy_world world;
static struct proxy *p;
static uint8_t health[4096];
static const struct hd_hash all[] = { { .kind = HD_HASH_HEADER, .name = BED_TEXT("x-h") },
				      { .kind = HD_HASH_COOKIE, .name = BED_TEXT("sess") },
				      { .kind = HD_HASH_QUERY, .name = BED_TEXT("q") } };

/* The last byte of the address that a request gets, less one. */
static uint32_t picked(const char *cluster, const char *text)
{
	char name[64];
	const struct hd_cluster *c;
	struct proxy_exchange x = { 0 };
	struct hd_snapshot s = *world.snapshot;
	struct proxy_balance b = { .snapshot = world.snapshot, .health = health };
	struct http_error e;
	uint32_t i;

	snprintf(name, sizeof(name), "outbound|80||%s.test", cluster);
	c = policy_world_cluster(world.snapshot, name);
	assert_non_null(c);
	assert_int_equal(http1_parse_request((const uint8_t *)text, strlen(text), &p->head, &e),
			 HTTP_DONE);
	p->path_n = p->head.path_n;
	memcpy(p->path, text + p->head.path, p->path_n);
	s.hashes = all;
	p->snapshot = &s;
	proxy_hash_request(p, &x, 0, HD_ARRAY_SIZE(all), (const uint8_t *)text);
	assert_int_equal(x.has_hash, 1);
	b.has_hash = 1;
	b.hash = x.hash;
	i = proxy_balance_endpoint(&b, c, 0, NULL, 0);
	assert_int_not_equal(i, HD_NONE);
	return world.snapshot->endpoints[i].addr.ip.b[15] - 1u;
}

static void check(const char *cluster, const unsigned char *wanted, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		char text[128];

		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\nX-H: user-%u\r\n\r\n",
			 i);
		if (picked(cluster, text) != wanted[i])
			fail_msg("%s: user-%u goes to %u, with Envoy to %u", cluster, i,
				 picked(cluster, text), wanted[i]);
	}
}

static void endpoints_lie_where_envoy_puts_them(void **state)
{
	check("ring3", vector_ring3, sizeof(vector_ring3));
	check("ring5w", vector_ring5w, sizeof(vector_ring5w));
	check("ring7s", vector_ring7s, sizeof(vector_ring7s));
	check("mag3", vector_mag3, sizeof(vector_mag3));
	check("mag5w", vector_mag5w, sizeof(vector_mag5w));
	check("mag7s", vector_mag7s, sizeof(vector_mag7s));
}

static void requests_are_hashed_as_envoy_does(void **state)
{
	for (uint32_t i = 0; i < sizeof(vector_all); i++) {
		char text[256];

		snprintf(text, sizeof(text),
			 "GET / HTTP/1.1\r\nHost: a\r\nX-H: b%u\r\nX-H: a%u\r\n\r\n", i, i);
		assert_int_equal(picked("ring3", text), vector_two_lines[i]);
		snprintf(text, sizeof(text),
			 "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; sess=\"c%u\"; z=2\r\n\r\n", i);
		assert_int_equal(picked("ring3", text), vector_cookie[i]);
		snprintf(text, sizeof(text), "GET /?p=1&q=v%u&q=w HTTP/1.1\r\nHost: a\r\n\r\n", i);
		assert_int_equal(picked("ring3", text), vector_query[i]);
		snprintf(text, sizeof(text),
			 "GET /?q=v%u HTTP/1.1\r\nHost: a\r\nX-H: h%u\r\nCookie: sess=s%u\r\n\r\n",
			 i, i, i);
		assert_int_equal(picked("ring3", text), vector_all[i]);
	}
}

/* Only those of an endpoint that is ejected move. */
static void others_stay_when_one_is_ejected(void **state)
{
	const struct hd_cluster *c =
		policy_world_cluster(world.snapshot, "outbound|80||ring3.test");
	uint32_t slot = world.snapshot->endpoints[c->endpoints_first].slot;
	uint32_t moved = 0;

	health[slot] = HD_EP_EJECTED;
	for (uint32_t i = 0; i < sizeof(vector_ring3); i++) {
		char text[128];
		uint32_t now;

		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\nX-H: user-%u\r\n\r\n",
			 i);
		now = picked("ring3", text);
		assert_int_not_equal(now, 0);
		if (vector_ring3[i] != 0)
			assert_int_equal(now, vector_ring3[i]);
		else
			moved += now == 1;
	}
	health[slot] = HD_EP_HEALTHY;
	assert_true(moved > 0);
}

static void cookie_is_made_once_and_then_obeyed(void **state)
{
	struct bed *b = bed_of(state, 1);
	struct tcp_conn *c = bed_caller(b), *up;
	static const struct hd_hash cookie = { .kind = HD_HASH_COOKIE,
					       .makes_cookie = 1,
					       .name = BED_TEXT("sess"),
					       .cookie_tail =
						       BED_TEXT("; Max-Age=60; Path=/; HttpOnly") };

	b->routes[0].hashes_count = 1;
	b->hashes = &cookie;
	bed_publish(b);
	fake_tcp_say(c, GET);
	bed_run(b);
	up = bed_backend(b, 0);
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "set-cookie: sess=\"");
	fake_tcp_say(c, GET);
	bed_run(b);
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "\"; Max-Age=60; Path=/; HttpOnly\r\n");
	fake_tcp_say(c, "GET / HTTP/1.1\r\nHost: a\r\nCookie: sess=mine\r\n\r\n");
	bed_run(b);
	fake_tcp_say(up, OK2);
	bed_run(b);
	assert_lacks(fake_tcp_heard(c), "set-cookie");
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints_lie_where_envoy_puts_them),
		cmocka_unit_test(requests_are_hashed_as_envoy_does),
		cmocka_unit_test(others_stay_when_one_is_ejected),
		T(cookie_is_made_once_and_then_obeyed),
	};

	if (bed_eal("unit-proxy-hash") != 0)
		return 1;
	policy_world_open(&world, NULL);
	if (policy_world_load(&world, mesh) != 0) {
		policy_world_tell(&world);
		return 1;
	}
	p = calloc(1, sizeof(*p));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
