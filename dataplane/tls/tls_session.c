/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, for resumption. A backend's place is bound to context (so to credential and bundle),
 * address and server name, a caller's to context, server name and the number that the caller shows
 * again: what is resumed was verified under exactly the rules that hold now. Two sessions a
 * backend: a ticket is used once while there is another (RFC 8446 C.4). */
#include <stdlib.h>

#include "tls_slow.h"

#define PLACES 8192
#define KEPT 2

struct place {
	struct tls_session_key key;
	SSL_SESSION *sessions[KEPT]; /* newest first */
};

struct tls_sessions {
	pthread_mutex_t lock;
	struct place places[PLACES];
};

struct tls_sessions *tls_sessions_create(void)
{
	struct tls_sessions *t = calloc(1, sizeof(*t));

	if (t != NULL)
		pthread_mutex_init(&t->lock, NULL);
	return t;
}

static void clear(struct place *p)
{
	for (int i = 0; i < KEPT; i++) {
		SSL_SESSION_free(p->sessions[i]);
		p->sessions[i] = NULL;
	}
}

void tls_sessions_destroy(struct tls_sessions *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < PLACES; i++)
		clear(&t->places[i]);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void tls_session_key(struct tls_session_key *out, const struct tls_context *c,
		     const struct hd_addr *remote, struct hd_str sni)
{
	const struct hd_str parts[] = {
		{ (const char *)&c->serial, sizeof(c->serial) },
		{ (const char *)&remote->ip, sizeof(remote->ip) },
		{ (const char *)&remote->port, sizeof(remote->port) },
		sni,
	};

	tls_hmac(TLS_SHA256, "session", 7, parts, HD_ARRAY_SIZE(parts), out->bytes);
}

void tls_session_caller_key(struct tls_session_key *out, const struct tls_context *c,
			    struct hd_str number, struct hd_str sni)
{
	const struct hd_str parts[] = {
		{ (const char *)&c->serial, sizeof(c->serial) },
		{ (const char *)&number.n, sizeof(number.n) },
		number,
		sni,
	};

	tls_hmac(TLS_SHA256, "caller", 6, parts, HD_ARRAY_SIZE(parts), out->bytes);
}

static struct place *place_of(struct tls_sessions *t, const struct tls_session_key *key)
{
	uint32_t at;

	memcpy(&at, key->bytes, sizeof(at));
	return &t->places[at % PLACES];
}

void tls_session_put(struct tls_sessions *t, const struct tls_session_key *key,
		     SSL_SESSION *session)
{
	struct place *p;

	pthread_mutex_lock(&t->lock);
	p = place_of(t, key);
	if (memcmp(&p->key, key, sizeof(*key)) != 0) {
		clear(p);
		p->key = *key;
	}
	SSL_SESSION_free(p->sessions[KEPT - 1]);
	memmove(&p->sessions[1], &p->sessions[0], (KEPT - 1) * sizeof(p->sessions[0]));
	p->sessions[0] = session;
	pthread_mutex_unlock(&t->lock);
}

static int is_fresh(const SSL_SESSION *s, int64_t now)
{
	return SSL_SESSION_is_resumable(s) &&
	       now < (int64_t)SSL_SESSION_get_time(s) + SSL_SESSION_get_timeout(s);
}

/* The newest that is still good; it stays when it is the last. */
static SSL_SESSION *take(struct place *p, int64_t now)
{
	SSL_SESSION *s = p->sessions[0];

	if (s == NULL)
		return NULL;
	if (!is_fresh(s, now)) {
		clear(p);
		return NULL;
	}
	if (p->sessions[1] != NULL) {
		p->sessions[0] = p->sessions[1];
		p->sessions[1] = NULL;
		return s;
	}
	SSL_SESSION_up_ref(s);
	return s;
}

SSL_SESSION *tls_session_get(struct tls_sessions *t, const struct tls_session_key *key, int64_t now)
{
	SSL_SESSION *s = NULL;
	struct place *p;

	pthread_mutex_lock(&t->lock);
	p = place_of(t, key);
	if (memcmp(&p->key, key, sizeof(*key)) == 0)
		s = take(p, now);
	pthread_mutex_unlock(&t->lock);
	return s;
}
