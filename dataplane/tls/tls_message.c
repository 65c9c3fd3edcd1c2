/* SPDX-License-Identifier: Apache-2.0 */
/* What comes on an open connection beside data: alerts (RFC 8446 6), KeyUpdates and tickets (4.6),
 * attempts to renegotiate (RFC 5246 7.4.1). */
#include "tls_conn.h"

enum {
	MSG_HELLO_REQUEST = 0,
	MSG_CLIENT_HELLO = 1,
	MSG_NEW_SESSION_TICKET = 4,
	MSG_KEY_UPDATE = 24,
};
#define WARNING 1
#define FATAL 2

void tls_message_alert(struct tls_conn *c, const struct bufq *content, struct tls_io *io,
		       uint32_t *events)
{
	uint8_t alert[2];

	/* RFC 8446 5.1: one alert, whole, in a record. */
	if (content->bytes != sizeof(alert)) {
		tls_conn_fail_alert(c, io->wire, HD_TLS_BAD_MESSAGE, TLS_ALERT_DECODE_ERROR);
		return;
	}
	bufq_copy_out(content, 0, alert, sizeof(alert));
	if (alert[1] == TLS_ALERT_CLOSE_NOTIFY) {
		tls_count(c->tls, HD_TLS_CLOSE_NOTIFY);
		c->got_close = 1;
		*events |= TLS_EV_EOF;
		return;
	}
	tls_count(c->tls, HD_TLS_ALERTS_RECEIVED);
	/* RFC 8446 6: in 1.3 the level says nothing; all but these two are fatal. */
	if (alert[1] == TLS_ALERT_USER_CANCELED || (!c->is_1_3 && alert[0] == WARNING))
		return;
	c->alert = alert[1];
	tls_conn_fail(c, HD_TLS_PEER_ALERT);
}

static void unexpected(struct tls_conn *c, struct tls_io *io)
{
	tls_conn_fail_alert(c, io->wire, HD_TLS_UNEXPECTED, TLS_ALERT_UNEXPECTED_MESSAGE);
}

/* RFC 8446 7.2: our own secret moves on behind the message. */
int tls_message_key_update(struct tls_conn *c, struct bufq *wire)
{
	int asks = c->rx.seq >= c->tls->update_after && !c->update_asked;
	const uint8_t message[] = { MSG_KEY_UPDATE, 0, 0, 1, (uint8_t)asks };

	if (tls_record_seal_bytes(c, TLS_TYPE_HANDSHAKE, message, sizeof(message), wire) < 0)
		return -1;
	tls_keys_update(c, &c->tx);
	tls_count(c->tls, HD_TLS_KEY_UPDATES_SENT);
	c->update_due = 0;
	c->update_asked |= asks;
	return 0;
}

static void on_key_update(struct tls_conn *c, uint8_t request, struct tls_io *io)
{
	if (request > 1) {
		tls_conn_fail_alert(c, io->wire, HD_TLS_BAD_MESSAGE, TLS_ALERT_ILLEGAL_PARAMETER);
		return;
	}
	tls_count(c->tls, HD_TLS_KEY_UPDATES_RECEIVED);
	tls_keys_update(c, &c->rx);
	c->update_asked = 0;
	/* RFC 8446 4.6.3: one answer is enough for all that come while we cannot send. */
	c->update_due |= request;
}

/* RFC 5246 7.2.2: a warning says that we will not; whoever insists is stopped as a flood. */
static void refuse_renegotiation(struct tls_conn *c, struct tls_io *io)
{
	const uint8_t alert[] = { WARNING, TLS_ALERT_NO_RENEGOTIATION };

	tls_count(c->tls, HD_TLS_RENEGOTIATION);
	if (c->sent_close)
		return;
	if (tls_record_seal_bytes(c, TLS_TYPE_ALERT, alert, sizeof(alert), io->wire) == 0)
		tls_count(c->tls, HD_TLS_ALERTS_SENT);
}

/* The header is complete: whether the message has a place here, and that its length makes sense. */
static void on_header(struct tls_conn *c, struct tls_io *io)
{
	uint8_t type = c->message[0];

	c->message_left = (uint32_t)(c->message[1] << 16 | c->message[2] << 8 | c->message[3]);
	if (c->is_1_3 && type == MSG_KEY_UPDATE) {
		if (c->message_left != 1)
			tls_conn_fail_alert(c, io->wire, HD_TLS_BAD_MESSAGE,
					    TLS_ALERT_DECODE_ERROR);
		return;
	}
	if (c->is_1_3 && type == MSG_NEW_SESSION_TICKET && c->role == HD_TLS_CLIENT) {
		if (c->message_left > TLS_PLAIN_MAX)
			tls_conn_fail_alert(c, io->wire, HD_TLS_BAD_MESSAGE,
					    TLS_ALERT_DECODE_ERROR);
		return;
	}
	if (!c->is_1_3 && c->message_left <= TLS_PLAIN_MAX &&
	    ((type == MSG_HELLO_REQUEST && c->role == HD_TLS_CLIENT) ||
	     (type == MSG_CLIENT_HELLO && c->role == HD_TLS_SERVER))) {
		refuse_renegotiation(c, io);
		return;
	}
	unexpected(c, io);
}

/* Takes what of the message's body lies in the record at `at`. Returns the bytes taken. */
static uint32_t on_body(struct tls_conn *c, const struct bufq *content, uint32_t at,
			struct tls_io *io)
{
	uint32_t n = content->bytes - at < c->message_left ? content->bytes - at : c->message_left;
	uint8_t request;

	c->message_left -= n;
	if (c->message_left > 0)
		return n;
	c->message_n = 0;
	if (c->message[0] != MSG_KEY_UPDATE || !c->is_1_3)
		return n;
	/* RFC 8446 5.1: no message may span a key change. */
	if (at + n != content->bytes) {
		unexpected(c, io);
		return n;
	}
	bufq_copy_out(content, at, &request, 1);
	on_key_update(c, request, io);
	return n;
}

void tls_message_handshake(struct tls_conn *c, const struct bufq *content, struct tls_io *io)
{
	uint32_t at = 0;

	/* RFC 8446 5.1: no empty fragments. */
	if (content->bytes == 0) {
		unexpected(c, io);
		return;
	}
	while (at < content->bytes && c->phase == TLS_PHASE_OPEN) {
		if (c->message_n < sizeof(c->message)) {
			bufq_copy_out(content, at++, &c->message[c->message_n++], 1);
			if (c->message_n < sizeof(c->message))
				continue;
			on_header(c, io);
			if (c->phase != TLS_PHASE_OPEN || c->message_left > 0)
				continue;
		}
		at += on_body(c, content, at, io);
	}
}
