/* The page of the tests: it makes the client when told to, and keeps all that it says. */
import { Sluice } from '/sluice.js';

window.Sluice = Sluice;
window.seen = [];
window.notes = [];

function onData(event) {
	const { type, data, lastEventId, channel, at } = event;
	window.seen.push({ type, data, id: lastEventId, channel, at });
	// As a site's page would: text stays text.
	const row = document.createElement('li');
	row.textContent = data;
	document.getElementById('list').append(row);
}

function onNote({ type, transport, reason, state, gap, code, expires }) {
	window.notes.push([type, { transport, reason, state, gap, code, expires: expires?.toISOString() }]);
}

window.open_sluice = (url, options, types) => {
	const sluice = new Sluice(url, options);
	window.sluice = sluice;
	sluice.onmessage = onData;
	for (const type of types) sluice.addEventListener(type, onData);
	for (const type of ['open', 'error', 'gap', 'transport', 'session', 'state']) {
		sluice.addEventListener(type, onNote);
	}
};
window.ready = true;
