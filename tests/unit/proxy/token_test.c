/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that wait for their token, and tokens that are known. The test is the thread that
 * verifies: it says what of a token it likes. */
#include "bed_talk.h"
#include "policy_world.h"
#include "proxy_state.h"

#define MESH                                                                                    \
	"apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: 10.1.0.1, "    \
	"selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}\n"            \
	"---\napiVersion: v1\nkind: Pod\nmetadata: {name: one, labels: {app: web}}\n"           \
	"spec: {containers: [{name: c}]}\nstatus: {podIP: 10.2.0.2, phase: Running}\n"          \
	"---\napiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: " \
	"r}\nspec: {jwtRules: [{issuer: one, jwks: '{\"keys\":[]}', outputClaimToHeaders: "     \
	"[{header: x-sub, claim: sub}]}, {issuer: two, jwks: '{\"keys\":[]}', fromHeaders: "    \
	"[{name: x-two}]}]}\n"
#define ONLY_ALICE                                                                                \
	"---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\n" \
	"spec: {rules: [{from: [{source: {requestPrincipals: [one/alice]}}]}]}\n"

static struct policy_world world;

static void govern(struct bed *b, const char *more)
{
	static char text[8192];
	const struct hd_snapshot *s;

	snprintf(text, sizeof(text), "%s%s", MESH, more);
	if (policy_world_load(&world, text) != 0) {
		policy_world_tell(&world);
		fail_msg("%s", text);
	}
	s = world.snapshot;
	b->authz = s->authz;
	b->jwt = s->jwt;
	b->endpoints[0].authz = s->endpoints[0].authz;
	b->vhost.authz_first = s->vhosts[0].authz_first;
	b->vhost.authz_count = s->vhosts[0].authz_count;
	bed_publish(b);
}

static struct bed *governed(void **state, const char *more)
{
	struct bed *b = bed_of(state, 1);

	policy_world_open(&world, NULL);
	govern(b, more);
	return b;
}

static int ungovern(void **state)
{
	teardown(state);
	policy_world_close(&world);
	return 0;
}

static struct tcp_conn *asks(struct bed *b, const char *fields)
{
	struct tcp_conn *c = bed_caller(b);
	char text[512];

	snprintf(text, sizeof(text), "GET /a HTTP/1.1\r\nHost: web.shop\r\n%s\r\n", fields);
	fake_tcp_say(c, text);
	bed_run(b);
	return c;
}
#define BEARER(token) "Authorization: Bearer " token "\r\n"

/* The next token that waits, or NULL. */
static struct hd_jwt_slot *next_job(struct bed *b, uint32_t *index)
{
	const uint32_t *job = hd_ring_peek(b->lane.jobs);

	if (job == NULL)
		return NULL;
	*index = *job;
	hd_ring_pop(b->lane.jobs);
	return &b->lane.slots[*index];
}

static void put_back(struct bed *b, uint32_t index)
{
	*(uint32_t *)hd_ring_slot(b->lane.done) = index;
	hd_ring_push(b->lane.done);
	bed_run(b);
}

/* "good.…" is alice's, everything else fails. Returns how many there were. */
static int verify_all(struct bed *b, int64_t expires_s)
{
	struct hd_jwt_slot *s;
	uint32_t index;
	int n = 0;

	while ((s = next_job(b, &index)) != NULL) {
		s->status = s->now_s > expires_s	       ? HD_JWT_EXPIRED
			    : memcmp(s->token, "good", 4) == 0 ? HD_JWT_OK
							       : HD_JWT_FAILS;
		s->expires_s = expires_s;
		memcpy(s->text, "onealice", 8);
		s->issuer = (struct hd_jwt_span){ 0, 3 };
		s->subject = (struct hd_jwt_span){ 3, 5 };
		s->n_rows = 0;
		s->out_n = (uint32_t)sprintf(s->out, "x-sub: alice\r\n");
		put_back(b, index);
		n++;
	}
	return n;
}

static void request_waits_for_its_token_and_goes_on(void **state)
{
	struct bed *b = governed(state, ONLY_ALICE);
	struct tcp_conn *c = asks(b, BEARER("good.a.b") "X-Sub: mallory\r\n");
	const char *text;

	assert_int_equal(fake_tcp_count_opened(b->tcp), 0);
	assert_string_equal(fake_tcp_heard(c), "");
	assert_int_equal(verify_all(b, INT64_MAX), 1);
	text = fake_tcp_heard(bed_backend(b, 0));
	assert_has(text, "x-sub: alice\r\n");
	assert_lacks(text, "mallory");
	assert_lacks(text, "good.a.b");
}

static void known_token_is_not_verified_again(void **state)
{
	struct bed *b = governed(state, "");

	asks(b, BEARER("good.a.b"));
	assert_int_equal(verify_all(b, INT64_MAX), 1);
	asks(b, BEARER("good.a.b"));
	asks(b, BEARER("bad.a.b"));
	assert_int_equal(verify_all(b, INT64_MAX), 1);
	asks(b, BEARER("bad.a.b"));
	assert_int_equal(verify_all(b, INT64_MAX), 0);
	assert_int_equal(bed_count(b, HD_PROXY_TOKENS_ASKED), 2);
	assert_int_equal(bed_count(b, HD_PROXY_TOKENS_REFUSED), 2);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 2);
}

static void many_wait_for_one_verification(void **state)
{
	struct bed *b = governed(state, "");

	for (int i = 0; i < 20; i++)
		asks(b, BEARER("good.a.b"));
	assert_int_equal(verify_all(b, INT64_MAX), 1);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 20);
}

static void expired_token_is_looked_at_again(void **state)
{
	struct bed *b = governed(state, "");
	int64_t now_s = 1700000000 + (int64_t)(b->now / HD_NS_PER_S);

	asks(b, BEARER("good.a.b"));
	assert_int_equal(verify_all(b, now_s + 5), 1);
	bed_pass(b, 4 * HD_NS_PER_S);
	asks(b, BEARER("good.a.b"));
	assert_int_equal(verify_all(b, now_s + 5), 0);
	bed_pass(b, 3 * HD_NS_PER_S);
	asks(b, BEARER("good.a.b"));
	assert_int_equal(verify_all(b, now_s + 5), 1);
}

static void caller_may_leave_while_its_token_is_out(void **state)
{
	struct bed *b = governed(state, "");
	struct tcp_conn *c = asks(b, BEARER("good.a.b"));

	asks(b, BEARER("good.a.b"));
	fake_tcp_reset(c, TCP_ERR_RESET);
	bed_run(b);
	assert_int_equal(verify_all(b, INT64_MAX), 1);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
}

static void reload_keeps_what_a_job_reads(void **state)
{
	struct bed *b = governed(state, "");
	struct tcp_conn *c = asks(b, BEARER("good.a.b"));
	uint64_t before = b->generation;
	uint32_t index;

	assert_int_equal(proxy_oldest_generation(b->proxy), before);
	bed_publish(b);
	assert_int_equal(proxy_oldest_generation(b->proxy), before);
	assert_non_null(next_job(b, &index));
	put_back(b, index);
	assert_int_equal(proxy_oldest_generation(b->proxy),
			 before + 1); /* asked anew, by its rules */
	assert_int_equal(verify_all(b, INT64_MAX), 1);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
	assert_string_equal(fake_tcp_heard(c), "");
}

static void one_good_token_is_enough(void **state)
{
	struct bed *b = governed(state, ONLY_ALICE);
	struct tcp_conn *c = asks(b, BEARER("good.a.b") "X-Two: bad.a.b\r\n");

	verify_all(b, INT64_MAX);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
	assert_string_equal(fake_tcp_heard(c), "");
	c = asks(b, "X-Two: bad.a.b\r\n");
	verify_all(b, INT64_MAX);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer "
				      "realm=\"http://web.shop/a\", error=\"invalid_token\"\r\n");
}

static void preflight_needs_no_token(void **state)
{
	struct bed *b = governed(state, "");
	struct tcp_conn *c = bed_caller(b);

	fake_tcp_say(c, "OPTIONS /a HTTP/1.1\r\nHost: a\r\nOrigin: b\r\n"
			"Access-Control-Request-Method: PUT\r\n" BEARER("bad.a.b") "\r\n");
	bed_run(b);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
}

static void many_may_wait_at_once(void **state)
{
	struct bed *b = governed(state, "");
	char fields[128];

	for (int i = 0; i < 100; i++) {
		snprintf(fields, sizeof(fields), BEARER("good.%d.b"), i);
		asks(b, fields);
	}
	assert_int_equal(bed_count(b, HD_PROXY_TOKENS_ASKED), 100);
	assert_int_equal(bed_count(b, HD_PROXY_TOKENS_FULL), 0);
	assert_int_equal(verify_all(b, INT64_MAX), 100);
}

/* Who waits for one token goes on some a turn, not all in one. */
static void crowd_behind_a_token_goes_on_in_pieces(void **state)
{
	struct bed *b = governed(state, "");
	struct hd_jwt_slot *s;
	uint32_t index, before, n;

	for (int i = 0; i < 120; i++)
		asks(b, BEARER("good.a.b"));
	s = next_job(b, &index);
	assert_non_null(s);
	s->status = HD_JWT_OK;
	s->expires_s = INT64_MAX;
	*(uint32_t *)hd_ring_slot(b->lane.done) = index;
	hd_ring_push(b->lane.done);
	proxy_run(b->proxy, b->now);
	before = fake_tcp_count_opened(b->tcp);
	assert_in_range(before, 1, 64);
	assert_int_equal(proxy_next_deadline(b->proxy), 0);
	bed_run(b);
	n = fake_tcp_count_opened(b->tcp);
	assert_int_equal(n, 120);
	assert_null(next_job(b, &index));
}

/* A token leaves with who answers for it. */
static void as_gateway(struct bed *b)
{
	b->listener.gateway = 1;
	b->listener.authz = b->endpoints[0].authz;
	bed_publish(b);
}

static void token_stays_here_when_a_gateway_tries_again_after_a_reload(void **state)
{
	struct bed *b = governed(state, "");
	struct tcp_conn *c;
	const char *text;

	as_gateway(b);
	c = bed_caller(b);
	fake_tcp_say(c, "GET /a?x=1&access_token=bad&y=2 HTTP/1.1\r\nHost: a\r\nX-Two: good.a.b\r\n"
			"X-Sub: mallory\r\n\r\n");
	bed_run(b);
	verify_all(b, INT64_MAX);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
	b->listener.authz = 0;
	b->jwt = (struct hd_jwt){ 0 };
	bed_publish(b);
	fake_tcp_reset(fake_tcp_opened(b->tcp, 0), TCP_ERR_REFUSED);
	bed_pass(b, HD_NS_PER_S);
	text = fake_tcp_heard(bed_backend(b, 1));
	assert_has(text, "GET /a?x=1&access_token=bad&y=2 HTTP/1.1\r\n");
	assert_has(text, "\r\nx-sub: alice\r\n");
	assert_lacks(text, "mallory");
	assert_lacks(text, "good.a.b");
}

static void copies_for_mirrors_are_stripped_too(void **state)
{
	struct bed *b = governed(state, "");
	const char *text;

	b->routes[0].extras = 1;
	b->extras[0] = (struct hd_extras){ .mirrors_count = 1 };
	b->mirrors[0] = (struct hd_mirror){ .cluster = 1, .share = { .per_million = 1000000 } };
	b->clusters[1].endpoints_count = 1; /* the same workload: the copy is judged as well */
	bed_publish(b);
	asks(b, BEARER("good.a.b") "X-Sub: mallory\r\n");
	verify_all(b, INT64_MAX);
	bed_pass(b, HD_NS_PER_MS);
	verify_all(b, INT64_MAX);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 2);
	for (uint32_t i = 0; i < 2; i++) {
		text = fake_tcp_heard(bed_backend(b, i));
		assert_has(text, "x-sub: alice\r\n");
		assert_lacks(text, "mallory");
		assert_lacks(text, "good.a.b");
	}
}

static void token_in_the_query_is_cut_out_of_path_and_log(void **state)
{
	static const char *const rows[][2] = {
		{ "/a?access_token=good.a.b", "/a" },
		{ "/a?access_token=good.a.b&x", "/a?x" },
		{ "/a?x=1&access_token=good.a.b&y=2", "/a?x=1&y=2" },
		{ "/./a?&access_token=good.a.b&", "/a?&" },
	};
	struct bed *b = governed(state, "");
	const struct hd_access_record *r;
	char text[256];

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(rows); i++) {
		struct tcp_conn *c = bed_caller(b), *up;

		snprintf(text, sizeof(text),
			 "GET %s HTTP/1.1\r\nHost: a\r\nAuthorization: Basic x\r\n\r\n",
			 rows[i][0]);
		fake_tcp_say(c, text);
		bed_run(b);
		verify_all(b, INT64_MAX);
		up = bed_backend(b, i);
		snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n", rows[i][1]);
		assert_has(fake_tcp_heard(up), text);
		fake_tcp_say(up,
			     "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
		bed_run(b);
		r = bed_record(b);
		assert_null(memmem(r->path, r->path_n, "good", 4));
		assert_int_equal(r->path_n, strlen(rows[i][1]) + (i == 3 ? 2 : 0));
	}
}

static void two_tokens_at_one_place_are_none(void **state)
{
	struct bed *b = governed(state, "");
	struct tcp_conn *c = bed_caller(b);

	fake_tcp_say(
		c,
		"GET /a?access_token=good.a.b&access_token=good.c.d HTTP/1.1\r\nHost: a\r\n\r\n");
	bed_run(b);
	assert_int_equal(verify_all(b, INT64_MAX), 1);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 401 ");
	c = asks(b, BEARER("good.a.b") BEARER("good.a.b"));
	assert_has(fake_tcp_heard(c), "HTTP/1.1 401 ");
	assert_int_equal(fake_tcp_count_opened(b->tcp), 0);
}

static void other_credentials_than_the_token_go_on(void **state)
{
	struct bed *b = governed(state, "");
	const char *text;

	asks(b, "Authorization: Basic YTpi\r\nX-Two: good.a.b\r\n");
	verify_all(b, INT64_MAX);
	text = fake_tcp_heard(bed_backend(b, 0));
	assert_has(text, "Basic YTpi");
	assert_lacks(text, "good.a.b");
}

static void required_token_that_is_missing_is_401(void **state)
{
	struct bed *b =
		governed(state, "---\napiVersion: security.istio.io/v1\nkind: "
				"RequestAuthentication\nmetadata: {name: q}\nspec: {jwtRules: "
				"[{issuer: q, jwks: '{\"keys\":[]}', presence: REQUIRED}]}\n");
	const char *text = fake_tcp_heard(asks(b, ""));

	assert_has(text, "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer "
			 "realm=\"http://web.shop/a\"\r\n");
	assert_has(text, "\r\n\r\nJwt is missing");
	asks(b, BEARER("good.a.b"));
	verify_all(b, INT64_MAX);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
}

/* There is always one out, but none for long. */
static void steady_flow_of_tokens_keeps_no_old_policy(void **state)
{
	struct bed *b = governed(state, "");
	uint32_t index;

	asks(b, BEARER("a.a.b"));
	bed_publish(b);
	asks(b, BEARER("b.a.b"));
	assert_non_null(next_job(b, &index));
	b->lane.slots[index].status = HD_JWT_FAILS;
	put_back(b, index);
	assert_int_equal(proxy_oldest_generation(b->proxy), b->generation);
}

static void token_of_the_same_hash_is_another(void **state)
{
	struct bed *b = governed(state, "");
	struct proxy_token *k = b->proxy->tokens.rows;

	asks(b, BEARER("good.a.b"));
	verify_all(b, INT64_MAX);
	b->lane.slots[0].token[0] = 'G'; /* as if another one had come to lie here */
	asks(b, BEARER("good.a.b"));
	assert_int_equal(verify_all(b, INT64_MAX), 1);
	assert_int_equal(k[0].hash, k[1].hash);
}

#define TEST(name) cmocka_unit_test_teardown(name, ungovern)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(request_waits_for_its_token_and_goes_on),
		TEST(known_token_is_not_verified_again),
		TEST(many_wait_for_one_verification),
		TEST(expired_token_is_looked_at_again),
		TEST(caller_may_leave_while_its_token_is_out),
		TEST(reload_keeps_what_a_job_reads),
		TEST(one_good_token_is_enough),
		TEST(preflight_needs_no_token),
		TEST(crowd_behind_a_token_goes_on_in_pieces),
		TEST(many_may_wait_at_once),
		TEST(token_stays_here_when_a_gateway_tries_again_after_a_reload),
		TEST(copies_for_mirrors_are_stripped_too),
		TEST(token_in_the_query_is_cut_out_of_path_and_log),
		TEST(two_tokens_at_one_place_are_none),
		TEST(other_credentials_than_the_token_go_on),
		TEST(required_token_that_is_missing_is_401),
		TEST(steady_flow_of_tokens_keeps_no_old_policy),
		TEST(token_of_the_same_hash_is_another),
	};

	if (bed_eal("heddle-token") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
