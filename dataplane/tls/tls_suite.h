/* SPDX-License-Identifier: Apache-2.0 */
/* The cipher suites that records can have: ECDHE with an AEAD, nothing else. */
#ifndef TLS_SUITE_H
#define TLS_SUITE_H

#include <heddle/base.h>

#include "tls_aead.h"
#include "tls_schedule.h"

struct tls_suite {
	uint16_t number; /* IANA's */
	uint16_t version;
	uint8_t cipher;	 /* tls_cipher */
	uint8_t hash;	 /* tls_hash */
	uint8_t key_bytes;
	uint8_t fixed_iv_bytes; /* 1.2: what the key block gives */
	uint8_t explicit_bytes; /* of nonce before each record */
	const char *name;
};

/* NULL: unknown. */
const struct tls_suite *tls_suite_find(uint16_t number);
/* By place in the table, which tls_suite_index gives: what a connection keeps. */
const struct tls_suite *tls_suite_at(uint8_t index);
uint8_t tls_suite_index(const struct tls_suite *s);

#endif
