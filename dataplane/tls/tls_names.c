/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a certificate names, and whether that is who is wanted. */
#include <arpa/inet.h>
#include <strings.h>

#include <openssl/x509v3.h>

#include "tls_slow.h"

static struct hd_str ia5(const ASN1_STRING *s)
{
	return (struct hd_str){ (const char *)ASN1_STRING_get0_data(s),
				(uint32_t)ASN1_STRING_length(s) };
}

static uint16_t judge_uri(struct hd_str uri, struct hd_str *trust_domain, struct hd_str *path)
{
	return tls_spiffe_parse(uri, trust_domain, path) ? 0 : HD_TLS_ID_MALFORMED;
}

/* X509-SVID 2: exactly one URI. The names live in a copy that OpenSSL makes; what is found is
 * looked up in the certificate's own encoding, which lives as long as the certificate. */
static struct hd_str within(X509 *leaf, struct hd_str name)
{
	int at = X509_get_ext_by_NID(leaf, NID_subject_alt_name, -1);
	struct hd_str der = at >= 0 ? ia5(X509_EXTENSION_get_data(X509_get_ext(leaf, at)))
				    : (struct hd_str){ NULL, 0 };
	const char *p = der.n > 0 && name.n > 0 ? memmem(der.p, der.n, name.p, name.n) : NULL;

	return (struct hd_str){ p, p != NULL ? name.n : 0 };
}

uint16_t tls_names_spiffe(X509 *leaf, struct hd_str *trust_domain, struct hd_str *path)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	struct hd_str uri = { NULL, 0 };
	uint32_t n = 0;

	for (int i = 0; all != NULL && i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
		if (g->type != GEN_URI)
			continue;
		uri = within(leaf, ia5(g->d.uniformResourceIdentifier));
		n++;
	}
	GENERAL_NAMES_free(all);
	if (n != 1)
		return n == 0 ? HD_TLS_ID_NONE : HD_TLS_ID_MANY;
	return judge_uri(uri, trust_domain, path);
}

/* "spiffe://domain/path" in a list; a domain may be written as any of its aliases. */
static int is_listed_id(const struct tls_context *c, struct hd_str domain, struct hd_str path)
{
	const struct hd_tls_context *s = &c->settings->c;

	for (uint32_t i = 0; i < s->n_names; i++) {
		struct hd_str d, p;
		if (!tls_spiffe_parse(s->names[i], &d, &p) || !hd_str_eq(p, path))
			continue;
		if (hd_str_eq(d, domain) ||
		    (tls_bundle_is_home(c->bundle, d) && tls_bundle_is_home(c->bundle, domain)))
			return 1;
	}
	return 0;
}

static uint16_t check_spiffe(const struct tls_context *c, X509 *leaf)
{
	struct hd_str domain, path;
	uint16_t why = tls_names_spiffe(leaf, &domain, &path);

	if (why != 0)
		return why;
	if (tls_bundle_find(c->bundle, domain) == NULL)
		return HD_TLS_ID_TRUST_DOMAIN;
	/* X509-SVID 4.1: a workload's certificate signs no others. */
	if (X509_get_extension_flags(leaf) & EXFLAG_CA)
		return HD_TLS_CERT_PURPOSE;
	return c->settings->c.n_names == 0 || is_listed_id(c, domain, path) ? 0 : HD_TLS_ID_NAME;
}

/* RFC 6125 6.4: case does not matter; "*" stands for one whole label at the left, above at least
 * two others. */
static int dns_covers(struct hd_str pattern, struct hd_str name)
{
	const char *dot;

	if (pattern.n == name.n && strncasecmp(pattern.p, name.p, name.n) == 0)
		return 1;
	if (pattern.n < 3 || pattern.p[0] != '*' || pattern.p[1] != '.')
		return 0;
	if (memchr(pattern.p + 2, '.', pattern.n - 2) == NULL)
		return 0;
	dot = memchr(name.p, '.', name.n);
	if (dot == NULL || dot == name.p || (uint32_t)(name.p + name.n - dot) != pattern.n - 1)
		return 0;
	return strncasecmp(dot, pattern.p + 1, pattern.n - 1) == 0;
}

/* An address of a certificate as text. */
static int is_address(const ASN1_OCTET_STRING *a, struct hd_str name)
{
	char buf[INET6_ADDRSTRLEN], wanted[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	int family = ASN1_STRING_length(a) == 4 ? AF_INET : AF_INET6;

	if (name.n >= sizeof(wanted) || (family == AF_INET6 && ASN1_STRING_length(a) != 16))
		return 0;
	memcpy(wanted, name.p, name.n);
	wanted[name.n] = '\0';
	if (inet_pton(family, wanted, bytes) != 1)
		return 0;
	(void)inet_ntop(family, bytes, buf, sizeof(buf));
	return memcmp(bytes, ASN1_STRING_get0_data(a), (size_t)ASN1_STRING_length(a)) == 0;
}

static int name_is(const GENERAL_NAME *g, struct hd_str wanted)
{
	switch (g->type) {
	case GEN_DNS:
		return dns_covers(ia5(g->d.dNSName), wanted);
	case GEN_URI:
		return hd_str_eq(ia5(g->d.uniformResourceIdentifier), wanted);
	case GEN_EMAIL:
		return hd_str_eq(ia5(g->d.rfc822Name), wanted);
	case GEN_IPADD:
		return is_address(g->d.iPAddress, wanted);
	default:
		return 0;
	}
}

static int has_name(X509 *leaf, const struct hd_str *wanted, uint32_t n_wanted)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	int found = 0;

	for (int i = 0; all != NULL && i < sk_GENERAL_NAME_num(all) && !found; i++) {
		for (uint32_t k = 0; k < n_wanted && !found; k++)
			found = name_is(sk_GENERAL_NAME_value(all, i), wanted[k]);
	}
	GENERAL_NAMES_free(all);
	return found;
}

uint16_t tls_names_check(const struct tls_context *c, X509 *leaf, struct hd_str sni)
{
	const struct hd_tls_context *s = &c->settings->c;

	switch (s->names_rule) {
	case HD_TLS_NAMES_ANY:
		return 0;
	case HD_TLS_NAMES_SPIFFE:
		return check_spiffe(c, leaf);
	case HD_TLS_NAMES_LISTED:
		return has_name(leaf, s->names, s->n_names) ? 0 : HD_TLS_ID_NAME;
	case HD_TLS_NAMES_SNI:
		return sni.n > 0 && has_name(leaf, &sni, 1) ? 0 : HD_TLS_ID_NAME;
	}
	return HD_TLS_ID_NAME;
}
