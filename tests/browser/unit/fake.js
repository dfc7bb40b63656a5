/* A browser's parts for the unit tests: an EventSource and a fetch whose other end is the test. */
import { mock } from 'node:test';
import { pass, settle, sleep, startClock, stopClock } from './clock.js';

export { pass, settle, sleep };

export const ID = (seq, epoch = '0a0b0c0d') => `${seq}-${epoch}`;

/** The sources that were made, the newest last. */
export const sources = [];

class FakeEventSource extends EventTarget {
	static CONNECTING = 0;
	static OPEN = 1;
	static CLOSED = 2;
	readyState = 0;

	constructor(url, options) {
		super();
		this.url = new URL(url);
		this.options = options;
		sources.push(this);
	}

	close() {
		this.readyState = 2;
	}

	/** What the server sends. A source that is closed hears nothing (WHATWG HTML, 9.2.3). */
	say(type, data, lastEventId = '') {
		if (this.readyState === 2) return;
		this.readyState = 1;
		const text = typeof data === 'string' ? data : JSON.stringify(data);
		this.dispatchEvent(new MessageEvent(type, { data: text, lastEventId }));
	}

	hello(seq, more = {}) {
		this.say('sluice:hello', { heartbeat: 15, expires: null, channels: ['*'], ...more }, ID(seq));
	}

	event(seq, { type = 'message', epoch, data = `data ${seq}` } = {}) {
		const id = ID(seq, epoch);
		this.say(type, { id, channel: 'a', type, data, at: '2026-11-20T09:15:00Z' }, id);
	}

	/** The connection ends; with a status other than 200 for good. */
	error(readyState) {
		this.readyState = readyState;
		this.dispatchEvent(new Event('error'));
	}
}

/** The questions that were asked, the newest last: { url, options, answer(status, body, headers), fail() }. */
export const questions = [];

function fakeFetch(url, options) {
	return new Promise((resolve, reject) => {
		const answer = (status, body, headers = {}) =>
			resolve(
				new Response(typeof body === 'string' ? body : JSON.stringify(body), {
					status,
					headers,
				}),
			);
		options.signal.addEventListener('abort', () => reject(options.signal.reason));
		questions.push({
			url: new URL(url),
			options,
			answer,
			fail: () => reject(new TypeError('refused')),
		});
	});
}

/** The body of a good answer. */
export function polled(seqs, last, more = {}) {
	const event = (seq) => ({
		id: ID(seq),
		channel: 'a',
		type: 'message',
		data: `data ${seq}`,
		at: '2026-11-20T09:15:00Z',
	});
	return {
		events: seqs.map(event),
		last_id: ID(last),
		more: false,
		gap: null,
		poll_after_ms: 500,
		...more,
	};
}

/** Starts a test's world; the clock stands at the date given. */
export function begin(date = '2026-11-20T09:00:00Z') {
	sources.length = questions.length = 0;
	globalThis.EventSource = FakeEventSource;
	globalThis.fetch = fakeFetch;
	globalThis.location = { href: 'https://app.example/page/' };
	mock.method(Math, 'random', () => 0.5);
	stopClock(date);
}

export function finish() {
	delete globalThis.document;
	startClock();
	mock.restoreAll();
}

/** Gives this process a window for the time of a function, in which a client may listen to its events. */
export function withWindow(make) {
	const page = new EventTarget();
	globalThis.addEventListener = page.addEventListener.bind(page);
	globalThis.document = new EventTarget();
	const made = make();
	page.document = globalThis.document;
	page.document.hidden = false;
	delete globalThis.addEventListener;
	return { page, ...made };
}

/** Keeps what a client says, as short words: 'data 1', 'gap pruned', 'open', 'state open'. */
export function listen(client, types = []) {
	const heard = [];
	client.onmessage = (event) => heard.push(event.data);
	for (const type of types)
		client.addEventListener(type, (event) => heard.push(`${event.type}: ${event.data}`));
	client.ongap = ({ gap }) => heard.push(`gap ${gap.reason}`);
	client.onopen = () => heard.push('open');
	client.onerror = ({ reason }) => heard.push(`error ${reason}`);
	client.onsession = ({ reason }) => heard.push(`session ${reason}`);
	client.ontransport = ({ transport, reason }) =>
		heard.push(`transport ${transport} ${reason}`.trim());
	return heard;
}

/** The last of a list. */
export const last = (list) => list[list.length - 1];
