/* What came of it: the summary on stdout, and the metrics file's rows. */
#ifndef WT_CLIENT_REPORT_H
#define WT_CLIENT_REPORT_H

#include <stdio.h>

#include "load.h"
#include "metrics.h"

struct report {
	const struct load *load;
	struct wt_stats wt;   /* as of the last refresh */
	double cpu_seconds;
	double user_began, system_began; /* CPU seconds at report_init */
	struct metric *rows;
	char (*labels)[64];   /* of the tracks */
};

/* Fills in m's rows, refresh and ctx. */
void report_init(struct report *r, const struct load *l, struct metrics *m);
void report_free(struct report *r);

/* The summary, as a table or as one JSON object. exit_code is what the
 * program is about to return. */
void report_table(const struct report *r, FILE *f);
void report_json(const struct report *r, FILE *f, int exit_code);

#endif
