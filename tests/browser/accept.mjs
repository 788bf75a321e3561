// A wt-accept under test: started, its records read, its control socket
// written to, a page on http://localhost to talk to it from.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createConnection } from 'node:net';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decoder, encode } from './records.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BIN = join(process.env.SLUICE_BUILD || join(ROOT, 'build'), 'bin');
const WAIT_MS = 20_000;

/** A scratch directory with a certificate; remove() it. */
export function scratch() {
	const dir = mkdtempSync(join(tmpdir(), 'sluice-browser-'));
	execFileSync(join(ROOT, 'scripts/certificate'), [dir]);
	return {
		dir,
		hash: readFileSync(join(dir, 'cert.sha256'), 'utf8').trim(),
		remove: () => rmSync(dir, { recursive: true }),
	};
}

/** An empty page on http://localhost, a secure context; close() it. */
export async function blankPage() {
	const server = createHttpServer((request, answer) => {
		answer.setHeader('content-type', 'text/html');
		answer.end('<!doctype html><link rel=icon href=data:,><title>test</title>');
	});
	await once(server.listen(0, '127.0.0.1'), 'listening');
	return {
		url: `http://localhost:${server.address().port}/`,
		close: () => server.close(),
	};
}

let started = 0;

export class Accept {
	port;
	onRecord = null; // (record), besides the waiting ones
	#child;
	#control;
	#records = [];
	#waiting = []; // { wanted, resolve }
	#stopping = false;

	/** port 0: any. args: further options. */
	static async start(dir, { port = 0, args = [] } = {}) {
		const accept = new Accept();
		await accept.#start(dir, port, args);
		return accept;
	}

	get url() {
		return `https://127.0.0.1:${this.port}/wt`;
	}

	async #start(dir, port, args) {
		const control = join(dir, `control-${++started}.sock`);
		this.#child = spawn(join(BIN, 'wt-accept'), [
			'--listen', `127.0.0.1:${port}`,
			'--cert', join(dir, 'cert.pem'), '--key', join(dir, 'key.pem'),
			'--control', `unix:${control}`, '--ready-fd', '3', '--drain', '1',
			'--metrics', join(dir, 'wt-accept.prom'), ...args,
		], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
		let stderr = '';
		this.#child.stderr.on('data', (text) => {
			stderr += text;
		});
		this.#child.on('exit', (status, signal) => {
			if (!this.#stopping)
				console.error(`wt-accept ended by itself, ${signal ?? status}: ${stderr}`);
		});
		const decode = decoder((record) => this.#take(record));
		this.#child.stdout.on('data', decode);
		const [ready] = await Promise.race([
			once(this.#child.stdio[3], 'data'),
			once(this.#child, 'exit').then(() => ['']),
		]);
		if (String(ready) !== '\n')
			throw new Error(`wt-accept did not start: ${stderr}`);
		this.port = Number(/listening on 127\.0\.0\.1 port (\d+)/.exec(stderr)[1]);
		this.#control = createConnection(control);
		this.#control.on('data', decode);
		this.#control.on('error', () => {});
		await once(this.#control, 'connect');
	}

	#take(record) {
		this.onRecord?.(record);
		const i = this.#waiting.findIndex(({ wanted }) => wanted(record));
		if (i >= 0)
			this.#waiting.splice(i, 1)[0].resolve(record);
		else if (this.onRecord === null)
			this.#records.push(record);
	}

	/** Forgets what was not asked for. */
	forget() {
		this.onRecord = null;
		this.#records = [];
	}

	/** The next record, from pipe or control socket, that wanted() wants. */
	next(type, wanted = () => true) {
		const fits = (record) => record.type === type && wanted(record);
		const i = this.#records.findIndex(fits);
		if (i >= 0)
			return Promise.resolve(this.#records.splice(i, 1)[0]);
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() =>
				reject(new Error(`no record of type ${type}`)), WAIT_MS);
			this.#waiting.push({
				wanted: fits,
				resolve: (record) => {
					clearTimeout(timer);
					resolve(record);
				},
			});
		});
	}

	/** The bytes of a stream up to its end. */
	async stream(session, stream) {
		const parts = [];
		for (let ended = false; !ended;) {
			const record = await this.next(3, (r) =>
				r.session === session && r.stream === stream);
			parts.push(record.payload);
			ended = (record.flags & 1) !== 0;
		}
		return Buffer.concat(parts);
	}

	/** Writes a record to the control socket; resolves when there is room. */
	async send(record) {
		if (!this.#control.write(encode(record)))
			await once(this.#control, 'drain');
	}

	/** Ends it; its exit status, or the signal that ended it. */
	async stop(signal = 'SIGTERM') {
		this.#stopping = true;
		this.#control.destroy();
		const exit = once(this.#child, 'exit');
		this.#child.kill(signal);
		const [status, by] = await exit;
		return by ?? status;
	}
}
