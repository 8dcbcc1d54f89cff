// The images with their texts, of which only those in sight are in the page.

import { html } from "/page/html.js";
import {
  base,
  changes,
  current,
  itemAt,
  jump,
  need,
  NO_TEXT,
  proposals,
  propose,
  save,
  selected,
  toggle,
  view,
} from "/page/review_state.js";
import { Text } from "/page/review_text.js";
import { useEffect, useLayoutEffect, useRef, useState } from "/page/vendor/preact-hooks.js";
import { signal } from "/page/vendor/signals.js";
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "/page/vendor/virtual-core.js";

const GRID_PX = 260; // the least width of a column of the grid
const HEIGHTS = { list: 180, grid: 380 }; // in pixels, until they are measured

export const layout = signal("list");
export const enlarged = signal(null); // the item whose image is shown at full size

function useVirtualizer(options) {
  const [, draw] = useState(0);
  const made = useRef(null);
  const whole = {
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => draw((count) => count + 1),
    ...options,
  };
  made.current ??= new Virtualizer(whole);
  made.current.setOptions(whole);
  useLayoutEffect(() => made.current._didMount(), []);
  useLayoutEffect(() => made.current._willUpdate());
  return made.current;
}

function pictureOf(item, kind) {
  const query = new URLSearchParams({ image: item.id });
  if (kind === "thumbnail") query.set("version", item.version);
  return `/api${base()}/${kind}?${query}`;
}

function Proposal({ item, proposal, text }) {
  if (proposal === null) return html`<p class="waiting">Being captioned …</p>`;
  if (proposal.error) {
    return html`<p class="problem" role="alert">
      ${proposal.error} <button class="small" onClick=${() => propose(item.id, undefined)}>Close</button>
    </p>`;
  }
  const use = async () => {
    if (await save(item, text.style, proposal.text, text.hash)) propose(item.id, undefined);
  };
  return html`<section class="proposal" aria-label="New caption">
    <p class="words">${proposal.text}</p>
    <p class="facts">
      new${proposal.flaws.map((flaw) => html` <span class="flaw ${flaw.weight}">${flaw.kind.replaceAll("_", " ")}</span>`)}
    </p>
    <p class="buttons">
      <button onClick=${use}>Use the new one</button>
      <button onClick=${() => propose(item.id, undefined)}>Keep the old one</button>
    </p>
  </section>`;
}

function Failure({ item, text }) {
  const { message, refused } = item.failure;
  return html`<div class="failure">
    <p class="problem">${message}</p>
    ${refused &&
    html`<details>
      <summary>The caption that was refused</summary>
      <p class="words">${refused}</p>
      <button class="small" onClick=${() => save(item, text.style, refused, text.hash)}>Use it all the same</button>
    </details>`}
  </div>`;
}

function Item({ item, place, recaption }) {
  const texts = item.texts.length ? item.texts : [NO_TEXT];
  const isSeveral = texts.length > 1 || texts[0].style;
  const proposal = proposals.value.get(item.id);
  const again = html`<button class="small" onClick=${() => recaption([item.id])}>
    ${texts[0].hash === null ? "Caption" : "Caption again"}
  </button>`;
  return html`<div class="item ${place === current.value ? "current" : ""}">
    <div class="head">
      <label class="check">
        <input type="checkbox" checked=${selected.value.has(item.id)} onChange=${() => toggle(item.id)} />
        <span class="name">${item.name}</span>
      </label>
      <button class="thumbnail" aria-label=${`Show ${item.name} at full size`} onClick=${() => (enlarged.value = item)}>
        <img src=${pictureOf(item, "thumbnail")} alt="" onError=${(event) => event.target.classList.add("broken")} />
      </button>
    </div>
    <div class="rest">
      <div class="texts">
        ${texts.map(
          (text, place) => html`<${Text}
            key=${text.style}
            item=${item}
            text=${text}
            name=${isSeveral ? text.path || text.style : ""}
            more=${place === 0 && proposal === undefined && again}
          />`,
      )}
      </div>
      ${item.failure && html`<${Failure} item=${item} text=${texts[0]} />`}
      ${proposal !== undefined && html`<${Proposal} item=${item} proposal=${proposal} text=${texts[0]} />`}
    </div>
  </div>`;
}

export function Enlarged() {
  const dialog = useRef(null);
  const item = enlarged.value;
  useEffect(() => {
    if (item && !dialog.current.open) dialog.current.showModal();
  }, [item]);
  if (!item) return null;
  return html`<dialog class="enlarged" ref=${dialog} aria-label=${item.name} onClose=${() => (enlarged.value = null)}>
    <form method="dialog"><button>Close</button> <span class="name">${item.name}</span></form>
    <img src=${pictureOf(item, "picture")} alt=${item.name} />
  </dialog>`;
}

export function Items({ recaption }) {
  const scroller = useRef(null);
  const [width, setWidth] = useState(0);
  const { total, serial } = view.value;
  const isGrid = layout.value === "grid";
  const lanes = isGrid ? Math.max(1, Math.floor(width / GRID_PX)) : 1;
  changes.value; // drawn anew when it changes
  const virtualizer = useVirtualizer({
    count: total,
    getScrollElement: () => scroller.current,
    estimateSize: () => HEIGHTS[layout.value],
    getItemKey: (place) => itemAt(place)?.id ?? `${serial}-${place}`,
    lanes,
    overscan: 6,
    gap: 8,
  });
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(entry.contentRect.width));
    observer.observe(scroller.current);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    virtualizer.measure();
    if (current.value) jump.value = { place: current.value };
  }, [lanes, layout.value]);
  useLayoutEffect(() => {
    if (!view.value.stay) virtualizer.scrollToOffset(0);
  }, [serial]);
  useEffect(() => {
    if (jump.value === null) return;
    const { place } = jump.value;
    jump.value = null;
    virtualizer.scrollToIndex(place, { align: "auto" });
    const focus = (tries) => {
      if (document.activeElement?.matches("textarea, input")) return;
      const row = scroller.current?.querySelector(`[data-index="${place}"]`);
      if (row) row.focus({ preventScroll: true });
      else if (tries) requestAnimationFrame(() => focus(tries - 1));
    };
    focus(30);
  });
  const shown = virtualizer.getVirtualItems();
  useEffect(() => {
    if (shown.length) need(shown[0].index, shown.at(-1).index);
  });
  return html`<div class="items ${layout.value}" ref=${scroller} tabindex="-1" role="list" aria-label="Images">
    <div class="all" style=${{ height: `${virtualizer.getTotalSize()}px` }}>
      ${shown.map(({ index, key, start, lane }) => {
        const item = itemAt(index);
        return html`<div
          key=${key}
          ref=${item ? virtualizer.measureElement : null}
          data-index=${index}
          role="listitem"
          aria-setsize=${total}
          aria-posinset=${index + 1}
          tabindex=${index === current.value ? 0 : -1}
          class="place"
          onFocusIn=${() => (current.value = index)}
          style=${{
            transform: `translateY(${start}px)`,
            left: `${(100 * lane) / lanes}%`,
            width: `${100 / lanes}%`,
          }}
        >
          ${item
            ? html`<${Item} item=${item} place=${index} recaption=${recaption} />`
            : html`<div class="item waiting" style=${{ height: `${HEIGHTS[layout.value]}px` }}>…</div>`}
        </div>`;
      })}
    </div>
    ${total === 0 && html`<p class="empty">No image is like that.</p>`}
  </div>`;
}
