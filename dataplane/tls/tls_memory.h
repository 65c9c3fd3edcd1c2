/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for keys: zeroed, left out of core files, wiped before it goes back. Start and stop only. */
#ifndef TLS_MEMORY_H
#define TLS_MEMORY_H

#include <heddle/base.h>

/* NULL when memory is out. */
[[nodiscard]] void *tls_memory_map(size_t bytes);
void tls_memory_unmap(void *p, size_t bytes);

#endif
