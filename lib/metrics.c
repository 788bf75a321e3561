#include "metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define INTERVAL_NS (METRICS_INTERVAL_MS * UINT64_C(1000000))

static void
metrics_print(FILE *f, const struct metrics *m)
{
	const char *last = "";

	for (const struct metric *r = m->rows; r->name != NULL; r++) {
		if (strcmp(last, r->name) != 0)
			fprintf(f, "# HELP sluice_%s %s\n# TYPE sluice_%s %s\n",
			    r->name, r->help, r->name,
			    r->type == METRIC_COUNTER ? "counter" : "gauge");
		last = r->name;
		fprintf(f, "sluice_%s{program=\"%s\"%s%s} ", r->name,
		    log_progname(), r->labels != NULL ? "," : "",
		    r->labels != NULL ? r->labels : "");
		if (r->type == METRIC_DOUBLE)
			fprintf(f, "%.6g\n", *(const double *)r->value);
		else
			fprintf(f, "%" PRIu64 "\n",
			    *(const uint64_t *)r->value);
	}
}

int
metrics_write(struct metrics *m, uint64_t now)
{
	char tmp[PATH_MAX];
	FILE *f;

	if (m->path == NULL)
		return 0;
	if (m->refresh != NULL)
		m->refresh(m->ctx, now);
	if (snprintf(tmp, sizeof(tmp), "%s.%ld", m->path, (long)getpid()) >=
	    (int)sizeof(tmp)) {
		errno = ENAMETOOLONG;
		goto fail;
	}
	f = fopen(tmp, "we");
	if (f == NULL)
		goto fail;
	metrics_print(f, m);
	if (fclose(f) != 0 || rename(tmp, m->path) == -1) {
		unlink(tmp);
		goto fail;
	}
	m->failed = 0;
	return 0;

fail:
	if (!m->failed)
		log_warn("metrics file %s", m->path);
	m->failed = 1;
	return -1;
}

uint64_t
metrics_tick(struct metrics *m, uint64_t now)
{
	if (m->path == NULL)
		return UINT64_MAX;
	if (now >= m->next) {
		metrics_write(m, now);
		m->next = now + INTERVAL_NS;
	}
	return m->next - now;
}
