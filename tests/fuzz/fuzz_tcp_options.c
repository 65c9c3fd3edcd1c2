/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as TCP options: no read past the end, and what was read and written again reads the
 * same. The first byte says whether it is a SYN. */
#include <assert.h>
#include <stdlib.h>

#include "tcp_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tcp_options a, b;
	uint8_t out[TCP_OPTIONS_MAX_BYTES], *copy;
	uint32_t n;

	if (size < 1)
		return 0;
	size = size > 41 ? 41 : size;
	copy = malloc(size); /* of exactly this size, for the sanitizer */
	memcpy(copy, data, size);
	tcp_options_parse(&a, copy + 1, (uint32_t)size - 1, copy[0] & 1);
	n = tcp_options_emit(&a, out);
	assert(n <= TCP_OPTIONS_MAX_BYTES && n % 4 == 0 && n == tcp_options_bytes(&a));
	tcp_options_parse(&b, out, n, copy[0] & 1);
	assert(a.present == b.present && b.n_sack <= a.n_sack);
	assert(!(a.present & TCP_OPTION_TS) || (a.tsval == b.tsval && a.tsecr == b.tsecr));
	assert(!(a.present & TCP_OPTION_MSS) || a.mss == b.mss);
	assert(!(a.present & TCP_OPTION_SCALE) || a.scale == b.scale);
	assert(memcmp(a.sack, b.sack, b.n_sack * sizeof(a.sack[0])) == 0);
	free(copy);
	return 0;
}
