/* SPDX-License-Identifier: Apache-2.0 */
/* A connection once its handshake is through: records in, records out. */
#include "tls_conn.h"

#include <errno.h>

void tls_conn_fail(struct tls_conn *c, enum hd_counter why)
{
	if (c->phase == TLS_PHASE_FAILED)
		return;
	tls_count(c->tls, why);
	tls_handover_detach(c);
	c->phase = TLS_PHASE_FAILED;
	c->failure = why;
}

void tls_conn_fail_alert(struct tls_conn *c, struct bufq *wire, enum hd_counter why, uint8_t alert)
{
	const uint8_t bytes[] = { 2, alert };

	if (!c->sent_close &&
	    tls_record_seal_bytes(c, TLS_TYPE_ALERT, bytes, sizeof(bytes), wire) == 0)
		tls_count(c->tls, HD_TLS_ALERTS_SENT);
	c->sent_close = 1;
	tls_conn_fail(c, why);
}

/* What may come by its outside alone. RFC 8446 5: a change_cipher_spec has no place behind
 * Finished, and 1.3 has only encrypted records; its version there is ignored (5.1). */
static int header_is_good(struct tls_conn *c, const struct tls_header *h, struct tls_io *io)
{
	if (h->bytes > TLS_RECORD_WIRE_MAX) {
		tls_conn_fail_alert(c, io->wire, HD_TLS_OVERFLOW, TLS_ALERT_RECORD_OVERFLOW);
		return 0;
	}
	if (h->type < (c->is_1_3 ? TLS_TYPE_DATA : TLS_TYPE_ALERT) || h->type > TLS_TYPE_DATA) {
		tls_conn_fail_alert(c, io->wire, HD_TLS_BAD_RECORD, TLS_ALERT_UNEXPECTED_MESSAGE);
		return 0;
	}
	if (!c->is_1_3 && h->version != 0x0303) {
		tls_conn_fail_alert(c, io->wire, HD_TLS_BAD_RECORD, TLS_ALERT_PROTOCOL_VERSION);
		return 0;
	}
	return 1;
}

static void cannot_open(struct tls_conn *c, enum tls_open why, struct tls_io *io)
{
	static const struct {
		uint16_t failure;
		uint8_t alert;
	} rows[] = {
		[TLS_OPEN_BAD_MAC] = { HD_TLS_BAD_MAC, TLS_ALERT_BAD_RECORD_MAC },
		[TLS_OPEN_OVERFLOW] = { HD_TLS_OVERFLOW, TLS_ALERT_RECORD_OVERFLOW },
		[TLS_OPEN_NO_TYPE] = { HD_TLS_BAD_RECORD, TLS_ALERT_UNEXPECTED_MESSAGE },
	};

	tls_conn_fail_alert(c, io->wire, rows[why].failure, rows[why].alert);
}

static void on_data(struct tls_conn *c, struct bufq *content, struct tls_io *io, uint32_t *events)
{
	/* RFC 8446 5.1: messages are not interleaved with other types. */
	if (c->message_n > 0) {
		tls_conn_fail_alert(c, io->wire, HD_TLS_UNEXPECTED, TLS_ALERT_UNEXPECTED_MESSAGE);
		return;
	}
	if (content->bytes == 0)
		return;
	c->odd = 0;
	bufq_concat_piece(io->plain, content, c->tls->bufs);
	*events |= TLS_EV_READABLE;
}

static void on_content(struct tls_conn *c, uint8_t type, struct bufq *content, struct tls_io *io,
		       uint32_t *events)
{
	c->odd++;
	switch (type) {
	case TLS_TYPE_DATA:
		on_data(c, content, io, events);
		break;
	case TLS_TYPE_ALERT:
		tls_message_alert(c, content, io, events);
		break;
	case TLS_TYPE_HANDSHAKE:
		tls_message_handshake(c, content, io);
		break;
	default:
		tls_conn_fail_alert(c, io->wire, HD_TLS_BAD_RECORD, TLS_ALERT_UNEXPECTED_MESSAGE);
	}
	if (c->odd > TLS_ODD_MAX && c->phase == TLS_PHASE_OPEN)
		tls_conn_fail_alert(c, io->wire, HD_TLS_FLOOD, TLS_ALERT_UNEXPECTED_MESSAGE);
}

enum step { STEP_ON, STEP_WAIT, STEP_LATER };

/* One record, if there is a whole one. */
static enum step take_record(struct tls_conn *c, struct tls_io *io, uint32_t *events)
{
	struct bufq content = { 0 };
	struct tls_header h;
	enum tls_open opened;
	uint8_t type = 0;

	if (!tls_header_read(io->in, &h))
		return STEP_WAIT;
	if (!header_is_good(c, &h, io))
		return STEP_WAIT;
	if (io->in->bytes < h.bytes)
		return STEP_WAIT;
	if (c->rx.seq == UINT64_MAX) {
		tls_conn_fail_alert(c, io->wire, HD_TLS_EXHAUSTED, TLS_ALERT_INTERNAL_ERROR);
		return STEP_WAIT;
	}
	if (hd_unlikely(c->window != 0))
		tls_window_note(c, io->in, h.bytes);
	opened = tls_record_open(c, io->in, &h, &content, &type);
	if (hd_unlikely(opened == TLS_OPEN_NO_MEMORY)) {
		if (c->window != 0)
			tls_window_unnote(c);
		return STEP_LATER;
	}
	if (hd_unlikely(opened != TLS_OPEN_OK)) {
		cannot_open(c, opened, io);
		bufq_clear(&content);
		return STEP_WAIT;
	}
	tls_count(c->tls, HD_TLS_OPENED);
	if (hd_unlikely(c->window != 0))
		tls_window_judge(c, type);
	on_content(c, type, &content, io, events);
	bufq_clear(&content);
	return STEP_ON;
}

/* RFC 8446 6.1: what comes behind close_notify is ignored. */
static void ignore_rest(struct tls_io *io)
{
	bufq_clear(io->in);
}

static void take_records(struct tls_conn *c, struct tls_io *io, uint32_t *events)
{
	for (uint32_t i = 0; c->phase == TLS_PHASE_OPEN && !c->got_close; i++) {
		enum step s;
		if (tls_plain_is_full(io->plain, io->plain_room) || i >= TLS_PUMP_RECORDS) {
			*events |= io->in->bytes > 0 ? TLS_EV_AGAIN : 0;
			return;
		}
		s = take_record(c, io, events);
		if (s == STEP_LATER) {
			*events |= TLS_EV_AGAIN;
			return;
		}
		if (s == STEP_ON)
			continue;
		if (io->fin && c->phase == TLS_PHASE_OPEN)
			tls_conn_fail(c, HD_TLS_TRUNCATED);
		break;
	}
	if (c->got_close)
		ignore_rest(io);
}

static void pump_open(struct tls_conn *c, struct tls_io *io, uint32_t *events)
{
	take_records(c, io, events);
	if (hd_unlikely(c->window != 0))
		tls_window_flush(c);
	if (c->is_1_3 && c->rx.seq >= c->tls->update_after && !c->update_asked)
		c->update_due = 1;
	if (hd_unlikely(c->update_due) && tls_is_open(c) && io->wire_space > 0)
		(void)tls_message_key_update(c, io->wire);
}

uint32_t tls_pump(struct tls_conn *c, struct tls_io *io, hd_ns now)
{
	uint32_t in = io->in->bytes, plain = io->plain->bytes, events = 0;

	if (list_is_linked(&c->ready))
		list_remove(&c->ready);
	if (hd_unlikely(c->phase == TLS_PHASE_HANDSHAKE))
		events = tls_handover_pump(c, io, now);
	if (hd_likely(c->phase == TLS_PHASE_OPEN))
		pump_open(c, io, &events);
	if (hd_unlikely(c->phase == TLS_PHASE_FAILED))
		events = (events & ~(uint32_t)TLS_EV_AGAIN) | TLS_EV_FAILED;
	io->overhead = (in - io->in->bytes) - (io->plain->bytes - plain);
	return events;
}

int tls_wants_write(const struct tls_conn *c)
{
	return c->update_due;
}

int tls_is_open(const struct tls_conn *c)
{
	return c->phase == TLS_PHASE_OPEN && !c->sent_close;
}

static uint32_t record_size(struct tls_conn *c, uint32_t ms)
{
	uint32_t limit = c->limit;

	if (ms - c->sent_ms > TLS_SMALL_PAUSE_MS)
		c->steady = 0;
	c->sent_ms = ms;
	if (c->steady < TLS_SMALL_UNTIL && limit > TLS_SMALL_RECORD)
		return TLS_SMALL_RECORD;
	return limit;
}

int tls_send(struct tls_conn *c, struct bufq *plain, struct bufq *wire, hd_ns now)
{
	if (!tls_is_open(c)) {
		bufq_clear(plain);
		return 0;
	}
	while (plain->bytes > 0) {
		uint32_t size = record_size(c, tls_ms(now));
		uint32_t n = plain->bytes < size ? plain->bytes : size;
		if (c->is_1_3 && c->tx.seq >= c->tls->update_after)
			c->update_due = 1;
		if (hd_unlikely(c->update_due) && tls_message_key_update(c, wire) < 0)
			return -ENOMEM;
		if (tls_record_seal(c, TLS_TYPE_DATA, plain, n, wire) < 0)
			return -ENOMEM;
		if (c->steady < TLS_SMALL_UNTIL)
			c->steady += n;
	}
	return 0;
}

void tls_close(struct tls_conn *c, struct bufq *wire)
{
	const uint8_t alert[] = { 1, TLS_ALERT_CLOSE_NOTIFY };

	if (tls_is_open(c))
		(void)tls_record_seal_bytes(c, TLS_TYPE_ALERT, alert, sizeof(alert), wire);
	c->sent_close = 1;
	c->update_due = 0;
}

void *tls_conn_user(const struct tls_conn *c)
{
	return c->user;
}

void tls_conn_facts(const struct tls_conn *c, struct tls_facts *out)
{
	const struct tls_suite *s = tls_conn_suite(c);

	*out = (struct tls_facts){
		.version = s->version,
		.suite = s->number,
		.is_resumed = c->is_resumed,
		.alpn = c->alpn,
		.is_server = c->role == HD_TLS_SERVER,
		.context = c->context,
		.peer = c->peer,
	};
}

struct hd_str tls_conn_sni(const struct tls_conn *c)
{
	return (struct hd_str){ c->tls->sni, c->tls->sni_n };
}

enum hd_counter tls_conn_failure(const struct tls_conn *c)
{
	return c->failure;
}

uint8_t tls_conn_alert(const struct tls_conn *c)
{
	return c->alert;
}
