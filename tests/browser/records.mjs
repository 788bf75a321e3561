// Records (INTERFACES.md section 2) for the tests, written here a second
// time on purpose: what lib/rec.c and this file agree on is the document.

const HEADER_LEN = 32;
export const NO_STREAM = 0xffff_ffff_ffff_ffffn;

export const FLAG = { FIN: 1, UNI: 2, SERVER: 4 };
export const TYPE = {
	SESSION_OPEN: 1, SESSION_CLOSE: 2, STREAM_DATA: 3, STREAM_RESET: 4,
	STOP_SENDING: 5, DATAGRAM: 6, PACKET: 7, SESSION_DRAIN: 8,
	STREAM_OPEN: 18, STREAM_OPENED: 19, REFUSED: 20,
};

/** One record as bytes. */
export function encode({ type, flags = 0, session, stream = NO_STREAM,
	payload = Buffer.alloc(0) }) {
	const header = Buffer.alloc(HEADER_LEN);
	header.writeUInt32BE(payload.length, 0);
	header[4] = type;
	header[5] = flags;
	header.writeBigUInt64BE(session, 8);
	header.writeBigUInt64BE(stream, 16);
	return Buffer.concat([header, payload]);
}

/** A function that is fed bytes and calls take(record) for every record. */
export function decoder(take) {
	let chunks = [];
	let held = 0;
	let wanted = HEADER_LEN;
	return (bytes) => {
		chunks.push(bytes);
		held += bytes.length;
		if (held < wanted)
			return;
		let rest = Buffer.concat(chunks);
		for (;;) {
			wanted = HEADER_LEN;
			if (rest.length >= HEADER_LEN)
				wanted += rest.readUInt32BE(0);
			if (rest.length < wanted)
				break;
			take({
				type: rest[4],
				flags: rest[5],
				session: rest.readBigUInt64BE(8),
				stream: rest.readBigUInt64BE(16),
				time: rest.readBigUInt64BE(24),
				payload: rest.subarray(HEADER_LEN, wanted),
			});
			rest = rest.subarray(wanted);
		}
		chunks = [rest];
		held = rest.length;
	};
}

/** The payload of a code: four bytes. */
export function code(value) {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(value);
	return bytes;
}
