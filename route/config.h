/*
 * route.yaml as one immutable struct (see route.yaml.example). Everything
 * that runs is built from it; nothing in it changes while it is in use.
 */
#ifndef ROUTE_CONFIG_H
#define ROUTE_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "dmsg.h"

#define CONFIG_SERVICES_MAX 4096
#define CONFIG_ENDPOINTS_MAX 64	    /* of one service, */
#define CONFIG_ALL_ENDPOINTS_MAX 8192 /* of all */
#define CONFIG_TYPES_MAX 64	    /* of one service */
#define CONFIG_NAME_MAX 64	    /* bytes of a service's name */
#define CONFIG_DEFAULT "default"    /* the service for unknown types */

#define CONFIG_PACKETS_DEFAULT 8192
#define CONFIG_PACKETS_MAX (16 * 1024 * 1024)
#define CONFIG_BYTES_DEFAULT (32 * 1024 * 1024)
#define CONFIG_BYTES_MIN 1024
#define CONFIG_BYTES_MAX (INT64_C(1) << 40)

enum config_policy {
	POLICY_BLOCK,	    /* stop reading while the queue is full */
	POLICY_DROP_OLDEST, /* the oldest packet that waits goes */
	POLICY_DROP_NEWEST  /* the packet that comes goes */
};
#define CONFIG_POLICIES "block|drop-oldest|drop-newest"

struct config_queue {
	int64_t packets, bytes; /* limits of what waits for an endpoint */
};

struct config_service {
	const char *name;
	const char **types; /* track types, with or without * */
	uint32_t ntypes;
	const char **endpoints; /* "ipc://PATH", "tcp://HOST:PORT" */
	uint32_t nendpoints;
	enum config_policy policy;
	struct config_queue queue;
	struct dmsg_header headers[DMSG_HEADERS_MAX];
	uint32_t nheaders;
};

struct config {
	struct conf *tree;	/* owns every string */
	int unknown_to_default; /* else unknown types are dropped */
	struct config_service *services;
	uint32_t nservices;
	uint32_t nendpoints; /* of all services */
};

/*
 * Takes the tree. NULL when something is wrong; then *errors, which the
 * caller frees, has it.
 */
struct config *config_from(struct conf *tree, struct conf **errors);

/* Reads a file; NULL with every error logged. */
struct config *config_load(const char *path);
void config_free(struct config *c);

/* For --check: the configuration with all defaults filled in, as YAML. */
void config_print(const struct config *c);

/* Index of a service by name, or -1. */
int32_t config_find(const struct config *c, const char *name);

#endif
