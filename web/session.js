// The connection: one WebTransport session after another, with backoff
// between them, until stopped. Nothing is queued here; the tracks (track.js)
// open their streams on whatever session is up.

const READY_MS = 10_000; // a handshake that takes longer is given up
const STABLE_MS = 5_000; // a session that lived so long resets the backoff
const STALL_MS = 10_000; // oldest unconfirmed write, then the session is dead
const BACKOFF_MS = 500;
const BACKOFF_MAX_MS = 10_000;

/** Milliseconds before attempt n (from 0); random: 0 to 1. */
export function backoff(n, random = Math.random()) {
	const full = Math.min(BACKOFF_MS * 2 ** n, BACKOFF_MAX_MS);
	return Math.round(full * (0.75 + random / 2));
}

/** 64 hexadecimal digits to 32 bytes. */
export function parseHash(hex) {
	const digits = hex.trim().replaceAll(':', '');
	if (!/^[0-9a-f]{64}$/i.test(digits))
		throw new Error('cert.sha256 does not hold 64 hexadecimal digits');
	return Uint8Array.from(digits.match(/../g), (pair) => parseInt(pair, 16));
}

// The hash is read for every attempt: the certificate is renewed when the
// server restarts. Without the file the certificate must be one that the
// browser trusts by itself.
async function transportOptions() {
	const answer = await fetch('cert.sha256', { cache: 'no-store' });
	if (!answer.ok)
		return {};
	const value = parseHash(await answer.text());
	return { serverCertificateHashes: [{ algorithm: 'sha-256', value }] };
}

/** Rejects with what when promise takes longer than ms. */
export function deadline(promise, ms, what) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(what)), ms);
	});
	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * Events: "state" (detail: a few words on why), "open" when a session is up
 * and transport is set, "down" when it has ended and transport is null.
 * States: stopped, connecting, connected, stalled, waiting, closing.
 */
export class Session extends EventTarget {
	state = 'stopped';
	transport = null;
	connects = 0; // sessions that came up
	/** Milliseconds the oldest unconfirmed write has waited; set by app.js. */
	oldestWrite = () => 0;
	#url;
	#running = null;
	#abandon = null; // ends what #run waits for; says why

	constructor(url) {
		super();
		this.#url = url;
	}

	start() {
		this.#running ??= this.#run().finally(() => {
			this.#running = null;
			this.#enter('stopped');
		});
	}

	/** Closes the session; what is unfinished on its streams is lost. */
	async stop() {
		if (this.#running === null)
			return;
		this.#enter('closing');
		this.#abandon?.('stopped by the user');
		await this.#running;
	}

	/** Called once a second: shows and ends a session that gets no answer. */
	watch() {
		if (this.state !== 'connected' && this.state !== 'stalled')
			return;
		const waited = this.oldestWrite();
		if (waited > STALL_MS)
			this.#abandon?.(`no answer for ${STALL_MS / 1000} s`);
		else if (waited > STALL_MS / 4)
			this.#enter('stalled', `no answer for ${Math.round(waited / 1000)} s`);
		else if (this.state === 'stalled')
			this.#enter('connected');
	}

	async #run() {
		let failures = 0;
		while (this.state !== 'closing') {
			this.#enter('connecting');
			const began = performance.now();
			const why = await this.#attempt();
			if (this.state === 'closing')
				break;
			if (performance.now() - began > READY_MS + STABLE_MS)
				failures = 0;
			await this.#pause(backoff(failures++), why);
		}
	}

	// One session from its start to its end; why it ended.
	async #attempt() {
		let transport;
		let ended = '';
		const abandoned = new Promise((resolve) => {
			this.#abandon = resolve;
		}).then((why) => {
			ended = why;
			transport?.close({ closeCode: 0, reason: why });
			throw new Error(why);
		});
		abandoned.catch(() => {}); // it may come while nobody looks
		try {
			transport = new WebTransport(this.#url, await transportOptions());
			const closed = transport.closed.then(({ closeCode, reason }) =>
				`closed by the server: ${reason || `code ${closeCode}`}`);
			closed.catch(() => {});
			await deadline(Promise.race([transport.ready, abandoned]),
				READY_MS, 'no answer');
			this.transport = transport;
			this.connects++;
			this.#enter('connected');
			this.dispatchEvent(new Event('open'));
			ended = await Promise.race([closed, abandoned]);
		} catch (error) {
			ended ||= String(error.message || error);
			if (!this.transport)
				transport?.close();
		} finally {
			this.#abandon = null;
			if (this.transport !== null) {
				this.transport = null;
				this.dispatchEvent(new Event('down'));
			}
		}
		return ended;
	}

	async #pause(ms, why) {
		this.#enter('waiting', `${why}; next try in ${(ms / 1000).toFixed(1)} s`);
		await new Promise((resolve) => {
			this.#abandon = resolve;
			setTimeout(resolve, ms);
		});
		this.#abandon = null;
	}

	#enter(state, why = '') {
		if (this.state === 'closing' && state !== 'stopped')
			return;
		this.state = state;
		this.dispatchEvent(new CustomEvent('state', { detail: why }));
	}
}
