/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an exchange, except its beginning (proxy_begin.c). */
#include "proxy_state.h"

static void touch(struct proxy *p, struct proxy_exchange *x)
{
	if (x->down != NULL)
		proxy_leg_set_due(p, x->down, p->now + proxy_exchange_patience(x));
}

void proxy_exchange_arm(struct proxy *p, struct proxy_exchange *x)
{
	hd_ns at = RTE_MIN(x->deadline, x->try_deadline);

	at = RTE_MIN(at, x->wake);
	if (at != HD_NS_NEVER)
		wheel_arm(&p->wheel, &x->timer.wheel, at);
	else
		wheel_cancel(&p->wheel, &x->timer.wheel);
}

void proxy_exchange_pause(struct proxy *p, struct proxy_exchange *x, hd_ns until)
{
	x->state = EXCHANGE_BACKOFF;
	x->wake = until;
	proxy_exchange_arm(p, x);
}

static void drop_replay(struct proxy *p, struct proxy_exchange *x)
{
	p->replay_bufs -= x->replay.bufs;
	bufq_clear(&x->replay);
}

/* The current try no longer counts at its endpoint and cluster. */
static void leave_endpoint(struct proxy *p, struct proxy_exchange *x)
{
	struct proxy_cluster_state *cs = proxy_pool_cluster(p, x->cluster_slot);

	if (!x->on_endpoint)
		return;
	x->on_endpoint = 0;
	proxy_pool_endpoint(p, x->endpoint_slot)->stats.active--;
	cs->stats.requests_active--;
	proxy_quota_put(p, x->cluster_slot, QUOTA_REQUESTS, cs->stats.requests_active);
}

/* A connection whose request and answer are not both whole ends with a reset: nobody must take the
 * rest for what it is not. */
static void let_go_up(struct proxy *p, struct proxy_exchange *x, int is_reusable)
{
	struct proxy_leg *up = x->up;
	int is_whole = is_reusable || (x->request.done && x->response.done);

	if (up == NULL)
		return;
	x->up = NULL;
	up->exchange = NULL;
	if (is_reusable && proxy_leg_rx(up)->bytes > 0) {
		proxy_count(p, HD_PROXY_UP_SURPLUS);
		is_reusable = 0;
	}
	if (is_reusable && !up->fin)
		proxy_pool_put(p, up, x->max_requests_per_connection, x->idle_timeout,
			       x->max_connection_duration);
	else
		proxy_pool_drop(p, up, !is_whole);
}

/* The current try is over: its connection, its place in a queue, its counts and its timer. */
static void end_try(struct proxy *p, struct proxy_exchange *x, int is_reusable)
{
	if (x->state == EXCHANGE_PENDING)
		proxy_pool_unwait(p, x);
	else if (list_is_linked(&x->link))
		list_remove(&x->link);
	leave_endpoint(p, x);
	proxy_retry_end(p, x);
	x->try_deadline = x->wake = HD_NS_NEVER;
	let_go_up(p, x, is_reusable);
}

void proxy_exchange_destroy(struct proxy *p, struct proxy_exchange *x)
{
	int is_whole = x->up_reusable && x->request.done && x->response.done;

	proxy_record_write(p, x);
	proxy_hold_release(p, x);
	if (hd_unlikely(x->n_copies > 0))
		proxy_mirror_drop(p, x);
	if (hd_unlikely(x->patches & PROXY_PATCH_SHADOW))
		proxy_mirror_end(p, x);
	if (x->down != NULL)
		x->down->exchange = NULL;
	drop_replay(p, x);
	proxy_token_release(p, x);
	bufq_clear(&x->head);
	wheel_cancel(&p->wheel, &x->timer.wheel);
	end_try(p, x, is_whole);
	core_pool_put(&p->exchanges, x);
}

/* The answer is out as far as it goes. The caller's connection goes on with its next request, or
 * ends. */
static void finish(struct proxy *p, struct proxy_exchange *x)
{
	struct proxy_leg *down = x->down;
	int close = x->close_down || !x->request.done;

	proxy_exchange_destroy(p, x);
	if (down == NULL)
		return;
	if (close)
		proxy_leg_linger(p, down);
	else
		proxy_leg_down_next(p, down);
}

/* A TCP stream gets no text: the end of its connection, or a reset when there is nobody to go to
 * (observed-istio.md 14b). */
static void refuse_stream(struct proxy *p, struct proxy_exchange *x)
{
	struct proxy_leg *down = x->down;
	int nobody = (x->flags & HD_FLAG_UH) != 0;

	if (x->flags & HD_FLAG_UF)
		x->flags |= HD_FLAG_URX;
	proxy_exchange_destroy(p, x);
	if (down == NULL)
		return;
	if (nobody)
		proxy_leg_abort(p, down);
	else
		proxy_leg_linger(p, down);
}

/* The location goes in behind the status line, the text behind the head. */
static int put_own(struct proxy *p, struct bufq *out, const struct proxy_own_answer *own,
		   const char *head, uint32_t n, uint32_t text_n)
{
	uint32_t line = (uint32_t)((const char *)memchr(head, '\n', n) - head) + 1;
	int rc = proxy_put(p, out, head, line);

	if (own->n_location > 0 && rc == 0)
		rc = proxy_put(p, out, "location: ", 10);
	for (uint32_t i = 0; i < own->n_location && rc == 0; i++)
		rc = proxy_put(p, out, own->location[i].p, own->location[i].n);
	if (own->n_location > 0 && rc == 0)
		rc = proxy_put(p, out, "\r\n", 2);
	if (rc == 0)
		rc = proxy_put(p, out, head + line, n - line);
	if (text_n > 0 && rc == 0)
		rc = proxy_put(p, out, own->text.p, text_n);
	return rc;
}

/* The same where policy changes the head. */
static int put_patched(struct proxy *p, struct proxy_exchange *x, struct bufq *out,
		       const struct proxy_answer *a, const char *head, uint32_t n, uint32_t text_n)
{
	uint32_t head_n = a->own != NULL ? n : n - text_n;
	const char *text = a->own != NULL ? a->own->text.p : head + head_n;
	uint32_t patched_n = proxy_patch_reply(p, x, a->own, head, head_n);
	int rc = patched_n > 0 ? proxy_put(p, out, p->out, patched_n) : -ENOMEM;

	return rc == 0 && text_n > 0 ? proxy_put(p, out, text, text_n) : rc;
}

static int put_reply(struct proxy *p, struct proxy_exchange *x, struct bufq *out,
		     const struct proxy_answer *a, const char *text, uint32_t n, uint32_t body_n)
{
	if (hd_unlikely(x->patches))
		return put_patched(p, x, out, a, text, n, body_n);
	return a->own != NULL ? put_own(p, out, a->own, text, n, body_n)
			      : proxy_put(p, out, text, n);
}

static void send_reply(struct proxy *p, struct proxy_exchange *x, const struct proxy_answer *a)
{
	const struct proxy_reply_style style = {
		.role = x->role,
		.is_head = x->method == HTTP_HEAD,
		.is_grpc = x->is_grpc,
		.close = x->close_down,
		.date = proxy_date(p),
	};
	char text[PROXY_REPLY_MAX];
	uint32_t body_n, n = proxy_reply_render(a, &style, text, &body_n);
	struct bufq out = { 0 };

	x->bytes_sent = body_n;
	if (put_reply(p, x, &out, a, text, n, body_n) == 0) {
		proxy_leg_send(p, x->down, &out);
		return;
	}
	bufq_clear(&out);
	proxy_count(p, HD_PROXY_NO_MEMORY);
	x->close_down = 1;
}

void proxy_exchange_reply(struct proxy *p, struct proxy_exchange *x, const struct proxy_answer *a)
{
	x->flags |= a->flags;
	x->details = a->details;
	x->up_reusable = 0;
	if (x->is_stream) {
		refuse_stream(p, x);
		return;
	}
	if (hd_unlikely(x->patches & PROXY_PATCH_SHADOW)) {
		proxy_count(p, HD_PROXY_MIRROR_FAILED);
		finish(p, x);
		return;
	}
	/* What follows a request to upgrade may be meant for the tunnel: it is not read as another
	 * request. */
	x->close_down |= !x->request.done || x->is_upgrade || p->is_draining;
	x->status = x->is_grpc ? 200 : a->status;
	if (x->down != NULL)
		send_reply(p, x, a);
	proxy_count(p, HD_PROXY_LOCAL_REPLIES);
	proxy_count(p, HD_PROXY_RESPONSES);
	finish(p, x);
}

/* The answer's head is out and the rest will not come: the caller must not take it for complete.
 * Its connection ends without a last chunk or short of its length. */
static void cut(struct proxy *p, struct proxy_exchange *x, uint32_t flag, const char *details)
{
	proxy_count(p, HD_PROXY_CUT_ANSWERS);
	x->flags |= flag;
	x->details = details;
	x->close_down = 1;
	x->up_reusable = 0;
	finish(p, x);
}

static void end_both(struct proxy *p, struct proxy_exchange *x, const char *details)
{
	struct proxy_leg *down = x->down;

	x->flags |= HD_FLAG_LR;
	x->details = details;
	x->up_reusable = 0;
	proxy_exchange_destroy(p, x);
	if (down != NULL)
		proxy_leg_abort(p, down);
}

/* Cannot go on for lack of buffers. */
static void give_up(struct proxy *p, struct proxy_exchange *x)
{
	proxy_count(p, HD_PROXY_NO_MEMORY);
	end_both(p, x, "out_of_buffers");
}

void proxy_exchange_shed(struct proxy *p, struct proxy_exchange *x)
{
	proxy_count(p, HD_PROXY_SHED);
	end_both(p, x, "overload");
}

void proxy_exchange_try_failed(struct proxy *p, struct proxy_exchange *x, enum proxy_failure why)
{
	struct proxy_answer a;
	int was_tried = x->retry.made > 0;

	proxy_outcome_failed(p, x, why);
	end_try(p, x, 0);
	if (why == PROXY_FAIL_PER_TRY_TIMEOUT)
		proxy_count(p, HD_PROXY_TIMEOUTS);
	if (x->answer_begun) {
		cut(p, x, HD_FLAG_UPE, "upstream_reset_after_response_started{protocol_error}");
		return;
	}
	if (proxy_retry_failure(p, x, why)) {
		proxy_exchange_arm(p, x);
		return;
	}
	a = proxy_reply_of_failure(why, was_tried);
	proxy_exchange_reply(p, x, &a);
}

void proxy_exchange_up_lost(struct proxy *p, struct proxy_exchange *x, enum proxy_failure why)
{
	proxy_pool_endpoint(p, x->endpoint_slot)->stats.resets++;
	if (why == PROXY_FAIL_TERMINATED && x->up->reset && x->up->scan.seen == 0 &&
	    proxy_retry_is_unseen(x) && x->can_replay) {
		proxy_count(p, HD_PROXY_RESENDS);
		end_try(p, x, 0);
		x->is_resend = 1;
		proxy_exchange_start_try(p, x);
		return;
	}
	proxy_count(p, why == PROXY_FAIL_PROTOCOL ? HD_PROXY_UP_PROTOCOL : HD_PROXY_UP_RESETS);
	proxy_exchange_try_failed(p, x, why);
}

void proxy_exchange_down_lost(struct proxy *p, struct proxy_exchange *x)
{
	proxy_count(p, HD_PROXY_DOWN_GONE);
	x->down = NULL;
	x->flags |= HD_FLAG_DC;
	x->details = "downstream_remote_disconnect";
	x->up_reusable = 0;
	proxy_exchange_destroy(p, x);
}

void proxy_exchange_silent(struct proxy *p, struct proxy_exchange *x)
{
	static const struct proxy_answer late = {
		.status = 504,
		.flags = HD_FLAG_SI,
		.body = "stream timeout",
		.details = "stream_idle_timeout",
	};
	struct proxy_answer a = late;

	proxy_count(p, HD_PROXY_STREAM_TIMEOUTS);
	if (x->is_stream && x->state == EXCHANGE_TUNNEL) {
		cut(p, x, 0, "idle_timeout");
		return;
	}
	if (x->answer_begun) {
		cut(p, x, HD_FLAG_SI, late.details);
		return;
	}
	if (!x->request.done)
		a.status = 408;
	proxy_exchange_reply(p, x, &a);
}

static void route_timeout(struct proxy *p, struct proxy_exchange *x)
{
	static const struct proxy_answer late = {
		.status = 504,
		.flags = HD_FLAG_UT,
		.body = "upstream request timeout",
		.details = "response_timeout",
	};

	proxy_count(p, HD_PROXY_TIMEOUTS);
	if (x->on_endpoint)
		proxy_pool_endpoint(p, x->endpoint_slot)->stats.timeouts++;
	if (x->on_endpoint && !x->answer_begun)
		proxy_outcome_timeout(p, x);
	if (x->answer_begun)
		cut(p, x, HD_FLAG_UT, late.details);
	else
		proxy_exchange_reply(p, x, &late);
}

void proxy_exchange_timeout(struct proxy *p, struct proxy_exchange *x)
{
	if (x->deadline <= p->now && x->state == EXCHANGE_TUNNEL) {
		cut(p, x, HD_FLAG_DT, "max_connection_duration_reached");
	} else if (x->deadline <= p->now) {
		route_timeout(p, x);
	} else if (x->try_deadline <= p->now) {
		proxy_pool_endpoint(p, x->endpoint_slot)->stats.timeouts++;
		proxy_exchange_try_failed(p, x, PROXY_FAIL_PER_TRY_TIMEOUT);
	} else if (x->wake <= p->now) {
		if (x->state == EXCHANGE_DELAYED) {
			x->wake = HD_NS_NEVER;
			proxy_exchange_resume(p, x);
			return;
		}
		x->wake = HD_NS_NEVER;
		proxy_exchange_arm(p, x);
		if (x->state == EXCHANGE_BACKOFF)
			proxy_exchange_start_try(p, x);
		else /* the backend closed, and whether it saw the request did not show */
			proxy_exchange_try_failed(p, x, PROXY_FAIL_TERMINATED);
	} else {
		proxy_exchange_arm(p, x);
	}
}

static void start_try_timer(struct proxy *p, struct proxy_exchange *x)
{
	if (x->per_try_timeout == 0 || !x->request.done || x->up == NULL)
		return;
	x->try_deadline = p->now + x->per_try_timeout;
	proxy_exchange_arm(p, x);
}

/* From now on the route's timeout runs (istio-api.md 5.6). */
void proxy_exchange_request_complete(struct proxy *p, struct proxy_exchange *x)
{
	x->request_done = p->now;
	if (hd_unlikely(x->n_copies > 0))
		proxy_mirror_complete(p, x);
	if (x->timeout > 0) {
		x->deadline = p->now + x->timeout;
		proxy_exchange_arm(p, x);
	}
	start_try_timer(p, x);
}

/* Where references to body bytes go that a later try would need, or NULL. */
static struct bufq *replay_of(struct proxy *p, struct proxy_exchange *x)
{
	uint32_t limit = proxy_retry_needs_body(x)  ? PROXY_REPLAY_MAX
			 : proxy_retry_is_unseen(x) ? PROXY_UNSEEN_MAX
						    : 0;

	if (!x->can_replay)
		return NULL;
	if (x->replay.bytes < limit && p->replay_bufs < p->replay_bufs_max)
		return &x->replay;
	if (limit == PROXY_REPLAY_MAX)
		proxy_count(p, HD_PROXY_REPLAY_DROPPED);
	x->can_replay = 0;
	drop_replay(p, x);
	return NULL;
}

static void bad_request_body(struct proxy *p, struct proxy_exchange *x, const struct http_error *e)
{
	struct proxy_answer a = proxy_reply_of_error(e);

	proxy_count(p, e->counter);
	proxy_count(p, HD_PROXY_REFUSED_REQUESTS);
	if (x->answer_begun)
		cut(p, x, HD_FLAG_DPE, e->details);
	else
		proxy_exchange_reply(p, x, &a);
}

/* The caller closed in the middle of its body: the backend must never take it for complete. */
static void request_cut(struct proxy *p, struct proxy_exchange *x)
{
	struct proxy_leg *down = x->down;

	proxy_exchange_down_lost(p, x);
	proxy_leg_release(p, down);
}

/* How much may go to the backend now. Until the other end of a reused connection has acknowledged
 * something, no more than can be sent again. */
static uint32_t request_space(struct proxy_exchange *x)
{
	uint32_t space = proxy_leg_send_space(x->up), held = x->replay.bytes;

	if (!x->can_replay || proxy_retry_needs_body(x) || !proxy_retry_is_unseen(x))
		return space;
	return held >= PROXY_UNSEEN_MAX ? 0 : RTE_MIN(space, PROXY_UNSEEN_MAX - held);
}

/* References to what moved go to the copies for mirrors as well. */
static enum proxy_relay_verdict relay_copied(struct proxy *p, struct proxy_exchange *x,
					     struct bufq *out, uint32_t space, struct bufq *keep,
					     uint32_t *moved, struct http_error *e)
{
	struct bufq body = { 0 };
	uint8_t is_kept = 1;
	enum proxy_relay_verdict v = proxy_relay(&x->request, proxy_leg_rx(x->down), out, space,
						 &body, &is_kept, moved, &p->pools, e);

	if (is_kept)
		proxy_mirror_gather(p, x, &body);
	else
		proxy_mirror_drop(p, x);
	if (keep == NULL) {
		bufq_clear(&body);
	} else if (is_kept) {
		bufq_concat(keep, &body);
	} else {
		bufq_clear(keep);
		x->can_replay = 0;
	}
	return v;
}

/* Body bytes from the caller to the backend. False: x is no more. */
static int relay_request(struct proxy *p, struct proxy_exchange *x)
{
	struct bufq *in = proxy_leg_rx(x->down), out = { 0 };
	uint32_t before = in->bytes, moved, space = request_space(x);
	struct http_error e = { 0 };
	enum proxy_relay_verdict v;
	struct bufq *keep;

	if (x->request.done || proxy_leg_is_cut(x->up) || (space == 0 && before > 0))
		return 1;
	keep = replay_of(p, x);
	p->replay_bufs -= x->replay.bufs;
	if (hd_unlikely(x->n_copies > 0))
		v = relay_copied(p, x, &out, space, keep, &moved, &e);
	else
		v = proxy_relay(&x->request, in, &out, space, keep, &x->can_replay, &moved,
				&p->pools, &e);
	p->replay_bufs += x->replay.bufs;
	if (before != in->bytes)
		proxy_leg_received(x->down, before - in->bytes);
	x->bytes_received += moved;
	if (out.bytes > 0) {
		proxy_leg_send(p, x->up, &out);
		touch(p, x);
	}
	switch (v) {
	case RELAY_DONE:
		proxy_exchange_request_complete(p, x);
		return 1;
	case RELAY_FULL:
		if (request_space(x) > 0)
			proxy_leg_again(x->down, TCP_EV_READABLE);
		return 1;
	case RELAY_DRY:
		if (!x->down->fin) {
			proxy_leg_expects_more(x->down);
			return 1;
		}
		request_cut(p, x);
		return 0;
	case RELAY_BAD:
		bad_request_body(p, x, &e);
		return 0;
	case RELAY_NO_MEMORY:
		give_up(p, x);
		return 0;
	}
	return 1;
}

/* Body bytes that an earlier try sent already. -ENOMEM ends the exchange. */
static int send_replay(struct proxy *p, struct proxy_exchange *x, struct bufq *out)
{
	struct bufq data = { 0 };

	if (x->replay.bytes == 0 && !x->request.done)
		return 0;
	if (proxy_relay_share(&data, &x->replay, p->pools.indirect) < 0)
		return -1;
	if (proxy_relay_frame(&x->request, out, &data, p->pools.bufs) < 0) {
		bufq_clear(&data);
		return -1;
	}
	if (x->request.done && x->request.is_chunked_out)
		return proxy_put(p, out, "0\r\n\r\n", 5);
	return 0;
}

static void attach(struct proxy *p, struct proxy_exchange *x, struct proxy_leg *up)
{
	x->up = up;
	x->state = EXCHANGE_ACTIVE;
	x->is_resend = 0;
	x->had_strays = 0;
	x->sent_from = tcp_send_offset(up->conn);
	proxy_leg_ask(up);
	x->up_local.ip = tcp_conn_key(up->conn)->local;
	x->up_local.port = tcp_conn_key(up->conn)->local_port;
	up->exchange = x;
	up->state = LEG_BUSY;
	up->scan = (struct http1_scan){ 0 };
	up->requests++;
}

/* The head of the request, parsed into p->head over the bytes returned, lies ready. */
void proxy_exchange_send(struct proxy *p, struct proxy_exchange *x, struct proxy_leg *up,
			 const uint8_t *bytes)
{
	struct bufq out = { 0 };

	attach(p, x, up);
	if (proxy_exchange_render(p, x, bytes, &out) < 0 || send_replay(p, x, &out) < 0) {
		bufq_clear(&out);
		give_up(p, x);
		return;
	}
	proxy_leg_send(p, up, &out);
	touch(p, x);
	if (x->request.done)
		start_try_timer(p, x);
	else
		relay_request(p, x);
}

void proxy_exchange_connected(struct proxy *p, struct proxy_exchange *x, struct proxy_leg *up)
{
	if (x->is_stream) {
		attach(p, x, up);
		proxy_outcome_connected(p, x);
		proxy_tunnel_begin(p, x);
		return;
	}
	proxy_exchange_send(p, x, up, proxy_exchange_parse_again(p, x));
}

/* What the answer's head decides. */
static void begin_answer(struct proxy *p, struct proxy_exchange *x)
{
	const struct http_head *h = &p->head;
	struct proxy_endpoint_state *ep = proxy_pool_endpoint(p, x->endpoint_slot);

	x->answer_begun = 1;
	x->status = h->status;
	x->details = x->is_upgrade && h->status != 101 ? "websocket_handshake_unsuccessful"
						       : "via_upstream";
	x->close_down |= !x->request.done || p->is_draining || (x->is_upgrade && h->status != 101);
	x->up_reusable = h->keep_alive && h->framing != HTTP_BODY_UNTIL_CLOSE;
	x->try_deadline = HD_NS_NEVER;
	x->upstream_time =
		x->request.done && x->request_done != HD_NS_NEVER ? p->now - x->request_done : 0;
	proxy_body_init(&x->response, h,
			h->framing == HTTP_BODY_CHUNKED || h->framing == HTTP_BODY_UNTIL_CLOSE);
	proxy_retry_end(p, x);
	drop_replay(p, x);
	ep->stats.responses_5xx += h->status >= 500;
	proxy_count(p,
		    x->patches & PROXY_PATCH_SHADOW ? HD_PROXY_MIRROR_ANSWERS : HD_PROXY_RESPONSES);
}

/* Answers to copies have nobody to go to. */
static uint32_t down_space(const struct proxy_exchange *x)
{
	return hd_likely(x->down != NULL) ? proxy_leg_send_space(x->down) : PROXY_RELAY_BUDGET;
}

static void send_down(struct proxy *p, struct proxy_exchange *x, struct bufq *out)
{
	if (hd_likely(x->down != NULL))
		proxy_leg_send(p, x->down, out);
	else
		bufq_clear(out);
}

/* The head came alone, and more must follow. */
static int is_body_awaited(const struct proxy_exchange *x, const struct http_head *h)
{
	return h->status != 101 && !x->response.done && !x->up->fin &&
	       proxy_leg_rx(x->up)->bytes == h->bytes;
}

static int send_head(struct proxy *p, struct proxy_exchange *x, const uint8_t *bytes,
		     int is_interim)
{
	const struct http_head *h = &p->head;
	struct proxy_response_patch q = {
		.role = x->role,
		.is_interim = is_interim != 0,
		.is_upgrade = h->status == 101,
		.date = proxy_date(p),
		.content_length = h->content_length,
	};
	uint32_t n, extra = hd_unlikely(x->patches) && !is_interim ? PROXY_EDIT_EXTRA : 0;
	struct proxy_head_room room;
	struct bufq out = { 0 };

	if (hd_unlikely(x->down == NULL))
		return 0;
	room = proxy_head_begin(p, extra);
	if (room.at == NULL)
		return -1;
	if (!is_interim) {
		q.close = x->close_down && h->status != 101;
		q.is_chunked = x->response.is_chunked_out;
		q.has_length =
			h->framing == HTTP_BODY_LENGTH ||
			(h->framing == HTTP_BODY_NONE && h->status >= 200 && h->status != 204);
		q.upstream_ms = x->upstream_time / HD_NS_PER_MS;
	}
	n = proxy_rewrite_response(bytes, h, &q, room.at);
	if (hd_unlikely(extra > 0))
		n = proxy_patch_response(p, x, room.at, n, h->bytes + PROXY_REWRITE_SLACK + extra);
	if (proxy_head_end(p, &room, n, &out) < 0)
		return -1;
	if (!is_interim && is_body_awaited(x, h))
		proxy_hold_put(p, x, &out);
	else
		proxy_leg_send(p, x->down, &out);
	touch(p, x);
	return 0;
}

static void take_head(struct proxy_exchange *x, uint32_t n)
{
	bufq_consume(proxy_leg_rx(x->up), n);
	proxy_leg_received(x->up, n);
	x->up->scan = (struct http1_scan){ 0 };
}

/* The answer is thrown away and the request tried again. When all of it is here its connection can
 * still be used. */
static void retry_status(struct proxy *p, struct proxy_exchange *x)
{
	const struct http_head *h = &p->head;
	int is_whole = h->keep_alive && x->request.done &&
		       (h->framing == HTTP_BODY_NONE || h->framing == HTTP_BODY_LENGTH) &&
		       proxy_leg_rx(x->up)->bytes == h->bytes + h->content_length;

	proxy_pool_endpoint(p, x->endpoint_slot)->stats.responses_5xx += h->status >= 500;
	if (is_whole)
		proxy_leg_discard(x->up);
	end_try(p, x, is_whole);
	proxy_retry_schedule(p, x);
	proxy_exchange_arm(p, x);
}

/* What came of a look at the answer's head. */
enum head_step {
	HEAD_AGAIN,  /* an interim answer passed */
	HEAD_PASSED, /* the final head went out: the body follows */
	HEAD_WAITS,  /* bytes are missing */
	HEAD_OVER,   /* x is no more, or its up leg is not, or it became a tunnel */
};

/* All heads of 1xx together may be as long as one head: else a backend could go on for ever, each
 * of them a sign of life. */
static int is_flood_of_interims(struct proxy *p, struct proxy_exchange *x, uint32_t n)
{
	x->interim_bytes += n;
	if (x->interim_bytes <= HTTP_MAX_HEAD_BYTES)
		return 0;
	proxy_count(p, HD_HTTP_MANY_INTERIMS);
	return 1;
}

/* The head of an answer lies parsed in p->head. */
static enum head_step answer_head(struct proxy *p, struct proxy_exchange *x, const uint8_t *bytes)
{
	uint32_t n = p->head.bytes;
	uint16_t status = p->head.status;
	int is_interim = status < 200 && status != 101;

	if (status == 101 && (!x->is_upgrade || p->head.upgrade != HTTP_UPGRADE_WEBSOCKET)) {
		proxy_exchange_up_lost(p, x, PROXY_FAIL_PROTOCOL);
		return HEAD_OVER;
	}
	if (is_interim && is_flood_of_interims(p, x, n)) {
		proxy_exchange_up_lost(p, x, PROXY_FAIL_PROTOCOL);
		return HEAD_OVER;
	}
	if (!is_interim)
		proxy_outcome_answer(p, x, bytes);
	if (!is_interim && proxy_retry_wants_answer(p, x, bytes)) {
		retry_status(p, x);
		return HEAD_OVER;
	}
	if (is_interim)
		x->interim_sent = 1;
	else
		begin_answer(p, x);
	if (send_head(p, x, bytes, is_interim) < 0) {
		give_up(p, x);
		return HEAD_OVER;
	}
	take_head(x, n);
	if (status != 101)
		return is_interim ? HEAD_AGAIN : HEAD_PASSED;
	proxy_tunnel_begin(p, x);
	return HEAD_OVER;
}

static enum http_verdict scan_response(struct proxy *p, struct proxy_exchange *x,
				       const struct bufq *rx, struct http_error *e)
{
	struct http1_scan *scan = &x->up->scan;
	uint32_t offset = scan->seen, head_bytes = 0;
	enum http_verdict v = HTTP_MORE;

	for (const struct rte_mbuf *m = rx->head; m != NULL && v == HTTP_MORE; m = m->next) {
		if (offset >= m->data_len) {
			offset -= m->data_len;
			continue;
		}
		v = http1_scan_response(scan, rte_pktmbuf_mtod_offset(m, const uint8_t *, offset),
					m->data_len - offset, &head_bytes, e);
		offset = 0;
	}
	if (v != HTTP_DONE)
		return v;
	bufq_copy_out(rx, 0, p->in, head_bytes);
	return http1_parse_response(p->in, head_bytes, x->method, &p->head, e);
}

static enum http_verdict read_response(struct proxy *p, struct proxy_exchange *x,
				       const uint8_t **bytes, struct http_error *e)
{
	const struct bufq *rx = proxy_leg_rx(x->up);
	enum http_verdict v;
	uint32_t n;

	*bytes = bufq_front(rx, &n);
	if (n == 0)
		return HTTP_MORE;
	if (x->up->scan.seen == 0) {
		v = http1_parse_response(*bytes, n, x->method, &p->head, e);
		if (v != HTTP_MORE)
			return v;
	}
	*bytes = p->in;
	return scan_response(p, x, rx, e);
}

static enum head_step read_answer_head(struct proxy *p, struct proxy_exchange *x)
{
	struct http_error e = { 0 };
	const uint8_t *bytes;

	switch (read_response(p, x, &bytes, &e)) {
	case HTTP_DONE:
		return answer_head(p, x, bytes);
	case HTTP_BAD:
		proxy_count(p, e.counter);
		proxy_exchange_up_lost(p, x, PROXY_FAIL_PROTOCOL);
		return HEAD_OVER;
	case HTTP_MORE:
		break;
	}
	return HEAD_WAITS;
}

/* Body bytes from the backend to the caller. */
static void relay_response(struct proxy *p, struct proxy_exchange *x)
{
	struct bufq *in = proxy_leg_rx(x->up), out = { 0 };
	uint32_t before = in->bytes, moved = 0;
	struct http_error e = { 0 };
	uint8_t unused;
	enum proxy_relay_verdict v = proxy_relay(&x->response, in, &out, down_space(x), NULL,
						 &unused, &moved, &p->pools, &e);

	if (before != in->bytes)
		proxy_leg_received(x->up, before - in->bytes);
	x->bytes_sent += moved;
	if (v == RELAY_DRY && x->up->fin) {
		int end = proxy_leg_is_cut(x->up) ? 0
						  : proxy_relay_end(&x->response, &out, &p->pools);
		v = end < 0 ? RELAY_NO_MEMORY : end > 0 ? RELAY_DONE : RELAY_BAD;
	}
	if (out.bytes > 0 || v != RELAY_DRY)
		proxy_hold_release(p, x);
	if (out.bytes > 0) {
		send_down(p, x, &out);
		touch(p, x);
	}
	switch (v) {
	case RELAY_DRY:
		proxy_leg_expects_more(x->up);
		return;
	case RELAY_FULL:
		if (down_space(x) > 0)
			proxy_leg_again(x->up, TCP_EV_READABLE);
		return;
	case RELAY_DONE:
		finish(p, x);
		return;
	case RELAY_BAD:
		proxy_count(p, x->up->fin ? HD_PROXY_UP_RESETS : HD_PROXY_UP_PROTOCOL);
		proxy_outcome_cut(p, x);
		cut(p, x, HD_FLAG_UPE, "upstream_reset_after_response_started{protocol_error}");
		return;
	case RELAY_NO_MEMORY:
		give_up(p, x);
	}
}

/* Whether the backend saw the request will show, or not within this time. */
static void await_verdict(struct proxy *p, struct proxy_exchange *x)
{
	if (x->wake != HD_NS_NEVER)
		return;
	x->wake = p->now + PROXY_VERDICT_TIMEOUT;
	proxy_exchange_arm(p, x);
}

/* Bytes on a reused connection that the other end sent before it saw the request are no answer (a
 * 408 for an idle connection is the usual one). They are thrown away, and nothing else on that
 * connection is believed. False: x lost its connection by that, or is no more. */
static int believes_up(struct proxy *p, struct proxy_exchange *x)
{
	uint32_t n = x->up->requests > 1 && x->up->scan.seen == 0 ? proxy_leg_unasked(x->up) : 0;

	if (n > 0) {
		bufq_consume(proxy_leg_rx(x->up), n);
		proxy_leg_received(x->up, n);
		if (!x->had_strays)
			proxy_count(p, HD_PROXY_UP_IDLE_DATA);
		x->had_strays = 1;
		await_verdict(p, x);
	}
	if (!x->had_strays || proxy_retry_is_unseen(x))
		return 1;
	proxy_exchange_up_lost(p, x, PROXY_FAIL_PROTOCOL);
	return 0;
}

/* The backend closed before its answer's head was complete. Its FIN alone does not say whether it
 * saw the request: the reset or ACK that follows does. */
static void closed_early(struct proxy *p, struct proxy_exchange *x)
{
	if (!x->up->reset && proxy_leg_rx(x->up)->bytes == 0 && proxy_retry_is_unseen(x) &&
	    x->can_replay) {
		await_verdict(p, x);
		return;
	}
	proxy_exchange_up_lost(p, x, PROXY_FAIL_TERMINATED);
}

static void progress_response(struct proxy *p, struct proxy_exchange *x)
{
	enum head_step step = HEAD_AGAIN;

	if (!x->answer_begun && !believes_up(p, x))
		return;
	for (int i = 0; !x->answer_begun && i < PROXY_TURN_INTERIMS; i++) {
		if (down_space(x) == 0)
			return;
		step = read_answer_head(p, x);
		if (step == HEAD_OVER)
			return;
		if (step == HEAD_WAITS) {
			if (x->up->fin)
				closed_early(p, x);
			else if (proxy_leg_rx(x->up)->bytes > 0)
				proxy_leg_expects_more(x->up);
			return;
		}
	}
	if (x->answer_begun)
		relay_response(p, x);
	else
		proxy_leg_again(x->up, TCP_EV_READABLE);
}

void proxy_exchange_down_event(struct proxy *p, struct proxy_exchange *x, uint32_t events)
{
	if (x->state == EXCHANGE_TUNNEL) {
		proxy_tunnel_relay(p, x);
		return;
	}
	if (x->state != EXCHANGE_ACTIVE) {
		if (x->down->fin && !x->request.done && !x->is_stream &&
		    proxy_leg_rx(x->down)->bytes == 0)
			request_cut(p, x);
		return;
	}
	if ((events & (TCP_EV_READABLE | TCP_EV_FIN)) && !relay_request(p, x))
		return;
	if (events & TCP_EV_WRITABLE)
		progress_response(p, x);
}

void proxy_exchange_up_event(struct proxy *p, struct proxy_exchange *x, uint32_t events)
{
	if (x->state == EXCHANGE_TUNNEL) {
		proxy_tunnel_relay(p, x);
		return;
	}
	if ((events & TCP_EV_WRITABLE) && x->down != NULL && !relay_request(p, x))
		return;
	progress_response(p, x);
}
