// The player: goes on where the person stopped, says how far they came, and says so when the browser cannot show it.

const player = document.getElementById("player");
const video = document.getElementById("video");
const continued = document.getElementById("continued");
const trouble = document.getElementById("trouble");
const texts = player.dataset;

const SAVE_EVERY = 10; // seconds
const TOO_SHORT = 5; // seconds from the start that are not worth coming back to
const NEARLY_OVER = 0.95;
const LAST_FILE = `sokoul.file.${texts.media}`;
const PICTURE = { hevc: "hvc1.1.6.L93.B0", h265: "hvc1.1.6.L93.B0", mpeg4: "mp4v.20.9", av1: "av01.0.05M.08", vp9: "vp09.00.10.08", h264: "avc1.42E01E" };
const SOUND = { ac3: "ac-3", eac3: "ec-3", dts: "dtsc", truehd: "mlpa", aac: "mp4a.40.2" };

let saved = -1;
let restored = false;
let played = false;
let tries = 0;

function clock(value) {
  const seconds = Math.floor(value);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (!parts[0]) parts.shift();
  return parts.map((part, place) => (place ? String(part).padStart(2, "0") : part)).join(":");
}

function say(text) {
  trouble.hidden = !text;
  trouble.querySelector("span").textContent = text;
}

// Where the person was. A series has one position for all its episodes: it counts for the file that was last played here.

function remembered() {
  const last = localStorage.getItem(LAST_FILE);
  return texts.series && last !== texts.file ? 0 : Number(texts.position);
}

function restore() {
  if (restored) return;
  restored = true;
  const position = remembered();
  if (position < TOO_SHORT || position > video.duration * NEARLY_OVER) return;
  video.currentTime = position;
  continued.querySelector("span").textContent = texts.continued.replace("{time}", clock(position));
  continued.hidden = false;
}

document.getElementById("again").addEventListener("click", () => {
  video.currentTime = 0;
  continued.hidden = true;
  video.play();
});

// How far they came

function save() {
  const { currentTime: position, duration } = video;
  if (!played || !Number.isFinite(duration) || Math.abs(position - saved) < 0.5) return;
  saved = position;
  localStorage.setItem(LAST_FILE, texts.file);
  fetch(texts.watched, {
    method: "POST",
    keepalive: true,
    headers: { "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content },
    body: new URLSearchParams({ position: Math.min(position, duration), duration }),
  }).catch(() => { saved = -1; });
}

video.addEventListener("play", () => localStorage.setItem(LAST_FILE, texts.file));
video.addEventListener("timeupdate", () => {
  if (Math.abs(video.currentTime - saved) >= SAVE_EVERY) save();
});
video.addEventListener("pause", save);
video.addEventListener("ended", save);
addEventListener("pagehide", save);
// By the time of "pagehide" the next page has been made, and would show an older place.
document.addEventListener("click", (event) => {
  if (event.target.closest("a[href]")) save();
}, { capture: true });
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") save();
});

// What the browser cannot show

function unknown(table, codec) {
  const name = table[codec];
  return name !== undefined && video.canPlayType(`video/mp4; codecs="${name}"`) === "";
}

function checkCodecs() {
  if (unknown(PICTURE, texts.videoCodec)) say(texts.noPicture.replace("{codec}", texts.videoCodec.toUpperCase()));
  else if (unknown(SOUND, texts.audioCodec)) say(texts.noSound.replace("{codec}", texts.audioCodec.toUpperCase()));
}

// H.265 and MPEG-4 part 2 give sound, no picture and no error.
function checkPicture() {
  if (video.videoWidth === 0) say(texts.noPicture.replace("{codec}", (texts.videoCodec || "?").toUpperCase()));
}

function reload(at) {
  restored = true;
  video.load();
  video.addEventListener("loadedmetadata", () => { video.currentTime = at; }, { once: true });
}

video.addEventListener("error", () => {
  const { code } = video.error ?? {};
  const arriving = !texts.whole;
  if (code === MediaError.MEDIA_ERR_DECODE || (code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED && !arriving)) {
    say(texts.cannot);
    return;
  }
  // The connection was cut: bytes that have not arrived yet, or the server is being restarted.
  say(arriving ? texts.waiting : texts.lost);
  const at = video.currentTime || (restored ? 0 : remembered());
  const playing = !video.paused;
  tries += 1;
  setTimeout(() => {
    reload(at);
    if (playing) video.play().catch(() => {});
  }, Math.min(10, 1 + tries) * 1000);
});
video.addEventListener("loadedmetadata", () => {
  restore();
  checkPicture();
});
video.addEventListener("playing", () => {
  played = true; // looking at the page alone changes no position
  tries = 0;
  if (video.videoWidth > 0 && !trouble.hidden && !unknown(SOUND, texts.audioCodec)) say("");
  checkPicture();
});
video.addEventListener("waiting", () => {
  if (!texts.whole) say(texts.waiting);
});

// Keys, where nothing else has the focus

document.addEventListener("keydown", (event) => {
  if (event.target !== document.body && event.target !== document.getElementById("main")) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " || event.key === "k") video.paused ? video.play() : video.pause();
  else if (event.key === "ArrowRight") video.currentTime += 10;
  else if (event.key === "ArrowLeft") video.currentTime -= 10;
  else if (event.key === "f") document.fullscreenElement ? document.exitFullscreen() : video.requestFullscreen();
  else return;
  event.preventDefault();
});

checkCodecs();
if (video.readyState >= HTMLMediaElement.HAVE_METADATA) {
  restore();
  checkPicture();
}
if (video.error) video.dispatchEvent(new Event("error"));
