// Files: each on a stream of its own, in packets that carry the name, the
// size and their place (INTERFACES.md section 8). The stream's back-pressure
// sets the pace: one packet is read from the file when one was taken.

import { fileHeader, packet } from './packet.js';
import { streamError } from './track.js';

const PIECE = 256 * 1024;
const TRIES = 5;
const QUEUE_MAX = 16; // files
const NAME_MAX = 255; // bytes

// A name as INTERFACES.md wants it: no separators, no control characters.
function plainName(name) {
	const plain = name.replace(/[\u0000-\u001f\u007f/\\]/g, '_') || 'file';
	const bytes = new TextEncoder().encode(plain);
	if (bytes.length <= NAME_MAX)
		return plain;
	const end = new TextDecoder().decode(bytes.subarray(-NAME_MAX));
	return end.replace(/^\ufffd+/, '');
}

/**
 * Sends files one after another. Events: "change" (detail: the transfer)
 * whenever one moved on. A transfer: { name, size, sent, state, why, cancel() }
 * with state queued, sending, waiting (for a session), done, failed.
 */
export class FileSender extends EventTarget {
	sent = null; // as in Track
	#session;
	#figures;
	#queue = [];
	#working = null;

	constructor(session, figures) {
		super();
		this.#session = session;
		this.#figures = figures;
	}

	/** Null when too many wait already. */
	add(file) {
		if (this.#queue.length >= QUEUE_MAX)
			return null;
		const transfer = {
			file, name: plainName(file.name), size: file.size, sent: 0,
			state: 'queued', why: '', cancelled: false,
		};
		transfer.cancel = () => {
			transfer.cancelled = true;
			transfer.abort?.();
		};
		this.#queue.push(transfer);
		this.#change(transfer, 'queued');
		this.#working ??= this.#work().finally(() => {
			this.#working = null;
		});
		return transfer;
	}

	#change(transfer, state, why = '') {
		transfer.state = state;
		transfer.why = why;
		this.dispatchEvent(new CustomEvent('change', { detail: transfer }));
	}

	async #work() {
		for (; this.#queue.length > 0; this.#queue.shift())
			await this.#transfer(this.#queue[0]);
	}

	async #transfer(transfer) {
		let why = '';
		for (let i = 0; i < TRIES && !transfer.cancelled; i++) {
			const transport = await this.#transport(transfer);
			if (!transport)
				break;
			try {
				await this.#send(transport, transfer);
				this.#change(transfer, 'done');
				return;
			} catch (error) {
				why = streamError(error);
			}
		}
		this.#change(transfer, 'failed', transfer.cancelled ? 'cancelled' : why);
	}

	// The session to send on, waited for; null when cancelled.
	async #transport(transfer) {
		while (!this.#session.transport && !transfer.cancelled) {
			this.#change(transfer, 'waiting', 'for a connection');
			await new Promise((resolve) => {
				this.#session.addEventListener('open', resolve, { once: true });
				transfer.abort = resolve;
			});
		}
		return transfer.cancelled ? null : this.#session.transport;
	}

	async #send(transport, transfer) {
		const { file, name, size } = transfer;
		const id = crypto.getRandomValues(new Uint8Array(16));
		const stream = await transport.createUnidirectionalStream();
		const writer = stream.getWriter();
		writer.closed.catch(() => {});
		transfer.abort = () => writer.abort('cancelled').catch(() => {});
		transfer.sent = 0;
		this.#change(transfer, 'sending');
		do {
			const end = Math.min(transfer.sent + PIECE, size);
			const piece = await file.slice(transfer.sent, end).arrayBuffer();
			const header = fileHeader({
				transfer: id, offset: transfer.sent, size, name,
			});
			const bytes = packet('file', 'file', header, new Uint8Array(piece));
			await writer.ready;
			await writer.write(bytes);
			this.#figures.packets++;
			this.#figures.bytes += header.byteLength + piece.byteLength;
			this.sent?.(bytes);
			transfer.sent = end;
			this.#change(transfer, 'sending');
		} while (transfer.sent < size);
		await writer.close();
	}
}
