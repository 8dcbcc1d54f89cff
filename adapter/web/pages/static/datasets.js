// Captions a folder: what is in it, what is asked, and how the run goes. A run goes on when the page is closed.

import { ask, events, remove } from "/page/api.js";
import { choices } from "/page/choices.js";
import { html } from "/page/html.js";
import { fieldsOf, newSettings } from "/page/settings.js";
import { SettingsForm } from "/page/settings_form.js";
import { effect, signal } from "/page/vendor/signals.js";

const folder = signal(null); // what /api/folders says
const typed = signal(""); // the path as somebody types it
const settings = signal(null);
const more = signal({ trigger: "", existing: "skip", extension: ".txt", retry_failed: false });
const shown = signal(null); // what a run would do
const runs = signal([]); // the newest first
const problem = signal("");
const isBusy = signal(false);
const followed = new Set();

effect(() => {
  if (choices.value !== null && settings.value === null) {
    settings.value = newSettings(choices.value.defaults);
    open("");
    find();
  }
});

async function attempt(work) {
  problem.value = "";
  isBusy.value = true;
  try {
    await work();
  } catch (error) {
    problem.value = error.message;
  }
  isBusy.value = false;
}

function open(path) {
  shown.value = null;
  return attempt(async () => {
    folder.value = await ask(`/folders?path=${encodeURIComponent(path)}`);
    typed.value = folder.value.path;
  });
}

function put(run) {
  const others = runs.value.filter((one) => one.id !== run.id);
  runs.value = [run, ...others].sort((a, b) => b.started - a.started);
}

function isOver(run) {
  return ["done", "stopped", "failed"].includes(run.state);
}

async function follow(run) {
  if (followed.has(run.id) || isOver(run)) return;
  followed.add(run.id);
  try {
    for await (const state of events(`/runs/${run.id}/events`)) put(state);
  } catch (error) {
    problem.value = error.message;
  }
  followed.delete(run.id);
  const last = runs.value.find((one) => one.id === run.id);
  if (!last || !isOver(last)) setTimeout(find, 1000); // the service has ended
  else if (folder.value?.path === run.folder) open(run.folder);
}

// Finds the runs that there are, also after the page or the service was started again.
async function find() {
  try {
    runs.value = (await ask("/runs")).runs;
    problem.value = "";
  } catch {
    setTimeout(find, 1000);
    return;
  }
  for (const run of runs.value) follow(run);
}

function body() {
  return { ...fieldsOf(settings.value), ...more.value, folder: folder.value.path };
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

function stop(run) {
  return attempt(async () => put(await remove(`/runs/${run.id}`)));
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
        ${view.is_all ? "" : "more than "}${view.images} images, ${view.captioned} of them with a text
      </p>
      <ul class="folders" aria-label="Folders">
        ${view.parent !== null &&
        html`<li><button onClick=${() => open(view.parent)} aria-label="The folder above">↑</button></li>`}
        ${view.folders.map(
          (name) => html`<li key=${name}>
            <button onClick=${() => open(`${view.path.replace(/[/]$/, "")}/${name}`)}>${name}</button>
          </li>`,
        )}
      </ul>`}
  </section>`;
}

function Texts() {
  const set = (name, value) => (more.value = { ...more.value, [name]: value });
  const { trigger, existing, extension, retry_failed } = more.value;
  return html`<fieldset>
    <legend class="hidden">Texts</legend>
    <label>Trigger word, put first
      <input value=${trigger} onInput=${(event) => set("trigger", event.target.value)} />
    </label>
    <div class="row">
      <label>Texts that are there
        <select value=${existing} onChange=${(event) => set("existing", event.target.value)}>
          <option value="skip">leave</option>
          <option value="overwrite">replace</option>
          <option value="append">add behind</option>
          <option value="prepend">add before</option>
        </select>
      </label>
      <label>Files end in
        <input value=${extension} onInput=${(event) => set("extension", event.target.value)} />
      </label>
    </div>
    <label class="check">
      <input
        type="checkbox"
        checked=${retry_failed}
        onChange=${(event) => set("retry_failed", event.target.checked)}
      />
      Only images that failed before
    </label>
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

function timeOf(seconds) {
  if (seconds < 90) return `${seconds} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function Judged({ name, count }) {
  if (!count.texts) return null;
  const kinds = Object.entries(count.kinds).map(([kind, number]) => `${kind.replaceAll("_", " ")} ${number}`);
  return html`<li>${count.texts} ${name} (${kinds.join(", ")})</li>`;
}

const STATES = { running: "Running", stopping: "Stopping", done: "Done", stopped: "Stopped", failed: "Failed" };

function Run({ run }) {
  const { counts } = run;
  return html`<article class="run" aria-label=${`Run over ${run.folder}`}>
    <p role="status">
      <strong>${STATES[run.state]}</strong> ${run.folder}
      ${run.is_waiting_for_engine && " · waiting for the engine"}
    </p>
    ${run.total !== null &&
    html`<progress max=${Math.max(run.total, 1)} value=${run.settled} aria-label="How far the run is"></progress>`}
    <p class="facts">
      ${counts.done} captioned, ${counts.skipped + counts.edited} skipped, ${counts.failed} failed
      ${run.total !== null && ` of ${run.total}`}${counts.done > 0 && ` · ${counts.images_per_s.toFixed(1)} images/s`}
      ${run.state === "running" && run.remaining_s !== null && ` · ${timeOf(run.remaining_s)} left`}
    </p>
    ${run.error && html`<p class="problem" role="alert">${run.error}</p>`}
    <ul class="judged">
      <${Judged} name="asked again" count=${counts.asked_again} />
      <${Judged} name="repaired" count=${counts.repaired} />
      <${Judged} name="refused" count=${counts.refused} />
      <${Judged} name="kept with flaws" count=${counts.kept} />
    </ul>
    ${run.state === "running" && html`<button onClick=${() => stop(run)}>Stop</button>`}
    ${Object.entries(counts.failures).map(
      ([reason, told]) => html`<details>
        <summary>failed, ${reason.replaceAll("_", " ")}: ${told.count}</summary>
        ${told.examples.map((example) => html`<p class="facts">${example}</p>`)}
      </details>`,
    )}
    ${run.newest.length > 0 &&
    html`<dl class="newest">
      ${run.newest.map(
        (one) => html`<div key=${one.image}>
          <img
            src=${`/api/runs/${run.id}/thumbnail?image=${encodeURIComponent(one.image)}`}
            alt=""
            loading="lazy"
            onError=${(event) => event.target.remove()}
          />
          <dt>${one.image}</dt>
          <dd>${one.text}</dd>
        </div>`,
      )}
    </dl>`}
  </article>`;
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
        ${runs.value.map((run) => html`<${Run} key=${run.id} run=${run} />`)}
      </div>
    </div>`;
}
