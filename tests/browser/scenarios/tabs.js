/* Proves: tabs that share have one connection, and each sees every event once, whoever leads. */
import { equal, long, ok, short, texts, until } from '../lib/scenario.js';
import { direct, gated } from '../lib/setting.js';

/** The tab that holds the lock, of those that are open. */
async function leaderOf(tabs, site) {
	const state = await tabs[0].page.evaluate(() => navigator.locks.query());
	const { clientId } = state.held.find(({ name }) => name.startsWith('sluice '));
	for (const tab of tabs) {
		const mine = () =>
			navigator.locks.request(
				'me',
				async () => (await navigator.locks.query()).held.find((l) => l.name === 'me').clientId,
			);
		if ((await tab.page.evaluate(mine)) === clientId) return tab;
	}
	throw new Error(`nobody leads at ${site.origin}`);
}

short('three tabs with one connection, and the leader is closed', async (undo) => {
	const { site, gate, open } = await gated(undo);
	let tabs = [];
	for (let i = 0; i < 3; i++) tabs.push(await open({ share: true, channels: ['a'] }));
	for (const tab of tabs) await tab.by('stream');
	equal(gate.streams.size, 1);
	await site.publish('a', texts(1, 20));
	for (const tab of tabs) await tab.has(texts(1, 20));
	let published = 20;
	while (tabs.length > 1) {
		const leader = await leaderOf(tabs, site);
		tabs = tabs.filter((tab) => tab !== leader);
		const publisher = site.publisher('a');
		publisher.feed(texts(published + 1, published + 100));
		await leader.page.close();
		publisher.feed(texts(published + 101, published + 200));
		await publisher.end();
		published += 200;
		for (const tab of tabs) await tab.has(texts(1, published));
		for (const tab of tabs) await tab.by('stream');
		equal(gate.streams.size, 1);
	}
	equal(await tabs[0].notesOf('gap'), []);
});

short('a tab that joins further back, and a type that the leader had not asked for', async (undo) => {
	const { site, gate, open } = await gated(undo);
	const leader = await open({ share: true });
	await leader.by('stream');
	await site.publish('a', texts(1, 5));
	await leader.has(texts(1, 5));
	const back = await open({ share: true, since: 0, types: ['alert'] });
	await back.by('stream');
	await back.has(texts(1, 5));
	await site.publish('a', 'fire', 'alert');
	await site.publish('a', 'event 6');
	await back.has([...texts(1, 5), 'fire', 'event 6']);
	await leader.has(texts(1, 6));
	await back.do("sluice.addEventListener('late', (event) => window.seen.push(event))");
	for (let i = 0; i < 5; i++) await site.publish('a', `late ${i}`, 'late');
	await until(
		'late ones come',
		async () => (await back.data).filter((text) => text.startsWith('late')).length === 5,
	);
	const ids = (await back.page.evaluate(() => window.seen.map((e) => e.lastEventId ?? e.id))).map(
		(id) => parseInt(id, 10),
	);
	equal(
		ids,
		[...ids].sort((a, b) => a - b),
	);
	equal(gate.streams.size, 1);
});

short('a leader that falls back to polls takes all with it', async (undo) => {
	const { site, gate, open } = await gated(undo);
	const tabs = [await open({ share: true }), await open({ share: true })];
	for (const tab of tabs) await tab.by('stream');
	gate.breakStreams('noaccept');
	for (const tab of tabs) await tab.by('poll');
	await site.publish('a', texts(1, 10));
	for (const tab of tabs) await tab.has(texts(1, 10));
	await site.ctl('revoke', '--sub', 'ann');
	for (const tab of tabs) {
		await until(
			'each hears that the session ended',
			async () => (await tab.notesOf('session')).length === 1,
			30000,
		);
	}
});

long(
	'tabs with other wishes have a stream of their own, as have tabs without Web Locks',
	async (undo) => {
		const { site, context, open } = await direct(undo);
		const a = await open({ share: true, channels: ['a'] });
		const b = await open({ share: true, channels: ['b'] });
		await a.by('stream');
		await b.by('stream');
		equal(await site.streams(), 2);
		await context.addInitScript(() =>
			Object.defineProperty(navigator, 'locks', { value: undefined }),
		);
		const c = await open({ share: true, channels: ['a'] });
		await c.by('stream');
		equal(await site.streams(), 3);
		await site.publish('a', 'to all of a');
		for (const tab of [a, c]) await tab.has(['to all of a']);
		equal(await b.data, []);
	},
);

long('a leader that hangs is replaced', async (undo) => {
	const { site, open } = await gated(undo);
	const tabs = [await open({ share: true }), await open({ share: true })];
	for (const tab of tabs) await tab.by('stream');
	const leader = await leaderOf(tabs, site);
	const other = tabs.find((tab) => tab !== leader);
	// Its page stays, holds the lock, and does nothing any more.
	const session = await leader.page.context().newCDPSession(leader.page);
	await session.send('Debugger.enable');
	await session.send('Debugger.pause');
	leader.page.evaluate('1').catch(() => {});
	await site.publish('a', texts(1, 3));
	// Instead of waiting for the silence, the clock of the other one jumps.
	await other.page.evaluate(() => {
		const now = Date.now;
		Date.now = () => now() + 200000;
		document.dispatchEvent(new Event('visibilitychange'));
	});
	await other.has(texts(1, 3), 20000);
	await session.send('Debugger.resume');
	await session.send('Debugger.disable');
	await leader.has(texts(1, 3));
	await site.publish('a', 'after');
	for (const tab of tabs) await tab.has([...texts(1, 3), 'after']);
	ok((await leaderOf(tabs, site)) === other, 'the other one leads');
	await until('there is one stream', async () => (await site.streams()) === 1);
});
