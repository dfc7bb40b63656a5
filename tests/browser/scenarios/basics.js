/* Proves: live events, the EventSource interface, a cut stream, and both servers restarted under it. */
import { equal, long, ok, short, texts, until } from '../lib/scenario.js';
import { direct, gated } from '../lib/setting.js';

short('live over HTTP/1.1 through lighttpd', async (undo) => {
	const { site, open } = await direct(undo);
	const tab = await open({ channels: ['news/*', 'user/ann'], types: ['status'] });
	await tab.by('stream');
	await site.publish('news/a', 'from the tool');
	await site.sql(
		"INSERT INTO publish(channel, type, data) VALUES ('user/ann', 'status', 'paid' || char(13, 10) || 'é')",
	);
	await site.publish('other', 'not asked for');
	await site.publish('news/b', 'last');
	await tab.has(['from the tool', 'paid\r\né', 'last']);
	const seen = await tab.seen;
	equal(
		seen.map(({ type, channel }) => [type, channel]),
		[
			['message', 'news/a'],
			['status', 'user/ann'],
			['message', 'news/b'],
		],
	);
	ok(
		seen.every(({ id }) => /^\d+-[0-9a-f]{8}$/.test(id)),
		'every event has an id',
	);
	ok(
		seen.every(({ at }) => !Number.isNaN(Date.parse(at))),
		'every event has its time',
	);
	equal(await tab.do('return sluice.lastEventId'), seen[2].id);
	equal(await tab.notesOf('error'), []);
	equal((await tab.notesOf('open')).length, 1);
	equal(
		await tab.do(
			'return [sluice.OPEN, Sluice.CLOSED, sluice.withCredentials, sluice instanceof EventTarget]',
		),
		[1, 2, false, true],
	);
	await tab.do('sluice.close()');
	equal(await tab.status, { state: 'closed', transport: 'stream', ready: 2 });
	await until('the stream is gone', async () => (await site.streams()) === 0);
	equal(tab.errors, []);
});

short('since: the oldest event, and an id', async (undo) => {
	const { site, open } = await direct(undo);
	await site.publish('a', texts(1, 5));
	const all = await open({ since: 0 });
	await all.has(texts(1, 5));
	const { id } = (await all.seen)[2];
	await (await open({ since: id })).has(texts(4, 5));
	await (await open({}, `/events?channel=a&last_event_id=${id}`)).has(texts(4, 5));
	const now = await open();
	await now.by('stream');
	await site.publish('a', 'new');
	await now.has(['new']);
	const refused = await now.do(
		"try { new Sluice('/events', { since: 'x' }); } catch (e) { return e.name; }",
	);
	equal(refused, 'TypeError');
});

short('a stream that is cut goes on at the next event', async (undo) => {
	const { site, gate, open } = await gated(undo);
	const tab = await open();
	await tab.by('stream');
	await site.publish('a', texts(1, 3));
	await tab.has(texts(1, 3));
	gate.cut();
	await site.publish('a', texts(4, 6));
	await tab.has(texts(1, 6));
	await until('the browser is back by itself', async () => (await tab.status).state === 'open');
	equal(gate.opened, 2);
	equal(gate.polls.length, 0);
	equal(
		(await tab.notesOf('error')).map(({ reason }) => reason),
		['lost'],
	);
});

short('the responder is restarted', async (undo) => {
	const { site, gate, open } = await gated(undo);
	const tab = await open();
	await tab.by('stream');
	await site.publish('a', 'before');
	await tab.has(['before']);
	await site.stopResponder();
	await until('it notices', async () => (await tab.status).state === 'connecting');
	await site.publish('a', texts(1, 20));
	await until('it has met the error page', () => gate.polls.length > 0);
	await site.startResponder();
	await tab.has(['before', ...texts(1, 20)], 20000);
	await tab.by('stream', 20000);
	await site.publish('a', 'after');
	await tab.has(['before', ...texts(1, 20), 'after']);
	equal(await tab.notesOf('gap'), []);
});

long('the responder is killed', async (undo) => {
	const { site, open } = await direct(undo);
	const tab = await open();
	await tab.by('stream');
	await site.stopResponder('SIGKILL');
	await site.publish('a', texts(1, 5));
	await site.startResponder();
	await tab.has(texts(1, 5), 20000);
	await tab.by('stream', 20000);
});

long('the web server is restarted, with 502 in between', async (undo) => {
	const { site, gate, open } = await gated(undo);
	const tab = await open();
	await tab.by('stream');
	await site.stopWeb();
	await site.publish('a', texts(1, 5));
	await until('the stream met a 502', () => gate.opened >= 2);
	await until('so did polls', () => gate.polls.length >= 2, 20000);
	await site.startWeb();
	await tab.has(texts(1, 5), 40000);
	await tab.by('stream', 40000);
	equal(await tab.notesOf('gap'), []);
});

long('the network is gone, and the browser says when it is back', async (undo) => {
	const { site, context, open } = await direct(undo);
	const tab = await open();
	await tab.by('stream');
	await site.stopWeb();
	await until('it notices', async () => (await tab.status).state === 'connecting');
	await context.setOffline(true);
	await site.publish('a', texts(1, 3));
	// Long enough that the back-off alone would wait for seconds.
	await until('it failed five times', async () => (await tab.notesOf('error')).length >= 5, 60000);
	await site.startWeb();
	await context.setOffline(false);
	await tab.has(texts(1, 3), 3000);
	await tab.by('stream');
});
