/* Proves: the client's decisions, to the millisecond, at the limits and beyond. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Sluice } from './subject.js';
import {
	begin,
	finish,
	ID,
	last,
	listen,
	pass,
	polled,
	questions,
	settle,
	sleep,
	sources,
	withWindow,
} from './fake.js';

beforeEach(() => begin());
afterEach(finish);

const open = (options, url = '/events') => new Sluice(url, options);

/** A client whose stream has said hello. */
function live(options, seq = 10) {
	const client = open(options);
	const heard = listen(client);
	last(sources).hello(seq);
	heard.length = 0;
	return { client, heard, source: last(sources) };
}

/** A client that polls, its first answer given. */
async function polling(options) {
	const { client, heard, source } = live(options);
	source.error(2);
	await pass(500);
	last(questions).answer(200, polled([], 10));
	await settle();
	heard.length = 0;
	return { client, heard };
}

// -- addresses --------------------------------------------------------------------------------------

test('the addresses carry channels, form and place', async () => {
	open({ channels: ['b/*', 'c d'], since: 7, withCredentials: true }, '/events?channel=a#x');
	const [source] = sources;
	assert.equal(
		source.url.href,
		'https://app.example/events?channel=a&channel=b%2F*&channel=c+d&envelope=json&last_event_id=7',
	);
	assert.deepEqual(source.options, { withCredentials: true });
	source.error(2);
	await pass(500);
	assert.equal(
		questions[0].url.href,
		'https://app.example/api/poll?channel=a&channel=b%2F*&channel=c+d&since=7&limit=1000',
	);
	assert.equal(questions[0].options.credentials, 'include');
});

test('the poll may be elsewhere, and is at the stream\u2019s origin by default', async () => {
	open({ poll: '/sub/poll' }, 'https://live.example/events');
	open({}, 'https://live.example/sub/events');
	for (const source of sources) source.error(2);
	await pass(500);
	const places = questions.map(({ url, options }) => [
		url.origin + url.pathname,
		options.credentials,
	]);
	assert.deepEqual(places, [
		['https://live.example/sub/poll', 'same-origin'],
		['https://live.example/api/poll', 'same-origin'],
	]);
});

test('what is no place is refused, and 0 is one', () => {
	assert.throws(() => open({ since: 'yesterday' }), TypeError);
	assert.throws(() => open({ since: -1 }), TypeError);
	assert.throws(() => open({}, 'http://'), TypeError);
	open({ since: 0 });
	assert.equal(last(sources).url.searchParams.get('last_event_id'), '0');
	open({ since: null });
	assert.equal(last(sources).url.searchParams.get('last_event_id'), null);
});

// -- silence ----------------------------------------------------------------------------------------

test('a stream without a hello is mute after five seconds, not before', async () => {
	const client = open();
	sources[0].readyState = 1;
	await pass(4999);
	assert.equal(questions.length, 0);
	await pass(1);
	assert.equal(questions.length, 1);
	assert.equal(sources[0].readyState, 2);
	assert.equal(client.readyState, 0);
});

test('a stream is mute after two heartbeats of silence, not before; any sign counts', async () => {
	const { source } = live();
	source.hello(10, { heartbeat: 2 });
	await pass(3999);
	source.say('sluice:ping', {}, ID(11));
	await pass(3999);
	source.event(12);
	await pass(3999);
	assert.equal(questions.length, 0);
	await pass(1);
	assert.equal(questions.length, 1);
	assert.equal(questions[0].url.searchParams.get('since'), ID(12));
});

test('the browser\u2019s own reconnect has ten seconds in all, however often it fails', async () => {
	const { heard, source } = live();
	source.error(0);
	await pass(6000);
	source.error(0);
	await pass(3999);
	assert.equal(questions.length, 0);
	assert.equal(source.readyState, 0);
	await pass(1);
	assert.equal(questions.length, 1);
	assert.deepEqual(heard, ['error lost', 'error lost']);
});

test('a reconnect of the browser goes on as if nothing had been', async () => {
	const { client, heard, source } = live();
	source.event(11);
	source.error(0);
	assert.equal(client.readyState, 0);
	await pass(3000);
	source.hello(11);
	source.event(12);
	assert.deepEqual(heard, ['data 11', 'error lost', 'open', 'data 12']);
	await pass(29999);
	assert.equal(questions.length, 0);
});

// -- stream and poll --------------------------------------------------------------------------------

test('a refused stream is followed by a poll at the cursor, and taken up again', async () => {
	const { client, heard, source } = live();
	source.event(11);
	source.error(2);
	await pass(500);
	assert.equal(last(questions).url.searchParams.get('since'), ID(11));
	assert.equal(last(questions).url.searchParams.get('wait'), null);
	last(questions).answer(200, polled([12, 13], 14));
	await settle();
	assert.equal(client.transport, 'poll');
	assert.equal(last(questions).url.searchParams.get('since'), ID(14));
	assert.equal(last(questions).url.searchParams.get('wait'), '20');
	await pass(5000);
	assert.equal(sources.length, 2);
	assert.equal(sources[1].url.searchParams.get('last_event_id'), ID(14));
	const waiting = last(questions);
	sources[1].hello(14);
	assert.equal(waiting.options.signal.aborted, true);
	await settle();
	sources[1].event(15);
	assert.deepEqual(heard, [
		'data 11',
		'error refused',
		'data 12',
		'data 13',
		'transport poll refused',
		'open',
		'transport stream recovered',
		'data 15',
	]);
});

test('while both serve, each event comes once', async () => {
	const { heard } = await polling();
	await pass(5000);
	const probe = last(sources);
	last(questions).answer(200, polled([11, 12], 12));
	await settle();
	probe.hello(10);
	for (const seq of [11, 12, 13]) probe.event(seq);
	assert.deepEqual(heard, ['data 11', 'data 12', 'transport stream recovered', 'data 13']);
});

test('attempts at a mute stream become rarer, and disturb no poll', async () => {
	await polling();
	const gaps = [];
	for (let n = 0, waited = 0; n < 8; waited += 250) {
		await pass(250);
		if (sources.length > n + 2) (gaps.push(waited), n++, (waited = 0));
		else last(questions).answer(200, polled([], 10));
	}
	// Half of the doubled wait and a quarter more (the dice show one half), and five seconds of hoping for a hello.
	for (let i = 1; i < 6; i++) assert.ok(gaps[i] > gaps[i - 1] * 1.2, `${gaps}`);
	assert.ok(last(gaps) <= 300000, `${gaps}`);
});

test('a poll that is answered hands on more at once, and else waits as told', async () => {
	const { heard } = await polling();
	last(questions).answer(200, polled([11], 11, { more: true }));
	await settle();
	assert.equal(questions.length, 3);
	last(questions).answer(200, polled([12], 12, { poll_after_ms: 700 }));
	await settle();
	await pass(699);
	assert.equal(questions.length, 3);
	await pass(1);
	assert.equal(questions.length, 4);
	assert.deepEqual(heard, ['data 11', 'data 12']);
});

test('Retry-After, as seconds, as a date and in the body, is the least wait', async () => {
	const until = new Date(Date.now() + 40000).toUTCString();
	for (const [headers, body] of [
		[{ 'Retry-After': '40' }, ''],
		[{ 'Retry-After': until }, ''],
		[{}, { retry_after: 40 }],
	]) {
		finish();
		begin();
		const { source } = live();
		source.error(2);
		await pass(500);
		questions[0].answer(429, body, headers);
		await settle();
		await pass(39000);
		assert.equal(questions.length, 1);
		await pass(8001);
		assert.equal(questions.length, 2);
	}
});

test('Retry-After holds back the stream too', async () => {
	await polling();
	last(questions).answer(503, { code: 'draining', error: 'restarting' }, { 'Retry-After': '60' });
	await settle();
	await pass(59999);
	assert.equal(sources.length, 1);
	await pass(12001);
	assert.equal(sources.length, 2);
});

test('no answer, an error page and a page that is not ours are all failures, and back off', async () => {
	const { client, heard, source } = live();
	source.error(2);
	await pass(500);
	const answers = [
		(q) => q.fail(),
		(q) => q.answer(502, '<h1>Bad Gateway</h1>'),
		(q) => q.answer(200, '<h1>Welcome</h1>'),
		(q) => q.answer(200, '{}'),
	];
	for (const [i, answer] of answers.entries()) {
		answer(last(questions));
		await settle();
		assert.equal(client.readyState, 0);
		await pass(750 * 2 ** i - 1);
		assert.equal(questions.length, i + 1);
		await pass(1);
		assert.equal(questions.length, i + 2);
	}
	assert.deepEqual(heard, [
		'error refused',
		'error unreachable',
		'error no_answer',
		'error no_answer',
		'error no_answer',
	]);
});

test('an answer that never comes is given up', async () => {
	await polling();
	assert.equal(last(questions).url.searchParams.get('wait'), '20');
	await pass(34999);
	assert.equal(last(questions).options.signal.aborted, false);
	await pass(1);
	assert.equal(last(questions).options.signal.aborted, true);
});

test('a stream that is not Sluice\u2019s is left', async () => {
	const { heard, source } = live();
	source.say('message', 'not JSON', ID(11));
	assert.deepEqual(heard, ['error garbled']);
	assert.equal(source.readyState, 2);
	await pass(1);
	assert.equal(questions.length, 1);
});

// -- order ------------------------------------------------------------------------------------------

test('an event that was seen is dropped', () => {
	const { heard, source } = live();
	for (const seq of [11, 12, 11, 12, 9, 13]) source.event(seq);
	assert.deepEqual(heard, ['data 11', 'data 12', 'data 13']);
});

test('a gap is told once, and moves the place', async () => {
	const { client, heard, source } = live();
	source.event(11);
	source.say(
		'sluice:gap',
		{ requested: ID(11), oldest: ID(21), newest: ID(30), reason: 'pruned' },
		ID(20),
	);
	source.event(21);
	assert.deepEqual(heard, ['data 11', 'gap pruned', 'data 21']);
	source.say(
		'sluice:gap',
		{ requested: ID(5), oldest: ID(21), newest: ID(30), reason: 'pruned' },
		ID(20),
	);
	assert.equal(heard.length, 3, 'one that the page has passed is none');
	assert.equal(client.lastEventId, ID(21));
});

test('the gap of a poll moves to before the oldest, or to the newest when the client was ahead', async () => {
	for (const [reason, place] of [
		['pruned', 40],
		['ahead', 5],
	]) {
		finish();
		begin();
		const { client, heard } = await polling();
		const gap = {
			requested: ID(10),
			oldest: ID(reason === 'ahead' ? 1 : 41),
			newest: ID(reason === 'ahead' ? 5 : 44),
			reason,
		};
		last(questions).answer(200, polled([place + 1], place + 2, { gap }));
		await settle();
		assert.deepEqual(heard, [`gap ${reason}`, `data ${place + 1}`]);
		assert.equal(client.lastEventId, ID(place + 2));
	}
});

test('another log begins with a gap, its ids are not compared, and the old one is not heard again', () => {
	const { heard, source } = live();
	const gap = {
		requested: ID(10),
		oldest: ID(1, 'ffffffff'),
		newest: ID(3, 'ffffffff'),
		reason: 'epoch',
	};
	source.say('sluice:gap', gap, ID(0, 'ffffffff'));
	source.event(1, { epoch: 'ffffffff' });
	source.say('sluice:gap', gap, ID(0, 'ffffffff'));
	source.event(1, { epoch: 'ffffffff' });
	assert.deepEqual(heard, ['gap epoch', 'data 1']);
});

test('should the gap before another log be lost, the client tells it', () => {
	const { heard, source } = live();
	source.event(3, { epoch: 'ffffffff' });
	assert.deepEqual(heard, ['gap epoch', 'data 3']);
});

test('a hello further on does not move a place that is known', () => {
	const { client, source } = live();
	source.hello(99);
	assert.equal(client.lastEventId, ID(10));
});

test('a client ahead of the log hears so once, and what comes then once', async () => {
	const { heard } = await polling();
	await pass(5000);
	const probe = last(sources);
	const gap = { requested: ID(10), oldest: ID(1), newest: ID(5), reason: 'ahead' };
	last(questions).answer(200, polled([6, 7], 7, { gap }));
	await settle();
	probe.hello(5);
	probe.say('sluice:gap', gap, ID(5));
	for (const seq of [6, 7, 8]) probe.event(seq);
	assert.deepEqual(heard, ['gap ahead', 'data 6', 'data 7', 'transport stream recovered', 'data 8']);
});

// -- the session ------------------------------------------------------------------------------------

test('a 401 is told once, and nothing is asked until resume', async () => {
	for (const [status, code, reason] of [
		[401, 'expired', 'expired'],
		[401, 'revoked', 'revoked'],
		[401, 'no_session', 'refused'],
		[403, 'channel', 'refused'],
	]) {
		finish();
		begin();
		const { client, heard, source } = live();
		source.error(2);
		await pass(500);
		questions[0].answer(status, { error: 'no', code, retry_after: 30 }, { 'Retry-After': '30' });
		await settle();
		assert.deepEqual(heard, ['error refused', `error ${reason}`, `session ${reason}`]);
		assert.equal(client.readyState, 2);
		assert.equal(client.state, 'session');
		await pass(3600000);
		assert.deepEqual([questions.length, sources.length], [1, 1]);
		client.resume();
		assert.equal(sources.length, 2);
		assert.equal(client.readyState, 0);
		assert.equal(last(sources).url.searchParams.get('last_event_id'), ID(10));
	}
});

test('bye expired: a poll tells whether the cookie is a newer one', async () => {
	const { heard, source } = live();
	source.say('sluice:bye', { reason: 'expired', retry: 3000 });
	assert.equal(source.readyState, 2);
	await pass(0);
	questions[0].answer(200, polled([], 10));
	await settle();
	await pass(1);
	assert.equal(sources.length, 2);
	sources[1].hello(10);
	sources[1].say('sluice:bye', { reason: 'revoked', retry: 3000 });
	await pass(0);
	last(questions).answer(401, { error: 'no', code: 'no_session' });
	await settle();
	assert.equal(last(heard), 'session revoked');
	await pass(3600000);
	assert.equal(sources.length, 2);
});

test('bye drain: back when the server said, and not before', async () => {
	const { heard, source } = live();
	source.say('sluice:bye', { reason: 'drain', retry: 3000 });
	await pass(2999);
	assert.deepEqual([sources.length, questions.length], [1, 0]);
	await pass(601);
	assert.deepEqual([sources.length, questions.length], [2, 0]);
	assert.deepEqual(heard, ['error drain']);
});

test('the end of a session is announced a minute before, or a fifth of what is left', async () => {
	for (const [seconds, lead] of [
		[900, 60],
		[100, 20],
		[40 * 86400, 60],
	]) {
		finish();
		begin();
		const client = open();
		const heard = listen(client);
		const expires = new Date(Date.now() + seconds * 1000).toISOString();
		sources[0].hello(1, { expires, heartbeat: 1e7 });
		heard.length = 0;
		await pass((seconds - lead) * 1000 - 1);
		assert.deepEqual(heard, []);
		await pass(1);
		assert.deepEqual(heard, ['session expiring']);
		assert.equal(client.readyState, 1);
	}
});

// -- the interface ----------------------------------------------------------------------------------

test('it has EventSource\u2019s interface', () => {
	const { client, source } = live();
	assert.ok(client instanceof EventTarget);
	assert.deepEqual(
		[Sluice.CONNECTING, Sluice.OPEN, Sluice.CLOSED, client.CONNECTING, client.OPEN, client.CLOSED],
		[0, 1, 2, 0, 1, 2],
	);
	assert.equal(client.onerror.length, 1);
	assert.equal(open().onmessage, null);
	let event;
	client.onmessage = function (e) {
		event = e;
		assert.equal(this, client);
	};
	source.event(11);
	assert.ok(event instanceof MessageEvent);
	assert.deepEqual(
		[event.type, event.data, event.lastEventId, event.origin, event.channel],
		['message', 'data 11', ID(11), 'https://app.example', 'a'],
	);
	client.onmessage = null;
	event = undefined;
	source.event(12);
	assert.equal(event, undefined);
});

test('types are listened to from the moment they are wanted', () => {
	const { client, heard, source } = live();
	source.event(11, { type: 'status' });
	client.addEventListener('status', (event) => heard.push(`${event.type}: ${event.data}`));
	source.event(12, { type: 'status' });
	assert.deepEqual(heard, ['status: data 12']);
});

test('a publisher cannot speak for the client or the browser', () => {
	const client = open();
	const heard = listen(client, [
		'data:error',
		'data:open',
		'data:session',
		'data:gap',
		'data:data:x',
	]);
	sources[0].hello(10);
	heard.length = 0;
	for (const [i, type] of ['error', 'open', 'session', 'gap', 'data:x'].entries())
		sources[0].event(11 + i, { type });
	assert.deepEqual(heard, [
		'data:error: data 11',
		'data:open: data 12',
		'data:session: data 13',
		'data:gap: data 14',
		'data:data:x: data 15',
	]);
	assert.equal(client.readyState, 1);
});

test('close is for good, also from within a listener', async () => {
	const { client, heard, source } = live();
	client.addEventListener('message', () => client.close());
	source.event(11);
	source.event(12);
	assert.deepEqual(heard, ['data 11']);
	assert.equal(source.readyState, 2);
	client.resume();
	await pass(3600000);
	assert.deepEqual([sources.length, questions.length, client.readyState], [1, 0, 2]);
});

test('close from within any listener leaves nothing behind', async () => {
	const ends = {
		transport: async () => last(sources).hello(10),
		open: async () => last(sources).hello(10),
		error: async () => last(sources).error(2),
		state: async () => last(sources).error(2),
		gap: async () =>
			last(sources).say(
				'sluice:gap',
				{ requested: ID(1), oldest: ID(5), newest: ID(6), reason: 'pruned' },
				ID(4),
			),
		session: async () => {
			last(sources).error(2);
			await pass(500);
			last(questions).answer(401, { code: 'expired', error: 'no' });
		},
	};
	for (const [type, happen] of Object.entries(ends)) {
		finish();
		begin();
		const client = open();
		if (!['transport', 'open'].includes(type)) last(sources).hello(1);
		const heard = [];
		client.addEventListener(type, () => client.close(), { once: true });
		for (const other of ['open', 'error', 'session']) {
			client.addEventListener(
				other,
				() => client.state === 'closed' && other !== type && heard.push(other),
			);
		}
		await happen();
		await settle();
		const asked = questions.length;
		await pass(3600000);
		assert.deepEqual([sources.length, questions.length - asked, heard.length], [1, 0, 0], type);
		assert.deepEqual([sources[0].readyState, client.state], [2, 'closed'], type);
	}
});

test('resume from within a listener', async () => {
	const { client, source } = live();
	client.addEventListener('error', () => client.resume(), { once: true });
	source.error(2);
	assert.equal(sources.length, 2);
	last(sources).hello(10);
	await pass(20000);
	assert.deepEqual([sources.length, questions.length, client.readyState], [2, 0, 1]);
});

test('close in the middle of an answer drops the rest of it', async () => {
	const { client, heard } = await polling();
	client.addEventListener('message', () => client.close());
	last(questions).answer(200, polled([11, 12], 12));
	await pass(3600000);
	assert.deepEqual(heard, ['data 11']);
	assert.equal(questions.length, 2);
});

test('a page that is put away closes all, and goes on at its place when it is taken up', async () => {
	const { page, client, heard, source } = withWindow(live);
	const expires = new Date(Date.now() + 900000).toISOString();
	source.hello(10, { expires });
	source.event(11);
	page.dispatchEvent(new Event('pagehide'));
	assert.equal(source.readyState, 2);
	await pass(600000);
	assert.deepEqual([sources.length, questions.length], [1, 0]);
	page.dispatchEvent(new Event('pageshow'));
	assert.equal(last(sources).url.searchParams.get('last_event_id'), ID(11));
	last(sources).hello(11, { expires, heartbeat: 1000 });
	last(sources).event(12);
	page.dispatchEvent(new Event('pageshow'));
	await pass(240000);
	assert.deepEqual(heard, ['data 11', 'data 12', 'session expiring']);
	client.close();
	page.dispatchEvent(new Event('online'));
	page.dispatchEvent(new Event('pageshow'));
	assert.equal(sources.length, 2);
});

test('when the network changes, an open stream is opened anew, and a poll is asked at once', async () => {
	const { page, source } = withWindow(live);
	page.dispatchEvent(new Event('online'));
	assert.deepEqual([source.readyState, sources.length], [2, 2]);
	last(sources).error(2);
	await pass(500);
	for (let i = 0; i < 4; i++) {
		last(questions).fail();
		await settle();
		await pass(i < 3 ? 750 * 2 ** i : 0);
	}
	assert.equal(questions.length, 4);
	page.dispatchEvent(new Event('online'));
	await settle();
	assert.equal(questions.length, 5);
});

test('after the computer slept, a look at the page is enough', async () => {
	const { page, source } = withWindow(live);
	sleep(29999);
	page.document.dispatchEvent(new Event('visibilitychange'));
	assert.equal(sources.length, 1);
	sleep(1);
	page.document.hidden = true;
	page.document.dispatchEvent(new Event('visibilitychange'));
	assert.equal(sources.length, 1);
	page.document.hidden = false;
	page.document.dispatchEvent(new Event('visibilitychange'));
	assert.deepEqual([source.readyState, sources.length], [2, 2]);
	assert.equal(last(sources).url.searchParams.get('last_event_id'), ID(10));
});

test('after the computer slept, an untouched page notices by itself', async () => {
	const { source } = withWindow(live);
	sleep(3600000);
	await pass(30000);
	assert.equal(source.readyState, 2);
	assert.equal(questions.length, 1);
});

test('a tab without Web Locks shares nothing, and works', () => {
	const { heard, source } = live({ share: true });
	source.event(11);
	assert.deepEqual(heard, ['data 11']);
});
