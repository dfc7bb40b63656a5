/*
 * A proxy between browser and web server that misbehaves on demand. What it does to streams:
 *	pass      nothing
 *	refuse    502
 *	mute      the headers pass, the body never does
 *	hold      each piece waits until the next one comes, as in a proxy that buffers
 *	holdlater the first piece passes, and then each waits for the next
 *	noaccept  the Accept header is lost, so that Sluice itself refuses
 * and to polls: pass, refuse, or too_many (429 with Retry-After).
 */
import http from 'node:http';

const HOP = ['connection', 'keep-alive', 'transfer-encoding', 'upgrade'];

export class Gate {
	streamMode = 'pass';
	pollMode = 'pass';
	retryAfter = 1;
	streams = new Set();
	opened = 0;
	polls = []; // When each poll came.
	isDown = false;

	/** Opens one in front of the site, which must know its origin; see Gate.before. */
	static async start(undo) {
		const gate = new Gate();
		gate.server = http.createServer((request, response) => gate.#onRequest(request, response));
		gate.server.on('connection', (socket) => gate.isDown && socket.destroy());
		await new Promise((resolve) => gate.server.listen(0, '127.0.0.1', resolve));
		gate.origin = `http://127.0.0.1:${gate.server.address().port}`;
		undo(() => gate.stop());
		return gate;
	}

	stop() {
		this.server.closeAllConnections();
		return new Promise((resolve) => this.server.close(resolve));
	}

	/** Cuts every stream. */
	cut() {
		for (const response of this.streams) response.destroy();
	}

	/** From now on streams are treated so; those that are open end, so that it counts for all. */
	breakStreams(mode) {
		this.streamMode = mode;
		this.cut();
	}

	#onRequest(request, response) {
		const { pathname } = new URL(request.url, this.origin);
		if (pathname === '/events') this.#onStream(request, response);
		else if (pathname === '/api/poll') this.#onPoll(request, response);
		else this.#forward(request, response);
	}

	#onStream(request, response) {
		this.opened++;
		this.streams.add(response);
		response.on('close', () => this.streams.delete(response));
		if (this.streamMode === 'refuse') return this.#refuse(response);
		if (this.streamMode === 'noaccept') request.headers.accept = '*/*';
		this.#forward(request, response);
	}

	#onPoll(request, response) {
		this.polls.push(Date.now());
		if (this.pollMode === 'refuse') return this.#refuse(response);
		if (this.pollMode === 'too_many') {
			response.writeHead(429, {
				'Retry-After': this.retryAfter,
				'Content-Type': 'application/json',
			});
			return response.end('{"error":"too often","code":"too_fast"}');
		}
		this.#forward(request, response);
	}

	#refuse(response) {
		response.writeHead(502, { 'Content-Type': 'text/html' });
		response.end('<h1>502 Bad Gateway</h1>');
	}

	#forward(request, response) {
		const options = { method: request.method, headers: request.headers, agent: false };
		const up = http.request(this.target + request.url, options, (answer) => {
			const headers = Object.entries(answer.headers).filter(([name]) => !HOP.includes(name));
			response.writeHead(answer.statusCode, Object.fromEntries(headers));
			response.flushHeaders();
			this.#pipe(answer, response);
		});
		up.on('error', () => (response.headersSent ? response.destroy() : this.#refuse(response)));
		response.on('close', () => up.destroy());
		request.pipe(up);
	}

	#pipe(answer, response) {
		const isStream = this.streams.has(response);
		let held = null;
		let first = true;
		answer.on('data', (piece) => {
			const mode = isStream ? this.streamMode : 'pass';
			if (mode === 'mute') return;
			if (mode === 'hold' || (mode === 'holdlater' && !first)) {
				if (held) response.write(held);
				held = piece;
				return;
			}
			first = false;
			response.write(held ? Buffer.concat([held, piece]) : piece);
			held = null;
		});
		answer.on('end', () => response.end(held ?? undefined));
		answer.on('error', () => response.destroy());
		answer.on('close', () => answer.complete || response.destroy());
	}
}
