/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core_list.h"

#define HEADER 5
#define MASK 0x55
#define ALERT 21
#define HANDSHAKE 22
#define DATA 23
#define CONNS 512

struct tls_conn {
	struct tls *tls;
	struct list_link ready;
	void *user;
	uint32_t context;
	int is_live, is_client, is_open, is_failed, has_said, is_closed;
	hd_ns due; /* of the handshake's answer; HD_NS_NEVER: none is under way */
	enum hd_counter why;
	char sni[256], id[256], own[256];
	struct identity *peer;
};

struct identity {
	struct tls_identity identity;
	struct list_link link;
	uint32_t holders;
	char id[256];
	struct hd_str uris[1];
};

struct tls {
	struct rte_mempool *bufs, *indirect;
	struct hd_worker_stats *stats;
	struct fake_tls_options *options;
	struct list_link ready, identities;
	struct tls_conn conns[CONNS];
	hd_ns now;
};

struct tls *fake_tls_create(struct rte_mempool *bufs, struct rte_mempool *indirect,
			    struct hd_worker_stats *stats, struct fake_tls_options *options)
{
	struct tls *t = calloc(1, sizeof(*t));

	t->bufs = bufs;
	t->indirect = indirect;
	t->stats = stats;
	t->options = options;
	list_init(&t->ready);
	list_init(&t->identities);
	return t;
}

static void identity_free(struct list_link *l)
{
	list_remove(l);
	free(list_entry(l, struct identity, link));
}

void fake_tls_destroy(struct tls *t)
{
	while (!list_is_empty(&t->identities))
		identity_free(list_front(&t->identities));
	free(t);
}

uint32_t fake_tls_live(const struct tls *t)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < CONNS; i++)
		n += t->conns[i].is_live != 0;
	return n;
}

uint32_t fake_tls_record(uint8_t type, const char *payload, uint32_t n, uint8_t *out)
{
	out[0] = type;
	out[1] = out[2] = 3;
	out[3] = (uint8_t)(n >> 8);
	out[4] = (uint8_t)n;
	for (uint32_t i = 0; i < n; i++)
		out[HEADER + i] = (uint8_t)payload[i] ^ (type == DATA ? MASK : 0);
	return HEADER + n;
}

const char *fake_tls_read(const char *wire, uint32_t n)
{
	static char out[400000];
	const uint8_t *p = (const uint8_t *)wire, *end = p + n;
	char *to = out;

	while (p < end) {
		uint32_t size = (uint32_t)p[3] << 8 | p[4];
		if (p + HEADER + size > end || p[1] != 3)
			return NULL;
		if (p[0] == DATA)
			for (uint32_t i = 0; i < size; i++)
				*to++ = (char)(p[HEADER + i] ^ MASK);
		else
			to += sprintf(to, "[%u:%.*s]", p[0], (int)size, p + HEADER);
		p += HEADER + size;
	}
	*to = 0;
	return out;
}

static struct tls_conn *conn_new(struct tls *t, uint32_t context, void *user, int is_client)
{
	for (uint32_t i = 0; i < CONNS; i++) {
		struct tls_conn *c = &t->conns[i];
		if (c->is_live)
			continue;
		*c = (struct tls_conn){ .tls = t,
					.user = user,
					.context = context,
					.is_live = 1,
					.is_client = is_client,
					.due = HD_NS_NEVER };
		return c;
	}
	return NULL;
}

struct tls_conn *tls_accept(struct tls *t, uint32_t context, const struct hd_addr *remote,
			    void *user, hd_ns now)
{
	return conn_new(t, context, user, 0);
}

struct tls_conn *tls_connect(struct tls *t, uint32_t context, const struct hd_addr *remote,
			     struct hd_str sni, void *user, hd_ns now)
{
	struct tls_conn *c = conn_new(t, context, user, 1);

	if (c != NULL)
		snprintf(c->sni, sizeof(c->sni), "%.*s", (int)sni.n, sni.p);
	return c;
}

static struct identity *identity_of(const struct tls_identity *i)
{
	return hd_container_of((struct tls_identity *)(uintptr_t)i, struct identity, identity);
}

void tls_identity_hold(const struct tls_identity *i, uint32_t worker)
{
	identity_of(i)->holders++;
}

void tls_identity_put(const struct tls_identity *i, uint32_t worker)
{
	if (--identity_of(i)->holders == 0)
		identity_free(&identity_of(i)->link);
}

void tls_release(struct tls_conn *c)
{
	if (list_is_linked(&c->ready))
		list_remove(&c->ready);
	if (c->peer != NULL)
		tls_identity_put(&c->peer->identity, 0);
	c->is_live = 0;
}

int tls_run(struct tls *t, hd_ns now)
{
	t->now = now;
	for (uint32_t i = 0; i < CONNS; i++)
		if (t->conns[i].is_live && t->conns[i].due <= now &&
		    !list_is_linked(&t->conns[i].ready))
			list_push_back(&t->ready, &t->conns[i].ready);
	return 0;
}

hd_ns tls_next_deadline(const struct tls *t)
{
	hd_ns at = HD_NS_NEVER;

	for (uint32_t i = 0; i < CONNS; i++)
		if (t->conns[i].is_live && t->conns[i].due < at)
			at = t->conns[i].due;
	return at;
}

struct tls_conn *tls_ready_next(struct tls *t)
{
	struct list_link *l = list_pop_front(&t->ready);

	return l != NULL ? list_entry(l, struct tls_conn, ready) : NULL;
}

static void put(struct tls_conn *c, struct bufq *q, uint8_t type, const char *payload, uint32_t n)
{
	uint8_t out[HEADER + 16384];

	if (bufq_copy_in(q, out, fake_tls_record(type, payload, n, out), c->tls->bufs) != 0)
		abort();
}

static uint32_t fail(struct tls_conn *c, struct tls_io *io, enum hd_counter why, const char *alert)
{
	c->is_failed = 1;
	c->is_open = 0;
	c->why = why;
	c->due = HD_NS_NEVER;
	hd_count(c->tls->stats, why);
	if (alert != NULL && !c->is_closed)
		put(c, io->wire, ALERT, alert, (uint32_t)strlen(alert));
	return TLS_EV_FAILED;
}

/* The word behind "key=", up to a space. */
static void word_of(const char *text, const char *key, char out[256])
{
	const char *at = strstr(text, key);
	size_t n = at != NULL ? strcspn(at + strlen(key), " ") : 0;

	snprintf(out, 256, "%.*s", (int)n, at != NULL ? at + strlen(key) : "");
}

static void set_peer(struct tls_conn *c)
{
	struct identity *i = c->id[0] != 0 ? calloc(1, sizeof(*i)) : NULL;
	uint32_t n = (uint32_t)strlen(c->id);

	c->peer = i;
	if (i == NULL)
		return;
	memcpy(i->id, c->id, n);
	i->holders = 1;
	list_push_back(&c->tls->identities, &i->link);
	i->uris[0] = (struct hd_str){ i->id, n };
	i->identity = (struct tls_identity){ .spiffe_id = i->uris[0],
					     .principal = { i->id + 9, n > 9 ? n - 9 : 0 },
					     .hash = { "00ff", 4 },
					     .pem = { "PEM", 3 },
					     .uris = i->uris,
					     .n_uris = 1 };
}

/* What the other side said decides, at once or after a while. */
static uint32_t judge(struct tls_conn *c, struct tls_io *io)
{
	const struct fake_tls_context *x = &c->tls->options->contexts[c->context];

	c->due = HD_NS_NEVER;
	if (!x->is_set)
		return fail(c, io, HD_TLS_NO_CONTEXT, "internal");
	if (c->id[0] == 0 && (c->is_client || x->wants_peer))
		return fail(c, io, HD_TLS_NO_CERTIFICATE, "certificate_required");
	if (c->id[0] != 0 && x->prefix != NULL && strncmp(c->id, x->prefix, strlen(x->prefix)) != 0)
		return fail(c, io, HD_TLS_ID_NAME, "bad_certificate");
	set_peer(c);
	c->is_open = 1;
	if (!c->is_client)
		put(c, io->wire, HANDSHAKE, "ok id=spiffe://td/ns/n/sa/node", 30);
	return TLS_EV_HANDSHAKEN;
}

static uint32_t on_handshake(struct tls_conn *c, struct tls_io *io, char *text, hd_ns now)
{
	if (c->is_open || c->due != HD_NS_NEVER)
		return fail(c, io, HD_TLS_UNEXPECTED, "unexpected_message");
	if (!c->is_client)
		word_of(text, "sni=", c->sni);
	word_of(text, "id=", c->id);
	if (c->tls->options->latency == 0)
		return judge(c, io);
	c->due = now + c->tls->options->latency;
	return 0;
}

static uint32_t on_record(struct tls_conn *c, struct tls_io *io, uint32_t size, hd_ns now)
{
	uint8_t bytes[HEADER + 16384 + 1];
	uint32_t n = size - HEADER;

	bufq_copy_out(io->in, 0, bytes, size);
	bytes[size] = 0;
	bufq_consume(io->in, size);
	io->overhead += size;
	if (bytes[0] == HANDSHAKE)
		return on_handshake(c, io, (char *)bytes + HEADER, now);
	if (bytes[0] == ALERT && strcmp((char *)bytes + HEADER, "close") == 0) {
		c->is_closed |= 2;
		return TLS_EV_EOF;
	}
	if (bytes[0] == ALERT)
		return fail(c, io, HD_TLS_PEER_ALERT, NULL);
	if (bytes[0] != DATA || !c->is_open)
		return fail(c, io, HD_TLS_NOT_TLS, "protocol_version");
	for (uint32_t i = 0; i < n; i++)
		bytes[HEADER + i] ^= MASK;
	io->overhead -= n;
	if (bufq_copy_in(io->plain, bytes + HEADER, n, c->tls->bufs) != 0)
		abort();
	return TLS_EV_READABLE;
}

static uint32_t record_size(const struct bufq *in)
{
	uint8_t h[HEADER];

	if (in->bytes < HEADER)
		return 0;
	bufq_copy_out(in, 0, h, HEADER);
	if (h[1] != 3)
		return UINT32_MAX;
	return HEADER + ((uint32_t)h[3] << 8 | h[4]);
}

uint32_t tls_pump(struct tls_conn *c, struct tls_io *io, hd_ns now)
{
	uint32_t events = 0, size;

	io->overhead = 0;
	if (c->is_client && !c->has_said) {
		char hello[300];
		int n = snprintf(hello, sizeof(hello), "hello sni=%s", c->sni);
		c->has_said = 1;
		put(c, io->wire, HANDSHAKE, hello, (uint32_t)n);
	}
	if (c->due <= now)
		events |= judge(c, io);
	while (!c->is_failed && c->due == HD_NS_NEVER && (size = record_size(io->in)) != 0) {
		if (size == UINT32_MAX)
			return events | fail(c, io, HD_TLS_NOT_TLS, "protocol_version");
		if (size > io->in->bytes)
			break;
		events |= on_record(c, io, size, now);
	}
	if (io->fin && !c->is_failed && !(c->is_closed & 2) && c->due == HD_NS_NEVER)
		events |= fail(c, io, c->is_open ? HD_TLS_TRUNCATED : HD_TLS_CLOSED_EARLY, NULL);
	return events;
}

int tls_wants_write(const struct tls_conn *c)
{
	return 0;
}

int tls_is_open(const struct tls_conn *c)
{
	return c->is_open && !(c->is_closed & 1);
}

int tls_send(struct tls_conn *c, struct bufq *plain, struct bufq *wire, hd_ns now)
{
	char bytes[16384];

	if (c->tls->options->seal_fails > 0) {
		c->tls->options->seal_fails--;
		return -ENOMEM;
	}
	while (plain->bytes > 0) {
		uint32_t n = plain->bytes < sizeof(bytes) ? plain->bytes : sizeof(bytes);
		bufq_copy_out(plain, 0, bytes, n);
		bufq_consume(plain, n);
		put(c, wire, DATA, bytes, n);
	}
	return 0;
}

void tls_close(struct tls_conn *c, struct bufq *wire)
{
	if (!tls_is_open(c))
		return;
	c->is_closed |= 1;
	put(c, wire, ALERT, "close", 5);
}

void *tls_conn_user(const struct tls_conn *c)
{
	return c->user;
}

void tls_conn_facts(const struct tls_conn *c, struct tls_facts *out)
{
	*out = (struct tls_facts){ .version = 0x0304,
				   .suite = 0x1301,
				   .is_server = !c->is_client,
				   .context = c->context,
				   .peer = c->peer != NULL ? &c->peer->identity : NULL };
}

struct hd_str tls_conn_sni(const struct tls_conn *c)
{
	return (struct hd_str){ c->sni, (uint32_t)strlen(c->sni) };
}

enum hd_counter tls_conn_failure(const struct tls_conn *c)
{
	return c->why;
}

uint8_t tls_conn_alert(const struct tls_conn *c)
{
	return 0;
}

const char *tls_suite_name(uint16_t suite)
{
	return "TLS_FAKE";
}

const char *tls_version_name(uint16_t version)
{
	return "TLSv1.3";
}

const char *tls_alpn_name(uint8_t alpn)
{
	return "";
}

static uint32_t alpns_of(const char *text)
{
	static const char *const names[] = { "",
#define NAME(symbol, name) name,
					     HD_ALPNS(NAME)
#undef NAME
	};
	char list[256];
	uint32_t mask = 0;

	word_of(text, "alpn=", list);
	for (char *rest = NULL, *w = strtok_r(list, ",", &rest); w != NULL;
	     w = strtok_r(NULL, ",", &rest))
		for (uint32_t i = 1; i < HD_ALPN_MAX; i++)
			if (strcmp(w, names[i]) == 0)
				mask |= HD_ALPN_BIT(i);
	return mask;
}

enum tls_sniff tls_sniff(const struct bufq *in, struct tls_hello *out)
{
	uint32_t n, size;
	const uint8_t *p = bufq_front(in, &n);
	char text[1024], sni[256];

	*out = (struct tls_hello){ 0 };
	if (n == 0)
		return TLS_SNIFF_MORE;
	if (p[0] != HANDSHAKE)
		return TLS_SNIFF_PLAIN;
	size = record_size(in);
	if (size == UINT32_MAX || size > sizeof(text))
		return TLS_SNIFF_BAD;
	if (size == 0 || size > in->bytes)
		return TLS_SNIFF_MORE;
	bufq_copy_out(in, HEADER, text, size - HEADER);
	text[size - HEADER] = 0;
	word_of(text, "sni=", sni);
	out->sni_n = (uint16_t)strlen(sni);
	memcpy(out->sni, sni, out->sni_n);
	out->alpns = alpns_of(text);
	out->has_alpn = out->alpns != 0;
	return TLS_SNIFF_HELLO;
}
