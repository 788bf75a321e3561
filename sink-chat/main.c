/* sink-chat: chat messages onto a topic. */
#include <stddef.h>

#include "chat.h"
#include "jsonl.h"
#include "log.h"
#include "sink.h"

static struct chat chat; /* the message at hand */
static int64_t max_message = CHAT_MAX_DEFAULT;

static const struct opt opts[] = {
	{ "max-message", OPT_SIZE, &max_message, "BYTES",
	    "longest message, as JSON text", 64, 1 << 20, NULL },
	{ NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0, NULL }
};

static const char *
chat_kind_inspect(void *ctx, const struct sink_packet *p, struct props *props)
{
	struct chat *c = ctx;
	enum chat_error e =
	    chat_inspect(p->payload, p->len, (size_t)max_message, c);

	if (e != CHAT_OK)
		return chat_error_name(e);
	if (json_is_integer(c->message_id))
		props_add_int(props, "message_id",
		    json_integer_value(c->message_id));
	else
		props_add_str(props, "message_id",
		    json_string_value(c->message_id));
	props_add_str(props, "user", c->user);
	props_add_str(props, "type", c->type);
	props_add_float(props, "timestamp", c->timestamp);
	props_add_uint(props, "length", c->message_len);
	return NULL;
}

static void
chat_kind_record(void *ctx, struct recorder *rr, const struct sink_packet *p)
{
	struct recording *r = recording_get(rr, p->session, p->track.id,
	    &jsonl_format, NULL, p->now);

	(void)ctx;
	if (r != NULL)
		jsonl_append(r, p->payload, p->len, p->now);
}

static void
chat_kind_release(void *ctx)
{
	chat_free(ctx);
}

static const char *
chat_kind_reason(size_t i)
{
	i++; /* the first is "ok" */
	return i <= CHAT_BAD_TYPE ? chat_error_name((enum chat_error)i) :
				    NULL;
}

int
main(int argc, char **argv)
{
	static const struct sink_kind kind = {
		.name = "chat",
		.topic = "chat-topic",
		.rejected_topic = "chat-rejected-topic",
		.opts = opts,
		.inspect = chat_kind_inspect,
		.record = chat_kind_record,
		.release = chat_kind_release,
		.reason = chat_kind_reason,
		.ctx = &chat,
	};

	log_init("sink-chat");
	return sink_main(argc, argv, &kind);
}
