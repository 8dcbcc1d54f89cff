// One dataset run: how far it is, what came of it, and what can be done with it.

import { html } from "/page/html.js";

// The link that opens a folder's texts.
export function reviewOf(path) {
  return `#review=${encodeURIComponent(path)}`;
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

const STATES = {
  running: "Running",
  pausing: "Pausing",
  paused: "Paused",
  stopping: "Stopping",
  done: "Done",
  stopped: "Stopped",
  failed: "Failed",
};
const PLOT = { width: 240, height: 40 };

// Draws the images per second from the run's beginning on.
function Plot({ rates }) {
  const { bucket_s, images_per_s } = rates;
  if (images_per_s.length < 2) return null;
  const most = Math.max(...images_per_s, 0.01);
  const step = PLOT.width / (images_per_s.length - 1);
  const points = images_per_s.map((rate, place) => `${place * step},${PLOT.height - (rate / most) * (PLOT.height - 2)}`);
  const mean = images_per_s.reduce((sum, rate) => sum + rate, 0) / images_per_s.length;
  const span = timeOf(Math.round(images_per_s.length * bucket_s));
  return html`<figure class="plot">
    <svg
      viewBox="0 0 ${PLOT.width} ${PLOT.height}"
      preserveAspectRatio="none"
      role="img"
      aria-label=${`Images per second over ${span}: ${mean.toFixed(1)} in the mean, ${images_per_s.at(-1).toFixed(1)} at last`}
    >
      <polyline points=${points.join(" ")} />
    </svg>
    <figcaption class="facts">up to ${most.toFixed(1)} images/s, over ${span}</figcaption>
  </figure>`;
}

function thumbnailOf(run, image) {
  return `/api/runs/${run.id}/thumbnail?image=${encodeURIComponent(image)}`;
}

// Images that failed for one reason; a picture is shown where there is one.
function Failed({ run, reason, told }) {
  const shown = run.failed[reason] ?? [];
  return html`<details>
    <summary>failed, ${reason.replaceAll("_", " ")}: ${told.count}</summary>
    <dl class="newest">
      ${shown.map(
        ({ image, message, refused }) => html`<div key=${image}>
          <img src=${thumbnailOf(run, image)} alt="" loading="lazy" onError=${(event) => event.target.remove()} />
          <dt>${image}</dt>
          <dd>${message}${refused && html`<br /><q>${refused}</q>`}</dd>
        </div>`,
      )}
    </dl>
    ${told.count > shown.length && html`<p class="facts">and ${told.count - shown.length} more</p>`}
  </details>`;
}

// `act` has what the buttons do: pause, resume and stop.
export function Run({ run, act }) {
  const { counts } = run;
  return html`<article class="run" aria-label=${`Run over ${run.folder}`}>
    <p role="status">
      <strong>${STATES[run.state]}</strong> ${run.folder}
      ${run.is_waiting_for_engine && " · waiting for the engine"}
    </p>
    ${run.total !== null &&
    html`<progress max=${Math.max(run.total, 1)} value=${run.settled} aria-label="How far the run is"></progress>`}
    <p class="facts">
      ${counts.done + run.made_before} captioned, ${run.skipped + counts.edited} skipped,${" "}
      ${counts.failed} failed
      ${run.total !== null && ` of ${run.total}`}${counts.done > 0 && ` · ${counts.images_per_s.toFixed(1)} images/s`}
      ${run.state === "running" && run.remaining_s !== null && ` · ${timeOf(run.remaining_s)} left`}
    </p>
    <${Plot} rates=${run.rates} />
    ${run.error && html`<p class="problem" role="alert">${run.error}</p>`}
    <ul class="judged">
      <${Judged} name="asked again" count=${counts.asked_again} />
      <${Judged} name="repaired" count=${counts.repaired} />
      <${Judged} name="refused" count=${counts.refused} />
      <${Judged} name="kept with flaws" count=${counts.kept} />
    </ul>
    <p class="buttons">
      ${run.state === "running" && html`<button onClick=${() => act.pause(run)}>Pause</button>`}
      ${run.state === "paused" && html`<button onClick=${() => act.resume(run)}>Go on</button>`}
      ${["running", "pausing", "paused"].includes(run.state) && html`<button onClick=${() => act.stop(run)}>Stop</button>`}
      <a href=${reviewOf(run.folder)}>Look at the texts</a>
    </p>
    ${Object.entries(counts.failures).map(
      ([reason, told]) => html`<${Failed} key=${reason} run=${run} reason=${reason} told=${told} />`,
    )}
    ${run.newest.length > 0 &&
    html`<dl class="newest">
      ${run.newest.map(
        (one) => html`<div key=${one.image}>
          <img
            src=${thumbnailOf(run, one.image)}
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
