// What can be done with many texts at once, and what is to be known of them.

import { ask } from "/page/api.js";
import { choices } from "/page/choices.js";
import { html } from "/page/html.js";
import {
  attempt,
  base,
  captionAgain,
  change,
  changes,
  dataset,
  history,
  note,
  previewChange,
  proposals,
  selected,
  setFilter,
  targetName,
  undo,
  useAll,
  view,
  NO_FILTER,
} from "/page/review_state.js";
import { fieldsOf, newSettings } from "/page/settings.js";
import { SettingsForm } from "/page/settings_form.js";
import { effect, signal } from "/page/vendor/signals.js";

const replacing = signal({ find: "", replacement: "", expression: false, ignore_case: false });
const shown = signal(null); // { change, count, changes }
const progress = signal(""); // of a change of many texts
const tags = signal({ tags: "", at_start: false });
const counted = signal(null);
const found = signal(null);
const past = signal(null);
const settings = signal(null);
const trigger = signal("");

effect(() => {
  if (choices.value !== null && settings.value === null) settings.value = newSettings(choices.value.defaults);
});
effect(() => {
  view.value; // what was shown was about another one
  shown.value = counted.value = null;
});

async function carryOut(what) {
  await attempt(async () => {
    progress.value = "Changing texts …";
    try {
      const changed = await change(what, ({ done, of }) => (progress.value = `${done} of ${of} images done …`));
      const parts = [`${changed.changed} ${changed.changed === 1 ? "text" : "texts"} changed`];
      if (changed.kept) parts.push(`${changed.kept} changed elsewhere meanwhile, and left`);
      if (changed.failed) parts.push(`${changed.failed} failed: ${changed.problems[0].join(": ")}`);
      note.value = parts.join("; ");
    } finally {
      progress.value = "";
    }
  });
}

function Preview() {
  if (shown.value === null) return null;
  const { what, count, list } = shown.value;
  const more = () =>
    attempt(async () => {
      const answer = await previewChange(what, list.length);
      shown.value = { ...shown.value, list: [...list, ...answer.changes] };
    });
  return html`<section class="preview" aria-label="Preview of the change">
    <p>${count === 0 ? "No text would change." : `${count} ${count === 1 ? "text" : "texts"} would change:`}</p>
    ${count > 0 && html`<button class="main" onClick=${() => carryOut(what)}>Change ${count === 1 ? "it" : `all ${count}`}</button>`}
    ${list.map(
      ({ path, before, after }) => html`<div class="difference">
        <p class="facts">${path}</p>
        <p><${Difference} before=${before} after=${after} /></p>
      </div>`,
    )}
    ${list.length < count && html`<button class="small" onClick=${more}>Show more of them</button>`}
  </section>`;
}

// Shows where two texts differ: what they have in common before and behind is shown once.
function Difference({ before, after }) {
  let start = 0;
  while (start < before.length && before[start] === after[start]) start++;
  let end = 0;
  const most = Math.min(before.length, after.length) - start;
  while (end < most && before.at(-1 - end) === after.at(-1 - end)) end++;
  const tail = before.slice(before.length - end);
  return html`${before.slice(0, start)}<del>${before.slice(start, before.length - end)}</del
    ><ins>${after.slice(start, after.length - end)}</ins>${tail}`;
}

async function preview(what) {
  await attempt(async () => {
    const answer = await previewChange(what);
    shown.value = { what, count: answer.count, list: answer.changes };
  });
}

function FindAndReplace() {
  const { find, replacement, expression, ignore_case } = replacing.value;
  const set = (part) => {
    replacing.value = { ...replacing.value, ...part };
    shown.value = null;
  };
  const submit = (event) => {
    event.preventDefault();
    preview({ action: "replace", ...replacing.value });
  };
  return html`<details>
    <summary>Find and replace</summary>
    <form class="tool" onSubmit=${submit}>
      <label>Find <input value=${find} onInput=${(event) => set({ find: event.target.value })} required /></label>
      <label>Replace by <input value=${replacement} onInput=${(event) => set({ replacement: event.target.value })} /></label>
      <label class="check">
        <input type="checkbox" checked=${expression} onChange=${(event) => set({ expression: event.target.checked })} />
        Regular expression; \\1 stands for its first group
      </label>
      <label class="check">
        <input type="checkbox" checked=${ignore_case} onChange=${(event) => set({ ignore_case: event.target.checked })} />
        Upper and lower case alike
      </label>
      <button>Preview in ${targetName()}</button>
    </form>
  </details>`;
}

function Tags() {
  const set = (part) => {
    tags.value = { ...tags.value, ...part };
    shown.value = null;
  };
  const list = () => tags.value.tags.split(",").map((tag) => tag.trim()).filter(Boolean);
  const add = (event) => {
    event.preventDefault();
    preview({ action: "add_tags", tags: list(), at_start: tags.value.at_start });
  };
  return html`<details>
    <summary>Add or remove tags</summary>
    <form class="tool" onSubmit=${add}>
      <label>Tags, separated by commas
        <input value=${tags.value.tags} onInput=${(event) => set({ tags: event.target.value })} required />
      </label>
      <label class="check">
        <input type="checkbox" checked=${tags.value.at_start} onChange=${(event) => set({ at_start: event.target.checked })} />
        Before the text instead of behind it
      </label>
      <p class="buttons">
        <button>Preview adding to ${targetName()}</button>
        <button type="button" onClick=${() => preview({ action: "remove_tags", tags: list() })}>Preview removing</button>
      </p>
    </form>
  </details>`;
}

function Again() {
  if (settings.value === null) return null;
  const waiting = [...proposals.value.values()].filter((one) => one === null).length;
  const ready = [...proposals.value.values()].filter((one) => one?.text).length;
  const isChosen = selected.value.size > 0;
  return html`<details>
    <summary>Caption again${waiting > 0 && ` (${waiting} under way)`}</summary>
    <div class="tool">
      <${SettingsForm}
        settings=${settings.value}
        choices=${choices.value}
        set=${(name, value) => (settings.value = { ...settings.value, [name]: value })}
        maxTokens=${choices.value.defaults.max_tokens}
      />
      <label>Trigger word, put first
        <input value=${trigger.value} onInput=${(event) => (trigger.value = event.target.value)} />
      </label>
      <button disabled=${!isChosen} onClick=${() => recaption([...selected.value])}>
        ${isChosen ? `Caption ${targetName()} again` : "Select images to caption them again"}
      </button>
      ${ready > 1 && html`<button onClick=${useAll}>Use all ${ready} new ones</button>`}
      <p class="facts">New captions are shown beside the old ones, and nothing is written until you take them.</p>
    </div>
  </details>`;
}

// Captions images again with the settings that are chosen.
export function recaption(ids) {
  const fields = { ...fieldsOf(settings.value), trigger: trigger.value };
  return captionAgain(ids, fields);
}

function Frequencies() {
  const count = () =>
    attempt(async () => (counted.value = await ask(`${base()}/frequencies?view=${view.value.id}`)));
  const list = (name, pairs, term) =>
    pairs.length > 0 &&
    html`<h3>${name}</h3>
      <ul class="frequencies">
        ${pairs.map(
          ([word, number]) => html`<li>
            <button class="small" onClick=${() => setFilter({ q: term(word) })}>${word} <span>${number}</span></button>
          </li>`,
        )}
      </ul>`;
  const quoted = (word) => `"${word.replaceAll('"', "")}"`;
  return html`<details>
    <summary>Words and tags</summary>
    <div class="tool">
      <button onClick=${count}>Count in all ${view.value.total} filtered images</button>
      ${counted.value &&
      html`<p class="facts">In ${counted.value.texts} texts; each shows its images.</p>
        ${list("Tags", counted.value.tags, (tag) => `tag:${quoted(tag)}`)}
        ${list("Words", counted.value.words, quoted)}`}
    </div>
  </details>`;
}

function Findings() {
  const load = (event) => {
    if (event.target.open) attempt(async () => (found.value = await ask(`${base()}/findings`)));
  };
  const { flaws, over_clip_tokens, states } = dataset.value;
  const show = (part) => setFilter({ ...NO_FILTER, ...part });
  const line = (name, number, part) =>
    number > 0 && html`<li><button class="small" onClick=${() => show(part)}>${name} <span>${number}</span></button></li>`;
  return html`<details onToggle=${load}>
    <summary>Findings</summary>
    <div class="tool">
      <ul class="frequencies">
        ${Object.entries(flaws).map(([kind, number]) => line(kind.replaceAll("_", " "), number, { flaw: kind }))}
        ${Object.entries(over_clip_tokens).map(([name, number]) =>
          line(`over ${name} CLIP tokens`, number, { over: name === "77" ? "75" : name, sort: "longest" }),
        )}
        ${line("no text", states.none, { state: "none" })} ${line("failed", states.failed, { state: "failed" })}
        ${line("refused", states.refused, { state: "refused" })}
      </ul>
      ${found.value &&
      html`${found.value.shared.length > 0 && html`<h3>One text for several images</h3>`}
        <ul class="frequencies wide">
          ${found.value.shared.map(({ hash, text, images }) => line(text, images, { same: hash }))}
        </ul>
        ${found.value.phrases.length > 0 && html`<h3>In most texts</h3>`}
        <ul class="frequencies">
          ${found.value.phrases.map(
            ({ words, share }) => html`<li>
              <button class="small" onClick=${() => show({ q: `"${words}" OR tag:"${words}"` })}>
                ${words} <span>${Math.round(share * 100)} %</span>
              </button>
            </li>`,
          )}
        </ul>`}
    </div>
  </details>`;
}

function History() {
  const load = () => attempt(async () => (past.value = (await history()).changes));
  const back = async (number) => {
    await undo(number);
    await load();
  };
  return html`<details onToggle=${(event) => event.target.open && load()}>
    <summary>Undo</summary>
    <div class="tool">
      <p class="facts">What was changed here, and what runs replaced, the newest first.</p>
      <ol class="past">
        ${(past.value ?? []).map(
          ({ change: number, at, texts }) => html`<li>
            <button class="small" onClick=${() => back(number)}>Undo</button>
            ${new Date(at * 1000).toLocaleString()}: ${texts} ${texts === 1 ? "text" : "texts"}
          </li>`,
        )}
      </ol>
    </div>
  </details>`;
}

export function Tools() {
  changes.value; // drawn anew when it changes
  return html`<aside class="sheet tools" aria-label="Tools">
    <${Findings} />
    <${FindAndReplace} />
    <${Tags} />
    <${Preview} />
    ${progress.value && html`<p role="status">${progress.value}</p>`}
    <${Again} />
    <${Frequencies} />
    <${History} />
  </aside>`;
}
