/* SPDX-License-Identifier: Apache-2.0 */
/* Istio's default formats of Envoy's access log (MeshConfig accessLogEncoding TEXT and JSON). */
#include "observe_access.h"

#include <stdio.h>
#include <time.h>

/* A record's text fields hold at most their array; the real length may be larger. */
#define FIELD(r, field) (struct hd_str){ (r)->field, cut_length((r)->field##_n, sizeof((r)->field)) }
/* The terminated ones. */
#define TERMINATED(r, field) (struct hd_str){ (r)->field, (uint32_t)strnlen((r)->field, sizeof((r)->field)) }

static uint32_t cut_length(uint32_t n, size_t bytes)
{
	return n < bytes ? n : (uint32_t)bytes;
}

static struct hd_str flags_text(uint32_t flags, char *out, size_t bytes)
{
	uint32_t n = 0;

#define FLAG_TEXT(symbol, text, meaning)                                                                               \
	if (flags & HD_FLAG_##symbol)                                                                                  \
		n += (uint32_t)snprintf(out + n, bytes - n, "%s%s", n ? "," : "", text);
	HD_RESPONSE_FLAGS(FLAG_TEXT)
#undef FLAG_TEXT
	if (n == 0)
		n = (uint32_t)snprintf(out, bytes, "-");
	return (struct hd_str){ out, n };
}

static struct hd_str addr_text(const struct hd_addr *a, char out[HD_ADDR_STRLEN])
{
	if (hd_ip_is_zero(&a->ip))
		return (struct hd_str){ 0 };
	hd_addr_format(a, out);
	return (struct hd_str){ out, (uint32_t)strlen(out) };
}

static struct hd_str time_text(hd_ns wall, char *out, size_t bytes)
{
	time_t s = (time_t)(wall / HD_NS_PER_S);
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(out, bytes, "%FT%T", &tm);
	n += (size_t)snprintf(out + n, bytes - n, ".%03uZ", (unsigned int)(wall % HD_NS_PER_S / HD_NS_PER_MS));
	return (struct hd_str){ out, (uint32_t)n };
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

static struct hd_str service_time_text(const struct hd_access_record *r, char *out, size_t bytes)
{
	if (r->upstream_time == HD_NS_NEVER)
		return (struct hd_str){ 0 };
	return (struct hd_str){ out, (uint32_t)snprintf(out, bytes, "%llu", (unsigned long long)(r->upstream_time / HD_NS_PER_MS)) };
}

static void json_field(struct observe_text *t, const char *name, struct hd_str value)
{
	observe_text_addf(t, "%s\"%s\":", t->n && t->p[t->n - 1] == '{' ? "" : ",", name);
	if (value.n == 0)
		observe_text_add(t, "null", 4);
	else
		observe_text_add_json(t, value.p, value.n);
}

static void json_number(struct observe_text *t, const char *name, uint64_t value)
{
	observe_text_addf(t, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void json_line(struct observe_text *t, const struct hd_access_record *r)
{
	char flags[128], when[40], service_time[24], a[4][HD_ADDR_STRLEN];

	observe_text_add(t, "{", 1);
	json_field(t, "start_time", time_text(r->start_wall, when, sizeof(when)));
	json_field(t, "method", FIELD(r, method));
	json_field(t, "path", FIELD(r, path));
	json_field(t, "protocol", protocol_text(r->protocol));
	json_number(t, "response_code", r->status);
	json_field(t, "response_flags", flags_text(r->flags, flags, sizeof(flags)));
	json_field(t, "response_code_details", FIELD(r, details));
	json_field(t, "connection_termination_details", (struct hd_str){ 0 });
	json_field(t, "upstream_transport_failure_reason", (struct hd_str){ 0 });
	json_number(t, "bytes_received", r->bytes_received);
	json_number(t, "bytes_sent", r->bytes_sent);
	json_number(t, "duration", r->duration / HD_NS_PER_MS);
	json_field(t, "upstream_service_time", service_time_text(r, service_time, sizeof(service_time)));
	json_field(t, "x_forwarded_for", FIELD(r, forwarded_for));
	json_field(t, "user_agent", FIELD(r, agent));
	json_field(t, "request_id", TERMINATED(r, request_id));
	json_field(t, "authority", FIELD(r, authority));
	json_field(t, "upstream_host", addr_text(&r->up_remote, a[0]));
	json_field(t, "upstream_cluster", FIELD(r, cluster));
	json_field(t, "upstream_local_address", addr_text(&r->up_local, a[1]));
	json_field(t, "downstream_local_address", addr_text(&r->down_local, a[2]));
	json_field(t, "downstream_remote_address", addr_text(&r->down_remote, a[3]));
	json_field(t, "requested_server_name", (struct hd_str){ 0 });
	json_field(t, "route_name", TERMINATED(r, route_name));
	observe_text_add(t, "}\n", 2);
}

static void text_field(struct observe_text *t, const char *before, struct hd_str value, const char *after)
{
	observe_text_addf(t, "%s", before);
	if (value.n == 0)
		observe_text_add(t, "-", 1);
	else
		observe_text_add_quotable(t, value.p, value.n);
	observe_text_addf(t, "%s", after);
}

static void text_line(struct observe_text *t, const struct hd_access_record *r)
{
	char flags[128], when[40], service_time[24], a[4][HD_ADDR_STRLEN];

	text_field(t, "[", time_text(r->start_wall, when, sizeof(when)), "] ");
	text_field(t, "\"", FIELD(r, method), " ");
	text_field(t, "", FIELD(r, path), " ");
	text_field(t, "", protocol_text(r->protocol), "\" ");
	observe_text_addf(t, "%u ", r->status);
	text_field(t, "", flags_text(r->flags, flags, sizeof(flags)), " ");
	text_field(t, "", FIELD(r, details), " - \"-\" ");
	observe_text_addf(t, "%llu %llu %llu ", (unsigned long long)r->bytes_received, (unsigned long long)r->bytes_sent,
			  (unsigned long long)(r->duration / HD_NS_PER_MS));
	text_field(t, "", service_time_text(r, service_time, sizeof(service_time)), " ");
	text_field(t, "\"", FIELD(r, forwarded_for), "\" ");
	text_field(t, "\"", FIELD(r, agent), "\" ");
	text_field(t, "\"", TERMINATED(r, request_id), "\" ");
	text_field(t, "\"", FIELD(r, authority), "\" ");
	text_field(t, "\"", addr_text(&r->up_remote, a[0]), "\" ");
	text_field(t, "", FIELD(r, cluster), " ");
	text_field(t, "", addr_text(&r->up_local, a[1]), " ");
	text_field(t, "", addr_text(&r->down_local, a[2]), " ");
	text_field(t, "", addr_text(&r->down_remote, a[3]), " - ");
	text_field(t, "", TERMINATED(r, route_name), "\n");
}

void observe_access_format(struct observe_text *t, const struct hd_access_record *r, enum observe_access_format format)
{
	if (format == OBSERVE_ACCESS_JSON)
		json_line(t, r);
	else
		text_line(t, r);
}
