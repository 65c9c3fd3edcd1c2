/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli_table.h"

/* Upper bounds in milliseconds of the buckets in `show requests`; the last one has none. */
static const double bounds[] = { 0.5,	1,	5,	10,	 25,	 50,	100,
				 250,	500,	1000,	2500,	 5000,	 10000, 30000,
				 60000, 300000, 600000, 1800000, 3600000 };
#define N_BUCKETS (sizeof(bounds) / sizeof(bounds[0]) + 1)

#define MAX_SERVICES 256

static const char *text(const json_t *o, const char *key)
{
	const char *p = json_string_value(json_object_get(o, key));

	return p != NULL && p[0] != '\0' ? p : "-";
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static void tap_print(const json_t *r)
{
	const char *when = text(r, "start_time");
	char line[512], clean[512];
	json_t *value;

	snprintf(line, sizeof(line), "%.12s %3.0f %-5s %5.0fms %s %s%s -> %s (%s)",
		 strlen(when) > 11 ? when + 11 : when, number(r, "response_code"),
		 text(r, "response_flags"), number(r, "duration"), text(r, "method"),
		 text(r, "authority"), text(r, "path"), text(r, "upstream_host"),
		 text(r, "upstream_cluster"));
	/* Bytes of a caller must not drive the terminal. */
	value = json_string_nocheck(line);
	cli_value_format(value, CLI_TEXT, clean, sizeof(clean));
	json_decref(value);
	puts(clean);
}

static void tap_row(void *arg, const json_t *r)
{
	const int *json = arg;

	if (*json) {
		json_dumpf(r, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		tap_print(r);
	}
	fflush(stdout);
}

enum cli_exit cli_tap(const char *socket_path, json_t *args, int json, char *error,
		      size_t error_bytes)
{
	return cli_stream(socket_path, "tap", args, tap_row, &json, error, error_bytes);
}

/* One service between two looks. */
struct service {
	const char *name;
	double requests, errors, total_ms;
	double buckets[N_BUCKETS];
};

static struct service *service_get(struct service *all, size_t *n, const char *name)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(all[i].name, name) == 0)
			return &all[i];
	if (*n == MAX_SERVICES)
		return NULL;
	all[*n] = (struct service){ .name = name };
	return &all[(*n)++];
}

/* An answer that a caller cannot use: none at all, or the server's fault. */
static int is_error(const json_t *row)
{
	double status = number(row, "status");

	return status == 0 || status >= 500;
}

static void rows_add(struct service *all, size_t *n, const json_t *rows, double sign)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const json_t *buckets = json_object_get(row, "buckets");
		double requests = sign * number(row, "requests");
		struct service *s;

		if (strcmp(text(row, "protocol"), "http") != 0)
			continue;
		s = service_get(all, n, text(row, "service"));
		if (s == NULL)
			continue;
		s->requests += requests;
		s->errors += is_error(row) ? requests : 0;
		s->total_ms += requests * number(row, "mean_ms");
		for (size_t b = 0; b < N_BUCKETS; b++)
			s->buckets[b] += sign * json_number_value(json_array_get(buckets, b));
	}
}

/* By straight lines between the bounds, as Prometheus does. */
static double quantile_ms(const struct service *s, double q)
{
	double want = q * s->requests, sum = 0;

	for (size_t b = 0; b < N_BUCKETS; b++) {
		double low = b > 0 ? bounds[b - 1] : 0;

		if (s->buckets[b] > 0 && sum + s->buckets[b] >= want)
			return b + 1 == N_BUCKETS
				       ? low
				       : low + (bounds[b] - low) * (want - sum) / s->buckets[b];
		sum += s->buckets[b];
	}
	return 0;
}

static int by_requests(const void *a, const void *b)
{
	const struct service *x = a, *y = b;

	if (x->requests != y->requests)
		return x->requests < y->requests ? 1 : -1;
	return strcmp(x->name, y->name);
}

static json_t *service_json(const struct service *s, double seconds)
{
	double requests = s->requests > 0 ? s->requests : 1;

	return json_pack("{s:s,s:f,s:f,s:f,s:f,s:f}", "service", s->name, "requests_per_second",
			 s->requests / seconds, "errors_percent", 100 * s->errors / requests,
			 "mean_ms", s->total_ms / requests, "p50_ms", quantile_ms(s, 0.5), "p99_ms",
			 quantile_ms(s, 0.99));
}

json_t *cli_top_rows(const json_t *before, const json_t *now, double seconds)
{
	struct service *all = calloc(MAX_SERVICES, sizeof(*all));
	json_t *out = json_array();
	size_t n = 0;

	if (all == NULL)
		return out;
	rows_add(all, &n, now, 1);
	rows_add(all, &n, before, -1);
	qsort(all, n, sizeof(*all), by_requests);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, service_json(&all[i], seconds));
	free(all);
	return out;
}

static void top_print(const json_t *rows, int json, size_t width)
{
	static const struct cli_column columns[] = {
		{ "service", "SERVICE" },
		{ "requests_per_second", "REQ/S", CLI_COUNT },
		{ "errors_percent", "ERRORS", CLI_PERCENT },
		{ "mean_ms", "MEAN", CLI_LATENCY },
		{ "p50_ms", "P50", CLI_LATENCY },
		{ "p99_ms", "P99", CLI_LATENCY },
	};

	if (json) {
		json_dumpf(rows, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		if (width > 0)
			fputs("\033[H\033[2J", stdout);
		cli_table_print(stdout, rows, columns, sizeof(columns) / sizeof(columns[0]), width,
				"no request has ended yet");
	}
	fflush(stdout);
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

enum cli_exit cli_top(const char *socket_path, json_t *args, int json, size_t width, char *error,
		      size_t error_bytes)
{
	json_int_t count = json_integer_value(json_object_get(args, "count"));
	json_t *before = NULL, *now = NULL, *rows;
	enum cli_exit code;
	double looked = 0;

	json_decref(args);
	for (json_int_t i = 0;; i++) {
		code = cli_request(socket_path, "show requests", json_object(), &now, error,
				   error_bytes);
		if (code != CLI_FINE)
			break;
		if (i > 0) {
			rows = cli_top_rows(before, now, seconds_now() - looked);
			top_print(rows, json, width);
			json_decref(rows);
		}
		looked = seconds_now();
		json_decref(before);
		before = now;
		if (count > 0 && i == count)
			break;
		sleep(1);
	}
	json_decref(before);
	return code;
}
