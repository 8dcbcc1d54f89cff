// One image, one to four sets of settings, and what each of them gives.

import { ask, events, remove } from "/page/api.js";
import { choices, choicesProblem, load } from "/page/choices.js";
import { engine } from "/page/engine.js";
import { html } from "/page/html.js";
import { SettingsForm } from "/page/settings_form.js";
import { asCommand, asCurl, asPython, fieldsOf, newSettings } from "/page/settings.js";
import { effect, signal } from "/page/vendor/signals.js";

const MAX_COLUMNS = 4;

const image = signal(null); // { name, url (data:), shown (blob:) }
const columns = signal([]);
const isOver = signal(false); // an image hangs over the page
let nextId = 1;

effect(() => {
  if (choices.value !== null && columns.value.length === 0) addColumn();
});

function addColumn() {
  const last = columns.value.at(-1);
  const settings = newSettings(choices.value.defaults, last?.settings);
  columns.value = [...columns.value, { id: nextId++, settings, result: null, abort: null }];
}

function change(id, part) {
  columns.value = columns.value.map((column) => (column.id === id ? { ...column, ...part } : column));
}

function set(column, name, value) {
  change(column.id, { settings: { ...column.settings, [name]: value } });
}

async function take(file) {
  if (!file) return;
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
  if (image.value) URL.revokeObjectURL(image.value.shown);
  image.value = { name: file.name || "pasted image", url, shown: URL.createObjectURL(file) };
  for (const column of columns.value) {
    column.abort?.abort();
    change(column.id, { result: null, abort: null });
  }
}

window.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
  if (file) {
    event.preventDefault();
    take(file);
  }
});

async function caption(column) {
  column.abort?.abort();
  const abort = new AbortController();
  let result = { text: "", prompt: "", done: null, problem: "" };
  change(column.id, { result, abort });
  const show = (part) => {
    result = { ...result, ...part };
    change(column.id, { result });
  };
  try {
    const body = { ...fieldsOf(column.settings), image: image.value.url };
    for await (const event of events("/caption", body, abort.signal)) {
      if (event.prompt !== undefined) show({ prompt: event.prompt });
      if (event.text !== undefined) show({ text: result.text + event.text });
      if (event.done !== undefined) show({ done: event.done });
    }
    if (!result.done) show({ problem: "The caption broke off" });
  } catch (error) {
    if (error.name === "AbortError") return;
    show({ problem: error.message });
  }
  change(column.id, { abort: null });
}

function captionAll() {
  for (const column of columns.value) caption(column);
}

function Picture() {
  const drop = (event) => {
    event.preventDefault();
    isOver.value = false;
    take(event.dataTransfer.files[0]);
  };
  const over = (event) => {
    event.preventDefault();
    isOver.value = true;
  };
  return html`<label
    class="picture ${isOver.value ? "over" : ""}"
    onDrop=${drop}
    onDragOver=${over}
    onDragLeave=${() => (isOver.value = false)}
  >
    ${image.value
      ? html`<img src=${image.value.shown} alt=${image.value.name} /><span class="name">${image.value.name}</span>`
      : html`<span class="empty">Drop an image here, paste one, or choose a file</span>`}
    <input type="file" accept="image/*" aria-label="Image" onChange=${(event) => take(event.target.files[0])} />
  </label>`;
}

function CopyAs({ column }) {
  const copy = async (event) => {
    const menu = event.target;
    const makers = { curl: asCurl, python: asPython, command: asCommand };
    const text = makers[menu.value](column.settings, location.origin);
    menu.value = "";
    try {
      await navigator.clipboard.writeText(text);
      change(column.id, { copied: "" });
    } catch {
      change(column.id, { copied: text }); // no secure context: show it instead
      return;
    }
    change(column.id, { note: "Copied" });
  };
  return html`<div class="copy">
    <label>Copy as
      <select value="" onChange=${copy}>
        <option value="" disabled>choose …</option>
        <option value="curl">curl</option>
        <option value="python">Python (openai)</option>
        <option value="command">dataset command</option>
      </select>
    </label>
    <span role="status">${column.note}</span>
    ${column.copied && html`<pre tabindex="0">${column.copied}</pre>`}
  </div>`;
}

// Settings are kept under a name, as a style of the user's own.
function SaveAs({ column }) {
  const { settings } = column;
  const chosen = settings.prompt.trim() ? "" : settings.kind.slice("style:".length);
  const isOwn = settings.kind.startsWith("style:") && choices.value.own_styles.includes(chosen);
  const attempt = async (work) => {
    change(column.id, { saveProblem: "" });
    try {
      await work();
    } catch (error) {
      change(column.id, { saveProblem: error.message });
    }
  };
  const submit = (event) => {
    event.preventDefault();
    const name = event.target.elements.name.value.trim();
    const isKnown = Object.hasOwn(choices.value.styles, name);
    if (isKnown && !window.confirm(`Put these settings in the place of the style ${name}?`)) return;
    attempt(async () => {
      await ask("/styles", { ...fieldsOf(settings), name, replace: isKnown });
      await load();
      const { seed } = settings;
      change(column.id, {
        settings: { ...newSettings(choices.value.defaults), seed, kind: `style:${name}` },
        note: `Saved as ${name}`,
      });
      event.target.reset();
    });
  };
  const drop = () =>
    attempt(async () => {
      await remove(`/styles/${encodeURIComponent(chosen)}`);
      await load();
      for (const one of columns.value) {
        if (one.settings.kind === settings.kind && !choices.value.styles[chosen]) {
          set(one, "kind", newSettings(choices.value.defaults).kind);
        }
      }
    });
  return html`<form class="copy" onSubmit=${submit}>
    <label>Save as a style
      <input name="name" required maxlength="60" placeholder="name" />
    </label>
    <button>Save</button>
    ${isOwn && html`<button type="button" onClick=${drop}>Delete the style ${chosen}</button>`}
    ${column.saveProblem && html`<p class="problem" role="alert">${column.saveProblem}</p>`}
  </form>`;
}

function Result({ column }) {
  const { result, abort } = column;
  if (result === null) return null;
  const { done, text, prompt } = result;
  return html`<section class="result" aria-label="Caption">
    ${abort !== null &&
    html`<p class="waiting">
      ${text ? "Writing …" : "Waiting for the engine …"}
      <button onClick=${() => abort.abort() ?? change(column.id, { abort: null })}>Cancel</button>
    </p>`}
    <p class="text" aria-live="polite" aria-busy=${abort !== null}>${text}</p>
    ${result.problem && html`<p class="problem" role="alert">${result.problem}</p>`}
    ${done &&
    html`<p class="facts">
        ${done.seconds.toFixed(1)} s · ${done.tokens} tokens${done.finish_reason === "length" && " · cut at its limit"}
      </p>
      ${done.flaws.length > 0 &&
      html`<ul class="flaws" aria-label="Flaws">
        ${done.flaws.map((flaw) => html`<li class=${flaw.weight}>${flaw.kind.replaceAll("_", " ")}</li>`)}
      </ul>`}`}
    ${prompt && html`<details><summary>The exact prompt</summary><p class="prompt">${prompt}</p></details>`}
  </section>`;
}

export function Try() {
  if (choices.value === null) {
    return html`<p class="problem" role="alert">${choicesProblem.value}</p>`;
  }
  const isReady = image.value !== null && engine.value !== null;
  const remove = (id) => (columns.value = columns.value.filter((column) => column.id !== id));
  return html`<h2 class="hidden">Try</h2>
    <div class="try">
      <div class="left">
        <${Picture} />
        <button class="main" disabled=${!isReady} onClick=${captionAll}>
          ${columns.value.length > 1 ? "Caption with all settings" : "Caption"}
        </button>
        <button disabled=${columns.value.length >= MAX_COLUMNS} onClick=${addColumn}>Compare other settings</button>
      </div>
      <div class="columns">
        ${columns.value.map(
          (column, index) => html`<article key=${column.id} aria-label=${`Settings ${index + 1}`}>
            ${columns.value.length > 1 &&
            html`<button class="remove" aria-label=${`Remove settings ${index + 1}`} onClick=${() => remove(column.id)}>
              ×
            </button>`}
            <${SettingsForm}
              settings=${column.settings}
              choices=${choices.value}
              set=${(name, value) => set(column, name, value)}
              maxTokens=${choices.value.defaults.max_tokens}
            />
            <${CopyAs} column=${column} />
            <${SaveAs} column=${column} />
            <${Result} column=${column} />
          </article>`,
        )}
      </div>
    </div>`;
}
