/* SPDX-License-Identifier: Apache-2.0 */
#include "tcp_scoreboard.h"

void tcp_scoreboard_init(struct tcp_scoreboard *b)
{
	*b = (struct tcp_scoreboard){ .mask = TCP_SCOREBOARD_SMALL - 1,
				      .reo_wnd_steps = 1,
				      .undo_retransmits = -1 };
	b->rec = b->inside;
}

struct tcp_sent *tcp_scoreboard_grow(struct tcp_scoreboard *b, struct tcp_sent *storage,
				     uint32_t capacity)
{
	struct tcp_sent *old = b->rec;

	for (uint32_t i = 0; i < b->n; i++)
		storage[i] = *tcp_scoreboard_at(b, i);
	b->rec = storage;
	b->first = 0;
	b->mask = (uint16_t)(capacity - 1);
	return old == b->inside ? NULL : old;
}

void tcp_scoreboard_push(struct tcp_scoreboard *b, uint32_t seq, uint32_t len, uint8_t flags,
			 uint32_t now_us)
{
	struct tcp_sent *s = tcp_scoreboard_at(b, b->n++);

	*s = (struct tcp_sent){
		.seq = seq, .sent_us = now_us, .len = (uint16_t)len, .flags = flags
	};
	b->pipe += len;
}

/* The record arrived, by a cumulative ACK or by SACK: keep what RTT, RACK and reordering need. */
static void note_delivered(const struct tcp_scoreboard *b, const struct tcp_sent *s,
			   struct tcp_acked *a)
{
	uint32_t end = s->seq + s->len;

	a->delivered += s->len;
	if (s->flags & TCP_SENT_AGAIN) {
		a->any_again = 1;
	} else {
		/* RFC 8985 6.2 step 3: it was overtaken, yet never sent again. */
		if (b->sacked != 0 && seq_lt(end, b->high_sacked))
			a->reordered = 1;
		if (!a->has_rtt || (int32_t)(s->sent_us - a->sent_us) > 0) {
			a->sent_us = s->sent_us;
			a->has_rtt = 1;
		}
	}
	if (!a->any || tcp_sent_after(s->sent_us, end, a->newest_us, a->newest_end)) {
		a->newest_us = s->sent_us;
		a->newest_end = end;
		a->newest_again = (s->flags & TCP_SENT_AGAIN) != 0;
		a->any = 1;
	}
}

/* Takes n bytes of the record out of the sum that they are counted in. */
static void uncount(struct tcp_scoreboard *b, const struct tcp_sent *s, uint32_t n)
{
	if (s->flags & TCP_SENT_SACKED)
		b->sacked -= n;
	else if (s->flags & TCP_SENT_LOST)
		b->lost -= n;
	else
		b->pipe -= n;
}

void tcp_scoreboard_ack(struct tcp_scoreboard *b, uint32_t una, struct tcp_acked *a)
{
	while (b->n > 0) {
		struct tcp_sent *s = tcp_scoreboard_at(b, 0);
		uint32_t covered = una - s->seq;

		if (seq_leq(una, s->seq))
			return;
		if (covered < s->len) { /* the peer cut our segment: a middlebox resegments, or it
					   acknowledges in pieces */
			if (!(s->flags & TCP_SENT_SACKED))
				a->delivered += covered;
			uncount(b, s, covered);
			s->seq = una;
			s->len = (uint16_t)(s->len - covered);
			return;
		}
		if (!(s->flags & TCP_SENT_SACKED))
			note_delivered(b, s, a);
		uncount(b, s, s->len);
		b->sacked_records -= (s->flags & TCP_SENT_SACKED) != 0;
		b->first = (b->first + 1) & b->mask;
		b->n--;
	}
}

/* The first record at or above seq. */
static uint32_t lower_bound(const struct tcp_scoreboard *b, uint32_t seq)
{
	uint32_t low = 0, high = b->n;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (seq_lt(tcp_scoreboard_at(b, mid)->seq, seq))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void tcp_scoreboard_sack(struct tcp_scoreboard *b, uint32_t start, uint32_t end,
			 struct tcp_acked *a)
{
	uint32_t top = b->high_sacked;

	for (uint32_t i = lower_bound(b, start); i < b->n; i++) {
		struct tcp_sent *s = tcp_scoreboard_at(b, i);
		uint32_t s_end = s->seq + s->len;

		if (seq_gt(s_end, end))
			break;
		if (s->flags & TCP_SENT_SACKED)
			continue;
		note_delivered(b, s, a);
		uncount(b, s, s->len);
		s->flags = (uint8_t)((s->flags & ~TCP_SENT_LOST) | TCP_SENT_SACKED);
		if (b->sacked == 0 || seq_gt(s_end, top))
			top = s_end;
		b->high_sacked = b->sacked == 0 ? s_end : b->high_sacked;
		b->sacked += s->len;
		b->sacked_records++;
		a->sacked += s->len;
	}
	if (b->sacked != 0)
		b->high_sacked = top;
}

void tcp_scoreboard_mark_lost(struct tcp_scoreboard *b, struct tcp_sent *s)
{
	if (s->flags & (TCP_SENT_SACKED | TCP_SENT_LOST))
		return;
	s->flags |= TCP_SENT_LOST;
	b->pipe -= s->len;
	b->lost += s->len;
}

void tcp_scoreboard_mark_all_lost(struct tcp_scoreboard *b, int renege)
{
	for (uint32_t i = 0; i < b->n; i++) {
		struct tcp_sent *s = tcp_scoreboard_at(b, i);

		if (renege && s->flags & TCP_SENT_SACKED) {
			s->flags &= (uint8_t)~TCP_SENT_SACKED;
			b->sacked -= s->len;
			b->sacked_records--;
			b->pipe += s->len;
		}
		tcp_scoreboard_mark_lost(b, s);
	}
}

struct tcp_sent *tcp_scoreboard_first_lost(const struct tcp_scoreboard *b)
{
	if (b->lost == 0)
		return NULL;
	for (uint32_t i = 0; i < b->n; i++) {
		struct tcp_sent *s = tcp_scoreboard_at(b, i);

		if (s->flags & TCP_SENT_LOST)
			return s;
	}
	return NULL;
}

void tcp_scoreboard_resent(struct tcp_scoreboard *b, struct tcp_sent *s, uint32_t now_us)
{
	if (s->flags & TCP_SENT_LOST) {
		b->lost -= s->len;
		b->pipe += s->len;
	}
	s->flags = (uint8_t)((s->flags & ~TCP_SENT_LOST) | TCP_SENT_AGAIN);
	s->sent_us = now_us;
}

void tcp_scoreboard_unmark_lost(struct tcp_scoreboard *b)
{
	for (uint32_t i = 0; i < b->n && b->lost != 0; i++) {
		struct tcp_sent *s = tcp_scoreboard_at(b, i);

		if (s->flags & TCP_SENT_LOST) {
			s->flags &= (uint8_t)~TCP_SENT_LOST;
			b->lost -= s->len;
			b->pipe += s->len;
		}
	}
}
