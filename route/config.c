#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sysexits.h>

#include "log.h"
#include "sock.h"
#include "track.h"

#define ENDPOINT_LEN_MAX 512 /* bytes */

enum { UNKNOWN_DROP, UNKNOWN_DEFAULT, UNKNOWN_UNSET };

/* What global says, for services that say nothing. */
struct defaults {
	int policy;
	struct config_queue queue;
};

static void *
alloc(size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size);

	if (p == NULL)
		fatal(EX_OSERR, "malloc of %zu bytes", n * size);
	return p;
}

static void
read_queue(struct conf *t, const struct conf_node *map,
    struct config_queue *q)
{
	const struct conf_field fields[] = {
		{ "packets", CONF_GET_UINT, &q->packets, 1,
		    CONFIG_PACKETS_MAX, NULL, 0 },
		{ "bytes", CONF_GET_SIZE, &q->bytes, CONFIG_BYTES_MIN,
		    CONFIG_BYTES_MAX, NULL, 0 },
		{ NULL, 0, NULL, 0, 0, NULL, 0 }
	};

	if (map != NULL)
		conf_get(t, map, fields);
}

/* Names stand in metrics, topics and log lines. */
static void
check_name(struct conf *t, const struct conf_node *node)
{
	size_t n = strlen(node->key);

	if (n == 0 || n > CONFIG_NAME_MAX)
		conf_fail_key(t, node, "a service's name has 1 to %d bytes",
		    CONFIG_NAME_MAX);
	for (const char *p = node->key; *p != '\0'; p++) {
		if (isascii((unsigned char)*p) &&
		    (isalnum((unsigned char)*p) || strchr("._-", *p) != NULL))
			continue;
		conf_fail_key(t, node,
		    "a service's name is made of A-Z a-z 0-9 . _ -");
		return;
	}
}

static void
read_types(struct conf *t, const struct conf_node *list,
    struct config_service *s)
{
	const struct conf_node *n;

	s->types = alloc(list != NULL ? list->n : 0, sizeof(*s->types));
	if (list == NULL)
		return;
	for (n = list->child; n != NULL; n = n->next) {
		const char *type = conf_str(t, n, 1, TRACK_TYPE_LEN);
		const char *p = type;

		while (p != NULL && (unsigned char)*p >= 0x20 && *p != 0x7f)
			p++;
		if (p != NULL && *p != '\0')
			conf_fail(t, n, "control characters in a track type");
		else if (type != NULL)
			s->types[s->ntypes++] = type;
	}
}

/* NULL, or why it is no endpoint for route to connect to. */
static const char *
endpoint_wrong(const char *e)
{
	char host[256], port[8];
	long number;
	char *end;

	for (const char *p = e; *p != '\0'; p++)
		if (!isgraph((unsigned char)*p) || *p == '"' || *p == '\\')
			return "an endpoint is printable ASCII without "
			    "blanks, quotes and backslashes";
	if (strncmp(e, "ipc://", 6) == 0) {
		if (e[6] == '\0')
			return "no path";
		if (strlen(e + 6) >= sizeof(((struct sockaddr_un *)0)->sun_path))
			return "path is too long";
		return NULL;
	}
	if (strncmp(e, "tcp://", 6) != 0)
		return "not ipc://PATH or tcp://HOST:PORT";
	if (sock_split(e + 6, host, sizeof(host), port, sizeof(port)) == -1 ||
	    !isdigit((unsigned char)port[0]))
		return "not tcp://HOST:PORT";
	number = strtol(port, &end, 10);
	if (*end != '\0' || number < 1 || number > 65535)
		return "port is not from 1 to 65535";
	return NULL;
}

static void
read_endpoints(struct conf *t, const struct conf_node *list,
    struct config_service *s)
{
	const struct conf_node *n;

	s->endpoints = alloc(list != NULL ? list->n : 0,
	    sizeof(*s->endpoints));
	if (list == NULL)
		return;
	for (n = list->child; n != NULL; n = n->next) {
		const char *e = conf_str(t, n, 1, ENDPOINT_LEN_MAX), *why;

		if (e == NULL)
			continue;
		why = endpoint_wrong(e);
		for (uint32_t i = 0; i < s->nendpoints && why == NULL; i++)
			if (strcmp(e, s->endpoints[i]) == 0)
				why = "endpoint given twice";
		if (why != NULL)
			conf_fail(t, n, "%.128s: %s", e, why);
		else
			s->endpoints[s->nendpoints++] = e;
	}
}

/* A header ends up in HTTP requests and message properties. */
static const char *
header_wrong(const char *name, const char *value)
{
	size_t n = strlen(name);

	if (n == 0 || n > DMSG_HEADER_NAME_MAX)
		return "a header's name has 1 to 128 bytes";
	for (const char *p = name; *p != '\0'; p++)
		if (!isascii((unsigned char)*p) ||
		    (!isalnum((unsigned char)*p) &&
			strchr("!#$%&'*+-.^_`|~", *p) == NULL))
			return "not a header's name (RFC 9110, token)";
	for (const char *p = value; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return "control characters in a header's value";
	return NULL;
}

static void
read_headers(struct conf *t, const struct conf_node *map,
    struct config_service *s)
{
	const struct conf_node *n = map != NULL ? map->child : NULL;

	for (; n != NULL; n = n->next) {
		struct dmsg_header *h = &s->headers[s->nheaders];
		const char *value = conf_str(t, n, 0, DMSG_HEADER_VALUE_MAX);
		const char *why;

		if (value == NULL)
			continue;
		why = header_wrong(n->key, value);
		if (why != NULL) {
			conf_fail_key(t, n, "%s", why);
			continue;
		}
		h->name = (struct mp_str){ n->key, (uint32_t)strlen(n->key) };
		h->value = (struct mp_str){ value, (uint32_t)strlen(value) };
		s->nheaders++;
	}
}

static void
read_service(struct conf *t, const struct conf_node *node,
    const struct defaults *d, struct config_service *s)
{
	const struct conf_node *types = NULL, *endpoints = NULL;
	const struct conf_node *queue = NULL, *headers = NULL;
	int policy = d->policy;
	const struct conf_field fields[] = {
		{ "types", CONF_GET_LIST, &types, 1, CONFIG_TYPES_MAX, NULL,
		    strcmp(node->key, CONFIG_DEFAULT) != 0 },
		{ "endpoints", CONF_GET_LIST, &endpoints, 1,
		    CONFIG_ENDPOINTS_MAX, NULL, 1 },
		{ "policy", CONF_GET_CHOICE, &policy, 0, 0, CONFIG_POLICIES,
		    0 },
		{ "queue", CONF_GET_MAP, &queue, 0, INT32_MAX, NULL, 0 },
		{ "headers", CONF_GET_MAP, &headers, 0, DMSG_HEADERS_MAX,
		    NULL, 0 },
		{ NULL, 0, NULL, 0, 0, NULL, 0 }
	};

	s->name = node->key;
	s->queue = d->queue;
	check_name(t, node);
	conf_get(t, node, fields);
	s->policy = (enum config_policy)policy;
	read_queue(t, queue, &s->queue);
	read_types(t, types, s);
	read_endpoints(t, endpoints, s);
	read_headers(t, headers, s);
}

struct typed {
	const char *type, *service;
	const struct conf_node *node;
	uint32_t order;
};

static int
typed_cmp(const void *a, const void *b)
{
	const struct typed *x = a, *y = b;
	int rc = strcmp(x->type, y->type);

	return rc != 0 ? rc : (x->order > y->order) - (x->order < y->order);
}

/* Adds the types of one service to all, unless that is NULL; how many. */
static uint32_t
collect_types(const struct conf_node *service, struct typed *all,
    uint32_t order)
{
	const struct conf_node *list = service->child, *n;
	uint32_t count = 0;

	while (list != NULL && list->key != NULL &&
	    strcmp(list->key, "types") != 0)
		list = list->next;
	if (list == NULL || list->type != CONF_LIST)
		return 0;
	for (n = list->child; n != NULL; n = n->next) {
		if (n->value == NULL)
			continue;
		if (all != NULL)
			all[count] = (struct typed){ n->value, service->key,
				n, order + count };
		count++;
	}
	return count;
}

/* One type, one service; of two that stand there the second is wrong. */
static void
check_types(struct conf *t, const struct conf_node *services)
{
	const struct conf_node *s;
	struct typed *all;
	uint32_t count = 0, n = 0;

	for (s = services->child; s != NULL; s = s->next)
		count += s->type == CONF_MAP ? collect_types(s, NULL, 0) : 0;
	all = alloc(count, sizeof(*all));
	for (s = services->child; s != NULL; s = s->next)
		n += s->type == CONF_MAP ? collect_types(s, all + n, n) : 0;
	qsort(all, count, sizeof(*all), typed_cmp);
	for (uint32_t i = 1; i < count; i++)
		if (strcmp(all[i].type, all[i - 1].type) == 0)
			conf_fail(t, all[i].node, "%.64s: given to service "
			    "%.64s already", all[i].type, all[i - 1].service);
	free(all);
}

static void
read_services(struct conf *t, const struct conf_node *map,
    const struct defaults *d, struct config *c)
{
	const struct conf_node *n;

	c->services = alloc(map->n, sizeof(*c->services));
	for (n = map->child; n != NULL; n = n->next) {
		if (n->type != CONF_MAP) {
			conf_fail(t, n, "not a map");
			continue;
		}
		read_service(t, n, d, &c->services[c->nservices]);
		c->nendpoints += c->services[c->nservices++].nendpoints;
	}
	if (c->nendpoints > CONFIG_ALL_ENDPOINTS_MAX)
		conf_fail(t, map, "more than %d endpoints",
		    CONFIG_ALL_ENDPOINTS_MAX);
	check_types(t, map);
}

static int
read_global(struct conf *t, const struct conf_node *map, struct defaults *d)
{
	const struct conf_node *queue = NULL;
	int unknown = UNKNOWN_UNSET;
	const struct conf_field fields[] = {
		{ "unknown", CONF_GET_CHOICE, &unknown, 0, 0, "drop|default",
		    0 },
		{ "policy", CONF_GET_CHOICE, &d->policy, 0, 0,
		    CONFIG_POLICIES, 0 },
		{ "queue", CONF_GET_MAP, &queue, 0, INT32_MAX, NULL, 0 },
		{ NULL, 0, NULL, 0, 0, NULL, 0 }
	};

	if (map != NULL)
		conf_get(t, map, fields);
	read_queue(t, queue, &d->queue);
	return unknown;
}

struct config *
config_from(struct conf *tree, struct conf **errors)
{
	const struct conf_node *root = conf_root(tree);
	const struct conf_node *global = NULL, *services = NULL;
	const struct conf_field fields[] = {
		{ "global", CONF_GET_MAP, &global, 0, INT32_MAX, NULL, 0 },
		{ "services", CONF_GET_MAP, &services, 1,
		    CONFIG_SERVICES_MAX, NULL, 1 },
		{ NULL, 0, NULL, 0, 0, NULL, 0 }
	};
	struct defaults d = { POLICY_BLOCK,
		{ CONFIG_PACKETS_DEFAULT, CONFIG_BYTES_DEFAULT } };
	struct config *c = alloc(1, sizeof(*c));
	int unknown;

	c->tree = tree;
	if (root != NULL) {
		conf_get(tree, root, fields);
		unknown = read_global(tree, global, &d);
		if (services != NULL)
			read_services(tree, services, &d, c);
		c->unknown_to_default = unknown != UNKNOWN_DROP &&
		    config_find(c, CONFIG_DEFAULT) != -1;
		if (unknown == UNKNOWN_DEFAULT && !c->unknown_to_default)
			conf_fail(tree, global, "unknown types go to a "
			    "service " CONFIG_DEFAULT ", and there is none");
	}
	if (conf_nerrors(tree) == 0)
		return c;
	c->tree = NULL;
	*errors = tree;
	config_free(c);
	return NULL;
}

struct config *
config_load(const char *path)
{
	struct conf *errors = NULL;
	struct config *c = config_from(conf_load(path), &errors);

	if (c == NULL) {
		conf_log_errors(errors);
		conf_free(errors);
	}
	return c;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	for (uint32_t i = 0; i < c->nservices; i++) {
		free(c->services[i].types);
		free(c->services[i].endpoints);
	}
	free(c->services);
	conf_free(c->tree);
	free(c);
}

int32_t
config_find(const struct config *c, const char *name)
{
	for (uint32_t i = 0; i < c->nservices; i++)
		if (strcmp(c->services[i].name, name) == 0)
			return (int32_t)i;
	return -1;
}

/* A text in single quotes, as YAML wants it. */
static void
print_quoted(const char *s, size_t n)
{
	putchar('\'');
	for (; n > 0; s++, n--) {
		if (*s == '\'')
			putchar('\'');
		putchar(*s);
	}
	putchar('\'');
}

static void
print_list(const char *key, const char *const *v, uint32_t n)
{
	printf("    %s: [", key);
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0)
			printf(", ");
		print_quoted(v[i], strlen(v[i]));
	}
	printf("]\n");
}

static void
print_service(const struct config_service *s)
{
	static const char *const policies[] = { "block", "drop-oldest",
		"drop-newest" };

	printf("  ");
	print_quoted(s->name, strlen(s->name));
	printf(":\n");
	if (s->ntypes > 0)
		print_list("types", s->types, s->ntypes);
	print_list("endpoints", s->endpoints, s->nendpoints);
	printf("    policy: %s\n", policies[s->policy]);
	printf("    queue: {packets: %lld, bytes: %lld}\n",
	    (long long)s->queue.packets, (long long)s->queue.bytes);
	if (s->nheaders == 0)
		return;
	printf("    headers:\n");
	for (uint32_t i = 0; i < s->nheaders; i++) {
		printf("      ");
		print_quoted(s->headers[i].name.p, s->headers[i].name.n);
		printf(": ");
		print_quoted(s->headers[i].value.p, s->headers[i].value.n);
		printf("\n");
	}
}

void
config_print(const struct config *c)
{
	printf("global:\n  unknown: %s\nservices:\n",
	    c->unknown_to_default ? "default" : "drop");
	for (uint32_t i = 0; i < c->nservices; i++)
		print_service(&c->services[i]);
}
