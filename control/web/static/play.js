// The player's page: a terminal or a video, and what stands around it. It needs no network
// of its own: `source` says where everything is, on the page or inside a bundle.

const SPEEDS = [0.5, 1, 2, 4, 8, 16];
const NEAR_S = 0.05;
const MOST_ROWS = 2000; // A list that is longer is searched, not read.
const KINDS = {
  everything: ["command", "input", "title", "file", "clipboard"],
  commands: ["command"],
  keys: ["input"],
  output: ["output"],
  titles: ["title"],
  files: ["file"],
  clipboard: ["clipboard"],
};

const WORDS = {
  everything: ["line", "lines"],
  commands: ["command", "commands"],
  keys: ["typed line", "typed lines"],
  output: ["line", "lines"],
  titles: ["title", "titles"],
  files: ["file", "files"],
  clipboard: ["text copied", "texts copied"],
};

const { Clock, TerminalScreen, VideoScreen, hms } = globalThis.proxydScreens;

async function json(url) {
  const answer = await fetch(url, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  return answer.json();
}

/** What the page asks for. A bundle hands in one of its own. */
function served(data) {
  const channel = data.channel ? `&channel=${data.channel}` : "";
  const idle = (skip) => `?idle=${skip ? 2 : ""}${channel}`;
  return {
    index: (skip) => `${data.base}/play/index.json${idle(skip)}`,
    overview: (skip) => json(`${data.base}/play/overview.json${idle(skip)}`),
    lines: (kinds, text) => {
      const asked = new URLSearchParams(kinds.map((kind) => ["kind", kind]));
      asked.set("q", text);
      return json(`${data.base}/play/lines.json?${asked}`);
    },
    verify: data.verify ? () => json(data.verify) : undefined,
  };
}

class Page {
  constructor(root, source) {
    this.root = root;
    this.data = root.dataset;
    this.source = source || served(this.data);
    this.find = (name) => root.querySelector(`[data-part="${name}"]`);
    this.clock = new Clock([]);
    this.lines = [];
    this.current = -1;
    this.list = "commands";
    this.asked = 0;
    this.startedAt = Date.parse(this.data.startedAt);
    this.hash = new URLSearchParams(location.search);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const video = root.querySelector("video");
    this.screen = video
      ? new VideoScreen(video)
      : new TerminalScreen(this.find("screen"), "", still);
    this.screen.onchange = () => this.tellState();
  }

  async begin() {
    const wanted = this.hash;
    this.find("find").value = wanted.get("find") || "";
    this.find("wall").checked = wanted.get("wall") === "1";
    this.find("idle").checked = wanted.get("idle") === "1";
    const speed = SPEEDS.includes(Number(wanted.get("speed"))) ? Number(wanted.get("speed")) : 1;
    this.find("speed").value = String(speed);
    const list = wanted.get("find") || this.screen instanceof VideoScreen ? "everything" : "commands";
    this.chooseList(wanted.get("list") in KINDS ? wanted.get("list") : list, false);
    this.wire();
    const real = Number(wanted.get("t")) || 0;
    try {
      await Promise.all([this.show(real, speed), this.look()]);
    } catch (error) {
      this.say(`The recording cannot be shown: ${error.message}`);
    }
    setInterval(() => this.follow(), 200);
    this.find("state").dataset.ready = "1";
    this.verify();
  }

  /** Open the recording anew: another speed, or another clock. */
  async show(real, speed = this.screen.speed) {
    const skip = this.find("idle").checked;
    const overview = this.source.overview(skip).then((found) => {
      this.overview = found;
      this.clock = new Clock(found.clock);
    });
    // With pauses both clocks are one, and the player need not wait for the other.
    if (skip) await overview;
    const at = skip ? this.onScreen(real) : real;
    await Promise.all([overview, this.screen.open(at, speed, await this.source.index(skip))]);
    this.drawStrip();
    this.follow();
  }

  // A video has the clock of the session, and no other.
  onScreen(real) { return this.screen instanceof VideoScreen ? real : this.clock.shown(real); }
  get real() {
    return this.screen instanceof VideoScreen ? this.screen.at : this.clock.real(this.screen.at);
  }
  get duration() { return this.clock.knees.at(-1)[0]; }

  label(real) {
    if (!this.find("wall").checked) return hms(real);
    return new Date(this.startedAt + real * 1000).toISOString().slice(11, 19);
  }

  say(text) { this.find("say").textContent = text; }

  tellState() {
    const button = this.find("play");
    button.textContent = this.screen.playing ? "Pause" : "Play";
  }

  async go(real, index = -1) {
    const begun = performance.now();
    await this.screen.seek(this.onScreen(real));
    this.lastSeekMs = performance.now() - begun;
    if (index >= 0) this.mark(index);
    this.remember(real);
    this.say(`At ${this.label(real)}`);
  }

  remember(real = this.real) {
    const url = new URL(location.href);
    const set = (name, value) => (value ? url.searchParams.set(name, value) : url.searchParams.delete(name));
    set("t", real.toFixed(1));
    set("find", this.find("find").value);
    set("list", this.list);
    set("idle", this.find("idle").checked ? "1" : "");
    set("wall", this.find("wall").checked ? "1" : "");
    set("speed", this.screen.speed === 1 ? "" : this.screen.speed);
    if (location.protocol !== "file:") history.replaceState(null, "", url);
    return url;
  }

  follow() {
    const real = this.real;
    this.find("clock").textContent = `${this.label(real)} / ${this.label(this.duration)}`;
    const part = this.duration ? this.onScreen(real) / (this.onScreen(this.duration) || 1) : 0;
    this.find("here").style.left = `${Math.min(part, 1) * 100}%`;
    const index = this.lines.findLastIndex((line) => line.at_ms / 1000 <= real + NEAR_S);
    if (index !== this.current) this.mark(index);
    this.tellMaking(real);
  }

  /** Who jumps ahead of a film that is still being made reads how far it is. */
  tellMaking(real) {
    const until = this.screen.madeUntil ?? null;
    const waits = until !== null && real > until;
    if (waits) this.say(`The film is still being made: it is at ${hms(until)}`);
    else if (this.waited) this.say("");
    this.waited = waits;
  }

  mark(index) {
    this.current = index;
    for (const row of this.find("lines").querySelectorAll("[aria-current]")) {
      row.removeAttribute("aria-current");
    }
    const row = this.find("lines").querySelector(`[data-index="${index}"]`);
    if (!row) return;
    row.setAttribute("aria-current", "true");
    const list = this.find("lines"), [a, b] = [list.getBoundingClientRect(), row.getBoundingClientRect()];
    if (b.top < a.top || b.bottom > a.bottom) list.scrollTop += b.top - a.top - a.height / 2;
  }

  // --- the lists

  chooseList(name, andLook = true) {
    this.list = name;
    for (const button of this.root.querySelectorAll("[data-list]")) {
      button.setAttribute("aria-pressed", String(button.dataset.list === name));
    }
    if (andLook) this.look().then(() => this.remember());
  }

  async look() {
    const asked = ++this.asked;
    const text = this.find("find").value;
    const lines = this.list === "output" && !text ? [] : await this.source.lines(this.kinds(text), text);
    if (asked !== this.asked) return; // A later question was faster.
    this.lines = lines;
    this.drawLines(text);
  }

  // What a terminal showed is too much to list: it is there to be searched. Of a desktop it is
  // what a picture does not say: that something is missing, or could not be drawn.
  kinds(text) {
    const withOutput = text || this.screen instanceof VideoScreen;
    return this.list === "everything" && withOutput ? [...KINDS.everything, "output"] : KINDS[this.list];
  }

  drawLines(text) {
    const rows = this.lines.slice(0, MOST_ROWS).map((line, index) => {
      const row = document.createElement("li");
      const button = document.createElement("button");
      const time = document.createElement("time");
      const words = document.createElement("span");
      button.type = "button";
      button.dataset.index = index;
      time.textContent = this.label(line.at_ms / 1000);
      words.append(...marked(line.text, text));
      button.append(time, words);
      row.append(button);
      return row;
    });
    this.find("lines").replaceChildren(...rows);
    const count = this.lines.length;
    const what = (text ? ["hit", "hits"] : WORDS[this.list])[count === 1 ? 0 : 1];
    const more = count > MOST_ROWS ? `, the first ${MOST_ROWS} shown` : "";
    const hint = this.list === "output" && !text ? "Type what to find in the output" : `${count} ${what}${more}`;
    this.find("count").textContent = hint;
    this.current = -2;
    this.follow();
  }

  step(direction) {
    const now = this.real;
    const later = (line) => line.at_ms / 1000 > now + 0.2;
    const earlier = (line) => line.at_ms / 1000 < now - 0.2;
    const index = direction > 0 ? this.lines.findIndex(later) : this.lines.findLastIndex(earlier);
    if (index >= 0) this.go(this.lines[index].at_ms / 1000, index);
    else this.say(direction > 0 ? "Nothing further" : "Nothing before this");
  }

  // --- the strip

  drawStrip() {
    const canvas = this.find("strip");
    const bars = this.overview.activity;
    const paint = canvas.getContext("2d");
    const most = Math.log1p(Math.max(1, ...bars.map((bar) => bar[0])));
    const style = getComputedStyle(canvas);
    canvas.width = bars.length;
    canvas.height = 40;
    bars.forEach(([shown, typed], at) => {
      const height = (Math.log1p(shown) / most) * 34;
      paint.fillStyle = style.color;
      paint.fillRect(at, 40 - height, 1, height);
      paint.fillStyle = style.borderTopColor;
      if (typed) paint.fillRect(at, 0, 1, 5);
    });
  }

  stripClicked(event) {
    const box = this.find("strip").getBoundingClientRect();
    const part = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    this.go(this.clock.real(part * this.clock.knees.at(-1)[1]));
  }

  // --- what the person does

  wire() {
    const on = (name, event, act) => this.find(name)?.addEventListener(event, act);
    let typing;
    on("find", "input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.look(), 150);
    });
    on("find", "keydown", (event) => {
      if (event.key === "Enter") { event.preventDefault(); this.step(event.shiftKey ? -1 : 1); }
      // Escape leaves the field; the browser would also empty it.
      if (event.key === "Escape") { event.preventDefault(); event.target.blur(); }
    });
    on("next", "click", () => this.step(1));
    on("previous", "click", () => this.step(-1));
    on("play", "click", () => this.toggle());
    on("speed", "change", (event) => this.changeSpeed(Number(event.target.value)));
    on("idle", "change", () => this.show(this.real).then(() => this.remember()));
    on("wall", "change", () => { this.drawLines(this.find("find").value); this.remember(); });
    on("share", "click", () => this.share());
    on("strip", "click", (event) => this.stripClicked(event));
    on("help-button", "click", () => this.find("help").showModal());
    on("lines", "click", (event) => {
      const row = event.target.closest("[data-index]");
      if (row) this.go(this.lines[row.dataset.index].at_ms / 1000, Number(row.dataset.index));
    });
    for (const button of this.root.querySelectorAll("[data-list]")) {
      button.addEventListener("click", () => this.chooseList(button.dataset.list));
    }
    document.addEventListener("keydown", (event) => this.key(event));
  }

  toggle() { return this.screen.playing ? this.screen.pause() : this.screen.play(); }

  async changeSpeed(speed) {
    const real = this.real;
    this.find("speed").value = String(speed);
    await this.screen.open(this.onScreen(real), speed);
    this.remember(real);
  }

  nudge(by) {
    this.go(Math.min(Math.max(this.real + by, 0), this.duration));
  }

  faster(by) {
    const at = SPEEDS.indexOf(this.screen.speed) + by;
    if (SPEEDS[at]) this.changeSpeed(SPEEDS[at]);
  }

  key(event) {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && event.target.type !== "checkbox";
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    const keys = {
      n: () => this.step(1),
      N: () => this.step(-1),
      "/": () => this.find("find").focus(),
      "?": () => this.find("help").showModal(),
      k: () => this.toggle(),
      j: () => this.nudge(-10),
      l: () => this.nudge(10),
      ",": () => this.nudge(-1),
      ".": () => this.nudge(1),
      "<": () => this.faster(-1),
      ">": () => this.faster(1),
      i: () => this.find("idle").click(),
      a: () => this.find("wall").click(),
      c: () => this.share(),
    };
    const act = keys[event.key];
    // Inside the player its own keys count: what both know must not happen twice.
    if (!act || (event.target.closest(".ap-player") && ",.<>".includes(event.key))) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  async share() {
    const url = this.remember();
    try {
      await navigator.clipboard.writeText(url.href);
      this.say(`Link copied: ${hms(this.real)}`);
    } catch {
      this.say("The link is in the address bar");
    }
  }

  async verify() {
    const badge = document.querySelector("[data-verified]");
    if (!badge || !this.source.verify) return;
    try {
      const { whole, findings } = await this.source.verify();
      badge.dataset.whole = whole;
      const texts = findings.map((one) => one.text);
      badge.textContent = whole ? "✓ chain verified" : `✗ not as it was made: ${texts.slice(0, 3).join("; ")}`;
    } catch (error) {
      badge.textContent = `not verified: ${error.message}`;
    }
  }
}

/** Text with what was looked for marked: nodes, never markup. */
function marked(text, wanted) {
  if (!wanted) return [text];
  const parts = [];
  const [where, what] = [text.toLowerCase(), wanted.toLowerCase()];
  // Lower case may have another length: then nothing is marked rather than the wrong thing.
  if (where.length !== text.length) return [text];
  let at = 0;
  for (let hit = where.indexOf(what); hit >= 0; hit = where.indexOf(what, at)) {
    const mark = document.createElement("mark");
    mark.textContent = text.slice(hit, hit + what.length);
    parts.push(text.slice(at, hit), mark);
    at = hit + what.length;
  }
  return [...parts, text.slice(at)];
}

const root = document.querySelector("[data-play]");
if (root) {
  root.page = new Page(root, globalThis.proxydSource);
  root.page.begin();
}
