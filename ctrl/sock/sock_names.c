/* SPDX-License-Identifier: Apache-2.0 */
/* Names that ServiceEntries want the addresses of: `show names`, and what is wrong with them. */
#include <errno.h>

#include "sock_command.h"

static void row_put(json_t *out, const struct sock_name *n)
{
	json_t *row = sock_row(out), *addresses = json_array();
	char text[HD_ADDR_STRLEN];

	for (uint32_t i = 0; i < n->n; i++)
		json_array_append_new(addresses, json_string(hd_ip_format(&n->ips[i], text)));
	sock_put_text(row, "name", n->name);
	sock_put(row, "addresses", addresses);
	sock_put_number(row, "asks_in_ms", n->asks_in / HD_NS_PER_MS);
	sock_put_number(row, "failures", n->failures);
	if (n->error[0] != '\0')
		sock_put_text(row, "error", n->error);
	else
		sock_put(row, "error", json_null());
}

int sock_show_names(struct sock_request *rq)
{
	struct sock_name n;

	if (sock_args_allow(rq, NULL) != 0)
		return -EINVAL;
	rq->result = json_array();
	for (uint32_t i = 0; rq->host->name(rq->host->arg, i, &n); i++)
		row_put(rq->result, &n);
	return 0;
}

void sock_problems_names(const struct sock_host *h,
			 void (*say)(json_t *out, const char *format, ...), json_t *out)
{
	struct sock_name n;

	for (uint32_t i = 0; h->name(h->arg, i, &n); i++)
		if (n.failures > 0)
			say(out, "%s is not told by DNS since %u questions (%s)%s", n.name, n.failures,
			    n.error, n.n > 0 ? "; its former addresses stay" : "; it has no address");
}
