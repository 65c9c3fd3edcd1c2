/* SPDX-License-Identifier: Apache-2.0 */
/* Names asked of a server that runs in the test, between two looks at what came. */
#include "ctrl_test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "source_names.h"

#define S HD_NS_PER_S
#define A 1
#define AAAA 28
#define NO_SUCH_NAME 3
#define ROUNDS 400

struct world {
	struct source_names *names;
	int fd;
	const char *addresses[4]; /* of every name, in the order told */
	uint32_t ttl;
	int refuses; /* with NO_SUCH_NAME */
	uint32_t asked;
	hd_ns now;
};

static uint32_t put16(uint8_t *p, uint32_t at, uint32_t v)
{
	p[at] = (uint8_t)(v >> 8);
	p[at + 1] = (uint8_t)v;
	return at + 2;
}

static uint32_t record_put(const struct world *w, uint8_t *p, uint32_t at, const char *address,
			   int type)
{
	uint8_t ip[16];
	int n = type == A ? 4 : 16;

	if (inet_pton(type == A ? AF_INET : AF_INET6, address, ip) != 1)
		return at;
	at = put16(p, at, 0xc00c); /* the question's name */
	at = put16(p, at, (uint32_t)type);
	at = put16(p, at, 1);
	at = put16(p, at, w->ttl >> 16);
	at = put16(p, at, w->ttl & 0xffff);
	at = put16(p, at, (uint32_t)n);
	memcpy(p + at, ip, (size_t)n);
	p[7]++;
	return at + (uint32_t)n;
}

/* Answers one question (RFC 1035, 4.1). */
static void serve_one(struct world *w)
{
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	uint8_t p[512];
	ssize_t n = recvfrom(w->fd, p, sizeof(p), MSG_DONTWAIT, (struct sockaddr *)&from, &size);
	uint32_t at = 12;
	int type;

	if (n < 17)
		return;
	while (p[at] != 0)
		at += p[at] + 1u;
	type = p[at + 1] << 8 | p[at + 2];
	at += 5;
	w->asked += type == A;
	put16(p, 2, 0x8180 | (w->refuses ? NO_SUCH_NAME : 0));
	put16(p, 6, 0);
	put16(p, 8, 0);
	put16(p, 10, 0);
	for (uint32_t i = 0; !w->refuses && i < 4 && w->addresses[i] != NULL; i++)
		at = record_put(w, p, at, w->addresses[i], type);
	sendto(w->fd, p, at, 0, (struct sockaddr *)&from, size);
}

static int world_setup(void **state)
{
	static struct world w;
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	char servers[32];

	w = (struct world){ .fd = socket(AF_INET, SOCK_DGRAM, 0), .ttl = 60, .now = S };
	assert_int_equal(bind(w.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(w.fd, (struct sockaddr *)&at, &size), 0);
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", ntohs(at.sin_port));
	assert_int_equal(source_names_create(servers, &w.names), 0);
	*state = &w;
	return 0;
}

static int world_teardown(void **state)
{
	struct world *w = *state;

	source_names_destroy(w->names);
	close(w->fd);
	return 0;
}

static struct source_name name_of(const struct world *w, const char *text)
{
	struct source_name out = { 0 };

	assert_true(source_names_find(w->names, (struct hd_str){ text, (uint32_t)strlen(text) },
				      &out));
	return out;
}

static int awaits(const struct world *w)
{
	struct source_name out;

	for (uint32_t i = 0; source_names_at(w->names, i, &out); i++)
		if (out.asks_at == HD_NS_NEVER)
			return 1;
	return 0;
}

/* Until nothing is awaited. True: something changed. */
static int settle(struct world *w)
{
	int changed = source_names_run(w->names, w->now);

	for (int i = 0; i < ROUNDS && awaits(w); i++) {
		struct pollfd fds[] = { { w->fd, POLLIN, 0 },
					{ source_names_fd(w->names), POLLIN, 0 } };

		poll(fds, 2, 10);
		serve_one(w);
		changed |= source_names_run(w->names, w->now);
	}
	assert_false(awaits(w));
	return changed;
}

static void want(struct world *w, const char *a, const char *b, int is_first_only)
{
	const struct source_want wants[] = {
		{ { a, a != NULL ? (uint32_t)strlen(a) : 0 }, (uint8_t)is_first_only },
		{ { b, b != NULL ? (uint32_t)strlen(b) : 0 }, 0 },
	};

	assert_int_equal(source_names_want(w->names, wants, (a != NULL) + (b != NULL), 60 * S,
					   w->now),
			 0);
}

static void assert_ip(struct hd_ip ip, const char *text)
{
	char out[HD_ADDR_STRLEN];

	assert_string_equal(hd_ip_format(&ip, out), text);
}

static void all_addresses_of_an_answer_are_known_in_order(void **state)
{
	struct world *w = *state;
	struct source_name n;

	w->addresses[0] = "10.0.0.9";
	w->addresses[1] = "10.0.0.2";
	w->addresses[2] = "fd00::1";
	want(w, "a.test", NULL, 0);
	assert_int_equal(source_names_unanswered(w->names), 1);
	assert_true(settle(w));
	n = name_of(w, "a.test");
	assert_int_equal(n.n, 2); /* IPv4, when there is any */
	assert_ip(n.ips[0], "10.0.0.2");
	assert_ip(n.first, "10.0.0.9");
	assert_int_equal(source_names_unanswered(w->names), 0);
}

static void without_ipv4_it_is_ipv6(void **state)
{
	struct world *w = *state;

	w->addresses[0] = "fd00::1";
	want(w, "a.test", NULL, 0);
	assert_true(settle(w));
	assert_ip(name_of(w, "a.test").first, "fd00::1");
}

static void a_name_is_asked_again_when_its_lifetime_ends(void **state)
{
	struct world *w = *state;

	w->addresses[0] = "10.0.0.1";
	w->ttl = 5;
	want(w, "a.test", NULL, 0);
	settle(w);
	assert_int_equal(name_of(w, "a.test").asks_at, w->now + 5 * S);
	w->now += 4 * S;
	assert_false(settle(w));
	assert_int_equal(w->asked, 1);
	w->addresses[0] = "10.0.0.2";
	w->now += S;
	assert_true(settle(w));
	assert_int_equal(w->asked, 2);
	assert_ip(name_of(w, "a.test").first, "10.0.0.2");
}

static void no_lifetime_means_the_refresh_rate(void **state)
{
	struct world *w = *state;

	w->addresses[0] = "10.0.0.1";
	w->ttl = 0;
	want(w, "a.test", NULL, 0);
	settle(w);
	assert_int_equal(name_of(w, "a.test").asks_at, w->now + 60 * S);
}

static void failures_keep_what_was_known_and_are_counted(void **state)
{
	struct world *w = *state;
	struct source_names_stats st;
	struct source_name n;

	w->addresses[0] = "10.0.0.1";
	want(w, "a.test", NULL, 0);
	settle(w);
	w->refuses = 1;
	for (uint32_t i = 1; i <= 8; i++) {
		w->now = name_of(w, "a.test").asks_at;
		assert_false(settle(w));
		n = name_of(w, "a.test");
		assert_int_equal(n.failures, i);
		/* 1, 2, 4 … seconds, up to the refresh rate. */
		assert_int_equal(n.asks_at - w->now, (i < 7 ? 1u << (i - 1) : 60) * S);
	}
	assert_int_equal(n.n, 1);
	assert_ip(n.first, "10.0.0.1");
	assert_string_not_equal(n.error, "");
	source_names_stats(w->names, &st);
	assert_int_equal(st.failures, 8);
	assert_int_equal(st.changes, 1);
	w->refuses = 0;
	w->now = n.asks_at;
	settle(w);
	assert_int_equal(name_of(w, "a.test").failures, 0);
}

static void another_order_is_a_change_only_where_the_first_counts(void **state)
{
	struct world *w = *state;

	w->addresses[0] = "10.0.0.1";
	w->addresses[1] = "10.0.0.2";
	want(w, "a.test", NULL, 0);
	settle(w);
	w->addresses[0] = "10.0.0.2";
	w->addresses[1] = "10.0.0.1";
	w->now += 60 * S;
	assert_false(settle(w));
	want(w, "a.test", NULL, 1);
	w->addresses[0] = "10.0.0.1";
	w->addresses[1] = "10.0.0.2";
	w->now += 60 * S;
	assert_true(settle(w));
	assert_ip(name_of(w, "a.test").first, "10.0.0.1");
}

static void names_come_and_go(void **state)
{
	struct world *w = *state;
	struct source_name out;

	w->addresses[0] = "10.0.0.1";
	want(w, "b.test", "a.test", 0);
	settle(w);
	assert_true(source_names_at(w->names, 1, &out));
	assert_string_equal(out.name, "b.test");
	want(w, "b.test", "c.test", 0); /* the first answer stays, c.test is asked for */
	assert_int_equal(name_of(w, "b.test").n, 1);
	assert_int_equal(source_names_unanswered(w->names), 1);
	assert_true(settle(w));
	assert_int_equal(w->asked, 3);
	want(w, NULL, NULL, 0);
	assert_false(source_names_at(w->names, 0, &out));
}

static void a_name_may_go_while_its_answer_is_awaited(void **state)
{
	struct world *w = *state;

	w->addresses[0] = "10.0.0.1";
	want(w, "a.test", NULL, 0);
	source_names_run(w->names, w->now);
	want(w, NULL, NULL, 0);
	for (int i = 0; i < 20; i++) {
		struct pollfd fd = { w->fd, POLLIN, 0 };

		poll(&fd, 1, 5);
		serve_one(w);
		assert_false(source_names_run(w->names, w->now));
	}
	want(w, "a.test", NULL, 0);
	source_names_run(w->names, w->now);
	want(w, NULL, NULL, 0); /* and to the end: nothing is lost */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		T(all_addresses_of_an_answer_are_known_in_order),
		T(without_ipv4_it_is_ipv6),
		T(a_name_is_asked_again_when_its_lifetime_ends),
		T(no_lifetime_means_the_refresh_rate),
		T(failures_keep_what_was_known_and_are_counted),
		T(another_order_is_a_change_only_where_the_first_counts),
		T(names_come_and_go),
		T(a_name_may_go_while_its_answer_is_awaited),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
