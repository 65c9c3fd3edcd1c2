/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

#include "fake_tcp.h"

/* A hundred megabytes, nearly none of them touched: calloc would fill them under
 * MALLOC_PERTURB_. */
struct tcp *fake_tcp_create(struct rte_mempool *bufs)
{
	struct tcp *t =
		mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert(t != MAP_FAILED);
	t->bufs = bufs;
	t->room = FAKE_TCP_MAX;
	return t;
}

void fake_tcp_destroy(struct tcp *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		bufq_clear(&t->conns[i].rx);
	munmap(t, sizeof(*t));
}

static struct tcp_conn *new_conn(struct tcp *t)
{
	struct tcp_conn *c = &t->conns[t->n++];

	assert(t->n <= FAKE_TCP_MAX);
	c->tcp = t;
	c->is_live = 1;
	c->space = 262144;
	c->opened = t->now;
	return c;
}

static void event(struct tcp_conn *c, uint32_t events)
{
	c->events |= events;
	c->is_ready = 1;
}

struct tcp_conn *fake_tcp_accept(struct tcp *t, const char *local, uint16_t port)
{
	struct tcp_conn *c = new_conn(t);

	assert(hd_ip_parse(local, &c->key.local) == 0);
	assert(hd_ip_parse("192.0.2.9", &c->key.remote) == 0);
	c->key.local_port = port;
	c->key.remote_port = (uint16_t)(40000 + t->n);
	event(c, TCP_EV_ACCEPTED);
	return c;
}

struct tcp_conn *fake_tcp_opened(struct tcp *t, uint32_t i)
{
	for (uint32_t k = 0; k < t->n; k++)
		if (t->conns[k].is_active && i-- == 0)
			return &t->conns[k];
	return NULL;
}

uint32_t fake_tcp_count_opened(const struct tcp *t)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < t->n; k++)
		n += t->conns[k].is_active != 0;
	return n;
}

static void put_bytes(struct tcp_conn *c, const void *bytes, uint32_t n)
{
	const uint8_t *p = bytes;

	assert(c->is_live);
	while (n > 0) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(c->tcp->bufs);
		uint32_t k = n < 1460 ? n : 1460;
		assert(m != NULL);
		memcpy(rte_pktmbuf_append(m, (uint16_t)k), p, k);
		bufq_append(&c->rx, m);
		p += k;
		n -= k;
		c->received += k;
	}
	event(c, TCP_EV_READABLE);
}

static void see_all(struct tcp_conn *c)
{
	c->acked = c->sent;
	if (!c->is_asked || c->acked <= c->asked)
		return;
	c->is_asked = 0;
	c->answer_from = c->received;
}

void fake_tcp_say_bytes(struct tcp_conn *c, const void *bytes, uint32_t n)
{
	see_all(c);
	put_bytes(c, bytes, n);
}

void fake_tcp_say_crossing_bytes(struct tcp_conn *c, const void *bytes, uint32_t n)
{
	put_bytes(c, bytes, n);
}

void fake_tcp_say_crossing(struct tcp_conn *c, const char *text)
{
	put_bytes(c, text, (uint32_t)strlen(text));
}

void fake_tcp_say(struct tcp_conn *c, const char *text)
{
	fake_tcp_say_bytes(c, text, (uint32_t)strlen(text));
}

void fake_tcp_connected(struct tcp_conn *c)
{
	event(c, TCP_EV_CONNECTED);
}

void fake_tcp_fin(struct tcp_conn *c)
{
	event(c, TCP_EV_FIN);
}

void fake_tcp_reset(struct tcp_conn *c, enum tcp_error e)
{
	c->error = e;
	event(c, TCP_EV_RESET);
}

void fake_tcp_ack(struct tcp_conn *c)
{
	see_all(c);
	event(c, TCP_EV_WRITABLE);
}

void fake_tcp_set_space(struct tcp_conn *c, uint32_t space)
{
	c->space = space;
	event(c, TCP_EV_WRITABLE);
}

const char *fake_tcp_heard(struct tcp_conn *c)
{
	const char *from = c->text + c->text_read;

	c->text_read = c->text_n;
	return from;
}

/* tcp.h */

struct tcp_conn *tcp_ready_next(struct tcp *t, uint32_t *events)
{
	for (uint32_t i = 0; i < t->n; i++) {
		struct tcp_conn *c = &t->conns[i];
		if (!c->is_ready)
			continue;
		*events = c->events;
		c->events = 0;
		c->is_ready = 0;
		return c;
	}
	return NULL;
}

void tcp_ready_again(struct tcp_conn *c, uint32_t events)
{
	event(c, events);
}

enum tcp_error tcp_connect(struct tcp *t, const struct hd_ip *local, const struct hd_addr *remote,
			   hd_ns now, struct tcp_conn **out)
{
	struct tcp_conn *c;

	if (t->refuse_connect)
		return t->refuse_connect == 1 ? TCP_ERR_NO_PORTS : TCP_ERR_NO_MEMORY;
	c = new_conn(t);
	c->is_active = 1;
	c->key.local = *local;
	c->key.local_port = (uint16_t)(50000 + t->n);
	c->key.remote = remote->ip;
	c->key.remote_port = remote->port;
	c->opened = now;
	*out = c;
	return TCP_OK;
}

uint32_t tcp_room_for_callers(const struct tcp *t, uint32_t *of)
{
	*of = FAKE_TCP_MAX;
	return t->room;
}

void tcp_set_buffers(struct tcp *t, uint32_t rcv_buffer, uint32_t snd_buffer)
{
	t->buffers = snd_buffer;
}

void tcp_conn_set_user(struct tcp_conn *c, void *user)
{
	c->user = user;
}

void *tcp_conn_user(const struct tcp_conn *c)
{
	return c->user;
}

const struct flow_key *tcp_conn_key(const struct tcp_conn *c)
{
	return &c->key;
}

uint8_t tcp_conn_port(const struct tcp_conn *c)
{
	return 0;
}

enum tcp_error tcp_conn_error(const struct tcp_conn *c)
{
	return c->error;
}

struct bufq *tcp_conn_rx(struct tcp_conn *c)
{
	assert(c->is_live);
	return &c->rx;
}

void tcp_received(struct tcp_conn *c, uint32_t bytes)
{
	assert(c->is_live);
	c->credit += bytes;
}

uint32_t tcp_send_space(const struct tcp_conn *c)
{
	assert(c->is_live);
	return c->space;
}

static void hear(struct tcp_conn *c, const void *bytes, uint32_t n)
{
	assert(c->is_live && !c->is_closed && c->text_n + n < FAKE_TCP_TEXT);
	memcpy(c->text + c->text_n, bytes, n);
	c->text_n += n;
	c->sent += n;
	c->space -= c->space < n ? c->space : n;
}

void tcp_send(struct tcp_conn *c, struct bufq *q)
{
	for (struct rte_mbuf *m = q->head; m != NULL; m = m->next)
		hear(c, rte_pktmbuf_mtod(m, const void *), m->data_len);
	bufq_clear(q);
}

int tcp_send_copy(struct tcp_conn *c, const void *data, uint32_t n)
{
	hear(c, data, n);
	return 0;
}

uint64_t tcp_send_offset(const struct tcp_conn *c)
{
	return c->sent;
}

uint64_t tcp_acked_offset(const struct tcp_conn *c)
{
	return c->acked;
}

void tcp_ask(struct tcp_conn *c)
{
	c->is_asked = 1;
	c->asked = c->sent;
}

int tcp_has_refused(const struct tcp_conn *c)
{
	(void)c;
	return 0;
}

uint32_t tcp_unasked(const struct tcp_conn *c)
{
	uint64_t taken = c->received - c->rx.bytes;

	if (c->is_asked)
		return c->rx.bytes;
	return c->answer_from > taken ? (uint32_t)(c->answer_from - taken) : 0;
}

void tcp_expects_more(struct tcp_conn *c)
{
	c->is_awaited++;
}

void tcp_close(struct tcp_conn *c)
{
	assert(c->is_live);
	c->is_closed = 1;
}

static void bury(struct tcp_conn *c)
{
	assert(c->is_live);
	c->is_live = c->is_ready = 0;
	bufq_clear(&c->rx);
}

void tcp_abort(struct tcp_conn *c)
{
	c->is_aborted = 1;
	bury(c);
}

void tcp_release(struct tcp_conn *c)
{
	c->is_closed = c->is_released = 1;
	bury(c);
}

void tcp_set_keepalive(struct tcp_conn *c, uint32_t probes, hd_ns time, hd_ns interval)
{
}

void tcp_set_connect_timeout(struct tcp_conn *c, hd_ns timeout)
{
	c->connect_timeout = timeout;
}

hd_ns tcp_conn_opened(const struct tcp_conn *c)
{
	return c->opened;
}

/* net.h */

int net_source_address(const struct net *n, const struct hd_ip *remote, struct hd_ip *local)
{
	return hd_ip_parse("10.2.0.1", local);
}

enum hd_side net_port_side(const struct net *n, uint32_t port)
{
	return HD_SIDE_MESH;
}
