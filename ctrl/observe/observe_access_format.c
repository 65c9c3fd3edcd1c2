/* SPDX-License-Identifier: Apache-2.0 */
/* Istio's default formats of Envoy's access log (MeshConfig accessLogEncoding TEXT and JSON). A
 * line a request: no printf. */
#include "observe_access.h"

#include <time.h>

/* A record's text fields hold at most their array; the real length may be larger. */
#define FIELD(r, field)                                                    \
	(struct hd_str)                                                    \
	{                                                                  \
		(r)->field, cut_length((r)->field##_n, sizeof((r)->field)) \
	}
/* The terminated ones. */
#define TERMINATED(r, field)                                                  \
	(struct hd_str)                                                       \
	{                                                                     \
		(r)->field, (uint32_t)strnlen((r)->field, sizeof((r)->field)) \
	}

static uint32_t cut_length(uint32_t n, size_t bytes)
{
	return n < bytes ? n : (uint32_t)bytes;
}

/* "2026-01-02T03:04:05.678Z" */
static void add_time(struct observe_text *t, hd_ns wall, struct observe_access_second *s)
{
	uint32_t ms = (uint32_t)(wall % HD_NS_PER_S / HD_NS_PER_MS);
	char tail[5] = { '.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
			 (char)('0' + ms % 10), 'Z' };

	if (s->n == 0 || s->second != wall / HD_NS_PER_S) {
		time_t seconds = (time_t)(wall / HD_NS_PER_S);
		struct tm tm;

		gmtime_r(&seconds, &tm);
		s->n = strftime(s->text, sizeof(s->text), "%FT%T", &tm);
		s->second = wall / HD_NS_PER_S;
	}
	observe_text_add(t, s->text, s->n);
	observe_text_add(t, tail, sizeof(tail));
}

static struct hd_str version_text(uint16_t version)
{
	if (version == 0)
		return (struct hd_str){ 0 };
	return version == 0x0304 ? (struct hd_str){ "TLSv1.3", 7 } : (struct hd_str){ "TLSv1.2", 7 };
}

static struct hd_str protocol_text(uint8_t protocol)
{
	switch (protocol) {
	case 10:
		return (struct hd_str){ "HTTP/1.0", 8 };
	case 11:
		return (struct hd_str){ "HTTP/1.1", 8 };
	case 20:
		return (struct hd_str){ "HTTP/2", 6 };
	default:
		return (struct hd_str){ 0 };
	}
}

static void json_text(struct observe_text *t, struct hd_str value)
{
	if (value.n == 0)
		observe_text_add_literal(t, "null");
	else
		observe_text_add_json(t, value.p, value.n);
}

static void json_addr(struct observe_text *t, const struct hd_addr *a)
{
	if (hd_ip_is_zero(&a->ip)) {
		observe_text_add_literal(t, "null");
		return;
	}
	observe_text_add_literal(t, "\"");
	observe_text_add_addr(t, a);
	observe_text_add_literal(t, "\"");
}

#define KEY(name) observe_text_add_literal(t, ",\"" name "\":")

/* Why the backend's connection or its TLS failed: what stands behind the bar in
 * "…{remote_connection_failure|TLS_error:…}". Empty: neither did. */
static struct hd_str transport_of(const struct hd_access_record *r)
{
	static const char head[] = "{remote_connection_failure|";
	uint32_t n = cut_length(r->details_n, sizeof(r->details));
	const char *at = n > 0 ? memmem(r->details, n, head, sizeof(head) - 1) : NULL;
	const char *end = r->details + n;

	if (at == NULL)
		return (struct hd_str){ 0 };
	at += sizeof(head) - 1;
	if (end > at && end[-1] == '}')
		end--;
	return (struct hd_str){ at, (uint32_t)(end - at) };
}

static void json_line(struct observe_text *t, const struct hd_access_record *r,
		      struct observe_access_second *second)
{
	observe_text_add_literal(t, "{\"start_time\":\"");
	add_time(t, r->start_wall, second);
	observe_text_add_literal(t, "\",\"method\":");
	json_text(t, FIELD(r, method));
	KEY("path");
	json_text(t, FIELD(r, path));
	KEY("protocol");
	json_text(t, protocol_text(r->protocol));
	KEY("response_code");
	observe_text_add_number(t, r->status);
	observe_text_add_literal(t, ",\"response_flags\":\"");
	observe_text_add_flags(t, r->flags);
	observe_text_add_literal(t, "\",\"response_code_details\":");
	json_text(t, FIELD(r, details));
	observe_text_add_literal(
		t,
		",\"connection_termination_details\":null,\"upstream_transport_failure_reason\":");
	json_text(t, transport_of(r));
	KEY("bytes_received");
	observe_text_add_number(t, r->bytes_received);
	KEY("bytes_sent");
	observe_text_add_number(t, r->bytes_sent);
	KEY("duration");
	observe_text_add_number(t, r->duration / HD_NS_PER_MS);
	KEY("upstream_service_time");
	if (r->upstream_time == HD_NS_NEVER) {
		observe_text_add_literal(t, "null");
	} else {
		observe_text_add_literal(t, "\"");
		observe_text_add_number(t, r->upstream_time / HD_NS_PER_MS);
		observe_text_add_literal(t, "\"");
	}
	KEY("x_forwarded_for");
	json_text(t, FIELD(r, forwarded_for));
	KEY("user_agent");
	json_text(t, FIELD(r, agent));
	KEY("request_id");
	json_text(t, TERMINATED(r, request_id));
	KEY("authority");
	json_text(t, FIELD(r, authority));
	KEY("upstream_host");
	json_addr(t, &r->up_remote);
	KEY("upstream_cluster");
	json_text(t, FIELD(r, cluster));
	KEY("upstream_local_address");
	json_addr(t, &r->up_local);
	KEY("downstream_local_address");
	json_addr(t, &r->down_local);
	KEY("downstream_remote_address");
	json_addr(t, &r->down_remote);
	KEY("requested_server_name");
	json_text(t, FIELD(r, sni));
	KEY("downstream_tls_version");
	json_text(t, version_text(r->tls_version));
	KEY("downstream_peer_uri_san");
	json_text(t, FIELD(r, peer));
	KEY("route_name");
	json_text(t, TERMINATED(r, route_name));
	observe_text_add_literal(t, "}\n");
}

static void text_text(struct observe_text *t, struct hd_str value)
{
	if (value.n == 0)
		observe_text_add_literal(t, "-");
	else
		observe_text_add_quotable(t, value.p, value.n);
}

static void text_quoted(struct observe_text *t, struct hd_str value)
{
	observe_text_add_literal(t, "\"");
	text_text(t, value);
	observe_text_add_literal(t, "\" ");
}

static void text_addr(struct observe_text *t, const struct hd_addr *a)
{
	if (hd_ip_is_zero(&a->ip))
		observe_text_add_literal(t, "-");
	else
		observe_text_add_addr(t, a);
}

static void text_number(struct observe_text *t, uint64_t value)
{
	observe_text_add_number(t, value);
	observe_text_add_literal(t, " ");
}

static void text_line(struct observe_text *t, const struct hd_access_record *r,
		      struct observe_access_second *second)
{
	observe_text_add_literal(t, "[");
	add_time(t, r->start_wall, second);
	observe_text_add_literal(t, "] \"");
	text_text(t, FIELD(r, method));
	observe_text_add_literal(t, " ");
	text_text(t, FIELD(r, path));
	observe_text_add_literal(t, " ");
	text_text(t, protocol_text(r->protocol));
	observe_text_add_literal(t, "\" ");
	text_number(t, r->status);
	observe_text_add_flags(t, r->flags);
	observe_text_add_literal(t, " ");
	text_text(t, FIELD(r, details));
	observe_text_add_literal(t, " - ");
	text_quoted(t, transport_of(r));
	text_number(t, r->bytes_received);
	text_number(t, r->bytes_sent);
	text_number(t, r->duration / HD_NS_PER_MS);
	if (r->upstream_time == HD_NS_NEVER)
		observe_text_add_literal(t, "- ");
	else
		text_number(t, r->upstream_time / HD_NS_PER_MS);
	text_quoted(t, FIELD(r, forwarded_for));
	text_quoted(t, FIELD(r, agent));
	text_quoted(t, TERMINATED(r, request_id));
	text_quoted(t, FIELD(r, authority));
	observe_text_add_literal(t, "\"");
	text_addr(t, &r->up_remote);
	observe_text_add_literal(t, "\" ");
	text_text(t, FIELD(r, cluster));
	observe_text_add_literal(t, " ");
	text_addr(t, &r->up_local);
	observe_text_add_literal(t, " ");
	text_addr(t, &r->down_local);
	observe_text_add_literal(t, " ");
	text_addr(t, &r->down_remote);
	observe_text_add_literal(t, " ");
	text_text(t, FIELD(r, sni));
	observe_text_add_literal(t, " ");
	text_text(t, TERMINATED(r, route_name));
	observe_text_add_literal(t, "\n");
}

void observe_access_format(struct observe_text *t, const struct hd_access_record *r,
			   enum observe_access_format format, struct observe_access_second *second)
{
	if (format == OBSERVE_ACCESS_JSON)
		json_line(t, r, second);
	else
		text_line(t, r, second);
}
