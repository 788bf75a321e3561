/*
 * Which sessions are accepted, and what SESSION_OPEN says about them. Pure.
 */
#ifndef WT_ACCEPT_REQUEST_H
#define WT_ACCEPT_REQUEST_H

#include "buf.h"
#include "opt.h"
#include "wt.h"

/* An entry of --origin that stands for a request without Origin. */
#define REQUEST_NO_ORIGIN "none"

struct request_rules {
	struct opt_list paths;	   /* --path; none: /wt */
	struct opt_list origins;   /* --origin; none: any */
	struct opt_list protocols; /* --protocol, the best first */
};

/*
 * 200, 404 (path) or 403 (origin). *protocol is set to the subprotocol chosen
 * (it points into the rules) or left alone when none is offered that we know.
 * A path is compared without its query.
 */
int request_decide(const struct request_rules *rules,
    const struct wt_request *req, const char **protocol);

/*
 * Appends the payload of SESSION_OPEN (INTERFACES.md section 2). Fields of one
 * name are joined with ", " (RFC 9110 section 5.3), cookies with "; " (RFC 9114
 * section 4.2.1). A value that is not UTF-8 gets "?" for every byte of it
 * outside of ASCII.
 */
void request_pack(struct buf *b, const struct wt_request *req,
    const char *protocol);

#endif
