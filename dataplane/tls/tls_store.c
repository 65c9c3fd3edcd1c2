/* SPDX-License-Identifier: Apache-2.0 */
/* Slots of credentials, bundles and contexts. What is in use is counted under one lock; a context
 * is built again when a handshake finds that one of its parts was replaced. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/crypto.h>

#include "tls_slow.h"

#define SECURE_BYTES (1 << 20) /* for private keys: locked, and left out of core files */

struct tls_store *tls_store_create(uint32_t n_workers)
{
	struct tls_store *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	if (!CRYPTO_secure_malloc_initialized())
		(void)CRYPTO_secure_malloc_init(SECURE_BYTES,
						32); /* without it keys lie with the rest */
	pthread_mutex_init(&s->lock, NULL);
	s->credentials = calloc(HD_TLS_MAX_SLOTS, sizeof(*s->credentials));
	s->bundles = calloc(HD_TLS_MAX_SLOTS, sizeof(*s->bundles));
	s->contexts = calloc(HD_TLS_MAX_SLOTS, sizeof(*s->contexts));
	s->identities = tls_identities_create(n_workers);
	s->sessions = tls_sessions_create();
	s->callers = tls_sessions_create();
	s->chains = tls_chains_create();
	if (s->credentials != NULL && s->bundles != NULL && s->contexts != NULL &&
	    s->identities != NULL && s->sessions != NULL && s->callers != NULL && s->chains != NULL)
		return s;
	tls_store_destroy(s);
	return NULL;
}

static void put_credential(struct tls_credential *c)
{
	if (c != NULL && --c->refs == 0)
		tls_credential_free(c);
}

static void put_bundle(struct tls_bundle *b)
{
	if (b != NULL && --b->refs == 0)
		tls_bundle_free(b);
}

/* Under the lock, as those above. */
static void put_context(struct tls_context *c)
{
	if (c == NULL || --c->refs > 0)
		return;
	for (uint32_t i = 0; i < c->settings->c.n_credentials; i++)
		put_credential(c->credentials[i]);
	put_bundle(c->bundle);
	tls_context_free(c);
}

static void clear_context(struct tls_slot_context *slot)
{
	put_context(slot->built);
	free(slot->settings);
	*slot = (struct tls_slot_context){ 0 };
}

void tls_store_destroy(struct tls_store *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < HD_TLS_MAX_SLOTS && s->contexts != NULL; i++)
		clear_context(&s->contexts[i]);
	for (uint32_t i = 0; i < HD_TLS_MAX_SLOTS && s->credentials != NULL; i++)
		put_credential(s->credentials[i].value);
	for (uint32_t i = 0; i < HD_TLS_MAX_SLOTS && s->bundles != NULL; i++)
		put_bundle(s->bundles[i].value);
	free(s->credentials);
	free(s->bundles);
	free(s->contexts);
	tls_identities_destroy(s->identities);
	tls_sessions_destroy(s->sessions);
	tls_sessions_destroy(s->callers);
	tls_chains_destroy(s->chains);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int64_t tls_store_now(const struct tls_store *s)
{
	return s->wall != NULL ? s->wall(s->wall_ctx) / (int64_t)HD_NS_PER_S : (int64_t)time(NULL);
}

static int bad_slot(uint32_t slot, char *error, size_t bytes)
{
	if (slot < HD_TLS_MAX_SLOTS)
		return 0;
	snprintf(error, bytes, "slot %u: there are %u", slot, HD_TLS_MAX_SLOTS);
	return 1;
}

int tls_store_credential_set(struct tls_store *s, uint32_t slot,
			     const struct hd_tls_credential *from, char *error, size_t error_bytes)
{
	struct tls_credential *c;

	if (bad_slot(slot, error, error_bytes))
		return -EINVAL;
	c = tls_credential_parse(from, tls_store_now(s), error, error_bytes);
	if (c == NULL)
		return -EINVAL;
	pthread_mutex_lock(&s->lock);
	put_credential(s->credentials[slot].value);
	s->credentials[slot].value = c;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

int tls_store_bundle_set(struct tls_store *s, uint32_t slot, const struct hd_tls_bundle *from,
			 char *error, size_t error_bytes)
{
	struct tls_bundle *b;

	if (bad_slot(slot, error, error_bytes))
		return -EINVAL;
	b = tls_bundle_parse(from, error, error_bytes);
	if (b == NULL)
		return -EINVAL;
	pthread_mutex_lock(&s->lock);
	put_bundle(s->bundles[slot].value);
	s->bundles[slot].value = b;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

void tls_store_credential_clear(struct tls_store *s, uint32_t slot)
{
	pthread_mutex_lock(&s->lock);
	put_credential(s->credentials[slot].value);
	s->credentials[slot].value = NULL;
	pthread_mutex_unlock(&s->lock);
}

void tls_store_bundle_clear(struct tls_store *s, uint32_t slot)
{
	pthread_mutex_lock(&s->lock);
	put_bundle(s->bundles[slot].value);
	s->bundles[slot].value = NULL;
	pthread_mutex_unlock(&s->lock);
}

void tls_store_context_clear(struct tls_store *s, uint32_t slot)
{
	pthread_mutex_lock(&s->lock);
	clear_context(&s->contexts[slot]);
	pthread_mutex_unlock(&s->lock);
}

/* What the slots hold now, or NULL and error. */
static struct tls_context *build(struct tls_store *s, const struct hd_tls_context *from,
				 char *error, size_t bytes)
{
	struct tls_credential *credentials[HD_TLS_MAX_CREDENTIALS];
	struct tls_bundle *bundle =
		from->bundle < HD_TLS_MAX_SLOTS ? s->bundles[from->bundle].value : NULL;
	struct tls_context *c;

	for (uint32_t i = 0; i < from->n_credentials; i++) {
		uint32_t slot = from->credentials[i];
		credentials[i] = slot < HD_TLS_MAX_SLOTS ? s->credentials[slot].value : NULL;
		if (credentials[i] == NULL) {
			snprintf(error, bytes, "no certificate is set in slot %u", slot);
			return NULL;
		}
	}
	c = tls_context_build(s, from, credentials, bundle, error, bytes);
	if (c == NULL)
		return NULL;
	for (uint32_t i = 0; i < from->n_credentials; i++)
		credentials[i]->refs++;
	if (bundle != NULL)
		bundle->refs++;
	return c;
}

int tls_store_context_set(struct tls_store *s, uint32_t slot, const struct hd_tls_context *from,
			  char *error, size_t error_bytes)
{
	struct tls_settings *settings;
	struct tls_context *c = NULL;

	if (bad_slot(slot, error, error_bytes))
		return -EINVAL;
	if (from->n_credentials > HD_TLS_MAX_CREDENTIALS) {
		snprintf(error, error_bytes, "%u certificates for one context: at most %u",
			 from->n_credentials, HD_TLS_MAX_CREDENTIALS);
		return -EINVAL;
	}
	settings = tls_settings_copy(from);
	if (settings == NULL) {
		snprintf(error, error_bytes, "out of memory");
		return -ENOMEM;
	}
	pthread_mutex_lock(&s->lock);
	c = build(s, from, error, error_bytes);
	if (c != NULL) {
		clear_context(&s->contexts[slot]);
		s->contexts[slot] = (struct tls_slot_context){ settings, c };
	}
	pthread_mutex_unlock(&s->lock);
	if (c != NULL)
		return 0;
	free(settings);
	return -EINVAL;
}

static int is_current(const struct tls_store *s, const struct tls_context *c)
{
	const struct hd_tls_context *from = &c->settings->c;

	for (uint32_t i = 0; i < from->n_credentials; i++) {
		if (s->credentials[from->credentials[i]].value != c->credentials[i])
			return 0;
	}
	return from->bundle >= HD_TLS_MAX_SLOTS || s->bundles[from->bundle].value == c->bundle;
}

struct tls_context *tls_store_context(struct tls_store *s, uint32_t slot)
{
	struct tls_slot_context *at;
	struct tls_context *c;
	char error[256];

	if (slot >= HD_TLS_MAX_SLOTS)
		return NULL;
	pthread_mutex_lock(&s->lock);
	at = &s->contexts[slot];
	if (at->built != NULL && !is_current(s, at->built)) {
		/* What was set passed its checks; if the parts are gone, the old whole serves on.
		 */
		c = build(s, &at->settings->c, error, sizeof(error));
		if (c != NULL) {
			put_context(at->built);
			at->built = c;
		}
	}
	c = at->built;
	if (c != NULL)
		c->refs++;
	pthread_mutex_unlock(&s->lock);
	return c;
}

void tls_store_put(struct tls_store *s, struct tls_context *c)
{
	pthread_mutex_lock(&s->lock);
	put_context(c);
	pthread_mutex_unlock(&s->lock);
}
