/* A page with the client: it shows what is said, and keeps the session alive. */
import { Sluice } from './sluice.js';

const $ = (id) => document.getElementById(id);

const events = new Sluice('/events', { channels: ['chat/lobby'], since: 0, share: true });

events.addEventListener('said', ({ data }) => {
	const { from, text } = JSON.parse(data);
	const row = document.createElement('li');
	row.textContent = `${from}: ${text}`; // Text, never innerHTML: anybody may have written it.
	$('said').append(row);
});

events.addEventListener('gap', () => {
	$('said').replaceChildren(); // What is gone is gone; a page of your own would load its state anew.
});

events.addEventListener('state', ({ state }) => {
	$('status').textContent =
		state === 'session' ? 'signed out' : `${state}, by ${events.transport || '…'}`;
	$('login').hidden = state !== 'session';
	$('say').hidden = $('logout').hidden = state === 'session';
});

events.addEventListener('session', async ({ reason }) => {
	if (reason !== 'expiring') return; // The form is shown: signing in loads the page anew.
	const answer = await fetch('/renew', { method: 'POST' });
	if (answer.ok) events.resume();
});

$('say').addEventListener('submit', async (event) => {
	event.preventDefault();
	const field = $('say').elements.text;
	const answer = await fetch('/publish', { method: 'POST', body: field.value });
	if (answer.ok) field.value = '';
});
