// How each kind of data meets the network. A LiveTrack skips what the
// network cannot take now; a KeptTrack holds a bounded number of packets
// until the server has them, over as many sessions as that takes.

import { HEADER_LEN, packet } from './packet.js';

const REOPEN_MS = 1_000; // pause after a stream was refused or stopped

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One line on why a stream ended. */
export function streamError(error) {
	if (error?.source === 'stream' && error.streamErrorCode !== null)
		return `stopped by the server, code 0x${error.streamErrorCode.toString(16)}`;
	return String(error?.message || error);
}

class Track extends EventTarget {
	/**
	 * id and type: of the packets; bound: bytes (Live) or packets (Kept) held
	 * at most; patience: ms a LiveTrack waits before it skips. sent(packet),
	 * when set, is given every packet counted as sent; the tests use it.
	 */
	constructor(session, figures, { id, type, bound, patience }) {
		super();
		this.session = session;
		this.figures = figures;
		this.id = id;
		this.type = type;
		this.bound = bound;
		this.patience = patience;
		this.sent = null;
	}

	count(bytes) {
		this.figures.packets++;
		this.figures.bytes += bytes.byteLength - HEADER_LEN;
		this.sent?.(bytes);
	}

	log(text) {
		this.dispatchEvent(new CustomEvent('log', { detail: text }));
	}
}

/** One unidirectional stream for as long as it is wanted and a session is up. */
export class LiveTrack extends Track {
	generation = 0; // goes up with every new stream: start with a key frame
	#wanted = false;
	#opening = false;
	#writer = null;
	#backlog = 0; // bytes
	#began = []; // performance.now() of the writes not confirmed

	constructor(...args) {
		super(...args);
		this.session.addEventListener('open', () => this.#open());
		this.session.addEventListener('down', () => this.#forget());
	}

	get oldestWrite() {
		return this.#began.length ? performance.now() - this.#began[0] : 0;
	}

	/** Nothing more is taken now: do not even encode. */
	get congested() {
		return this.#writer === null || this.#backlog > this.bound ||
			this.oldestWrite > this.patience;
	}

	begin() {
		this.#wanted = true;
		this.#open();
	}

	/** Ends the stream; resolves when the server has all of it. */
	async end() {
		this.#wanted = false;
		const writer = this.#writer;
		this.#writer = null;
		await writer?.close().catch((error) => this.log(streamError(error)));
	}

	/** Sends a packet with these parts as payload, or skips it: false. */
	offer(...parts) {
		if (this.congested) {
			this.figures.skipped++;
			return false;
		}
		const bytes = packet(this.id, this.type, ...parts);
		const writer = this.#writer;
		this.#backlog += bytes.byteLength;
		this.#began.push(performance.now());
		writer.write(bytes).then(() => this.count(bytes), () => {
			this.figures.lost++;
		}).finally(() => {
			this.#backlog -= bytes.byteLength;
			this.#began.shift();
		});
		return true;
	}

	#forget() {
		this.#writer = null;
	}

	async #open() {
		const transport = this.session.transport;
		if (!this.#wanted || this.#writer || this.#opening || !transport)
			return;
		this.#opening = true;
		try {
			const stream = await transport.createUnidirectionalStream();
			const writer = stream.getWriter();
			writer.closed.catch((error) => this.#broken(writer, error));
			this.#writer = writer;
			this.generation++;
		} catch (error) {
			this.log(`no stream: ${streamError(error)}`);
			await pause(REOPEN_MS);
		} finally {
			this.#opening = false;
		}
		if (this.#wanted && !this.#writer)
			this.#open();
		else if (!this.#wanted)
			this.end();
	}

	async #broken(writer, error) {
		if (this.#writer !== writer)
			return;
		this.#writer = null;
		if (!this.session.transport || error?.source === 'session')
			return;
		this.log(streamError(error));
		await pause(REOPEN_MS);
		this.#open();
	}
}

/**
 * Packets that must not be lost. A batch of what waits goes out on a stream
 * of its own, and the stream's close resolves only when the server has
 * acknowledged all of it (RFC 9000 section 3.1, Data Recvd); until then the
 * packets stay here and go out again on the next session. A batch waits for
 * the one before it, so the order is kept.
 */
export class KeptTrack extends Track {
	#queue = []; // { bytes, done, tries }
	#began = 0;
	#pumping = null;

	constructor(...args) {
		super(...args);
		this.session.addEventListener('open', () => this.#pump());
	}

	get oldestWrite() {
		return this.#began ? performance.now() - this.#began : 0;
	}

	get waiting() {
		return this.#queue.length;
	}

	get full() {
		return this.#queue.length >= this.bound;
	}

	/** done() is called when the server has it. False: no room, not taken. */
	post(payload, done = () => {}) {
		if (this.full)
			return false;
		const bytes = packet(this.id, this.type, payload);
		this.#queue.push({ bytes, done, tries: 0 });
		this.#pump();
		return true;
	}

	/** Resolves when nothing waits or there is no session to send it on. */
	async flush() {
		await this.#pumping;
	}

	#pump() {
		this.#pumping ??= this.#run().finally(() => {
			this.#pumping = null;
			if (this.#queue.length > 0 && this.session.transport)
				this.#pump(); // posted while the last run was ending
		});
	}

	async #run() {
		while (this.#queue.length > 0 && this.session.transport) {
			const transport = this.session.transport;
			const batch = this.#queue.slice();
			this.#began = performance.now();
			try {
				await this.#send(transport, batch);
				this.#queue.splice(0, batch.length);
				for (const { bytes, done } of batch) {
					this.count(bytes);
					done();
				}
			} catch (error) {
				if (this.session.transport === transport) {
					this.log(streamError(error));
					await pause(REOPEN_MS);
				}
			} finally {
				this.#began = 0;
			}
		}
	}

	async #send(transport, batch) {
		const stream = await transport.createUnidirectionalStream();
		const writer = stream.getWriter();
		writer.closed.catch(() => {}); // close() below says the same
		for (const entry of batch) {
			if (entry.tries++ > 0)
				this.figures.resent++;
			writer.write(entry.bytes).catch(() => {});
		}
		await writer.close();
		this.figures.confirm = performance.now() - this.#began;
	}
}
