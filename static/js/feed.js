// The socket: one a page, opened with a ticket, resumed where the last page left off. Each message becomes a DOM event
// "sokoul:<type>" whose detail is the message; whoever is interested listens.

const { feed, ticket, login, person } = document.body.dataset;
const KEY = `sokoul.last_event.${person}`;
const LONGEST_PAUSE = 5; // seconds; the pause is random, so that a restart of the server is not answered by all at once
const QUIET = 25; // seconds without a message after which the server is asked for a sign of life
const DEAF = 10; // seconds that it may take to answer
const PATIENCE = 4; // seconds without a socket before the person is told
const EXPIRED = 4401;

const state = document.getElementById("link-state");
let socket = null;
let opening = false;
let retry = 0;
let quiet = 0;
let told = 0;
let leaving = false;

function lastEvent() {
  return sessionStorage.getItem(KEY);
}

function remember(id) {
  if (Number(id) > Number(lastEvent() ?? -1)) sessionStorage.setItem(KEY, id);
}

async function newTicket() {
  const token = document.querySelector('meta[name="csrf-token"]').content;
  const answer = await fetch(ticket, { method: "POST", headers: { "X-CSRFToken": token } });
  if (answer.status === 401) {
    location.assign(`${login}?next=${encodeURIComponent(location.pathname + location.search)}`);
    throw new Error("signed out");
  }
  if (!answer.ok) throw new Error(`no ticket: ${answer.status}`);
  return (await answer.json()).ticket;
}

async function open() {
  if (opening || socket || leaving) return;
  opening = true;
  clearTimeout(retry);
  try {
    const query = new URLSearchParams({ ticket: await newTicket() });
    if (lastEvent() !== null) query.set("last_event_id", lastEvent());
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}${feed}?${query}`);
    socket.addEventListener("message", hear);
    socket.addEventListener("close", closed);
  } catch {
    again();
  } finally {
    opening = false;
  }
}

function hear(event) {
  const message = JSON.parse(event.data);
  listen();
  clearTimeout(told);
  told = 0;
  state.hidden = true;
  if (message.type === "resync") sessionStorage.removeItem(KEY);
  if (message.type === "snapshot" && lastEvent() === null) remember(message.data.last_event_id);
  if (message.id !== undefined) remember(message.id);
  document.dispatchEvent(new CustomEvent(`sokoul:${message.type}`, { detail: message }));
}

// A socket can be dead without anybody having closed it.
function listen() {
  clearTimeout(quiet);
  quiet = setTimeout(() => {
    if (!socket) return;
    socket.send(JSON.stringify({ type: "ping" }));
    quiet = setTimeout(() => socket?.close(), DEAF * 1000);
  }, QUIET * 1000);
}

function closed(event) {
  socket = null;
  clearTimeout(quiet);
  if (leaving) return;
  if (event.code === EXPIRED) open();
  else again();
}

function again() {
  told ||= setTimeout(() => { state.hidden = false; }, PATIENCE * 1000);
  clearTimeout(retry);
  retry = setTimeout(open, Math.random() * LONGEST_PAUSE * 1000);
}

addEventListener("online", open);
addEventListener("pagehide", () => {
  leaving = true;
  if (socket?.readyState === WebSocket.OPEN) socket.close(); // one that is being opened ends with the page
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  leaving = false;
  open();
});
// The listeners of the other modules are in place by then.
document.addEventListener("DOMContentLoaded", open);
