/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_eal.h"

#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#define DEFAULT_MEGABYTES "768"

/* The option itself or its "--option=value" form. */
static int is_option(const char *arg, const char *option)
{
	size_t n = strlen(option);

	if (strncmp(arg, option, n) != 0)
		return 0;
	/* "-l0,1" is a form of "-l", "--log-level" none of it. */
	return arg[n] == '\0' || (option[1] == '-' ? arg[n] == '=' : 1);
}

static int has_any(const struct hd_node *node, const char *const *options)
{
	for (char *const *arg = node->eal; *arg != NULL; arg++) {
		for (const char *const *o = options; *o != NULL; o++) {
			if (is_option(*arg, *o))
				return 1;
		}
	}
	return 0;
}

#define HAS(node, ...) has_any(node, (const char *const[]){ __VA_ARGS__, NULL })

static int add(struct worker_eal_args *a, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int add(struct worker_eal_args *a, const char *format, ...)
{
	va_list args;
	int n;

	if (a->argc == WORKER_EAL_MAX_ARGS)
		return -E2BIG;
	va_start(args, format);
	n = vsnprintf(a->text + a->used, sizeof(a->text) - a->used, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(a->text) - a->used)
		return -E2BIG;
	a->argv[a->argc++] = a->text + a->used;
	a->used += (size_t)n + 1;
	return 0;
}

static int add_lcores(struct worker_eal_args *a, const struct hd_node *node)
{
	char list[HD_MAX_WORKERS * 12 + 12];
	int n;

	if (HAS(node, "-l", "-c", "--lcores", "-s", "-S"))
		return 0;
	n = snprintf(list, sizeof(list), "%u", node->main_lcore);
	for (uint32_t i = 0; i < node->n_workers; i++)
		n += snprintf(list + n, sizeof(list) - (size_t)n, ",%u", node->workers[i]);
	if (add(a, "--lcores=%s", list) < 0)
		return -E2BIG;
	return HAS(node, "--main-lcore") ? 0 : add(a, "--main-lcore=%u", node->main_lcore);
}

/* "3b:00.0" or "0000:3b:00.0". */
static int is_pci(const char *device)
{
	unsigned int domain, bus, slot, function;

	return sscanf(device, "%4x:%2x:%2x.%1x", &domain, &bus, &slot, &function) == 4 ||
	       sscanf(device, "%2x:%2x.%1x", &bus, &slot, &function) == 3;
}

/* Takes the ports' PCI devices and no other: a second program on this machine may own the rest. */
static int add_devices(struct worker_eal_args *a, const struct hd_node *node)
{
	int any = 0, rc = 0;

	if (HAS(node, "-a", "--allow", "-b", "--block", "--no-pci"))
		return 0;
	for (uint32_t i = 0; i < node->n_ports && rc == 0; i++) {
		if (!is_pci(node->ports[i].device))
			continue;
		rc = add(a, "--allow=%s", node->ports[i].device);
		any = 1;
	}
	return rc < 0 || any ? rc : add(a, "--no-pci");
}

static int is_without_huge_pages(const struct hd_node *node, int has_huge_pages)
{
	return HAS(node, "--no-huge") || (!has_huge_pages && !HAS(node, "--huge-dir"));
}

/* Memory of ordinary pages is in no file. What is left are the files shared with secondary
 * processes, which Heddle has none of: without them any number of Heddles run side by side. */
static int add_memory(struct worker_eal_args *a, const struct hd_node *node, int has_huge_pages)
{
	if (!is_without_huge_pages(node, has_huge_pages))
		return 0;
	if (!HAS(node, "--no-huge")) {
		if (add(a, "--no-huge") < 0)
			return -E2BIG;
		if (!HAS(node, "-m", "--socket-mem", "--numa-mem") &&
		    add(a, "-m" DEFAULT_MEGABYTES) < 0)
			return -E2BIG;
	}
	return HAS(node, "--no-shconf", "--file-prefix") ? 0 : add(a, "--no-shconf");
}

/* EAL refuses --in-memory beside --no-huge, which gives what it asks for: no file of memory. */
static int add_operators(struct worker_eal_args *a, const struct hd_node *node, int has_huge_pages)
{
	int no_huge = is_without_huge_pages(node, has_huge_pages);

	for (char *const *arg = node->eal; *arg != NULL; arg++) {
		if (no_huge && is_option(*arg, "--in-memory"))
			continue;
		if (add(a, "%s", *arg) < 0)
			return -E2BIG;
	}
	return 0;
}

int worker_eal_build(const struct hd_node *node, int has_huge_pages, struct worker_eal_args *out)
{
	*out = (struct worker_eal_args){ 0 };
	if (add(out, "heddle") < 0)
		return -E2BIG;
	if (add_operators(out, node, has_huge_pages) < 0 || add_lcores(out, node) < 0 ||
	    add_devices(out, node) < 0 || add_memory(out, node, has_huge_pages) < 0)
		return -E2BIG;
	return HAS(node, "--log-level") ? 0 : add(out, "--log-level=warning");
}

int worker_eal_has_huge_pages(void)
{
	glob_t g;
	int any = 0;

	if (glob("/sys/kernel/mm/hugepages/hugepages-*/nr_hugepages", 0, NULL, &g) != 0)
		return 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		FILE *f = fopen(g.gl_pathv[i], "re");
		unsigned long n = 0;
		if (f == NULL)
			continue;
		any |= fscanf(f, "%lu", &n) == 1 && n > 0;
		fclose(f);
	}
	globfree(&g);
	return any;
}

/* DPDK only says "invalid argument". */
static int check_lcores(const struct hd_node *node, long cpus, char *error, size_t error_bytes)
{
	uint32_t most = node->main_lcore;

	if (HAS(node, "-l", "-c", "--lcores", "-s", "-S"))
		return 0;
	for (uint32_t i = 0; i < node->n_workers; i++)
		most = node->workers[i] > most ? node->workers[i] : most;
	if (most < (uint32_t)cpus)
		return 0;
	snprintf(error, error_bytes, "lcore %u is not there: this machine has CPU 0 to %ld", most,
		 cpus - 1);
	return -EINVAL;
}

int worker_eal_check_memory(const struct hd_node *node, int has_huge_pages, char *error,
			    size_t error_bytes)
{
	if (!HAS(node, "--no-huge") && (has_huge_pages || HAS(node, "--huge-dir")))
		return 0;
	for (uint32_t i = 0; i < node->n_ports; i++) {
		if (!is_pci(node->ports[i].device))
			continue;
		snprintf(error, error_bytes,
			 "port %s (%s): a PCI device needs huge pages, %s: echo 1024 > "
			 "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
			 node->ports[i].name, node->ports[i].device,
			 HAS(node, "--no-huge") ? "and --no-huge forbids them: take it away and"
						: "and this machine has none");
		return -EINVAL;
	}
	return 0;
}

int worker_eal_init(const struct hd_node *node, char *error, size_t error_bytes)
{
	static struct worker_eal_args args; /* DPDK keeps pointers into it */
	int has_huge_pages = worker_eal_has_huge_pages(), rc;

	if (worker_eal_build(node, has_huge_pages, &args) < 0) {
		snprintf(error, error_bytes, "too many EAL arguments");
		return -E2BIG;
	}
	rc = worker_eal_check_memory(node, has_huge_pages, error, error_bytes);
	if (rc == 0)
		rc = check_lcores(node, sysconf(_SC_NPROCESSORS_CONF), error, error_bytes);
	if (rc < 0)
		return rc;
	rc = rte_eal_init(args.argc, args.argv);
	if (rc >= 0)
		return 0;
	snprintf(error, error_bytes,
		 "DPDK does not start: %s (lcores, memory and EAL arguments must be right)",
		 rte_strerror(rte_errno));
	return rte_errno > 0 ? -rte_errno : -EINVAL;
}
