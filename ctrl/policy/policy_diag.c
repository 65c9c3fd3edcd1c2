/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "policy_diag.h"

void policy_diags_init(struct policy_diags *d)
{
	*d = (struct policy_diags){ 0 };
}

void policy_diags_fini(struct policy_diags *d)
{
	for (uint32_t i = 0; i < d->n; i++) {
		free(d->rows[i].file);
		free(d->rows[i].message);
	}
	free(d->rows);
	policy_diags_init(d);
}

static int diags_grow(struct policy_diags *d)
{
	uint32_t capacity = d->capacity == 0 ? 16 : d->capacity * 2;
	struct policy_diag *rows = realloc(d->rows, capacity * sizeof(*rows));

	if (rows == NULL)
		return -1;
	d->rows = rows;
	d->capacity = capacity;
	return 0;
}

/* An error must find room among a thousand warnings: it takes the place of the last of them. */
static struct policy_diag *diags_row(struct policy_diags *d, enum policy_severity severity)
{
	if (d->n < POLICY_DIAG_LIMIT)
		return d->n < d->capacity || diags_grow(d) == 0 ? &d->rows[d->n++] : NULL;
	for (uint32_t i = d->n; severity == POLICY_ERROR && i-- > 0;)
		if (d->rows[i].severity == POLICY_WARNING) {
			free(d->rows[i].file);
			free(d->rows[i].message);
			d->left_out++;
			return &d->rows[i];
		}
	return NULL;
}

void policy_diag_add(struct policy_diags *d, enum policy_severity severity, const char *file,
		     uint32_t line, uint32_t col, const char *format, va_list ap)
{
	char text[1024];
	struct policy_diag row = { .line = line, .col = col, .severity = severity };
	struct policy_diag *slot;

	if (severity == POLICY_ERROR)
		d->errors++;
	else
		d->warnings++;
	vsnprintf(text, sizeof(text), format, ap);
	for (char *p = text; *p != '\0'; p++) /* a row is one line, whatever a file holds */
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	row.file = strdup(file);
	row.message = strdup(text);
	slot = row.file != NULL && row.message != NULL ? diags_row(d, severity) : NULL;
	if (slot == NULL) {
		free(row.file);
		free(row.message);
		d->left_out++;
		return;
	}
	*slot = row;
}

static void row_append(struct policy_diags *d, const struct policy_diag *row, const char *format,
		       ...) __attribute__((format(printf, 3, 4)));

static void row_append(struct policy_diags *d, const struct policy_diag *row, const char *format,
		       ...)
{
	va_list ap;

	va_start(ap, format);
	policy_diag_add(d, row->severity, row->file, row->line, row->col, format, ap);
	va_end(ap);
}

void policy_diags_append(struct policy_diags *d, const struct policy_diags *from)
{
	uint32_t errors = d->errors + from->errors, warnings = d->warnings + from->warnings;

	for (uint32_t i = 0; i < from->n; i++)
		row_append(d, &from->rows[i], "%s", from->rows[i].message);
	d->errors = errors;
	d->warnings = warnings;
	d->left_out += from->left_out;
}

static int row_compare(const void *pa, const void *pb)
{
	const struct policy_diag *a = pa, *b = pb;
	int c = strcmp(a->file, b->file);

	if (c != 0)
		return c;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->col != b->col)
		return a->col < b->col ? -1 : 1;
	return a->severity != b->severity ? (int)a->severity - (int)b->severity
					  : strcmp(a->message, b->message);
}

void policy_diags_sort(struct policy_diags *d)
{
	uint32_t kept = 0;

	if (d->n == 0)
		return;
	qsort(d->rows, d->n, sizeof(*d->rows), row_compare);
	for (uint32_t i = 0; i < d->n; i++) {
		struct policy_diag *r = &d->rows[i];

		if (kept > 0 && row_compare(&d->rows[kept - 1], r) == 0) {
			uint32_t *count = r->severity == POLICY_ERROR ? &d->errors : &d->warnings;

			(*count)--;
			free(r->file);
			free(r->message);
			continue;
		}
		d->rows[kept++] = *r;
	}
	d->n = kept;
}

void policy_diag_format(const struct policy_diag *row, char *out, size_t bytes)
{
	snprintf(out, bytes, "%s:%u:%u: %s%s", row->file, row->line, row->col,
		 row->severity == POLICY_WARNING ? "warning: " : "", row->message);
}

void policy_diags_print(const struct policy_diags *d, FILE *out)
{
	char line[1536];

	for (uint32_t i = 0; i < d->n; i++) {
		policy_diag_format(&d->rows[i], line, sizeof(line));
		fprintf(out, "%s\n", line);
	}
	if (d->left_out > 0)
		fprintf(out, "%u more left out\n", d->left_out);
}
