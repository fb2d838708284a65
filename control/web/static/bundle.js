// What a bundle's page brings along, handed to the player as if it came from a server.

const IDLE_APART_S = 0.001;

async function unpacked(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

const address = (value) => URL.createObjectURL(new Blob([JSON.stringify(value)], { type: "application/json" }));
const micro = (s) => Math.round(s * 1e6) / 1e6;

function shown(knees, real) {
  let k = knees.findLastIndex((knee) => knee[0] <= real);
  k = Math.min(Math.max(k, 0), knees.length - 2);
  const [a, b] = [knees[k], knees[k + 1]];
  return a[1] + (Math.min(real - a[0], b[0] - a[0]) / (b[0] - a[0])) * (b[1] - a[1]);
}

/** The segments on another clock, by the rules of `recorder/replay/segments.py`. */
function retimed(index, segments, overview) {
  const knees = overview.clock;
  const on = (at) => micro(shown(knees, at));
  const made = [];
  index.segments.forEach(({ start }, number) => {
    const at = on(start);
    if (!made.length || at - made.at(-1).start >= IDLE_APART_S) {
      made.push({ start: at, snapshot: segments[number].snapshot, events: [] });
    }
    for (const [time, code, data] of segments[number].events) made.at(-1).events.push([on(time), code, data]);
  });
  made.forEach((segment, number) => {
    const end = number + 1 < made.length ? made[number + 1].start - 1e-6 : overview.duration;
    for (const event of segment.events) event[0] = micro(Math.min(Math.max(event[0], segment.start), end));
    if (number + 1 === made.length) segment.events.push([overview.duration, "o", ""]);
  });
  const starts = made.map(({ start, snapshot, events }) => ({ start, url: address({ snapshot, events }) }));
  return { ...index, duration: overview.duration, markers: overview.markers, segments: starts };
}

const recording = unpacked(document.getElementById("recording").textContent);
const indexes = {};

// A link of the page chooses another; the first is shown unless one does.
const played = recording.then(({ channels }) => {
  const wanted = new URLSearchParams(location.search).get("channel");
  const chosen = channels.find(({ channel }) => String(channel) === wanted) || channels[0];
  const link = document.querySelector(`nav [data-channel="${chosen.channel}"]`);
  link?.setAttribute("aria-current", "page");
  return chosen;
});

async function indexOf(skip) {
  const { index, segments, overviews } = await played;
  if (skip) return address(retimed(index, segments, overviews[1]));
  const urls = segments.map(address);
  return address({ ...index, segments: index.segments.map(({ start }, number) => ({ start, url: urls[number] })) });
}

globalThis.proxydSource = {
  index: (skip) => (indexes[skip] ||= indexOf(skip)),
  overview: async (skip) => (await played).overviews[Number(skip)],
  lines: async (kinds, text) => {
    const wanted = text.toLowerCase();
    const { lines } = await recording;
    return lines.filter((line) => kinds.includes(line.kind) && line.text.toLowerCase().includes(wanted));
  },
};
