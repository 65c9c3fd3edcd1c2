/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_reply.h"
#include "proxy_rewrite.h"

static const struct {
	uint16_t status;
	uint32_t flag;
	const char *reason, *details;
} failures[] = {
#define FAILURE_ROW(symbol, code, bit, text, detail) \
	[PROXY_FAIL_##symbol] = { code, HD_FLAG_##bit, text, detail },
	PROXY_FAILURES(FAILURE_ROW)
#undef FAILURE_ROW
};

struct proxy_answer proxy_reply_of_failure(enum proxy_failure why, int is_retried)
{
	struct proxy_answer a = {
		.status = failures[why].status,
		.flags = failures[why].flag,
		.details = failures[why].details,
		.body = failures[why].reason,
		.is_reset = failures[why].reason != NULL,
		.is_retried = is_retried != 0,
		.is_overload = why == PROXY_FAIL_OVERFLOW || why == PROXY_FAIL_NO_PLACE,
	};

	if (why == PROXY_FAIL_PER_TRY_TIMEOUT)
		a.body = "upstream request timeout";
	else if (why == PROXY_FAIL_NO_ENDPOINT)
		a.body = "no healthy upstream";
	return a;
}

/* Envoy's flags for what its codec lets through and its connection manager refuses are not those of
 * the codec. */
struct proxy_answer proxy_reply_of_error(const struct http_error *e)
{
	static const struct {
		const char *details;
		uint32_t flags;
	} odd[] = {
		{ "missing_host_header", 0 },
		{ "path_normalization_failed", 0 },
		{ "upgrade_failed", 0 },
		{ "route_not_found", HD_FLAG_NR },
	};
	struct proxy_answer a = {
		.status = e->status, .details = e->details, .flags = HD_FLAG_DPE, .body = e->body
	};

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(odd); i++)
		if (strcmp(e->details, odd[i].details) == 0)
			a.flags = odd[i].flags;
	return a;
}

struct writer {
	char *at, *end;
};

static void put(struct writer *w, const char *text)
{
	size_t n = strlen(text);

	if (n > (size_t)(w->end - w->at))
		n = (size_t)(w->end - w->at);
	memcpy(w->at, text, n);
	w->at += n;
}

static void put_number(struct writer *w, uint64_t n)
{
	if (w->end - w->at >= 20)
		w->at += proxy_rewrite_decimal((uint8_t *)w->at, n);
}

static void put_field(struct writer *w, const char *name, const char *value)
{
	put(w, name);
	put(w, ": ");
	put(w, value);
	put(w, "\r\n");
}

static uint32_t body_text(const struct proxy_answer *a, char out[256])
{
	struct writer w = { out, out + 256 };

	if (a->is_reset) {
		put(&w, "upstream connect error or disconnect/reset before headers. ");
		put(&w, a->is_retried ? "retried and the latest reset reason: " : "reset reason: ");
	}
	if (a->body != NULL)
		put(&w, a->body);
	return (uint32_t)(w.at - out);
}

/* istio-api.md 3.4. */
static uint32_t grpc_status(uint16_t status)
{
	switch (status) {
	case 400:
		return 13;
	case 401:
		return 16;
	case 403:
		return 7;
	case 404:
		return 12;
	case 429:
	case 502:
	case 503:
	case 504:
		return 14;
	default:
		return 2;
	}
}

/* grpc-message is percent-encoded; our texts are plain ASCII without a percent sign. */
static void put_grpc(struct writer *w, const struct proxy_answer *a, const char *text, uint32_t n)
{
	put_field(w, "content-type", "application/grpc");
	put(w, "grpc-status: ");
	put_number(w, a->grpc != 0 ? a->grpc - 1u : grpc_status(a->status));
	put(w, "\r\n");
	if (n > 0) {
		put(w, "grpc-message: ");
		if ((size_t)(w->end - w->at) > n) {
			memcpy(w->at, text, n);
			w->at += n;
		}
		put(w, "\r\n");
	}
	put_field(w, "content-length", "0");
}

static void put_status_line(struct writer *w, uint16_t status)
{
	put(w, "HTTP/1.1 ");
	put_number(w, status);
	put(w, " ");
	put(w, http_reason(status));
	put(w, "\r\n");
}

uint32_t proxy_reply_render(const struct proxy_answer *a, const struct proxy_reply_style *s,
			    char out[PROXY_REPLY_MAX], uint32_t *body_n)
{
	struct writer w = { out, out + PROXY_REPLY_MAX };
	char text[256];
	uint32_t n = a->own != NULL ? a->own->text.n : body_text(a, text);
	int is_bare = a->status == 204 || a->status == 304; /* no content (RFC 9110 6.4.1) */

	put_status_line(&w, s->is_grpc ? 200 : a->status);
	if (a->authenticate != NULL)
		put_field(&w, "www-authenticate", a->authenticate);
	if (a->is_overload)
		put_field(&w, "x-envoy-overloaded", "true");
	if (s->is_grpc) {
		put_grpc(&w, a, text, a->own != NULL ? 0 : n);
	} else if (!is_bare) {
		put(&w, "content-length: ");
		put_number(&w, n);
		put(&w, "\r\n");
		if (n > 0)
			put_field(&w, "content-type", "text/plain");
	}
	put_field(&w, "date", s->date);
	put_field(&w, "server", s->role == HD_ROLE_SIDECAR ? "envoy" : "istio-envoy");
	if (s->close)
		put_field(&w, "connection", "close");
	put(&w, "\r\n");
	*body_n = s->is_head || s->is_grpc || is_bare ? 0 : n;
	if (a->own != NULL)
		return (uint32_t)(w.at - out);
	memcpy(w.at, text, *body_n);
	return (uint32_t)(w.at - out) + *body_n;
}
