// Shows a dataset's images with their texts, finds what is wrong with them, and mends it.

import { ask } from "/page/api.js";
import { engine } from "/page/engine.js";
import { html } from "/page/html.js";
import { Enlarged, Items, layout } from "/page/review_list.js";
import {
  accept,
  attempt,
  current,
  dataset,
  extension,
  filter,
  folder,
  go,
  itemAt,
  keyOf,
  nextFlawed,
  NO_FILTER,
  note,
  open,
  problem,
  refresh,
  selected,
  setFilter,
  toggle,
  undo,
  view,
} from "/page/review_state.js";
import { editing, TEXT_STATES } from "/page/review_text.js";
import { recaption, Tools } from "/page/review_tools.js";
import { useEffect } from "/page/vendor/preact-hooks.js";
import { effect, signal } from "/page/vendor/signals.js";

const known = signal([]); // folders that were captioned
const isHelpShown = signal(false);

const { unreadable, ...TEXTS } = TEXT_STATES;
const STATES = { ...TEXTS, flawed: "flawed", failed: "failed", refused: "refused", unreadable };
const SORTS = { name: "by name", flawed: "flawed first", longest: "longest first", newest: "newest first" };
const KEYS = [
  ["j", "next image"],
  ["k", "previous image"],
  ["n", "next flawed text"],
  ["e", "edit; Ctrl+Enter saves, Esc gives up"],
  ["a", "accept the text as it is"],
  ["c", "caption again"],
  ["x", "select"],
  ["u", "undo"],
  ["/", "filter"],
  ["?", "these keys"],
];

// A link such as #review=FOLDER opens the folder.
function followLink() {
  const [name, path] = location.hash.slice(1).split("=");
  if (name === "review" && path) {
    history.replaceState(null, "", "#review");
    open(decodeURIComponent(path));
  }
}

let isReached = false;
effect(() => {
  if (engine.value === null || isReached) return;
  isReached = true;
  followLink();
  window.addEventListener("hashchange", followLink);
  attempt(async () => (known.value = [...new Set((await ask("/runs")).runs.map((run) => run.folder))]));
});

function onKey(event) {
  if (!view.value || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  const item = itemAt(current.value);
  const text = item?.texts[0];
  const actions = {
    j: () => go(current.value + 1),
    k: () => go(current.value - 1),
    n: nextFlawed,
    e: () => item && (editing.value = keyOf(item, text?.style ?? "")),
    a: () => item && text?.flaws.length > 0 && accept(item, text, !text.accepted),
    c: () => item && recaption([item.id]),
    x: () => item && toggle(item.id),
    u: () => undo(),
    "/": () => document.getElementById("query")?.focus(),
    "?": () => (isHelpShown.value = !isHelpShown.value),
  };
  if (!Object.hasOwn(actions, event.key)) return;
  event.preventDefault();
  actions[event.key]();
}

function Folder() {
  const submit = (event) => {
    event.preventDefault();
    open(folder.value);
  };
  return html`<form class="path" onSubmit=${submit}>
    <label>Folder
      <input
        value=${folder.value}
        list="known-folders"
        onInput=${(event) => (folder.value = event.target.value)}
        spellcheck="false"
        required
      />
    </label>
    <label class="short">Texts end in
      <input value=${extension.value} onInput=${(event) => (extension.value = event.target.value)} required />
    </label>
    <button class=${dataset.value ? "" : "main"}>Open</button>
    <datalist id="known-folders">${known.value.map((path) => html`<option value=${path} />`)}</datalist>
  </form>`;
}

function Filter() {
  const { q, state, flaw, over, style, same, sort } = filter.value;
  const { states, flaws, styles } = dataset.value;
  const number = (count) => (count ? ` (${count})` : "");
  const isFiltered = q || state || flaw || over || same || style !== null;
  return html`<div class="filter" role="search" aria-label="Filter">
    <label class="query">Filter by words, "phrases", tag:, name:, with AND, OR, NOT
      <input id="query" type="search" value=${q} placeholder='fox (snow OR "birch trees") NOT tag:1girl' onInput=${(event) => setFilter({ q: event.target.value })} spellcheck="false" />
    </label>
    <label>State
      <select value=${state} onChange=${(event) => setFilter({ state: event.target.value })}>
        <option value="">any</option>
        ${Object.entries(STATES).map(([name, title]) => html`<option value=${name}>${title}${number(states[name])}</option>`)}
      </select>
    </label>
    <label>Flaw
      <select value=${flaw} onChange=${(event) => setFilter({ flaw: event.target.value })}>
        <option value="">any</option>
        ${Object.keys({ ...flaws, ...(flaw ? { [flaw]: 0 } : {}) }).map(
          (kind) => html`<option value=${kind}>${kind.replaceAll("_", " ")}${number(flaws[kind])}</option>`,
        )}
      </select>
    </label>
    <label>CLIP tokens over
      <input
        type="number"
        min="0"
        step="1"
        list="limits"
        placeholder="any"
        value=${over}
        onInput=${(event) => setFilter({ over: event.target.value })}
      />
      <datalist id="limits">
        <option value="75">CLIP's 77, without begin and end</option>
        <option value="225">three windows of CLIP's</option>
        <option value="512">what T5's readers take</option>
      </datalist>
    </label>
    ${Object.keys(styles).length > 1 &&
    html`<label>Text
      <select
        value=${style === null ? "*" : style}
        onChange=${(event) => setFilter({ style: event.target.value === "*" ? null : event.target.value })}
      >
        <option value="*">all</option>
        ${Object.entries(styles).map(([name, count]) => html`<option value=${name}>${name || "the image's own"}${number(count)}</option>`)}
      </select>
    </label>`}
    <label>Order
      <select value=${sort} onChange=${(event) => setFilter({ sort: event.target.value })}>
        ${Object.entries(SORTS).map(([name, title]) => html`<option value=${name}>${title}</option>`)}
      </select>
    </label>
    <label>Layout
      <select value=${layout.value} onChange=${(event) => (layout.value = event.target.value)}>
        <option value="list">list</option>
        <option value="grid">grid</option>
      </select>
    </label>
    ${isFiltered && html`<button onClick=${() => setFilter(NO_FILTER)}>Show all</button>`}
  </div>`;
}

function Status() {
  const { images, texts, unread, is_refreshing, problem: trouble } = dataset.value;
  const chosen = selected.value.size;
  return html`<p class="facts" role="status">
    ${view.value && `${view.value.total} of ${images} images`}
    ${is_refreshing && (unread ? ` · reading texts: ${texts - unread} of ${texts}` : " · looking through the folder")}
    ${chosen > 0 && ` · ${chosen} selected`} ${note.value && ` · ${note.value}`}
    ${trouble && html`<span class="problem"> · ${trouble}</span>`}
  </p>`;
}

function Help() {
  if (!isHelpShown.value) return null;
  return html`<dl class="sheet keys" aria-label="Keys">
    ${KEYS.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}
  </dl>`;
}

export function Review() {
  useEffect(() => {
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  const chosen = selected.value.size;
  return html`<h2 class="hidden">Review</h2>
    <div class="review">
      <div class="sheet"><${Folder} /></div>
      <p class="problem" role="alert">${problem.value}</p>
      ${dataset.value &&
      html`<div class="sheet">
          <${Filter} />
          <div class="buttons">
            <${Status} />
            <button class="small" onClick=${refresh}>Look again</button>
            <button class="small" onClick=${() => undo()}>Undo</button>
            ${chosen > 0 &&
            html`<button class="small" onClick=${() => (selected.value = new Set())}>Select none</button>`}
            <button class="small" aria-expanded=${isHelpShown.value} onClick=${() => (isHelpShown.value = !isHelpShown.value)}>
              Keys
            </button>
          </div>
          <${Help} />
        </div>
        <div class="workplace">
          ${view.value ? html`<${Items} recaption=${recaption} />` : html`<p class="empty">Looking …</p>`}
          ${view.value && html`<${Tools} />`}
        </div>
        <${Enlarged} />`}
      ${!dataset.value &&
      html`<p class="empty">Open a folder to look at its images with their texts, find what is wrong, and mend it.</p>`}
    </div>`;
}
