/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests that talk through a bed share: words, and asking for parts of what was heard. */
#ifndef TESTS_PROXY_BED_TALK_H
#define TESTS_PROXY_BED_TALK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bed.h"

#define GET "GET /a?b=c HTTP/1.1\r\nHost: web.shop\r\nUser-Agent: t\r\n\r\n"
#define OK2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-B: 1\r\n\r\nok"
#define WS "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

static __attribute__((noinline, unused)) void assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("%s\nlacks: %s", text, part);
}

static __attribute__((noinline, unused)) void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("%s\nhas: %s", text, part);
}

static inline struct bed *bed_of(void **state, uint32_t n)
{
	struct bed *b = bed_create(n);

	*state = b;
	return b;
}

static inline int teardown(void **state)
{
	bed_destroy(*state);
	return 0;
}

/* A caller and a backend connection that carried one request already. */
static inline struct tcp_conn *warm_up(struct bed *b, struct tcp_conn **up)
{
	struct tcp_conn *c = bed_caller(b);

	fake_tcp_say(c, GET);
	bed_run(b);
	*up = bed_backend(b, 0);
	fake_tcp_ack(*up);
	fake_tcp_say(*up, OK2);
	bed_run(b);
	assert_has(fake_tcp_heard(c), "\r\n\r\nok");
	fake_tcp_heard(*up);
	bed_record(b);
	return c;
}

#endif
