/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "core_mbuf.h"
#include "proxy_state.h"

/* Less than this is no room: each record costs a header and a tag. */
#define SPACE_MIN 512

int proxy_tls_begin(struct proxy *p, struct proxy_leg *leg, struct tls_conn *conn)
{
	struct proxy_tls *t;

	if (conn == NULL)
		return -ENOMEM;
	t = core_pool_get(&p->secures);
	if (t == NULL) {
		proxy_count(p, HD_PROXY_NO_MEMORY);
		tls_release(conn);
		return -ENOMEM;
	}
	memset(t, 0, offsetof(struct proxy_tls, sni));
	t->conn = conn;
	t->begun = !leg->is_up;
	/* What ended so far is TCP's stream, not the one above that begins. */
	t->fin = leg->fin;
	leg->fin = leg->reset;
	leg->tls = t;
	return 0;
}

/* Seals what waits. What cannot be sealed now is tried again in the next turn. */
static void flush(struct proxy *p, struct proxy_leg *leg)
{
	struct proxy_tls *t = leg->tls;
	struct bufq wire = { 0 };
	int rc = 0;

	if (!tls_is_open(t->conn))
		bufq_clear(&t->unsent);
	if (t->unsent.bytes > 0)
		rc = tls_send(t->conn, &t->unsent, &wire, p->now);
	t->stuck = rc < 0;
	if (rc == 0 && t->closing)
		tls_close(t->conn, &wire);
	if (wire.bytes > 0)
		tcp_send(leg->conn, &wire);
	if (hd_unlikely(t->stuck)) {
		proxy_count(p, HD_PROXY_SEAL_DELAYED);
		tcp_ready_again(leg->conn, TCP_EV_WRITABLE);
	} else if (t->closing) {
		t->closing = 0;
		tcp_close(leg->conn);
	}
}

void proxy_tls_flush(struct proxy *p)
{
	struct list_link *l;

	while ((l = list_pop_front(&p->sealing)) != NULL)
		flush(p, tls_conn_user(list_entry(l, struct proxy_tls, sealing)->conn));
}

static void flush_later(struct proxy *p, struct proxy_tls *t)
{
	if (!list_is_linked(&t->sealing))
		list_push_back(&p->sealing, &t->sealing);
}

void proxy_tls_send(struct proxy *p, struct proxy_leg *leg, struct bufq *q)
{
	bufq_concat(&leg->tls->unsent, q);
	flush_later(p, leg->tls);
}

void proxy_tls_close(struct proxy *p, struct proxy_leg *leg)
{
	leg->tls->closing = 1;
	flush_later(p, leg->tls);
}

uint32_t proxy_tls_send_space(const struct proxy_leg *leg)
{
	uint32_t space = tcp_send_space(leg->conn), unsent = leg->tls->unsent.bytes;

	return leg->tls->stuck || space < unsent + SPACE_MIN ? 0 : space - unsent;
}

void proxy_tls_received(struct proxy_leg *leg, uint32_t bytes)
{
	tcp_received(leg->conn, bytes);
	if (hd_unlikely(leg->tls->again)) {
		leg->tls->again = 0;
		tcp_ready_again(leg->conn, TCP_EV_READABLE);
	}
}

static void note_sni(struct proxy *p, struct proxy_tls *t)
{
	struct hd_str name = tls_conn_sni(t->conn);
	char *to = t->sni;

	t->sni_n = 0;
	if (name.n > PROXY_SNI_INLINE) {
		t->sni_m = core_mbuf_alloc(p->pools.bufs, 1);
		to = t->sni_m != NULL ? rte_pktmbuf_mtod(t->sni_m, char *) : NULL;
	}
	if (to == NULL || name.n > UINT8_MAX) {
		t->failed = 1; /* whoever judges by the name must not see another one */
		return;
	}
	if (name.n > 0)
		memcpy(to, name.p, name.n);
	t->sni_n = (uint8_t)name.n;
}

struct hd_str proxy_tls_sni(const struct proxy_leg *leg)
{
	const struct proxy_tls *t = leg->tls;

	if (t == NULL)
		return (struct hd_str){ "", 0 };
	return (struct hd_str){ t->sni_m != NULL ? rte_pktmbuf_mtod(t->sni_m, const char *)
						 : t->sni,
				t->sni_n };
}

static uint32_t opened(struct proxy *p, struct proxy_leg *leg)
{
	struct tls_facts facts;

	tls_conn_facts(leg->tls->conn, &facts);
	leg->tls->opened = 1;
	leg->tls->version = facts.version;
	leg->peer = facts.peer;
	if (leg->is_up)
		return TCP_EV_CONNECTED;
	note_sni(p, leg->tls);
	return PROXY_EV_OPENED;
}

static uint32_t failed(struct proxy_leg *leg)
{
	leg->tls->failed = 1;
	leg->fin = leg->broken = 1;
	return TCP_EV_FIN;
}

static uint32_t pump(struct proxy *p, struct proxy_leg *leg)
{
	struct proxy_tls *t = leg->tls;
	struct bufq wire = { 0 };
	struct tls_io io = {
		.in = tcp_conn_rx(leg->conn),
		.plain = &t->plain,
		.wire = &wire,
		.plain_room = PROXY_TLS_PLAIN_ROOM,
		.wire_space = leg->reset ? 0 : tcp_send_space(leg->conn),
		.fin = t->fin,
	};
	uint32_t unasked = leg->is_up ? tcp_unasked(leg->conn) : 0, before = t->plain.bytes;
	uint32_t got = tls_pump(t->conn, &io, p->now), events = 0;

	/* A record is sealed at once: where one that was sent too early is among them, none of
	 * these is an answer. */
	if (hd_unlikely(unasked > 0))
		t->unasked += t->plain.bytes - before;
	if (io.overhead > 0)
		tcp_received(leg->conn, io.overhead);
	if (leg->reset)
		bufq_clear(&wire);
	else if (wire.bytes > 0)
		tcp_send(leg->conn, &wire);
	t->again = (got & TLS_EV_AGAIN) != 0;
	if (t->again && !tls_plain_is_full(&t->plain, PROXY_TLS_PLAIN_ROOM))
		tcp_ready_again(leg->conn, TCP_EV_READABLE);
	if (got & TLS_EV_HANDSHAKEN)
		events |= opened(p, leg);
	if (got & TLS_EV_READABLE)
		events |= TCP_EV_READABLE;
	if (got & TLS_EV_EOF) {
		leg->fin = 1;
		events |= TCP_EV_FIN;
	}
	if ((got & TLS_EV_FAILED) || t->failed)
		events |= failed(leg);
	return events;
}

uint32_t proxy_tls_event(struct proxy *p, struct proxy_leg *leg, uint32_t events)
{
	struct proxy_tls *t = leg->tls;
	uint32_t above = events & (TCP_EV_RESET | TCP_EV_WRITABLE | TCP_EV_CLOSED);

	t->begun |= (events & TCP_EV_CONNECTED) != 0;
	t->fin |= (events & (TCP_EV_FIN | TCP_EV_RESET)) != 0;
	leg->reset |= (events & TCP_EV_RESET) != 0;
	if (t->begun && !t->failed)
		above |= pump(p, leg);
	leg->fin |= leg->reset;
	/* Somebody wanted to go on with what was there already. */
	if ((events & TCP_EV_READABLE) && (t->plain.bytes > 0 || leg->fin))
		above |= TCP_EV_READABLE;
	if (!leg->reset && (t->unsent.bytes > 0 || t->closing))
		flush_later(p, t);
	return above;
}

void proxy_tls_strip(struct proxy *p, struct proxy_leg *leg)
{
	struct proxy_tls *t = leg->tls;

	leg->tls = NULL;
	leg->peer = NULL;
	leg->fin = t->fin;
	if (list_is_linked(&t->sealing))
		list_remove(&t->sealing);
	tls_release(t->conn);
	bufq_clear(&t->plain);
	bufq_clear(&t->unsent);
	if (t->sni_m != NULL)
		rte_pktmbuf_free(t->sni_m);
	t->sni_m = NULL;
	core_pool_put(&p->secures, t);
}

int proxy_tls_end(struct proxy *p, struct proxy_leg *leg)
{
	struct proxy_tls *t = leg->tls;
	struct bufq wire = { 0 };
	int is_whole = 1;

	if (tls_is_open(t->conn) && !leg->reset) {
		if (t->unsent.bytes > 0)
			is_whole = tls_send(t->conn, &t->unsent, &wire, p->now) == 0;
		if (is_whole)
			tls_close(t->conn, &wire);
		if (wire.bytes > 0)
			tcp_send(leg->conn, &wire);
	}
	proxy_tls_strip(p, leg);
	return is_whole ? 0 : -1;
}

int proxy_tls_run(struct proxy *p)
{
	struct tls_conn *c;
	int n = tls_run(p->tls, p->now) != 0;

	while (n < PROXY_TURN_EVENTS && p->turn_steps < PROXY_TURN_STEPS &&
	       (c = tls_ready_next(p->tls)) != NULL) {
		n++;
		proxy_leg_event(p, tls_conn_user(c), 0);
	}
	return n > 0;
}

static void put_text(char *out, size_t bytes, const char *text, size_t n)
{
	n = RTE_MIN(n, bytes - 1);
	if (n > 0)
		memcpy(out, text, n);
	out[n] = 0;
}

void proxy_describe(const struct tcp_conn *c, struct hd_dump_connection *row)
{
	const struct proxy_leg *leg = tcp_conn_user(c);
	const char *version, *cipher, *alpn;
	struct tls_facts facts;
	struct hd_str who;

	if (leg == NULL || leg->tls == NULL || !leg->tls->opened)
		return;
	tls_conn_facts(leg->tls->conn, &facts);
	version = tls_version_name(facts.version);
	cipher = tls_suite_name(facts.suite);
	alpn = tls_alpn_name(facts.alpn);
	row->tls = 1;
	row->is_resumed = facts.is_resumed;
	put_text(row->tls_version, sizeof(row->tls_version), version, strlen(version));
	put_text(row->cipher, sizeof(row->cipher), cipher, strlen(cipher));
	put_text(row->alpn, sizeof(row->alpn), alpn, strlen(alpn));
	if (leg->peer == NULL)
		return;
	who = leg->peer->spiffe_id.n > 0 ? leg->peer->spiffe_id : leg->peer->subject;
	put_text(row->peer, sizeof(row->peer), who.p, who.n);
}
