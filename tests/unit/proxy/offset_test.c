/* SPDX-License-Identifier: Apache-2.0 */
/* A backend ends, resets, falls silent or goes slowly behind every byte of every kind of answer; it
 * acknowledges every part of every kind of request before it resets; a caller sends every part of
 * its request before the backend goes. Each request is answered once and whole, or visibly cut;
 * it is tried again only where policy says so or nobody can have seen it. */
#include "bed_talk.h"

#include <strings.h>

#define CONNS_MAX 200 /* of one bed */
#define MS HD_NS_PER_MS
#define FIRST_BYTES "first"

struct text {
	const char *p;
	uint32_t n;
	uint32_t head_n; /* of an answer: with its interim ones */
	int ends_by_close;
	int is_head;
};

#define TEXT(s) .p = s, .n = sizeof(s) - 1

static const struct text requests[] = {
	{ TEXT("GET /a HTTP/1.1\r\nHost: a\r\n\r\n") },
	{ TEXT("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n"), .is_head = 1 },
	{ TEXT("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody") },
	{ TEXT("PUT /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n") },
};

#define LENGTH_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
#define CHUNKED_HEAD "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define CLOSE_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define HINTS "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
#define ANSWER(head, body, ...) { TEXT(head body), .head_n = sizeof(head) - 1, __VA_ARGS__ }

static const struct text answers[] = {
	ANSWER(LENGTH_HEAD, FIRST_BYTES),
	ANSWER(CHUNKED_HEAD, "3\r\nfir\r\n2;x=y\r\nst\r\n0\r\nx-t: 1\r\n\r\n"),
	ANSWER(CLOSE_HEAD, FIRST_BYTES, .ends_by_close = 1),
	ANSWER("HTTP/1.1 204 No Content\r\n\r\n", ""),
	ANSWER(HINTS LENGTH_HEAD, FIRST_BYTES),
};

static const char second[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond";

enum event { GO_FIN, GO_RESET, GO_SILENT, GO_SLOW, GO_N };
enum policy { RETRY_NEVER, RETRY_CONNECTS, RETRY_RESETS, RETRY_N };

/* What the caller heard, taken apart. */
struct heard {
	uint32_t finals;   /* heads of answers */
	uint32_t interims; /* 1xx */
	uint32_t status;   /* of the first final */
	int is_whole;
	int is_first, is_second; /* whose body it is, as far as it goes */
	uint32_t surplus;
};

static const char *chunks_end(const char *p, char *body, uint32_t *n, int *is_whole)
{
	for (*is_whole = 0;;) {
		const char *line = strstr(p, "\r\n");
		uint32_t size;

		if (line == NULL)
			return p + strlen(p);
		size = (uint32_t)strtoul(p, NULL, 16);
		p = line + 2;
		if (size == 0) {
			/* Trailers, or the empty line at once. */
			line = strncmp(p, "\r\n", 2) == 0 ? p - 2 : strstr(p, "\r\n\r\n");
			*is_whole = line != NULL;
			return line != NULL ? line + 4 : p + strlen(p);
		}
		for (; size > 0 && *p != '\0'; size--)
			body[(*n)++] = *p++;
		if (strncmp(p, "\r\n", 2) != 0)
			return p + strlen(p);
		p += 2;
	}
}

static const char *header(const char *head, const char *end, const char *name)
{
	for (const char *p = head; p != NULL && p < end; p = strstr(p, "\r\n"), p += p ? 2 : 0)
		if (strncasecmp(p, name, strlen(name)) == 0)
			return p + strlen(name);
	return NULL;
}

static void take_final(struct heard *h, const char **at, const char *head, const char *end,
		       int is_head)
{
	const char *length = header(head, end, "content-length: ");
	char body[4096];
	uint32_t n = 0, want;

	h->status = (uint32_t)atoi(head + 9);
	if (is_head || h->status == 204) {
		h->is_whole = 1;
	} else if (header(head, end, "transfer-encoding: chunked") != NULL) {
		*at = chunks_end(*at, body, &n, &h->is_whole);
	} else {
		assert_non_null(length);
		for (want = (uint32_t)atoi(length); n < want && **at != '\0';)
			body[n++] = *(*at)++;
		h->is_whole = n == want;
	}
	h->is_first = n <= 5 && memcmp(body, FIRST_BYTES, n) == 0;
	h->is_second = n <= 6 && memcmp(body, "second", n) == 0;
}

static struct heard take_apart(const char *text, int is_head)
{
	struct heard h = { 0 };

	while (*text != '\0') {
		const char *end = strstr(text, "\r\n\r\n"), *head = text;

		if (strncmp(text, "HTTP/1.1 ", 9) != 0 || end == NULL) {
			h.surplus = (uint32_t)strlen(text);
			break;
		}
		text = end + 4;
		if (head[9] == '1') {
			h.interims++;
			continue;
		}
		h.finals++;
		if (h.finals > 1)
			break;
		take_final(&h, &text, head, end, is_head);
	}
	return h;
}

/* One bed for many cases: its connections are for ever, and it is made anew before they run out. */
static struct bed *bed;

static int bed_leave(void **state)
{
	if (bed != NULL)
		bed_destroy(bed);
	bed = NULL;
	return 0;
}

static void bed_for(enum policy policy)
{
	static const uint32_t on[] = { 0, HD_RETRY_CONNECT_FAILURE, HD_RETRY_5XX };

	if (bed != NULL && bed->tcp->n > CONNS_MAX)
		bed_leave(NULL);
	if (bed == NULL)
		bed = bed_create(1);
	bed->routes[0].retry.on = on[policy];
	bed->routes[0].retry.attempts = policy == RETRY_NEVER ? 0 : 1;
	bed->routes[0].retry.backoff_base = 2 * MS;
	bed->routes[0].retry.per_try_timeout = 50 * MS;
	bed->routes[0].timeout = 400 * MS;
	bed_publish(bed);
	bed_run(bed);
	while (hd_ring_peek(bed->access) != NULL)
		hd_ring_pop(bed->access);
}

/* The newest connection to a backend; it is accepted. */
static struct tcp_conn *newest(uint32_t *seen)
{
	uint32_t n = fake_tcp_count_opened(bed->tcp);
	struct tcp_conn *up;

	if (n == *seen)
		return NULL;
	assert_int_equal(n, *seen + 1);
	up = fake_tcp_opened(bed->tcp, (*seen)++);
	fake_tcp_connected(up);
	bed_run(bed);
	return up;
}

static uint32_t tries_in(const char *text)
{
	uint32_t n = 0;

	for (; (text = strstr(text, " HTTP/1.1\r\n")) != NULL; text++)
		n++;
	return n;
}

/* A connection to the backend for the exchange: fresh, or one that carried a request. */
static struct tcp_conn *open_case(int is_used, struct tcp_conn *caller, uint32_t *seen)
{
	struct tcp_conn *up;

	*seen = fake_tcp_count_opened(bed->tcp);
	if (!is_used)
		return NULL;
	fake_tcp_say(caller, GET);
	bed_run(bed);
	up = newest(seen);
	assert_non_null(up);
	fake_tcp_say(up, OK2);
	bed_run(bed);
	fake_tcp_heard(up);
	fake_tcp_heard(caller);
	while (hd_ring_peek(bed->access) != NULL)
		hd_ring_pop(bed->access);
	return up;
}

/* Whoever is asked again answers at once. Returns how often the request was seen. */
static uint32_t serve_again(struct tcp_conn *up, uint32_t *seen)
{
	uint32_t tries = tries_in(fake_tcp_heard(up));

	for (int i = 0; i < 12; i++) {
		struct tcp_conn *again;
		uint32_t more;

		bed_pass(bed, 40 * MS);
		if (up->is_live && (more = tries_in(fake_tcp_heard(up))) > 0) {
			tries += more;
			fake_tcp_say(up, second);
		}
		again = newest(seen);
		if (again == NULL)
			continue;
		up = again;
		more = tries_in(fake_tcp_heard(up));
		tries += more;
		if (more > 0)
			fake_tcp_say(up, second);
	}
	bed_pass(bed, 400 * MS);
	return tries;
}

static uint32_t records(void)
{
	uint32_t n = 0;

	for (; hd_ring_peek(bed->access) != NULL; n++)
		hd_ring_pop(bed->access);
	return n;
}

/* Everything of the case goes. */
static void close_case(struct tcp_conn *caller)
{
	if (caller->is_live)
		fake_tcp_reset(caller, TCP_ERR_RESET);
	bed_run(bed);
	for (uint32_t i = 0; i < fake_tcp_count_opened(bed->tcp); i++)
		if (fake_tcp_opened(bed->tcp, i)->is_live)
			fake_tcp_reset(fake_tcp_opened(bed->tcp, i), TCP_ERR_RESET);
	bed_run(bed);
	assert_int_equal(bed->stats.exchanges, 0);
}

static void happen(struct tcp_conn *up, enum event event, const struct text *answer, uint32_t at)
{
	switch (event) {
	case GO_FIN:
		if (!up->is_live)
			break;
		fake_tcp_fin(up);
		bed_run(bed);
		if (at == 0)
			fake_tcp_ack(up); /* a FIN alone does not say whether it was seen */
		break;
	case GO_RESET:
		if (up->is_live)
			fake_tcp_reset(up, TCP_ERR_RESET);
		break;
	case GO_SILENT:
		break;
	default:
		bed_pass(bed, 5 * MS);
		if (!up->is_live)
			break; /* the answer was all there already */
		fake_tcp_say_bytes(up, answer->p + at, answer->n - at);
		if (answer->ends_by_close)
			fake_tcp_fin(up);
	}
	bed_run(bed);
}

/* Whether the answer is whole once so much of it is there and this happened. */
static int answer_is_whole(const struct text *request, const struct text *answer, uint32_t at,
			   enum event event)
{
	if (event == GO_SLOW)
		return 1;
	if (at >= answer->head_n && (request->is_head || answer->n == answer->head_n))
		return 1;
	if (answer->ends_by_close)
		return at >= answer->head_n && event == GO_FIN;
	return at == answer->n;
}

#define check(condition)                                                                       \
	do {                                                                                   \
		if (!(condition))                                                              \
			fail_msg("%s; %s; request %u, answer %u, event %u, policy %u, used %d, " \
				 "offset %u: heard %s",                                        \
				 #condition, "see above", r, a, event, policy, is_used, at, text); \
	} while (0)

static void one_answer_case(uint32_t r, uint32_t a, enum event event, enum policy policy,
			    int is_used, uint32_t at)
{
	const struct text *request = &requests[r], *answer = &answers[a];
	int is_whole = answer_is_whole(request, answer, at, event);
	int is_interim = strncmp(answer->p, HINTS, sizeof(HINTS) - 1) == 0 &&
			 at >= sizeof(HINTS) - 1;
	int is_unseen = is_used && at == 0 && event == GO_RESET;
	struct tcp_conn *caller, *up;
	uint32_t seen, tries;
	struct heard h;
	const char *text;
	int is_again;

	bed_for(policy);
	caller = bed_caller(bed);
	up = open_case(is_used, caller, &seen);
	fake_tcp_say_bytes(caller, request->p, request->n);
	bed_run(bed);
	if (!is_used)
		up = newest(&seen);
	if (at > 0)
		fake_tcp_say_bytes(up, answer->p, at);
	bed_run(bed);
	happen(up, event, answer, at);
	tries = serve_again(up, &seen);
	text = fake_tcp_heard(caller);
	h = take_apart(text, request->is_head);

	/* Nothing that reached the caller is taken back: an interim answer ends the retries too. */
	is_again = is_unseen || (policy == RETRY_RESETS && !is_whole && at < answer->head_n &&
				 !is_interim);
	check(tries == 1u + (uint32_t)is_again);
	check(h.finals == 1);
	check(h.surplus == 0);
	check(records() == 1);
	if (is_whole) {
		check(h.is_whole && h.is_first && h.status == (uint32_t)atoi(answer->p +
			(is_interim || strncmp(answer->p, HINTS, sizeof(HINTS) - 1) == 0
				 ? sizeof(HINTS) - 1 : 0) + 9));
	} else if (is_again) {
		check(h.is_whole && h.is_second && h.status == 200);
	} else if (at >= answer->head_n) {
		check(!h.is_whole && h.is_first && h.status == 200);
		check(caller->is_closed || !caller->is_live);
	} else {
		check(h.is_whole && h.status == (event == GO_SILENT ? 504u : 503u));
	}
	close_case(caller);
}

static void backend_goes_behind_every_byte_of_its_answer(void **state)
{
	for (uint32_t r = 0; r < HD_ARRAY_SIZE(requests); r++)
		for (uint32_t a = 0; a < HD_ARRAY_SIZE(answers); a++)
			for (enum event e = 0; e < GO_N; e++)
				for (enum policy p = 0; p < RETRY_N; p++)
					for (int used = 0; used < 2; used++)
						for (uint32_t at = 0; at <= answers[a].n; at++)
							one_answer_case(r, a, e, p, used, at);
}

/* The backend acknowledged so much of the request, and resets without an answer. */
static void one_acknowledged_case(uint32_t r, enum policy policy, int is_used, uint32_t at)
{
	const uint32_t a = 0;
	const enum event event = GO_RESET;
	struct tcp_conn *caller, *up;
	uint64_t before;
	uint32_t seen, tries;
	const char *text;
	struct heard h;
	int is_again = policy == RETRY_RESETS || (is_used && at == 0);

	bed_for(policy);
	caller = bed_caller(bed);
	up = open_case(is_used, caller, &seen);
	before = up != NULL ? up->acked : 0;
	fake_tcp_say_bytes(caller, requests[r].p, requests[r].n);
	bed_run(bed);
	if (!is_used)
		up = newest(&seen);
	up->acked = before + at;
	fake_tcp_reset(up, TCP_ERR_RESET);
	bed_run(bed);
	tries = serve_again(up, &seen);
	text = fake_tcp_heard(caller);
	h = take_apart(text, requests[r].is_head);
	check(tries == 1u + (uint32_t)is_again);
	check(h.finals == 1 && h.is_whole && h.surplus == 0 && records() == 1);
	check(h.status == (is_again ? 200u : 503u));
	close_case(caller);
}

static void backend_resets_behind_every_byte_that_it_acknowledged(void **state)
{
	for (uint32_t r = 0; r < HD_ARRAY_SIZE(requests); r++)
		for (enum policy p = 0; p < RETRY_N; p++)
			for (int used = 0; used < 2; used++)
				for (uint32_t at = 0; at <= requests[r].n; at++)
					one_acknowledged_case(r, p, used, at);
}

/* The caller sent so much, the backend goes, the caller sends the rest. */
static void one_request_case(uint32_t r, enum event event, enum policy policy, int is_used,
			     uint32_t at)
{
	const uint32_t a = 0;
	struct tcp_conn *caller, *up, *first;
	uint32_t seen, before, tries;
	const char *text;
	struct heard h;

	bed_for(policy);
	caller = bed_caller(bed);
	first = open_case(is_used, caller, &seen);
	before = seen;
	if (at > 0)
		fake_tcp_say_bytes(caller, requests[r].p, at);
	bed_run(bed);
	up = is_used ? first : newest(&seen);
	if (up != NULL && event == GO_FIN)
		fake_tcp_fin(up);
	else if (up != NULL)
		fake_tcp_reset(up, TCP_ERR_RESET);
	bed_run(bed);
	if (up != NULL)
		fake_tcp_ack(up);
	bed_run(bed);
	if (caller->is_live && !caller->is_closed)
		fake_tcp_say_bytes(caller, requests[r].p + at, requests[r].n - at);
	bed_run(bed);
	if (up == NULL) {
		up = newest(&seen);
		assert_non_null(up);
		tries = tries_in(fake_tcp_heard(up));
		fake_tcp_say(up, second);
		tries += serve_again(up, &seen);
	} else {
		tries = serve_again(up, &seen);
	}
	text = fake_tcp_heard(caller);
	h = take_apart(text, requests[r].is_head);
	check(h.finals == 1 && h.is_whole && h.surplus == 0);
	check(records() == 1);
	/* A try more only where policy asks for it, or the connection was a used one. */
	check(tries <= 1u + (policy == RETRY_RESETS || is_used));
	check(h.status == 200 || h.status == 503);
	check(seen - before <= 2);
	close_case(caller);
}

static void backend_goes_behind_every_byte_of_the_request(void **state)
{
	for (uint32_t r = 0; r < HD_ARRAY_SIZE(requests); r++)
		for (enum event e = GO_FIN; e <= GO_RESET; e++)
			for (enum policy p = 0; p < RETRY_N; p++)
				for (int used = 0; used < 2; used++)
					for (uint32_t at = 0; at <= requests[r].n; at++)
						one_request_case(r, e, p, used, at);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, bed_leave)
	const struct CMUnitTest tests[] = {
		T(backend_goes_behind_every_byte_of_its_answer),
		T(backend_resets_behind_every_byte_that_it_acknowledged),
		T(backend_goes_behind_every_byte_of_the_request),
	};
#undef T

	if (bed_eal("unit-proxy-offset") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
