// A live session: the player follows a WebSocket, and comes back by itself when it is cut.

const ASK_MS = 2000;
const KEPT_KEYS = 4000;
const ENDED = 4000, REFUSED = 4001;

const root = document.querySelector("[data-watch]");
const data = root.dataset;
const find = (name) => root.querySelector(`[data-part="${name}"]`);
let isOver = false;
const say = (text) => { find("say").textContent = text; };

function begin() {
  const screen = find("screen");
  if (screen) follow(screen);
  const desktop = find("desktop");
  if (desktop) followDesktop(desktop);
  for (const button of root.querySelectorAll("[data-opens]")) {
    const dialog = root.querySelector(`[data-dialog="${button.dataset.opens}"]`);
    button.addEventListener("click", () => dialog.showModal());
    dialog.querySelector("[data-closes]").addEventListener("click", () => dialog.close());
    dialog.querySelector("form").addEventListener("submit", send);
  }
  for (const form of root.querySelectorAll("[data-sends]")) form.addEventListener("submit", send);
  setInterval(ask, ASK_MS);
  ask();
}

function follow(screen) {
  const channel = data.channel ? `?channel=${data.channel}` : "";
  const url = new URL(`${data.base}/live${channel}`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const player = AsciinemaPlayer.create(
    { driver: "websocket", url: url.href, reconnectDelay: (tries) => Math.min(250 * 2 ** tries, 3000) },
    screen,
    { autoPlay: true, fit: "width", keystrokeOverlay: true, controls: false },
  );
  root.player = player;
  player.addEventListener("playing", () => { say(""); root.dataset.playing = "1"; });
  player.addEventListener("loading", () => { delete root.dataset.playing; say("Connecting…"); });
  // It ends with the session, and where we may watch no more: `ask` knows which.
  player.addEventListener("ended", (event) => { say(event?.message || ""); ask(); });
  player.addEventListener("input", ({ data: keys }) => typed(keys));
}

// A desktop: whole pictures, each behind eight bytes of session time. Only the newest is drawn.
function followDesktop(canvas) {
  const url = new URL(`${data.base}/desktop`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const paper = canvas.getContext("2d");
  let newest = null, drawing = false, tries = 0;
  async function draw() {
    drawing = true;
    for (let bytes = newest; bytes; bytes = newest) {
      newest = null;
      const picture = await createImageBitmap(new Blob([bytes.slice(8)], { type: "image/png" }));
      if (canvas.width !== picture.width) canvas.width = picture.width;
      if (canvas.height !== picture.height) canvas.height = picture.height;
      paper.drawImage(picture, 0, 0);
      picture.close();
      root.dataset.playing = String(new DataView(bytes).getBigUint64(0));
    }
    drawing = false;
  }
  function open() {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    say("Connecting…");
    socket.addEventListener("message", (event) => {
      tries = 0;
      say("");
      newest = event.data;
      if (!drawing) draw();
    });
    socket.addEventListener("close", ({ code, reason }) => {
      delete root.dataset.playing;
      if (code === ENDED) over(reason);
      else if (code === REFUSED) say(reason);
      else if (!isOver) setTimeout(open, Math.min(250 * 2 ** tries++, 3000));
    });
  }
  open();
}

// Keys as a reader sees them: what acts on a terminal is named, not sent on.
function typed(keys) {
  const box = find("typed");
  const shown = keys
    .replace(/\r\n?|\n/g, "⏎\n")
    .replace(/\x7f|\x08/g, "⌫")
    .replace(/\t/g, "⇥")
    .replace(/\x1b/g, "␛")
    .replace(/[\x00-\x09\x0b-\x1f]/g, (key) => `^${String.fromCharCode(key.charCodeAt(0) + 64)}`);
  box.textContent = (box.textContent + shown).slice(-KEPT_KEYS);
  box.scrollTop = box.scrollHeight;
}

async function ask() {
  try {
    const answer = await fetch(`${data.base}/watchers.json`, { headers: { accept: "application/json" } });
    if (!answer.ok) return; // Logged out, perhaps: the socket says so.
    const { state, watchers } = await answer.json();
    find("watchers").replaceChildren(...watchers.map((name) => {
      const item = document.createElement("li");
      item.textContent = name;
      return item;
    }));
    if (state !== "live") over("The session has ended");
  } catch {
    say("The page is out of reach; trying again…");
  }
}

function over(text) {
  if (isOver) return;
  isOver = true;
  const state = find("state");
  state.textContent = "ended";
  state.classList.remove("live");
  say(text || "The session has ended");
}

async function send(event) {
  event.preventDefault();
  const form = event.target;
  const dialog = form.closest("dialog");
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
  if (answer.ok || answer.type === "opaqueredirect") {
    dialog?.close();
    form.reset();
    say("Done");
    return;
  }
  const text = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main p")?.textContent;
  say(text || `It could not be done: ${answer.status}`);
  dialog?.close();
}

begin();
