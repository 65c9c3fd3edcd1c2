/* SPDX-License-Identifier: Apache-2.0 */
/* heddle's command line. */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdio.h>

#include <heddle/log.h>

#define DAEMON_MAX_EAL 48

struct daemon_options {
	const char *config;	   /* in argv */
	char *eal[DAEMON_MAX_EAL]; /* what stood before "--", without the program's name; in argv */
	unsigned int n_eal;
	enum hd_log_level log_level;
	int check, strict, allow_unenforced;
	int help, version;
};

/* 0, or -EINVAL with one line in error that says what to do. Does not change argv. */
[[nodiscard]] int daemon_options_parse(struct daemon_options *o, int argc, char **argv, char *error,
				       size_t error_bytes);
void daemon_options_help(FILE *out);

#endif
