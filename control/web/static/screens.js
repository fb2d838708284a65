// What a recording is shown on, and its two clocks. No module: bundles hold it as it is.

{
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const hms = (s) => `${two(s / 3600)}:${two((s / 60) % 60)}:${two(s % 60)}`;

  /** Both clocks of a recording: see `recorder/replay/idle.py`. */
  class Clock {
    constructor(knees) {
      this.knees = knees.length > 1 ? knees : [[0, 0], [1, 1]];
    }
    shown(real) {
      return this.#along(real, 0, 1);
    }
    real(shown) {
      return this.#along(shown, 1, 0);
    }
    #along(at, from, to) {
      const knees = this.knees;
      let k = knees.findLastIndex((knee) => knee[from] <= at);
      k = Math.min(Math.max(k, 0), knees.length - 2);
      const [a, b] = [knees[k], knees[k + 1]];
      const part = (at - a[from]) / (b[from] - a[from] || 1);
      return a[to] + Math.min(Math.max(part, 0), 1) * (b[to] - a[to]);
    }
  }

  const FILM = 'video/mp4; codecs="vp09.00.50.08"';

  /** asciinema-player; its speed is fixed when it is made, so another speed is another player. */
  class TerminalScreen {
    constructor(root, url, still) {
      Object.assign(this, { root, url, still, speed: 1, playing: false, onchange: () => {} });
    }
    async open(at, speed = this.speed, url = this.url) {
      const wasPlaying = this.playing;
      this.player?.dispose();
      this.root.replaceChildren();
      Object.assign(this, { speed, url, playing: false });
      this.player = AsciinemaPlayer.create({ url, format: "segmented" }, this.root, {
        preload: true, fit: "width", speed, controls: true, keystrokeOverlay: true,
        startAt: at, // What is fetched first is what is shown first.
        cursorMode: this.still ? "steady" : undefined,
      });
      const player = this.player;
      for (const [event, playing] of [["play", true], ["playing", true], ["pause", false], ["ended", false]]) {
        player.addEventListener(event, () => {
          if (player !== this.player) return;
          this.playing = playing;
          this.onchange();
        });
      }
      await until(() => player.getDuration(), 10_000);
      // `startAt` alone would show nothing before it is played.
      await player.seek(at);
      if (wasPlaying) await player.play();
    }
    get at() { return this.player?.getCurrentTime() || 0; }
    seek(at) { return this.player.seek(at); }
    play() { return this.player.play(); }
    pause() { return this.player.pause(); }
  }

  class VideoScreen {
    constructor(video) {
      Object.assign(this, { video, speed: 1, onchange: () => {} });
      for (const event of ["play", "pause", "ended"]) {
        video.addEventListener(event, () => this.onchange());
      }
      if (video.dataset.film) this.#load(video.dataset.film).catch(() => { this.isGrowing = false; video.src = video.dataset.film; });
    }
    /** A film that is still being made is shown as far as it is, and in parts once it is whole. */
    async #load(url) {
      const { video } = this;
      const answer = await fetch(url);
      if (answer.status === 404) {
        await answer.body?.cancel();
        this.#lack();
        return;
      }
      if (answer.ok && answer.headers.get("accept-ranges") === "none" && MediaSource.isTypeSupported(FILM)) {
        const media = new MediaSource();
        video.src = URL.createObjectURL(media);
        await once(media, "sourceopen");
        const buffer = media.addSourceBuffer(FILM);
        let isFull = false;
        this.isGrowing = true;
        for (const reader = answer.body.getReader(); ;) {
          const { done, value } = await reader.read();
          if (done) break;
          if (isFull) continue; // The browser holds no more; the server goes on for later.
          try {
            buffer.appendBuffer(value);
            await once(buffer, "updateend");
          } catch {
            isFull = true;
          }
        }
      } else {
        await answer.body?.cancel();
      }
      this.isGrowing = false;
      const { currentTime, paused } = video;
      video.src = url;
      video.currentTime = currentTime;
      if (!paused) await video.play();
    }
    #lack() {
      const said = document.createElement("p");
      said.textContent = "There is no film: the recording has no pictures, or the session is still live.";
      this.video.hidden = true;
      this.video.before(said);
    }
    /** As far as a film goes that is still being made; null once it is whole. */
    get madeUntil() {
      const { buffered } = this.video;
      return this.isGrowing && buffered.length ? buffered.end(buffered.length - 1) : null;
    }
    async open(at, speed = this.speed) {
      this.speed = this.video.playbackRate = speed;
      await this.seek(at);
    }
    get playing() { return !this.video.paused; }
    get at() { return this.video.currentTime; }
    seek(at) { this.video.currentTime = at; }
    play() { return this.video.play(); }
    pause() { this.video.pause(); }
  }

  const once = (target, event) => new Promise((resolve) => target.addEventListener(event, resolve, { once: true }));

  function until(condition, limitMs) {
    return new Promise((resolve, reject) => {
      const end = performance.now() + limitMs;
      const look = () => {
        if (condition()) resolve();
        else if (performance.now() > end) reject(new Error("the recording could not be opened"));
        else setTimeout(look, 15);
      };
      look();
    });
  }

  globalThis.proxydScreens = { Clock, TerminalScreen, VideoScreen, hms };
}
