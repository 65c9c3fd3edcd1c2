/* SPDX-License-Identifier: Apache-2.0 */
#include "source_names.h"

#include <ares.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRY_MS 2000
#define TRIES 3
/* Lifetimes below this are not believed (Envoy's dns_min_refresh_rate). */
#define SOONEST HD_NS_PER_S
#define EVENTS 16
#define RESOLV_CONF "/etc/resolv.conf"

struct row {
	struct source_names *owner;
	struct row *gone_next; /* of those that nobody wants and whose answer is awaited */
	char *text;
	struct hd_ip ips[SOURCE_NAME_ADDRESSES], first;
	uint32_t n;
	uint8_t is_first_only, is_wanted, is_asked, is_answered;
	uint32_t failures;
	const char *error; /* static */
	hd_ns asks_at, failed_at;
};

struct source_names {
	ares_channel channel;
	char *servers;
	int epoll_fd;
	struct stat resolv;
	struct row **rows;
	uint32_t n, capacity, in_flight;
	struct row *gone;
	hd_ns refresh, now;
	int changed;
	struct source_names_stats stats;
};

static void row_free(struct row *r)
{
	free(r->text);
	free(r);
}

static int ip_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct hd_ip));
}

static uint32_t ips_take(const struct ares_addrinfo *answer, int family, struct hd_ip *out,
			 int *least_ttl)
{
	uint32_t n = 0;

	for (const struct ares_addrinfo_node *a = answer->nodes;
	     a != NULL && n < SOURCE_NAME_ADDRESSES; a = a->ai_next) {
		if (a->ai_family != family)
			continue;
		if (family == AF_INET)
			out[n++] = hd_ip_from_v4(
				((const struct sockaddr_in *)a->ai_addr)->sin_addr.s_addr);
		else
			memcpy(&out[n++], &((const struct sockaddr_in6 *)a->ai_addr)->sin6_addr,
			       sizeof(*out));
		if (*least_ttl < 0 || a->ai_ttl < *least_ttl)
			*least_ttl = a->ai_ttl;
	}
	return n;
}

/* What came is in ips, its first in first. True: it is another answer than before. */
static int row_update(struct row *r, struct hd_ip *ips, uint32_t n)
{
	struct hd_ip first = ips[0];
	uint32_t kept = 1;
	int changed;

	qsort(ips, n, sizeof(*ips), ip_order);
	for (uint32_t i = 1; i < n; i++)
		if (!hd_ip_eq(&ips[i], &ips[kept - 1]))
			ips[kept++] = ips[i];
	changed = kept != r->n || memcmp(ips, r->ips, kept * sizeof(*ips)) != 0 ||
		  (r->is_first_only && !hd_ip_eq(&first, &r->first));
	memcpy(r->ips, ips, kept * sizeof(*ips));
	r->n = kept;
	r->first = first;
	return changed;
}

/* Sooner at first, so that a name that comes up late is not missed for long. */
static hd_ns failure_pause(const struct source_names *s, const struct row *r)
{
	uint32_t shift = r->failures < 16 ? r->failures - 1 : 15;
	hd_ns pause = SOONEST << shift;

	return pause < s->refresh ? pause : s->refresh;
}

static void row_failed(struct source_names *s, struct row *r, const char *error)
{
	s->stats.failures++;
	r->failures++;
	r->error = error;
	r->failed_at = s->now;
	r->asks_at = s->now + failure_pause(s, r);
}

static void row_answered(struct source_names *s, struct row *r, const struct ares_addrinfo *answer)
{
	struct hd_ip ips[SOURCE_NAME_ADDRESSES];
	int ttl = -1;
	uint32_t n = ips_take(answer, AF_INET, ips, &ttl);
	hd_ns lives;

	if (n == 0)
		n = ips_take(answer, AF_INET6, ips, &ttl);
	if (n == 0) {
		row_failed(s, r, "no address in the answer");
		return;
	}
	if (row_update(r, ips, n)) {
		s->changed = 1;
		s->stats.changes++;
	}
	lives = ttl > 0 ? (hd_ns)ttl * HD_NS_PER_S : s->refresh;
	r->failures = 0;
	r->error = "";
	r->asks_at = s->now + (lives > SOONEST ? lives : SOONEST);
}

static void gone_remove(struct source_names *s, struct row *r)
{
	struct row **at = &s->gone;

	while (*at != r)
		at = &(*at)->gone_next;
	*at = r->gone_next;
	row_free(r);
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *answer)
{
	struct row *r = arg;
	struct source_names *s = r->owner;

	s->in_flight--;
	r->is_asked = 0;
	if (!r->is_wanted) {
		gone_remove(s, r);
	} else {
		r->is_answered = 1;
		if (status == ARES_SUCCESS)
			row_answered(s, r, answer);
		else
			row_failed(s, r, ares_strerror(status));
	}
	if (answer != NULL)
		ares_freeaddrinfo(answer);
}

static void row_ask(struct source_names *s, struct row *r)
{
	/* Sorting would open sockets; the order that the server gave is what counts. */
	const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC,
						   .ai_socktype = SOCK_STREAM,
						   .ai_flags = ARES_AI_NOSORT };

	r->is_asked = 1;
	r->asks_at = HD_NS_NEVER;
	s->in_flight++;
	s->stats.queries++;
	ares_getaddrinfo(s->channel, r->text, NULL, &hints, on_answer, r);
}

static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	const struct source_names *s = arg;
	struct epoll_event ev = { .events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u),
				  .data.fd = fd };

	if (!readable && !writable)
		epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, fd, &ev) != 0)
		epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static int channel_open(struct source_names *s)
{
	struct ares_options options = { .timeout = TRY_MS,
					.tries = TRIES,
					.sock_state_cb = on_socket,
					.sock_state_cb_data = s };
	int rc = ares_init_options(&s->channel, &options,
				   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);

	if (rc != ARES_SUCCESS)
		return rc == ARES_ENOMEM ? -ENOMEM : -EIO;
	if (s->servers != NULL &&
	    ares_set_servers_ports_csv(s->channel, s->servers) != ARES_SUCCESS) {
		ares_destroy(s->channel);
		return -EINVAL;
	}
	return 0;
}

/* The resolver's file is read once by a channel: another one is opened when it is another file.
 * Only while nothing is under way, which a channel's end would fail. */
static void channel_renew(struct source_names *s)
{
	ares_channel before = s->channel;
	struct stat st;

	if (s->servers != NULL || s->in_flight > 0 || stat(RESOLV_CONF, &st) != 0 ||
	    (st.st_ino == s->resolv.st_ino && st.st_mtim.tv_sec == s->resolv.st_mtim.tv_sec &&
	     st.st_mtim.tv_nsec == s->resolv.st_mtim.tv_nsec))
		return;
	s->resolv = st;
	if (channel_open(s) == 0)
		ares_destroy(before);
	else
		s->channel = before;
}

int source_names_create(const char *servers, struct source_names **out)
{
	struct source_names *s = calloc(1, sizeof(*s));
	int rc = -ENOMEM;

	if (s == NULL)
		return -ENOMEM;
	s->epoll_fd = -1;
	if (servers != NULL && (s->servers = strdup(servers)) == NULL)
		goto free_all;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		goto free_all;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	rc = s->epoll_fd < 0 ? -errno : 0;
	(void)stat(RESOLV_CONF, &s->resolv);
	if (rc == 0)
		rc = channel_open(s);
	if (rc != 0)
		goto cleanup_library;
	*out = s;
	return 0;

cleanup_library:
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	ares_library_cleanup();
free_all:
	free(s->servers);
	free(s);
	return rc;
}

void source_names_destroy(struct source_names *s)
{
	if (s == NULL)
		return;
	ares_destroy(s->channel); /* answers what is under way */
	for (uint32_t i = 0; i < s->n; i++)
		row_free(s->rows[i]);
	free(s->rows);
	close(s->epoll_fd);
	ares_library_cleanup();
	free(s->servers);
	free(s);
}

static int row_compare(struct hd_str name, const struct row *r)
{
	size_t n = strlen(r->text), least = name.n < n ? name.n : n;
	int c = least > 0 ? memcmp(name.p, r->text, least) : 0;

	return c != 0 ? c : (name.n > n) - (name.n < n);
}

/* Where the name is, or where it would have to be. */
static uint32_t row_find(const struct source_names *s, struct hd_str name, int *found)
{
	uint32_t low = 0, high = s->n;

	*found = 0;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int c = row_compare(name, s->rows[mid]);

		if (c == 0) {
			*found = 1;
			return mid;
		}
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static struct row *row_add(struct source_names *s, uint32_t at, struct hd_str name, hd_ns now)
{
	struct row *r = calloc(1, sizeof(*r));

	if (s->n == s->capacity) {
		uint32_t capacity = s->capacity != 0 ? s->capacity * 2 : 16;
		struct row **rows = realloc(s->rows, capacity * sizeof(struct row *));

		if (rows != NULL) {
			s->rows = rows;
			s->capacity = capacity;
		}
	}
	if (r != NULL)
		r->text = strndup(name.p, name.n);
	if (r == NULL || r->text == NULL || s->n == s->capacity) {
		if (r != NULL)
			row_free(r);
		return NULL;
	}
	r->owner = s;
	r->error = "";
	r->asks_at = now;
	memmove(s->rows + at + 1, s->rows + at, (s->n - at) * sizeof(struct row *));
	s->rows[at] = r;
	s->n++;
	return r;
}

static void rows_sweep(struct source_names *s)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		struct row *r = s->rows[i];

		if (r->is_wanted) {
			s->rows[kept++] = r;
		} else if (r->is_asked) {
			r->gone_next = s->gone;
			s->gone = r;
		} else {
			row_free(r);
		}
	}
	s->n = kept;
}

int source_names_want(struct source_names *s, const struct source_want *wants, uint32_t n,
		      hd_ns refresh, hd_ns now)
{
	int rc = 0;

	s->refresh = refresh > SOONEST ? refresh : SOONEST;
	for (uint32_t i = 0; i < s->n; i++)
		s->rows[i]->is_wanted = s->rows[i]->is_first_only = 0;
	for (uint32_t i = 0; i < n; i++) {
		int found;
		uint32_t at = row_find(s, wants[i].name, &found);
		struct row *r = found ? s->rows[at] : NULL;

		if (r == NULL && s->n >= SOURCE_NAMES_MOST) {
			s->stats.left_out++;
			continue;
		}
		if (r == NULL)
			r = row_add(s, at, wants[i].name, now);
		if (r == NULL) {
			rc = -ENOMEM;
			continue;
		}
		r->is_wanted = 1;
		r->is_first_only |= wants[i].is_first_only;
	}
	rows_sweep(s);
	return rc;
}

int source_names_fd(const struct source_names *s)
{
	return s->epoll_fd;
}

static void sockets_run(struct source_names *s)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(s->epoll_fd, events, EVENTS, 0);

	for (int i = 0; i < n; i++) {
		int fd = events[i].data.fd;
		uint32_t what = events[i].events;

		ares_process_fd(s->channel,
				what & (EPOLLIN | EPOLLERR | EPOLLHUP) ? fd : ARES_SOCKET_BAD,
				what & EPOLLOUT ? fd : ARES_SOCKET_BAD);
	}
	if (s->in_flight > 0)
		ares_process_fd(s->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

int source_names_run(struct source_names *s, hd_ns now)
{
	int changed;

	s->now = now;
	sockets_run(s);
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->rows[i]->asks_at > now)
			continue;
		channel_renew(s);
		row_ask(s, s->rows[i]);
	}
	changed = s->changed;
	s->changed = 0;
	return changed;
}

uint32_t source_names_unanswered(const struct source_names *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n; i++)
		n += !s->rows[i]->is_answered;
	return n;
}

int source_names_at(const struct source_names *s, uint32_t i, struct source_name *out)
{
	const struct row *r = i < s->n ? s->rows[i] : NULL;

	if (r == NULL)
		return 0;
	*out = (struct source_name){ .name = r->text,
				     .ips = r->ips,
				     .n = r->n,
				     .first = r->first,
				     .asks_at = r->asks_at,
				     .failures = r->failures,
				     .failed_at = r->failed_at,
				     .error = r->error,
				     .is_answered = r->is_answered };
	return 1;
}

int source_names_find(const struct source_names *s, struct hd_str name, struct source_name *out)
{
	int found;
	uint32_t at = row_find(s, name, &found);

	return found ? source_names_at(s, at, out) : 0;
}

void source_names_stats(const struct source_names *s, struct source_names_stats *out)
{
	*out = s->stats;
}
