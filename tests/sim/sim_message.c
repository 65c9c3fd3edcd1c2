/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum reader_state {
	AT_HEAD,
	AT_BODY,
	AT_CHUNK_LINE,
	AT_CHUNK_DATA,
	AT_CHUNK_END,
	AT_TRAILER,
	AT_END
};

static void writer_start(struct sim_writer *w, uint64_t seed, uint32_t id, int side,
			 enum sim_framing framing, uint32_t bytes)
{
	*w = (struct sim_writer){
		.seed = seed,
		.id = id,
		.side = side,
		.framing = framing,
		.bytes = bytes,
		.cut_at = UINT32_MAX,
		.ended = framing == SIM_EMPTY,
	};
}

static void add(struct sim_writer *w, const char *text)
{
	uint32_t n = (uint32_t)strlen(text);

	memcpy(w->ready + w->n, text, n);
	w->n += n;
}

static void add_framing(struct sim_writer *w)
{
	char line[64];

	if (w->framing == SIM_LENGTH) {
		snprintf(line, sizeof(line), "Content-Length: %u\r\n", w->bytes);
		add(w, line);
	} else if (w->framing == SIM_CHUNKED) {
		add(w, "Transfer-Encoding: chunked\r\n");
	}
}

void sim_writer_request(struct sim_writer *w, uint64_t seed, uint32_t id, const struct sim_plan *p,
			int close)
{
	char line[128];

	writer_start(w, seed, id, 0, p->request_framing, p->request_bytes);
	snprintf(line, sizeof(line), "%s /%u HTTP/1.1\r\nHost: echo.default.svc.cluster.local\r\n",
		 p->method, id);
	add(w, line);
	snprintf(line, sizeof(line), "x-sim: %u\r\n%s", id, close ? "Connection: close\r\n" : "");
	add(w, line);
	if (p->expect)
		add(w, "Expect: 100-continue\r\n");
	add_framing(w);
	add(w, "\r\n");
}

void sim_writer_answer(struct sim_writer *w, uint64_t seed, uint32_t id, const struct sim_plan *p)
{
	char line[128];

	writer_start(w, seed, id, 1, p->answer_framing, p->answer_bytes);
	if (p->interim)
		add(w, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
	snprintf(line, sizeof(line), "HTTP/1.1 %u Planned\r\nx-sim: %u\r\n%s", p->status, id,
		 p->close ? "Connection: close\r\n" : "");
	add(w, line);
	if (p->fault == SIM_GARBAGE)
		add(w, "Content-Length: 1\r\nContent-Length: 2\r\n");
	add_framing(w);
	add(w, "\r\n");
}

void sim_writer_raw(struct sim_writer *w, const char *text)
{
	writer_start(w, 0, 0, 0, SIM_EMPTY, 0);
	add(w, text);
}

static void refill(struct sim_writer *w)
{
	uint32_t room = sizeof(w->ready) - 32, n = w->bytes - w->offset;
	char size[16];

	w->n = w->at = 0;
	if (n > room)
		n = room;
	if (w->framing == SIM_CHUNKED) {
		if (n > 1) /* chunks of many sizes */
			n = 1 + (uint32_t)(sim_mix(w->seed ^ w->offset) % n);
		snprintf(size, sizeof(size), "%x\r\n", n);
		add(w, size);
	}
	sim_body(w->seed, w->id, w->side, w->offset, w->ready + w->n, n);
	w->n += n;
	w->offset += n;
	w->ended = w->offset == w->bytes && (w->framing != SIM_CHUNKED || n == 0);
	if (w->framing == SIM_CHUNKED)
		add(w, "\r\n");
}

int sim_writer_pump(struct sim_writer *w, struct host_stream *c)
{
	for (;;) {
		if (w->sent == w->cut_at)
			return 1;
		if (w->at == w->n) {
			if (w->ended)
				return 1;
			if (w->hold)
				return 0;
			refill(w);
			continue;
		}
		uint32_t n = w->n - w->at, space = host_stream_space(c);
		if (n > space)
			n = space;
		if (n > w->cut_at - w->sent)
			n = w->cut_at - w->sent;
		if (n == 0 || host_stream_send(c, w->ready + w->at, n) != 0)
			return 0;
		w->at += n;
		w->sent += n;
	}
}

void sim_reader_start(struct sim_reader *r, uint64_t seed, int side, int no_body)
{
	*r = (struct sim_reader){
		.seed = seed, .side = side, .no_body = no_body, .id = UINT32_MAX
	};
}

int sim_reader_has_begun(const struct sim_reader *r)
{
	return r->head_n > 0 || r->state != AT_HEAD;
}

static enum sim_reading wrong(struct sim_reader *r, const char *why)
{
	r->wrong = why;
	return SIM_READ_WRONG;
}

static const char *field(const struct sim_reader *r, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = strstr(r->head, "\r\n"); p != NULL; p = strstr(p, "\r\n")) {
		p += 2;
		if (strncasecmp(p, name, n) == 0 && p[n] == ':')
			return p + n + 1 + strspn(p + n + 1, " ");
	}
	return NULL;
}

static int field_is(const struct sim_reader *r, const char *name, const char *value)
{
	const char *v = field(r, name);

	return v != NULL && strncasecmp(v, value, strlen(value)) == 0 && v[strlen(value)] == '\r';
}

static enum sim_reading take_framing(struct sim_reader *r)
{
	const char *length = field(r, "content-length"), *id = field(r, "x-sim");

	r->id = id != NULL ? (uint32_t)strtoul(id, NULL, 10) : UINT32_MAX;
	r->close = (uint8_t)field_is(r, "connection", "close");
	r->chunked = (uint8_t)field_is(r, "transfer-encoding", "chunked");
	if (r->chunked && length != NULL)
		return wrong(r, "length beside chunked");
	r->left = length != NULL ? strtoull(length, NULL, 10) : 0;
	r->until_close = r->side == 1 && !r->chunked && length == NULL;
	return SIM_READ_HEAD;
}

static enum sim_reading take_status(struct sim_reader *r)
{
	if (strncmp(r->head, "HTTP/1.1 ", 9) != 0)
		return wrong(r, "no status line");
	r->status = (uint16_t)strtoul(r->head + 9, NULL, 10);
	if (r->status >= 200)
		return SIM_READ_HEAD;
	if (r->status == 101)
		return wrong(r, "101 unasked");
	r->head_n = 0;
	r->interim++;
	return SIM_READ_MORE;
}

/* The head is whole: what follows? */
static enum sim_reading take_head(struct sim_reader *r)
{
	r->head[r->head_n] = '\0';
	if (r->side == 1) {
		enum sim_reading v = take_status(r);
		if (v != SIM_READ_HEAD)
			return v;
	}
	if (take_framing(r) == SIM_READ_WRONG)
		return SIM_READ_WRONG;
	if (r->status == 204 && (r->chunked || field(r, "content-length") != NULL))
		return wrong(r, "204 with a length");
	if (r->no_body || r->status == 204 || r->status == 304)
		r->state = AT_END;
	else if (r->chunked)
		r->state = AT_CHUNK_LINE;
	else
		r->state = r->left > 0 || r->until_close ? AT_BODY : AT_END;
	return SIM_READ_HEAD;
}

static enum sim_reading read_head(struct sim_reader *r, const uint8_t *p, uint32_t n,
				  uint32_t *used)
{
	while (*used < n) {
		if (r->head_n == sizeof(r->head) - 1)
			return wrong(r, "a head too long");
		r->head[r->head_n++] = (char)p[(*used)++];
		if (r->head_n >= 4 && memcmp(r->head + r->head_n - 4, "\r\n\r\n", 4) == 0) {
			enum sim_reading v = take_head(r);
			if (v != SIM_READ_MORE)
				return v;
		}
	}
	return SIM_READ_MORE;
}

static int body_is_right(struct sim_reader *r, const uint8_t *p, uint32_t n)
{
	uint8_t want[1024];

	if (r->id == UINT32_MAX) {
		for (uint32_t i = 0; i < n && r->offset + i < sizeof(r->text) - 1; i++)
			r->text[r->offset + i] = (char)p[i];
		r->offset += n;
		return 1;
	}
	while (n > 0) {
		uint32_t k = n < sizeof(want) ? n : (uint32_t)sizeof(want);
		sim_body(r->seed, r->id, r->side, r->offset, want, k);
		if (memcmp(p, want, k) != 0)
			return 0;
		r->offset += k;
		p += k;
		n -= k;
	}
	return 1;
}

static enum sim_reading read_data(struct sim_reader *r, const uint8_t *p, uint32_t n,
				  uint32_t *used, int next)
{
	uint32_t k = n - *used;

	if (!r->until_close && k > r->left)
		k = (uint32_t)r->left;
	if (!body_is_right(r, p + *used, k))
		return wrong(r, "body bytes differ");
	*used += k;
	if (r->until_close)
		return SIM_READ_MORE;
	r->left -= k;
	if (r->left == 0)
		r->state = next;
	return SIM_READ_MORE;
}

/* A line of chunk framing or trailer; NULL: not whole yet. */
static const char *read_line(struct sim_reader *r, const uint8_t *p, uint32_t n, uint32_t *used)
{
	while (*used < n && r->line_n < sizeof(r->line) - 1) {
		r->line[r->line_n++] = (char)p[(*used)++];
		if (r->line_n >= 2 && memcmp(r->line + r->line_n - 2, "\r\n", 2) == 0) {
			r->line[r->line_n - 2] = '\0';
			r->line_n = 0;
			return r->line;
		}
	}
	return NULL;
}

static enum sim_reading take_line(struct sim_reader *r, const char *line)
{
	char *end;

	if (r->state == AT_CHUNK_END) {
		r->state = AT_CHUNK_LINE;
		return line[0] == '\0' ? SIM_READ_MORE : wrong(r, "no line end after a chunk");
	}
	if (r->state == AT_TRAILER) {
		if (line[0] == '\0')
			r->state = AT_END;
		return SIM_READ_MORE;
	}
	r->left = strtoull(line, &end, 16);
	if (end == line || *end != '\0')
		return wrong(r, "no chunk size");
	r->state = r->left > 0 ? AT_CHUNK_DATA : AT_TRAILER;
	return SIM_READ_MORE;
}

static enum sim_reading read_step(struct sim_reader *r, const uint8_t *p, uint32_t n,
				  uint32_t *used)
{
	if (r->state == AT_HEAD)
		return read_head(r, p, n, used);
	if (r->state == AT_BODY)
		return read_data(r, p, n, used, AT_END);
	if (r->state == AT_CHUNK_DATA)
		return read_data(r, p, n, used, AT_CHUNK_END);
	const char *line = read_line(r, p, n, used);
	if (line != NULL)
		return take_line(r, line);
	return r->line_n == sizeof(r->line) - 1 ? wrong(r, "an endless line") : SIM_READ_MORE;
}

enum sim_reading sim_reader_feed(struct sim_reader *r, const uint8_t *p, uint32_t n, uint32_t *used)
{
	enum sim_reading v = SIM_READ_MORE;

	*used = 0;
	while (r->state != AT_END && *used < n && v == SIM_READ_MORE)
		v = read_step(r, p, n, used);
	if (v != SIM_READ_MORE)
		return v;
	return r->state == AT_END ? SIM_READ_DONE : SIM_READ_MORE;
}

enum sim_reading sim_reader_pump(struct sim_reader *r, struct host_stream *c, uint32_t limit)
{
	struct bufq *q = host_stream_rx(c);
	enum sim_reading v = SIM_READ_MORE;
	uint32_t taken = 0;

	if (r->state == AT_END)
		return SIM_READ_DONE;
	while (v == SIM_READ_MORE && taken < limit) {
		uint32_t n, used;
		const uint8_t *p = bufq_front(q, &n);
		if (n == 0)
			break;
		v = sim_reader_feed(r, p, n < limit - taken ? n : limit - taken, &used);
		bufq_consume(q, used);
		taken += used;
	}
	if (taken > 0)
		host_stream_received(c, taken);
	return v;
}

enum sim_reading sim_reader_close(struct sim_reader *r)
{
	if (r->state == AT_END || (r->state == AT_BODY && r->until_close))
		return SIM_READ_DONE;
	return SIM_READ_MORE;
}
