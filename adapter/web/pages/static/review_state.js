// The dataset under review: what is open, what is filtered, selected and changed. Shown by review.js.

import { ask, events, Problem, put } from "/page/api.js";
import { signal } from "/page/vendor/signals.js";

export const PAGE = 50; // items that are fetched together
const MAX_PAGES = 60; // that are kept
const FILTER_MS = 250; // after the last key

export const NO_FILTER = { q: "", state: "", flaw: "", over: "", style: null, same: "", sort: "name" };

export const NO_TEXT = { style: "", text: "", hash: null, form: "prose", state: "none", flaws: [], problem: "" };

export const folder = signal(""); // as somebody types it
export const extension = signal(".txt");
export const dataset = signal(null); // what /api/datasets/ID says
export const filter = signal(NO_FILTER);
export const view = signal(null); // { id, total, serial, stay }
export const changes = signal(0); // counts up whenever items are to be drawn anew
export const selected = signal(new Set()); // ids
export const current = signal(0); // the place in the view
export const problem = signal("");
export const note = signal("");
export const proposals = signal(new Map()); // by id: { text, flaws } or { error }, or null while it is made
export const conflicts = signal(new Map()); // by id and style: the text of ours that wasn't saved

const undoable = []; // numbers of changes made here, the last one last
let pages = new Map();
let asked = new Set();
let serial = 0;
let watching = null;

export function base() {
  return `/datasets/${dataset.value.id}`;
}

export async function attempt(work) {
  problem.value = "";
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    problem.value = error.message;
    return undefined;
  }
}

export async function open(path) {
  watching?.abort();
  folder.value = path;
  await attempt(async () => {
    dataset.value = await ask("/datasets", { folder: path, extension: extension.value });
    folder.value = dataset.value.folder;
    filter.value = NO_FILTER;
    selected.value = new Set();
    proposals.value = new Map();
    conflicts.value = new Map();
    undoable.length = 0;
    watch();
    await look();
  });
}

// Has the service look through the folder again.
export function refresh() {
  return attempt(async () => {
    dataset.value = await ask("/datasets", { folder: dataset.value.folder, extension: extension.value });
    watch();
  });
}

async function watch() {
  watching?.abort();
  const abort = (watching = new AbortController());
  for (;;) {
    try {
      for await (const state of events(`${base()}/events`, undefined, abort.signal)) {
        const before = dataset.value;
        dataset.value = state;
        if (before.is_refreshing && !state.is_refreshing) look(true);
        else if (state.images !== before.images && view.value && view.value.total < PAGE) look(true);
        else forget();
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Problem)) throw error;
      if (error.status !== 404 && error.status !== 0) {
        problem.value = error.message;
        return;
      }
    }
    // The service has ended, or has closed the dataset: open it again.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if (abort.signal.aborted) return;
    try {
      dataset.value = await ask("/datasets", { folder: dataset.value.folder, extension: extension.value });
      await look(true);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problem.value = error.message;
    }
  }
}

export function query() {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(filter.value)) {
    if (value !== "" && value !== null) parameters.set(name, value);
  }
  if (filter.value.style === "") parameters.set("style", "");
  return parameters;
}

// Asks for a new view of what the filter means. `stay` keeps the place.
export async function look(stay = false) {
  const mine = ++serial;
  const parameters = query();
  parameters.set("limit", PAGE);
  try {
    const answer = await ask(`${base()}/items?${parameters}`);
    if (mine !== serial) return;
    // Of long texts fewer come at a time: then the page is asked for again, whole.
    pages = new Map([[0, answer.items]]);
    asked = new Set();
    view.value = { id: answer.view, total: answer.total, serial: mine, stay };
    current.value = stay ? Math.max(0, Math.min(current.value, answer.total - 1)) : 0;
    changes.value++;
    problem.value = "";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (mine === serial) problem.value = error.message;
  }
}

let timer = 0;
export function setFilter(part) {
  filter.value = { ...filter.value, ...part };
  clearTimeout(timer);
  timer = setTimeout(() => look(), "q" in part || "over" in part ? FILTER_MS : 0);
}

// Drops what is known of the items, but goes on showing it until it is there anew.
function forget() {
  asked = new Set();
  changes.value++;
}

export function itemAt(place) {
  return pages.get(Math.floor(place / PAGE))?.[place % PAGE];
}

// Fetches the items from one place up to another where that wasn't done yet.
export async function need(first, last) {
  const mine = view.value;
  const waiting = [];
  for (let page = Math.floor(first / PAGE); page <= Math.floor(last / PAGE); page++) {
    if (page < 0 || page * PAGE >= mine.total || asked.has(page)) continue;
    asked.add(page);
    waiting.push(fetchPage(mine, page));
  }
  await Promise.all(waiting);
}

async function fetchPage(mine, page) {
  try {
    const first = page * PAGE;
    const end = Math.min(first + PAGE, mine.total);
    const items = [];
    let next = first;
    while (next < end) {
      const answer = await ask(`${base()}/items?after=${mine.id}.${next}&limit=${end - next}`);
      if (view.value.id !== mine.id) return;
      items.push(...answer.items);
      next = answer.next === null ? end : Number(answer.next.split(".")[1]);
    }
    if (items.length < end - first) {
      await look(true); // some are gone
      return;
    }
    pages.delete(page);
    pages.set(page, items);
    while (pages.size > MAX_PAGES) {
      const [oldest] = pages.keys();
      pages.delete(oldest);
      asked.delete(oldest);
    }
    changes.value++;
  } catch (error) {
    asked.delete(page);
    if (!(error instanceof Problem)) throw error;
    if (error.status === 404) await look(true);
    else problem.value = error.message;
  }
}

export function replaceItem(item) {
  for (const items of pages.values()) {
    const place = items.findIndex((one) => one.id === item.id);
    if (place >= 0) items[place] = item;
  }
  changes.value++;
}

export function keyOf(item, style) {
  return `${style}\n${item.id}`;
}

function putIn(map, key, value) {
  const changed = new Map(map.value);
  if (value === undefined) changed.delete(key);
  else changed.set(key, value);
  map.value = changed;
}

export function propose(id, proposal) {
  putIn(proposals, id, proposal);
}

// Writes a text in the place of the one with that hash. Gives the text as it is then, null where it wasn't written.
export async function save(item, style, text, hash) {
  const key = keyOf(item, style);
  try {
    const answer = await put(`${base()}/texts`, { image: item.id, style, text, replaces: hash });
    if (answer.change) undoable.push(answer.change);
    putIn(conflicts, key, undefined);
    replaceItem(answer.item);
    note.value = `Saved ${item.name}`;
    return answer.item.texts.find((one) => one.style === style) ?? NO_TEXT;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 409 && error.answer.item) {
      putIn(conflicts, key, text);
      replaceItem(error.answer.item);
    } else {
      problem.value = `${item.name}: ${error.message}`;
    }
    return null;
  }
}

export function dropConflict(item, style) {
  putIn(conflicts, keyOf(item, style), undefined);
}

export function accept(item, text, accepted) {
  return attempt(async () => {
    replaceItem(
      await ask(`${base()}/accepted`, { image: item.id, style: text.style, hash: text.hash, accepted }),
    );
  });
}

export function toggle(id) {
  const chosen = new Set(selected.value);
  if (!chosen.delete(id)) chosen.add(id);
  selected.value = chosen;
}

// What a change of many texts is meant for: what is selected, or else all that is filtered.
export function target() {
  const style = filter.value.style === null ? {} : { style: filter.value.style };
  if (selected.value.size) return { images: [...selected.value], ...style };
  return { view: view.value.id, ...style };
}

export function targetName() {
  const { size } = selected.value;
  if (size) return size === 1 ? "the selected image" : `the ${size} selected images`;
  return `all ${view.value?.total ?? 0} filtered images`;
}

export function previewChange(change, first = 0) {
  return ask(`${base()}/changes/preview`, { ...target(), ...change, first });
}

// Changes many texts. `tell` is told how far it is.
export async function change(what, tell) {
  let last = null;
  for await (const event of events(`${base()}/changes`, { ...target(), ...what })) {
    last = event;
    tell(event);
  }
  const { changed } = last;
  if (changed.change !== null) undoable.push(changed.change);
  await look(true);
  return changed;
}

export function history() {
  return ask(`${base()}/changes`);
}

export function undo(number) {
  return attempt(async () => {
    let which = number ?? undoable.pop();
    if (which === undefined) {
      const { changes: past } = await history();
      if (!past.length) {
        note.value = "There is nothing to undo";
        return;
      }
      which = past[0].change;
    }
    note.value = "Putting texts back …";
    const undone = await ask(`${base()}/undo`, { change: which });
    const at = undoable.indexOf(which);
    if (at >= 0) undoable.splice(at, 1);
    const parts = [`${undone.restored} ${undone.restored === 1 ? "text is" : "texts are"} back as before`];
    if (undone.kept) parts.push(`${undone.kept} changed since and stay`);
    if (undone.failed) parts.push(`${undone.failed} can't be put back: ${undone.first_problem}`);
    note.value = parts.join("; ");
    await look(true);
  });
}

// Asks for new captions of images, which are shown beside the old ones.
export async function captionAgain(ids, fields) {
  for (const id of ids) propose(id, null);
  const waiting = new Set(ids);
  await attempt(async () => {
    for await (const event of events(`${base()}/captions`, { ...fields, images: ids })) {
      if (event.image === undefined) continue;
      waiting.delete(event.image);
      propose(event.image, event.error ? { error: event.error.message } : event);
    }
  });
  for (const id of waiting) propose(id, undefined);
}

// Takes all new captions that are shown, but not over what was changed meanwhile.
export function useAll() {
  return attempt(async () => {
    for (const [id, proposal] of proposals.value) {
      if (!proposal?.text) continue;
      const item = await ask(`${base()}/item?image=${encodeURIComponent(id)}`);
      const old = item.texts[0] ?? NO_TEXT;
      if (await save(item, old.style, proposal.text, old.hash)) propose(id, undefined);
    }
  });
}

export async function nextFlawed() {
  const from = current.value + 1;
  const answer = await attempt(() => ask(`${base()}/next?view=${view.value.id}&first=${from}`));
  if (answer === undefined) return;
  if (answer.place === null) note.value = "No flawed text after this one";
  else go(answer.place);
}

export const jump = signal(null); // a place that the list is to show

export function go(place) {
  if (!view.value?.total) return;
  current.value = Math.max(0, Math.min(place, view.value.total - 1));
  jump.value = { place: current.value };
}
