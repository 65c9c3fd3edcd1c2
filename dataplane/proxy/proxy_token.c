/* SPDX-License-Identifier: Apache-2.0 */
#include "core_siphash.h"
#include "proxy_state.h"

#define TURN_TOKENS 64
#define TURN_TOLD 64
#define ASK_AGAIN HD_NS_PER_S /* what time or luck may change */

static const struct {
	uint16_t http;
	const char *text;
} statuses[] = {
#define STATUS_ROW(symbol, http, text) [HD_JWT_##symbol] = { http, text },
	HD_JWT_STATUSES(STATUS_ROW)
#undef STATUS_ROW
};

uint16_t proxy_token_http(enum hd_jwt_status status)
{
	return statuses[status].http;
}

const char *proxy_token_text(enum hd_jwt_status status)
{
	return statuses[status].text;
}

void proxy_tokens_init(struct proxy_tokens *t, const struct hd_jwt_lane *lane,
		       const uint64_t key[2])
{
	t->lane = lane;
	t->key[0] = key[0];
	t->key[1] = key[1];
	list_init(&t->idle);
	list_init(&t->told);
}

static uint16_t *bucket_of(struct proxy_tokens *t, uint64_t hash)
{
	return &t->buckets[hash % HD_ARRAY_SIZE(t->buckets)];
}

static uint16_t number_of(const struct proxy_tokens *t, const struct proxy_token *k)
{
	return (uint16_t)(k - t->rows + 1);
}

/* Nobody finds it any more; it is free when nobody holds it. */
static void forget(struct proxy_tokens *t, struct proxy_token *k)
{
	uint16_t *at = bucket_of(t, k->hash);

	while (*at != 0 && *at != number_of(t, k))
		at = &t->rows[*at - 1].next;
	if (*at != 0)
		*at = k->next;
	k->next = 0;
	k->state = k->users > 0 ? TOKEN_FORGOTTEN : TOKEN_FREE;
	if (k->users == 0 && !list_is_linked(&k->idle))
		list_push_front(&t->idle, &k->idle);
}

static void hold(struct proxy_tokens *t, struct proxy_token *k)
{
	if (k->users++ == 0 && list_is_linked(&k->idle))
		list_remove(&k->idle);
}

static void let_go(struct proxy_tokens *t, struct proxy_token *k)
{
	if (--k->users > 0)
		return;
	if (k->state == TOKEN_FORGOTTEN) {
		k->state = TOKEN_FREE;
		list_push_front(&t->idle, &k->idle);
	} else if (t->lane->slots[k - t->rows].status == HD_JWT_OK) {
		list_push_back(&t->idle, &k->idle);
	} else { /* rubbish must not push out what is good */
		list_push_front(&t->idle, &k->idle);
	}
}

void proxy_token_release(struct proxy *p, struct proxy_exchange *x)
{
	if (x->token == 0)
		return;
	let_go(&p->tokens, &p->tokens.rows[x->token - 1]);
	x->token = 0;
}

static int is_stale(const struct proxy *p, const struct proxy_token *k)
{
	const struct hd_jwt_slot *s = &p->tokens.lane->slots[k - p->tokens.rows];
	int64_t now_s = ((int64_t)p->now + p->wall_offset) / (int64_t)HD_NS_PER_S;

	return k->state == TOKEN_DONE &&
	       (p->now >= k->keep_until || (s->status == HD_JWT_OK && now_s > s->expires_s));
}

/* Its bytes are compared, whatever the hash: nobody's token is taken for another's. */
static int is_of(const struct proxy *p, const struct proxy_token *k, uint64_t hash, uint32_t rule,
		 struct hd_str token)
{
	const struct hd_jwt_slot *s = &p->tokens.lane->slots[k - p->tokens.rows];

	return k->hash == hash && k->rule == rule && k->generation == p->snapshot->generation &&
	       s->token_n == token.n && memcmp(s->token, token.p, token.n) == 0;
}

static struct proxy_token *find(struct proxy *p, uint64_t hash, uint32_t rule, struct hd_str token)
{
	struct proxy_tokens *t = &p->tokens;

	for (uint16_t i = *bucket_of(t, hash); i != 0; i = t->rows[i - 1].next) {
		struct proxy_token *k = &t->rows[i - 1];

		if (!is_of(p, k, hash, rule, token))
			continue;
		if (!is_stale(p, k))
			return k;
		forget(t, k);
		return NULL;
	}
	return NULL;
}

static struct proxy_token *place_for(struct proxy_tokens *t)
{
	struct proxy_token *k;
	struct list_link *l = list_is_empty(&t->idle) ? NULL : list_front(&t->idle);

	if (l != NULL && list_entry(l, struct proxy_token, idle)->state == TOKEN_FREE) {
		list_remove(l);
		return list_entry(l, struct proxy_token, idle);
	}
	if (t->used < HD_JWT_SLOTS)
		return &t->rows[t->used++];
	if (l == NULL)
		return NULL;
	k = list_entry(l, struct proxy_token, idle);
	forget(t, k);
	list_remove(&k->idle);
	return k;
}

/* Into the thread's hands. NULL: all places wait or are held. */
static struct proxy_token *submit(struct proxy *p, uint64_t hash, uint32_t rule,
				  struct hd_str token)
{
	struct proxy_tokens *t = &p->tokens;
	struct proxy_token *k = place_for(t);
	struct hd_jwt_slot *s;
	uint32_t *job;
	uint16_t *bucket = bucket_of(t, hash);

	if (k == NULL)
		return NULL;
	s = &t->lane->slots[k - t->rows];
	*k = (struct proxy_token){ .hash = hash,
				   .generation = p->snapshot->generation,
				   .rule = (uint16_t)rule,
				   .next = *bucket,
				   .state = TOKEN_PENDING };
	list_init(&k->waiting);
	*bucket = number_of(t, k);
	s->jwt = &p->snapshot->jwt;
	s->generation = p->snapshot->generation;
	s->rule = rule;
	s->token_n = token.n;
	s->now_s = ((int64_t)p->now + p->wall_offset) / (int64_t)HD_NS_PER_S;
	memcpy(s->token, token.p, token.n);
	job = hd_ring_slot(t->lane->jobs); /* there is a place for every slot */
	*job = (uint32_t)(k - t->rows);
	hd_ring_push(t->lane->jobs);
	t->order[t->asked++ % HD_JWT_SLOTS] = number_of(t, k);
	proxy_count(p, HD_PROXY_TOKENS_ASKED);
	return k;
}

/* Jobs come back in the order in which they went. */
uint64_t proxy_oldest_generation(const struct proxy *p)
{
	const struct proxy_tokens *t = &p->tokens;

	if (t->asked == t->answered)
		return p->snapshot != NULL ? p->snapshot->generation : 0;
	return t->rows[t->order[t->answered % HD_JWT_SLOTS] - 1].generation;
}

static void came_back(struct proxy *p, uint32_t index)
{
	struct proxy_tokens *t = &p->tokens;
	struct proxy_token *k = &t->rows[index];
	uint8_t status = t->lane->slots[index].status;

	k->state = TOKEN_DONE;
	k->keep_until = status == HD_JWT_NOT_YET || status == HD_JWT_NO_MEMORY ? p->now + ASK_AGAIN
									       : HD_NS_NEVER;
	t->answered++;
	list_splice_back(&t->told, &k->waiting);
	hold(t, k);
	let_go(t, k); /* now others may take its place */
}

/* Very many may wait for one token. */
static int go_on(struct proxy *p)
{
	struct list_link *l;
	int n = 0;

	while (n < TURN_TOLD && (l = list_pop_front(&p->tokens.told)) != NULL) {
		proxy_exchange_judge_again(p, proxy_exchange_of(l));
		n++;
	}
	return n > 0;
}

int proxy_tokens_run(struct proxy *p)
{
	const uint32_t *done;
	int n = 0;

	if (hd_likely(p->tokens.asked == p->tokens.answered))
		return list_is_empty(&p->tokens.told) ? 0 : go_on(p);
	while (n < TURN_TOKENS && (done = hd_ring_peek(p->tokens.lane->done)) != NULL) {
		uint32_t index = *done;

		hd_ring_pop(p->tokens.lane->done);
		came_back(p, index);
		n++;
	}
	return go_on(p) | (n > 0);
}

/* One token by one rule. */
static enum proxy_token_verdict judge_token(struct proxy *p, struct proxy_exchange *x,
					    uint32_t rule, struct hd_str token,
					    struct proxy_token **out, enum hd_jwt_status *status)
{
	struct proxy_tokens *t = &p->tokens;
	struct proxy_token *k;
	uint64_t hash;

	*status = token.n > HD_JWT_TOKEN_MAX ? HD_JWT_TOO_LARGE : HD_JWT_NO_MEMORY;
	if (t->lane == NULL || token.n > HD_JWT_TOKEN_MAX)
		return TOKEN_BAD;
	hash = siphash_1_3(t->key, token.p, token.n);
	k = find(p, hash, rule, token);
	if (k == NULL)
		k = submit(p, hash, rule, token);
	if (k == NULL) {
		proxy_count(p, HD_PROXY_TOKENS_FULL);
		return TOKEN_BAD;
	}
	if (k->state == TOKEN_PENDING) {
		x->state = EXCHANGE_JUDGED;
		list_push_back(&k->waiting, &x->link);
		return TOKEN_LATER;
	}
	*status = t->lane->slots[k - t->rows].status;
	*out = k;
	return *status == HD_JWT_OK ? TOKEN_GOOD : TOKEN_BAD;
}

/* All tokens that a rule finds must be good. */
static enum proxy_token_verdict judge_rule(struct proxy *p, struct proxy_exchange *x, uint32_t rule,
					   const struct proxy_strip_view *v,
					   struct proxy_token **out, enum hd_jwt_status *status)
{
	const struct hd_jwt *j = &p->snapshot->jwt;
	const struct hd_jwt_rule *r = &j->rules[rule];
	enum proxy_token_verdict verdict = TOKEN_NONE;

	for (uint32_t i = 0; i < r->places_count; i++) {
		struct hd_str token;

		if (!proxy_strip_find(v, &j->places[r->places_first + i], &token))
			continue;
		verdict = judge_token(p, x, rule, token, out, status);
		if (verdict != TOKEN_GOOD)
			return verdict;
	}
	return verdict;
}

/* A bad token tells more than one of somebody else's. */
static int tells_more(enum hd_jwt_status a, enum hd_jwt_status b)
{
	return b == HD_JWT_OK || (b == HD_JWT_UNKNOWN_ISSUER && a != HD_JWT_UNKNOWN_ISSUER);
}

/* One good token is enough; without any, none may be bad (istio-api.md 1.9). */
enum proxy_token_verdict proxy_token_judge(struct proxy *p, struct proxy_exchange *x,
					   const struct hd_authz_profile *profile,
					   const struct proxy_strip_view *v,
					   enum hd_jwt_status *status)
{
	const uint32_t *rules = p->snapshot->authz.words + profile->jwt_first;

	int is_required = 0;

	*status = HD_JWT_OK;
	for (uint32_t i = 0; i < profile->jwt_count; i++) {
		enum hd_jwt_status why = HD_JWT_OK;
		struct proxy_token *k = NULL;

		is_required |= p->snapshot->jwt.rules[rules[i]].is_required;
		switch (judge_rule(p, x, rules[i], v, &k, &why)) {
		case TOKEN_LATER:
			return TOKEN_LATER;
		case TOKEN_GOOD:
			hold(&p->tokens, k);
			x->token = number_of(&p->tokens, k);
			return TOKEN_GOOD;
		case TOKEN_BAD:
			if (tells_more(why, *status))
				*status = why;
			break;
		case TOKEN_NONE:
			break;
		}
	}
	if (*status == HD_JWT_OK && is_required)
		*status = HD_JWT_MISSING;
	return *status == HD_JWT_OK ? TOKEN_NONE : TOKEN_BAD;
}

uint32_t proxy_token_rule(const struct proxy *p, const struct proxy_exchange *x)
{
	return x->token != 0 ? p->tokens.rows[x->token - 1].rule : HD_NONE;
}

struct hd_str proxy_token_fields(const struct proxy *p, const struct proxy_exchange *x)
{
	const struct hd_jwt_slot *s;

	if (hd_likely(x->token == 0))
		return (struct hd_str){ "", 0 };
	s = &p->tokens.lane->slots[x->token - 1];
	return (struct hd_str){ s->out, s->out_n };
}

void proxy_token_share(struct proxy *p, const struct proxy_exchange *x, struct proxy_exchange *copy)
{
	if (x->token != 0)
		hold(&p->tokens, &p->tokens.rows[x->token - 1]);
	copy->token = x->token;
}

struct proxy_claims proxy_token_claims(const struct proxy *p, const struct proxy_exchange *x)
{
	const struct hd_jwt_slot *s = &p->tokens.lane->slots[x->token - 1];

	return (struct proxy_claims){ hd_jwt_text(s, s->issuer), hd_jwt_text(s, s->subject),
				      s->rows, s->text, s->n_rows };
}
