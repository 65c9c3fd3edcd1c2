/* SPDX-License-Identifier: Apache-2.0 */
/* A growing text, and the escapes of JSON. A text that ran out of memory stays valid and shorter;
 * `failed` says so. */
#ifndef OBSERVE_TEXT_H
#define OBSERVE_TEXT_H

#include <heddle/addr.h>
#include <heddle/base.h>

struct observe_text {
	char *p;
	size_t n, capacity;
	int failed;
};

void observe_text_fini(struct observe_text *t);
void observe_text_add(struct observe_text *t, const char *p, size_t n);
/* A string literal. */
#define observe_text_add_literal(t, literal) observe_text_add(t, literal, sizeof(literal) - 1)
void observe_text_add_number(struct observe_text *t, uint64_t value);
/* "10.2.0.2:80" or "[fd00::2]:80". */
void observe_text_add_addr(struct observe_text *t, const struct hd_addr *a);
/* "UF,URX", or "-". */
void observe_text_add_flags(struct observe_text *t, uint32_t flags);
/* The two lines that begin a family of OpenMetrics. */
void observe_text_add_family(struct observe_text *t, const char *name, const char *type,
			     const char *help);
/* A counter without labels: its family and its one sample. */
void observe_text_add_counter(struct observe_text *t, const char *name, const char *help,
			      uint64_t value);
void observe_text_addf(struct observe_text *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* With quotes. Bytes that are not UTF-8 become U+FFFD. */
void observe_text_add_json(struct observe_text *t, const char *p, size_t n);
/* Between quotes of a text log: control bytes, quotes, backslashes and bytes over 0x7e become \xHH.
 */
void observe_text_add_quotable(struct observe_text *t, const char *p, size_t n);

#endif
