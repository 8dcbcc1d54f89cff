// One text of an image: prose to be edited, tags as chips, what is known of it, and what it could be instead.

import { html } from "/page/html.js";
import { accept, conflicts, dropConflict, keyOf, save } from "/page/review_state.js";
import { useEffect, useLayoutEffect, useRef, useState } from "/page/vendor/preact-hooks.js";
import { signal } from "/page/vendor/signals.js";

const IDLE_MS = 3000; // without a key, after which a draft is saved

export const editing = signal(null); // the key of the text that is edited

// What a text can be, in words.
export const TEXT_STATES = {
  none: "no text",
  written: "by the model",
  edited: "edited by hand",
  found: "was there",
  unreadable: "can't be read",
};
const CLIP = [
  [225, "over 225 CLIP tokens"],
  [75, "over CLIP's 77"],
];

function tagsOf(text) {
  return text.split(/[,\n;]+/).map((tag) => tag.trim()).filter(Boolean);
}

function Editor({ item, text }) {
  const area = useRef(null);
  const state = useRef({ draft: text.text, saved: text, timer: 0, saving: null });
  const fit = () => {
    area.current.style.height = "auto";
    area.current.style.height = `${area.current.scrollHeight + 2}px`;
  };
  const flush = async () => {
    const { current } = state;
    clearTimeout(current.timer);
    while (current.saving) await current.saving;
    if (current.draft.trim() === current.saved.text.trim()) return;
    current.saving = save(item, text.style, current.draft, current.saved.hash);
    const now = await current.saving;
    current.saving = null;
    if (now) current.saved = now;
    else current.saved = { ...current.saved, text: current.draft }; // shown beside what is there
  };
  useLayoutEffect(() => {
    fit();
    area.current.focus();
  }, []);
  useEffect(() => {
    const leave = () => flush();
    window.addEventListener("pagehide", leave);
    return () => {
      window.removeEventListener("pagehide", leave);
      flush();
    };
  }, []);
  const input = (event) => {
    state.current.draft = event.target.value;
    fit();
    clearTimeout(state.current.timer);
    state.current.timer = setTimeout(flush, IDLE_MS);
  };
  const close = async () => {
    await flush();
    if (editing.value === keyOf(item, text.style)) editing.value = null;
  };
  const key = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) close();
    else if (event.key === "Escape") {
      state.current.draft = state.current.saved.text;
      close();
    } else return;
    event.preventDefault();
    event.target.closest("[data-index]")?.focus();
  };
  return html`<textarea
    ref=${area}
    aria-label=${`Text of ${item.name}`}
    rows="2"
    onInput=${input}
    onKeyDown=${key}
    onBlur=${close}
  >
${text.text}</textarea
  >`;
}

function Chips({ item, text }) {
  const tags = tagsOf(text.text);
  const [dragged, setDragged] = useState(null);
  const list = useRef(null);
  const focused = useRef(null); // the chip that is to have the focus once it is drawn
  useLayoutEffect(() => {
    if (focused.current === null) return;
    list.current.querySelectorAll(".chip")[focused.current]?.focus();
    focused.current = null;
  });
  const isSaving = useRef(false); // until then, another change would be one of a text that is gone
  const write = async (changed) => {
    if (isSaving.current) return;
    isSaving.current = true;
    await save(item, text.style, changed.join(", "), text.hash);
    isSaving.current = false;
  };
  const move = (from, to) => {
    if (to < 0 || to >= tags.length || from === to) return;
    const changed = [...tags];
    changed.splice(to, 0, ...changed.splice(from, 1));
    focused.current = to;
    write(changed);
  };
  const drop = (place) => {
    focused.current = Math.max(0, place - 1);
    write(tags.filter((_, other) => other !== place));
  };
  const key = (event, place) => {
    if (event.key === "Delete" || event.key === "Backspace") drop(place);
    else if (event.altKey && event.key === "ArrowLeft") move(place, place - 1);
    else if (event.altKey && event.key === "ArrowRight") move(place, place + 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const add = (event) => {
    event.preventDefault();
    const input = event.target.elements.tag;
    const added = tagsOf(input.value).filter((tag) => !tags.includes(tag));
    input.value = "";
    if (added.length) write([...tags, ...added]);
  };
  return html`<ul class="chips" ref=${list} aria-label=${`Tags of ${item.name}`}>
    ${tags.map(
      (tag, place) => html`<li
        key=${`${tag}-${place}`}
        draggable="true"
        onDragStart=${(event) => {
          event.dataTransfer.effectAllowed = "move";
          event.dataTransfer.setData("text/plain", tag);
          setDragged(place);
        }}
        onDragEnd=${() => setDragged(null)}
        onDragOver=${(event) => dragged !== null && event.preventDefault()}
        onDrop=${(event) => {
          event.preventDefault();
          if (dragged !== null) move(dragged, place);
        }}
      >
        <span
          class="chip"
          tabindex="0"
          role="button"
          aria-label=${`${tag}: Delete removes it, Alt and arrows move it`}
          onKeyDown=${(event) => key(event, place)}
          >${tag}</span
        ><button class="drop" tabindex="-1" aria-label=${`Remove ${tag}`} onClick=${() => drop(place)}>×</button>
      </li>`,
    )}
    <li>
      <form onSubmit=${add}><input name="tag" size="8" placeholder="add" aria-label=${`Add a tag to ${item.name}`} /></form>
    </li>
  </ul>`;
}

function Conflict({ item, text, mine }) {
  return html`<div class="conflict" role="alert">
    <p><strong>This text was changed elsewhere meanwhile.</strong> It is shown above; yours is</p>
    <p class="words">${mine}</p>
    <p class="buttons">
      <button onClick=${() => save(item, text.style, mine, text.hash)}>Use mine</button>
      <button onClick=${() => dropConflict(item, text.style)}>Leave it</button>
    </p>
  </div>`;
}

function Facts({ item, text, name, children }) {
  const over = CLIP.find(([limit]) => text.clip_tokens > limit);
  return html`<p class="facts">
    ${name && html`<strong>${name}</strong> `}${text.hash !== null && TEXT_STATES[text.state]}
    ${text.clip_tokens !== null && text.clip_tokens !== undefined && ` · ${text.clip_tokens} CLIP tokens`}
    ${over && html` <span class="flaw soft">${over[1]}</span>`}
    ${text.flaws.map(
      ({ kind, weight }) => html` <span class="flaw ${text.accepted ? "accepted" : weight}">${kind.replaceAll("_", " ")}</span>`,
    )}
    ${text.flaws.length > 0 &&
    html` <button class="small" onClick=${() => accept(item, text, !text.accepted)}>
      ${text.accepted ? "Accepted: take back" : "Accept"}
    </button>`}
    ${children}
  </p>`;
}

// `more` are buttons that stand beside this text's own.
export function Text({ item, text, name, more }) {
  const key = keyOf(item, text.style);
  const mine = conflicts.value.get(key);
  const isEdited = editing.value === key;
  const edit = () => (editing.value = key);
  return html`<section class="text" aria-label=${`Text ${text.style}`}>
    ${text.problem
      ? html`<p class="problem">${text.problem}</p>`
      : isEdited
        ? html`<${Editor} item=${item} text=${text} />`
        : text.form === "tags"
          ? html`<${Chips} item=${item} text=${text} />`
          : html`<p class="words" onDblClick=${edit}>${text.text || html`<span class="empty">No text</span>`}</p>`}
    <${Facts} item=${item} text=${text} name=${name}>
      ${!text.problem &&
      !isEdited &&
      html` <button class="small" onClick=${edit}>${text.form === "tags" ? "Edit as text" : "Edit"}</button> `}
      ${more}
    <//>
    ${mine !== undefined && html`<${Conflict} item=${item} text=${text} mine=${mine} />`}
  </section>`;
}
