#include "udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"

#define UDP_BUFFER (4 * 1024 * 1024) /* bytes asked for, both ways */

/* What ancillary data can be there at once: pktinfo, ECN, segment size. */
union udp_control {
	char buf[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
	    CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int
udp_addr_set(struct udp_addr *a, const struct sockaddr *sa, socklen_t len)
{
	socklen_t need = sa->sa_family == AF_INET ?
	    sizeof(struct sockaddr_in) :
	    sizeof(struct sockaddr_in6);

	if ((sa->sa_family != AF_INET && sa->sa_family != AF_INET6) ||
	    len < need) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	memset(a, 0, sizeof(*a));
	memcpy(&a->u, sa, need);
	a->len = need;
	return 0;
}

const char *
udp_name(const struct sockaddr *sa, char *buf, size_t n)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
	char host[INET6_ADDRSTRLEN] = "?";
	uint16_t port = 0;

	if (sa->sa_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		port = ntohs(in6->sin6_port);
	}
	snprintf(buf, n, "%s %u", host, port);
	return buf;
}

static void
udp_option(int fd, int level, int name, int value)
{
	/* Each of these only helps; an old kernel works without. */
	if (setsockopt(fd, level, name, &value, sizeof(value)) == -1)
		log_debug("setsockopt %d %d: %s", level, name, strerror(errno));
}

static void
udp_options(struct udp *u, int family)
{
	int fd = u->fd;

	if (family == AF_INET6) {
		udp_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		udp_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		udp_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
		udp_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
		    IPV6_PMTUDISC_PROBE);
	} else {
		udp_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
		udp_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
		udp_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	}
	udp_option(fd, IPPROTO_UDP, UDP_GRO, 1);
	udp_option(fd, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER);
	udp_option(fd, SOL_SOCKET, SO_SNDBUF, UDP_BUFFER);
	/* Root may go over net.core.[rw]mem_max. */
	udp_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, UDP_BUFFER);
	udp_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, UDP_BUFFER);
	u->gso = 1;
}

int
udp_open(struct udp *u, const struct sockaddr *local, socklen_t locallen,
    const struct sockaddr *remote, socklen_t remotelen)
{
	const struct sockaddr *sa = local != NULL ? local : remote;
	int family = sa->sa_family, err;

	memset(u, 0, sizeof(*u));
	u->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (u->fd == -1)
		return -1;
	udp_options(u, family);
	if (locallen > 0 && bind(u->fd, local, locallen) == -1)
		goto fail;
	if (remotelen > 0 && connect(u->fd, remote, remotelen) == -1)
		goto fail;
	u->connected = remotelen > 0;
	u->local.len = sizeof(u->local.u);
	if (getsockname(u->fd, &u->local.u.sa, &u->local.len) == -1)
		goto fail;
	return 0;

fail:
	err = errno;
	close(u->fd);
	u->fd = -1;
	errno = err;
	return -1;
}

void
udp_close(struct udp *u)
{
	if (u->fd != -1)
		close(u->fd);
	u->fd = -1;
	free(u->stuck.data);
	u->stuck.data = NULL;
}

/* Where the packet came to, its mark, and the size of the packets in it. */
static void
udp_control_get(struct msghdr *msg, struct udp_batch *b)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
	     c = CMSG_NXTHDR(msg, c)) {
		const void *p = CMSG_DATA(c);
		int v;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo pi;

			memcpy(&pi, p, sizeof(pi));
			b->local.u.in.sin_addr = pi.ipi_addr;
		} else if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo pi;

			memcpy(&pi, p, sizeof(pi));
			b->local.u.in6.sin6_addr = pi.ipi6_addr;
			if (IN6_IS_ADDR_LINKLOCAL(&pi.ipi6_addr))
				b->local.u.in6.sin6_scope_id = pi.ipi6_ifindex;
		} else if (c->cmsg_level == IPPROTO_IP &&
		    c->cmsg_type == IP_TOS) {
			b->ecn = *(const uint8_t *)p & 3;
		} else if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_TCLASS) {
			memcpy(&v, p, sizeof(v));
			b->ecn = (uint8_t)(v & 3);
		} else if (c->cmsg_level == SOL_UDP &&
		    c->cmsg_type == UDP_GRO) {
			memcpy(&v, p, sizeof(v));
			if (v > 0)
				b->segment = (size_t)v;
		}
	}
}

int
udp_recv(struct udp *u, struct udp_batch *b)
{
	union udp_control control;
	struct iovec iov = { .iov_base = b->data, .iov_len = UDP_RX_SIZE };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_name = &b->remote.u, .msg_namelen = sizeof(b->remote.u),
		.msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n;

	do
		n = recvmsg(u->fd, &msg, 0);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return errno == EAGAIN ? 0 : -1;
	b->remote.len = msg.msg_namelen;
	b->local = u->local;
	b->len = (size_t)n;
	b->segment = b->len;
	b->ecn = 0;
	udp_control_get(&msg, b);
	return 1;
}

static struct cmsghdr *
udp_control_add(struct msghdr *msg, int level, int type, const void *data,
    size_t len)
{
	/* CMSG_NXTHDR would look at what is not written yet. */
	struct cmsghdr *c = (struct cmsghdr *)(void *)(
	    (char *)msg->msg_control + msg->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	msg->msg_controllen += CMSG_SPACE(len);
	return c;
}

static void
udp_control_put(const struct udp *u, struct msghdr *msg,
    const struct udp_batch *b)
{
	int v6 = b->local.u.sa.sa_family == AF_INET6;
	uint16_t segment = (uint16_t)b->segment;
	int ecn = b->ecn;

	if (!u->connected && v6) {
		struct in6_pktinfo pi = {
			.ipi6_addr = b->local.u.in6.sin6_addr
		};

		if (IN6_IS_ADDR_LINKLOCAL(&pi.ipi6_addr))
			pi.ipi6_ifindex = b->local.u.in6.sin6_scope_id;
		udp_control_add(msg, IPPROTO_IPV6, IPV6_PKTINFO, &pi,
		    sizeof(pi));
	} else if (!u->connected) {
		struct in_pktinfo pi = { .ipi_spec_dst =
					     b->local.u.in.sin_addr };

		udp_control_add(msg, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
	}
	if (ecn != 0)
		udp_control_add(msg, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		    v6 ? IPV6_TCLASS : IP_TOS, &ecn, sizeof(ecn));
	if (b->len > b->segment)
		udp_control_add(msg, SOL_UDP, UDP_SEGMENT, &segment,
		    sizeof(segment));
}

/* One sendmsg: 0 done, or errno. */
static int
udp_send_once(struct udp *u, const struct udp_batch *b)
{
	union udp_control control;
	struct iovec iov = { .iov_base = b->data, .iov_len = b->len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control };
	struct udp_addr remote = b->remote;
	ssize_t n;

	memset(&control, 0, sizeof(control));
	if (!u->connected) {
		msg.msg_name = &remote.u;
		msg.msg_namelen = remote.len;
	}
	udp_control_put(u, &msg, b);
	if (msg.msg_controllen == 0)
		msg.msg_control = NULL;
	do
		n = sendmsg(u->fd, &msg, 0);
	while (n == -1 && errno == EINTR);
	return n == -1 ? errno : 0;
}

/* Packet by packet, for a kernel or device that cannot segment. Returns the
 * errno of the first that failed; *done: bytes sent before it. */
static int
udp_send_each(struct udp *u, const struct udp_batch *b, size_t *done)
{
	struct udp_batch one = *b;
	int err;

	for (*done = 0; *done < b->len; *done += one.len) {
		one.data = b->data + *done;
		one.len = b->len - *done;
		if (one.len > b->segment)
			one.len = b->segment;
		err = udp_send_once(u, &one);
		if (err == EAGAIN || err == ENOBUFS || err == ECONNREFUSED)
			return err;
		/* It was not the address, which a stranger may choose. */
		if (err == 0)
			u->gso = 0;
	}
	return 0;
}

/* 0 or errno; *done: bytes that are gone when it is not 0. */
static int
udp_send_batch(struct udp *u, const struct udp_batch *b, size_t *done)
{
	int err;

	*done = 0;
	if (u->gso || b->len <= b->segment) {
		err = udp_send_once(u, b);
		if ((err != EIO && err != EINVAL) || b->len <= b->segment)
			return err;
		log_debug("no UDP_SEGMENT here: %s", strerror(err));
	}
	return udp_send_each(u, b, done);
}

static int
udp_send_result(int err)
{
	if (err == ECONNREFUSED) {
		errno = err;
		return -1;
	}
	/* The rest is a lost packet to QUIC: too large for this path, no route
	 * at the moment, a firewall. */
	if (err != 0)
		log_debug("sendmsg: %s", strerror(err));
	return 0;
}

int
udp_send(struct udp *u, const struct udp_batch *b)
{
	size_t done;
	int err = udp_send_batch(u, b, &done);

	if (err != EAGAIN && err != ENOBUFS)
		return udp_send_result(err);
	u->stuck = *b;
	u->stuck.len = b->len - done;
	u->stuck.data = malloc(u->stuck.len);
	if (u->stuck.data == NULL)
		fatal(EX_OSERR, "malloc of %zu bytes", u->stuck.len);
	memcpy(u->stuck.data, b->data + done, u->stuck.len);
	return 1;
}

int
udp_unstick(struct udp *u)
{
	size_t done;
	int err;

	if (u->stuck.data == NULL)
		return 0;
	err = udp_send_batch(u, &u->stuck, &done);
	if (err == EAGAIN || err == ENOBUFS) {
		memmove(u->stuck.data, u->stuck.data + done,
		    u->stuck.len - done);
		u->stuck.len -= done;
		return 1;
	}
	free(u->stuck.data);
	u->stuck.data = NULL;
	return udp_send_result(err);
}
