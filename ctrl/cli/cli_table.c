/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_table.h"

#include <stdlib.h>
#include <string.h>

#define MAX_COLUMNS 16
#define CELL_BYTES 512
#define GAP 2
#define NARROWEST 8

static void format_count(double v, char *out, size_t bytes)
{
	if (v < 100000)
		snprintf(out, bytes, "%.0f", v);
	else if (v < 1e6)
		snprintf(out, bytes, "%.1fk", v / 1e3);
	else if (v < 1e9)
		snprintf(out, bytes, "%.2fM", v / 1e6);
	else if (v < 1e12)
		snprintf(out, bytes, "%.2fG", v / 1e9);
	else
		snprintf(out, bytes, "%.2fT", v / 1e12);
}

static void format_bytes(double v, char *out, size_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t u = 0;

	while (v >= 1024 && u + 1 < sizeof(units) / sizeof(units[0])) {
		v /= 1024;
		u++;
	}
	snprintf(out, bytes, u ? "%.1f %s" : "%.0f %s", v, units[u]);
}

static void format_ms(double v, char *out, size_t bytes)
{
	double s = v / 1000;

	if (v < 1000)
		snprintf(out, bytes, "%.0fms", v);
	else if (s < 60)
		snprintf(out, bytes, "%.1fs", s);
	else if (s < 3600)
		snprintf(out, bytes, "%dm%02ds", (int)s / 60, (int)s % 60);
	else if (s < 86400)
		snprintf(out, bytes, "%dh%02dm", (int)s / 3600, (int)s / 60 % 60);
	else
		snprintf(out, bytes, "%dd%02dh", (int)(s / 86400), (int)(s / 3600) % 24);
}

/* "v1 90%, v2 10%" for arrays of objects is the views' work; an array of strings is joined here. */
static void format_array(const json_t *value, char *out, size_t bytes)
{
	const json_t *item;
	size_t i, n = 0;

	out[0] = '\0';
	json_array_foreach(value, i, item) {
		if (json_is_string(item) && n < bytes - 1)
			n += (size_t)snprintf(out + n, bytes - n, "%s%s", n ? " " : "",
					      json_string_value(item));
	}
}

void cli_value_format(const json_t *value, enum cli_unit unit, char *out, size_t bytes)
{
	snprintf(out, bytes, "-");
	if (json_is_string(value) && json_string_value(value)[0] != '\0') {
		snprintf(out, bytes, "%s", json_string_value(value));
	} else if (json_is_array(value) && json_array_size(value) > 0) {
		format_array(value, out, bytes);
	} else if (json_is_boolean(value)) {
		snprintf(out, bytes, "%s", json_is_true(value) ? "yes" : "no");
	} else if (json_is_number(value)) {
		double v = json_number_value(value);

		switch (unit) {
		case CLI_COUNT:
			format_count(v, out, bytes);
			break;
		case CLI_BYTES:
			format_bytes(v, out, bytes);
			break;
		case CLI_MS:
			format_ms(v, out, bytes);
			break;
		case CLI_LATENCY:
			snprintf(out, bytes, "%.2fms", v);
			break;
		case CLI_PERCENT:
			snprintf(out, bytes, "%.1f%%", v);
			break;
		default:
			snprintf(out, bytes, "%.0f", v);
		}
	}
	/* What a server says must not drive the terminal. */
	for (char *p = out; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
}

/* Columns of text that it takes; continuation bytes of UTF-8 take none. */
static size_t text_width(const char *p)
{
	size_t n = 0;

	for (; *p != '\0'; p++)
		n += ((unsigned char)*p & 0xc0) != 0x80;
	return n;
}

static int is_text(enum cli_unit unit)
{
	return unit == CLI_TEXT || unit == CLI_PLACE || unit == CLI_ADDRESS || unit == CLI_YES;
}

static size_t widths_sum(const size_t *widths, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		if (widths[i] > 0)
			sum += widths[i] + (sum > 0 ? GAP : 0);
	return sum;
}

/* Takes columns from the widest text until the line fits, then leaves out what is spare: its width
 * is 0 then. */
static void widths_fit(size_t *widths, const struct cli_column *columns, size_t n, size_t limit)
{
	size_t widest = 0;

	while (widths_sum(widths, n) > limit && widest != n) {
		widest = n;
		for (size_t i = 0; i < n; i++)
			if ((columns[i].unit == CLI_TEXT || columns[i].unit == CLI_PLACE) &&
			    widths[i] > NARROWEST && (widest == n || widths[i] > widths[widest]))
				widest = i;
		if (widest != n)
			widths[widest]--;
	}
	for (size_t i = n; i-- > 0 && widths_sum(widths, n) > limit;)
		if (columns[i].is_spare)
			widths[i] = 0;
}

/* What does not fit is cut, and a ~ says so: the start of a text tells most, the end of a place. */
static void text_cut(FILE *out, const char *text, size_t n, size_t width, enum cli_unit unit)
{
	size_t at = 0, from = unit == CLI_PLACE ? n - width + 1 : 0;

	if (unit == CLI_PLACE)
		fputc('~', out);
	for (const char *p = text; *p != '\0'; p++) {
		at += ((unsigned char)*p & 0xc0) != 0x80;
		if (at > from && at < from + width)
			fputc(*p, out);
	}
	if (unit != CLI_PLACE)
		fputc('~', out);
}

static void cell_print(FILE *out, const char *text, size_t width, enum cli_unit unit, int last)
{
	size_t n = text_width(text), shown = n < width ? n : width;

	if (!is_text(unit))
		fprintf(out, "%*s", (int)(width - shown), "");
	if (n <= width)
		fputs(text, out);
	else
		text_cut(out, text, n, width, unit);
	if (!last)
		fprintf(out, "%*s", (int)(GAP + (is_text(unit) ? width - shown : 0)), "");
}

/* row NULL: the titles. */
static void row_print(FILE *out, const json_t *row, const struct cli_column *columns,
		      const size_t *widths, size_t n)
{
	char cell[CELL_BYTES];
	size_t last = n;

	while (last > 1 && widths[last - 1] == 0)
		last--;
	for (size_t c = 0; c < last; c++) {
		if (widths[c] == 0)
			continue;
		if (row != NULL)
			cli_value_format(json_object_get(row, columns[c].key), columns[c].unit,
					 cell, sizeof(cell));
		cell_print(out, row != NULL ? cell : columns[c].title, widths[c], columns[c].unit,
			   c + 1 == last);
	}
	fputc('\n', out);
}

void cli_table_print(FILE *out, const json_t *rows, const struct cli_column *columns, size_t n,
		     size_t width, const char *empty)
{
	size_t widths[MAX_COLUMNS], i;
	char cell[CELL_BYTES];
	const json_t *row;

	if (json_array_size(rows) == 0) {
		fprintf(out, "%s\n", empty);
		return;
	}
	for (size_t c = 0; c < n; c++) {
		widths[c] = strlen(columns[c].title);
		json_array_foreach(rows, i, row) {
			size_t w;

			cli_value_format(json_object_get(row, columns[c].key), columns[c].unit,
					 cell, sizeof(cell));
			w = text_width(cell);
			if (w > widths[c])
				widths[c] = w;
		}
	}
	if (width > 0)
		widths_fit(widths, columns, n, width);
	row_print(out, NULL, columns, widths, n);
	json_array_foreach(rows, i, row)
		row_print(out, row, columns, widths, n);
}
