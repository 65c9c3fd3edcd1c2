/* SPDX-License-Identifier: Apache-2.0 */
/* Words that several kinds share: labels, names of gateways, prefixes, values of headers. */
#include <ctype.h>
#include <stdlib.h>

#include "policy_rules.h"

/* Letters, digits, '-', '_' and '.', the first and last of them letters or digits (Kubernetes). */
static int qualified(struct hd_str s)
{
	for (uint32_t i = 0; i < s.n; i++) {
		int end = i == 0 || i + 1 == s.n, ch = (unsigned char)s.p[i];

		if (!isalnum(ch) && (end || (ch != '-' && ch != '_' && ch != '.')))
			return 0;
	}
	return s.n > 0;
}

/* DNS labels in either case, between dots. */
static int dotted(struct hd_str s)
{
	while (s.n > 0) {
		const char *dot = memchr(s.p, '.', s.n);
		struct hd_str one = { s.p, dot != NULL ? (uint32_t)(dot - s.p) : s.n };

		if (!policy_word_label(one))
			return 0;
		s.p += one.n + (dot != NULL);
		s.n -= one.n + (dot != NULL);
	}
	return 1;
}

int policy_word_label(struct hd_str s)
{
	for (uint32_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && (s.p[i] != '-' || i == 0 || i + 1 == s.n))
			return 0;
	return s.n > 0 && s.n <= 63;
}

static int label_key(struct hd_str key)
{
	const char *slash = memchr(key.p, '/', key.n);
	struct hd_str prefix = { key.p, slash != NULL ? (uint32_t)(slash - key.p) : 0 };

	if (slash != NULL) {
		if (prefix.n == 0 || prefix.n > 253 || !dotted(prefix))
			return 0;
		key.n -= prefix.n + 1;
		key.p += prefix.n + 1;
	}
	return key.n <= 63 && qualified(key);
}

void policy_rule_labels(struct policy_check *c, const struct policy_yaml *map)
{
	for (const struct policy_yaml *y = map != NULL ? map->first : NULL; y != NULL; y = y->next)
		if (!label_key(y->key))
			policy_error(c, y, "%s: \"%.*s\" is no key of a label", map->field->name,
				     POLICY_STR(y->key));
		else if (y->text.n > 0 && !qualified(y->text))
			policy_error(c, y, "%s: \"%.*s\" is no value of a label", map->field->name,
				     POLICY_STR(y->text));
}

void policy_rule_selector(struct policy_check *c, const struct policy_yaml *map)
{
	for (const struct policy_yaml *y = map != NULL ? map->first : NULL; y != NULL;
	     y = y->next) {
		if (policy_str_has(y->key, '*') || policy_str_has(y->text, '*'))
			policy_error(c, y, "a selector takes no wildcards: write out the label");
		if (y->key.n == 0)
			policy_error(c, y, "a selector takes no empty key");
	}
}

/* "mesh", a name of the same namespace, "namespace/name", or the older dotted form. */
void policy_rule_gateways(struct policy_check *c, const struct policy_yaml *list)
{
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next) {
		const char *slash = memchr(y->text.p, '/', y->text.n);
		uint32_t n = slash != NULL ? (uint32_t)(slash - y->text.p) : 0;
		int valid = slash == NULL ? y->text.n > 0 && dotted(y->text)
					  : policy_word_label((struct hd_str){ y->text.p, n }) &&
						    policy_word_label((struct hd_str){
							    slash + 1, y->text.n - n - 1 });

		if (!valid)
			policy_error(c, y, "gateway \"%.*s\" must be a name or namespace/name",
				     POLICY_STR(y->text));
	}
}

int policy_word_grpc_status(struct hd_str s)
{
	static const char *const names[] = {
		"OK",
		"CANCELLED",
		"UNKNOWN",
		"INVALID_ARGUMENT",
		"DEADLINE_EXCEEDED",
		"NOT_FOUND",
		"ALREADY_EXISTS",
		"PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED",
		"FAILED_PRECONDITION",
		"ABORTED",
		"OUT_OF_RANGE",
		"UNIMPLEMENTED",
		"INTERNAL",
		"UNAVAILABLE",
		"DATA_LOSS",
		"UNAUTHENTICATED",
	};

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(names); i++)
		if (policy_str_is(s, names[i]))
			return (int)i;
	return -1;
}

int policy_word_subnet(struct policy_check *c, struct hd_str s)
{
	const char *slash = memchr(s.p, '/', s.n);
	struct hd_str ip =
		slash != NULL
			? policy_str_copy(c->arena, (struct hd_str){ s.p, (uint32_t)(slash - s.p) })
			: s;
	struct hd_ip out;
	char *end;
	long bits;

	if (hd_ip_parse(ip.p, &out) != 0)
		return 0;
	if (slash == NULL)
		return 1;
	bits = strtol(slash + 1, &end, 10);
	return slash[1] >= '0' && slash[1] <= '9' && *end == '\0' &&
	       bits <= (hd_ip_is_v4(&out) ? 32 : 128);
}

void policy_rule_subnets(struct policy_check *c, const struct policy_yaml *list)
{
	for (const struct policy_yaml *y = list != NULL ? list->first : NULL; y != NULL;
	     y = y->next)
		if (!policy_word_subnet(c, y->text))
			policy_error(c, y, "%s: \"%.*s\" is neither an address nor a CIDR block",
				     list->field->name, POLICY_STR(y->text));
}

/* RFC 9110 5.6.2. */
int policy_word_token(struct hd_str s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (uint32_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) &&
		    (s.p[i] == '\0' || strchr(others, s.p[i]) == NULL))
			return 0;
	return s.n > 0;
}

/* The end of %WORD%, %WORD(...)% or %WORD(...):9% that begins at p, or NULL: it has none. */
static const char *command_end(const char *p, const char *end)
{
	const char *open = p + 1;

	while (open < end && *open != '%' && *open != '(')
		open++;
	if (open == end || *open == '%')
		return open < end ? open + 1 : NULL;
	for (p = open + 1; p < end && *p != ')'; p++)
		p += *p == '\\';
	for (p++; p < end && (*p == ' ' || *p == ':' || isdigit((unsigned char)*p));)
		p++;
	return p < end && *p == '%' ? p + 1 : NULL;
}

static int commands_whole(struct hd_str s)
{
	const char *p = s.p, *end = p + s.n;

	while (p < end) {
		if (*p != '%')
			p++;
		else if (p + 1 < end && p[1] == '%')
			p += 2;
		else if ((p = command_end(p, end)) == NULL)
			return 0;
	}
	return 1;
}

void policy_rule_header_value(struct policy_check *c, const struct policy_yaml *y)
{
	for (uint32_t i = 0; i < y->text.n; i++) {
		uint8_t byte = (uint8_t)y->text.p[i];

		if ((byte >= ' ' || byte == '\t') && byte != 0x7f)
			continue;
		policy_error(c, y, "a header's value takes no control characters");
		return;
	}
	if (!commands_whole(y->text))
		policy_error(c, y,
			     "\"%.*s\": a %% begins %%WORD%%; one that is meant is written %%%%",
			     POLICY_STR(y->text));
}
