/* Chat messages: what is good is also good when written out again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../sink-chat/chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct chat c, again;
	char *s;

	if (chat_inspect(data, size, CHAT_MAX_DEFAULT, &c) == CHAT_OK) {
		s = json_dumps(c.root, JSON_COMPACT);
		/* Escapes may have grown it: no limit here. */
		if (s == NULL || chat_inspect((const uint8_t *)s, strlen(s),
		    SIZE_MAX, &again) != CHAT_OK ||
		    strcmp(again.user, c.user) != 0 ||
		    strcmp(again.message, c.message) != 0)
			abort();
		chat_free(&again);
		free(s);
	}
	chat_free(&c);
	return 0;
}
