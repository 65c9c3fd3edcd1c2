/* SPDX-License-Identifier: Apache-2.0 */
/* RequestAuthentications as rules of a few texts (istio-api.md 1.9). */
#include <stdlib.h>

#include "policy_jwks.h"
#include "policy_model.h"

static void text_add(struct policy_load *l, struct hd_str s)
{
	*(struct hd_str *)policy_vec_push(&l->arena, &l->authz.jwt_texts) = policy_out(l, s);
}

static void texts_add(struct policy_load *l, const struct policy_yaml *list, uint32_t *first,
		      uint32_t *count)
{
	*first = l->authz.jwt_texts.n;
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next)
		text_add(l, y->text);
	*count = l->authz.jwt_texts.n - *first;
}

static void place_add(struct policy_load *l, enum hd_jwt_place_kind kind, struct hd_str name,
		      struct hd_str prefix)
{
	struct hd_jwt_place *p = policy_vec_push(&l->arena, &l->authz.jwt_places);

	if (kind == HD_JWT_IN_HEADER)
		name = policy_str_lower(&l->arena, name);
	*p = (struct hd_jwt_place){ (uint8_t)kind, policy_out(l, name), policy_out(l, prefix) };
}

/* Without any of them: a bearer token, or the query parameter of RFC 6750 2.3. */
static void places_add(struct policy_load *l, const struct policy_yaml *map, struct hd_jwt_rule *r)
{
	const struct policy_yaml *headers = policy_get(map, "fromHeaders"),
				 *params = policy_get(map, "fromParams"),
				 *cookies = policy_get(map, "fromCookies");
	const struct hd_str no_prefix = { "", 0 };

	r->places_first = l->authz.jwt_places.n;
	for (const struct policy_yaml *y = headers != NULL ? headers->first : NULL; y != NULL;
	     y = y->next)
		place_add(l, HD_JWT_IN_HEADER, policy_get_str(y, "name"),
			  policy_get_str(y, "prefix"));
	for (const struct policy_yaml *y = params != NULL ? params->first : NULL; y != NULL;
	     y = y->next)
		place_add(l, HD_JWT_IN_PARAM, y->text, no_prefix);
	for (const struct policy_yaml *y = cookies != NULL ? cookies->first : NULL; y != NULL;
	     y = y->next)
		place_add(l, HD_JWT_IN_COOKIE, y->text, no_prefix);
	if (l->authz.jwt_places.n == r->places_first) {
		place_add(l, HD_JWT_IN_HEADER, policy_str("authorization"), policy_str("Bearer "));
		place_add(l, HD_JWT_IN_PARAM, policy_str("access_token"), no_prefix);
	}
	r->places_count = l->authz.jwt_places.n - r->places_first;
}

static void claim_headers_add(struct policy_load *l, const struct policy_yaml *list,
			      struct hd_jwt_rule *r)
{
	r->headers_first = l->authz.jwt_claim_headers.n;
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next) {
		struct hd_jwt_claim_header *h =
			policy_vec_push(&l->arena, &l->authz.jwt_claim_headers);
		struct hd_str name = policy_str_lower(&l->arena, policy_get_str(y, "header"));

		h->header = policy_out(l, name);
		h->claim = policy_out(l, policy_get_str(y, "claim"));
	}
	r->headers_count = l->authz.jwt_claim_headers.n - r->headers_first;
}

static void inline_keys(struct policy_load *l, struct policy_check *c,
			const struct policy_yaml *jwks, struct hd_jwt_rule *r)
{
	struct policy_jwks *found = policy_alloc(&l->arena, sizeof(*found));

	if (policy_jwks_read(&l->arena, jwks->text, found) != 0) {
		policy_error(c, jwks, "jwks is no JSON object with \"keys\"");
		return;
	}
	if (found->left_out > 0)
		policy_warning(
			c, jwks,
			"%u keys of jwks are left out: Heddle verifies with RSA of 2,048 to 8,192 "
			"bits, P-256, P-384, P-521 and Ed25519",
			found->left_out);
	for (uint32_t i = 0; i < found->n; i++) {
		struct hd_jwt_key *k = policy_vec_push(&l->arena, &l->authz.jwt_keys);

		*k = found->keys[i];
		k->kid = policy_out(l, k->kid);
		k->alg = policy_out(l, k->alg);
		k->spki = policy_out(l, k->spki);
	}
}

static void keys_add(struct policy_load *l, const struct policy_object *o,
		     const struct policy_yaml *map, struct hd_jwt_rule *r)
{
	const struct policy_yaml *jwks = policy_get(map, "jwks"), *uri = policy_get(map, "jwksUri");
	struct policy_check c;

	policy_object_check(l, o, &c);
	r->keys_first = l->authz.jwt_keys.n;
	if (jwks != NULL && jwks->text.n > 0) {
		inline_keys(l, &c, jwks, r);
	} else {
		r->is_unfetched = 1;
		policy_warning(
			&c, uri != NULL ? uri : map,
			"jwksUri is not fetched: tokens of \"%.*s\" are refused with 401 until "
			"its keys stand inline in jwks",
			POLICY_STR(r->issuer));
	}
	r->keys_count = l->authz.jwt_keys.n - r->keys_first;
}

static void rule_add(struct policy_load *l, const struct policy_object *o,
		     const struct policy_yaml *map)
{
	struct hd_str payload =
		policy_str_lower(&l->arena, policy_get_str(map, "outputPayloadToHeader"));
	struct hd_jwt_rule r = {
		.issuer = policy_out(l, policy_get_str(map, "issuer")),
		.payload_header = policy_out(l, payload),
		.forwards = policy_get_int(map, "forwardOriginalToken", 0) != 0,
		.is_required = policy_get_int(map, "presence", 0) != 0,
	};

	texts_add(l, policy_get(map, "audiences"), &r.audiences_first, &r.audiences_count);
	texts_add(l, policy_get(map, "spaceDelimitedClaims"), &r.spaces_first, &r.spaces_count);
	places_add(l, map, &r);
	claim_headers_add(l, policy_get(map, "outputClaimToHeaders"), &r);
	keys_add(l, o, map, &r);
	*(struct hd_jwt_rule *)policy_vec_push(&l->arena, &l->authz.jwt_rules) = r;
}

void policy_build_jwt(struct policy_load *l, const struct policy_object *o, uint32_t *first,
		      uint32_t *count)
{
	const struct policy_yaml *rules = policy_get(o->body, "jwtRules");

	*first = l->authz.jwt_rules.n;
	for (const struct policy_yaml *y = rules != NULL ? rules->first : NULL; y != NULL;
	     y = y->next)
		rule_add(l, o, y);
	*count = l->authz.jwt_rules.n - *first;
}

void policy_jwt_out(struct policy_load *l, struct hd_jwt *out,
		    void *(*array_out)(struct policy_load *l, const struct policy_vec *v))
{
	out->rules = array_out(l, &l->authz.jwt_rules);
	out->n_rules = l->authz.jwt_rules.n;
	out->keys = array_out(l, &l->authz.jwt_keys);
	out->places = array_out(l, &l->authz.jwt_places);
	out->claim_headers = array_out(l, &l->authz.jwt_claim_headers);
	out->texts = array_out(l, &l->authz.jwt_texts);
}
