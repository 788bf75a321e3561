/* Files cut into packets: pieces lie within the file, in order, and it ends. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../wt-client/cut.h"

#define MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t prefix[CUT_PREFIX_MAX];
	const uint8_t *end = data + 2;
	struct cut_piece piece;
	struct cutter c;
	int rc;

	if (size < 2)
		return 0;
	/* The first byte chooses the kind, the second the size of chunks. */
	rc = cut_begin(&c, (enum cut_kind)(data[0] % (CUT_WAV + 1)), data + 2,
	    size - 2, data[1] + 1u, MAX);
	if (rc == 0)
		while ((rc = cut_next(&c, &piece)) == 1) {
			size_t n = cut_prefix(&c, &piece, prefix);

			if (piece.len == 0 || piece.len + n > MAX ||
			    piece.data < end ||
			    piece.data + piece.len > data + size)
				abort();
			end = piece.data + piece.len;
		}
	if (rc == -1 && (c.why == NULL || c.pos > size - 2))
		abort();
	return 0;
}
