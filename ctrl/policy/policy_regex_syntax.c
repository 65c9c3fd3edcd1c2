/* SPDX-License-Identifier: Apache-2.0 */
/* RE2's grammar (https://github.com/google/re2/wiki/Syntax), so that what Envoy would refuse is
 * refused here too. */
#include "policy_regex.h"

#define DEPTH_MAX 250
#define REPEAT_MAX 1000 /* RE2's */
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

struct re {
	const char *p;
	uint32_t n, i;
	const char *why;
	uint32_t why_at;
	uint32_t depth, opens[DEPTH_MAX]; /* where each bracket that is open began */
	uint64_t size, last; /* of the innermost bracket so far, and of its last atom */
	uint64_t outer[DEPTH_MAX]; /* sizes of what stands before the brackets */
};

/* Repetitions of repetitions multiply: beyond this it is all the same. */
#define SIZE_CAP (UINT64_C(1) << 31)

static void size_add(struct re *r, uint64_t size)
{
	r->last = size;
	r->size += size;
	if (r->size > SIZE_CAP)
		r->size = SIZE_CAP;
}

static int fail(struct re *r, uint32_t at, const char *why)
{
	if (r->why == NULL) {
		r->why = why;
		r->why_at = at;
	}
	return -1;
}

static char at(const struct re *r, uint32_t ahead)
{
	return r->i + ahead < r->n ? r->p[r->i + ahead] : '\0';
}

static int digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex(char c)
{
	return digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* \xHH or \x{H..}; i stands behind the x. */
static int escape_hex(struct re *r, uint32_t start)
{
	uint32_t digits = 0;

	if (at(r, 0) != '{') {
		if (!hex(at(r, 0)) || !hex(at(r, 1)))
			return fail(r, start, "invalid escape sequence");
		r->i += 2;
		return 0;
	}
	for (r->i++; hex(at(r, 0)); r->i++)
		digits++;
	if (digits == 0 || digits > 6 || at(r, 0) != '}')
		return fail(r, start, "invalid escape sequence");
	r->i++;
	return 0;
}

/* \pN, \p{Greek}; i stands behind the p. */
static int escape_property(struct re *r, uint32_t start)
{
	if (at(r, 0) != '{') {
		if (r->i >= r->n)
			return fail(r, start, "invalid character class");
		r->i++;
		return 0;
	}
	while (r->i < r->n && at(r, 0) != '}')
		r->i++;
	if (r->i >= r->n)
		return fail(r, start, "invalid character class");
	r->i++;
	return 0;
}

/* \Q...\E; i stands behind the Q. */
static void escape_quote(struct re *r)
{
	for (; r->i < r->n && !(at(r, 0) == '\\' && at(r, 1) == 'E'); r->i++)
		size_add(r, 1);
	r->i += r->i < r->n ? 2 : 0;
}

static int escape(struct re *r, int in_class)
{
	uint32_t start = r->i;
	char c;

	r->i++;
	if (r->i >= r->n)
		return fail(r, start, "trailing \\ at the end");
	c = r->p[r->i++];
	if (c == 'x')
		return escape_hex(r, start);
	if (c == 'p' || c == 'P')
		return escape_property(r, start);
	if (c == '0' || (c >= '1' && c <= '7' && at(r, 0) >= '0' && at(r, 0) <= '7')) {
		for (int k = 0; k < 2 && at(r, 0) >= '0' && at(r, 0) <= '7'; k++)
			r->i++;
		return 0;
	}
	if (digit(c))
		return fail(r, start, "back-references are not RE2");
	if (strchr("dDsSwWafnrtv", c) != NULL)
		return 0;
	if (!in_class && c == 'Q') {
		escape_quote(r);
		return 0;
	}
	if (!in_class && strchr("AzbBC", c) != NULL)
		return 0;
	if (c == 'k' || c == 'g')
		return fail(r, start, "back-references are not RE2");
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return fail(r, start, "invalid escape sequence");
	return 0; /* punctuation stands for itself */
}

/* [:alpha:] and its like; i stands on the inner bracket. */
static int class_name(struct re *r)
{
	static const char *const names[] = { "alnum", "alpha", "ascii", "blank", "cntrl",
					     "digit", "graph", "lower", "print", "punct",
					     "space", "upper", "word",	"xdigit" };
	uint32_t start = r->i, from, n;

	r->i += 2;
	r->i += at(r, 0) == '^';
	from = r->i;
	while (r->i < r->n && at(r, 0) != ':' && at(r, 0) != ']')
		r->i++;
	n = r->i - from;
	if (at(r, 0) != ':' || at(r, 1) != ']') {
		r->i = start + 1; /* a lone bracket */
		return 0;
	}
	r->i += 2;
	for (uint32_t k = 0; k < HD_ARRAY_SIZE(names); k++)
		if (strlen(names[k]) == n && memcmp(names[k], r->p + from, n) == 0)
			return 0;
	return fail(r, start, "invalid character class name");
}

static int class_range(struct re *r, uint32_t first)
{
	unsigned char low = (unsigned char)r->p[first], high;
	int plain = r->i == first + 1 && low != '\\';

	if (at(r, 0) != '-' || at(r, 1) == ']' || at(r, 1) == '\0')
		return 0;
	r->i++;
	high = (unsigned char)at(r, 0);
	if (high == '\\')
		return escape(r, 1);
	r->i++;
	return plain && high < low ? fail(r, first, "invalid character class range") : 0;
}

static int class_(struct re *r)
{
	uint32_t start = r->i, first;

	r->i++;
	r->i += at(r, 0) == '^';
	first = r->i;
	while (r->i < r->n && (at(r, 0) != ']' || r->i == first)) {
		uint32_t item = r->i;
		int bad;

		if (at(r, 0) == '\\')
			bad = escape(r, 1);
		else if (at(r, 0) == '[' && at(r, 1) == ':')
			bad = class_name(r);
		else {
			r->i++;
			bad = 0;
		}
		if (bad != 0 || class_range(r, item) != 0)
			return -1;
	}
	if (r->i >= r->n)
		return fail(r, start, "missing closing ]");
	r->i++;
	return 0;
}

/* {n}, {n,}, {n,m}: its length, 0 when the brace is a plain one. */
static uint32_t repeat_length(const struct re *r, uint64_t *low, uint64_t *high)
{
	uint32_t i = r->i + 1;

	*low = *high = 0;
	if (i >= r->n || !digit(r->p[i]))
		return 0;
	for (; i < r->n && digit(r->p[i]); i++)
		*low = *low * 10 + (uint64_t)(r->p[i] - '0') > 100000
			       ? 100000
			       : *low * 10 + (uint64_t)(r->p[i] - '0');
	*high = *low;
	if (i < r->n && r->p[i] == ',') {
		i++;
		*high = *low;
		if (i < r->n && digit(r->p[i]))
			*high = 0;
		for (; i < r->n && digit(r->p[i]); i++)
			*high = *high * 10 + (uint64_t)(r->p[i] - '0') > 100000
					? 100000
					: *high * 10 + (uint64_t)(r->p[i] - '0');
	}
	return i < r->n && r->p[i] == '}' ? i + 1 - r->i : 0;
}

/* One operator behind an atom and its lazy mark; RE2 takes no second one. */
static void quantifier(struct re *r)
{
	uint64_t low, high;
	uint32_t start = r->i, n;
	int seen = 0;

	while (r->i < r->n) {
		char c = at(r, 0);

		n = c == '*' || c == '+' || c == '?' ? 1
		    : c == '{'			     ? repeat_length(r, &low, &high)
						     : 0;
		if (n == 0)
			return;
		if (seen) {
			fail(r, start,
			     c == '+' ? "possessive repetition is not RE2"
				      : "bad repetition operator");
			return;
		}
		if (c == '{' && (low > REPEAT_MAX || high > REPEAT_MAX || high < low)) {
			fail(r, start, "bad repetition count");
			return;
		}
		if (c == '{' && high > 1)
			size_add(r, r->last * (high - 1));
		r->i += n;
		r->i += at(r, 0) == '?';
		seen = 1;
	}
}

static int group_name(struct re *r, uint32_t start)
{
	uint32_t n = 0;

	for (; r->i < r->n && at(r, 0) != '>'; r->i++, n++)
		if (!digit(at(r, 0)) && at(r, 0) != '_' &&
		    !((at(r, 0) | 0x20) >= 'a' && (at(r, 0) | 0x20) <= 'z'))
			return fail(r, start, "invalid named capture group");
	if (n == 0 || r->i >= r->n)
		return fail(r, start, "invalid named capture group");
	r->i++;
	return 0;
}

/* Behind "(?". 1: the group has no body, as in (?i). */
static int group_kind(struct re *r, uint32_t start)
{
	uint32_t letters = 0;

	if (at(r, 0) == '=' || at(r, 0) == '!' ||
	    (at(r, 0) == '<' && (at(r, 1) == '=' || at(r, 1) == '!')))
		return fail(r, start, "look-around is not RE2");
	if (at(r, 0) == '>')
		return fail(r, start, "atomic groups are not RE2");
	if (at(r, 0) == 'P' && at(r, 1) == '=')
		return fail(r, start, "back-references are not RE2");
	if (at(r, 0) == '<' || (at(r, 0) == 'P' && at(r, 1) == '<')) {
		r->i += at(r, 0) == 'P' ? 2 : 1;
		return group_name(r, start);
	}
	for (; at(r, 0) != '\0' && strchr("imsU-", at(r, 0)) != NULL; r->i++)
		letters++;
	if (at(r, 0) == ':') {
		r->i++;
		return 0;
	}
	if (at(r, 0) != ')' || letters == 0)
		return fail(r, start, "invalid group flags");
	r->i++;
	return 1;
}

/* 1: nothing that an operator could repeat. */
static int bracket(struct re *r)
{
	uint32_t start = r->i;
	int kind = 0;

	r->i++;
	if (at(r, 0) == '?') {
		r->i++;
		kind = group_kind(r, start);
	}
	if (kind != 0)
		return kind;
	if (r->depth == DEPTH_MAX)
		return fail(r, start, "nested too deep");
	r->opens[r->depth] = start;
	r->outer[r->depth++] = r->size;
	r->size = 0;
	return 1;
}

static int bracket_end(struct re *r)
{
	uint64_t inner = r->size;

	if (r->depth == 0)
		return fail(r, r->i, "unexpected )");
	r->size = r->outer[--r->depth];
	size_add(r, inner);
	r->i++;
	return 0;
}

/* As bracket(). */
static int atom(struct re *r)
{
	switch (at(r, 0)) {
	case '(':
		return bracket(r);
	case ')':
		return bracket_end(r);
	case '|':
		r->i++;
		return 1;
	default:
		size_add(r, 1);
	}
	switch (at(r, 0)) {
	case '[':
		return class_(r);
	case '\\':
		return escape(r, 0);
	default:
		r->i++;
		return 0;
	}
}

static int at_operator(const struct re *r)
{
	uint64_t low, high;
	char c = at(r, 0);

	return c == '*' || c == '+' || c == '?' || (c == '{' && repeat_length(r, &low, &high) > 0);
}

static void expression_read(struct re *r, struct hd_str expression)
{
	int nothing = 1;

	*r = (struct re){ .p = expression.p, .n = expression.n };
	if (expression.n > 0 && memchr(expression.p, '\0', expression.n) != NULL)
		fail(r, 0, "a NUL byte");
	while (r->why == NULL && r->i < r->n) {
		if (nothing && at_operator(r))
			fail(r, r->i, "nothing to repeat before the operator");
		else
			nothing = atom(r);
		if (r->why == NULL && nothing == 0)
			quantifier(r);
	}
	if (r->why == NULL && r->depth > 0)
		fail(r, r->opens[r->depth - 1], "missing closing )");
}

const char *policy_regex_refused(struct hd_str expression, uint32_t *where)
{
	struct re r;

	expression_read(&r, expression);
	if (r.why == NULL && r.size > POLICY_REGEX_SIZE_MAX)
		fail(&r, 0,
		     "with its repetitions written out it is longer than the " TEXT(POLICY_REGEX_SIZE_MAX)
		     " characters that are compiled: lower the counts in braces");
	*where = r.why_at;
	return r.why;
}

uint64_t policy_regex_size(struct hd_str expression)
{
	struct re r;

	expression_read(&r, expression);
	return r.size;
}

enum policy_regex_shape policy_regex_shape(struct policy_arena *a, struct hd_str e,
					   struct hd_str *literal)
{
	char *out = policy_alloc(a, (size_t)e.n + 1);
	uint32_t n = 0, i = 0, end = e.n;
	enum policy_regex_shape shape = POLICY_REGEX_LITERAL;

	if (end > 0 && e.p[0] == '^')
		i = 1;
	if (end > i && e.p[end - 1] == '$' && (end < 2 || e.p[end - 2] != '\\'))
		end--;
	if (end >= i + 2 && e.p[end - 1] == '*' && e.p[end - 2] == '.' &&
	    (end < i + 3 || e.p[end - 3] != '\\')) {
		end -= 2;
		shape = POLICY_REGEX_LITERAL_PREFIX;
	}
	for (; i < end; i++) {
		char c = e.p[i];

		if (c == '\\' && i + 1 < end && strchr(".-/_+*?()[]{}|^$\\ ", e.p[i + 1]) != NULL)
			c = e.p[++i];
		else if (strchr("\\.+*?()[]{}|^$", c) != NULL)
			return POLICY_REGEX_TRUE;
		out[n++] = c;
	}
	*literal = (struct hd_str){ out, n };
	return shape;
}
