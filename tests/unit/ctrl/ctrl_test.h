/* SPDX-License-Identifier: Apache-2.0 */
/* What every test of the control side includes: cmocka in the order it wants. */
#ifndef CTRL_TEST_H
#define CTRL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
