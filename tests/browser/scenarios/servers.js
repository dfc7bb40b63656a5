/* Proves: HTTP/2 over TLS through nginx, with the cookie that only TLS allows. */
import { equal, ok, short, texts, until } from '../lib/scenario.js';
import { direct } from '../lib/setting.js';

short('nginx over HTTP/2 with TLS', async (undo) => {
	const { site, open } = await direct(undo, { server: 'nginx' });
	const tabs = [];
	// More streams than HTTP/1.1 would let one browser have.
	for (let i = 0; i < 8; i++) tabs.push(await open({ channels: ['a'] }));
	for (const tab of tabs) await tab.by('stream');
	equal(
		await tabs[0].page.evaluate(
			() => performance.getEntriesByType('navigation')[0].nextHopProtocol,
		),
		'h2',
	);
	await site.publish('a', texts(1, 50));
	for (const tab of tabs) await tab.has(texts(1, 50));
	const [tab] = tabs;
	for (const other of tabs.slice(1)) await other.page.close();
	await site.stopResponder();
	await site.publish('a', texts(51, 60));
	await until('it met the 502', async () => (await tab.notesOf('error')).length >= 2);
	await site.startResponder();
	await tab.has(texts(1, 60), 20000);
	await tab.by('stream', 20000);
	equal(await tab.notesOf('gap'), []);
	ok(tab.errors.length === 0, tab.errors.join());
});
