/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that go on: tap and top. */
#ifndef CLI_LIVE_H
#define CLI_LIVE_H

#include "cli_client.h"

/* Until heddle or the limit in args ends it. Steals args. */
[[nodiscard]] enum cli_exit cli_tap(const char *socket_path, json_t *args, int json, char *error,
				    size_t error_bytes);
/* Every second, args' `count` times or for ever. width: of the terminal, 0: there is none. Steals
 * args. */
[[nodiscard]] enum cli_exit cli_top(const char *socket_path, json_t *args, int json, size_t width,
				    char *error, size_t error_bytes);

/* What changed between two results of `show requests`, summed by service, the busiest first: an
 * array of service, requests_per_second, errors_percent, mean_ms, p50_ms, p99_ms. */
json_t *cli_top_rows(const json_t *before, const json_t *now, double seconds);

#endif
