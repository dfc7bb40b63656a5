/*
 * Sluice in the browser: every event once and in order, or an explicit gap.
 *
 *	import { Sluice } from './sluice.js';
 *	const events = new Sluice('/events', { channels: ['news/*'] });
 *	events.onmessage = (event) => { list.append(event.data); };       // text, never innerHTML
 *	events.addEventListener('gap', (event) => { reload(event.gap); });
 *
 * It stands in for an EventSource, and does what an EventSource cannot: it goes over to long polls where
 * a stream is refused, breaks off or is mute, and comes back; it tells an ended session from a broken
 * line; and it shares one stream between tabs. The exact meaning of each option is in sluice.d.ts.
 *
 * The parts, each unaware of those below it:
 *
 *	Cursor      a place in the log
 *	Backoff     how long to wait before the next attempt
 *	Inbox       takes items from any source, in any overlap, and passes each on just once
 *	Stream      one native EventSource, and a watch over its silence
 *	Poll        a loop of fetch
 *	Connection  decides which of the two serves; at times both do, and the Inbox keeps that harmless
 *	Share       one Connection for all tabs: the leader has it, the others follow
 *	Sluice      what the page sees
 *
 * An item is what a source says about the log: { kind: 'event' | 'start' | 'move' | 'gap', id, … }.
 */

const HELLO_MS = 5000; // A stream that has not said hello by then is mute.
const HEARTBEAT_S = 15; // Until the hello names the server's own.
const RECONNECT_MS = 5000; // What the browser's own reconnect may take before its next hello is due.
const HEALTHY_MS = 60000; // A stream that lived for so long has earned quick attempts again.
const POLL_WAIT_S = 20; // Below the 25 or 30 seconds after which many proxies give up.
const POLL_LATE_MS = 15000; // What an answer may take beyond that.
const POLL_LIMIT = 1000; // Events in one answer; the server gives no more.
const SPREAD_MS = 500; // Clients that were refused in one moment do not poll in one moment.
const BEAT_MS = 15000; // A leader is never silent for longer…
// …and one that is silent for so long is replaced. The timers of hidden tabs run once a minute.
const DEPOSE_MS = 100000;
const EXPIRY_LEAD_MS = 60000; // "About to expire" is so long before, or a fifth of what is left.
const TIMER_MAX_MS = 0x7fffffff; // The longest that setTimeout can wait.

// -- places -----------------------------------------------------------------------------------------

/**
 * A place in the log: the last event seen. An id on the wire is <seq>-<epoch>, where the epoch says
 * which log it is; a bare <seq> is of whatever log there is. Before anything is known, it is nowhere.
 */
export class Cursor {
	#seq = -1;
	#epoch = '';

	/** Returns the parts of an id, or null when it is none. */
	static parse(id) {
		const parts = /^(\d{1,16})(?:-([0-9a-f]{8}))?$/.exec(id);
		const seq = parts ? Number(parts[1]) : NaN;
		return Number.isSafeInteger(seq) ? { seq, epoch: parts[2] ?? '' } : null;
	}

	/** The id; empty when nowhere. */
	get id() {
		if (this.#seq < 0) return '';
		return this.#epoch ? `${this.#seq}-${this.#epoch}` : String(this.#seq);
	}

	/** Whether that id belongs to another log than this place. */
	isForeign(id) {
		const { epoch } = Cursor.parse(id) ?? { epoch: '' };
		return epoch !== '' && this.#epoch !== '' && epoch !== this.#epoch;
	}

	/** Whether what has that id lies at or before this place. */
	covers(id) {
		const place = Cursor.parse(id);
		return place !== null && !this.isForeign(id) && place.seq <= this.#seq;
	}

	/** Goes to that id, wherever it is; what is no id changes nothing. */
	set(id) {
		const place = Cursor.parse(id);
		if (!place) return;
		this.#seq = place.seq;
		this.#epoch = place.epoch;
	}

	/** Goes forward to that id, and never back or to another log; whether it went. */
	advance(id) {
		if (!Cursor.parse(id) || this.isForeign(id) || this.covers(id)) return false;
		this.set(id);
		return true;
	}
}

/** Waits that double from the first to the most, each somewhere in its upper half. */
export class Backoff {
	#first;
	#most;
	#tries = 0;

	constructor(firstMs, mostMs) {
		this.#first = firstMs;
		this.#most = mostMs;
	}

	next() {
		const ms = Math.min(this.#most, this.#first * 2 ** this.#tries);
		if (ms < this.#most) this.#tries++;
		return (ms * (1 + Math.random())) / 2;
	}

	reset() {
		this.#tries = 0;
	}
}

/** What the server asked to wait, and up to a fifth more, so that not all come back in one moment. */
function later(ms) {
	return ms * (1 + Math.random() / 5);
}

// -- once, and in order -----------------------------------------------------------------------------

/**
 * Keeps the cursor. Each source gives a gapless sequence that starts at or before the cursor of the
 * moment, so whatever it says of places that the cursor covers was seen already, and the rest is new.
 */
class Inbox {
	#passOn;

	constructor(passOn) {
		this.cursor = new Cursor();
		this.#passOn = passOn;
	}

	/** Takes an item by the method of its kind; whether it was news. */
	take(item) {
		return this[item.kind](item);
	}

	event(item) {
		if (this.cursor.covers(item.id)) return false;
		// The server says so itself before it goes on in another log; should that have been lost on the
		// way, the page must hear it all the same.
		if (this.cursor.isForeign(item.id)) this.#passOn(unannounced(this.cursor.id, item.id));
		this.cursor.set(item.id);
		this.#passOn(item);
		return true;
	}

	/** Where a stream starts says something only to who was nowhere; a gap is told by a gap. */
	start(item) {
		return this.cursor.id === '' && this.move(item);
	}

	move(item) {
		if (!this.cursor.advance(item.id)) return false;
		this.#passOn(item);
		return true;
	}

	gap(item) {
		if (!this.#isConcerned(item)) return false;
		this.cursor.set(item.id);
		this.#passOn(item);
		return true;
	}

	/**
	 * A gap is told from where its source started, and another source may have passed it since. Who was
	 * ahead of the log and has heard so is no longer where the source started.
	 */
	#isConcerned({ id, gap }) {
		if (gap.reason === 'ahead') return this.cursor.covers(gap.requested);
		if (gap.reason === 'invalid') return true;
		return !this.cursor.covers(id);
	}
}

function unannounced(requested, id) {
	return { kind: 'gap', id, gap: { requested, oldest: id, newest: id, reason: 'epoch' } };
}

/** Where a poll's events go on after a gap: with the oldest; if the client was ahead, with the next. */
function placeAfter(gap) {
	const oldest = Cursor.parse(gap.oldest);
	if (gap.reason === 'ahead' || !oldest) return gap.newest;
	return `${Math.max(0, oldest.seq - 1)}-${oldest.epoch}`;
}

// -- the stream -------------------------------------------------------------------------------------

/**
 * One EventSource, until its first fault. It calls, never after close():
 *	hello(data), item(item), bye(data)
 *	cut()         the browser will connect again by itself, as `retry` says
 *	fail(reason)  'refused', 'mute', 'lost' or 'garbled': this stream is closed, and of no more use
 */
class Stream {
	#source;
	#on;
	#types = new Set();
	#patience = HELLO_MS;
	#heard = Date.now();
	#timer;

	constructor(url, withCredentials, types, on) {
		this.#on = on;
		this.#source = new EventSource(url, { withCredentials });
		this.#source.addEventListener('error', (event) => this.#onError(event));
		this.#control('sluice:hello', (data, id) => this.#onHello(data, id));
		this.#control('sluice:ping', (data, id) => id && on.item({ kind: 'move', id }));
		this.#control('sluice:gap', (gap, id) => on.item({ kind: 'gap', id, gap }));
		this.#control('sluice:bye', (data) => on.bye(data));
		for (const type of types) this.listen(type);
		this.#watch();
	}

	/** EventSource gives only the types that somebody listens to. */
	listen(type) {
		if (this.#types.has(type)) return;
		this.#types.add(type);
		this.#control(type, (event, id) => this.#on.item({ kind: 'event', id, event }));
	}

	/** Whether it was silent for too long, on a clock that goes on while the computer sleeps. */
	isStale() {
		return Date.now() - this.#heard >= this.#patience;
	}

	close() {
		this.#on = null;
		this.#source.close();
		clearTimeout(this.#timer);
	}

	#control(type, react) {
		this.#source.addEventListener(type, (message) => {
			// A publisher's type may be "error" or "open", which are also the browser's own.
			if (!this.#on || !(message instanceof MessageEvent)) return;
			this.#heard = Date.now();
			let data;
			try {
				data = JSON.parse(message.data);
			} catch {
				this.#fail('garbled');
				return;
			}
			react(data, message.lastEventId);
		});
	}

	#onHello(data, id) {
		this.#patience = 2 * (Number(data.heartbeat) || HEARTBEAT_S) * 1000;
		this.#watch();
		this.#on.item({ kind: 'start', id });
		this.#on?.hello(data);
	}

	#onError(event) {
		if (!this.#on || event instanceof MessageEvent) return;
		if (this.#source.readyState === EventSource.CLOSED) {
			this.#fail('refused');
			return;
		}
		// The first cut starts the time in which the browser must be back; attempts that fail do not.
		if (this.#patience !== RECONNECT_MS + HELLO_MS) {
			this.#heard = Date.now();
			this.#patience = RECONNECT_MS + HELLO_MS;
			this.#watch();
			this.#on.cut();
		}
	}

	#fail(reason) {
		const on = this.#on;
		this.close();
		on.fail(reason);
	}

	/** Looks again when, after all that was heard meanwhile, the silence may have become too long. */
	#watch() {
		clearTimeout(this.#timer);
		const left = this.#heard + this.#patience - Date.now();
		this.#timer = setTimeout(
			() => {
				if (!this.isStale()) this.#watch();
				else this.#fail(this.#source.readyState === EventSource.OPEN ? 'mute' : 'lost');
			},
			Math.min(Math.max(0, left), TIMER_MAX_MS),
		);
	}
}

// -- the poll ---------------------------------------------------------------------------------------

/**
 * Asks again and again from the cursor on. It calls, never after close():
 *	item(item)
 *	answered(body)    after the items of a good answer
 *	failed(problem)   it will try again by itself
 *	refused(problem)  401 or 403: it is closed
 */
class Poll {
	#url;
	#credentials;
	#cursor;
	#on;
	#backoff = new Backoff(1000, 30000);
	#abort = new AbortController();
	#notBefore = 0;
	#wake = () => {};

	constructor(url, withCredentials, cursor, on) {
		this.#url = url;
		this.#credentials = withCredentials ? 'include' : 'same-origin';
		this.#cursor = cursor;
		this.#on = on;
	}

	/** Asks until close(). The first question does not wait: that it is answered is news by itself. */
	async run(pauseMs, waitS = POLL_WAIT_S) {
		let wait = 0;
		for (;;) {
			await this.#pause(pauseMs);
			if (!this.#on) return;
			const answer = await this.#ask(wait);
			if (!this.#on) return;
			if (answer.problem) {
				pauseMs = this.#onProblem(answer.problem);
				wait = 0;
			} else {
				pauseMs = this.#onAnswer(answer.body, wait);
				wait = waitS;
			}
		}
	}

	/** Ends a pause, unless the server asked for it. */
	kick() {
		this.#backoff.reset();
		if (Date.now() >= this.#notBefore) this.#wake();
	}

	close() {
		this.#on = null;
		this.#abort.abort();
		this.#wake();
	}

	/** Asks once: { body } or { problem }; it never throws. */
	async #ask(wait) {
		const late = new AbortController();
		const stop = () => late.abort();
		const timer = setTimeout(stop, wait * 1000 + POLL_LATE_MS);
		this.#abort.signal.addEventListener('abort', stop);
		try {
			const response = await fetch(this.#address(wait), {
				credentials: this.#credentials,
				cache: 'no-store',
				headers: { Accept: 'application/json' },
				signal: late.signal,
			});
			return await readAnswer(response);
		} catch (error) {
			return { problem: { status: 0, code: 'unreachable', error: String(error) } };
		} finally {
			clearTimeout(timer);
			this.#abort.signal.removeEventListener('abort', stop);
		}
	}

	#address(wait) {
		const url = new URL(this.#url);
		if (this.#cursor.id) url.searchParams.set('since', this.#cursor.id);
		url.searchParams.set('limit', POLL_LIMIT);
		if (wait) url.searchParams.set('wait', wait);
		return url;
	}

	/** Hands on what an answer holds; returns the pause before the next question. */
	#onAnswer(body, waited) {
		this.#backoff.reset();
		for (const item of itemsOf(body)) {
			this.#on?.item(item);
		}
		this.#on?.answered(body);
		return body.more || !waited ? 0 : Number(body.poll_after_ms) || 0;
	}

	#onProblem(problem) {
		if (problem.status === 401 || problem.status === 403) {
			const on = this.#on;
			this.close();
			on.refused(problem);
			return 0;
		}
		this.#on.failed(problem);
		const asked = later((problem.retryAfter ?? 0) * 1000);
		this.#notBefore = Date.now() + asked;
		return Math.max(asked, this.#backoff.next());
	}

	#pause(ms) {
		if (!ms || !this.#on) return undefined;
		return new Promise((resolve) => {
			const timer = setTimeout(resolve, ms);
			this.#wake = () => {
				clearTimeout(timer);
				resolve();
			};
		});
	}
}

/** A 200 whose body is not Sluice's, such as the page of a hotel's network, is no answer. */
async function readAnswer(response) {
	const body = await response.json().catch(() => null);
	if (response.ok && Array.isArray(body?.events)) return { body };
	return {
		problem: {
			status: response.ok ? 0 : response.status,
			code: String(body?.code ?? 'no_answer'),
			error: String(body?.error ?? `the server said ${response.status}`),
			retryAfter: retryAfter(response.headers.get('Retry-After')) ?? body?.retry_after,
		},
	};
}

/** Seconds of a Retry-After header, which may also be a date (RFC 9110, section 10.2.3). */
function retryAfter(value) {
	if (!value) return undefined;
	const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
	return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

function* itemsOf(body) {
	if (body.gap) yield { kind: 'gap', id: placeAfter(body.gap), gap: body.gap };
	for (const event of body.events) yield { kind: 'event', id: event.id, event };
	yield { kind: 'move', id: body.last_id };
}

// -- stream or poll ---------------------------------------------------------------------------------

/**
 * Keeps the page connected. The stream comes first. When it fails, a poll takes over at the cursor, and
 * the stream is tried again beside it, less and less often; the poll ends when the stream says hello.
 *
 * It reports items to sink.item(), and after every change its whole status to sink.status():
 *	state      'connecting', 'open', or 'session': it waits for resume()
 *	transport  'stream', 'poll', or '' before the first
 *	reason     why it is no longer what it was
 *	failures   how many attempts have failed so far
 *	expires    when the session ends, in ms since 1970, or 0
 *	session    in the state 'session': { reason, code, message }
 *	shared     whether the connection is another tab's
 */
class Connection {
	#place;
	#cursor;
	#types;
	#sink;
	#stream = null;
	#poll = null;
	#timer;
	#openedAt = 0;
	#farewell = '';
	#again = new Backoff(5000, 300000);
	#status = {
		state: 'connecting',
		transport: '',
		reason: '',
		failures: 0,
		expires: 0,
		session: null,
		shared: false,
	};

	constructor(place, cursor, types, sink) {
		this.#place = place;
		this.#cursor = cursor;
		this.#types = types;
		this.#sink = sink;
	}

	get status() {
		return this.#status;
	}

	start() {
		this.#openStream();
	}

	stop() {
		clearTimeout(this.#timer);
		this.#closeStream();
		this.#closePoll();
	}

	/** Types that were not wanted when the stream was opened. */
	listen(type) {
		this.#types.add(type);
		this.#stream?.listen(type);
	}

	/** Connects anew with the cookie that there is now; after a 401 nothing else does. */
	resume() {
		this.#farewell = '';
		this.#restart('resume');
	}

	/** The network is another one: what seems open may be dead. A poll goes on till the stream is back. */
	reconnect() {
		if (this.#status.state === 'session') return;
		if (this.#poll) {
			this.#poll.kick();
			this.#streamIn(0);
		} else {
			this.#restart('network');
		}
	}

	/** The page is looked at again, perhaps after the computer slept. */
	check() {
		if (this.#stream?.isStale()) this.reconnect();
		else if (this.#status.state === 'connecting') this.#poll?.kick();
	}

	#restart(reason) {
		this.stop();
		this.#again.reset();
		this.#openStream();
		this.#report({ state: 'connecting', reason, session: null });
	}

	/** Always the last thing that is done: a listener of the page may close or resume. */
	#report(changes) {
		this.#status = { ...this.#status, ...changes };
		this.#sink.status(this.#status);
	}

	// The stream.

	#openStream() {
		clearTimeout(this.#timer);
		this.#closeStream();
		const url = new URL(this.#place.stream);
		if (this.#cursor.id) url.searchParams.set('last_event_id', this.#cursor.id);
		this.#stream = new Stream(url, this.#place.withCredentials, this.#types, {
			hello: (data) => this.#onHello(data),
			item: (item) => this.#sink.item(item),
			bye: (data) => this.#onBye(data),
			cut: () => this.#onCut(),
			fail: (reason) => this.#onStreamFailed(reason),
		});
	}

	#streamIn(ms) {
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.#openStream(), ms);
	}

	#closeStream() {
		this.#stream?.close();
		this.#stream = null;
	}

	#onHello(data) {
		this.#closePoll();
		this.#openedAt = Date.now();
		const reason = this.#status.transport === 'poll' ? 'recovered' : '';
		const expires = Date.parse(data.expires) || 0;
		this.#report({ state: 'open', transport: 'stream', reason, expires });
	}

	/** The browser connects again by itself. Beside a poll this is just one more attempt. */
	#onCut() {
		if (!this.#poll) this.#fault('lost');
	}

	#onStreamFailed(reason) {
		this.#closeStream();
		if (this.#openedAt && Date.now() - this.#openedAt >= HEALTHY_MS) this.#again.reset();
		this.#openedAt = 0;
		this.#streamIn(this.#again.next());
		if (this.#poll) return;
		this.#startPoll(reason, reason === 'refused' ? Math.random() * SPREAD_MS : 0);
		this.#fault(reason);
	}

	/**
	 * The server ends the stream. Of a session that has ended, only a poll can tell whether the cookie is
	 * a newer one by now, from a page that signed in again; otherwise the server says when to come back.
	 */
	#onBye({ reason, retry }) {
		this.#closeStream();
		this.#openedAt = 0;
		if (reason === 'expired' || reason === 'revoked') {
			this.#farewell = reason;
			this.#startPoll(reason, 0);
		} else {
			this.#streamIn(later(Number(retry) || RECONNECT_MS));
		}
		this.#fault(reason);
	}

	#fault(reason) {
		this.#report({ state: 'connecting', reason, failures: this.#status.failures + 1 });
	}

	// The poll.

	#startPoll(reason, pauseMs) {
		this.#closePoll();
		let failing = false;
		this.#poll = new Poll(this.#place.poll, this.#place.withCredentials, this.#cursor, {
			item: (item) => this.#sink.item(item),
			answered: () => {
				this.#onAnswered(reason, failing);
				failing = false;
			},
			failed: (problem) => {
				failing = true;
				// What the server asks for counts for streams too.
				if (problem.retryAfter) this.#streamIn(later(problem.retryAfter * 1000));
				this.#fault(problem.code);
			},
			refused: (problem) => this.#onRefused(problem),
		});
		this.#poll.run(pauseMs);
	}

	#closePoll() {
		this.#poll?.close();
		this.#poll = null;
	}

	#onAnswered(reason, wasFailing) {
		if (this.#farewell) {
			this.#farewell = '';
			this.#streamIn(0);
		} else if (wasFailing && reason !== 'mute') {
			// The server is back, and nothing is known against its streams.
			this.#again.reset();
			this.#streamIn(SPREAD_MS + Math.random() * 2 * SPREAD_MS);
		}
		if (this.#status.state !== 'open') this.#report({ state: 'open', transport: 'poll', reason });
	}

	#onRefused(problem) {
		this.stop();
		const codes = { expired: 'expired', revoked: 'revoked' };
		const reason = this.#farewell || codes[problem.code] || 'refused';
		this.#farewell = '';
		this.#report({
			state: 'session',
			reason,
			failures: this.#status.failures + 1,
			expires: 0,
			session: { reason, code: problem.code, message: problem.error },
		});
	}
}

// -- one stream for all tabs ------------------------------------------------------------------------

/**
 * Who holds the lock is the leader: it has the Connection, and tells the others what it hears. Each of
 * them has a cursor of its own. With an item comes where the leader was before it, so that a follower
 * whose cursor does not reach there knows that it missed something (a tab that was frozen, a new one
 * that starts further back, a listener for a type that the leader did not ask for); it then polls from
 * its own cursor, and holds back what it hears meanwhile.
 */
class Share {
	#place;
	#cursor;
	#types;
	#sink;
	#me = Math.random().toString(36).slice(2);
	#bus = null;
	#lock = null; // Aborted to leave the queue; its release() ends the leadership.
	#connection = null;
	#known = new Set(); // The types that the leader listens to.
	#held = null; // While catching up: what was heard meanwhile.
	#catchUp = null;
	#heard = 0;
	#beat;

	/** Whether the browser can. Web Locks need a secure context. */
	static isPossible() {
		return Boolean(globalThis.navigator?.locks && globalThis.BroadcastChannel);
	}

	constructor(place, cursor, types, sink) {
		this.#place = place;
		this.#cursor = cursor;
		this.#types = types;
		this.#sink = sink;
	}

	start() {
		this.#bus = new BroadcastChannel(this.#place.name);
		this.#bus.onmessage = ({ data }) => this.#onMessage(data);
		this.#heard = Date.now();
		this.#beat = setInterval(() => this.#onBeat(), BEAT_MS);
		this.#join();
		this.#queueUp();
	}

	stop() {
		clearInterval(this.#beat);
		this.#endCatchUp();
		this.#connection?.stop();
		this.#connection = null;
		this.#lock?.abort.abort();
		this.#lock?.release();
		this.#lock = null;
		this.#bus?.close();
		this.#bus = null;
	}

	listen(type) {
		this.#types.add(type);
		if (this.#connection) this.#connection.listen(type);
		else if (!this.#known.has(type)) this.#join();
	}

	resume() {
		if (this.#connection) this.#connection.resume();
		else this.#post({ kind: 'resume' });
	}

	reconnect() {
		this.#connection?.reconnect();
	}

	check() {
		this.#connection?.check();
		if (!this.#connection) this.#onBeat();
	}

	#post(message) {
		this.#bus?.postMessage(message);
	}

	#onMessage(message) {
		const reactions = this.#connection ? LEADER : FOLLOWER;
		if (!Object.hasOwn(reactions, message.kind)) return;
		this.#heard = Date.now();
		this[reactions[message.kind]](message);
	}

	// The leader.

	/** Waits for the lock; `steal` takes it from a leader that has fallen silent. */
	#queueUp(steal = false) {
		const abort = new AbortController();
		let release;
		const held = new Promise((resolve) => (release = resolve));
		const lock = (this.#lock = { abort, release });
		const options = steal ? { steal } : { signal: abort.signal };
		navigator.locks
			.request(this.#place.name, options, () => {
				if (this.#lock !== lock) return undefined;
				this.#lead();
				return held;
			})
			.catch((error) => {
				if (this.#lock !== lock) return; // Stopped while it was in the queue.
				if (error.name === 'AbortError') this.#onDeposed();
				else this.#lead(); // No locks here, as in a sandboxed frame: each leads itself.
			});
	}

	#lead() {
		this.#endCatchUp();
		const types = new Set([...this.#known, ...this.#types]);
		this.#connection = new Connection(this.#place, this.#cursor, types, {
			item: (item) => this.#tell(item),
			status: (status) => {
				this.#sink.status(status);
				this.#post({ kind: 'status', status });
			},
		});
		this.#connection.start();
		this.#known = types;
		this.#post({ kind: 'leader' });
	}

	#tell(item) {
		const from = this.#cursor.id;
		if (this.#sink.item(item)) this.#post({ kind: 'item', from, item });
	}

	#onDeposed() {
		this.#connection?.stop();
		this.#connection = null;
		this.#queueUp();
		this.#join();
	}

	/** Answers a tab that came: where we are, and whether it asks for types that passed unseen so far. */
	onJoin({ who, types }) {
		const fresh = types.filter((type) => !this.#known.has(type));
		for (const type of fresh) {
			this.#known.add(type);
			this.#connection.listen(type);
		}
		this.#post({
			kind: 'welcome',
			who,
			at: this.#cursor.id,
			fresh: fresh.length > 0,
			types: [...this.#known],
			status: this.#connection.status,
		});
	}

	onResume() {
		this.#connection.resume();
	}

	// The followers.

	#join() {
		this.#held ??= [];
		this.#post({ kind: 'join', who: this.#me, types: [...this.#types] });
	}

	#relay(status) {
		this.#sink.status({ ...status, shared: true });
	}

	onLeader() {
		this.#join();
	}

	onWelcome({ who, at, fresh, types, status }) {
		for (const type of types) this.#known.add(type);
		if (who !== this.#me) return;
		this.#relay(status);
		if (!this.#bus) return; // A listener has closed us.
		if (this.#cursor.id === '') this.#sink.item({ kind: 'start', id: at });
		else if (fresh || (at && !this.#cursor.covers(at))) return this.#startCatchUp();
		if (!this.#catchUp) this.#release();
	}

	onItem(message) {
		if (this.#held) {
			this.#held.push(message);
		} else if (this.#reaches(message)) {
			this.#sink.item(message.item);
		} else {
			this.#held = [message];
			this.#startCatchUp();
		}
	}

	/** That it was heard is all that a beat says. */
	onLife() {}

	onStatus({ status }) {
		this.#relay(status);
		if (status.state === 'open' && this.#held && !this.#catchUp) this.#join();
	}

	#reaches({ from, item }) {
		return this.#cursor.id === '' || this.#cursor.covers(from || item.id);
	}

	/** Polls from the own cursor to the log's end, which lies at or behind where the leader is. */
	#startCatchUp() {
		this.#catchUp?.close();
		this.#catchUp = new Poll(this.#place.poll, this.#place.withCredentials, this.#cursor, {
			item: (item) => this.#sink.item(item),
			answered: ({ more }) => more || this.#release(),
			failed: () => {},
			// The leader meets the same refusal and says so to all; until it is open again, we hold back.
			refused: () => (this.#catchUp = null),
		});
		this.#catchUp.run(0, 0);
	}

	/** Lets through what was held back; should it begin too late, another round is needed. */
	#release() {
		const held = this.#held ?? [];
		this.#endCatchUp();
		for (const message of held) {
			if (this.#bus) this.onItem(message); // A listener may have closed us.
		}
	}

	#endCatchUp() {
		this.#catchUp?.close();
		this.#catchUp = null;
		this.#held = null;
	}

	/** A leader shows that it lives; a follower looks whether its leader does. */
	#onBeat() {
		if (this.#connection) {
			this.#post({ kind: 'beat' });
		} else if (Date.now() - this.#heard >= DEPOSE_MS) {
			this.#heard = Date.now();
			this.#lock?.abort.abort();
			this.#queueUp(true);
		}
	}
}

const LEADER = { join: 'onJoin', resume: 'onResume' };
const FOLLOWER = {
	leader: 'onLeader',
	welcome: 'onWelcome',
	item: 'onItem',
	status: 'onStatus',
	beat: 'onLife',
};

// -- what the page sees -----------------------------------------------------------------------------

/** An event of the log: EventSource's MessageEvent, with the channel and the time of its commit. */
class SluiceEvent extends MessageEvent {
	constructor(type, event, origin) {
		super(type, { data: event.data, lastEventId: event.id, origin });
		this.channel = event.channel;
		this.at = event.at;
	}
}

/** An event of the client itself. */
class SluiceNotice extends Event {
	constructor(type, fields = {}) {
		super(type);
		Object.assign(this, fields);
	}
}

const READY = { connecting: 0, open: 1, session: 2, closed: 2 };

/** The client's own events. What a publisher calls so arrives as data:open and so on, and deceives nobody. */
const OWN = ['open', 'error', 'gap', 'transport', 'session', 'state'];

function pageType(type) {
	return OWN.includes(type) || type.startsWith('data:') ? `data:${type}` : type;
}

/** The publisher's type that a page's listener wants; empty for the client's own events. */
function wireType(type) {
	if (OWN.includes(type)) return '';
	return type.startsWith('data:') ? type.slice(5) : type;
}

/** The addresses, and the name under which tabs with the same wishes find each other. */
function placeOf(url, { channels = [], poll = '/api/poll', withCredentials = false }) {
	const stream = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
	for (const channel of channels) stream.searchParams.append('channel', channel);
	const since = stream.searchParams.get('last_event_id');
	stream.searchParams.delete('last_event_id');
	stream.searchParams.set('envelope', 'json');
	const polls = new URL(poll, stream);
	for (const channel of stream.searchParams.getAll('channel')) {
		polls.searchParams.append('channel', channel);
	}
	stream.hash = polls.hash = '';
	const name = `sluice ${withCredentials ? 'with' : 'without'} ${stream} ${polls}`;
	return { stream: stream.href, poll: polls.href, withCredentials, since, name };
}

/** The events that tell a page how one status differs from the one before. */
function* changes(old, { state, transport, reason, shared, failures, session }) {
	if (transport !== old.transport || shared !== old.shared) {
		yield ['transport', { transport, reason, shared }];
	}
	if (state !== old.state) yield ['state', { state, reason }];
	if (state === 'open' && old.state !== 'open') yield ['open'];
	if (failures && failures !== old.failures) yield ['error', { reason }];
	if (state === 'session' && old.state !== 'session') yield ['session', session];
}

export class Sluice extends EventTarget {
	static CONNECTING = 0;
	static OPEN = 1;
	static CLOSED = 2;

	#place;
	#inbox = new Inbox((item) => this.#passOn(item));
	#types = new Set(['message']);
	#handlers = new Map();
	#source = null; // A Connection or a Share; null while the page is put away.
	#share;
	#session;
	#status = { state: 'connecting', transport: '', failures: 0, expires: 0, shared: false };
	#expiry;
	#closed = false;
	#life = new AbortController();

	constructor(url, options = {}) {
		super();
		this.#place = placeOf(url, options);
		this.#share = Boolean(options.share) && Share.isPossible();
		this.#session = options.since === 'session';
		this.#startAt(options.since ?? this.#place.since);
		this.#listenToPage();
		this.#start();
	}

	get url() {
		return this.#place.stream;
	}

	get withCredentials() {
		return this.#place.withCredentials;
	}

	get readyState() {
		return READY[this.#status.state];
	}

	get state() {
		return this.#status.state;
	}

	get transport() {
		return this.#status.transport;
	}

	/** Whether the connection is another tab's. */
	get shared() {
		return this.#status.shared;
	}

	/** The last event's id, or that of a later place up to which there was nothing for this page. */
	get lastEventId() {
		return this.#inbox.cursor.id;
	}

	addEventListener(type, listener, options) {
		super.addEventListener(type, listener, options);
		const wire = wireType(String(type));
		if (!wire || this.#types.has(wire)) return;
		this.#types.add(wire);
		this.#source?.listen(wire);
	}

	/** Connects anew, after the page has signed in again or renewed its cookie. */
	resume() {
		if (!this.#closed) this.#source?.resume();
	}

	close() {
		if (this.#closed) return;
		this.#closed = true;
		this.#life.abort();
		this.#stop();
		this.#onStatus({ ...this.#status, state: 'closed', reason: 'close' });
	}

	// Beginning, and the page's own life.

	#startAt(since) {
		if (since === null || since === undefined) return;
		const id = this.#session ? this.#remembered() : String(since);
		if (!this.#session && !Cursor.parse(id)) throw new TypeError(`since is no event id: ${id}`);
		this.#inbox.cursor.set(id);
	}

	#start() {
		const Source = this.#share ? Share : Connection;
		this.#source = new Source(this.#place, this.#inbox.cursor, new Set(this.#types), {
			item: (item) => !this.#closed && this.#inbox.take(item),
			status: (status) => !this.#closed && this.#onStatus(status),
		});
		this.#source.start();
	}

	#stop() {
		this.#source?.stop();
		this.#source = null;
		this.#onStatus({ ...this.#status, expires: 0 });
	}

	#listenToPage() {
		const { signal } = this.#life;
		const on = (target, type, react) => target?.addEventListener?.(type, react, { signal });
		on(globalThis, 'online', () => this.#source?.reconnect());
		// A page with an open connection cannot be kept for the back button, and one that is kept must
		// not hold the lock: put away, and taken up again at the same cursor.
		on(globalThis, 'pagehide', () => this.#stop());
		on(globalThis, 'pageshow', () => this.#source ?? this.#start());
		on(globalThis.document, 'visibilitychange', () => document.hidden || this.#source?.check());
		on(globalThis.document, 'resume', () => this.#source?.check());
	}

	// The cursor that survives a reload.

	#remembered() {
		try {
			return sessionStorage.getItem(this.#place.name) ?? '';
		} catch {
			return ''; // Storage is forbidden or, in a worker, not there.
		}
	}

	#remember() {
		try {
			sessionStorage.setItem(this.#place.name, this.#inbox.cursor.id);
		} catch {
			// Then a reload begins from now, as it would have without this option.
		}
	}

	// What comes in.

	#passOn(item) {
		if (item.kind === 'event') this.#dispatchData(item.event);
		else if (item.kind === 'gap') this.#notice('gap', { gap: item.gap, lastEventId: item.id });
		if (this.#session) this.#remember();
	}

	#dispatchData(event) {
		const type = pageType(event.type);
		this.dispatchEvent(new SluiceEvent(type, event, new URL(this.#place.stream).origin));
	}

	#notice(type, fields) {
		this.dispatchEvent(new SluiceNotice(type, fields));
	}

	/** Says what differs from the status before, until a listener changes it again. */
	#onStatus(status) {
		const old = this.#status;
		this.#status = status;
		if (status.expires !== old.expires) this.#awaitExpiry(status.expires);
		for (const [type, fields] of changes(old, status)) {
			if (this.#status === status) this.#notice(type, fields);
		}
	}

	#awaitExpiry(expires) {
		clearTimeout(this.#expiry);
		const left = expires - Date.now();
		if (!expires || left <= 0) return;
		const lead = Math.min(EXPIRY_LEAD_MS, left / 5);
		const say = () => this.#notice('session', { reason: 'expiring', expires: new Date(expires) });
		const later = () => this.#awaitExpiry(expires);
		const far = left - lead > TIMER_MAX_MS;
		this.#expiry = setTimeout(far ? later : say, Math.min(left - lead, TIMER_MAX_MS));
	}

	/** The handler attributes: onmessage = f is one listener, whose function an assignment replaces. */
	static {
		for (const type of ['message', ...OWN]) {
			Object.defineProperty(this.prototype, `on${type}`, {
				configurable: true,
				enumerable: true,
				get() {
					return this.#handlers.get(type) ?? null;
				},
				set(handler) {
					const known = this.#handlers.has(type);
					this.#handlers.set(type, typeof handler === 'function' ? handler : null);
					if (known) return;
					this.addEventListener(type, (event) => this.#handlers.get(type)?.call(this, event));
				},
			});
		}
		for (const name of ['CONNECTING', 'OPEN', 'CLOSED']) {
			Object.defineProperty(this.prototype, name, { value: this[name] });
		}
	}
}

export default Sluice;
