/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket, as both of its ends know it. */
#ifndef HEDDLE_CONTROL_H
#define HEDDLE_CONTROL_H

#define HD_CONTROL_SOCKET "/run/heddle.sock"
/* The longest line: it holds the files of `config apply`. */
#define HD_CONTROL_LINE_BYTES (32u << 20)

#endif
