/* SPDX-License-Identifier: Apache-2.0 */
/* A growing text, and the escapes of JSON. A text that ran out of memory stays valid and shorter; `failed` says so. */
#ifndef OBSERVE_TEXT_H
#define OBSERVE_TEXT_H

#include <heddle/base.h>

struct observe_text {
	char *p;
	size_t n, capacity;
	int failed;
};

void observe_text_fini(struct observe_text *t);
void observe_text_add(struct observe_text *t, const char *p, size_t n);
void observe_text_addf(struct observe_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* With quotes. Bytes that are not UTF-8 become U+FFFD. */
void observe_text_add_json(struct observe_text *t, const char *p, size_t n);
/* Between quotes of a text log: control bytes, quotes, backslashes and bytes over 0x7e become \xHH. */
void observe_text_add_quotable(struct observe_text *t, const char *p, size_t n);

#endif
