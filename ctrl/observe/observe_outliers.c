/* SPDX-License-Identifier: Apache-2.0 */
#include "observe_outliers.h"

static void cluster_label(struct observe_text *t, const char *name, const struct hd_cluster *c)
{
	observe_text_addf(t, "%s{cluster=", name);
	observe_text_add_json(t, c->name.p, c->name.n);
}

/* One value of each cluster that has outlier detection. */
static void family_write(struct observe_text *t, const struct health *h,
			 const struct hd_snapshot *s, const char *name, const char *type,
			 const char *help, uint64_t (*value)(const struct health_cluster_view *v))
{
	int is_counter = type[0] == 'c';

	observe_text_add_family(t, name, type, help);
	for (uint32_t i = 0; i < s->n_clusters; i++) {
		struct health_cluster_view v;

		health_cluster_look(h, &s->clusters[i], &v);
		if (v.outlier == NULL)
			continue;
		observe_text_addf(t, "%s", name);
		cluster_label(t, is_counter ? "_total" : "", &s->clusters[i]);
		observe_text_addf(t, "} %llu\n", (unsigned long long)value(&v));
	}
}

/* The same by detector. offset: of the array in struct health_outlier_cluster. */
static void detectors_write(struct observe_text *t, const struct health *h,
			    const struct hd_snapshot *s, const char *name, const char *help,
			    size_t offset)
{
	observe_text_add_family(t, name, "counter", help);
	for (uint32_t i = 0; i < s->n_clusters; i++) {
		struct health_cluster_view v;

		health_cluster_look(h, &s->clusters[i], &v);
		for (int d = HEALTH_BY_NONE + 1; v.outlier != NULL && d < HEALTH_BY_MAX; d++) {
			const uint64_t *values =
				(const uint64_t *)((const char *)v.outlier + offset);

			observe_text_addf(t, "%s", name);
			cluster_label(t, "_total", &s->clusters[i]);
			observe_text_addf(t, ",cause=\"%s\"} %llu\n", health_detector_name(d),
					  (unsigned long long)values[d]);
		}
	}
}

static uint64_t ejected(const struct health_cluster_view *v)
{
	return v->outlier->n_ejected;
}

static uint64_t overflow(const struct health_cluster_view *v)
{
	return v->outlier->overflow;
}

static uint64_t panic(const struct health_cluster_view *v)
{
	return v->is_panic;
}

static void totals_write(struct observe_text *t, const struct health_totals *all)
{
	observe_text_add_counter(t, "heddle_outlier_outcomes",
				 "Outcomes of tries that workers told.", all->outcomes);
	observe_text_add_family(t, "heddle_outlier_slowest_decision_seconds", "gauge",
				"The longest from a failure to the ejection that it caused.");
	observe_text_addf(t, "heddle_outlier_slowest_decision_seconds %.6f\n",
			  (double)all->slowest / (double)HD_NS_PER_S);
}

void observe_outliers_write(struct observe_text *t, const struct health *h,
			    const struct hd_snapshot *s)
{
	family_write(t, h, s, "heddle_outlier_ejected", "gauge", "Endpoints that are ejected now.",
		     ejected);
	family_write(t, h, s, "heddle_outlier_panic", "gauge",
		     "1 while so few endpoints are healthy that ejections are ignored.", panic);
	detectors_write(t, h, s, "heddle_outlier_ejections", "Ejections.",
			offsetof(struct health_outlier_cluster, enforced));
	detectors_write(t, h, s, "heddle_outlier_detections",
			"Times that a threshold was reached, ejected or not.",
			offsetof(struct health_outlier_cluster, detected));
	family_write(t, h, s, "heddle_outlier_overflow", "counter",
		     "Ejections that maxEjectionPercent did not allow.", overflow);
	totals_write(t, health_totals(h));
}
