/* SPDX-License-Identifier: Apache-2.0 */
#include "http_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	http_check_request(data, size);
	if (size > 0)
		http_check_path(data, size);
	return 0;
}
