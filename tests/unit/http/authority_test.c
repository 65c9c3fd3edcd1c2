/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "http_test.h"

static const char *const valid[] = {
	"a",
	"a.example",
	"A.EXAMPLE:8080",
	"a.example.",
	"10.1.0.1",
	"10.1.0.1:1",
	"a:65535",
	"[::]",
	"[::1]:80",
	"[1:2:3:4:5:6:7:8]",
	"[1::8]",
	"[fd00:1::1]",
	"[1:2:3:4:5:6:1.2.3.4]",
	"[::ffff:1.2.3.4]",
	"a_b-c~d.e",
	"a!$&'()*+;=",
};

static const char *const invalid[] = {
	"",
	":80",
	"a:",
	"a:0",
	"a:65536",
	"a:99999",
	"a:080000",
	"a:-1",
	"a:8x",
	"a:80:81",
	"u@a",
	"a:80@b",
	"a/x",
	"a?x",
	"a#x",
	"a,b",
	"a b",
	"a\tb",
	"a\x01",
	"a\x7f",
	"a\\b",
	"<a>",
	"a|b",
	"a^b",
	"a\"b",
	"a{b}",
	"a`b",
	"\xe9",
	"a%41",
	"http://a",
	"[",
	"[]",
	"[::1",
	"::1",
	"[::1]x",
	"[::1]:",
	"[zz::]",
	"[1]",
	"[1::2::3]",
	"[:1::]",
	"[1::2:]",
	"[12345::]",
	"[1:2:3:4:5:6:7]",
	"[1:2:3:4:5:6:7:8:9]",
	"[1:2:3:4:5:6:7::8]",
	"[::1%25eth0]",
	"[1.2.3.4]",
	"[::1.2.3]",
	"[::1.2.3.256]",
	"[::1.2.3.4:5]",
	"[:::]",
	"a]",
	"[::1]]",
	"[[::1]]",
};

static void authorities_are_host_and_port(void **state)
{
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(valid); i++) {
		if (!http_authority_is_valid(BYTES(valid[i])))
			fail_msg("\"%s\" was refused", valid[i]);
	}
	for (uint32_t i = 0; i < HD_ARRAY_SIZE(invalid); i++) {
		if (http_authority_is_valid(BYTES(invalid[i])))
			fail_msg("\"%s\" was taken", invalid[i]);
	}
}

static void no_byte_makes_two_authorities_of_one(void **state)
{
	for (uint32_t c = 0; c < 256; c++) {
		uint8_t text[] = {'a', (uint8_t)c, 'b'};
		int taken = http_authority_is_valid(text, 3);
		if (strchr(",@/?#[]\\:% \t\r\n", (int)c) != NULL || c < 0x21 || c > 0x7e)
			assert_false(taken);
	}
}

/* libc is the judge; "::" standing for no group at all is where it is laxer than RFC 3986. */
static void ipv6_literals_are_what_libc_reads(void **state)
{
	static const char alphabet[] = "::::1aF90.";
	uint32_t seed = 1, taken = 0;

	for (uint32_t round = 0; round < 300000; round++) {
		char text[32] = "[";
		struct in6_addr in6;
		uint32_t n = 1;
		uint32_t want = 2 + round % 16;
		while (n <= want) {
			seed = seed * 1664525 + 1013904223;
			text[n++] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		text[n] = '\0';
		int libc = inet_pton(AF_INET6, text + 1, &in6) == 1;
		text[n] = ']';
		int ours = http_authority_is_valid((const uint8_t *)text, n + 1);
		if (ours != libc)
			fail_msg("%.*s: libc says %d", (int)n + 1, text, libc);
		taken += (uint32_t)ours;
	}
	assert_in_range(taken, 100, 300000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(authorities_are_host_and_port),
		cmocka_unit_test(no_byte_makes_two_authorities_of_one),
		cmocka_unit_test(ipv6_literals_are_what_libc_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
