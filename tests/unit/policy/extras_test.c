/* SPDX-License-Identifier: Apache-2.0 */
/* Header operations, faults, CORS and mirrors of a rule, as the data plane gets them. */
#include "policy_test.h"

#define VIP "10.96.0.1"
#define HOST "api.default.svc.cluster.local"
#define RULE(more) \
	API VS("api") "  hosts: [api]\n  http:\n  - route: [{destination: {host: api}}]\n" more
#define SOLE(headers)                                                                         \
	API VS("api") "  hosts: [api]\n  http:\n  - headers:\n      request: {set: {x-b: r, " \
		      "x-a: r}, add: {x-c: \"%REQ(X-In?X-Other):5%%%\"}, remove: [X-Gone]}\n" \
		      "    route: [{destination: {host: api}" headers "}]\n"

/* Somewhere, whatever the place. */
static void assert_told(const struct policy_world *w, enum policy_severity severity,
			const char *words)
{
	for (uint32_t i = 0; i < w->diags.n; i++)
		if (w->diags.rows[i].severity == severity &&
		    strstr(w->diags.rows[i].message, words) != NULL)
			return;
	policy_world_tell(w);
	fail_msg("nothing says: %s", words);
}

static const struct hd_route *route(const struct policy_world *w)
{
	return policy_world_route(w->snapshot, VIP, 80, HOST, 0);
}

static const struct hd_extras *extras(const struct policy_world *w)
{
	assert_int_not_equal(route(w)->extras, 0);
	return &w->snapshot->extras[route(w)->extras - 1];
}

static void edits_stand_in_envoys_order(void **state)
{
	struct policy_world *w = *state;
	static const struct {
		uint8_t kind;
		const char *name;
	} wanted[] = { { HD_EDIT_REMOVE, "x-gone" },
		       { HD_EDIT_SET, "x-a" },
		       { HD_EDIT_SET, "x-b" },
		       { HD_EDIT_SET, "x-d" },
		       { HD_EDIT_ADD, "x-c" } };
	const struct hd_edits *e;
	const struct hd_piece *piece;

	assert_loads(w, SOLE(", headers: {request: {set: {X-B: d, x-d: d}}}"));
	e = &w->snapshot->edits[route(w)->edits - 1];
	assert_int_equal(e->request_count, HD_ARRAY_SIZE(wanted));
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(wanted); i++) {
		assert_int_equal(w->snapshot->edit_list[e->request_first + i].kind, wanted[i].kind);
		assert_true(
			str_is(w->snapshot->edit_list[e->request_first + i].name, wanted[i].name));
	}
	piece = &w->snapshot->pieces[w->snapshot->edit_list[e->request_first + 2].pieces_first];
	assert_true(str_is(piece->text, "d"));
	piece = &w->snapshot->pieces[w->snapshot->edit_list[e->request_first + 4].pieces_first];
	assert_int_equal(piece->kind, HD_PIECE_REQ);
	assert_true(str_is(piece->text, "x-in"));
	assert_true(str_is(piece->or_else, "x-other"));
	assert_int_equal(piece->most, 5);
	assert_true(str_is(piece[1].text, "%"));
}

static void host_that_is_set_is_a_rewrite(void **state)
{
	struct policy_world *w = *state;

	assert_loads(w, RULE("    headers: {request: {set: {Host: set.example}}}\n"));
	assert_int_equal(route(w)->edits, 0);
	assert_true(str_is(w->snapshot->rewrites[route(w)->rewrite - 1].authority, "set.example"));
}

static void odd_values_are_refused_or_said(void **state)
{
	struct policy_world *w = *state;

	policy_world_load(w, RULE("    headers: {request: {set: {x-a: \"a\\r\\nb: c\"}}}\n"));
	assert_told(w, POLICY_ERROR, "control characters");
	policy_world_load(w, RULE("    headers: {request: {set: {host: \"a b\"}}}\n"));
	assert_told(w, POLICY_ERROR, "no blanks");
	policy_world_load(w, RULE("    rewrite: {uri: \"/a HTTP/1.1\\r\\nx: y\"}\n"));
	assert_told(w, POLICY_ERROR, "\"uri\" may hold no blanks");
	policy_world_load(w, RULE("    rewrite: {authority: \"a\\nb\"}\n"));
	assert_told(w, POLICY_ERROR, "\"authority\" may hold no blanks");
	policy_world_load(w, RULE("    corsPolicy: {exposeHeaders: [\"a\\r\\nb: c\"]}\n"));
	assert_told(w, POLICY_ERROR, "is no name of a header");
	policy_world_load(w, RULE("    headers: {request: {set: {x-a: \"50%\"}}}\n"));
	assert_told(w, POLICY_ERROR, "a % begins");
	policy_world_load(w, RULE("    headers: {request: {set: {\"x a\": b}}}\n"));
	assert_told(w, POLICY_ERROR, "no name of a header");
	assert_loads(w, RULE("    headers: {request: {set: {content-length: \"1\"}}}\n"));
	assert_told(w, POLICY_WARNING, "frames messages itself");
	assert_loads(w, RULE("    headers: {request: {set: {x-a: \"%START_TIME%\"}}}\n"));
	assert_told(w, POLICY_WARNING, "START_TIME");
}

static void faults_have_shares(void **state)
{
	struct policy_world *w = *state;
	const struct hd_fault *f;

	assert_loads(w, RULE("    fault: {delay: {fixedDelay: 2s, percentage: {value: 0.5}}, "
			     "abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}\n"));
	f = &extras(w)->fault;
	assert_int_equal(f->delay, 2 * HD_NS_PER_S);
	assert_int_equal(f->delayed.per_million, 5000);
	assert_int_equal(f->aborted.per_million, 1000000);
	assert_int_equal(f->status, 200);
	assert_int_equal(f->grpc, 15);
	assert_int_equal(w->snapshot->n_dice, 3);
	assert_loads(w, RULE("    fault: {abort: {httpStatus: 500}}\n"));
	assert_int_equal(route(w)->extras, 0);
	policy_world_load(
		w, RULE("    fault: {abort: {grpcStatus: NO_SUCH, percentage: {value: 1}}}\n"));
	assert_told(w, POLICY_ERROR, "NO_SUCH");
}

static void cors_lists_are_joined(void **state)
{
	struct policy_world *w = *state;
	const struct hd_cors *c;

	assert_loads(w, RULE("    corsPolicy:\n      allowOrigins: [{exact: \"*\"}, {regex: "
			     "\"https://[a-z]+\"}]\n      allowMethods: [GET, PUT]\n"
			     "      maxAge: 1h\n      allowCredentials: true\n"
			     "      unmatchedPreflights: IGNORE\n"));
	c = &w->snapshot->cors[extras(w)->cors - 1];
	assert_int_equal(c->origins_count, 2);
	assert_int_equal(w->snapshot->origin_matches[c->origins_first].kind, HD_MATCH_PRESENT);
	assert_int_equal(w->snapshot->origin_matches[c->origins_first + 1].kind, HD_MATCH_REGEX);
	assert_true(str_is(c->methods, "GET,PUT"));
	assert_true(str_is(c->max_age, "3600"));
	assert_int_equal(c->credentials, 1);
	assert_int_equal(c->forwards_unmatched, 0);
}

static void mirrors_have_clusters(void **state)
{
	struct policy_world *w = *state;
	const struct hd_mirror *m;

	assert_loads(w, RULE("    mirrors:\n    - {destination: {host: api}}\n    - {destination: "
			     "{host: api}, percentage: {value: 12.5}}\n    - {destination: {host: "
			     "nowhere}}\n"));
	assert_int_equal(extras(w)->mirrors_count, 2);
	m = &w->snapshot->mirrors[extras(w)->mirrors_first];
	assert_int_equal(m[0].share.per_million, 1000000);
	assert_int_equal(m[1].share.per_million, 125000);
	assert_true(m[1].cluster < w->snapshot->n_clusters);
	assert_loads(w, RULE("    mirror: {host: api}\n    mirrorPercentage: {value: 0}\n"));
	assert_int_equal(route(w)->extras, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(edits_stand_in_envoys_order),
		world_test(host_that_is_set_is_a_rewrite),
		world_test(odd_values_are_refused_or_said),
		world_test(faults_have_shares),
		world_test(cors_lists_are_joined),
		world_test(mirrors_have_clusters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
