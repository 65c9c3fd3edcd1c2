/* SPDX-License-Identifier: Apache-2.0 */
#include "http_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	http_check_response(data, size);
	return 0;
}
