/* Proves: tabs that share have one stream; a tab that missed something gets it, in order, before anything newer. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Sluice } from './subject.js';
import { begin, finish, ID, last, listen, pass, polled, questions, settle, sources } from './fake.js';
import { beginTabs } from './tabs.js';

let channel;
let clients;

beforeEach(() => {
	begin();
	channel = beginTabs();
	clients = [];
});
afterEach(() => {
	for (const client of clients) client.close();
	finish();
});

async function tab(options = {}, types = []) {
	const client = new Sluice('/events', { share: true, ...options });
	clients.push(client);
	const heard = listen(client, types);
	await settle();
	return { client, heard };
}

/** A leader at 10 and a follower, both open. */
async function two(options) {
	const leader = await tab();
	sources[0].hello(10);
	await settle();
	const follower = await tab(options);
	leader.heard.length = follower.heard.length = 0;
	return { leader, follower, source: sources[0] };
}

test('one stream, and all hear the same', async () => {
	const { leader, follower, source } = await two();
	source.event(11);
	source.event(12);
	await settle();
	assert.deepEqual(leader.heard, ['data 11', 'data 12']);
	assert.deepEqual(follower.heard, ['data 11', 'data 12']);
	assert.equal(sources.length, 1);
	assert.deepEqual(
		[follower.client.readyState, follower.client.transport, follower.client.lastEventId],
		[1, 'stream', ID(12)],
	);
	assert.equal(questions.length, 0);
});

test('what a follower missed it polls, and holds back what is newer', async () => {
	const { follower, source } = await two();
	source.event(11);
	await settle();
	channel.lose = (message) => message.kind === 'item' && message.item.id === ID(12);
	source.event(12);
	source.event(13);
	await settle();
	assert.deepEqual(follower.heard, ['data 11']);
	assert.equal(last(questions).url.searchParams.get('since'), ID(11));
	source.event(14);
	last(questions).answer(200, polled([12, 13], 13));
	await settle();
	assert.deepEqual(follower.heard, ['data 11', 'data 12', 'data 13', 'data 14']);
	assert.equal(questions.length, 1);
});

test('a poll that ends before what is held back begins is followed by another', async () => {
	const { follower, source } = await two();
	channel.lose = (message) => message.kind === 'item' && message.item.id !== ID(14);
	for (const seq of [11, 12, 13, 14]) source.event(seq);
	await settle();
	questions[0].answer(200, polled([11], 11));
	await settle();
	questions[1].answer(200, polled([12, 13], 13));
	await settle();
	assert.deepEqual(follower.heard, ['data 11', 'data 12', 'data 13', 'data 14']);
});

test('a tab that begins further back polls up to the others', async () => {
	const { follower, source } = await two({ since: ID(7) });
	assert.equal(questions[0].url.searchParams.get('since'), ID(7));
	source.event(11);
	await settle();
	questions[0].answer(200, polled([8], 9, { more: true }));
	await settle();
	questions[1].answer(200, polled([10, 11], 11));
	await settle();
	source.event(12);
	await settle();
	assert.deepEqual(follower.heard, ['data 8', 'data 10', 'data 11', 'data 12']);
	assert.equal(sources.length, 1);
});

test('a type that the leader did not ask for may have passed unseen, so it is polled for', async () => {
	const { leader, follower, source } = await two();
	follower.client.addEventListener('alert', (event) => follower.heard.push(`alert ${event.data}`));
	source.event(11, { type: 'alert' }); // The leader does not know yet, and does not hear it.
	await settle();
	source.event(12, { type: 'alert' });
	source.event(13);
	await settle();
	assert.deepEqual(follower.heard, []);
	const alert = { id: ID(11), channel: 'a', type: 'alert', data: 'data 11', at: '' };
	last(questions).answer(200, { ...polled([], 11), events: [alert] });
	await settle();
	assert.deepEqual(follower.heard, ['alert data 11', 'alert data 12', 'data 13']);
	assert.deepEqual(leader.heard, ['data 13']);
});

test('the next in the queue leads from its own place; who is further on hears nothing twice', async () => {
	const { leader, follower, source } = await two();
	const third = await tab();
	third.heard.length = 0;
	source.event(11);
	await settle();
	channel.lose = () => true; // The last message reaches nobody.
	source.event(12);
	leader.client.close();
	channel.lose = () => false;
	await settle();
	assert.equal(sources.length, 2);
	assert.equal(sources[1].url.searchParams.get('last_event_id'), ID(11));
	sources[1].hello(11);
	for (const seq of [12, 13]) sources[1].event(seq);
	await settle();
	for (const { heard } of [follower, third]) {
		assert.deepEqual(
			heard.filter((word) => word.startsWith('data')),
			['data 11', 'data 12', 'data 13'],
		);
	}
});

test('the end of the session is told in every tab, and any of them can resume', async () => {
	const { leader, follower, source } = await two();
	source.error(2);
	await pass(500);
	last(questions).answer(401, { error: 'no', code: 'revoked' });
	await settle();
	for (const { client, heard } of [leader, follower]) {
		assert.equal(last(heard), 'session revoked');
		assert.equal(client.state, 'session');
	}
	const late = await tab();
	assert.equal(last(late.heard), 'session revoked');
	follower.client.resume();
	await settle();
	assert.equal(sources.length, 2);
	sources[1].hello(10);
	await settle();
	for (const { client } of [leader, follower, late]) assert.equal(client.state, 'open');
});

test('a catch-up that was refused goes on when the session is there again', async () => {
	const { follower, source } = await two({ since: ID(8) });
	questions[0].answer(401, { error: 'no', code: 'expired' });
	await settle();
	source.event(11);
	await settle();
	assert.deepEqual(follower.heard, []);
	follower.client.resume();
	await settle();
	sources[1].hello(11);
	await settle();
	last(questions).answer(200, polled([9, 11], 11));
	await settle();
	assert.deepEqual(
		follower.heard.filter((word) => word.startsWith('data')),
		['data 9', 'data 11'],
	);
});

test('close from within a listener, while something is held back', async () => {
	const { follower, source } = await two();
	channel.lose = (message) => message.kind === 'item' && message.item.id === ID(11);
	for (const seq of [11, 12, 13, 14]) source.event(seq);
	await settle();
	follower.client.addEventListener(
		'message',
		({ data }) => data === 'data 12' && follower.client.close(),
	);
	questions[0].answer(200, polled([11], 11));
	await settle();
	await pass(3600000);
	assert.deepEqual(follower.heard, ['data 11', 'data 12']);
	const places = questions.slice(1).map(({ url }) => url.searchParams.get('since'));
	assert.ok(
		places.every((id) => id === ID(14)),
		`only the leader asks: ${places}`,
	);
});

test('a leader that is silent is replaced, and follows when it wakes', async () => {
	const { leader, follower, source } = await two();
	channel.lose = () => true;
	for (let i = 0; i < 6; i++) {
		await pass(15000);
		source.say('sluice:ping', {}, ID(10));
	}
	assert.equal(sources.length, 1);
	channel.lose = ({ kind }) => kind === 'beat';
	await pass(15000); // A hundred seconds are over.
	assert.equal(sources.length, 2);
	assert.equal(source.readyState, 2);
	sources[1].hello(10);
	sources[1].event(11);
	await settle();
	for (const { heard } of [leader, follower]) assert.equal(last(heard), 'data 11');
});

test('where locks are forbidden, each tab has a stream of its own', async () => {
	navigator.locks.request = () => Promise.reject(new DOMException('opaque origin', 'SecurityError'));
	const a = await tab();
	const b = await tab();
	assert.equal(sources.length, 2);
	for (const source of sources) source.hello(10);
	for (const source of sources) source.event(11);
	await settle();
	for (const { heard } of [a, b])
		assert.deepEqual(
			heard.filter((word) => word.startsWith('data')),
			['data 11'],
		);
});

test('a leader that shows life stays', async () => {
	const { source } = await two();
	for (let i = 0; i < 20; i++) {
		await pass(15000);
		source.say('sluice:ping', {}, ID(11 + i));
	}
	assert.equal(sources.length, 1);
});
