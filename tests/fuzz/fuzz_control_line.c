/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the control socket: any bytes give one reply line, or a job. */
#include <stdlib.h>
#include <string.h>

#include <heddle/log.h>

#include "fake_host.h"
#include "sock_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void hd_log(enum hd_log_level level, const char *area, const char *format, ...)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fake_host *h;
	struct sock_job *job;
	char *reply;
	int done;

	if (h == NULL)
		h = fake_host_create(1);
	/* The daemon's own files are not for a fuzzer. */
	if (memmem(data, size, "paths", 5) != NULL || memchr(data, '\\', size) != NULL)
		return 0;
	reply = sock_line_run(&h->host, (const char *)data, size, &job);
	if (job != NULL) {
		free(sock_job_poll(job, 1, &done));
		fake_dp_turn(h->dp, 0, 2);
		reply = done ? NULL : sock_job_poll(job, 2, &done);
		if (!done)
			sock_job_drop(job);
		free(reply);
		return 0;
	}
	if (reply == NULL || strchr(reply, '\n') != reply + strlen(reply) - 1)
		abort();
	free(reply);
	return 0;
}
