/* Compiled, never run: a page that uses every part of sluice.d.ts as a programmer would. */
import DefaultSluice, { Sluice, type SluiceGapEvent, type SluiceState } from '../../scripts/sluice.js';

const events = new Sluice(new URL('https://app.example/events'), {
	channels: new Set(['news/*']),
	poll: '/api/poll',
	withCredentials: true,
	since: 'session',
	share: true,
});
events.onmessage = (event) => event.data.trim() + event.channel + event.at + event.lastEventId;
events.ongap = ({ gap }: SluiceGapEvent) => gap.reason === 'pruned';
events.addEventListener('session', (event) => event.reason === 'expiring' && event.expires?.getTime());
events.addEventListener('transport', ({ transport, reason }) => (transport === 'poll' ? reason : ''));
events.addEventListener('status', (event) => JSON.parse(event.data), { once: true });
events.addEventListener('status', { handleEvent: () => {} });
events.removeEventListener('message', () => {});
const state: SluiceState = events.state;
const ready: 0 | 1 | 2 = events.readyState;
const other: EventTarget = new DefaultSluice('/events', { since: 0 });
events.resume();
events.close();

// @ts-expect-error: a mistyped option is noticed
new Sluice('/events', { chanels: [] });
// @ts-expect-error: so is writing what cannot be written
events.readyState = 1;

export { state, ready, other };
