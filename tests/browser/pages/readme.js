/* What the README's examples leave to the page: a place for text, and what a site does with its own data. */
const $log = () => document.getElementById('log');

Object.defineProperty(window, 'log', { get: $log });
Object.defineProperty(window, 'list', { get: $log });
window.show = (value) => $log().append(JSON.stringify(value));
window.reload = (gap) => $log().replaceChildren(JSON.stringify(gap));
window.signIn = () => $log().append('signed out');
