/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml's events into a tree. */
#include <string.h>

#include "policy_yaml.h"

#define LINEAR_KEYS 16 /* maps up to here find a repeated key by looking at each */
#define MERGED_KEYS 1000

static struct policy_yaml *read_node(struct policy_yaml_reader *r, unsigned int depth);

static void reader_error(struct policy_yaml_reader *r, uint32_t line, uint32_t col,
			 const char *format, ...) __attribute__((format(printf, 4, 5)));

static void reader_error(struct policy_yaml_reader *r, uint32_t line, uint32_t col,
			 const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	policy_diag_add(r->diags, POLICY_ERROR, r->file, line + r->line_base, col + r->col_base,
			format, ap);
	va_end(ap);
	r->failed = 1;
}

/* The scanner's own errors carry a mark; those of the byte reader only an offset. */
static void parser_error(struct policy_yaml_reader *r)
{
	yaml_parser_t *p = &r->parser;
	uint32_t line = (uint32_t)p->problem_mark.line + 1,
		 col = (uint32_t)p->problem_mark.column + 1;

	if (p->error == YAML_MEMORY_ERROR)
		policy_arena_exhausted(r->arena);
	if (p->error == YAML_READER_ERROR) {
		line = col = 1;
		for (size_t i = 0; i < p->problem_offset && i < r->n; i++) {
			col = r->bytes[i] == '\n' ? 1 : col + 1;
			line += r->bytes[i] == '\n';
		}
	}
	reader_error(r, line, col, "not YAML: %s%s%s",
		     p->problem != NULL ? p->problem : "cannot be parsed",
		     p->context != NULL ? ", " : "", p->context != NULL ? p->context : "");
}

static int next_event(struct policy_yaml_reader *r)
{
	if (r->event_held)
		yaml_event_delete(&r->event);
	r->event_held = 0;
	if (r->failed)
		return -1;
	if (!yaml_parser_parse(&r->parser, &r->event)) {
		parser_error(r);
		return -1;
	}
	r->event_held = 1;
	return 0;
}

static struct policy_yaml *node_create(struct policy_yaml_reader *r, enum policy_yaml_type type)
{
	struct policy_yaml *y;
	uint32_t line = (uint32_t)r->event.start_mark.line + 1,
		 col = (uint32_t)r->event.start_mark.column + 1;

	if (++r->nodes > POLICY_YAML_MAX_NODES) {
		reader_error(r, line, col, "more than %u values in one file",
			     POLICY_YAML_MAX_NODES);
		return NULL;
	}
	y = policy_alloc(r->arena, sizeof(*y));
	y->type = (uint8_t)type;
	y->line = line + r->line_base;
	y->col = col + r->col_base;
	return y;
}

static struct policy_yaml *node_copy(struct policy_yaml_reader *r, const struct policy_yaml *from)
{
	struct policy_yaml *y, **tail;

	if (++r->copies > POLICY_YAML_MAX_COPIES) {
		if (!r->failed)
			reader_error(r, from->line - r->line_base, from->col - r->col_base,
				     "aliases multiply this to more than %u values",
				     POLICY_YAML_MAX_COPIES);
		return NULL;
	}
	y = policy_alloc(r->arena, sizeof(*y));
	*y = *from;
	y->next = NULL;
	tail = &y->first;
	for (const struct policy_yaml *c = from->first; c != NULL; c = c->next) {
		*tail = node_copy(r, c);
		if (*tail == NULL)
			return NULL;
		tail = &(*tail)->next;
	}
	return y;
}

static void anchor_set(struct policy_yaml_reader *r, const yaml_char_t *anchor,
		       struct policy_yaml *y)
{
	struct hd_str name;
	struct policy_yaml **slot;

	if (anchor == NULL)
		return;
	name = policy_str((const char *)anchor);
	slot = policy_map_get(&r->anchors, name);
	if (slot == NULL) {
		slot = policy_alloc(r->arena, sizeof(*slot));
		policy_map_add(&r->anchors, policy_str_copy(r->arena, name), slot);
	}
	*slot = y;
}

static struct policy_yaml *read_alias(struct policy_yaml_reader *r)
{
	const char *name = (const char *)r->event.data.alias.anchor;
	struct policy_yaml **at = policy_map_get(&r->anchors, policy_str(name));
	uint32_t line = (uint32_t)r->event.start_mark.line + 1,
		 col = (uint32_t)r->event.start_mark.column + 1;

	if (at == NULL || *at == NULL) { /* an anchor is set when its value is complete: no loops */
		reader_error(r, line, col, "alias *%s has no anchor before it", name);
		return NULL;
	}
	return node_copy(r, *at);
}

static struct policy_yaml *read_scalar(struct policy_yaml_reader *r)
{
	struct policy_yaml *y = node_create(r, POLICY_YAML_SCALAR);
	const char *tag = (const char *)r->event.data.scalar.tag;

	if (y == NULL)
		return NULL;
	if (r->event.data.scalar.length > UINT32_MAX / 2) {
		reader_error(r, y->line - r->line_base, y->col - r->col_base, "value too long");
		return NULL;
	}
	y->text =
		policy_str_copy(r->arena, (struct hd_str){ (const char *)r->event.data.scalar.value,
							   (uint32_t)r->event.data.scalar.length });
	y->plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		   (tag == NULL || strcmp(tag, YAML_STR_TAG) != 0);
	y->unset = policy_yaml_scalar(y) == POLICY_SCALAR_NULL;
	anchor_set(r, r->event.data.scalar.anchor, y);
	return y;
}

static struct policy_yaml *read_list(struct policy_yaml_reader *r, unsigned int depth)
{
	struct policy_yaml *y = node_create(r, POLICY_YAML_LIST), **tail, *item;
	struct hd_str anchor = { 0 };

	if (y == NULL)
		return NULL;
	if (r->event.data.sequence_start.anchor != NULL)
		anchor = policy_str_copy(
			r->arena, policy_str((const char *)r->event.data.sequence_start.anchor));
	tail = &y->first;
	for (;;) {
		if (next_event(r) != 0)
			return NULL;
		if (r->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		item = read_node(r, depth + 1);
		if (item == NULL)
			return NULL;
		*tail = item;
		tail = &item->next;
		y->n++;
	}
	anchor_set(r, (const yaml_char_t *)anchor.p, y);
	return y;
}

static const struct policy_yaml *map_find(const struct policy_yaml *map, struct hd_str key)
{
	for (const struct policy_yaml *c = map->first; c != NULL; c = c->next)
		if (hd_str_eq(c->key, key))
			return c;
	return NULL;
}

/* The earlier holder of the key, or NULL after noting this one. */
static const struct policy_yaml *key_claim(struct policy_yaml_reader *r, struct policy_yaml *map,
					   struct policy_map *seen, struct policy_yaml *child)
{
	if (map->n < LINEAR_KEYS)
		return map_find(map, child->key);
	if (map->n == LINEAR_KEYS && seen->n == 0)
		for (struct policy_yaml *c = map->first; c != NULL; c = c->next)
			policy_map_add(seen, c->key, c);
	return policy_map_add(seen, child->key, child);
}

/* YAML 1.1's merge key: what the map itself does not say comes from the merged ones, the first of
 * them first. */
static int merge_into(struct policy_yaml_reader *r, struct policy_yaml *map,
		      const struct policy_yaml *from)
{
	if (from->type == POLICY_YAML_LIST) {
		for (const struct policy_yaml *c = from->first; c != NULL; c = c->next)
			if (c->type != POLICY_YAML_MAP || merge_into(r, map, c) != 0)
				return -1;
		return 0;
	}
	if (from->type != POLICY_YAML_MAP)
		return -1;
	for (const struct policy_yaml *c = from->first; c != NULL; c = c->next) {
		struct policy_yaml *copy;

		if (map_find(map, c->key) != NULL)
			continue;
		copy = map->n < MERGED_KEYS ? node_copy(r, c) : NULL;
		if (copy == NULL)
			return -1;
		copy->next = map->first;
		map->first = copy;
		map->n++;
	}
	return 0;
}

/* The pair's key is the current event. */
static struct policy_yaml *read_pair(struct policy_yaml_reader *r, unsigned int depth)
{
	uint32_t line = (uint32_t)r->event.start_mark.line + 1,
		 col = (uint32_t)r->event.start_mark.column + 1;
	struct policy_yaml *value;
	struct hd_str key;

	if (r->event.type != YAML_SCALAR_EVENT) {
		reader_error(r, line, col, "a key must be a plain word");
		return NULL;
	}
	key = policy_str_copy(r->arena, (struct hd_str){ (const char *)r->event.data.scalar.value,
							 (uint32_t)r->event.data.scalar.length });
	if (next_event(r) != 0)
		return NULL;
	value = read_node(r, depth + 1);
	if (value == NULL)
		return NULL;
	value->key = key;
	value->key_line = line + r->line_base;
	value->key_col = col + r->col_base;
	return value;
}

static int key_refuse_twice(struct policy_yaml_reader *r, const struct policy_yaml *child,
			    const struct policy_yaml *before)
{
	if (before != NULL)
		reader_error(r, child->key_line - r->line_base, child->key_col - r->col_base,
			     "key \"%.*s\" is given twice (first in line %u)",
			     POLICY_STR(child->key), before->key_line);
	return before != NULL;
}

/* Up to the map's end; a merge key is handed back, to be taken when all others are there. */
static int read_pairs(struct policy_yaml_reader *r, struct policy_yaml *map,
		      struct policy_yaml **merged, unsigned int depth)
{
	struct policy_yaml **tail = &map->first;
	struct policy_map seen;

	policy_map_init(&seen, r->arena);
	for (;;) {
		struct policy_yaml *child;

		if (next_event(r) != 0)
			return -1;
		if (r->event.type == YAML_MAPPING_END_EVENT)
			return 0;
		child = read_pair(r, depth);
		if (child == NULL)
			return -1;
		if (policy_str_is(child->key, "<<") && child->type != POLICY_YAML_SCALAR) {
			if (key_refuse_twice(r, child, *merged))
				return -1;
			*merged = child;
			continue;
		}
		if (key_refuse_twice(r, child, key_claim(r, map, &seen, child)))
			return -1;
		*tail = child;
		tail = &child->next;
		map->n++;
	}
}

static struct policy_yaml *read_map(struct policy_yaml_reader *r, unsigned int depth)
{
	struct policy_yaml *y = node_create(r, POLICY_YAML_MAP), *merged = NULL;
	struct hd_str anchor = { 0 };

	if (y == NULL)
		return NULL;
	if (r->event.data.mapping_start.anchor != NULL)
		anchor = policy_str_copy(
			r->arena, policy_str((const char *)r->event.data.mapping_start.anchor));
	if (read_pairs(r, y, &merged, depth) != 0)
		return NULL;
	if (merged != NULL && merge_into(r, y, merged) != 0) {
		if (!r->failed)
			reader_error(r, merged->key_line - r->line_base,
				     merged->key_col - r->col_base, "\"<<\" merges maps only");
		return NULL;
	}
	anchor_set(r, (const yaml_char_t *)anchor.p, y);
	return y;
}

static struct policy_yaml *read_node(struct policy_yaml_reader *r, unsigned int depth)
{
	if (depth > POLICY_YAML_MAX_DEPTH) {
		reader_error(r, (uint32_t)r->event.start_mark.line + 1,
			     (uint32_t)r->event.start_mark.column + 1, "nested more than %d deep",
			     POLICY_YAML_MAX_DEPTH);
		return NULL;
	}
	switch (r->event.type) {
	case YAML_ALIAS_EVENT:
		return read_alias(r);
	case YAML_SCALAR_EVENT:
		return read_scalar(r);
	case YAML_SEQUENCE_START_EVENT:
		return read_list(r, depth);
	default: /* the grammar leaves only this */
		return read_map(r, depth);
	}
}

/* After the document's start event. */
static int read_document(struct policy_yaml_reader *r, struct policy_vec *documents)
{
	struct policy_yaml *root;

	policy_map_init(&r->anchors, r->arena);
	if (next_event(r) != 0)
		return -1;
	root = read_node(r, 0);
	if (root == NULL || next_event(r) != 0)
		return -1;
	if (root->type != POLICY_YAML_SCALAR || !root->unset)
		*(struct policy_yaml **)policy_vec_push(r->arena, documents) = root;
	return 0;
}

int policy_yaml_read(struct policy_yaml_reader *r, struct policy_vec *documents)
{
	if (r->n > POLICY_YAML_MAX_BYTES) {
		reader_error(r, 1, 1, "larger than %zu MiB", POLICY_YAML_MAX_BYTES >> 20);
		return -1;
	}
	if (!yaml_parser_initialize(&r->parser))
		policy_arena_exhausted(r->arena);
	r->parser_open = 1;
	yaml_parser_set_input_string(&r->parser, (const unsigned char *)r->bytes, r->n);
	while (next_event(r) == 0 && r->event.type != YAML_STREAM_END_EVENT)
		if (r->event.type == YAML_DOCUMENT_START_EVENT && read_document(r, documents) != 0)
			break;
	policy_yaml_reader_fini(r);
	return r->failed ? -1 : 0;
}

void policy_yaml_reader_fini(struct policy_yaml_reader *r)
{
	if (r->event_held)
		yaml_event_delete(&r->event);
	if (r->parser_open)
		yaml_parser_delete(&r->parser);
	r->event_held = r->parser_open = 0;
}

struct policy_yaml *policy_yaml_raw(const struct policy_yaml *map, const char *key)
{
	struct hd_str k = policy_str(key);

	if (map == NULL || map->type != POLICY_YAML_MAP)
		return NULL;
	for (struct policy_yaml *c = map->first; c != NULL; c = c->next)
		if (hd_str_eq(c->key, k))
			return c->unset ? NULL : c;
	return NULL;
}

static int word_among(struct hd_str s, const char *const *words)
{
	for (; *words != NULL; words++)
		if (policy_str_is(s, *words))
			return 1;
	return 0;
}

static enum policy_scalar number_kind(struct hd_str s)
{
	uint32_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'), digits = 0, dots = 0,
		 exponents = 0;

	if (s.n > i + 2 && s.p[i] == '0' && (s.p[i + 1] | 0x20) == 'x')
		return strspn(s.p + i + 2, "0123456789abcdefABCDEF") == s.n - i - 2
			       ? POLICY_SCALAR_INT
			       : POLICY_SCALAR_STRING;
	for (; i < s.n; i++) {
		char c = s.p[i];

		if (c >= '0' && c <= '9')
			digits++;
		else if (c == '.' && dots == 0 && exponents == 0)
			dots++;
		else if ((c | 0x20) == 'e' && digits > 0 && exponents == 0) {
			exponents++;
			if (i + 1 < s.n && (s.p[i + 1] == '-' || s.p[i + 1] == '+'))
				i++;
			if (i + 1 == s.n)
				return POLICY_SCALAR_STRING;
		} else
			return POLICY_SCALAR_STRING;
	}
	if (digits == 0)
		return POLICY_SCALAR_STRING;
	return dots + exponents > 0 ? POLICY_SCALAR_FLOAT : POLICY_SCALAR_INT;
}

enum policy_scalar policy_yaml_scalar(const struct policy_yaml *y)
{
	/* YAML 1.1's words, as kubectl's reader knows them. */
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const bools[] = { "true",  "True", "TRUE", "false", "False",
					     "FALSE", "yes",  "Yes",  "YES",   "no",
					     "No",    "NO",   "on",   "On",    "ON",
					     "off",   "Off",  "OFF",  NULL };

	if (y->type != POLICY_YAML_SCALAR || !y->plain)
		return POLICY_SCALAR_STRING;
	if (y->text.n > 0 && strchr("~nNtTfFyYoO+-.0123456789", y->text.p[0]) == NULL)
		return POLICY_SCALAR_STRING; /* most words */
	if (word_among(y->text, nulls))
		return POLICY_SCALAR_NULL;
	if (word_among(y->text, bools))
		return POLICY_SCALAR_BOOL;
	return number_kind(y->text);
}
