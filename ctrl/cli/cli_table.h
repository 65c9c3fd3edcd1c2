/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for people: columns as wide as they must be, numbers to the right with units, text cut
 * where a terminal ends. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdio.h>

#include <jansson.h>

enum cli_unit {
	CLI_TEXT,    /* cut at its end where the terminal is too narrow */
	CLI_PLACE,   /* a file and line: cut at its start */
	CLI_ADDRESS, /* not cut */
	CLI_NUMBER, /* as it is */
	CLI_COUNT,  /* large ones as 123.5k, 12.35M */
	CLI_BYTES,  /* 1.5 MiB */
	CLI_MS,	    /* an age in milliseconds: 350ms, 12s, 3m, 5h, 2d */
	CLI_LATENCY, /* milliseconds, two digits behind the point */
	CLI_PERCENT,
	CLI_YES, /* a boolean: yes or no */
};

struct cli_column {
	const char *key, *title;
	enum cli_unit unit;
	int is_spare; /* left out where the terminal is too narrow even so */
};

/* rows: an array of objects. width: columns of the terminal, 0: do not cut. Says `empty` when there
 * are no rows. */
void cli_table_print(FILE *out, const json_t *rows, const struct cli_column *columns,
		     size_t n_columns, size_t width, const char *empty);
/* One value as a cell shows it, cut to bytes. */
void cli_value_format(const json_t *value, enum cli_unit unit, char *out, size_t bytes);

#endif
