// Captions a folder: what is in it, what is asked, and how the run goes. A run goes on when the page is closed.

import { ask, events, Problem, remove } from "/page/api.js";
import { choices } from "/page/choices.js";
import { html } from "/page/html.js";
import { reviewOf, Run } from "/page/run.js";
import { fieldsOf, newSettings } from "/page/settings.js";
import { SettingsForm } from "/page/settings_form.js";
import { effect, signal } from "/page/vendor/signals.js";

const LOOK_MS = 5000;
const AGAIN_MS = 1000;

const folder = signal(null); // what /api/folders says
const typed = signal(""); // the path as somebody types it
const settings = signal(null);
const more = signal({
  styles: [],
  prompts: "",
  prefix: "",
  suffix: "",
  trigger: "",
  existing: "skip",
  overwrite_edited: false,
  extension: ".txt",
  full_name: false,
  recursive: true,
  retry_failed: false,
  limit: "",
  shard: "",
});
const shown = signal(null); // what a run would do
const runs = signal([]); // the newest first
const problem = signal("");
const isBusy = signal(false);
const followed = new Set();
let finding = 0;

effect(() => {
  if (choices.value !== null && settings.value === null) {
    settings.value = newSettings(choices.value.defaults);
    open("");
    find();
  }
});

// A style may be deleted meanwhile.
effect(() => {
  if (choices.value === null || settings.value === null) return;
  const [kind, name] = settings.value.kind.split(/:(.*)/);
  if (kind === "style" && !Object.hasOwn(choices.value.styles, name)) {
    settings.value = { ...settings.value, kind: newSettings(choices.value.defaults).kind };
  }
  const styles = more.value.styles.filter((style) => Object.hasOwn(choices.value.styles, style));
  if (styles.length < more.value.styles.length) more.value = { ...more.value, styles };
});

async function attempt(work) {
  problem.value = "";
  isBusy.value = true;
  try {
    await work();
  } catch (error) {
    if (error.name !== "AbortError") problem.value = error.message;
  }
  isBusy.value = false;
}

let opening = null;

// Shows the folder at once, and how many images are in it as they are counted.
function open(path) {
  shown.value = null;
  opening?.abort();
  const before = typed.value;
  const { signal } = (opening = new AbortController());
  return attempt(async () => {
    const views = events(`/folders/events?path=${encodeURIComponent(path)}`, undefined, signal);
    const { value } = await views.next();
    const known = folder.value?.path === value.path ? folder.value : {};
    // While it is counted again, what was known is shown.
    folder.value = { ...value, images: known.images ?? null, captioned: known.captioned, is_all: known.is_all, counts: known.counts ?? {} };
    if (typed.value === before) typed.value = value.path; // else somebody types already
    showCounts(views);
  });
}

async function showCounts(views) {
  try {
    for await (const view of views) {
      const { images, counts } = view;
      folder.value = images === null ? { ...folder.value, counts: { ...folder.value.counts, ...counts } } : view;
    }
    folder.value = { ...folder.value, is_counted: true };
  } catch (error) {
    if (error.name !== "AbortError" && !(error instanceof Problem)) throw error;
  }
}

function put(run) {
  const others = runs.value.filter((one) => one.id !== run.id);
  runs.value = [run, ...others].sort((a, b) => b.started - a.started);
}

function isOver(run) {
  return ["done", "stopped", "failed", "paused"].includes(run.state);
}

async function follow(run) {
  if (followed.has(run.id) || isOver(run)) return;
  followed.add(run.id);
  try {
    for await (const state of events(`/runs/${run.id}/events`)) put(state);
  } catch (error) {
    if (!(error instanceof Problem)) throw error; // the engine's line tells that the service has gone
  }
  followed.delete(run.id);
  const last = runs.value.find((one) => one.id === run.id);
  if (!last || !isOver(last)) finding = setTimeout(find, AGAIN_MS); // the service has ended
  else if (folder.value?.path === run.folder) open(run.folder);
}

// Finds the runs that there are, also those of other pages, and after the service was started again.
async function find() {
  clearTimeout(finding);
  try {
    runs.value = (await ask("/runs")).runs;
  } catch {
    finding = setTimeout(find, AGAIN_MS);
    return;
  }
  finding = setTimeout(find, LOOK_MS);
  for (const run of runs.value) follow(run);
}

function body() {
  const { limit, prompts, ...others } = more.value;
  const fields = fieldsOf(settings.value);
  const lines = prompts.split("\n").map((line) => line.trim()).filter(Boolean);
  if ((others.styles.length || lines.length) && !fields.prompt) {
    for (const name of ["style", "caption_type", "caption_length"]) delete fields[name]; // these take its place
  }
  return {
    ...fields,
    ...others,
    prompts: lines,
    limit: limit === "" ? null : Number(limit),
    folder: folder.value.path,
  };
}

function preview() {
  return attempt(async () => (shown.value = await ask("/runs/preview", body())));
}

function start() {
  shown.value = null;
  return attempt(async () => {
    const run = await ask("/runs", body());
    put(run);
    follow(run);
  });
}

function pause(run) {
  return attempt(async () => put(await ask(`/runs/${run.id}`, { action: "pause" })));
}

function resume(run) {
  return attempt(async () => {
    const resumed = await ask(`/runs/${run.id}`, { action: "resume" });
    put(resumed);
    follow(resumed);
  });
}

function stop(run) {
  return attempt(async () => put(await remove(`/runs/${run.id}`)));
}

// How many images a folder has, and how many of them a text.
function Counted({ count, isCounted }) {
  if (!count) return html`<span class="count">${isCounted ? "not counted" : "…"}</span>`;
  if (count.images === 0 && count.is_all) return null;
  return html`<span class="count">${count.captioned} of ${count.images}${!count.is_all && "+"}</span>`;
}

function Folder() {
  const submit = (event) => {
    event.preventDefault();
    open(typed.value);
  };
  const view = folder.value;
  return html`<section class="sheet" aria-label="Folder">
    <form class="path" onSubmit=${submit}>
      <label>Folder
        <input value=${typed.value} onInput=${(event) => (typed.value = event.target.value)} spellcheck="false" />
      </label>
      <button>Open</button>
    </form>
    ${view &&
    html`<p class="facts">
        ${view.images === null && (view.is_counted ? "Images not counted: the folder takes too long" : "Counting images …")}
        ${view.images !== null && `${view.is_all ? "" : "more than "}${view.images} images, ${view.captioned} of them with a text`}
        ${view.is_in_use && " · a run works on them"}
        ${(view.images > 0 || view.images === null) && html` · <a href=${reviewOf(view.path)}>Look at the texts</a>`}
      </p>
      <ul class="folders" aria-label="Folders">
        ${view.parent !== null &&
        html`<li><button onClick=${() => open(view.parent)} aria-label="The folder above">↑</button></li>`}
        ${view.folders.map(
          (name) => html`<li key=${name}>
            <button onClick=${() => open(`${view.path.replace(/[/]$/, "")}/${name}`)}>
              ${name} <${Counted} count=${view.counts[name]} isCounted=${view.is_counted} />
            </button>
          </li>`,
        )}
      </ul>
      ${view.recent.length > 0 &&
      html`<details>
        <summary>Recent folders</summary>
        <ul class="folders" aria-label="Recent folders">
          ${view.recent.map((path) => html`<li key=${path}><button onClick=${() => open(path)}>${path}</button></li>`)}
        </ul>
      </details>`}`}
  </section>`;
}

function Texts() {
  const set = (name, value) => (more.value = { ...more.value, [name]: value });
  const { styles, prompts, prefix, suffix, trigger, existing, overwrite_edited, extension } = more.value;
  const { full_name, recursive, retry_failed, limit, shard } = more.value;
  const text = (name, title, value) => html`<label>${title}
    <input value=${value} onInput=${(event) => set(name, event.target.value)} />
  </label>`;
  const check = (name, title, value) => html`<label class="check">
    <input type="checkbox" checked=${value} onChange=${(event) => set(name, event.target.checked)} />
    ${title}
  </label>`;
  const toggle = (style, isOn) => set("styles", isOn ? [...styles, style] : styles.filter((one) => one !== style));
  return html`<fieldset>
    <legend class="hidden">Texts</legend>
    ${text("trigger", "Trigger word, put first", trigger)}
    <div class="row">
      <label>Texts that are there
        <select value=${existing} onChange=${(event) => set("existing", event.target.value)}>
          <option value="skip">leave</option>
          <option value="overwrite">replace</option>
          <option value="append">add behind</option>
          <option value="prepend">add before</option>
        </select>
      </label>
      ${text("extension", "Files end in", extension)}
    </div>
    ${check("retry_failed", "Only images that failed before", retry_failed)}
    <details>
      <summary>Several texts for each image${styles.length > 0 && ` (${styles.length})`}</summary>
      <p class="facts">One of each style, in files such as cat.booru.txt, in place of the one above.</p>
      ${Object.keys(choices.value.styles).map(
        (style) => html`<label class="check">
          <input
            type="checkbox"
            checked=${styles.includes(style)}
            onChange=${(event) => toggle(style, event.target.checked)}
          />
          ${style}
        </label>`,
      )}
    </details>
    <details>
      <summary>One of several prompts${prompts.trim() && " (in use)"}</summary>
      <label>One prompt per line, of which each image gets one, in place of the style above
        <textarea rows="4" value=${prompts} onInput=${(event) => set("prompts", event.target.value)} />
      </label>
    </details>
    <details>
      <summary>More</summary>
      <div class="grid">${text("prefix", "Before each caption", prefix)} ${text("suffix", "Behind each caption", suffix)}</div>
      <label>At most so many images
        <input type="number" min="1" step="1" value=${limit} placeholder="all" onInput=${(event) => set("limit", event.target.value)} />
      </label>
      <label>A share of the images, where several machines divide them
        <input value=${shard} placeholder="2/8: the second of eight" onInput=${(event) => set("shard", event.target.value.trim())} />
      </label>
      ${check("recursive", "Folders below it too", recursive)}
      ${check("full_name", "Texts are called cat.png.txt", full_name)}
      ${check("overwrite_edited", "Replace even texts that were edited by hand", overwrite_edited)}
    </details>
  </fieldset>`;
}

function Preview() {
  const view = shown.value;
  if (view === null) return null;
  return html`<section class="preview" aria-label="Preview">
    <p>
      ${view.to_caption} to caption, ${view.skipped} have a text, ${view.edited} were edited by hand, ${view.failed}
      ${" can't be captioned"}
    </p>
    ${view.examples.map((one) => html`<p class="facts">${one.image} → ${one.text}<br />${one.prompt}</p>`)}
  </section>`;
}

export function Datasets() {
  if (settings.value === null) return null;
  const isReady = folder.value !== null && !isBusy.value;
  return html`<h2 class="hidden">Datasets</h2>
    <div class="try">
      <div class="left wide">
        <${Folder} />
        <article>
          <${SettingsForm}
            settings=${settings.value}
            choices=${choices.value}
            set=${(name, value) => (settings.value = { ...settings.value, [name]: value })}
            maxTokens=${choices.value.defaults.dataset_max_tokens}
          />
          <${Texts} />
        </article>
        <button disabled=${!isReady} onClick=${preview}>Preview</button>
        <button class="main" disabled=${!isReady} onClick=${start}>Caption this folder</button>
        <p class="problem" role="alert">${problem.value}</p>
        <${Preview} />
      </div>
      <div class="runs">
        ${runs.value.length === 0 && html`<p class="empty">Nothing runs, and nothing ran since the service started.</p>`}
        ${runs.value.map((run) => html`<${Run} key=${run.id} run=${run} act=${{ pause, resume, stop }} />`)}
      </div>
    </div>`;
}
