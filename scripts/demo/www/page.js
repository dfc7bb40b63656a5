import { Sluice } from "./sluice.js";

/*
 * The demo's page: everything in it comes from one client, which this tab shares with all others.
 *
 * Whatever a publisher wrote is shown through textContent, and only so.
 */

const REPLAY = 400; // events to look back on when the page opens
const ROWS = 40; // rows kept in a channel's list
const CARDS = 12; // channels shown at once
const SAMPLES = 180; // seconds of load drawn
const TYPES = ["message", "request", "load"]; // shown; the first is what has no type

const $ = (id) => document.getElementById(id);

let events = null; // the client, once there is a session
let received = 0;

// -- what the person sees ---------------------------------------------------------------------------

function showState(kind, text) {
  $("dot").className = "dot " + kind;
  $("state").textContent = text;
}

function showNotice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

function showSignIn(why) {
  events?.close();
  events = null;
  $("live").hidden = true;
  $("sign-out").hidden = true;
  $("sign-in").hidden = false;
  $("sign-in-why").textContent = why;
  $("sign-in-why").hidden = !why;
  $("name").focus();
}

function showLive() {
  $("sign-in").hidden = true;
  $("sign-out").hidden = false;
  $("live").hidden = false;
}

// login.cgi leaves the name in a cookie of its own, since no script can see the session's.
function showUser() {
  const name = /(?:^|; )demo_user=([a-z0-9-]+)/.exec(document.cookie)?.[1] ?? "";
  if (name === $("user").textContent) return;
  $("user").textContent = name;
  const inbox = document.createElement("option");
  inbox.value = `user/${name}/inbox`;
  $("channels").append(inbox);
}

function showTransport() {
  const words = { stream: "stream", poll: "poll", "": "–" };
  $("transport").textContent = words[events.transport] + (events.shared ? ", of another tab" : "");
}

// -- events -----------------------------------------------------------------------------------------

// The list of a channel: made with its first event, and the quietest one gives way when there are many.
function channelCard(channel) {
  const cards = [...document.querySelectorAll(".channel")];
  const known = cards.find((card) => card.dataset.channel === channel);
  if (known) return known;
  if (cards.length >= CARDS) cards.reduce((a, b) => (a.dataset.at < b.dataset.at ? a : b)).remove();
  const card = $("channel-card").content.firstElementChild.cloneNode(true);
  card.dataset.channel = channel;
  card.dataset.count = "0";
  card.querySelector("code").textContent = channel;
  $(channel === "access" ? "log-column" : "talk-column").prepend(card);
  return card;
}

function part(name, className, text) {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
}

function eventRow(event) {
  const at = new Date(event.at);
  const time = part("time", "", at.toLocaleTimeString([], { hour12: false }));
  time.dateTime = event.at;
  const text = part("span", "text", event.data);
  if (!TYPES.includes(event.type)) text.prepend(part("span", "type", event.type));
  const row = part("li", Date.now() - at < 5000 ? "new" : "", "");
  row.append(time, text, part("span", "id", event.lastEventId.split("-")[0]));
  return row;
}

function showEvent(event) {
  $("last-id").textContent = event.lastEventId;
  $("count").textContent = String(++received);
  if (event.channel === "load") {
    addLoad(event);
    return;
  }
  const card = channelCard(event.channel);
  card.dataset.at = event.at;
  card.dataset.count = String(Number(card.dataset.count) + 1);
  card.querySelector(".badge").textContent = card.dataset.count + (card.dataset.count === "1" ? " event" : " events");
  const list = card.querySelector("ol");
  list.prepend(eventRow(event));
  while (list.children.length > ROWS) list.lastElementChild.remove();
}

function showGap({ gap }) {
  const why = {
    pruned: "they were removed from the log",
    epoch: "the log was replaced",
    ahead: "the log is younger than this page",
    invalid: "the place was not understood",
  }[gap.reason];
  showNotice(`Some events are missing here: ${why}. This page goes on from what there is.`);
}

// -- the graphs -------------------------------------------------------------------------------------

const samples = []; // {at, cpu, average}, oldest first

function addLoad(event) {
  let value;
  try {
    value = JSON.parse(event.data);
  } catch {
    return;
  }
  const sample = { at: Date.parse(event.at), cpu: Number(value.cpu), average: Number(value.load?.[0]) };
  if (![sample.at, sample.cpu, sample.average].every(Number.isFinite)) return;
  samples.push(sample);
  while (samples.length > SAMPLES || samples[0].at < sample.at - SAMPLES * 1000) samples.shift();
  if (samples.at(-1) === sample) requestAnimationFrame(drawLoad);
}

function drawLoad() {
  if (!samples.length) return;
  const highest = Math.max(1, ...samples.map((s) => s.average));
  draw("cpu", (s) => s.cpu, 100, (v) => `${Math.round(v)} %`);
  draw("average", (s) => s.average, Math.ceil(highest), (v) => v.toFixed(2));
}

function draw(id, value, top, text) {
  const now = samples.at(-1).at;
  const points = samples.map((s) => {
    const x = 300 - (300 * (now - s.at)) / (SAMPLES * 1000);
    return `${x.toFixed(1)},${(100 - (100 * value(s)) / top).toFixed(1)}`;
  });
  const first = points[0].split(",")[0];
  $(id).replaceChildren(
    shape("line", { class: "grid", x1: 0, x2: 300, y1: 0, y2: 0 }),
    shape("line", { class: "grid", x1: 0, x2: 300, y1: 50, y2: 50 }),
    shape("polygon", { class: "area", points: `${first},100 ${points.join(" ")} 300,100` }),
    shape("polyline", { class: "curve", points: points.join(" ") }),
  );
  $(`${id}-top`).textContent = text(top);
  $(`${id}-now`).textContent = text(value(samples.at(-1)));
}

function shape(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

// -- the client -------------------------------------------------------------------------------------

const STATES = { connecting: ["trying", "connecting"], open: ["live", "live"], session: ["ended", "signed out"] };

function listen(since) {
  events = new Sluice("/events", { since, share: true });
  for (const type of TYPES) events.addEventListener(type, showEvent);
  events.addEventListener("gap", showGap);
  events.addEventListener("transport", showTransport);
  events.addEventListener("state", ({ state }) => STATES[state] && showState(...STATES[state]));
  events.addEventListener("session", showSession);
}

function showSession({ reason, message, expires }) {
  const why = { expired: "Your session has expired.", revoked: "This session was ended." };
  if (reason === "expiring") showNotice(`Your session ends at ${expires.toLocaleTimeString()}.`);
  else showSignIn(why[reason] ?? message);
}

// While this cookie is there, the web server refuses streams, as a proxy on the way might. The client goes
// over to polling, tries the stream again by itself, and finds it when the cookie is gone.
function breakStream(broken) {
  document.cookie = `demo_break=${broken ? "1; Max-Age=600" : "; Max-Age=0"}; Path=/; SameSite=Lax`;
  if (broken) events?.resume();
  showBroken();
}

function isBroken() {
  return /(?:^|; )demo_break=1/.test(document.cookie);
}

// Another tab may have broken it, so the cookie is asked, not this page.
function showBroken() {
  $("break").textContent = isBroken() ? "Mend the stream" : "Break the stream";
  $("break").setAttribute("aria-pressed", String(isBroken()));
}

// -- start ------------------------------------------------------------------------------------------

// A poll without `since` asks for the log's head, and whether there is a session. The page then begins a
// little before the head: what was there before it opened is replayed like any other event.
async function start() {
  let answer, body;
  try {
    answer = await fetch("/api/poll?limit=1");
    body = await answer.json();
  } catch {
    answer = { ok: false };
  }
  if (answer.status === 401) return showSignIn(body.code === "no_session" ? "" : body.error);
  showUser();
  showBroken();
  showLive();
  if (!answer.ok) {
    showNotice(body?.error ?? "The web server does not answer.");
    setTimeout(start, 3000);
    return;
  }
  showNotice("");
  const [seq, epoch] = body.last_id.split("-");
  listen(Number(seq) > REPLAY ? `${Number(seq) - REPLAY}-${epoch}` : "0");
}

async function publish(event) {
  event.preventDefault();
  const button = $("publish").querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch("/publish?channel=" + $("channel").value, {
      method: "POST",
      headers: { "Content-Type": "text/plain; charset=utf-8" },
      body: $("text").value,
    });
    const said = (await answer.text()).trim();
    $("published").textContent = answer.ok ? `It is event ${said}.` : said;
    if (answer.ok) $("text").value = "";
  } catch {
    $("published").textContent = "The web server does not answer.";
  }
  button.disabled = false;
}

$("publish").addEventListener("submit", publish);
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    $("publish").requestSubmit();
  }
});
$("break").addEventListener("click", () => breakStream(!isBroken()));
addEventListener("focus", showBroken);
start();
