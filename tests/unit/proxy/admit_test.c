/* SPDX-License-Identifier: Apache-2.0 */
/* Where authorization stands in the life of an exchange. The bed's endpoints are the workloads of a
 * small mesh, whose policies are written as an operator writes them. */
#include "bed_secure.h"
#include "policy_world.h"

#define MESH                                                                                       \
	"apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: 10.1.0.1, "       \
	"selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}\n"               \
	"---\napiVersion: v1\nkind: Pod\nmetadata: {name: one, labels: {app: web, version: v1}}\n" \
	"spec: {containers: [{name: c}]}\nstatus: {podIP: 10.2.0.2, phase: Running}\n"             \
	"---\napiVersion: v1\nkind: Pod\nmetadata: {name: two, labels: {app: web, version: v2}}\n" \
	"spec: {containers: [{name: c}]}\nstatus: {podIP: 10.2.0.3, phase: Running}\n"
#define POLICY(name, spec)                                                                         \
	"---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: " name \
	"}\nspec: " spec "\n"
#define DENY_ADMIN POLICY("shut", "{action: DENY, rules: [{to: [{operation: {paths: [/admin*]}}]}]}")

static struct policy_world world;

/* Policies as the loader makes them, over the bed's own endpoints and virtual host. */
static void govern(struct bed *b, const char *policies)
{
	static char text[8192];
	const struct hd_snapshot *s;

	snprintf(text, sizeof(text), "%s%s", MESH, policies);
	if (policy_world_load(&world, text) != 0) {
		policy_world_tell(&world);
		fail_msg("%s", text);
	}
	s = world.snapshot;
	b->authz = s->authz;
	for (uint32_t i = 0; i < s->n_endpoints; i++)
		for (uint32_t k = 0; k < BED_ENDPOINTS; k++)
			if (hd_ip_eq(&s->endpoints[i].addr.ip, &b->endpoints[k].addr.ip))
				b->endpoints[k].authz = s->endpoints[i].authz;
	b->vhost.authz_first = s->vhosts[0].authz_first;
	b->vhost.authz_count = s->vhosts[0].authz_count;
	bed_publish(b);
}

static const char *asked(struct bed *b, const char *request)
{
	struct tcp_conn *c = bed_caller(b);

	fake_tcp_say(c, request);
	bed_run(b);
	return fake_tcp_heard(c);
}

static struct bed *governed(void **state, uint32_t n, const char *policies)
{
	struct bed *b = bed_of(state, n);

	policy_world_open(&world, NULL);
	govern(b, policies);
	return b;
}

static int ungovern(void **state)
{
	teardown(state);
	policy_world_close(&world);
	return 0;
}

static int was_denied(struct bed *b, const char *details)
{
	const struct hd_access_record *r = bed_record(b);

	if (r == NULL)
		fail_msg("no record");
	assert_int_equal(r->flags, 0);
	return r->details_n == strlen(details) && memcmp(r->details, details, r->details_n) == 0;
}

#define ASK(path) "GET " path " HTTP/1.1\r\nHost: web.shop\r\n\r\n"
#define BY_SHUT "rbac_access_denied_matched_policy[ns[default]-policy[shut]-rule[0]]"

static void denied_is_403_on_a_connection_that_goes_on(void **state)
{
	struct bed *b = governed(state, 2, DENY_ADMIN);
	struct tcp_conn *c = bed_caller(b);
	const char *text;

	fake_tcp_say(c, ASK("/x/../%61dmin?x"));
	bed_run(b);
	text = fake_tcp_heard(c);
	assert_has(text,
		   "HTTP/1.1 403 Forbidden\r\ncontent-length: 19\r\ncontent-type: text/plain");
	assert_has(text, "server: istio-envoy\r\n");
	assert_has(text, "\r\n\r\nRBAC: access denied");
	assert_lacks(text, "connection: close");
	assert_true(was_denied(b, BY_SHUT));
	fake_tcp_say(c, ASK("/ok"));
	bed_run(b);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
	assert_int_equal(bed_count(b, HD_PROXY_DENIED), 1);
	assert_int_equal(b->authz_counts[0].denied, 1);
}

static void denied_before_its_body_closes(void **state)
{
	struct bed *b = governed(state, 2, DENY_ADMIN);

	assert_has(asked(b, "POST /admin HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"),
		   "connection: close\r\n");
}

static void denied_grpc_is_told_in_grpc(void **state)
{
	struct bed *b = governed(state, 2, DENY_ADMIN);
	const char *text = asked(
		b, "POST /admin HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\n\r\n");

	assert_has(text, "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 7\r\n"
			 "grpc-message: RBAC: access denied\r\n");
}

static void redirects_are_for_who_may_pass(void **state)
{
	struct bed *b = governed(state, 2, DENY_ADMIN);

	b->routes[0].answer = 1;
	b->answers[0] = (struct hd_answer){ .is_redirect = 1,
					    .status = 301,
					    .authority = BED_TEXT("secret") };
	assert_has(asked(b, ASK("/admin")), "HTTP/1.1 403 ");
	assert_has(asked(b, ASK("/")), "HTTP/1.1 301 ");
}

static void no_route_is_told_to_who_may_pass(void **state)
{
	struct bed *b = governed(state, 2, DENY_ADMIN);

	b->vhost.routes_count = 0;
	assert_has(asked(b, ASK("/admin")), "HTTP/1.1 403 ");
	assert_has(asked(b, ASK("/")), "HTTP/1.1 404 ");
}

static void workloads_that_differ_decide_each_for_itself(void **state)
{
	struct bed *b =
		governed(state, 2,
			 POLICY("shut", "{action: DENY, selector: {matchLabels: {version: v2}}, "
				      "rules: [{to: [{operation: {methods: [GET]}}]}]}"));
	uint32_t refused = 0;

	assert_int_equal(b->vhost.authz_count, 0);
	for (int i = 0; i < 4; i++)
		refused += strstr(asked(b, ASK("/")), "HTTP/1.1 403 ") != NULL;
	assert_int_equal(refused, 2);
	for (uint32_t i = 0; i < fake_tcp_count_opened(b->tcp); i++)
		assert_int_equal(fake_tcp_opened(b->tcp, i)->key.remote.b[15], 2);
}

static void name_that_leads_elsewhere_opens_nothing(void **state)
{
	struct bed *b = governed(state, 2, DENY_ADMIN);

	b->vhost.authz_count = 0; /* as of a virtual host of its own that routes to the service */
	assert_has(asked(b, ASK("/admin")), "HTTP/1.1 403 ");
	assert_int_equal(fake_tcp_count_opened(b->tcp), 0);
}

static void retry_after_a_reload_is_judged_anew(void **state)
{
	struct bed *b = governed(state, 1, "");
	struct tcp_conn *c = bed_caller(b);

	fake_tcp_say(c, ASK("/admin"));
	bed_run(b);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
	govern(b, DENY_ADMIN);
	fake_tcp_reset(fake_tcp_opened(b->tcp, 0), TCP_ERR_REFUSED);
	bed_pass(b, HD_NS_PER_S);
	assert_has(fake_tcp_heard(c), "HTTP/1.1 403 ");
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
}

static void workload_side_is_not_asked(void **state)
{
	struct bed *b = governed(state, 1, DENY_ADMIN);

	b->listener.gateway = 1; /* nor is a gateway, by policies of what is behind it */
	bed_publish(b);
	asked(b, ASK("/admin"));
	assert_int_equal(fake_tcp_count_opened(b->tcp), 1);
}

static void denied_stream_ends_without_a_byte(void **state)
{
	struct bed *b = governed(state, 1, DENY_ADMIN); /* what is HTTP's of it is left out */
	struct tcp_conn *c;

	b->listener.protocol = HD_PROTO_TCP;
	b->listener.router = HD_NONE;
	b->listener.cluster = 0;
	bed_publish(b);
	c = bed_caller(b);
	bed_run(b);
	assert_string_equal(fake_tcp_heard(c), "");
	assert_true(c->is_closed && !c->is_aborted);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 0);
	assert_true(was_denied(b, BY_SHUT));
}

/* A copy of each request goes to cluster 1, the workload of version v2. */
static struct bed *mirrored(void **state, const char *policies)
{
	struct bed *b = governed(state, 2, policies);

	b->clusters[0].endpoints_count = 1;
	b->clusters[1].endpoints_first = 1;
	b->clusters[1].endpoints_count = 1;
	b->routes[0].extras = 1;
	b->extras[0] = (struct hd_extras){ .mirrors_count = 1 };
	b->mirrors[0] = (struct hd_mirror){ .cluster = 1, .share = { .per_million = 1000000 } };
	bed_publish(b);
	return b;
}

#define FOR_V2(rule)                                                                               \
	POLICY("own", "{selector: {matchLabels: {version: v2}}, rules: [" rule "]}")
#define FROM(who) "{from: [{source: {principals: [" who "]}}]}"

static void copy_of_a_plain_request_is_judged_where_it_goes(void **state)
{
	struct bed *b = mirrored(state, DENY_ADMIN FOR_V2("{to: [{operation: {paths: [/ok]}}]}"));

	asked(b, ASK("/ok"));
	bed_pass(b, HD_NS_PER_MS);
	assert_int_equal(fake_tcp_count_opened(b->tcp), 2);
	asked(b, ASK("/other"));
	bed_pass(b, HD_NS_PER_MS);
	assert_int_equal(bed_count(b, HD_PROXY_MIRRORED), 2);
	assert_int_equal(bed_count(b, HD_PROXY_MIRROR_FAILED), 1);
	assert_int_equal(bed_count(b, HD_PROXY_DENIED), 1);
}

/* What the mirror heard, for a caller that is gone before the connection there is. */
static const char *copied(struct bed *b)
{
	struct tcp_conn *c, *up = NULL;

	secure_inbound(b, HD_INBOUND_STRICT);
	c = secure_caller(b, MESH_HELLO);
	say_data(c, ASK("/"));
	bed_run(b);
	bed_pass(b, HD_NS_PER_MS);
	fake_tcp_reset(c, TCP_ERR_RESET);
	bed_run(b);
	for (uint32_t i = 0; i < fake_tcp_count_opened(b->tcp); i++)
		if (fake_tcp_opened(b->tcp, i)->key.remote.b[15] == 3)
			up = bed_backend(b, i);
	return up != NULL ? fake_tcp_heard(up) : "";
}

static void copy_comes_from_the_caller_of_the_request(void **state)
{
	struct bed *b = mirrored(state, FOR_V2(FROM("td/ns/shop/sa/client")));
	const char *text = copied(b);

	assert_has(text, "GET / HTTP/1.1\r\n");
	assert_has(text, "x-forwarded-client-cert: ");
	assert_has(text, "URI=" CLIENT "\r\n");
	assert_int_equal(bed_count(b, HD_PROXY_DENIED), 0);
}

static void copy_for_whom_its_caller_may_not_ask_goes_nowhere(void **state)
{
	struct bed *b = mirrored(state, FOR_V2(FROM("td/ns/shop/sa/other")));

	assert_string_equal(copied(b), "");
	assert_int_equal(bed_count(b, HD_PROXY_DENIED), 1);
	assert_int_equal(bed_count(b, HD_PROXY_MIRROR_FAILED), 1);
}

static void copy_has_the_name_that_the_caller_asked_for(void **state)
{
	struct bed *b = mirrored(
		state, FOR_V2("{when: [{key: connection.sni, values: [outbound_.80_._.web]}]}"));

	assert_has(copied(b), "GET / HTTP/1.1\r\n");
}

#define TEST(name) cmocka_unit_test_teardown(name, ungovern)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(denied_is_403_on_a_connection_that_goes_on),
		TEST(denied_before_its_body_closes),
		TEST(denied_grpc_is_told_in_grpc),
		TEST(redirects_are_for_who_may_pass),
		TEST(no_route_is_told_to_who_may_pass),
		TEST(workloads_that_differ_decide_each_for_itself),
		TEST(name_that_leads_elsewhere_opens_nothing),
		TEST(retry_after_a_reload_is_judged_anew),
		TEST(workload_side_is_not_asked),
		TEST(denied_stream_ends_without_a_byte),
		TEST(copy_of_a_plain_request_is_judged_where_it_goes),
		TEST(copy_comes_from_the_caller_of_the_request),
		TEST(copy_for_whom_its_caller_may_not_ask_goes_nowhere),
		TEST(copy_has_the_name_that_the_caller_asked_for),
	};

	if (bed_eal("heddle-admit") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
