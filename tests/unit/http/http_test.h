/* SPDX-License-Identifier: Apache-2.0 */
/* What the http tests share: text as bytes, and a request around one line or field. */
#ifndef UNIT_HTTP_TEST_H
#define UNIT_HTTP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <heddle/stats.h>

#include "http.h"

#define BYTES(text) (const uint8_t *)(text), (uint32_t)strlen(text)
/* For texts with NUL in them. */
#define LITERAL(text) (const uint8_t *)(text), (uint32_t)sizeof(text) - 1

static inline int text_is(const char *head, uint32_t at, uint32_t n, const char *want)
{
	return strlen(want) == n && memcmp(head + at, want, n) == 0;
}

#endif
