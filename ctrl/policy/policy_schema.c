/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over a table. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "policy_schema.h"

#define WORD_MAX 64

static void check_value(struct policy_check *c, const struct policy_field *f,
			struct policy_yaml *y);

uint32_t policy_line(const struct policy_yaml *y)
{
	return y->type != POLICY_YAML_SCALAR && y->key.p != NULL ? y->key_line : y->line;
}

uint32_t policy_col(const struct policy_yaml *y)
{
	return y->type != POLICY_YAML_SCALAR && y->key.p != NULL ? y->key_col : y->col;
}

void policy_error(struct policy_check *c, const struct policy_yaml *y, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	policy_diag_add(c->diags, POLICY_ERROR, c->file, policy_line(y), policy_col(y), format, ap);
	va_end(ap);
}

void policy_warning(struct policy_check *c, const struct policy_yaml *y, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	policy_diag_add(c->diags, POLICY_WARNING, c->file, policy_line(y), policy_col(y), format,
			ap);
	va_end(ap);
}

void policy_unenforced(struct policy_check *c, const struct policy_yaml *y, const char *what)
{
	if (c->allow_unenforced)
		policy_warning(
			c, y,
			"%s is not enforced yet: loaded because unenforced security is allowed",
			what);
	else
		policy_error(
			c, y,
			"%s is not enforced yet: refused, since traffic would pass unprotected "
			"(--allow-unenforced loads it all the same)",
			what);
}

static void key_diag(struct policy_check *c, enum policy_severity severity,
		     const struct policy_yaml *y, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void key_diag(struct policy_check *c, enum policy_severity severity,
		     const struct policy_yaml *y, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	policy_diag_add(c->diags, severity, c->file, y->key_line, y->key_col, format, ap);
	va_end(ap);
}

/* Optimal string alignment: insertions, deletions, replacements and neighbours swapped. */
static uint32_t edit_distance(struct hd_str a, struct hd_str b)
{
	uint8_t row[3][WORD_MAX + 1];
	uint8_t *two = row[0], *one = row[1], *cur = row[2];

	for (uint32_t j = 0; j <= b.n; j++)
		one[j] = (uint8_t)j;
	for (uint32_t i = 1; i <= a.n; i++) {
		uint8_t *spare = two;

		cur[0] = (uint8_t)i;
		for (uint32_t j = 1; j <= b.n; j++) {
			char ca = (char)(a.p[i - 1] | 0x20), cb = (char)(b.p[j - 1] | 0x20);
			uint8_t best = (uint8_t)(one[j - 1] + (ca != cb));

			if (one[j] + 1 < best)
				best = (uint8_t)(one[j] + 1);
			if (cur[j - 1] + 1 < best)
				best = (uint8_t)(cur[j - 1] + 1);
			if (i > 1 && j > 1 && ca == (b.p[j - 2] | 0x20) &&
			    cb == (a.p[i - 2] | 0x20) && two[j - 2] + 1 < best)
				best = (uint8_t)(two[j - 2] + 1);
			cur[j] = best;
		}
		two = one;
		one = cur;
		cur = spare;
	}
	return one[b.n];
}

const char *policy_nearest(struct hd_str word, const char *const *names, uint32_t n)
{
	const char *best = NULL;
	uint32_t least = UINT32_MAX;

	if (word.n > WORD_MAX)
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		struct hd_str name = policy_str(names[i]);
		uint32_t d = name.n <= WORD_MAX ? edit_distance(word, name) : UINT32_MAX;

		if (d < least && d <= 2 + name.n / 4 && d < name.n) {
			least = d;
			best = names[i];
		}
	}
	return best;
}

/* "http1_max_pending_requests" is the name too: protobuf's JSON takes both. */
static int name_is(const char *camel, struct hd_str key)
{
	uint32_t i = 0;

	for (; *camel != '\0'; camel++, i++) {
		if (i >= key.n)
			return 0;
		if (key.p[i] == *camel)
			continue;
		if (*camel <= 'Z' && key.p[i] == '_' && i + 1 < key.n &&
		    key.p[i + 1] == (*camel | 0x20)) /* a digit has the bit already */
			i++;
		else
			return 0;
	}
	return i == key.n;
}

static const struct policy_field *field_find(const struct policy_schema *s, struct hd_str key)
{
	for (const struct policy_field *f = s->fields; f->name != NULL; f++)
		if (name_is(f->name, key))
			return f;
	return NULL;
}

static const char *field_nearest(const struct policy_schema *s, struct hd_str key)
{
	const char *names[128];
	uint32_t n = 0;

	for (const struct policy_field *f = s->fields; f->name != NULL && n < HD_ARRAY_SIZE(names);
	     f++)
		names[n++] = f->name;
	return policy_nearest(key, names, n);
}

static void unknown_field(struct policy_check *c, const struct policy_schema *s,
			  struct policy_yaml *y)
{
	const char *near = c->diags->n < POLICY_DIAG_LIMIT ? field_nearest(s, y->key) : NULL;

	key_diag(c, c->strict ? POLICY_ERROR : POLICY_WARNING, y,
		 "%s has no field \"%.*s\"%s%s%s%s", s->name, POLICY_STR(y->key),
		 near != NULL ? ": did you mean \"" : "", near != NULL ? near : "",
		 near != NULL ? "\"?" : "",
		 c->security && !c->strict ? " (an ALLOW rule with it matches nothing)" : "");
}

static const char *type_word(const struct policy_field *f)
{
	static const char *const words[] = { "a string", "true or false",      "a whole number",
					     "a number", "a duration",	       "one of its words",
					     "a map",	 "a number or a name", "anything" };

	if (f->shape == POLICY_LIST)
		return "a list";
	if (f->shape == POLICY_MAP)
		return "a map";
	return words[f->type];
}

static void wrong_type(struct policy_check *c, const struct policy_field *f, struct policy_yaml *y)
{
	y->bad = 1;
	if (y->type == POLICY_YAML_SCALAR)
		policy_error(c, y, "%s must be %s, not \"%.*s\"", f->name, type_word(f),
			     POLICY_STR(y->text));
	else
		policy_error(c, y, "%s must be %s, not a %s", f->name, type_word(f),
			     y->type == POLICY_YAML_MAP ? "map" : "list");
}

static void check_int(struct policy_check *c, const struct policy_field *f, struct policy_yaml *y)
{
	char *end;
	double d;

	errno = 0;
	y->i = strtoll(y->text.p, &end, 0);
	if (*end != '\0' &&
	    policy_yaml_scalar(y) == POLICY_SCALAR_FLOAT) { /* 1e3 and 5.0 are whole numbers too */
		d = strtod(y->text.p, &end);
		if (*end == '\0' && d == rint(d) && fabs(d) < 9e18)
			y->i = (int64_t)d;
		else
			end = (char *)"x";
	}
	if (y->text.n == 0 || *end != '\0' || y->text.p[0] == ' ') {
		wrong_type(c, f, y);
		return;
	}
	if (errno == ERANGE || ((f->min != 0 || f->max != 0) && (y->i < f->min || y->i > f->max))) {
		y->bad = 1;
		policy_error(c, y, "%s is %.*s, but must be between %lld and %lld", f->name,
			     POLICY_STR(y->text), (long long)f->min, (long long)f->max);
	}
}

static void check_double(struct policy_check *c, const struct policy_field *f,
			 struct policy_yaml *y)
{
	char *end;

	y->d = strtod(y->text.p, &end);
	if (y->text.n == 0 || *end != '\0' || !isfinite(y->d)) {
		wrong_type(c, f, y);
		return;
	}
	if ((f->min != 0 || f->max != 0) && (y->d < (double)f->min || y->d > (double)f->max)) {
		y->bad = 1;
		policy_error(c, y, "%s is %.*s, but must be between %lld and %lld", f->name,
			     POLICY_STR(y->text), (long long)f->min, (long long)f->max);
	}
}

static void check_bool(struct policy_check *c, const struct policy_field *f, struct policy_yaml *y)
{
	if (policy_yaml_scalar(y) != POLICY_SCALAR_BOOL) {
		wrong_type(c, f, y);
		return;
	}
	y->i = strchr("tTyY", y->text.p[0]) != NULL || policy_str_is(y->text, "on") ||
	       policy_str_is(y->text, "On") || policy_str_is(y->text, "ON");
}

static uint64_t unit_ns(const char **p)
{
	static const struct {
		const char *word;
		uint64_t ns;
	} units[] = { { "ns", 1 },
		      { "us", 1000 },
		      { "\xc2\xb5s", 1000 },
		      { "\xce\xbcs", 1000 },
		      { "ms", 1000000 },
		      { "s", 1000000000 },
		      { "m", UINT64_C(60000000000) },
		      { "h", UINT64_C(3600000000000) } };

	for (uint32_t i = 0; i < HD_ARRAY_SIZE(units); i++) {
		size_t n = strlen(units[i].word);

		if (strncmp(*p, units[i].word, n) == 0) {
			*p += n;
			return units[i].ns;
		}
	}
	return 0;
}

int policy_duration_parse(struct hd_str text, int64_t *ns)
{
	const char *p = text.p;
	long double sum = 0;
	int negative = *p == '-';

	if (*p == '-' || *p == '+')
		p++;
	if (strcmp(p, "0") == 0) {
		*ns = 0;
		return 0;
	}
	do {
		long double value = 0, scale = 1;
		const char *start = p;
		uint64_t unit;

		for (; *p >= '0' && *p <= '9'; p++)
			value = value * 10 + (*p - '0');
		if (*p == '.')
			for (p++; *p >= '0' && *p <= '9'; p++) {
				scale /= 10;
				value += (*p - '0') * scale;
			}
		if (p == start || (p == start + 1 && *start == '.'))
			return -1;
		unit = unit_ns(&p);
		if (unit == 0)
			return -1;
		sum += value * unit;
		if (sum > (long double)INT64_MAX)
			return -1;
	} while (p < text.p + text.n);
	*ns = negative ? -(int64_t)(sum + 0.5L) : (int64_t)(sum + 0.5L);
	return 0;
}

static void check_duration(struct policy_check *c, const struct policy_field *f,
			   struct policy_yaml *y)
{
	if (policy_duration_parse(y->text, &y->i) != 0) {
		y->bad = 1;
		policy_error(c, y, "%s must be a duration such as 1.5s or 250ms, not \"%.*s\"",
			     f->name, POLICY_STR(y->text));
		return;
	}
	if (y->i == 0 && f->min == 0)
		return;
	if (y->i < POLICY_MS || y->i % POLICY_MS != 0 || y->i < f->min) {
		y->bad = 1;
		policy_error(c, y,
			     "%s is %.*s, but must be at least %lldms and a whole number of ms",
			     f->name, POLICY_STR(y->text),
			     (long long)(f->min > POLICY_MS ? f->min / POLICY_MS : 1));
	}
}

static uint32_t words_count(const char *const *words)
{
	uint32_t n = 0;

	while (words[n] != NULL)
		n++;
	return n;
}

static void check_enum(struct policy_check *c, const struct policy_field *f, struct policy_yaml *y)
{
	uint32_t n = words_count(f->words);
	const char *near;
	char *end;

	for (uint32_t i = 0; i < n; i++)
		if (policy_str_is(y->text, f->words[i])) {
			y->i = i;
			return;
		}
	y->i = strtoll(y->text.p, &end, 10);
	if (y->text.n > 0 && *end == '\0' && policy_yaml_scalar(y) == POLICY_SCALAR_INT &&
	    y->i >= 0 && y->i < n)
		return;
	y->bad = 1;
	near = policy_nearest(y->text, f->words, n);
	policy_error(c, y, "%s cannot be \"%.*s\"%s%s%s", f->name, POLICY_STR(y->text),
		     near != NULL ? ": did you mean " : "", near != NULL ? near : "",
		     near != NULL ? "?" : "");
}

static void check_string(struct policy_check *c, const struct policy_field *f,
			 struct policy_yaml *y)
{
	if (policy_yaml_scalar(y) != POLICY_SCALAR_STRING) {
		y->bad = 1;
		policy_error(c, y, "%s must be a string: write \"%.*s\" in quotes", f->name,
			     POLICY_STR(y->text));
	} else if (y->text.n == 0 && (f->min > 0 || f->required)) {
		y->bad = 1;
		policy_error(c, y, "%s is empty", f->name);
	}
}

static void check_port_or_name(struct policy_check *c, const struct policy_field *f,
			       struct policy_yaml *y)
{
	char *end;

	y->i = 0;
	if (policy_yaml_scalar(y) != POLICY_SCALAR_INT)
		return;
	y->i = strtoll(y->text.p, &end, 10);
	if (*end != '\0' || y->i < 1 || y->i > 65535) {
		y->bad = 1;
		policy_error(c, y, "%s is %.*s, but must be between 1 and 65535", f->name,
			     POLICY_STR(y->text));
	}
}

static void check_scalar(struct policy_check *c, const struct policy_field *f,
			 struct policy_yaml *y)
{
	static void (*const by_type[])(struct policy_check *, const struct policy_field *,
				       struct policy_yaml *) = {
		[POLICY_T_STRING] = check_string,
		[POLICY_T_BOOL] = check_bool,
		[POLICY_T_INT] = check_int,
		[POLICY_T_DOUBLE] = check_double,
		[POLICY_T_DURATION] = check_duration,
		[POLICY_T_ENUM] = check_enum,
		[POLICY_T_PORT_OR_NAME] = check_port_or_name,
	};

	if (y->type != POLICY_YAML_SCALAR)
		wrong_type(c, f, y);
	else if (strlen(y->text.p) != y->text.n && f->honour != POLICY_INERT) {
		y->bad = 1;
		policy_error(c, y,
			     "%s holds a NUL byte, which no address, name or request can: "
			     "take it out",
			     f->name);
	} else
		by_type[f->type](c, f, y);
}

static void check_key(struct policy_check *c, const struct policy_field *f, struct policy_yaml *y)
{
	if (f->shape == POLICY_MAP && f->honour != POLICY_INERT && strlen(y->key.p) != y->key.n)
		key_diag(c, POLICY_ERROR, y, "a key of %s holds a NUL byte: take it out", f->name);
}

/* The elements of a list or map are checked as single values of the same row. */
static void check_elements(struct policy_check *c, const struct policy_field *f,
			   struct policy_yaml *y)
{
	enum policy_yaml_type want = f->shape == POLICY_LIST ? POLICY_YAML_LIST : POLICY_YAML_MAP;
	struct policy_field one = *f;

	if (y->type != want) {
		wrong_type(c, f, y);
		return;
	}
	one.shape = POLICY_ONE;
	one.required = 0;
	for (struct policy_yaml *e = y->first; e != NULL; e = e->next) {
		e->field = f;
		if (e->unset) { /* not an empty map: an empty rule would match everything */
			e->bad = 1;
			policy_error(c, e, "%s has an empty entry", f->name);
			continue;
		}
		check_key(c, f, e);
		check_value(c, &one, e);
	}
}

static void check_value(struct policy_check *c, const struct policy_field *f, struct policy_yaml *y)
{
	if (f->type == POLICY_T_ANY)
		return;
	if (f->shape != POLICY_ONE)
		check_elements(c, f, y);
	else if (f->type != POLICY_T_OBJECT)
		check_scalar(c, f, y);
	else if (y->type != POLICY_YAML_MAP)
		wrong_type(c, f, y);
	else
		policy_check_object(c, f->object, y);
}

static void honour_say(struct policy_check *c, const struct policy_schema *s,
		       const struct policy_field *f, struct policy_yaml *y)
{
	struct hd_str key = { (const char *)&y->field, sizeof(y->field) };

	if (f->honour == POLICY_UNENFORCED && !y->bad)
		policy_unenforced(c, y, f->name);
	if (f->honour != POLICY_LATER)
		return;
	if (policy_map_add(&c->warned, policy_str_copy(c->arena, key), y) == NULL)
		key_diag(c, POLICY_WARNING, y, "%s.%s is known but not yet honoured", s->name,
			 f->name);
}

static void required_say(struct policy_check *c, const struct policy_schema *s,
			 struct policy_yaml *map)
{
	for (const struct policy_field *f = s->fields; f->name != NULL; f++) {
		int there = 0;

		for (const struct policy_yaml *y = map->first; f->required && y != NULL;
		     y = y->next)
			there |= y->field == f && !y->unset;
		if (f->required && !there)
			policy_error(c, map, "%s needs \"%s\"", s->name, f->name);
	}
}

void policy_check_object(struct policy_check *c, const struct policy_schema *s,
			 struct policy_yaml *map)
{
	uint32_t errors = c->diags->errors;

	for (struct policy_yaml *y = map->first; y != NULL; y = y->next) {
		const struct policy_field *f = field_find(s, y->key);

		if (f == NULL) {
			if (!s->open)
				unknown_field(c, s, y);
			continue;
		}
		for (const struct policy_yaml *e = map->first; e != y; e = e->next)
			if (e->field == f)
				key_diag(c, POLICY_ERROR, y,
					 "\"%s\" is given twice (first in line %u)", f->name,
					 e->key_line);
		y->field = f;
		if (y->unset)
			continue;
		check_value(c, f, y);
		honour_say(c, s, f, y);
	}
	required_say(c, s, map);
	if (s->check != NULL && c->diags->errors == errors)
		s->check(c, map);
}

struct policy_yaml *policy_get(const struct policy_yaml *map, const char *name)
{
	if (map == NULL)
		return NULL;
	for (struct policy_yaml *y = map->first; y != NULL; y = y->next)
		if (y->field != NULL && y->field->name[0] == name[0] &&
		    strcmp(y->field->name, name) == 0)
			return y->unset || y->bad ? NULL : y;
	return NULL;
}

struct hd_str policy_get_str(const struct policy_yaml *map, const char *name)
{
	const struct policy_yaml *y = policy_get(map, name);

	return y != NULL ? y->text : (struct hd_str){ "", 0 };
}

int64_t policy_get_int(const struct policy_yaml *map, const char *name, int64_t otherwise)
{
	const struct policy_yaml *y = policy_get(map, name);

	return y != NULL ? y->i : otherwise;
}
