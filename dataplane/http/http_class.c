/* SPDX-License-Identifier: Apache-2.0 */
#include "http_internal.h"

#define T HTTP_C_TOKEN
#define V (HTTP_C_VALUE | HTTP_C_VISIBLE)
#define H HTTP_C_HOST
#define X HTTP_C_HEX

const uint8_t http_class[256] = {
	['\t'] = HTTP_C_VALUE,
	[' '] = HTTP_C_VALUE,
	['!'] = T | V | H,
	['"'] = V,
	['#'] = T | V,
	['$'] = T | V | H,
	['%'] = T | V,
	['&'] = T | V | H,
	['\''] = T | V | H,
	['('] = V | H,
	[')'] = V | H,
	['*'] = T | V | H,
	['+'] = T | V | H,
	[','] = V,
	['-'] = T | V | H,
	['.'] = T | V | H,
	['/'] = V,
	['0' ... '9'] = T | V | H | X,
	[':'] = V,
	[';'] = V | H,
	['<'] = V,
	['='] = V | H,
	['>' ... '@'] = V,
	['A' ... 'F'] = T | V | H | X,
	['G' ... 'Z'] = T | V | H,
	['[' ... ']'] = V,
	['^'] = T | V,
	['_'] = T | V | H,
	['`'] = T | V,
	['a' ... 'f'] = T | V | H | X,
	['g' ... 'z'] = T | V | H,
	['{'] = V,
	['|'] = T | V,
	['}'] = V,
	['~'] = T | V | H,
	[0x80 ... 0xff] = V,
};
