// Downloads that are shown: bars move with each `download.progress`, a card is fetched anew when its phase changes.

const words = document.getElementById("words").dataset;
const units = words.units.split(",");
const language = document.documentElement.lang;
const fetching = new Map();

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// The same words as the server's (sokoul/templatetags/shown.py).
function size(bytes) {
  let power = 0;
  let value = bytes;
  while (power < units.length - 1 && Number(value.toFixed(power && value < 100 ? 1 : 0)) >= 1000) {
    value /= 1000;
    power += 1;
  }
  const digits = power && value < 100 ? 1 : 0;
  const format = new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false });
  return `${format.format(value)} ${units[power]}`;
}

function left(seconds) {
  if (seconds === null) return "";
  if (seconds < 60) return fill(words.seconds, { count: seconds });
  if (seconds < 3600) return fill(words.minutes, { count: Math.floor(seconds / 60) });
  if (seconds < 86400) return fill(words.hours, { hours: Math.floor(seconds / 3600), minutes: Math.floor((seconds % 3600) / 60) });
  return fill(words.days, { count: Math.floor(seconds / 86400) });
}

function cardsOf(id) {
  return document.querySelectorAll(`[data-download="${Number(id)}"]`);
}

function write(card, name, text) {
  const place = card.querySelector(`[data-n="${name}"]`);
  if (place && place.textContent !== text) place.textContent = text;
}

function show(card, row) {
  const bar = card.querySelector('[data-n="bar"]');
  if (bar) bar.value = row.progress;
  write(card, "percent", `${Math.round(row.progress)} %`);
  write(card, "bytes", row.bytes_total ? fill(words.of, { done: size(row.bytes_done), total: size(row.bytes_total) }) : "");
  write(card, "rate", row.rate ? fill(words.rate, { size: size(row.rate) }) : "");
  write(card, "eta", left(row.eta));
  write(card, "peers", row.peers ? fill(row.peers === 1 ? words.peer : words.peers, { count: row.peers }) : "");
  write(card, "reason", row.reason_texts?.[language] ?? row.reason);
}

// One request a card at a time; what happens meanwhile is answered by one more.
function refresh(id) {
  const cards = cardsOf(id);
  if (fetching.has(id)) {
    fetching.set(id, true);
    return;
  }
  if (!cards.length) return;
  fetching.set(id, false);
  const done = [...cards].map((card) => window.htmx.ajax("GET", card.dataset.card, { target: card, swap: "outerHTML" }));
  Promise.allSettled(done).then(() => {
    const wantedAgain = fetching.get(id);
    fetching.delete(id);
    if (wantedAgain) refresh(id);
  });
}

function addToList(id) {
  const list = document.querySelector("#downloads[data-newest]");
  if (!list) return;
  const place = document.createElement("div");
  place.dataset.download = id;
  place.dataset.card = `${list.dataset.url}/${Number(id)}`;
  document.querySelector("main > .empty")?.remove();
  list.prepend(place);
  refresh(id);
}

function changed(row) {
  const cards = cardsOf(row.id);
  if (!cards.length) {
    if (row.status !== "Failed") addToList(row.id);
    return;
  }
  const same = [...cards].every((card) => card.dataset.phase === row.phase);
  if (same) cards.forEach((card) => show(card, row));
  else refresh(row.id);
}

document.addEventListener("sokoul:download.progress", (event) => changed(event.detail.data));
document.addEventListener("sokoul:download.updated", (event) => changed(event.detail.data));
document.addEventListener("sokoul:snapshot", (event) => {
  const running = new Map(event.detail.data.downloads.map((row) => [String(row.id), row]));
  running.forEach(changed);
  for (const card of document.querySelectorAll('[data-download][data-status="Pending"], [data-download][data-status="Running"]')) {
    if (!running.has(card.dataset.download)) refresh(card.dataset.download);
  }
});
