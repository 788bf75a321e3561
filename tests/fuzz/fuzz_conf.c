/*
 * Configuration text: any bytes give a tree or errors that begin with the
 * file's name; the getters stand whatever the tree looks like.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
walk(struct conf *c, const struct conf_node *node)
{
	const struct conf_node *list = NULL, *map = NULL;
	const char *str = NULL;
	int64_t num = 0, bytes = 0, ms = 0;
	int flag = 0, choice = 0;
	size_t count = 1, n = 0;
	const struct conf_field fields[] = {
		{ "a", CONF_GET_STR, &str, 1, 16, NULL, 0 },
		{ "b", CONF_GET_UINT, &num, 0, 1000, NULL, 0 },
		{ "c", CONF_GET_SIZE, &bytes, 0, 1 << 30, NULL, 0 },
		{ "d", CONF_GET_MS, &ms, 0, 1 << 30, NULL, 0 },
		{ "e", CONF_GET_BOOL, &flag, 0, 0, NULL, 0 },
		{ "f", CONF_GET_CHOICE, &choice, 0, 0, "x|y", 1 },
		{ "g", CONF_GET_LIST, &list, 0, 4, NULL, 0 },
		{ "h", CONF_GET_MAP, &map, 0, 4, NULL, 0 },
		{ NULL, 0, NULL, 0, 0, NULL, 0 }
	};

	conf_get(c, node, fields);
	conf_str(c, node, 0, 8);
	for (const struct conf_node *k = node->child; k != NULL; k = k->next) {
		if (k->parent != node || (node->type == CONF_MAP) !=
		    (k->key != NULL))
			abort();
		count += walk(c, k);
		n++;
	}
	if (n != node->n)
		abort();
	return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf *c = conf_parse("fuzz", data, size);

	if ((conf_root(c) == NULL) != (conf_nerrors(c) > 0))
		abort();
	if (conf_root(c) != NULL)
		walk(c, conf_root(c));
	for (size_t i = 0; conf_error(c, i) != NULL; i++)
		if (strncmp(conf_error(c, i), "fuzz:", 5) != 0)
			abort();
	conf_free(c);
	return 0;
}
