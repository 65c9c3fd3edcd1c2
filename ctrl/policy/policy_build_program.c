/* SPDX-License-Identifier: Apache-2.0 */
/* uriRegexRewrite: the expression as a program of at most HD_PROGRAM_MOST steps that keeps the ends
 * of groups, which Hyperscan does not. Jumps are relative, so that parts can be moved and repeated.
 * What RE2 takes and this does not is a warning. */
#include <ctype.h>
#include <stdlib.h>

#include "policy_model.h"

struct program_run {
	struct policy_load *l;
	struct hd_step steps[HD_PROGRAM_MOST];
	uint32_t n, groups;
	const char *p, *end;
	int fold, failed;
};

static void step_put(struct program_run *r, struct hd_step s)
{
	if (r->n == HD_PROGRAM_MOST)
		r->failed = 1;
	else
		r->steps[r->n++] = s;
}

/* Makes room for one step at `at`. */
static void step_insert(struct program_run *r, uint32_t at, struct hd_step s)
{
	step_put(r, s);
	if (r->failed)
		return;
	memmove(&r->steps[at + 1], &r->steps[at], (r->n - 1 - at) * sizeof(s));
	r->steps[at] = s;
}

static void set_add(uint64_t set[4], uint32_t low, uint32_t high)
{
	for (uint32_t c = low; c <= high && c < 256; c++)
		set[c / 64] |= UINT64_C(1) << c % 64;
}

static void set_invert(uint64_t set[4])
{
	for (int i = 0; i < 4; i++)
		set[i] = ~set[i];
}

static void set_fold(uint64_t set[4])
{
	for (uint32_t c = 'a'; c <= 'z'; c++) {
		uint32_t big = c - 32;

		if (set[c / 64] >> c % 64 & 1)
			set_add(set, big, big);
		else if (set[big / 64] >> big % 64 & 1)
			set_add(set, c, c);
	}
}

static void set_put(struct program_run *r, uint64_t set[4])
{
	struct hd_step s = { .kind = HD_STEP_SET };

	if (r->fold)
		set_fold(set);
	memcpy(s.set, set, sizeof(s.set));
	step_put(r, s);
}

/* \d and its like, into the set. 0: it is none. */
static int class_add(char c, uint64_t set[4])
{
	uint64_t own[4] = { 0 };

	switch (tolower((unsigned char)c)) {
	case 'd':
		set_add(own, '0', '9');
		break;
	case 'w':
		set_add(own, '0', '9');
		set_add(own, 'A', 'Z');
		set_add(own, 'a', 'z');
		set_add(own, '_', '_');
		break;
	case 's':
		set_add(own, '\t', '\n');
		set_add(own, '\f', '\r');
		set_add(own, ' ', ' ');
		break;
	default:
		return 0;
	}
	if (isupper((unsigned char)c))
		set_invert(own);
	for (int i = 0; i < 4; i++)
		set[i] |= own[i];
	return 1;
}

/* A byte, written plainly or as \t or "\."; -1: something else. */
static int byte_take(struct program_run *r)
{
	int c = (unsigned char)*r->p++;

	if (c == '\\' && r->p < r->end) {
		c = (unsigned char)*r->p++;
		if (isalnum(c) && strchr("tnrfv", c) == NULL)
			return -1;
		return c == 't'	  ? '\t'
		       : c == 'n' ? '\n'
		       : c == 'r' ? '\r'
		       : c == 'f' ? '\f'
		       : c == 'v' ? '\v'
				  : c;
	}
	return c < 128 ? c : -1;
}

static void class_take(struct program_run *r)
{
	uint64_t set[4] = { 0 };
	int inverted = r->p < r->end && *r->p == '^', first = 1;

	for (r->p += inverted; r->p < r->end && (first || *r->p != ']'); first = 0) {
		int low, high;

		if (*r->p == '[' && r->p + 1 < r->end && r->p[1] == ':') {
			r->failed = 1;
			return;
		}
		if (*r->p == '\\' && r->p + 1 < r->end && class_add(r->p[1], set)) {
			r->p += 2;
			continue;
		}
		low = high = byte_take(r);
		if (r->p + 1 < r->end && *r->p == '-' && r->p[1] != ']') {
			r->p++;
			high = byte_take(r);
		}
		if (low < 0 || high < low) {
			r->failed = 1;
			return;
		}
		set_add(set, (uint32_t)low, (uint32_t)high);
	}
	r->p++;
	if (r->fold)
		set_fold(set);
	if (inverted)
		set_invert(set);
	set_put(r, set);
}

static void either_take(struct program_run *r);

static void group_take(struct program_run *r)
{
	uint32_t group = 0;
	int keeps = 1;

	if (r->end - r->p >= 2 && r->p[0] == '?') {
		keeps = r->p[1] != ':';
		r->failed |= keeps; /* names and flags */
		r->p += 2;
	}
	if (keeps) {
		group = ++r->groups;
		r->failed |= group > HD_PROGRAM_GROUPS;
		step_put(r, (struct hd_step){ .kind = HD_STEP_KEEP, .x = (int16_t)(2 * group) });
	}
	either_take(r);
	r->p++;
	if (keeps)
		step_put(r,
			 (struct hd_step){ .kind = HD_STEP_KEEP, .x = (int16_t)(2 * group + 1) });
}

static void atom_take(struct program_run *r)
{
	uint64_t set[4] = { 0 };
	int c;

	if (*r->p == '(') {
		r->p++;
		group_take(r);
		return;
	}
	if (*r->p == '[') {
		r->p++;
		class_take(r);
		return;
	}
	if (*r->p == '^' || *r->p == '$') {
		step_put(r,
			 (struct hd_step){ .kind = *r->p++ == '^' ? HD_STEP_BEGIN : HD_STEP_END });
		return;
	}
	if (*r->p == '.') {
		r->p++;
		set_add(set, '\n', '\n');
		set_invert(set);
	} else if (*r->p == '\\' && r->p + 1 < r->end && class_add(r->p[1], set)) {
		r->p += 2;
	} else {
		c = byte_take(r);
		r->failed |= c < 0;
		set_add(set, (uint32_t)c & 127, (uint32_t)c & 127);
	}
	set_put(r, set);
}

static struct hd_step split(int32_t first, int32_t second, int lazy)
{
	return (struct hd_step){ .kind = HD_STEP_SPLIT,
				 .x = (int16_t)(lazy ? second : first),
				 .y = (int16_t)(lazy ? first : second) };
}

static void repeat_any(struct program_run *r, uint32_t from, int lazy)
{
	int32_t n = (int32_t)(r->n - from);

	step_insert(r, from, split(1, n + 2, lazy));
	step_put(r, (struct hd_step){ .kind = HD_STEP_JUMP, .x = (int16_t)(-n - 1) });
}

/* Of the part from `from` on, n bytes of steps at `part`, once more. */
static void part_put(struct program_run *r, const struct hd_step *part, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		step_put(r, part[i]);
}

/* {low,high}; high < 0: without end. */
static void repeat_times(struct program_run *r, uint32_t from, long low, long high, int lazy)
{
	struct hd_step part[HD_PROGRAM_MOST];
	uint32_t n = r->n - from;

	memcpy(part, &r->steps[from], n * sizeof(*part));
	r->n = from;
	for (long i = 0; i < low && !r->failed; i++)
		part_put(r, part, n);
	if (high < 0) {
		uint32_t last = r->n;

		part_put(r, part, n);
		repeat_any(r, last, lazy);
	}
	for (long i = low; i < high && !r->failed; i++) {
		step_put(r, split(1, (int32_t)n + 1, lazy));
		part_put(r, part, n);
	}
}

static int is_repeat(const struct program_run *r)
{
	return r->p < r->end &&
	       (strchr("*+?", *r->p) != NULL ||
		(*r->p == '{' && r->p + 1 < r->end && isdigit((unsigned char)r->p[1])));
}

static void repeat_take(struct program_run *r, uint32_t from)
{
	char kind = *r->p++, *stop;
	long low = kind == '+', high = kind == '?' ? 1 : -1;
	int lazy;

	if (kind == '{') {
		low = high = strtol(r->p, &stop, 10);
		if (*stop == ',')
			high = isdigit((unsigned char)stop[1]) ? strtol(stop + 1, &stop, 10)
							       : (stop++, -1);
		r->p = stop + 1;
	}
	lazy = r->p < r->end && *r->p == '?';
	r->p += lazy;
	repeat_times(r, from, low, high, lazy);
}

static void sequence_take(struct program_run *r)
{
	while (!r->failed && r->p < r->end && *r->p != '|' && *r->p != ')') {
		uint32_t from = r->n;

		atom_take(r);
		while (!r->failed && is_repeat(r))
			repeat_take(r, from);
	}
}

static void either_take(struct program_run *r)
{
	uint32_t from = r->n, jump;

	sequence_take(r);
	if (r->failed || r->p >= r->end || *r->p != '|')
		return;
	step_insert(r, from, split(1, (int32_t)(r->n - from) + 2, 0));
	jump = r->n;
	step_put(r, (struct hd_step){ .kind = HD_STEP_JUMP });
	r->p++;
	either_take(r);
	if (!r->failed)
		r->steps[jump].x = (int16_t)(r->n - jump);
}

static uint32_t template_put(struct policy_load *l, struct hd_str t, uint32_t groups)
{
	uint32_t first = l->pieces.n;

	for (uint32_t i = 0; i < t.n;) {
		uint32_t from = i;
		struct hd_piece *piece;
		int is_group = t.p[i] == '\\' && i + 1 < t.n && isdigit((unsigned char)t.p[i + 1]);

		if (!is_group) {
			i += t.p[i] == '\\' ? 2 : 1;
			from += t.p[from] == '\\';
			while (i < t.n && t.p[i] != '\\')
				i++;
		}
		piece = policy_vec_push(&l->arena, &l->pieces);
		if (is_group) {
			piece->most = (uint16_t)(t.p[i + 1] - '0' + 1);
			i += 2;
			if (piece->most > groups + 1)
				return HD_NONE;
		} else {
			piece->text = policy_out(l, (struct hd_str){ t.p + from, i - from });
		}
	}
	return l->pieces.n - first;
}

static void program_compile(struct program_run *r, struct hd_str text)
{
	r->p = text.p;
	r->end = text.p + text.n;
	if (text.n >= 4 && memcmp(text.p, "(?i)", 4) == 0) {
		r->fold = 1;
		r->p += 4;
	}
	step_put(r, (struct hd_step){ .kind = HD_STEP_KEEP, .x = 0 });
	either_take(r);
	r->failed |= r->p != r->end;
	step_put(r, (struct hd_step){ .kind = HD_STEP_KEEP, .x = 1 });
	step_put(r, (struct hd_step){ .kind = HD_STEP_MATCH });
}

uint32_t policy_build_program(struct policy_load *l, const struct policy_object *origin,
			      const struct policy_yaml *rewrite)
{
	const struct policy_yaml *match = policy_get(rewrite, "match");
	struct program_run *r;
	struct hd_program out = { .pieces_first = l->pieces.n, .steps_first = l->steps.n };
	struct policy_check c;

	if (match == NULL || match->text.n == 0)
		return 0;
	r = policy_alloc(&l->arena, sizeof(*r));
	r->l = l;
	program_compile(r, match->text);
	out.pieces_count = template_put(l, policy_get_str(rewrite, "rewrite"), r->groups);
	if (r->failed || out.pieces_count == HD_NONE) {
		policy_object_check(l, origin, &c);
		policy_warning(
			&c, match,
			"this uriRegexRewrite is known but not yet honoured: longer than %d steps, "
			"or flags, names, \\b, \\p or bytes above 127",
			HD_PROGRAM_MOST);
		return 0;
	}
	out.steps_count = r->n;
	for (uint32_t i = 0; i < r->n; i++)
		*(struct hd_step *)policy_vec_push(&l->arena, &l->steps) = r->steps[i];
	*(struct hd_program *)policy_vec_push(&l->arena, &l->programs) = out;
	return l->programs.n;
}
