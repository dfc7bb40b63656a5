"use strict";

/*
 * The demo's page: one cursor into the event log, moved by a stream or by polling.
 *
 * Both transports give the same ids in the same order, so the page may change between them at any event
 * and miss none. Whatever a publisher wrote is shown through textContent, and only so.
 */

const REPLAY = 400; // events to look back on when the page opens
const ROWS = 40; // rows kept in a channel's list
const CARDS = 12; // channels shown at once
const SAMPLES = 180; // seconds of load drawn
const STREAM_AGAIN_MS = 30000; // from falling back to polling until the next try of the stream
const TYPES = ["message", "request", "load"]; // EventSource tells of named types only

const $ = (id) => document.getElementById(id);

const page = {
  cursor: null, // the id of the last event seen: where either transport goes on
  received: 0,
  source: null, // the EventSource, while streaming
  polling: null, // the AbortController of the poll loop, while polling
  silence: 0, // timer that ends a stream which has gone mute
  again: 0, // timer that tries the stream again
};

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
  stop();
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

// The grant of this demo names the user: user/NAME/*.
function showUser(channels) {
  for (const pattern of channels) {
    const own = /^user\/(.+)\/\*$/.exec(pattern);
    if (!own) continue;
    const inbox = document.createElement("option");
    inbox.value = `user/${own[1]}/inbox`;
    if (own[1] !== $("user").textContent) $("channels").append(inbox);
    $("user").textContent = own[1];
  }
}

function moveCursor(id) {
  page.cursor = id;
  $("last-id").textContent = id;
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
  row.append(time, text, part("span", "id", event.id.split("-")[0]));
  return row;
}

function showEvent(event) {
  moveCursor(event.id);
  $("count").textContent = String(++page.received);
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

function showGap(gap) {
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

// -- the stream -------------------------------------------------------------------------------------

function openStream() {
  stop();
  showState("trying", "opening the stream");
  const address = new URL("/events", location.href);
  address.searchParams.set("envelope", "json");
  if (page.cursor) address.searchParams.set("last_event_id", page.cursor);
  const source = new EventSource(address);
  page.source = source;

  // Sluice is never silent for longer than its heartbeat; what is silent longer is held up on the way.
  let heartbeat = 15;
  const heard = () => {
    clearTimeout(page.silence);
    page.silence = setTimeout(fallBack, 2.5 * heartbeat * 1000);
  };
  heard();

  const on = (type, react) =>
    source.addEventListener(type, (message) => {
      heard();
      react(JSON.parse(message.data), message.lastEventId);
    });
  for (const type of TYPES) on(type, showEvent);
  on("sluice:hello", (hello, id) => {
    moveCursor(id);
    heartbeat = hello.heartbeat;
    showUser(hello.channels);
    showState("live", "live, by stream");
  });
  on("sluice:ping", (ping, id) => moveCursor(id));
  on("sluice:gap", showGap);
  on("sluice:bye", (bye) => {
    if (bye.reason === "expired") showSignIn("Your session has expired.");
    if (bye.reason === "revoked") showSignIn("This session was ended.");
  });
  // The browser comes back by itself after a cut, but takes any status but 200 for the end, and does not
  // tell which it was. The poll will.
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) fallBack();
    else showState("trying", "connecting again");
  });
}

function fallBack() {
  startPolling();
  page.again = setTimeout(openStream, STREAM_AGAIN_MS);
}

// -- polling ----------------------------------------------------------------------------------------

// Asks once; throws what Sluice or the browser said against it.
async function poll(parameters, signal) {
  const answer = await fetch("/api/poll?" + new URLSearchParams(parameters), { signal });
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.error), body, { status: answer.status });
  return body;
}

async function startPolling() {
  stop();
  showState("trying", "starting to poll");
  const polling = new AbortController();
  page.polling = polling;
  while (!polling.signal.aborted) {
    let pause;
    try {
      const answer = await poll({ since: page.cursor ?? "0", wait: 20, limit: 500 }, polling.signal);
      showState("live", "live, by polling");
      if (answer.gap) showGap(answer.gap);
      answer.events.forEach(showEvent);
      moveCursor(answer.last_id);
      pause = answer.more ? 0 : answer.poll_after_ms;
    } catch (error) {
      if (polling.signal.aborted) return;
      if (error.status === 401) return showSignIn(whyOut(error));
      showState("trying", error.status ? error.message : "no answer, trying again");
      pause = 1000 * (error.retry_after ?? 3);
    }
    await new Promise((resume) => setTimeout(resume, pause));
  }
}

function whyOut(error) {
  return error.code === "no_session" ? "" : error.message;
}

function stop() {
  page.source?.close();
  page.polling?.abort();
  page.source = page.polling = null;
  clearTimeout(page.silence);
  clearTimeout(page.again);
}

// -- start ------------------------------------------------------------------------------------------

// A poll without `since` asks for the log's head, and whether there is a session. The page then begins a
// little before the head: what was there before it opened is replayed like any other event.
async function start() {
  try {
    const { last_id: head } = await poll({ limit: 1 });
    const [seq, epoch] = head.split("-");
    page.cursor = Number(seq) > REPLAY ? `${Number(seq) - REPLAY}-${epoch}` : "0";
  } catch (error) {
    if (error.status === 401) return showSignIn(whyOut(error));
    showNotice(error.message);
    setTimeout(start, 3000);
    return showLive();
  }
  showNotice("");
  showLive();
  openStream();
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
for (const choice of document.querySelectorAll("[name=transport]")) {
  choice.addEventListener("change", () => (choice.value === "stream" ? openStream() : startPolling()));
}
start();
