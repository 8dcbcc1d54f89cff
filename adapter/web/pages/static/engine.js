// The line on top: how the engine is, and what can be done with it.

import { ask, events, Problem } from "/page/api.js";
import { html } from "/page/html.js";
import { signal } from "/page/vendor/signals.js";

const RETRY_MS = 1000;
const NAMES = {
  starting: "Starting",
  ready: "Ready",
  restarting: "Starting again",
  asleep: "Asleep",
  failed: "Failed",
};

export const engine = signal(null); // null: not known yet
export const problem = signal("");
export const isLockedOut = signal(false);

// Follows the engine for as long as the page is open, also when the service is started again.
export async function follow() {
  for (;;) {
    try {
      for await (const state of events("/engine/events")) {
        engine.value = state;
        problem.value = "";
        isLockedOut.value = false;
      }
      problem.value = "The service has ended";
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      isLockedOut.value = error.status === 401;
      problem.value = error.message;
    }
    engine.value = null;
    if (isLockedOut.value) return;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function act(action, question) {
  if (question && !window.confirm(question)) return;
  try {
    await ask("/engine", { action });
  } catch (error) {
    window.alert(error.message);
  }
}

function Busy({ state }) {
  if (state.state !== "ready" || state.in_flight === 0) return null;
  const parts = [`${state.in_flight} in flight`];
  if (state.waiting) parts.push(`${state.waiting} waiting`);
  if (state.images_per_s) parts.push(`${state.images_per_s} images/s`);
  if (state.tokens_per_s) parts.push(`${Math.round(state.tokens_per_s)} tokens/s`);
  return html`<span class="busy">${parts.join(" · ")}</span>`;
}

export function EngineLine() {
  const state = engine.value;
  if (state === null) {
    return html`<p class="engine" role="status">
      <span class="lamp away"></span> ${problem.value || "Looking for the service …"}
    </p>`;
  }
  const isOnItsWay = state.state === "starting" || state.state === "restarting";
  return html`<div class="engine">
    <p role="status">
      <span class="lamp ${state.state}"></span>
      <strong>${state.state === "ready" && state.in_flight ? "Busy" : NAMES[state.state]}</strong>
      ${state.state !== "ready" && html`<span class="message">${state.message}</span>`}
      <${Busy} state=${state} />
    </p>
    ${isOnItsWay &&
    html`<progress max="1" value=${state.progress} aria-label="How far the engine is"></progress>`}
    <div class="actions">
      ${state.state === "asleep" && html`<button onClick=${() => act("start")}>Start the engine</button>`}
      ${state.may_release &&
      state.state === "ready" &&
      html`<button onClick=${() => act("release")}>Give the GPU back</button>`}
      <button
        onClick=${() => act("stop", "End the service? This page stops working until somebody starts it again.")}
      >
        Stop the service
      </button>
    </div>
  </div>`;
}
