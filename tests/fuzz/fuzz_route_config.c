/*
 * route.yaml: any bytes give a configuration within its limits or errors;
 * a table of types can be built from what is right, and asked.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../route/config.h"
#include "../../route/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct config *c, const uint8_t *data, size_t size)
{
	uint8_t type[TRACK_TYPE_LEN] = { 0 };
	uint32_t n = 0;
	struct router r;

	for (uint32_t i = 0; i < c->nservices; i++) {
		const struct config_service *s = &c->services[i];

		n += s->nendpoints;
		if (s->nendpoints == 0 || s->queue.packets < 1 ||
		    s->queue.bytes < CONFIG_BYTES_MIN ||
		    s->nheaders > DMSG_HEADERS_MAX)
			abort();
	}
	if (n != c->nendpoints)
		abort();
	router_init(&r, c, 1);
	memcpy(type, data, size < sizeof(type) ? size : sizeof(type));
	for (int twice = 0; twice < 2; twice++)
		if (router_lookup(&r, type) >= (int32_t)c->nservices)
			abort();
	router_free(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf *errors = NULL;
	struct config *c = config_from(conf_parse("fuzz", data, size),
	    &errors);

	if ((c == NULL) != (errors != NULL))
		abort();
	if (c != NULL)
		check(c, data, size);
	config_free(c);
	conf_free(errors);
	return 0;
}
