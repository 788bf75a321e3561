#include "conf.h"

#include <inttypes.h>
#include <string.h>

#include "opt.h"

#define CONF_QUOTE 64 /* bytes of a wrong value shown in an error */

const char *
conf_str(struct conf *c, const struct conf_node *node, size_t min, size_t max)
{
	size_t n;

	if (node->type != CONF_SCALAR) {
		conf_fail(c, node, "not text");
		return NULL;
	}
	n = strlen(node->value);
	if (n < min || n > max) {
		if (n == 0)
			conf_fail(c, node, "empty");
		else
			conf_fail(c, node, "not %zu to %zu bytes long", min,
			    max);
		return NULL;
	}
	return node->value;
}

static int
conf_number(struct conf *c, const struct conf_node *node,
    const struct conf_field *f)
{
	const char *kind = "number";
	int rc;

	switch (f->want) {
	case CONF_GET_SIZE:
		kind = "size in bytes";
		rc = opt_size(node->value, f->min, f->max, f->dst);
		break;
	case CONF_GET_MS:
		kind = "time in milliseconds";
		rc = opt_ms(node->value, f->min, f->max, f->dst);
		break;
	default:
		rc = opt_number(node->value, f->min, f->max, f->dst);
		break;
	}
	if (rc == -1)
		conf_fail(c, node, "%.*s: not a %s from %" PRId64
		    " to %" PRId64, CONF_QUOTE, node->value, kind, f->min,
		    f->max);
	return rc;
}

static int
conf_container(struct conf *c, const struct conf_node *node,
    const struct conf_field *f)
{
	enum conf_type type = f->want == CONF_GET_LIST ? CONF_LIST : CONF_MAP;

	if (node->type != type) {
		conf_fail(c, node, "not a %s",
		    type == CONF_LIST ? "list" : "map");
		return -1;
	}
	if (node->n < f->min || node->n > f->max) {
		conf_fail(c, node, "has %" PRIu32 " elements, not %" PRId64
		    " to %" PRId64, node->n, f->min, f->max);
		return -1;
	}
	*(const struct conf_node **)f->dst = node;
	return 0;
}

static int
conf_get_one(struct conf *c, const struct conf_node *node,
    const struct conf_field *f)
{
	const char *choices = f->choices, *s;
	int i;

	if (f->want == CONF_GET_LIST || f->want == CONF_GET_MAP)
		return conf_container(c, node, f);
	if (f->want == CONF_GET_STR) {
		s = conf_str(c, node, (size_t)f->min, (size_t)f->max);
		if (s != NULL)
			*(const char **)f->dst = s;
		return s != NULL ? 0 : -1;
	}
	if (node->type != CONF_SCALAR) {
		conf_fail(c, node, "not a single value");
		return -1;
	}
	if (f->want != CONF_GET_BOOL && f->want != CONF_GET_CHOICE)
		return conf_number(c, node, f);
	if (f->want == CONF_GET_BOOL)
		choices = "false|true|no|yes|off|on";
	i = opt_choice(choices, node->value);
	if (i == -1) {
		conf_fail(c, node, "%.*s: not one of %s", CONF_QUOTE,
		    node->value, choices);
		return -1;
	}
	*(int *)f->dst = f->want == CONF_GET_BOOL ? i % 2 : i;
	return 0;
}

int
conf_get(struct conf *c, const struct conf_node *map,
    const struct conf_field *fields)
{
	const struct conf_node *node;
	const struct conf_field *f;
	size_t before = conf_nerrors(c);

	if (map->type != CONF_MAP) {
		conf_fail(c, map, "not a map");
		return -1;
	}
	for (node = map->child; node != NULL; node = node->next) {
		for (f = fields; f->key != NULL; f++)
			if (strcmp(f->key, node->key) == 0)
				break;
		if (f->key != NULL)
			conf_get_one(c, node, f);
		else
			conf_fail_key(c, node, "no such key");
	}
	for (f = fields; f->key != NULL; f++) {
		if (!f->required)
			continue;
		for (node = map->child; node != NULL; node = node->next)
			if (strcmp(f->key, node->key) == 0)
				break;
		if (node == NULL)
			conf_fail(c, map, "%s is missing", f->key);
	}
	return conf_nerrors(c) == before ? 0 : -1;
}
