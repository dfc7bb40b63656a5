/* Another client in the page: @microsoft/fetch-event-source. */
import { fetchEventSource } from '/fetch-event-source/index.js';

window.got = [];
fetchEventSource('/events?channel=a', {
	openWhenHidden: true,
	onmessage: ({ event, data }) => event.startsWith('sluice:') || window.got.push(data),
	onerror: () => 100, // Its own would stop at some errors.
});
