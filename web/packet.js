// Bytes of what the page sends: the 32-byte track header (INTERFACES.md
// section 1) and the payload headers of section 8. Pure functions: values
// in, Uint8Array out.

export const HEADER_LEN = 32;
const ID_LEN = 16;
const TYPE_LEN = 12;

const text = new TextEncoder();

function putText(out, offset, size, value, what) {
	const bytes = text.encode(value);
	if (bytes.length > size || value.includes('\0'))
		throw new RangeError(`${what} does not fit ${size} bytes: ${value}`);
	out.set(bytes, offset);
}

/** One whole packet: header, then the parts of the payload in turn. */
export function packet(id, type, ...parts) {
	if (type === '')
		throw new RangeError('track type is empty');
	const length = parts.reduce((n, part) => n + part.byteLength, 0);
	const out = new Uint8Array(HEADER_LEN + length);
	putText(out, 0, ID_LEN, id, 'track id');
	new DataView(out.buffer).setUint32(ID_LEN, length);
	putText(out, ID_LEN + 4, TYPE_LEN, type, 'track type');
	let offset = HEADER_LEN;
	for (const part of parts) {
		out.set(part, offset);
		offset += part.byteLength;
	}
	return out;
}

function magic(out, word) {
	for (let i = 0; i < 4; i++)
		out[i] = word.charCodeAt(i);
	return new DataView(out.buffer);
}

export const CODEC = { vp8: 1, vp9: 2, avc1: 3, av1: 4 };

/** In front of a WebCodecs chunk. Times in microseconds. */
export function chunkHeader({ codec, key, width, height, timestamp, duration }) {
	const out = new Uint8Array(24);
	const view = magic(out, 'WCV1');
	out[4] = codec;
	out[5] = key ? 1 : 0;
	view.setUint16(8, width);
	view.setUint16(10, height);
	view.setBigUint64(12, BigInt.asUintN(64, BigInt(Math.round(timestamp))));
	view.setUint32(20, Math.min(Math.round(duration ?? 0), 0xffffffff));
	return out;
}

/** In front of a run of mono s16le samples. timestamp: of the first, us. */
export function audioHeader({ rate, timestamp }) {
	const out = new Uint8Array(20);
	const view = magic(out, 'PCM1');
	view.setUint32(4, rate);
	view.setUint16(8, 1);
	view.setUint16(10, 16);
	view.setBigUint64(12, BigInt(Math.round(timestamp)));
	return out;
}

/** In front of a piece of a file. transfer: 16 bytes that name the sending. */
export function fileHeader({ transfer, offset, size, name }) {
	const bytes = text.encode(name);
	const out = new Uint8Array(38 + bytes.length);
	const view = magic(out, 'FIL1');
	out.set(transfer, 4);
	view.setBigUint64(20, BigInt(offset));
	view.setBigUint64(28, BigInt(size));
	view.setUint16(36, bytes.length);
	out.set(bytes, 38);
	return out;
}
