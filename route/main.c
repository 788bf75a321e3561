/* route: track packets from stdin to the services they belong to. */
#include <errno.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sysexits.h>

#include <zmq.h>

#include "config.h"
#include "dispatch.h"
#include "log.h"
#include "loop.h"
#include "opt.h"
#include "report.h"
#include "sock.h"
#include "stage.h"

#define NS_PER_MS UINT64_C(1000000)
#define FDS_PER_ENDPOINT 4 /* ZeroMQ's, roughly */

static const char *config_path, *in = "-", *control, *metrics;
static int check;
static int64_t drain_ms = 5000, ready_fd = -1;
static int64_t max_sessions = 65536, max_streams = 262144;

static const struct opt opts[] = {
	{ "config", OPT_STRING, &config_path, "FILE",
	    "services, their types and endpoints (route.yaml)", 0, 0, NULL },
	{ "check", OPT_FLAG, &check, NULL,
	    "print the configuration as understood and exit", 0, 0, NULL },
	{ "in", OPT_STRING, &in, "ENDPOINT",
	    "records come from: -, unix:PATH or tcp:HOST:PORT", 0, 0, NULL },
	{ "control", OPT_STRING, &control, "ENDPOINT",
	    "wt-accept's control socket, unix:PATH", 0, 0, NULL },
	{ "drain", OPT_MS, &drain_ms, "TIME",
	    "time to deliver what is queued at the end", 0, 3600000, NULL },
	{ "max-sessions", OPT_INT, &max_sessions, "N",
	    "sessions followed at a time", 1, 1 << 24, NULL },
	{ "max-streams", OPT_INT, &max_streams, "N",
	    "streams followed at a time", 1, 1 << 26, NULL },
	{ "metrics", OPT_STRING, &metrics, "FILE",
	    "replace FILE with metrics every second", 0, 0, NULL },
	{ "ready-fd", OPT_INT, &ready_fd, "N",
	    "write a newline to N when ready", 0, INT32_MAX, NULL },
	{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL },
};

/* Sockets take descriptors: as many as the system gives. */
static void *
open_zmq(uint32_t nendpoints)
{
	rlim_t want = 64 + (rlim_t)nendpoints * FDS_PER_ENDPOINT;
	struct rlimit rl;
	void *zmq;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < want) {
		rl.rlim_cur = want < rl.rlim_max ? want : rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	zmq = zmq_ctx_new();
	if (zmq == NULL ||
	    zmq_ctx_set(zmq, ZMQ_MAX_SOCKETS, (int)nendpoints + 16) == -1)
		fatalx(EX_OSERR, "ZeroMQ: %s", zmq_strerror(errno));
	return zmq;
}

int
main(int argc, char **argv)
{
	struct loop loop = { 0 };
	struct report report;
	struct route route;
	struct config *config;
	void *zmq;
	int status;

	log_init("route");
	if (opt_parse(argc, argv, opts,
	    "route --config FILE [options] < records") < argc)
		opt_usage("no operands wanted");
	if (config_path == NULL)
		opt_usage("--config is needed");
	config = config_load(config_path);
	if (config == NULL)
		return EX_CONFIG;
	if (check) {
		config_print(config);
		config_free(config);
		return EX_OK;
	}
	loop.in = stage_open_in(in);
	loop.signals = stage_signals();
	zmq = open_zmq(config->nendpoints);
	if (route_open(&route, config, zmq, (uint64_t)max_sessions,
	    (uint64_t)max_streams, control, stage_monotonic()) == -1)
		return EX_UNAVAILABLE;
	report_init(&report, &route, metrics, stage_monotonic());
	loop.route = &route;
	loop.metrics = &report.metrics;
	loop.drain_ns = (uint64_t)drain_ms * NS_PER_MS;
	control_tick(&route.control, stage_monotonic());
	stage_ready(ready_fd);

	status = loop_run(&loop);

	metrics_write(&report.metrics, stage_monotonic());
	report_free(&report);
	route_close(&route);
	zmq_ctx_term(zmq);
	config_free(config);
	return status;
}
