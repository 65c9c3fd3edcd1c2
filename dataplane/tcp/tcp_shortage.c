/* SPDX-License-Identifier: Apache-2.0 */
/* When buffers run out. Windows that were offered cannot be taken back, so what comes into them is
 * dropped as if the network had lost it: of connections that hold something already when buffers
 * run short, of all when only what acknowledgements need is left. Else all would wait for a buffer
 * to say that they are waiting. The owner lowers the windows before it comes to that
 * (tcp_set_buffers). */
#include "tcp_stack.h"

#define SHORT_LEFT (CORE_SUPPLY_ALL / 8) /* less than this is free */
#define LAST_LEFT (CORE_SUPPLY_ALL / 64)
#define PERIOD_US 100

/* Counting reads what other cores write: not in every burst. */
void tcp_shortage_look(struct tcp *t)
{
	uint32_t left, used;

	if (t->now_us - t->shortage_us < PERIOD_US)
		return;
	t->shortage_us = t->now_us;
	used = t->header->size - core_supply_of_pool(t->header);
	if (used > t->stats->bufs_most)
		t->stats->bufs_most = used;
	left = core_supply_left(&t->supply);
	t->shortage = left < LAST_LEFT	  ? TCP_BUFFERS_LAST
		      : left < SHORT_LEFT ? TCP_BUFFERS_SHORT
					  : TCP_BUFFERS_PLENTY;
}

/* Whether something still waits for an acknowledgement once the segment's own is taken. */
static int holds_unacknowledged(const struct tcp_conn *c, const struct pkt_facts *f)
{
	uint32_t acked = f->ack - c->snd_una;

	if (c->tx.bytes == 0)
		return 0;
	return acked > tcp_conn_flight(c) || acked < c->tx.bytes;
}

int tcp_shortage_refuses(const struct tcp *t, const struct tcp_conn *c, const struct pkt_facts *f)
{
	if (f->payload == 0)
		return 0;
	return t->shortage == TCP_BUFFERS_LAST || c->rx.bytes != 0 || c->ooo != NULL ||
	       holds_unacknowledged(c, f);
}

int tcp_shortage_drop(struct tcp *t, struct tcp_conn *c, struct pkt_facts *f)
{
	tcp_count(t, HD_TCP_SHORT_OF_BUFFERS);
	c->flags |= TCP_F_REFUSED;
	if (f->ack == c->snd_una)
		return 1;
	/* Its acknowledgement may free what others wait for. */
	f->payload = 0;
	f->flags &= (uint8_t) ~(PKT_TCP_FIN | PKT_TCP_PSH);
	return 0;
}
