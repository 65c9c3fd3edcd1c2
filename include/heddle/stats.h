/* SPDX-License-Identifier: Apache-2.0 */
/* Counters: every exit has a counted name. Each X-list row is X(symbol, layer, "name", "what it means").
 * Counters only rise; the reader subtracts. Writer: the owning worker. Reader: ctrl, with relaxed loads of whole words. */
#ifndef HEDDLE_STATS_H
#define HEDDLE_STATS_H

#include <heddle/base.h>

/* Frames and datagrams that net throws away. */
#define HD_NET_DROPS(X)													\
	X(NET_RUNT, "ethernet", "runt", "frame shorter than its headers")						\
	X(NET_ETHERTYPE, "ethernet", "unknown_ethertype", "neither IPv4, IPv6 nor ARP")					\
	X(NET_VLAN, "ethernet", "other_vlan", "frame of another VLAN, tagged on a port without one, or tagged twice")	\
	X(NET_OTHER_MAC, "ethernet", "other_mac", "frame for another station")						\
	X(NET_BAD_SMAC, "ethernet", "bad_source_mac", "source is a group address or our own")				\
	X(NET_NO_MBUF, "port", "no_mbuf", "the packet pool is empty")							\
	X(NET_TX_FULL, "port", "tx_full", "the device's transmit ring stayed full")					\
	X(NET_TX_REFUSED, "port", "tx_refused", "the driver cannot send this frame with the offloads it asks for")	\
	X(NET_TX_SIZE, "port", "tx_too_big", "frame for a device that takes no chains does not fit one buffer")		\
	X(NET_IP_HEADER, "ip", "bad_header", "wrong version or header length")						\
	X(NET_IP_TRUNCATED, "ip", "truncated", "the datagram is longer than its frame")					\
	X(NET_IP_CHECKSUM, "ip", "bad_checksum", "IPv4 header checksum")						\
	X(NET_IP_OPTION, "ip", "bad_option", "malformed IPv4 option, or an IPv6 option that asks to be discarded")	\
	X(NET_IP_SOURCE_ROUTE, "ip", "source_route", "IPv4 source route or IPv6 routing header with segments left")	\
	X(NET_IP_FRAGMENT, "ip", "fragment", "a fragment: Heddle does not reassemble")					\
	X(NET_IP_SOURCE, "ip", "bad_source", "a source address that no host may have")					\
	X(NET_IP_LAND, "ip", "own_source", "the source is one of our own addresses")					\
	X(NET_IP_GROUP, "ip", "group_destination", "broadcast or multicast that is not ours to answer")			\
	X(NET_IP_NOT_OURS, "ip", "not_ours", "destination is no address of ours")					\
	X(NET_IP_LEAVING, "ip", "leaving_full", "an address that the policy took away: too many are kept for their connections already")	\
	X(NET_IP_PROTOCOL, "ip", "unknown_protocol", "neither TCP, UDP nor ICMP")					\
	X(NET_IP_CHAIN, "ip", "bad_chain", "IPv6 extension headers out of order, too many or cut off")			\
	X(NET_IP_NO_ROUTE, "ip", "no_route", "no route to the destination")						\
	X(NET_TCP_CHECKSUM, "tcp", "bad_checksum", "TCP checksum")							\
	X(NET_SYN_SHED, "tcp", "syns_shed", "SYNs thrown away unread in a flood, while segments of connections waited behind them")	\
	X(NET_UDP_PORT, "udp", "no_port", "datagram for a UDP port: none is open")					\
	X(NET_ICMP_MALFORMED, "icmp", "malformed", "cut off, or a code that the type does not have")			\
	X(NET_ICMP_CHECKSUM, "icmp", "bad_checksum", "ICMP checksum")							\
	X(NET_ICMP_IGNORED, "icmp", "ignored", "redirect, router advertisement, or a type that hosts do not handle")	\
	X(NET_ICMP_QUOTE, "icmp", "foreign_quote", "an error that quotes no TCP segment of ours")			\
	X(NET_ICMP_RATE, "icmp", "rate_limited", "echo or error not answered: over the rate")				\
	X(NET_ARP_MALFORMED, "arp", "malformed", "not an Ethernet/IPv4 ARP packet, or senseless addresses")		\
	X(NET_ARP_NOT_OURS, "arp", "not_ours", "ARP for somebody else")							\
	X(NET_ARP_CONFLICT, "arp", "conflict", "another station claims an address of ours")				\
	X(NET_ND_MALFORMED, "nd", "malformed", "neighbour discovery that fails RFC 4861 7.1")				\
	X(NET_ND_NOT_OURS, "nd", "not_ours", "neighbour discovery for somebody else")					\
	X(NET_ND_CONFLICT, "nd", "conflict", "another station claims an IPv6 address of ours")				\
	X(NET_ND_DUPLICATE, "nd", "duplicate_address", "an IPv6 address of a port was taken at start and is not used")	\
	X(NET_NEIGH_QUEUE, "neighbor", "queue_full", "more packets than wait while a neighbour resolves")		\
	X(NET_NEIGH_FAILED, "neighbor", "unresolved", "packet for a neighbour that does not answer")			\
	X(NET_NEIGH_EVICTED, "neighbor", "evicted", "packet whose neighbour made room for another")

/* Segments that tcp throws away. */
#define HD_TCP_DROPS(X)													\
	X(TCP_BAD_OFFSET, "tcp", "bad_offset", "data offset below 5 or past the segment")				\
	X(TCP_NO_ROOM, "tcp", "no_room", "a caller's SYN: all of limits.connections but what is kept for backends is in use")	\
	X(TCP_NO_MEMORY, "tcp", "no_connection_memory", "a pool of connections or of their parts is empty")		\
	X(TCP_NO_MBUF, "tcp", "no_mbuf", "no buffer for a segment to send")						\
	X(TCP_NO_ROUTE, "tcp", "no_route", "a SYN from where no route leads back")					\
	X(TCP_NO_CONNECTION, "tcp", "no_connection", "belongs to no connection")					\
	X(TCP_CLOSED_PORT, "tcp", "closed_port", "a SYN for a port that nobody listens on")				\
	X(TCP_BAD_FLAGS, "tcp", "bad_flags", "flags that make no sense together, or no ACK where one must be")		\
	X(TCP_COOKIES_REFUSED, "tcp", "cookies_refused", "an ACK of a cookie that is too old or none of ours")		\
	X(TCP_NO_TIMESTAMP, "tcp", "no_timestamp", "without the timestamp that was agreed on")				\
	X(TCP_PAWS, "tcp", "paws", "a timestamp older than the last one: a segment of the past")			\
	X(TCP_OUT_OF_WINDOW, "tcp", "out_of_window", "sequence numbers wholly outside of the window")			\
	X(TCP_BEYOND_WINDOW, "tcp", "beyond_window", "data cut off at the right edge of the window")			\
	X(TCP_BAD_ACK, "tcp", "bad_ack", "acknowledges what was never sent, or far too old")				\
	X(TCP_RANGES_FULL, "tcp", "out_of_order_full", "data above too many gaps")					\
	X(TCP_SHORT_OF_BUFFERS, "tcp", "short_of_buffers", "data not taken as buffers run out: it comes again")		\
	X(TCP_AFTER_RELEASE, "tcp", "after_release", "data for a connection that was closed here")			\
	X(TCP_ICMP_IGNORED, "tcp", "icmp_ignored", "an ICMP error that fits no segment in flight or changes nothing")

/* Events of tcp that are no drops. */
#define HD_TCP_EVENTS(X)												\
	X(TCP_ACCEPTED, "tcp", "accepted", "connections that callers opened")						\
	X(TCP_CONNECTED, "tcp", "connected", "connections opened to backends")						\
	X(TCP_COOKIES_SENT, "tcp", "cookies_sent", "SYN cookies, while too many handshakes were open")			\
	X(TCP_COOKIES_ACCEPTED, "tcp", "cookies_accepted", "connections opened by a SYN cookie")			\
	X(TCP_ORPHANS_RESET, "tcp", "orphans_reset", "closed connections reset as too many lingered")			\
	X(TCP_RETRANSMITS, "tcp", "retransmits", "segments sent again")							\
	X(TCP_TIMEOUT_RETRANSMITS, "tcp", "retransmission_timeouts", "retransmission timers that fired")		\
	X(TCP_FAST_RECOVERIES, "tcp", "fast_recoveries", "losses found by SACK or duplicate ACKs")			\
	X(TCP_TAIL_PROBES, "tcp", "tail_loss_probes", "probes for the loss of the last segments")			\
	X(TCP_UNDONE, "tcp", "undone_recoveries", "recoveries that turned out needless")				\
	X(TCP_WINDOW_PROBES, "tcp", "window_probes", "probes of a closed window")					\
	X(TCP_NO_BOARD, "tcp", "no_scoreboard", "sending waited: too many connections had data in flight")		\
	X(TCP_TIMEOUTS, "tcp", "timeouts", "connections given up because the peer was silent")				\
	X(TCP_FIN_WAIT_2_EXPIRED, "tcp", "fin_wait_2_expired", "closed connections whose peer never closed")		\
	X(TCP_TIME_WAIT_EVICTED, "tcp", "time_wait_evicted", "waits cut short as all places were taken")		\
	X(TCP_RESETS_SENT, "tcp", "resets_sent", "RST segments sent")							\
	X(TCP_RESETS_RECEIVED, "tcp", "resets_received", "connections reset by the peer")				\
	X(TCP_CHALLENGE_ACKS, "tcp", "challenge_acks", "ACKs in answer to something odd")				\
	X(TCP_CHALLENGE_LIMITED, "tcp", "challenge_limited", "such ACKs withheld by the connection's own limit")	\
	X(TCP_NO_PORTS, "tcp", "no_ports", "no free local port towards a backend")					\
	X(TCP_CE_RECEIVED, "tcp", "congestion_marks", "segments that the network marked (ECN)")				\
	X(TCP_ECN_REDUCED, "tcp", "ecn_reduced", "windows that shrank as the peer reported marks")			\
	X(TCP_BLACK_HOLES, "tcp", "black_holes", "paths on which only small segments seemed to arrive")			\
	X(TCP_MTU_REDUCED, "tcp", "mtu_reduced", "path MTUs that ICMP made smaller")

/* Protocol errors of HTTP/1.1 on either side. */
#define HD_HTTP_ERRORS(X)											\
	X(HTTP_BAD_REQUEST_LINE, "http", "bad_request_line", "the request line is not RFC 9112 3")		\
	X(HTTP_EMPTY_LINES, "http", "empty_lines", "more empty lines before a request than are ignored")	\
	X(HTTP_UNSUPPORTED_VERSION, "http", "unsupported_version", "HTTP of another major version")		\
	X(HTTP_OLD_VERSION, "http", "old_version", "a request of HTTP/1.0")					\
	X(HTTP_UNKNOWN_METHOD, "http", "unknown_method", "a method that no registry lists")			\
	X(HTTP_CONNECT_REFUSED, "http", "connect_refused", "CONNECT: no route offers tunnels")			\
	X(HTTP_BAD_TARGET, "http", "bad_target", "the request target is of no form that the method allows")	\
	X(HTTP_FRAGMENT, "http", "fragment_in_target", "a request target with a fragment")			\
	X(HTTP_NO_HOST, "http", "no_host", "no Host, or an empty one")						\
	X(HTTP_MANY_HOSTS, "http", "many_hosts", "more than one Host")						\
	X(HTTP_BAD_HOST, "http", "bad_host", "Host or authority is not host[:port]")				\
	X(HTTP_HOST_MISMATCH, "http", "host_mismatch", "Host differs from the target's authority")		\
	X(HTTP_BARE_CR, "http", "bare_cr", "CR without LF in a head")						\
	X(HTTP_BARE_LF, "http", "bare_lf", "LF without CR in a head")						\
	X(HTTP_OBS_FOLD, "http", "obs_fold", "a folded or indented field line")					\
	X(HTTP_EMPTY_NAME, "http", "empty_field_name", "a field line that begins with a colon")			\
	X(HTTP_BAD_NAME, "http", "bad_field_name", "a field name that is no token")				\
	X(HTTP_SPACE_BEFORE_COLON, "http", "space_before_colon", "white space between field name and colon")	\
	X(HTTP_BAD_VALUE, "http", "bad_field_value", "a control byte in a field value")				\
	X(HTTP_TARGET_TOO_LONG, "http", "target_too_long", "a request line beyond the limit")			\
	X(HTTP_HEAD_TOO_LONG, "http", "head_too_long", "a head beyond the limit")				\
	X(HTTP_TOO_MANY_FIELDS, "http", "too_many_fields", "more fields than the limit")			\
	X(HTTP_TOO_MANY_OPTIONS, "http", "too_many_connection_options", "more options in Connection than the limit")\
	X(HTTP_BAD_LENGTH, "http", "bad_content_length", "Content-Length is not a number that fits")		\
	X(HTTP_MANY_LENGTHS, "http", "many_content_lengths", "more than one Content-Length")			\
	X(HTTP_LENGTH_AND_CHUNKED, "http", "content_length_and_chunked", "Content-Length beside Transfer-Encoding")\
	X(HTTP_BAD_CODING, "http", "bad_transfer_encoding", "Transfer-Encoding is not exactly chunked")		\
	X(HTTP_CODING_IN_1_0, "http", "transfer_encoding_in_1_0", "Transfer-Encoding in a message of HTTP/1.0")	\
	X(HTTP_BAD_EXPECT, "http", "bad_expect", "an expectation other than 100-continue")			\
	X(HTTP_BAD_STATUS_LINE, "http", "bad_status_line", "the status line is not RFC 9112 4")			\
	X(HTTP_BODY_FORBIDDEN, "http", "body_forbidden", "1xx or 204 that announces a body")			\
	X(HTTP_BAD_SWITCH, "http", "bad_switch", "101 without Upgrade and its Connection option")		\
	X(HTTP_MANY_INTERIMS, "http", "too_many_interim_answers", "1xx heads before an answer beyond the limit")	\
	X(HTTP_BAD_CHUNK_SIZE, "http", "bad_chunk_size", "a chunk size that is not up to 15 hex digits")	\
	X(HTTP_BAD_CHUNK_EXTENSION, "http", "bad_chunk_extension", "a control byte in a chunk extension")	\
	X(HTTP_LONG_CHUNK_EXTENSIONS, "http", "long_chunk_extensions", "chunk extensions beyond the limit")	\
	X(HTTP_BAD_CHUNK_END, "http", "bad_chunk_end", "chunk data not followed by CRLF")			\
	X(HTTP_BAD_TRAILER, "http", "bad_trailer", "a trailer line that is no field line")			\
	X(HTTP_LONG_TRAILERS, "http", "long_trailers", "a trailer section beyond the limits")

/* What the proxy did with requests. */
#define HD_PROXY_EVENTS(X)                                                                                             \
	X(PROXY_REQUESTS, "proxy", "requests", "requests whose head was complete")                                     \
	X(PROXY_RESPONSES, "proxy", "responses", "answers sent, ours and the backends'")                               \
	X(PROXY_LOCAL_REPLIES, "proxy", "local_replies", "answers that Heddle made itself")                            \
	X(PROXY_REFUSED_REQUESTS, "proxy", "refused_requests", "requests that are not HTTP as we accept it")           \
	X(PROXY_DENIED, "proxy", "denied", "requests and streams that an AuthorizationPolicy denied")                  \
	X(PROXY_TOKENS_ASKED, "proxy", "tokens_verified", "tokens handed over to be verified: the rest were known")   \
	X(PROXY_TOKENS_REFUSED, "proxy", "tokens_refused", "requests whose token a RequestAuthentication does not take") \
	X(PROXY_TOKENS_FULL, "proxy", "tokens_full", "tokens not verified because too many wait or are in use")       \
	X(PROXY_NO_ROUTE, "proxy", "no_route", "no virtual host or route matches")                                     \
	X(PROXY_NO_CLUSTER, "proxy", "no_cluster", "the chosen destination does not exist")                            \
	X(PROXY_NO_ENDPOINT, "proxy", "no_endpoint", "the chosen cluster has no healthy endpoint")                     \
	X(PROXY_OVERFLOW, "proxy", "overflow", "refused by a limit of the connection pool")                            \
	X(PROXY_RETRIES, "proxy", "retries", "tries after the first, by the route's policy")                           \
	X(PROXY_RETRY_OVERFLOW, "proxy", "retry_overflow", "retries not made because of maxRetries")                   \
	X(PROXY_RESENDS, "proxy", "safe_resends", "requests sent again because the backend had acknowledged no byte")  \
	X(PROXY_REPLAY_DROPPED, "proxy", "replay_dropped", "request bodies too large to keep for another try")         \
	X(PROXY_CONNECT_FAILURES, "proxy", "connect_failures", "connections to backends that did not come up")         \
	X(PROXY_UP_RESETS, "proxy", "up_resets", "backends that closed before their answer was complete")              \
	X(PROXY_UP_PROTOCOL, "proxy", "up_protocol_errors", "answers of backends that are not HTTP as we accept it")   \
	X(PROXY_UP_SURPLUS, "proxy", "up_surplus", "backend connections closed because bytes followed the answer")     \
	X(PROXY_UP_IDLE_DATA, "proxy", "up_idle_data", "backend connections closed because bytes came without a request") \
	X(PROXY_UP_IDLE_CLOSED, "proxy", "up_idle_closed", "pooled connections that the backend closed")               \
	X(PROXY_UP_SHUT_AT_ONCE, "proxy", "up_shut_at_once", "backends that accepted a connection and closed it without a word") \
	X(PROXY_UP_RETIRED, "proxy", "up_retired", "pooled connections closed by age, idleness or because their endpoint went away") \
	X(PROXY_UP_YIELDED, "proxy", "up_yielded", "backend connections closed so that another worker may have one under the limit") \
	X(PROXY_CUT_ANSWERS, "proxy", "cut_answers", "answers cut off after their head went out")                      \
	X(PROXY_TIMEOUTS, "proxy", "timeouts", "requests ended by the route's or a try's timeout")                     \
	X(PROXY_HEAD_TIMEOUTS, "proxy", "head_timeouts", "callers that did not complete a request head in time")       \
	X(PROXY_IDLE_TIMEOUTS, "proxy", "idle_timeouts", "idle connections of callers closed")                         \
	X(PROXY_STREAM_TIMEOUTS, "proxy", "stream_timeouts", "exchanges ended because nothing moved")                  \
	X(PROXY_DOWN_GONE, "proxy", "down_gone", "exchanges ended because the caller went away")                       \
	X(PROXY_LINGER_TIMEOUTS, "proxy", "linger_timeouts", "closed connections whose caller did not close its side in time") \
	X(PROXY_TUNNELS, "proxy", "tunnels", "opaque streams opened, by upgrade or for TCP ports")                     \
	X(PROXY_DRAINED, "proxy", "drained", "connections closed by draining")                                         \
	X(PROXY_PLAINTEXT_REFUSED, "proxy", "plaintext_refused", "connections in clear where TLS must be")            \
	X(PROXY_FOREIGN_TLS, "proxy", "foreign_tls_refused", "TLS that is not the mesh's, on an HTTP port of it")     \
	X(PROXY_UNKNOWN_NAME, "proxy", "unknown_server_name", "TLS for a server name that no server has")             \
	X(PROXY_BAD_HELLO, "proxy", "bad_client_hello", "connections that began as TLS and were none")                \
	X(PROXY_HELLO_TIMEOUTS, "proxy", "hello_timeouts", "callers that did not complete a ClientHello in time")     \
	X(PROXY_SEAL_DELAYED, "proxy", "seal_delayed", "bytes that waited as no buffer was there to seal them into")  \
	X(PROXY_IDLE_EVICTED, "proxy", "idle_evicted", "callers at rest closed as nearly all of limits.connections is in use") \
	X(PROXY_NO_PLACE, "proxy", "no_place", "requests without a connection to their backend: all of limits.connections is in use") \
	X(PROXY_SHED, "proxy", "shed", "silent connections closed because buffers ran low")                            \
	X(PROXY_DELAYED, "proxy", "faults_delayed", "requests delayed by their route's fault")                         \
	X(PROXY_ABORTED, "proxy", "faults_aborted", "requests answered by their route's fault")                        \
	X(PROXY_PREFLIGHTS, "proxy", "preflights", "CORS preflights answered")                                         \
	X(PROXY_EDITS_CUT, "proxy", "header_lines_left_out", "header lines of policy that did not fit into a head")    \
	X(PROXY_REWRITE_SKIPPED, "proxy", "regex_rewrites_skipped", "paths too long to be rewritten by an expression")   \
	X(PROXY_MIRRORED, "proxy", "mirrored", "copies of requests sent to mirrors")                                   \
	X(PROXY_MIRROR_ANSWERS, "proxy", "mirror_answers", "answers to copies, thrown away")                           \
	X(PROXY_MIRROR_FAILED, "proxy", "mirror_failures", "copies that got no answer")                                \
	X(PROXY_MIRROR_DROPPED, "proxy", "mirror_dropped", "copies not sent: body over 1 MiB, or too much in flight")   \
	X(PROXY_NO_MEMORY, "proxy", "no_memory", "exchanges or connections given up because a pool was empty")

/* How TLS connections fail: each that does is counted under exactly one. */
#define HD_TLS_FAILURES(X)													\
	X(TLS_TIMEOUT, "tls", "handshake_timeout", "handshakes that were not through in time")					\
	X(TLS_BUSY, "tls", "refused_busy", "handshakes refused as too many of their source waited already")			\
	X(TLS_EVICTED, "tls", "evicted", "half-done handshakes given up in favour of a source with fewer")			\
	X(TLS_NO_MEMORY, "tls", "no_memory", "connections given up because a pool was empty or memory out")			\
	X(TLS_NO_CONTEXT, "tls", "no_context", "handshakes for a context that is not there: no certificate yet, or no more")	\
	X(TLS_NOT_TLS, "tls", "not_tls", "the other side does not speak TLS")							\
	X(TLS_CLOSED_EARLY, "tls", "closed_in_handshake", "the other side went away in the handshake")				\
	X(TLS_PEER_ALERT, "tls", "peer_alert", "ended by a fatal alert of the other side")					\
	X(TLS_BAD_HANDSHAKE, "tls", "bad_handshake", "a handshake message that is malformed or out of place")			\
	X(TLS_NO_VERSION, "tls", "no_common_version", "no version of TLS in common")						\
	X(TLS_NO_CIPHER, "tls", "no_common_cipher", "no cipher suite, group or signature algorithm in common")			\
	X(TLS_NO_EXTENDED_SECRET, "tls", "no_extended_master_secret", "TLS 1.2 without the extended master secret (RFC 7627)")	\
	X(TLS_NO_CERTIFICATE, "tls", "no_certificate", "the other side showed no certificate where one must be")		\
	X(TLS_CERT_EXPIRED, "tls", "certificate_expired", "a certificate of the chain has expired")				\
	X(TLS_CERT_EARLY, "tls", "certificate_not_yet_valid", "a certificate of the chain is not valid yet")			\
	X(TLS_CERT_UNKNOWN_CA, "tls", "unknown_ca", "the chain ends at no root of the trust bundle")				\
	X(TLS_CERT_REVOKED, "tls", "certificate_revoked", "a certificate of the chain is on a revocation list")		\
	X(TLS_CERT_NO_CRL, "tls", "no_revocation_list", "no valid revocation list for an issuer of the chain")			\
	X(TLS_CERT_PURPOSE, "tls", "certificate_purpose", "a certificate that may not be used for this")			\
	X(TLS_CERT_BAD, "tls", "bad_certificate", "a certificate that is malformed, weak or wrongly signed")			\
	X(TLS_ID_NONE, "tls", "no_spiffe_id", "a certificate without a URI name, where a SPIFFE ID must be")			\
	X(TLS_ID_MANY, "tls", "many_uris", "a certificate with more than one URI name")					\
	X(TLS_ID_MALFORMED, "tls", "bad_spiffe_id", "a URI name that is no SPIFFE ID")						\
	X(TLS_ID_TRUST_DOMAIN, "tls", "wrong_trust_domain", "a SPIFFE ID of a trust domain that is not trusted")		\
	X(TLS_ID_NAME, "tls", "wrong_name", "a certificate of somebody else: none of the names that are wanted")		\
	X(TLS_BAD_MAC, "tls", "bad_record_mac", "a record that does not decrypt")						\
	X(TLS_OVERFLOW, "tls", "record_overflow", "a record longer than it may be")						\
	X(TLS_BAD_RECORD, "tls", "bad_record", "a record of unknown type or version, or all padding")				\
	X(TLS_UNEXPECTED, "tls", "unexpected_message", "a message that has no place on an open connection")			\
	X(TLS_BAD_MESSAGE, "tls", "bad_message", "a malformed alert or KeyUpdate")						\
	X(TLS_FLOOD, "tls", "flood", "too many records in a row that carry no data")						\
	X(TLS_EXHAUSTED, "tls", "sequence_exhausted", "a key used for as many records as it may be")				\
	X(TLS_TRUNCATED, "tls", "truncated", "the stream ended without close_notify")

/* Events of TLS that are no failures. */
#define HD_TLS_EVENTS(X)													\
	X(TLS_ACCEPTED, "tls", "accepted", "full handshakes with callers")							\
	X(TLS_ACCEPTED_RESUMED, "tls", "accepted_resumed", "resumed handshakes with callers")					\
	X(TLS_CONNECTED, "tls", "connected", "full handshakes with backends")							\
	X(TLS_CONNECTED_RESUMED, "tls", "connected_resumed", "resumed handshakes with backends")				\
	X(TLS_QUEUED, "tls", "queued", "handshake steps that waited for their turn")						\
	X(TLS_CHAINS_VERIFIED, "tls", "chains_verified", "certificate chains verified anew")					\
	X(TLS_CHAINS_CACHED, "tls", "chains_cached", "certificate chains known from an earlier handshake")			\
	X(TLS_SESSIONS_KEPT, "tls", "sessions_kept", "sessions of backends kept for resumption")				\
	X(TLS_OPENED, "tls", "records_opened", "records decrypted")								\
	X(TLS_SEALED, "tls", "records_sealed", "records encrypted")								\
	X(TLS_SCHEDULES, "tls", "schedules_expanded", "keys expanded: first uses, and those that had left the cache")		\
	X(TLS_KEY_UPDATES_SENT, "tls", "key_updates_sent", "KeyUpdate messages sent")						\
	X(TLS_KEY_UPDATES_RECEIVED, "tls", "key_updates_received", "KeyUpdate messages received")				\
	X(TLS_CLOSE_NOTIFY, "tls", "close_notify_received", "connections that the other side ended properly")			\
	X(TLS_ALERTS_SENT, "tls", "alerts_sent", "alerts sent, close_notify not counted")					\
	X(TLS_ALERTS_RECEIVED, "tls", "alerts_received", "alerts received, close_notify not counted")				\
	X(TLS_RENEGOTIATION, "tls", "renegotiation_refused", "attempts to renegotiate (TLS 1.2)")

/* What the worker itself ran out of or did. */
#define HD_WORKER_EVENTS(X)                                                                                            \
	X(WORKER_OUTCOMES_LOST, "worker", "outcome_ring_full", "outcomes of tries lost because ctrl did not keep up")   \
	X(WORKER_LOG_RING_FULL, "worker", "access_ring_full", "access records lost because ctrl did not keep up")       \
	X(WORKER_RSS_WRONG, "worker", "rss_differs", "SYNs that a device did not put into the queue that its hash names") \
	X(WORKER_STEER_FULL, "worker", "steer_ring_full", "frames for another worker that did not keep up")

#define HD_COUNTERS(X)                                                                                                 \
	HD_NET_DROPS(X)                                                                                                \
	HD_TCP_DROPS(X)                                                                                                \
	HD_TCP_EVENTS(X)                                                                                               \
	HD_HTTP_ERRORS(X)                                                                                              \
	HD_PROXY_EVENTS(X)                                                                                             \
	HD_TLS_FAILURES(X)                                                                                             \
	HD_TLS_EVENTS(X)                                                                                               \
	HD_WORKER_EVENTS(X)

enum hd_counter {
#define HD_COUNTER_ENUM(symbol, layer, name, text) HD_##symbol,
	HD_COUNTERS(HD_COUNTER_ENUM)
#undef HD_COUNTER_ENUM
	HD_COUNTER_MAX
};

/* The rows of HD_NET_DROPS and HD_TCP_DROPS: what `show drops` lists. */
#define HD_DROP_COUNTERS(X) HD_NET_DROPS(X) HD_TCP_DROPS(X)

#define HD_MAX_PORTS 16
#define HD_MAX_WORKERS 64

struct hd_port_stats {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};

/* Where a turn is: what the watchdog names when a worker does not come back from it. */
#define HD_WORKER_STAGES(X)			\
	X(BETWEEN, "between turns")		\
	X(POLICY, "taking a snapshot")		\
	X(MAILBOX, "reading its mailbox")	\
	X(RECEIVE, "receiving")			\
	X(TCP, "handling received segments")	\
	X(TIMERS, "running timers")		\
	X(PROXY, "handling requests")		\
	X(SEGMENTS, "making segments")		\
	X(TRANSMIT, "transmitting")		\
	X(ASLEEP, "asleep")

enum hd_worker_stage {
#define HD_STAGE_ENUM(symbol, text) HD_STAGE_##symbol,
	HD_WORKER_STAGES(HD_STAGE_ENUM)
#undef HD_STAGE_ENUM
	HD_STAGE_MAX
};

/* One worker's block. */
struct hd_worker_stats {
	_Alignas(HD_CACHE_LINE) uint64_t counters[HD_COUNTER_MAX];
	struct hd_port_stats ports[HD_MAX_PORTS];
	uint64_t busy_cycles, total_cycles; /* TSC ticks; busy: turns that received, sent or fired anything */
	uint64_t turns;
	uint64_t connections;		    /* gauge: open now, both sides */
	uint64_t exchanges;		    /* gauge: requests and streams in flight, whatever their cluster */
	uint64_t queued_bytes;		    /* gauge: sent by us and not acknowledged, all connections */
	uint64_t requests;
	uint64_t generation;		    /* of the snapshot used in the last turn; also the quiescent-state token */
	uint32_t stage;			    /* enum hd_worker_stage */
	uint32_t bufs_most;		    /* packet buffers in use at once, as was seen every 100 us of traffic */
};

/* Per endpoint slot and worker; lives in chunks that hd_dp_reserve provides. */
struct hd_endpoint_stats {
	uint64_t requests;
	uint64_t connect_failures, resets, timeouts, responses_5xx;
	uint64_t outcomes, failed_outcomes; /* where outliers are detected: finished tries, and those that failed */
	uint32_t active;	/* gauge: requests in flight */
	uint32_t connections;	/* gauge */
};

/* Per cluster slot and worker. */
struct hd_cluster_stats {
	uint64_t requests, overflow, connects, retries;
	uint32_t connections, pending, requests_active, retries_active; /* gauges */
};

/* A pool of a worker, for `show memory`. */
struct hd_pool_info {
	const char *name;	/* static */
	const char *text;	/* what its objects are; static */
	uint64_t bytes;		/* of memory that was ever used; of a packet pool: all */
	uint32_t object_bytes, capacity, used;
	uint32_t most;		/* in use at once, ever; 0: not known */
};
#define HD_MAX_POOLS 24

static inline void hd_stage(struct hd_worker_stats *s, enum hd_worker_stage stage)
{
	__atomic_store_n(&s->stage, (uint32_t)stage, __ATOMIC_RELAXED);
}

static inline void hd_count(struct hd_worker_stats *s, enum hd_counter c)
{
	s->counters[c]++;
}

#endif
