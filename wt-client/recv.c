#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "load.h"
#include "log.h"
#include "stage.h"

#define OUT_MAX (1024 * 1024) /* bytes held for stdout; more are not read */
#define EXPECT_MAX 8192	      /* echoes a session waits for at once */
#define DATAGRAM_ID (-1)

static struct load *
session_load(const struct session *s)
{
	return s->client->load;
}

void
echo_hash(gnutls_hash_hd_t *h, const void *data, size_t len)
{
	if (*h == NULL && gnutls_hash_init(h, GNUTLS_DIG_SHA256) != 0)
		fatalx(EX_SOFTWARE, "SHA-256 is not available");
	if (len > 0)
		gnutls_hash(*h, data, len);
}

void
echo_sum(gnutls_hash_hd_t *h, uint64_t len, struct sum *sum)
{
	echo_hash(h, NULL, 0);
	sum->len = len;
	gnutls_hash_deinit(*h, sum->digest);
	*h = NULL;
}

static int
sum_equal(const struct sum *a, const struct sum *b)
{
	return a->len == b->len &&
	    memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

static void
expect_remove(struct session *s, size_t i)
{
	s->nexpected--;
	memmove(&s->expected[i], &s->expected[i + 1],
	    (s->nexpected - i) * sizeof(s->expected[0]));
}

void
echo_expect(struct session *s, const struct sum *sum)
{
	/* What is that old will not come any more: datagrams get lost. */
	if (s->nexpected == EXPECT_MAX) {
		expect_remove(s, 0);
		session_load(s)->total.echo_missing++;
	}
	if (s->nexpected == s->expected_size) {
		s->expected_size = s->expected_size == 0 ? 16 :
		    s->expected_size * 2;
		s->expected = reallocarray(s->expected, s->expected_size,
		    sizeof(s->expected[0]));
		if (s->expected == NULL)
			fatal(EX_OSERR, "echoes");
	}
	s->expected[s->nexpected++] = *sum;
}

void
echo_expect_datagram(struct session *s, const void *data, size_t len)
{
	gnutls_hash_hd_t h = NULL;
	struct sum sum;

	echo_hash(&h, data, len);
	echo_sum(&h, len, &sum);
	echo_expect(s, &sum);
}

static void
echo_result(struct session *s, int right, const char *what, uint64_t len)
{
	struct load *l = session_load(s);

	s->progress++;
	if (right) {
		l->total.echoed++;
		return;
	}
	l->total.echo_wrong++;
	load_complain(l, "%s of %" PRIu64 " bytes is not what was sent", what,
	    len);
}

/* Whether sum is of something sent, whichever that was. */
static int
echo_take(struct session *s, const struct sum *sum)
{
	for (size_t i = 0; i < s->nexpected; i++) {
		if (!sum_equal(&s->expected[i], sum))
			continue;
		expect_remove(s, i);
		return 1;
	}
	return 0;
}

static void
echo_fin(struct inbound *in)
{
	struct session *s = in->s;
	struct sum sum;

	echo_sum(&in->hash, in->len, &sum);
	if (wt_stream_is_local(in->st)) {
		struct out *o = wt_stream_data(in->st);

		echo_result(s, o->fin && sum_equal(&o->sum, &sum),
		    "echo on a bidirectional stream", sum.len);
	} else {
		echo_result(s, echo_take(s, &sum),
		    "echo on a stream of the server's", sum.len);
	}
	session_check(s);
}

/* The file for a stream, or for a session's datagrams. */
static int
receive_open(const struct session *s, int64_t id, int uni)
{
	struct load *l = session_load(s);
	char name[96];
	int fd, n;

	n = snprintf(name, sizeof(name), "c%zu-s%zu-", s->client->index,
	    (size_t)(s - s->client->sessions));
	if (id == DATAGRAM_ID)
		snprintf(name + n, sizeof(name) - (size_t)n, "datagrams");
	else
		snprintf(name + n, sizeof(name) - (size_t)n, "%s-%" PRId64,
		    uni ? "uni" : "bidi", id);
	fd = openat(l->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	    0666);
	if (fd == -1)
		fatal(EX_CANTCREAT, "%s/%s", l->cfg->receive, name);
	return fd;
}

static void
receive_file(struct inbound *in, const uint8_t *data, size_t len)
{
	if (in->fd == -1)
		in->fd = receive_open(in->s,
		    in->st != NULL ? wt_stream_id(in->st) : DATAGRAM_ID,
		    in->st != NULL && wt_stream_is_uni(in->st));
	while (len > 0) {
		ssize_t n = write(in->fd, data, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			fatal(EX_IOERR, "%s", session_load(in->s)->cfg->receive);
		data += n;
		len -= (size_t)n;
	}
}

/* Returns the bytes that are dealt with at once. */
static size_t
receive_data(struct inbound *in, const uint8_t *data, size_t len)
{
	struct load *l = session_load(in->s);

	if (l->dirfd != -1) {
		receive_file(in, data, len);
		return len;
	}
	buf_append(&l->out, data, len);
	if (in->st == NULL)
		return len;
	in->owed += len;
	if (!in->listed)
		TAILQ_INSERT_TAIL(&l->owing, in, link);
	in->listed = 1;
	return 0;
}

void
inbound_init(struct inbound *in, struct session *s, struct wt_stream *st)
{
	*in = (struct inbound){ .s = s, .st = st, .fd = -1 };
}

void
inbound_data(struct inbound *in, const uint8_t *data, size_t len, int fin)
{
	struct load *l = session_load(in->s);
	size_t done = len;

	l->total.stream_bytes_in += len;
	in->len += len;
	if (l->cfg->echo)
		echo_hash(&in->hash, data, len);
	if (l->cfg->receive != NULL)
		done = receive_data(in, data, len);
	wt_stream_consumed(in->st, done);
	if (fin && l->cfg->echo)
		echo_fin(in);
}

void
inbound_end(struct inbound *in)
{
	if (in->hash != NULL)
		gnutls_hash_deinit(in->hash, NULL);
	in->hash = NULL;
	if (in->fd != -1)
		close(in->fd);
	in->fd = -1;
	if (in->listed) {
		struct load *l = session_load(in->s);

		TAILQ_REMOVE(&l->owing, in, link);
		if (in->s->client->conn != NULL)
			wt_conn_consumed(in->s->client->conn, in->owed);
	}
	in->listed = 0;
	in->owed = 0;
	in->st = NULL;
}

void
inbound_datagram(struct session *s, const uint8_t *data, size_t len)
{
	struct load *l = session_load(s);

	l->total.datagrams_in++;
	if (l->cfg->echo) {
		gnutls_hash_hd_t h = NULL;
		struct sum sum;

		echo_hash(&h, data, len);
		echo_sum(&h, len, &sum);
		echo_result(s, echo_take(s, &sum), "echo in a datagram", len);
	}
	if (l->cfg->receive != NULL) {
		if (buf_len(&l->out) < OUT_MAX)
			receive_data(&s->dgram_in, data, len);
		else
			l->total.receive_dropped++;
	}
	session_check(s);
}

void
receive_init(struct load *l)
{
	const char *where = l->cfg->receive;

	l->dirfd = -1;
	TAILQ_INIT(&l->owing);
	if (where == NULL)
		return;
	if (strcmp(where, "-") == 0) {
		stage_open_out("-");
		return;
	}
	l->dirfd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dirfd == -1)
		fatal(EX_CANTCREAT, "--receive %s", where);
}

/* Opens the windows for what stdout has taken. All of it is out when one is:
 * the windows bound what can be owed. */
static void
receive_release(struct load *l)
{
	struct inbound *in;

	while ((in = TAILQ_FIRST(&l->owing)) != NULL) {
		TAILQ_REMOVE(&l->owing, in, link);
		in->listed = 0;
		wt_stream_consumed(in->st, in->owed);
		in->owed = 0;
	}
}

void
receive_flush(struct load *l)
{
	if (l->cfg->receive == NULL || l->dirfd != -1)
		return;
	l->out_blocked = 0;
	switch (stage_write(STDOUT_FILENO, &l->out)) {
	case STAGE_IO_OK:
		receive_release(l);
		break;
	case STAGE_IO_AGAIN:
		l->out_blocked = 1;
		break;
	case STAGE_IO_EOF:
		fatalx(EX_IOERR, "stdout: the reader is gone");
	case STAGE_IO_ERROR:
		fatal(EX_IOERR, "stdout");
	}
}

void
receive_free(struct load *l)
{
	if (l->dirfd != -1)
		close(l->dirfd);
	buf_free(&l->out);
}
