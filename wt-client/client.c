#include <inttypes.h>
#include <stdlib.h>
#include <sysexits.h>

#include "load.h"
#include "log.h"

#define NS_PER_MS UINT64_C(1000000)
#define UNSENT_NS NS_PER_MS /* datagrams still queued: look again */
#define BACKOFF_MS 100	    /* first pause between attempts to connect */
#define BACKOFF_MAX_MS 1000

/* ---------------------------------------------------------- sessions */

void
client_session_over(struct client *c)
{
	if (++c->ended == (size_t)c->load->cfg->sessions)
		wake_set(c->load, &c->wake, c->load->now);
}

static void
session_give_up(struct session *s)
{
	struct load *l = s->client->load;

	load_complain(l, "client %zu: nothing acknowledged or echoed for %" PRId64
	    " ms, %zu streams open, %zu echoes missing", s->client->index,
	    l->cfg->linger_ms, s->open_outs, s->nexpected);
	for (size_t i = 0; i < l->cfg->ntracks; i++)
		for (size_t k = 0; k < s->flows[i].nouts; k++)
			out_give_up(&s->flows[i].outs[k]);
	l->total.echo_missing += s->nexpected;
	s->nexpected = 0;
	s->state = SESSION_FINISHING;
	wt_session_close(s->wt, 0, "", 0);
}

static void
session_tick(void *arg)
{
	struct session *s = arg;
	struct load *l = s->client->load;

	if (s->state == SESSION_OPEN && l->now >= s->linger_at) {
		if (s->progress == s->progress_then) {
			session_give_up(s);
			return;
		}
		s->linger_at = 0;
	}
	session_check(s);
}

void
session_check(struct session *s)
{
	struct load *l = s->client->load;
	uint64_t linger = (uint64_t)l->cfg->linger_ms * NS_PER_MS;
	int unsent;

	if (s->state != SESSION_OPEN || !l->started || s->active > 0)
		return;
	if (s->linger_at == 0) {
		s->linger_at = l->now + linger;
		s->progress_then = s->progress;
	}
	/* Of a lost connection nobody knows what it sent. */
	unsent = s->datagrams > 0 && l->total.connections_failed == 0 &&
	    wt_stats(l->wt)->datagrams_out < l->total.datagrams_sent;
	if (s->open_outs > 0 || s->nexpected > 0 || unsent) {
		wake_set(l, &s->wake,
		    unsent && l->now + UNSENT_NS < s->linger_at ?
			l->now + UNSENT_NS :
			s->linger_at);
		return;
	}
	wake_set(l, &s->wake, TIMERQ_NEVER);
	s->state = SESSION_FINISHING;
	wt_session_close(s->wt, 0, "", 0);
}

void
session_stop(struct session *s)
{
	if (s->held)
		s->active--;
	s->held = 0;
	for (size_t i = 0; i < s->client->load->cfg->ntracks; i++)
		if (!s->flows[i].done)
			flow_stop(&s->flows[i]);
	session_check(s);
}

void
session_start(struct session *s)
{
	struct load *l = s->client->load;
	const struct load_config *cfg = l->cfg;

	s->held = cfg->idle || cfg->receive != NULL;
	s->active = cfg->ntracks + (s->held ? 1 : 0);
	for (size_t i = 0; i < cfg->ntracks; i++) {
		struct flow *f = &s->flows[i];

		/* Clients of one pace take turns within its interval. */
		flow_start(f, l->now + f->track->source.interval *
		    s->client->index / l->nclients);
	}
	session_check(s);
}

/* Whether there was something left to do for it. */
int
session_is_busy(const struct session *s)
{
	return s->active > (s->held ? 1u : 0) || s->open_outs > 0 ||
	    s->nexpected > 0;
}

/* ----------------------------------------------------------- clients */

void
client_answered(struct client *c, size_t n)
{
	struct load *l = c->load;

	c->answered += n;
	l->answered += n;
	if (c->answered == (size_t)l->cfg->sessions &&
	    c->state == CLIENT_CONNECTING) {
		c->state = CLIENT_OPEN;
		l->connecting--;
		wake_set(l, &c->wake, TIMERQ_NEVER);
		clients_begin(l);
	}
	if (l->answered == l->nsessions && !l->started)
		load_start(l);
}

static void
client_end(struct client *c)
{
	struct load *l = c->load;
	size_t silent = (size_t)l->cfg->sessions - c->answered;
	struct wt_conn *conn = c->conn;

	if (c->state == CLIENT_CONNECTING)
		l->connecting--;
	c->state = CLIENT_ENDED;
	c->conn = NULL;
	if (conn != NULL)
		wt_conn_close(conn);
	wake_set(l, &c->wake, TIMERQ_NEVER);
	l->ended++;
	l->total.sessions_failed += silent;
	client_answered(c, silent);
	clients_begin(l);
}

/* The sessions of an attempt that came to nothing say nothing more. */
static void
client_detach(struct client *c)
{
	struct load *l = c->load;

	for (int64_t k = 0; k < l->cfg->sessions; k++) {
		struct session *s = &c->sessions[k];

		if (s->wt != NULL)
			wt_session_set_data(s->wt, NULL);
		s->wt = NULL;
		if (s->state == SESSION_OPEN) {
			l->total.sessions_open--;
			l->total.sessions_cut++;
		}
		if (s->state != SESSION_CLOSED)
			s->state = SESSION_FAILED;
	}
}

/* An attempt failed: another one, or the end. */
void
client_failed(struct client *c, const char *why)
{
	struct load *l = c->load;
	const struct load_config *cfg = l->cfg;
	struct wt_conn *conn = c->conn;
	uint64_t pause = 0;
	int again = c->addr + 1 < cfg->target.naddrs;

	if (!again && cfg->retry_connect) {
		pause = c->backoff_ms * NS_PER_MS;
		again = l->now + pause <
		    c->began + (uint64_t)cfg->connect_ms * NS_PER_MS;
	}
	client_detach(c);
	if (c->answered > 0 || !again) {
		load_complain(l, "client %zu: %s", c->index, why);
		l->total.connections_failed++;
		client_end(c);
		return;
	}
	log_debug("client %zu: %s; trying again", c->index, why);
	l->total.connect_retries++;
	c->conn = NULL;
	if (conn != NULL)
		wt_conn_close(conn);
	c->addr = (c->addr + 1) % cfg->target.naddrs;
	if (c->backoff_ms < BACKOFF_MAX_MS && pause > 0)
		c->backoff_ms *= 2;
	wake_set(l, &c->wake, l->now + pause);
}

static void
client_attempt(struct client *c)
{
	struct load *l = c->load;
	const struct load_config *cfg = l->cfg;
	const struct target *t = &cfg->target;
	const struct target_addr *a = &t->addrs[c->addr];

	wake_set(l, &c->wake, l->now + (uint64_t)cfg->connect_ms * NS_PER_MS);
	c->conn = wt_connect(l->wt, (const struct sockaddr *)&a->sa, a->len,
	    cfg->have_local ? (const struct sockaddr *)&cfg->local.sa : NULL,
	    cfg->have_local ? cfg->local.len : 0, t->host);
	if (c->conn == NULL) {
		client_failed(c, "cannot begin a connection");
		return;
	}
	for (int64_t k = 0; k < cfg->sessions; k++) {
		struct session *s = &c->sessions[k];

		s->wt = wt_session_request(c->conn, t->authority, t->path,
		    cfg->fields, cfg->nfields);
		if (s->wt == NULL) {
			client_failed(c, "cannot ask for a session");
			return;
		}
		s->state = SESSION_ASKED;
		wt_session_set_data(s->wt, s);
	}
}

static void
client_wake(void *arg)
{
	struct client *c = arg;

	if (c->state != CLIENT_CONNECTING)
		client_end(c); /* its sessions are over */
	else if (c->conn != NULL)
		client_failed(c, "no answer in time");
	else
		client_attempt(c);
}

void
clients_begin(struct load *l)
{
	while (l->next_client < l->nclients && !l->stopping &&
	    l->connecting < (size_t)l->cfg->connecting) {
		struct client *c = &l->clients[l->next_client++];

		c->state = CLIENT_CONNECTING;
		c->began = l->now;
		l->connecting++;
		/* Not from inside of a callback, nor recursively. */
		wake_set(l, &c->wake, l->now);
	}
}

void
client_init(struct client *c, struct load *l, size_t index)
{
	const struct load_config *cfg = l->cfg;

	*c = (struct client){ .load = l, .index = index,
		.backoff_ms = BACKOFF_MS };
	c->wake.fire = client_wake;
	c->wake.arg = c;
	c->sessions = calloc((size_t)cfg->sessions, sizeof(*c->sessions));
	if (c->sessions == NULL)
		fatal(EX_OSERR, "sessions");
	for (int64_t k = 0; k < cfg->sessions; k++) {
		struct session *s = &c->sessions[k];

		s->client = c;
		s->wake.fire = session_tick;
		s->wake.arg = s;
		inbound_init(&s->dgram_in, s, NULL);
		s->flows = calloc(cfg->ntracks + 1, sizeof(*s->flows));
		if (s->flows == NULL)
			fatal(EX_OSERR, "tracks");
		for (size_t i = 0; i < cfg->ntracks; i++)
			flow_init(&s->flows[i], s, &cfg->tracks[i]);
	}
}

void
client_free(struct client *c)
{
	const struct load_config *cfg = c->load->cfg;

	for (int64_t k = 0; k < cfg->sessions; k++) {
		struct session *s = &c->sessions[k];

		for (size_t i = 0; i < cfg->ntracks; i++)
			flow_free(&s->flows[i]);
		inbound_end(&s->dgram_in);
		free(s->flows);
		free(s->expected);
	}
	free(c->sessions);
}
