"use strict";
// The address after # holds what is asked, which no server sees. Texts are shown by textContent alone.

const PAUSE = 120; // milliseconds without a key before the service is asked
const ONE_QUERY = 160; // a line of more characters is read as a whole text
const MATCHES = 50; // asked for, so that the threshold moves without another request
const AT_FIRST = 10; // matches shown
const FLOOR = 20; // per cent; findings that are less sure are asked for only if they are wanted
const LINK = 30000; // characters of a text that a link may hold

const $ = (id) => document.getElementById(id);
const [options, text, mirror, box, results, list] = ["options", "text", "mirror", "box", "results", "list"].map($);
const percent = (share) => `${Math.round(100 * share)}\u202f%`;
const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

let spaces = [];
const LEAST = { rank: 0, extract: 50 }; // per cent, as the service has it
const least = { ...LEAST };
let answer = null; // what is shown: its mode, text, items, notes
let spans = []; // parts of the text that belong to an item: {start, end, item, word}
let painted = ""; // the text that `spans` are parts of
let all = false; // whether more than the first matches are shown

// What is asked

function space() {
  return spaces.find(({ name }) => name === $("targets").value);
}

function mode() {
  const chosen = options.elements.mode.value;
  if (!space()?.extracts) return "rank";
  if (chosen !== "auto") return chosen;
  const given = text.value.trim();
  return given.includes("\n") || given.length > ONE_QUERY ? "extract" : "rank";
}

function column() {
  return space()?.columns.find(({ name }) => name === $("column").value);
}

function filter() {
  const chosen = column();
  if (!chosen) return null;
  const value = chosen.values ? chosen.values[$("value").selectedIndex] : $("typed").value.trim();
  return value === "" ? null : { [chosen.name]: value };
}

function showOptions() {
  const now = mode();
  document.body.dataset.mode = now;
  for (const { value, parentElement } of options.elements.mode) parentElement.classList.toggle("decided", value === now);
  $("least").value = least[now];
  showBound();
}

function showBound() {
  const bound = percent($("least").value / 100);
  $("bound").textContent = bound;
  $("least").setAttribute("aria-valuetext", bound);
}

function showSpace() {
  const chosen = space();
  const columns = chosen.columns.map(({ name }) => new Option(name));
  $("column").replaceChildren(new Option("none", ""), ...columns);
  for (const radio of options.elements.mode) radio.disabled = radio.value === "extract" && !chosen.extracts;
  $("attribution").textContent = chosen.attribution;
  showColumn();
}

function showColumn() {
  const chosen = column();
  $("value").hidden = !chosen?.values;
  $("typed").hidden = !chosen || Boolean(chosen.values);
  $("value").replaceChildren(...(chosen?.values ?? []).map((value) => new Option(value)));
  $("typed").value = "";
}

// The permalink

function writeLink() {
  const kept = text.value.length <= LINK ? text.value : "";
  const filtered = filter();
  const now = mode();
  const asked = {
    text: kept,
    targets: $("targets").value === spaces[0]?.name ? "" : $("targets").value,
    column: filtered ? $("column").value : "",
    value: filtered ? String(Object.values(filtered)[0]) : "",
    mode: options.elements.mode.value === "auto" ? "" : options.elements.mode.value,
    least: least[now] === LEAST[now] ? "" : least[now],
  };
  const parts = new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== ""));
  history.replaceState(null, "", `#${parts}`);
}

function readLink() {
  const asked = new URLSearchParams(location.hash.slice(1));
  text.value = asked.get("text") ?? "";
  options.elements.mode.value = ["rank", "extract"].includes(asked.get("mode")) ? asked.get("mode") : "auto";
  $("targets").value = asked.get("targets") ?? spaces[0].name;
  if (!space()) $("targets").value = spaces[0].name;
  showSpace();
  $("column").value = asked.get("column") ?? "";
  showColumn();
  $("typed").value = asked.get("value") ?? "";
  if (column()?.values) $("value").selectedIndex = Math.max(0, column().values.map(String).indexOf(asked.get("value")));
  Object.assign(least, LEAST);
  const bound = Number(asked.get("least") ?? NaN);
  if (bound >= 0 && bound <= 100) least[mode()] = bound;
}

// The service

class Problem extends Error {
  constructor(status, message, seconds = 0) {
    super(message);
    this.status = status;
    this.seconds = seconds; // after which it is worth another try; 0 if that is not known
  }
}

let key = "";
try {
  key = sessionStorage.getItem("uwe-key") ?? "";
} catch {
  // Storage is switched off: the key lasts as long as the page.
}

async function call(path, body, signal) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  if (key) headers.Authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
  } catch {
    throw new Problem(0, "The service does not answer; your text is still here");
  }
  const said = await response.json().catch(() => null);
  if (response.ok && said) return said;
  if (response.status === 401) {
    throw new Problem(401, key ? "The service refused this API key" : "This service asks for an API key");
  }
  const wrong = (said?.errors ?? []).map(({ field, message }) => `${field}: ${message}`);
  const why = wrong.length ? `The service refused this: ${wrong.join("; ")}` : said?.detail || `The service answered with status ${response.status}`;
  throw new Problem(response.status, why, Math.min(300, Number(response.headers.get("Retry-After")) || 0));
}

let running = null;
let timer = 0;

function later(milliseconds = PAUSE) {
  clearTimeout(timer);
  timer = setTimeout(run, milliseconds);
}

async function run() {
  clearTimeout(timer);
  running?.abort();
  running = null;
  results.removeAttribute("aria-busy");
  if (!spaces.length) return start();
  showOptions();
  writeLink();
  // Half a surrogate pair is no Unicode text.
  const given = text.value.replace(/\p{Surrogate}/gu, "\ufffd");
  document.title = given.trim() ? `${given.trim().split("\n")[0].slice(0, 80)} · uwe` : "uwe";
  if (!given.trim()) return show(null);
  const now = mode();
  const floor = now === "rank" || least.extract < FLOOR ? 0 : FLOOR;
  const body = { targets: $("targets").value, where: filter() };
  if (now === "rank") Object.assign(body, { query: given.trim(), k: MATCHES, words: true });
  else Object.assign(body, { text: given, min_confidence: floor / 100 });
  const mine = (running = new AbortController());
  results.setAttribute("aria-busy", "true");
  const begun = performance.now();
  try {
    const said = await call(`v1/${now}`, body, mine.signal);
    const took = performance.now() - begun;
    if (mine === running) show((now === "rank" ? ranked : extracted)(said, given, { floor, took }));
  } catch (error) {
    if (mine === running) fail(error);
  } finally {
    if (mine === running) results.removeAttribute("aria-busy");
  }
}

let starting = null;

function start() {
  return (starting ??= begin().finally(() => (starting = null)));
}

async function begin() {
  try {
    ({ spaces } = await call("v1/spaces"));
  } catch (error) {
    return fail(error);
  }
  const names = spaces.map(({ name, version, targets }) => {
    const release = version && !name.endsWith(version) ? ` ${version}` : "";
    return new Option(`${name}${release} (${targets.toLocaleString("en")})`, name);
  });
  $("targets").replaceChildren(...names);
  const typed = text.value; // before the service answered
  readLink();
  if (typed) text.value = typed;
  return run();
}

function fail(error) {
  if (!(error instanceof Problem)) console.error(error);
  show(null);
  const said = error instanceof Problem ? error.message : "The answer of the service cannot be shown";
  const again = error.seconds ? ` Trying again in ${count(error.seconds, "second")}.` : "";
  $("problem").textContent = `${said[0].toUpperCase()}${said.slice(1).replace(/\.?$/, ".")}${again}`;
  $("examples").hidden = true;
  $("ask").hidden = error.status !== 401;
  $("again").hidden = error.status === 401;
  if (error.status === 401) $("key").focus();
  if (error.seconds) later(1000 * error.seconds);
}

// Answers

function ranked(said, given, how) {
  const [ranking] = said.rankings;
  const notes = ranking.truncated ? ["The text is longer than the model reads: what follows was cut off."] : [];
  for (const reading of new Set(ranking.matches.map((match) => match.read_as))) if (reading) notes.push(`Also read as: ${reading}`);
  const places = ranking.matches.flatMap((match, item) =>
    earning(match)
      .flatMap((word) => occurrences(given, word))
      .map((span) => ({ ...span, item, word: true })),
  );
  const { matches, language } = ranking;
  return { ...how, mode: "rank", targets: said.targets, text: given, items: matches, spans: places, notes, language };
}

/** The words that earned a match its score, without the punctuation around them, best first. */
function earning(match) {
  const words = (match.words ?? []).slice(0, 3).map((word) => word.text.replace(/^[("'\[{]+|[)"'\]},.;:!?]+$/g, ""));
  return [...new Set(words.filter(Boolean))];
}

function occurrences(given, word) {
  const found = [];
  const letter = /[\p{L}\p{N}]/u;
  for (let start = given.indexOf(word); start >= 0; start = given.indexOf(word, start + word.length)) {
    const end = start + word.length;
    const within = (a, b) => letter.test(a) && letter.test(b);
    const cut = within(given.slice(0, start).slice(-1), word[0]) || within(word.at(-1), given[end] ?? "");
    if (!cut) found.push({ start, end });
  }
  return found;
}

function extracted(said, given, how) {
  const [{ findings, left_out: notes, language }] = said.extractions;
  // The service counts code points, JavaScript counts UTF-16 units.
  const units = [];
  let at = 0;
  for (const character of given) {
    units.push(at);
    at += character.length;
  }
  units.push(at);
  const span = ({ start, end }, rest) => ({ start: units[start], end: units[end], ...rest });
  const places = findings.flatMap(({ places }, item) =>
    places.flatMap((place, number) => [
      span(place, { item, word: false, place: number, confidence: place.confidence }),
      ...place.words.map((word) => span(word, { item, word: true, confidence: place.confidence })),
    ]),
  );
  return { ...how, mode: "extract", targets: said.targets, text: given, items: findings, spans: places, notes, language };
}

/** The items that reach the threshold, with their places that do, and their numbers in the answer. */
function kept() {
  if (!answer) return [];
  const bound = least[answer.mode] / 100;
  const found = answer.items
    .map((item, number) => ({ ...item, number }))
    .filter(({ confidence }) => (confidence ?? 1) >= bound);
  if (answer.mode === "rank") return all ? found : found.slice(0, AT_FIRST);
  return found.map((item) => ({ ...item, places: item.places.filter(({ confidence }) => confidence >= bound) }));
}

function show(found) {
  answer = found;
  all = false;
  hovered = held = NONE;
  spans = found?.spans ?? [];
  painted = found?.text ?? text.value;
  for (const id of ["ask", "again"]) $(id).hidden = true;
  for (const id of ["problem", "taken"]) $(id).textContent = "";
  $("examples").hidden = Boolean(text.value.trim());
  const notes = [...(found?.notes ?? [])];
  if (found?.language) notes.unshift(`The text seems to be in ${found.language}, which the model does not read.`);
  if (found?.items.some(({ confidence }) => confidence === null)) {
    notes.push("Confidence is not calibrated for these targets: the bars show scores.");
  }
  $("notes").replaceChildren(...notes.map((note) => element("li", { dir: "auto", textContent: note })));
  showItems();
  if (document.activeElement === text) holdCursor();
}

let rows = new Map(); // the button of each item that is shown, by its number

function showItems() {
  const items = kept();
  rows = new Map(items.map((item) => [item.number, row(item)]));
  list.replaceChildren(
    ...items.map((item) => {
      const uri = item.metadata.uri;
      const link = /^https?:\/\//.test(uri ?? "")
        ? [element("a", { href: uri, target: "_blank", rel: "noopener noreferrer", ariaLabel: `About ${item.label}`, textContent: "↗" })]
        : [];
      return element("li", {}, rows.get(item.number), ...link);
    }),
  );
  const passing = answer?.items.filter(({ confidence }) => (confidence ?? 1) >= least[answer.mode] / 100).length ?? 0;
  $("more").hidden = passing <= items.length;
  $("more").textContent = `Show all ${passing}`;
  $("tools").hidden = !items.length;
  $("status").textContent = answer ? status(items) : "";
  paint();
}

function status(items) {
  const noun = answer.mode === "rank" ? "match" : "finding";
  const plural = noun === "match" ? "matches" : "findings";
  const took = `${Math.max(1, Math.round(answer.took))} ms`;
  if (items.length) {
    const number = `${items.length} ${items.length === 1 ? noun : plural}`;
    const where = answer.mode === "rank" ? "" : ` in ${count(items.flatMap(({ places }) => places).length, "place")}`;
    return `${number}${where} · ${took}`;
  }
  const less = answer.items.length;
  if (!less) return `No ${plural} · ${took}`;
  return `No ${plural} of ${percent(least[answer.mode] / 100)} or more; ${less === 1 ? "one is" : `${less} are`} less sure`;
}

function row(item) {
  const sure = item.confidence ?? Math.min(1, Math.max(0, item.score));
  const bar = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  bar.setAttribute("aria-hidden", "true");
  const filled = bar.appendChild(document.createElementNS(bar.namespaceURI, "rect"));
  filled.setAttribute("width", `${100 * sure}%`);
  filled.setAttribute("height", "100%");
  const [place] = item.places ?? [];
  const more = (item.places?.length ?? 1) - 1;
  const facts = [
    place && `“${place.text.length > 120 ? `${place.text.slice(0, 120)}…` : place.text}”${more ? ` and ${more} more` : ""}`,
    item.words?.length && `earned by ${earning(item).join(", ")}`,
    item.alias && `alias: ${item.alias}`,
  ].filter(Boolean);
  const small = element("small");
  facts.forEach((fact, number) => small.append(number ? " · " : "", element("bdi", { textContent: fact })));
  const button = element(
    "button",
    { type: "button" },
    element("bdi", { className: "label", textContent: item.label }),
    " ",
    element("b", { textContent: item.confidence === null ? item.score.toFixed(3) : percent(item.confidence) }),
    bar,
    small,
  );
  button.dataset.item = item.number;
  return button;
}

// Places in the text: `mirror` lies behind the text box, letter below letter, and has the marks.

let shown = []; // the spans of the items that are shown
let parts = new Map(); // what lights up with an item: [element, class] pairs
let marks = new Map(); // a mark begins wherever a span does
const belongs = new WeakMap(); // the items of a mark

function paint() {
  move();
  const bound = least[answer?.mode ?? "rank"] / 100;
  shown = spans.filter(({ item, confidence }) => rows.has(item) && (confidence ?? 1) >= bound);
  parts = new Map([...rows].map(([item, button]) => [item, [[button, "on"]]]));
  marks = new Map();
  const made = document.createDocumentFragment();
  let at = 0;
  for (const { start, end, open } of pieces(shown)) {
    const mark = element("mark", { textContent: text.value.slice(start, end) });
    mark.classList.toggle("found", open.some(({ word }) => !word));
    belongs.set(mark, [...new Set(open.map(({ item }) => item))]);
    for (const { item, word } of open) parts.get(item).push([mark, word ? "earned" : "on"]);
    marks.set(start, mark);
    made.append(text.value.slice(at, start), mark);
    at = end;
  }
  made.append(text.value.slice(at), "\u200b"); // a line break at the end makes a line, as in the box
  mirror.replaceChildren(made);
  lit = [];
  light();
}

/** Where the spans are now that the text was edited; without those that the edit touched. */
function move() {
  const before = painted, after = text.value;
  if (before === after) return;
  const most = Math.min(before.length, after.length);
  let head = 0, tail = 0;
  while (head < most && before[head] === after[head]) head++;
  while (tail < most - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const by = after.length - before.length;
  spans = spans.flatMap((span) => {
    if (span.end <= head) return [span];
    if (span.start < before.length - tail) return [];
    return [{ ...span, start: span.start + by, end: span.end + by }];
  });
  painted = after;
}

/** The text cut wherever a span begins or ends, where there are any. */
function* pieces(spans) {
  const cuts = new Map(); // [spans that open, spans that close] by where they do
  const cut = (at) => cuts.get(at) ?? cuts.set(at, [[], []]).get(at);
  for (const span of spans) {
    cut(span.start)[0].push(span);
    cut(span.end)[1].push(span);
  }
  const open = new Set();
  const ordered = [...cuts.keys()].sort((a, b) => a - b);
  for (const [number, start] of ordered.entries()) {
    const [opened, closed] = cuts.get(start);
    closed.forEach((span) => open.delete(span));
    opened.forEach((span) => open.add(span));
    if (open.size) yield { start, end: ordered[number + 1], open: [...open] };
  }
}

// What lights up: the items that the pointer is on, or else those that the focus is on.

const NONE = { items: [], of: "" };
let hovered = NONE, held = NONE, lit = [];

function light() {
  for (const [part, kind] of lit) part.classList.remove(kind);
  const { items, of, mark } = hovered.of ? hovered : held;
  const found = items.filter((item) => rows.has(item));
  lit = found.flatMap((item) => parts.get(item));
  // A word of a query lights up the matches that it earned, but not their other words.
  if (mark && answer.mode === "rank") lit = lit.filter(([part]) => part === mark || part.localName === "button");
  for (const [part, kind] of lit) part.classList.add(kind);
  const buttons = of === "text" && answer.mode === "extract" ? found.map((item) => rows.get(item)) : [];
  if (buttons.length) reveal(results, buttons[0], $("head").offsetHeight);
  const here = buttons.map((button) => `${button.querySelector(".label").textContent} ${button.querySelector("b").textContent}`);
  if ($("here").textContent !== here.join(" · ")) $("here").textContent = here.join(" · ");
}

/** Scroll `part` into sight within `pane`, whose first pixels are covered, and scroll nothing else. */
function reveal(pane, part, covered = 0) {
  const seen = pane.getBoundingClientRect(), wanted = part.getBoundingClientRect();
  if (wanted.top < seen.top + covered) pane.scrollTop += wanted.top - seen.top - covered;
  else if (wanted.bottom > seen.bottom) pane.scrollTop += wanted.bottom - seen.bottom;
}

function hold(now) {
  if (now.of === held.of && now.items.join() === held.items.join()) return;
  held = now;
  light();
}

/** Hold what the cursor is in, in a text that was written before. */
function holdCursor() {
  if (answer?.mode !== "extract") return hold(NONE);
  const at = text.selectionStart;
  const items = shown.filter(({ start, end }) => start <= at && at < end).map(({ item }) => item);
  hold(items.length ? { items: [...new Set(items)], of: "text" } : NONE);
}

function itemOf(event) {
  const button = event.target.closest("#list button");
  return button && Number(button.dataset.item);
}

function placesOf(item) {
  return shown.filter((span) => span.item === item && (!span.word || answer.mode === "rank"));
}

document.addEventListener("pointermove", (event) => {
  if (event.pointerType !== "mouse") return;
  const item = itemOf(event);
  let now = NONE;
  if (item !== null) now = { items: [item], of: "list" };
  else if (event.target === text) {
    const mark = document.elementsFromPoint(event.clientX, event.clientY).find((part) => belongs.has(part));
    if (mark) now = { items: belongs.get(mark), of: "text", mark };
  }
  if (now.of === hovered.of && now.mark === hovered.mark && now.items.join() === hovered.items.join()) return;
  hovered = now;
  light();
});

document.addEventListener("selectionchange", () => {
  if (document.activeElement === text) holdCursor();
});

list.addEventListener("focusin", (event) => {
  const item = itemOf(event);
  if (item === null) return hold(NONE);
  hold({ items: [item], of: "list" });
  const [place] = placesOf(item);
  if (place) reveal(box, marks.get(place.start));
});

let visited = { item: -1, number: -1 };

// A click goes to the best place, the next one to the second, and so on.
list.addEventListener("click", (event) => {
  const item = itemOf(event);
  if (item === null) return;
  hold({ items: [item], of: "list" });
  const places = placesOf(item);
  if (!places.length) return;
  visited = { item, number: visited.item === item ? (visited.number + 1) % places.length : 0 };
  marks.get(places[visited.number].start).scrollIntoView({ block: "center" });
});

list.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const buttons = [...rows.values()];
  const next = buttons[buttons.indexOf(event.target.closest("li").querySelector("button")) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  hovered = NONE;
  hold(NONE);
});

// Taking results away

const COLUMNS = {
  rank: ["rank", "label", "id", "confidence", "score", "alias", "read_as"],
  extract: ["rank", "label", "id", "confidence", "score", "place", "place_confidence", "start", "end"],
};

/** A cell that no spreadsheet takes for a formula. */
function cell(value) {
  if (typeof value !== "string") return String(value ?? "");
  const safe = /^\s*[=+\-@＝＋－＠]|^[\t\r\n]/u.test(value) ? `'${value}` : value;
  return /[",;\s]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function csv(items) {
  const names = Object.keys(items[0].metadata);
  const rows = items.flatMap((item, number) => {
    const fields = { ...item, rank: number + 1 };
    const metadata = names.map((name) => item.metadata[name]);
    const of = (more) => [...COLUMNS[answer.mode].map((name) => ({ ...fields, ...more })[name]), ...metadata];
    if (answer.mode === "rank") return [of({})];
    return item.places.map(({ text: place, confidence, start, end }) => of({ place, place_confidence: confidence, start, end }));
  });
  return [[...COLUMNS[answer.mode], ...names.map((name) => `metadata.${name}`)], ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function json(items) {
  const given = answer.mode === "rank" ? "query" : "text";
  const found = items.map(({ number, ...item }) => item);
  const asked = { targets: answer.targets, [given]: answer.text, min_confidence: least[answer.mode] / 100 };
  return JSON.stringify({ ...asked, [answer.mode === "rank" ? "matches" : "findings"]: found }, null, 2);
}

async function copy(taken) {
  if (navigator.clipboard) return navigator.clipboard.writeText(taken);
  // Over plain HTTP, browsers have no clipboard but this one.
  const held = element("textarea", { value: taken });
  document.body.append(held);
  held.select();
  const done = document.execCommand("copy");
  held.remove();
  if (!done) throw new Error("refused");
}

function save(taken, form) {
  const type = { csv: "text/csv", json: "application/json" }[form];
  // Spreadsheets take a file for UTF-8 if it says so.
  const url = URL.createObjectURL(new Blob([form === "csv" ? "\ufeff" : "", taken], { type }));
  element("a", { href: url, download: `${answer.targets}.${form}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

$("tools").addEventListener("click", async (event) => {
  const { take, form } = event.target.dataset;
  if (!take) return;
  const items = kept();
  writeLink();
  const taken = { csv, json, link: () => location.href }[form](items);
  try {
    await (take === "copy" ? copy(taken) : save(taken, form));
    const long = form === "link" && text.value.length > LINK;
    $("taken").textContent = long
      ? "Copied, without the text, which is too long for a link."
      : `${take === "copy" ? "Copied" : "Saved"} ${form === "link" ? "the link" : `${items.length} as ${form.toUpperCase()}`}.`;
  } catch {
    $("taken").textContent = "The browser refused the clipboard.";
  }
  event.target.focus();
});

// What the reader does

text.addEventListener("input", () => {
  showOptions();
  paint();
  later();
});
text.addEventListener("blur", () => hold(NONE));
options.addEventListener("submit", (event) => event.preventDefault());
options.addEventListener("change", (event) => {
  if (event.target.id === "targets") showSpace();
  if (event.target.id === "column") showColumn();
  // A threshold needs no request, unless what it asks for was not asked for.
  if (event.target.id === "least" && answer && answer.floor <= least[answer.mode]) writeLink();
  else run();
});
$("typed").addEventListener("input", () => later());
$("least").addEventListener("input", () => {
  least[mode()] = Number($("least").value);
  showBound();
  showItems();
});
$("more").addEventListener("click", () => {
  all = true;
  showItems();
  [...rows.values()][AT_FIRST].focus();
});
$("again").addEventListener("click", run);
$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value.trim();
  $("key").value = "";
  try {
    sessionStorage.setItem("uwe-key", key);
  } catch {
    // As above.
  }
  text.focus();
  run();
});
$("examples").addEventListener("click", (event) => {
  if (event.target.localName !== "button") return;
  const { from } = event.target.dataset;
  text.value = from ? $(from).content.textContent : event.target.textContent;
  text.focus();
  text.setSelectionRange(0, 0);
  run();
});
addEventListener("hashchange", () => {
  if (!spaces.length) return;
  readLink();
  run();
});

if (matchMedia("(pointer: fine)").matches) text.focus();
run();
